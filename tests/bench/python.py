"""Measures the Python package beside what Python programs use today, in the same run, taking turns; medians of the rounds' own ratios.

    tests/bench/run --python            all of it
    tests/bench/run --python --quick    small sizes, two rounds: to see that it runs
    tests/bench/run --python --check    exit with 1 if a goal is missed

Each measurement is a process of its own (python_works.py) with fresh servers, under the system's interpreter.
"""
import dataclasses
import json
import pathlib
import statistics
import subprocess

from servers import BenchError, Server

SYSTEM_PYTHON = "/usr/bin/python3"
WORKS = pathlib.Path(__file__).resolve().parent / "python_works.py"
SERVER = {"taskq": "taskq", "celery": "redis"}  # by how a work's name begins; others need none


@dataclasses.dataclass
class Peer:
    title: str
    work: str
    jobs: tuple  # quick, usual, full
    goal: float  # taskq does at least so many times what the peer does


@dataclasses.dataclass
class PythonRow:
    name: str
    title: str
    work: str
    jobs: tuple
    peers: list


MANAGER = ("manager_pairs", (500, 5_000, 20_000))
PYTHON_ROWS = [
    PythonRow("pairs", "put and get, one at a time, one thread", "taskq_pairs", (500, 10_000, 40_000),
              [Peer("multiprocessing.managers' queue", *MANAGER, 1.2)]),
    PythonRow("many", "put_many and get_many, 10,000 at a time", "taskq_many", (20_000, 300_000, 1_000_000),
              [Peer("multiprocessing.managers' queue", *MANAGER, 20)]),
    PythonRow("executor", "Executor.submit and result, 2,000 in flight, 2 worker processes", "taskq_executor", (3_000, 40_000, 100_000),
              [Peer("ProcessPoolExecutor(2)", "process_pool", (3_000, 20_000, 60_000), 1),
               Peer("Celery with Redis, 2 processes", "celery_jobs", (300, 4_000, 20_000), 10)]),
]


def measure(work, jobs, options):
    """Jobs a second."""
    kind = SERVER.get(work.partition("_")[0])
    if kind is None:
        return run(work, jobs, "-")
    with Server(kind, options.binaries, options.data) as server:
        return run(work, jobs, server.address)


def run(work, jobs, address):
    done = subprocess.run([SYSTEM_PYTHON, str(WORKS), work, str(jobs), address], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=600, check=False)
    if done.returncode:
        raise BenchError(f"{work}: {done.stderr.strip()[-500:]}")
    measured = json.loads(done.stdout)
    return measured["jobs"] / measured["seconds"]


def measure_row(row, options, progress):
    turns = [(row.work, row.jobs)] + [(peer.work, peer.jobs) for peer in row.peers]
    rates = {work: [] for work, _ in turns}
    for r in range(options.rounds):
        first = r % len(turns)
        for work, jobs in turns[first:] + turns[:first]:
            progress(f"{row.name}: round {r + 1} of {options.rounds}: {work}")
            rates[work].append(measure(work, jobs[options.size], options))
    return rates


def main(options, progress):
    rows = [row for row in PYTHON_ROWS if not options.only or any(row.name.startswith(name) for name in options.only)]
    missed, measured = 0, []
    for row in rows:
        rates = measure_row(row, options, progress)
        progress("")
        for peer in row.peers:
            ratio = statistics.median(ours / theirs for ours, theirs in zip(rates[row.work], rates[peer.work]))
            missed += ratio < peer.goal
            ours, theirs = statistics.median(rates[row.work]), statistics.median(rates[peer.work])
            measured.append({"name": row.name, "peer": peer.title, "jobs_per_s": rates, "ratio": ratio, "goal": peer.goal})
            print(f"{row.title:62} {ours:10,.0f} /s {theirs:10,.0f} {peer.title:32} {ratio:6.2f} times"
                  f"{'' if ratio >= peer.goal else f', and not {peer.goal}'}", flush=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({"python": measured}, f, indent=1)
    return 1 if options.check and missed else 0
