"""events: what is told to whom, filters, roles, who reads slowly, and many that listen on several network threads."""

import os
import signal
import threading
import unittest

import lib
from access import SECRET, SUPER, Case, grant, token_section


class Listening(Case):
    def listen(self, connection, id="e", **params):
        """Listens; once this returns nothing is missed."""
        connection.ask("events", params, id=id)
        connection.call("ping")

    def event(self, connection, request="e"):
        """The next line, which must be an event; what is not always there as a string."""
        line = connection.reply()
        self.assertEqual((line["method"], line["params"].pop("request")), ("event", request))
        return line["params"]

    def told(self, connection, count, request="e"):
        """The next events as (id, from, state)."""
        events = [self.event(connection, request) for _ in range(count)]
        return [(event["id"], event.get("from"), event["state"]) for event in events]


class Events(Listening):
    def test_what_happens_is_told_in_order(self):
        daemon = self.start("threads = 2\n")
        listener, client = self.connect(daemon), self.connect(daemon)
        self.listen(listener)
        job = client.call("submit", queue="q", body={"secret": 1})["id"]
        held = client.call("get", queue="q")
        client.call("ack", id=job, delivery=held["delivery"], result="secret")
        events = [self.event(listener) for _ in range(3)]
        self.assertEqual([(event["state"], event.get("from")) for event in events],
                         [("ready", None), ("reserved", "ready"), ("done", "reserved")])
        for event in events:
            self.assertEqual((event["id"], event["queue"], event["attempts"]), (job, "q", 0))
            self.assertGreater(event["at"], 1700000000)
            self.assertNotIn("secret", str(event))
        other = client.call("put", queue="q", body=1, delay=0.05, max_attempts=1)["id"]
        self.assertEqual(self.told(listener, 2), [(other, None, "delayed"), (other, "delayed", "ready")])
        client.call("get", queue="q")
        client.call("nack", id=other)
        self.assertEqual(self.event(listener)["state"], "reserved")
        event = self.event(listener)
        del event["at"]
        self.assertEqual(event, {"id": other, "queue": "q", "state": "dead", "from": "reserved", "attempts": 1,
                                 "cause": "failed", "reason": "attempts"})

    def test_filters(self):
        daemon = self.start("")
        listener, client = self.connect(daemon), self.connect(daemon)
        self.listen(listener, id="mail", queues=["mail.*", "post"], states=["ready"])
        self.listen(listener, id="gone", states=["deleted", "dead"])
        jobs = {name: client.call("put", queue=name, body=1)["id"] for name in ("mail.a", "letters", "post", "mail.b")}
        self.assertEqual([job for job, _, _ in self.told(listener, 3, "mail")], [jobs["mail.a"], jobs["post"], jobs["mail.b"]])
        client.call("delete", id=jobs["letters"])
        self.assertEqual(self.told(listener, 1, "gone"), [(jobs["letters"], "ready", "deleted")])
        listener.expect_nothing()

    def test_it_is_taken_back(self):
        daemon = self.start("")
        listener, client = self.connect(daemon), self.connect(daemon)
        self.listen(listener)
        client.call("put", queue="q", body=1)
        self.told(listener, 1)
        listener.notify("$/cancelRequest", {"id": "e"})
        self.assertEqual(listener.reply()["error"]["data"]["name"], "request_cancelled")
        client.call("put", queue="q", body=1)
        listener.expect_nothing()
        self.listen(listener)
        client.call("put", queue="q", body=1)
        self.told(listener, 1)
        daemon.terminate()
        self.assertEqual(listener.reply()["error"]["data"]["name"], "draining")
        daemon.wait()

    def test_what_is_wrong(self):
        daemon = self.start("", http=("127.0.0.1:0",))
        client = self.connect(daemon)
        for params, word in (({"states": ["reserved", "asleep"]}, "states must be"), ({"states": []}, "states must be"),
                             ({"queues": []}, "queues must be"), ({"queues": "q"}, "queues must be"),
                             ({"queue": "q"}, "queue")):
            error = client.error("events", **params)
            self.assertEqual(error.name, "invalid_params")
            self.assertIn(word, error.message)
        client.notify("events")
        client.expect_nothing()
        from http_client import Client
        post = Client(daemon.http[0], None)
        self.addCleanup(post.close)
        with self.assertRaises(lib.RpcError) as caught:
            post.call("events")
        self.assertEqual(caught.exception.name, "invalid_request")

    def test_32_may_listen_and_a_connection_that_ends_makes_room(self):
        daemon = self.start("threads = 2\n")
        listeners = [self.connect(daemon) for _ in range(4)]
        for listener in listeners:
            for n in range(8):
                self.listen(listener, id=n)
        client = self.connect(daemon)
        self.assertEqual(client.error("events").name, "overloaded")
        client.call("put", queue="q", body=1)
        for listener in listeners:
            self.assertEqual({listener.reply()["params"]["request"] for _ in range(8)}, set(range(8)))
        listeners[0].close()
        deadline = 0
        while True:
            client.ask("events", {}, id="e%d" % deadline)
            client.ask("ping", id="p")
            if client.reply()["id"] == "p":
                break
            client.reply()
            deadline += 1


class Access(Listening):
    def test_only_what_one_may_read(self):
        sections = SUPER + token_section("r", "r", grant("a.*", ["read"]), grant("b", ["take", "put"]))
        daemon = self.start(sections)
        admin, reader = self.connect(daemon, SECRET), self.connect(daemon, "r")
        self.listen(reader)
        self.listen(reader, id="b", queues=["b"])
        job = admin.call("put", queue="a.1", body=1)["id"]
        admin.call("put", queue="b", body=1)
        self.assertEqual(self.told(reader, 1), [(job, None, "ready")])
        reader.expect_nothing()
        # Other grants hold from a reload on, also for who listens.
        with open(os.path.join(self.folder, "taskqd.conf"), "w", encoding="utf-8") as file:
            file.write(SUPER + token_section("r", "r", grant("b", ["read"])))
        os.kill(daemon.pid, signal.SIGHUP)
        reader.until(lambda r: isinstance(r, lib.RpcError) and r.name == "forbidden", "put", queue="b", body=1)
        while True:  # what was put while it waited for the reload
            reader.ask("ping", id="p")
            if reader.reply().get("id") == "p":
                break
        admin.call("put", queue="a.1", body=1)
        job = admin.call("put", queue="b", body=1)["id"]
        got = [reader.reply()["params"] for _ in range(2)]
        self.assertEqual({event["request"] for event in got}, {"e", "b"})
        self.assertEqual({event["id"] for event in got}, {job})


class Slow(Listening):
    def test_who_does_not_read_misses_some_and_is_told_how_many(self):
        daemon = self.start("output_limit = 64K\nthreads = 2\n")
        listener, quick, client = (self.connect(daemon) for _ in range(3))
        self.listen(listener)
        self.listen(quick)
        before = daemon.resident()
        count, batch = 60000, 500
        heard = []

        def read():
            for _ in range(count):
                line = quick.reply()["params"]
                if "missed" in line:
                    heard.append(line["missed"])
                    break
                heard.append(line["id"])
        reader = threading.Thread(target=read)
        reader.start()
        for n in range(0, count, batch):
            for _ in range(batch):
                client.ask("put", {"queue": "q", "body": 1})
            for _ in range(batch):
                client.reply()
        reader.join(lib.PATIENCE)
        # The puts had to wait for nobody; what is kept for who does not read is bounded.
        if before:
            self.assertLess(daemon.resident() - before, 60 << 20)
        got, missed = 0, 0
        while got + missed < count:
            params = listener.reply()["params"]
            if "missed" in params:
                missed += params["missed"]
            else:
                got += 1
                self.assertEqual(params["id"], got + missed)
        self.assertEqual(got + missed, count)
        self.assertGreater(missed, 0)
        job = client.call("put", queue="q", body=1)["id"]
        self.assertEqual(self.told(listener, 1), [(job, None, "ready")])


class Durable(Listening):
    def test_what_is_told_is_on_disk(self):
        data = os.path.join(self.folder, "data")
        daemon = self.start("", data=data)
        listener, client = self.connect(daemon), self.connect(daemon)
        self.listen(listener, states=["ready"])
        jobs = [client.ask("put", {"queue": "q", "body": 1}) and None for _ in range(200)]
        seen = [job for job, _, _ in self.told(listener, len(jobs))]
        daemon.kill()
        again = self.start("", data=data)
        client = self.connect(again)
        kept = {job["id"] for job in client.call("jobs", queue="q", limit=1000)["jobs"]}
        self.assertLessEqual(set(seen), kept)


if __name__ == "__main__":
    lib.main()
