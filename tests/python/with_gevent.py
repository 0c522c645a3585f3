"""Under gevent's monkey patching many greenlets wait on one connection. Skipped where gevent is not installed."""

import sys

try:
    import gevent.monkey
except ImportError:
    print("with_gevent: gevent is not installed")
    sys.exit(77)
gevent.monkey.patch_all()

import gevent  # noqa: E402
import support  # noqa: E402
import taskq  # noqa: E402
import work  # noqa: E402


class Gevent(support.Case):
    def test_many_waits_and_one_that_is_given_up(self):
        q = taskq.Queue(2, url=self.client)
        gets = [gevent.spawn(q.get) for _ in range(50)]
        support.wait_for(lambda: q._stats()["gauges"]["waiting_gets"] == 50)
        puts = [gevent.spawn(q.put, n) for n in range(50)]
        gevent.joinall(gets + puts, timeout=support.PATIENCE)
        self.assertEqual(sorted(get.value for get in gets), list(range(50)))
        with gevent.Timeout(0.1, False):
            q.get()
        q.put(9)
        self.assertEqual(q.get(timeout=support.PATIENCE), 9)

    def test_an_executor_and_a_pool(self):
        with taskq.Executor(2, url=self.client) as executor:
            futures = [executor.submit(work.double, n) for n in range(200)]
            results = [gevent.spawn(future.result, support.PATIENCE) for future in futures]
            gevent.joinall(results, timeout=support.PATIENCE)
            self.assertEqual([result.value for result in results], [2 * n for n in range(200)])
        with taskq.ThreadPool(2, url=self.client) as pool:
            self.assertEqual(list(pool.imap(work.double, range(50), 7)), [2 * n for n in range(50)])


if __name__ == "__main__":
    support.main()
