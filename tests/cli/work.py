#!/usr/bin/env python3
"""`taskq work`: a command for each job."""

import json
import os
import signal

import cli
from cli import BROKEN, DONE, NO, NO_DAEMON, USAGE


class Work(cli.CliTest):
    def work(self, *arguments, code=DONE, options=(), **more):
        return self.taskq("work", self.queue, "--timeout", 0, *options, "--", *arguments, code=code, **more)

    def submit(self, body="1"):
        return int(self.taskq("submit", self.queue, body).out)

    def outcome(self, id):
        return self.rpc().call("job", id=id)

    def until_written(self, path):
        """What is in the file, as soon as something is."""
        deadline = cli.time.monotonic() + cli.PATIENCE
        while cli.time.monotonic() < deadline:
            if os.path.exists(path) and os.path.getsize(path) > 0:
                with open(path) as file:
                    text = file.read()
                if text.endswith("\n"):
                    return text
            cli.select.select([], [], [], 0.01)
        self.fail("nothing was written to %s" % path)

    def test_the_body_goes_in_and_the_result_comes_out(self):
        id = self.submit('{"a": [1, 2]}')
        self.work("cat")
        self.assertEqual(self.taskq("result", id).out, '{"a": [1, 2]}\n')
        text = self.submit('"one\\ntwo"')
        self.work("sh", "-c", "wc -l; echo end", options=["--raw"])
        self.assertEqual(json.loads(self.taskq("result", text).out).split(), ["1", "end"])
        nothing = self.submit()
        self.work("true")
        self.assertEqual(self.taskq("result", nothing).out, '""\n')

    def test_the_environment(self):
        id = self.submit()
        self.work("sh", "-c", 'echo "$TASKQ_ID $TASKQ_QUEUE $TASKQ_ATTEMPT $TASKQ_DELIVERY $TASKQ_ADDR"')
        said = self.taskq("result", id, "--raw").out.split()
        self.assertEqual(said[:3], [str(id), self.queue, "1"])
        self.assertGreater(int(said[3]), 0)
        other = self.submit()
        nowhere = cli.environment("127.0.0.1:1")
        self.work("sh", "-c", 'echo "$TASKQ_ADDR"', options=["-a", self.daemon.address], env=nowhere)
        self.assertEqual(self.taskq("result", other, "--raw").out, self.daemon.address)

    def test_a_command_can_say_how_far_it_is(self):
        id = self.submit()
        go = self.path("go")
        process = self.start("work", self.queue, "--once", "--", "sh", "-c",
                             '"$0" progress --done 1 --total 2 && until [ -e "$1" ]; do sleep 0.01; done',
                             cli._program, go)
        self.rpc().until(lambda job: "progress" in job, "job", id=id)
        self.assertEqual(self.outcome(id)["progress"], {"done": 1, "total": 2})
        self.path("go", "")
        self.assertEqual(self.finish(process).code, DONE)

    def test_a_failure_is_a_nack_with_what_is_known(self):
        self.taskq("declare", self.queue, "--backoff-base", "1h")
        id = self.submit()
        ran = self.work("sh", "-c", "echo some; echo 'no such thing' >&2; exit 3")
        self.assertEqual(self.outcome(id)["error"], {"exit": 3, "stderr": "no such thing\n"})
        self.assertIn("no such thing", ran.err)  # passed on as well
        self.assertIn("exit code 3; tried again in", ran.err)
        self.taskq("kick", id)
        self.work("sh", "-c", "kill -9 $$")
        self.assertEqual(self.outcome(id)["error"], {"signal": "SIGKILL", "stderr": ""})
        self.taskq("kick", id)
        self.work("sh", "-c", "head -c 10000 /dev/zero | tr '\\0' x >&2; exit 1")
        self.assertEqual(self.outcome(id)["error"]["stderr"], "x" * 4096)
        self.taskq("kick", id)
        self.work("sh", "-c", "head -c 3000000 /dev/zero")
        self.assertEqual(self.outcome(id)["error"]["output"], 1048576)

    def test_a_command_that_cannot_be_run_takes_no_job(self):
        id = self.submit()
        for command in ("/no/such/command", "no-such-command", self.folder.name, self.path("text", "not executable")):
            self.assertIn("cannot be run", self.work(command, code=USAGE).err)
        env = dict(self.env, PATH=self.folder.name + ":/nonexistent")
        self.assertIn("Permission denied", self.work("text", code=USAGE, env=env).err)
        self.assertIn("No such file", self.work("other", code=USAGE, env=env).err)
        self.assertEqual(self.rpc().call("stats", queue=self.queue)["counters"]["taken"], 0)
        # One that is gone later costs the job nothing either.
        script = self.path("script", '#!/bin/sh\nrm "$0"\n')
        os.chmod(script, 0o700)
        other = self.submit()
        ran = self.work(script, code=BROKEN)
        self.assertIn("job %d is given back: No such file" % other, ran.err)
        self.assertEqual(self.outcome(id)["state"], "done")
        job = self.outcome(other)
        self.assertEqual((job["state"], job["attempt"]), ("ready", 0))

    def test_what_a_command_leaves_running_is_not_waited_for(self):
        id = self.submit()
        pid_file = self.path("pid")
        self.work("sh", "-c", "sleep 1000 & echo $! > %s; echo done" % pid_file)
        self.assertEqual(self.taskq("result", id).out, '"done"\n')
        os.kill(int(self.until_written(pid_file)), signal.SIGKILL)

    def test_slots_work_at_once(self):
        # Each command waits until all four run, so one after the other would never end.
        for _ in range(4):
            self.put()
        self.work("sh", "-c", 'cd "$1"; : > "$TASKQ_ID"; until [ $(ls | wc -l) -ge 4 ]; do sleep 0.01; done', "sh",
                  self.folder.name, options=["-j", 4])
        self.assertEqual(len(os.listdir(self.folder.name)), 4)
        self.assertEqual(self.rpc().call("stats", queue=self.queue)["counters"]["done"], 4)

    def test_many_jobs(self):
        self.taskq("put", self.queue, input="".join("%d\n" % n for n in range(300)))
        ran = self.work("true", options=["-j", 3, "--json"])
        self.assertEqual(sorted({line["state"] for line in ran.lines()}), ["done"])
        self.assertEqual(len(ran.lines()), 300)

    def test_once(self):
        first, second = self.submit(), self.submit()
        self.work("echo", "x", options=["--once"])
        self.assertEqual(self.outcome(first)["state"], "done")
        self.assertEqual(self.outcome(second)["state"], "ready")
        self.work("true", options=["--once"])
        self.work("true", options=["--once"], code=NO)
        self.work("true")

    def test_the_lease_is_renewed_while_the_command_runs(self):
        id = self.submit()
        self.work("sleep", "1", options=["--lease", "300ms"])
        job = self.outcome(id)
        self.assertEqual((job["state"], job["attempt"]), ("done", 0))

    def test_usage(self):
        self.taskq("work", self.queue, code=USAGE)
        self.taskq("work", self.queue, "--", code=USAGE)
        self.taskq("work", self.queue, "-j", 0, "--", "true", code=USAGE)
        self.taskq("work", "--", "true", code=USAGE)
        self.taskq("work", self.queue, "-a", "127.0.0.1:1", "--", "true", code=NO_DAEMON)
        self.taskq("work", "bad\nname", "--", "true", code=USAGE)


class Cancelled(cli.CliTest):
    """The command of a job that nobody wants any more is ended."""

    def start_slow(self, trap="", *options):
        return Stopping.start_slow(self, trap, *options)

    def test_it_is_told_to_end(self):
        process, pid, id = self.start_slow("", "--json")
        self.taskq("cancel", id, "--running")
        self.assertIn("cancelled", self.taskq("result", id, code=NO).err)
        self.assertGone(pid)
        self.assertEqual(json.loads(process.stdout.readline())["state"], "cancelled")
        # It goes on with others.
        other = self.put()
        self.path("go", "")
        self.assertEqual(json.loads(process.stdout.readline())["id"], other)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process).code, DONE)

    def test_it_is_killed_after_the_grace(self):
        process, pid, id = self.start_slow("trap '' TERM;", "--grace", "100ms")
        self.taskq("cancel", id, "--running")
        self.assertGone(pid)
        Stopping.until_said(self, process, b"it was cancelled while it ran")

    def test_that_of_a_deleted_job_too(self):
        process, pid, id = self.start_slow()
        self.taskq("delete", id)
        self.assertGone(pid)
        Stopping.until_said(self, process, b"it was deleted while it ran")

    def test_a_command_that_is_done_first_does_not_make_it_done(self):
        process, _, id = self.start_slow("trap '' TERM;")
        self.taskq("cancel", id, "--running")
        self.path("go", "")
        Stopping.until_said(self, process, b"it was cancelled while it ran")
        self.assertIn("cancelled", self.taskq("result", id, code=NO).err)


class Stopping(cli.CliTest):
    def start_slow(self, trap="", *options):
        """A worker whose command has begun, its process's id, and the job's."""
        id = int(self.taskq("submit", self.queue, "1").out)
        began = self.path("began")
        process = self.start("work", self.queue, *options, "--", "sh", "-c",
                             "%s echo $$ > %s; until [ -e %s ]; do sleep 0.01; done; echo finished"
                             % (trap, began, self.path("go")))
        pid = int(Work.until_written(self, began))
        return process, pid, id

    def until_said(self, process, text):
        said = b""
        while text not in said:
            data = process.stderr.read1(4096)
            self.assertTrue(data, said)
            said += data

    def test_the_first_signal_lets_it_finish(self):
        process, _, id = self.start_slow()
        other = self.put()
        process.send_signal(signal.SIGTERM)
        self.until_said(process, b"finished first")
        self.path("go", "")
        self.assertEqual(self.finish(process).code, DONE)
        self.assertEqual(self.taskq("result", id).out, '"finished"\n')
        self.assertEqual(self.rpc().call("job", id=other)["state"], "ready")

    def test_the_second_ends_the_command_and_gives_the_job_back(self):
        process, pid, id = self.start_slow()
        process.send_signal(signal.SIGINT)
        self.until_said(process, b"finished first")
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process).code, DONE)
        self.assertGone(pid)
        job = self.rpc().call("job", id=id)
        self.assertEqual((job["state"], job["attempt"], job["lost"]), ("ready", 0, 0))

    def test_the_third_kills(self):
        process, pid, id = self.start_slow("trap '' TERM;")
        for said in (b"finished first", b"told to end"):
            process.send_signal(signal.SIGTERM)
            self.until_said(process, said)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process).code, DONE)
        self.assertGone(pid)
        self.assertEqual(self.rpc().call("job", id=id)["state"], "ready")

    def test_an_idle_one_ends_at_once(self):
        process = self.start("work", self.queue, "-j", "3", "--", "true")
        self.rpc().until(lambda r: any(q["queue"] == self.queue and q["waiters"] == 3 for q in r["queues"]), "queues")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process).code, DONE)
        self.assertEqual(self.rpc().call("job", id=self.put())["state"], "ready")


class Daemonless(cli.CliTest):
    def test_it_waits_for_a_daemon_that_goes_away_and_comes_back(self):
        address = "unix:" + os.path.join(self.folder.name, "socket")
        env = cli.environment(address)
        daemon = cli.protocol.Daemon(listen=(address,))
        try:
            process = self.start("work", self.queue, "--", "cat", env=env)
            with daemon.connect() as c:
                c.until(lambda r: any(q["waiters"] == 1 for q in r["queues"]), "queues")
        finally:
            daemon.stop()
        Stopping.until_said(self, process, b"trying again")
        with cli.protocol.Daemon(listen=(address,)) as daemon:
            with daemon.connect() as c:
                id = c.call("submit", queue=self.queue, body="back")["id"]
                self.assertEqual(c.call("result", id=id)["result"], "back")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(self.finish(process).code, DONE)


if __name__ == "__main__":
    cli.main()
