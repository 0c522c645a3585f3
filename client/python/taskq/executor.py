"""concurrent.futures over the wire."""

import collections
import concurrent.futures
import itertools
import os
import secrets
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, Optional, Set, Union

from . import _functions, _wire, errors
from ._connection import Call, Connection, Link, result_of
from .client import Client, client_of
from .queues import SimpleQueue

KEEP_RESULT = 60.0  # seconds: within it a program that lost its connection finds its outcomes
MOST_OPEN = 50_000  # of the 65,536 that the daemon takes of a connection
WINDOW = 900  # of the 1,024 requests that may wait

Task = Callable[..., Any]


class Future(concurrent.futures.Future):  # type: ignore[type-arg]
    """A concurrent.futures.Future whose job is the daemon's. `cancel` takes the job back if nobody has begun it."""

    _item: "_Item"

    @property
    def job_id(self) -> Optional[int]:
        """The job's id once the daemon has said it."""
        return self._item.id

    def cancel(self) -> bool:
        if self.done():
            return self.cancelled()
        if not self._item.futures.cancel(self._item):
            return self.cancelled()
        if self._item.claim() and super().cancel():
            self.set_running_or_notify_cancel()
        return True

    def running(self) -> bool:
        if self.done() or self._item.id is None:
            return False
        try:
            return bool(self._item.futures.client.job(self._item.id)["state"] == "reserved")
        except errors.TaskqError:
            return False


class _Item:
    """A future under way."""

    __slots__ = ("futures", "future", "head", "pickled", "id", "link", "began", "_unclaimed")

    def __init__(self, futures: "Futures", head: bytes, pickled: bool) -> None:
        self.futures, self.head, self.pickled = futures, head, pickled
        self.future = Future()
        self.future._item = self
        self.id: Optional[int] = None
        self.link: Optional[Link] = None  # on which it was sent; None: it is still to be
        self.began = 0.0
        self._unclaimed = [True]

    def claim(self) -> bool:
        """Whoever gets True ends the future, and nobody else does."""
        self.futures.forget(self)
        try:
            return self._unclaimed.pop()
        except IndexError:
            return False

    def end(self, outcome: Dict[str, Any]) -> None:
        if not self.claim():
            return
        future, state = self.future, outcome.get("state")
        try:
            if state == "cancelled":
                concurrent.futures.Future.cancel(future)
                future.set_running_or_notify_cancel()
                return
            if not future.set_running_or_notify_cancel():
                return
            if state == "done":
                try:
                    future.set_result(_functions.result_of(outcome["result"], self.pickled))
                except Exception as error:
                    future.set_exception(error)
            elif state == "dead":
                future.set_exception(_functions.exception_of(outcome.get("reason"), outcome.get("error"),
                                                             self.pickled))
            else:
                future.set_exception(errors.NotFound("the job was deleted"))
        except (concurrent.futures.InvalidStateError, RuntimeError):
            pass  # it was cancelled at the same moment

    def fail(self, error: BaseException) -> None:
        if not self.claim():
            return
        try:
            if self.future.set_running_or_notify_cancel():
                self.future.set_exception(error)
        except (concurrent.futures.InvalidStateError, RuntimeError):
            pass


class Futures:
    """The futures of one connection, fed by `finished`. When the connection was lost, those whose jobs are known are
    waited for with `result`, and those whose submits were not answered are submitted again under their keys."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.connection: Connection = client.connection
        self._open: Set[_Item] = set()
        self._by_id: Dict[int, _Item] = {}
        self._backlog: Deque[_Item] = collections.deque()
        self._lock = threading.RLock()
        self.connection.notified["finished"] = self._finished
        self.connection.connected[self] = self._connected
        self.connection.lasting += 1

    @classmethod
    def of(cls, client: Client) -> "Futures":
        found = client.connection.futures
        if found is None:
            found = client.connection.futures = cls(client)
        return found  # type: ignore[no-any-return]

    def submit(self, head: bytes, pickled: bool) -> Future:
        item = _Item(self, head, pickled)
        link = self.connection.link()
        self._open.add(item)
        if len(self._open) > MOST_OPEN:
            self._backlog.append(item)
        else:
            self._send(item, link)
        return item.future

    def _send(self, item: _Item, link: Link) -> None:
        item.link = link
        item.began = item.began or time.monotonic()

        def answered(call: Call) -> None:
            self._submitted(item, link, call)

        link.start(Call(self.connection.next_id(), None, None, answered), item.head)

    def _submitted(self, item: _Item, link: Link, call: Call) -> None:
        if item.link is not link or call.reply is None:
            return  # it goes, or went, out on the next connection
        try:
            id = result_of(call.reply)["id"]
        except errors.Draining:
            return
        except errors.Overloaded:
            item.link = None
            self._backlog.append(item)
            timer = threading.Timer(0.05, self._send_more)
            timer.daemon = True
            timer.start()
            return
        except errors.TaskqError as error:
            item.fail(error)
            return
        item.id = id
        self._by_id[id] = item

    def _send_more(self) -> None:
        while self._backlog and len(self._by_id) < MOST_OPEN:
            try:
                item = self._backlog.popleft()
            except IndexError:
                return
            if item in self._open:
                try:
                    self._send(item, self.connection.link())
                except errors.TaskqError as error:
                    item.fail(error)

    def _finished(self, outcome: Dict[str, Any]) -> None:
        if not outcome:  # no daemon any more
            for item in list(self._open):
                item.fail(errors.NoDaemon("%s: the daemon did not come back" % self.connection.url))
            return
        found = self._by_id.get(outcome["id"])
        if found is not None:
            found.end(outcome)

    def forget(self, item: _Item) -> None:
        self._open.discard(item)
        if item.id is not None:
            self._by_id.pop(item.id, None)
        if self._backlog:
            self._send_more()

    def _connected(self, link: Link) -> None:
        """A new connection: nobody has subscribed to anything on it."""
        known: Deque[_Item] = collections.deque()
        for item in list(self._open):
            if item.id is not None:
                known.append(item)
            elif item.link is not None:
                if time.monotonic() - item.began < KEEP_RESULT:
                    self._send(item, link)
                else:
                    item.fail(errors.Lost("the connection was lost before the submit was answered: it may have been "
                                          "done or not"))
        for _ in range(WINDOW):
            self._wait_for_next(known, link)

    def _wait_for_next(self, known: Deque[_Item], link: Link) -> None:
        try:
            item = known.popleft()
        except IndexError:
            return

        def answered(call: Call) -> None:
            if call.reply is None:
                return
            try:
                item.end(result_of(call.reply))
            except (errors.Failed, errors.Cancelled) as error:
                item.end(error.data)
            except (errors.Draining, errors.RequestCancelled):
                return
            except errors.TaskqError:
                item.fail(errors.Lost("the connection was lost, and the job's outcome is not kept any more: it may "
                                      "have been done or not"))
            self._wait_for_next(known, link)

        item.link = link
        link.start(Call(self.connection.next_id(), None, None, answered),
                   _wire.request("result", b'{"id":%d}' % (item.id or 0)))

    def cancel(self, item: _Item) -> bool:
        deadline = time.monotonic() + 30
        while item.id is None and not item.future.done():
            if item.link is None:  # not sent yet
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        try:
            return item.id is not None and bool(self.client.cancel(item.id)["cancelled"])
        except errors.TaskqError:
            return False


class Executor(concurrent.futures.Executor):
    """A concurrent.futures.Executor whose functions are run by the consumers of a queue: a `process` handler of the
    daemon's pool, or `python3 -m taskq.worker`, on any machine. Its futures are concurrent.futures.Futures.

    `queue`: whose workers run the functions. Without one, `max_workers` processes (else as many as there are
    processors) are started for a queue of this executor's own, as concurrent.futures.ProcessPoolExecutor does.

    A function is named by its module and its name there; arguments and results are JSON, or with serializer="pickle"
    anything that can be pickled, where all who use the queue are trusted. A job has one attempt unless `max_attempts`
    says more, so that an exception comes back at once; it is the exception itself where its type can be imported here,
    with the traceback of the worker as its cause.

    Futures outlive a restart of the daemon (those of a queue of the executor's own do not: they fail with Lost).
    """

    def __init__(self, queue: Optional[str] = None, max_workers: Optional[int] = None, *,
                 url: Union[str, Client, None] = None, serializer: str = "json", max_attempts: int = 1,
                 priority: float = 0, keep_result: float = KEEP_RESULT) -> None:
        if serializer not in ("json", "pickle"):
            raise ValueError("serializer is 'json' or 'pickle', not %r" % (serializer,))
        if max_workers is not None and max_workers < 1:
            raise ValueError("max_workers must be greater than 0")
        if queue is not None and max_workers is not None:
            raise ValueError("a queue with a name has workers of its own: max_workers is for a queue without one")
        self._client = client_of(url)
        self._pickled = serializer == "pickle"
        self._own: Optional[SimpleQueue[Any]] = None
        self._workers: List[subprocess.Popen[bytes]] = []
        if queue is None:
            self._own = SimpleQueue(url=self._client)
            queue = self._own.name
            self._start_workers(max_workers or os.cpu_count() or 1)
        self.queue: str = queue
        self._prefix = b'{"jsonrpc":"2.0","method":"submit","params":{"queue":%b,"body":' % _wire.encode(queue)
        key = secrets.token_hex(8)
        self._keys = ("%s-%d" % (key, n) for n in itertools.count())
        options: Dict[str, Any] = {"max_attempts": max_attempts, "keep_result": keep_result, "key_for": keep_result}
        if priority:
            options["priority"] = priority
        self._suffix = b',"notify":true,' + _wire.encode(options)[1:-1] + b',"key":"%b"},"id":'
        self._shut = False
        self._mine: Set[Future] = set()

    def _start_workers(self, count: int) -> None:
        assert self._own is not None
        command = [sys.executable, "-m", "taskq.worker", "--url", self._client.url, "--queue", self._own.name, "--any",
                   "--parent", str(os.getpid())]
        main = getattr(sys.modules.get("__main__"), "__file__", None)
        if main:
            command += ["--main", os.path.abspath(main)]
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path or os.getcwd() for path in sys.path))
        for _ in range(count):
            self._workers.append(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL))

    def _submit(self, body: bytes) -> Future:
        if self._shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        head = self._prefix + body + self._suffix % next(self._keys).encode()
        future = Futures.of(self._client).submit(head, self._pickled)
        self._mine.add(future)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: Any) -> None:
        self._mine.discard(future)

    def submit(self, fn: Task, /, *args: Any, **kwargs: Any) -> Future:
        """Has fn(*args, **kwargs) done; its Future."""
        return self._submit(_functions.job_body(_functions.name_of(fn), args, kwargs, self._pickled))

    def map(self, fn: Task, *iterables: Iterable[Any], timeout: Optional[float] = None, chunksize: int = 1,
            buffersize: Optional[int] = None) -> Iterator[Any]:
        """The results in the order of the arguments, `chunksize` of them a job."""
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if chunksize == 1:
            return super().map(fn, *iterables, timeout=timeout)
        end = None if timeout is None else time.monotonic() + timeout
        name, arguments = _functions.name_of(fn), zip(*iterables)
        futures: Deque[Future] = collections.deque()
        for chunk in iter(lambda: list(itertools.islice(arguments, chunksize)), []):
            futures.append(self._submit(_functions.chunk_body(name, chunk, self._pickled)))

        def results() -> Iterator[Any]:
            try:
                while futures:
                    future = futures.popleft()
                    yield from future.result(None if end is None else end - time.monotonic())
            finally:
                for future in futures:
                    future.cancel()

        return results()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No more jobs; `wait` for those under way, after taking back what nobody has begun with `cancel_futures`."""
        self._shut = True
        mine = list(self._mine)
        if cancel_futures:
            for future in mine:
                future.cancel()
        if wait:
            self._finish(mine)
        elif self._workers:
            threading.Thread(target=self._finish, args=(mine,)).start()

    def _finish(self, mine: List[Future]) -> None:
        concurrent.futures.wait(mine)
        self._stop_workers()

    def _stop_workers(self) -> None:
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()
        if self._own is not None:
            self._own.close()
