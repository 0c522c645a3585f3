"""taskq.ThreadPool held against multiprocessing.pool.ThreadPool: the same tests on both; then what is its own."""

import concurrent.futures
import gc
import itertools
import multiprocessing.pool
import os
import pickle
import threading
import unittest
import warnings

import support
import taskq
import work
from support import in_thread, lib, wait_for


class Raises(Exception):
    pass


def three_then_raise():
    yield from (1, 2, 3)
    raise Raises("the iterable")


class Pools:
    """Tests for both kinds; `make` makes a pool."""

    @classmethod
    def setUpClass(cls):
        cls.folder = lib.temporary_folder()
        cls.addClassCleanup(cls.folder.cleanup)

    def path(self):
        return os.path.join(self.folder.name, self.id())

    def test_apply(self):
        self.assertEqual(self.pool.apply(work.add, (1, 2)), 3)
        self.assertEqual(self.pool.apply(work.add, [1], {"b": 5}), 6)
        self.assertEqual(self.pool.apply(work.nothing), None)
        with self.assertRaises(work.Trouble) as caught:
            self.pool.apply(work.raises, (1, "x"))
        self.assertEqual(caught.exception.args, (1, "x"))

    def test_apply_async(self):
        path = self.path()
        result = self.pool.apply_async(work.wait_for_file, (path,))
        self.assertFalse(result.ready())
        with self.assertRaises(ValueError):
            result.successful()
        result.wait(0.01)
        with self.assertRaises(multiprocessing.TimeoutError):
            result.get(0.01)
        open(path, "w").close()
        self.assertEqual(result.get(support.PATIENCE), "it is there")
        self.assertTrue(result.ready() and result.successful())
        result = self.pool.apply_async(work.raises)
        result.wait(support.PATIENCE)
        self.assertFalse(result.successful())
        for _ in range(2):
            with self.assertRaises(work.Trouble):
                result.get()

    def test_callbacks_come_before_who_waits(self):
        called = []

        def call(value):
            threading.Event().wait(0.02)
            called.append(value)

        for function, arguments in ((self.pool.apply_async, (1, 2)), (self.pool.map_async, [1, 2]),
                                    (self.pool.starmap_async, [(1, 2), (2, 3)])):
            target = work.double if function == self.pool.map_async else work.add
            function(target, arguments, callback=call, error_callback=self.fail).get(support.PATIENCE)
        self.assertEqual(called, [3, [2, 4], [3, 5]])
        for function, arguments in ((self.pool.apply_async, (1,)), (self.pool.map_async, [1]),
                                    (self.pool.starmap_async, [(1,)])):
            called.clear()
            function(work.raises, arguments, callback=self.fail, error_callback=call).wait(support.PATIENCE)
            self.assertEqual([type(error) for error in called], [work.Trouble])

    def test_maps(self):
        for count, chunksize in itertools.product((0, 1, 2, 7, 50), (None, 1, 3, 100)):
            with self.subTest(count=count, chunksize=chunksize):
                numbers = range(count)
                doubled = [2 * n for n in numbers]
                self.assertEqual(self.pool.map(work.double, numbers, chunksize), doubled)
                self.assertEqual(self.pool.map(work.double, iter(numbers), chunksize=chunksize), doubled)
                self.assertEqual(self.pool.map_async(work.double, numbers, chunksize).get(support.PATIENCE), doubled)
                self.assertEqual(self.pool.starmap(work.add, zip(numbers, numbers), chunksize), doubled)
                self.assertEqual(self.pool.starmap_async(work.add, [[n, n] for n in numbers], chunksize).get(
                    support.PATIENCE), doubled)

    def test_a_map_that_fails_is_ready_when_all_are(self):
        path = self.path()
        result = self.pool.starmap_async(work.wait_or_raise, [[path], [None], [path]], 1)
        wait_for(lambda: self.pool.apply(work.add, (1, 1)))
        self.assertFalse(result.ready())
        open(path, "w").close()
        with self.assertRaises(work.Trouble):
            result.get(support.PATIENCE)
        self.assertFalse(result.successful())

    def test_imaps(self):
        for count, chunksize in itertools.product((0, 1, 2, 7, 50), (1, 3, 100)):
            with self.subTest(count=count, chunksize=chunksize):
                doubled = [2 * n for n in range(count)]
                self.assertEqual(list(self.pool.imap(work.double, range(count), chunksize)), doubled)
                self.assertEqual(sorted(self.pool.imap_unordered(work.double, iter(range(count)), chunksize)), doubled)

    def test_imap_gives_what_is_there(self):
        path = self.path()
        ordered = self.pool.imap(work.wait_or_double, [1, path, 3])
        self.assertEqual(ordered.next(support.PATIENCE), 2)
        with self.assertRaises(multiprocessing.TimeoutError):
            ordered.next(0.01)
        unordered = self.pool.imap_unordered(work.wait_or_double, [path, 2, 3])
        self.assertEqual({unordered.next(support.PATIENCE), unordered.next(support.PATIENCE)}, {4, 6})
        open(path, "w").close()
        self.assertEqual([ordered.next(support.PATIENCE), ordered.next(support.PATIENCE)], ["it is there", 6])
        self.assertEqual(next(unordered), "it is there")
        for each in (ordered, unordered):
            with self.assertRaises(StopIteration):
                each.next()

    def test_imap_goes_on_after_an_error(self):
        results = self.pool.imap(work.even, [2, 3, 4])
        self.assertEqual(next(results), 2)
        with self.assertRaises(work.Trouble):
            next(results)
        self.assertEqual(next(results), 4)
        with self.assertRaises(StopIteration):
            next(results)

    def test_an_iterable_that_raises(self):
        with self.assertRaises(Raises):
            self.pool.map(work.double, three_then_raise())
        results = self.pool.imap(work.double, three_then_raise())
        self.assertEqual([next(results) for _ in range(3)], [2, 4, 6])
        with self.assertRaises(Raises):
            next(results)
        with self.assertRaises(Raises):
            list(self.pool.imap_unordered(work.double, three_then_raise(), 2))

    def test_an_endless_iterable(self):
        with self.make(2) as pool:
            results = pool.imap(work.double, itertools.count())
            self.assertEqual([next(results) for _ in range(100)], [2 * n for n in range(100)])

    def test_wrong_arguments(self):
        for processes in (0, -1):
            with self.assertRaises(ValueError):
                self.make(processes)
        with self.assertRaises(TypeError):
            self.make(1, 5)
        for function in (self.pool.imap, self.pool.imap_unordered):
            with self.assertRaises(ValueError):
                function(work.double, [1], 0)
        with self.assertRaises(TypeError):
            self.pool.map(work.double, 5)
        with self.assertRaises(NotImplementedError):
            pickle.dumps(self.pool)

    def test_an_initializer(self):
        with self.make(2, work.initialize, ("so",)) as pool:
            self.assertEqual(pool.map(work.initialized, range(4), 1), ["so"] * 4)

    def test_close_and_join(self):
        pool = self.make(2)
        with self.assertRaises(ValueError):
            pool.join()
        result = pool.map_async(work.double, range(100), 1)
        later = pool.imap(work.double, iter(range(100)))
        pool.close()
        pool.close()
        pool.join()
        self.assertTrue(result.ready())
        self.assertEqual(result.get(0), list(later))
        for call in (lambda: pool.apply(work.add, (1,)), lambda: pool.map(work.double, [1]),
                     lambda: pool.imap(work.double, [1]), lambda: pool.imap_unordered(work.double, [1]),
                     lambda: pool.starmap_async(work.add, [(1,)])):
            with self.assertRaises(ValueError):
                call()

    def test_the_end_of_a_with_terminates(self):
        with self.make(1) as pool:
            self.assertEqual(pool.apply(work.add, (1, 1)), 2)
        with self.assertRaises(ValueError):
            pool.apply(work.add, (1, 1))
        with self.assertRaises(ValueError):
            pool.__enter__()
        pool.join()

    def test_one_that_is_forgotten_warns(self):
        pool = self.make(1)
        pool.apply(work.nothing)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if isinstance(pool, multiprocessing.pool.ThreadPool):
                pool.__del__()
                pool.terminate()
            del pool
            gc.collect()
        self.assertTrue([each for each in caught if each.category is ResourceWarning and "unclosed" in str(each.message)])

    def test_many_threads(self):
        def work_on(n):
            return [self.pool.apply(work.add, (n, i)) for i in range(20)]

        threads = [in_thread(work_on, n) for n in range(8)]
        for n, thread in enumerate(threads):
            self.assertEqual(thread.outcome(), [n + i for i in range(20)])


class StandardLibrary(Pools, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make = staticmethod(multiprocessing.pool.ThreadPool)
        cls.pool = cls.make(4)
        cls.addClassCleanup(cls.pool.terminate)


class OwnWorkers(Pools, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon = lib.Daemon()
        cls.addClassCleanup(cls.daemon.stop)
        cls.client = taskq.Client(cls.daemon.address)
        cls.addClassCleanup(cls.client.close)
        cls.make = staticmethod(lambda *given, **more: taskq.ThreadPool(*given, url=cls.client, **more))
        cls.pool = cls.make(4)
        cls.addClassCleanup(cls.pool.terminate)

    def test_terminate_ends_what_runs(self):
        pool = self.make(2)
        path = self.path()
        results = [pool.apply_async(work.say_pid_and_wait, (path + str(n),)) for n in range(2)]
        waiting = pool.map_async(work.double, range(10), 1)
        endless = pool.imap(work.double, itertools.count())
        pids = [int(wait_for(lambda n=n: support.content(path + str(n)))) for n in range(2)]
        pool.terminate()
        pool.join()
        for result in (*results, waiting):
            with self.assertRaises(taskq.Cancelled):
                result.get(support.PATIENCE)
        with self.assertRaises(taskq.Cancelled):
            list(endless)
        for pid in pids:
            wait_for(lambda pid=pid: not support.alive(pid), "the end of a worker")

    def test_imap_is_not_endlessly_ahead(self):
        self.addCleanup(setattr, taskq.pools, "_AHEAD", taskq.pools._AHEAD)
        taskq.pools._AHEAD = 50
        path, read = self.path(), []
        with self.make(1) as pool:
            results = pool.imap(work.wait_or_double, (read.append(n) or (path if n == 0 else n) for n in itertools.count()))
            wait_for(lambda: len(read) >= 50)
            self.assertEqual(pool.apply_async(work.nothing).ready(), False)
            self.assertLessEqual(len(read), 51)
            open(path, "w").close()
            self.assertEqual([next(results) for _ in range(200)][1:], [2 * n for n in range(1, 200)])

    def test_what_cannot_be_sent_is_the_results_error(self):
        for result in (self.pool.apply_async(work.double, ({1},)), self.pool.map_async(work.double, [1, {1}], 1),
                       self.pool.apply_async(lambda: 1)):
            with self.assertRaises(TypeError):
                result.get(support.PATIENCE)
        with self.assertRaises(TypeError):
            list(self.pool.imap(work.double, [{1}]))

    def test_a_job_that_ends_its_worker_fails_and_no_other_does(self):
        # Quick ones are taken many at a time: those that were taken and not begun are done by others.
        self.pool.map(work.double, range(300), 1)
        results = [self.pool.apply_async(work.kill_me if n == 30 else work.double, (n,)) for n in range(60)]
        with self.assertRaises(taskq.WorkerDied) as caught:
            results[30].get(support.PATIENCE)
        self.assertIsInstance(caught.exception, concurrent.futures.BrokenExecutor)
        self.assertEqual([result.get(support.PATIENCE) for n, result in enumerate(results) if n != 30],
                         [2 * n for n in range(60) if n != 30])

    def test_an_exit_is_the_functions_and_not_the_workers(self):
        with self.assertRaises(SystemExit):
            self.pool.apply(work.leave)
        self.assertEqual(self.pool.apply(work.add, (1, 2)), 3)

    def test_an_initializer_that_fails(self):
        pool = self.make(2, work.raises)
        with self.assertRaises(taskq.WorkerDied):
            pool.apply(work.add, (1, 1))
        with self.assertRaises(taskq.WorkerDied):
            pool.apply(work.add, (1, 1))
        pool.terminate()
        pool.join()

    def test_over_a_named_queue(self):
        consumer = taskq.worker.Consumer(taskq.Client(self.daemon.address), ["named"],
                                         taskq.worker._functions.Finder(["work"]))
        thread = in_thread(consumer.run)
        with taskq.ThreadPool(3, queue="named", url=self.client) as pool:
            self.assertEqual(pool.map(work.double, range(100)), [2 * n for n in range(100)])
        consumer.stop()
        thread.outcome()
        consumer.client.close()
        pool = taskq.ThreadPool(queue="nobody serves this", url=self.client)
        result = pool.apply_async(work.add, (1, 2))
        pool.terminate()
        with self.assertRaises(taskq.Cancelled):
            result.get(support.PATIENCE)
        self.assertEqual(self.client.stats("nobody serves this")["gauges"]["ready"], 0)


if __name__ == "__main__":
    support.main()
