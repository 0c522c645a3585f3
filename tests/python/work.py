"""Functions that the executor's tests have run by workers."""

import os
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


@taskq.task(queue="tasks", max_attempts=1)
def send(to, times=1):
    if not to:
        raise Trouble("to whom?")
    return [to] * times
