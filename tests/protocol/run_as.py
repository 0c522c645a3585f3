"""run_as: root binds, and then nothing of it is left. What needs root is skipped for others."""

import glob
import os
import pwd
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import unittest

import certificates
import lib
from access import grant
from tls_lib import context

USER = "nobody"
ROOT = os.geteuid() == 0


def numbers(pid):
    """The users that each thread of a process is, and can become again."""
    found = set()
    for path in glob.glob("/proc/%d/task/*/status" % pid):
        with open(path, encoding="ascii") as file:
            found |= set(re.search(r"^Uid:\t(.*)$", file.read(), re.M).group(1).split())
    return found


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="taskq-run-as-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data")

    def configure(self, text):
        path = os.path.join(self.folder, "taskqd.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write('run_as = "%s"\n%s' % (USER, text))
        os.chmod(path, 0o644)
        return path

    def refused(self, text, *arguments, **more):
        done = subprocess.run([lib.binary(), "-c", self.configure(text), "-l", "127.0.0.1:0", "-H", "none", *arguments],
                              capture_output=True, text=True, timeout=lib.PATIENCE, **more)
        self.assertEqual(done.returncode, 1)
        return done.stderr


@unittest.skipUnless(ROOT, "needs root")
class AsRoot(Case):
    def setUp(self):
        super().setUp()
        self.user = pwd.getpwnam(USER)

    def start(self, text="", **more):
        daemon = lib.Daemon("-c", self.configure(text), **dict({"data": self.data}, **more))
        self.addCleanup(daemon.kill)
        return daemon

    def connect(self, daemon, address=None):
        connection = daemon.connect(address)
        self.addCleanup(connection.close)
        return connection

    def low_port(self):
        for port in random.sample(range(600, 1000), 50):
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue
        self.skipTest("no port below 1024 is free")

    def test_nothing_of_root_is_left_and_what_needed_it_is_there(self):
        path = os.path.join(self.folder, "s")
        listen = ("127.0.0.1:%d" % self.low_port(), "unix:" + path)
        daemon = self.start('threads = 2\nhandler "h" {\n  kind = exec\n  queues = {"h"}\n  command = {"/bin/sh", "-c", '
                            '"id -u; id -G; echo $HOME; grep -c ^CapEff:.0*$ /proc/self/status"}\n}\n', listen=listen)
        self.connect(daemon, daemon.addresses[1]).call("ping")
        connection = self.connect(daemon)
        spawner, = children(daemon.pid)
        for pid in (daemon.pid, spawner):
            self.assertEqual(numbers(pid), {str(self.user.pw_uid)})
        groups = os.getgrouplist(USER, self.user.pw_gid)
        with open("/proc/%d/status" % daemon.pid, encoding="ascii") as file:
            status = file.read()
        self.assertEqual(re.search(r"^Groups:\t(.*)$", status, re.M).group(1).split(), [str(g) for g in sorted(groups)])
        self.assertRegex(status, r"Gid:(\t%d){4}" % self.user.pw_gid)
        self.assertRegex(status, r"CapEff:\t0+\n")
        self.assertEqual(os.stat(path).st_uid, self.user.pw_uid)
        said = connection.call("call", queue="h", body=1)["result"].split("\n")
        self.assertEqual(said[0], str(self.user.pw_uid))
        self.assertEqual(set(said[1].split()), {str(g) for g in groups})
        self.assertEqual(said[2], self.user.pw_dir)
        daemon.stop()

    def test_root_reads_the_key_and_who_could_not_again_is_warned(self):
        ca = certificates.Authority(self.folder)
        pair = ca.issue("localhost")
        os.chmod(ca.folder, 0o755)
        os.chmod(pair.certificate, 0o644)
        text = 'tls_certificate = "%s"\ntls_key = "%s"\n' % (pair.certificate, pair.key)
        daemon = self.start(text, listen=("tls:127.0.0.1:0",))
        daemon._wait_for("(event=tls_unreadable .*file=%s error=.Permission denied)" % pair.key)
        with daemon.connect(tls=context(ca=ca)) as connection:
            connection.call("ping")
        os.kill(daemon.pid, signal.SIGHUP)
        daemon._wait_for("(event=tls_refused .*why=.tls_key: %s cannot be read)" % pair.key)
        with daemon.connect(tls=context(ca=ca)) as connection:
            connection.call("ping")
        os.chown(pair.key, self.user.pw_uid, -1)
        os.kill(daemon.pid, signal.SIGHUP)
        daemon._wait_for("(event=tls_reloaded)")
        daemon.stop()
        again = self.start(text, listen=("tls:127.0.0.1:0",))
        again.stop()
        self.assertNotIn("tls_unreadable", again.text())

    def test_the_data_folder_is_made_for_the_user_and_kept(self):
        daemon = self.start()
        self.connect(daemon).call("put", queue="q", body="kept")
        daemon.stop()
        for path in [self.data] + glob.glob(os.path.join(self.data, "*")):
            found = os.stat(path)
            self.assertEqual((found.st_uid, found.st_gid), (self.user.pw_uid, self.user.pw_gid), path)
            self.assertEqual(stat.S_IMODE(found.st_mode) & 0o077, 0, path)
        daemon = self.start()
        self.assertEqual(self.connect(daemon).call("get", queue="q", auto_ack=True)["body"], "kept")
        daemon.stop()

    def test_what_other_threads_make_while_root_binds_is_the_user_s(self):
        listen = ["unix:%s" % os.path.join(self.folder, str(n)) for n in range(100)]
        for _ in range(5):
            daemon = self.start(listen=listen)
            daemon.stop()
            self.assertEqual({os.stat(path).st_uid for path in glob.glob(os.path.join(self.data, "*"))}, {self.user.pw_uid})
            shutil.rmtree(self.data)

    def test_what_is_another_s_is_not_given_away(self):
        os.mkdir(self.data)
        said = self.refused("", "-d", self.data)
        self.assertIn("the data folder %s is not run_as's: chown -R %s it" % (self.data, USER), said)
        self.assertEqual(os.stat(self.data).st_uid, 0)

    def test_the_log_s_file_is_the_user_s_and_a_reload_is_its(self):
        logs = os.path.join(self.folder, "logs")
        os.mkdir(logs)
        os.chown(logs, self.user.pw_uid, self.user.pw_gid)
        log = os.path.join(logs, "log")
        address = "unix:" + os.path.join(self.folder, "s")
        daemon = subprocess.Popen([lib.binary(), "-c", self.configure('log_file = "%s"\n' % log), "-l", address, "-H", "none", "-m"])
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        self.until(lambda: self.said(log, "listening"))
        self.assertEqual(os.stat(log).st_uid, self.user.pw_uid)
        os.rename(log, log + ".1")
        daemon.send_signal(signal.SIGHUP)
        self.until(lambda: self.said(log, "configuration was read again"))
        self.assertEqual(os.stat(log).st_uid, self.user.pw_uid)
        # What only root can read a reload cannot.
        os.chmod(os.path.join(self.folder, "taskqd.conf"), 0o600)
        daemon.send_signal(signal.SIGHUP)
        self.until(lambda: self.said(log, "Permission denied"))
        client = lib.Connection(address)
        client.call("ping")
        client.close()
        daemon.terminate()
        self.assertEqual(daemon.wait(lib.PATIENCE), 0)

    def said(self, path, what):
        try:
            with open(path, encoding="utf-8") as file:
                return what in file.read()
        except FileNotFoundError:
            return False

    def until(self, condition):
        deadline, pause = time.monotonic() + lib.PATIENCE, threading.Event()
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            pause.wait(0.02)

    def test_its_own_user_needs_no_change(self):
        path = os.path.join(self.folder, "taskqd.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write('run_as = "root"\n')
        with lib.Daemon("-c", path) as daemon:
            self.connect(daemon).call("ping")
            self.assertEqual(numbers(daemon.pid), {"0"})

    def test_identities_go_with_it(self):
        daemon = self.start('user "root" {\n%s}\n' % grant("*", ["put"]), listen=("unix:" + os.path.join(self.folder, "s"),))
        self.connect(daemon).call("put", queue="q", body=1)
        daemon.stop()

    def test_who_is_not_root_cannot(self):
        said = self.refused("", "-m", user="daemon") if "daemon" in [p.pw_name for p in pwd.getpwall()] else "needs a daemon that root starts"
        self.assertIn("needs a daemon that root starts", said)


class AsAnybody(Case):
    def test_a_user_that_is_none(self):
        path = os.path.join(self.folder, "taskqd.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write('run_as = "no such user"\n')
        for argument in ("-m", "-t"):
            done = subprocess.run([lib.binary(), argument, "-c", path], capture_output=True, text=True, timeout=lib.PATIENCE)
            self.assertEqual(done.returncode, 1)
            self.assertIn('run_as = "no such user": this machine has no user of that name', done.stderr)

    def test_a_handler_of_another_user_needs_root_to_stay(self):
        handler = 'handler "h" {\n  kind = exec\n  command = {"/bin/true"}\n  user = "root"\n}\n'
        for arguments in (("-m",), ("-t",)):
            self.assertIn('needs a daemon that stays root, and run_as = "%s" is for one that does not' % USER if ROOT else 'user = "root"',
                          self.refused(handler, *arguments))


if __name__ == "__main__":
    lib.main()
