"""Requests that wait: who is served, in which order, for how long, and how they are taken back."""

import time

import lib


class Waiting(lib.ProtocolTest):
    def waits(self, connection, method, **params):
        """Sends a request that waits, and returns its id when the daemon has it."""
        id = connection.ask(method, params)
        connection.expect_nothing()
        return id

    def test_a_get_waits_for_a_put(self):
        a, b = self.connect(), self.connect()
        id = self.waits(a, "get", queue=self.queue)
        job = self.put(b, "x")
        self.assertEqual(a.answer(id)["id"], job)

    def test_gets_are_served_in_the_order_they_came(self):
        consumers = [self.connect() for _ in range(8)]
        ids = [self.waits(c, "get", queue=self.queue) for c in consumers]
        b = self.connect()
        for n, (c, id) in enumerate(zip(consumers, ids)):
            self.put(b, n)
            self.assertEqual(c.answer(id)["body"], n)

    def test_gets_of_one_connection_are_served_in_their_order(self):
        a, b = self.connect(), self.connect()
        ids = [self.waits(a, "get", queue=self.queue) for _ in range(5)]
        for n in range(5):
            self.put(b, n)
        for n, id in enumerate(ids):
            self.assertEqual(a.answer(id)["body"], n)

    def test_a_get_on_several_queues_takes_from_whichever_has_one_first(self):
        a, b = self.connect(), self.connect()
        for chosen in ("x", "z", "y"):
            id = self.waits(a, "get", queues=["x", "y", "z"], auto_ack=True)
            b.call("put", queue=chosen, body=chosen)
            got = a.answer(id)
            self.assertEqual((got["queue"], got["body"]), (chosen, chosen))
        for name in ("x", "y", "z"):
            self.assertEqual(b.call("stats", queue=name)["gauges"]["waiting_gets"], 0)

    def test_a_get_with_max_ends_with_the_first_job(self):
        a, b = self.connect(), self.connect()
        id = self.waits(a, "get", queue=self.queue, max=10)
        job = self.put(b, 1)
        jobs = a.answer(id)["jobs"]
        self.assertEqual([j["id"] for j in jobs], [job])

    def test_a_job_goes_to_one_get_only(self):
        a, b, c = self.connect(), self.connect(), self.connect()
        first = self.waits(a, "get", queue=self.queue)
        self.waits(b, "get", queue=self.queue)
        self.put(c, 1)
        a.answer(first)
        b.expect_nothing()

    def test_no_time_to_wait(self):
        c = self.connect()
        self.assertError(c.error("get", queue=self.queue, timeout=0), "empty")
        self.assertError(c.error("get", queue=self.queue, timeout=0, max=5), "empty")
        self.assertError(c.error("get", queues=["a", "b"], timeout=0), "empty")

    def test_the_time_is_up(self):
        c = self.connect()
        for timeout in (0.001, 0.05):
            self.assertError(c.error("get", queue=self.queue, timeout=timeout), "empty")
        c.call("declare", queue=self.queue, maxsize=1)
        self.put(c, 1)
        self.assertError(c.error("put", queue=self.queue, body=2, timeout=0.02), "full")
        self.assertError(c.error("join", queue=self.queue, timeout=0.02), "timeout")
        job = c.call("submit", queue="other", body=1)["id"]
        self.assertError(c.error("result", id=job, timeout=0.02), "timeout")

    def test_shorter_times_end_first(self):
        c = self.connect()
        late = c.ask("get", {"queue": self.queue, "timeout": 0.2})
        soon = c.ask("get", {"queue": self.queue, "timeout": 0.01})
        self.assertEqual(c.reply()["id"], soon)
        self.assertEqual(c.reply()["id"], late)

    def test_a_get_whose_time_was_up_takes_nothing(self):
        a, b = self.connect(), self.connect()
        self.assertError(a.error("get", queue=self.queue, timeout=0.01), "empty")
        job = self.put(b, 1)
        a.expect_nothing()
        self.assertEqual(self.get(b, timeout=0)["id"], job)

    def test_puts_wait_their_turn(self):
        a, b = self.connect(), self.connect()
        a.call("declare", queue=self.queue, maxsize=2)
        self.put(a, 0)
        self.put(a, 1)
        ids = [self.waits(a, "put", queue=self.queue, body=n) for n in (2, 3, 4)]
        self.assertError(b.error("put", queue=self.queue, body=9, timeout=0), "full")
        for n, id in enumerate(ids):
            self.assertEqual(self.get(b)["body"], n)
            self.assertIn("id", a.answer(id))
        for n in (3, 4):
            self.assertEqual(self.get(b)["body"], n)

    def test_delayed_jobs_count_for_maxsize_and_reserved_ones_do_not(self):
        c = self.connect()
        c.call("declare", queue=self.queue, maxsize=1)
        delayed = self.put(c, 1, delay=100)
        self.assertError(c.error("put", queue=self.queue, body=2, timeout=0), "full")
        c.call("kick", id=delayed)
        self.get(c)
        self.put(c, 2, timeout=0)
        self.assertEqual(c.call("release", id=delayed), {})
        self.assertEqual(c.call("stats", queue=self.queue)["gauges"]["ready"], 2)

    def test_more_room_serves_puts(self):
        a, b = self.connect(), self.connect()
        a.call("declare", queue=self.queue, maxsize=1)
        self.put(a, 1)
        ids = [self.waits(a, "put", queue=self.queue, body=n) for n in (2, 3)]
        b.call("declare", queue=self.queue, maxsize=0)
        for id in ids:
            self.assertIn("id", a.answer(id))

    def test_a_put_that_waits_goes_straight_to_a_get(self):
        a, b = self.connect(), self.connect()
        a.call("declare", queue=self.queue, maxsize=1)
        a.call("pause", queue=self.queue)
        self.put(a, 1)
        put = self.waits(a, "put", queue=self.queue, body=2)
        gets = [self.waits(b, "get", queue=self.queue) for _ in range(2)]
        a.notify("resume", {"queue": self.queue})
        self.assertEqual([b.answer(id)["body"] for id in gets], [1, 2])
        self.assertIn("id", a.answer(put))

    def test_waiting_puts_end_with_their_connection(self):
        a, b = self.connect(), self.connect()
        b.call("declare", queue=self.queue, maxsize=1)
        self.put(b, 1)
        self.waits(a, "put", queue=self.queue, body="ghost")
        a.close()
        b.until(lambda r: r["gauges"]["waiting_puts"] == 0, "stats", queue=self.queue)
        self.assertEqual(self.get(b)["body"], 1)
        self.assertError(b.error("get", queue=self.queue, timeout=0), "empty")

    def test_waiting_gets_end_with_their_connection(self):
        for end in ("close", "reset", "half_close"):
            with self.subTest(end=end):
                a, b = self.connect(), self.connect()
                self.waits(a, "get", queue=self.queue)
                getattr(a, end)()
                b.until(lambda r: isinstance(r, lib.RpcError) or r["gauges"]["waiting_gets"] == 0, "stats", queue=self.queue)
                job = self.put(b, 1)
                got = self.get(b, timeout=0, auto_ack=True)
                self.assertEqual((got["id"], got["attempt"]), (job, 1))

    def test_joins(self):
        a, b = self.connect(), self.connect()
        self.assertEqual(a.call("join", queue=self.queue), {})
        job = self.put(b, 1)
        delayed = self.put(b, 2, delay=100)
        id = self.waits(a, "join", queue=self.queue)
        self.get(b)
        b.call("ack", id=job)
        a.expect_nothing()
        later = self.put(b, 3)
        b.call("cancel", id=delayed)
        a.expect_nothing()
        self.get(b)
        b.call("bury", id=later)
        self.assertEqual(a.answer(id), {})

    def test_cancelling_each_kind_of_wait(self):
        a, b = self.connect(), self.connect()
        b.call("declare", queue=self.queue, maxsize=1)
        job = self.put(b, 1)
        self.get(b)
        self.put(b, 2)
        for method, params in (("get", {"queue": "nothing"}), ("get", {"queues": ["n1", "n2"], "max": 3}),
                               ("put", {"queue": self.queue, "body": 3}), ("submit", {"queue": self.queue, "body": 3}),
                               ("join", {"queue": self.queue}), ("result", {"id": job})):
            with self.subTest(method=method):
                id = self.waits(a, method, **params)
                a.notify("$/cancelRequest", {"id": id})
                with self.assertRaises(lib.RpcError) as caught:
                    a.answer(id)
                self.assertError(caught.exception, "request_cancelled")
                a.expect_nothing()
        gauges = b.call("stats", queue=self.queue)["gauges"]
        self.assertEqual([gauges[g] for g in ("waiting_gets", "waiting_puts", "waiting_joins")], [0, 0, 0])
        self.assertEqual((gauges["ready"], gauges["reserved"]), (1, 1))

    def test_a_cancelled_get_takes_no_job(self):
        a, b = self.connect(), self.connect()
        id = self.waits(a, "get", queue=self.queue)
        a.notify("$/cancelRequest", {"id": id})
        with self.assertRaises(lib.RpcError):
            a.answer(id)
        job = self.put(b, 1)
        self.assertEqual(self.get(b, timeout=0)["id"], job)
        a.expect_nothing()

    def test_cancelling_what_does_not_wait(self):
        c = self.connect()
        for id in (1, "x", None, 12.5):
            c.notify("$/cancelRequest", {"id": id})
        self.assertEqual(c.call("$/cancelRequest", id=1), {})
        c.notify("$/cancelRequest")
        c.notify("$/cancelRequest", {})
        c.expect_nothing()

    def test_ids_to_cancel_are_compared_byte_for_byte(self):
        c = self.connect()
        c.send_line('{"jsonrpc":"2.0","id":"\\u0061","method":"get","params":{"queue":"n"}}')
        c.send_line('{"jsonrpc":"2.0","id":1.0,"method":"get","params":{"queue":"n"}}')
        for other in ('"a"', "1", "1.00", '"1.0"', "null", '"\\u0061 "'):
            c.notify("$/cancelRequest", {"id": lib.Raw(other)})
        c.expect_nothing()
        c.notify("$/cancelRequest", {"id": lib.Raw("1.0")})
        self.assertIn(b'"id":1.0,', c.line())
        c.notify("$/cancelRequest", {"id": lib.Raw('"\\u0061"')})
        self.assertIn(b'"id":"\\u0061",', c.line())

    def test_one_connection_does_not_cancel_for_another(self):
        a, b = self.connect(), self.connect()
        id = self.waits(a, "get", queue=self.queue)
        b.notify("$/cancelRequest", {"id": id})
        b.expect_nothing()
        a.expect_nothing()

    def test_a_cancel_as_a_request(self):
        c = self.connect()
        id = self.waits(c, "get", queue=self.queue)
        cancel = c.ask("$/cancelRequest", {"id": id}, id="cancel")
        replies = {reply["id"]: reply for reply in (c.reply(), c.reply())}
        self.assertEqual(replies[cancel]["result"], {})
        self.assertEqual(replies[id]["error"]["data"]["name"], "request_cancelled")

    def test_a_cancel_that_races_with_a_job(self):
        a, b = self.connect(), self.connect()
        for round in range(200):
            id = self.waits(a, "get", queue=self.queue)
            put = b.ask("put", {"queue": self.queue, "body": round})
            a.notify("$/cancelRequest", {"id": id})
            job = b.answer(put)["id"]
            reply = a.reply()
            self.assertEqual(reply["id"], id)
            if "result" in reply:
                self.assertEqual(reply["result"]["id"], job)
                a.call("ack", id=job)
            else:
                self.assertEqual(reply["error"]["data"]["name"], "request_cancelled")
                got = self.get(b, auto_ack=True)
                self.assertEqual((got["id"], got["attempt"]), (job, 1))

    def test_the_most_waits_and_one_more(self):
        a, b = self.connect(), self.connect()
        limit = a.call("hello")["limits"]["waits"]
        for id in range(limit):
            a.ask("get", {"queue": self.queue}, id="w%d" % id)
        a.expect_nothing()
        self.assertError(a.error("get", queue=self.queue), "overloaded")
        self.assertError(a.error("get", queues=["x", "y"]), "overloaded")
        # What need not wait goes on, and so do other connections.
        self.assertError(a.error("get", queue=self.queue, timeout=0), "empty")
        self.put(b, 1)
        self.assertEqual(a.reply()["id"], "w0")
        a.ask("get", {"queue": self.queue}, id="again")
        a.expect_nothing()

    def test_notifications_wait_too(self):
        a, b = self.connect(), self.connect()
        b.call("declare", queue=self.queue, maxsize=1)
        self.put(b, 1)
        a.notify("put", {"queue": self.queue, "body": 2})
        b.until(lambda r: r["gauges"]["waiting_puts"] == 1, "stats", queue=self.queue)
        self.get(b)
        self.assertEqual(self.get(b)["body"], 2)
        a.expect_nothing()

    def test_a_paused_queue_lets_gets_wait(self):
        a, b = self.connect(), self.connect()
        b.call("pause", queue=self.queue)
        job = self.put(b, 1)
        self.assertError(a.error("get", queue=self.queue, timeout=0), "empty")
        id = self.waits(a, "get", queue=self.queue)
        b.call("resume", queue=self.queue)
        self.assertEqual(a.answer(id)["id"], job)

    def test_concurrency_lets_gets_wait(self):
        a, b = self.connect(), self.connect()
        b.call("declare", queue=self.queue, concurrency=2)
        jobs = [self.put(b, n) for n in range(4)]
        self.assertEqual(len(self.get(b, max=10)["jobs"]), 2)
        self.assertError(a.error("get", queue=self.queue, timeout=0), "empty")
        id = self.waits(a, "get", queue=self.queue)
        b.call("ack", id=jobs[0])
        self.assertEqual(a.answer(id)["id"], jobs[2])
        id = self.waits(a, "get", queue=self.queue)
        b.call("release", id=jobs[1], delay=100)
        self.assertEqual(a.answer(id)["id"], jobs[3])

    def test_more_concurrency_serves_gets(self):
        a, b = self.connect(), self.connect()
        b.call("declare", queue=self.queue, concurrency=1)
        for n in range(3):
            self.put(b, n)
        self.get(b)
        ids = [self.waits(a, "get", queue=self.queue) for _ in range(2)]
        b.call("declare", queue=self.queue, concurrency=0)
        for id in ids:
            a.answer(id)

    def test_a_delayed_job_is_given_when_it_is_due(self):
        a = self.connect()
        before = time.monotonic()
        self.put(a, 1, delay=0.15)
        self.get(a)
        self.assertGreaterEqual(time.monotonic() - before, 0.149)
        before = time.time()
        self.put(a, 2, at=before + 0.15)
        self.get(a)
        self.assertGreaterEqual(time.time() - before, 0.149)


if __name__ == "__main__":
    lib.main()
