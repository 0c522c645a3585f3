"""What is too large, too many or absurd is refused with a clear error, memory stays bounded, and others are not slowed."""

import random
import resource
import time

import lib
from lib import Raw

MIB = 1 << 20


class Limits(lib.ProtocolTest):
    def grown(self, before):
        return self.daemon.resident() - before

    def test_hello_says_the_limits(self):
        limits = self.connect().call("hello")["limits"]
        self.assertEqual(limits, {"body": MIB, "request": MIB + 65536, "depth": 128, "batch": 10000, "waits": 1024, "subscriptions": 65536,
                                  "max": 1000})

    def test_bodies(self):
        c = self.connect()
        limit = c.call("hello")["limits"]["body"]
        job = self.put(c, "x" * (limit - 2))
        self.assertEqual(len(self.get(c, auto_ack=True)["body"]), limit - 2)
        for method in ("put", "submit"):
            error = c.error(method, queue=self.queue, body="x" * (limit - 1))
            self.assertError(error, "too_large")
        self.assertGreater(self.put(c, 1), job)

    def test_results_and_errors(self):
        c = self.connect()
        limit = c.call("hello")["limits"]["body"]
        job = c.call("submit", queue=self.queue, body=1)["id"]
        self.get(c)
        for method, name in (("ack", "result"), ("nack", "error"), ("bury", "error")):
            self.assertError(c.error(method, id=job, **{name: "x" * (limit - 1)}), "too_large")
        self.assertEqual(c.call("job", id=job)["state"], "reserved")
        self.assertEqual(c.call("ack", id=job, result="x" * (limit - 2)), {})
        self.assertEqual(len(c.call("result", id=job)["result"]), limit - 2)

    def test_big_bodies_come_whole_through_every_way(self):
        a, b = self.connect(), self.connect()
        big = "".join(chr(97 + n % 26) for n in range(500_000))
        id = a.ask("get", {"queue": self.queue})
        a.expect_nothing()
        self.put(b, big)
        self.assertEqual(a.answer(id)["body"], big)
        for _ in range(5):
            self.put(b, big)
        self.assertEqual([job["body"] for job in self.get(b, max=10)["jobs"]], [big] * 5)

    def test_counts(self):
        c = self.connect()
        names = ["q%d" % n for n in range(64)]
        self.assertError(c.error("get", queues=names, timeout=0), "empty")
        self.assertError(c.error("get", queues=names + ["one more"], timeout=0), "invalid_params", param="queues")
        self.assertError(c.error("ack", ids=list(range(1, 1002))), "invalid_params", param="ids")
        self.assertEqual(c.call("ack", ids=list(range(10 ** 9, 10 ** 9 + 1000)))["acked"], 0)
        self.assertError(c.error("get", queue="q", max=1001, timeout=0), "invalid_params", param="max")
        self.assertError(c.error("get", queue="q", max=1000, timeout=0), "empty")

    def test_absurd_times(self):
        c = self.connect()
        for value in ("-1", "1e308", "-1e308", "1e400", "-1e400", "1000000001", "9" * 1000, "-0.0001"):
            for method, params, name in (("get", {"queue": "q"}, "timeout"), ("get", {"queue": "q"}, "lease"),
                                         ("put", {"queue": "q", "body": 1}, "delay"), ("put", {"queue": "q", "body": 1}, "at"),
                                         ("put", {"queue": "q", "body": 1}, "expires"), ("join", {"queue": "q"}, "timeout")):
                if name == "at" and value == "1000000001":
                    continue
                with self.subTest(name=name, value=value[:20]):
                    error = c.error(method, **dict(params, **{name: Raw(value)}))
                    self.assertError(error, "invalid_params", param=name)

    def test_names(self):
        c = self.connect()
        for name in ('"%s"' % ("x" * 10_000), '"a\\u0000b"', '"\\u001f"', '"tab\\t"', '"\\u007f"', '""', '"\\ud800"'):
            for method, params in (("put", {"body": 1}), ("get", {"timeout": 0}), ("declare", {}), ("stats", {}), ("drop", {})):
                with self.subTest(method=method, name=name[:20]):
                    self.assertError(c.error(method, queue=Raw(name), **params), "invalid_params", param="queue")

    def test_many_queues_leave_nothing_behind(self):
        c = self.connect()
        count = 50_000
        before = self.daemon.resident()
        for start in range(0, count, 1000):
            for n in range(start, start + 1000):
                c.ask("get", {"queue": "fleeting-%d" % n, "timeout": 0}, id=n)
            for n in range(start, start + 1000):
                self.assertEqual(c.reply()["error"]["data"]["name"], "empty")
        for start in range(0, count, 1000):
            for n in range(start, start + 1000):
                c.ask("put", {"queue": "fleeting-%d" % n, "body": n}, id=n)
                c.ask("get", {"queue": "fleeting-%d" % n, "auto_ack": True}, id=-n - 1)
            for n in range(start, start + 1000):
                c.answer(n)
                self.assertEqual(c.answer(-n - 1)["body"], n)
        self.assertLess(self.grown(before), 48 * MIB)

    def test_many_queues_at_once(self):
        c = self.connect()
        count = 20_000
        for start in range(0, count, 1000):
            for n in range(start, start + 1000):
                c.ask("put", {"queue": "%s-%05d" % (self.queue, n), "body": n}, id=n)
            for n in range(start, start + 1000):
                c.answer(n)
        seen, after = [], self.queue
        while after is not None:
            page = c.call("queues", after=after, limit=1000)
            seen += [queue["queue"] for queue in page["queues"] if queue["queue"].startswith(self.queue)]
            after = page["next"]
        self.assertEqual(seen, ["%s-%05d" % (self.queue, n) for n in range(count)])
        for start in range(0, count, 1000):
            for n in range(start, start + 1000):
                c.ask("drop", {"queue": "%s-%05d" % (self.queue, n)}, id=n)
            for n in range(start, start + 1000):
                self.assertEqual(c.answer(n), {"count": 1})

    def test_many_connections(self):
        wanted = 2000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < wanted + 200:
            self.skipTest("only %d descriptors" % hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 200), hard))
        try:
            before = self.daemon.resident()
            connections = [self.connect() for _ in range(wanted)]
            for n, c in enumerate(connections):
                c.ask("get", {"queue": self.queue, "auto_ack": True}, id=n)
            for c in connections:
                c.expect_nothing()
            producer = self.connect()
            for n in range(wanted):
                producer.ask("put", {"queue": self.queue, "body": n}, id=n)
            for n in range(wanted):
                producer.answer(n)
            self.assertEqual(sorted(c.answer(n)["body"] for n, c in enumerate(connections)), list(range(wanted)))
            self.assertLess(self.grown(before), 64 * MIB)
        finally:
            for c in self._open:
                c.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def test_a_client_that_never_reads_is_held_back(self):
        a, b = self.connect(), self.connect()
        job = self.put(b, "x" * 900_000)
        line = (lib.request_text(1, "job", {"id": job}) + "\n").encode()
        before = self.daemon.resident()
        # 4 GB of replies are asked for; the daemon must stop reading long before.
        a.socket.settimeout(1)
        sent = 0
        try:
            for _ in range(5000):
                a.socket.sendall(line * 10)
                sent += 10
                if sent % 100 == 0:
                    self.assertLess(self.grown(before), 64 * MIB)
        except TimeoutError:
            pass
        except OSError as error:
            self.assertIn("timed out", str(error))
        started = time.monotonic()
        for _ in range(100):
            self.assertEqual(b.call("ping"), {})
        self.assertLess(time.monotonic() - started, 5)
        self.assertLess(self.grown(before), 64 * MIB)
        # It begins to read: the replies are whole and in order.
        for _ in range(20):
            self.assertEqual(a.reply()["result"]["id"], job)
        a.reset()

    def test_many_big_replies_to_pipelined_requests(self):
        """However much of the output the socket takes at once, every request is answered."""
        job = self.put(self.connect(), "x" * 700_000)
        for _ in range(15):
            a = self.connect()
            a.send((lib.request_text(1, "job", {"id": job}) + "\n") * 60)
            for _ in range(60):
                self.assertEqual(a.answer(1)["id"], job)
            a.close()

    def test_pipelined_requests_without_reading(self):
        a = self.connect()
        before = self.daemon.resident()
        data = (lib.request_text(1, "ping") + "\n").encode() * 1000
        a.socket.setblocking(False)
        sent = 0
        deadline = time.monotonic() + 10
        quiet = time.monotonic()
        # Until nothing can be written for half a second: both buffers and the daemon's share are full.
        while time.monotonic() < deadline and time.monotonic() - quiet < 0.5 and sent < 256 * MIB:
            try:
                sent += a.socket.send(data[sent % len(data):])
                quiet = time.monotonic()
            except BlockingIOError:
                pass
        self.assertLess(self.grown(before), 32 * MIB)
        self.assertEqual(self.connect().call("ping"), {})

    def test_a_full_queue_of_big_bodies_is_bounded_by_maxsize(self):
        c = self.connect()
        c.call("declare", queue=self.queue, maxsize=5)
        for n in range(5):
            self.put(c, "x" * 100_000, timeout=0)
        for _ in range(20):
            self.assertError(c.error("put", queue=self.queue, body="x" * 100_000, timeout=0), "full")
        self.assertEqual(c.call("stats", queue=self.queue)["counters"]["refused"], 20)

    def test_garbage(self):
        chance = random.Random(20)
        request = lib.request_text(1, "put", {"queue": self.queue, "body": {"a": [1, "b", None]}, "priority": 1.5}).encode()
        c = self.connect()
        self.assertEqual(c.call("ping"), {})
        for _ in range(3000):
            line = bytearray(request)
            for _ in range(chance.randint(1, 4)):
                what, at = chance.randrange(3), chance.randrange(len(line))
                if what == 0:
                    line[at] = chance.randrange(256)
                elif what == 1:
                    del line[at]
                else:
                    line.insert(at, chance.randrange(256))
            line = bytes(line).replace(b"\n", b" ")
            if not line.strip(b" \t\r"):
                continue
            c.send_line(line)
            c.send_line(lib.request_text("end", "ping"))
            # One reply, or none where the id was lost, and then that of the ping.
            reply = c.reply()
            if reply.get("id") != "end":
                self.assertEqual(c.reply()["id"], "end")
        self.assertEqual(c.call("ping"), {})

    def test_random_bytes(self):
        chance = random.Random(21)
        for _ in range(100):
            c = self.connect()
            c.send(b"{" + bytes(chance.randrange(256) for _ in range(2000)) + b"\n")
            c.half_close()
            while c.line() is not None:
                pass
            c.close()


if __name__ == "__main__":
    lib.main()
