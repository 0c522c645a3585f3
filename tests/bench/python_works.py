"""One measurement of Python code by a process of its own, under the system's interpreter, which has Celery:

    python_works.py WORK COUNT ADDRESS        prints {"jobs": …, "seconds": …} 

Everything that comes is checked. What is not measured is done before: connections, processes, imports.
"""
import collections
import json
import multiprocessing.managers
import os
import pathlib
import queue
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "client" / "python"))

IN_FLIGHT = 2_000
MOST_AT_ONCE = 10_000  # items of one put_many
WORKERS = 2


def noop(number):
    return number


def pairs(q, count):
    for number in range(50):
        q.put(number)
        q.get()
    began = time.perf_counter()
    for number in range(count):
        q.put(number)
        if q.get() != number:
            sys.exit("it is not what was put")
    return time.perf_counter() - began


def taskq_queue(address):
    import taskq

    return taskq.Queue(url=address)


def taskq_pairs(count, address):
    return pairs(taskq_queue(address), count)


def taskq_many(count, address):
    q = taskq_queue(address)
    q.put_many(range(1000))
    q.get_many(1000)
    began = time.perf_counter()
    for first in range(0, count, MOST_AT_ONCE):
        numbers = list(range(first, min(count, first + MOST_AT_ONCE)))
        q.put_many(numbers)
        if q.get_many(len(numbers)) != numbers:
            sys.exit("they are not what was put")
    return time.perf_counter() - began


class Manager(multiprocessing.managers.BaseManager):
    pass


_served = queue.Queue()


def served():
    return _served


def manager_pairs(count, _address):
    """A queue.Queue of another process, over TCP, as the documentation of multiprocessing.managers shows it."""
    Manager.register("get_queue", callable=served)
    with Manager(address=("127.0.0.1", 0), authkey=os.urandom(16)) as manager:
        return pairs(manager.get_queue(), count)


def in_flight(submit, result, count):
    """Submits so many jobs, always up to IN_FLIGHT of them ahead of the result that is taken."""
    for _ in range(2):
        for each in [submit(number) for number in range(20)]:
            result(each)
    began = time.perf_counter()
    under_way = collections.deque(submit(number) for number in range(min(count, IN_FLIGHT)))
    for number in range(count):
        if result(under_way.popleft()) != number:
            sys.exit("it is not the result")
        if number + IN_FLIGHT < count:
            under_way.append(submit(number + IN_FLIGHT))
    return time.perf_counter() - began


def executor_jobs(executor, count):
    with executor:
        return in_flight(lambda number: executor.submit(noop, number), lambda future: future.result(), count)


def taskq_executor(count, address):
    import taskq

    return executor_jobs(taskq.Executor(WORKERS, url=address), count)


def process_pool(count, _address):
    import concurrent.futures

    return executor_jobs(concurrent.futures.ProcessPoolExecutor(WORKERS), count)


def celery_app(address):
    import celery

    app = celery.Celery("bench", broker="redis://%s/0" % address, backend="redis://%s/1" % address)
    app.conf.update(task_serializer="json", result_serializer="json", accept_content=["json"],
                    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "100")))
    return app, app.task(name="noop")(noop)


def celery_jobs(count, address):
    app, task = celery_app(address)
    worker = subprocess.Popen([sys.executable, __file__, "celery_worker", "0", address], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def result(each):
            value = each.get(timeout=60)
            return value

        return in_flight(lambda number: task.apply_async((number,)), result, count)
    finally:
        app.close()
        worker.terminate()
        worker.wait()


def celery_worker(_count, address):
    app, _ = celery_app(address)
    app.worker_main(["worker", "--concurrency", str(WORKERS), "--without-gossip", "--without-mingle", "--without-heartbeat"])


WORKS = {each.__name__: each for each in
         (taskq_pairs, taskq_many, manager_pairs, taskq_executor, process_pool, celery_jobs, celery_worker)}


def main():
    work, count, address = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    print(json.dumps({"jobs": count, "seconds": WORKS[work](count, address)}))


if __name__ == "__main__":
    main()
