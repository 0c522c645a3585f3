"""A data folder without its daemon: taskqd --check, --dump and --load."""

import fcntl
import json
import os
import subprocess
import unittest

import cli
from cli import protocol

QUEUE = '{"queue":{"name":"q","paused":true}}'
JOBS = ['{"job":{"id":%d,"queue":"q","state":"ready","priority":%d,"created":1700000000.125,"body":%s}}' % job
        for job in [(3, -1, '{"b":0.10,"a":1e400}'), (4, 0, '"\\u00e9\\/"'), (9, 2, '[ 1,2 ]')]]


def run(*arguments, text=None, stdout=subprocess.PIPE):
    done = subprocess.run([protocol.binary(), *arguments], input=text.encode() if text is not None else None,
                          stdout=stdout, stderr=subprocess.PIPE, timeout=cli.PATIENCE,
                          **({} if text is not None else {"stdin": subprocess.DEVNULL}))
    return cli.Ran(done.returncode, (done.stdout or b"").decode(), done.stderr.decode())


class Data(unittest.TestCase):
    def setUp(self):
        folder = protocol.temporary_folder()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.data = os.path.join(self.folder, "data")

    def write(self, *lines, name="dump"):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
        return path

    def load(self, *lines):
        done = run("--load", self.data, self.write(*lines))
        self.assertEqual(done.code, 0, done)
        return done

    def assertRefused(self, done, *words):
        self.assertEqual(done.code, 1, done)
        self.assertEqual(done.out, "")
        self.assertEqual(len(done.err.splitlines()), 1, done)
        self.assertTrue(done.err.startswith("taskqd: "), done)
        for word in words:
            self.assertIn(word, done.err)

    def state(self):
        """Names and bytes of all that is in the folder, but for the lock."""
        result = {}
        for name in sorted(os.listdir(self.data)):
            if name != "lock":
                with open(os.path.join(self.data, name), "rb") as file:
                    result[name] = file.read()
        return result

    # ---- good folders

    def test_what_was_loaded_is_dumped(self):
        self.assertEqual(self.load(QUEUE, *JOBS).out, "loaded jobs=3 queues=1\n")
        done = run("--dump", self.data)
        self.assertEqual(done.code, 0, done)
        self.assertEqual(done.err, "")
        self.assertEqual(done.out.splitlines(), [QUEUE] + JOBS)

    def test_a_check_counts_and_changes_nothing(self):
        self.load(QUEUE, *JOBS)
        before = self.state()
        done = run("--check", self.data)
        self.assertEqual(done.code, 0, done)
        self.assertIn("jobs=3 queues=1 keys=0 ", done.out)
        self.assertEqual(run("--dump", self.data).code, 0)
        self.assertEqual(self.state(), before)

    def test_a_loaded_folder_is_served(self):
        self.load(*JOBS)
        daemon = protocol.Daemon(data=self.data)
        try:
            with daemon.connect() as connection:
                id = connection.ask("get", {"queue": "q", "timeout": 0})
                line = connection.line()
                self.assertIn(b'"body":{"b":0.10,"a":1e400}', line)
                self.assertEqual(connection.call("put", queue="q", body=1)["id"] > 9, True)
                connection.close()
            daemon.stop()
        finally:
            daemon.kill()
        self.assertEqual(id, 1)
        self.assertIn("jobs=4", run("--check", self.data).out)

    def test_a_dump_moves_to_another_folder(self):
        self.load(QUEUE, *JOBS)
        other = os.path.join(self.folder, "other")
        text = run("--dump", self.data).out
        done = run("--load", other, "-", text=text)
        self.assertEqual(done.code, 0, done)
        self.assertEqual(run("--dump", other).out, text)

    def test_an_empty_dump_makes_an_empty_folder(self):
        self.assertEqual(self.load().out, "loaded jobs=0 queues=0\n")
        self.assertIn("jobs=0 queues=0", run("--check", self.data).out)
        self.assertEqual(run("--dump", self.data).out, "")
        self.load(*JOBS)  # it is still empty
        self.assertIn("jobs=3", run("--check", self.data).out)

    def test_bodies_larger_than_the_usual(self):
        body = '"%s"' % ("x" * (5 << 20))
        line = '{"job":{"id":1,"queue":"q","state":"ready","priority":0,"created":0,"body":%s}}' % body
        self.load(line)
        self.assertEqual(run("--dump", self.data).out.splitlines()[1], line)

    def test_a_body_larger_than_a_daemon_takes_leaves_nothing_behind(self):
        line = '{"job":{"id":1,"queue":"q","state":"ready","body":"%s"}}' % ("x" * (21 << 20))
        self.assertRefused(run("--load", self.data, self.write(JOBS[0], line)), "line 2", "too large")
        self.assertEqual(run("--dump", self.data).out, "")

    # ---- loading that goes wrong

    def test_a_broken_file_leaves_nothing_behind(self):
        self.assertRefused(run("--load", self.data, self.write(QUEUE, JOBS[0], JOBS[1], '{"job":{}}')), "line 4")
        self.assertIn("jobs=0 queues=0", run("--check", self.data).out)
        self.load(*JOBS)

    def test_a_broken_line_of_standard_input_is_named(self):
        self.assertRefused(run("--load", self.data, "-", text=JOBS[0] + "\n{\n"), "line 2")
        self.assertEqual(run("--dump", self.data).out, "")

    def test_an_id_that_is_there_twice(self):
        self.assertRefused(run("--load", self.data, self.write(JOBS[0], JOBS[0])), "line 2", "id")
        self.assertEqual(run("--dump", self.data).out, "")

    def test_a_folder_that_holds_something_takes_no_dump(self):
        self.load(*JOBS)
        before = run("--dump", self.data).out
        self.assertRefused(run("--load", self.data, self.write(QUEUE)), "3 jobs", "empty folder")
        self.assertEqual(run("--dump", self.data).out, before)

    def test_declared_queues_alone_are_something(self):
        self.load('{"queue":{"name":"q","declared":true}}')
        self.assertRefused(run("--load", self.data, self.write(*JOBS)), "0 jobs and 1 queue already")

    def test_a_file_that_is_not_there_makes_no_folder(self):
        self.assertRefused(run("--load", self.data, os.path.join(self.folder, "none")), "none: No such file")
        self.assertRefused(run("--load", self.data, self.folder), "Is a directory")
        self.assertFalse(os.path.exists(self.data))

    # ---- folders that are not good

    def test_a_folder_that_is_not_there(self):
        for tool in ("--check", "--dump"):
            self.assertRefused(run(tool, self.data), self.data)
        self.assertFalse(os.path.exists(self.data))

    def test_a_file_is_no_folder(self):
        path = self.write("")
        for tool in ("--check", "--dump"):
            self.assertRefused(run(tool, path), path)
        self.assertRefused(run("--load", path, self.write(*JOBS, name="jobs")), path)

    def test_an_empty_folder_holds_nothing(self):
        os.mkdir(self.data)
        done = run("--dump", self.data)
        self.assertEqual((done.code, done.out), (0, ""), done)
        self.assertIn("jobs=0 queues=0", run("--check", self.data).out)
        self.assertEqual(os.listdir(self.data), [])

    def test_the_folder_of_a_running_daemon_is_left_alone(self):
        daemon = protocol.Daemon(data=self.data)
        try:
            dump = self.write(*JOBS)
            self.assertRefused(run("--load", self.data, dump), self.data)
            for tool in ("--check", "--dump"):
                self.assertRefused(run(tool, self.data), self.data)
            with daemon.connect() as connection:
                connection.call("put", queue="q", body=1)
            daemon.stop()
        finally:
            daemon.kill()
        self.assertIn("jobs=1 ", run("--check", self.data).out)

    def test_a_locked_folder_is_refused(self):
        self.load(*JOBS)
        with open(os.path.join(self.data, "lock"), "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            fcntl.lockf(lock, fcntl.LOCK_EX)
            self.assertRefused(run("--check", self.data), self.data)
        self.assertEqual(run("--check", self.data).code, 0)

    def test_damage_is_found_and_not_mended(self):
        self.load(QUEUE, *JOBS)
        protocol.Daemon(data=self.data).stop()  # what is torn at the very end was never acknowledged
        log = os.path.join(self.data, sorted(n for n in os.listdir(self.data) if n.endswith(".log"))[0])
        with open(log, "r+b") as file:
            image = file.read()
            at = image.index(b'"a":1e400')
            file.seek(at)
            file.write(b"#")
        before = self.state()
        for tool in ("--check", "--dump"):
            done = run(tool, self.data)
            self.assertRefused(done)
            self.assertIn(os.path.basename(log).split(".")[0].lstrip("0"), done.err)
        self.assertRefused(run("--load", self.data, self.write(*JOBS)))
        self.assertEqual(self.state(), before)

    # ---- output

    def test_a_dump_that_cannot_be_written_fails(self):
        self.load(*JOBS)
        with open("/dev/full", "wb") as full:
            done = run("--dump", self.data, stdout=full)
        self.assertEqual(done.code, 1, done)
        self.assertIn("cannot be written: No space", done.err)

    def test_a_dump_is_json_line_by_line(self):
        self.load(QUEUE, JOBS[1], JOBS[2])
        for line in run("--dump", self.data).out.splitlines():
            self.assertEqual(len(json.loads(line)), 1)

    # ---- the command line

    def test_wrong_use(self):
        for wrong in (("--check",), ("--load", self.data), ("--load", self.data, "a", "b"), ("--check", self.data, "x"),
                      ("--check", self.data, "--dump", self.data), ("-t", "--check", self.data)):
            done = run(*wrong)
            self.assertEqual((done.code, done.out), (2, ""), wrong)
            self.assertIn("usage: taskqd", done.err)
        self.assertFalse(os.path.exists(self.data))


if __name__ == "__main__":
    cli.main()
