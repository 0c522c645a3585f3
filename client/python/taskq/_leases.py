"""Keeps the leases of held jobs alive, at every third of them, by one thread that is there while there are any."""

import threading
import time
from typing import TYPE_CHECKING, Dict, List, Tuple

from . import _wire, errors

if TYPE_CHECKING:
    from ._connection import Connection

LINGER = 5.0  # seconds that the thread stays with nothing to do


class _Held:
    __slots__ = ("delivery", "lease", "due", "generation")

    def __init__(self, delivery: int, lease: float, generation: int) -> None:
        self.delivery, self.lease, self.generation = delivery, lease, generation
        self.due = time.monotonic() + lease / 3


class Leases:
    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._changed = threading.Condition()
        self._held: Dict[int, _Held] = {}
        self._next = 0.0  # when the thread will look; 0: there is none

    def keep(self, id: int, delivery: int, lease: float) -> None:
        held = _Held(delivery, lease, self._connection.generation)
        with self._changed:
            self._held[id] = held
            if self._next == 0.0:
                self._next = held.due
                threading.Thread(target=self._run, name="taskq-leases", daemon=True).start()
            elif held.due < self._next:
                self._next = held.due
                self._changed.notify()

    def drop(self, id: int) -> None:
        self._held.pop(id, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                if not self._held and self._next <= now:
                    self._next = 0.0
                    return
                while self._next > now:
                    self._changed.wait(self._next - now)
                    now = time.monotonic()
                due = self._take_due(now)
            if due:
                self._touch(due)

    def _take_due(self, now: float) -> List[Tuple[int, _Held]]:
        """Those to be renewed now. What an earlier socket held has gone back: nothing to renew."""
        generation = self._connection.generation
        due = []
        self._next = now + LINGER
        for id, held in list(self._held.items()):
            if held.generation != generation:
                self._held.pop(id, None)
                continue
            if held.due <= now:
                held.due = now + held.lease / 3
                due.append((id, held))
            self._next = min(self._next, held.due)
        return due

    def _touch(self, due: List[Tuple[int, _Held]]) -> None:
        # Without ids: a job that is not ours any more answers so when it is acknowledged.
        lines = [_wire.notification("touch", b'{"id":%d,"delivery":%d}' % (id, held.delivery)) for id, held in due]
        try:
            if self._connection.is_connected:
                self._connection.link().send(b"".join(lines))
        except (errors.TaskqError, RuntimeError):
            pass
