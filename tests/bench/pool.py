#!/usr/bin/env python3
"""Measures the daemon's own workers beside Python's pools and xargs: the same number of jobs, in the same run, taking turns; medians.

    tests/bench/run --pool              all of it
    tests/bench/run --pool --quick      small sizes, one round: to see that it runs
    tests/bench/run --pool --full       the `exec` row with 3 GB of jobs in the daemon, too
    tests/bench/run --pool --check      exit with 1 if a goal is missed

`noop` and `echo` jobs are called over TCP by one client written in C, a number of them in flight, and every outcome is received and checked.
Python's pools have as many submitted as they like, and every result is taken.
"""
import concurrent.futures
import dataclasses
import json
import pathlib
import socket
import statistics
import subprocess
import sys
import time

from servers import BenchError, Server, taskqd_command, SERVERS

IN_FLIGHT = 256
BODY = 1 << 20


def same(x):
    return x


def python_pool(pool, jobs):
    with pool as executor:
        executor.submit(same, 0).result()  # its workers are there
        began = time.monotonic()
        for future in [executor.submit(same, i) for i in range(jobs)]:
            future.result()
        return time.monotonic() - began


def threads(jobs, _options):
    return python_pool(concurrent.futures.ThreadPoolExecutor(4), jobs)


def processes(jobs, _options):
    return python_pool(concurrent.futures.ProcessPoolExecutor(2), jobs)


def xargs(jobs, _options):
    numbers = "".join(f"{i}\n" for i in range(jobs))
    began = time.monotonic()
    subprocess.run(["xargs", "-P2", "-n1", "/bin/true"], input=numbers, text=True, check=True)
    return time.monotonic() - began


def handlers_command(folder, durable, options):
    """A daemon with the handlers that are measured."""
    command = taskqd_command(folder, durable, options)
    echo = options["binaries"] / "tests" / "bench" / "bench_echo"
    child = pathlib.Path(folder) / "child.py"
    child.write_text(PYTHON_CHILD)
    with open(command[1][2], "a", encoding="utf-8") as settings:
        settings.write('memory = 6G\n'
                       'handler "noop" { kind = noop workers = 2 }\n'
                       f'handler "echo" {{ kind = process command = {{"{echo}"}} workers = 2 }}\n'
                       f'handler "python" {{ kind = process command = {{"{sys.executable}", "{child}"}} workers = 2 }}\n'
                       'handler "true" { kind = exec command = {"/bin/true"} workers = 2 }\n')
    return command


PYTHON_CHILD = """
import json, sys
for line in sys.stdin.buffer:
    job = json.loads(line)
    sys.stdout.write(json.dumps({"id": job["id"], "result": job["body"]}) + "\\n")
    sys.stdout.flush()
"""


SERVERS["taskq, handlers"] = {"protocol": "taskq", "command": handlers_command, "settings": {}}


def jobs_through(queue, how="call", ballast=0):
    def measure(jobs, options):
        with Server("taskq, handlers", options.binaries, options.data) as server:
            if ballast:
                fill(server, ballast)
            drive(options, server, queue, 20, how)  # children are there
            return drive(options, server, queue, jobs, how)
    return measure


def drive(options, server, queue, jobs, how):
    command = [str(options.binaries / "tests" / "bench" / "bench_pool"), server.address, queue, str(jobs), str(IN_FLIGHT), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise BenchError(f"{queue}: {done.stderr.strip()}" + "".join(f" | {line}" for line in server.said[-3:]))
    return float(done.stdout)


def fill(server, size):
    """Puts jobs of 1 MiB until the daemon holds so many bytes."""
    body = json.dumps("x" * (BODY - 2))
    with socket.create_connection(("127.0.0.1", server.port), 60) as s, s.makefile("r", encoding="utf-8") as replies:
        for i in range(size // BODY):
            s.sendall(f'{{"jsonrpc":"2.0","id":{i},"method":"put","params":{{"queue":"ballast","body":{body}}}}}\n'.encode())
            if "result" not in json.loads(replies.readline()):
                raise BenchError("the daemon does not take the ballast")


@dataclasses.dataclass
class PoolRow:
    name: str
    title: str
    jobs: tuple  # quick, usual, full
    measure: object
    peer: str
    measure_peer: object
    goal: float  # taskq does at least so many times what the peer does
    peer_jobs: tuple = None
    sizes: tuple = (0, 1, 2)


NOOP = (5_000, 200_000, 500_000)
ECHO = (2_000, 40_000, 100_000)
EXEC = (200, 3_000, 10_000)

POOL_ROWS = [
    PoolRow("noop", "noop, called by one client", NOOP, jobs_through("noop"), "ThreadPoolExecutor(4)", threads, 2, (2_000, 50_000, 100_000)),
    PoolRow("noop-notify", "noop, submitted with notify", NOOP, jobs_through("noop", "notify"), "ThreadPoolExecutor(4)", threads, 2,
            (2_000, 50_000, 100_000)),
    PoolRow("process", "process, two children in C", ECHO, jobs_through("echo"), "ProcessPoolExecutor(2)", processes, 3, (1_000, 20_000, 50_000)),
    PoolRow("process-python", "process, two children in Python", ECHO, jobs_through("python"), "ProcessPoolExecutor(2)", processes, 1,
            (1_000, 20_000, 50_000)),
    PoolRow("exec", "exec /bin/true, two at a time", EXEC, jobs_through("true"), "xargs -P2", xargs, 1),
    PoolRow("exec-full", "the same, 3 GB of jobs in the daemon", EXEC, jobs_through("true", ballast=3 << 30), "xargs -P2", xargs, 1, sizes=(2,)),
]


def measure_row(row, options, progress):
    rates = {"taskq": [], row.peer: []}
    peer_jobs = (row.peer_jobs or row.jobs)[options.size]
    for r in range(options.rounds):
        turns = [("taskq", row.measure, row.jobs[options.size]), (row.peer, row.measure_peer, peer_jobs)]
        for name, measure, jobs in turns if r % 2 == 0 else reversed(turns):
            progress(f"{row.name}: round {r + 1} of {options.rounds}: {name}")
            rates[name].append(jobs / measure(jobs, options))
    return {name: statistics.median(values) for name, values in rates.items()}


def main(options, progress):
    rows = [row for row in POOL_ROWS if options.size in row.sizes and (not options.only or any(row.name.startswith(name) for name in options.only))]
    missed, measured = 0, []
    for row in rows:
        rates = measure_row(row, options, progress)
        progress("")
        ratio = rates["taskq"] / rates[row.peer]
        missed += ratio < row.goal
        measured.append({"name": row.name, "jobs_per_s": rates, "ratio": ratio, "goal": row.goal})
        print(f"{row.title:40} {rates['taskq']:12,.0f} jobs/s {rates[row.peer]:12,.0f} {row.peer:24} {ratio:6.2f} times"
              f"{'' if ratio >= row.goal else f', and not {row.goal}'}", flush=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({"pool": measured}, f, indent=1)
    return 1 if options.check and missed else 0
