"""The daemon is killed at random moments while clients put, get and change all there is, and after each start it must have
what it acknowledged.

Usage: daemon.py PATH-OF-TASKQD [--kills N] [--seed S]. A failure prints the seed; what threads do when is left to chance, so
a seed repeats the work and not the run.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "protocol")]
import lib  # noqa: E402
import ledger as book  # noqa: E402
from clients import Ask, Client, Wire, team  # noqa: E402
from verify import Verifier  # noqa: E402

SEGMENT = 128 << 10  # small, so that cleaning and recycling never rest
SLACK = 4 * SEGMENT  # of the log over twice what lives, by default
CONFIG = """
segment_size = %d
max_body = 4K
shutdown_timeout = 300ms
threads = 2
""" % SEGMENT


class Run:
    def __init__(self, program, folder, seed):
        self.program, self.random = program, random.Random(seed)
        self.data = os.path.join(folder, "data")
        self.config = os.path.join(folder, "taskqd.conf")
        with open(self.config, "w") as file:
            file.write(CONFIG)
        self.ledger = book.Ledger()
        self.counts = dict.fromkeys(("kills", "stops", "kills at start-up", "late acks refused", "leases kept"), 0)
        self.most_found = 0
        self.began = time.monotonic()

    def daemon(self):
        return lib.Daemon("-c", self.config, program=self.program, data=self.data)

    def kill_while_starting(self):
        """It must start again wherever its start was cut off."""
        while self.random.random() < 0.4:
            process = subprocess.Popen([self.program, "-c", self.config, "-d", self.data, "-l", "127.0.0.1:0", "-H", "none"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(self.random.random() * 0.06)  # how far it comes is left to chance
                raise book.Wrong("the daemon did not start: exit %d" % process.returncode)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self.counts["kills at start-up"] += 1

    def check(self):
        """taskqd --check finds nothing wrong, and the log keeps its bound."""
        done = subprocess.run([self.program, "--check", self.data], capture_output=True, text=True, timeout=lib.PATIENCE)
        if done.returncode:
            raise book.Wrong("--check: exit %d: %s%s" % (done.returncode, done.stdout, done.stderr))
        log, live = (int(re.search(name + r"=(\d+)", done.stdout).group(1)) for name in ("log_bytes", "live_bytes"))
        if log > 2 * live + SLACK + 2 * SEGMENT:
            raise book.Wrong("the log has %d bytes for %d that live" % (log, live))

    def declare(self, client):
        for name, settings in book.QUEUES.items():
            step = self.ledger.push_queue(name, settings=tuple(settings.items()))
            client.exchange([Ask("declare", dict(settings, queue=name), [step])])

    def late_acks(self, client, tokens, refused):
        """Deliveries of before a crash fit nothing; those of detached leases live through a stop."""
        for job, id, delivery in tokens:
            result = client.exchange([Ask("ack", {"id": id, "delivery": delivery},
                                          allowed=("not_reserved", "not_found"))])[0]
            if refused and result is not None:
                raise book.Wrong("a delivery from before the crash was taken: %r of id %d" % (delivery, id))
            if not refused and job.certain and result is None:
                raise book.Wrong("the stop lost the lease of %r" % job)
            if result is not None:
                if job.submitted:
                    job.settle(job.last._replace(kind="done", keyed=False))
                else:
                    self.ledger.forget(job)
                self.counts["leases kept"] += 1
            else:
                self.counts["late acks refused"] += 1

    def after_start(self, daemon, how):
        """Everything is held against the ledger, and old deliveries are tried. `how`: start, crash or stop."""
        ledger = self.ledger
        client = Client(ledger, daemon.address, self.random)
        client.wire = Wire(daemon.address)
        held, certain = ledger.may_be_held(), set()
        if how == "start":
            self.declare(client)
        else:
            certain = {number for number in held if ledger.jobs.get(number) and ledger.jobs[number].certain}
            self.most_found = max(self.most_found, Verifier(ledger, client, how == "stop").run())
        ledger.held, ledger.asked = {}, {}
        tokens = [(ledger.jobs.get(number), id, delivery, detached)
                  for number, (id, delivery, detached) in held.items()]
        alive = [t[:3] for t in tokens if t[3] and how == "stop" and t[0] and t[0].number in certain
                 and t[0].last.queue != "loose"]
        unsure = [t[:3] for t in tokens if t[3] and how == "stop" and t[0] and t[0].number not in certain]
        self.late_acks(client, [t[:3] for t in tokens if not t[3] or how != "stop"], True)
        self.late_acks(client, alive, False)
        for job, id, delivery in unsure:  # whether it was still held is what is not known: it goes either way
            client.exchange([Ask("ack", {"id": id, "delivery": delivery}, allowed=("not_reserved", "not_found"))])
            client.exchange([Ask("delete", {"id": id}, allowed=("not_found",))])
            ledger.forget(job)
        client.wire.connection.close()

    def one_round(self, how):
        daemon = self.daemon()
        try:
            self.after_start(daemon, how)
            stop = self.random.random() < 0.15
            enough = self.ledger.answers + self.random.choice((1, 20, 300, 1500, 4000))
            clients = team(self.ledger, daemon.address, self.random)
            for client in clients:
                client.start()
            with self.ledger.progress:
                if not self.ledger.progress.wait_for(
                        lambda: self.ledger.answers >= enough or self.ledger.failure, lib.PATIENCE * 3):
                    raise book.Wrong("the clients do not get on: %d answers" % self.ledger.answers)
            if self.ledger.failure:
                raise book.Wrong(self.ledger.failure)
            daemon.stop() if stop else daemon.kill()
            for client in clients:
                client.join(lib.PATIENCE)
                if client.is_alive():
                    raise book.Wrong("%s goes on without a daemon" % client.name)
        except BaseException:
            sys.stderr.write(daemon.text()[-3000:] + "\n")
            raise
        finally:
            daemon.kill()
        if self.ledger.failure:
            raise book.Wrong(self.ledger.failure)
        self.counts["stops" if stop else "kills"] += 1
        self.check()
        if stop:
            self.connections_closed()
            return "stop"
        self.kill_while_starting()
        return "crash"

    def connections_closed(self):
        """The stop closed the connections of those who held jobs: these may have been lost once, whatever else was asked."""
        for number, (_, _, detached) in self.ledger.may_be_held().items():
            if not detached:
                self.may_be_lost(self.ledger.jobs[number])
        for job in self.ledger.where(lambda job: job.last.queue == "lease"):
            self.may_be_lost(job)

    def may_be_lost(self, job):
        for state in job.states():
            job.push(book.is_lost(state))

    def kills(self, wanted):
        how = "start"
        while self.counts["kills"] < wanted:
            how = self.one_round(how)
        daemon = self.daemon()
        try:
            self.after_start(daemon, how)
            daemon.stop()
        finally:
            daemon.kill()

    def report(self):
        told = ", ".join("%s: %d" % item for item in self.counts.items())
        return "%s, answers: %d, jobs put: %d, found again at most: %d, %.1f s" % (
            told, self.ledger.answers, self.ledger.numbers, self.most_found, time.monotonic() - self.began)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("taskqd")
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    with lib.temporary_folder() as folder:
        run = Run(os.path.abspath(options.taskqd), folder, options.seed)
        try:
            run.kills(options.kills)
        except BaseException:
            print("seed %d; %s" % (options.seed, run.report()), flush=True)
            raise
        print("daemon: 1 test, 0 failed (seed %d; %s)" % (options.seed, run.report()))


if __name__ == "__main__":
    main()
