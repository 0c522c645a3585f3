"""What is measured: one row a kind of work, with the goals that hold for it. Sizes are (--quick, usual, --full)."""
from dataclasses import dataclass, field

ALL = ["taskq", "redis", "beanstalkd"]
WITH_FLOOR = ALL + ["floor"]

# How a metric of the load generator's is called and written. In `less` less is better.
METRICS = {
    "cpu_us": ("server CPU, us/job", "{:.2f}", True),
    "jobs_per_s": ("jobs/s", "{:,.0f}", False),
    "p50_us": ("p50, us", "{:.1f}", True),
    "p99_us": ("p99, us", "{:.1f}", True),
    "p999_us": ("p99.9, us", "{:.1f}", True),
    "cleaned": ("segments cleaned", "{:.0f}", True),
    "max_us": ("longest, us", "{:,.0f}", True),
    "quiet_max_us": ("longest before, us", "{:,.0f}", True),
    "bytes_each": ("bytes each", "{:.0f}", True),
    "seconds": ("seconds", "{:.2f}", True),
    "replay": ("loading, of plain reading", "{:.2f}", True),
    "replay_s": ("loading, CPU s", "{:.2f}", True),
    "plain_s": ("plain reading, CPU s", "{:.2f}", True),
    "lock_ns": ("locked, ns/request", "{:.0f}", True),
}


@dataclass
class Goal:
    """taskq's metric is at most (or at least, where more is better) `limit` times what it is held against: a peer, "better" of the
    peers, another row of taskq's, or, with None, the limit itself."""
    metric: str
    limit: float
    against: str | None = None
    full: bool = False  # holds for the size of --full only
    best: bool = False  # of the rounds the best counts: what the machine does beside it can only make it worse


@dataclass
class Row:
    name: str
    title: str
    metric: str
    load: dict
    goals: list = field(default_factory=list)
    servers: list = field(default_factory=lambda: list(ALL))
    durable: bool = False
    rounds: int | None = None  # at most
    more: list = field(default_factory=list)  # metrics that are shown as well
    start: bool = False  # the time a start takes, not a load

    def sized(self, size):
        """What the load generator is told, for 0 quick, 1 usual, 2 full."""
        return {name: value[size] if isinstance(value, tuple) else value for name, value in self.load.items()}


def wide(**more):
    """16 connections with 32 in flight, each on a queue of its own."""
    return dict({"connections": 16, "depth": 32, "queues": 16}, **more)


BACKLOG = (100_000, 1_000_000, 1_000_000)

ROWS = [
    Row("put", "put, 16 connections x 32 in flight", "cpu_us", wide(work="put", jobs=(100_000, 300_000, 1_000_000)),
        [Goal("cpu_us", 0.9, "redis"), Goal("cpu_us", 0.15, "beanstalkd")], WITH_FLOOR, more=["jobs_per_s"]),
    Row("cycle", "put+get+ack, 16 x 32", "cpu_us", wide(work="cycle", jobs=(50_000, 150_000, 500_000)),
        [Goal("cpu_us", 0.6, "redis"), Goal("cpu_us", 0.12, "beanstalkd")], WITH_FLOOR, more=["jobs_per_s"]),
    Row("cycle-shared", "put+get+ack, 16 x 32, all on one queue", "cpu_us",
        wide(work="cycle", queues=1, jobs=(50_000, 100_000, 500_000))),
    Row("cycle-1", "put+get+ack, 16 x 1", "cpu_us",
        {"work": "cycle", "connections": 16, "queues": 16, "jobs": (20_000, 50_000, 200_000)},
        [Goal("cpu_us", 0.9, "better")], WITH_FLOOR, more=["jobs_per_s", "p50_us", "p99_us"]),
    Row("cycle-10000", "put+get+ack, 10,000 x 1 on 100 queues", "cpu_us",
        {"work": "cycle", "connections": 10_000, "queues": 100, "warm": 10_000, "jobs": (30_000, 60_000, 200_000)},
        [Goal("cpu_us", 0.85, "better")], WITH_FLOOR, more=["jobs_per_s"]),
    Row("handoff", "handoff to a blocked get", "p50_us", {"work": "handoff", "jobs": (3_000, 10_000, 50_000), "warm": 500},
        [Goal("p50_us", 1.0, "better"), Goal("p99_us", 1.0, "better")], more=["p99_us"]),
    Row("durable-put-1", "durable put, 64 x 1", "jobs_per_s",
        {"work": "put", "connections": 64, "queues": 64, "jobs": (10_000, 30_000, 200_000)},
        [Goal("jobs_per_s", 1.0, "redis"), Goal("jobs_per_s", 10, "beanstalkd")], WITH_FLOOR, durable=True, more=["p50_us", "p99_us", "cpu_us"]),
    Row("durable-put", "durable put, 16 x 32", "jobs_per_s", wide(work="put", jobs=(30_000, 100_000, 500_000)),
        [Goal("jobs_per_s", 1.0, "redis")], ["taskq", "redis"], durable=True, more=["p50_us", "p99_us", "cpu_us"]),
    Row("durable-cycle-1", "durable put+get+ack, 64 x 1", "jobs_per_s",
        {"work": "cycle", "connections": 64, "queues": 64, "jobs": (10_000, 30_000, 200_000)},
        [Goal("jobs_per_s", 1.5, "redis")], ["taskq", "redis", "floor"], durable=True, more=["p50_us", "p99_us", "cpu_us"]),
    Row("memory", "memory a job of 100 bytes, at {jobs:,}", "bytes_each", wide(work="put", jobs=(200_000, 1_000_000, 5_000_000), warm=5_000),
        [Goal("bytes_each", 220)], rounds=1),
    Row("idle", "memory of an idle connection that was busy, at {connections:,}", "bytes_each",
        {"work": "idle", "connections": (1_000, 10_000, 10_000), "depth": 8}, [Goal("bytes_each", 500)], rounds=1),
    Row("backlog-small", "put+get+ack, 16 x 32, one queue of 10,000", "cpu_us",
        wide(work="cycle", queues=1, preload=10_000, jobs=(50_000, 100_000, 500_000)), rounds=3),
    Row("backlog", "the same, one queue of {preload:,}", "cpu_us",
        wide(work="cycle", queues=1, preload=(100_000, 1_000_000, 10_000_000), jobs=(50_000, 100_000, 500_000)),
        [Goal("cpu_us", 1.15, "backlog-small")], rounds=3),
    Row("queues-1", "put+get+ack, 16 x 32, 1 queue", "cpu_us",
        wide(work="cycle", queues=1, preload=(100_000, 200_000, 200_000), jobs=(50_000, 100_000, 500_000)), servers=["taskq", "redis"]),
    Row("queues-100", "the same, 100 queues", "cpu_us",
        wide(work="cycle", queues=100, preload=(100_000, 200_000, 200_000), jobs=(50_000, 100_000, 500_000)),
        [Goal("cpu_us", 1.2, "queues-1")], ["taskq", "redis"]),
    Row("queues-100000", "the same, 100,000 queues", "cpu_us",
        wide(work="cycle", queues=100_000, preload=(100_000, 200_000, 200_000), jobs=(50_000, 100_000, 500_000)),
        [Goal("cpu_us", 1.2, "queues-1")], ["taskq", "redis"]),
    Row("delete", "durable delete by id, 16 x 32, {jobs:,} in order", "cpu_us", wide(work="delete", jobs=BACKLOG),
        servers=["taskq"], durable=True, rounds=3, more=["jobs_per_s"]),
    Row("delete-random", "the same in random order", "cpu_us", wide(work="delete", jobs=BACKLOG, shuffled=1),
        [Goal("cpu_us", 1.2, "delete")], ["taskq"], durable=True, rounds=3, more=["jobs_per_s"]),
    Row("ack", "durable ack, 16 x 32, {jobs:,} in order", "cpu_us", wide(work="ack", queues=1, jobs=BACKLOG),
        servers=["taskq"], durable=True, rounds=3, more=["jobs_per_s"]),
    Row("ack-random", "the same in random order", "cpu_us", wide(work="ack", queues=1, jobs=BACKLOG, shuffled=1),
        [Goal("cpu_us", 1.2, "ack")], ["taskq"], durable=True, rounds=3, more=["jobs_per_s"]),
    Row("delayed", "a bystander while delayed jobs fall due at once", "max_us",
        {"work": "delayed", "jobs": (20_000, 100_000, 100_000), "count": 1000, "after": 3, "queues": 2},
        [Goal("max_us", 20_000, best=True)], ["taskq"], rounds=3, more=["quiet_max_us", "p50_us", "p99_us"]),
    Row("leases", "a bystander while leases run out at once", "max_us",
        {"work": "leases", "jobs": (20_000, 100_000, 100_000), "count": 1000, "after": 3, "queues": 2},
        [Goal("max_us", 20_000, best=True)], ["taskq"], rounds=3, more=["quiet_max_us", "p50_us", "p99_us"]),
    # Small segments, so that the log is cleaned all the time: half of what it holds are jobs that stay.
    Row("uncleaned", "durable put+get+ack, 64 x 1", "p50_us",
        {"work": "cycle", "connections": 64, "queues": 64, "warm": 60_000, "jobs": (10_000, 100_000, 300_000)},
        servers=["taskq, small segments"], durable=True, more=["p99_us", "p999_us", "max_us", "cpu_us", "cleaned"]),
    Row("cleaned", "the same while the log is cleaned all the time", "p50_us",
        {"work": "cycle", "connections": 64, "queues": 64, "aside": 50_000, "warm": 60_000, "jobs": (10_000, 100_000, 300_000)},
        [Goal("p50_us", 1.2, "uncleaned"), Goal("p99_us", 1.5, "uncleaned")], ["taskq, small segments"], durable=True,
        more=["p99_us", "p999_us", "max_us", "cpu_us", "cleaned"]),
    Row("start", "start with {jobs:,} durable jobs", "seconds",
        {"work": "put", "connections": 4, "depth": 8, "count": 100, "queues": 4, "jobs": (100_000, 1_000_000, 10_000_000)},
        [Goal("seconds", 8, full=True), Goal("replay", 2)], ["taskq"], durable=True, rounds=1, start=True,
        more=["replay", "replay_s", "plain_s"]),
    Row("bulk-put", "put in batches of 100, 16 x 4", "jobs_per_s",
        {"work": "put", "connections": 16, "depth": 4, "queues": 16, "count": 100, "jobs": (500_000, 2_000_000, 5_000_000)},
        [Goal("jobs_per_s", 1_500_000)], ["taskq"], more=["cpu_us"]),
    Row("bulk-cycle", "put, get and ack 100 at a time, 16 x 4", "jobs_per_s",
        {"work": "cycle", "connections": 16, "depth": 4, "queues": 16, "count": 100, "jobs": (500_000, 2_000_000, 5_000_000)},
        [Goal("jobs_per_s", 1_000_000)], ["taskq"], more=["cpu_us"]),
    Row("tls-put", "put, 16 x 32, with TLS", "cpu_us", wide(work="put", jobs=(100_000, 300_000, 1_000_000)),
        [Goal("cpu_us", 1.5, "taskq")], ["taskq, TLS", "taskq"], more=["jobs_per_s"]),
    Row("tls-put-1", "put, 16 x 1, with TLS", "cpu_us", {"work": "put", "connections": 16, "queues": 16, "jobs": (20_000, 100_000, 300_000)},
        [Goal("cpu_us", 1.6, "taskq")], ["taskq, TLS", "taskq"], more=["jobs_per_s", "p50_us", "p99_us"]),
    Row("tls-cycle", "put+get+ack, 16 x 32, with TLS", "cpu_us", wide(work="cycle", jobs=(50_000, 150_000, 500_000)),
        servers=["taskq, TLS", "taskq"], more=["jobs_per_s"]),
    Row("tls-large", "put+get+ack of 256 KiB, 4 x 4, with TLS", "cpu_us",
        {"work": "cycle", "connections": 4, "depth": 4, "queues": 4, "body": 262_144, "warm": 100, "jobs": (1_000, 3_000, 10_000)},
        servers=["taskq, TLS", "taskq"], more=["jobs_per_s"]),
    Row("tls-idle", "memory of an idle connection with TLS that was busy, at {connections:,}", "bytes_each",
        {"work": "idle", "connections": (500, 5_000, 10_000), "depth": 8}, servers=["taskq, TLS"], rounds=1),
    Row("threads", "put+get+ack, 16 x 32, network threads", "jobs_per_s", wide(work="cycle", jobs=(50_000, 150_000, 500_000)),
        [Goal("jobs_per_s", 1.0, "taskq, 1 thread"), Goal("lock_ns", 300, best=True)], ["taskq, 2 threads", "taskq, 1 thread"],
        more=["cpu_us", "lock_ns"]),
]
