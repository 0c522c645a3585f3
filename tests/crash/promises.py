"""What the daemon promises about its data folder, beside surviving crashes: whom it lets in, what it says of a folder that
it cannot use, what a full disk does, when replies come, and copies that can be started from.

Usage: promises.py PATH-OF-TASKQD PATH-OF-TASKQ [TEST…]
"""

import ctypes
import ctypes.util
import json
import os
import re
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "protocol"))
import lib  # noqa: E402

SEGMENT = 128 << 10
SMALL = "segment_size = %d\nmax_body = 4K\nthreads = 2\n" % SEGMENT
NOBODY = 65534

_taskq = None


class PromiseTest(unittest.TestCase):
    def setUp(self):
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.data = self.path("data")

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def start(self, data=None, config=SMALL):
        with open(self.path("conf"), "w") as file:
            file.write(config)
        daemon = lib.Daemon("-c", self.path("conf"), data=data or self.data)
        self.addCleanup(daemon.kill)
        return daemon

    def connect(self, daemon):
        connection = daemon.connect()
        self.addCleanup(connection.close)
        return connection

    def tool(self, *arguments, code=0, **more):
        """Runs taskqd for something else than serving."""
        done = subprocess.run([lib.binary(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=lib.PATIENCE, **more)
        self.assertEqual(done.returncode, code, done)
        return done

    def refused(self, data, saying, **more):
        """The daemon does not start: exit 1 and one line that says why and names the folder."""
        done = self.tool("-d", data, "-l", "127.0.0.1:0", code=1, **more)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn(data, lines[0])
        self.assertRegex(lines[0], saying)

    def dump(self, data):
        """{id: job} of a folder."""
        lines = [json.loads(line) for line in self.tool("--dump", data).stdout.splitlines()]
        return {line["job"]["id"]: line["job"] for line in lines if "job" in line}


class Folders(PromiseTest):
    def test_a_second_daemon_is_kept_out(self):
        daemon = self.start()
        self.refused(self.data, r"another|uses|in use|lock")
        self.tool("--check", self.data, code=1)
        self.assertEqual(self.connect(daemon).call("ping"), {})
        daemon.stop()
        self.start().stop()

    def test_a_folder_without_a_parent(self):
        self.refused(self.path("missing", "data"), r"parent|No such")

    def test_a_folder_that_is_a_file(self):
        with open(self.data, "w"):
            pass
        self.refused(self.data, r"not a (folder|directory)|Not a directory")

    @unittest.skipIf(os.geteuid() != 0, "only root can become somebody else")
    def test_no_permission(self):
        program = self.path("taskqd")  # where everybody can run it
        with open(lib.binary(), "rb") as file, open(program, "wb") as copy:
            copy.write(file.read())
        os.chmod(program, 0o755)
        os.chmod(self.folder, 0o755)
        os.mkdir(self.data, 0o700)
        done = subprocess.run([program, "-d", self.data, "-l", "127.0.0.1:0"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=lib.PATIENCE, user=NOBODY, group=NOBODY, extra_groups=[])
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, r"[Pp]ermission")
        self.assertIn(self.data, done.stderr)

    def test_a_read_only_file_system(self):
        self.start().stop()
        with Mounted(self, self.path("ro"), "size=16m") as there:
            subprocess.run(["cp", "-r", self.data, there], check=True)
            there.remount("ro")
            self.refused(os.path.join(there.path, "data"), r"[Rr]ead-only")

    def test_a_folder_of_another_version(self):
        daemon = self.start()
        self.connect(daemon).call("put", queue="q", body=1)
        daemon.stop()
        log = sorted(name for name in os.listdir(self.data) if name.endswith(".log"))[0]
        # server/store/FORMAT.md: the version stands at byte 8, the checksum of the block at its end.
        with open(os.path.join(self.data, log), "r+b") as file:
            head = bytearray(file.read(4096))
            head[8:12] = struct.pack("<I", 77)
            head[4088:] = struct.pack("<Q", checksum(bytes(head[:4088])))
            file.seek(0)
            file.write(head)
        self.refused(self.data, r"version 77")


def checksum(data):
    name = ctypes.util.find_library("xxhash") or "libxxhash.so.0"  # the daemon is linked with it
    function = ctypes.CDLL(name).XXH3_64bits
    function.restype = ctypes.c_uint64
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    return function(data, len(data))


class Mounted:
    """A file system of a few MiB; skips the test where it may not be mounted."""

    def __init__(self, test, path, options):
        os.mkdir(path)
        self.path = path
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", path]
        try:
            done = subprocess.run(command, capture_output=True)
        except FileNotFoundError:
            test.skipTest("there is no mount")
        if done.returncode:
            test.skipTest("no file system may be mounted here")

    def __fspath__(self):
        return self.path

    def remount(self, options):
        subprocess.run(["mount", "-o", "remount," + options, self.path], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        subprocess.run(["umount", "-l", self.path], check=True)


class Space(PromiseTest):
    def fill(self, connection, ids):
        """Puts until the daemon refuses; the refusal comes at once, like any answer."""
        for _ in range(100000):
            try:
                ids.append(connection.call("put", queue="q", body="x" * 3000)["id"])
            except lib.RpcError as error:
                return error
        self.fail("the disk does not get full")

    def test_a_full_disk(self):
        with Mounted(self, self.path("small"), "size=4m") as there:
            data = os.path.join(there.path, "data")
            daemon = self.start(data)
            c = self.connect(daemon)
            ids, finished = [], []
            error = self.fill(c, ids)
            self.assertEqual(error.name, "store_failed", error)
            self.assertGreater(len(ids), 100)
            for _ in range(100):  # acks and gets go on, from a reserve
                job = c.call("get", queue="q", timeout=0)
                c.call("ack", id=job["id"])
                finished.append(job["id"])
            self.assertEqual(finished, ids[:100])
            there.remount("size=16m")
            last = c.until(lambda result: isinstance(result, dict), "put", queue="q", body="there is space")["id"]
            self.assertIn("event=disk_full", daemon.text())
            self.assertIn("event=disk_space", daemon.text())
            daemon.kill()
            self.tool("--check", data)
            self.assertEqual(sorted(self.dump(data)), ids[100:] + [last])

    def test_a_disk_at_its_brink_does_not_flicker(self):
        with Mounted(self, self.path("small"), "size=4m") as there:
            data = os.path.join(there.path, "data")
            daemon = self.start(data)
            c = self.connect(daemon)
            began = time.monotonic()
            kept = []
            self.assertEqual(self.fill(c, kept).name, "store_failed")
            most, filled = len(kept), time.monotonic()
            # What is finished makes room for a segment, which is filled at once.
            while time.monotonic() - filled < 4:
                if len(kept) > most // 2:
                    for job in c.call("get", queue="q", max=20, timeout=0)["jobs"]:
                        c.call("ack", id=job["id"])
                        kept.remove(job["id"])
                for _ in range(20):
                    try:
                        kept.append(c.call("put", queue="q", body="x" * 3000)["id"])
                    except lib.RpcError as error:
                        self.assertEqual(error.name, "store_failed", error)
            took = time.monotonic() - began
            text = daemon.text()
            for event in ("disk_full", "disk_space"):
                lines = [line for line in text.splitlines() if "event=%s " % event in line]
                left_out = sum(int(n) for line in lines for n in re.findall(r"left_out=(\d+)", line))
                self.assertLessEqual(len(lines) + left_out, took + 2, lines)
            there.remount("size=16m")
            kept.append(c.until(lambda result: isinstance(result, dict), "put", queue="q", body="there is space")["id"])
            daemon.kill()
            self.tool("--check", data)
            self.assertEqual(sorted(self.dump(data)), sorted(kept))

    def test_a_stop_with_a_full_disk(self):
        with Mounted(self, self.path("small"), "size=4m") as there:
            data = os.path.join(there.path, "data")
            daemon = self.start(data)
            ids = []
            self.fill(self.connect(daemon), ids)
            daemon.terminate()
            daemon.wait()
            self.assertEqual(sorted(self.dump(data)), ids)


class Durability(PromiseTest):
    def test_always_is_the_default_and_figures_are_counted(self):
        c = self.connect(self.start())
        self.assertEqual(c.call("hello")["durability"], "always")
        before = c.call("stats")["store"]
        for n in range(10):
            c.call("put", queue="q", body=n)
        after = c.call("stats")["store"]
        self.assertGreaterEqual(after["commits"], before["commits"] + 10)  # each was waited for
        self.assertGreaterEqual(after["records"], before["records"] + 10)
        for name in ("bytes", "sync_ns", "last_batch", "live_bytes"):
            self.assertGreater(after[name], before[name], name)
        self.assertLessEqual(after["sync_max_ns"], after["sync_ns"])
        self.assertNotIn("store", c.call("stats", queue="q"))

    def test_interval_replies_at_once_and_loses_no_more_than_it_says(self):
        daemon = self.start(config=SMALL + "durability = interval\ninterval = 50ms\n")
        c = self.connect(daemon)
        self.assertEqual(c.call("hello")["durability"], "interval")
        first = c.call("put", queue="q", body="first")["id"]
        records = c.call("stats")["store"]["records"]
        c.until(lambda stats: stats["store"]["live_bytes"] > 0 and stats["store"]["records"] >= max(records, 3), "stats")
        daemon.kill()
        self.assertIn(first, self.dump(self.data))

    def test_a_long_interval_holds_up_neither_replies_nor_the_stop(self):
        daemon = self.start(config=SMALL + "durability = interval\ninterval = 60s\n")
        c = self.connect(daemon)
        ids = [c.call("put", queue="q", body=n)["id"] for n in range(100)]
        daemon.stop()  # which waits for lib.PATIENCE at most
        self.assertEqual(sorted(self.dump(self.data)), ids)

    def test_a_cancel_of_what_is_held_outlives_a_crash(self):
        daemon = self.start()
        c, holder = self.connect(daemon), self.connect(daemon)
        kept = c.call("submit", queue="q", body=1)["id"]
        plain, other = [c.call("put", queue="q", body=n)["id"] for n in range(2)]
        self.assertEqual(len(holder.call("get", queue="q", max=3)["jobs"]), 3)
        for job in (kept, plain):
            self.assertEqual(c.call("cancel", id=job, running=True), {"cancelled": True})
        daemon.kill()
        for _ in range(2):  # what the start made of it is kept as well
            daemon = self.start()
            c = self.connect(daemon)
            self.assertEqual(c.error("result", id=kept, timeout=0).data, {"name": "cancelled", "id": kept, "state": "cancelled"})
            self.assertEqual(c.error("job", id=plain).name, "not_found")
            self.assertEqual(c.call("job", id=other)["state"], "ready")
            daemon.kill()

    def test_a_detached_lease_is_cancelled_over_a_stop(self):
        daemon = self.start()
        c = self.connect(daemon)
        job = c.call("submit", queue="q", body=1)["id"]
        delivery = c.call("get", queue="q", detached=True, lease=1000)["delivery"]
        self.assertEqual(c.call("cancel", id=job, running=True), {"cancelled": True})
        daemon.stop()
        self.assertTrue(self.dump(self.data)[job]["cancelling"])
        c = self.connect(self.start())
        self.assertTrue(c.call("job", id=job)["cancelling"])
        self.assertEqual(c.error("touch", id=job, delivery=delivery).name, "cancelled")
        self.assertEqual(c.error("ack", id=job, delivery=delivery).name, "cancelled")
        self.assertEqual(c.call("job", id=job)["state"], "cancelled")

    def test_a_queue_that_is_not_durable(self):
        daemon = self.start()
        c = self.connect(daemon)
        c.call("declare", queue="loose", durable=False, maxsize=7)
        for n in range(5):
            c.call("put", queue="loose", body=n)
        daemon.kill()
        c = self.connect(self.start())
        stats = c.call("stats", queue="loose")
        self.assertEqual((stats["settings"]["durable"], stats["settings"]["maxsize"]), (False, 7))
        self.assertEqual(stats["gauges"]["ready"], 0)


class Copies(PromiseTest):
    def taskq(self, daemon, *arguments, code=0):
        done = subprocess.run([_taskq, "-a", daemon.address, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=lib.PATIENCE)
        self.assertEqual(done.returncode, code, done)
        return done

    def test_backup_and_restore(self):
        """As the README says it: back up while it runs, put the copy in place, start."""
        daemon = self.start()
        c = self.connect(daemon)
        c.call("declare", queue="q", maxsize=100000)
        ids = [c.call("put", queue="q", body={"n": n, "pad": "x" * 1000})["id"] for n in range(500)]
        stop = threading.Event()
        others = threading.Thread(target=self.churn, args=(daemon, stop))
        others.start()
        try:
            copy = self.path("copy")
            self.assertIn("bytes", self.taskq(daemon, "backup", copy).stdout)
            second = json.loads(self.taskq(daemon, "--json", "backup", self.path("second")).stdout)
        finally:
            stop.set()
            others.join()
        size = sum(os.path.getsize(os.path.join(self.path("second"), name)) for name in os.listdir(self.path("second")))
        self.assertEqual((second["bytes"], second["segments"]), (size, len(os.listdir(self.path("second")))))
        daemon.kill()
        self.assertIn("jobs=", self.tool("--check", copy).stdout)
        restored = self.connect(self.start(copy))
        self.assertEqual(restored.call("stats", queue="q")["settings"]["maxsize"], 100000)
        got = restored.call("get", queue="q", max=1000)["jobs"]
        self.assertEqual([(job["id"], job["body"]["n"]) for job in got], list(zip(ids, range(500))))
        for job in got[:10]:
            restored.call("ack", id=job["id"])
        self.assertGreater(restored.call("put", queue="q", body=1)["id"], ids[-1])

    def churn(self, daemon, stop):
        with daemon.connect() as c:
            while not stop.is_set():
                job = c.call("put", queue="other", body="y" * 2000)["id"]
                c.call("get", queue="other")
                c.call("ack", id=job)

    def test_many_at_once(self):
        daemon = self.start()
        c = self.connect(daemon)
        for n in range(300):
            c.call("put", queue="q", body="z" * 3000)
        asking = [self.connect(daemon) for _ in range(6)]
        for i, one in enumerate(asking):
            one.ask("backup", {"folder": self.path("many%d" % i)}, id="b")
            one.ask("ping", {}, id="p")
        done = 0
        for i, one in enumerate(asking):
            try:
                one.answer("b")
                done += 1
                self.assertEqual(len(self.dump(self.path("many%d" % i))), 300)
            except lib.RpcError as error:
                self.assertEqual(error.name, "overloaded")
                self.assertFalse(os.path.exists(self.path("many%d" % i)))
            self.assertEqual(one.answer("p"), {})  # what stands behind a backup is answered after it
        self.assertGreaterEqual(done, 1)
        self.assertEqual(c.call("ping"), {})

    def test_folders_that_cannot_be_used(self):
        daemon = self.start()
        c = self.connect(daemon)
        with open(self.path("file"), "w") as file:
            file.write("kept")
        os.mkdir(self.path("full"))
        with open(self.path("full", "file"), "w"):
            pass
        for folder in (self.path("full"), self.path("file"), self.path("missing", "deep"), self.data, "relative"):
            error = c.error("backup", folder=folder)
            self.assertEqual((error.name, error.data.get("param")), ("invalid_params", "folder"), error)
            self.assertNotIn("copy", os.listdir(self.folder))
        self.assertEqual(os.listdir(self.path("full")), ["file"])
        self.assertIn("not empty", self.taskq(daemon, "backup", self.path("full"), code=2).stderr)
        os.mkdir(self.path("empty"))
        self.assertEqual(c.call("backup", folder=self.path("empty"))["segments"], 1)

    def test_a_backup_that_its_client_does_not_wait_for(self):
        daemon = self.start()
        c = daemon.connect()
        c.call("put", queue="q", body=1)
        c.ask("backup", {"folder": self.path("copy")})
        c.close()
        self.connect(daemon).until(lambda _: "event=backup_done" in daemon.text(), "ping")
        self.assertEqual(len(self.dump(self.path("copy"))), 1)

    def test_no_space_for_the_copy(self):
        daemon = self.start()
        c = self.connect(daemon)
        for n in range(400):
            c.call("put", queue="q", body="z" * 3000)
        with Mounted(self, self.path("small"), "size=512k") as there:
            error = c.error("backup", folder=os.path.join(there.path, "copy"))
            self.assertEqual(error.name, "store_failed")
            self.assertEqual(os.listdir(there.path), [])
        c.call("put", queue="q", body="the daemon goes on")

    def test_dump_and_load(self):
        daemon = self.start()
        c = self.connect(daemon)
        c.call("declare", queue="q", lease=7)
        c.call("pause", queue="q")
        for n in range(20):
            c.call("put", queue="q", body={"n": n, "pad": "x" * 3000}, priority=n % 3, key="k%d" % n)
        daemon.stop()
        text = self.tool("--dump", self.data).stdout
        with open(self.path("dump"), "w") as file:
            file.write(text)
        self.assertRegex(self.tool("--load", self.path("again"), self.path("dump")).stdout, r"jobs=20 queues=1")
        self.assertEqual(self.tool("--dump", self.path("again")).stdout, text)
        self.tool("--load", self.path("again"), self.path("dump"), code=1)  # it is not empty any more
        c = self.connect(self.start(self.path("again"), config=""))
        stats = c.call("stats", queue="q")
        self.assertEqual((stats["gauges"]["ready"], stats["settings"]["lease"], stats["paused"]), (20, 7, True))

    def test_recover_says_what_it_leaves_out(self):
        daemon = self.start()
        c = self.connect(daemon)
        ids = [c.call("put", queue="q", body="d" * 2000)["id"] for _ in range(300)]
        daemon.kill()
        logs = sorted(name for name in os.listdir(self.data) if name.endswith(".log"))
        with open(os.path.join(self.data, logs[1]), "r+b") as file:
            file.seek(SEGMENT // 2)
            byte = file.read(1)[0]
            file.seek(SEGMENT // 2)
            file.write(bytes([byte ^ 1]))
        self.refused(self.data, re.escape(logs[1]))
        done = self.tool("--check", self.data, code=1)
        self.assertIn(logs[1], done.stderr)
        daemon = lib.Daemon("-c", self.path("conf"), "--recover", data=self.data)
        self.addCleanup(daemon.kill)
        self.assertIn(logs[1], daemon.text())
        left = self.connect(daemon).call("stats", queue="q")["gauges"]["ready"]
        self.assertTrue(250 < left < len(ids), left)
        daemon.stop()
        self.tool("--check", self.data)


class Sizes(PromiseTest):
    def test_jobs_have_to_fit_into_the_store(self):
        with open(self.path("conf"), "w") as file:
            file.write("segment_size = 128K\nmax_body = 1M\n")
        done = self.tool("-c", self.path("conf"), "-d", self.data, "-l", "127.0.0.1:0", code=1)
        self.assertIn("segment_size", done.stderr)

    def test_jobs_that_are_larger_than_the_settings_now_say(self):
        daemon = self.start(config="max_body = 1M\n")
        self.connect(daemon).call("put", queue="q", body="x" * 1000000)
        daemon.stop()
        with open(self.path("conf"), "w") as file:
            file.write(SMALL)
        done = self.tool("-c", self.path("conf"), "-d", self.data, "-l", "127.0.0.1:0", code=1)
        self.assertIn("max_body", done.stderr)
        self.assertEqual(len(self.dump(self.data)), 1)

    def test_the_largest_of_all_goes_through_a_job_s_life(self):
        daemon = self.start()
        c = self.connect(daemon)
        largest = "x" * 4094  # 4 KiB with its quotes
        job = c.call("submit", queue="q" * 255, body=largest, key="k" * 255, key_for=1000, expires=1000, lease=10,
                     max_attempts=5)["id"]
        c.call("get", queue="q" * 255)
        c.call("nack", id=job, error=largest, delay=0)
        c.call("get", queue="q" * 255)
        c.call("ack", id=job, result=largest)
        daemon.kill()
        self.assertEqual(self.connect(self.start()).call("result", id=job)["result"], largest)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    _taskq = os.path.abspath(sys.argv.pop(2))
    sys.argv[1] = os.path.abspath(sys.argv[1])
    lib.main()
