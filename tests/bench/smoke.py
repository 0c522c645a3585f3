"""Runs every kind of work of the load generator once, small, against taskqd and whichever peers are installed.

    smoke.py BUILD-FOLDER
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import chart  # noqa: E402
import pool  # noqa: E402
import report  # noqa: E402
from rows import METRICS, ROWS  # noqa: E402
from servers import SERVERS, Server  # noqa: E402

SMALL = ["--jobs", "300", "--warm", "20", "--seconds", "60"]
# The work, its options, and whether taskq alone can do it.
WORKS = [
    (["put", "--connections", "3", "--depth", "5"], False),
    (["cycle", "--connections", "3", "--depth", "5", "--queues", "3"], False),
    (["cycle", "--connections", "3", "--depth", "5", "--queues", "50", "--preload", "100"], False),
    (["drain", "--connections", "3", "--depth", "5", "--preload", "300", "--warm", "0"], False),
    (["ping"], False),
    (["handoff"], False),
    (["cycle", "--connections", "2", "--depth", "3", "--count", "20"], True),
    (["cycle", "--connections", "2", "--depth", "3", "--queues", "2", "--aside", "150"], False),
    (["delete", "--connections", "3", "--depth", "5", "--queues", "3", "--shuffled", "1"], True),
    (["ack", "--connections", "3", "--depth", "5", "--shuffled", "1"], True),
    (["put", "--body", "70000"], True),
    (["delayed", "--after", "0.5", "--count", "50"], True),
    (["leases", "--after", "0.5", "--count", "50"], True),
]


def load(binaries, server, options):
    command = [str(binaries / "tests" / "bench" / "bench_load"), "--protocol", server.protocol, "--address", server.address,
               "--pid", str(server.pid), *SMALL, "--work", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return json.loads(done.stdout)


def works(binaries, folder):
    for name in ("taskq", "redis", "beanstalkd"):
        if name != "taskq" and not shutil.which(f"{name}-server") and not shutil.which(name):
            print(f"{name} is not installed")
            continue
        for options, taskq_alone in WORKS:
            if taskq_alone and name != "taskq":
                continue
            with Server(name, binaries, folder, durable=options[0] == "put") as server:
                seen = load(binaries, server, options)
            assert seen["jobs"] == 300 and seen["cpu_us"] > 0 and seen["resident"] > 0, seen
            assert seen["p50_us"] <= seen["p99_us"] <= seen["max_us"], seen
            print(f"{name}: {' '.join(options)}: {seen['cpu_us']:.1f} us a job")


class PoolOptions:
    def __init__(self, binaries, folder):
        self.binaries, self.data = binaries, folder


def workers(binaries, folder):
    options = PoolOptions(binaries, folder)
    for row in pool.POOL_ROWS[:-1]:
        print(f"{row.name}: {100 / row.measure(100, options):,.0f} jobs/s")
    with Server("taskq, handlers", binaries, folder) as server:
        try:
            pool.drive(options, server, "bad\\n", 1, "call")
        except pool.BenchError as error:
            print(f"a bad queue is noticed: {error}")
        else:
            raise AssertionError("an error was taken for an outcome")


def wrong_answers(binaries, folder):
    """Jobs that were there before are noticed, and so is a server that speaks something else."""
    with Server("taskq", binaries, folder) as server:
        load(binaries, server, ["put"])
        for options in (["cycle"], ["drain", "--preload", "1"]):
            try:
                load(binaries, server, options)
            except AssertionError as error:
                assert "a job came that was not put" in str(error) or "came twice" in str(error), error
            else:
                raise AssertionError(f"{options}: another's jobs were not noticed")
        server.protocol = "redis"
        try:
            load(binaries, server, ["ping"])
        except AssertionError as error:
            assert "wrong" in str(error), error
        else:
            raise AssertionError("an error was taken for an answer")


def drawing():
    """Goals and chart of made-up numbers: every row can be judged, shown and drawn."""
    result = {"date": "2000-01-01T00:00:00+00:00", "size": "full", "rounds": 1, "versions": {name: "1" for name in SERVERS},
              "machine": {"cpu": "c", "cores": 1, "kernel": "k", "memory_gib": 1}, "rows": []}
    for row in ROWS:
        one = {metric: 2.0 if METRICS[metric][2] else 4e6 for metric in METRICS}
        rounds = {name: [dict(one)] for name in row.servers}
        result["rows"].append({"name": row.name, "title": row.title.format(**row.sized(2)), "metric": row.metric, "rounds": rounds,
                               "medians": {name: one for name in row.servers}})
    report.judge(result)
    goals = {(row["name"], goal["metric"], goal["against"]): goal["met"] for row in result["rows"] for goal in row["goals"]}
    assert len(goals) == sum(len(row.goals) for row in ROWS), goals
    # All are equal: what must be better than a peer is missed, what may be as good is met.
    assert not goals["put", "cpu_us", "redis"] and goals["handoff", "p50_us", "better"], goals
    assert not goals["durable-put-1", "jobs_per_s", "beanstalkd"] and goals["memory", "bytes_each", None], goals
    assert chart.draw(result).count("<rect") == 3 * len(chart.DRAWN)


def main():
    binaries = pathlib.Path(sys.argv[1])
    drawing()
    with tempfile.TemporaryDirectory() as folder:
        works(binaries, folder)
        workers(binaries, folder)
        wrong_answers(binaries, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
