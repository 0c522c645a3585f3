"""Mixed jobs through all kinds of handlers while their children are killed at random: every job ends just once, in a state that it may
end in, and in the end no descriptor, process or byte is left over.

Usage: handlers.py PATH-OF-TASKQD CHILD MODULE [--jobs N] [--seed S]. A failure prints the seed; when a child dies is left to chance.
"""

import argparse
import collections
import os
import random
import select
import signal
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "protocol")]
import lib  # noqa: E402

IN_FLIGHT = 400
KILL_EVERY = 0.005  # seconds, about
YOUNG = 0.1  # who lives less long is seldom hit: a child that never begins to work is replaced ever more slowly
MARK = "TASKQ_SOAK=%d" % os.getpid()

CONFIG = """
shutdown_timeout = 20
handler "noop" { kind = noop }
handler "echo" { kind = echo }
handler "fail" { kind = fail }
handler "process" { kind = process command = {"%(child)s"} workers = 4 timeout = 2 grace = 0.2 max_jobs = 500 env = {"%(mark)s"} }
handler "module" { kind = module module = "%(module)s" function = "crash" workers = 3 grace = 0.2 env = {"%(mark)s"} }
handler "exec" { command = {"sh", "-c", 'read n; test "$n" -lt 100 && echo "$n"'} workers = 2 grace = 0.2 env = {"%(mark)s"} }
"""

DONE, DEAD, EITHER = {"done"}, {"dead"}, {"done", "dead"}
# Queue, body (a function of a number), how many in a thousand, how it may end, and its result if it is done. Whatever runs in a child may
# be killed in each of its attempts. One that answers before it does wrong is done.
KINDS = [
    ("noop", lambda n: n, 300, DONE, lambda n: None),
    ("echo", lambda n: {"n": n}, 200, DONE, lambda n: {"n": n}),
    ("fail", lambda n: n, 30, DEAD, None),
    ("process", lambda n: "job %d" % n, 240, EITHER, lambda n: "job %d" % n),
    ("process", lambda n: "x" * (n % 100000), 10, EITHER, lambda n: "x" * (n % 100000)),
    ("process", lambda n: "answer and exit", 10, EITHER, lambda n: "last"),
    ("process", lambda n: "twice", 5, EITHER, lambda n: 1),
    ("process", lambda n: "progress", 5, EITHER, lambda n: 2),
    ("process", lambda n: "errors", 10, EITHER, lambda n: None),
    ("process", lambda n: "error", 10, DEAD, None),
    ("process", lambda n: "bury", 5, DEAD, None),
    ("process", lambda n: "exit 3", 3, DEAD, None),
    ("process", lambda n: "signal 11", 2, DEAD, None),
    ("process", lambda n: "rubbish", 2, DEAD, None),
    ("process", lambda n: "wrong id", 2, DEAD, None),
    ("module", lambda n: n, 134, EITHER, lambda n: n),
    ("module", lambda n: "crash", 1, DEAD, None),
    ("exec", lambda n: n % 100, 26, EITHER, lambda n: n % 100),
    ("exec", lambda n: 100, 5, DEAD, None),
]


class Wrong(Exception):
    pass


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [int(child) for child in file.read().split()]


def state(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def marked():
    """Processes that were started by the daemon."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/environ" % pid, "rb") as file:
                if MARK.encode() in file.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            pass
    return [pid for pid in found if state(pid) not in ("Z", "X", "gone")]


def until(condition, what):
    deadline = time.monotonic() + lib.PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise Wrong("in vain: %s" % what)
        select.select([], [], [], 0.01)


class Killer(threading.Thread):
    def __init__(self, spawner, seed):
        super().__init__(daemon=True)
        self.spawner, self.random, self.enough, self.kills, self.born = spawner, random.Random(seed), threading.Event(), 0, {}

    def run(self):
        while not self.enough.wait(self.random.random() * 2 * KILL_EVERY):
            now, pids = time.monotonic(), children(self.spawner)
            self.born = {pid: self.born.get(pid, now) for pid in pids}
            pids = [pid for pid in pids if now - self.born[pid] >= YOUNG or self.random.random() < 0.02]
            if pids:
                try:
                    os.kill(self.random.choice(pids), self.random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
                    self.kills += 1
                except ProcessLookupError:
                    pass

    def stop(self):
        self.enough.set()
        self.join()


class Soak:
    def __init__(self, daemon, jobs, seed):
        self.daemon, self.jobs, self.seed = daemon, jobs, seed
        self.random = random.Random(seed)
        self.spawner = children(daemon.pid)[0]
        self.connection = daemon.connect()
        self.asked, self.kind_of, self.ended, self.states = {}, {}, {}, collections.Counter()
        self.sent = 0

    def submit(self):
        kind = self.random.choices(KINDS, [kind[2] for kind in KINDS])[0]
        self.asked[self.sent] = (kind, self.sent)
        params = {"queue": kind[0], "body": kind[1](self.sent), "notify": True, "keep_result": 0.05, "max_attempts": 3}
        self.sent += 1
        return lib.request_text(self.sent - 1, "submit", params) + "\n"

    def take(self, message):
        if "id" in message:
            self.kind_of[lib.outcome(message)["id"]] = self.asked.pop(message["id"])
            return
        outcome = message["params"]
        id = outcome["id"]
        if message["method"] != "finished" or id in self.ended:
            raise Wrong("out of turn: %r" % message)
        kind, number = self.kind_of[id]
        if outcome["state"] not in kind[3]:
            raise Wrong("%r of %s(%r) cannot be" % (outcome, kind[0], kind[1](number)))
        if outcome["state"] == "done" and outcome["result"] != kind[4](number):
            raise Wrong("%s(%r) gave %r" % (kind[0], kind[1](number), outcome["result"]))
        self.ended[id] = outcome["state"]
        self.states[kind[0], outcome["state"]] += 1

    def run(self):
        while len(self.ended) < self.jobs:
            batch = []
            while self.sent < self.jobs and self.sent - len(self.ended) < IN_FLIGHT:
                batch.append(self.submit())
            if batch:
                self.connection.send("".join(batch))
            self.take(self.connection.reply())
        self.connection.expect_nothing()

    def idle(self):
        return all(handler["running"] == 0 for handler in self.connection.call("pool")["handlers"])

    def settle(self):
        """Nothing is left of the jobs; the queues go as well."""
        until(self.idle, "all workers are idle")
        for queue in {kind[0] for kind in KINDS}:
            self.connection.call("drop", queue=queue)


def soak(arguments, folder):
    path = os.path.join(folder, "taskqd.conf")
    with open(path, "w") as file:
        file.write(CONFIG % {"child": arguments.child, "module": arguments.module, "mark": MARK})
    with lib.Daemon("-c", path, program=arguments.program) as daemon:
        run = Soak(daemon, arguments.jobs, arguments.seed)
        c = run.connection
        until(lambda: c.call("stats")["queues"] == 6, "all workers wait")
        bytes_before = c.call("stats")["bytes"]
        for name in ("noop", "echo", "fail", "process", "module", "exec"):
            c.call("declare", queue=name, backoff={"base": 0.01, "cap": 0.05}, max_lost=5)
        before = {"daemon": descriptors(daemon.pid), "spawner": descriptors(run.spawner), "bytes": bytes_before}
        killer = Killer(run.spawner, arguments.seed)
        killer.start()
        try:
            run.run()
        finally:
            killer.stop()
        check_leftovers(run, before)
        print("%d jobs, %d kills: %s" % (len(run.ended), killer.kills,
                                         ", ".join("%s %s %d" % (*key, count) for key, count in sorted(run.states.items()))))
        c.close()
    until(lambda: not marked(), "no process is left")


def check_leftovers(run, before):
    c, daemon = run.connection, run.daemon
    run.settle()
    # What is kept of dead jobs went with the queues; outcomes go when their time is over.
    until(lambda: c.call("stats")["bytes"] == before["bytes"], "the engine holds as many bytes as before")
    # Four children with three pipes each; the host with its two, and a stream for each of its three workers.
    most = before["daemon"] + 4 * 3 + 2 + 3
    if descriptors(daemon.pid) > most:
        raise Wrong("the daemon has %d descriptors, and had %d" % (descriptors(daemon.pid), before["daemon"]))
    until(lambda: descriptors(run.spawner) == before["spawner"], "the spawner has no descriptors more than before")
    until(lambda: len(children(run.spawner)) <= 4 + 1, "no child is left but those that wait for jobs")
    until(lambda: not any(state(pid) == "Z" for pid in children(run.spawner)), "all that ended are reaped")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("child")
    parser.add_argument("module")
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    arguments = parser.parse_args()
    with lib.temporary_folder() as folder:
        try:
            soak(arguments, folder)
        except Exception:
            print("seed %d" % arguments.seed, file=sys.stderr)
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
