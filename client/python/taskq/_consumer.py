"""What a worker's thread or process does all the time: it takes jobs, runs them, and says what became of them."""

import collections
import logging
import os
import threading
import time
from typing import Any, Deque, Dict, List, Optional, Tuple

from . import _functions, _wire, errors
from ._connection import Call, result_of
from ._crew import Begun
from .client import Client

log = logging.getLogger("taskq.worker")
LEASE = 60.0
STOP_LOOKS = 0.5  # seconds between looks at whether to stop, where there is nothing to do
AHEAD_SECONDS, MOST_AHEAD = 0.005, 50  # takes as many quick jobs at once as it does in this time
HOLDS_UP = 0.02  # seconds that a job may take while others were taken with it

current = threading.local()  # `tell`: says how far the job is that this thread runs


class Consumer:
    """One thread's work: takes jobs, runs them, and sends their outcomes with the request for the next.

    `begun`, `slot`: where a process of a crew notes which job it has begun, so that one that ended a process of the
    crew is not begun again. `parent`: the process without which there is nothing to do; 0: none.
    """

    def __init__(self, client: Client, queues: List[str], finder: _functions.Finder, lease: float = LEASE,
                 begun: Optional[Begun] = None, slot: int = 0, parent: int = 0) -> None:
        self.client, self._finder, self._lease = client, finder, lease
        self._begun, self._slot, self._parent = begun, slot, parent
        self._stopping = False
        self._said = ""
        self._each = AHEAD_SECONDS  # how long a job takes, about
        self._ahead: Deque[Dict[str, Any]] = collections.deque()  # taken and not begun
        self._outcomes: Deque[bytes] = collections.deque()  # of those that are done, to be sent
        self._done = 0
        self._watching = False
        self._head = b'{"queues":%b,"lease":%.3f,"timeout":%.3f,"max":' % (_wire.encode(queues), lease, STOP_LOOKS)

    def stop(self) -> None:
        """It ends when the job that it runs is done. For any thread, and for signal handlers."""
        self._stopping = True

    def run(self) -> None:
        """Until it is stopped. Raises what the daemon will say again next time: Unauthorized, Forbidden."""
        while not self._stopping and (not self._parent or os.getppid() == self._parent):
            self._work(self._exchange(True))
        self._exchange(False)

    def _pause(self, why: Exception) -> None:
        """There is nothing to do until something changes."""
        if str(why) != self._said:
            self._said = str(why)
            log.warning("%s", why)
        time.sleep(STOP_LOOKS)

    def _exchange(self, more: bool) -> List[Dict[str, Any]]:
        """Says what was done, and takes more."""
        acks: List[bytes] = []
        try:
            while True:
                acks.append(self._outcomes.popleft())
        except IndexError:
            pass
        if not acks and not more:
            return []
        connection = self.client.connection
        try:
            link = connection.link()
        except errors.NoDaemon as error:
            self._pause(error)
            return []
        calls = [Call(connection.next_id()) for _ in acks]
        lines = [b"%b%d}\n" % (head, call.id) for head, call in zip(acks, calls)]
        if more:
            most = max(1, min(MOST_AHEAD, int(AHEAD_SECONDS / self._each)))
            calls.append(Call(connection.next_id()))
            lines.append(b"%b%d}\n" % (_wire.request("get", self._head + b"%d}" % most), calls[-1].id))
        link.start_many(calls, b"".join(lines))
        for call in calls:
            link.wait(call)
        for call in calls[:len(acks)]:
            if call.reply is not None and b'"error":' in call.reply[:100]:
                self._refused(call.reply)
        jobs = self._taken(calls[-1].reply) if more else []
        for job in jobs:
            connection.leases.keep(job["id"], job["delivery"], self._lease)
        return jobs

    @staticmethod
    def _refused(reply: bytes) -> None:
        try:
            result_of(reply)
        except (errors.NotFound, errors.Cancelled) as error:
            log.info("a job went while it was run: %s", error)
        except errors.TaskqError as error:
            log.warning("a job's outcome was refused: %s", error)

    def _taken(self, reply: Optional[bytes]) -> List[Dict[str, Any]]:
        if reply is None:
            return []  # what was held went back with the connection
        try:
            return result_of(reply)["jobs"]  # type: ignore[no-any-return]
        except errors.Empty:
            pass
        except errors.NotFound as error:
            if not self._parent:  # else its queue goes before it does
                self._pause(error)
        except (errors.Draining, errors.ShutDown, errors.Overloaded, errors.StoreFailed) as error:
            self._pause(error)
        return []

    def _work(self, jobs: List[Dict[str, Any]]) -> None:
        ahead = self._ahead
        ahead.extend(jobs)
        if len(jobs) > 1 and not self._watching:
            self._watching = True
            threading.Thread(target=self._watch, name="taskq-watch", daemon=True).start()
        while True:
            try:
                job = ahead.popleft()
            except IndexError:
                return
            began = time.monotonic()
            well, value = self._run(job)
            self.client.connection.leases.drop(job["id"])
            took = time.monotonic() - began
            self._each = max(1e-6, 0.8 * self._each + 0.2 * took if took < self._each else took)
            self._done += 1
            self._outcomes.append(_wire.request("ack" if well else "nack", b'{"id":%d,"delivery":%d,"%b":%b}' % (
                job["id"], job["delivery"], b"result" if well else b"error", value)))
            if self._stopping:
                self._give_back()

    def _watch(self) -> None:
        """Where a job takes longer than those before it, gives back what was taken with it, so that others can do it, and says
        what was done before it."""
        done, idle = -1, 0
        while idle < 50:
            time.sleep(HOLDS_UP)
            if not self._ahead and not self._outcomes:
                idle += 1
                continue
            idle = 0
            if self._done == done:
                self._give_back()
                self._exchange(False)
            done = self._done
        self._watching = False

    def _give_back(self) -> None:
        connection, lines = self.client.connection, []
        while True:
            try:
                job = self._ahead.pop()
            except IndexError:
                break
            connection.leases.drop(job["id"])
            lines.append(_wire.notification("release", b'{"id":%d,"delivery":%d}' % (job["id"], job["delivery"])))
        if lines and connection.is_connected:
            connection.link().send(b"".join(lines))

    def _run(self, job: Dict[str, Any]) -> Tuple[bool, bytes]:
        if self._begun is not None:
            if self._begun.take_other(job["id"]):
                return False, _functions.error_text(errors.WorkerDied("the process that ran the job ended"), False)
            self._begun.set(self._slot, job["id"])
        current.tell = lambda said: self._tell(job, said)
        well, value = _functions.run(job["body"], self._finder)
        if self._begun is not None:
            self._begun.set(self._slot, 0)
        if len(value) > 65536:
            largest = self.client.connection.link().hello["limits"]["body"]
            if len(value) > largest:
                return False, _functions.error_text(errors.TooLarge(
                    "the outcome has %d bytes; the daemon takes %d" % (len(value), largest)), False)
        return well, value

    def _tell(self, job: Dict[str, Any], said: Dict[str, Any]) -> None:
        self.client.notify("progress", id=job["id"], delivery=job["delivery"], **said)
