"""Looking at jobs and queues, and setting them to rights."""

import time

import lib


class Admin(lib.ProtocolTest):
    def names(self, result):
        return [job["id"] for job in result["jobs"]]

    def pages(self, connection, **params):
        """All jobs that `jobs` lists, page by page."""
        listed, after = [], None
        while True:
            page = connection.call("jobs", queue=self.queue, **dict(params, **({"after": after} if after else {})))
            self.assertLessEqual(len(page["jobs"]), params.get("limit", 100))
            listed += page["jobs"]
            after = page["next"]
            if after is None:
                return listed
            self.assertIsInstance(after, str)

    def test_hello(self):
        c = self.connect()
        hello = c.call("hello", client="somebody")
        self.assertEqual(set(hello), {"name", "version", "protocol", "durability", "limits", "identity", "grants"})
        self.assertEqual((hello["name"], hello["protocol"], hello["durability"]), ("taskqd", 1, "memory"))
        self.assertEqual(c.call("hello", client="x" * 255), hello)

    def test_the_pool_is_empty_without_handlers(self):
        self.assertEqual(self.connect().call("pool"), {"handlers": []})

    def test_a_job_in_each_state(self):
        c = self.connect()
        always = {"id", "queue", "state", "priority", "attempt", "lost", "deliveries", "created", "age", "max_attempts",
                  "why", "body"}
        before = time.time()
        ready = self.put(c, [1], max_attempts=7)
        delayed = self.put(c, 2, delay=50, key="k", expires=90, priority=2)
        info = c.call("job", id=ready)
        self.assertEqual(set(info), always)
        self.assertEqual((info["id"], info["queue"], info["state"], info["priority"], info["max_attempts"], info["body"]),
                         (ready, self.queue, "ready", 0, 7, [1]))
        self.assertEqual((info["attempt"], info["lost"], info["deliveries"]), (0, 0, 0))
        self.assertTrue(before - 1 <= info["created"] <= time.time() + 1)
        self.assertTrue(0 <= info["age"] <= 20)
        info = c.call("job", id=delayed)
        self.assertEqual(set(info), always | {"due", "key", "expires"})
        self.assertEqual((info["state"], info["key"], info["priority"]), ("delayed", "k", 2))
        self.assertTrue(30 < info["due"] <= 50 and 70 < info["expires"] <= 90)

        self.get(c, lease=40)
        info = c.call("job", id=ready)
        self.assertEqual(set(info), always | {"lease", "holder"})
        self.assertEqual((info["state"], info["attempt"], info["deliveries"]), ("reserved", 1, 1))
        self.assertTrue(20 < info["lease"] <= 40)
        self.assertIsInstance(info["holder"], str)

        c.call("bury", id=ready, error={"x": 1})
        info = c.call("job", id=ready)
        self.assertEqual(set(info), always | {"reason", "error"})
        self.assertEqual((info["state"], info["reason"], info["error"]), ("dead", "buried", {"x": 1}))

        done = c.call("submit", queue=self.queue, body=3)["id"]
        self.get(c)
        c.call("ack", id=done, result=[4])
        info = c.call("job", id=done)
        self.assertEqual(set(info), always | {"result"})
        self.assertEqual((info["state"], info["result"], info["body"]), ("done", [4], 3))

        cancelled = c.call("submit", queue=self.queue, body=5)["id"]
        c.call("cancel", id=cancelled)
        info = c.call("job", id=cancelled)
        self.assertEqual(set(info), always)
        self.assertEqual((info["state"], info["body"]), ("cancelled", 5))

    def test_the_body_is_the_last_member(self):
        c = self.connect()
        job = self.put(c, "last")
        for method, params in (("job", {"id": job}), ("get", {"queue": self.queue})):
            c.ask(method, params)
            self.assertTrue(c.line().endswith(b',"body":"last"}}'))
        c.ask("jobs", {"queue": self.queue, "bodies": True})
        self.assertIn(b',"body":"last"}]', c.line())

    def test_why(self):
        c = self.connect()
        ready, delayed = self.put(c), self.put(c, delay=100)
        self.assertIn("due in", c.call("job", id=delayed)["why"])
        whys = {c.call("job", id=ready)["why"]}
        c.call("pause", queue=self.queue)
        self.assertEqual(c.call("job", id=ready)["why"], "the queue is paused")
        c.call("resume", queue=self.queue)
        c.call("declare", queue=self.queue, concurrency=1)
        self.put(c, priority=1)
        self.get(c)
        whys.add(c.call("job", id=ready)["why"])
        waiting = self.put(c, priority=-1)
        self.assertIn("1 of 1", c.call("job", id=waiting)["why"])
        c.call("bury", id=ready)
        whys.add(c.call("job", id=ready)["why"])
        self.assertEqual(len(whys), 3)

    def test_jobs_page_by_page(self):
        c = self.connect()
        jobs = [self.put(c, n) for n in range(25)]
        late = [self.put(c, n, delay=100) for n in range(5)]
        held = [self.get(c)["id"] for _ in range(5)]
        buried = held[:2]
        for job in buried:
            c.call("bury", id=job)
        expected = {"ready": jobs[5:], "delayed": late, "reserved": held[2:], "dead": buried, "done": [], "cancelled": []}
        for limit in (1, 3, 25, 1000):
            for state, ids in expected.items():
                listed = self.pages(c, state=state, limit=limit)
                self.assertEqual([job["id"] for job in listed], ids, (state, limit))
                self.assertTrue(all(job["state"] == state and "body" not in job for job in listed))
            listed = self.pages(c, limit=limit)
            self.assertEqual([job["id"] for job in listed], sum(expected.values(), []))
        self.assertEqual([job["body"] for job in self.pages(c, state="delayed", bodies=True)], list(range(5)))

    def test_jobs_are_listed_in_the_order_in_which_they_come(self):
        c = self.connect()
        for n, priority in enumerate((3, 1, 2, 1)):
            self.put(c, n, priority=priority)
        self.assertEqual([job["body"] for job in self.pages(c, state="ready", limit=1, bodies=True)], [1, 3, 2, 0])

    def test_listed_errors_are_left_out(self):
        c = self.connect()
        job = self.put(c)
        self.get(c)
        c.call("bury", id=job, error="x" * 1000)
        listed, = self.pages(c)
        self.assertNotIn("error", listed)
        self.assertEqual(listed["reason"], "buried")

    def test_a_page_goes_on_where_its_jobs_are_gone(self):
        c = self.connect()
        jobs = [self.put(c, n) for n in range(10)]
        page = c.call("jobs", queue=self.queue, state="ready", limit=3)
        for job in self.names(page):
            c.call("delete", id=job)
        page = c.call("jobs", queue=self.queue, state="ready", limit=100, after=page["next"])
        self.assertEqual(self.names(page), jobs[3:])

    def test_unknown_queues_and_jobs(self):
        c = self.connect()
        for method in ("jobs", "delete", "kick", "stats", "drop"):
            self.assertError(c.error(method, queue="nowhere"), "not_found")
        for method in ("job", "delete", "kick", "result", "cancel", "ack", "nack", "release", "bury", "touch"):
            self.assertError(c.error(method, id=987654321), "not_found")

    def test_delete_in_every_state(self):
        c = self.connect()
        ready = self.put(c)
        held = ready
        self.get(c)
        self.assertEqual(c.call("delete", id=held), {"count": 1})
        self.assertError(c.error("ack", id=held), "not_found")
        for make in ("ready", "delayed", "dead", "done", "cancelled"):
            job = c.call("submit", queue=self.queue, body=1, delay=100 if make == "delayed" else 0)["id"]
            if make in ("dead", "done"):
                self.get(c)
                c.call("bury" if make == "dead" else "ack", id=job)
            if make == "cancelled":
                c.call("cancel", id=job)
            self.assertEqual(c.call("job", id=job)["state"], make)
            self.assertEqual(c.call("delete", id=job), {"count": 1})
            self.assertError(c.error("job", id=job), "not_found")
        self.assertError(c.error("get", queue=self.queue, timeout=0), "empty")

    def test_delete_by_queue(self):
        c = self.connect()
        for n in range(10):
            self.put(c, n)
        for n in range(4):
            self.put(c, n, delay=100)
        held = [self.get(c)["id"] for _ in range(3)]
        c.call("bury", id=held[0])
        self.assertEqual(c.call("delete", queue=self.queue, state="delayed", limit=3), {"count": 3})
        self.assertEqual(c.call("delete", queue=self.queue, state="delayed"), {"count": 1})
        self.assertEqual(c.call("delete", queue=self.queue, state="dead"), {"count": 1})
        self.assertEqual(c.call("delete", queue=self.queue), {"count": 7})
        self.assertEqual(c.call("ack", ids=held[1:]), {"acked": 2})

    def test_delete_and_kick_by_the_thousand(self):
        c = self.connect()
        for start in range(0, 3500, 500):
            for n in range(500):
                c.ask("put", {"queue": self.queue, "body": n, "delay": 1000}, id=n)
            for n in range(500):
                c.answer(n)
        self.assertEqual(c.call("kick", queue=self.queue, limit=1200), {"count": 1200})
        self.assertEqual(c.call("kick", queue=self.queue), {"count": 2300})
        self.assertEqual(c.call("stats", queue=self.queue)["gauges"]["ready"], 3500)
        self.assertEqual(c.call("delete", queue=self.queue, limit=1100), {"count": 1100})
        self.assertEqual(c.call("delete", queue=self.queue), {"count": 2400})

    def test_kick_by_queue(self):
        c = self.connect()
        jobs = [self.put(c, n) for n in range(6)]
        for _ in range(4):
            self.get(c)
        for job in jobs[:4]:
            c.call("bury", id=job)
        late = [self.put(c, n, delay=100) for n in range(2)]
        self.assertEqual(c.call("kick", queue=self.queue, state="dead", limit=3), {"count": 3})
        self.assertEqual(c.call("kick", queue=self.queue, state="delayed"), {"count": 2})
        self.assertEqual(c.call("kick", queue=self.queue), {"count": 1})
        self.assertEqual(c.call("kick", queue=self.queue), {"count": 0})
        self.assertEqual(len(self.get(c, max=100)["jobs"]), 6 + len(late))

    def test_a_kick_wakes_who_waits(self):
        a, b = self.connect(), self.connect()
        job = self.put(b, delay=1000)
        id = a.ask("get", {"queue": self.queue})
        a.expect_nothing()
        b.call("kick", id=job)
        self.assertEqual(a.answer(id)["id"], job)

    def test_declare(self):
        c = self.connect()
        settings = c.call("declare", queue=self.queue)
        expected = {"queue": self.queue, "declared": True, "order": "fifo", "maxsize": 0, "lease": 60, "max_attempts": 25,
                    "max_lost": 10, "backoff": {"base": 1, "cap": 3600, "jitter": 0.1}, "dead_letter": None, "concurrency": 0,
                    "durable": True, "keep_result": 600, "keep_dead": 15552000, "keep_result_bytes": 67108864,
                    "keep_dead_bytes": 268435456}
        self.assertEqual(settings, expected)
        changes = {"order": "lifo", "maxsize": 7, "lease": 1.5, "max_attempts": 3, "max_lost": 4, "dead_letter": "d",
                   "backoff": {"base": 0.5, "cap": 9, "jitter": 0.25}, "concurrency": 2, "durable": False, "keep_result": 5.25,
                   "keep_dead": 6, "keep_result_bytes": 1000, "keep_dead_bytes": 2000}
        for name, value in changes.items():
            expected[name] = value
            self.assertEqual(c.call("declare", queue=self.queue, **{name: value}), expected)
        expected["backoff"]["cap"] = 10
        self.assertEqual(c.call("declare", queue=self.queue, backoff={"cap": 10}), expected)
        expected["dead_letter"] = None
        self.assertEqual(c.call("declare", queue=self.queue, dead_letter=None), expected)
        self.assertEqual(c.call("declare", queue=self.queue, **changes), dict(expected, **changes))

    def test_a_refused_declare_changes_nothing(self):
        c = self.connect()
        before = c.call("declare", queue=self.queue, maxsize=5)
        self.assertError(c.error("declare", queue=self.queue, maxsize=6, lease=-1), "invalid_params", param="lease")
        self.assertError(c.error("declare", queue=self.queue, maxsize=6, dead_letter=self.queue), "invalid_params",
                         param="dead_letter")
        self.put(c)
        self.assertError(c.error("declare", queue=self.queue, maxsize=6, durable=False), "invalid_params", param="durable")
        self.assertEqual(c.call("declare", queue=self.queue, durable=True), before)

    def test_durable_may_be_said_again(self):
        c = self.connect()
        c.call("declare", queue=self.queue, durable=False)
        job = self.put(c)
        c.call("declare", queue=self.queue, durable=False)
        c.call("delete", id=job)
        self.assertTrue(c.call("declare", queue=self.queue, durable=True)["durable"])

    def test_what_makes_a_queue(self):
        c = self.connect()

        def there(queue):
            return any(q["queue"] == queue for q in c.call("queues", after=queue[:-1], limit=1000)["queues"])

        for n, (method, params) in enumerate((("put", {"body": 1}), ("submit", {"body": 1}), ("declare", {}), ("pause", {}),
                                              ("shutdown", {}), ("get", {}))):
            queue = self.queue + str(n)
            self.assertFalse(there(queue))
            self.assertError(c.error("get", queue=queue, timeout=0), "empty")
            self.assertEqual(c.call("join", queue=queue), {})
            self.assertFalse(there(queue), "a look makes no queue")
            id = c.ask(method, dict(params, queue=queue))
            if method != "get":
                c.answer(id)
            c.expect_nothing()
            self.assertTrue(there(queue), method)
            dropped = c.ask("drop", {"queue": queue})
            replies = {reply["id"]: reply for reply in [c.reply() for _ in range(2 if method == "get" else 1)]}
            self.assertIn("result", replies[dropped])
            self.assertFalse(there(queue))

    def test_queues(self):
        c = self.connect()
        names = ["list-" + n for n in ("a", "b", "B", "\u00e9", "\U0001f600", "\uffee", "aa")]
        for name in names:
            c.call("put", queue=name, body=1)
        for limit in (1, 2, 1000):
            listed, after = [], "list-"
            while after is not None:
                page = c.call("queues", after=after, limit=limit)
                self.assertLessEqual(len(page["queues"]), limit)
                listed += [q["queue"] for q in page["queues"] if q["queue"].startswith("list-")]
                after = page["next"]
            self.assertEqual(listed, sorted(names, key=lambda name: name.encode()))
        for name in names:
            c.call("drop", queue=name)

    def test_a_row_of_queues(self):
        c, other = self.connect(), self.connect()
        c.call("declare", queue=self.queue)
        for n in range(6):
            c.call("submit", queue=self.queue, body=n)
        c.call("submit", queue=self.queue, body=7, delay=100)
        held = [self.get(c)["id"] for _ in range(3)]
        c.call("bury", id=held[0])
        c.call("ack", id=held[1])
        row = next(q for q in c.call("queues", after=self.queue[:-1])["queues"] if q["queue"] == self.queue)
        oldest = row.pop("oldest")
        self.assertTrue(0 <= oldest < 20)
        self.assertEqual(row, {"queue": self.queue, "ready": 3, "delayed": 1, "reserved": 1, "dead": 1, "done": 1, "waiters": 0,
                               "paused": False, "shut_down": False, "declared": True})
        self.get(c, max=10)
        other.ask("get", {"queue": self.queue})
        other.expect_nothing()
        row = next(q for q in c.call("queues", after=self.queue[:-1])["queues"] if q["queue"] == self.queue)
        self.assertEqual((row["waiters"], row["oldest"], row["reserved"]), (1, None, 4))

    def test_the_largest_queues(self):
        c = self.connect()
        names = [self.queue + "%d" % n for n in range(7)]
        for n, name in enumerate(names):
            for _ in range((3 * n) % 7):  # 0 3 6 2 5 1 4
                self.put(c, queue=name)
            c.call("pause", queue=name)
        def largest(**params):
            return c.call("queues", match=self.queue + "*", **params)
        reply = largest(sort="ready", limit=3)
        self.assertEqual([(row["queue"], row["ready"]) for row in reply["queues"]], [(names[2], 6), (names[4], 5), (names[6], 4)])
        self.assertEqual((reply["next"], reply["total"]), (None, 7))
        self.assertEqual([row["ready"] for row in largest(sort="unfinished")["queues"]], [6, 5, 4, 3, 2, 1, 0])
        # Of equals those that were put to more.
        self.assertEqual([row["queue"] for row in largest(sort="dead", limit=2)["queues"]], [names[2], names[4]])
        rows = largest(sort="oldest", counters=True)["queues"]
        self.assertEqual(rows[0]["oldest"], max(row["oldest"] or 0 for row in rows))
        self.assertEqual({row["queue"]: row["counters"]["put"] for row in rows}, {name: (3 * n) % 7 for n, name in enumerate(names)})
        self.assertEqual([row["queue"] for row in largest(limit=1000)["queues"]], names)
        self.assertEqual([row["queue"] for row in c.call("queues", match=self.queue + "*5")["queues"]], [names[5]])
        self.assertNotIn("total", largest())
        self.assertError(c.error("queues", sort="size"), "invalid_params", param="sort")
        self.assertError(c.error("queues", sort="dead", after="a"), "invalid_params", param="after")

    def test_stats_of_a_queue(self):
        c = self.connect()
        c.call("declare", queue=self.queue, max_attempts=2)
        jobs = [self.put(c, n) for n in range(6)]
        for _ in range(4):
            self.get(c)
        c.call("ack", id=jobs[0])
        c.call("nack", id=jobs[1], delay=0)
        c.call("release", id=jobs[2])
        c.call("bury", id=jobs[3])
        c.call("cancel", id=jobs[4])
        c.call("delete", id=jobs[5])
        c.call("kick", id=jobs[3])
        stats = c.call("stats", queue=self.queue)
        for name, value in {"put": 6, "taken": 4, "done": 1, "retried": 1, "released": 1, "died": 1, "cancelled": 1, "deleted": 1,
                            "kicked": 1, "lost": 0, "lease_expired": 0, "refused": 0, "moved": 0}.items():
            self.assertEqual(stats["counters"][name], value, name)
        for name, value in {"ready": 3, "delayed": 0, "reserved": 0, "dead": 0, "finished": 0, "waiting_gets": 0}.items():
            self.assertEqual(stats["gauges"][name], value, name)
        self.assertEqual(stats["settings"]["max_attempts"], 2)
        self.assertEqual((stats["queue"], stats["paused"], stats["shut_down"], stats["declared"]), (self.queue, False, False, True))

    def test_stats_count_the_connections(self):
        c = self.connect()
        count = c.until(lambda r: r["clients"] == 1, "stats")["clients"]
        others = [self.connect() for _ in range(5)]
        for other in others:  # idle from here on
            other.call("ping")
        self.assertEqual(c.call("stats")["clients"], count + 5)
        for other in others:
            other.close()
        c.until(lambda r: r["clients"] == count, "stats")

    def test_stats_of_the_daemon(self):
        c = self.connect()
        before = c.call("stats")
        job = self.put(c, "x" * 1000)
        after = c.call("stats")
        self.assertEqual(after["counters"]["put"], before["counters"]["put"] + 1)
        self.assertEqual(after["gauges"]["ready"], before["gauges"]["ready"] + 1)
        self.assertEqual(after["queues"], before["queues"] + 1)
        self.assertGreaterEqual(after["bytes"], before["bytes"] + 1000)
        self.assertGreater(after["max_bytes"], after["bytes"])
        self.assertGreater(after["lock"]["taken"], before["lock"]["taken"])
        self.assertGreaterEqual(after["lock"]["requests"], before["lock"]["requests"] + 1)
        self.assertGreaterEqual(after["lock"]["taken"], after["lock"]["waited"])
        self.assertGreaterEqual(after["lock"]["held_ns"], 0)
        c.call("drop", queue=self.queue)
        gone = c.until(lambda r: r["bytes"] <= before["bytes"], "stats")
        self.assertEqual(gone["counters"]["put"], after["counters"]["put"])
        self.assertGreater(job, 0)

    def test_pause_and_resume(self):
        c = self.connect()
        held = self.put(c, 1)
        self.get(c)
        for _ in range(2):
            self.assertEqual(c.call("pause", queue=self.queue), {})
        job = self.put(c, 2)
        self.assertError(c.error("get", queue=self.queue, timeout=0), "empty")
        self.assertEqual(c.call("ack", id=held), {})
        for _ in range(2):
            self.assertEqual(c.call("resume", queue=self.queue), {})
        self.assertEqual(self.get(c, timeout=0)["id"], job)

    def test_shutdown(self):
        a, b = self.connect(), self.connect()
        job = self.put(a, 1)
        self.get(a)
        late = self.put(a, 2, delay=0.1)
        a.call("declare", queue=self.queue, maxsize=1)
        put = b.ask("put", {"queue": self.queue, "body": 3})
        b.expect_nothing()
        self.assertEqual(a.call("shutdown", queue=self.queue), {})
        with self.assertRaises(lib.RpcError) as caught:
            b.answer(put)
        self.assertError(caught.exception, "shut_down")
        for method in ("put", "submit"):
            self.assertError(a.error(method, queue=self.queue, body=1), "shut_down")
        self.assertEqual(self.get(b)["id"], late)
        self.assertError(b.error("get", queue=self.queue, timeout=0), "empty")
        waiting = b.ask("get", {"queue": self.queue})
        b.expect_nothing()
        a.call("release", id=job)
        self.assertEqual(b.answer(waiting)["id"], job)
        waiting = a.ask("get", {"queue": self.queue})
        a.expect_nothing()
        b.call("ack", ids=[job, late])
        with self.assertRaises(lib.RpcError) as caught:
            a.answer(waiting)
        self.assertError(caught.exception, "shut_down")
        self.assertError(a.error("get", queue=self.queue), "shut_down")
        self.assertError(a.error("get", queue=self.queue, timeout=0), "shut_down")
        self.assertTrue(a.call("stats", queue=self.queue)["shut_down"])
        a.call("drop", queue=self.queue)
        self.put(a, "anew")

    def test_shutdown_at_once(self):
        a, b = self.connect(), self.connect()
        held, returning = self.put(a), self.put(a)
        self.get(a, max=2)
        ready, delayed = a.call("submit", queue=self.queue, body=1)["id"], self.put(a, delay=100)
        b.ask("get", {"queue": self.queue + "2"})
        waiting = b.ask("join", {"queue": self.queue})
        b.expect_nothing()
        self.assertEqual(a.call("shutdown", queue=self.queue, immediate=True), {})
        for job in (ready, delayed):
            self.assertEqual(a.call("kick", id=job), {"count": 0})
            info = a.until(lambda r: r["state"] == "dead", "job", id=job)
            self.assertEqual(info["reason"], "shut_down")
        self.assertEqual(a.call("kick", queue=self.queue), {"count": 0})
        self.assertError(a.error("result", id=ready), "failed", reason="shut_down")
        self.assertError(a.error("get", queue=self.queue), "shut_down")
        self.assertEqual(a.call("ack", id=held), {})
        a.call("release", id=returning)
        info = a.call("job", id=returning)
        self.assertEqual((info["state"], info["reason"]), ("dead", "shut_down"))
        self.assertEqual(b.answer(waiting), {})

    def test_shutdown_at_once_ends_waiting_gets(self):
        a, b = self.connect(), self.connect()
        held = self.put(a)
        self.get(a)
        id = b.ask("get", {"queue": self.queue})
        b.expect_nothing()
        a.call("shutdown", queue=self.queue, immediate=True)
        with self.assertRaises(lib.RpcError) as caught:
            b.answer(id)
        self.assertError(caught.exception, "shut_down")
        self.assertEqual(a.call("ack", id=held), {})

    def test_a_get_over_several_queues_ends_when_all_are_shut_down(self):
        a, b = self.connect(), self.connect()
        names = [self.queue + "1", self.queue + "2"]
        id = b.ask("get", {"queues": names})
        b.expect_nothing()
        a.call("shutdown", queue=names[0])
        b.expect_nothing()
        a.call("shutdown", queue=names[1])
        with self.assertRaises(lib.RpcError) as caught:
            b.answer(id)
        self.assertError(caught.exception, "shut_down")

    def test_drop(self):
        a, b, c = self.connect(), self.connect(), self.connect()
        a.call("declare", queue=self.queue, maxsize=3, lease=7)
        held = self.put(a)
        self.get(a)
        submitted = a.call("submit", queue=self.queue, body=1)["id"]
        self.put(a, delay=100)
        self.put(a)
        put = b.ask("put", {"queue": self.queue, "body": 2})
        b.expect_nothing()
        outcome = c.ask("result", {"id": submitted})
        join = c.ask("join", {"queue": self.queue})
        c.expect_nothing()
        self.assertEqual(a.call("drop", queue=self.queue), {"count": 4})
        for connection, id in ((b, put),):
            with self.assertRaises(lib.RpcError) as caught:
                connection.answer(id)
            self.assertError(caught.exception, "not_found")
        replies = {reply["id"]: reply for reply in (c.reply(), c.reply())}
        self.assertEqual(replies[join]["result"], {})
        self.assertEqual(replies[outcome]["error"]["data"]["name"], "not_found")
        for job in (held, submitted):
            self.assertError(a.error("job", id=job), "not_found")
        self.assertError(a.error("ack", id=held), "not_found")
        self.assertEqual(a.call("declare", queue=self.queue)["lease"], 60)

    def test_drop_ends_waiting_gets(self):
        a, b = self.connect(), self.connect()
        a.call("declare", queue=self.queue)
        id = b.ask("get", {"queue": self.queue})
        b.expect_nothing()
        a.call("drop", queue=self.queue)
        with self.assertRaises(lib.RpcError) as caught:
            b.answer(id)
        self.assertError(caught.exception, "not_found")

    def test_a_get_over_several_queues_ends_when_the_last_is_dropped(self):
        a, b = self.connect(), self.connect()
        names = [self.queue + "1", self.queue + "2"]
        id = b.ask("get", {"queues": names})
        b.expect_nothing()
        a.call("drop", queue=names[0])
        b.expect_nothing()
        a.call("put", queue=names[0], body="another queue of that name")
        b.expect_nothing()
        a.call("drop", queue=names[1])
        with self.assertRaises(lib.RpcError) as caught:
            b.answer(id)
        self.assertError(caught.exception, "not_found")

    def test_drop_by_the_thousand(self):
        c = self.connect()
        for n in range(3500):
            c.ask("put", {"queue": self.queue, "body": n}, id=n)
        for n in range(3500):
            c.answer(n)
        self.assertEqual(c.call("drop", queue=self.queue), {"count": 3500})
        self.assertError(c.error("stats", queue=self.queue), "not_found")

    def test_dead_jobs_go_after_their_time(self):
        c = self.connect()
        c.call("declare", queue=self.queue, keep_dead=0.03)
        job = self.put(c)
        self.get(c)
        c.call("bury", id=job)
        c.until(lambda r: isinstance(r, lib.RpcError) and r.name == "not_found", "job", id=job)

    def test_dead_jobs_are_bounded_in_bytes(self):
        c = self.connect()
        c.call("declare", queue=self.queue, keep_dead_bytes=50_000)
        for n in range(20):
            job = self.put(c, "x" * 10_000)
            self.get(c)
            c.call("bury", id=job)
        stats = c.call("stats", queue=self.queue)
        self.assertTrue(1 <= stats["gauges"]["dead"] <= 5, stats)
        self.assertEqual(stats["counters"]["dead_dropped"], 20 - stats["gauges"]["dead"])
        self.assertEqual(c.call("job", id=job)["state"], "dead")


if __name__ == "__main__":
    lib.main()
