"""What a daemon that was started again has, held against the ledger."""

import time

import ledger as book
from clients import Ask, in_order

PAGE = 1000


class Verifier:
    """Reads everything over one connection. `clean`: the daemon was stopped, not killed, so detached leases live on."""

    def __init__(self, ledger, client, clean):
        self.ledger, self.client, self.clean = ledger, client, clean
        self.held = ledger.may_be_held()

    def ask(self, method, allowed=(), **params):
        return self.client.exchange([Ask(method, params, allowed=allowed)])[0]

    def all_pages(self, method, member, **params):
        rows, after = [], None
        while True:
            more = {"after": after} if after is not None else {}
            page = self.ask(method, limit=PAGE, **params, **more)
            rows += page[member]
            after = page["next"]
            if after is None:
                return rows

    def run(self):
        found = {}
        unclear = self.unclear_queues()
        for queue in self.all_pages("queues", "queues"):
            name = queue["queue"]
            if name not in unclear and self.ledger.queue(name).last.immediate:
                self.ask("join", queue=name)  # what it still has to kill is dead then
            jobs, gauges = self.still(name)
            self.look_at_queue(name, jobs, gauges)
            for job in jobs:
                number = job["body"]["n"]
                if number in found:
                    raise book.Wrong("job %d is there twice: %r and %r" % (number, found[number], job))
                found[number] = job
        self.look_closer(found)
        for number, entry in found.items():
            if number in self.ledger.finished:
                raise book.Wrong("job %d is there again though it was finished: %r" % (number, entry))
            if number not in self.ledger.jobs:
                raise book.Wrong("nobody put %r" % entry)
        for job in list(self.ledger.jobs.values()):
            self.settle(job, found.get(job.number))
        self.look_at_keys()
        for name, chain in self.ledger.queues.items():
            self.settle_queue(name, chain)
        for name in unclear:
            self.drop(name)
        return len(found)

    def unclear_queues(self):
        """Those of which it cannot be seen whether their shutdown was the one that kills their jobs."""
        return [name for name, chain in self.ledger.queues.items() if len({s.immediate for s in chain.states()}) > 1]

    def drop(self, name):
        self.ask("drop", queue=name, allowed=("not_found",))
        self.ledger.queue(name).settle(book.QueueState())
        for job in self.ledger.where(lambda job: job.last.queue == name):
            self.ledger.forget(job)

    # ---- jobs

    def still(self, name):
        """Its jobs, and how many there are in each state. Who falls due while pages are read may be on none of them."""
        for _ in range(20):
            before = self.ask("stats", queue=name)["gauges"]
            jobs = self.all_pages("jobs", "jobs", queue=name, bodies=True)
            if self.ask("stats", queue=name)["gauges"] == before:
                return jobs, before
        raise book.Wrong("%s changes all the time, though nobody is there: %r" % (name, before))

    def look_at_queue(self, name, jobs, gauges):
        """Its order, and that its counts add up."""
        jobs = [job for job in jobs if job["state"] != "reserved"] if self.clean else jobs
        ready = [job for job in jobs if job["state"] == "ready"]
        if name in book.QUEUES:
            in_order(ready, name)
        for state in ("ready", "delayed", "dead"):
            count = sum(job["state"] == state for job in jobs)
            if gauges[state] != count:
                raise book.Wrong("%s counts %d %s, but %d are there" % (name, gauges[state], state, count))
        if not self.clean and gauges["reserved"]:
            raise book.Wrong("after a crash %d jobs of %s are reserved" % (gauges["reserved"], name))

    def look_closer(self, found):
        """Errors and results, which pages do not show."""
        wanted = [number for number, job in found.items() if job["state"] in ("dead", "done")
                  or any(s.error is not None for s in self.chain_of(number))]
        for i in range(0, len(wanted), 200):
            part = wanted[i:i + 200]
            asks = [Ask("job", {"id": found[number]["id"]}, allowed=("not_found",)) for number in part]
            for number, job in zip(part, self.client.exchange(asks)):
                found[number].update({k: v for k, v in (job or {}).items() if k in ("error", "result")})

    def chain_of(self, number):
        job = self.ledger.jobs.get(number)
        return job.states() if job else ()

    def settle(self, job, entry):
        """The entry must be one of the states of the chain, which is that state from then on."""
        states = job.states()
        if any(s.queue == "loose" for s in states):
            states = [s if s.queue != "loose" else book.GONE for s in states]
        fitting = [s for s in states if self.fits(job, s, entry)]
        if not fitting:
            raise book.Wrong("%r\nis not what is there after the %s: %r" % (job, "stop" if self.clean else "crash", entry))
        if entry is None:
            self.ledger.forget(job)
            return
        self.ledger.new_id(job, entry["id"])
        state = fitting[-1]
        if entry["state"] == "ready":
            state = state._replace(kind="ready", due=0)
        job.settle(state)

    def fits(self, job, state, entry):
        if entry is None or state.kind in ("absent", "gone"):
            return entry is None and state.kind in ("absent", "gone")
        if entry["body"] != job.body() or (job.id is not None and entry["id"] != job.id):
            return False
        kind = entry["state"]
        if kind == "reserved" and self.clean and job.number in self.held:
            kind = "ready"
        if state.kind == "delayed" and kind == "ready":
            if state.due > time.time() + book.TOLERANCE:
                return False
        elif kind != state.kind:
            return False
        if kind == "delayed" and abs(time.time() + entry["due"] - state.due) > book.TOLERANCE:
            return False
        told = (entry["queue"], entry["priority"], entry.get("attempt"), entry["lost"], entry.get("reason"),
                entry.get("origin"), entry.get("key"), entry.get("error"), entry["max_attempts"])
        attempts = state.attempts + (entry["state"] == "reserved")
        due = (state.queue, state.priority, attempts, state.lost, state.reason, state.origin,
               job.key if state.keyed else None, state.error, self.most(job, state.queue))
        if kind == "done" and entry.get("result") != state.result:
            return False
        if kind in ("done", "cancelled"):  # only what matters then
            told, due = told[:2] + told[5:6], due[:2] + due[5:6]
        return told == due

    def most(self, job, queue):
        return job.max_attempts or (book.SETTINGS["max_attempts"] if queue in book.QUEUES else 25)

    # ---- keys and queues

    def look_at_keys(self):
        """A put with the key of a job that is there makes none."""
        bearers = [job for job in self.ledger.jobs.values() if job.last.keyed and job.key is not None]
        for job in bearers[:20]:
            result = self.ask("put", queue=job.last.queue, body={"n": 0}, key=job.key)
            if result != {"id": job.id, "existing": True}:
                raise book.Wrong("a put with the key of %r is answered with %r" % (job, result))

    def settle_queue(self, name, chain):
        stats = self.ask("stats", queue=name, allowed=("not_found",))
        fitting = [s for s in chain.states() if self.queue_fits(s, stats)]
        if not fitting:
            raise book.Wrong("queue %s should be one of %r, but is %r" % (name, chain.states(), stats))
        chain.settle(fitting[-1])

    def queue_fits(self, state, stats):
        if stats is None:
            return state == book.QueueState()
        settings = dict(state.settings)
        there = {name: stats["settings"].get(name) for name in settings}
        return (stats["declared"], stats["paused"], stats["shut_down"], there) == (
            bool(settings), state.paused, state.shut_down, settings)
