"""python3 -m taskq.worker [OPTIONS] MODULE…: runs the functions of these modules that others submit.

Without --queue it is the child of a `process` handler of the daemon's pool: jobs on standard input, answers on standard
output (what the functions print goes to standard error). With --queue it is a consumer of its own, on any machine; it
ends on SIGTERM or SIGINT when the jobs that it runs are done.
"""

import argparse
import importlib
import logging
import os
import runpy
import signal
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import _functions, _wire, errors
from ._connection import Call, result_of
from .client import Client

log = logging.getLogger("taskq.worker")
LEASE = 60.0
STOP_LOOKS = 0.5  # seconds between looks at whether to stop, where there is nothing to do
AHEAD_SECONDS, MOST_AHEAD = 0.005, 50  # takes as many quick jobs at once as it does in this time

_current = threading.local()


def progress(done: Optional[float] = None, total: Optional[float] = None, message: Optional[str] = None) -> None:
    """For a function that a worker runs: says how far it is. Elsewhere it does nothing."""
    tell: Optional[Callable[[Dict[str, Any]], None]] = getattr(_current, "tell", None)
    if tell is not None:
        given = (("done", done), ("total", total), ("message", message))
        tell({name: value for name, value in given if value is not None})


class Consumer:
    """One thread's work: takes jobs, runs them, and sends their outcomes with the request for the next."""

    def __init__(self, client: Client, queues: List[str], finder: _functions.Finder, lease: float = LEASE) -> None:
        self.client, self._finder, self._lease = client, finder, lease
        self._stopping = False
        self.parent = 0  # the process without which there is nothing to do; 0: none
        self._each = AHEAD_SECONDS  # how long a job takes, about
        self._head = b'{"queues":%b,"lease":%.3f,"timeout":%.3f,"max":' % (_wire.encode(queues), lease, STOP_LOOKS)

    def stop(self) -> None:
        self._stopping = True

    def run(self) -> None:
        acks: List[bytes] = []
        while not self._stopping and (not self.parent or os.getppid() == self.parent):
            jobs = self._exchange(acks, True)
            acks = self._work(jobs)
        if acks:
            self._exchange(acks, False)

    def _exchange(self, acks: List[bytes], more: bool) -> List[Dict[str, Any]]:
        connection = self.client.connection
        try:
            link = connection.link()
        except errors.NoDaemon as error:
            log.warning("%s", error)
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
        jobs: List[Dict[str, Any]] = []
        for at, call in enumerate(calls):
            if call.reply is None:
                continue  # the jobs went back with the connection
            try:
                result = result_of(call.reply)
                if at == len(acks):
                    jobs = result["jobs"]
            except errors.Empty:
                pass
            except (errors.Draining, errors.ShutDown, errors.Overloaded, errors.StoreFailed, errors.NotFound) as error:
                if at == len(acks):
                    time.sleep(STOP_LOOKS)
                log.info("%s", error)
            except errors.TaskqError as error:
                log.warning("a job's outcome was refused: %s", error)
        for job in jobs:
            connection.leases.keep(job["id"], job["delivery"], self._lease)
        return jobs

    def _work(self, jobs: List[Dict[str, Any]]) -> List[bytes]:
        acks = []
        for n, job in enumerate(jobs):
            if self._stopping and n:
                acks.append(_wire.request("release", b'{"id":%d,"delivery":%d}' % (job["id"], job["delivery"])))
                continue
            began = time.monotonic()
            _current.tell = lambda said, job=job: self._tell(job, said)
            well, value = _functions.run(job["body"], self._finder)
            self.client.connection.leases.drop(job["id"])
            largest = self.client.connection.link().hello["limits"]["body"] if len(value) > 65536 else len(value)
            if len(value) > largest:
                well, value = False, _wire.encode("the outcome has %d bytes; the daemon takes %d"
                                                  % (len(value), largest))
            took = time.monotonic() - began
            self._each = max(1e-6, 0.8 * self._each + 0.2 * took if took < self._each else took)
            acks.append(_wire.request("ack" if well else "nack", b'{"id":%d,"delivery":%d,"%b":%b}' % (
                job["id"], job["delivery"], b"result" if well else b"error", value)))
        return acks

    def _tell(self, job: Dict[str, Any], said: Dict[str, Any]) -> None:
        self.client.notify("progress", id=job["id"], delivery=job["delivery"], **said)


def serve_pool(finder: _functions.Finder) -> None:
    """The child of a `process` handler."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what the functions print is no answer
    for line in sys.stdin.buffer:
        job = _wire.decode(line.decode())

        def tell(said: Dict[str, Any], job: Dict[str, Any] = job) -> None:
            answers.write(_wire.encode({"id": job["id"], "progress": said}) + b"\n")

        _current.tell = tell
        well, value = _functions.run(job["body"], finder)
        sys.stdout.flush()
        answers.write(b'{"id":%d,"%b":%b}\n' % (job["id"], b"result" if well else b"error", value))


def _serve_threads(url: Optional[str], queues: List[str], finder: _functions.Finder, count: int, lease: float,
                   parent: int = 0) -> None:
    # Of a program that is gone the daemon may be, too.
    patience = 10.0 if parent else None
    consumers = [Consumer(Client(url, retry_for=patience), queues, finder, lease) for _ in range(count)]
    for consumer in consumers:
        consumer.parent = parent

    def stop(*_: Any) -> None:
        for consumer in consumers:
            consumer.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    threads = [threading.Thread(target=consumer.run) for consumer in consumers[1:]]
    for thread in threads:
        thread.start()
    consumers[0].run()
    stop()
    for thread in threads:
        thread.join()


def _serve_processes(url: Optional[str], queues: List[str], finder: _functions.Finder, count: int,
                     lease: float) -> None:
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            try:
                _serve_threads(url, queues, finder, 1, lease)
            finally:
                os._exit(0)
        children.append(child)

    def stop(number: int, _: Any) -> None:
        for child in children:
            try:
                os.kill(child, number)
            except ProcessLookupError:
                pass

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for child in children:
        os.waitpid(child, 0)


def main(arguments: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(prog="python3 -m taskq.worker", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="whose functions it runs")
    parser.add_argument("--queue", action="append", default=[], help="takes jobs from this queue; several: the most "
                        "urgent of them all")
    parser.add_argument("--url", help="the daemon (else TASKQ_ADDR, else 127.0.0.1:7480)")
    parser.add_argument("--concurrency", type=int, default=1, help="how many jobs at once (1)")
    parser.add_argument("--processes", action="store_true", help="each in a process of its own, not a thread")
    parser.add_argument("--lease", type=float, default=LEASE, help="seconds after which a worker that hangs loses its "
                        "job; renewed while it lives (60)")
    parser.add_argument("--any", action="store_true", help="functions of any module: where all who may put are trusted")
    parser.add_argument("--main", help=argparse.SUPPRESS)  # the script whose functions are called __main__'s
    parser.add_argument("--parent", type=int, default=0, help=argparse.SUPPRESS)  # it ends when this one does
    options = parser.parse_args(arguments)
    if options.concurrency < 1:
        parser.error("--concurrency must be at least 1")
    if not options.modules and not options.any:
        parser.error("which modules' functions is it to run?")
    sys.path.insert(0, os.getcwd())
    for module in options.modules:
        importlib.import_module(module)
    if options.main:
        loaded = runpy.run_path(options.main, run_name="__taskq_main__")
        vars(sys.modules["__main__"]).update({k: v for k, v in loaded.items() if not k.startswith("__")})
    finder = _functions.Finder(options.modules, options.any)
    if not options.queue:
        serve_pool(finder)
    elif options.parent:
        _serve_threads(options.url, options.queue, finder, options.concurrency, options.lease, options.parent)
    elif options.processes:
        _serve_processes(options.url, options.queue, finder, options.concurrency, options.lease)
    else:
        _serve_threads(options.url, options.queue, finder, options.concurrency, options.lease)


__all__: Tuple[str, ...] = ("Consumer", "main", "progress", "serve_pool")

if __name__ == "__main__":
    main()
