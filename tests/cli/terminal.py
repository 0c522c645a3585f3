#!/usr/bin/env python3
"""How it behaves where a person sits: colours, questions, the progress bar, signals."""

import os
import re
import signal
import unittest

import cli
from cli import DONE, NO, USAGE


class OnATerminal(cli.CliTest):
    def dead(self):
        self.put()
        self.taskq("bury", *self.hold())

    def test_colours(self):
        self.dead()
        ran = self.terminal("queues").end()
        self.assertEqual(ran.code, DONE, ran)
        self.assertIn("\033[1mQUEUE\033[0m", ran.out)
        self.assertIn("\033[31m1\033[0m", ran.out)
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            self.assertNotIn("\033", self.terminal("queues", env=env).end().out)
        self.assertNotIn("\033", self.taskq("queues").out)

    def test_what_a_terminal_would_obey_is_not_printed(self):
        self.put('"\\u009b31m"'.replace("\\u009b", "\u009b"))
        ran = self.terminal("get", self.queue, "--auto-ack").end()
        self.assertIn("\\u009b31m", ran.out)
        for character in "\u007f\u061c\u200b\u200f\u2028\u202e\u2066\ufeff":
            self.put('"a%sb"' % character)
            self.assertIn('"a\\u%04xb"' % ord(character), self.terminal("get", self.queue, "--auto-ack").end().out)
        for character in "\u00a0\u0430\u200d\u20ac\U0001f600":  # what people write stands
            self.put('"a%sb"' % character)
            self.assertIn('"a%sb"' % character, self.terminal("get", self.queue, "--auto-ack").end().out)
        name = self.queue + "-\u202eelif"
        self.taskq("put", name, "1")
        self.addCleanup(self.taskq, "drop", "--yes", name)
        self.assertIn(self.queue + "-?elif", self.terminal("queues").end().out)
        self.put('"\u007f\u009b"')
        self.assertEqual(self.taskq("get", self.queue, "--auto-ack").out, '"\u007f\u009b"\n')  # a pipe gets the bytes

    def test_no_line_of_a_table_ends_in_spaces(self):
        self.put('"%s"' % ("\u00e9" * 100))
        for command in (["queues"], ["jobs", self.queue, "--bodies"], ["jobs", self.queue]):
            for line in self.taskq(*command).out.splitlines():
                self.assertEqual(line, line.rstrip())
        self.assertIn("\u00e9\u2026", self.taskq("jobs", self.queue, "-b").out)

    def test_drop_asks(self):
        self.put()
        asked = self.terminal("drop", self.queue)
        asked.until("[y/N]")
        asked.type("n\n")
        self.assertEqual(asked.end().code, NO)
        self.taskq("stats", self.queue)
        asked = self.terminal("drop", self.queue)
        asked.until("[y/N]")
        asked.type("y\n")
        ran = asked.end()
        self.assertEqual(ran.code, DONE, ran)
        self.assertRegex(ran.out, r"dropped with 1 job\s")
        self.taskq("stats", self.queue, code=NO)
        self.put()
        ran = self.terminal("drop", self.queue, "--yes").end()
        self.assertNotIn("[y/N]", ran.out)
        self.assertEqual(ran.code, DONE)

    def test_deleting_many_asks(self):
        self.put()
        asked = self.terminal("delete", "-q", self.queue)
        asked.until("[y/N]")
        asked.type("\n")
        self.assertEqual(asked.end().code, NO)

    def test_put_without_a_body_says_what_is_missing(self):
        ran = self.terminal("put", self.queue).end()
        self.assertEqual(ran.code, USAGE)
        self.assertIn("what is to be put", ran.out)

    def test_the_progress_bar(self):
        path = self.path("many", "".join("%d\n" % n for n in range(30000)))
        with open(path) as lines:
            ran = self.terminal("put", self.queue, stdin=lines).end()
        self.assertEqual(ran.code, DONE, ran)
        self.assertRegex(ran.out, r"\d+% \[[#.]{30}\] \d+ jobs, \d+/s")
        self.assertTrue(ran.out.endswith("30000 jobs put\n"))
        with open(path) as lines:
            self.assertEqual(self.taskq("put", self.queue, stdin=lines).err, "")

    def test_control_c_ends_a_put_of_lines_and_says_how_far_it_came(self):
        process = self.start("put", self.queue, stdin=-1)
        process.stdin.write(b"1\n2\n")
        process.stdin.flush()
        self.rpc().until(lambda s: getattr(s, "name", "") != "not_found" and s["gauges"]["ready"] == 2, "stats",
                         queue=self.queue)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(cli.PATIENCE), -signal.SIGINT)
        self.assertEqual(process.stdout.read(), b"2 jobs put\n")

    def test_control_c_ends_a_wait(self):
        waiting = self.terminal("get", self.queue)
        self.rpc().until(lambda r: any(q["queue"] == self.queue and q["waiters"] == 1 for q in r["queues"]), "queues")
        waiting.process.send_signal(signal.SIGINT)
        self.assertEqual(waiting.end().code, -signal.SIGINT)


class Words(cli.CliTest):
    """Help and errors."""

    def test_help_is_there_for_every_command(self):
        overview = self.taskq("--help").out
        self.assertEqual(overview, self.taskq("help").out)
        commands = [line.split()[0] for line in overview.split("Commands:\n")[1].split("\n\n")[0].splitlines()]
        self.assertGreater(len(commands), 25)
        for command in commands:
            ran = self.taskq(command, "--help")
            self.assertIn("usage: taskq %s" % command, ran.out)
            self.assertEqual(ran.err, "")
            self.assertEqual(ran.out, self.taskq("help", command).out)
            self.assertEqual(ran.out, self.taskq("--help", command).out)
            self.assertTrue(all(len(line) <= 110 for line in ran.out.splitlines()), ran)
            # An option that all commands have must not be called as one of a command's own.
            options = [word.rstrip(",") for line in ran.out.splitlines() if re.match(r" +-", line)
                       for word in line.strip().split("  ")[0].split() if word.startswith("-")]
            self.assertEqual(sorted(options), sorted(set(options)), ran)
        self.assertIn("taskq", self.taskq("--version").out)

    def test_mistakes_are_met_with_a_hint(self):
        self.assertIn("did you mean `queues`", self.taskq("queus", code=USAGE).err)
        self.assertIn("did you mean `put`", self.taskq("ptu", code=USAGE).err)
        self.assertNotIn("did you mean", self.taskq("frobnicate", code=USAGE).err)
        self.assertIn("did you mean `jobs`", self.taskq("help", "jbos", code=USAGE).err)
        self.taskq(code=USAGE)
        self.taskq("--nonsense", code=USAGE)
        self.taskq("ping", "pong", code=USAGE)

    def test_nobody_there(self):
        ran = self.taskq("-a", "127.0.0.1:1", "ping", code=cli.NO_DAEMON)
        self.assertIn("no daemon at 127.0.0.1:1", ran.err)
        self.assertIn("start one with `taskqd -m`, or say where it is with -a or TASKQ_ADDR", ran.err)
        self.taskq("ping", code=cli.NO_DAEMON, env=cli.environment("unix:/nonexistent"))
        self.taskq("ping", "-a", "a:b:c", code=USAGE)
        error = cli.json.loads(self.taskq("ping", "--json", "-a", "127.0.0.1:1", code=cli.NO_DAEMON).err)
        self.assertEqual(error["error"]["name"], "no_daemon")

    def test_the_address_stands_before_or_behind_or_in_the_environment(self):
        nowhere = cli.environment("127.0.0.1:1")
        self.taskq("-a", self.daemon.address, "ping", env=nowhere)
        self.taskq("ping", "--address=" + self.daemon.address, env=nowhere)
        self.taskq("ping", "-a" + self.daemon.address, env=nowhere)
        self.taskq("-a", "127.0.0.1:1", "ping", "-a", self.daemon.address, env=nowhere)

    def test_output_that_cannot_be_written_is_an_error(self):
        for command in (["ping"], ["queues"], ["help"], ["stats", "--json"], ["put", self.queue, "1"]):
            with open("/dev/full", "w") as full:
                ran = self.taskq(*command, stdout=full, code=cli.BROKEN)
            self.assertIn("could not be written", ran.err)

    def test_a_reader_that_went_away_is_no_disaster(self):
        for _ in range(200):
            self.put()
        reader, writer = os.pipe()
        os.close(reader)
        ran = self.run_any("jobs", self.queue, "-n", 0, stdout=writer)
        os.close(writer)
        self.assertEqual(ran.code, -signal.SIGPIPE, ran)


class OverAUnixSocket(unittest.TestCase):
    def test_it_is_reached(self):
        with cli.tempfile.TemporaryDirectory() as folder:
            address = "unix:" + os.path.join(folder, "s")
            with cli.protocol.Daemon(listen=(address,)):
                ran = cli.subprocess.run([cli._program, "-a", address, "ping"], capture_output=True, text=True,
                                         env=cli.environment(""), timeout=cli.PATIENCE, check=False)
        self.assertEqual(ran.returncode, 0, ran)
        self.assertIn(address, ran.stdout)


if __name__ == "__main__":
    cli.main()
