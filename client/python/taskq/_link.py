"""One socket to the daemon, from its connection to its end, used by any number of threads at once.

Who waits for a reply reads the socket: the first of the waiting threads leads, reads for all, and hands the lead on
when its own reply has come. So a program that asks one thing at a time never pays for a change of threads. Requests
whose caller does not wait (`callback`), and notifications, are served by one thread of the link's own, the pump, which
runs while there are any. What was read is dispatched under the lead; callbacks run outside of it, so they may call.

There is no lock around the tables: a dict's pop is what decides who may finish or wake a call.
"""

import collections
import logging
import os
import re
import socket
import threading
import time
from typing import Any, Callable, Deque, Dict, List, Optional, Union

from . import _address, _wire, errors

TICK = 5.0  # seconds after which who reads looks at the deadlines
LARGEST_REPLY = 256 << 20
_READ, _READ_MANY = 1 << 16, 1 << 20
_SHORT = 1 << 13  # bytes of a line that goes into the socket at once
_LOOKS = 12 if hasattr(os, "sched_yield") else 0  # some 20 us
_NOW = (getattr(socket, "MSG_DONTWAIT", 0),)
_AT_ONCE = (False,)  # for an acquire that does not wait
_PUMP = 0  # the pump among the followers; no call has this id
_HEAD = b'{"jsonrpc":"2.0","id":'
_BATCH = re.compile(rb'\[\{"jsonrpc":"2\.0","id":"?(\d+)')

log = logging.getLogger("taskq")
get_ident = threading.get_ident


class Call:
    """A request under way. `reply` is its line once `done`; None where the connection went first."""

    __slots__ = ("id", "deadline", "sent", "done", "reply", "hook", "callback")

    def __init__(self, id: int, deadline: Optional[float] = None, hook: Optional[Callable[[bytes], None]] = None,
                 callback: Optional[Callable[["Call"], None]] = None) -> None:
        self.id = id
        self.deadline = deadline
        self.sent = False
        self.done = False
        self.reply: Optional[bytes] = None
        self.hook = hook  # called with the reply when it is read, before anything that was sent after it is looked at
        self.callback = callback  # called by the pump; without one a thread waits


class Link:
    def __init__(self, sock: Any, next_id: Callable[[], int],
                 notified: Callable[[str, Dict[str, Any]], None], ended: Callable[["Link"], None]) -> None:
        sleeps_in_kernel = _address.set_patience(sock, TICK)
        self._sock = sock
        self.next_id = next_id
        self._notified, self._ended = notified, ended
        self.why = ""  # what it died of
        self.fault: Optional[BaseException] = None  # the same, where it was an exception
        self.dead = False
        self.largest, self.deepest = 1 << 20, 128
        self.hello: Dict[str, Any] = {}
        self._pending: Dict[int, Call] = {}
        self._raw: Deque[bytes] = collections.deque()  # received
        self._lines: Deque[bytes] = collections.deque()  # these split, not dispatched
        self._parts: List[bytes] = []  # of a line whose end has not come
        self._held = 0  # bytes in _parts
        self._size = _READ
        self._arrived: Deque[Union[Call, Dict[str, Any]]] = collections.deque()  # for the pump
        self._looks, self._in_vain, self._left_out = _LOOKS if sleeps_in_kernel else 0, 0, 0
        self._lead = threading.Lock()
        self._leader = 0
        self._followers: Dict[int, Any] = {}
        self._send_lock = threading.Lock()
        self._sender = 0
        self._pump_lock = threading.Lock()
        self._pumping = False

    # ---- sending

    def send(self, line: bytes) -> None:
        """All of it, or the link dies."""
        with self._send_lock:
            try:
                self._sender = get_ident()
                if self.dead:
                    return
                try:
                    sent = self._sock.send(line)
                except _address.TIMED_OUT:
                    sent = 0
                if sent != len(line):
                    self._send_rest(memoryview(line)[sent:])
            except OSError as error:
                self.die(str(error), error)
            except BaseException:
                self.die("interrupted while sending")  # part of a line may have gone
                raise
            finally:
                self._sender = 0

    def _send_rest(self, rest: memoryview) -> None:
        patience = time.monotonic() + 60
        while rest:
            try:
                sent = self._sock.send(rest)
                rest = rest[sent:]
                patience = time.monotonic() + 60
            except _address.TIMED_OUT:
                if time.monotonic() > patience:
                    raise OSError("the daemon reads nothing any more")
            if self.dead:
                return

    def start(self, call: Call, head: bytes) -> None:
        """Sends a request, `head` up to its id. A call that finds the link dead is done without a reply."""
        line = b"%b%d}\n" % (head, call.id)
        if len(line) > 2 * self.deepest:
            _wire.check(line, self.largest, self.deepest)
        self.start_line(call, line)

    def start_line(self, call: Call, line: bytes) -> None:
        """A whole line, already checked."""
        if self._sender == get_ident():
            raise RuntimeError("called from a signal handler or finalizer that came while this thread was sending")
        self._pending[call.id] = call
        if call.callback is not None and not self._pumping:
            self.pump()
        if not self.dead:
            call.sent = True
            self.send(line)
        if self.dead and self._pending.pop(call.id, None) is not None:
            self._finish(call)

    def exchange(self, call: Call, head: bytes) -> None:
        """start and wait in one: the short way where nobody else is at work on this link."""
        line = b"%b%d}\n" % (head, call.id)
        if len(line) > 2 * self.deepest:
            _wire.check(line, self.largest, self.deepest)
        # Who holds the lead reads nothing while it sends, so what it sends must fit into the socket.
        if len(line) > _SHORT or self._sender == get_ident():
            self.start_line(call, line)
            self.wait(call)
            return
        led: List[bool] = []
        try:
            led.extend(map(self._lead.acquire, _AT_ONCE))
            if led[0]:
                self._leader = get_ident()
                self._pending[call.id] = call
                if not self.dead:
                    call.sent = True
                    self.send(line)
                if self.dead and self._pending.pop(call.id, None) is not None:
                    self._finish(call)
                if self._looks:
                    self._look()
                while not call.done:
                    self._read()
        finally:
            if led and led[0]:
                self._leader = 0
                self._lead.release()
                self._lead_ended()
        if not led[0]:
            self.start_line(call, line)
            self.wait(call)

    def _look(self) -> None:
        """A daemon at leisure answers sooner than a thread that sleeps is woken up: so before it sleeps it looks a few times
        whether something has come, and lets others run between. Where that was in vain it is left out for a while."""
        if self._left_out > 0:
            self._left_out -= 1
            return
        recv = self._sock.recv
        for _ in range(self._looks):
            try:
                self._raw.extend(map(recv, (self._size,), _NOW))
                self._in_vain = 0
                return
            except BlockingIOError:
                os.sched_yield()
            except OSError as error:
                self.die(str(error), error)
                return
        self._in_vain = min(2 * self._in_vain + 1, 127)
        self._left_out = self._in_vain

    def _lead_ended(self) -> None:
        if self._followers:
            self._hand_over()
        if self.dead:
            self._close()

    def start_many(self, calls: List[Call], lines: bytes) -> None:
        """Several requests in one go; their lines, already checked."""
        for call in calls:
            self._pending[call.id] = call
        if not self.dead:
            for call in calls:
                call.sent = True
            self.send(lines)
        if self.dead:
            for call in calls:
                if self._pending.pop(call.id, None) is not None:
                    self._finish(call)

    def ask(self, method: str, params: bytes = b"{}", patience: float = 60) -> Dict[str, Any]:
        """A request that is not repeated, on this link."""
        call = Call(self.next_id(), time.monotonic() + patience)
        self.start(call, _wire.request(method, params))
        self.wait(call)
        if call.reply is None:
            raise errors.Lost("%s: the connection was lost: %s" % (method, self.why))
        return result_of(call.reply)

    # ---- waiting

    def wait(self, call: Call) -> None:
        me = get_ident()
        while not call.done:
            if self._leader == me:
                # A signal handler or finalizer inside our own reading: it reads on. What it reads may be what the
                # interrupted reading waits for, so that gets something to wake up for.
                while not call.done:
                    self._read()
                self.send(_HEAD + b'0,"method":"ping"}\n')
                return
            led: List[bool] = []  # whether the lead is ours: in one step, so that a handler that raises finds it noted
            try:
                led.extend(map(self._lead.acquire, _AT_ONCE))
                if led[0]:
                    self._leader = me
                    while not call.done:
                        self._read()
            finally:
                if led and led[0]:
                    self._leader = 0
                    self._lead.release()
                    self._lead_ended()
            if not led[0]:
                self._follow(call)

    def _follow(self, call: Call) -> None:
        wake = threading.Lock()
        wake.acquire()
        self._followers[call.id] = wake
        # Whoever gave the lead back before we were on the list has not seen us.
        if call.done or not self._lead.locked():
            self._followers.pop(call.id, None)
            return
        try:
            wake.acquire(True, TICK)
        except BaseException:
            if self._followers.pop(call.id, None) is None and not call.done:
                self._hand_over()  # it was handed to us
            raise
        self._followers.pop(call.id, None)

    def _hand_over(self) -> None:
        try:
            wake = self._followers.pop(_PUMP, None) or self._followers.popitem()[1]
        except KeyError:
            return
        wake.release()

    # ---- reading, by the leader

    def _read(self) -> None:
        """Dispatches what has come; waits for something if there is nothing."""
        if not self._lines and not self._raw:
            try:
                # In one step, so that nothing that was received is lost where a signal's handler raises.
                self._raw.extend(map(self._sock.recv, (self._size,)))
            except _address.TIMED_OUT:
                self._look_at_deadlines()
                return
            except OSError as error:
                self.die(str(error), error)
                return
        try:
            if self._raw:
                data = self._raw.popleft()
                if not self._parts and data and data.find(b"\n") == len(data) - 1:  # just one line, as it often is
                    self._size = _READ
                    self._dispatch(data[:-1])
                else:
                    self._split(data)
            lines = self._lines
            while lines:
                self._dispatch(lines.popleft())
        except BaseException:
            self.die("interrupted while reading")  # a reply may not have reached who waits for it
            raise

    def _split(self, data: bytes) -> None:
        if not data:
            self.die("the daemon closed it")
            return
        self._size = _READ_MANY if len(data) >= _READ else _READ
        if b"\n" not in data:
            self._keep(data)
            return
        if self._parts:
            data = b"".join(self._parts) + data
            self._parts.clear()
            self._held = 0
        parts = data.split(b"\n")
        rest = parts.pop()
        if rest:
            self._keep(rest)
        self._lines.extend(parts)

    def _keep(self, data: bytes) -> None:
        self._parts.append(data)
        self._held += len(data)
        if self._held > LARGEST_REPLY:
            self.die("a reply of more than %d bytes" % LARGEST_REPLY)

    def _dispatch(self, line: bytes) -> None:
        if line.startswith(_HEAD):
            text = line[len(_HEAD):line.find(b",", len(_HEAD))]
            if text.isdigit():
                self._answered(int(text), line)
                return
        elif line.startswith(b"["):
            batch = _BATCH.match(line)
            if batch:
                self._answered(int(batch.group(1)), line)
                return
        try:
            message = _wire.decode(line.decode())
            if "method" in message:
                self._arrived.append(message)
                self._wake_pump()
            elif message.get("id") is None:
                self.die("the daemon refused a line: %s" % message["error"]["message"])
            else:
                self._answered(int(message["id"]), line)
        except (ValueError, TypeError, KeyError, AttributeError):
            self.die("it sent what is no reply: %r" % line[:100])

    def _answered(self, id: int, line: bytes) -> None:
        call = self._pending.pop(id, None)
        if call is not None:
            call.reply = line
            if call.hook is not None:
                call.hook(line)
            self._finish(call)

    def _finish(self, call: Call) -> None:
        call.done = True
        if call.callback is not None:
            self._arrived.append(call)
            self._wake_pump()
        elif self._followers:
            wake = self._followers.pop(call.id, None)
            if wake is not None:
                wake.release()

    def _look_at_deadlines(self) -> None:
        now = time.monotonic()
        for call in list(self._pending.values()):
            if call.deadline is not None and call.deadline < now:
                self.die("no reply in time")
                return

    # ---- the pump

    def pump(self) -> None:
        """Sees to it that there is a thread that runs callbacks and takes notifications."""
        with self._pump_lock:
            if not self._pumping:
                self._pumping = True
                threading.Thread(target=self._pump, name="taskq", daemon=True).start()

    def _wake_pump(self) -> None:
        wake = self._followers.pop(_PUMP, None)
        if wake is not None:
            wake.release()

    def _pump(self) -> None:
        arrived, me = self._arrived, get_ident()
        while not self.dead or arrived:
            if arrived:
                if self._followers:
                    self._hand_over()
                self._deliver()
            elif self._lead.acquire(False):
                self._leader = me
                try:
                    while not arrived and not self.dead:
                        self._read()
                finally:
                    self._leader = 0
                    self._lead.release()
            else:
                wake = threading.Lock()
                wake.acquire()
                self._followers[_PUMP] = wake
                if not (arrived or self.dead) and self._lead.locked():
                    wake.acquire(True, TICK)
                self._followers.pop(_PUMP, None)
        self._close()
        self._ended(self)

    def _deliver(self) -> None:
        arrived = self._arrived
        while arrived:
            each = arrived.popleft()
            try:
                if isinstance(each, Call):
                    if each.callback is not None:
                        each.callback(each)
                else:
                    self._notified(each["method"], each.get("params") or {})
            except Exception:
                log.exception("taskq: a callback failed")

    # ---- the end

    def take_back(self, call: Call, orphan: Callable[[Call], None]) -> None:
        """The caller does not wait any more: the daemon is told, and what comes nevertheless goes to `orphan`, once."""
        once = [orphan]

        def late(done: Call) -> None:
            try:
                handler = once.pop()
            except IndexError:
                return
            handler(done)

        call.callback = late
        if call.done:
            late(call)
            return
        self.pump()
        self.send(_wire.notification("$/cancelRequest", b'{"id":%d}' % call.id))

    def unask(self, call: Call) -> None:
        """It was not sent, and will not be."""
        self._pending.pop(call.id, None)

    def die(self, why: str, fault: Optional[BaseException] = None) -> None:
        if self.dead:
            return
        self.why, self.fault = why, fault
        self.dead = True
        try:
            self._sock.shutdown(socket.SHUT_RDWR)  # ends a recv or send of another thread
        except OSError:
            pass
        while self._pending:
            try:
                call = self._pending.popitem()[1]
            except KeyError:
                break
            self._finish(call)
        self._wake_pump()
        self._close()

    def _close(self) -> None:
        """While somebody reads or sends, its number must not become another's: then whoever reads closes it after."""
        if self._lead.acquire(False):
            if self._send_lock.acquire(False):
                self._sock.close()
                self._send_lock.release()
            self._lead.release()

    def forget(self) -> None:
        """In a child after a fork: the connection is the parent's; ours of its descriptor goes, it stays."""
        self.dead = True
        self.why = "it belongs to the parent process"
        self._sock.close()


def result_of(reply: bytes) -> Dict[str, Any]:
    message = _wire.decode(reply.decode())
    result = message.get("result")
    if result is None:
        raise errors.of_reply(message["error"])
    return result  # type: ignore[no-any-return]
