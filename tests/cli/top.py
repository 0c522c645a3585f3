#!/usr/bin/env python3
"""taskq top and taskq events: on a terminal, on a pipe, and what is left of the terminal at the end."""

import fcntl
import json
import os
import re
import signal
import struct
import termios
import time
import unittest

import cli
from cli import DONE, NO_DAEMON, USAGE

FRAME = re.compile(r"\x1b\[\?2026h(.*?)\x1b\[\?2026l", re.S)


class Screen:
    """`taskq top` on a terminal of a size, and the pictures that it draws."""

    def __init__(self, case, *arguments, rows=24, columns=100, env=None):
        self.case = case
        self.terminal = cli.Terminal(["top", "-i", "0.1", *arguments], env or case.env, setup=lambda slave: size(slave, rows, columns))
        case.addCleanup(self.kill)

    def kill(self):
        if self.terminal.process.poll() is None:
            self.terminal.process.kill()
        self.terminal.process.wait()

    def until(self, condition):
        """The lines of a picture, drawn from now on, that fulfils it."""
        deadline = time.monotonic() + cli.PATIENCE
        start = len(self.terminal.text)
        while True:
            frames = FRAME.findall(self.terminal.text, start)
            for frame in frames:
                lines = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", frame).replace("\r", "").split("\n")
                if condition(lines):
                    return lines
            if not self.terminal._read(deadline):
                raise AssertionError("no such picture, the last being\n%s" % (frames[-1] if frames else self.terminal.text))

    def shows(self, text):
        return self.until(lambda lines: any(text in line for line in lines))

    def resize(self, rows, columns):
        size(self.terminal.master, rows, columns)

    def names(self, lines):
        at = next(n for n, line in enumerate(lines) if line.startswith("QUEUE"))
        return [line.split()[0] for line in lines[at + 1:] if line.strip()]


def size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Top(cli.CliTest):
    def fill(self, counts):
        c = self.rpc()
        for name, count in counts.items():
            for _ in range(count):
                c.call("put", queue=name, body=1)
        self.addCleanup(lambda: [c.call("drop", queue=name) for name in counts])
        return c

    def test_the_largest_come_first_and_keys_sort_filter_and_quit(self):
        c = self.fill({"a": 1, "b": 3, "c.x": 2})
        c.call("pause", queue="a")
        screen = Screen(self, columns=120)
        lines = screen.shows("paused")
        self.assertEqual(screen.names(lines), ["b", "c.x", "a"])
        self.assertTrue(lines[0].startswith("taskq top  " + self.daemon.address))
        self.assertIn("6 ready", lines[1])
        screen.resize(24, 80)
        screen.until(lambda lines: max(map(len, lines)) <= 80 and any(line.startswith("a ") and line.endswith("paused") for line in lines))
        screen.resize(24, 120)
        screen.until(lambda lines: any("TAKEN/s" in line for line in lines))
        self.assertRegex(lines[2], r"3 queues, (1 connection|[02-9] connections) +memory .* of .* store none")
        screen.terminal.type("n")
        screen.until(lambda lines: "QUEUE" in "".join(lines) and screen.names(lines) == ["a", "b", "c.x"])
        screen.terminal.type("/c.")
        screen.until(lambda lines: any(line.startswith("Filter: c._") for line in lines) and screen.names(lines) == ["c.x"])
        screen.terminal.type("\x7f\x7f*x\r")
        screen.shows('1 queue with "*x"')
        screen.terminal.type("\x1b")
        screen.until(lambda lines: any("QUEUE" in line for line in lines) and screen.names(lines) == ["a", "b", "c.x"])
        screen.terminal.type("h")
        screen.shows("this help")
        screen.terminal.type("?")
        screen.shows("QUEUE")
        screen.terminal.type(" ")
        screen.shows("FROZEN")
        c.call("put", queue="new", body=1)
        screen.terminal.type("h")
        screen.shows("this help")
        screen.terminal.type("h")
        shown = []
        screen.until(lambda lines: shown.append(lines) or len(shown) == 10)
        self.assertFalse([line for lines in shown for line in lines if line.startswith("new ")])
        screen.terminal.type(" ")
        screen.shows("new ")
        c.call("drop", queue="new")
        screen.terminal.type("q")
        ran = screen.terminal.end()
        self.assertEqual(ran.code, DONE, ran)
        self.assertTrue(ran.out.endswith("\x1b[?25h\x1b[?1049l"), ran.out[-100:])

    def test_rates(self):
        self.fill({"q": 1})
        screen = Screen(self, "--sort", "put/s", columns=120)
        c = self.rpc()
        stop = time.monotonic() + cli.PATIENCE

        def grows(lines):
            c.call("put", queue="q", body=1)
            self.assertLess(time.monotonic(), stop)
            row = next((line.split() for line in lines if line.startswith("q ")), [])
            return len(row) > 5 and row[5] not in ("0", "-")
        screen.until(grows)
        screen.terminal.type("q")
        self.assertEqual(screen.terminal.end().code, DONE)

    def test_it_fits_any_terminal(self):
        self.fill({"queue-%02d-é" % n: 1 for n in range(30)} | {"x" * 100: 2})
        screen = Screen(self, rows=24, columns=120)
        for rows, columns in ((24, 120), (10, 80), (30, 40), (6, 20), (3, 5), (24, 80)):
            screen.resize(rows, columns)
            shown = rows - 6 if rows > 6 else 1
            lines = screen.until(lambda lines: len(lines) == 5 + min(shown, 31) + 1 and max(map(len, lines)) <= columns)
            self.assertTrue(lines[0].startswith("taskq top"[:columns]))
        screen.resize(16, 80)
        first = screen.names(screen.until(lambda lines: len(lines) == 16))[0]
        screen.terminal.type("\x1b[B\x1b[6~")
        screen.until(lambda lines: len(lines) == 16 and screen.names(lines)[0] != first)
        screen.terminal.type("\x1b[H")
        screen.until(lambda lines: len(lines) == 16 and screen.names(lines)[0] == first)
        screen.terminal.type("q")
        self.assertEqual(screen.terminal.end().code, DONE)

    def test_names_cannot_move_the_cursor(self):
        self.fill({"a\u009b31m": 1})
        screen = Screen(self)
        screen.shows("a?31m")
        screen.terminal.type("q")
        self.assertNotIn("\u009b", screen.terminal.end().out)

    def test_however_it_ends_the_terminal_is_as_before(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            screen = Screen(self)
            before = screen.terminal.before
            screen.shows("QUEUE")
            self.assertNotEqual(termios.tcgetattr(screen.terminal.master)[3] & termios.ECHO, before[3] & termios.ECHO)
            screen.terminal.process.send_signal(number)
            deadline = time.monotonic() + cli.PATIENCE
            while screen.terminal._read(deadline):
                pass
            self.assertEqual(screen.terminal.process.wait(cli.PATIENCE), -number)
            self.assertEqual(termios.tcgetattr(screen.terminal.master), before)
            self.assertTrue(screen.terminal.text.endswith("\x1b[?25h\x1b[?1049l"))
            os.close(screen.terminal.master)

    def test_a_daemon_that_hangs_is_left_at_once(self):
        address = "unix:" + self.path("s")
        with cli.protocol.Daemon(listen=(address,)) as daemon:
            screen = Screen(self, env=cli.environment(address))
            screen.shows("there are no queues")
            os.kill(daemon.pid, signal.SIGSTOP)
            try:
                before = screen.terminal.before
                while screen.terminal._read(time.monotonic() + 0.5):
                    pass  # until it waits for an answer, and draws no more
                screen.terminal.process.send_signal(signal.SIGINT)
                self.assertEqual(screen.terminal.process.wait(cli.PATIENCE), -signal.SIGINT)
                self.assertEqual(termios.tcgetattr(screen.terminal.master), before)
            finally:
                os.kill(daemon.pid, signal.SIGCONT)

    def test_it_is_stopped_and_goes_on(self):
        self.fill({"q": 1})
        screen = Screen(self)
        screen.shows("q ")
        os.kill(screen.terminal.process.pid, signal.SIGTSTP)
        self.assertTrue(os.WIFSTOPPED(os.waitpid(screen.terminal.process.pid, os.WUNTRACED)[1]))
        self.assertEqual(termios.tcgetattr(screen.terminal.master), screen.terminal.before)
        os.kill(screen.terminal.process.pid, signal.SIGCONT)
        screen.shows("q ")
        self.assertNotEqual(termios.tcgetattr(screen.terminal.master), screen.terminal.before)
        screen.terminal.type("q")
        self.assertEqual(screen.terminal.end().code, DONE)

    def test_a_daemon_that_goes_and_comes_back(self):
        address = "unix:" + self.path("s")
        daemon = cli.protocol.Daemon(listen=(address,))
        screen = Screen(self, env=cli.environment(address))
        screen.shows("there are no queues")
        daemon.stop()
        screen.shows("no daemon at")
        with cli.protocol.Daemon(listen=(address,)) as daemon:
            with daemon.connect() as c:
                c.call("put", queue="again", body=1)
            screen.shows("again ")
            screen.terminal.type("q")
            self.assertEqual(screen.terminal.end().code, DONE)

    def test_on_a_pipe(self):
        self.fill({"a": 1, "b": 2, "dead": 3})
        ran = self.taskq("top", "-i", "0.1", "--filter", "[", "-n", 5)
        self.assertIn("no queue's name fits", ran.out)
        for more in ((), ("--once",)):
            ran = self.taskq("top", "-i", "0.1", *more)
            self.assertNotIn("\x1b", ran.out)
            rows = [line.split() for line in ran.out.splitlines()[5:]]
            self.assertEqual([row[:2] for row in rows], [["dead", "3"], ["b", "2"], ["a", "1"]])
            self.assertRegex(ran.out.splitlines()[1], "6 ready.* 0 put")
        ran = self.terminal("top", "--once", "-i", "0.1").end()
        self.assertEqual(ran.code, DONE)
        self.assertNotIn("\x1b[?1049h", ran.out)
        answer = self.taskq("top", "--once", "--json", "-i", "0.1", "--sort", "name", "-n", 2).json()
        self.assertEqual([row["queue"] for row in answer["queues"]], ["a", "b"])
        self.assertEqual((answer["queues"][0]["ready"], answer["queues"][0]["put_per_second"]), (1, 0))
        self.assertEqual(answer["daemon"]["queues"], 3)
        process = self.start("top", "--json", "-i", "0.1")
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        self.assertEqual(lines[2]["total"], 3)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(cli.PATIENCE), -signal.SIGINT)

    def test_mistakes(self):
        for wrong in (["--sort", "size"], ["-i", "0"], ["-n", 1001], ["x"], ["--filter", "x" * 201]):
            self.taskq("top", "--once", *wrong, code=USAGE)
        self.taskq("top", "-a", "127.0.0.1:1", code=NO_DAEMON)
        with open(os.devnull) as nothing:
            ran = self.terminal("top", stdin=nothing).end()
        self.assertEqual(ran.code, USAGE)
        self.assertIn("--once", ran.out)


class Events(cli.CliTest):
    def listen(self, *arguments, start=None, c=None):
        """`taskq events`, once the daemon has its request."""
        c = c or self.rpc()
        count = lambda: sum(row["waits"] for row in c.call("who")["connections"])
        before = count()
        process = (start or self.start)("events", *arguments)
        c.until(lambda _: count() > before, "ping")
        return process

    def test_a_line_an_event(self):
        process = self.listen("-n", 3, "-q", "other.*," + self.queue)
        job = self.put()
        self.rpc().call("put", queue="not wanted", body=1)
        self.taskq("get", self.queue, "--auto-ack")
        ran = self.finish(process)
        self.assertEqual(ran.code, DONE, ran)
        events = ran.lines()
        self.assertEqual([(event["id"], event["queue"], event["state"]) for event in events],
                         [(job, self.queue, state) for state in ("ready", "reserved", "done")])
        self.assertNotIn("request", events[0])

    def test_for_people(self):
        asked = self.listen("-n", 2, "--state", "delayed,dead", start=self.terminal)
        job = self.put("1", "--delay", "100")
        self.taskq("kick", job)
        self.taskq("bury", *self.hold())
        ran = asked.end()
        self.assertEqual(ran.code, DONE, ran)
        self.assertRegex(ran.out, r"\d\d:\d\d:\d\d\.\d{3}  \(new\) +-> delayed +job %d in %s\n" % (job, self.queue))
        self.assertRegex(ran.out, r"  reserved +-> dead +job %d in %s, buried\n" % (job, self.queue))
        asked = self.listen("--json", "-n", 1, start=self.terminal)
        self.put()
        self.assertEqual(json.loads(asked.end().out)["state"], "ready")

    def test_it_is_interrupted(self):
        process = self.listen()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(cli.PATIENCE), -signal.SIGINT)
        self.assertEqual(process.stderr.read(), b"")

    def test_mistakes(self):
        self.assertIn("states must be", self.taskq("events", "-s", "asleep", code=USAGE).err)
        self.taskq("events", "-q", ",".join("abc%d" % n for n in range(65)), code=USAGE)
        self.taskq("events", "-a", "127.0.0.1:1", code=NO_DAEMON)
        self.taskq("events", "-n", 0)

    def test_it_goes_on_with_a_daemon_that_comes_back(self):
        address = "unix:" + self.path("s")
        daemon = cli.protocol.Daemon(listen=(address,))
        c = daemon.connect()
        process = self.listen("-n", 2, c=c, start=lambda *a: self.start(*a, env=cli.environment(address)))
        c.call("put", queue="q", body=1)
        self.assertEqual(json.loads(process.stdout.readline())["queue"], "q")
        c.close()
        daemon.stop()
        self.assertIn(b"the daemon is gone", process.stderr.readline())
        with cli.protocol.Daemon(listen=(address,)) as daemon, daemon.connect() as c:
            c.until(lambda r: sum(row["waits"] for row in r["connections"]) == 1, "who")
            c.call("put", queue="again", body=1)
            ran = self.finish(process)
        self.assertEqual(ran.code, DONE)
        self.assertEqual(json.loads(ran.out)["queue"], "again")


if __name__ == "__main__":
    cli.main()
