"""taskq.aio: many waits on one connection, and awaits that are cancelled."""

import asyncio
import unittest

import support
import taskq
import taskq.aio


class Aio(support.Case):
    def run_with(self, test):
        asyncio.run(asyncio.wait_for(test(taskq.aio.Client(self.client)), support.PATIENCE))

    def test_many_waits_on_one_connection(self):
        async def test(client):
            clients = (await client.stats())["clients"]
            gets = [asyncio.ensure_future(client.get("many", auto_ack=True)) for _ in range(500)]
            while (await client.queues())["queues"] == [] or \
                    (await client.stats("many"))["gauges"]["waiting_gets"] < 500:
                pass  # what is asked for gives the others their turn
            self.assertEqual((await client.stats())["clients"], clients)
            await asyncio.gather(*(client.put("many", n) for n in range(500)))
            self.assertEqual(sorted(job["body"] for job in await asyncio.gather(*gets)), list(range(500)))

        self.run_with(test)

    def test_a_cancelled_await_is_taken_back(self):
        async def test(client):
            get = asyncio.ensure_future(client.get("cancelled", auto_ack=True))
            while not (await client.queues())["queues"] or not [
                    q for q in (await client.queues())["queues"] if q["queue"] == "cancelled" and q["waiters"]]:
                pass  # what is asked for gives the others their turn
            get.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await get
            while (await client.stats("cancelled"))["gauges"]["waiting_gets"]:
                pass  # what is asked for gives the others their turn
            await client.put("cancelled", 7)
            self.assertEqual((await client.get("cancelled", timeout=0))["body"], 7)

        self.run_with(test)

    def test_a_join_waits_and_can_be_cancelled(self):
        async def test(client):
            q = taskq.aio.Queue(url=client)
            await q.put(1)
            name = (await q._declared()).name
            join = asyncio.ensure_future(q.join())
            while not (await client.stats(name))["gauges"]["waiting_joins"]:
                pass  # what is asked for gives the others their turn
            join.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await join
            while (await client.stats(name))["gauges"]["waiting_joins"]:
                pass  # what is asked for gives the others their turn
            self.assertEqual(await q.get(), 1)
            join = asyncio.ensure_future(q.join())
            while not q._joins:
                await client.ping()
            self.assertFalse(join.done())
            await q.task_done()
            await join
            with self.assertRaises(ValueError):
                await q.task_done()

        self.run_with(test)

    def test_what_asks_for_the_state(self):
        async def test(client):
            q = taskq.aio.Queue(2, url=client)
            self.assertEqual((await q.qsize(), await q.empty(), await q.full()), (0, True, False))
            await q.put_nowait(1)
            await q.put_nowait(2)
            self.assertEqual((await q.qsize(), await q.empty(), await q.full()), (2, False, True))
            with self.assertRaises(taskq.Full):
                await q.put_nowait(3)
            blocked = asyncio.ensure_future(q.put(3))
            self.assertEqual(await q.get_nowait(), 1)
            await blocked
            await q.shutdown()
            with self.assertRaises(taskq.ShutDown):
                await q.put(4)
            self.assertEqual([await q.get(), await q.get()], [2, 3])
            with self.assertRaises(taskq.ShutDown):
                await q.get()
            name = (await q._declared()).name
            await q.close()
            with self.assertRaises(taskq.NotFound):
                await client.stats(name)

        self.run_with(test)

    def test_two_that_need_it_declare_a_queue_once(self):
        async def test(client):
            q = taskq.aio.Queue(url=client)
            first, second = await asyncio.gather(q._declared(), q._declared())
            self.assertIs(first, second)
            wrong = taskq.aio.Queue(url=client, serializer="xml")
            for _ in range(2):
                with self.assertRaises(ValueError):
                    await wrong.get()

        self.run_with(test)

    def test_queues(self):
        async def test(client):
            q = taskq.aio.Queue(2, url=client)
            await q.put(1)
            await q.put(2)
            with self.assertRaises(taskq.Full):
                await q.put(3, timeout=0.01)
            self.assertEqual([await q.get(), await q.get()], [1, 2])
            with self.assertRaises(taskq.Empty):
                await q.get(timeout=0)
            await q.task_done()
            await q.task_done()
            await q.join()
            p = taskq.aio.PriorityQueue(url=client)
            for item in (3, 1.5, -2):
                await p.put(item)
            self.assertEqual([await p.get() for _ in range(3)], [-2, 1.5, 3])
            j = taskq.aio.JoinableQueue(url=client)
            await j.put("x")
            self.assertEqual(await j.get(), "x")
            await j.task_done()
            await j.join()

        self.run_with(test)


if __name__ == "__main__":
    support.main()
