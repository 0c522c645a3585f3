"""Quotas of an identity: what is over them is refused with what to do, or not read for a while, over all its connections."""

import os
import re
import signal
import subprocess
import time
import unittest

import lib
from access import SECRET, Case, grant, sha256, token_section

JOB_BYTES = 256  # that a job counts beside its body


def section(token, *quotas, roles=("put", "take", "read")):
    """A token's section for all queues; `quotas` are pairs."""
    lines = "".join("  %s = %s\n" % pair for pair in quotas)
    return token_section(token, token, lines + grant("*", roles))


SUPER = token_section("super", SECRET, grant("*", ["put", "take", "read", "admin"]))


class QuotaCase(Case):
    def reload(self, daemon, configuration):
        with open(os.path.join(self.folder, "taskqd.conf"), "w", encoding="utf-8") as file:
            file.write(configuration)
        says = r"event=(access_changed) "
        seen = sum(bool(re.search(says, line)) for line in daemon.text().splitlines())
        os.kill(daemon.pid, signal.SIGHUP)
        daemon._wait_for(says, nth=seen)

    def quotas(self, admin, name="t"):
        return {q["identity"]["name"]: q for q in admin.call("who")["quotas"]}[name]

    def refused(self, client, quota, method, **params):
        error = client.error(method, **params)
        self.assertEqual(error.name, "overloaded")
        self.assertIn("`%s`" % quota, error.message)


class Connections(QuotaCase):
    def test_one_too_many_is_told_and_another_may_come_when_one_is_gone(self):
        daemon = self.start(SUPER + section("t", ("connections", 2)) + section("free"))
        admin = self.connect(daemon, SECRET)
        clients = [self.connect(daemon, "t") for _ in range(2)]
        late = self.connect(daemon)
        self.refused(late, "connections", "auth", token="t")
        self.assertEqual(late.error("put", queue="q", body=1).name, "unauthorized")
        clients[0].call("auth", token="t")  # who has one may say so again
        self.assertEqual(self.quotas(admin)["connections"], {"used": 2, "limit": 2})
        self.assertEqual(self.quotas(admin)["refused"], 1)
        clients[0].call("auth", token="free")  # and is the other's then
        late.call("auth", token="t")
        late.call("put", queue="q", body=1)
        clients[1].close()
        admin.until(lambda r: r["quotas"][0]["connections"]["used"] == 1, "who")
        self.connect(daemon, "t")

    def test_a_peer_of_the_machine_that_is_one_too_many_is_closed(self):
        daemon = self.start(SUPER + 'user "%d" {\n  connections = 1\n%s}\n' % (os.getuid(), grant("*", ["put"])))
        first, second = self.connect(daemon, unix=True), self.connect(daemon, unix=True)
        first.call("put", queue="q", body=1)
        reply = second.reply()
        self.assertEqual((reply["id"], reply["error"]["data"]["name"]), (None, "overloaded"))
        self.assertIn("`connections`", reply["error"]["message"])
        second.expect_end()
        first.close()
        admin = self.connect(daemon, SECRET)
        admin.until(lambda r: r["quotas"][0]["connections"]["used"] == 0, "who")
        self.connect(daemon, unix=True).call("put", queue="q", body=1)


class Waiting(QuotaCase):
    def test_waits_of_all_connections_count_and_end(self):
        daemon = self.start("threads = 2\n" + SUPER + section("t", ("waiting", 3)))
        admin = self.connect(daemon, SECRET)
        a, b = self.connect(daemon, "t"), self.connect(daemon, "t")
        waits = [a.ask("get", {"queue": "q"}), a.ask("join", {"queue": "full"})]
        a.reply()  # an empty queue is done at once
        a.ask("get", {"queue": "q"})
        b.ask("get", {"queue": "r"})
        admin.until(lambda r: r["quotas"][0]["waiting"]["used"] == 3, "who")
        self.refused(b, "waiting", "get", queue="s")
        self.assertEqual(b.error("get", queue="s", timeout=0).name, "empty")  # what need not wait may come
        self.assertEqual(self.quotas(admin)["refused"], 1)
        admin.call("put", queue="q", body=1)
        self.assertEqual(a.answer(waits[0])["body"], 1)
        got = b.ask("get", {"queue": "s"})
        admin.until(lambda r: r["quotas"][0]["waiting"]["used"] == 3, "who")
        a.close()
        admin.until(lambda r: r["quotas"][0]["waiting"]["used"] == 2, "who")
        b.notify("$/cancelRequest", {"id": got})
        self.assertEqual(b.reply()["error"]["data"]["name"], "request_cancelled")
        self.assertEqual(self.quotas(admin)["waiting"]["used"], 1)

    def test_a_client_that_becomes_another_takes_its_waits_along(self):
        daemon = self.start(SUPER + section("t", ("waiting", 3)) + section("u", ("waiting", 1)))
        admin, client = self.connect(daemon, SECRET), self.connect(daemon, "t")
        for _ in range(2):
            client.ask("get", {"queue": "q"})
        client.call("auth", token="u")
        self.assertEqual([self.quotas(admin, name)["waiting"]["used"] for name in "tu"], [0, 2])
        self.refused(client, "waiting", "get", queue="q")
        client.close()
        admin.until(lambda r: r["quotas"][1]["waiting"]["used"] == 0, "who")


class Bytes(QuotaCase):
    def test_unfinished_jobs_count_whoever_takes_them(self):
        body = "x" * 98  # and two quotes
        cost = 100 + JOB_BYTES
        daemon = self.start(SUPER + section("t", ("bytes_queued", 3 * cost)))
        admin, client = self.connect(daemon, SECRET), self.connect(daemon, "t")
        used = lambda: self.quotas(admin)["bytes_queued"]
        ids = [client.call("put", queue="q", body=body)["id"] for _ in range(3)]
        self.assertEqual(used(), {"used": 3 * cost, "limit": 3 * cost})
        self.refused(client, "bytes_queued", "put", queue="q", body=1)
        self.refused(client, "bytes_queued", "submit", queue="r", body=1)
        admin.call("put", queue="q", body=body)  # nobody else is concerned
        job = admin.call("get", queue="q")
        self.assertEqual((job["id"], used()["used"]), (ids[0], 3 * cost))
        admin.call("ack", id=ids[0])
        self.assertEqual(used()["used"], 2 * cost)
        # A job that dies is finished, and is not when it is kicked.
        job = admin.call("get", queue="q")
        admin.call("bury", id=job["id"], error=1)
        self.assertEqual(used()["used"], cost)
        ids.append(client.call("put", queue="q", body=body)["id"])
        ids.append(client.call("put", queue="q", body=body)["id"])
        admin.call("kick", id=ids[1])
        self.assertEqual(used()["used"], 4 * cost)  # what is there is not taken away
        admin.call("delete", id=ids[1])
        client.call("cancel", id=ids[2])
        admin.call("shutdown", queue="q", immediate=True)  # which goes on after the answer
        admin.until(lambda r: r["quotas"][0]["bytes_queued"]["used"] == 0, "who")
        admin.call("drop", queue="q")
        self.assertEqual(used()["used"], 0)

    def test_dead_letters_delays_batches_and_puts_that_wait(self):
        cost = 1 + JOB_BYTES
        daemon = self.start(SUPER + section("t", ("bytes_queued", 4 * cost)))
        admin, client = self.connect(daemon, SECRET), self.connect(daemon, "t")
        used = lambda: self.quotas(admin)["bytes_queued"]["used"]
        admin.call("declare", queue="q", maxsize=1, dead_letter="dead")
        client.call("put", queue="q", body=1)
        client.ask("put", {"queue": "q", "body": 2, "timeout": 1000}, id="waits")
        client.call("put", queue="later", body=3, delay=1000)
        self.assertEqual(used(), 3 * cost)
        lines = [lib.request_text(n, "put", {"queue": "b", "body": n}) for n in range(3)]
        client.send_line("[%s]" % ",".join(lines))
        batch = client.reply()
        self.assertEqual([r.get("error", {}).get("data", {}).get("name") for r in batch], [None, "overloaded", "overloaded"])
        # It moves to another queue when it dies, and is still its.
        admin.call("bury", id=admin.call("get", queue="q")["id"])
        self.assertIn("id", client.answer("waits"))
        self.assertEqual(used(), 4 * cost)
        client.notify("$/cancelRequest", {"id": "none"})
        admin.call("drop", queue="dead")
        admin.until(lambda r: r["quotas"][0]["bytes_queued"]["used"] == 3 * cost, "who")
        # Who puts and waits, and goes, leaves nothing behind.
        client.ask("put", {"queue": "q", "body": 4})
        admin.until(lambda r: r["quotas"][0]["bytes_queued"]["used"] == 4 * cost, "who")
        client.close()
        admin.until(lambda r: r["quotas"][0]["bytes_queued"]["used"] == 3 * cost, "who")
        client = self.connect(daemon, "t")
        client.call("put", queue="k", body=1, key="k")
        self.refused(client, "bytes_queued", "put", queue="k", body=1)
        self.assertTrue(client.call("put", queue="k", body=1, key="k")["existing"])  # this one takes nothing

    def test_a_restart_forgets_whose_they_were(self):
        data = os.path.join(self.folder, "data")
        configuration = SUPER + section("t", ("bytes_queued", 2000))
        daemon = self.start(configuration, data=data)
        client = self.connect(daemon, "t")
        for n in range(4):
            client.call("put", queue="q", body="x" * 200)
        self.refused(client, "bytes_queued", "put", queue="q", body="x" * 200)
        daemon.stop()
        daemon = self.start(configuration, data=data)
        admin, client = self.connect(daemon, SECRET), self.connect(daemon, "t")
        self.assertEqual(self.quotas(admin)["bytes_queued"]["used"], 0)
        client.call("put", queue="q", body="x" * 200)
        self.assertEqual(self.quotas(admin)["bytes_queued"]["used"], 202 + JOB_BYTES)


class Rate(QuotaCase):
    def test_more_is_not_read_for_a_while_and_nothing_fails(self):
        rate = 50
        daemon = self.start("threads = 2\n" + SUPER + section("t", ("requests_per_second", rate)))
        admin = self.connect(daemon, SECRET)
        clients = [self.connect(daemon, "t") for _ in range(4)]
        begin = time.monotonic()
        count = 30  # a client, 120 in all: 50 at once, 70 at 50 a second
        for client in clients[:2]:
            for n in range(count):
                client.ask("put", {"queue": "q", "body": n}, id=n)
        for client in clients[2:]:
            client.send_line("[%s]" % ",".join(lib.request_text(n, "ping") for n in range(count)))
        for client in clients[:2]:
            for n in range(count):
                client.answer(n)
        for client in clients[2:]:
            self.assertEqual(len(client.reply()), count)
        took = time.monotonic() - begin
        self.assertGreater(took, (4 * count - rate) / rate * 0.9)
        quotas = self.quotas(admin)
        self.assertGreater(quotas["slowed"], 0)
        self.assertEqual((quotas["refused"], quotas["requests_per_second"]["limit"]), (0, rate))
        self.assertLessEqual(quotas["requests_per_second"]["used"], rate)

    def test_others_are_not_held_up(self):
        daemon = self.start("threads = 1\n" + SUPER + section("t", ("requests_per_second", 1)) + section("u"))
        slow, quick = self.connect(daemon, "t"), self.connect(daemon, "u")
        slow.call("ping")
        for n in range(20000):
            slow.ask("ping", id=n)
        begin = time.monotonic()
        for n in range(1000):
            quick.call("ping")
        self.assertLess(time.monotonic() - begin, 15)
        quick.close()
        slow.close()  # what it waits for ends with it
        admin = self.connect(daemon, SECRET)
        admin.until(lambda r: r["quotas"][0]["connections"]["used"] == 0, "who")

    def test_a_reload_ends_a_pause(self):
        daemon = self.start(SUPER + section("t", ("requests_per_second", 1)))
        client = self.connect(daemon, "t")
        for n in range(400):
            client.ask("ping", id=n)
        client.answer(0)
        self.reload(daemon, SUPER + section("t", ("requests_per_second", 100000)))
        begin = time.monotonic()
        for n in range(1, 400):
            client.answer(n)
        self.assertLess(time.monotonic() - begin, 19)


class Changes(QuotaCase):
    def test_a_reload_gives_and_takes_quotas(self):
        plain = SUPER + section("t")
        daemon = self.start(plain)
        admin = self.connect(daemon, SECRET)
        clients = [self.connect(daemon, "t") for _ in range(3)]
        clients[0].ask("get", {"queue": "none"})
        clients[1].call("put", queue="q", body=1)
        self.assertEqual(admin.call("who")["quotas"], [])
        self.reload(daemon, SUPER + section("t", ("connections", 2), ("waiting", 1), ("bytes_queued", 500)))
        # Those that are there stay and count.
        admin.until(lambda r: r["quotas"] and r["quotas"][0]["connections"]["used"] == 3, "who")
        self.assertEqual(self.quotas(admin)["waiting"]["used"], 1)
        self.refused(self.connect(daemon), "connections", "auth", token="t")
        self.refused(clients[2], "waiting", "get", queue="none")
        clients[1].call("put", queue="q", body=1)  # the job of before does not count
        self.refused(clients[1], "bytes_queued", "put", queue="q", body=1)
        self.reload(daemon, SUPER + section("t", ("connections", 3), ("bytes_queued", 1000)))
        clients[1].until(lambda r: isinstance(r, dict), "put", queue="q", body=1)
        self.assertEqual(self.quotas(admin)["bytes_queued"], {"used": 2 * (1 + JOB_BYTES), "limit": 1000})
        clients[2].ask("get", {"queue": "none"})
        self.reload(daemon, plain)
        admin.until(lambda r: r["quotas"] == [], "who")
        clients[1].until(lambda r: isinstance(r, dict), "put", queue="q", body="x" * 2000)
        # What was counted is known again, if the name is.
        self.reload(daemon, SUPER + section("t", ("bytes_queued", 600)))
        admin.until(lambda r: r["quotas"] and r["quotas"][0]["bytes_queued"]["used"] == 2 * (1 + JOB_BYTES), "who")

    def test_the_metrics_have_them(self):
        daemon = self.start(SUPER + section("t", ("connections", 1), ("waiting", 1), ("bytes_queued", 1000)) +
                            section("u", ("requests_per_second", 10)))
        admin, client, slow = self.connect(daemon, SECRET), self.connect(daemon, "t"), self.connect(daemon, "u")
        client.call("put", queue="q", body=1)
        client.ask("get", {"queue": "none"})
        self.refused(self.connect(daemon), "connections", "auth", token="t")
        self.refused(client, "waiting", "get", queue="none")
        slow.send("".join(lib.request_text(n, "ping") + "\n" for n in range(15)))
        for n in range(15):
            slow.answer(n)
        metrics = admin.call("stats")["metrics"]
        self.assertEqual(metrics["taskq_quota_used"]["token t"],
                         {"connections": 1, "requests_per_second": 0, "waiting": 1, "bytes_queued": 1 + JOB_BYTES})
        self.assertEqual(metrics["taskq_quota_limit"], {"token t": {"connections": 1, "waiting": 1, "bytes_queued": 1000},
                                                        "token u": {"requests_per_second": 10}})
        self.assertEqual(metrics["taskq_quota_refused_total"], {"token t": 2, "token u": 0})
        self.assertEqual(metrics["taskq_quota_slowed_total"]["token t"], 0)
        self.assertGreater(metrics["taskq_quota_slowed_total"]["token u"], 0)
        self.assertEqual(metrics["taskq_strangers"], 1)
        self.assertEqual(metrics["taskq_strangers_closed_total"], {"too many": 0, "time": 0})

    def test_what_is_no_quota_is_refused_with_its_line(self):
        path = os.path.join(self.folder, "c")
        for line, says in (("connections = many", "connections = \"many\": a whole number"),
                           ("bytes_queued = -1", "bytes_queued"), ("conections = 1", "conections")):
            with open(path, "w", encoding="utf-8") as file:
                file.write('token "t" {\n  sha256 = "%s"\n  %s\n%s}\n' % (sha256("t"), line, grant("*", ["put"])))
            done = subprocess.run([lib.binary(), "-t", "-c", path], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("%s:3: " % path, done.stderr)
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    lib.main()
