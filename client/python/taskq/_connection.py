"""A connection that outlives its sockets: it connects again with growing pauses, repeats what may be repeated, and says
what became of the rest."""

import collections
import itertools
import os
import random
import sys
import threading
import time
import weakref
from typing import Any, Callable, Deque, Dict, Mapping, Optional

from . import _address, _secrets, _wire, errors
from ._leases import Leases
from ._link import Call, Link, result_of

SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 1.0

Make = Callable[[Optional[float]], bytes]  # a request's line up to its id, for the timeout that is left

_all: "weakref.WeakSet[Connection]" = weakref.WeakSet()


class Connection:
    """Thread-safe. `retry_for`: for how many seconds a daemon that was there is waited for before a request fails with
    NoDaemon (None: for ever); the first connection is tried once. `tls`: taskqs://'s options, by their names in
    _tls.OPTIONS."""

    def __init__(self, url: Optional[str] = None, *, connect_timeout: float = 5.0, reply_timeout: float = 60.0,
                 retry_for: Optional[float] = 60.0, name: Optional[str] = None,
                 token: Optional[str] = None, token_file: Optional[str] = None,
                 tls: Mapping[str, Optional[str]] = {}) -> None:
        self._token = _secrets.token_of(token, token_file)
        self.url = _address.address_text(url)
        self._address = _address.parse_address(self.url)
        self._tls: Any = None
        if self._address.tls:
            from ._tls import Tls  # which takes a while, and most do without

            self._tls = Tls(tls, self._address.host)
        elif any(tls.values()):
            raise ValueError("%s is for taskqs:// alone" % next(name for name, value in tls.items() if value))
        self._connect_timeout = connect_timeout
        self._reply_timeout = reply_timeout
        self._retry_for = retry_for
        self._name = name or os.path.basename(sys.argv[0] if sys.argv else "") or "python"
        self.closed = False
        self._was_there = False
        self.generation = 0  # of sockets: what was held under an earlier one has gone back
        self.next_id = itertools.count(1).__next__
        # What is told at every new socket before anybody else uses it, and of notifications.
        self.connected: Dict[object, Callable[[Link], None]] = {}
        self.notified: Dict[str, Callable[[Dict[str, Any]], None]] = {}
        # Notifications to be sent when next something is: of finalizers, which may come at any moment and must not ask.
        self.leftovers: Deque[bytes] = collections.deque()
        self._turns = _Turns()
        self.lasting = 0  # how many want a connection to be there even when nobody asks anything
        self._start_afresh()
        _all.add(self)

    def _start_afresh(self) -> None:
        self._link: Optional[Link] = None
        self._connecting = threading.RLock()
        self.leases = Leases(self)
        self.futures: Any = None  # executor.Futures, once there is an executor

    def forked(self) -> None:
        if self._link is not None:
            self._link.forget()
        self.lasting = 0
        self.connected.clear()
        self.notified.clear()
        self.leftovers.clear()
        self._start_afresh()

    def environment(self) -> Dict[str, str]:
        """What makes another process of ours connect as this one does; its address is not in it."""
        variables: Dict[str, str] = self._tls.environment() if self._tls is not None else {}
        return {**variables, "TASKQ_TOKEN": self._token} if self._token else variables

    # ---- connecting

    @property
    def is_connected(self) -> bool:
        return self._link is not None and not self._link.dead

    def link(self, deadline: Optional[float] = None) -> Link:
        """The socket that is there, or a new one."""
        link = self._link
        if link is not None and not link.dead:
            return link
        left = -1.0 if deadline is None else max(0.0, deadline - time.monotonic())
        if not self._connecting.acquire(True, min(left, threading.TIMEOUT_MAX)):
            raise errors.NoDaemon("%s: no connection in time" % self.url)
        try:
            return self._connect(deadline)
        finally:
            self._connecting.release()

    def _connect(self, deadline: Optional[float]) -> Link:
        began = time.monotonic()
        give_up = None if self._retry_for is None else began + self._retry_for
        if deadline is not None:
            give_up = deadline if give_up is None else min(give_up, deadline)
        pause = SHORTEST_PAUSE
        while True:
            if self.closed:
                raise errors.Closed("the client is closed")
            link = self._link
            if link is not None and not link.dead:
                return link
            try:
                link = self._try()
                self._was_there = True
                return link
            except (OSError, errors.Lost, errors.Draining) as error:
                if isinstance(error, errors.TaskqError) and not isinstance(error, (errors.Lost, errors.Draining)):
                    raise  # TLS, or who we are: it would be the same again
                now = time.monotonic()
                if not self._was_there or (give_up is not None and now >= give_up):
                    raise errors.NoDaemon("%s: %s" % (self.url, error)) from error
                wait = pause * (0.5 + random.random() / 2)
                if give_up is not None:
                    wait = min(wait, give_up - now)
                time.sleep(max(0.0, wait))
                pause = min(pause * 2, LONGEST_PAUSE)

    def _try(self) -> Link:
        sock: Any = _address.connect(self._address, self._connect_timeout)
        if self._tls is not None:
            try:
                sock = self._tls.wrap(sock, self._connect_timeout)
            except errors.TlsFailed as error:
                raise errors.TlsFailed("%s: %s" % (self.url, error)) from error.__cause__
        link = Link(sock, self.next_id, self._notification, self._ended)
        try:
            if self._token:
                link.ask("auth", _wire.encode({"token": self._token}), self._reply_timeout)
            who = "%s, process %d" % (self._name[:50], os.getpid())
            hello = link.ask("hello", _wire.encode({"client": who}), self._reply_timeout)
            if hello.get("protocol") != _wire.PROTOCOL:
                raise errors.ProtocolError("the daemon speaks protocol %s, this is for %d"
                                           % (hello.get("protocol"), _wire.PROTOCOL))
            link.hello = hello
            link.largest, link.deepest = hello["limits"]["request"], hello["limits"]["depth"]
            self.generation += 1
            for tell in list(self.connected.values()):
                tell(link)
        except errors.Lost:
            # A certificate of ours is refused after the handshake.
            if self._tls is not None and isinstance(link.fault, self._tls.error):
                raise errors.TlsFailed("%s: %s" % (self.url, self._tls.sentence(link.fault))) from link.fault
            raise
        except BaseException:
            link.die("it could not be used")
            raise
        self._link = link
        if self.lasting:
            link.pump()
        return link

    def _notification(self, method: str, params: Dict[str, Any]) -> None:
        heard = self.notified.get(method)
        if heard is not None:
            heard(params)

    def _ended(self, link: Link) -> None:
        """On the pump of a link that died: those who wait for notifications need another."""
        while self.lasting and not self.closed and link is self._link:
            try:
                self.link()
            except errors.TaskqError:
                if self._retry_for is None:
                    continue
                for lost in list(self.notified.values()):
                    lost({})
                return

    def close(self) -> None:
        self.closed = True
        link = self._link
        if link is not None:
            link.die("the client was closed")
        if self.futures is not None:
            self.futures.fail(errors.Closed("the client was closed"))

    # ---- asking

    def call(self, make: Make, timeout: Optional[float] = 0.0, repeat: bool = False,
             hook: Optional[Callable[[bytes], None]] = None,
             orphan: Optional[Callable[[Call], None]] = None,
             parse: Callable[[bytes], Any] = _wire.result_of, patient: bool = False) -> Any:
        """Asks and waits. `timeout` is what the daemon is told to wait (None: for ever). A request that the daemon did
        not carry out, because it is stopping or the connection went before it was sent, is made again; one whose reply
        was lost only if it may be repeated, else that is Lost. `patient`: where the daemon has one wait too many it takes its
        turn when another wait of this connection has ended. What comes back is what `parse` makes of the reply, or
        the whole result where that is None."""
        link = self._link
        if link is None or link.dead:
            link = self.link(None if not timeout else time.monotonic() + timeout)
        while self.leftovers:
            link.send(self.leftovers.popleft())
        now = time.monotonic()
        end = None if not timeout else now + timeout
        head = make(timeout)
        pause, give_up = SHORTEST_PAUSE, 0.0
        while True:
            call = Call(self.next_id(), None if timeout is None else now + timeout + self._reply_timeout, hook)
            try:
                link.exchange(call, head)
            except BaseException:
                if call.sent:
                    link.take_back(call, orphan or _nobody)
                else:
                    link.unask(call)
                raise
            reply = call.reply
            if reply is not None:
                if self._turns.wanted:
                    self._turns.give()
                result = parse(reply)
                if result is not None:
                    return result
                message = _wire.decode(reply.decode())
                if message.get("result") is not None:
                    return message["result"]
                error = errors.of_reply(message["error"])
                crowded = patient and timeout != 0 and error.code == errors.Overloaded.code
                if not crowded and error.code != errors.Draining.code:
                    raise error
                now = time.monotonic()
                if not crowded:  # it is going: there will be another, or there will be none
                    give_up = give_up or (now + self._retry_for if self._retry_for is not None else float("inf"))
                if (give_up and now >= give_up) or (end is not None and now >= end):
                    raise error
                patience = pause if end is None else max(0.0, min(pause, end - now))
                if crowded:
                    self._turns.wait(patience)
                else:
                    time.sleep(patience)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                if self.closed:
                    raise errors.Closed("the client was closed")
                if call.sent and not repeat:
                    raise errors.Lost("the connection was lost before the reply came (%s): it may have been done or "
                                      "not" % link.why)
            link = self.link(end)
            now = time.monotonic()
            if end is not None:
                timeout = max(0.0, end - now)
            head = make(timeout)


class _Turns:
    """Those whose wait was one too many on the connection, in their order: each tries again when another has ended."""

    def __init__(self) -> None:
        self.wanted: Deque[Any] = collections.deque()

    def wait(self, patience: float) -> None:
        turn = threading.Lock()
        turn.acquire()
        self.wanted.append(turn)
        turn.acquire(True, patience)
        try:
            self.wanted.remove(turn)
        except ValueError:
            pass  # it was given

    def give(self) -> None:
        try:
            self.wanted.popleft().release()
        except IndexError:
            pass


def _nobody(call: Call) -> None:
    pass


def _forked() -> None:
    for connection in list(_all):
        connection.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

__all__ = ["Call", "Connection", "Link", "result_of"]
