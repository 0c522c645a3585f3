"""The configuration: read again on SIGHUP, its reference, its example; and the number of a handler's workers."""

import os
import re
import signal
import subprocess
import unittest

import lib
from daemon import Case, run

EXAMPLE = os.path.join(os.path.dirname(lib.DOCUMENT), "..", "conf", "taskqd.conf")


class Reloading(Case):
    def configured(self, text, **more):
        """A daemon with this configuration, and a connection to it."""
        self.config = self.path("config", text)
        self.daemon = self.start("-c", self.config, **more)
        return self.connect(self.daemon)

    def hang_up(self, outcome):
        line = "event=" + outcome
        before = sum(line in other for other in self.daemon.log if other)
        os.kill(self.daemon.pid, signal.SIGHUP)
        self.daemon._wait_for("(%s)" % line, before)

    def reload(self, text, outcome="reloaded"):
        """Returns what the log says of it. What follows its first line is there when the next one's first line is."""
        self.path("config", text)
        before = len(self.daemon.log)
        self.hang_up(outcome)
        self.hang_up(outcome)
        return "\n".join(line for line in self.daemon.log[before:] if line).replace('\\"', '"')

    def handlers(self, connection, state=None):
        return {h["handler"]: h for h in connection.call("pool")["handlers"] if state in (None, h["state"])}


class Handlers(Reloading):
    def test_they_come_change_and_go_and_no_job_is_lost(self):
        os.mkfifo(self.path("go"))
        connection = self.configured('handler "stays" { kind = echo }\nhandler "goes" { command = {"cat", "%s"} }\n'
                                     'handler "changes" { kind = fail }\n' % self.path("go"))
        running = connection.call("submit", queue="goes", body=0)["id"]
        connection.until(lambda pool: pool["handlers"][1]["running"] == 1, "pool")
        next_one = connection.call("submit", queue="goes", body=0.01)["id"]
        log = self.reload('handler "comes" { command = {"cat"} workers = 2 }\nhandler "changes" { kind = echo }\n'
                          'handler "stays" { kind = echo workers = 4 }\n')
        self.assertIn("started=2 retired=2 resized=1 kept=0", log)
        self.assertEqual([(h["handler"], h["kind"], h["workers"])
                          for h in connection.call("pool")["handlers"] if h["state"] == "running"],
                         [("comes", "exec", 2), ("changes", "echo", 1), ("stays", "echo", 4)])
        # A job that ran goes on to its end; the next one has nobody who takes it, and waits.
        self.assertEqual(self.handlers(connection, "draining")["goes"]["jobs"][0]["id"], running)
        with open(self.path("go"), "w", encoding="utf-8") as go:
            go.write("1")
        self.assertEqual(connection.call("result", id=running, timeout=lib.PATIENCE)["result"], 1)
        connection.until(lambda pool: all(h["state"] == "running" for h in pool["handlers"]), "pool")
        self.assertEqual(connection.call("job", id=next_one)["state"], "ready")
        for queue in ("comes", "changes", "stays"):
            id = connection.call("submit", queue=queue, body=[queue])["id"]
            self.assertEqual(connection.call("result", id=id, timeout=lib.PATIENCE)["result"], [queue])
        # And comes back.
        self.reload('handler "goes" { kind = sleep }\n')
        self.assertEqual(connection.call("result", id=next_one, timeout=lib.PATIENCE)["state"], "done")
        self.assertEqual(list(self.handlers(connection)), ["goes"])

    def test_the_first_handler_may_come_by_a_reload_with_a_user_of_its_own(self):
        connection = self.configured("# none\n")
        self.assertEqual(connection.call("pool"), {"handlers": []})
        user = 'user = "nobody"' if os.geteuid() == 0 else ""
        self.reload('handler "h" { command = {"sh", "-c", \'id -u; echo "$X"\'} env = {"X=7"} cwd = "/" %s }\n' % user)
        id = connection.call("submit", queue="h", body=1)["id"]
        result = connection.call("result", id=id, timeout=lib.PATIENCE)["result"]
        who = subprocess.run(["id", "-u"] + (["nobody"] if user else []), capture_output=True, text=True, check=True)
        self.assertEqual(result, "%s\n7" % who.stdout.strip())

    def test_a_changed_handler_takes_nothing_new_while_its_last_job_runs(self):
        os.mkfifo(self.path("go"))
        command = 'command = {"cat", "%s"}' % self.path("go")
        connection = self.configured('handler "h" { %s }\n' % command)
        id = connection.call("submit", queue="h", body=1)["id"]
        connection.until(lambda pool: pool["handlers"][0]["running"] == 1, "pool")
        self.reload('handler "h" { command = {"echo", "2"} }\n')
        new = connection.call("submit", queue="h", body=1)["id"]
        self.assertEqual(connection.call("result", id=new, timeout=lib.PATIENCE)["result"], 2)
        old = self.handlers(connection, "draining")["h"]
        self.assertEqual((old["workers"], old["running"], old["jobs"][0]["id"]), (0, 1, id))
        with open(self.path("go"), "w", encoding="utf-8") as go:
            go.write("1")
        self.assertEqual(connection.call("result", id=id, timeout=lib.PATIENCE)["result"], 1)

    def test_a_stop_waits_for_a_handler_that_was_removed(self):
        connection = self.configured('handler "h" { kind = sleep }\n', data=self.path("data"))
        id = connection.call("submit", queue="h", body=1)["id"]
        connection.until(lambda pool: pool["handlers"][0]["running"] == 1, "pool")
        self.reload("# none\n")
        self.daemon.stop()
        again = self.connect(self.start(data=self.path("data")))
        self.assertEqual(again.call("result", id=id, timeout=0)["state"], "done")

    def test_two_handlers_of_one_queue_are_refused_at_every_place(self):
        good = 'handler "a" { kind = echo }\n'
        bad = good + 'handler "b" {\n  kind = echo\n  queues = {"b", "a"}\n}\n'
        words = 'handler "b": queue "a" is served by handler "a" already, and has one handler'
        path = self.path("bad", bad)
        self.assertRefused(run("-t", "-c", path), path + ":5: " + words)
        self.assertRefused(run("-m", "-c", path), path + ":5: " + words)
        connection = self.configured(good)
        log = self.reload(bad, "reload_failed")
        self.assertIn("%s:5: %s" % (self.config, words), log)
        self.assertEqual(list(self.handlers(connection)), ["a"])

    def test_consumers_outside_may_take_from_a_handlers_queue(self):
        connection = self.configured('handler "h" { kind = sleep }\n')
        busy = connection.call("submit", queue="h", body=1000)["id"]
        connection.until(lambda pool: pool["handlers"][0]["running"] == 1, "pool")
        id = connection.call("submit", queue="h", body="out")["id"]
        job = connection.call("get", queue="h", timeout=0)
        self.assertEqual((job["id"], job["body"]), (id, "out"))
        connection.call("ack", id=id, result=1)
        self.assertEqual(connection.call("result", id=id, timeout=0)["result"], 1)
        self.assertEqual(connection.call("job", id=busy)["state"], "reserved")
        self.reload("# none\n")
        self.daemon.terminate()  # 1000 s are not waited for: hurry
        self.daemon._wait_for("event=(stopping)")
        self.daemon.stop()


class Settings(Reloading):
    def test_what_is_wrong_changes_nothing(self):
        connection = self.configured('shutdown_timeout = 1\nhandler "h" { kind = echo }\n')
        log = self.reload('shutdown_timeout = 2\nhandler "h" {\n  kind = eco\n}\n',
                          "reload_failed")
        self.assertIn('%s:3: kind = "eco": one of these is expected: exec ' % self.config, log)
        self.assertNotIn("event=setting_", log)
        self.assertEqual(self.handlers(connection)["h"]["kind"], "echo")
        os.unlink(self.config)
        os.kill(self.daemon.pid, signal.SIGHUP)
        self.daemon._wait_for("(%s: No such file or directory)" % re.escape(self.config))
        self.daemon.terminate()
        self.daemon._wait_for("event=stopping .*(within=1)")
        self.daemon.wait()

    def test_what_can_be_applied_is_and_what_cannot_is_named(self):
        connection = self.configured("threads = 1\nmax_body = 2K\n")
        log = self.reload('threads = 2\nmax_body = 4K\nmax_waits = 3\nshutdown_timeout = 7\nlog_level = debug\n'
                          'listen = {"127.0.0.1:1"}\n')
        for line in ("level=warning event=setting_waits msg=\"a setting changed that takes effect at the next start\" setting=threads from=1 to=2",
                     "setting=max_body from=2K to=4K",
                     "setting=max_request from=66K to=68K",
                     "level=info event=setting_changed msg=\"a setting changed\" setting=max_waits from=1024 to=3",
                     "setting=shutdown_timeout from=30 to=7",
                     "setting=log_level from=info to=debug"):
            self.assertIn(line, log)
        self.assertNotIn("setting=listen", log)  # the command line says where, now as before
        self.assertEqual(connection.call("hello", client="me")["limits"]["waits"], 3)
        self.daemon._wait_for("level=debug event=client_name .*(client=me)")
        self.assertEqual(connection.error("put", queue="q", body="x" * 3000).name, "too_large")
        for _ in range(3):
            connection.ask("get", {"queue": "empty"})
        self.assertEqual(connection.error("get", queue="empty").name, "overloaded")
        self.path("config", "log_level = error\n")
        self.hang_up("reloaded")
        self.daemon.terminate()
        self.daemon.wait()
        self.assertNotIn("stopping", self.daemon.text())

    def test_limits_hold_from_then_on(self):
        connection = self.configured("")
        connection.call("put", queue="a", body="x" * 1000)
        self.reload("memory = 1\nmax_connections = 2\n")
        self.assertEqual(connection.error("put", queue="a", body=1).name, "overloaded")
        second = self.connect(self.daemon)
        second.call("ping")
        with self.daemon.connect() as third:
            self.assertEqual(third.reply()["error"]["data"]["name"], "overloaded")
        self.reload("max_queues = 1\n")
        connection.call("put", queue="a", body=1)
        self.assertEqual(connection.error("put", queue="b", body=1).name, "overloaded")
        self.reload("max_subscriptions = 1\n")
        self.assertEqual(connection.call("hello")["limits"]["subscriptions"], 1)
        connection.call("submit", queue="a", body=1, notify=True)
        self.assertEqual(connection.error("submit", queue="a", body=1, notify=True).name, "overloaded")
        self.reload("")
        connection.call("put", queue="b", body=1)
        connection.call("submit", queue="a", body=1, notify=True)

    def test_queues_are_declared_again(self):
        connection = self.configured('queue "q" { maxsize = 5 }\n')
        connection.call("put", queue="q", body=1)
        log = self.reload('queue "q" { maxsize = 1 durable = false }\nqueue "r" { order = lifo }\n')
        self.assertRegex(log, 'level=error event=queue_refused .*queue=q .*durable')
        self.assertEqual(connection.call("declare", queue="r")["order"], "lifo")
        self.assertEqual(connection.call("declare", queue="q")["maxsize"], 5)
        self.reload('queue "q" { maxsize = 1 }\n')
        self.assertEqual(connection.error("put", queue="q", body=1, timeout=0).name, "full")
        self.assertEqual(connection.call("declare", queue="r")["order"], "lifo")  # stays as it was declared


class Workers(Reloading):
    def test_their_number_is_set_until_the_next_reload(self):
        text = 'handler "h" { kind = sleep workers = 1 }\n'
        connection = self.configured(text)
        ids = [connection.call("submit", queue="h", body=2)["id"] for _ in range(3)]
        shown = connection.call("pool", handler="h", workers=3)["handlers"][0]
        self.assertEqual(shown["workers"], 3)
        shown = connection.until(lambda pool: pool["handlers"][0]["running"] == 3, "pool")["handlers"][0]
        self.assertEqual([job["worker"] for job in shown["jobs"]], [0, 1, 2])
        shown = connection.call("pool", handler="h", workers=1)["handlers"][0]
        self.assertEqual((shown["workers"], shown["running"], len(shown["jobs"])), (1, 3, 3))
        for id in ids:
            self.assertEqual(connection.call("result", id=id, timeout=lib.PATIENCE)["state"], "done")
        connection.call("pool", handler="h", workers=2)
        self.reload(text)
        self.assertEqual(self.handlers(connection)["h"]["workers"], 1)

    def test_what_cannot_be_is_refused(self):
        connection = self.configured("".join('handler "h%d" { kind = noop }\n' % n for n in range(5)))
        self.assertEqual(connection.error("pool", handler="x", workers=1).name, "not_found")
        self.assertEqual(connection.error("pool", handler="h0").data["param"], "workers")
        self.assertEqual(connection.error("pool", workers=1).data["param"], "handler")
        for wrong in (0, 1025, 1.5, "2"):
            self.assertEqual(connection.error("pool", handler="h0", workers=wrong).data["param"], "workers")

    def test_workers_that_are_needed_no_more_leave_nothing(self):
        connection = self.configured('handler "h" { command = {"true"} }\n')
        descriptors = "/proc/%d/fd" % self.daemon.pid
        tasks = "/proc/%d/task" % self.daemon.pid
        before = len(os.listdir(descriptors)), len(os.listdir(tasks))
        for _ in range(5):
            connection.call("pool", handler="h", workers=30)
            connection.call("pool", handler="h", workers=1)
        # One that has ended may wait for the next to end, to be joined by it.
        connection.until(lambda _: len(os.listdir(descriptors)) <= before[0] + 2 and
                         len(os.listdir(tasks)) <= before[1] + 1, "pool")

    def test_going_down_and_up_with_long_jobs_gathers_no_threads(self):
        connection = self.configured('handler "h" { kind = sleep workers = 20 daemon = true }\n')
        for _ in range(20):
            connection.call("put", queue="h", body=1000)
        connection.until(lambda pool: pool["handlers"][0]["running"] == 20, "pool")
        tasks = len(os.listdir("/proc/%d/task" % self.daemon.pid))
        for _ in range(10):
            connection.call("pool", handler="h", workers=1)
            connection.call("pool", handler="h", workers=20)
        self.assertEqual(len(os.listdir("/proc/%d/task" % self.daemon.pid)), tasks)


class Reference(unittest.TestCase):
    def rows(self, text, comment=""):
        """{(section, name): value or ""} of a configuration's lines, or of the reference's."""
        section, found = "", {}
        for line in text.splitlines():
            start = re.match(r"(queue|handler) \"", line)
            row = re.match(r"( {4})?%s(\w+)(?: = (.*?))?(?:\s+#.*)?$" % comment, line)
            if start:
                section = start.group(1)
            elif line == "}":
                section = ""
            elif row and bool(row.group(1)) == bool(section):
                found[section, row.group(2)] = row.group(3) or ""
        return found

    def test_the_example_shows_every_setting_with_its_default(self):
        code, out, err = run("--help-config")
        self.assertEqual((code, err), (0, ""))
        reference = self.rows(out)
        self.assertGreater(len(reference), 40)
        self.assertEqual(reference["", "max_body"], "1M")
        with open(EXAMPLE, encoding="utf-8") as file:
            example = file.read()
        defaults, given = self.rows(example, "#"), self.rows(example)
        self.assertEqual(set(reference) - set(defaults) - set(given), set(), "not in the example")
        self.assertEqual((set(defaults) | set(given)) - set(reference), set(), "not a setting")
        for row in set(defaults) & set(reference):
            if reference[row]:
                self.assertEqual(defaults[row], reference[row], row)

    def test_the_reference_says_what_a_reload_applies(self):
        _, out, _ = run("--help-config")
        self.assertRegex(out, r"(?m)^threads = 0\n    .*\n    \(a whole number, 0 to 64; at the next start\)$")
        self.assertRegex(out, r"(?m)^max_waits = 1024\n    .*\n    \(a whole number, 1 to 1000000\)$")


if __name__ == "__main__":
    lib.main()
