"""What a pool's imap returns: results as they come."""

import collections
import multiprocessing
import threading
import time
from typing import Any, Deque, Dict, Iterator, Optional, Tuple


class IMapIterator(Iterator[Any]):
    """The results of the chunks, one by one, in the order of the chunks. An exception stands for its whole chunk; the
    iterator can go on after it. Any thread may take."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: Deque[Tuple[bool, Any]] = collections.deque()
        self._early: Dict[int, Tuple[bool, Any]] = {}
        self._come = 0  # chunks that are in their place
        self._length: Optional[int] = None

    def __next__(self) -> Any:
        return self.next()

    def next(self, timeout: Optional[float] = None) -> Any:
        """The next result; multiprocessing.TimeoutError after `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._items:
                if self._come == self._length:
                    raise StopIteration
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise multiprocessing.TimeoutError
                self._changed.wait(left)
            success, value = self._items.popleft()
        if success:
            return value
        raise value

    def _put(self, index: int, success: bool, value: Any) -> None:
        with self._changed:
            self._early[index] = success, value
            while self._come in self._early:
                self._add(*self._early.pop(self._come))

    def _add(self, success: bool, value: Any) -> None:
        self._come += 1
        if success:
            self._items.extend((True, each) for each in value)
        else:
            self._items.append((False, value))
        self._changed.notify_all()

    def _set_length(self, length: int) -> None:
        with self._changed:
            self._length = length
            self._changed.notify_all()


class IMapUnorderedIterator(IMapIterator):
    """As IMapIterator, in the order in which the chunks come."""

    def _put(self, index: int, success: bool, value: Any) -> None:
        with self._changed:
            self._add(success, value)
