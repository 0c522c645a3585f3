"""Who has not said who they are: how many there may be, how long, how much they are listened to, and what the log says."""

import os
import signal
import socket
import unittest

import lib
from access import SECRET, Case, grant, token_section

SUPER = token_section("super", SECRET, grant("*", ["put", "take", "read", "admin"]))
AUTH = lib.request_text(1, "auth", {"token": SECRET})


class Strangers(Case):
    def refused(self, connection, name):
        """The connection is told one error and closed."""
        reply = connection.reply()
        self.assertEqual((reply["id"], reply["error"]["data"]["name"]), (None, name))
        connection.expect_end()

    def test_there_are_so_many_and_who_is_known_is_none(self):
        daemon = self.start("max_strangers = 8\n" + SUPER)  # so two from one address
        known = [self.connect(daemon, SECRET) for _ in range(5)]
        strangers = [self.connect(daemon) for _ in range(2)]
        for stranger in strangers:
            stranger.call("ping")
        self.refused(self.connect(daemon), "overloaded")
        daemon._wait_for(r"event=(stranger_turned_away) .*peer=127\.0\.0\.1:")
        self.connect(daemon, unix=True).call("ping")  # another's
        strangers[0].close()
        known[0].until(lambda r: len(r["connections"]) == 7, "who")
        late = self.connect(daemon)
        late.call("ping")
        late.call("auth", token=SECRET)  # and is one no more
        self.connect(daemon).call("ping")
        self.refused(self.connect(daemon), "overloaded")

    def test_many_come_and_go(self):
        daemon = self.start("threads = 2\nmax_strangers = 400\n" + SUPER)
        for _ in range(5):
            crowd = [daemon.connect() for _ in range(99)]
            for connection in crowd:
                connection.send_line(lib.request_text(1, "ping"))
            for connection in crowd:
                connection.answer(1)
                connection.reset()
            admin = self.connect(daemon, SECRET)
            admin.until(lambda r: all(row["identity"] for row in r["connections"]), "who")
            admin.close()

    def test_nobody_is_listened_to_for_ever(self):
        daemon = self.start(SUPER)
        stranger = self.connect(daemon)
        for n in range(100):
            stranger.call("ping")
        stranger.ask("ping")
        stranger.reply()
        self.refused(stranger, "unauthorized")
        stranger = self.connect(daemon)
        stranger.send_line("[%s]" % ",".join(lib.request_text(n, "hello", {}) for n in range(110)))
        while stranger.line() is not None:
            pass
        known = self.connect(daemon, SECRET)
        for n in range(300):
            known.call("ping")

    def test_a_line_of_theirs_is_short_and_what_comes_behind_auth_is_not(self):
        daemon = self.start(SUPER)
        stranger = self.connect(daemon)
        stranger.send_line(lib.request_text(1, "hello", {"client": "x" * 9000}))
        self.assertEqual(stranger.reply()["error"]["data"]["name"], "too_large")
        stranger.call("ping")
        body = "y" * 500000
        stranger.send(AUTH + "\n" + lib.request_text(2, "put", {"queue": "q", "body": body}) + "\n" +
                      lib.request_text(3, "get", {"queue": "q"}) + "\n")
        self.assertIn("identity", stranger.answer(1))
        self.assertIn("id", stranger.answer(2))
        self.assertEqual(stranger.answer(3)["body"], body)

    def test_endless_lines_hold_nothing(self):
        daemon = self.start(SUPER)
        admin = self.connect(daemon, SECRET)
        strangers = [self.connect(daemon) for _ in range(50)]
        before = daemon.resident()
        for stranger in strangers:
            stranger.socket.settimeout(1)
            try:
                stranger.send(b"{" + b"x" * 1000000)
            except (socket.timeout, OSError):
                pass
        admin.call("ping")
        self.assertLess(daemon.resident() - before, 20 << 20)

    def test_the_log_is_not_theirs_to_fill(self):
        daemon = self.start(SUPER)
        guessers = [self.connect(daemon) for _ in range(60)]
        for guesser in guessers:
            guesser.ask("auth", {"token": "guess"})
        admin = self.connect(daemon, SECRET)
        admin.until(lambda stats: stats["auth_failures"] == 60, "stats")
        said = daemon.text().count("token that is nobody's")
        self.assertIn(said, range(20, 60))
        for guesser in guessers:
            self.assertEqual(guesser.reply()["error"]["data"]["name"], "unauthorized")
        admin.call("ping")
        self.connect(daemon).error("auth", token="another")
        self.assertEqual(daemon._wait_for(r"event=strangers_silenced .*left_out=(\d+)"), str(60 - said))

    def test_a_reload_changes_how_many(self):
        daemon = self.start("max_strangers = 4\n" + SUPER)
        self.connect(daemon).call("ping")
        self.refused(self.connect(daemon), "overloaded")
        with open(os.path.join(self.folder, "taskqd.conf"), "w", encoding="utf-8") as file:
            file.write("max_strangers = 8\n" + SUPER)
        os.kill(daemon.pid, signal.SIGHUP)
        daemon._wait_for("setting=(max_strangers) from=4 to=8")
        daemon._wait_for("event=(reloaded)")
        self.connect(daemon, SECRET).call("ping")
        self.connect(daemon).call("ping")

    def test_without_identities_nobody_is_one(self):
        daemon = self.start("max_strangers = 1\n")
        clients = [self.connect(daemon) for _ in range(10)]
        for client in clients:
            for _ in range(101):
                client.call("ping")
            client.call("put", queue="q", body="x" * 10000)


if __name__ == "__main__":
    lib.main()
