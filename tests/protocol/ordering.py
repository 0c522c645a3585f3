"""Which job comes next, and which reply."""

import random

import lib


class Ordering(lib.ProtocolTest):
    def bodies(self, connection):
        return [job["body"] for job in connection.call("get", queue=self.queue, max=1000, timeout=0)["jobs"]]

    def test_fifo(self):
        c = self.connect()
        for n in range(100):
            self.put(c, n)
        self.assertEqual([self.get(c)["body"] for _ in range(100)], list(range(100)))

    def test_lifo(self):
        c = self.connect()
        c.call("declare", queue=self.queue, order="lifo")
        for n in range(100):
            self.put(c, n)
        self.assertEqual([self.get(c)["body"] for _ in range(100)], list(range(99, -1, -1)))

    def test_lifo_with_puts_between(self):
        c = self.connect()
        c.call("declare", queue=self.queue, order="lifo")
        for n in (1, 2):
            self.put(c, n)
        self.assertEqual(self.get(c)["body"], 2)
        for n in (3, 4):
            self.put(c, n)
        self.assertEqual(self.bodies(c), [4, 3, 1])

    def test_priorities(self):
        c = self.connect()
        priorities = [0, 5, -5, 1e300, -1e300, 0.5, -0.5, 5e-324, 2 ** 53, 1, 0, 5, -5]
        for n, priority in enumerate(priorities):
            self.put(c, n, priority=priority)
        self.assertEqual(self.bodies(c), sorted(range(len(priorities)), key=lambda n: (priorities[n], n)))

    def test_priorities_of_a_lifo_queue(self):
        c = self.connect()
        c.call("declare", queue=self.queue, order="lifo")
        for n, priority in enumerate((1, 0, 1, 0, 2)):
            self.put(c, n, priority=priority)
        self.assertEqual(self.bodies(c), [3, 1, 2, 0, 4])

    def test_many_priorities(self):
        c = self.connect()
        chance = random.Random(7)
        puts = [(chance.randint(-20, 20) / 4, n) for n in range(900)]
        for priority, n in puts:
            c.ask("put", {"queue": self.queue, "body": n, "priority": priority})
        for _ in puts:
            c.reply()
        self.assertEqual(self.bodies(c), [n for _, n in sorted(puts)])

    def test_minus_zero_is_zero(self):
        c = self.connect()
        self.put(c, 1, priority=0)
        self.put(c, 2, priority=lib.Raw("-0.0"))
        self.put(c, 3, priority=0)
        self.assertEqual(self.bodies(c), [1, 2, 3])

    def test_a_released_job_takes_its_old_place(self):
        c = self.connect()
        jobs = [self.put(c, n) for n in range(5)]
        self.assertEqual([self.get(c)["body"] for _ in range(3)], [0, 1, 2])
        for n in (1, 0, 2):
            c.call("release", id=jobs[n])
        self.put(c, 5)
        self.assertEqual(self.bodies(c), [0, 1, 2, 3, 4, 5])

    def test_what_comes_back_takes_its_old_place_in_a_lifo_queue(self):
        c = self.connect()
        c.call("declare", queue=self.queue, order="lifo")
        jobs = [self.put(c, n) for n in range(4)]
        self.assertEqual([self.get(c)["body"] for _ in range(2)], [3, 2])
        self.put(c, 4)
        for n in (2, 3):
            c.call("release", id=jobs[n])
        self.assertEqual(self.bodies(c), [4, 3, 2, 1, 0])

    def test_every_way_back_leads_to_the_old_place(self):
        c = self.connect()
        c.call("declare", queue=self.queue, max_attempts=100)
        jobs = [self.put(c, n) for n in range(6)]
        late = self.put(c, 6)
        for _ in range(5):
            self.get(c)
        c.call("nack", id=jobs[3], delay=0)
        c.call("nack", id=jobs[1], delay=100)
        c.call("release", id=jobs[4], delay=100)
        c.call("bury", id=jobs[0])
        c.call("release", id=jobs[2])
        self.assertEqual(c.call("kick", queue=self.queue), {"count": 3})
        self.assertEqual(self.bodies(c), [0, 1, 2, 3, 4, 5, 6])
        self.assertEqual(c.call("job", id=late)["deliveries"], 1)

    def test_a_delayed_job_takes_the_place_of_its_put(self):
        c = self.connect()
        delayed = self.put(c, 0, delay=100)
        self.put(c, 1)
        c.call("kick", id=delayed)
        self.put(c, 2)
        self.assertEqual(self.bodies(c), [0, 1, 2])

    def test_a_released_job_in_another_priority(self):
        c = self.connect()
        first = self.put(c, 0)
        self.put(c, 1, priority=5)
        self.put(c, 2, priority=5)
        self.get(c)
        c.call("release", id=first, priority=5)
        self.assertEqual(self.bodies(c), [0, 1, 2])

    def test_the_most_urgent_over_several_queues(self):
        c = self.connect()
        names = [self.queue + suffix for suffix in "abc"]
        chance = random.Random(11)
        puts = chance.sample(range(300), 60)
        for n, priority in enumerate(puts):
            c.call("put", queue=names[n % 3], body=priority, priority=priority)
        got = [c.call("get", queues=names)["body"] for _ in range(30)]
        got += [job["body"] for job in c.call("get", queues=names, max=100)["jobs"]]
        self.assertEqual(got, sorted(puts))

    def test_changing_the_order_of_a_queue_with_jobs(self):
        c = self.connect()
        for n in range(4):
            self.put(c, n)
        c.call("declare", queue=self.queue, order="lifo")
        self.assertEqual(self.get(c)["body"], 3)
        c.call("declare", queue=self.queue, order="fifo")
        self.assertEqual(self.bodies(c), [0, 1, 2])

    def test_replies_come_in_the_order_of_requests_that_need_not_wait(self):
        c = self.connect()
        methods = [("ping", {}), ("put", {"queue": self.queue, "body": 1}), ("get", {"queue": self.queue, "timeout": 0}),
                   ("queues", {}), ("nothing", {}), ("put", {}), ("stats", {}), ("hello", {}), ("jobs", {"queue": self.queue})]
        chance = random.Random(3)
        ids = [c.ask(*chance.choice(methods)) for _ in range(2000)]
        for id in ids:
            self.assertEqual(c.reply()["id"], id)

    def test_requests_see_what_was_done_before_them(self):
        c = self.connect()
        for n in range(200):
            c.ask("put", {"queue": self.queue, "body": n}, id="put")
            c.ask("get", {"queue": self.queue, "timeout": 0, "auto_ack": True}, id="get")
        for n in range(200):
            self.assertIn("id", c.answer("put"))
            self.assertEqual(c.answer("get")["body"], n)

    def test_a_waiting_request_holds_up_nothing(self):
        c = self.connect()
        waiting = c.ask("get", {"queue": self.queue})
        for _ in range(100):
            self.assertEqual(c.call("ping"), {})
        job = c.ask("put", {"queue": self.queue, "body": 1})
        replies = {reply["id"]: reply["result"]["id"] for reply in (c.reply(), c.reply())}
        self.assertEqual(replies[waiting], replies[job])

    def test_many_producers_and_consumers_lose_and_double_nothing(self):
        producers = [self.connect() for _ in range(4)]
        consumers = [self.connect() for _ in range(4)]
        per_producer = 500
        for c in consumers:
            for _ in range(per_producer):
                c.ask("get", {"queue": self.queue, "auto_ack": True})
        for n, p in enumerate(producers):
            for i in range(per_producer):
                p.ask("put", {"queue": self.queue, "body": [n, i]})
        put = [p.reply()["result"]["id"] for p in producers for _ in range(per_producer)]
        self.assertEqual(len(set(put)), 4 * per_producer)
        got = [c.reply()["result"] for c in consumers for _ in range(per_producer)]
        self.assertEqual(sorted(job["id"] for job in got), sorted(put))
        self.assertEqual(sorted(job["body"] for job in got), [[n, i] for n in range(4) for i in range(per_producer)])
        self.assertEqual(consumers[0].call("join", queue=self.queue, timeout=5), {})


if __name__ == "__main__":
    lib.main()
