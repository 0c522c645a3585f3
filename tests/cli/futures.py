#!/usr/bin/env python3
"""Jobs that somebody waits for: call, map, watch, progress, and cancelling what runs."""

import json
import os
import signal
import socket
import threading

import cli
from cli import BROKEN, DONE, NO, USAGE


class FuturesTest(cli.CliTest):
    def submit(self, body="1", *options):
        return int(self.taskq("submit", self.queue, body, *options).out)

    def serve(self, answer):
        """A consumer of this test's queue, until the test is over: `answer` is given the connection and a job and
        acknowledges it."""
        connection = self.daemon.connect()
        stop = "stop"

        def run():
            while True:
                job = connection.call("get", queue=self.queue)
                if job["body"] == stop:
                    connection.call("ack", id=job["id"])
                    return
                answer(connection, job)

        thread = threading.Thread(target=run)
        thread.start()

        def end():
            self.rpc().call("put", queue=self.queue, body=stop, priority=1e9)
            thread.join(cli.PATIENCE)
            connection.close()

        self.addCleanup(end)

    def serve_squares(self):
        def answer(connection, job):
            if job["body"] == 7:
                connection.call("bury", id=job["id"], error="no seven")
            else:
                connection.call("ack", id=job["id"], result=job["body"] ** 2)

        self.serve(answer)

    def serve_echo(self):
        self.serve(lambda connection, job: connection.call("ack", id=job["id"], result=job["body"]))

    def reserved(self, count=1):
        """Waits until so many jobs of the queue are held."""
        self.rpc().until(lambda s: getattr(s, "name", "") != "not_found" and s["gauges"]["reserved"] == count, "stats",
                         queue=self.queue)


class Call(FuturesTest):
    def test_a_result(self):
        self.serve_squares()
        self.assertEqual(self.taskq("call", self.queue, "12").out, "144\n")
        self.assertEqual(self.taskq("call", self.queue, "5", "--json").json()["result"], 25)

    def test_a_failure(self):
        self.serve_squares()
        ran = self.taskq("call", self.queue, "7", code=NO)
        self.assertRegex(ran.err, r'job \d+ is dead \(buried\) after \d attempts?: "no seven"\n')
        self.assertEqual(ran.out, "")
        told = self.taskq("call", self.queue, "7", "--json", code=NO).json()
        self.assertEqual((told["state"], told["reason"], told["error"]), ("dead", "buried", "no seven"))

    def test_the_timeout_is_for_all_of_it(self):
        self.assertIn("time", self.taskq("call", self.queue, "1", "--timeout", "50ms", code=NO).err)
        self.taskq("call", self.queue, "{", code=USAGE)

    def test_control_c(self):
        process = self.start("call", self.queue, "1")
        self.rpc().until(lambda s: getattr(s, "name", "") != "not_found" and s["gauges"]["ready"] == 1, "stats",
                         queue=self.queue)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process).code, -signal.SIGINT)
        self.hold()  # the job goes on


class Map(FuturesTest):
    def numbers(self, *numbers):
        return "".join("%d\n" % n for n in numbers)

    def test_results_come_in_the_order_of_the_input(self):
        held = []

        def backwards(connection, job):
            held.append(job)
            if len(held) == 3:
                for one in reversed(held):
                    connection.call("ack", id=one["id"], result=one["body"])
                held.clear()

        self.serve(backwards)
        lines = self.numbers(*range(9))
        self.assertEqual(self.taskq("map", self.queue, input=lines).out, lines)
        unordered = self.taskq("map", self.queue, "--unordered", "-j", 3, input=lines).out
        self.assertEqual(unordered, self.numbers(2, 1, 0, 5, 4, 3, 8, 7, 6))
        path = self.path("lines", lines.rstrip("\n"))
        self.assertEqual(self.taskq("map", self.queue, "@" + path).out, lines)

    def test_failures_are_named_by_their_lines(self):
        self.serve_squares()
        ran = self.taskq("map", self.queue, input="5\n\n7\n6\n", code=NO)
        self.assertEqual(ran.out, "25\n36\n")
        self.assertRegex(ran.err, r'^taskq: line 3: job \d+ is dead \(buried\) after \d attempts?: "no seven"\n')
        self.assertIn("1 of 3 failed", ran.err)
        ran = self.taskq("map", self.queue, "--json", input="5\n7\n", code=NO)
        good, bad = ran.lines()
        self.assertEqual((good["line"], good["state"], good["result"]), (1, "done", 25))
        self.assertEqual((bad["line"], bad["state"], bad["error"]), (2, "dead", "no seven"))
        self.assertEqual(ran.err, "")

    def test_text(self):
        self.serve_echo()
        lines = b"caf\xc3\xa9 @x\r\n\nbad\xff\n{\n"
        ran = self.taskq("map", self.queue, "--string", "--raw", input=lines, code=NO)
        self.assertEqual(ran.out, "caf\u00e9 @x\n\n{\n")
        self.assertIn("line 3: not UTF-8", ran.err)
        self.assertEqual(self.taskq("map", self.queue, "-s", input=b"a").out, '"a"\n')
        # The first line shows that something was forgotten; nothing is put then.
        self.assertIn("--string", self.taskq("map", self.queue, input="abc\n1\n", code=USAGE).err)

    def test_no_input(self):
        ran = self.taskq("map", self.queue, input="")
        self.assertEqual((ran.out, ran.err), ("", ""))
        self.taskq("map", self.queue, input="\n  \n")
        self.taskq("map", self.queue, "@/nonexistent", code=USAGE)
        self.taskq("map", self.queue, "lines", code=USAGE)
        self.taskq("map", self.queue, "-j", 0, code=USAGE)

    def test_too_large_a_line_fails_alone(self):
        self.serve_echo()
        ran = self.taskq("map", self.queue, input='"%s"\n2\n' % ("x" * 1100000), code=NO)
        self.assertEqual(ran.out, "2\n")
        self.assertIn("line 1: ", ran.err)

    def test_many(self):
        taken = self.rpc()
        done = threading.Event()

        def work():
            left = 20000
            while left > 0:
                jobs = taken.call("get", queue=self.queue, max=1000)["jobs"]
                taken.call("ack", ids=[job["id"] for job in jobs])
                left -= len(jobs)
            done.set()

        thread = threading.Thread(target=work)
        thread.start()
        ran = self.taskq("map", self.queue, input=self.numbers(*range(20000)))
        thread.join(cli.PATIENCE)
        self.assertTrue(done.is_set())
        self.assertEqual(ran.out, "null\n" * 20000)

    def test_the_flight_is_bounded(self):
        process = self.start("map", self.queue, "-j", 3, stdin=-1)
        process.stdin.write(self.numbers(*range(10)).encode())
        process.stdin.flush()
        for n in range(7):
            self.rpc().until(lambda s: getattr(s, "name", "") != "not_found" and s["counters"]["put"] >= n + 3,
                             "stats", queue=self.queue)
            counters = self.rpc().call("stats", queue=self.queue)["counters"]
            self.assertEqual(counters["put"], n + 3)
            id, delivery = self.hold()
            self.taskq("ack", id, delivery, "--result", str(n))
            self.assertEqual(process.stdout.readline(), b"%d\n" % n)  # before the input has ended
        for _ in range(3):
            self.taskq("ack", *self.hold())
        self.assertEqual(self.finish(process, b"").code, DONE)

    def test_control_c_cancels_what_was_not_begun(self):
        process = self.start("map", self.queue, stdin=-1)
        process.stdin.write(self.numbers(*range(5)).encode())
        process.stdin.flush()
        self.rpc().until(lambda s: getattr(s, "name", "") != "not_found" and s["gauges"]["ready"] == 5, "stats",
                         queue=self.queue)
        first = self.hold()
        self.taskq("ack", *first)
        self.assertEqual(process.stdout.readline(), b"null\n")
        id, delivery = self.hold()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(cli.PATIENCE), -signal.SIGINT)
        said = process.stderr.read().decode()
        self.assertIn("1 done, 3 cancelled before they began, 1 left to the daemon", said)
        self.taskq("ack", id, delivery)
        self.taskq("get", self.queue, "-t", 0, code=NO)

    def test_control_c_may_end_what_runs(self):
        process = self.start("map", self.queue, "--cancel-running", stdin=-1)
        process.stdin.write(b"1\n")
        process.stdin.flush()
        self.rpc().until(lambda s: getattr(s, "name", "") != "not_found" and s["gauges"]["ready"] == 1, "stats",
                         queue=self.queue)
        id, delivery = self.hold()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(cli.PATIENCE), -signal.SIGTERM)
        self.assertIn("cancelled", self.taskq("ack", id, delivery, code=NO).err)

    def test_an_output_that_nobody_reads_ends_it(self):
        reader, writer = os.pipe()
        process = self.start("map", self.queue, stdin=-1, stdout=writer)
        os.close(writer)
        os.close(reader)
        process.stdin.write(self.numbers(*range(3)).encode())
        process.stdin.flush()
        self.rpc().until(lambda s: getattr(s, "name", "") != "not_found" and s["gauges"]["ready"] == 3, "stats",
                         queue=self.queue)
        self.taskq("ack", *self.hold())
        self.assertEqual(process.wait(cli.PATIENCE), BROKEN)
        said = process.stderr.read().decode()
        self.assertIn("could not be written: Broken pipe", said)
        self.assertIn("2 cancelled before they began", said)
        self.taskq("get", self.queue, "-t", 0, code=NO)

    def test_a_key_lets_a_map_be_begun_again(self):
        self.serve_squares()
        first = self.taskq("map", self.queue, "--key", "run", "--key-for", "1h", "--json", input="1\n2\n").lines()
        again = self.taskq("map", self.queue, "--key", "run", "--key-for", "1h", "--json", input="1\n2\n3\n").lines()
        self.assertEqual(again[:2], first)
        told = self.taskq("put", self.queue, "0", "--key", "run:2", "--json").json()  # as `put` with lines makes them
        self.assertEqual(told, {"id": first[1]["id"], "existing": True})
        self.assertEqual(again[2]["result"], 9)

    def test_typed_arguments(self):
        self.serve_squares()
        ran = self.terminal("map", self.queue).end()
        self.assertEqual(ran.code, USAGE)
        self.assertIn("what are the arguments", ran.out)
        typed = self.terminal("map", self.queue, "-")
        typed.type("12\n")
        typed.until("144\r\n")
        typed.type("\004")
        ran = typed.end()
        self.assertEqual(ran.code, DONE)
        self.assertNotIn("%", ran.out)  # no bar where somebody types

    def test_on_a_terminal_a_bar(self):
        self.serve_squares()
        with open(self.path("in", "2\n3\n")) as lines:
            ran = self.terminal("map", self.queue, stdin=lines).end()
        self.assertEqual(ran.code, DONE, ran)
        self.assertRegex(ran.out, r"\d+% \[[#.]{30}\] \d+ done, \d+ under way, \d+/s")
        for result in ("4", "9"):  # printed where the bar stood
            self.assertIn("\r\033[K%s\n" % result, ran.out)


class ThroughARestart(cli.CliTest):
    def test_nothing_is_lost_or_put_twice(self):
        address = "unix:" + os.path.join(self.folder.name, "socket")
        data = os.path.join(self.folder.name, "data")
        env = cli.environment(address)
        count = 200

        def work(connection, left):
            for _ in range(left):
                job = connection.call("get", queue="q")
                connection.call("ack", id=job["id"], result=job["body"])

        daemon = cli.protocol.Daemon(data=data, listen=(address,))
        process = self.start("map", "q", "-j", 50, env=env, stdin=-1)
        process.stdin.write("".join("%d\n" % n for n in range(count)).encode())
        process.stdin.close()
        process.stdin = None
        try:
            with daemon.connect() as c:
                work(c, 70)
                c.until(lambda s: s["gauges"]["ready"] > 0, "stats", queue="q")
        finally:
            daemon.kill()
        with cli.protocol.Daemon(data=data, listen=(address,)) as daemon:
            with daemon.connect() as c:
                counted = count - 70
                # Acknowledged before the crash is acknowledged after it, so just the others are left.
                work(c, counted)
                ran = self.finish(process)
                self.assertEqual(c.call("stats", queue="q")["gauges"]["ready"], 0)
        self.assertEqual(ran.code, DONE, ran)
        self.assertEqual(ran.out, "".join("%d\n" % n for n in range(count)))


class Cutter:
    """Stands between clients and the daemon, and cuts each connection after some bytes in one direction or the other.
    The last of `after` is for ever."""

    def __init__(self, path, address, after):
        self.address, self.after, self.cut = address, list(after), 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(16)
        self.thread = threading.Thread(target=self._accept)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            host, port = self.address.rsplit(":", 1)
            daemon = socket.create_connection((host, int(port)))
            up, down = self.after.pop(0) if len(self.after) > 1 else self.after[0]
            pumps = [threading.Thread(target=self._pump, args=way) for way in
                     ((client, daemon, up), (daemon, client, down))]
            for pump in pumps:
                pump.start()
            for pump in pumps:
                pump.join()
            client.close()
            daemon.close()

    def _pump(self, source, sink, left):
        try:
            while left != 0:
                data = source.recv(65536 if left is None else left)
                if not data:
                    break
                sink.sendall(data)
                left = None if left is None else left - len(data)
        except OSError:
            pass
        self.cut += left == 0
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(cli.PATIENCE)


class ThroughCutConnections(FuturesTest):
    def test_each_line_is_put_once(self):
        count = 3000
        path = self.path("cut")
        # Some are cut in the middle of requests, some in the middle of replies and outcomes.
        after = [(n, None) if i % 2 else (None, n) for i, n in enumerate((5000, 40001, 1, 70002, 30003, 500, 60004))]
        cutter = Cutter(path, self.daemon.address, after + [(None, None)])
        self.addCleanup(cutter.close)
        self.serve_echo()
        lines = "".join("%d\n" % n for n in range(count))
        ran = self.taskq("map", self.queue, input=lines, env=cli.environment("unix:" + path))
        self.assertEqual(ran.out, lines)
        self.assertEqual(cutter.cut, len(after))
        self.assertEqual(self.rpc().call("stats", queue=self.queue)["counters"]["put"], count)


class Watch(FuturesTest):
    def reporter(self):
        def answer(connection, job):
            connection.call("progress", id=job["id"], done=1, total=4, message="first\nline")
            self.told.wait(cli.PATIENCE)
            connection.call("ack", id=job["id"], result={"n": job["body"]})

        self.told = threading.Event()
        self.addCleanup(self.told.set)
        self.serve(answer)

    def test_reports_and_outcomes_are_lines(self):
        self.reporter()
        id = self.submit()
        process = self.start("watch", id)
        self.assertEqual(process.stdout.readline(), b"job %d: 1 of 4 (25%%): first?line\n" % id)
        self.told.set()
        ran = self.finish(process)
        self.assertEqual((ran.code, ran.out), (DONE, 'job %d is done: {"n":1}\n' % id))
        # What is finished is told at once.
        other = self.submit()
        self.taskq("result", other)
        self.assertEqual(self.taskq("watch", id, other).out.splitlines(),
                         ['job %d is done: {"n":1}' % n for n in (id, other)])

    def test_json(self):
        self.reporter()
        id = self.submit()
        process = self.start("watch", id, "--json")
        self.assertEqual(json.loads(process.stdout.readline()),
                         {"id": id, "progress": {"done": 1, "total": 4, "message": "first\nline"}})
        self.told.set()
        self.assertEqual(self.finish(process).lines(), [{"id": id, "state": "done", "result": {"n": 1}}])

    def test_one_that_is_not_done_is_exit_code_1(self):
        dead, cancelled, unknown = self.submit(), self.submit(), 2 ** 52
        self.taskq("bury", *self.hold(), "--error", '"no"')
        self.taskq("cancel", cancelled)
        ran = self.taskq("watch", dead, cancelled, code=NO)
        self.assertEqual(sorted(ran.out.splitlines()),
                         sorted(['job %d is dead (buried) after 0 attempts: "no"' % dead,
                                 "job %d was cancelled" % cancelled]))
        self.taskq("watch", unknown, code=NO)
        self.taskq("watch", "x", code=USAGE)
        self.taskq("watch", self.submit(), "--timeout", "50ms", code=NO)

    def test_more_than_may_wait_at_once(self):
        taken = self.rpc()
        ids = [taken.call("submit", queue=self.queue, body=n)["id"] for n in range(1000)]
        process = self.start("watch", *ids, "--json")
        ends = {}
        while len(ends) < len(ids):
            jobs = taken.call("get", queue=self.queue, max=100)["jobs"]
            for job in reversed(jobs):
                taken.call("ack", id=job["id"], result=job["body"])
                ends[job["id"]] = job["body"]
        self.assertEqual({line["id"]: line["result"] for line in self.finish(process).lines()}, ends)

    def test_a_bar_on_a_terminal(self):
        self.reporter()
        id = self.submit()
        watching = self.terminal("watch", id)
        watching.until(": 1 of 4: first?line")
        self.assertRegex(watching.text, r" 25%% \[#{7}\.{23}\] job %d, \d+s: 1 of 4: first\?line" % id)
        self.told.set()
        ran = watching.end()
        self.assertEqual(ran.code, DONE)
        self.assertTrue(ran.out.endswith('\r\033[Kjob %d is done: {"n":1}\n' % id), ran)

    def test_submit_waits_with_a_bar(self):
        self.reporter()
        waiting = self.terminal("submit", self.queue, "2", "--wait")
        waiting.until("1 of 4: first?line")
        self.told.set()
        ran = waiting.end()
        self.assertEqual(ran.code, DONE)
        self.assertTrue(ran.out.endswith('\r\033[K{"n":2}\n'), ran)

    def test_a_wait_goes_on_through_a_restart(self):
        address = "unix:" + os.path.join(self.folder.name, "socket")
        data = os.path.join(self.folder.name, "data")
        env = cli.environment(address)
        daemon = cli.protocol.Daemon(data=data, listen=(address,))
        try:
            with daemon.connect() as c:
                id = c.call("submit", queue="q", body=1)["id"]
                process = self.start("watch", id, env=env)
                c.call("get", queue="q")
                c.call("progress", id=id, message="waited for")
                self.assertIn(b"waited for", process.stdout.readline())
        finally:
            daemon.kill()
        with cli.protocol.Daemon(data=data, listen=(address,)) as daemon, daemon.connect() as c:
            c.call("get", queue="q")
            c.call("ack", id=id, result="after all")
            self.assertEqual(self.finish(process).out, 'job %d is done: "after all"\n' % id)

    def test_submit_says_that_the_job_goes_on(self):
        ran = self.taskq("submit", self.queue, "1", "--wait-for", "20ms", code=NO)
        self.assertRegex(ran.err, r"goes on; for its result: taskq result \d+\n")


class Progress(FuturesTest):
    def test_it_is_seen(self):
        self.submit()
        id, delivery = self.hold()
        self.taskq("progress", id, delivery, "--done", "2.5", "-n", 10, "-m", "half")
        self.assertEqual(self.rpc().call("job", id=id)["progress"], {"done": 2.5, "total": 10, "message": "half"})
        env = dict(self.env, TASKQ_ID=str(id), TASKQ_DELIVERY=str(delivery))
        self.taskq("progress", "-m", "by the environment", env=env)
        self.assertEqual(self.rpc().call("job", id=id)["progress"], {"message": "by the environment"})

    def test_usage(self):
        self.taskq("progress", "-d", 1, code=USAGE)
        self.taskq("progress", 1, code=USAGE)
        self.taskq("progress", 1, "-n", 1, code=USAGE)
        self.taskq("progress", 1, "-d", "-1", code=USAGE)
        self.taskq("progress", "-d", 1, code=USAGE, env=dict(self.env, TASKQ_ID="x"))
        self.taskq("progress", 2 ** 52, "-d", 1, code=NO)
        self.taskq("progress", self.submit(), "-d", 1, code=NO)


class Cancel(FuturesTest):
    def test_what_runs_is_told(self):
        id = self.submit()
        _, delivery = self.hold()
        self.assertIn("--running", self.taskq("cancel", id, code=NO).err)
        self.taskq("cancel", id, "--running")
        for said in (["touch", id, delivery], ["progress", id, delivery, "-d", 1], ["ack", id, delivery]):
            self.assertIn("cancelled", self.taskq(*said, code=NO).err)
        self.assertIn("finished", self.taskq("cancel", id, "--running", code=NO).err)


if __name__ == "__main__":
    cli.main()
