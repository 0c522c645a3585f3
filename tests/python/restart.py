"""The daemon restarted under a running program: what waits comes back."""

import asyncio
import unittest

import support
import taskq
import taskq.aio
import work
from support import in_thread, wait_for


class Restarts(support.Restarting):
    def waiting(self, queue, gauge, count):
        def is_so():
            try:
                return self.client.stats(queue)["gauges"][gauge] == count
            except taskq.NotFound:
                return False  # the first that waits makes it

        wait_for(is_so, gauge)

    def both(self, check):
        for kill in (False, True):
            with self.subTest(kill=kill):
                check("killed" if kill else "stopped", kill)

    def test_a_blocked_get(self):
        def check(name, kill):
            q = taskq.Queue(name=name, url=self.client)
            gets = [in_thread(q.get) for _ in range(5)]
            self.waiting(name, "waiting_gets", 5)
            self.restart(kill)
            for n in range(5):
                q.put(n)
            self.assertEqual(sorted(get.outcome() for get in gets), list(range(5)))

        self.both(check)

    def test_a_blocked_put(self):
        def check(name, kill):
            q = taskq.Queue(1, name=name, url=self.client)
            q.put("first")
            puts = [in_thread(q.put, n) for n in range(3)]
            self.waiting(name, "waiting_puts", 3)
            self.restart(kill)
            self.assertEqual([q.get() for _ in range(4)][0], "first")
            for put in puts:
                put.outcome()
            self.assertTrue(q.empty())

        self.both(check)

    def test_a_join(self):
        def check(name, kill):
            q = taskq.JoinableQueue(name=name, url=self.client)
            q.put(1)
            join = in_thread(q.join)
            self.waiting(name, "waiting_joins", 1)
            self.restart(kill)
            self.assertEqual(q.get(), 1)
            self.assertTrue(join.is_alive())
            q.task_done()
            join.outcome()

        self.both(check)

    def test_futures(self):
        def check(name, kill):
            executor = taskq.Executor(name, url=self.client)
            futures = [executor.submit(work.add, n, n) for n in range(1500)]
            wait_for(lambda: futures[-1].job_id)
            self.restart(kill)
            finder = taskq.worker._functions.Finder(["work"])
            consumer = taskq.worker.Consumer(taskq.Client(self.address), [name], finder)
            thread = in_thread(consumer.run)
            self.assertEqual([future.result(support.PATIENCE) for future in futures], [2 * n for n in range(1500)])
            consumer.stop()
            thread.outcome()
            consumer.client.close()

        self.both(check)

    def test_awaits(self):
        async def run(name, kill):
            client = taskq.aio.Client(self.client)
            full, empty = (taskq.aio.Queue(most, name=name + str(most), url=client) for most in (1, 2))
            await full.put(1)
            tasks = [asyncio.ensure_future(each) for each in (full.put(2), empty.get(), full.join())]
            loop = asyncio.get_running_loop()
            for queue, gauge in ((name + "1", "waiting_puts"), (name + "2", "waiting_gets"), (name + "1", "waiting_joins")):
                await loop.run_in_executor(None, self.waiting, queue, gauge, 1)
            await loop.run_in_executor(None, self.restart, kill)
            await empty.put(7)
            self.assertEqual(await full.get(), 1)
            await tasks[0]
            self.assertEqual([await tasks[1], await full.get()], [7, 2])
            await full.task_done()
            await full.task_done()
            await tasks[2]

        self.both(lambda name, kill: asyncio.run(asyncio.wait_for(run(name, kill), support.PATIENCE)))

    def test_a_private_queue_is_empty_then(self):
        q = taskq.Queue(url=self.client)
        q.put(1)
        get = in_thread(taskq.Queue.get, taskq.Queue(url=self.client))
        self.restart(True)
        q.put(2)
        self.assertEqual(q.get(), 2)
        self.client.close()
        with self.assertRaises(taskq.Closed):
            get.outcome()

    def test_a_job_that_was_held_goes_back(self):
        q = taskq.JoinableQueue(name="held", url=self.client)
        q.put(1)
        q.get()
        self.restart(True)
        self.assertEqual(q.get(), 1)
        with self.assertRaises(taskq.NotReserved):
            q.task_done()  # the first hand-out's
        q.task_done()
        q.join()


if __name__ == "__main__":
    support.main()
