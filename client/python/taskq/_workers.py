"""The processes that an executor without a queue's name starts for itself: `taskq.worker`, told what to do by its options
and by what comes on its standard input, which also tells it when this process is gone."""

import os
import subprocess
import sys
import threading
from typing import Callable, List, Optional

from .client import Client

MAIN = "__taskq_main__"  # what this program's __main__ is called in them, where it is no program
STOP, KILL = b"", b"k"  # an end of input: finish what runs; a byte: do not


class Workers:
    """One child, which forks `count` others and replaces those that die. `initializer` is the body of a job that each
    does before it takes any. `failed` is called on a thread of this object's own when the child ends without having been
    told to, with what it ended with."""

    def __init__(self, client: Client, queue: str, count: int, *, pickled: bool, initializer: Optional[bytes],
                 failed: Callable[[str], None]) -> None:
        command = [sys.executable, "-m", "taskq.worker", "--own", str(os.getpid()), "--url", client.url, "--queue", queue,
                   "--concurrency", str(count), "--processes", "--any"]
        if pickled:
            command.append("--pickle")
        main = sys.modules["__main__"]
        command += _main_of(main)
        sys.modules[MAIN] = main  # for what comes back
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path or os.getcwd() for path in sys.path))
        environment.update(client.connection.environment())
        self._child = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE)
        self._owner = os.getpid()  # in a child after a fork they are not its own
        self._told = False
        try:
            assert self._child.stdin is not None
            self._child.stdin.write((initializer or b"") + b"\n")
            self._child.stdin.flush()
        except OSError:
            pass  # it has ended, which is noticed below
        self._ended = threading.Event()
        self._failed = failed
        threading.Thread(target=self._watch, name="taskq-workers", daemon=True).start()

    def _watch(self) -> None:
        status = self._child.wait()
        self._ended.set()
        if not self._told:
            self._failed("the executor's workers ended: exit status %d" % status)

    def tell(self, word: bytes) -> None:
        """STOP or KILL; it returns at once."""
        pipe = self._child.stdin
        if self._owner != os.getpid() or pipe is None or pipe.closed:
            return
        self._told = True
        try:
            if word:
                pipe.write(word)
            pipe.close()
        except OSError:
            pass  # it has ended

    def wait(self) -> None:
        """Until all of them have ended."""
        if self._owner == os.getpid():
            self._ended.wait()


def _main_of(main: object) -> List[str]:
    """How the workers find what this program calls __main__'s."""
    spec, path = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None and spec.name:
        return ["--main-module", spec.name]
    return ["--main", os.path.abspath(path)] if path else []
