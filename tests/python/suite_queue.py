"""The interpreter's own tests of its queue module, with the classes replaced by taskq's and a daemon behind them.

They are run from the installed suite (test.test_queue; Debian: libpython3-testsuite). Where it is not installed this
test is skipped. What is not run, and why, is in the tables below; everything else has to pass, also tests that an
interpreter to come brings along.

The suite tests two implementations, in Python and in C. In the place of the one stand the plain classes, in that of the
other the joinable ones.
"""

import os
import sys
import types
import unittest

import support
import taskq
from support import lib

try:
    from test import test_queue
except ImportError:
    test_queue = None

SUBCLASS = "subclasses override _put and _get, which run under the queue's lock: that lock is in the daemon"
GARBAGE = "when an item is garbage: what comes is made anew, and an object of a local class cannot be sent at all"
ATOMIC = "that a put is one step of the interpreter's, so that a finalizer never comes in between: a put is a request"
HELD = "a job that is got and not done may come back, so a get of a joinable queue waits for it where the standard " \
       "library's, which cannot lose a consumer, raises ShutDown"
NOT_RUN = {
    "PyFailingQueueTest.test_failing_queue": SUBCLASS,
    "CFailingQueueTest.test_failing_queue": SUBCLASS,
    "PySimpleQueueTest.test_references": GARBAGE,
    "CSimpleQueueTest.test_references": GARBAGE,
    "CSimpleQueueTest.test_reentrancy": ATOMIC,
    **{"C%sTest.test_shutdown_%s" % (kind, what): HELD
       for kind in ("Queue", "LifoQueue", "PriorityQueue") for what in ("nonempty", "get")},
}


# 65,000 items one by one, four times for each class: once is enough for every change.
LENGTHY = "_in_many_threads"
LONG = os.environ.get("TASKQ_LONG_TESTS") == "true"


def names(module, **replaced):
    """What the suite takes for the queue module."""
    return types.SimpleNamespace(Full=taskq.Full, Empty=taskq.Empty, ShutDown=taskq.ShutDown, __name__=module,
                                 **replaced)


def classes():
    """The suite's classes: those of the plain queues and of the joinable ones, which bear the same names as the suite
    looks at them."""
    joinable = {
        kind.__name__: type(kind.__name__, (kind,), {"_joinable": True, "__module__": __name__})
        for kind in (taskq.Queue, taskq.LifoQueue, taskq.PriorityQueue)
    }
    plain = {kind.__name__: kind for kind in (taskq.Queue, taskq.LifoQueue, taskq.PriorityQueue)}
    return (names("plain", SimpleQueue=taskq.SimpleQueue, _PySimpleQueue=taskq.SimpleQueue, **plain),
            names("joinable", SimpleQueue=taskq.SimpleQueue, **joinable))


def suite():
    plain, joinable = classes()
    tests = unittest.TestSuite()
    left_out = set()
    for name, case in sorted(vars(test_queue).items()):
        if not (isinstance(case, type) and issubclass(case, unittest.TestCase)):
            continue
        case.queue = joinable if name.startswith("C") else plain
        for method in unittest.defaultTestLoader.getTestCaseNames(case):
            if "%s.%s" % (name, method) in NOT_RUN:
                left_out.add("%s.%s" % (name, method))
            elif LONG or not method.endswith(LENGTHY) or name == "PyQueueTest":
                tests.addTest(case(method))
    return tests, left_out


class Suite(unittest.TestCase):
    def test_the_interpreters_own(self):
        support.use_interpreter_with("test.test_queue")
        with lib.Daemon() as daemon:
            client = taskq.Client(daemon.address)
            taskq.client._shared[taskq.client._address.address_text(None)] = client  # for queues that name no daemon
            tests, left_out = suite()
            self.assertGreater(tests.countTestCases(), 30)
            result = unittest.TextTestRunner(stream=sys.stderr, verbosity=2).run(tests)
            left = client.queues()["queues"]
            client.close()
        self.assertTrue(result.wasSuccessful())
        print("test_queue: %d run, %d not run" % (result.testsRun, len(left_out)))
        self.assertLess(len(left), result.testsRun / 2, "private queues stay when their objects are gone")


if __name__ == "__main__":
    support.main()
