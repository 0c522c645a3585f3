"""The queue module's classes, over the wire."""

import collections
import os
import secrets
import threading
import time
import weakref
from typing import Any, Callable, Deque, Dict, Generic, Iterable, List, Optional, Tuple, Type, TypeVar, Union

from . import _wire, errors
from ._codec import Json, codec_of
from ._connection import Call, Connection, Link, result_of
from .client import Client, client_of

T = TypeVar("T")

MOST = 1000  # jobs of one get, puts of one batch
BATCH_BYTES = 512 << 10
# How long the key of a put that waited goes on naming its job: a put is repeated within this time or not at all.
KEY_FOR = 300
LEASE = 60.0

_PUT = b'{"jsonrpc":"2.0","method":"put","params":{"queue":%b,"body":'
_GET = b'{"jsonrpc":"2.0","method":"get","params":{"queue":%b'


class _Held:
    __slots__ = ("id", "delivery")

    def __init__(self, job: Dict[str, Any]) -> None:
        self.id: int = job["id"]
        self.delivery: int = job["delivery"]


class SimpleQueue(Generic[T]):
    """An unbounded FIFO queue, as queue.SimpleQueue.

    Without a name it is private: it goes when this object does, or the process, or its connection; processes that were
    given the object (by fork or pickle) may use it meanwhile. With a name it is everybody's who names it, and stays.

    `url` is a daemon's address or a Client (else $TASKQ_ADDR, else 127.0.0.1:7480). `durable`: whether its items are
    kept on the daemon's disk (a named queue's are unless it was told otherwise, a private one's never). `serializer`:
    "json" (tuples come back as lists), or "pickle" where all who may put are trusted. `idempotent`: every put bears a
    key, so that it is repeated where its reply was lost; else such a put raises taskq.Lost.
    """

    _order = "fifo"
    _joinable = False

    def __init__(self, *, name: Optional[str] = None, url: Union[str, Client, None] = None,
                 durable: Optional[bool] = None, serializer: str = "json", idempotent: bool = False) -> None:
        self._set_up(name, url, serializer, idempotent)
        settings: Dict[str, Any] = {"order": self._order}
        if durable is not None:
            settings["durable"] = durable
        self._declare(settings)

    def _set_up(self, name: Optional[str], url: Union[str, Client, None], serializer: str, idempotent: bool) -> None:
        self._client = client_of(url)
        self._connection: Connection = self._client.connection
        self._private = name is None
        self._name = name if name is not None else "private-%d-%s" % (os.getpid(), secrets.token_hex(8))
        self._codec = codec_of(serializer)
        self._encode: Callable[[Any], bytes] = self._codec.encode
        self._plain = self._codec is Json  # what comes is the item
        self._idempotent = idempotent
        self._maxsize = 0
        self._told: Optional[Link] = None
        quoted = _wire.encode(self._name)
        self._put_head = _PUT % quoted
        self._get_head = _GET % quoted + (b"" if self._joinable else b',"auto_ack":true')

    # ---- the queue itself

    def _declare(self, settings: Dict[str, Any]) -> None:
        if self._private:
            if settings.pop("durable", False):
                raise ValueError("a private queue goes with its owner: only a queue with a name can be durable")
            params = _wire.encode({"queue": self._name, "owned": True, **settings})
            key = object()
            self._connection.connected[key] = _declarer(weakref.ref(self), params)
            self._finalizer = weakref.finalize(self, _left, self._connection, key, self._name, os.getpid())
            self._finalizer.atexit = False
            link = self._connection.link()
            if self._told is not link:
                self._connection.connected[key](link)
        else:
            self._maxsize = self._client.declare(self._name, **settings)["maxsize"]

    @property
    def name(self) -> str:
        return self._name

    @property
    def client(self) -> Client:
        return self._client

    def close(self) -> None:
        """Drops a private queue now; a queue with a name stays."""
        if self._private:
            self._finalizer()
            try:
                self._client.ping()  # takes what the finalizer left along
            except errors.TaskqError:
                pass

    def __reduce__(self) -> Any:
        return _attached, (type(self), self._name, self._connection.url, self._codec.name, self._idempotent,
                           self._state())

    def _state(self) -> Dict[str, Any]:
        return {"_maxsize": self._maxsize}

    def __repr__(self) -> str:
        return "<taskq.%s %r at %s>" % (type(self).__name__, self._name, self._connection.url)

    def _stats(self) -> Dict[str, Any]:
        try:
            return self._client.stats(self._name)
        except errors.NotFound:
            return {"gauges": {"ready": 0, "delayed": 0, "reserved": 0}, "settings": {"maxsize": self._maxsize},
                    "shut_down": False}

    def qsize(self) -> int:
        """How many items are there now. Others may put and get before you have read it."""
        gauges = self._stats()["gauges"]
        return int(gauges["ready"] + gauges["delayed"])

    def empty(self) -> bool:
        return self.qsize() == 0

    # ---- putting

    def _priority(self, item: Any) -> bytes:
        """What follows a put's body."""
        return b""

    def put(self, item: T, block: bool = True, timeout: Optional[float] = None) -> None:
        """Puts an item. A queue with a `maxsize` that is full is waited for: for ever, for `timeout` seconds (then
        taskq.Full), or not at all without `block`."""
        head = self._put_head + self._encode(item) + self._priority(item)
        connection = self._connection
        if self._idempotent:
            self._put_keyed(head, 0.0 if not block else timeout)
        elif self._maxsize <= 0 and block and timeout is None:
            line = head + b'},"id":'
            connection.call(lambda _: line, None)
        elif not block or timeout == 0:
            line = head + b',"timeout":0},"id":'
            connection.call(lambda _: line)
        else:
            if timeout is not None and timeout < 0 and self._maxsize > 0:
                raise ValueError("'timeout' must be a non-negative number")
            line = head + b',"timeout":0},"id":'
            began = time.monotonic()
            try:
                connection.call(lambda _: line)
            except errors.Full:
                # It has to wait, perhaps for long: with a key, so that it can go on waiting after a lost connection.
                left = None if timeout is None else timeout - (time.monotonic() - began)
                if left is not None and left <= 0:
                    raise
                self._put_keyed(head, left)

    def _put_keyed(self, head: bytes, timeout: Optional[float]) -> None:
        head += b',"key":"%b","key_for":%d' % (secrets.token_hex(12).encode(), KEY_FOR)

        def make(left: Optional[float]) -> bytes:
            return head + (b'},"id":' if left is None else b',"timeout":%.3f},"id":' % left)

        self._connection.call(make, timeout, True)

    def put_nowait(self, item: T) -> None:
        self.put(item, False)

    def put_many(self, items: Iterable[T]) -> None:
        """Puts many items, in their order, in large batches; waits where the queue is full. Where it fails, the
        exception's `data["put"]` says how many are put (`data["unsure"]`: of how many more that is not known)."""
        sender = _Batches(self._connection, self._put_head)
        encode, priority, prioritised = self._encode, self._priority, self._order == "priority"
        for item in items:
            body = encode(item)
            sender.add(body + priority(item) if prioritised else body)
        sender.finish()

    # ---- getting

    def _make_get(self, extra: bytes) -> Callable[[Optional[float]], bytes]:
        head = self._get_head + extra

        def make(left: Optional[float]) -> bytes:
            return head + (b'},"id":' if left is None else b',"timeout":%.4f},"id":' % left)

        return make

    def _ask_for(self, extra: bytes, timeout: Optional[float]) -> Dict[str, Any]:
        return self._connection.call(self._make_get(extra), timeout, True, None, self._give_back)

    def get(self, block: bool = True, timeout: Optional[float] = None) -> T:
        """Takes an item, for good. An empty queue is waited for: for ever, for `timeout` seconds (then taskq.Empty),
        or not at all without `block`."""
        return self._item(self._ask_for(b"", self._patience(block, timeout)))

    @staticmethod
    def _patience(block: bool, timeout: Optional[float]) -> Optional[float]:
        if not block:
            return 0.0
        if timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        return timeout

    def _item(self, job: Dict[str, Any]) -> T:
        return job["body"] if self._plain else self._codec.decode(job["body"])  # type: ignore[no-any-return]

    def get_nowait(self) -> T:
        return self.get(False)

    def get_many(self, most: int, block: bool = True, timeout: Optional[float] = None) -> List[T]:
        """Takes up to `most` items, at least one: it waits, as `get`, only while there is none."""
        if most < 1:
            raise ValueError("'most' must be at least 1")
        first = min(most, MOST)
        jobs: List[Dict[str, Any]] = self._ask_for(b',"max":%d' % first, self._patience(block, timeout))["jobs"]
        got = len(jobs)
        items = []
        while got == first and most > got:
            # The next lot is on its way while this one is looked at.
            most -= got
            first = min(most, MOST)
            link = self._connection.link()
            call = Call(self._connection.next_id(), time.monotonic() + 60, self._get_hook())
            link.start(call, self._make_get(b',"max":%d' % first)(0.0))
            items += [self._item(job) for job in jobs]
            jobs = []
            link.wait(call)
            if call.reply is None:
                break
            try:
                jobs = result_of(call.reply)["jobs"]
            except (errors.Empty, errors.ShutDown, errors.Draining):
                break
            got = len(jobs)
        items += [self._item(job) for job in jobs]
        return items

    def _get_hook(self) -> Optional[Callable[[bytes], None]]:
        return None

    def _give_back(self, call: Call) -> None:
        """The caller of a get was interrupted, and a job came nevertheless: it goes back, to its end of the queue."""
        try:
            result = result_of(call.reply) if call.reply is not None else {}
        except errors.TaskqError:
            return
        for job in result.get("jobs", [result] if result else []):
            self._client.put(self._name, job["body"], priority=job["priority"], timeout=None)

    # ---- its end

    def shutdown(self, immediate: bool = False) -> None:
        """Puts raise taskq.ShutDown from now on, and gets when the queue is empty; with `immediate` at once."""
        self._client.shutdown(self._name, immediate=immediate or None)
        pause = 0.0005
        while immediate and self.qsize() > 0:  # the daemon empties a long queue little by little
            time.sleep(pause)
            pause = min(2 * pause, 0.1)

    @property
    def is_shutdown(self) -> bool:
        return bool(self._stats()["shut_down"])


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
        self._set_up_counts()
        settings: Dict[str, Any] = {"order": "lifo" if self._order == "lifo" else "fifo"}
        if maxsize > 0:
            settings["maxsize"] = maxsize
        for word, value in (("durable", durable), ("lease", lease), ("max_attempts", max_attempts)):
            if value is not None:
                settings[word] = value
        self._declare(settings)
        if maxsize > 0 or self._private:
            self._maxsize = maxsize

    def _set_up_counts(self) -> None:
        self._open = 0  # items got and not done, where the daemon does not count them
        self._done = threading.Condition()
        self._held: Dict[int, Deque[_Held]] = {}  # by thread, where it does
        if self._joinable:
            self._get_head += b',"lease":%.3f' % self._lease

    def _state(self) -> Dict[str, Any]:
        return {"_maxsize": self._maxsize, "_joinable": self._joinable, "_lease": self._lease}

    @property
    def maxsize(self) -> int:
        return self._maxsize

    @maxsize.setter
    def maxsize(self, maxsize: int) -> None:
        self._client.declare(self._name, maxsize=max(0, maxsize))
        self._maxsize = maxsize

    def full(self) -> bool:
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
            with self._done:
                self._open += count

    def _ask_for(self, extra: bytes, timeout: Optional[float]) -> Dict[str, Any]:
        return self._connection.call(self._make_get(extra), timeout, True, self._get_hook(), self._give_back)

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
        gauges = self._stats()["gauges"]
        return int(gauges["ready"] + gauges["delayed"] + gauges["reserved"]) + self._open

    def join(self) -> None:
        """Waits until all that was put is got and done."""
        while True:
            self._client.join(self._name)
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


def _declarer(queue: "weakref.ref[SimpleQueue[Any]]", params: bytes) -> Callable[[Link], None]:
    def declare(link: Link) -> None:
        one = queue()
        if one is None:
            return
        try:
            link.ask("declare", params)
        except errors.InvalidParams:
            # The daemon has not noticed yet that the connection it belonged to is no more.
            link.ask("drop", _wire.encode({"queue": one._name}))
            link.ask("declare", params)
        one._told = link

    return declare


def _left(connection: Connection, key: object, name: str, owner: int) -> None:
    """A private queue's object is gone, so the queue goes."""
    connection.connected.pop(key, None)
    if owner == os.getpid():
        connection.leftovers.append(_wire.notification("drop", _wire.encode({"queue": name})))


def _attached(kind: Type[SimpleQueue[Any]], name: str, url: str, serializer: str, idempotent: bool,
              state: Dict[str, Any]) -> SimpleQueue[Any]:
    """A queue that was pickled: the same one on the daemon, whoever owns it."""
    queue = kind.__new__(kind)
    queue._joinable = state.get("_joinable", kind._joinable)
    if isinstance(queue, Queue):
        queue._lease = state["_lease"]
    queue._set_up(name, url, serializer, idempotent)
    if isinstance(queue, Queue):
        queue._set_up_counts()
    queue._maxsize = state["_maxsize"]
    return queue


class _Batches:
    """Puts on their way in batches, two at a time, so that one is carried out while the next is made."""

    def __init__(self, connection: Connection, head: bytes) -> None:
        self._connection = connection
        self._head = head
        self._bodies: List[bytes] = []
        self._bytes = 0
        self._flying: Deque[Tuple[Link, Call, int]] = collections.deque()
        self._put = 0
        link = connection.link()
        self._most_bytes = min(BATCH_BYTES, link.largest // 2)
        self._body, self._deepest = link.hello["limits"]["body"], link.deepest
        self._batch = min(MOST, link.hello["limits"]["batch"])

    def add(self, body: bytes) -> None:
        if len(body) > 2 * self._deepest - 8:
            _wire.check(body, self._body, self._deepest - 3)
        self._bodies.append(body)
        self._bytes += len(body) + len(self._head)
        if len(self._bodies) >= self._batch or self._bytes >= self._most_bytes:
            self._send()

    def finish(self) -> None:
        if self._bodies:
            self._send()
        while self._flying:
            self._settle()

    def _send(self) -> None:
        if len(self._flying) > 1:
            self._settle()
        id = self._connection.next_id()
        between = b'},"id":%d},' % id + self._head
        line = b"[%b%b%b]\n" % (self._head, between.join(self._bodies), b'},"id":%d}' % id)
        count = len(self._bodies)
        self._bodies, self._bytes = [], 0
        link = self._connection.link()
        call = Call(id)
        self._flying.append((link, call, count))
        link.start_line(call, line)

    def _settle(self) -> None:
        link, call, count = self._flying.popleft()
        link.wait(call)
        if call.reply is None:
            unsure = count + sum(more for _, other, more in self._flying if other.sent)
            raise errors.Lost("the connection was lost (%s): %d are put, of %d more that is not known"
                              % (link.why, self._put, unsure), {"put": self._put, "unsure": unsure})
        if b'"error":' not in call.reply:
            self._put += count
            return
        replies = _wire.decode(call.reply.decode())
        if isinstance(replies, dict):  # the batch as a whole was refused
            replies = [replies] * count
        failed = [reply["error"] for reply in replies if "error" in reply]
        self._put += count - len(failed)
        while self._flying:  # what is on its way is counted too
            try:
                self._settle()
            except errors.TaskqError:
                pass
        error = errors.of_reply(failed[0])
        error.data["put"] = self._put
        raise error
