"""The queue module's classes, over the wire."""

import collections
import threading
from typing import Any, Callable, Deque, Dict, List, Optional, TypeVar, Union

from . import _wire, errors
from ._connection import Call, result_of
from ._simple import SimpleQueue
from .client import Client

__all__ = ["JoinableQueue", "LifoQueue", "PriorityQueue", "Queue", "SimpleQueue"]

T = TypeVar("T")

LEASE = 60.0


class _Held:
    __slots__ = ("id", "delivery")

    def __init__(self, job: Dict[str, Any]) -> None:
        self.id: int = job["id"]
        self.delivery: int = job["delivery"]


class Queue(SimpleQueue[T]):
    """A FIFO queue, as queue.Queue; see SimpleQueue for what a name does and the other arguments.

    `get` takes an item for good: it is gone from the daemon when it comes. `task_done` and `join` then count within
    this object, as the standard library's do: `join` waits until the queue is empty and all that was got by this
    object is done. Consumers in several processes whose work must not be lost take a JoinableQueue.

    `maxsize` 0 leaves the bound of a named queue as it is (at first: none).
    """

    def __init__(self, maxsize: int = 0, *, name: Optional[str] = None, url: Union[str, Client, None] = None,
                 durable: Optional[bool] = None, serializer: str = "json", idempotent: bool = False,
                 lease: Optional[float] = None, max_attempts: Optional[int] = None,
                 joinable: Optional[bool] = None) -> None:
        if joinable is not None:
            self._joinable = joinable
        self._lease = lease or LEASE
        self._set_up(name, url, serializer, idempotent)
        settings: Dict[str, Any] = {"order": "lifo" if self._order == "lifo" else "fifo"}
        if maxsize > 0:
            settings["maxsize"] = maxsize
        for word, value in (("durable", durable), ("lease", lease), ("max_attempts", max_attempts)):
            if value is not None:
                settings[word] = value
        self._declare(settings)
        if maxsize > 0 or self._private:
            self._maxsize = maxsize

    def _set_up(self, name: Optional[str], url: Union[str, Client, None], serializer: str, idempotent: bool) -> None:
        super()._set_up(name, url, serializer, idempotent)
        self._open = 0  # items got and not done, where the daemon does not count them
        self._lock = threading.Lock()  # of _open
        self._done = threading.Condition(self._lock)
        self._held: Dict[int, Deque[_Held]] = {}  # by thread, where it does

    def _get_options(self) -> bytes:
        return b',"lease":%.3f' % self._lease if self._joinable else super()._get_options()

    def _state(self) -> Dict[str, Any]:
        return {"_maxsize": self._maxsize, "_joinable": self._joinable, "_lease": self._lease}

    @property
    def maxsize(self) -> int:
        """How many items there may be; 0: any number. Setting it changes the queue for all."""
        return self._maxsize

    @maxsize.setter
    def maxsize(self, maxsize: int) -> None:
        self._client.declare(self._name, maxsize=max(0, maxsize))
        self._maxsize = maxsize

    def full(self) -> bool:
        """Whether there are `maxsize` items now."""
        stats = self._stats()
        most = stats["settings"]["maxsize"]
        return bool(0 < most <= stats["gauges"]["ready"] + stats["gauges"]["delayed"])

    # ---- getting

    def _get_hook(self) -> Optional[Callable[[bytes], None]]:
        return None if self._joinable else self._took

    def _took(self, line: bytes) -> None:
        """An item was handed over: seen when the reply is read, so that a join which is answered after it counts it."""
        at = line.find(b'"result":', 20, 64)
        if at > 0:
            count = line.count(b'"delivery":') if line.startswith(b'{"jobs"', at + 9) else 1
            with self._lock:
                self._open += count

    def _item(self, job: Dict[str, Any]) -> T:
        if self._joinable:
            self._hold(job)
        return super()._item(job)

    def _hold(self, job: Dict[str, Any]) -> None:
        held = _Held(job)
        self._connection.leases.keep(held.id, held.delivery, self._lease)
        me = threading.get_ident()
        mine = self._held.get(me)
        if mine is None:
            mine = self._held.setdefault(me, collections.deque())
        mine.append(held)

    def _give_back(self, call: Call) -> None:
        if not self._joinable:
            super()._give_back(call)
            if call.reply is not None and call.reply.find(b'"result":', 20, 64) > 0:
                self.task_done()
            return
        try:
            result = result_of(call.reply) if call.reply is not None else {}
        except errors.TaskqError:
            return
        for job in result.get("jobs", [result] if result else []):
            self._client.notify("release", id=job["id"], delivery=job["delivery"])

    # ---- what was got is done

    def _next_held(self) -> _Held:
        """The oldest job of this thread; a thread that got none speaks for the others."""
        mine = self._held.get(threading.get_ident())
        for each in ([mine] if mine else []) + list(self._held.values()):
            try:
                return each.popleft()
            except IndexError:
                continue
        raise ValueError("task_done() called too many times")

    def task_done(self) -> None:
        """What was got before is done. In a joinable queue that acknowledges the oldest job that this thread got (a
        thread that got none: the oldest of another's), and raises taskq.NotReserved where the job went back meanwhile,
        because the connection was lost."""
        if self._joinable:
            held = self._next_held()
            self._connection.leases.drop(held.id)
            self._client.ack(held.id, delivery=held.delivery)
            return
        with self._done:
            if self._open <= 0:
                raise ValueError("task_done() called too many times")
            self._open -= 1
            if self._open == 0:
                self._done.notify_all()

    def task_failed(self, error: Any = None) -> None:
        """In a joinable queue: what was got failed. It is tried again after the queue's backoff, or is dead after its
        last attempt."""
        if not self._joinable:
            raise TypeError("only the items of a joinable queue can fail: others are taken for good")
        held = self._next_held()
        self._connection.leases.drop(held.id)
        self._client.nack(held.id, delivery=held.delivery, error=error)

    @property
    def unfinished_tasks(self) -> int:
        """How many items are put and not done."""
        gauges = self._stats()["gauges"]
        return int(gauges["ready"] + gauges["delayed"] + gauges["reserved"]) + self._open

    def join(self) -> None:
        """Waits until all that was put is got and done."""
        line = _wire.request("join", _wire.encode({"queue": self._name}))
        while True:
            self._connection.call(lambda _: line, None, True, patient=True)
            with self._done:
                if self._open == 0:
                    return
                while self._open:
                    self._done.wait()


class LifoQueue(Queue[T]):
    """As Queue; what was put last is got first."""

    _order = "lifo"


class PriorityQueue(Queue[T]):
    """As Queue; the least item is got first. The order is that of numbers, and of tuples and lists that begin with one; among
    equal numbers the item that was put first comes first, whatever stands behind the number. Items of any other kind,
    strings for one, count as 0."""

    _order = "priority"

    def _priority(self, item: Any) -> bytes:
        first = item
        if isinstance(item, (tuple, list)) and item:
            first = item[0]
        if not isinstance(first, (int, float)) or first == 0:
            return b""
        return b',"priority":%b' % _wire.encode(float(first))


class JoinableQueue(Queue[T]):
    """As Queue, but what is got stays the daemon's until `task_done`: a consumer that dies, or loses its connection,
    gives its jobs back to the others, and `join` waits for the work of every process. While the process lives, the
    jobs that it holds stay its own, however long they take."""

    _joinable = True
