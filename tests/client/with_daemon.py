#!/usr/bin/env python3
"""Runs a program against a daemon of its own, whose address is in TASKQ_ADDR, and whose path and process in
TASKQD_PATH and TASKQD_PID. The program must succeed and no sanitizer complain. With --tls the daemon speaks TLS,
and TASKQ_CA names its certificate.

usage: with_daemon.py [--tls] PATH-OF-TASKQD PROGRAM [ARGUMENTS…]
"""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "protocol"))
import certificates  # noqa: E402
import lib  # noqa: E402


def run(taskqd, command, *arguments, listen="127.0.0.1:0", **more):
    with lib.Daemon(*arguments, program=taskqd, listen=(listen,)) as daemon:
        env = dict(os.environ, TASKQ_ADDR=daemon.address, TASKQD_PATH=taskqd, TASKQD_PID=str(daemon.pid), **more)
        return subprocess.run(command, env=env, check=False).returncode


def run_with_tls(taskqd, command):
    if not shutil.which("openssl"):
        print("skipped: there is no openssl command")
        return 77
    with lib.temporary_folder() as folder:
        pair = certificates.Authority(folder).issue("daemon")
        conf = certificates.write(os.path.join(folder, "conf"), 'tls_certificate = "%s"\ntls_key = "%s"\n'
                                  % (pair.certificate, pair.key))
        return run(taskqd, command, "-c", conf, listen="tls:127.0.0.1:0", TASKQ_CA=pair.certificate)


def main():
    words = sys.argv[1:]
    tls = words[:1] == ["--tls"]
    if len(words) < 2 + tls:
        raise SystemExit(__doc__)
    code = (run_with_tls if tls else run)(os.path.abspath(words[tls]), words[tls + 1:])
    sys.exit(code if code >= 0 else 1)


main()
