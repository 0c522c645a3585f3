"""What the daemon says of itself: finished, progress; and call, which waits, and the cancel of what is held."""

import lib
from lib import outcome


class Notifications(lib.ProtocolTest):
    def submit(self, connection, body=None, **params):
        params.setdefault("queue", self.queue)
        return connection.call("submit", body=body, **dict({"notify": True}, **params))["id"]

    def told(self, connection, method, **params):
        """The next line is this notification."""
        self.assertEqual(connection.reply(), {"jsonrpc": "2.0", "method": method, "params": params})

    def failed(self, connection, id):
        with self.assertRaises(lib.RpcError) as caught:
            connection.answer(id)
        return caught.exception

    # ---- finished

    def test_every_way_to_end_is_told_once(self):
        a, b = self.connect(), self.connect()
        done, dead, cancelled, deleted, dropped = [self.submit(a, n, max_attempts=1) for n in range(5)]
        for job in (done, dead):
            self.assertEqual(self.get(b)["id"], job)
        a.expect_nothing()
        b.call("ack", id=done, result=[1.50])
        self.told(a, "finished", id=done, state="done", result=[1.5])
        b.call("nack", id=dead, error="x")
        self.told(a, "finished", id=dead, state="dead", reason="attempts", attempts=1, error="x")
        b.call("cancel", id=cancelled)
        self.told(a, "finished", id=cancelled, state="cancelled")
        b.call("delete", id=deleted)
        self.told(a, "finished", id=deleted, state="deleted")
        b.call("drop", queue=self.queue)
        self.told(a, "finished", id=dropped, state="deleted")
        a.expect_nothing()

    def test_an_existing_job_is_told_of_whether_it_has_ended_or_not(self):
        a, b = self.connect(), self.connect()
        job = self.submit(a, key="k", key_for=100, notify=False)
        for _ in range(2):
            self.assertEqual(a.call("submit", queue=self.queue, body=2, key="k", notify=True), {"id": job, "existing": True})
        a.expect_nothing()
        self.get(b)
        b.call("ack", id=job, result=7)
        for _ in range(2):
            self.told(a, "finished", id=job, state="done", result=7)
        c = self.connect()
        self.assertEqual(c.call("submit", queue=self.queue, body=2, key="k", notify=True), {"id": job, "existing": True})
        self.told(c, "finished", id=job, state="done", result=7)
        c.call("result", id=job, forget=True)
        self.assertEqual(c.call("submit", queue=self.queue, body=2, key="k", notify=True), {"id": job, "existing": True})
        self.told(c, "finished", id=job, state="deleted")

    def test_not_before_the_reply_of_its_batch(self):
        a, b = self.connect(), self.connect()
        batch = [lib.request_text("s", "submit", {"queue": self.queue, "body": 1, "notify": True, "progress": True}),
                 lib.request_text("g", "get", {"queue": self.queue + "-other"})]
        a.send_line("[" + ",".join(batch) + "]")
        a.expect_nothing()
        job = self.get(b)["id"]
        b.call("progress", id=job, done=1)
        b.call("ack", id=job)
        other = self.submit(a, 2)  # another's end is told all the same
        self.get(b)
        b.call("ack", id=other)
        self.told(a, "finished", id=other, state="done", result=None)
        a.expect_nothing()
        self.put(b, queue=self.queue + "-other")
        replies = a.reply()
        self.assertEqual([reply["id"] for reply in replies], ["s", "g"])
        self.assertEqual(replies[0]["result"]["id"], job)
        self.told(a, "progress", id=job, done=1)
        self.told(a, "finished", id=job, state="done", result=None)
        a.expect_nothing()

    def test_a_submit_that_waits_for_room(self):
        a, b = self.connect(), self.connect()
        a.call("declare", queue=self.queue, maxsize=1)
        first = self.submit(a, 1)
        id = a.ask("submit", {"queue": self.queue, "body": 2, "notify": True})
        late = a.ask("submit", {"queue": self.queue, "body": 3, "notify": True, "timeout": 0.02})
        self.assertError(self.failed(a, late), "full")
        b.call("get", queue=self.queue, auto_ack=True)
        lines = [a.reply(), a.reply()]  # two connections' threads may be at it
        reply = next(line for line in lines if "id" in line)
        finished = next(line for line in lines if "method" in line)
        self.assertEqual(finished["params"], {"id": first, "state": "done", "result": None})
        second = outcome(reply, id)["id"]
        b.call("get", queue=self.queue, auto_ack=True)
        self.told(a, "finished", id=second, state="done", result=None)
        a.expect_nothing()

    def test_many_in_flight(self):
        a, b = self.connect(), self.connect()
        count = 3000
        a.send("".join(lib.request_text(n, "submit", {"queue": self.queue, "body": n, "notify": True}) + "\n"
                       for n in range(count)))
        worked = 0
        while worked < count:
            for job in self.get(b, max=1000)["jobs"]:
                b.ask("ack", {"id": job["id"], "result": job["body"]}, id=job["id"])
                worked += 1
                self.assertEqual(b.answer(job["id"]), {})
        replied, results = {}, {}
        while len(results) < count:
            line = a.reply()
            if "id" in line:
                replied[line["result"]["id"]] = line["id"]
            else:
                self.assertIn(line["params"]["id"], replied)  # never before the reply
                results[line["params"]["id"]] = line["params"]["result"]
        self.assertEqual(results, replied)

    def test_they_go_with_the_connection(self):
        b = self.connect()
        with self.connect() as a:
            jobs = [self.submit(a, n) for n in range(100)]
        self.assertEqual(len(self.get(b, max=100)["jobs"]), 100)
        for job in jobs:
            self.assertEqual(b.call("ack", id=job), {})

    def test_a_plain_submit_tells_nothing(self):
        a, b = self.connect(), self.connect()
        job = self.submit(a, notify=False)
        self.get(b)
        b.call("ack", id=job)
        a.expect_nothing()

    # ---- call

    def test_a_call_fails_as_its_job(self):
        a, b = self.connect(), self.connect()
        for verb, params, name in (("bury", {"error": 3}, "failed"), ("delete", {}, "not_found")):
            id = a.ask("call", {"queue": self.queue, "body": 1})
            job = self.get(b)["id"]
            b.call(verb, id=job, **params)
            self.assertError(self.failed(a, id), name, id=job)

    def test_the_outcome_of_a_call_goes_once_it_is_given(self):
        a, b = self.connect(), self.connect()
        id = a.ask("call", {"queue": self.queue, "body": 1})
        job = self.get(b)["id"]
        b.call("ack", id=job, result=5)
        self.assertEqual(a.answer(id), {"id": job, "state": "done", "result": 5})
        b.until(lambda r: isinstance(r, lib.RpcError) and r.name == "not_found", "job", id=job)

    def test_the_outcome_stays_where_it_could_not_be_given(self):
        a, b = self.connect(), self.connect()
        gone = a.ask("call", {"queue": self.queue, "body": 1})
        taken_back = b.ask("call", {"queue": self.queue, "body": 2})
        c = self.connect()
        jobs = [job["id"] for job in self.get(c, max=2)["jobs"]]
        if len(jobs) < 2:
            jobs.append(self.get(c)["id"])
        self.assertEqual(gone, 1)
        a.close()
        b.notify("$/cancelRequest", {"id": taken_back})
        self.assertError(self.failed(b, taken_back), "request_cancelled")
        c.until(lambda r: r["clients"] == len(self._open) - 1, "stats")
        for job in jobs:
            c.call("ack", id=job, result=job)
            self.assertEqual(c.call("result", id=job)["result"], job)

    def test_one_deadline_for_room_and_outcome(self):
        a = self.connect()
        a.call("declare", queue=self.queue, maxsize=1)
        self.assertError(a.error("call", queue=self.queue, body=1, timeout=0), "timeout")
        self.assertIsNone(a.error("call", queue=self.queue, body=2, timeout=0).data.get("id"))
        self.assertError(a.error("call", queue=self.queue, body=2, timeout=0.02), "full")
        self.get(a)
        error = a.error("call", queue=self.queue, body=3, timeout=0.02)
        self.assertError(error, "timeout")
        self.assertEqual(a.call("job", id=error.data["id"])["body"], 3)

    def test_a_call_that_waited_for_room(self):
        a, b = self.connect(), self.connect()
        a.call("declare", queue=self.queue, maxsize=1)
        self.put(a, 1)
        id = a.ask("call", {"queue": self.queue, "body": 2})
        a.expect_nothing()
        self.get(b)
        job = self.get(b)
        self.assertEqual(job["body"], 2)
        b.call("ack", id=job["id"], result="late")
        self.assertEqual(a.answer(id), {"id": job["id"], "state": "done", "result": "late"})

    def test_a_call_of_an_existing_job_leaves_its_outcome(self):
        a, b = self.connect(), self.connect()
        job = self.submit(a, key="k", key_for=100, notify=False)
        id = b.ask("call", {"queue": self.queue, "body": 2, "key": "k"})
        b.expect_nothing()
        self.get(a)
        a.call("ack", id=job, result=1)
        self.assertEqual(b.answer(id)["result"], 1)
        self.assertEqual(b.call("call", queue=self.queue, body=2, key="k")["result"], 1)
        self.assertEqual(b.call("result", id=job)["result"], 1)

    # ---- cancel of what is held

    def held(self, a, b, **params):
        job = self.submit(a, **params)
        self.assertEqual(self.get(b)["id"], job)
        self.assertEqual(a.call("cancel", id=job, running=True), {"cancelled": True})
        return job

    def test_the_holder_is_told_and_ends_it(self):
        a, b = self.connect(), self.connect()
        for verb, params in (("ack", {"result": 1}), ("nack", {"error": 1}), ("release", {"priority": 3}), ("bury", {})):
            job = self.held(a, b)
            self.assertTrue(a.call("job", id=job)["cancelling"])
            for ask, also in (("touch", {}), ("progress", {"done": 1})):
                self.assertEqual(b.error(ask, id=job, **also).data, {"name": "cancelled", "id": job})
            self.assertEqual(a.call("job", id=job)["state"], "reserved")
            self.assertEqual(a.call("cancel", id=job, running=True), {"cancelled": True})
            self.assertEqual(b.error(verb, id=job, **params).data, {"name": "cancelled", "id": job})
            self.told(a, "finished", id=job, state="cancelled")
            self.assertNotIn("cancelling", a.call("job", id=job))
            self.assertError(b.error(verb, id=job, **params), "not_reserved")

    def test_an_ack_of_many(self):
        a, b = self.connect(), self.connect()
        job, other = self.held(a, b), self.put(b)
        self.get(b)
        self.assertEqual(b.call("ack", ids=[job, other]), {"acked": 1, "failed": [{"id": job, "name": "cancelled"}]})
        self.told(a, "finished", id=job, state="cancelled")

    def test_the_place_stays_taken_until_the_holder_lets_go(self):
        a, b, c = self.connect(), self.connect(), self.connect()
        a.call("declare", queue=self.queue, concurrency=1)
        job = self.held(a, b)
        self.put(a)
        self.assertError(c.error("get", queue=self.queue, timeout=0), "empty")
        id = c.ask("get", {"queue": self.queue})
        c.expect_nothing()
        b.close()
        c.answer(id)
        self.told(a, "finished", id=job, state="cancelled")
        self.assertEqual(a.call("job", id=job)["lost"], 0)

    def test_the_end_of_its_lease_ends_it(self):
        a, b = self.connect(), self.connect()
        job = self.held(a, b, lease=0.05)
        self.told(a, "finished", id=job, state="cancelled")

    # ---- progress

    def test_who_waits_is_told_and_who_looks_sees(self):
        a, b, c, d = [self.connect() for _ in range(4)]
        job = self.submit(a, progress=True)
        id = c.ask("result", {"id": job, "progress": True})
        quiet = d.ask("result", {"id": job})
        c.expect_nothing()
        d.expect_nothing()
        self.get(b)
        self.assertNotIn("progress", a.call("job", id=job))
        b.call("progress", id=job, done=0.5, total=2, message="half\n\u00e9")
        for connection in (a, c):
            self.told(connection, "progress", id=job, done=0.5, total=2, message="half\n\u00e9")
        self.assertEqual(b.call("job", id=job)["progress"], {"done": 0.5, "total": 2, "message": "half\n\u00e9"})
        b.call("progress", id=job, message="")
        for connection in (a, c):
            self.told(connection, "progress", id=job, message="")
        late = self.connect()
        late_id = late.ask("result", {"id": job, "progress": True})
        self.told(late, "progress", id=job, message="")
        b.call("ack", id=job)
        self.told(a, "finished", id=job, state="done", result=None)
        for connection, wait in ((c, id), (d, quiet), (late, late_id)):
            self.assertEqual(connection.answer(wait)["state"], "done")
        self.assertNotIn("progress", b.call("job", id=job))

    def test_many_collapse_and_the_last_is_told(self):
        a, b = self.connect(), self.connect()
        job = self.submit(a, progress=True)
        self.get(b)
        for n in range(1000):
            b.notify("progress", {"id": job, "done": n})
        b.expect_nothing()
        told = []
        while not told or told[-1] != 999:
            line = a.reply()
            self.assertEqual(line["method"], "progress")
            told.append(line["params"]["done"])
        self.assertEqual(told, sorted(set(told)))
        self.assertLess(len(told), 500)
        b.call("ack", id=job)
        self.told(a, "finished", id=job, state="done", result=None)

    def test_a_call_hears_of_it_and_never_after_the_outcome(self):
        a, b = self.connect(), self.connect()
        for n in range(50):
            id = a.ask("call", {"queue": self.queue, "body": n, "progress": True})
            job = self.get(b)["id"]
            b.send_line(lib.request_text(None, "progress", {"id": job, "done": 1}))
            b.send_line(lib.request_text(None, "progress", {"id": job, "done": 2}))
            b.send_line(lib.request_text(None, "ack", {"id": job, "result": n}))
            line = a.reply()
            while "method" in line:
                self.assertEqual((line["method"], line["params"]["id"]), ("progress", job))
                line = a.reply()
            self.assertEqual(outcome(line, id)["result"], n)
            a.expect_nothing()

    def test_of_what_is_not_held(self):
        a, b = self.connect(), self.connect()
        job = self.put(a)
        self.assertError(a.error("progress", id=job, done=1), "not_reserved")
        self.assertError(a.error("progress", id=987654321, done=1), "not_found")
        self.get(b)
        self.assertError(a.error("progress", id=job, done=1), "not_reserved")


class Limits(lib.ProtocolTest):
    def test_one_subscription_too_many(self):
        with lib.temporary_folder() as folder:
            path = folder + "/conf"
            with open(path, "w", encoding="utf-8") as file:
                file.write("max_subscriptions = 3\n")
            with lib.Daemon("-c", path) as daemon, daemon.connect() as c:
                self.assertEqual(c.call("hello")["limits"]["subscriptions"], 3)
                jobs = [c.call("submit", queue="q", body=n, notify=True)["id"] for n in range(3)]
                self.assertError(c.error("submit", queue="q", body=4, notify=True), "overloaded")
                self.assertEqual(c.call("stats", queue="q")["gauges"]["ready"], 3)
                c.call("delete", id=jobs[0])
                while "method" not in c.reply():
                    pass
                c.until(lambda r: not isinstance(r, lib.RpcError), "submit", queue="q", body=4, notify=True)

    def test_a_burst_of_large_ends_is_told_to_who_reads(self):
        with self.daemon.connect() as a, self.daemon.connect() as c:
            big = "x" * 1_000_000
            for n in range(40):
                a.notify("submit", {"queue": self.queue, "body": n, "notify": True, "keep_result": 0})
            for _ in range(40):
                self.assertEqual(c.call("ack", id=self.get(c)["id"], result=big), {})
            for _ in range(40):
                self.assertEqual(a.reply()["params"]["result"], big)

    def test_who_does_not_read_is_closed_and_holds_nobody_up(self):
        with self.daemon.connect() as deaf, self.daemon.connect() as c:
            big = "x" * 500_000
            for n in range(180):
                deaf.notify("submit", {"queue": self.queue, "body": n, "notify": True, "keep_result": 0})
            for _ in range(180):
                job = self.get(c)["id"]
                self.assertEqual(c.call("ack", id=job, result=big), {})
            c.until(lambda r: r["clients"] == 1, "stats")


if __name__ == "__main__":
    lib.main()
