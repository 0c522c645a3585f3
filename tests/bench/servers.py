"""The servers that the benchmark drives: each is started on loopback in a folder of its own, and stopped by its process id."""
import json
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "protocol"))

import certificates  # noqa: E402

START_SECONDS = 120
STOP_SECONDS = 60


class BenchError(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def redis_command(folder, durable, _options):
    port = free_port()
    # Nothing but the log of changes: snapshots and rewriting it would only cost Redis time.
    return port, ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", "", "--maxclients", "15000",
                  "--appendonly", "yes" if durable else "no", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"]


def beanstalkd_command(folder, durable, _options):
    port = free_port()
    return port, ["beanstalkd", "-l", "127.0.0.1", "-p", str(port)] + (["-b", folder, "-f0"] if durable else [])


def taskqd_command(folder, durable, options):
    path, settings = pathlib.Path(folder, "taskqd.conf"), dict(options.get("settings", {}))
    if options.get("tls"):
        pair = certificates.Authority(folder).issue("localhost")
        settings.update(tls_certificate=f'"{pair.certificate}"', tls_key=f'"{pair.key}"')
    path.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    return None, [str(options["binaries"] / "server" / "taskqd"), "-c", str(path),
                  "-l", ("tls:" if options.get("tls") else "") + "127.0.0.1:0", "-H", "none",
                  *(["-d", str(pathlib.Path(folder, "data"))] if durable else ["-m"])]


def floor_command(_folder, _durable, options):
    return None, [str(options["binaries"] / "tests" / "bench" / "bench_floor")]


# What each speaks, how it is started (a port of None: it says which), and settings of its own.
SERVERS = {
    "taskq": {"protocol": "taskq", "command": taskqd_command, "settings": {}},
    "taskq, TLS": {"protocol": "taskq", "command": taskqd_command, "tls": True},
    "taskq, 1 thread": {"protocol": "taskq", "command": taskqd_command, "settings": {"threads": 1}},
    "taskq, 2 threads": {"protocol": "taskq", "command": taskqd_command, "settings": {"threads": 2}},
    "taskq, small segments": {"protocol": "taskq", "command": taskqd_command, "settings": {"segment_size": 4 << 20, "max_body": 1 << 16}},
    "redis": {"protocol": "redis", "command": redis_command},
    "beanstalkd": {"protocol": "beanstalkd", "command": beanstalkd_command},
    "floor": {"protocol": "taskq", "command": floor_command},
}
PEERS = ["redis", "beanstalkd"]


def versions(binaries):
    def first_line(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).strip().split("\n")[0]
    redis = re.search(r"v=(\S+)", first_line("redis-server", "--version"))
    return {"taskq": first_line(str(binaries / "client" / "taskq"), "--version").split(" ")[-1],
            "redis": redis.group(1) if redis else "?",
            "beanstalkd": first_line("beanstalkd", "-v").split(" ")[-1]}


class Server:
    """One running server. `with Server(…) as s:` gives .address, .pid; it is stopped, and its folder removed, at the end."""

    def __init__(self, name, binaries, data, durable=False, keep=None):
        row = SERVERS[name]
        self.name = name
        self.protocol = row["protocol"]
        self.kept = keep is not None
        self.folder = str(keep) if keep else tempfile.mkdtemp(prefix="bench-", dir=data)
        self.port, self.command = row["command"](self.folder, durable, dict(row, binaries=binaries))
        self.said = []
        self.process = None

    def __enter__(self):
        began = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, errors="replace")
        self.pid = self.process.pid
        self.listening = threading.Event()
        threading.Thread(target=self._listen_to, daemon=True).start()
        try:
            if self.port is None:
                self._wait_until_it_says()
            else:
                self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise
        self.started_in = time.monotonic() - began
        self.address = ("tls:" if SERVERS[self.name].get("tls") else "") + f"127.0.0.1:{self.port}"
        return self

    def _listen_to(self):
        """Keeps the last lines of what it says, so that it never blocks on them."""
        for line in self.process.stdout:
            found = re.search(r"(?:listening on |event=listening .*address=)(?:tls:)?127\.0\.0\.1:(\d+)", line)
            if found and self.port is None:
                self.port = int(found.group(1))
                self.listening.set()
            self.said = self.said[-20:] + [line.rstrip()]
        self.listening.set()

    def _wait_until_it_says(self):
        self.listening.wait(START_SECONDS)
        if self.port is None:
            raise BenchError(f"{self.name} did not start: {' | '.join(self.said[-5:])}")

    def _wait_until_it_answers(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except OSError:
                select.select([], [], [], 0.01)
        raise BenchError(f"{self.name} did not start: {' | '.join(self.said[-5:])}")

    def ask(self, method):
        """The result of a request without params; of taskq alone."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as s, s.makefile("rw", encoding="utf-8") as lines:
            lines.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}) + "\n")
            lines.flush()
            return json.loads(lines.readline())["result"]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not self.kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(self, *_):
        self.stop()
