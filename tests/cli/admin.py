#!/usr/bin/env python3
"""The commands for those who look after queues."""

import json
import re
import tempfile

import cli
from cli import NO, USAGE


class Queues(cli.CliTest):
    def test_an_aligned_table(self):
        self.taskq("put", self.queue + " é", "1")
        self.taskq("put", self.queue + " dead", "1")
        job = self.taskq("get", self.queue + " dead", "--json").json()
        self.taskq("bury", job["id"], job["delivery"])
        self.taskq("pause", self.queue + " dead")
        lines = self.taskq("queues").out.splitlines()
        self.assertEqual(lines[0].split(), "QUEUE READY DELAYED RESERVED DEAD DONE WAITING OLDEST STATE".split())
        ours = [line for line in lines if line.startswith(self.queue)]
        self.assertEqual(len(ours), 2)
        self.assertTrue(ours[0].rstrip().endswith("paused"))
        # Numbers end under the end of their titles.
        end = lines[0].index("READY") + len("READY")
        for line in ours:
            self.assertIn(line[end - 1], "01")
            self.assertEqual(line[end], " ")
        self.assertNotIn("\033", "".join(lines))

    def test_json_has_a_line_a_queue_and_all_pages(self):
        c = self.rpc()
        for n in range(1100):
            c.ask("put", {"queue": "%s-%04d" % (self.queue, n), "body": 1})
        for n in range(1100):
            c.reply()
        names = [q["queue"] for q in self.taskq("queues", "--json").lines()]
        self.assertEqual([n for n in names if n.startswith(self.queue)], ["%s-%04d" % (self.queue, n) for n in range(1100)])

    def test_stats(self):
        self.put()
        text = self.taskq("stats", self.queue).out
        self.assertRegex(text, r"(?m)^  ready +1$")
        self.assertRegex(text, r"(?m)^  lease +1m00s$")
        self.assertEqual(self.taskq("stats", self.queue, "--json").json()["gauges"]["ready"], 1)
        text = self.taskq("stats").out
        self.assertIn("counters", text)
        self.assertRegex(text, r"(?m)^  taskq_jobs_enqueued_total +\d+$")
        self.taskq("get", self.queue, "--auto-ack")
        self.assertRegex(self.taskq("stats").out, r"(?m)^  taskq_job_wait_seconds +\d+: half within \S+s, 90 % within \S+s, 99 % within \S+s$")
        self.taskq("stats", "nowhere", code=NO)

    def test_declare_passes_every_setting_on(self):
        now = self.taskq("declare", self.queue, "--order", "lifo", "--maxsize", 7, "--lease", "2m", "--max-attempts", 4,
                         "--max-lost", 5, "--backoff-base", 2, "--backoff-cap", "1h", "--backoff-jitter", "0.5",
                         "--dead-letter", "graves", "--concurrency", 3, "--durable", "no", "--keep-result", 60,
                         "--keep-dead", "1d", "--keep-result-bytes", 1000, "--keep-dead-bytes", 2000, "--json").json()
        expected = {"queue": self.queue, "declared": True, "order": "lifo", "maxsize": 7, "lease": 120, "max_attempts": 4,
                    "max_lost": 5, "backoff": {"base": 2, "cap": 3600, "jitter": 0.5}, "dead_letter": "graves",
                    "concurrency": 3, "durable": False, "keep_result": 60, "keep_dead": 86400, "keep_result_bytes": 1000,
                    "keep_dead_bytes": 2000}
        self.assertEqual({name: now.get(name) for name in expected}, expected)
        now = self.taskq("declare", self.queue, "--dead-letter", "", "--json").json()
        self.assertIsNone(now["dead_letter"])
        self.assertEqual(now["maxsize"], 7)
        self.assertIn("lifo", self.taskq("declare", self.queue).out)
        self.taskq("declare", self.queue, "--order", "sideways", code=USAGE)
        self.taskq("declare", self.queue, "--durable", "maybe", code=USAGE)

    def test_pause_resume_join_shutdown_drop(self):
        self.taskq("pause", self.queue)
        self.put()
        self.taskq("get", self.queue, "-t0", code=NO)
        self.taskq("resume", self.queue)
        self.taskq("join", self.queue, "--timeout", 0, code=NO)
        waiting = self.start("join", self.queue)
        self.taskq("get", self.queue, "--auto-ack")
        self.assertEqual(self.finish(waiting).code, 0)
        self.put()
        self.taskq("shutdown", self.queue)
        self.assertIn("drop", self.taskq("put", self.queue, "1", code=NO).err)
        self.assertEqual(self.taskq("drop", self.queue, "--json").json(), {"count": 1})
        self.taskq("drop", self.queue, code=NO)
        self.put()
        self.taskq("shutdown", self.queue, "--immediate")
        self.taskq("get", self.queue, "-t0", code=NO)


class Jobs(cli.CliTest):
    def test_a_job_in_words(self):
        id = self.put('"1"', "--delay", "2h")
        text = self.taskq("job", id).out
        self.assertRegex(text, r"(?m)^state +delayed$")
        self.assertRegex(text, r"(?m)^due +(2h00m|1h59m)$")
        self.assertRegex(text, r'(?m)^body +"1"$')
        self.assertEqual(text.splitlines()[-1].split()[0], "body")
        self.assertEqual(self.taskq("job", id, "--json").json()["id"], id)
        self.taskq("job", 10 ** 15, code=NO)
        self.taskq("job", "x", code=USAGE)

    def test_lists(self):
        ids = [self.put(json.dumps(n)) for n in range(250)]
        lines = self.taskq("jobs", self.queue).out.splitlines()
        self.assertEqual(lines[0].split(), "ID STATE PRIORITY ATTEMPT AGE NOTE".split())
        self.assertEqual([int(line.split()[0]) for line in lines[1:]], ids[:100])
        ran = self.taskq("jobs", self.queue, "-n", 0, "--json", "--bodies")
        self.assertEqual([job["body"] for job in ran.lines()], list(range(250)))
        self.assertEqual(len(self.taskq("jobs", self.queue, "-n", 7, "--json").lines()), 7)
        self.assertEqual(self.taskq("jobs", self.queue, "--state", "dead", "--json").out, "")
        self.taskq("jobs", self.queue, "--state", "unheard", code=USAGE)
        self.taskq("jobs", "nowhere", code=NO)

    def test_kick_and_delete(self):
        ids = [self.put(str(n), "--delay", "1h") for n in range(6)]
        self.assertEqual(self.taskq("kick", ids[0], ids[1], "--json").json(), {"count": 2})
        self.assertIn("neither", self.taskq("kick", ids[0], code=NO).err)
        self.assertEqual(self.taskq("kick", "-q", self.queue, "--state", "delayed", "-n", 1).out, "1 made ready\n")
        self.assertEqual(self.taskq("delete", ids[0]).out, "1 deleted\n")
        self.assertEqual(self.taskq("delete", "-q", self.queue, "--state", "ready").out, "2 deleted\n")
        self.assertEqual(self.taskq("delete", "-q", self.queue).out, "3 deleted\n")
        self.taskq("delete", ids[0], code=NO)
        self.taskq("delete", code=USAGE)
        self.taskq("delete", ids[0], "-q", self.queue, code=USAGE)
        self.taskq("delete", ids[0], "--state", "dead", code=USAGE)
        before = self.put()
        self.taskq("delete", before, "x", code=USAGE)
        self.taskq("job", before)  # nothing was deleted, since not all was understood


class Daemon(cli.CliTest):
    def test_ping_hello_pool_raw(self):
        self.assertIn("answers in", self.taskq("ping").out)
        self.assertIn("seconds", self.taskq("ping", "--json").json())
        self.assertRegex(self.taskq("hello").out, r"(?m)^durability +memory$")
        self.assertEqual(self.taskq("hello", "--json").json()["protocol"], 1)
        self.assertIn("no handlers", self.taskq("pool").err)
        self.assertEqual(self.taskq("pool", "--json").json(), {"handlers": []})
        self.assertEqual(self.taskq("raw", "ping").out, "{}\n")
        self.assertEqual(self.taskq("raw", "stats", '{"queue":"no"}', code=NO).out, "")
        self.taskq("raw", "stats", "[]", code=USAGE)
        self.taskq("raw", "nonsense", code=USAGE)
        self.taskq("raw", "put", '{"queue":"%s"}' % self.queue, code=USAGE)


class Pool(cli.CliTest):
    @classmethod
    def setUpClass(cls):
        cls.config = tempfile.NamedTemporaryFile("w", suffix=".conf")
        cls.config.write('handler "naps" { kind = sleep queues = {"naps", "short naps"} workers = 2 daemon = true }\n'
                         'handler "other" { kind = noop }\n')
        cls.config.flush()
        cls.arguments = ("-c", cls.config.name)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.config.close()

    def test_it_shows_handlers_workers_and_what_runs(self):
        id = self.taskq("put", "naps", "1000").out.strip()
        self.rpc().until(lambda pool: pool["handlers"][0]["running"] == 1, "pool")
        lines = [re.split(r"  +", line.strip()) for line in self.taskq("pool").out.splitlines() if line]
        self.assertEqual(lines[0], ["HANDLER", "QUEUES", "KIND", "STATE", "WORKERS", "RUNNING", "DONE", "FAILED"])
        self.assertEqual((lines[1][0], lines[1][2:6]), ("naps", ["sleep", "running", "2", "1"]))
        self.assertIn("short naps", lines[1][1])
        self.assertEqual(lines[2][0], "other")
        self.assertEqual(lines[3], ["JOB", "HANDLER", "WORKER", "FOR"])
        self.assertEqual(lines[4][:2], [id, "naps"])

    def test_it_sets_how_many_workers_a_handler_has(self):
        self.assertRegex(self.taskq("pool", "other", 5).out, r"(?m)^other .* running +5 ")
        shown = self.taskq("pool", "other", 3, "--json").json()["handlers"][1]
        self.assertEqual((shown["handler"], shown["workers"]), ("other", 3))
        self.assertIn("handler", self.taskq("pool", "nobody", 3, code=NO).err)
        for wrong in (("other",), ("other", "0"), ("other", "1025"), ("other", "many"), ("other", "1", "2")):
            self.taskq("pool", *wrong, code=USAGE)


class Bench(cli.CliTest):
    def counters(self):
        return self.taskq("stats", "--json").json()["counters"]

    def test_every_job_is_put_got_and_acknowledged(self):
        before = self.counters()
        ran = self.taskq("bench", "--json", "-n", 1003, "-c", 3, "-f", 7, "-b", 50).json()
        after = self.counters()
        # The last part is one job at a time, of which there are a thousand at the most.
        self.assertEqual({name: after[name] - before[name] for name in ("put", "taken", "done")},
                         {"put": 2003, "taken": 2003, "done": 2003})
        self.assertEqual([ran[name] for name in ("jobs", "connections", "in_flight", "body")], [1003, 3, 7, 50])
        for part in ("put", "take", "single"):
            self.assertGreater(ran[part]["jobs_per_second"], 0)
            self.assertGreater(ran[part]["p50"], 0)
            self.assertGreaterEqual(ran[part]["p99"], ran[part]["p50"])

    def test_a_table_for_people(self):
        lines = self.taskq("bench", "-n", 20, "-c", 30).out.splitlines()
        self.assertEqual(lines[0].split(), ["jobs/s", "p50", "p99"])
        self.assertEqual([line[:14].rstrip() for line in lines[1:]], ["put", "get, ack", "one at a time"])

    def test_nothing_is_left_behind(self):
        self.taskq("bench", "-n", 100)
        self.taskq("bench", "-n", 10, "-b", 2000000, code=NO)
        process = self.start("bench", "-n", 10000000, "-f", 3)
        self.rpc().until(lambda page: page["queues"], "queues")
        process.send_signal(cli.signal.SIGINT)
        self.assertEqual(self.finish(process).code, -cli.signal.SIGINT)
        self.assertEqual(self.taskq("queues", "--json").out, "")

    def test_what_it_takes(self):
        for option in ("-n", "-c", "-f", "-b"):
            self.assertIn("is from", self.taskq("bench", option, 0, code=USAGE).err)
        self.assertIn("larger", self.taskq("bench", "-n", 10, "-b", 2000000, code=NO).err)


if __name__ == "__main__":
    cli.main()
