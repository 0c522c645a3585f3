"""What the package's tests share: the package from the tree, and a daemon of their own for each test file."""

import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.join(HERE, "..", "..", "client", "python")
sys.path.insert(0, os.path.join(HERE, "..", "protocol"))
sys.path.insert(0, PACKAGE)
sys.path.insert(0, HERE)

import lib  # noqa: E402
import taskq  # noqa: E402
import taskq.worker  # noqa: E402

SYSTEM = "/usr/bin/python3"
PATIENCE = lib.PATIENCE
# For the programs that tests start.
ENVIRONMENT = dict(os.environ, PYTHONPATH=os.pathsep.join([os.path.abspath(PACKAGE), HERE]),
                   PYTHONDONTWRITEBYTECODE="1")


def wait_for(condition, what="it"):
    """Waits for what must come; its value comes back."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("%s does not come" % what)
        pause.wait(0.005)


def content(path):
    """Of a file that is there, else nothing."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def alive(pid):
    """Whether there is such a process, and it is not only waiting to be noticed."""
    return content("/proc/%d/stat" % pid).rpartition(")")[2].strip()[:1] not in ("", "Z")


def in_thread(function, *args):
    """Runs it; the thread has `outcome()`: its result, or its exception raised here."""
    box = []

    def run():
        try:
            box.append((function(*args), None))
        except BaseException as error:
            box.append((None, error))

    thread = threading.Thread(target=run, daemon=True)

    def outcome():
        thread.join(PATIENCE)
        if not box:
            raise AssertionError("%r does not come back" % (function,))
        result, error = box[0]
        if error is not None:
            raise error
        return result

    thread.outcome = outcome
    thread.start()
    return thread


def run_python(*arguments, **more):
    return subprocess.run([sys.executable, *arguments], env=ENVIRONMENT, timeout=PATIENCE * 3, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def use_interpreter_with(module):
    """Goes on under the system's interpreter if this one's own test suite is not installed and that one's is; skips the
    test if neither is."""
    try:
        __import__(module)
    except ImportError:
        if sys.executable != SYSTEM and not subprocess.run(
                [SYSTEM, "-c", "import " + module], stderr=subprocess.DEVNULL).returncode:
            sys.stdout.flush()
            os.execv(SYSTEM, [SYSTEM, *sys.argv])
        raise unittest.SkipTest("%s is not installed" % module)


def server_context(pair):
    """Python's own TLS for a server with this certificate: for what a daemon would not do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


class TlsServer:
    """Shakes hands with who connects, and says nothing. In a with: its address."""

    def __init__(self, context):
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while True:
            sock, _ = self._listener.accept()
            sock.settimeout(PATIENCE)
            try:
                if not sock.recv(1, socket.MSG_PEEK):
                    return
                self._context.wrap_socket(sock, server_side=True).close()
            except OSError:
                pass
            finally:
                sock.close()

    def __enter__(self):
        self._thread.start()
        return "127.0.0.1:%d" % self._listener.getsockname()[1]

    def __exit__(self, *unused):
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join(PATIENCE)
        self._listener.close()


class Case(unittest.TestCase):
    """A daemon for the class, a client for each test."""

    daemon = None

    @classmethod
    def setUpClass(cls):
        cls.daemon = lib.Daemon()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def setUp(self):
        self.client = self.new_client()

    def new_client(self, **more):
        client = taskq.Client(self.daemon.address, **more)
        self.addCleanup(client.close)
        return client


class Restarting(unittest.TestCase):
    """A daemon that keeps its jobs on disk and comes back under the same address."""

    def setUp(self):
        self.folder = lib.temporary_folder()
        self.addCleanup(self.folder.cleanup)
        self.address = "unix:" + os.path.join(self.folder.name, "socket")
        self.data = os.path.join(self.folder.name, "data")
        self.daemon = None
        self.start()
        self.client = taskq.Client(self.address, retry_for=PATIENCE)
        self.addCleanup(self.client.close)
        self.addCleanup(lambda: self.daemon.kill())

    def start(self):
        if os.path.exists(self.address[5:]):
            os.unlink(self.address[5:])
        self.daemon = lib.Daemon(listen=(self.address,), data=self.data)

    def restart(self, kill=False):
        self.daemon.kill() if kill else self.daemon.stop()
        self.start()


def main():
    lib.main()
