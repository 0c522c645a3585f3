"""What the CLI's tests share: a daemon, and the program run as a user runs it: by pipes, or on a terminal.

Python's standard library alone. Usage of a test: TEST.py PATH-OF-TASKQD PATH-OF-TASKQ [TEST…]
"""

import json
import os
import pty
import select
import signal  # noqa: F401 (the tests')
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "protocol"))
import lib as protocol  # noqa: E402

PATIENCE = protocol.PATIENCE
DONE, NO, USAGE, NO_DAEMON, BROKEN = range(5)

_program = None


class Ran:
    """What a run came to."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return "exit %d\n--- out\n%s\n--- err\n%s" % (self.code, self.out, self.err)


def environment(address, **more):
    """The caller's environment without what changes the program's ways."""
    env = {name: value for name, value in os.environ.items() if name not in ("TASKQ_ADDR", "NO_COLOR")}
    env.update(TERM="xterm", TASKQ_ADDR=address, LC_ALL="C.UTF-8", **more)
    return env


class Terminal:
    """A program on a terminal of its own: all of what it reads and writes is the terminal."""

    def __init__(self, arguments, env, stdin=None, stdout=None, setup=None):
        self.master, slave = pty.openpty()
        if setup:
            setup(slave)
        self.before = termios.tcgetattr(slave)
        self.text = ""
        self.process = subprocess.Popen([_program, *arguments], env=env, start_new_session=True,
                                        stdin=slave if stdin is None else stdin,
                                        stdout=slave if stdout is None else stdout, stderr=slave)
        os.close(slave)

    def until(self, text):
        """Reads until this was written."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.text:
            if not self._read(deadline):
                raise AssertionError("%r was not written, but %r" % (text, self.text))

    def _read(self, deadline):
        ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other side is closed
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        """Reads all that comes, and returns the run."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        code = self.process.wait(PATIENCE)
        os.close(self.master)
        return Ran(code, self.text.replace("\r\n", "\n"), "")


class CliTest(unittest.TestCase):
    """A test over a daemon that all tests of the class share."""

    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.daemon = protocol.Daemon(*cls.arguments)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def setUp(self):
        self.queue = self.id().rsplit(".", 1)[-1]
        self.env = environment(self.daemon.address)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def start(self, *arguments, **more):
        """Starts the program; the caller waits."""
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        more.setdefault("env", self.env)
        process = subprocess.Popen([_program, *map(str, arguments)], **more)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def finish(self, process, input=None):
        out, err = process.communicate(input, PATIENCE)
        ran = Ran(process.returncode, (out or b"").decode(), (err or b"").decode())
        self.assertIsNone(protocol.SANITIZERS.search(ran.err), ran)
        return ran

    def run_any(self, *arguments, input=None, **more):
        """Runs it, whatever comes of it."""
        if input is not None:
            more["stdin"] = subprocess.PIPE
            input = input if isinstance(input, bytes) else input.encode()
        return self.finish(self.start(*arguments, **more), input)

    def taskq(self, *arguments, code=DONE, **more):
        """Runs it; it must end with this exit code."""
        ran = self.run_any(*arguments, **more)
        self.assertEqual(ran.code, code, ran)
        return ran

    def terminal(self, *arguments, **more):
        env = dict(self.env, **more.pop("env", {}))
        return Terminal([str(a) for a in arguments], env, **more)

    def path(self, name, text=None):
        path = os.path.join(self.folder.name, name)
        if text is not None:
            with open(path, "wb") as file:
                file.write(text.encode() if isinstance(text, str) else text)
        return path

    def rpc(self):
        connection = self.daemon.connect()
        self.addCleanup(connection.close)
        return connection

    def put(self, body="1", *options):
        return int(self.taskq("put", self.queue, body, *options).out)

    def hold(self, *options):
        """Gets a job of this test's queue: (id, delivery)."""
        job = self.taskq("get", self.queue, "--timeout", "0", "--json", *options).json()
        return job["id"], job["delivery"]

    def assertGone(self, pid):
        """The process ends soon."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                with open("/proc/%d/stat" % pid) as stat:
                    if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                        return
            except (FileNotFoundError, ProcessLookupError):
                return
            select.select([], [], [], 0.01)
        self.fail("process %d is still there" % pid)


def main():
    """Runs the tests of the calling file. Ends with one plain line."""
    global _program
    if len(sys.argv) < 3:
        raise SystemExit("usage: %s PATH-OF-TASKQD PATH-OF-TASKQ [TEST…]" % sys.argv[0])
    _program = os.path.abspath(sys.argv.pop(2))
    sys.argv[1] = os.path.abspath(sys.argv[1])
    protocol.main()
