"""Functions that the executor's tests have run by workers."""

import os
import signal
import sys
import threading

import taskq
import taskq.worker


class Trouble(Exception):
    pass


def add(a, b=0):
    return a + b


def raises(*args):
    raise Trouble(*args)


def complex_back(pair):
    return {pair: {1, 2}}


def wait_for_file(path):
    while not os.path.exists(path):
        threading.Event().wait(0.005)
    return "it is there"


def tells():
    taskq.worker.progress(1, 2, "half")
    print("this is no answer")
    return "told"


def tells_much():
    taskq.worker.progress(message="\u20ac" * 1000)
    return "told"


def deep(levels):
    made = 0
    for _ in range(levels):
        made = [made]
    return made


def raises_deep(levels):
    raise Trouble(deep(levels))


@taskq.task(queue="tasks", max_attempts=1)
def send(to, times=1):
    if not to:
        raise Trouble("to whom?")
    return [to] * times


def nothing():
    pass


def double(n):
    return 2 * n


def even(n):
    if n % 2:
        raise Trouble("odd")
    return n


def wait_or_double(given):
    return wait_for_file(given) if isinstance(given, str) else 2 * given


def wait_or_raise(path):
    if path is None:
        raise Trouble
    return wait_for_file(path)


_initialized = "not"


def initialize(what):
    global _initialized
    _initialized = what


def initialized(_):
    return _initialized


def say_pid_and_wait(path):
    say_pid(path)
    threading.Event().wait()


class Account:
    def __init__(self, amount):
        self.amount = amount

    def balance(self):
        return self.amount


def fails_twice(path):
    with open(path, "a", encoding="utf-8") as file:
        file.write("x")
    if os.path.getsize(path) < 3:
        raise Trouble("not yet")
    return "third"


def say_pid(path):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".new", path)


def say_after(seconds, what):
    threading.Event().wait(seconds)
    print(what, flush=True)


def kill_me(_):
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    sys.exit("not the worker")
