"""Connections: TCP and Unix, closed at every byte and in every state, half-closed, and the daemon's own end."""

import os
import socket
import tempfile

import lib

R = lib.request_text


class Sockets(lib.ProtocolTest):
    def test_many_requests_and_a_half_close(self):
        c = self.connect()
        c.send("".join(R(n, "put", {"queue": self.queue, "body": n}) + "\n" for n in range(1000)))
        c.half_close()
        for n in range(1000):
            c.answer(n)
        c.expect_end()
        self.assertEqual(len(self.get(self.connect(), max=1000)["jobs"]), 1000)

    def test_a_half_close_takes_back_what_waits(self):
        a, b = self.connect(), self.connect()
        a.send(R(1, "get", {"queue": self.queue}) + "\n" + R(2, "ping") + "\n")
        a.half_close()
        self.assertEqual(a.answer(2), {})
        a.expect_end()
        job = self.put(b, 1)
        self.assertEqual(self.get(b, timeout=0)["id"], job)

    def test_a_batch_that_waits_at_the_half_close(self):
        a, b = self.connect(), self.connect()
        a.send("[" + R(1, "get", {"queue": self.queue}) + "," + R(2, "ping") + "]\n" + R(3, "ping") + "\n")
        a.half_close()
        self.assertEqual(a.answer(3), {})
        a.expect_end()
        job = self.put(b, 1)
        self.assertEqual(self.get(b, timeout=0)["id"], job)

    def test_a_half_close_with_much_output(self):
        c = self.connect()
        job = self.put(c, "x" * 500_000)
        c.send((R(1, "job", {"id": job}) + "\n") * 100)
        c.half_close()
        for _ in range(100):
            self.assertEqual(len(c.answer(1)["body"]), 500_000)
        c.expect_end()

    def test_an_empty_connection(self):
        for _ in range(20):
            c = self.connect()
            c.half_close()
            c.expect_end()
            c.close()
            self.connect().close()
            self.connect().reset()

    def test_closed_at_every_byte(self):
        """A consumer vanishes after each byte of its get: the job is never lost, and never counted against."""
        b = self.connect()
        b.call("declare", queue=self.queue, max_lost=255, backoff={"base": 0, "jitter": 0})
        job = self.put(b, "precious")
        line = (R(1, "get", {"queue": self.queue}) + "\n").encode()
        for end in ("close", "reset", "half_close"):
            for cut in range(len(line) + 1):
                a = self.connect()
                a.send(line[:cut])
                getattr(a, end)()
                got = self.get(b)
                self.assertEqual((got["id"], got["body"], got["attempt"]), (job, "precious", 1))
                b.call("release", id=job, delivery=got["delivery"])
                a.close()
        self.assertLessEqual(b.call("job", id=job)["lost"], 3)

    def test_closed_after_each_byte_of_the_reply(self):
        b = self.connect()
        b.call("declare", queue=self.queue, max_lost=255, backoff={"base": 0, "jitter": 0})
        job = self.put(b, "precious")
        for count in range(1, 60):
            a = self.connect()
            a.send_line(R(1, "get", {"queue": self.queue}))
            read = 0
            while read < count:
                read += len(a.socket.recv(count - read))
            a.reset()
            got = self.get(b)
            self.assertEqual((got["id"], got["attempt"]), (job, 1))
            b.call("release", id=job, delivery=got["delivery"])

    def test_closed_while_a_job_is_handed_over(self):
        """A waiting consumer vanishes at the moment of the put: the job comes to the next one."""
        b = self.connect()
        b.call("declare", queue=self.queue, max_lost=255, backoff={"base": 0, "jitter": 0})
        for round in range(300):
            a = self.connect()
            a.ask("get", {"queue": self.queue})
            a.expect_nothing()
            put = b.ask("put", {"queue": self.queue, "body": round})
            getattr(a, ("close", "reset", "half_close")[round % 3])()
            job = b.answer(put)["id"]
            if round % 3 == 2:
                a.close()
            got = self.get(b, auto_ack=True)
            self.assertEqual((got["id"], got["body"]), (job, round))
        self.assertEqual(b.call("join", queue=self.queue, timeout=0), {})

    def test_closed_while_jobs_are_put(self):
        """What was answered is there; each put is there once or not at all."""
        b = self.connect()
        count = 0
        for round in range(50):
            a = self.connect()
            a.send("".join(R(n, "put", {"queue": self.queue, "body": [round, n]}) + "\n" for n in range(20)))
            for _ in range(round % 20):
                self.assertIn("result", a.reply())
                count += 1
            a.reset()
        listed = set()
        while True:
            got = b.until(lambda r: True, "get", queue=self.queue, max=1000, timeout=0, auto_ack=True)
            if isinstance(got, lib.RpcError):
                break
            for job in got["jobs"]:
                self.assertNotIn(tuple(job["body"]), listed)
                listed.add(tuple(job["body"]))
        self.assertGreaterEqual(len(listed), count)

    def test_jobs_of_many_closing_connections(self):
        b = self.connect()
        b.call("declare", queue=self.queue, backoff={"base": 0, "jitter": 0})
        for n in range(200):
            self.put(b, n)
        holders = [self.connect() for _ in range(20)]
        for c in holders:
            self.assertEqual(len(self.get(c, max=10)["jobs"]), 10)
        for n, c in enumerate(holders):
            (c.close if n % 2 else c.reset)()
        b.until(lambda r: r["gauges"]["ready"] == 200, "stats", queue=self.queue)
        self.assertEqual([job["body"] for job in self.get(b, max=1000)["jobs"]], list(range(200)))

    def test_a_connection_that_is_idle_stays(self):
        a, b = self.connect(), self.connect()
        self.assertEqual(a.call("ping"), {})
        self.assertError(b.error("get", queue=self.queue, timeout=0.5), "empty")
        self.assertEqual(a.call("ping"), {})


class UnixSockets(lib.ProtocolTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = lib.temporary_folder()
        cls.path = os.path.join(cls.folder.name, "s")
        cls.daemon = lib.Daemon(listen=("unix:" + cls.path, "127.0.0.1:0"))

    @classmethod
    def tearDownClass(cls):
        try:
            cls.daemon.stop()
        finally:
            cls.folder.cleanup()

    def test_the_same_daemon_on_both(self):
        a, b = self.connect("unix:" + self.path), self.connect(self.daemon.addresses[1])
        id = a.ask("get", {"queue": self.queue})
        a.expect_nothing()
        job = self.put(b, "x")
        self.assertEqual(a.answer(id)["id"], job)
        a.close()
        self.assertEqual(self.get(b)["id"], job)

    def test_it_is_a_socket_for_its_owner(self):
        mode = os.stat(self.path).st_mode
        self.assertEqual(mode & 0o170000, 0o140000)
        self.assertEqual(mode & 0o002, 0, oct(mode))

    def test_half_close(self):
        c = self.connect("unix:" + self.path)
        c.send(R(1, "put", {"queue": self.queue, "body": 1}) + "\n" + R(2, "get", {"queue": self.queue}) + "\n")
        c.half_close()
        c.answer(1)
        self.assertEqual(c.answer(2)["body"], 1)
        c.expect_end()

    def test_http_is_told_off_here_too(self):
        c = self.connect("unix:" + self.path)
        c.send(b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(c.reply()["error"]["data"]["name"], "http")
        c.expect_end()


class Ending(lib.unittest.TestCase):
    """Each of these ends a daemon of its own."""

    def test_idle(self):
        with lib.Daemon() as daemon:
            c = daemon.connect()
            self.assertEqual(c.call("ping"), {})
            daemon.terminate()
            c.expect_end()
            daemon.wait()
            c.close()

    def test_waits_end_with_draining(self):
        with lib.Daemon() as daemon:
            c, held = daemon.connect(), daemon.connect()
            held.call("declare", queue="full", maxsize=1)
            held.call("put", queue="full", body=1)
            job = held.call("submit", queue="q", body=1)["id"]
            held.call("get", queue="q")
            ids = {c.ask("get", {"queue": "none"}), c.ask("join", {"queue": "q"}), c.ask("result", {"id": job}),
                   c.ask("put", {"queue": "full", "body": 2})}
            c.expect_nothing()
            daemon.terminate()
            for _ in range(len(ids)):
                reply = c.reply()
                self.assertEqual(reply["error"]["data"]["name"], "draining", reply)
                ids.remove(reply["id"])
            c.close()
            held.close()
            daemon.wait()

    def test_acks_are_taken_while_it_drains(self):
        with lib.Daemon() as daemon:
            c = daemon.connect()
            job = c.call("put", queue="q", body=1)["id"]
            c.call("get", queue="q")
            waiting = c.ask("get", {"queue": "q"})
            c.expect_nothing()
            daemon.terminate()
            self.assertEqual(c.reply()["id"], waiting)
            self.assertEqual(c.error("get", queue="q", timeout=0).name, "draining")
            self.assertEqual(c.error("put", queue="q", body=1).name, "draining")
            self.assertEqual(c.call("ack", id=job), {})
            daemon.wait()
            c.close()

    def test_new_connections_are_refused_after_the_end(self):
        with lib.Daemon() as daemon:
            daemon.stop()
            with self.assertRaises(OSError):
                lib.Connection(daemon.address)

    def test_a_client_that_never_reads_does_not_hold_it_up(self):
        with lib.Daemon() as daemon:
            c = daemon.connect()
            job = c.call("put", queue="q", body="x" * 1_000_000)["id"]
            c.socket.setblocking(False)
            line = (R(1, "job", {"id": job}) + "\n").encode()
            try:
                for _ in range(100_000):
                    c.socket.send(line)
            except BlockingIOError:
                pass
            daemon.terminate()
            daemon.wait()
            c.close()

    def test_a_second_daemon_at_the_same_address(self):
        with lib.Daemon() as daemon:
            with self.assertRaises(AssertionError):
                lib.Daemon(listen=(daemon.address,))
            c = daemon.connect()
            self.assertEqual(c.call("ping"), {})
            c.close()

    def test_a_unix_socket_that_was_left_behind(self):
        with lib.temporary_folder() as folder:
            path = os.path.join(folder, "s")
            with socket.socket(socket.AF_UNIX) as old:
                old.bind(path)
            with lib.Daemon(listen=("unix:" + path,)) as daemon:
                c = daemon.connect()
                self.assertEqual(c.call("ping"), {})
                c.close()


class Full(lib.unittest.TestCase):
    def test_one_connection_more_is_turned_away_and_the_log_says_so_once(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
            conf.write("max_connections = 2\n")
            conf.flush()
            daemon = lib.Daemon("-c", conf.name)
            try:
                a, b = daemon.connect(), daemon.connect()
                for c in (a, b):
                    self.assertEqual(c.call("ping"), {})
                for _ in range(20):
                    c = daemon.connect()
                    self.assertEqual(c.reply()["error"]["data"]["name"], "overloaded")
                    c.expect_end()
                self.assertEqual(a.call("stats")["clients"], 2)
                daemon._wait_for("(turned away)")
                said = [line for line in daemon.log if "turned away" in line]
                self.assertEqual(len(said), 1, said)
                a.close()
                b.until(lambda r: r["clients"] == 1, "stats")
                self.assertEqual(daemon.connect().call("ping"), {})
            finally:
                daemon.stop()


class Owned(lib.ProtocolTest):
    """Queues that go with the connection that declared them."""

    def gone(self, c, queue):
        return c.until(lambda result: isinstance(result, lib.RpcError), "stats", queue=queue).name

    def test_it_goes_with_its_connection(self):
        a, b = self.connect(), self.connect()
        a.call("declare", queue=self.queue, owned=True)
        a.call("declare", queue=self.queue, owned=True, maxsize=5)
        held = self.put(b, 1)
        self.put(b, 2)
        self.assertEqual(self.get(b)["id"], held)
        a.close()
        self.assertEqual(self.gone(b, self.queue), "not_found")
        self.assertEqual(b.error("ack", id=held).name, "not_found")

    def test_who_waits_there_is_told(self):
        a, b = self.connect(), self.connect()
        a.call("declare", queue=self.queue, owned=True)
        waits = b.ask("get", {"queue": self.queue})
        a.until(lambda stats: stats["gauges"]["waiting_gets"] == 1, "stats", queue=self.queue)
        a.close()
        with self.assertRaises(lib.RpcError) as caught:
            b.answer(waits)
        self.assertEqual(caught.exception.name, "not_found")

    def test_another_connection_may_use_it_but_not_own_it(self):
        a, b = self.connect(), self.connect()
        a.call("declare", queue=self.queue, owned=True)
        self.assertEqual(b.error("declare", queue=self.queue, owned=True).data["param"], "owned")
        self.assertEqual(b.call("declare", queue=self.queue, maxsize=3)["maxsize"], 3)
        b.close()
        self.assertEqual(a.call("stats", queue=self.queue)["settings"]["maxsize"], 3)

    def test_what_is_there_already_cannot_be_owned(self):
        a = self.connect()
        self.put(a, 1)
        self.assertEqual(a.error("declare", queue=self.queue, owned=True).data["param"], "owned")
        a.call("pause", queue=self.queue + "-paused")
        self.assertEqual(a.error("declare", queue=self.queue + "-paused", owned=True).data["param"], "owned")

    def test_it_is_not_durable(self):
        a = self.connect()
        self.assertEqual(a.error("declare", queue=self.queue, owned=True, durable=True).data["param"], "durable")
        self.assertFalse(a.call("declare", queue=self.queue, owned=True)["durable"])
        self.assertEqual(a.error("declare", queue=self.queue, durable=True).data["param"], "durable")

    def test_dropped_by_hand_it_may_be_declared_by_another(self):
        a, b = self.connect(), self.connect()
        a.call("declare", queue=self.queue, owned=True)
        b.call("drop", queue=self.queue)
        b.call("declare", queue=self.queue, owned=True)
        a.close()
        self.put(b, 1)
        b.expect_nothing()
        self.assertEqual(b.call("stats", queue=self.queue)["gauges"]["ready"], 1)

    def test_nothing_of_it_is_on_disk(self):
        """Not even of a job that was on disk before it moved there."""
        with tempfile.TemporaryDirectory() as folder:
            data = os.path.join(folder, "data")
            daemon = lib.Daemon(data=data)
            self.addCleanup(daemon.kill)
            with daemon.connect() as c:
                c.call("declare", queue="mine", owned=True)
                c.call("declare", queue="work", dead_letter="mine")
                c.call("put", queue="mine", body=1)
                moved = c.call("put", queue="work", body=2)["id"]
                kept = c.call("put", queue="work", body=3)["id"]
                c.call("get", queue="work")
                c.call("bury", id=moved)
                self.assertEqual(c.call("stats", queue="mine")["gauges"]["ready"], 2)
                daemon.kill()
            with lib.Daemon(data=data) as again, again.connect() as c:
                self.assertEqual(c.error("stats", queue="mine").name, "not_found")
                self.assertEqual(c.error("job", id=moved).name, "not_found")
                self.assertEqual(c.call("job", id=kept)["queue"], "work")

if __name__ == "__main__":
    lib.main()
