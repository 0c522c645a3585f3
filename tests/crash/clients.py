"""The clients of the crash test. Each is a thread with a connection of its own that works until the daemon is gone, and
writes into the ledger what it is about to ask for before it sends, and what was answered when the answer is there."""

import json
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "protocol"))
import lib  # noqa: E402
import ledger as book  # noqa: E402

LONG = 5000  # seconds: longer than any test
BACKLOG = 2000  # jobs above which producers make room for the others


class Gone(Exception):
    """The daemon closed the connection."""


class Draining(Exception):
    """The daemon is being stopped."""


class Wire:
    """Lines out, replies in."""

    def __init__(self, address):
        try:
            self.connection = lib.Connection(address)
        except OSError:
            raise Gone
        self.input = bytearray()

    def send(self, lines):
        try:
            self.connection.socket.sendall("".join(line + "\n" for line in lines).encode())
        except OSError:
            raise Gone

    def reply(self):
        while True:
            end = self.input.find(b"\n")
            if end >= 0:
                line = bytes(self.input[:end])
                del self.input[:end + 1]
                return json.loads(line)
            try:
                data = self.connection.socket.recv(1 << 16)
            except socket.timeout:
                raise book.Wrong("no reply within %g s" % lib.PATIENCE)
            except OSError:
                data = b""
            if not data:
                raise Gone
            self.input += data

    def wait_end(self):
        """The daemon is on its way out: reads to the end."""
        try:
            while True:
                self.reply()
        except Gone:
            pass


class Ask:
    """A request, the steps of the ledger that its success confirms, and the errors that mean that nothing happened."""

    def __init__(self, method, params, steps=(), done=None, allowed=()):
        self.method, self.params, self.steps, self.done, self.allowed = method, params, steps, done, allowed


class Client(threading.Thread):
    def __init__(self, ledger, address, random):
        super().__init__(daemon=True)
        self.ledger, self.address, self.random = ledger, address, random
        self.wire = None

    def run(self):
        try:
            self.wire = Wire(self.address)
            self.begin()
            while not self.ledger.failure:
                self.turn()
        except Gone:
            pass
        except Draining:
            self.wire.wait_end()
        except BaseException:
            self.ledger.fail_with_trace()

    def begin(self):
        pass

    def exchange(self, asks):
        """Sends all in one write and reads all the replies; the results, None for an allowed error."""
        self.wire.send([lib.request_text(i, ask.method, ask.params) for i, ask in enumerate(asks)])
        results = []
        draining = False
        for i, ask in enumerate(asks):
            try:
                result = lib.outcome(self.wire.reply(), i)
            except lib.RpcError as error:
                draining = draining or error.name == "draining"
                if error.name != "draining" and error.name not in ask.allowed:
                    raise book.Wrong("%s %r: %s" % (ask.method, ask.params, error))
                for chain, step in ask.steps:
                    self.ledger.refuse(chain, step)
                results.append(None)
                continue
            if ask.done:
                ask.done(result)
            for chain, step in ask.steps:
                self.ledger.confirm(chain, step)
            if ask.steps:
                self.ledger.answered()
            results.append(result)
        if draining:
            raise Draining
        return results

    def put_ask(self, queue, allowed=(), **more):
        """A put with what the caller wants of it."""
        method = "submit" if more.get("submitted") else "put"
        job, step = self.ledger.new_job(queue, **more)
        params = {"queue": queue, "body": job.body()}
        for name in ("priority", "delay", "key", "max_attempts"):
            if more.get(name):
                params[name] = more[name]
        if more.get("key") and self.random.random() < 0.5:
            params["key_for"] = LONG
            job.key_lasts = queue != "loose"
        if method == "submit":
            params["keep_result"] = LONG
        return job, Ask(method, params, [(job, step)], lambda result: self.ledger.put_done(job, result), allowed)


class Producer(Client):
    """Puts and submits of all kinds, many at a time."""

    def begin(self):
        self.last_id = 0

    def one(self):
        r = self.random
        more = {"pad": r.choice((0, 10, 100, 1000, 3000)), "priority": r.choice((0, 0, 0, -1, 2.5))}
        if r.random() < 0.15:
            more["delay"] = r.choice((0.01, LONG))
        if r.random() < 0.2:
            more["max_attempts"] = r.choice((1, 2, 5))
        if r.random() < 0.3:
            more["submitted"] = True
        queue = r.choice(("fifo", "lifo", "work", "loose"))
        if r.random() < 0.2:
            more["key"] = "%s-%s-%d" % (self.name, queue, r.randrange(30))
        return self.put_ask(queue, **more)[1]

    def turn(self):
        if len(self.ledger.jobs) > BACKLOG:
            self.exchange([Ask("ping", {})])
            return
        for result in self.exchange([self.one() for _ in range(self.random.choice((1, 1, 4, 32)))]):
            if result and not result.get("existing"):
                if result["id"] <= self.last_id:
                    raise book.Wrong("id %d comes after %d" % (result["id"], self.last_id))
                self.last_id = result["id"]


class Consumer(Client):
    """Gets jobs and does with them all that can be done."""

    def begin(self):
        self.mine = []  # of what it holds: (job, id, delivery, detached)

    def turn(self):
        r = self.random
        names = r.sample(("fifo", "lifo", "work", "letters", "loose"), r.choice((1, 1, 2, 5)))
        detached = r.random() < 0.3
        params = {"timeout": 0, "max": r.choice((1, 3, 20)), "lease": LONG, "detached": detached}
        params.update({"queue": names[0]} if len(names) == 1 else {"queues": names})
        got = self.exchange([Ask("get", params, allowed=("empty",))])[0]
        jobs = got["jobs"] if got else []
        if len(names) == 1:
            in_order(jobs, names[0])
        for reply in jobs:
            self.mine.append((self.ledger.taken(reply, detached), reply["id"], reply["delivery"], detached))
        r.shuffle(self.mine)
        count = max(0, len(self.mine) - r.choice((0, 5, 40)))  # some are held for a while
        asks = [self.answer(*self.mine.pop()) for _ in range(count)]
        if asks:
            self.exchange(asks)
        if r.random() < 0.02:
            self.leave()

    def answer(self, job, id, delivery, detached):
        r, now = self.random, job.last
        params = {"id": id}
        if detached or r.random() < 0.7:
            params["delivery"] = delivery
        what = r.choices(("ack", "nack", "release", "bury", "touch"), (60, 15, 10, 5, 10))[0]
        error = {"why": job.number} if r.random() < 0.5 else None
        if error and what in ("nack", "bury"):
            params["error"] = error
        if what == "touch":
            self.mine.append((job, id, delivery, detached))
            return Ask("touch", dict(params, lease=LONG))
        if what == "ack":
            state = book.GONE
            if job.submitted:
                params["result"] = ["of", job.number]
                state = now._replace(kind="done", result=params["result"], keyed=False, due=0)
        elif what == "nack":
            delay = r.choice((None, 0, 0.01, LONG))
            if delay is not None:
                params["delay"] = delay
            state = book.fails(now, job.most(), error, delay)
        elif what == "bury":
            state = book.dies(now, "buried", error)
        else:
            if r.random() < 0.5:
                params["delay"] = 0.01
            if r.random() < 0.5:
                params["priority"] = r.choice((-1, 0, 2.5))
            state = book.back(now._replace(priority=params.get("priority", now.priority)), params.get("delay", 0))
        done = None
        if what == "ack" and now.keyed and job.key_lasts:
            done = lambda result: self.ledger.keep_key(job)  # noqa: E731
        return Ask(what, params, [(job, self.ledger.give_back(job, state))], done)

    def leave(self):
        """Closes its connection: what it holds comes back, counted as lost, but for detached leases."""
        with self.ledger.lock:
            for job, _, _, detached in self.mine:
                if not detached:
                    self.ledger.give_back(job, book.is_lost(job.last))
        self.mine = [one for one in self.mine if one[3]]
        self.wire.connection.close()
        self.wire = Wire(self.address)


class Auto(Client):
    """The only user of its queue, so that it knows which job each of its gets takes, though no answer may tell."""

    def begin(self):
        self.there = self.ledger.in_queue("auto")

    def turn(self):
        asks, expected = [], []
        for _ in range(self.random.choice((1, 5, 20))):
            if self.random.random() < (0.6 if len(self.there) < 200 else 0.3):
                job, ask = self.put_ask("auto", pad=self.random.choice((0, 500)))
                self.there.append(job)
                asks.append(ask)
                expected.append(None)
            elif self.there:
                job = self.there.pop(0)
                asks.append(Ask("get", {"queue": "auto", "auto_ack": True, "timeout": 0},
                                [(job, self.ledger.push(job, book.GONE))]))
                expected.append(job)
        for job, result in zip(expected, self.exchange(asks) if asks else []):
            if job is not None and result["body"] != job.body():
                raise book.Wrong("%r was to be first in its queue, but it was %r" % (job, result))


class Lease(Client):
    """Lets leases run out, in a queue that it has for itself."""

    def begin(self):
        old = self.ledger.in_queue("lease")
        self.exchange([Ask("delete", {"id": job.id}, [(job, self.ledger.push(job, book.GONE))]) for job in old])

    def turn(self):
        job, ask = self.put_ask("lease")
        self.exchange([ask])
        before = job.last
        for _ in range(job.most()):
            after = book.fails(before, job.most())
            self.ledger.push(job, after)  # before it is got, as it may be over before the answer is read
            got = self.exchange([Ask("get", {"queue": "lease", "lease": 0.005})])[0]
            if (got["id"], got["attempt"]) != (job.id, before.attempts + 1):
                raise book.Wrong("%r came as %r" % (job, got))
            before = after
        self.exchange([Ask("join", {"queue": "lease"})])
        self.exchange([Ask("delete", {"id": job.id}, [(job, self.ledger.push(job, book.GONE))])])


class Clerk(Client):
    """Looks after jobs that no consumer touches: kicks, cancels and deletes those that wait long, the dead,
    the done and the cancelled."""

    def turn(self):
        with self.ledger.lock:
            idle = self.ledger.where(untouched)
            self.random.shuffle(idle)
            asks = [self.one(job) for job in idle[:max(1, len(idle) // 4)]]
        self.exchange(asks or [Ask("ping", {})])

    def one(self, job):
        state = job.last
        if state.kind == "done":
            if not state.origin and self.random.random() < 0.5:  # a first death has decided the outcome
                return Ask("result", {"id": job.id, "timeout": 0}, done=lambda result: check_result(job, state, result))
            return Ask("delete", {"id": job.id}, [(job, job.push(book.GONE))])
        if state.kind == "cancelled":
            return Ask("delete", {"id": job.id}, [(job, job.push(book.GONE))])
        what = self.random.choice(("kick", "delete") + (("cancel",) if state.kind == "delayed" else ()))
        if what == "kick":
            state = book.back(state, 0)
            if job.last.kind == "dead":
                state = state._replace(attempts=0, lost=0, error=None, reason=None)
        elif what == "delete" or not job.submitted:
            state = book.GONE
        else:
            state = state._replace(kind="cancelled", keyed=False)
        return Ask(what, {"id": job.id}, [(job, job.push(state))])


def untouched(job):
    """It is certain what the job is, and no other client can come by it."""
    state = job.last
    return (job.certain and job.id is not None and state.queue in ("fifo", "lifo", "work", "letters", "loose")
            and (state.kind in ("dead", "done", "cancelled") or state.kind == "delayed" and state.due > time.time() + LONG / 2))


def check_result(job, state, result):
    if result != {"id": job.id, "state": "done", "result": state.result}:
        raise book.Wrong("the result of %r is %r" % (job, result))


class Steward(Client):
    """Declares, pauses, shuts down and drops queues that are its alone, and pauses one that is everybody's."""

    def turn(self):
        name = "own-%d" % self.random.randrange(4)
        self.exchange([self.one(name) for _ in range(self.random.choice((1, 3, 10)))] + self.toggle())

    def toggle(self):
        if self.random.random() < 0.8:
            return []
        return [self.change("pause", "fifo", paused=True), self.change("resume", "fifo", paused=False)]

    def change(self, method, name, params=None, **changes):
        step = self.ledger.push_queue(name, **changes)
        return Ask(method, dict(params or {}, queue=name), [step])

    def one(self, name):
        with self.ledger.lock:
            now = self.ledger.queue(name).last
            what = self.random.choices(("put", "declare", "pause", "resume", "shutdown", "drop"),
                                       (50, 15, 10, 10, 3, 6))[0]
            if what == "put":
                return self.put_ask(name, allowed=("shut_down",) if now.shut_down else (), pad=200)[1]
            if what == "declare":
                given = {"lease": self.random.randrange(1, 1000), "maxsize": self.random.randrange(10000, 20000),
                         "order": self.random.choice(("fifo", "lifo"))}
                return self.change("declare", name, given, settings=tuple(sorted(given.items())))
            if what in ("pause", "resume"):
                return self.change(what, name, paused=what == "pause")
            if what == "shutdown":
                return self.shut_down(name)
            return self.drop(name)

    def own(self, name):
        return self.ledger.where(lambda job: job.last.queue == name)

    def shut_down(self, name):
        immediate = self.random.random() < 0.5
        ask = self.change("shutdown", name, {"immediate": immediate}, shut_down=True,
                          immediate=immediate or self.ledger.queue(name).last.immediate)
        if immediate:
            for job in self.own(name):
                if job.last.kind != "dead":
                    ask.steps.append((job, job.push(book.dies(job.last, "shut_down", None))))
        return ask

    def drop(self, name):
        chain = self.ledger.queue(name)
        ask = Ask("drop", {"queue": name}, [(chain, chain.push(book.QueueState()))], allowed=("not_found",))
        for job in self.own(name):
            ask.steps.append((job, job.push(book.GONE)))
        return ask


def in_order(jobs, queue):
    """Whether these jobs of one queue came in the order that it promises."""
    sign = -1 if queue == "lifo" else 1
    places = [(job["priority"], sign * job["id"]) for job in jobs]
    if places != sorted(places):
        raise book.Wrong("the jobs of %s come out of order: %r" % (queue, places))


def team(ledger, address, random):
    kinds = [Producer, Producer, Consumer, Consumer, Consumer, Auto, Lease, Clerk, Steward]
    clients = []
    for i, kind in enumerate(kinds):
        client = kind(ledger, address, type(random)(random.random()))
        client.name = "%s%d" % (kind.__name__.lower(), i)
        clients.append(client)
    return clients
