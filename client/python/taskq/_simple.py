"""taskq.SimpleQueue: what all kinds of queues share."""

import os
import secrets
import time
import weakref
from typing import Any, Callable, Dict, Generic, Iterable, List, Optional, Type, TypeVar, Union

from . import _private, _wire, errors
from ._batches import Batches
from ._codec import Json, codec_of
from ._connection import Call, Connection, Link, Make, result_of
from .client import Client, client_of

T = TypeVar("T")

MOST = 1000  # jobs of one get
LONGEST_WAIT = 1e9  # seconds that the daemon counts
# How long the key of a put that waited goes on naming its job: a put is repeated within this time or not at all.
KEY_FOR = 300

_PUT = b'{"jsonrpc":"2.0","method":"put","params":{"queue":%b,"body":'
_GET = b'{"jsonrpc":"2.0","method":"get","params":{"queue":%b'


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
        self._get_head = _GET % quoted + self._get_options()
        self._get_one = self._make_get(b"")

    def _get_options(self) -> bytes:
        return b',"auto_ack":true'

    # ---- the queue itself

    def _declare(self, settings: Dict[str, Any]) -> None:
        if self._private:
            if settings.pop("durable", False):
                raise ValueError("a private queue goes with its owner: only a queue with a name can be durable")
            params = _wire.encode({"queue": self._name, "owned": True, **settings})
            key = object()
            self._connection.connected[key] = _private.declarer(weakref.ref(self), params)
            self._finalizer = weakref.finalize(self, _private.left, self._connection, key, self._name, os.getpid())
            self._finalizer.atexit = False
            link = self._connection.link()
            if self._told is not link:
                self._connection.connected[key](link)
        else:
            self._maxsize = self._client.declare(self._name, **settings)["maxsize"]

    @property
    def name(self) -> str:
        """The queue's name on the daemon, also where it is private."""
        return self._name

    @property
    def client(self) -> Client:
        """The client that it works with."""
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
        return attached, (type(self), self._name, self._connection.url, self._codec.name, self._idempotent,
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
        """Whether there is no item now."""
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
        if not block or (self._maxsize <= 0 and timeout is not None and not timeout >= 0):
            timeout = 0.0
        elif timeout is not None:
            timeout = _wait_of(timeout)
        if self._idempotent:
            self._put_keyed(head, timeout)
        elif self._maxsize <= 0 and timeout is None:
            line = head + b'},"id":'
            connection.call(lambda _: line, None, parse=_wire.accepted)
        elif timeout == 0:
            line = head + b',"timeout":0},"id":'
            connection.call(lambda _: line, parse=_wire.accepted)
        else:
            line = head + b',"timeout":0},"id":'
            began = time.monotonic()
            try:
                connection.call(lambda _: line, parse=_wire.accepted)
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

        self._connection.call(make, timeout, True, parse=_wire.accepted, patient=True)

    def put_nowait(self, item: T) -> None:
        """put(item, False)"""
        self.put(item, False)

    def put_many(self, items: Iterable[T]) -> None:
        """Puts many items, in their order, in large batches; waits where the queue is full. Where it fails, the
        exception's `data["put"]` says how many are put (`data["unsure"]`: of how many more that is not known)."""
        sender = Batches(self._connection, self._put_head)
        encode, priority, prioritised = self._encode, self._priority, self._order == "priority"
        for item in items:
            body = encode(item)
            sender.add(body + priority(item) if prioritised else body)
        sender.finish()

    # ---- getting

    def _make_get(self, extra: bytes) -> Make:
        head = self._get_head + extra

        def make(left: Optional[float]) -> bytes:
            return head + (b'},"id":' if left is None else b',"timeout":%.4f},"id":' % left)

        return make

    def _ask_for(self, make: Make, timeout: Optional[float], parse: Callable[[bytes], Any] = _wire.result_of) -> Any:
        return self._connection.call(make, timeout, True, self._get_hook(), self._give_back, parse, True)

    def get(self, block: bool = True, timeout: Optional[float] = None) -> T:
        """Takes an item, for good. An empty queue is waited for: for ever, for `timeout` seconds (then taskq.Empty),
        or not at all without `block`."""
        if not block:
            timeout = 0.0
        elif timeout is not None:
            timeout = _wait_of(timeout)
        if self._joinable:
            return self._item(self._ask_for(self._get_one, timeout))
        got = self._ask_for(self._get_one, timeout, _wire.body_of)
        body = got[0] if type(got) is tuple else got["body"]
        return body if self._plain else self._codec.decode(body)  # type: ignore[no-any-return]

    def _item(self, job: Dict[str, Any]) -> T:
        return job["body"] if self._plain else self._codec.decode(job["body"])  # type: ignore[no-any-return]

    def get_nowait(self) -> T:
        """get(False)"""
        return self.get(False)

    def get_many(self, most: int, block: bool = True, timeout: Optional[float] = None) -> List[T]:
        """Takes up to `most` items, at least one: it waits, as `get`, only while there is none."""
        if most < 1:
            raise ValueError("'most' must be at least 1")
        if not block:
            timeout = 0.0
        elif timeout is not None:
            timeout = _wait_of(timeout)
        asked = min(most, MOST)
        jobs = self._ask_for(self._make_get(b',"max":%d' % asked), timeout)["jobs"]
        items: List[T] = []
        while len(jobs) == asked and most > asked:
            # The next lot is on its way while this one is looked at.
            most -= asked
            asked = min(most, MOST)
            link = self._connection.link()
            call = Call(self._connection.next_id(), time.monotonic() + 60, self._get_hook())
            try:
                link.start(call, self._make_get(b',"max":%d' % asked)(0.0))
                items += [self._item(job) for job in jobs]
                jobs = []
                link.wait(call)
            except BaseException:
                link.take_back(call, self._give_back)
                raise
            try:
                jobs = result_of(call.reply)["jobs"] if call.reply is not None else []
            except errors.TaskqError:
                break  # whatever it is, it comes again with the next get; what is here is here
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
        """Whether it was shut down, by whomever."""
        return bool(self._stats()["shut_down"])


def _wait_of(timeout: float) -> Optional[float]:
    """Of what no number of the protocol is nothing may be sent: the line would be refused, and with it the connection go.
    Who would wait longer than the daemon counts waits for ever."""
    if not timeout >= 0:  # nor is it one that is none
        raise ValueError("'timeout' must be a non-negative number")
    return timeout if timeout <= LONGEST_WAIT else None


def attached(kind: Type[SimpleQueue[Any]], name: str, url: str, serializer: str, idempotent: bool,
             state: Dict[str, Any]) -> SimpleQueue[Any]:
    """A queue that was pickled: the same one on the daemon, whoever owns it."""
    queue = kind.__new__(kind)
    vars(queue).update(state)
    queue._set_up(name, url, serializer, idempotent)
    vars(queue).update(state)
    return queue
