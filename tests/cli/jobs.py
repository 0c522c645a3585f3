#!/usr/bin/env python3
"""Producers' and consumers' commands, one job at a time."""

import json
import os
import time
import unittest

import cli
from cli import NO, USAGE


class Put(cli.CliTest):
    def test_a_body_comes_back_byte_for_byte(self):
        for body in ('{"a": [1, 2.50],  "a":1e400}', "12345678901234567890", '"\\u00e9"', "-5", "null"):
            self.taskq("put", self.queue, body)
            self.assertEqual(self.taskq("get", self.queue, "--auto-ack", "--timeout", 0).out, body + "\n")

    def test_text_that_is_not_json_is_refused_and_the_way_is_shown(self):
        ran = self.taskq("put", self.queue, "hello world", code=USAGE)
        self.assertIn("not JSON; use --string", ran.err)
        self.assertEqual(ran.out, "")
        self.taskq("put", self.queue, "hello \"world\"", "--string")
        got = self.taskq("get", self.queue, "--auto-ack", "--timeout", 0)
        self.assertEqual(got.out, '"hello \\"world\\""\n')
        self.taskq("put", "-s", self.queue, "hello\nworld")
        got = self.taskq("get", self.queue, "--auto-ack", "--timeout", 0, "--raw")
        self.assertEqual(got.out, "hello\nworld")

    def test_text_that_looks_like_something_else_can_be_put_as_it_stands(self):
        for text in ("@" + self.path("x", "1"), "-", "@", "plain"):
            for command in ("put", "submit"):
                self.taskq(command, self.queue, "--literal", text)
                self.assertEqual(self.taskq("get", self.queue, "--auto-ack", "-t", 0, "--raw").out, text)
        self.taskq("put", self.queue, "--literal", code=USAGE, input="1")
        self.taskq("put", self.queue, "--literal", "--lines", "-", code=USAGE)

    def test_two_dashes_end_the_options(self):
        self.taskq("put", "-s", "--", self.queue, "--wait")
        self.taskq("put", self.queue, "-s", "--", "--")
        got = self.taskq("get", "--auto-ack", "-n", 2, "--timeout", 0, "--", self.queue)
        self.assertEqual(got.out, '"--wait"\n"--"\n')
        self.taskq("put", "--", self.queue, "1", "--json", code=USAGE)

    def test_text_that_is_not_utf8_is_refused_not_changed(self):
        for wrong in (b"\xff", b"ends in half \xc3", b"\xed\xa0\x80"):
            ran = self.taskq("put", self.queue, "-s", os.fsdecode(wrong), code=USAGE)
            self.assertIn("not UTF-8", ran.err)
        self.taskq("stats", self.queue, code=NO)
        self.put("h\u00e9 \u2713 \U0001f600", "-s")

    def test_files_and_standard_input(self):
        path = self.path("body", '{\n  "x": 1\n}\n')
        self.taskq("put", self.queue, "@" + path)
        self.taskq("put", self.queue, "-", input="[1,\n2]")
        self.taskq("put", self.queue, "-", "--string", input="a\nb\n")
        self.taskq("put", self.queue, "@" + path + "-not-there", code=USAGE)
        got = [self.taskq("get", self.queue, "--auto-ack", "--timeout", 0).out for _ in range(3)]
        self.assertEqual(json.loads(got[0]), {"x": 1})
        self.assertEqual(got[1:], ["[1, 2]\n", '"a\\nb"\n'])

    def test_every_option_reaches_the_daemon(self):
        id = self.put("1", "--priority", "-1.5", "--delay", "1h", "--max-attempts", 3, "--expires", "2h", "-k", "key",
                      "--lease", "90s")
        job = self.rpc().call("job", id=id)
        self.assertEqual((job["state"], job["priority"], job["max_attempts"], job["key"]), ("delayed", -1.5, 3, "key"))
        self.assertTrue(3500 < job["due"] <= 3600)
        self.assertTrue(7100 < job["expires"] <= 7200)
        again = self.taskq("put", self.queue, "2", "--key", "key", "--json").json()
        self.assertEqual(again, {"id": id, "existing": True})
        at = self.rpc().call("job", id=self.put("1", "--at", "2100-01-01T00:00Z"))
        self.assertAlmostEqual(at["due"], 4102444800 - time.time(), delta=60)

    def test_what_does_not_go_together_is_said(self):
        for wrong in (["--delay", "1", "--at", "5"], ["--key-for", "5"], ["--max-attempts", "0"], ["--delay", "soon"],
                      ["--delay", "-1"], ["--priority", "inf"], ["--lines"], ["extra"], ["--nonsense"], ["--json=1"],
                      ["--delay"]):
            ran = self.taskq("put", self.queue, "1", *wrong, code=USAGE)
            self.assertIn("usage: taskq put", ran.err)
        self.taskq("put", code=USAGE)
        self.taskq("put", "x" * 300, "1", code=USAGE)  # the daemon refuses the name

    def test_a_full_queue(self):
        self.taskq("declare", self.queue, "--maxsize", 1)
        self.put()
        self.assertIn("full", self.taskq("put", self.queue, "2", "--timeout", 0, code=NO).err)
        waiting = self.start("put", self.queue, "3")
        self.rpc().until(lambda s: s["gauges"]["waiting_puts"] == 1, "stats", queue=self.queue)
        self.taskq("get", self.queue, "--auto-ack")
        self.assertEqual(self.finish(waiting).code, 0)

    def test_a_body_may_be_too_large(self):
        path = self.path("large", '"' + "x" * 3000000 + '"')
        self.assertIn("large", self.taskq("put", self.queue, "@" + path, code=NO).err)


class Lines(cli.CliTest):
    def bodies(self):
        return [page["body"] for page in self.rpc().call("jobs", queue=self.queue, bodies=True, limit=1000)["jobs"]]

    def test_a_job_a_line(self):
        ran = self.taskq("put", self.queue, input='1\n{"a":2}\n\n  \n"three"')
        self.assertEqual(ran.out, "3 jobs put\n")
        self.assertEqual(self.bodies(), [1, {"a": 2}, "three"])

    def test_one_job_is_no_jobs(self):
        self.assertEqual(self.taskq("put", self.queue, input="1\n").out, "1 job put\n")
        self.assertEqual(self.taskq("put", self.queue, "-l", "--key", "k", input="2\n").out, "1 job put\n")
        self.assertRegex(self.taskq("put", self.queue, "-l", "--key", "k", input="2\n").out, "^0 jobs put, 1 was there already\n$")
        self.assertEqual(self.taskq("drop", self.queue, "--yes").out, "dropped with 2 jobs\n")

    def test_text_a_line(self):
        path = self.path("lines", "one\ntwo words\n\n\"4\"\r\n")
        self.taskq("put", self.queue, "@" + path, "--lines", "--string")
        self.assertEqual(self.bodies(), ["one", "two words", "", '"4"'])

    def test_a_bad_line_stops_it_where_it_stands(self):
        ran = self.taskq("put", self.queue, "-l", "-", input="1\n2\nthree\n4\n", code=USAGE)
        self.assertIn("line 3 is not JSON", ran.err)
        self.assertEqual(ran.out, "2 jobs put\n")
        self.assertEqual(self.bodies(), [1, 2])

    def test_many(self):
        text = "".join('{"n":%d,"text":"%s"}\n' % (n, "x" * (n % 100)) for n in range(20000))
        self.taskq("put", self.queue, input=text)
        self.assertEqual(self.rpc().call("stats", queue=self.queue)["gauges"]["ready"], 20000)

    def test_lines_are_put_as_they_come(self):
        process = self.start("put", self.queue, stdin=-1)
        process.stdin.write(b"1\n2")
        process.stdin.flush()
        self.rpc().until(lambda s: getattr(s, "name", "") != "not_found" and s["gauges"]["ready"] == 1, "stats",
                         queue=self.queue)
        self.assertEqual(self.finish(process, b"\n").out, "2 jobs put\n")

    def test_with_a_key_the_same_input_can_be_put_again(self):
        self.taskq("put", self.queue, "--key", "import", input="1\n2\n")
        ran = self.taskq("put", self.queue, "--key", "import", "--json", input="1\n2\n3\n")
        self.assertEqual([line.get("existing", False) for line in ran.lines()], [True, True, False])
        self.assertEqual(self.bodies(), [1, 2, 3])

    def test_a_refusal_names_the_line(self):
        self.taskq("declare", self.queue, "--maxsize", 2)
        ran = self.taskq("put", self.queue, "--timeout", 0, "--json", input="1\n2\n3\n4\n", code=NO)
        self.assertIn("line 3", ran.err)
        self.assertEqual(ran.lines()[2], {"line": 3, "error": "full"})


class Get(cli.CliTest):
    def test_the_body_on_one_side_and_the_way_on_on_the_other(self):
        id = self.put('{"a":1}')
        ran = self.taskq("get", self.queue)
        self.assertEqual(ran.out, '{"a":1}\n')
        command = ran.err.split("taskq ack ")[1].split()
        self.assertEqual(int(command[0]), id)
        self.taskq("ack", *command)
        self.assertIn("no such", self.taskq("job", id, code=NO).err)

    def test_json_has_all(self):
        id = self.put('{"a":  1e400}', "-p", "2.5")
        ran = self.taskq("get", self.queue, "--json")
        self.assertTrue(ran.out.endswith(',"body":{"a":  1e400}}\n'), ran)
        job = json.loads(ran.out.replace("1e400", "0"))
        self.assertEqual((job["id"], job["queue"], job["priority"], job["attempt"]), (id, self.queue, 2.5, 1))

    def test_several(self):
        ids = [self.put(str(n)) for n in range(5)]
        ran = self.taskq("get", self.queue, "-n", 3, "--json")
        self.assertEqual([job["id"] for job in ran.lines()], ids[:3])
        self.taskq("get", self.queue, "-n", 0, code=USAGE)

    def test_several_queues(self):
        self.taskq("put", self.queue + "-b", "2")
        self.assertEqual(self.taskq("get", self.queue + "-a", self.queue + "-b", "--auto-ack").out, "2\n")

    def test_nothing_there(self):
        self.assertIn("no job", self.taskq("get", self.queue, "--timeout", 0, code=NO).err)
        self.taskq("get", self.queue, "-t", "10ms", code=NO)
        error = json.loads(self.taskq("get", self.queue, "-t0", "--json", code=NO).err)
        self.assertEqual(error["error"]["name"], "empty")

    def test_the_lease_outlives_the_program(self):
        id = self.put()
        _, delivery = self.hold("--lease", "1h")
        job = self.rpc().call("job", id=id)
        self.assertEqual(job["state"], "reserved")
        self.assertTrue(3500 < job["lease"] <= 3600)
        self.assertIn("held for", self.taskq("touch", id, delivery, "--lease", "2h").out)
        self.assertTrue(7100 < self.rpc().call("job", id=id)["lease"])

    def test_what_cannot_be_printed_is_not_taken(self):
        id = self.put()
        with open("/dev/full", "w") as full:
            ran = self.taskq("get", self.queue, code=cli.BROKEN, stdout=full)
        self.assertEqual(ran.err, "taskq: the output could not be written: No space left on device\n")
        job = self.rpc().call("job", id=id)
        self.assertEqual((job["state"], job["attempt"]), ("ready", 0))

    def test_a_large_body_that_cannot_be_printed_is_not_taken(self):
        id = int(self.taskq("put", self.queue, "-", "-s", input="x" * 500000).out)
        with open("/dev/full", "w") as full:
            self.taskq("get", self.queue, code=cli.BROKEN, stdout=full)
        self.assertEqual(self.rpc().call("job", id=id)["state"], "ready")

    def test_an_interrupt_takes_the_wait_back(self):
        process = self.start("get", self.queue)
        self.rpc().until(lambda r: any(q["queue"] == self.queue and q["waiters"] == 1 for q in r["queues"]), "queues")
        process.send_signal(cli.signal.SIGINT)
        ran = self.finish(process)
        self.assertEqual(ran.code, -cli.signal.SIGINT, ran)
        id = self.put()
        self.assertEqual(self.rpc().call("job", id=id)["state"], "ready")


class GiveBack(cli.CliTest):
    def test_nack_release_bury(self):
        self.taskq("declare", self.queue, "--backoff-base", "1h", "--backoff-jitter", 0)
        id = self.put()
        self.assertIn("1h00m", self.taskq("nack", *self.hold(), "--error", '{"x":1}').out)
        self.assertEqual(self.rpc().call("job", id=id)["error"], {"x": 1})
        self.assertIn("1 made ready", self.taskq("kick", id).out)
        self.assertEqual(self.taskq("nack", *self.hold(), "-s", "-e", "why not", "--delay", 0, "--json").json()["state"], "ready")
        self.assertEqual(self.rpc().call("job", id=id)["error"], "why not")
        self.taskq("release", *self.hold(), "--priority", "7")
        self.assertEqual(self.rpc().call("job", id=id)["priority"], 7)
        self.taskq("bury", *self.hold(), "--error", "null")
        self.assertEqual(self.rpc().call("job", id=id)["reason"], "buried")

    def test_a_stale_delivery_is_refused(self):
        self.put()
        id, delivery = self.hold()
        self.taskq("release", id, delivery)
        self.hold()
        ran = self.taskq("ack", id, delivery, code=NO)
        self.assertIn("delivery", ran.err)
        self.taskq("ack", id, code=NO)
        self.taskq("ack", "x", code=USAGE)
        self.taskq("ack", id, "x", code=USAGE)
        self.taskq("ack", id, delivery, "--result", "{", code=USAGE)


class Futures(cli.CliTest):
    def test_submit_and_result(self):
        id = int(self.taskq("submit", self.queue, '"work"').out)
        self.taskq("result", id, "--timeout", 0, code=NO)
        waiting = self.start("result", id)
        self.taskq("ack", *self.hold(), "--result", '{"sum": 5}')
        self.assertEqual(self.finish(waiting).out, '{"sum": 5}\n')
        self.assertEqual(self.taskq("result", id, "--json").json(), {"id": id, "state": "done", "result": {"sum": 5}})
        self.taskq("result", id, "--forget")
        self.taskq("result", id, code=NO)

    def test_submit_and_wait(self):
        process = self.start("submit", self.queue, "1", "--wait", "--raw")
        job = self.taskq("get", self.queue, "--json").json()
        self.taskq("ack", job["id"], job["delivery"], "-s", "-r", "text")
        self.assertEqual(self.finish(process).out, "text")

    def test_a_failure_is_told(self):
        self.taskq("declare", self.queue, "--max-attempts", 1)
        id = int(self.taskq("submit", self.queue, "1").out)
        self.taskq("nack", *self.hold(), "-e", '{"exit":3}')
        ran = self.taskq("result", id, code=NO)
        self.assertIn('dead (attempts) after 1 attempt: {"exit":3}', ran.err)
        told = self.taskq("result", id, "--json", code=NO).json()
        self.assertEqual((told["id"], told["state"], told["reason"], told["error"]), (id, "dead", "attempts", {"exit": 3}))

    def test_cancel(self):
        id = int(self.taskq("submit", self.queue, "1").out)
        self.taskq("cancel", id)
        self.assertIn("cancelled", self.taskq("result", id, code=NO).err)
        held = int(self.taskq("submit", self.queue, "1").out)
        self.hold()
        self.assertIn("started", self.taskq("cancel", held, code=NO).err)
        self.taskq("cancel", 10 ** 15, code=NO)


if __name__ == "__main__":
    cli.main()
