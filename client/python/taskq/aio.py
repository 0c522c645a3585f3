"""taskq for asyncio: the client and the queues, as coroutines. Any number of waits share one connection; cancelling an
await takes the wait back on the daemon too, and a job that comes nevertheless goes back to its queue."""

import asyncio
import secrets
import time
from typing import Any, Awaitable, Callable, Dict, Generic, List, Optional, Type, TypeVar, Union

from . import _wire, errors, queues
from ._connection import LONGEST_PAUSE, SHORTEST_PAUSE, Call, result_of
from ._simple import KEY_FOR
from ._methods import Methods, may_repeat
from .client import WAITING
from .client import Client as _Client
from .client import client_of

T = TypeVar("T")
Result = Dict[str, Any]


class Client(Methods[Awaitable[Result]]):
    """taskq.Client's methods as coroutines, for one event loop. It takes taskq.Client's arguments; `url` may be a
    taskq.Client, whose connection is shared then. Cancelling an await takes the request back on the daemon if it waits
    there; one that is done already stays done, but a job that came to a cancelled get goes back."""

    def __init__(self, url: Union[str, _Client, None] = None, **options: Any) -> None:
        self.sync = url if isinstance(url, _Client) else _Client(url, **options)

    async def _ask(self, method: str, params: Result) -> Result:
        return await self._request(method, params, may_repeat(method, params))

    async def request(self, method: str, **params: Any) -> Result:
        """Any method, also one that this library does not know; its result."""
        return await self._ask(method, params)

    async def _request(self, method: str, params: Result, repeat: bool,
                       hook: Optional[Callable[[bytes], None]] = None,
                       orphan: Optional[Callable[[Call], None]] = None, patient: bool = False) -> Result:
        timeout = params.get("timeout") if method in WAITING else None
        end = None if not timeout else time.monotonic() + timeout
        pause = SHORTEST_PAUSE
        while True:
            call = await self._send(method, params, hook, orphan or (lambda late: self._give_back(params, late)))
            if call.reply is not None:
                try:
                    return result_of(call.reply)
                except errors.TaskqError as error:
                    crowded = patient and timeout != 0 and isinstance(error, errors.Overloaded)  # one wait too many
                    if not (crowded or isinstance(error, errors.Draining)) or (end is not None and time.monotonic() >= end):
                        raise
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
            elif self.sync.connection.closed:
                raise errors.Closed("the client was closed")
            elif call.sent and not repeat:
                raise errors.Lost("the connection was lost before the reply came: it may have been done or not")
            if end is not None:
                params = dict(params, timeout=max(0.0, end - time.monotonic()))

    async def _send(self, method: str, params: Result, hook: Optional[Callable[[bytes], None]],
                    orphan: Callable[[Call], None]) -> Call:
        loop, connection = asyncio.get_running_loop(), self.sync.connection
        if not connection.is_connected:
            await loop.run_in_executor(None, connection.link)
        link = connection.link()
        done: "asyncio.Future[None]" = loop.create_future()

        def wake() -> None:
            if not done.done():
                done.set_result(None)

        def answered(_: Call) -> None:
            try:
                loop.call_soon_threadsafe(wake)
            except RuntimeError:
                pass  # the loop is closed

        call = Call(connection.next_id(), None, hook, answered)
        link.start(call, _wire.request(method, _wire.encode(params)))
        try:
            await done
        except BaseException:
            link.take_back(call, orphan)
            raise
        return call

    def _give_back(self, params: Result, late: Call) -> None:
        """On the connection's own thread: nobody waits for this reply any more."""
        try:
            result = result_of(late.reply) if late.reply is not None else {}
        except errors.TaskqError:
            return
        for job in result.get("jobs", [result] if "delivery" in result else []):
            if params.get("auto_ack"):
                self.sync.put(job["queue"], job["body"], priority=job["priority"])
            else:
                self.sync.notify("release", id=job["id"], delivery=job["delivery"])

    async def close(self) -> None:
        """Closes the connection, also for a taskq.Client that shares it."""
        self.sync.close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *unused: object) -> None:
        await self.close()


class Queue(Generic[T]):
    """taskq.Queue, as coroutines, for one event loop. It takes taskq.Queue's arguments (`url` may be a Client of either
    kind), and is declared when it is first used. What asyncio.Queue does without waiting is a coroutine here too."""

    _kind: Type[queues.Queue[Any]] = queues.Queue

    def __init__(self, maxsize: int = 0, *, url: Union[str, _Client, Client, None] = None, **options: Any) -> None:
        self._sync_client = url.sync if isinstance(url, Client) else client_of(url)
        self._client = Client(self._sync_client)
        self._make: Callable[[], queues.Queue[Any]] = lambda: self._kind(maxsize, url=self._sync_client, **options)
        self._making: "Optional[asyncio.Future[queues.Queue[Any]]]" = None
        self._joins: "List[asyncio.Future[None]]" = []

    async def _declared(self) -> "queues.Queue[Any]":
        making = self._making
        if making is None or (making.done() and (making.cancelled() or making.exception() is not None)):
            making = self._making = asyncio.get_running_loop().run_in_executor(None, self._make)
        return making.result() if making.done() else await asyncio.shield(making)

    async def put(self, item: T, timeout: Optional[float] = None) -> None:
        """Waits while the queue is full: for ever, or `timeout` seconds, then taskq.Full."""
        queue = await self._declared()
        params: Result = {"queue": queue.name, "body": _wire.decode(queue._encode(item).decode())}
        priority = queue._priority(item)
        if priority:
            params["priority"] = float(priority.rpartition(b":")[2])
        if timeout is not None:
            params["timeout"] = timeout
        if queue._idempotent or queue._maxsize > 0:  # it may wait for long, and goes on after a lost connection
            params.update(key=secrets.token_hex(12), key_for=KEY_FOR)
        await self._client._request("put", params, "key" in params, patient="key" in params)

    async def put_nowait(self, item: T) -> None:
        """put with a timeout of 0."""
        await self.put(item, 0)

    async def get(self, timeout: Optional[float] = None) -> T:
        """Waits while the queue is empty: for ever, or `timeout` seconds, then taskq.Empty."""
        queue = await self._declared()
        params: Result = {"queue": queue.name, **({"lease": queue._lease} if queue._joinable else {"auto_ack": True})}
        if timeout is not None:
            params["timeout"] = timeout
        job = await self._client._request("get", params, True, queue._get_hook(), queue._give_back, True)
        return queue._item(job)  # type: ignore[no-any-return]

    async def get_nowait(self) -> T:
        """get with a timeout of 0."""
        return await self.get(0)

    async def _stats(self) -> Result:
        queue = await self._declared()
        try:
            return await self._client.stats(queue.name)
        except errors.NotFound:
            return {"gauges": {"ready": 0, "delayed": 0}, "settings": {"maxsize": queue._maxsize}}

    async def qsize(self) -> int:
        """How many items are there now."""
        gauges = (await self._stats())["gauges"]
        return int(gauges["ready"] + gauges["delayed"])

    async def empty(self) -> bool:
        """Whether there is no item now."""
        return await self.qsize() == 0

    async def full(self) -> bool:
        """Whether there are as many items now as there may be."""
        stats = await self._stats()
        return bool(0 < stats["settings"]["maxsize"] <= stats["gauges"]["ready"] + stats["gauges"]["delayed"])

    async def task_done(self) -> None:
        """As taskq.Queue's: the oldest item that was got is done. In a joinable queue of several tasks, that one may have been
        another task's. ValueError where none is open, taskq.NotReserved where the job went back meanwhile."""
        queue = await self._declared()
        if queue._joinable:
            held = queue._next_held()
            queue._connection.leases.drop(held.id)
            await self._client.ack(held.id, delivery=held.delivery)
            return
        queue.task_done()
        if queue._open == 0:
            joins, self._joins = self._joins, []
            for join in joins:
                if not join.done():
                    join.set_result(None)

    async def join(self) -> None:
        """Waits until all that was put is got and done."""
        queue = await self._declared()
        while True:
            await self._client._request("join", {"queue": queue.name}, True, patient=True)
            if queue._open == 0:
                return
            done = asyncio.get_running_loop().create_future()
            self._joins.append(done)
            await done

    async def shutdown(self, immediate: bool = False) -> None:
        """Puts raise taskq.ShutDown from now on, and gets when the queue is empty; with `immediate` at once."""
        queue = await self._declared()
        await self._client.shutdown(queue.name, immediate=immediate or None)

    async def close(self) -> None:
        """Drops a private queue now; a queue with a name stays."""
        queue = await self._declared()
        await asyncio.get_running_loop().run_in_executor(None, queue.close)


class LifoQueue(Queue[T]):
    """As Queue; what was put last is got first."""

    _kind = queues.LifoQueue


class PriorityQueue(Queue[T]):
    """As Queue, in taskq.PriorityQueue's order."""

    _kind = queues.PriorityQueue


class JoinableQueue(Queue[T]):
    """As Queue; what is got stays the daemon's until task_done, as taskq.JoinableQueue has it."""

    _kind = queues.JoinableQueue
