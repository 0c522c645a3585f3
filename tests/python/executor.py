"""taskq.Executor as a concurrent.futures.Executor, and the workers on the other side."""

import asyncio
import concurrent.futures
import functools
import os
import signal
import subprocess
import sys
import threading
import unittest

import support
import taskq
import work
from support import lib, wait_for


class Executors(support.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = lib.temporary_folder()
        cls.shared = taskq.Client(cls.daemon.address)
        cls.executor = taskq.Executor(max_workers=2, url=cls.shared)

    @classmethod
    def tearDownClass(cls):
        cls.executor.shutdown()
        cls.folder.cleanup()
        cls.shared.close()
        super().tearDownClass()

    def path(self):
        return os.path.join(self.folder.name, self.id())

    def test_submit(self):
        future = self.executor.submit(work.add, 2, b=3)
        self.assertIsInstance(future, concurrent.futures.Future)
        self.assertEqual(future.result(support.PATIENCE), 5)
        self.assertTrue(future.done() and not future.running() and not future.cancelled())

    def test_wait_as_completed_and_callbacks(self):
        called = []
        futures = [self.executor.submit(work.add, n, n) for n in range(300)]
        for future in futures:
            future.add_done_callback(called.append)
        done, late = concurrent.futures.wait(futures, support.PATIENCE)
        self.assertFalse(late)
        self.assertEqual([future.result() for future in futures], [2 * n for n in range(300)])
        wait_for(lambda: len(called) == 300)
        self.assertEqual(len(list(concurrent.futures.as_completed(futures, 1))), 300)

    def test_an_exception_comes_back_as_itself(self):
        error = self.executor.submit(work.raises, "so", 1).exception(support.PATIENCE)
        self.assertIs(type(error), work.Trouble)
        self.assertEqual(error.args, ("so", 1))
        self.assertIsInstance(error.__cause__, taskq.RemoteTraceback)
        self.assertIn("raise Trouble(*args)", str(error.__cause__))

    def test_what_is_nested_deeper_than_the_daemon_takes_fails_alone(self):
        futures = [self.executor.submit(work.deep, levels) for levels in (126, 127, 600)]
        self.assertEqual(futures[0].result(support.PATIENCE), work.deep(126))
        for future in futures[1:]:
            self.assertIsInstance(future.exception(support.PATIENCE), taskq.ParseError)
        error = self.executor.submit(work.raises_deep, 600).exception(support.PATIENCE)
        self.assertIsInstance(error, taskq.RemoteError)  # its arguments cannot be sent
        self.assertEqual(error.type, "work:Trouble")
        self.assertEqual(self.executor.submit(work.tells_much).result(support.PATIENCE), "told")
        with self.assertRaises(taskq.TooLarge):  # sent, it would cost everybody the connection
            self.shared.notify("put", queue="q", body="x" * (2 << 20))

    def test_an_exception_that_cannot_be_made_here(self):
        made = taskq._functions.exception_of("attempts", {"type": "no.such:Thing", "message": "x"}, False)
        self.assertIsInstance(made, taskq.RemoteError)
        self.assertEqual(made.type, "no.such:Thing")
        # Whatever else can be imported is not called.
        for name, args in (("os:system", ["false"]), ("subprocess:Popen", [["false"]]), ("work:Trouble.with_traceback", [1])):
            made = taskq._functions.exception_of("attempts", {"type": name, "args": args}, False)
            self.assertIsInstance(made, taskq.RemoteError)

    def test_map(self):
        self.assertEqual(list(self.executor.map(work.add, range(20), range(20))), [2 * n for n in range(20)])
        self.assertEqual(list(self.executor.map(work.add, range(20), range(20), chunksize=7)),
                         [2 * n for n in range(20)])
        with self.assertRaises(work.Trouble):
            list(self.executor.map(work.raises, [1], chunksize=2))
        path = self.path()
        for chunksize in (1, 2):
            with self.assertRaises(concurrent.futures.TimeoutError):
                list(self.executor.map(work.wait_for_file, [path], timeout=0.05, chunksize=chunksize))
        open(path, "w").close()

    def test_pickle(self):
        executor = taskq.Executor(1, url=self.shared, serializer="pickle")
        self.addCleanup(executor.shutdown)
        self.assertEqual(executor.submit(work.complex_back, (1, "x")).result(support.PATIENCE), {(1, "x"): {1, 2}})
        error = executor.submit(work.raises, {1}).exception(support.PATIENCE)
        self.assertEqual((type(error), error.args), (work.Trouble, ({1},)))

    def test_asyncio(self):
        async def both():
            return await asyncio.gather(*(asyncio.wrap_future(self.executor.submit(work.add, n)) for n in (1, 2)))

        self.assertEqual(asyncio.run(both()), [1, 2])

    def test_cancel_and_shutdown(self):
        executor = taskq.Executor("nobody serves this", url=self.shared)
        future = executor.submit(work.add, 1)
        self.assertFalse(future.running())
        self.assertTrue(future.cancel())
        self.assertTrue(future.cancelled() and future.cancel())
        with self.assertRaises(concurrent.futures.CancelledError):
            future.result(0)
        others = [executor.submit(work.add, n) for n in range(5)]
        executor.shutdown(cancel_futures=True)
        self.assertTrue(all(other.cancelled() for other in others))
        self.assertEqual(self.shared.stats("nobody serves this")["gauges"]["ready"], 0)
        with self.assertRaises(RuntimeError):
            executor.submit(work.add, 1)

    def test_cancelled_and_deleted_by_others(self):
        executor = taskq.Executor("others meddle", url=self.shared)
        futures = [executor.submit(work.add, n) for n in range(2)]
        ids = [wait_for(lambda f=f: f.job_id) for f in futures]
        self.client.cancel(ids[0])
        self.client.delete(ids[1])
        with self.assertRaises(concurrent.futures.CancelledError):
            futures[0].result(support.PATIENCE)
        with self.assertRaises(taskq.NotFound):
            futures[1].result(support.PATIENCE)

    def test_more_than_the_daemon_takes_at_once(self):
        self.addCleanup(setattr, taskq._futures, "MOST_OPEN", taskq._futures.MOST_OPEN)
        taskq._futures.MOST_OPEN = 10
        with taskq.Client(self.daemon.address) as client:
            executor = taskq.Executor("little by little", url=client)
            futures = [executor.submit(work.double, n) for n in range(100)]
            wait_for(lambda: self.client.stats("little by little")["gauges"]["ready"] >= 10)
            self.assertTrue(futures[-1].cancel())  # it was not sent yet
            self.assertEqual(self.client.stats("little by little")["gauges"]["ready"], 10)
            consumer = taskq.worker.Consumer(self.client, ["little by little"], taskq._functions.Finder(["work"]))
            thread = support.in_thread(consumer.run)
            self.assertEqual([future.result(support.PATIENCE) for future in futures[:-1]], [2 * n for n in range(99)])
            consumer.stop()
            thread.outcome()

    def test_map_ahead_of_what_is_taken(self):
        executor = taskq.Executor("ahead", url=self.shared)
        results = executor.map(work.double, range(10), buffersize=3)
        wait_for(lambda: self.client.queues()["queues"] and self.client.stats("ahead")["gauges"]["ready"] == 3)
        results.close()
        self.assertEqual(self.client.stats("ahead")["gauges"]["ready"], 3)  # nothing was taken: nothing to give up
        for wrong in (0, -1):
            with self.assertRaises(ValueError):
                executor.map(work.double, range(3), buffersize=wrong)
        for chunksize in (1, 2):  # what was not come to in time is given up
            with self.assertRaises(concurrent.futures.TimeoutError):
                next(executor.map(work.double, range(10), timeout=0.05, chunksize=chunksize))
            self.assertEqual(self.client.stats("ahead")["gauges"]["ready"], 3)
        self.assertEqual(list(self.executor.map(work.double, range(50), buffersize=4)), [2 * n for n in range(50)])
        self.assertEqual(list(self.executor.map(work.double, range(50), buffersize=2, chunksize=7)), [2 * n for n in range(50)])

    def test_futures_of_a_closed_client_fail(self):
        client = self.new_client()
        futures = [taskq.Executor("closed", url=client).submit(work.add, n) for n in range(3)]
        client.close()
        for future in futures:
            self.assertIsInstance(future.exception(support.PATIENCE), taskq.Closed)

    def test_running_is_not_cancelled(self):
        path = self.path()
        future = self.executor.submit(work.wait_for_file, path)
        wait_for(future.running)
        self.assertFalse(future.cancel())
        open(path, "w").close()
        self.assertEqual(future.result(support.PATIENCE), "it is there")

    def test_an_attempt_that_failed_is_made_again(self):
        executor = taskq.Executor(1, url=self.shared, max_attempts=3)
        self.addCleanup(executor.shutdown)
        self.assertEqual(executor.submit(work.fails_twice, self.path()).result(support.PATIENCE), "third")

    def test_what_cannot_be_named_or_sent(self):
        for function in (work.Account(5).balance, functools.partial(work.add, 1), threading.Lock().acquire):
            with self.assertRaises(TypeError):
                self.executor.submit(function)
        with taskq.Executor(1, url=self.shared, serializer="pickle") as executor:
            self.assertEqual(executor.submit(work.Account(5).balance).result(support.PATIENCE), 5)
            self.assertEqual(list(executor.map(functools.partial(work.add, 1), range(5), chunksize=2)), [1, 2, 3, 4, 5])
        with self.assertRaises(TypeError):
            self.executor.submit(lambda: 1)
        with self.assertRaises(TypeError):
            self.executor.submit(work.add, {1})


class Programs(support.Case):
    """Programs that end, or are written, in one way or another."""

    def run_program(self, text, **more):
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "program.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run([sys.executable, path], env=dict(support.ENVIRONMENT, TASKQ_ADDR=self.daemon.address, **more),
                              timeout=support.PATIENCE * 3, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return done.returncode, done.stdout, done.stderr

    def test_its_end_waits_for_what_was_submitted(self):
        for how in ("", "t.shutdown(wait=False)", "del t"):
            code, out, err = self.run_program(
                "import taskq\nfrom work import say_after\nif __name__ == '__main__':\n t = taskq.Executor(2)\n"
                " t.submit(say_after, 0.3, 'apple')\n %s" % how)
            self.assertEqual((code, out, err), (0, "apple\n", ""), how)

    def test_its_end_leaves_to_others_what_is_theirs(self):
        code, out, err = self.run_program("import taskq, work\nt = taskq.Executor('theirs')\nfor n in range(2000):\n t.submit(work.add, n)\n")
        self.assertEqual((code, out, err), (0, "", ""))
        self.assertEqual(self.client.stats("theirs")["gauges"]["ready"], 2000)

    def test_nothing_is_submitted_after_its_end(self):
        code, out, _ = self.run_program(
            "import atexit, taskq\nif __name__ == '__main__':\n t = taskq.Executor(1)\n t.submit(abs, 1).result()\n"
            " @atexit.register\n def last():\n  try:\n   t.submit(abs, 1)\n  except RuntimeError as e:\n   print(e)\n")
        self.assertEqual((code, out), (0, "cannot schedule new futures after interpreter shutdown\n"))

    def test_with_open_clients_it_ends(self):
        code, out, err = self.run_program(
            "import taskq, threading\nif __name__ == '__main__':\n q = taskq.Queue()\n j = taskq.JoinableQueue(name='left open')\n"
            " j.put(1)\n j.get()\n threading.Thread(target=q.get, daemon=True).start()\n p = taskq.ThreadPool(1)\n"
            " p.apply_async(abs, (1,))\n")
        self.assertEqual((code, out), (0, ""), err)
        wait_for(lambda: self.client.stats("left open")["gauges"]["ready"] == 1, "the job of a program that has ended")

    def test_functions_and_types_of_the_program_itself(self):
        code, out, err = self.run_program(
            "import taskq\nclass Consumer(Exception):\n pass\nclass Client:\n def __init__(self, n):\n  self.n = n\n"
            "def main(n):\n if n < 0:\n  raise Consumer(n)\n return Client(n)\n"
            "if __name__ == '__main__':\n with taskq.Executor(1, serializer='pickle') as t:\n"
            "  print(t.submit(main, 3).result().n, type(t.submit(main, -1).exception()) is Consumer)\n")
        self.assertEqual((code, out), (0, "3 True\n"), err)

    def test_a_program_without_a_guard_says_so_and_ends(self):
        code, _, err = self.run_program("import taskq\nt = taskq.Executor(1)\nt.submit(abs, 1).result()\n")
        self.assertNotEqual(code, 0)
        self.assertIn('if __name__ == "__main__"', err)
        self.assertIn("WorkerDied", err)

    def test_a_program_that_is_killed_takes_its_workers_along(self):
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "pid")
        process = subprocess.Popen(
            [sys.executable, "-c", "import taskq, work, sys\nt = taskq.Executor(1, url=%r)\nt.submit(work.say_pid_and_wait, %r)\n"
             "sys.stdin.read()" % (self.daemon.address, path)], env=support.ENVIRONMENT, stdin=subprocess.PIPE)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        pid = int(wait_for(lambda: support.content(path)))
        process.kill()
        wait_for(lambda: not support.alive(pid), "the end of the worker")


class Workers(support.Case):
    def worker(self, *arguments):
        process = subprocess.Popen([sys.executable, "-m", "taskq.worker", "--url", self.daemon.address, *arguments],
                                   env=support.ENVIRONMENT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_it_takes_pickles_only_when_told_to(self):
        self.worker("--queue", "no pickles", "work")
        with taskq.Executor("no pickles", url=self.client, serializer="pickle") as executor:
            for function in (work.add, os.getcwd):
                self.assertIsInstance(executor.submit(function, 1).exception(support.PATIENCE), PermissionError)
            self.assertIsInstance(next(iter([executor._submit_chunk(work.add, [(1,), (2,)])])).exception(support.PATIENCE),
                                  PermissionError)
        self.worker("--queue", "pickles", "--pickle", "work")
        with taskq.Executor("pickles", url=self.client, serializer="pickle") as executor:
            self.assertEqual(executor.submit(work.complex_back, (1, "x")).result(support.PATIENCE), {(1, "x"): {1, 2}})

    def test_quick_jobs_do_not_hold_up_those_behind_a_slow_one(self):
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        go = os.path.join(folder.name, "go")
        for _ in range(2):
            self.worker("--queue", "mixed", "work")
        executor = taskq.Executor("mixed", url=self.client)
        list(executor.map(work.double, range(300)))  # now they take many at a time
        self.client.pause("mixed")
        first = [executor.submit(work.double, n) for n in range(2)]  # who waits is given one; after it many are taken
        slow = executor.submit(work.wait_for_file, go)
        futures = [executor.submit(work.double, n) for n in range(60)]
        wait_for(lambda: futures[-1].job_id)
        self.client.resume("mixed")
        self.assertEqual([future.result(support.PATIENCE) for future in futures], [2 * n for n in range(60)])
        self.assertFalse(slow.done())
        self.assertEqual([future.result(support.PATIENCE) for future in first], [0, 2])
        open(go, "w").close()
        slow.result(support.PATIENCE)

    def test_it_waits_for_a_daemon(self):
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        address = "unix:" + os.path.join(folder.name, "socket")
        process = subprocess.Popen([sys.executable, "-m", "taskq.worker", "--url", address, "--queue", "q", "work"],
                                   env=support.ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertIn(address, process.stderr.readline())
        with lib.Daemon(listen=(address,)), taskq.Client(address) as client, taskq.Executor("q", url=client) as executor:
            self.assertEqual(executor.submit(work.add, 1, 2).result(support.PATIENCE), 3)

    def test_it_runs_functions_of_its_modules_only(self):
        self.worker("--queue", "limited", "work")
        with taskq.Executor("limited", url=self.client) as executor:
            self.assertEqual(executor.submit(work.add, 1, 1).result(support.PATIENCE), 2)
            self.assertIsInstance(executor.submit(os.getcwd).exception(support.PATIENCE), LookupError)

    def test_a_task(self):
        self.assertEqual(work.send("ann", times=2), ["ann", "ann"])
        work.send._url = self.client
        self.worker("--queue", "tasks", "work")
        self.assertEqual(work.send.delay("bob", times=2).result(support.PATIENCE), ["bob", "bob"])
        with self.assertRaises(work.Trouble):
            work.send.delay("").result(support.PATIENCE)

    def test_it_ends_when_its_job_is_done(self):
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        go = os.path.join(folder.name, "go")
        for n, more in enumerate((["--concurrency", "2"], ["--concurrency", "2", "--processes"])):
            process = self.worker("--queue", "ends%d" % n, "work", *more)
            executor = taskq.Executor("ends%d" % n, url=self.client)
            future = executor.submit(work.wait_for_file, go + str(n))
            wait_for(future.running)
            process.send_signal(signal.SIGTERM)
            open(go + str(n), "w").close()
            self.assertEqual(future.result(support.PATIENCE), "it is there")
            self.assertEqual(process.wait(support.PATIENCE), 0)

    def test_a_worker_that_dies_gives_its_job_to_another(self):
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        go = os.path.join(folder.name, "go")
        first = self.worker("--queue", "dies", "work")
        future = taskq.Executor("dies", url=self.client).submit(work.wait_for_file, go)
        wait_for(future.running)
        first.kill()
        open(go, "w").close()
        self.worker("--queue", "dies", "work")
        self.assertEqual(future.result(support.PATIENCE), "it is there")


class Handler(unittest.TestCase):
    """As the child of a `process` handler of the daemon's pool."""

    def test_it_serves_the_pool(self):
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        conf = os.path.join(folder.name, "conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write('handler "python" {\n queues = {"python"}\n kind = process\n'
                       ' command = {"%s", "-m", "taskq.worker", "work"}\n workers = 2\n'
                       ' env = {"PYTHONPATH=%s", "PYTHONDONTWRITEBYTECODE=1"}\n}\n'
                       % (sys.executable, support.ENVIRONMENT["PYTHONPATH"]))
        with lib.Daemon("-c", conf) as daemon:
            with taskq.Client(daemon.address) as client, taskq.Executor("python", url=client) as executor:
                self.assertEqual(list(executor.map(work.add, range(50), range(50))), [2 * n for n in range(50)])
                self.assertEqual(executor.submit(work.tells).result(support.PATIENCE), "told")
                self.assertIsInstance(executor.submit(work.raises, 1).exception(support.PATIENCE), work.Trouble)
                self.assertEqual(executor.submit(work.tells_much).result(support.PATIENCE), "told")
                self.assertIsInstance(executor.submit(work.deep, 127).exception(support.PATIENCE), taskq.ParseError)


if __name__ == "__main__":
    support.main()
