#!/usr/bin/env python3
"""Runs a program against a daemon of its own, whose address is in TASKQ_ADDR, and whose path and process in
TASKQD_PATH and TASKQD_PID. The program must succeed and no sanitizer complain.

usage: with_daemon.py PATH-OF-TASKQD PROGRAM [ARGUMENTS…]
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "protocol"))
import lib  # noqa: E402


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    taskqd = os.path.abspath(sys.argv[1])
    with lib.Daemon(program=taskqd) as daemon:
        env = dict(os.environ, TASKQ_ADDR=daemon.address, TASKQD_PATH=taskqd, TASKQD_PID=str(daemon.pid))
        ran = subprocess.run(sys.argv[2:], env=env, check=False)
    sys.exit(ran.returncode if ran.returncode >= 0 else 1)


main()
