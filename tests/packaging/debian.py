"""Builds the Debian packages, installs them, has the service do some work, and removes them.

All of it happens on a copy of the system that is gone afterwards (an overlay in a mount namespace) and without its network,
so this needs root and Linux; elsewhere it is skipped.

    debian.py PATH-OF-THE-TREE
"""

import fcntl
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

PATIENCE = 60
SOCKET = "/run/taskq/socket"
PROGRAM = """
import taskq
with taskq.Executor(1) as executor:
    print(executor.submit(len, "abc").result(60), taskq.__file__)
"""
PACKAGES = ["taskqd", "taskq", "libtaskq0", "libtaskq-dev", "python3-taskq"]


def run(*command, **more):
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, **more)
    if ran.returncode != 0:
        raise AssertionError("%s: exit status %d\n%s" % (shlex.join(command), ran.returncode, ran.stdout))
    return ran.stdout


def read(path):
    with open(path) as file:
        return file.read()


def loopback_up():
    with socket.socket() as s:
        request = struct.pack("16sH14x", b"lo", 1)  # IFF_UP
        fcntl.ioctl(s, 0x8914, request)  # SIOCSIFFLAGS


class Installed(unittest.TestCase):
    """Runs within the copy, with the packages installed."""

    def setUp(self):
        self.unit = read("/lib/systemd/system/taskqd.service")
        self.user = pwd.getpwnam("taskq")

    def setting(self, name):
        return re.search("(?m)^%s=(.*)$" % name, self.unit).group(1)

    def test_1_units_and_pages_are_well_formed(self):
        for unit in ("taskqd.service", "taskqd.socket"):
            said = run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/" + unit)
            self.assertNotIn("taskq", said)
        for page in ("man1/taskq.1", "man3/taskq.3", "man5/taskqd.conf.5", "man7/taskqd-metrics.7", "man8/taskqd.8"):
            path = "/usr/share/man/%s.gz" % page
            self.assertGreater(os.path.getsize(path), 500)

    def test_2_the_service_works(self):
        for folder in ("/var/lib/taskq", "/run/taskq"):  # as StateDirectory and RuntimeDirectory make them
            os.makedirs(folder, exist_ok=True)
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)
        become = ["setpriv", "--reuid=taskq", "--regid=taskq", "--clear-groups", "--no-new-privs"]
        command = self.setting("ExecStart").replace("%S", "/var/lib").split()
        run(*become, *command, "-t")
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ready.settimeout(PATIENCE)
        ready.bind("/run/taskq/notify")
        os.chmod("/run/taskq/notify", 0o666)
        env = {**os.environ, "NOTIFY_SOCKET": "/run/taskq/notify", "TASKQ_ADDR": "unix:" + SOCKET}
        for turn in range(2):  # the second start finds what the first kept
            daemon = subprocess.Popen([*become, *command], env=env)
            self.addCleanup(daemon.kill)  # where a check below fails
            self.assertEqual(ready.recv(100), b"READY=1")
            if turn == 0:
                run("taskq", "put", "emails", '{"to":"ann"}', env=env)
            else:
                self.assertIn('{"to":"ann"}', run("taskq", "get", "--auto-ack", "emails", env=env).splitlines())
                run("taskq", "-a", "127.0.0.1:7480", "ping", env=env)
                said = run("/usr/bin/python3", "-c", PROGRAM, env={**env, "PYTHONPATH": ""}, cwd="/")
                self.assertEqual(said.split(), ["3", "/usr/lib/python3/dist-packages/taskq/__init__.py"])
                with urllib.request.urlopen("http://127.0.0.1:7481/readyz", timeout=PATIENCE) as answer:
                    self.assertEqual(answer.read(), b"ready\n")
            daemon.send_signal(signal.SIGTERM)
            self.assertEqual(ready.recv(100), b"STOPPING=1")
            self.assertEqual(daemon.wait(PATIENCE), 0)
        ready.close()
        os.unlink("/run/taskq/notify")

    def test_3_programs_build_with_the_library(self):
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "program.c")
            with open(source, "w") as file:
                file.write('#include <taskq.h>\n#include <stdio.h>\nint main(void) { puts(taskq_version()); }\n')
            flags = run("pkg-config", "--cflags", "--libs", "taskq").split()
            run("cc", "-o", os.path.join(folder, "program"), source, *flags)
            version = run("dpkg-query", "-Wf${Version}", "taskqd")
            self.assertEqual(run(os.path.join(folder, "program")).strip(), version)
            self.assertEqual(run("pkg-config", "--modversion", "taskq").strip(), version)

    def test_4_completion_is_found(self):
        self.assertIn("complete -F _taskq taskq", read("/usr/share/bash-completion/completions/taskq"))
        run("bash", "-n", "/usr/share/bash-completion/completions/taskq")

    def test_5_what_was_changed_by_hand_outlives_an_upgrade_and_a_purge_takes_all_but_the_jobs(self):
        with open("/etc/taskq/taskqd.conf", "a") as file:
            file.write("# by hand\n")
        run("dpkg", "--force-confold", "-i", *sys.argv[2:])
        self.assertTrue(read("/etc/taskq/taskqd.conf").endswith("# by hand\n"))
        run("dpkg", "--purge", *PACKAGES)
        for path in ("/usr/sbin/taskqd", "/usr/bin/taskq", "/etc/taskq", "/lib/systemd/system/taskqd.service"):
            self.assertFalse(os.path.exists(path), path)
        self.assertTrue(os.listdir("/var/lib/taskq"))


def inside():
    """In the namespaces: makes the copy, goes into it, installs, and runs the tests above."""
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "none", "/mnt")
    for name in ("upper", "work", "root"):
        os.mkdir("/mnt/" + name)
    debs = sys.argv[2:]
    run("mount", "-t", "overlay", "overlay", "-o", "lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work", "/mnt/root")
    for name in ("dev", "proc", "sys"):
        run("mount", "--rbind", "/" + name, "/mnt/root/" + name)
    run("mount", "-t", "tmpfs", "none", "/mnt/root/run")
    os.chroot("/mnt/root")
    os.chdir("/")
    loopback_up()
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    run("dpkg", "-i", *debs)
    sys.exit(not unittest.main(argv=[sys.argv[0], "Installed"], exit=False).result.wasSuccessful())


def main():
    tree = sys.argv[1]
    for lacks in [name for name in ("dpkg-buildpackage", "dh", "unshare", "git") if not shutil.which(name)]:
        print("there is no %s here" % lacks)
        sys.exit(77)
    if subprocess.run(["git", "-C", tree, "rev-parse", "HEAD"], capture_output=True).returncode != 0:
        print("packages are built from what is committed, and this is no checkout")
        sys.exit(77)
    if os.geteuid() != 0 or subprocess.run(["unshare", "-mn", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("this needs root and namespaces")
        sys.exit(77)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run(os.path.join(tree, "conf", "package"), folder)
        debs = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".deb") and "dbgsym" not in name]
        print("packages built in %.0f s" % (time.monotonic() - began))
        names = sorted(os.path.basename(deb).split("_")[0] for deb in debs)
        assert names == sorted(PACKAGES), names
        ran = subprocess.run(["unshare", "-mn", "--kill-child", "-f", sys.executable, os.path.abspath(__file__), "--inside", *debs])
    sys.exit(ran.returncode)


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        inside()
    else:
        main()
