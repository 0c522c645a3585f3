"""taskq.Client and its connection: every method, errors, threads, forks, signals, and connections that break."""

import asyncio
import concurrent.futures
import gc
import inspect
import os
import pickle
import queue
import re
import signal
import socket
import sys
import threading
import time
import unittest

import support
import taskq
import taskq.aio
from support import in_thread, lib, wait_for
from taskq import _address, _methods, _wire, errors

ROOT = os.path.join(support.HERE, "..", "..")


class Drift(unittest.TestCase):
    """What the package says must be what the daemon says."""

    def test_errors_are_those_of_the_table(self):
        with open(os.path.join(ROOT, "common", "error.h"), encoding="utf-8") as file:
            rows = re.findall(r'X\(\w+, (-\d+), "(\w+)"', file.read())
        self.assertGreater(len(rows), 20)
        self.assertEqual({name: int(code) for code, name in rows},
                         {name: kind.code for name, kind in errors.BY_NAME.items()})
        for name, kind in errors.BY_NAME.items():
            self.assertIs(getattr(taskq, kind.__name__), kind)
            self.assertEqual(kind.name, name)

    def test_what_the_standard_library_has_a_word_for(self):
        for ours, theirs in ((taskq.Full, queue.Full), (taskq.Empty, queue.Empty), (taskq.Timeout, TimeoutError),
                             (taskq.Timeout, concurrent.futures.TimeoutError), (taskq.NotFound, LookupError),
                             (taskq.Cancelled, concurrent.futures.CancelledError), (taskq.NoDaemon, ConnectionError),
                             (taskq.Lost, ConnectionError), (taskq.Closed, ConnectionError), (taskq.TlsFailed, ConnectionError),
                             (taskq.Unauthorized, PermissionError), (taskq.Forbidden, PermissionError),
                             (taskq.InvalidParams, ValueError), (taskq.TooLarge, ValueError),
                             (taskq.WorkerDied, concurrent.futures.BrokenExecutor), (taskq.WorkerDied, taskq.Failed),
                             (taskq.ShutDown, getattr(queue, "ShutDown", Exception))):
            self.assertTrue(issubclass(ours, theirs), (ours, theirs))
        again = pickle.loads(pickle.dumps(taskq.Failed("so", {"reason": "lost"})))
        self.assertEqual((str(again), again.data, type(again)), ("so", {"reason": "lost"}, taskq.Failed))

    def test_methods_and_their_params_are_the_protocols(self):
        document = lib.Document.get()
        for method in document.methods:
            if method == "$/cancelRequest":
                continue
            with self.subTest(method):
                known = set(inspect.signature(getattr(_methods.Methods, method)).parameters) - {"self"}
                params = {row[0].strip("`") for row in document.params[method]}
                if method in ("submit", "call"):
                    params |= {row[0].strip("`") for row in document.params["put"]}
                self.assertEqual(known, params)


class Addresses(unittest.TestCase):
    def test_as_libtaskq_takes_them(self):
        for text, address in (("h", ("h", 7480)), ("h:1", ("h", 1)), ("[::1]", ("::1", 7480)), ("[::1]:9", ("::1", 9)),
                              ("unix:/a b", ("/a b", 0)), ("h:65535", ("h", 65535)), ("taskq://h:5", ("h", 5)),
                              ("taskqs://h", ("h", 7480, True)), ("taskqs://[::1]:9/", ("::1", 9, True)),
                              ("tls:h:9", ("h", 9, True)), ("tls:9", ("tls", 9, False))):
            self.assertEqual(_address.parse_address(text), _address.Address(*address))
        for text in ("", ":1", "h:", "h:0", "h:65536", "h:x", "h:+1", "::1", "[::1", "[::1]9", "unix:", "http://h", "taskqs://",
                     "taskqs://h/x", "taskqs://u@h", "taskqs://h:", "taskqs://unix:/x", "TASKQS://h", "taskqs://h//"):
            with self.assertRaises(ValueError, msg=text):
                _address.parse_address(text)

    def test_the_environment_says_where(self):
        before = os.environ.pop("TASKQ_ADDR", None)
        try:
            self.assertEqual(_address.address_text(None), "127.0.0.1:7480")
            os.environ["TASKQ_ADDR"] = "elsewhere:1"
            self.assertEqual(_address.address_text(None), "elsewhere:1")
            self.assertEqual(_address.address_text("here"), "here")
        finally:
            os.environ.pop("TASKQ_ADDR")
            if before is not None:
                os.environ["TASKQ_ADDR"] = before


class Calls(support.Case):
    def test_a_job_from_put_to_ack(self):
        c = self.client
        job = c.put("q", {"to": "ann", "n": [1, 2.5, None, True, "\u20ac\x00\U0001f600"]}, priority=-1, max_attempts=3)
        self.assertEqual(c.job(job["id"])["state"], "ready")
        got = c.get("q", timeout=0)
        self.assertEqual(got["body"], {"to": "ann", "n": [1, 2.5, None, True, "\u20ac\x00\U0001f600"]})
        self.assertEqual((got["id"], got["priority"]), (job["id"], -1))
        self.assertEqual(c.nack(got["id"], error=None)["state"], "delayed")
        self.assertEqual(c.kick(got["id"]), {"count": 1})
        got = c.get(queues=["q", "p"], max=5)["jobs"][0]
        self.assertEqual(c.touch(got["id"], delivery=got["delivery"], lease=9), {"lease": 9})
        self.assertEqual(c.ack(got["id"], delivery=got["delivery"], result=None), {})

    def test_an_outcome(self):
        c = self.client
        job = c.submit("out", 1, keep_result=5, max_attempts=1)["id"]
        with self.assertRaises(taskq.Timeout):
            c.result(job, timeout=0)
        c.ack(c.get("out")["id"], result=[7])
        self.assertEqual(c.result(job)["result"], [7])
        job = c.submit("out", 1, max_attempts=1)["id"]
        c.nack(c.get("out")["id"], error={"why": "not today"})
        with self.assertRaises(taskq.Failed) as caught:
            c.result(job)
        self.assertEqual(caught.exception.data["error"], {"why": "not today"})
        job = c.submit("out", 1)["id"]
        self.assertTrue(c.cancel(job)["cancelled"])
        with self.assertRaises(taskq.Cancelled):
            c.result(job)

    def test_errors_are_exceptions_of_their_own(self):
        with self.assertRaises(taskq.Empty):
            self.client.get("nothing", timeout=0)
        with self.assertRaises(taskq.InvalidParams) as caught:
            self.client.put("", 1)
        self.assertEqual(caught.exception.data["param"], "queue")
        with self.assertRaises(LookupError):
            self.client.drop("nothing-either")
        with self.assertRaises(taskq.MethodNotFound):
            self.client.request("frobnicate")

    def test_what_the_daemon_could_not_answer_is_refused_here(self):
        deep = []
        for _ in range(200):
            deep = [deep]
        with self.assertRaises(taskq.ParseError):
            self.client.put("q2", deep)
        with self.assertRaises(taskq.TooLarge):
            self.client.put("q2", "x" * (2 << 20))
        with self.assertRaises(taskq.TooLarge):
            self.client.put("q2", "x" * ((1 << 20) + 10))
        for wrong in (float("nan"), {1, 2}, "\ud800"):
            with self.assertRaises((TypeError, ValueError)):
                self.client.put("q2", wrong)
        self_same = []
        self_same.append(self_same)
        with self.assertRaises(ValueError):
            self.client.put("q2", self_same)
        self.client.put("q2", ["]" * 300, '"[' * 300, "\\"])
        self.assertEqual(self.client.get("q2")["body"], ["]" * 300, '"[' * 300, "\\"])
        self.assertEqual(self.client.connection.generation, 1)

    def test_large_values_come_whole(self):
        value = ["x" * 1000] * 900
        self.client.put("large", value)
        self.assertEqual(self.client.get("large")["body"], value)

    def test_many_threads_share_a_connection(self):
        before = self.client.stats()["clients"]
        waiting = [in_thread(self.client.get, "shared") for _ in range(20)]
        wait_for(lambda: self.client.stats("shared")["gauges"]["waiting_gets"] == 20)
        self.assertEqual(self.client.stats()["clients"], before)

        def work(n):
            for i in range(100):
                self.client.put("busy", [n, i])
            return [tuple(self.client.get("busy", auto_ack=True)["body"]) for i in range(100)]

        done = [in_thread(work, n) for n in range(8)]
        got = sorted(pair for thread in done for pair in thread.outcome())
        self.assertEqual(got, sorted((n, i) for n in range(8) for i in range(100)))
        for n in range(20):
            self.client.put("shared", n)
        self.assertEqual(sorted(thread.outcome()["body"] for thread in waiting), list(range(20)))

    def test_no_daemon(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % free.getsockname()[1]
            with self.assertRaises(taskq.NoDaemon) as caught:
                taskq.Client(address).ping()
        self.assertIn(address, str(caught.exception))
        self.assertIsInstance(caught.exception, ConnectionError)

    def test_a_closed_client_says_so(self):
        waits = in_thread(self.client.get, "closing")
        other = self.new_client()
        wait_for(lambda: other.queues()["queues"] and other.stats("closing")["gauges"]["waiting_gets"])
        self.client.close()
        with self.assertRaises(taskq.Closed):
            waits.outcome()
        with self.assertRaises(taskq.Closed):
            self.client.ping()


class Queues(support.Case):
    """What the interpreter's own tests of queues do not ask for."""

    def test_a_held_job_stays_ones_own(self):
        q = taskq.JoinableQueue(url=self.client, lease=0.3)
        q.put("slow")
        q.put("next")
        self.assertEqual(q.get(), "slow")
        began = time.monotonic()
        wait_for(lambda: time.monotonic() - began > 1)  # three leases
        self.assertEqual(q.get(), "next")
        with self.assertRaises(taskq.Empty):
            q.get_nowait()
        q.task_done()
        q.task_done()
        q.join()

    def test_a_join_waits_for_what_was_got_here(self):
        q = taskq.Queue(url=self.client)
        q.put(1)
        q.get()
        joined = []
        join = in_thread(lambda: (q.join(), joined.append(True)))
        wait_for(lambda: q._done._waiters)
        self.assertFalse(joined)
        q.task_done()
        join.outcome()
        with self.assertRaises(ValueError):
            q.task_done()

    def test_a_job_that_failed_is_tried_again_and_dies(self):
        q = taskq.JoinableQueue(name="fails", url=self.client, max_attempts=2)
        self.client.declare("fails", backoff={"base": 0, "cap": 0, "jitter": 0})
        q.put("x")
        for _ in range(2):
            self.assertEqual(q.get(timeout=support.PATIENCE), "x")
            q.task_failed({"why": "not today"})
        q.join()
        job = self.client.job(self.client.jobs("fails", state="dead")["jobs"][0]["id"])
        self.assertEqual((job["reason"], job["error"]), ("attempts", {"why": "not today"}))
        with self.assertRaises(TypeError):
            taskq.Queue(url=self.client).task_failed()

    def test_a_private_queue_goes_with_its_object(self):
        kept = len(self.client.connection.connected)
        q = taskq.Queue(url=self.client)
        name = q.name
        self.assertTrue(self.client.stats(name))
        del q
        gc.collect()
        self.client.ping()
        with self.assertRaises(taskq.NotFound):
            self.client.stats(name)
        self.assertEqual(len(self.client.connection.connected), kept)

    def test_times_that_no_request_could_name(self):
        with taskq.Client(self.daemon.address) as client:
            for idempotent in (False, True):
                q = taskq.Queue(maxsize=1, url=client, idempotent=idempotent)  # private: it goes with the connection
                q.put("kept")
                nan, inf = float("nan"), float("inf")
                for wrong in (nan, -inf, -1):
                    for call in (lambda: q.get(timeout=wrong), lambda: q.get_many(2, timeout=wrong),
                                 lambda: q.put(2, timeout=wrong)):
                        self.assertRaises(ValueError, call)
                put = support.in_thread(lambda: q.put("waited", timeout=inf))
                wait_for(lambda: client.stats(q.name)["gauges"]["waiting_puts"])
                self.assertEqual(q.get(timeout=inf), "kept")
                put.outcome()
                self.assertEqual(q.get_many(2, timeout=1e300), ["waited"])
                got = support.in_thread(lambda: q.get(timeout=2e9))
                wait_for(lambda: client.stats(q.name)["gauges"]["waiting_gets"])
                q.put("last", timeout=1e10)
                self.assertEqual(got.outcome(), "last")
            unbounded = taskq.Queue(url=client)
            for time in (nan, -1, inf):  # as the standard library's, it does not look at it
                unbounded.put(1, timeout=time)
            self.assertEqual(unbounded.qsize(), 3)

    def test_settings_that_are_wrong_are_named(self):
        for wrong in ({"maxsize": 1.5}, {"maxsize": 1, "max_attempts": 0}, {"lease": 1e10}):
            for name in (None, "wrong settings"):
                with self.assertRaises(taskq.InvalidParams) as caught:
                    taskq.JoinableQueue(name=name, url=self.client, **wrong)
                self.assertEqual(caught.exception.data["param"], list(wrong)[-1])

    def test_order_of_priorities(self):
        q = taskq.PriorityQueue(url=self.client)
        items = [3, -1, 2.5, True, [0, "b"], [0, "a"], -0.5, 10 ** 20, ["x"], {"any": "thing"}]
        for item in items:
            q.put(item)
        self.assertEqual([q.get() for _ in items], [-1, -0.5, [0, "b"], [0, "a"], ["x"], {"any": "thing"}, True, 2.5, 3, 10 ** 20])
        q.put_many(items)
        self.assertEqual(q.get_many(2), [-1, -0.5])

    def test_many_at_once(self):
        q = taskq.Queue(url=self.client)
        q.put_many(range(5432))
        self.assertEqual(q.qsize(), 5432)
        self.assertEqual(q.get_many(1), [0])
        self.assertEqual(q.get_many(3000), list(range(1, 3001)))
        self.assertEqual(q.get_many(10000), list(range(3001, 5432)))
        with self.assertRaises(taskq.Empty):
            q.get_many(10, timeout=0.01)
        with self.assertRaises(ValueError):
            q.get_many(0)
        texts = ["x" * 100_000] * 30  # more than one batch by their bytes
        q.put_many(texts)
        self.assertEqual(q.get_many(100), texts)

    def test_many_where_one_is_refused(self):
        q = taskq.Queue(url=self.client)
        with self.assertRaises(taskq.TooLarge):
            q.put_many(["fine", "x" * (2 << 20)])
        q = taskq.Queue(name="shut", url=self.client)
        q.put_many(range(10))
        q.shutdown()
        with self.assertRaises(taskq.ShutDown) as caught:
            q.put_many(range(10))
        self.assertEqual(caught.exception.data["put"], 0)
        self.assertEqual(q.get_many(100), list(range(10)))

    def test_a_pickled_queue_is_the_same_one(self):
        for kind in (taskq.Queue, taskq.JoinableQueue, taskq.PriorityQueue, taskq.SimpleQueue):
            q = kind(url=self.client)
            again = pickle.loads(pickle.dumps(q))
            self.addCleanup(again.client.close)
            again.put(5)
            self.assertEqual((type(again), q.get()), (kind, 5))
            del again
            gc.collect()
            q.put(1)  # its owner is the other
            self.assertEqual(q.get(), 1)

    def test_items_of_other_kinds(self):
        q = taskq.Queue(url=self.client, serializer="pickle")
        q.put((1, {2, 3}))
        self.assertEqual(q.get(), (1, {2, 3}))
        q = taskq.Queue(url=self.client)
        for item in ("plain", None, ',"body":', {"body": '}},"body":7}'}, [1e300, -0.0, "\u2028\U0001f600"], ""):
            q.put(item)
            self.assertEqual(q.get(), item)
        q = taskq.Queue(name=',"body":"}}', url=self.client)
        q.put([1])
        self.assertEqual(q.get(), [1])


class Crowded(unittest.TestCase):
    """More waits than a connection may have, on one connection."""

    def setUp(self):
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        conf = os.path.join(folder.name, "conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write("max_waits = 20\n")
        daemon = lib.Daemon("-c", conf)
        self.addCleanup(daemon.stop)
        self.client = taskq.Client(daemon.address)
        self.addCleanup(self.client.close)
        self.other = taskq.Client(daemon.address)
        self.addCleanup(self.other.close)

    def waiting(self, name):
        wait_for(lambda: self.other.queues()["queues"] and self.other.stats(name)["gauges"]["waiting_gets"] == 20)

    def test_threads(self):
        q = taskq.Queue(name="crowded", url=self.client)
        gets = [in_thread(q.get) for _ in range(100)]
        self.waiting("crowded")
        with self.assertRaises((taskq.Empty, taskq.Overloaded)):
            q.get(timeout=0.1)
        for n in range(100):
            self.other.put("crowded", n)
        self.assertEqual(sorted(get.outcome() for get in gets), list(range(100)))

    def test_coroutines(self):
        async def run():
            client = taskq.aio.Client(self.client)
            q = taskq.aio.Queue(name="crowded", url=client)
            gets = [asyncio.ensure_future(q.get()) for _ in range(100)]
            await asyncio.get_running_loop().run_in_executor(None, self.waiting, "crowded")
            for n in range(100):
                self.other.put("crowded", n)
            return sorted(await asyncio.gather(*gets))

        self.assertEqual(asyncio.run(asyncio.wait_for(run(), support.PATIENCE)), list(range(100)))

    def test_a_client_says_so(self):
        gets = [in_thread(self.client.get, "crowded") for _ in range(20)]
        self.waiting("crowded")
        with self.assertRaises(taskq.Overloaded):
            self.client.get("crowded", timeout=5)
        for n in range(20):
            self.other.put("crowded", n)
        self.assertEqual(sorted(get.outcome()["body"] for get in gets), list(range(20)))


class Signals(support.Case):
    def alarm(self, handler):
        before = signal.signal(signal.SIGALRM, handler)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0.05)

    def test_an_interrupted_get_takes_nothing(self):
        def interrupt(*_):
            raise KeyboardInterrupt

        self.alarm(interrupt)
        with self.assertRaises(KeyboardInterrupt):
            self.client.get("interrupted", auto_ack=True)
        wait_for(lambda: self.client.stats("interrupted")["gauges"]["waiting_gets"] == 0)
        self.client.put("interrupted", 1)
        self.assertEqual(self.client.get("interrupted", timeout=0)["body"], 1)

    def test_interrupts_at_any_moment_lose_nothing(self):
        """A handler raises again and again, wherever the thread is: what was put and not got is still there."""
        class Interrupt(Exception):
            pass

        armed = []

        def interrupt(*_):
            if armed:
                raise Interrupt

        q = taskq.Queue(name="again", url=self.client, idempotent=True)
        other = taskq.Queue(name="again", url=self.new_client())
        before = signal.signal(signal.SIGALRM, interrupt)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        got, interrupted = [], 0
        for n in range(400):
            other.put(n)
            signal.setitimer(signal.ITIMER_REAL, 0.00002 * (n % 20) + 0.00001)
            try:
                armed.append(1)
                q.get(timeout=0.5)
                armed.clear()
                got.append(n)
            except (Interrupt, taskq.Empty):
                armed.clear()
                interrupted += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.assertEqual(self.client.ping(), {})  # it goes on
        wait_for(lambda: not other._stats()["gauges"]["waiting_gets"])
        # What was under way when the interrupt came is there again, or was handed over: never more than was put.
        left = wait_for(lambda: other.qsize() + len(got) <= 400 and [other.qsize()])[0]
        self.assertGreater(interrupted, 20)
        self.assertGreaterEqual(left + len(got) + interrupted, 400)

    def test_a_handler_may_call_while_the_thread_waits(self):
        self.alarm(lambda *_: self.client.put("handler", "from the handler"))
        self.assertEqual(self.client.get("handler", timeout=20)["body"], "from the handler")
        self.assertEqual(self.client.ping(), {})


class Forks(support.Case):
    def test_a_child_has_a_connection_of_its_own(self):
        self.client.put("held", 1)
        held = self.client.get("held")
        waits = in_thread(self.client.get, "for the parent")
        wait_for(lambda: self.client.stats("for the parent")["gauges"]["waiting_gets"] == 1)
        child = os.fork()
        if child == 0:
            try:
                ok = self.client.put("for the parent", "from the child")["id"] > 0
                try:
                    self.client.ack(held["id"])
                    ok = False
                except taskq.NotReserved:
                    pass  # it is the parent's
            except BaseException:
                ok = False
            os._exit(0 if ok else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(waits.outcome()["body"], "from the child")
        self.assertEqual(self.client.ack(held["id"]), {})
        self.assertEqual(self.client.connection.generation, 1)


class FakeDaemon:
    """Answers as it is told, a function for each connection: it is given the requests one after the other, and returns
    a result, or None to break the connection off."""

    HELLO = {"name": "taskqd", "version": "0", "protocol": 1, "durability": "memory",
             "limits": {"body": 1 << 20, "request": 1 << 20, "depth": 128, "batch": 10000, "waits": 1024, "max": 1000}}

    def __init__(self, *connections, hello=HELLO):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self.seen = []
        self._hello = hello
        self._thread = threading.Thread(target=self._run, args=(connections,), daemon=True)
        self._thread.start()

    def _run(self, connections):
        for answer in connections:
            sock, _ = self._listener.accept()
            with sock, sock.makefile("rwb") as file:
                for line in file:
                    request = _wire.decode(line.decode())
                    if isinstance(request, dict) and "id" not in request:
                        continue
                    if isinstance(request, dict) and request["method"] == "hello":
                        result = self._hello
                    else:
                        self.seen.append(request)
                        result = answer(request)
                    if result is None:
                        break
                    if isinstance(result, bytes):
                        file.write(result + b"\n")
                    else:
                        file.write(_wire.encode({"jsonrpc": "2.0", "id": request["id"], **(
                            result if "error" in result else {"result": result})}) + b"\n")
                    file.flush()

    def close(self):
        try:
            socket.create_connection(self._listener.getsockname()).close()  # ends an accept that still waits
        except OSError:
            pass
        self._listener.close()
        self._thread.join(support.PATIENCE)


class Broken(unittest.TestCase):
    """Connections that break between a request and its reply."""

    def talk(self, *connections, **more):
        fake = FakeDaemon(*connections, **more)
        self.addCleanup(fake.close)
        client = taskq.Client(fake.address, retry_for=support.PATIENCE)
        self.addCleanup(client.close)
        return fake, client

    def test_what_may_not_be_repeated_is_lost(self):
        fake, client = self.talk(lambda _: None, lambda _: {"id": 5})
        with self.assertRaises(taskq.Lost):
            client.put("q", 1)
        self.assertEqual(client.put("q", 2), {"id": 5})
        self.assertEqual([request["params"]["body"] for request in fake.seen], [1, 2])

    def test_what_may_be_repeated_is(self):
        for ask in (lambda c: c.put("q", 1, key="k"), lambda c: c.ping(), lambda c: c.get("q"),
                    lambda c: c.result(7), lambda c: c.join("q"), lambda c: c.stats()):
            fake, client = self.talk(lambda _: None, lambda _: {"well": True})
            self.assertEqual(ask(client), {"well": True})
            self.assertEqual(len(fake.seen), 2)
            self.assertEqual(fake.seen[0]["params"], fake.seen[1]["params"])

    def test_what_takes_for_good_is_not(self):
        for ask in (lambda c: c.get("q", auto_ack=True), lambda c: c.get("q", detached=True), lambda c: c.ack(1),
                    lambda c: c.result(7, forget=True), lambda c: c.cancel(1), lambda c: c.submit("q", 1)):
            _, client = self.talk(lambda _: None)
            with self.assertRaises(taskq.Lost):
                ask(client)

    def test_a_daemon_that_is_stopping_did_nothing(self):
        error = {"error": {"code": -32011, "message": "the daemon is stopping", "data": {"name": "draining"}}}
        fake, client = self.talk(lambda _: error if len(fake.seen) < 3 else None, lambda _: {"id": 5})
        with self.assertRaises(taskq.Lost):
            client.put("q", 1)  # twice it was told that nothing was done; then the connection broke
        self.assertEqual(len(fake.seen), 3)
        again = iter([error, {"id": 9}])
        _, client = self.talk(lambda _: next(again))
        self.assertEqual(client.put("q", 1), {"id": 9})

    def test_a_repeated_wait_waits_for_what_is_left(self):
        def slowly(request):
            threading.Event().wait(0.3)

        fake, client = self.talk(slowly, lambda _: {"well": True})
        client.get("q", timeout=10)
        first, second = (request["params"]["timeout"] for request in fake.seen)
        self.assertEqual(first, 10)
        self.assertTrue(5 < second < 9.8, second)

    def test_time_is_up_while_there_is_no_daemon(self):
        fake, client = self.talk(lambda _: fake._listener.close())
        with self.assertRaises(taskq.NoDaemon):
            client.get("q", timeout=0.3)

    def test_rubbish_breaks_the_connection(self):
        for rubbish in (b"rubbish", b"[]", b'{"jsonrpc":"2.0","id":"x","result":{}}', b"7"):
            _, client = self.talk(lambda _: rubbish)
            with self.assertRaises(taskq.Lost):
                client.put("q", 1)

    def test_a_submit_whose_reply_was_lost_is_sent_again_under_its_key(self):
        fake, client = self.talk(lambda _: None, lambda request: {"id": 77})
        future = taskq.Executor("q", url=client).submit(abs, -1)
        wait_for(lambda: future.job_id == 77)
        first, second = fake.seen
        self.assertTrue(first["params"]["key"])
        self.assertEqual(first["params"], second["params"])
        client.connection.notified["finished"]({"id": 77, "state": "done", "result": 1})
        self.assertEqual(future.result(0), 1)

    def test_a_batch_of_which_a_part_is_refused(self):
        def answer(request):
            if isinstance(request, dict):
                return {"maxsize": 0}
            return _wire.encode([{"jsonrpc": "2.0", "id": each["id"], **(
                {"result": {"id": 1}} if each["params"]["body"] % 3 else
                {"error": {"code": -32010, "message": "no", "data": {"name": "overloaded"}}})} for each in request])

        _, client = self.talk(answer)
        q = taskq.Queue(name="q", url=client)
        with self.assertRaises(taskq.Overloaded) as caught:
            q.put_many(range(30))
        self.assertEqual(caught.exception.data["put"], 20)

    def test_a_batch_whose_reply_is_lost(self):
        _, client = self.talk(lambda request: {"maxsize": 0} if isinstance(request, dict) else None)
        q = taskq.Queue(name="q", url=client)
        with self.assertRaises(taskq.Lost) as caught:
            q.put_many(range(30))
        self.assertEqual((caught.exception.data["put"], caught.exception.data["unsure"]), (0, 30))

    def test_an_item_that_comes_after_an_interrupt_goes_back(self):
        interrupted = threading.Event()

        def answer(request):
            if request["method"] == "get":
                interrupted.wait(support.PATIENCE)
                return {"id": 9, "queue": "q", "priority": 2.5, "delivery": 7, "attempt": 1, "body": "late"}
            return {"id": 10, "maxsize": 0}

        def interrupt(*_):
            raise KeyboardInterrupt

        fake, client = self.talk(answer)
        q = taskq.Queue(name="q", url=client)
        before = signal.signal(signal.SIGALRM, interrupt)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with self.assertRaises(KeyboardInterrupt):
            q.get()
        interrupted.set()
        wait_for(lambda: fake.seen[-1]["method"] == "put")
        self.assertEqual(fake.seen[-1]["params"], {"queue": "q", "body": "late", "priority": 2.5})
        wait_for(lambda: q._open == 0)  # it is not counted as got

    def test_a_reply_without_an_end_breaks_the_connection(self):
        before = taskq._link.LARGEST_REPLY
        self.addCleanup(setattr, taskq._link, "LARGEST_REPLY", before)
        taskq._link.LARGEST_REPLY = 1000

        class Endless(bytes):
            def __add__(self, _):
                return self  # no line feed

        _, client = self.talk(lambda _: Endless(b"x" * 5000))
        with self.assertRaises(taskq.Lost) as caught:
            client.put("q", 1)
        self.assertIn("more than 1000 bytes", str(caught.exception))

    def test_another_protocol_is_refused(self):
        _, client = self.talk(lambda _: {}, hello=dict(FakeDaemon.HELLO, protocol=2))
        with self.assertRaises(taskq.ProtocolError):
            client.ping()

    def test_members_in_another_order_and_more_of_them(self):
        fake, client = self.talk(
            lambda r: _wire.encode({"result": {"id": 3}, "more": 1, "id": r["id"], "jsonrpc": "2.0"}))
        self.assertEqual(client.put("q", 1), {"id": 3})


if __name__ == "__main__":
    sys.setswitchinterval(0.0005)  # more meetings of threads
    support.main()
