"""The interpreter's own tests of concurrent.futures' executors and of multiprocessing's pools, with taskq's in their place
and a daemon behind them.

They are run from the installed suite (test.test_concurrent_futures, test._test_multiprocessing; Debian:
libpython3-testsuite); where it is not installed this is skipped. What is about the standard library's own threads and
processes is not among the classes below; what else is not run stands in the tables, with the reason.
"""

import concurrent.futures
import importlib
import sys
import time
import unittest

import support
import taskq
from support import lib

WHERE = "test.test_concurrent_futures"
PARTS = ("", ".executor", ".test_wait", ".test_as_completed", ".test_shutdown", ".test_init", ".test_process_pool")

OTHERS = "starts a program that imports concurrent.futures; tests/python/executor.py does the same with taskq"
THREADS = "looks at the threads of the standard library's own"
EXECUTOR_NOT_RUN = {
    "ExecutorShutdownTest.test_interpreter_shutdown": OTHERS,
    "ExecutorShutdownTest.test_submit_after_interpreter_shutdown": OTHERS,
    "ExecutorShutdownTest.test_hang_gh83386": OTHERS,
    "ExecutorShutdownTest.test_hang_gh94440": THREADS,
}
# Of a class whose other tests look into the processes.
MORE = {"ProcessPoolExecutorTest": ("test_map_chunksize",)}
CLASSES = ("ExecutorTest", "WaitTests", "AsCompletedTests", "ExecutorShutdownTest", "InitializerMixin")

POOL_NOT_RUN = {
    "test_make_pool": "looks at the list of threads; tests/python/pool.py has the rest of it",
    "test_resource_warning": "sets the pool's inner state; tests/python/pool.py tests the warning",
    "test_traceback": "the cause is taskq.RemoteTraceback, not multiprocessing's",
    "test_wrapped_exception": "calls a method of the class, which workers do not find: it is made here",
    "test_map_no_failfast": "sleeps in the arguments' pickling, of which there is none",
}


def suite_of(name):
    try:
        return importlib.import_module(name)
    except (ImportError, unittest.SkipTest):
        return None


def executor_cases(client):
    """The suite's classes about any executor, with ours."""

    class OurExecutor(taskq.Executor):
        def __init__(self, *given, **more):
            super().__init__(*given, url=client, serializer="pickle", **more)

    class Ours:
        executor_type = OurExecutor
        worker_count = 2
        executor_kwargs = {}

        def setUp(self):
            super().setUp()
            if hasattr(self, "has_made_one"):
                return
            self.executor = OurExecutor(self.worker_count)
            list(self.executor.map(time.sleep, [0.01] * self.worker_count))  # they are there

        def tearDown(self):
            if getattr(self, "executor", None) is not None:
                self.executor.shutdown()
            self.executor = None

    found = {}
    for part in PARTS:
        for name, value in vars(suite_of(WHERE + part) or object).items():
            if isinstance(value, type) and name in (*CLASSES, *MORE):
                found.setdefault(name, value)
    cases = []
    for name, base in sorted(found.items()):
        own = {"has_made_one": True} if name == "InitializerMixin" else {}
        case = type(name, (base, Ours, unittest.TestCase), own)
        for method in MORE.get(name) or unittest.defaultTestLoader.getTestCaseNames(case):
            if "%s.%s" % (name, method) not in EXECUTOR_NOT_RUN:
                cases.append(case(method))
    return cases, set(found)


def pool_cases(client):
    base = suite_of("test._test_multiprocessing")._TestPool

    class Ours(base, unittest.TestCase):
        TYPE = "processes"

        @classmethod
        def setUpClass(cls):
            pass

        def setUp(self):  # one for each: there is one among them that ends it
            self.pool = self.Pool(2)
            self.addCleanup(self.pool.terminate)

        @staticmethod
        def Pool(*given, **more):
            return taskq.ThreadPool(*given, url=client, serializer="pickle", **more)

    return [Ours(name) for name in unittest.defaultTestLoader.getTestCaseNames(Ours) if name not in POOL_NOT_RUN]


class Suites(unittest.TestCase):
    def check(self, cases):
        """Many at a time, since most of what they do is sleeping."""
        def run(case):
            result = unittest.TestResult()
            case.run(result)
            return case, result

        with concurrent.futures.ThreadPoolExecutor(12) as threads:
            for case, result in threads.map(run, cases):
                for _, trace in result.failures + result.errors:
                    print("%s\n%s" % (case.id(), trace), file=sys.stderr)
                with self.subTest(case.id()):
                    self.assertTrue(result.wasSuccessful())

    def setUp(self):
        support.use_interpreter_with(WHERE)
        self.daemon = lib.Daemon()
        self.addCleanup(self.daemon.stop)
        self.client = taskq.Client(self.daemon.address)
        self.addCleanup(self.client.close)

    def test_executors(self):
        cases, classes = executor_cases(self.client)
        self.assertEqual(classes, set(CLASSES) | set(MORE))
        self.assertGreater(len(cases), 25)
        self.check(cases)
        print("test_concurrent_futures: %d run" % len(cases))

    def test_pools(self):
        cases = pool_cases(self.client)
        self.assertGreater(len(cases), 15)
        self.check(cases)
        print("_TestPool: %d run" % len(cases))


if __name__ == "__main__":
    support.main()
