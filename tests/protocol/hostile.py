"""A client that does its worst, and what another feels of it.

A measured client (tests/bench/pulse.c) asks for one thing after the other, for short windows that take turns. In every
second window hostile clients with a token of their own, or none, attack its daemon; in the others they attack another
daemon in the same way, so that the machine is as busy and only what happens inside the daemon differs. Of each attack the
ratio of the medians over all windows counts. With `--long` it must stay below 2, for all attacks; it wants a machine that
has nothing else to do. Without, some of them are tried for a moment. On a machine that is busy with other things a daemon
with much to do loses its processor for milliseconds, so then the best windows are compared, the bound is generous, and what
fails is tried again: what it is to find are factors of tens and hundreds in all windows.

    hostile.py TASKQD PULSE [--long] [ATTACK…]
"""

import multiprocessing
import os
import select
import socket
import ssl
import subprocess
import sys
import tempfile

import certificates
import lib
from access import grant, token_section
from lib import request_text

LONG = "--long" in sys.argv
WINDOW_MS = 400 if LONG else 50
WINDOWS = 10 if LONG else 4
TRIES = 1 if LONG else 3
BOUND = 2.0 if LONG else 8.0
NOISE = 0 if LONG else 500  # microseconds that are no failure, whatever the ratio
SOME = ("pipelining", "batches", "many in one", "waits", "drops", "strangers", "handshakes")

PROCESSORS = sorted(os.sched_getaffinity(0))

ROLES = ("put", "take", "read", "admin")
CONFIGURATION = "threads = 1\nmemory = 512M\n" + token_section("good", "good", grant("pulse", ROLES)) + \
    token_section("bad", "bad", "  connections = 200\n  bytes_queued = 64M\n" + grant("bad*", ROLES))
AUTH = (request_text(0, "auth", {"token": "bad"}) + "\n").encode()
NOBODY = (request_text(0, "auth", {"token": "guess"}) + "\n").encode()


# ---- what hostile clients do: each is given connections that it may fill, read from or close

class Client:
    """A connection that sends the same again and again without ever waiting, and reads or does not."""

    def __init__(self, ports, pattern, hello=AUTH, reads=True, pace=0, tls=False):
        self.port, self.pattern, self.hello, self.reads, self.pace = ports[tls], pattern, hello, reads, pace
        self.socket, self.sent = None, 0
        self.open()

    def open(self):
        if self.socket:
            self.socket.close()
        self.socket = socket.socket()
        self.socket.connect(("127.0.0.1", self.port))
        self.socket.setblocking(False)
        self.rest = memoryview(self.hello)

    def turn(self):
        """Reads all there is and sends what fits. False: nothing could be done."""
        moved = False
        try:
            if self.reads:
                data = self.socket.recv(1 << 18)
                moved = True
                if not data:
                    self.open()
        except BlockingIOError:
            pass
        except OSError:
            self.open()
        try:
            if not self.rest:
                self.rest = memoryview(self.pattern() if callable(self.pattern) else self.pattern)
            sent = self.socket.send(self.rest[:self.pace] if self.pace else self.rest)
            self.rest = self.rest[sent:]
            self.sent += sent
            moved = True
        except BlockingIOError:
            pass
        except OSError:
            self.open()
        return moved


def lines(count, method, params):
    return "".join(request_text(n, method, params) + "\n" for n in range(count)).encode()


def batch(count, method, params):
    return ("[" + ",".join(request_text(n, method, params) for n in range(count)) + "]\n").encode()


class Names:
    """Requests about queues that nobody has heard of."""

    def __init__(self, method, params):
        self.number, self.method, self.params = 0, method, params

    def __call__(self):
        self.number += 200
        return "".join(request_text(n, self.method, dict(self.params, queue="bad%d" % n)) + "\n"
                       for n in range(self.number, self.number + 200)).encode()


def client_hello():
    """What a client of TLS begins with: the daemon answers with the dearest thing that it does for anybody."""
    context, outgoing = ssl.create_default_context(), ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


HELLO = client_hello()
PUT = {"queue": "bad", "body": "x" * 50}
TAKE = {"queue": "bad", "auto_ack": True, "timeout": 0}
WORK = lines(500, "put", PUT) + lines(500, "get", TAKE)
ATTACKS = {
    # name: (how many connections, what each is)
    "pipelining": (8, dict(pattern=WORK)),
    "not reading": (50, dict(pattern=lines(1000, "ping", {}), reads=False)),
    "batches": (4, dict(pattern=batch(5000, "put", PUT) + batch(5000, "get", TAKE))),
    "large bodies": (4, dict(pattern=lines(1, "put", dict(PUT, body="y" * 1000000)) + lines(1, "get", TAKE))),
    "wide JSON": (4, dict(pattern=lines(1, "put", dict(PUT, body=list(range(150000)))) + lines(1, "get", TAKE))),
    "deep JSON": (4, dict(pattern=b"[" * 1000000 + b"\n")),
    "many in one": (4, dict(pattern=WORK + lines(200, "put", PUT) + lines(50, "get", dict(TAKE, max=1000)))),
    "waits": (60, dict(pattern=lines(1000, "get", {"queue": "bad-none", "timeout": 0.01}))),
    "queue names": (8, dict(pattern=Names("put", {"body": 1, "timeout": 0}))),
    "queue names that wait": (20, dict(pattern=Names("get", {"timeout": 0.5}))),
    "lists": (20, dict(pattern=lines(20, "put", PUT) + lines(20, "jobs", {"queue": "bad", "limit": 1000, "bodies": True}) +
                       lines(20, "queues", {}))),
    "drops": (4, dict(pattern=lines(3000, "put", PUT) + lines(1, "drop", {"queue": "bad"}))),
    "strangers": (200, dict(pattern=lines(90, "ping", {}), hello=b"")),
    "guesses": (100, dict(pattern=NOBODY, hello=b"")),
    # A second one is a mistake: the daemon closes, and the client comes again.
    "handshakes": (50, dict(pattern=HELLO, hello=b"", tls=True)),
    "half handshakes": (300, dict(pattern=lambda: b"", hello=HELLO, tls=True)),
    "slow handshakes": (300, dict(pattern=HELLO, hello=b"", pace=1, tls=True)),
    "a byte at a time": (200, dict(pattern=WORK, hello=b"", pace=1)),
}


def attack(ports, name, begun, sent):
    """Runs until it is killed; `sent` is how many bytes it was rid of."""
    os.nice(5)
    count, what = ATTACKS[name]
    clients = [Client(ports, **what) for _ in range(count)]
    begun.set()
    while True:
        moved = any([client.turn() for client in clients])
        sent.value = sum(client.sent for client in clients)
        if not moved:
            select.select([client.socket for client in clients], [], [], 0.005)


class Attack:
    def __init__(self, ports, name):
        begun, self.sent = multiprocessing.Event(), multiprocessing.Value("Q", lock=False)
        self.process = multiprocessing.Process(target=attack, args=(ports, name, begun, self.sent), daemon=True)
        self.process.start()
        begun.wait(lib.PATIENCE)

    def end(self):
        """How many bytes it sent."""
        self.process.kill()
        self.process.join()
        return self.sent.value


# ---- what the other feels

class Pulse:
    def __init__(self, program, port):
        self.process = subprocess.Popen([program, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, TASKQ_TOKEN="good"))
        if self.process.stdout.readline() != "connected\n":
            raise AssertionError("the measured client does not connect")

    def window(self):
        """median and p99, in microseconds."""
        self.process.stdin.write("%d\n" % WINDOW_MS)
        self.process.stdin.flush()
        line = self.process.stdout.readline().split()
        if len(line) != 5:
            raise AssertionError("the measured client has ended")
        return float(line[1]), float(line[3])

    def end(self):
        self.process.stdin.close()
        self.process.wait(lib.PATIENCE)
        self.process.stdout.close()


def median(values):
    return sorted(values)[len(values) // 2]


def compare(here, elsewhere, pulse, name):
    """(median, p99, bytes sent) of the windows under attack, and of those where another daemon is attacked."""
    windows = {here: [], elsewhere: []}
    for n in range(2 * WINDOWS):
        target = (here, elsewhere)[n % 2]
        attacked = Attack(target, name)
        pulse.window()  # until all is under way
        felt = pulse.window()
        windows[target].append((*felt, attacked.end()))
    chosen = median if LONG else min
    return [tuple(chosen([window[i] for window in windows[port]]) for i in range(3)) for port in (here, elsewhere)]


def is_held_up(ports, pulse, name):
    under, beside = compare(*ports, pulse, name)
    ratio = under[0] / beside[0]
    print("%-22s median %6.0f us, else %6.0f us: %.2f times   p99 %7.0f us, else %7.0f us   sent %7.3f MB, else %7.3f MB"
          % (name, under[0], beside[0], ratio, under[1], beside[1], under[2] / 1e6, beside[2] / 1e6), flush=True)
    if not under[2]:
        raise AssertionError("%s has attacked nobody" % name)
    return ratio > BOUND and under[0] > NOISE


def pin(which):
    """With --long what is started from here on stays on one processor. A reply from another processor takes three times as
    long as one from the same on some machines, and which it is would change with how busy the other daemon is."""
    if LONG and len(PROCESSORS) > 1:
        os.sched_setaffinity(0, {PROCESSORS[which]})


def main():
    arguments = [a for a in sys.argv[1:] if a != "--long"]
    lib._binary, program = arguments[:2]
    names = arguments[2:] or (ATTACKS if LONG else SOME)
    failed = []
    with tempfile.TemporaryDirectory(prefix="taskq-hostile-") as folder:
        path = os.path.join(folder, "taskqd.conf")
        pair = certificates.Authority(folder).issue("localhost")
        with open(path, "w", encoding="utf-8") as file:
            file.write('tls_certificate = "%s"\ntls_key = "%s"\n' % (pair.certificate, pair.key) + CONFIGURATION)
        listen = ("127.0.0.1:0", "tls:127.0.0.1:0")
        pin(0)
        with lib.Daemon("-c", path, listen=listen) as daemon, lib.Daemon("-c", path, listen=listen) as other:
            pin(1)
            # of each daemon the one without TLS and the one with it
            ports = [tuple(int(a.rsplit(":", 1)[1]) for a in sorted(d.addresses)) for d in (daemon, other)]
            pulse = Pulse(program, ports[0][0])
            quiet = median([pulse.window()[0] for _ in range(3)])
            print("quiet: %.0f us" % quiet)
            for name in names:
                if all(is_held_up(ports, pulse, name) for _ in range(TRIES)):
                    failed.append(name)
            pulse.end()
    print("hostile: %d attacks, %d failed, 0 skipped" % (len(names), len(failed)))
    if failed:
        sys.exit("others are held up by: " + ", ".join(failed))


if __name__ == "__main__":
    main()
