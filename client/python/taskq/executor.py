"""concurrent.futures over the wire."""

import atexit
import collections
import concurrent.futures
import itertools
import os
import secrets
import threading
import time
import weakref
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Union

from . import _functions, _wire, errors
from ._futures import KEEP_RESULT, Future, Futures
from ._workers import KILL, STOP, Workers
from .client import Client, client_of
from .queues import SimpleQueue

Task = Callable[..., Any]

_all: "weakref.WeakSet[Executor]" = weakref.WeakSet()
_exiting = False


class Executor(concurrent.futures.Executor):
    """A concurrent.futures.Executor whose functions are run by the consumers of a queue: a `process` handler of the
    daemon's pool, or `python3 -m taskq.worker`, on any machine. Its futures are concurrent.futures.Futures. Any number
    of threads may use it.

    `queue`: whose workers run the functions. Without one, or with a number in its place, `max_workers` processes (else
    as many as there are processors) are started for a queue of this executor's own, as ProcessPoolExecutor does; each
    runs `initializer(*initargs)` first, and where that fails, futures fail with WorkerDied. One that dies is replaced,
    and the job that it ran fails with WorkerDied.

    `url`: the daemon's address or a Client; else as Client has it. `serializer`: a function is named by its module and
    its name there, arguments and results are "json" (tuples come back as lists), or with "pickle" anything that can be
    pickled, where all who use the queue are trusted and its workers are started with --pickle. `max_attempts`: a job has
    one, so that an exception comes back at once; it is the exception itself where its type can be imported here, with the
    traceback of the worker as its cause. `priority`: a number, lower ones first. `keep_result`: for how many seconds
    outcomes are kept for a program that lost its connection.

    Futures outlive a restart of the daemon (those of a queue of the executor's own do not: they fail with Lost), and fail
    with Closed when their client is closed. At the end of the program what its own workers have to do is waited for, as
    the standard library's executors do; what others do is only handed to the daemon.
    """

    def __init__(self, queue: Union[str, int, None] = None, max_workers: Optional[int] = None, *,
                 initializer: Optional[Task] = None, initargs: Sequence[Any] = (),
                 url: Union[str, Client, None] = None, serializer: str = "json", max_attempts: int = 1,
                 priority: float = 0, keep_result: float = KEEP_RESULT) -> None:
        if isinstance(queue, int):
            queue, max_workers = None, queue
        if serializer not in ("json", "pickle"):
            raise ValueError("serializer is 'json' or 'pickle', not %r" % (serializer,))
        if max_workers is not None and max_workers < 1:
            raise ValueError("max_workers must be greater than 0")
        if queue is not None and (max_workers is not None or initializer is not None):
            raise ValueError("a queue with a name has workers of its own: max_workers and initializer are for a queue "
                             "without one")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._client = client_of(url)
        self._pickled = serializer == "pickle"
        self._own: Optional[SimpleQueue[Any]] = None
        self._workers: Optional[Workers] = None
        self._shut = False
        self._broken = ""
        self._mine: Set[Future] = set()
        self._ends_with_program = False  # it is not waited for then
        if queue is None:
            self._max_workers = max_workers or os.cpu_count() or 1
            self._own, self._workers = self._start(initializer, initargs)
            queue = self._own.name
        self.queue: str = queue
        self._prefix = b'{"jsonrpc":"2.0","method":"submit","params":{"queue":%b,"body":' % _wire.encode(queue)
        key = secrets.token_hex(8)
        self._next_key = map((key + "-%d").__mod__, itertools.count()).__next__  # one step, so that threads may
        options: Dict[str, Any] = {"max_attempts": max_attempts, "keep_result": keep_result, "key_for": keep_result}
        if priority:
            options["priority"] = priority
        self._suffix = b',"notify":true,' + _wire.encode(options)[1:-1] + b',"key":"%b"},"id":'
        _all.add(self)

    def _start(self, initializer: Optional[Task], initargs: Sequence[Any]) -> "tuple[SimpleQueue[Any], Workers]":
        if _functions.in_worker:
            raise RuntimeError("an executor's workers may not start workers by being loaded: what the program does "
                               "stands under `if __name__ == \"__main__\":`")
        body = None if initializer is None else _functions.job_body(initializer, initargs, {}, self._pickled)
        own: SimpleQueue[Any] = SimpleQueue(url=self._client)
        this = weakref.ref(self)

        def failed(why: str) -> None:
            executor = this()
            if executor is not None:
                executor._break(why)

        workers = Workers(self._client, own.name, self._max_workers, pickled=self._pickled, initializer=body,
                          failed=failed)
        weakref.finalize(self, workers.tell, STOP).atexit = False  # when nobody holds the executor, nor a future of it
        return own, workers

    def _break(self, why: str) -> None:
        """There are no workers, and there will be none."""
        self._broken = why
        for future in list(self._mine):
            future._item.fail(errors.WorkerDied(why))

    def _submit(self, body: bytes) -> Future:
        if self._broken:
            raise errors.WorkerDied(self._broken)
        if _exiting:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        if self._shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        head = self._prefix + body + self._suffix % self._next_key().encode()
        future = Futures.of(self._client).submit(head, self._pickled)
        self._mine.add(future)
        future.add_done_callback(self._ended)
        if self._broken:
            future._item.fail(errors.WorkerDied(self._broken))
        return future

    def _ended(self, future: Any) -> None:
        self._mine.discard(future)

    def submit(self, fn: Task, /, *args: Any, **kwargs: Any) -> Future:
        """Has fn(*args, **kwargs) done; its Future. TypeError or ValueError where they cannot be sent."""
        return self._submit(_functions.job_body(fn, args, kwargs, self._pickled))

    def _submit_chunk(self, fn: Task, chunk: Sequence[Sequence[Any]]) -> Future:
        return self._submit(_functions.chunk_body(fn, chunk, self._pickled))

    def map(self, fn: Task, *iterables: Iterable[Any], timeout: Optional[float] = None, chunksize: int = 1,
            buffersize: Optional[int] = None) -> Iterator[Any]:
        """The results in the order of the arguments, `chunksize` of them a job. All are submitted at once, or with
        `buffersize` no more than so many jobs ahead of what was taken. concurrent.futures.TimeoutError when one is not
        there `timeout` seconds after the call."""
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        end = None if timeout is None else time.monotonic() + timeout
        arguments = zip(*iterables)
        chunks = iter(lambda: list(itertools.islice(arguments, chunksize)), [])

        def submit(chunk: List[Any]) -> Future:
            return self._submit_chunk(fn, chunk) if chunksize > 1 else self.submit(fn, *chunk[0])

        futures: Deque[Future] = collections.deque(map(submit, itertools.islice(chunks, buffersize)))

        def next_result() -> Any:
            future = futures[0]
            result = future.result(None if end is None else end - time.monotonic())
            futures.popleft()
            if buffersize is not None:
                futures.extend(map(submit, itertools.islice(chunks, 1)))
            return result

        def results() -> Iterator[Any]:
            try:
                while futures:
                    if chunksize > 1:
                        yield from _emptied(next_result())
                    else:
                        yield next_result()
            finally:
                for future in futures:
                    future.cancel()

        return results()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No more jobs; `wait` for those under way, after taking back what nobody has begun with `cancel_futures`."""
        self._shut = True
        mine = list(self._mine)
        if cancel_futures and mine:
            Futures.of(self._client).cancel_all([future._item for future in mine])
        if wait:
            self._finish(mine)
        elif self._workers is not None:
            threading.Thread(target=self._finish, args=(mine,), name="taskq-shutdown").start()

    def _finish(self, mine: List[Future]) -> None:
        concurrent.futures.wait(mine)
        self._stop(STOP)

    def _sent(self) -> None:
        """Waits until the daemon has what was submitted."""
        for future in list(self._mine):
            future._item.futures.known(future._item)

    def _terminate(self) -> None:
        """Ends it all now: what is not done is cancelled, what runs in workers of its own is killed."""
        self._shut = True
        mine = [future._item for future in list(self._mine)]
        if self._workers is not None:
            self._workers.tell(KILL)
        if mine:
            Futures.of(self._client).cancel_all(mine, self._workers is not None)
        self._stop(KILL)

    def _stop(self, word: bytes) -> None:
        if self._workers is not None:
            self._workers.tell(word)
            self._workers.wait()
        if self._own is not None:
            self._own.close()


def _emptied(results: List[Any]) -> Iterator[Any]:
    """Each, without holding on to it."""
    results.reverse()
    while results:
        yield results.pop()


def _at_exit() -> None:
    """As the standard library's executors: what was submitted is done before the program ends; or, where others do it, it is
    the daemon's."""
    global _exiting
    _exiting = True
    for executor in list(_all):
        if executor._ends_with_program:
            executor._terminate()
        elif executor._workers is not None:
            executor.shutdown()
        else:
            executor._sent()


# Before the end of threads, which comes before atexit's functions; the standard library's executors do the same.
getattr(threading, "_register_atexit", atexit.register)(_at_exit)
