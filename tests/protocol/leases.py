"""Who holds a job, for how long, and what becomes of it: ack and its kin, fencing, retries, losses, the dead."""

import lib


class Leases(lib.ProtocolTest):
    def declared(self, connection, **settings):
        """This test's queue, with retries that come at once unless told otherwise."""
        settings.setdefault("backoff", {"base": 0, "jitter": 0})
        connection.call("declare", queue=self.queue, **settings)

    def test_ack(self):
        a = self.connect()
        job = self.put(a)
        self.get(a)
        self.assertEqual(a.call("ack", id=job), {})
        for method in ("ack", "nack", "release", "bury", "touch", "job", "result", "cancel", "kick", "delete"):
            self.assertError(a.error(method, id=job), "not_found")

    def test_only_what_is_reserved_can_be_given_back(self):
        a = self.connect()
        ready, delayed = self.put(a), self.put(a, delay=100)
        for method in ("ack", "nack", "release", "bury", "touch"):
            for job in (ready, delayed):
                self.assertError(a.error(method, id=job), "not_reserved")
                self.assertError(a.error(method, id=job, delivery=1), "not_reserved")
            self.assertError(a.error(method, id=987654321), "not_found")
        gauges = a.call("stats", queue=self.queue)["gauges"]
        self.assertEqual((gauges["ready"], gauges["delayed"]), (1, 1))

    def test_only_the_holder_is_heard(self):
        a, b = self.connect(), self.connect()
        job = self.put(a)
        got = self.get(a)
        for method in ("ack", "nack", "release", "bury", "touch"):
            self.assertError(b.error(method, id=job), "not_reserved")
            self.assertError(b.error(method, id=job, delivery=got["delivery"] + 1), "not_reserved")
            self.assertError(a.error(method, id=job, delivery=got["delivery"] + 1), "not_reserved")
            self.assertError(a.error(method, id=job, delivery=0), "invalid_params", param="delivery")
        self.assertEqual(b.call("job", id=job)["state"], "reserved")

    def test_with_the_delivery_anybody_is(self):
        a, b = self.connect(), self.connect()
        for method, params in (("touch", {}), ("release", {}), ("nack", {"delay": 0}), ("bury", {}), ("ack", {})):
            job = self.put(a)
            got = self.get(a)
            b.call(method, id=job, delivery=got["delivery"], **params)
            if method != "ack":
                a.call("delete", id=job)

    def test_deliveries_differ_and_stale_ones_are_refused(self):
        a, b = self.connect(), self.connect()
        job = self.put(a)
        seen = []
        for _ in range(20):
            got = self.get(a)
            for stale in seen:
                for method in ("ack", "nack", "release", "bury", "touch"):
                    self.assertError(b.error(method, id=job, delivery=stale), "not_reserved")
            self.assertNotIn(got["delivery"], seen)
            self.assertTrue(0 < got["delivery"] < 2 ** 53)
            seen.append(got["delivery"])
            a.call("release", id=job, delivery=got["delivery"])
        self.assertEqual(b.call("job", id=job)["deliveries"], 20)

    def test_an_old_holder_is_not_heard_when_another_holds(self):
        a, b = self.connect(), self.connect()
        self.declared(a)
        job = self.put(a)
        first = self.get(a, lease=0.02)
        second = self.get(b)
        self.assertEqual((second["id"], second["attempt"]), (job, 2))
        for params in ({}, {"delivery": first["delivery"]}):
            self.assertError(a.error("ack", id=job, **params), "not_reserved")
        self.assertEqual(b.call("ack", id=job), {})

    def test_a_connection_gets_again_what_it_held(self):
        a = self.connect()
        self.declared(a)
        job = self.put(a)
        first = self.get(a, lease=0.02)
        second = self.get(a)
        self.assertError(a.error("ack", id=job, delivery=first["delivery"]), "not_reserved")
        self.assertEqual(a.call("ack", id=job, delivery=second["delivery"]), {})

    def test_a_lease_that_is_over_counts_as_an_attempt(self):
        a = self.connect()
        self.declared(a, max_attempts=3)
        job = self.put(a, lease=0.01)
        for attempt in (1, 2, 3):
            self.assertEqual(self.get(a)["attempt"], attempt)
        dead = a.until(lambda r: r["state"] == "dead", "job", id=job)
        self.assertEqual((dead["reason"], dead["lost"]), ("attempts", 0))
        self.assertEqual(a.call("stats", queue=self.queue)["counters"]["lease_expired"], 3)

    def test_which_lease_counts(self):
        a = self.connect()
        self.declared(a, lease=300)
        plain, own = self.put(a), self.put(a, lease=200)
        for params, expected in (({}, 300), ({}, 200)):
            got = self.get(a, **params)
            self.assertEqual(a.call("touch", id=got["id"])["lease"], expected)
        for job in (plain, own):
            a.call("release", id=job)
            self.get(a, lease=100)
            self.assertEqual(a.call("touch", id=job)["lease"], 100)
        self.assertTrue(90 < a.call("job", id=own)["lease"] <= 100)

    def test_touch_begins_the_lease_anew(self):
        a, b = self.connect(), self.connect()
        self.declared(a)
        job = self.put(a)
        got = self.get(a, lease=0.2)
        self.assertEqual(b.call("touch", id=job, delivery=got["delivery"], lease=500), {"lease": 500})
        # Had the first lease gone on, this get would be given the job when it was over.
        self.assertError(b.error("get", queue=self.queue, timeout=0.3), "empty")
        self.assertEqual(a.call("ack", id=job), {})

    def test_touch_may_shorten(self):
        a, b = self.connect(), self.connect()
        self.declared(a)
        job = self.put(a)
        self.get(a)
        a.call("touch", id=job, lease=0.01)
        self.assertEqual(self.get(b)["attempt"], 2)

    def test_a_closed_connection_loses_its_jobs_at_once(self):
        for end in ("close", "reset", "half_close"):
            with self.subTest(end=end):
                a, b = self.connect(), self.connect()
                self.declared(b)
                job = self.put(a)
                self.get(a)
                getattr(a, end)()
                got = self.get(b)
                self.assertEqual((got["id"], got["attempt"]), (job, 1))
                self.assertEqual(b.call("job", id=job)["lost"], 1)
                b.call("ack", id=job)

    def test_detached_leases_outlive_their_connection(self):
        a, b = self.connect(), self.connect()
        job = self.put(a)
        got = self.get(a, detached=True)
        for method in ("ack", "nack", "release", "bury", "touch"):
            self.assertError(a.error(method, id=job), "not_reserved")
        a.half_close()
        a.expect_end()
        self.assertEqual(b.call("job", id=job)["state"], "reserved")
        self.assertEqual(b.call("ack", id=job, delivery=got["delivery"]), {})

    def test_a_detached_lease_ends_all_the_same(self):
        a, b = self.connect(), self.connect()
        self.declared(a)
        self.put(a)
        self.get(a, detached=True, lease=0.01)
        a.close()
        self.assertEqual(self.get(b)["attempt"], 2)

    def test_losses(self):
        a = self.connect()
        self.declared(a, max_lost=3)
        job = self.put(a)
        for lost in (1, 2, 3):
            b = self.connect()
            self.assertEqual(self.get(b)["attempt"], 1)
            b.close()
            a.until(lambda r: r["lost"] == lost, "job", id=job)
        dead = a.call("job", id=job)
        self.assertEqual((dead["state"], dead["reason"]), ("dead", "lost"))
        self.assertEqual(a.error("result", id=job).data["reason"], "lost")

    def test_the_first_loss_comes_back_at_once_the_second_after_the_backoff(self):
        a = self.connect()
        self.declared(a, backoff={"base": 1000, "jitter": 0})
        job = self.put(a)
        for state in ("ready", "delayed"):
            b = self.connect()
            self.get(b)
            b.close()
            after = a.until(lambda r: r["state"] != "reserved", "job", id=job)
            self.assertEqual(after["state"], state)
        self.assertTrue(990 < after["due"] <= 1000)

    def test_auto_ack(self):
        a, b = self.connect(), self.connect()
        job = self.put(a)
        self.assertEqual(self.get(b, auto_ack=True)["id"], job)
        self.assertError(b.error("ack", id=job), "not_found")
        b.close()
        self.assertEqual(a.call("join", queue=self.queue), {})

    def test_auto_ack_of_a_job_that_was_waited_for(self):
        a, b = self.connect(), self.connect()
        id = b.ask("get", {"queue": self.queue, "auto_ack": True})
        b.expect_nothing()
        job = a.call("submit", queue=self.queue, body=1)["id"]
        self.assertEqual(b.answer(id)["id"], job)
        self.assertEqual(a.call("result", id=job), {"id": job, "state": "done", "result": None})

    def test_release(self):
        a = self.connect()
        job = self.put(a)
        for _ in range(30):
            self.assertEqual(self.get(a)["attempt"], 1)
            self.assertEqual(a.call("release", id=job), {})
        self.assertEqual(a.call("job", id=job)["lost"], 0)

    def test_release_with_a_delay_and_a_priority(self):
        a = self.connect()
        job = self.put(a)
        self.get(a)
        a.call("release", id=job, delay=100, priority=-3.5)
        info = a.call("job", id=job)
        self.assertEqual((info["state"], info["priority"]), ("delayed", -3.5))
        self.assertTrue(90 < info["due"] <= 100)

    def test_nack_backs_off_by_doubling(self):
        a = self.connect()
        self.declared(a, backoff={"base": 1.5, "cap": 20, "jitter": 0})
        job = self.put(a)
        for attempt, delay in enumerate((1.5, 3, 6, 12, 20, 20, 20), 1):
            self.assertEqual(self.get(a)["attempt"], attempt)
            self.assertEqual(a.call("nack", id=job), {"state": "delayed", "delay": delay})
            a.call("kick", id=job)

    def test_jitter_stays_in_its_bounds(self):
        a = self.connect()
        self.declared(a, backoff={"base": 100, "cap": 100, "jitter": 0.5})
        delays = set()
        for _ in range(50):
            job = self.put(a)
            self.get(a)
            delays.add(a.call("nack", id=job)["delay"])
            a.call("delete", id=job)
        self.assertGreater(len(delays), 10)
        self.assertTrue(all(50 <= delay <= 150 for delay in delays), delays)

    def test_nack_with_its_own_delay(self):
        a = self.connect()
        job = self.put(a)
        self.get(a)
        self.assertEqual(a.call("nack", id=job, delay=0), {"state": "ready", "delay": 0})
        self.assertEqual(self.get(a)["attempt"], 2)
        self.assertEqual(a.call("nack", id=job, delay=77.5), {"state": "delayed", "delay": 77.5})

    def test_nack_until_dead(self):
        a = self.connect()
        self.declared(a, max_attempts=2)
        job = self.put(a)
        self.get(a)
        self.assertEqual(a.call("nack", id=job, error="one"), {"state": "ready", "delay": 0})
        self.get(a)
        self.assertEqual(a.call("nack", id=job, error="two", delay=5), {"state": "dead", "delay": 0})
        info = a.call("job", id=job)
        self.assertEqual((info["state"], info["reason"], info["error"]), ("dead", "attempts", "two"))
        self.assertError(a.error("get", queue=self.queue, timeout=0), "empty")

    def test_a_jobs_own_max_attempts(self):
        a = self.connect()
        self.declared(a, max_attempts=1)
        job = self.put(a, max_attempts=2)
        for state in ("ready", "dead"):
            self.get(a)
            self.assertEqual(a.call("nack", id=job)["state"], state)

    def test_an_error_stays_until_the_next(self):
        a = self.connect()
        self.declared(a)
        job = self.put(a)
        for params, expected in (({"error": {"n": 1}}, {"n": 1}), ({}, {"n": 1}), ({"error": [2]}, [2])):
            self.get(a)
            a.call("nack", id=job, **params)
            self.assertEqual(a.call("job", id=job)["error"], expected)

    def test_bury(self):
        a = self.connect()
        job = self.put(a)
        self.get(a)
        self.assertEqual(a.call("bury", id=job, error="never"), {})
        info = a.call("job", id=job)
        self.assertEqual((info["state"], info["reason"], info["error"]), ("dead", "buried", "never"))

    def test_many_acks_at_once(self):
        a, b = self.connect(), self.connect()
        mine = [self.put(a, n) for n in range(5)]
        self.get(a, max=5)
        other = self.put(b)
        self.get(b)
        ready = self.put(a)
        self.assertEqual(a.call("ack", ids=mine[:2]), {"acked": 2})
        result = a.call("ack", ids=[mine[2], 987654321, other, ready, mine[3], mine[3], mine[0]])
        self.assertEqual(result["acked"], 2)
        self.assertEqual([(f["id"], f["name"]) for f in result["failed"]],
                         [(987654321, "not_found"), (other, "not_reserved"), (ready, "not_reserved"),
                          (mine[3], "not_found"), (mine[0], "not_found")])
        self.assertEqual(b.call("ack", ids=[other]), {"acked": 1})

    def test_the_most_acks_at_once(self):
        a = self.connect()
        for n in range(1000):
            a.ask("put", {"queue": self.queue, "body": n})
        for _ in range(1000):
            a.reply()
        jobs = self.get(a, max=1000)["jobs"]
        self.assertEqual(a.call("ack", ids=[job["id"] for job in jobs]), {"acked": 1000})

    def test_dead_letters(self):
        a = self.connect()
        letters = self.queue + "-dead"
        self.declared(a, dead_letter=letters, max_attempts=2)
        a.call("declare", queue=letters, maxsize=1)
        a.call("put", queue=letters, body="in the way")
        job = self.put(a, "x", priority=3)
        for state in ("ready", "dead"):
            self.get(a)
            self.assertEqual(a.call("nack", id=job, error="no")["state"], state)
        info = a.call("job", id=job)
        self.assertEqual((info["queue"], info["state"], info["origin"]), (letters, "ready", self.queue))
        got = a.call("get", queue=letters)
        while got["id"] != job:
            got = a.call("get", queue=letters)
        self.assertEqual((got["attempt"], got["body"], got["priority"]), (1, "x", 3))
        a.call("bury", id=job)
        info = a.call("job", id=job)
        self.assertEqual((info["queue"], info["state"], info["reason"]), (letters, "dead", "buried"))

    def test_buried_jobs_move_to_the_dead_letters(self):
        a = self.connect()
        letters = self.queue + "-dead"
        self.declared(a, dead_letter=letters)
        job = self.put(a)
        self.get(a)
        a.call("bury", id=job)
        self.assertEqual(a.call("get", queue=letters, timeout=0)["id"], job)

    def test_a_move_wakes_who_waits_there(self):
        a, b = self.connect(), self.connect()
        letters = self.queue + "-dead"
        self.declared(a, dead_letter=letters)
        id = b.ask("get", {"queue": letters})
        b.expect_nothing()
        job = self.put(a)
        self.get(a)
        a.call("bury", id=job)
        self.assertEqual(b.answer(id)["id"], job)

    def test_expired_jobs_die(self):
        a = self.connect()
        ready, delayed = self.put(a, expires=0.01), self.put(a, expires=0.01, delay=100)
        for job in (ready, delayed):
            dead = a.until(lambda r: r["state"] == "dead", "job", id=job)
            self.assertEqual(dead["reason"], "expired")

    def test_a_reserved_job_that_expires_is_let_finish(self):
        a = self.connect()
        held, back, marker = self.put(a, expires=0.05), self.put(a, expires=0.05), self.put(a, expires=0.05, delay=100)
        self.get(a)
        self.get(a)
        a.until(lambda r: r["state"] == "dead", "job", id=marker)
        self.assertEqual(a.call("job", id=held)["state"], "reserved")
        self.assertEqual(a.call("ack", id=held), {})
        a.call("release", id=back)
        dead = a.until(lambda r: r["state"] == "dead", "job", id=back)
        self.assertEqual(dead["reason"], "expired")

    def test_kick_gives_a_new_start(self):
        a = self.connect()
        self.declared(a, max_attempts=2)
        job = self.put(a)
        for _ in range(2):
            self.get(a)
            a.call("nack", id=job)
        self.assertEqual(a.call("kick", id=job), {"count": 1})
        for attempt in (1, 2):
            self.assertEqual(self.get(a)["attempt"], attempt)
            state = a.call("nack", id=job)["state"]
        self.assertEqual(state, "dead")

    def test_a_kick_keeps_the_attempts_of_a_delayed_job(self):
        a = self.connect()
        job = self.put(a)
        self.get(a)
        a.call("nack", id=job, delay=100)
        self.assertEqual(a.call("kick", id=job), {"count": 1})
        self.assertEqual(a.call("kick", id=job), {"count": 0})
        self.assertEqual(self.get(a)["attempt"], 2)
        self.assertEqual(a.call("kick", id=job), {"count": 0})

    def test_keys(self):
        a = self.connect()
        job = self.put(a, 1, key="k")
        self.assertEqual(a.call("put", queue=self.queue, body=2, key="k"), {"id": job, "existing": True})
        self.assertEqual(a.call("submit", queue=self.queue, body=2, key="k"), {"id": job, "existing": True})
        self.assertNotIn("existing", a.call("put", queue=self.queue, body=2, key="K"))
        self.assertNotIn("existing", a.call("put", queue=self.queue + "2", body=2, key="k"))
        self.get(a)
        self.assertTrue(a.call("put", queue=self.queue, body=2, key="k")["existing"])
        a.call("ack", id=job)
        again = a.call("put", queue=self.queue, body=3, key="k")
        self.assertNotIn("existing", again)
        self.assertGreater(again["id"], job)

    def test_a_dead_jobs_key_is_free_and_stays_free(self):
        a = self.connect()
        job = self.put(a, 1, key="k")
        self.get(a)
        a.call("bury", id=job)
        self.assertNotIn("existing", a.call("put", queue=self.queue, body=2, key="k"))
        a.call("kick", id=job)
        self.assertNotIn("key", a.call("job", id=job))
        delayed = self.put(a, 3, key="late", delay=100)
        a.call("kick", id=delayed)
        self.assertEqual(a.call("put", queue=self.queue, body=4, key="late"), {"id": delayed, "existing": True})

    def test_keys_that_hold_on(self):
        a = self.connect()
        job = self.put(a, 1, key="k", key_for=0.1)
        self.get(a, auto_ack=True)
        self.assertTrue(a.call("put", queue=self.queue, body=2, key="k")["existing"])
        after = a.until(lambda r: "existing" not in r, "put", queue=self.queue, body=2, key="k")
        self.assertGreater(after["id"], job)

    def test_a_taken_key_is_answered_by_a_full_queue(self):
        a = self.connect()
        a.call("declare", queue=self.queue, maxsize=1)
        job = self.put(a, 1, key="k")
        self.assertEqual(a.call("put", queue=self.queue, body=1, key="k", timeout=0), {"id": job, "existing": True})
        self.assertError(a.error("put", queue=self.queue, body=1, key="other", timeout=0), "full")

    def test_a_key_is_free_when_its_job_is_deleted(self):
        a = self.connect()
        job = self.put(a, 1, key="k", key_for=1000)
        a.call("delete", id=job)
        self.assertNotIn("existing", a.call("put", queue=self.queue, body=1, key="k"))

    def test_ids_grow(self):
        a, b = self.connect(), self.connect()
        last = 0
        for n in range(50):
            for c in (a, b):
                job = self.put(c, n)
                self.assertTrue(last < job < 2 ** 53)
                last = job


if __name__ == "__main__":
    lib.main()
