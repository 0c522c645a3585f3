"""python3 -m taskq.worker [OPTIONS] MODULE…: runs the functions of these modules that others submit.

Without --queue it is the child of a `process` handler of the daemon's pool: jobs on standard input, answers on standard
output (what the functions print goes to standard error). With --queue it is a consumer of its own, on any machine; it
ends on SIGTERM or SIGINT when the jobs that it runs are done.
"""

import argparse
import importlib
import os
import runpy
import signal
import sys
import threading
import types
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import _crew, _functions, _wire, _workers, errors
from ._consumer import LEASE, Consumer, current
from .client import Client


MESSAGE_BYTES = 1024  # that the daemon takes


def progress(done: Optional[float] = None, total: Optional[float] = None, message: Optional[str] = None) -> None:
    """For a function that a worker runs: says how far it is. Elsewhere it does nothing. Of a message the first 1,024
    bytes are told."""
    tell: Optional[Callable[[Dict[str, Any]], None]] = getattr(current, "tell", None)
    if tell is not None:
        if message is not None:
            message = message.encode("utf-8", "replace")[:MESSAGE_BYTES].decode("utf-8", "ignore")
        given = (("done", done), ("total", total), ("message", message))
        tell({name: value for name, value in given if value is not None})


def serve_pool(finder: _functions.Finder) -> None:
    """The child of a `process` handler."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what the functions print is no answer
    for line in sys.stdin.buffer:
        job = _wire.decode(line.decode())

        def tell(said: Dict[str, Any], job: Dict[str, Any] = job) -> None:
            answers.write(_wire.encode({"id": job["id"], "progress": said}) + b"\n")

        current.tell = tell
        well, value = _functions.run(job["body"], finder)
        sys.stdout.flush()
        answers.write(b'{"id":%d,"%b":%b}\n' % (job["id"], b"result" if well else b"error", value))


def _serve_threads(make: Callable[[], Consumer], count: int) -> None:
    consumers = [make() for _ in range(count)]

    def stop(*_: Any) -> None:
        for consumer in consumers:
            consumer.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
    failures: List[BaseException] = []

    def run(consumer: Consumer) -> None:
        try:
            consumer.run()
        except BaseException as error:
            failures.append(error)
            stop()

    threads = [threading.Thread(target=run, args=(consumer,)) for consumer in consumers[1:]]
    for thread in threads:
        thread.start()
    run(consumers[0])
    stop()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _serve_processes(options: argparse.Namespace, finder: _functions.Finder) -> int:
    control, initializer = _control() if options.own else (None, b"")

    def work(slot: int) -> None:
        if initializer:
            well, error = _functions.run(_wire.decode(initializer.decode()), finder)
            if not well:
                print("taskq.worker: the initializer failed\n%s" % _wire.decode(error.decode())["traceback"],
                      file=sys.stderr)
                sys.exit(_crew.FAILED)
        # Of a program that is gone the daemon may be, too.
        client = _client(options, 10.0 if options.own else None)
        parent, begun = (os.getppid(), crew.begun) if options.own else (0, None)
        _serve_threads(lambda: Consumer(client, options.queue, finder, options.lease, begun, slot, parent), 1)

    crew = _crew.Crew(options.concurrency, work, options.own, control)
    return crew.run()


def _client(options: argparse.Namespace, retry_for: Optional[float]) -> Client:
    return Client(options.url, retry_for=retry_for, token_file=options.token_file, ca_file=options.ca,
                  cert_file=options.cert, key_file=options.cert_key, tls_name=options.tls_name, name="taskq.worker")


def _control() -> Tuple[int, bytes]:
    """The pipe from an executor, and its first line: what each process has to do before it takes jobs."""
    control = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # what the functions read is not this
    os.close(null)
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(control, 1)
        if not byte:
            sys.exit(1)  # the executor is gone
        line += byte
    return control, bytes(line[:-1])


def _load_main(options: argparse.Namespace) -> None:
    """What an executor's program calls __main__'s is to be found under that name here."""
    if not (options.main or options.main_module):
        return
    name = _workers.MAIN
    loaded = runpy.run_path(options.main, run_name=name) if options.main else \
        runpy.run_module(options.main_module, run_name=name, alter_sys=True)
    module = types.ModuleType(name)
    vars(module).update(loaded)
    sys.modules["__main__"] = sys.modules[name] = module


def main(arguments: Optional[List[str]] = None) -> None:
    """The command, with sys.argv's arguments or these."""
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
    for option, what in (("--token-file", "its first line says who this is (else TASKQ_TOKEN, TASKQ_TOKEN_FILE)"),
                         ("--ca", "with taskqs://: whom to trust (else TASKQ_CA)"),
                         ("--cert", "with taskqs://: this client's certificate (else TASKQ_CERT)"),
                         ("--cert-key", "with taskqs://: its key (else TASKQ_KEY)"),
                         ("--tls-name", "with taskqs://: the name of the daemon's certificate (else TASKQ_TLS_NAME)")):
        parser.add_argument(option, metavar="NAME" if option == "--tls-name" else "FILE", help=what)
    parser.add_argument("--pickle", action="store_true", help="takes pickled arguments, too: where all who may put are "
                        "trusted, since they can have anything done")
    # For executors that start workers of their own: their process, and what it runs as __main__.
    parser.add_argument("--own", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--main", help=argparse.SUPPRESS)
    parser.add_argument("--main-module", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.concurrency < 1:
        parser.error("--concurrency must be at least 1")
    if not 0.001 <= options.lease <= 1e9:
        parser.error("--lease must be a number of seconds from 0.001 to 1000000000")
    if not options.modules and not options.any:
        parser.error("which modules' functions is it to run?")
    sys.path.insert(0, os.getcwd())
    for module in options.modules:
        importlib.import_module(module)
    _functions.in_worker = bool(options.own)
    _load_main(options)
    finder = _functions.Finder(options.modules, options.any, options.pickle)
    if not options.queue:
        serve_pool(finder)
        return
    try:
        if options.processes:
            sys.exit(_serve_processes(options, finder))
        _serve_threads(lambda: Consumer(_client(options, None), options.queue, finder, options.lease), options.concurrency)
    except (errors.TaskqError, ValueError) as error:
        sys.exit("taskq.worker: %s" % error)


__all__: Tuple[str, ...] = ("Consumer", "main", "progress", "serve_pool")

if __name__ == "__main__":
    main()
