"""The ledger of the crash test: of every job and queue, what the daemon acknowledged and what it may have done since.

Of each thing there is a chain of states: the first is the last that was acknowledged, the others come of requests that
were sent and not answered yet. The daemon writes changes in their order, so after a crash a thing is in one of the states
of its chain, and never before the first.
"""

import threading
import time
import traceback
from typing import NamedTuple, Optional

TOLERANCE = 2.5  # seconds by which a time that was told may differ from what we reckon
SETTINGS = {"backoff": {"base": 0.02, "cap": 0.1, "jitter": 0}, "max_attempts": 3, "max_lost": 3}
QUEUES = {  # of the consumers; every other queue belongs to one client alone
    "fifo": dict(SETTINGS),
    "lifo": dict(SETTINGS, order="lifo"),
    "work": dict(SETTINGS, dead_letter="letters"),
    "letters": dict(SETTINGS),
    "loose": dict(SETTINGS, durable=False),
    "auto": dict(SETTINGS),
    "lease": dict(SETTINGS),
}


class State(NamedTuple):
    """Of a job. Reserved is no state here: it is ready again after a crash."""
    kind: str  # absent, ready, delayed, dead, done, cancelled, gone
    queue: str = ""
    priority: float = 0
    attempts: int = 0
    lost: int = 0
    due: float = 0  # delayed: when it is ready; Unix time
    reason: Optional[str] = None
    error: object = None
    result: object = None
    origin: Optional[str] = None
    keyed: bool = False


ABSENT = State("absent")
GONE = State("gone")


def pause(n):
    return min(SETTINGS["backoff"]["cap"], SETTINGS["backoff"]["base"] * 2 ** (n - 1))


def back(state, delay):
    if delay:
        return state._replace(kind="delayed", due=time.time() + delay)
    return state._replace(kind="ready", due=0)


def dies(state, reason, error):
    error = state.error if error is None else error
    letters = QUEUES.get(state.queue, {}).get("dead_letter")
    if letters and not state.origin:
        return state._replace(kind="ready", queue=letters, attempts=0, lost=0, due=0, error=error, origin=state.queue,
                              keyed=False)
    return state._replace(kind="dead", due=0, reason=reason, error=error, keyed=False)


def fails(state, most, error=None, delay=None):
    state = state._replace(attempts=state.attempts + 1)
    if state.attempts >= most:
        return dies(state, "attempts", error)
    if error is not None:
        state = state._replace(error=error)
    return back(state, pause(state.attempts) if delay is None else delay)


def is_lost(state):
    if state.kind not in ("ready", "delayed"):
        return state
    state = state._replace(lost=state.lost + 1)
    if state.lost >= SETTINGS["max_lost"]:
        return dies(state, "lost", None)
    return back(state, pause(state.lost - 1) if state.lost > 1 else 0)


class Chain:
    """What a thing may be. Steps are told apart by identity: two of them may lead to the same state."""

    def __init__(self, state):
        self.steps = [[state]]

    @property
    def last(self):
        return self.steps[-1][0]

    @property
    def certain(self):
        return len(self.steps) == 1

    def states(self):
        return [step[0] for step in self.steps]

    def push(self, state):
        step = [state]
        self.steps.append(step)
        return step

    def confirm(self, step):
        for i, one in enumerate(self.steps):
            if one is step:
                del self.steps[:i]

    def refuse(self, step):
        if self.steps[0][0] is ABSENT and len(self.steps) > 1 and self.steps[1] is step:
            self.settle(ABSENT)  # it was not even put: nothing can have come after
            return
        self.steps = [one for one in self.steps if one is not step]

    def settle(self, state):
        self.steps = [[state]]


class Job(Chain):
    def __init__(self, number, pad, key, max_attempts, submitted):
        super().__init__(ABSENT)
        self.number, self.pad, self.key, self.submitted = number, pad, key, submitted
        self.max_attempts = max_attempts  # its own, or None
        self.id = None
        self.key_lasts = False  # its key holds on after it is done

    def body(self):
        return {"n": self.number, "pad": chr(97 + self.number % 26) * self.pad}

    def most(self):
        return self.max_attempts or SETTINGS["max_attempts"]

    def __repr__(self):
        return "job %d (id %s, key %s) %s" % (self.number, self.id, self.key, self.states())


class QueueState(NamedTuple):
    settings: tuple = ()  # of (name, value): what was declared; () if it was not
    paused: bool = False
    shut_down: bool = False
    immediate: bool = False


class Wrong(AssertionError):
    pass


class Ledger:
    def __init__(self):
        self.lock = threading.RLock()
        self.progress = threading.Condition(self.lock)
        self.answers = 0  # of requests that change something
        self.failure = None
        self.jobs = {}  # number -> Job, while it is or may be there
        self.finished = set()  # numbers that are surely gone
        self.ids = {}  # id -> number
        self.tokens = set()  # (id, delivery)
        self.held = {}  # number -> (id, delivery, detached)
        self.asked = {}  # the same of those whose holders have said what becomes of them, heard or not
        self.keys = {}  # key -> number of the job that bears it or may
        self.lasting = {}  # key that a job left behind -> its id
        self.queues = {}  # name -> Chain of QueueState
        self.numbers = 0

    def fail(self, text):
        with self.progress:
            self.failure = self.failure or text
            self.progress.notify_all()

    def fail_with_trace(self):
        self.fail(traceback.format_exc())

    def answered(self):
        with self.progress:
            self.answers += 1
            self.progress.notify_all()

    # ---- jobs

    def new_job(self, queue, pad=0, priority=0, delay=0, key=None, max_attempts=None, submitted=False):
        """A put is about to be sent: the job and its step."""
        with self.lock:
            self.numbers += 1
            job = Job(self.numbers, pad, key, max_attempts, submitted)
            self.jobs[job.number] = job
            state = State("ready", queue, priority, keyed=key is not None)
            return job, job.push(back(state, delay) if delay else state)

    def put_done(self, job, result):
        with self.lock:
            if result.get("existing"):
                return self.key_was_taken(job, result["id"])
            self.new_id(job, result["id"])
            if job.key is not None:
                other = self.jobs.get(self.keys.get(job.key))
                if other is not None and other is not job and all(s.keyed for s in other.states()):
                    raise Wrong("%r was made although %r bears its key" % (job, other))
                if self.lasting.get(job.key, job.id) != job.id:
                    raise Wrong("%r was made although its key is kept for id %d" % (job, self.lasting[job.key]))
                self.keys[job.key] = job.number

    def keep_key(self, job):
        with self.lock:
            self.lasting[job.key] = job.id

    def key_was_taken(self, job, id):
        del self.jobs[job.number]
        self.finished.add(job.number)
        if self.lasting.get(job.key, id) != id:
            raise Wrong("key %s is said to be that of id %d, but id %d left it" % (job.key, id, self.lasting[job.key]))
        number = self.ids.get(id)
        bearer = self.jobs.get(number)
        if number not in self.finished and (bearer is None or bearer.key != job.key):
            raise Wrong("key %s is said to be that of id %s, %r" % (job.key, id, bearer))

    def new_id(self, job, id):
        if self.ids.setdefault(id, job.number) != job.number:
            raise Wrong("id %d of %r was that of %d" % (id, job, self.ids[id]))
        if job.id is not None and job.id != id:
            raise Wrong("%r has another id: %d" % (job, id))
        job.id = id

    def taken(self, reply, detached):
        """A job came out of a get."""
        with self.lock:
            number = reply["body"]["n"]
            if number in self.finished:
                raise Wrong("job %d came back though it was finished: %r" % (number, reply))
            job = self.jobs.get(number)
            if job is None:
                raise Wrong("nobody put %r" % reply)
            state = job.last
            self.new_id(job, reply["id"])
            token = (reply["id"], reply["delivery"])
            if token in self.tokens:
                raise Wrong("the delivery %r was used before: %r" % (token, job))
            self.tokens.add(token)
            if number in self.held:
                raise Wrong("%r is held already, and came again: %r" % (job, reply))
            self.held[number] = token + (detached,)
            self.asked.pop(number, None)
            early = state.kind == "delayed" and state.due > time.time() + TOLERANCE
            if state.kind not in ("ready", "delayed") or early:
                raise Wrong("%r was handed out" % job)
            if (reply["queue"], reply["priority"], reply["attempt"]) != (state.queue, state.priority, state.attempts + 1):
                raise Wrong("%r was handed out as %r" % (job, reply))
            if reply["body"] != job.body():
                raise Wrong("%r has another body" % job)
            return job

    def push(self, job, state):
        with self.lock:
            return job.push(state)

    def give_back(self, job, state):
        """The holder is about to say what becomes of the job."""
        with self.lock:
            self.asked[job.number] = self.held.pop(job.number)
            return job.push(state)

    def may_be_held(self):
        """Those that are held, or are still if the last that their holders said was not heard."""
        unheard = {number: token for number, token in self.asked.items()
                   if number in self.jobs and not self.jobs[number].certain}
        return {**unheard, **self.held}

    def confirm(self, chain, step):
        with self.lock:
            chain.confirm(step)
            if chain.certain and chain.last.__class__ is State and chain.last.kind == "gone":
                self.forget(chain)

    def refuse(self, chain, step):
        with self.lock:
            chain.refuse(step)

    def forget(self, job):
        self.jobs.pop(job.number, None)
        self.finished.add(job.number)

    def where(self, condition):
        with self.lock:
            return [job for job in self.jobs.values() if condition(job)]

    def in_queue(self, name):
        """The jobs that are surely in a queue that only the caller uses, in the order of their puts."""
        return sorted(self.where(lambda job: job.last.queue == name and job.id is not None), key=lambda job: job.number)

    # ---- queues

    def queue(self, name):
        with self.lock:
            return self.queues.setdefault(name, Chain(QueueState()))

    def push_queue(self, name, **changes):
        with self.lock:
            chain = self.queue(name)
            return chain, chain.push(chain.last._replace(**changes))
