"""submit, result, cancel: what concurrent.futures has."""

import lib


class Futures(lib.ProtocolTest):
    def submit(self, connection, body=None, **params):
        params.setdefault("queue", self.queue)
        return connection.call("submit", body=body, **params)["id"]

    def done(self, connection, result=None, **params):
        job = self.submit(connection, **params)
        self.get(connection)
        connection.call("ack", id=job, result=result)
        return job

    def test_a_result(self):
        c = self.connect()
        job = self.done(c, {"sum": 5})
        for _ in range(3):
            self.assertEqual(c.call("result", id=job), {"id": job, "state": "done", "result": {"sum": 5}})
        self.assertEqual(self.connect().call("result", id=job, timeout=0)["result"], {"sum": 5})

    def test_no_result_is_null(self):
        c = self.connect()
        self.assertIsNone(c.call("result", id=self.done(c))["result"])

    def test_many_wait_for_one(self):
        c = self.connect()
        job = self.submit(c)
        waiting = [self.connect() for _ in range(10)]
        ids = [w.ask("result", {"id": job}) for w in waiting]
        for w in waiting:
            w.expect_nothing()
        self.get(c)
        c.call("ack", id=job, result=7)
        for w, id in zip(waiting, ids):
            self.assertEqual(w.answer(id)["result"], 7)

    def test_one_waits_for_many(self):
        a, b = self.connect(), self.connect()
        jobs = {a.ask("result", {"id": job}): job for job in [self.submit(b, n) for n in range(20)]}
        a.expect_nothing()
        taken = self.get(b, max=20)["jobs"]
        for job in reversed(taken):
            b.call("ack", id=job["id"], result=job["body"] * 2)
        for job in reversed(taken):
            reply = a.reply()
            self.assertEqual(jobs[reply["id"]], reply["result"]["id"])
            self.assertEqual(reply["result"], {"id": job["id"], "state": "done", "result": job["body"] * 2})

    def test_not_yet(self):
        c = self.connect()
        job = self.submit(c)
        self.assertError(c.error("result", id=job, timeout=0), "timeout")
        self.assertError(c.error("result", id=job, timeout=0.02), "timeout")
        self.get(c)
        self.assertError(c.error("result", id=job, timeout=0), "timeout")

    def test_unknown(self):
        c = self.connect()
        self.assertError(c.error("result", id=987654321), "not_found")
        self.assertError(c.error("cancel", id=987654321), "not_found")

    def test_forget(self):
        c = self.connect()
        job = self.done(c, 1)
        self.assertEqual(c.call("result", id=job, forget=False)["result"], 1)
        self.assertEqual(c.call("result", id=job, forget=True)["result"], 1)
        self.assertError(c.error("result", id=job), "not_found")
        self.assertError(c.error("job", id=job), "not_found")

    def test_forget_while_it_waits(self):
        a, b = self.connect(), self.connect()
        job = self.submit(b)
        id = a.ask("result", {"id": job, "forget": True})
        a.expect_nothing()
        self.get(b)
        b.call("ack", id=job, result=1)
        self.assertEqual(a.answer(id)["result"], 1)
        b.until(lambda r: isinstance(r, lib.RpcError) and r.name == "not_found", "result", id=job, timeout=0)

    def test_results_go_after_their_time(self):
        c = self.connect()
        short, long = self.done(c, 1, keep_result=0.03), self.done(c, 2, keep_result=100)
        c.until(lambda r: isinstance(r, lib.RpcError) and r.name == "not_found", "result", id=short)
        self.assertEqual(c.call("result", id=long)["result"], 2)

    def test_the_queues_keep_result(self):
        c = self.connect()
        c.call("declare", queue=self.queue, keep_result=0.03)
        short, long = self.done(c, 1), self.done(c, 2, keep_result=100)
        c.until(lambda r: isinstance(r, lib.RpcError) and r.name == "not_found", "result", id=short)
        self.assertEqual(c.call("result", id=long)["result"], 2)

    def test_a_plain_put_tells_only_who_waits(self):
        a, b = self.connect(), self.connect()
        job = self.put(b)
        id = a.ask("result", {"id": job})
        a.expect_nothing()
        self.get(b)
        b.call("ack", id=job, result="heard")
        self.assertEqual(a.answer(id), {"id": job, "state": "done", "result": "heard"})
        self.assertError(a.error("result", id=job), "not_found")

    def test_a_failure_says_what_it_was(self):
        c = self.connect()
        job = self.submit(c, max_attempts=1)
        self.get(c)
        c.call("nack", id=job, error={"exit": 2})
        for _ in range(2):
            error = c.error("result", id=job)
            self.assertEqual(error.data, {"name": "failed", "id": job, "state": "dead", "reason": "attempts", "attempts": 1,
                                          "error": {"exit": 2}})

    def test_a_failure_without_an_error(self):
        c = self.connect()
        job = self.submit(c, max_attempts=1)
        self.get(c)
        c.call("nack", id=job)
        self.assertEqual(c.error("result", id=job).data, {"name": "failed", "id": job, "state": "dead", "reason": "attempts",
                                                           "attempts": 1, "error": None})

    def test_a_failure_is_waited_for(self):
        a, b = self.connect(), self.connect()
        job = self.submit(b, max_attempts=2)
        id = a.ask("result", {"id": job})
        a.expect_nothing()
        self.get(b)
        b.call("nack", id=job, error=1, delay=0)
        a.expect_nothing()
        self.get(b)
        b.call("nack", id=job, error=2)
        with self.assertRaises(lib.RpcError) as caught:
            a.answer(id)
        self.assertError(caught.exception, "failed", id=job, state="dead", reason="attempts", attempts=2, error=2)

    def test_a_kick_opens_the_outcome_again(self):
        a, b = self.connect(), self.connect()
        job = self.submit(b)
        self.get(b)
        b.call("bury", id=job, error="x")
        self.assertError(a.error("result", id=job), "failed", reason="buried")
        b.call("kick", id=job)
        self.assertError(a.error("result", id=job, timeout=0), "timeout")
        id = a.ask("result", {"id": job})
        a.expect_nothing()
        self.get(b)
        b.call("ack", id=job, result="second chance")
        self.assertEqual(a.answer(id)["result"], "second chance")

    def test_the_first_death_decides(self):
        c = self.connect()
        letters = self.queue + "-dead"
        c.call("declare", queue=self.queue, dead_letter=letters)
        job = self.submit(c)
        self.get(c)
        c.call("bury", id=job, error="x")
        self.assertError(c.error("result", id=job), "failed", reason="buried", error="x")
        self.assertEqual(c.call("get", queue=letters)["id"], job)
        c.call("ack", id=job, result="too late")

    def test_cancel(self):
        a, b = self.connect(), self.connect()
        ready, delayed = self.submit(a), self.submit(a, delay=100)
        for job in (ready, delayed):
            id = b.ask("result", {"id": job})
            b.expect_nothing()
            self.assertEqual(a.call("cancel", id=job), {"cancelled": True})
            with self.assertRaises(lib.RpcError) as caught:
                b.answer(id)
            self.assertEqual(caught.exception.data, {"name": "cancelled", "id": job, "state": "cancelled"})
            self.assertError(a.error("result", id=job), "cancelled")
            self.assertEqual(a.call("job", id=job)["state"], "cancelled")
            self.assertEqual(a.call("cancel", id=job), {"cancelled": False})
        self.assertError(a.error("get", queue=self.queue, timeout=0), "empty")
        self.assertEqual(a.call("join", queue=self.queue, timeout=0), {})

    def test_cancel_comes_too_late(self):
        c = self.connect()
        job = self.submit(c)
        self.get(c)
        self.assertEqual(c.call("cancel", id=job), {"cancelled": False})
        c.call("ack", id=job, result=1)
        self.assertEqual(c.call("cancel", id=job), {"cancelled": False})
        dead = self.submit(c)
        self.get(c)
        c.call("bury", id=dead)
        self.assertEqual(c.call("cancel", id=dead), {"cancelled": False})
        self.assertEqual(c.call("result", id=job)["result"], 1)

    def test_a_cancelled_plain_put_is_gone(self):
        c = self.connect()
        job = self.put(c)
        self.assertEqual(c.call("cancel", id=job), {"cancelled": True})
        self.assertError(c.error("job", id=job), "not_found")

    def test_a_cancelled_outcome_goes_after_its_time_or_when_forgotten(self):
        c = self.connect()
        short, forgotten = self.submit(c, keep_result=0.03), self.submit(c)
        for job in (short, forgotten):
            c.call("cancel", id=job)
        self.assertError(c.error("result", id=forgotten, forget=True), "cancelled")
        self.assertError(c.error("result", id=forgotten), "not_found")
        c.until(lambda r: isinstance(r, lib.RpcError) and r.name == "not_found", "result", id=short)

    def test_a_job_that_goes_ends_who_waits_for_it(self):
        a, b = self.connect(), self.connect()
        for method in ("delete", "drop"):
            job = self.submit(b)
            id = a.ask("result", {"id": job})
            a.expect_nothing()
            b.call(method, **({"id": job} if method == "delete" else {"queue": self.queue}))
            with self.assertRaises(lib.RpcError) as caught:
                a.answer(id)
            self.assertError(caught.exception, "not_found")

    def test_results_are_bounded_in_bytes(self):
        c = self.connect()
        c.call("declare", queue=self.queue, keep_result_bytes=50_000)
        jobs = [self.done(c, "x" * 10_000) for _ in range(20)]
        self.assertError(c.error("result", id=jobs[0]), "not_found")
        self.assertEqual(len(c.call("result", id=jobs[-1])["result"]), 10_000)
        kept = 0
        for job in jobs:
            try:
                c.call("result", id=job)
                kept += 1
            except lib.RpcError:
                self.assertEqual(kept, 0, "the oldest go first")
        self.assertTrue(1 <= kept <= 5, kept)
        self.assertEqual(c.call("stats", queue=self.queue)["counters"]["results_dropped"], 20 - kept)


if __name__ == "__main__":
    lib.main()
