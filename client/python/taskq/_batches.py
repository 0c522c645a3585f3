"""Many puts in few requests."""

import collections
from typing import Deque, List, Tuple

from . import _wire, errors
from ._connection import Call, Connection, Link

MOST = 1000  # puts of one batch
BATCH_BYTES = 512 << 10


class Batches:
    """Puts on their way in batches, two at a time, so that one is carried out while the next is made. `head`: what stands
    before each body."""

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
