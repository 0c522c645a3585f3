"""The processes of a worker: one that forks the others, replaces those that die, and ends them when it is told to end."""

import mmap
import os
import select
import signal
import struct
import sys
import time
import traceback
from typing import Any, Callable, Dict, List, Optional

LOOKS = 1.0  # seconds between looks at whether the owner is still there
GRACE = 3.0  # seconds for which what runs may go on when the owner is gone
PAUSE = 1.0  # seconds until a process that lived less than this is replaced
FAILED = 3  # the exit status of one that could not begin

_ID = struct.Struct("<q")


class Begun:
    """Which jobs have been begun: memory that all processes of a crew share, a slot for each. What a process had begun
    when it died stays in its slot, and its successor takes another: so whoever is given such a job next knows it."""

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, _ID.size * slots)
        self._slots = slots

    def free_slot(self, taken: List[int]) -> int:
        """One that no living process has, empty if there is one."""
        free = [slot for slot in range(self._slots) if slot not in taken]
        return next((slot for slot in free if self.of(slot) == 0), free[0])

    def of(self, slot: int) -> int:
        return int(_ID.unpack_from(self._memory, slot * _ID.size)[0])

    def set(self, slot: int, id: int) -> None:
        _ID.pack_into(self._memory, slot * _ID.size, id)

    def take_other(self, id: int) -> bool:
        """Whether some process has begun it; it is cleared there."""
        packed, at = _ID.pack(id), -1
        while True:
            at = self._memory.find(packed, at + 1)
            if at < 0:
                return False
            if at % _ID.size == 0:
                self.set(at // _ID.size, 0)
                return True


class Crew:
    """Forks `count` processes that run `work(slot)`, and as many again as die. Single-threaded, so that a fork is safe.
    It ends when all of them have ended: after SIGTERM or SIGINT, when one ends with FAILED, and, if it has an `owner`
    (the process that started it), when that is gone or closes the pipe `control`; a byte there has all of them killed.
    Then SIGINT, which a terminal sends to all, is the owner's affair."""

    def __init__(self, count: int, work: Callable[[int], None], owner: int = 0,
                 control: Optional[int] = None) -> None:
        self._count, self._work, self._owner = count, work, owner
        self.begun = Begun(count + 64)
        self._children: Dict[int, List[float]] = {}  # by process: its slot, and when it began
        self._stopping = False
        self._alone_since = 0.0  # 0: the owner is there
        self._status = 0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._control = control

    def run(self) -> int:
        """The exit status."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda number, _: self._stop(number))
        signal.signal(signal.SIGINT, signal.SIG_IGN if self._owner else lambda number, _: self._stop(number))
        while not (self._stopping and not self._children):
            self._fill()
            self._wait()
            self._reap()
        return self._status

    def _fill(self) -> None:
        while not self._stopping and len(self._children) < self._count:
            slot = self.begun.free_slot([int(child[0]) for child in self._children.values()])
            numbers = {signal.SIGTERM, signal.SIGINT}
            signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # one that comes now is for the new child, too
            child = os.fork()
            if child == 0:
                self._be_child(slot, numbers)
            self._children[child] = [slot, time.monotonic()]
            signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)

    def _be_child(self, slot: int, numbers: Any) -> None:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for each in (self._wake_read, self._wake_write, self._control):
                if each is not None:
                    os.close(each)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
            self._work(slot)
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)

    def _wait(self) -> None:
        inputs = [self._wake_read] + ([self._control] if self._control is not None else [])
        ready, _, _ = select.select(inputs, [], [], LOOKS if self._owner or not self._children else None)
        if self._wake_read in ready:
            try:
                os.read(self._wake_read, 4096)
            except BlockingIOError:
                pass
        if self._control in ready and self._control is not None:
            said = os.read(self._control, 1)
            os.close(self._control)
            self._control = None
            self._stop(signal.SIGKILL if said else signal.SIGTERM)
        if self._owner and os.getppid() != self._owner:
            self._without_owner()

    def _without_owner(self) -> None:
        """Nobody wants what runs any more."""
        now = time.monotonic()
        if not self._alone_since:
            self._alone_since = now
            self._stop(signal.SIGTERM)
        elif now - self._alone_since > GRACE:
            self._stop(signal.SIGKILL)

    def _stop(self, number: int) -> None:
        self._stopping = True
        for child in list(self._children):
            try:
                os.kill(child, number)
            except ProcessLookupError:
                pass

    def _reap(self) -> None:
        for child in list(self._children):
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                continue
            _, began = self._children.pop(child)
            if self._stopping:
                continue
            if os.WIFEXITED(status) and os.WEXITSTATUS(status) == FAILED:
                self._status = FAILED
                self._stop(signal.SIGTERM)
            elif time.monotonic() - began < PAUSE:
                time.sleep(max(0.0, PAUSE - (time.monotonic() - began)))
