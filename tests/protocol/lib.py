"""What the protocol's tests share: a daemon of their own, connections to it, and the document read as tables.

Python's standard library alone, 3.9 or newer. Nothing here sleeps: what is not there yet is waited for, and a wait that
takes longer than PATIENCE seconds is a failure.
"""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PATIENCE = float(os.environ.get("TASKQ_TEST_PATIENCE", "20"))
DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "common", "protocol.md")
SANITIZERS = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion .* failed")

_binary = None


def binary():
    """The daemon under test: the first argument of the test, or $TASKQD."""
    path = _binary or os.environ.get("TASKQD")
    if not path:
        raise SystemExit("usage: %s PATH-OF-TASKQD [TEST…]" % sys.argv[0])
    return path


def sanitized(path):
    with open(path, "rb") as file:
        image = file.read()
    return b"__asan_init" in image or b"__tsan_init" in image


class Daemon:
    """A daemon that keeps its jobs in memory or in the folder `data`, on a free port of the loopback or where `listen`
    says, HTTP where `http` says. `wrap` is a command that runs the daemon, which is its last arguments, in its own place;
    `more` goes to Popen."""

    def __init__(self, *arguments, listen=("127.0.0.1:0",), http=("none",), program=None, data=None, wrap=(), **more):
        self.log = []
        self._news = threading.Condition()
        command = [program or binary(), *(("-m",) if data is None else ("-d", data))]
        self.sanitized = sanitized(command[0])
        for address in listen:
            command += ["-l", address]
        for address in http:
            command += ["-H", address]
        self._process = subprocess.Popen([*wrap, *command, *arguments], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        try:
            self.addresses = [self._wait_for(r"event=listening .*address=(\S+)$", nth) for nth in range(len(listen))]
            self.http = [self._wait_for(r"event=listening .*address=(\S+) for=HTTP", nth) for nth in range(len(http)) if http[nth] != "none"]
        except BaseException:
            self.kill()
            raise
        self.address = self.addresses[0]

    def _read_log(self):
        for line in self._process.stderr:
            with self._news:
                self.log.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self.log.append(None)
            self._news.notify_all()

    def _wait_for(self, pattern, nth=0):
        """The first group of the nth line of the log (from 0) that matches."""
        deadline = time.monotonic() + PATIENCE
        with self._news:
            while True:
                found = [m for m in (re.search(pattern, line) for line in self.log if line is not None) if m]
                if len(found) > nth:
                    return found[nth].group(1)
                if None in self.log or not self._news.wait(max(0, deadline - time.monotonic())):
                    raise AssertionError("no line of the log says %r:\n%s" % (pattern, self.text()))

    def text(self):
        return "\n".join(line for line in self.log if line is not None)

    def connect(self, address=None, tls=None):
        return Connection(address or self.address, tls)

    @property
    def pid(self):
        return self._process.pid

    def resident(self):
        """Bytes of memory the daemon holds now; 0 where a sanitizer keeps what was freed, which says nothing."""
        if self.sanitized:
            return 0
        with open("/proc/%d/statm" % self.pid) as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def running(self):
        return self._process.poll() is None

    def terminate(self):
        self._process.send_signal(signal.SIGTERM)

    def wait(self):
        """Waits for the end that was asked for: exit code 0, and no complaint of a sanitizer."""
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the daemon does not end on SIGTERM:\n%s" % self.text())
        self._reader.join(PATIENCE)
        self._process.stderr.close()
        complaint = SANITIZERS.search(self.text())
        if code != 0 or complaint:
            raise AssertionError("the daemon ended with %d:\n%s" % (code, self.text()))

    def stop(self):
        if self._process.poll() is None:
            self.terminate()
        self.wait()

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(PATIENCE)
        if not self._process.stderr.closed:
            self._process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        else:
            self.kill()


class RpcError(Exception):
    def __init__(self, error):
        super().__init__("%s: %s" % (error.get("data", {}).get("name"), error.get("message")))
        self.code = error["code"]
        self.message = error["message"]
        self.data = error["data"]
        self.name = error["data"]["name"]


class Raw(str):
    """JSON text to be sent as it stands where a value goes."""


def text(value):
    """JSON text of a value that may hold Raw parts."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(key) + ":" + text(member) for key, member in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(text(element) for element in value) + "]"
    return json.dumps(value)


def request_text(id, method, params=None):
    """A request's line without its line feed; id None: a notification."""
    members = ['"jsonrpc":"2.0"']
    if id is not None:
        members.append('"id":' + text(id))
    members.append('"method":' + text(method))
    if params is not None:
        members.append('"params":' + text(params))
    return "{" + ",".join(members) + "}"


class Connection:
    """One connection. Lines go out and come in as bytes; `call` and its like speak JSON-RPC over them. An address that
    begins with tls: takes `tls`, an ssl.SSLContext, which is used for any other as well where it is given."""

    def __init__(self, address, tls=None):
        if address.startswith("tls:"):
            address = address[len("tls:"):]
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            target = address[len("unix:"):]
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            host, port = address.rsplit(":", 1)
            target = (host, int(port))
        self.socket.settimeout(PATIENCE)
        self.socket.connect(target)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=target[0])
        self._input = bytearray()
        self._last_id = 0

    # ---- bytes

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def send_line(self, line):
        self.send((line.encode() if isinstance(line, str) else line) + b"\n")

    def line(self):
        """The next line without its line feed; None where the daemon closed the connection."""
        deadline = time.monotonic() + PATIENCE
        start = 0
        while True:
            end = self._input.find(b"\n", start)
            if end >= 0:
                line = bytes(self._input[:end])
                del self._input[:end + 1]
                return line
            start = len(self._input)
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(1 << 16)
            except socket.timeout:
                raise AssertionError("no reply within %g s; of the next line there is %r"
                                     % (PATIENCE, bytes(self._input[:200])))
            except ConnectionResetError:
                data = b""
            if not data:
                if self._input:
                    raise AssertionError("the connection ended inside a line: %r" % bytes(self._input[:200]))
                return None
            self._input += data

    def rest(self):
        """All that is still to come until the daemon closes, lines or not."""
        said = bytes(self._input)
        self._input.clear()
        self.socket.settimeout(PATIENCE)
        try:
            while (data := self.socket.recv(1 << 16)):
                said += data
        except ConnectionResetError:
            pass
        return said

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with RST: what is under way to us is thrown away and the daemon hears of it at once."""
        if self.socket.family == socket.AF_INET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # ---- JSON-RPC

    def reply(self):
        """The next line, parsed."""
        line = self.line()
        if line is None:
            raise AssertionError("the daemon closed the connection")
        return json.loads(line)

    def ask(self, method, params=None, id=None):
        """Sends a request without waiting; returns its id."""
        if id is None:
            self._last_id += 1
            id = self._last_id
        self.send_line(request_text(id, method, params))
        return id

    def notify(self, method, params=None):
        self.send_line(request_text(None, method, params))

    def answer(self, id):
        """The result of the request with that id, which must be the next to be answered; RpcError if it failed."""
        return outcome(self.reply(), id)

    def call(self, method, **params):
        return self.answer(self.ask(method, params))

    def error(self, method, **params):
        """Calls, and returns the error that must come."""
        try:
            result = self.call(method, **params)
        except RpcError as error:
            return error
        raise AssertionError("%s %s succeeded with %r" % (method, text(params), result))

    def expect_nothing(self):
        """Nothing comes that was not asked for: what is asked next is answered next."""
        self._last_id += 1
        id = "nothing-%d" % self._last_id
        self.send_line(request_text(id, "ping"))
        reply = self.reply()
        if reply.get("id") != id:
            raise AssertionError("a reply came that should not: %r" % reply)

    def expect_end(self):
        """The daemon has closed, and sent nothing more."""
        line = self.line()
        if line is not None:
            raise AssertionError("a line came where the end was expected: %r" % line)

    def until(self, condition, method, **params):
        """Asks again and again until the result fulfils the condition; RpcErrors are given to it as well."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                result = self.call(method, **params)
            except RpcError as error:
                result = error
            if condition(result):
                return result
            if time.monotonic() > deadline:
                raise AssertionError("%s %s stays %r" % (method, text(params), result))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def outcome(reply, id=None):
    """The result of a reply, or RpcError. Checks what every reply must be."""
    if not isinstance(reply, dict) or reply.get("jsonrpc") != "2.0" or "id" not in reply:
        raise AssertionError("not a reply: %r" % (reply,))
    if id is not None and (reply["id"] != id or type(reply["id"]) is not type(id)):
        raise AssertionError("a reply to %r was expected: %r" % (id, reply))
    if set(reply) == {"jsonrpc", "id", "result"}:
        if not isinstance(reply["result"], dict):
            raise AssertionError("a result is an object: %r" % (reply,))
        return reply["result"]
    if set(reply) != {"jsonrpc", "id", "error"}:
        raise AssertionError("not a reply: %r" % (reply,))
    error = reply["error"]
    if set(error) != {"code", "message", "data"} or not isinstance(error["message"], str) or not error["message"]:
        raise AssertionError("not an error: %r" % (reply,))
    if Document.get().errors.get(error["data"].get("name")) != error["code"]:
        raise AssertionError("name and code do not belong together: %r" % (reply,))
    raise RpcError(error)


class Document:
    """common/protocol.md read as tables."""

    _one = None

    @classmethod
    def get(cls):
        if cls._one is None:
            cls._one = cls()
        return cls._one

    def __init__(self, path=DOCUMENT):
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.errors = {name: int(code)
                       for code, name in re.findall(r"^\| (-\d+) \| `([a-z_]+)` \|", self.text, re.M)}
        self.sections = {}  # title without its marks -> text
        for part in re.split(r"^(?=#{1,4} )", self.text, flags=re.M):
            title, _, rest = part.partition("\n")
            if title.startswith("#"):
                self.sections[title.lstrip("# ").strip("`")] = rest
        listed = self.sections["Methods"].split("The default")[0]
        self.methods = re.findall(r"\[`([^`]+)`\]", listed)
        self.params = {method: self._params(method) for method in self.methods}

    def _params(self, method):
        """Rows (name, type, default, note) of the section's table of params."""
        section = self.sections[method]
        table = section.partition("| param | type | default | |\n| --- | --- | --- | --- |\n")[2]
        rows = []
        for line in table.splitlines():
            if not line.startswith("|"):
                break
            name, kind, default, note = [cell.strip() for cell in line.strip("|").split("|")]
            rows.append((name.strip("`"), kind, default, note))
        return rows

    def exchanges(self):
        """(line number, title of the section, lines) of every example."""
        title, block, start = "", None, 0
        for number, line in enumerate(self.text.splitlines(), 1):
            if block is not None:
                if line == "```":
                    yield start, title, block
                    block = None
                else:
                    block.append(line)
            elif line == "```exchange":
                block, start = [], number
            elif line.startswith("#"):
                title = line.lstrip("# ").strip("`")


class ProtocolTest(unittest.TestCase):
    """A test over a daemon that all tests of the class share. Connections are closed at the end of each test."""

    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(*cls.arguments)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def setUp(self):
        self.queue = self.id().rsplit(".", 1)[-1]
        self._open = []

    def tearDown(self):
        for connection in self._open:
            connection.close()
        self.assertTrue(self.daemon.running(), "the daemon ended:\n" + self.daemon.text()[-4000:])

    def connect(self, address=None):
        connection = self.daemon.connect(address)
        self._open.append(connection)
        return connection

    def assertError(self, failure, name, /, **data):
        self.assertEqual(failure.name, name, failure)
        for member, value in data.items():
            self.assertEqual(failure.data.get(member), value, failure.data)

    def put(self, connection, body=None, **params):
        """Puts on this test's queue; the new job's id."""
        params.setdefault("queue", self.queue)
        return connection.call("put", body=body, **params)["id"]

    def get(self, connection, **params):
        if "queues" not in params:
            params.setdefault("queue", self.queue)
        return connection.call("get", **params)


def temporary_folder():
    """A folder with a path short enough for a Unix socket, removed at the end."""
    return tempfile.TemporaryDirectory(prefix="taskq", dir="/tmp")


def main():
    """Runs the tests of the calling file: PATH-OF-TASKQD [TEST…]. Ends with one plain line."""
    global _binary
    arguments = sys.argv[1:]
    if arguments and os.sep in arguments[0]:
        _binary = arguments.pop(0)
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    program = unittest.main(module="__main__", argv=[sys.argv[0]] + arguments, exit=False)
    result = program.result
    bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    if result.testsRun == 0:
        bad += 1
    print("%s: %d tests, %d failed, %d skipped" % (name, result.testsRun, bad, len(result.skipped)))
    sys.exit(1 if bad else 0)
