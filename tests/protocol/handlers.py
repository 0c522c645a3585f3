"""The daemon's `process`, `module` and `exec` handlers as its clients and its machine see them."""

import os
import select
import signal
import sys
import unittest

import lib
from lib import Daemon

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "server", "pool", "examples")
# The build's own.
CHILD, MODULE, PRIMES = (os.environ[name] for name in ("POOL_CHILD", "POOL_MODULE", "PRIMES_MODULE"))


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [int(child) for child in file.read().split()]


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Handlers(unittest.TestCase):
    def start(self, settings, data=False):
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(folder.name, "taskqd.conf")
        self.data = os.path.join(folder.name, "data") if data else None
        with open(self.path, "w") as file:
            file.write(settings)
        self.daemon = Daemon("-c", self.path, data=self.data)
        self.addCleanup(self.daemon.kill)
        self.connection = self.daemon.connect()
        self.addCleanup(self.connection.close)
        return self.connection

    def spawner(self):
        pids = children(self.daemon.pid)
        self.assertEqual(len(pids), 1)
        return pids[0]

    def wait_until(self, condition):
        for _ in range(int(lib.PATIENCE * 100)):
            if condition():
                return
            select.select([], [], [], 0.01)
        self.fail("it does not come to be")

    def process(self, more=""):
        return self.start('handler "q" { kind = process command = {"%s"} grace = 1 %s }\n' % (CHILD, more))

    def module(self, function, more=""):
        return self.start('handler "q" { kind = module module = "%s" function = "%s" grace = 1 %s }\n' % (MODULE, function, more))

    def call(self, body, **params):
        return self.connection.call("call", queue="q", body=body, **params)

    def call_fails(self, body):
        return self.connection.error("call", queue="q", body=body, max_attempts=1)

    def test_a_process_is_shown_and_keeps_its_child(self):
        c = self.process("workers = 2")
        first = self.call("count")
        self.assertEqual(self.call("echo")["result"], "echo")
        self.assertEqual(first["result"], 1)
        handler = c.call("pool")["handlers"][0]
        self.assertEqual((handler["handler"], handler["kind"], handler["workers"], handler["done"]), ("q", "process", 2, 2))

    def test_an_error_of_a_child_is_the_jobs(self):
        self.process()
        self.assertEqual(self.call_fails("error").data["error"], {"code": 7})
        self.assertEqual(self.call_fails("exit 3").data["error"], {"exit": 3, "stderr": ""})

    def test_progress_is_heard_by_who_waits(self):
        c = self.process()
        id = c.ask("call", {"queue": "q", "body": "deaf", "progress": True})
        seen = c.reply()
        self.assertEqual(seen["method"], "progress")
        self.assertEqual(seen["params"]["message"], "deaf")
        other = self.daemon.connect()
        self.addCleanup(other.close)
        job = seen["params"]["id"]
        self.assertEqual(other.call("job", id=job)["progress"], {"message": "deaf"})
        self.assertEqual(other.call("cancel", id=job, running=True), {"cancelled": True})
        with self.assertRaises(lib.RpcError) as caught:
            c.answer(id)
        self.assertEqual(caught.exception.name, "cancelled")

    def test_the_example_counts_words(self):
        c = self.start('handler "words" { kind = process command = {"%s", "%s"} }\n'
                       % (sys.executable, os.path.join(EXAMPLES, "words.py")))
        path = os.path.join(self.folder, "text")
        with open(path, "w") as file:
            file.write("one two\nthree\n")
        self.assertEqual(c.call("call", queue="words", body=[path])["result"], {path: 3})
        self.assertIn("No such file", c.error("call", queue="words", body=["/nonexistent"], max_attempts=1).data["error"])
        self.assertEqual(c.call("call", queue="words", body=[])["result"], {})

    def test_what_children_say_is_logged_with_the_job(self):
        self.start('handler "q" { kind = process command = {"%s"} }\n'
                   'handler "x" { command = {"sh", "-c", "echo from exec >&2"} }\n' % CHILD)
        job = self.call("errors")["id"]
        self.wait_until(lambda: 'job=%d handler=q text="to whom it may concern"' % job in self.daemon.text())
        job = self.connection.call("call", queue="x", body=1)["id"]
        self.wait_until(lambda: 'job=%d handler=x text="from exec"' % job in self.daemon.text())

    def test_the_example_module_counts_primes(self):
        c = self.start('handler "primes" { kind = module module = "%s" function = "primes" workers = 2 }\n' % PRIMES)
        self.assertEqual(c.call("call", queue="primes", body=1000)["result"], 168)
        self.assertEqual(c.call("pool")["handlers"][0]["kind"], "module")
        error = c.error("call", queue="primes", body="x")
        self.assertIn("whole number", error.data["error"])
        # One that nobody wants any more ends by itself.
        id = c.ask("call", {"queue": "primes", "body": 100000000, "progress": True})
        job = c.reply()["params"]["id"]
        other = self.daemon.connect()
        self.addCleanup(other.close)
        host = children(self.spawner())
        other.call("cancel", id=job, running=True)
        reply = c.reply()
        while "id" not in reply:
            reply = c.reply()
        self.assertEqual((reply["id"], reply["error"]["data"]["name"]), (id, "cancelled"))
        self.assertEqual(children(self.spawner()), host)

    def test_a_crash_of_a_host_costs_a_loss(self):
        c = self.module("crash", "workers = 2")
        self.assertEqual(self.call(1)["result"], 1)
        job = c.call("submit", queue="q", body="crash")["id"]
        c.until(lambda job: job["lost"] >= 1, "job", id=job)
        self.assertLessEqual(c.call("job", id=job)["attempt"], 1)
        c.until(lambda state: isinstance(state, dict) or state.name == "not_found", "cancel", id=job, running=True)
        self.assertEqual(self.call(2)["result"], 2)

    def test_all_end_with_the_daemon_however_it_ends(self):
        for signal_number in (signal.SIGKILL, signal.SIGTERM):
            c = self.start('handler "q" { kind = process command = {"%s"} workers = 2 grace = 1 }\n'
                           'handler "m" { kind = module module = "%s" function = "hang" grace = 1 }\n'
                           'handler "x" { command = {"sh", "-c", "sleep 1000 & sleep 1000"} daemon = true }\n'
                           "shutdown_timeout = 1\n" % (CHILD, MODULE))
            for queue, body in (("q", "deaf"), ("q", "hang"), ("m", "hang"), ("x", 1)):
                c.call("put", queue=queue, body=body)
            self.wait_until(lambda: sum(h["running"] for h in c.call("pool")["handlers"]) == 4)
            spawner = self.spawner()
            self.wait_until(lambda: len(children(spawner)) == 4)
            pids = children(spawner) + [spawner]
            pids += [pid for child in children(spawner) for pid in children(child)]
            os.kill(self.daemon.pid, signal_number)
            self.wait_until(lambda: not any(alive(pid) for pid in pids))

    def test_a_daemon_that_stops_waits_for_what_children_do(self):
        settings = 'handler "q" { kind = process command = {"%s"} }\n' % CHILD
        c = self.start(settings, data=True)
        job = c.call("submit", queue="q", body="burn a little")["id"]
        c.until(lambda pool: pool["handlers"][0]["running"] == 1, "pool")
        self.daemon.terminate()
        self.daemon.wait()
        with Daemon("-c", self.path, data=self.data) as daemon, daemon.connect() as c:
            self.assertEqual(c.call("result", id=job), {"id": job, "state": "done", "result": 1})


if __name__ == "__main__":
    lib.main()
