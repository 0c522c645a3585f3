"""The futures of an executor's jobs, fed by the daemon's `finished`, without a thread for each."""

import collections
import concurrent.futures
import threading
import time
from typing import Any, Deque, Dict, List, Optional, Set

from . import _functions, _wire, errors
from ._connection import Call, Connection, Link, result_of
from .client import Client

KEEP_RESULT = 60.0  # seconds: within it a program that lost its connection finds its outcomes
MOST_OPEN = 50_000  # of the 65,536 that the daemon takes of a connection
WINDOW = 900  # of the 1,024 requests that may wait
PATIENCE = 30.0  # seconds that a cancel waits for the id of the job

class Future(concurrent.futures.Future):  # type: ignore[type-arg]
    """A concurrent.futures.Future whose job is the daemon's. Callbacks run on the connection's own thread.

    It must be waited for by whoever wants its outcome; when nobody holds it, the job runs nevertheless.
    """

    _item: "_Item"

    @property
    def job_id(self) -> Optional[int]:
        """The job's id once the daemon has said it, else None."""
        return self._item.id

    def cancel(self) -> bool:
        """Takes the job back if nobody has begun it: True if it is cancelled. It asks the daemon, and waits for it."""
        if not self.done() and self._item.futures.cancel(self._item):
            self._item.cancelled()
        return self.cancelled()

    def running(self) -> bool:
        """Whether somebody has the job now. It asks the daemon; False where that cannot be reached."""
        if self.done() or self._item.id is None:
            return False
        try:
            return bool(self._item.futures.client.job(self._item.id)["state"] == "reserved")
        except errors.TaskqError:
            return False


class _Item:
    """A future under way."""

    __slots__ = ("futures", "head", "pickled", "id", "link", "began", "_unclaimed", "_ended")

    def __init__(self, futures: "Futures", head: bytes, pickled: bool, future: Future) -> None:
        self.futures, self.head, self.pickled = futures, head, pickled
        self.id: Optional[int] = None
        self.link: Optional[Link] = None  # on which it was sent; None: it is still to be
        self.began = 0.0
        self._unclaimed: List[Future] = [future]
        self._ended = False

    @property
    def open(self) -> bool:
        return bool(self._unclaimed)

    def _claim(self) -> Optional[Future]:
        """Whoever gets the future ends it, and nobody else does."""
        try:
            future = self._unclaimed.pop()
        except IndexError:
            future = None
        self.futures.forget(self)
        return future

    def cancelled(self) -> None:
        """The job was taken back."""
        future = self._claim()
        if future is not None:
            concurrent.futures.Future.cancel(future)
            future.set_running_or_notify_cancel()
            self._ended = True
        deadline = time.monotonic() + PATIENCE
        while not self._ended and time.monotonic() < deadline:
            time.sleep(0.0005)  # another thread is just about to note it down

    def end(self, outcome: Dict[str, Any]) -> None:
        """What `finished` or `result` said of the job."""
        state = outcome.get("state")
        if state == "cancelled":
            self.cancelled()
        elif state == "done":
            try:
                result = _functions.result_of(outcome["result"], self.pickled)
            except Exception as error:
                self.fail(error)
                return
            self._finish(result, None)
        elif state == "dead":
            self.fail(_functions.exception_of(outcome.get("reason"), outcome.get("error"), self.pickled))
        else:
            self.fail(errors.NotFound("the job was deleted"))

    def fail(self, error: BaseException) -> None:
        self._finish(None, error)

    def _finish(self, result: Any, error: Optional[BaseException]) -> None:
        future = self._claim()
        if future is None:
            return
        try:
            future.set_running_or_notify_cancel()
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)
        finally:
            self._ended = True


class Futures:
    """The futures of one connection, fed by `finished`. When the connection was lost, those whose jobs are known are
    waited for with `result`, and those whose submits were not answered are submitted again under their keys."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.connection: Connection = client.connection
        self._open: Set[_Item] = set()
        self._by_id: Dict[int, _Item] = {}
        self._backlog: Deque[_Item] = collections.deque()
        self.connection.notified["finished"] = self._finished
        self.connection.connected[self] = self._connected
        self.connection.lasting += 1

    @classmethod
    def of(cls, client: Client) -> "Futures":
        """Those of the client's connection."""
        found = client.connection.futures
        if found is None:
            found = client.connection.futures = cls(client)
        return found  # type: ignore[no-any-return]

    def submit(self, head: bytes, pickled: bool) -> Future:
        """Sends a submit, `head` up to its id; without waiting for the reply."""
        future = Future()
        item = future._item = _Item(self, head, pickled, future)
        link = self.connection.link()
        self._open.add(item)
        if len(self._open) > MOST_OPEN:
            self._backlog.append(item)
        else:
            self._send(item, link)
        return future

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
            self.fail(errors.NoDaemon("%s: the daemon did not come back" % self.connection.url))
            return
        found = self._by_id.get(outcome["id"])
        if found is not None:
            found.end(outcome)

    def fail(self, error: errors.TaskqError) -> None:
        """None of them will be told of its outcome."""
        self._backlog.clear()
        for item in list(self._open):
            item.fail(error)

    def forget(self, item: _Item) -> None:
        """It has ended."""
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
        """Whether nobody had begun it, so that it is taken back."""
        if not self.known(item):
            return item.open and item.link is None  # not sent yet
        try:
            return item.id is not None and bool(self.client.cancel(item.id)["cancelled"])
        except errors.TaskqError:
            return False

    def known(self, item: _Item) -> bool:
        """Waits until the daemon has said the job's id; False where it will not, or not soon."""
        deadline = time.monotonic() + PATIENCE
        while item.id is None:
            if item.link is None or not item.open or time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        return True

    def cancel_all(self, items: List[_Item], running: bool = False) -> None:
        """Takes back what nobody has begun, with `running` the rest as well; asks for many at once."""
        for item in items:
            if not self.known(item) and item.open and item.link is None:
                item.cancelled()
        asked = []
        link = self.connection.link()
        for item in items:
            if item.open and item.id is not None:
                call = Call(self.connection.next_id())
                link.start(call, _wire.request("cancel", b'{"id":%d%b}' % (item.id, b',"running":true' if running else b"")))
                asked.append((item, call))
        for item, call in asked:
            link.wait(call)
            try:
                if call.reply is not None and result_of(call.reply)["cancelled"]:
                    item.cancelled()
            except errors.TaskqError:
                pass  # it has ended
