"""The log: its two formats, its file and logrotate, and a standard error that nobody reads."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import unittest

import lib
from daemon import Case

PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=]+)(?: |$)')


def pairs(line):
    """A line of logfmt, all of it."""
    found, at = {}, 0
    while at < len(line):
        match = PAIR.match(line, at)
        if not match:
            raise AssertionError("no pair at %d of %r" % (at, line))
        value = match.group(2)
        found[match.group(1)] = json.loads(value) if value.startswith('"') else value
        at = match.end()
    return found


class Logs(Case):
    def configured(self, text, **more):
        self.daemon = self.start("-c", self.path("config", text), **more)
        return self.connect(self.daemon)

    def hang_up(self, text):
        self.path("config", text)
        os.kill(self.daemon.pid, signal.SIGHUP)

    def wait_for_line(self, path, pattern):
        with open(path, encoding="utf-8", errors="strict") as file:
            text = file.read()
        if re.search(pattern, text):
            return text
        raise AssertionError(text)

    def until(self, connection, path, pattern):
        """The file's text, once it has that."""
        def there(_):
            try:
                return bool(self.wait_for_line(path, pattern))
            except (AssertionError, OSError):
                return False
        connection.until(there, "ping")
        return self.wait_for_line(path, pattern)

    HANDLER = 'log_level = debug\nhandler "h" { command = {"sh", "-c", "echo \'to = \\"whom\\"\' >&2; exit 3"} }\n' \
              'queue "h" { max_attempts = 1 }\n'
    BODY = "b0d1e5"

    def some_life(self, connection):
        """What brings lines about: a job that fails, an admin, a client with a name that is none for a log."""
        job = connection.call("put", queue="h", body={"secret": self.BODY})["id"]
        connection.until(lambda info: info["state"] == "dead", "job", id=job)
        connection.call("hello", client="x\n level=error event=forged\x1b[2J")
        connection.call("declare", queue='a" count=9')
        connection.call("put", queue="q", body=self.BODY)
        connection.call("delete", queue="q")
        return job

    def test_every_line_is_pairs(self):
        connection = self.configured(self.HANDLER)
        job = self.some_life(connection)
        self.daemon._wait_for("action=delete ()")
        self.daemon.stop()
        lines = [pairs(line) for line in self.daemon.log if line]
        for line in lines:
            self.assertEqual(list(line)[:4], ["time", "level", "event", "msg"])
            self.assertRegex(line["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        by = {line["event"]: line for line in lines}
        self.assertEqual(by["handler_says"], {**by["handler_says"], "job": str(job), "handler": "h", "text": 'to = "whom"'})
        self.assertEqual(by["client_name"]["client"], "x\n level=error event=forged\x1b[2J")
        admin = [line for line in lines if line["event"] == "admin"]
        self.assertEqual([(line["action"], line["queue"]) for line in admin if "queue" in line], [("declare", 'a" count=9'), ("delete", "q")])
        self.assertEqual(admin[1]["count"], "1")
        self.assertNotIn("forged", by)
        self.assertNotIn(self.BODY, self.daemon.text())
        self.assertTrue(all(ch >= " " for line in self.daemon.log if line for ch in line))

    def test_a_file_as_json_that_is_moved_away(self):
        log, other = self.path("log"), self.path("other")
        text = self.HANDLER + 'log_format = json\nlog_file = "%s"\n'
        command = [lib.binary(), "-m", "-H", "none", "-l", "unix:" + self.path("socket"),
                   "-c", self.path("config", text % log)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        connection = self.reach(process)
        job = self.some_life(connection)
        self.until(connection, log, '"action":"delete"')

        os.rename(log, log + ".1")
        os.kill(process.pid, signal.SIGHUP)
        self.until(connection, log, '"event":"reloaded"')
        with open(log + ".1", encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        by = {line["event"]: line for line in lines}
        self.assertEqual(by["handler_says"]["job"], job)
        self.assertEqual(by["handler_says"]["text"], 'to = "whom"')
        self.assertNotIn("reloaded", by)

        # Another file, and what is not there; a mistake in the settings does not keep the file from being opened anew.
        self.path("config", text % other)
        os.kill(process.pid, signal.SIGHUP)
        self.until(connection, other, '"event":"log_opened"')
        os.rename(other, other + ".1")
        self.path("config", "nonsense = 1\n")
        os.kill(process.pid, signal.SIGHUP)
        self.until(connection, other, '"event":"reload_failed"')
        self.path("config", text % self.path("no/such/folder"))
        os.kill(process.pid, signal.SIGHUP)
        self.assertIn("No such file", self.until(connection, other, '"event":"log_refused"'))
        self.path("config", self.HANDLER)
        os.kill(process.pid, signal.SIGHUP)
        self.until(connection, other, '"setting":"log_file"')
        process.terminate()
        self.assertEqual(process.wait(lib.PATIENCE), 0)
        self.assertIn(b"event=stopped", process.stderr.read())

    def test_a_file_that_cannot_be_opened_anew_is_named_on_standard_error(self):
        folder = self.path("logs")
        os.mkdir(folder)
        log = os.path.join(folder, "log")
        read, write = os.pipe()
        for end in (read, write):
            self.addCleanup(os.close, end)
        process = subprocess.Popen([lib.binary(), "-m", "-H", "none", "-l", "unix:" + self.path("socket"),
                                    "-c", self.path("config", 'log_file = "%s"\n' % log)], stdin=subprocess.DEVNULL, stderr=write)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        connection = self.reach(process)
        os.rename(folder, folder + ".old")  # a file cannot be made there any more, whoever the daemon is
        os.kill(process.pid, signal.SIGHUP)
        moved = os.path.join(folder + ".old", "log")
        self.until(connection, moved, "event=reloaded")
        self.assertTrue(select.select([read], [], [], lib.PATIENCE)[0], "nothing is said")
        line = os.read(read, 4096).decode()
        self.assertEqual(line.count("\n"), 1, line)
        for part in ("level=error", "event=log_refused", log, "No such file", "send SIGHUP"):
            self.assertIn(part, line)
        self.until(connection, moved, "event=log_refused")

        # Nobody waits for a standard error that is full.
        os.set_blocking(write, False)
        with self.assertRaises(BlockingIOError):
            while True:
                os.write(write, b"x" * 4096)
        os.set_blocking(write, True)
        os.kill(process.pid, signal.SIGHUP)
        self.until(connection, moved, "(?s)event=reloaded.*event=reloaded")

        # What was said helps.
        os.mkdir(folder)
        os.kill(process.pid, signal.SIGHUP)
        self.until(connection, log, "event=reloaded")

    def reach(self, process):
        """A connection to the daemon, as soon as it listens on its socket: no line says where."""
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(probe.close)
        while probe.connect_ex(self.path("socket")):
            self.assertIsNone(process.poll())
        connection = lib.Connection("unix:" + self.path("socket"))
        self.addCleanup(connection.close)
        return connection

    def test_a_file_that_cannot_be_opened_is_a_mistake(self):
        for path, why in ((self.path("no/such"), "No such file"), (self.folder, "Is a directory")):
            done = subprocess.run([lib.binary(), "-m", "-H", "none", "-c", self.path("config", 'log_file = "%s"\n' % path)],
                                  capture_output=True, text=True, timeout=lib.PATIENCE, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)

    def test_a_standard_error_that_nobody_reads_holds_up_no_job(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        process = subprocess.Popen([lib.binary(), "-m", "-H", "none", "-l", "unix:" + self.path("socket")],
                                   stdin=subprocess.DEVNULL, stderr=write)
        os.close(write)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        connection = self.reach(process)
        # More lines than pipe and daemon hold: each says all of the queue's name.
        for number in range(1500):
            connection.call("declare", queue="%05d" % number + "é" * 125)
        job = connection.call("put", queue="q", body=1)["id"]
        self.assertEqual(connection.call("get", queue="q", auto_ack=True)["id"], job)
        # It comes to its end all the same, though it cannot say so.
        process.terminate()
        self.assertEqual(process.wait(lib.PATIENCE), 0)


class Help(Case):
    def test_what_the_log_can_say(self):
        done = subprocess.run([lib.binary(), "--help-log"], capture_output=True, text=True, timeout=lib.PATIENCE, check=True)
        lines = done.stdout.splitlines()
        self.assertGreater(len(lines), 40)
        self.assertIn("listening            info     connections are taken", lines)
        self.assertTrue(all(re.match(r"[a-z_]+ +(debug|info|warning|error) +\S", line) for line in lines), lines)


class Journal(Case):
    def test_the_journal_gets_priorities_and_no_time(self):
        """Standard error is what JOURNAL_STREAM names, as under systemd."""
        wrap = [sys.executable, "-c", "import os, sys; s = os.fstat(2); "
                "os.environ['JOURNAL_STREAM'] = '%d:%d' % (s.st_dev, s.st_ino); os.execv(sys.argv[1], sys.argv[1:])"]
        daemon = self.start(wrap=wrap)
        self.assertRegex(daemon.log[0], r"^<6>level=info event=")
        self.assertNotIn("time=", daemon.text())


if __name__ == "__main__":
    lib.main()
