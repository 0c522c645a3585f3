"""multiprocessing.pool.ThreadPool's ways of calling functions, over an executor's workers."""

import itertools
import logging
import multiprocessing
import os
import threading
import warnings
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from . import errors
from ._futures import Future
from ._iterators import IMapIterator, IMapUnorderedIterator
from .client import Client
from .executor import Executor

_RUN, _CLOSE, _TERMINATE = "RUN", "CLOSE", "TERMINATE"
_AHEAD = 10_000  # jobs of one imap that are not finished

Function = Callable[..., Any]
Callback = Optional[Callable[[Any], object]]

log = logging.getLogger("taskq")


class AsyncResult:
    """What an `…_async` call comes to. Any thread may wait for it.

    `callback` gets the value, `error_callback` the exception, before anybody who waits goes on. They run on a thread
    that all callbacks of the connection share, so that they should be quick.
    """

    def __init__(self, callback: Callback = None, error_callback: Callback = None) -> None:
        self._callback, self._error_callback = callback, error_callback
        self._event = threading.Event()
        self._success = False
        self._value: Any = None

    def ready(self) -> bool:
        """Whether it has ended."""
        return self._event.is_set()

    def successful(self) -> bool:
        """Whether it ended without an exception; ValueError if it has not ended."""
        if not self.ready():
            raise ValueError("%r not ready" % (self,))
        return self._success

    def wait(self, timeout: Optional[float] = None) -> None:
        """Until it has ended, or `timeout` seconds."""
        self._event.wait(timeout)

    def get(self, timeout: Optional[float] = None) -> Any:
        """The value; what the function raised is raised here, multiprocessing.TimeoutError after `timeout` seconds."""
        self._event.wait(timeout)
        if not self.ready():
            raise multiprocessing.TimeoutError
        if self._success:
            return self._value
        raise self._value

    def _set(self, success: bool, value: Any) -> None:
        self._success, self._value = success, value
        callback = self._callback if success else self._error_callback
        self._callback = self._error_callback = None
        try:
            if callback is not None:
                callback(value)
        except Exception:
            log.exception("taskq: a callback failed")
        finally:
            self._event.set()

    def _set_from(self, future: "Future") -> None:
        self._set(*outcome_of(future))


class MapResult(AsyncResult):
    """The AsyncResult of a map: ready when all are, with the first exception if there was one."""

    def __init__(self, chunks: int, callback: Callback, error_callback: Callback) -> None:
        super().__init__(callback, error_callback)
        self._parts: List[List[Any]] = [[]] * chunks
        self._left = chunks
        self._error: Optional[BaseException] = None
        self._lock = threading.Lock()
        if not chunks:
            self._set(True, [])

    def _set_part(self, index: int, success: bool, value: Any) -> None:
        with self._lock:
            if success:
                self._parts[index] = value
            elif self._error is None:
                self._error = value
            self._left -= 1
            if self._left:
                return
        if self._error is not None:
            self._set(False, self._error)
        else:
            parts, self._parts = self._parts, []
            self._set(True, list(itertools.chain.from_iterable(parts)))


def outcome_of(future: Any) -> Tuple[bool, Any]:
    """Of a future that has ended: whether well, and its value or exception."""
    if future.cancelled():
        return False, errors.Cancelled("the pool was terminated")
    error = future.exception()
    return (False, error) if error is not None else (True, future.result())


class ThreadPool:
    """As multiprocessing.pool.ThreadPool and Pool: `processes` processes of its own (else as many as there are
    processors) that call functions, each after `initializer(*initargs)`.

    With `queue` the consumers of that queue call them, on any machine: a `process` handler of the daemon's pool, or
    `python3 -m taskq.worker`; `processes` is then how many there are, about, from which the size of a map's chunks
    follows. `url` and `serializer` are as Executor has them. Any number of threads may use it.

    It is an executor's other face: functions are named by their module and name, and what ends a worker fails its job
    with WorkerDied. A pool that is garbage while it runs warns, since its processes go with it.
    """

    def __init__(self, processes: Optional[int] = None, initializer: Optional[Function] = None,
                 initargs: Sequence[Any] = (), *, queue: Optional[str] = None, url: Union[str, Client, None] = None,
                 serializer: str = "json") -> None:
        self._state = ""
        if processes is not None and processes < 1:
            raise ValueError("Number of processes must be at least 1")
        self._processes = processes or os.cpu_count() or 1
        self._executor = Executor(queue, None if queue is not None else self._processes, initializer=initializer,
                                  initargs=initargs, url=url, serializer=serializer)
        self._executor._ends_with_program = True
        self._feeders: List[threading.Thread] = []
        self._closer: Optional[threading.Thread] = None
        self._state = _RUN

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        if self._state == _RUN:
            _warn("unclosed running pool %r" % (self,), ResourceWarning, source=self)

    def __repr__(self) -> str:
        return "<taskq.%s state=%s pool_size=%d>" % (type(self).__name__, self._state, self._processes)

    def __reduce__(self) -> Any:
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    def _check_running(self) -> None:
        if self._state != _RUN:
            raise ValueError("Pool not running")

    # ---- one call

    def apply(self, func: Function, args: Iterable[Any] = (), kwds: Optional[Mapping[str, Any]] = None) -> Any:
        """func(*args, **kwds), done by a worker; its value, or what it raised is raised."""
        return self.apply_async(func, args, kwds).get()

    def apply_async(self, func: Function, args: Iterable[Any] = (), kwds: Optional[Mapping[str, Any]] = None,
                    callback: Callback = None, error_callback: Callback = None) -> AsyncResult:
        """As apply, without waiting for it. What cannot be sent is an error of the result."""
        self._check_running()
        result = AsyncResult(callback, error_callback)
        try:
            future = self._executor.submit(func, *args, **(kwds or {}))
        except errors.TaskqError:
            raise
        except Exception as error:
            result._set(False, error)
        else:
            future.add_done_callback(result._set_from)  # type: ignore[arg-type]
        return result

    # ---- a call for each

    def map(self, func: Function, iterable: Iterable[Any], chunksize: Optional[int] = None) -> List[Any]:
        """[func(x) for x in iterable], done by the workers, `chunksize` of them a job (else a quarter of what each has
        to do)."""
        return self.map_async(func, iterable, chunksize).get()  # type: ignore[no-any-return]

    def map_async(self, func: Function, iterable: Iterable[Any], chunksize: Optional[int] = None,
                  callback: Callback = None, error_callback: Callback = None) -> AsyncResult:
        """As map, without waiting for it."""
        return self._map_async(func, iterable, _single, chunksize, callback, error_callback)

    def starmap(self, func: Function, iterable: Iterable[Iterable[Any]], chunksize: Optional[int] = None) -> List[Any]:
        """[func(*args) for args in iterable], as map."""
        return self.starmap_async(func, iterable, chunksize).get()  # type: ignore[no-any-return]

    def starmap_async(self, func: Function, iterable: Iterable[Iterable[Any]], chunksize: Optional[int] = None,
                      callback: Callback = None, error_callback: Callback = None) -> AsyncResult:
        """As starmap, without waiting for it."""
        return self._map_async(func, iterable, tuple, chunksize, callback, error_callback)

    def _map_async(self, func: Function, iterable: Iterable[Any], arguments: Callable[[Any], Any],
                   chunksize: Optional[int], callback: Callback, error_callback: Callback) -> AsyncResult:
        self._check_running()
        if not hasattr(iterable, "__len__"):
            iterable = list(iterable)
        count = len(iterable)  # type: ignore[arg-type]
        if chunksize is None:
            chunksize = -(-count // (self._processes * 4)) or 1
        elif chunksize < 1:
            raise ValueError("Chunksize must be 1+, not %r" % (chunksize,))
        result = MapResult(-(-count // chunksize), callback, error_callback)
        rest = iter(iterable)
        for index in range(-(-count // chunksize)):
            try:
                chunk = [arguments(each) for each in itertools.islice(rest, chunksize)]
                future = self._executor._submit_chunk(func, chunk)
            except Exception as error:
                result._set_part(index, False, error)
            else:
                future.add_done_callback(_part(result, index))
        return result

    def imap(self, func: Function, iterable: Iterable[Any], chunksize: int = 1) -> IMapIterator:
        """The results in their order, as they come. The iterable is read by a thread of its own, which stays up to
        10,000 jobs ahead of what is finished. The iterator's next(timeout) is next() that waits so many seconds, then
        raises multiprocessing.TimeoutError."""
        return self._imap(IMapIterator(), func, iterable, chunksize)

    def imap_unordered(self, func: Function, iterable: Iterable[Any], chunksize: int = 1) -> IMapIterator:
        """As imap; what is done first comes first."""
        return self._imap(IMapUnorderedIterator(), func, iterable, chunksize)

    def _imap(self, results: IMapIterator, func: Function, iterable: Iterable[Any], chunksize: int) -> IMapIterator:
        self._check_running()
        if chunksize < 1:
            raise ValueError("Chunksize must be 1+, not %r" % (chunksize,))
        feeder = threading.Thread(target=self._feed, args=(results, func, iter(iterable), chunksize),
                                  name="taskq-imap", daemon=True)
        self._feeders = [each for each in self._feeders if each.is_alive()] + [feeder]
        feeder.start()
        return results

    def _feed(self, results: IMapIterator, func: Function, arguments: Iterator[Any], chunksize: int) -> None:
        room = threading.Semaphore(_AHEAD)

        def ended(index: int) -> Callable[[Any], None]:
            def end(future: Any) -> None:
                results._put(index, *outcome_of(future))
                room.release()

            return end

        index = 0
        try:
            for chunk in iter(lambda: [(each,) for each in itertools.islice(arguments, chunksize)], []):
                while not room.acquire(timeout=1.0):
                    if self._state == _TERMINATE:
                        break
                if self._state == _TERMINATE:
                    raise errors.Cancelled("the pool was terminated")
                future = self._executor._submit_chunk(func, chunk)
                future.add_done_callback(ended(index))
                index += 1
        except BaseException as error:
            results._put(index, False, error)
            index += 1
        results._set_length(index)

    # ---- its end

    def close(self) -> None:
        """No more calls; the processes end when what was asked for is done."""
        if self._state == _RUN:
            self._state = _CLOSE
            self._closer = threading.Thread(target=self._finish, name="taskq-pool", daemon=True)
            self._closer.start()

    def _finish(self) -> None:
        for feeder in self._feeders:
            feeder.join()
        self._executor.shutdown()

    def terminate(self) -> None:
        """Ends it at once. What is not done fails with taskq.Cancelled; processes of its own are killed, while the
        consumers of a queue with a name finish what they have begun."""
        self._state = _TERMINATE
        self._executor._terminate()

    def join(self) -> None:
        """Waits for the end, after close or terminate."""
        if self._state == _RUN:
            raise ValueError("Pool is still running")
        if self._closer is not None:
            self._closer.join()
        for feeder in self._feeders:
            feeder.join()
        self._executor.shutdown()

    def __enter__(self) -> "ThreadPool":
        self._check_running()
        return self

    def __exit__(self, *unused: object) -> None:
        self.terminate()


Pool = ThreadPool


def _single(argument: Any) -> Tuple[Any]:
    return (argument,)


def _part(result: MapResult, index: int) -> Callable[[Any], None]:
    def ended(future: Any) -> None:
        result._set_part(index, *outcome_of(future))

    return ended
