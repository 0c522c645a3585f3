#!/usr/bin/env python3
"""What the README says of several hosts, done line by line on hosts that are network namespaces.

The test starts itself once more inside namespaces of its own, so that all of it is gone with that process: there the
daemon's host is the namespace itself, the others are two more, each with a cable to it.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import unittest

import cli
from cli import protocol

HERE = os.path.dirname(os.path.abspath(__file__))
README = os.path.join(HERE, "..", "..", "README.md")
SETTINGS = os.path.join(HERE, "..", "..", "conf", "service.conf")
INSIDE = "--inside"
JOBS, WEB, MAIL = "jobs.example.org", "web.example.org", "mail.example.org"
CABLES = {WEB: "10.97.1", MAIL: "10.97.2"}  # the daemon's end is .1

# What there is on the machines of the README, and not here.
MACHINE = """
set -eu
systemctl() { test "$*" = "restart taskqd"; }
chgrp() { test "$1" = taskq; }
scp() { for to; do :; done; while test $# -gt 1; do cp -p "$1" "$HOSTS/${to%:}/"; shift; done; }
"""


def lines_of_the_readme():
    """The lines for each host."""
    with open(README, encoding="utf-8") as file:
        block = next(b for b in re.findall(r"```sh\n(.*?)```", file.read(), re.S) if "--new-certificate" in b)
    parts = re.split(r"(?m)^# on (\S+?),?(?: .*)?$", block)
    return dict(zip(parts[1::2], parts[2::2]))


def namespaces():
    """The command before a command that runs it in namespaces of its own; SkipTest where there are none to be had."""
    for tool in ("unshare", "nsenter", "ip", "mount"):
        if not shutil.which(tool):
            raise unittest.SkipTest("there is no %s command" % tool)
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *(("--user", "--map-root-user") if os.getuid() else ())]
    tried = subprocess.run([*command, "sh", "-c", "mount -t tmpfs tmpfs /run && mkdir /run/netns && ip netns add a && "
                                                  "ip link add cable type veth peer name eth0 netns a"], capture_output=True, text=True)
    if tried.returncode:
        raise unittest.SkipTest("no network namespaces can be made here: " + tried.stderr.strip())
    return command


class Hosts(unittest.TestCase):
    def test_the_ten_lines(self):
        commands = [line for part in lines_of_the_readme().values() for line in part.splitlines() if line]
        self.assertLessEqual(len(commands), 10)

    def test_two_hosts_and_the_daemons(self):
        command = namespaces()
        with protocol.temporary_folder() as folder:
            done = subprocess.run([*command, sys.executable, os.path.abspath(__file__), protocol.binary(), cli._program, INSIDE,
                                   folder], capture_output=True, text=True, timeout=6 * protocol.PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIsNone(protocol.SANITIZERS.search(done.stderr), done.stderr)


class NewCertificate(unittest.TestCase):
    def setUp(self):
        folder = protocol.temporary_folder()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, "tls")

    def make(self, *hosts, code=0):
        done = subprocess.run([protocol.binary(), "--new-certificate", self.folder, *hosts], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def mode(self, name):
        return os.stat(self.path(name)).st_mode & 0o777

    def serve(self, settings):
        """A daemon with these settings; it is told to stop at the end."""
        path = os.path.join(os.path.dirname(self.folder), "conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(settings)
        daemon = protocol.Daemon("-c", path, listen=("tls:127.0.0.1:0",))
        self.addCleanup(daemon.stop)
        return daemon.address.rpartition(":")[2]

    def ping(self, url, *options):
        env = {name: value for name, value in os.environ.items() if not name.startswith("TASKQ_")}
        return subprocess.run([cli._program, "-a", url, "--ca", self.path("ca.pem"), *options, "ping"], env=env,
                              capture_output=True, text=True)

    def test_what_it_makes_is_trusted_by_its_ca_for_its_hosts(self):
        done = self.make("127.0.0.1", "q.example", "*.q.example", "fd00::1")
        self.assertEqual({name: self.mode(name) for name in os.listdir(self.folder)},
                         {"ca.pem": 0o644, "ca.key": 0o600, "taskqd.pem": 0o644, "taskqd.key": 0o600})
        self.assertNotIn("PRIVATE", done.stdout + done.stderr)
        port = self.serve(done.stdout)
        self.assertEqual(self.ping("taskqs://127.0.0.1:" + port).returncode, 0)
        for name in ("q.example", "a.q.example", "fd00::1"):
            self.assertEqual(self.ping("taskqs://127.0.0.1:" + port, "--tls-name", name).returncode, 0)
        for name in ("example", "a.b.q.example", "fd00::2"):
            refused = self.ping("taskqs://127.0.0.1:" + port, "--tls-name", name)
            self.assertEqual(refused.returncode, cli.BROKEN)
            self.assertIn("and not for " + name, refused.stderr)

    def test_the_next_one_is_of_the_same_ca_and_for_the_same_readers(self):
        self.make("localhost")
        before = {name: self.read(name) for name in os.listdir(self.folder)}
        os.chmod(self.path("taskqd.key"), 0o640)
        done = self.make("127.0.0.1")
        for name, text in before.items():
            (self.assertEqual if name.startswith("ca") else self.assertNotEqual)(self.read(name), text, name)
        self.assertEqual(self.mode("taskqd.key"), 0o640)
        self.assertEqual(self.ping("taskqs://127.0.0.1:" + self.serve(done.stdout)).returncode, 0)

    def test_what_cannot_be_is_refused_and_changes_nothing(self):
        for hosts in ((), ("",), ("a,b",), ("a", "DNS:b"), (".a",), ("a..b",), ("*",), ("a*.b",), ("x" * 254,)):
            self.assertEqual(self.make(*hosts, code=2).stdout, "")
        self.assertFalse(os.path.exists(self.folder))
        self.make("localhost")
        os.rename(self.path("taskqd.key"), self.path("ca.key"))
        before = self.read("taskqd.pem")
        self.assertIn("not the key of ca.pem", self.make("localhost", code=1).stderr)
        os.unlink(self.path("ca.key"))
        self.assertIn("ca.key", self.make("localhost", code=1).stderr)
        self.assertEqual(self.read("taskqd.pem"), before)


# ---- inside

def run(*command, **more):
    return subprocess.run(command, check=True, **more)


def build_network(folder):
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    os.makedirs("/run/netns")
    os.makedirs("/run/taskq")
    run("ip", "link", "set", "lo", "up")
    for host, net in CABLES.items():
        name = host.partition(".")[0]
        run("ip", "netns", "add", name)
        run("ip", "link", "add", "to-" + name, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "address", "add", net + ".1/24", "dev", "to-" + name)
        run("ip", "link", "set", "to-" + name, "up")
        run("ip", "-n", name, "address", "add", net + ".2/24", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        os.mkdir(os.path.join(folder, host))
        hosts = os.path.join(folder, "hosts-of-" + host)
        with open(hosts, "w", encoding="utf-8") as file:
            file.write("%s.1 %s\n" % (net, JOBS))
    os.mkdir(os.path.join(folder, JOBS))


class Host:
    """Where a README's line runs: in its folder, with its network and its names."""

    def __init__(self, folder, name):
        self.folder = os.path.join(folder, name)
        self._name, self._all = name, folder
        tools = os.path.join(folder, "bin")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("TASKQ_")}
        self.env.update(PATH=tools + ":" + self.env["PATH"], HOSTS=folder)

    def command(self, line):
        shell = ["sh", "-c", MACHINE + line]
        if self._name == JOBS:
            return shell
        names = os.path.join(self._all, "hosts-of-" + self._name)
        return ["nsenter", "--net=/run/netns/" + self._name.partition(".")[0], "unshare", "--mount", "sh", "-c",
                'mount --bind "$0" /etc/hosts && exec "$@"', names, *shell]

    def start(self, line):
        return subprocess.Popen(self.command(line), cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, line, code=0):
        process = self.start(line)
        out, err = process.communicate(timeout=protocol.PATIENCE)
        assert process.returncode == code, "%s: %s ended with %d: %s%s" % (self._name, line, process.returncode, out, err)
        return out + err

    def refused(self, line, words, code=cli.BROKEN):
        said = self.run(line, code)
        assert words in said, "%r is not in %r" % (words, said)


def inside(folder):
    lines = lines_of_the_readme()
    build_network(folder)
    os.mkdir(os.path.join(folder, "bin"))
    for program in (protocol.binary(), cli._program):
        os.symlink(program, os.path.join(folder, "bin", os.path.basename(program)))
    jobs, web, mail = (Host(folder, name) for name in (JOBS, WEB, MAIL))
    shutil.copy(SETTINGS, os.path.join(jobs.folder, "taskqd.conf"))
    jobs.run(lines[JOBS].replace("/etc/taskq", jobs.folder))
    assert os.stat(os.path.join(web.folder, "web.token")).st_mode & 0o777 == 0o600
    assert not os.path.exists(os.path.join(web.folder, "ca.key"))
    # With the ports that are meant; HTTP stays at the daemon's loopback.
    daemon = subprocess.Popen([protocol.binary(), "-m", "-c", os.path.join(jobs.folder, "taskqd.conf")],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for line in daemon.stderr:
            if "address=unix:" in line:
                break
        talk(jobs, web, mail, lines)
    finally:
        daemon.send_signal(signal.SIGTERM)
        log = daemon.communicate(timeout=protocol.PATIENCE)[1]
    assert daemon.returncode == 0 and not protocol.SANITIZERS.search(log), log
    for host, token in ((web, "web.token"), (mail, "mailer.token")):
        with open(os.path.join(host.folder, token), encoding="utf-8") as file:
            assert file.readline().strip() not in log, "a token is in the log"


def talk(jobs, web, mail, lines):
    path = os.path.join(mail.folder, "send-mail")
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\ncat > sent.new && mv sent.new sent\n")
    os.chmod(path, 0o755)
    web.run(lines[WEB])
    worker = mail.start("exec " + lines[MAIL].strip())
    sent = os.path.join(mail.folder, "sent")
    deadline = time.monotonic() + protocol.PATIENCE
    while not os.path.exists(sent) and worker.poll() is None and time.monotonic() < deadline:
        select.select([], [], [], 0.01)
    worker.terminate()  # which finishes its job first
    said = worker.communicate(timeout=protocol.PATIENCE)
    assert os.path.exists(sent) and worker.returncode == 0, said
    with open(sent, encoding="utf-8") as file:
        assert file.read() == '{"to":"ada@example.org"}'

    # Each may do its own alone, with its own token.
    ask = "taskq -a taskqs://jobs.example.org --ca ca.pem "
    mail.refused(ask + "--token-file mailer.token get mail.welcome --timeout 0", "no job", code=cli.NO)
    web.refused(ask + "--token-file web.token get mail.welcome", 'token "web" lacks the role take on the queue "mail.welcome"')
    web.refused(ask + "--token-file web.token put other 1", 'lacks the role put on the queue "other"')
    mail.refused(ask + "--token-file mailer.token put mail.welcome 1", 'token "mailer" lacks the role put')
    web.refused(ask + "put mail.welcome 1", "say who you are first")
    web.refused("TASKQ_TOKEN=taskq_%s " % ("0" * 64) + ask + "put mail.welcome 1", "the token that was given is nobody's")

    # Whom the CA does not vouch for is not told the token.
    shutil.copytree(os.path.join(jobs.folder, "tls"), os.path.join(web.folder, "other"))
    web.run("rm other/ca.* && taskqd --new-certificate other jobs.example.org")
    put = "--token-file web.token put mail.welcome 1"
    web.refused("taskq -a taskqs://jobs.example.org --ca other/ca.pem " + put, "and not by a CA of other/ca.pem")
    web.refused("taskq -a taskqs://jobs.example.org " + put, "which this system does not trust")
    web.refused("taskq -a taskqs://10.97.1.1 --ca ca.pem " + put, "is for jobs.example.org and not for 10.97.1.1")
    web.refused("taskq -a jobs.example.org " + put, "if it speaks TLS, the address begins with taskqs://")
    web.refused("chmod 644 web.token && " + ask + put, "can be read or changed by others", code=cli.USAGE)
    # And there is no other port.
    web.refused("taskq -a jobs.example.org:7481 ping", "Connection refused", code=cli.NO_DAEMON)


if __name__ == "__main__":
    if INSIDE in sys.argv:
        protocol._binary, cli._program = (os.path.abspath(path) for path in sys.argv[1:3])
        inside(sys.argv[4])
    else:
        cli.main()
