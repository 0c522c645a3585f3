"""taskq for asyncio: the client and the queues, as coroutines. Any number of waits share one connection; cancelling an
await takes the wait back on the daemon too, and a job that comes nevertheless goes back to its queue."""

import asyncio
import time
from typing import Any, Awaitable, Callable, Dict, Generic, Optional, Type, TypeVar, Union

from . import _wire, errors, queues
from ._connection import Call, result_of
from ._methods import Methods, may_repeat
from .client import WAITING
from .client import Client as _Client
from .client import client_of

T = TypeVar("T")
Result = Dict[str, Any]


class Client(Methods[Awaitable[Result]]):
    """taskq.Client's methods as coroutines; `url` may be a taskq.Client, whose connection is shared then."""

    def __init__(self, url: Union[str, _Client, None] = None, **options: Any) -> None:
        self.sync = url if isinstance(url, _Client) else _Client(url, **options)

    async def _ask(self, method: str, params: Result) -> Result:
        timeout = params.get("timeout") if method in WAITING else None
        end = None if not timeout else time.monotonic() + timeout
        repeat = may_repeat(method, params)
        pause = 0.02
        while True:
            call = await self._send(method, params)
            if call.reply is not None:
                try:
                    return result_of(call.reply)
                except errors.Draining:
                    if end is not None and time.monotonic() >= end:
                        raise
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, 1.0)
            elif self.sync.connection.closed:
                raise errors.Closed("the client was closed")
            elif call.sent and not repeat:
                raise errors.Lost("the connection was lost before the reply came: it may have been done or not")
            if end is not None:
                params = dict(params, timeout=max(0.0, end - time.monotonic()))

    async def _send(self, method: str, params: Result) -> Call:
        loop, connection = asyncio.get_running_loop(), self.sync.connection
        if not connection.is_connected:
            await loop.run_in_executor(None, connection.link)
        link = connection.link()
        done: "asyncio.Future[None]" = loop.create_future()

        def wake() -> None:
            if not done.done():
                done.set_result(None)

        def answered(_: Call) -> None:
            loop.call_soon_threadsafe(wake)

        call = Call(connection.next_id(), None, None, answered)
        link.start(call, _wire.request(method, _wire.encode(params)))
        try:
            await done
        except asyncio.CancelledError:
            link.take_back(call, lambda late: self._give_back(params, late))
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
        self.sync.close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *unused: object) -> None:
        await self.close()


class Queue(Generic[T]):
    """taskq.Queue, as coroutines. It takes taskq.Queue's arguments, and is declared when it is first used."""

    _kind: Type[queues.Queue[Any]] = queues.Queue

    def __init__(self, maxsize: int = 0, *, url: Union[str, _Client, Client, None] = None, **options: Any) -> None:
        self._sync_client = url.sync if isinstance(url, Client) else client_of(url)
        self._client = Client(self._sync_client)
        self._make: Callable[[], queues.Queue[Any]] = lambda: self._kind(maxsize, url=self._sync_client, **options)
        self._queue: Optional[queues.Queue[Any]] = None
        self._making = asyncio.Lock()

    async def _declared(self) -> "queues.Queue[Any]":
        if self._queue is None:
            async with self._making:
                if self._queue is None:
                    self._queue = await asyncio.get_running_loop().run_in_executor(None, self._make)
        return self._queue

    async def _elsewhere(self, name: str, *args: Any) -> Any:
        queue = await self._declared()
        return await asyncio.get_running_loop().run_in_executor(None, lambda: getattr(queue, name)(*args))

    async def put(self, item: T, timeout: Optional[float] = None) -> None:
        """Waits while the queue is full, then taskq.Full."""
        queue = await self._declared()
        params: Result = {"queue": queue.name, "body": _wire.decode(queue._encode(item).decode())}
        priority = queue._priority(item)
        if priority:
            params["priority"] = float(priority.rpartition(b":")[2])
        if timeout is not None:
            params["timeout"] = timeout
        await self._client._ask("put", params)

    async def get(self, timeout: Optional[float] = None) -> T:
        """Waits while the queue is empty, then taskq.Empty."""
        queue = await self._declared()
        params: Result = {"queue": queue.name, **({"lease": queue._lease} if queue._joinable else {"auto_ack": True})}
        if timeout is not None:
            params["timeout"] = timeout
        job = await self._client._ask("get", params)
        if not queue._joinable:
            queue._open += 1
        return queue._item(job)  # type: ignore[no-any-return]

    async def qsize(self) -> int:
        return int(await self._elsewhere("qsize"))

    async def empty(self) -> bool:
        return bool(await self._elsewhere("empty"))

    async def task_done(self) -> None:
        """As taskq.Queue's: the oldest that was got."""
        queue = await self._declared()
        if queue._joinable:
            held = queue._next_held()
            queue._connection.leases.drop(held.id)
            await self._client.ack(held.id, delivery=held.delivery)
        else:
            queue.task_done()

    async def join(self) -> None:
        await self._elsewhere("join")

    async def shutdown(self, immediate: bool = False) -> None:
        await self._elsewhere("shutdown", immediate)


class LifoQueue(Queue[T]):
    _kind = queues.LifoQueue


class PriorityQueue(Queue[T]):
    _kind = queues.PriorityQueue


class JoinableQueue(Queue[T]):
    _kind = queues.JoinableQueue
