"""Who may do what: every method of the table, times every role, times own and other queues, over TCP, a Unix
socket, TLS and HTTP.

What each method needs is read from its row in server/rpc/methods_*.c; a method that has no row in CALLS fails the test.
"""

import glob
import hashlib
import os
import re
import signal
import subprocess
import tempfile
import unittest

import certificates
import http_client
import lib
from tls_lib import context

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ROLES = ("put", "take", "read", "admin")
REFUSALS = ("unauthorized", "forbidden")
SECRET = "taskq_" + "5ec12e7" * 9 + "0"

# What a method is asked with: Q and J become a queue and a job in it.
Q, J = object(), object()
CALLS = {
    "put": [{"queue": Q, "body": 1, "timeout": 0}],
    "submit": [{"queue": Q, "body": 1, "timeout": 0}],
    "call": [{"queue": Q, "body": 1, "timeout": 0}],
    "result": [{"id": J, "timeout": 0}],
    "cancel": [{"id": J}],
    "get": [{"queue": Q, "timeout": 0}, {"queues": [Q], "timeout": 0}],
    "ack": [{"id": J}, {"id": J, "delivery": 5}],
    "nack": [{"id": J}],
    "release": [{"id": J}],
    "bury": [{"id": J}],
    "touch": [{"id": J}],
    "progress": [{"id": J, "done": 1}],
    "job": [{"id": J}],
    "jobs": [{"queue": Q}],
    "delete": [{"id": J}, {"queue": Q}],
    "kick": [{"id": J}, {"queue": Q}],
    "declare": [{"queue": Q, "maxsize": 5}, {"queue": Q, "dead_letter": Q}],
    "pause": [{"queue": Q}],
    "resume": [{"queue": Q}],
    "join": [{"queue": Q, "timeout": 0}],
    "shutdown": [{"queue": Q}],
    "drop": [{"queue": Q}],
    "queues": [{"limit": 1000}],
    "stats": [{"queue": Q}, {}],
    "history": [{"queues": [Q]}, {}],
    "events": [],  # waits for ever: tests/protocol/events.py
    "who": [{}, {"limit": 3}],
    "pool": [{}, {"handler": "none", "workers": 1}],
    "backup": [{"folder": "/nowhere"}],
    "hello": [{}],
    "ping": [{}],
    "auth": [{"token": SECRET}],
    "$/cancelRequest": [{"id": "none"}],
}


def sha256(token):
    return hashlib.sha256(token.encode()).hexdigest()


def rows():
    """name → (scope, roles, roles where a param is given) of every method."""
    found = {}
    for path in glob.glob(os.path.join(ROOT, "server", "rpc", "methods_*.c")):
        with open(path, encoding="utf-8") as file:
            for name, scope, roles, more in re.findall(
                    r'METHOD\("([^"]+)",\s*(\w+),\s*([\w| ]+)\)(?:,\s*\.roles_to_tell = (\w+))?', file.read()):
                words = {word.lower() for word in re.findall(r"ROLE_(\w+)", roles)}
                found[name] = (scope, words, {more[5:].lower()} if more else words)
    return found


def fill(value, queue, job):
    if isinstance(value, dict):
        return {name: fill(member, queue, job) for name, member in value.items()}
    if isinstance(value, list):
        return [fill(member, queue, job) for member in value]
    return queue if value is Q else job if value is J else value


def grant(pattern, roles):
    return '  grant "%s" { roles = {%s} }\n' % (pattern, ", ".join('"%s"' % role for role in roles))


def token_section(name, token, *grants):
    return 'token "%s" {\n  sha256 = "%s"\n%s}\n' % (name, sha256(token), "".join(grants))


SUPER = token_section("super", SECRET, grant("*", ROLES))


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="taskq-access-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, configuration, tls=False, **more):
        path = os.path.join(self.folder, "taskqd.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(configuration)
        listen = ("127.0.0.1:0", "unix:" + os.path.join(self.folder, "s")) + (("tls:127.0.0.1:0",) if tls else ())
        daemon = lib.Daemon("-c", path, listen=listen, **more)
        self.addCleanup(daemon.kill)
        return daemon

    def connect(self, daemon, token=None, unix=False, tls=None):
        connection = daemon.connect(daemon.addresses[2 if tls else 1 if unix else 0], tls=tls)
        self.addCleanup(connection.close)
        if token:
            connection.call("auth", token=token)
        return connection

    def attempt(self, connection, method, params):
        """(name, message) of the error that comes, or (None, result)."""
        try:
            return None, connection.call(method, **params)
        except lib.RpcError as error:
            return error.name, error.message


class Matrix(Case):
    def each(self):
        table = rows()
        self.assertEqual(set(table), set(CALLS), "methods without a call here, or the other way round")
        self.assertGreater(len(table), 25)
        for method, (scope, roles, roles_to_tell) in sorted(table.items()):
            for params in CALLS[method]:
                yield method, scope, roles_to_tell if params else roles, params

    def check(self, admin, connection, role, everywhere):
        """Everything that somebody may do who has the role, on queues named own.* or on all."""
        count = 0
        for method, scope, roles, params in self.each():
            for place in ("own", "other"):
                count += 1
                queue = "%s.%s.%s.%d" % (place, role, everywhere, count)
                admin.call("put", queue=queue, body=0)
                job = admin.call("put", queue=queue, body=0)["id"]
                name, said = self.attempt(connection, method, fill(params, queue, job))
                has = {role} if everywhere or place == "own" else set()
                with self.subTest(method=method, params=str(params), role=role, place=place, everywhere=everywhere):
                    self.judge(connection, method, scope, roles, params, queue, role, everywhere, has, name, said)
                if method == "auth":
                    return_to = self.attempt(connection, "ping", {})
                    self.assertEqual(return_to, (None, {}))
        return count

    def judge(self, connection, method, scope, roles, params, queue, role, everywhere, has, name, said):
        about_job = J in params.values()
        if scope in ("OPEN", "OWN"):
            self.assertEqual(name, connection.refuses.get(method), said)
        elif scope == "LIST":
            self.assertIsNone(name)
            shown = {row["queue"].split(".")[0] for row in said["queues"]}
            self.assertEqual(shown, set() if role != "read" else {"own", "other"} if everywhere else {"own"})
        elif scope == "DAEMON" or (scope == "QUEUE_OR_DAEMON" and not params):
            self.judge_queue(roles & ({role} if everywhere else set()), roles, "all queues", name, said)
        elif about_job:
            self.judge_job(connection, method, params, roles, queue, has, name, said)
        else:
            self.judge_queue(roles & has, roles, '"%s"' % queue, name, said)

    def judge_queue(self, allowed, roles, where, name, said):
        if allowed:
            self.assertNotIn(name, REFUSALS, said)
        else:
            self.assertEqual(name, "forbidden", said)
            self.assertIn(where, said)
            self.assertTrue(any(role in said for role in roles), said)

    def judge_job(self, connection, method, params, roles, queue, has, name, said):
        absent = self.attempt(connection, method, fill(params, queue, (1 << 53) - 1))
        if roles & has:
            self.assertNotIn(name, REFUSALS, said)
            self.assertNotEqual((name, said), absent)
        elif "read" in has:
            self.judge_queue(set(), roles, '"%s"' % queue, name, said)
        else:
            self.assertEqual(absent[0], "not_found")
            self.assertEqual((name, said), absent)

    def check_tokens(self, make, **more):
        """`make`, of a daemon and a token, for every role here and everywhere."""
        sections = SUPER
        for role in ROLES:
            sections += token_section("own-" + role, "own-" + role, grant("own.*", [role]))
            sections += token_section("all-" + role, "all-" + role, grant("*", [role]))
        daemon = self.start(sections, **more)
        admin = self.connect(daemon, SECRET)
        for role in ROLES:
            for everywhere in (False, True):
                connection = make(daemon, ("all-" if everywhere else "own-") + role)
                self.assertGreater(self.check(admin, connection, role, everywhere), 60)

    def test_over_tcp(self):
        # auth is among the methods: it would make a connection another's, so it comes on one of its own.
        self.check_tokens(lambda daemon, token: Again(self, daemon, token))

    def test_over_http(self):
        self.check_tokens(lambda daemon, token: Post(self, daemon, token), http=("127.0.0.1:0",))

    def test_over_http_by_user(self):
        for role in ROLES:
            daemon = self.start(SUPER + 'user "%d" {\n%s}\n' % (os.getuid(), grant("own.*", [role])),
                                http=("unix:" + os.path.join(self.folder, "http"),))
            self.assertGreater(self.check(self.connect(daemon, SECRET), Post(self, daemon, None), role, False), 60)
            daemon.kill()

    def check_certificates(self, make, **more):
        """`make`, of a daemon and a context with a certificate, for every role."""
        ca = certificates.Authority(self.folder)
        server = ca.issue("localhost")
        sections = SUPER + 'tls_certificate = "%s"\ntls_key = "%s"\ntls_client = optional\ntls_client_ca = "%s"\n' % (
            server.certificate, server.key, ca.certificate)
        sections += "".join('certificate "c-%s" {\n%s}\n' % (role, grant("own.*", [role])) for role in ROLES)
        daemon = self.start(sections, tls=True, **more)
        admin = self.connect(daemon, SECRET, tls=context(ca=ca))  # with a token and no certificate
        for role in ROLES:
            tls = context(ca.issue("c-" + role, usage="client"), ca)
            self.assertGreater(self.check(admin, make(daemon, tls), role, False), 60)
        nobody = self.connect(daemon, tls=context(ca.issue("c-nobody", usage="client"), ca))
        self.assertEqual(nobody.error("put", queue="own.q", body=1).name, "unauthorized")

    def test_over_tls_by_certificate(self):
        self.check_certificates(lambda daemon, tls: Again(self, daemon, None, tls=tls))

    def test_over_https_by_certificate(self):
        self.check_certificates(lambda daemon, tls: Post(self, daemon, None, tls), http=("tls:127.0.0.1:0",))

    def test_over_a_unix_socket_by_user_and_by_group(self):
        for role, kind, number in zip(ROLES, ("user", "group") * 2, (os.getuid(), os.getgid()) * 2):
            daemon = self.start(SUPER + '%s "%d" {\n%s}\n' % (kind, number, grant("own.*", [role])))
            admin = self.connect(daemon, SECRET)
            self.assertGreater(self.check(admin, Again(self, daemon, None, unix=True), role, False), 60)
            daemon.kill()  # it would wait for the jobs that were taken

    def test_who_has_not_said_who_it_is_may_do_nothing(self):
        daemon = self.start(SUPER)
        admin = self.connect(daemon, SECRET)
        for unix in (False, True):
            connection = self.connect(daemon, unix=unix)
            for method, scope, _, params in self.each():
                job = admin.call("put", queue="q", body=0)["id"]
                if method == "auth":
                    continue
                name, said = self.attempt(connection, method, fill(params, "q", job))
                with self.subTest(method=method, unix=unix):
                    self.assertEqual(name, None if scope == "OPEN" else "unauthorized", said)
            self.assertEqual(self.attempt(connection, "no such method", {})[0], "unauthorized")

    def test_over_http_nothing_goes_without_a_token(self):
        daemon = self.start(SUPER, http=("127.0.0.1:0",))
        connection = Post(self, daemon, None)
        for method, _, _, params in self.each():
            self.assertEqual(self.attempt(connection, method, fill(params, "q", 1))[0], "unauthorized", method)
        self.assertEqual(self.connect(daemon, SECRET).call("stats")["counters"]["put"], 0)


class Again:
    """A connection that is made again after `auth`, which makes it another's."""

    refuses = {}  # methods that anybody may call and that fail all the same

    def __init__(self, case, daemon, token, unix=False, tls=None):
        self._make = lambda: case.connect(daemon, token, unix, tls)
        self._connection = self._make()

    def call(self, method, **params):
        try:
            return self._connection.call(method, **params)
        finally:
            if method == "auth":
                self._connection = self._make()


class Post(http_client.Client):
    refuses = {"auth": "invalid_request"}

    def __init__(self, case, daemon, token, tls=None):
        super().__init__(daemon.http[0][len("tls:") if tls else 0:], token, tls)
        case.addCleanup(self.close)


class Access(Case):
    def test_several_ids_are_judged_one_by_one(self):
        daemon = self.start(SUPER + token_section("t", "t", grant("a", ["take"]), grant("r", ["read"])))
        admin, taker = self.connect(daemon, SECRET), self.connect(daemon, "t")
        hidden = admin.call("put", queue="b", body=0)["id"]
        seen = admin.call("put", queue="r", body=0)["id"]
        admin.call("put", queue="a", body=0)
        own = taker.call("get", queue="a")["id"]
        self.assertEqual(taker.call("ack", ids=[hidden, own, seen]),
                         {"acked": 1, "failed": [{"id": hidden, "name": "not_found"}, {"id": seen, "name": "forbidden"}]})

    def test_every_queue_that_is_named_counts(self):
        daemon = self.start(SUPER + token_section("t", "t", grant("a", ["take", "admin"])))
        client = self.connect(daemon, "t")
        error = client.error("get", queues=["a", "b"], timeout=0)
        self.assertEqual(error.name, "forbidden")
        self.assertIn('the role take on the queue "b"', error.message)
        self.assertEqual(client.error("declare", queue="a", dead_letter="b").name, "forbidden")
        self.assertEqual(client.call("declare", queue="a", dead_letter=None)["dead_letter"], None)

    def test_listings_show_what_may_be_read_page_by_page(self):
        daemon = self.start(SUPER + token_section("t", "t", grant("*5", ["read"]), grant("x*", ["put"])))
        admin, reader = self.connect(daemon, SECRET), self.connect(daemon, "t")
        for n in range(350):
            admin.call("put", queue="x%03d" % n, body=0)
        names, after = [], {}
        while True:
            page = reader.call("queues", limit=7, **after)
            self.assertLessEqual(len(page["queues"]), 7)
            names += [row["queue"] for row in page["queues"]]
            if page["next"] is None:
                break
            self.assertEqual(page["next"], names[-1])
            after = {"after": page["next"]}
        self.assertEqual(names, ["x%03d" % n for n in range(5, 350, 10)])

    def test_without_identities_everybody_may_do_everything(self):
        daemon = self.start("")
        client = self.connect(daemon)
        self.assertEqual(client.call("auth", token="any"), {"identity": None})
        self.assertEqual(client.call("drop", queue="q")["count"] if client.call("put", queue="q", body=0) else None, 1)
        self.assertEqual(client.call("stats")["auth_failures"], 0)
        told = client.call("hello")
        self.assertEqual((told["identity"], told["grants"]), (None, None))

    def test_hello_says_who_the_client_is_and_what_it_may_do(self):
        client = self.connect(self.start(SUPER))
        told = client.call("hello")
        self.assertEqual((told["identity"], told["grants"]), (None, []))
        client.call("auth", token=SECRET)
        told = client.call("hello")
        self.assertEqual((told["identity"], told["grants"]), ({"kind": "token", "name": "super"}, [{"pattern": "*", "roles": list(ROLES)}]))

    def test_auth_and_what_follows_may_be_sent_at_once(self):
        daemon = self.start(SUPER)
        client = self.connect(daemon)
        client.send(lib.request_text(1, "auth", {"token": SECRET}) + "\n" + lib.request_text(2, "put", {"queue": "q", "body": 1})
                    + "\n[" + lib.request_text(3, "put", {"queue": "q", "body": 1}) + "]\n")
        self.assertEqual(client.answer(1), {"identity": {"kind": "token", "name": "super"}})
        self.assertIn("id", client.answer(2))
        self.assertEqual(client.reply()[0]["id"], 3)

    def test_a_wrong_token_waits_and_holds_up_nobody_else(self):
        daemon = self.start(SUPER)
        guesser, other = self.connect(daemon), self.connect(daemon, SECRET)
        guesser.ask("auth", {"token": "guess5ec1"})
        guesser.ask("ping")
        for _ in range(100):  # answered while the guess is not
            other.call("ping")
        failed = other.until(lambda stats: stats["auth_failures"] == 1, "stats")
        self.assertEqual(failed["auth_failures"], 1)
        with self.assertRaises(lib.RpcError) as caught:
            guesser.answer(1)
        self.assertEqual(caught.exception.name, "unauthorized")
        guesser.answer(2)
        self.assertEqual(guesser.error("put", queue="q", body=1).name, "unauthorized")
        port = guesser.socket.getsockname()[1]
        self.assertEqual(daemon._wait_for(r"event=token_wrong .* peer=127\.0\.0\.1:(\d+) failures=1"), str(port))
        # Who has said who it is stays that.
        other.error("auth", token="guess5ec1")
        other.call("put", queue="q", body=1)
        daemon.stop()
        self.assertNotIn("5ec1", daemon.text())

    def test_a_stop_does_not_wait_for_a_guess(self):
        daemon = self.start(SUPER)
        guesser, other = self.connect(daemon), self.connect(daemon, SECRET)
        guesser.ask("auth", {"token": "guess"})
        other.until(lambda stats: stats["auth_failures"] == 1, "stats")
        guesser.close()
        daemon.stop()


class Trail(Case):
    def test_every_admin_action_is_one_line(self):
        daemon = self.start(SUPER + 'handler "echo" { kind = echo }\n')
        admin = self.connect(daemon, SECRET)
        peer = "127.0.0.1:%d" % admin.socket.getsockname()[1]
        ids = [admin.call("put", queue="q", body=0)["id"] for _ in range(3)]
        actions = [("declare", {"queue": "q", "maxsize": 7}, 'queue=q maxsize=7'),
                   ("pause", {"queue": "q"}, 'queue=q'), ("resume", {"queue": "q"}, 'queue=q'),
                   ("kick", {"queue": "q"}, 'queue=q count=0'),
                   ("delete", {"queue": "q", "limit": 2}, 'queue=q limit=2 count=2'),
                   ("shutdown", {"queue": "q", "immediate": False}, 'queue=q immediate=false'),
                   ("drop", {"queue": "q"}, 'queue=q count=0'),
                   ("pool", {"handler": "echo", "workers": 2}, 'handler=echo workers=2'),
                   ("declare", {"queue": 'a" count=9 \\'}, 'queue="a\\" count=9 \\\\"')]
        one = [("delete", {"id": ids[0]}, "id=%d count=1" % ids[0]), ("kick", {"id": ids[1]}, "id=%d count=0" % ids[1])]
        silent = [("delete", {"id": ids[0]}), ("drop", {"queue": "none"}), ("pool", {}), ("pause", {}), ("put", {"queue": "r", "body": 0}), ("stats", {}), ("ping", {})]
        before = len(daemon.text().splitlines())
        actions = one + actions
        for method, params, _ in actions:
            admin.call(method, **params)
        for method, params in silent:
            self.attempt(admin, method, params)
        daemon._wait_for("action=declare .*count=9()")
        lines = [line.split(" event=admin ", 1)[1] for line in daemon.text().splitlines()[before:]]
        self.assertEqual(lines, ['msg="an admin action" action=%s kind=token who=super peer=%s %s' % (method, peer, said) for method, _, said in actions])

    def test_without_identities_it_says_from_where(self):
        daemon = self.start("")
        client = self.connect(daemon, unix=True)
        client.call("declare", queue="q")
        self.assertEqual(daemon._wait_for(r"action=declare peer=\"unix:(pid=\d+,uid=\d+)\" queue=q"),
                         "pid=%d,uid=%d" % (os.getpid(), os.getuid()))

    def test_signals_are_admin_actions_of_who_sent_them(self):
        daemon = self.start("")
        os.kill(daemon.pid, signal.SIGHUP)
        who = "kind=user who=%d peer=signal pid=%d" % (os.getuid(), os.getpid())
        daemon._wait_for("action=(reload) " + who)
        daemon.stop()
        self.assertIn("action=stop " + who, daemon.text())


class Who(Case):
    def test_who_is_connected(self):
        daemon = self.start(SUPER + token_section("t", "t", grant("a", ["take"])))
        admin = self.connect(daemon, SECRET)
        taker = self.connect(daemon, "t")
        taker.call("hello", client="taker 1")
        taker.call("hello", client="taker 2")
        for _ in range(2):
            taker.ask("get", {"queue": "a"})
        stranger = self.connect(daemon, unix=True)
        stranger.call("ping")
        rows = admin.until(lambda r: sum(row["waits"] for row in r["connections"]) == 2, "who")
        self.assertFalse(rows["more"])
        by = {(row["identity"] or {"name": None})["name"]: row for row in rows["connections"]}
        self.assertEqual(len(rows["connections"]), 3)
        peer = "127.0.0.1:%d" % taker.socket.getsockname()[1]
        age = by["t"].pop("age")
        self.assertTrue(0 <= age < 100, age)
        self.assertEqual(by["t"], {"identity": {"kind": "token", "name": "t"}, "peer": peer, "client": "taker 1",
                                   "requests": 5, "waits": 2})
        self.assertEqual(by[None]["peer"], "unix:pid=%d,uid=%d" % (os.getpid(), os.getuid()))
        self.assertEqual((by[None]["client"], by[None]["requests"], by[None]["waits"]), (None, 1, 0))
        admin.call("put", queue="a", body=1)
        admin.until(lambda r: sum(row["waits"] for row in r["connections"]) == 1, "who")
        taker.close()
        stranger.close()
        admin.until(lambda r: len(r["connections"]) == 1, "who")

    def test_of_many_as_many_as_asked_for(self):
        daemon = self.start("threads = 3\n")
        connections = [self.connect(daemon) for _ in range(250)]
        for connection in connections:
            connection.call("ping")
        for limit, shown in ((1, 1), (100, 100), (249, 249), (250, 250), (10000, 250)):
            rows = connections[0].call("who", limit=limit)
            self.assertEqual((len(rows["connections"]), rows["more"]), (shown, shown < 250))
        self.assertEqual(len({row["peer"] for row in rows["connections"]}), 250)


class Reload(Case):
    def reload(self, daemon, configuration, says):
        with open(os.path.join(self.folder, "taskqd.conf"), "w", encoding="utf-8") as file:
            file.write(configuration)
        seen = sum(bool(re.search(says, line)) for line in daemon.text().splitlines())
        os.kill(daemon.pid, signal.SIGHUP)
        daemon._wait_for("(%s)" % says, nth=seen)

    def test_grants_change_under_a_connection_and_who_is_gone_is_cut_off(self):
        gone = token_section("gone", "gone", grant("*", ["take"]))
        daemon = self.start(SUPER + token_section("t", "t", grant("a", ["put"])) + gone)
        admin, client, other = self.connect(daemon, SECRET), self.connect(daemon, "t"), self.connect(daemon, "gone")
        other.notify("get", {"queue": "b"})
        other.call("ping")
        self.assertEqual(client.error("put", queue="b", body=1).name, "forbidden")
        self.reload(daemon, SUPER + token_section("t", "t", grant("b", ["put"])), "event=access_changed .*identities=2")
        client.until(lambda r: isinstance(r, dict), "put", queue="b", body=1)
        self.assertEqual(client.error("put", queue="a", body=1).name, "forbidden")
        other.expect_end()
        daemon._wait_for("event=client_nobody .*(kind=token who=gone)")
        self.assertEqual(admin.call("stats", queue="b")["gauges"]["ready"], 1)
        # A new secret under the old name is another's.
        self.reload(daemon, SUPER + token_section("t", "new", grant("b", ["put"])), "event=access_changed .*identities=2")
        client.expect_end()
        self.connect(daemon, "new").call("put", queue="b", body=1)

    def test_what_waits_for_what_may_not_be_asked_for_any_more_ends(self):
        both = ["put", "take"]
        daemon = self.start(SUPER + token_section("t", "t", grant("a", both), grant("b", both), grant("keep", both)),
                            http=("127.0.0.1:0",))
        admin, client = self.connect(daemon, SECRET), self.connect(daemon, "t")
        web = http_client.Client(daemon.http[0], "t")
        self.addCleanup(web.close)
        admin.call("declare", queue="b", maxsize=1)
        job = admin.call("put", queue="b", body=1)["id"]
        waits = [("get", {"queue": "a"}), ("get", {"queues": ["keep", "a"], "max": 2}), ("put", {"queue": "b", "body": 2}),
                 ("call", {"queue": "b", "body": 3}), ("result", {"id": job}), ("join", {"queue": "b"})]
        ids = [client.ask(method, params) for method, params in waits]
        stays = client.ask("get", {"queue": "keep"})
        web.send("get", queue="a")
        admin.until(lambda r: sum(row["waits"] for row in r["connections"]) == len(waits) + 2, "who")
        self.reload(daemon, SUPER + token_section("t", "t", grant("a", ["put"]), grant("b", ["take"]), grant("keep", both)),
                    "event=access_changed .*identities=2")
        names = {}
        while len(names) < len(ids):
            reply = client.reply()
            names[reply["id"]] = reply["error"]["data"]["name"]
        self.assertEqual(names, {id: "forbidden" for id in ids})
        self.assertEqual(web.answer().json["error"]["data"]["name"], "forbidden")
        admin.call("put", queue="a", body=4)
        admin.call("put", queue="keep", body=5)
        self.assertEqual(client.answer(stays)["body"], 5)
        gauges = admin.call("stats")["gauges"]
        self.assertEqual([gauges[name] for name in ("ready", "waiting_gets", "waiting_puts", "waiting_joins")], [2, 0, 0, 0])
        self.assertEqual(client.error("result", id=job, timeout=0).name, "not_found")

    def test_the_first_identities_close_the_daemon_and_the_last_do_not_open_it(self):
        daemon = self.start("")
        client, unix = self.connect(daemon), self.connect(daemon, unix=True)
        client.call("put", queue="q", body=1)
        self.reload(daemon, SUPER + 'user "%d" {\n%s}\n' % (os.getuid(), grant("q", ["put"])), "event=access_changed .*identities=2")
        client.until(lambda r: isinstance(r, lib.RpcError) and r.name == "unauthorized", "put", queue="q", body=1)
        unix.until(lambda r: isinstance(r, lib.RpcError) and r.name == "forbidden", "put", queue="r", body=1)
        unix.call("put", queue="q", body=1)
        client.call("auth", token=SECRET)
        client.call("put", queue="q", body=1)
        self.reload(daemon, "", "event=access_waits")
        client.call("put", queue="q", body=1)
        self.assertEqual(unix.error("put", queue="r", body=1).name, "forbidden")


class Secrets(Case):
    """No token reaches a log, a reply, a figure, a dump or the data folder, whatever is done with it."""

    GOOD, BAD = SECRET, "taskq_bad5ec12e7"
    PART = "5ec12e7"

    def test_the_token_of_who_starts_the_daemon_is_not_its_handlers(self):
        command = 'handler "h" { kind = exec command = {"/bin/sh", "-c", "printenv TASKQ_TOKEN || echo none; echo $TASKQ_TOKEN_FILE"} }\n'
        daemon = self.start(command, env=dict(os.environ, TASKQ_TOKEN=self.GOOD, TASKQ_TOKEN_FILE="there"))
        self.assertEqual(self.connect(daemon).call("call", queue="h", body=1)["result"].split(), ["none", "there"])

    def lines(self):
        """Requests with a token in them, right ones and wrong ones."""
        for token in (self.GOOD, self.BAD):
            quoted = '"%s"' % token
            for params in ('{"token":%s}', '{"token":[%s]}', '{"token":{"a":%s}}', '[%s]', '%s', '{"token":%s,"token":%s}',
                           '{"nonsense":%s}', '{"token":%s,"nonsense":1}', '{"token":"\\u0074%s'):
                yield ('{"jsonrpc":"2.0","id":1,"method":"auth","params":%s}' % params.replace("%s", quoted)).encode()
            yield ('{"jsonrpc":"2.0","id":1,"method":"auth","params":{"token":%s' % quoted).encode()
            yield ('{"jsonrpc":"1.0","id":1,"method":"auth","params":{"token":%s}}' % quoted).encode()
            yield ('{"jsonrpc":"2.0","method":"auth","params":{"token":%s}}' % quoted).encode()
            yield ('[{"jsonrpc":"2.0","id":1,"method":"auth","params":{"token":%s}}]' % quoted).encode()
            yield ('{"jsonrpc":"2.0","id":1,"method":"auth","params":{"token":"%s\xff"}}' % token).encode("latin-1")
            yield ('{"jsonrpc":"2.0","id":1,"method":"auth","params":{"token":"%s"}}' % (token * 5)).encode()
            yield ('{"jsonrpc":"2.0","id":1,"method":"put","params":{"queue":"q","body":1,"token":%s}}' % quoted).encode()
            yield ("Authorization: Bearer %s" % token).encode()

    def http(self):
        """Requests of HTTP with a token in them."""
        for token in (self.GOOD, self.BAD):
            body = '{"jsonrpc":"2.0","id":1,"method":"auth","params":{"token":"%s"}}' % token
            for head in ("GET /metrics", "GET /%s" % token, "GET /?token=%s" % token, "GET /metrics\r\nCookie: t=%s" % token,
                         "BREW /%s" % token, "POST /rpc?%s" % token):
                line, _, more = head.partition("\r\n")
                for field in ("Authorization: Bearer %s" % token, "Authorization: Basic %s" % token, "Authorization: %s" % token,
                              "X-%s: 1" % token):
                    yield ("%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n%s%s\r\n"
                           "Content-Length: %d\r\n\r\n%s"
                           % (line, more and more + "\r\n", field, len(body), body)).encode()

    def test_no_token_comes_out_anywhere(self):
        data = os.path.join(self.folder, "data")
        quotas = SUPER.replace("  grant", "  connections = 200\n  waiting = 1\n  bytes_queued = 1M\n  grant", 1)
        daemon = self.start("log_level = debug\n" + quotas, data=data, http=("127.0.0.1:0",))
        clients = []
        for request in self.http():
            client = daemon.connect(daemon.http[0])
            client.send(request)
            clients.append(client)
        for line in self.lines():  # each on a connection of its own, since a wrong one waits for a second
            client = self.connect(daemon)
            client.send_line(line)
            client.half_close()
            clients.append(client)
        for client in clients:
            self.assertNotIn(self.PART, client.rest().decode())
            client.close()
        admin = self.connect(daemon, self.GOOD)
        admin.call("hello", client="admin")
        for method, params in (("stats", {}), ("who", {}), ("pool", {}), ("queues", {}), ("hello", {}), ("history", {})):
            self.assertNotIn(self.PART, str(admin.call(method, **params)))
        self.assertGreater(admin.call("stats")["auth_failures"], 3)
        admin.call("put", queue="q", body=1)
        admin.ask("get", {"queue": "none"})
        self.assertNotIn(self.PART, str(admin.error("get", queue="none")))  # one wait too many
        daemon.stop()
        self.assertIn("a token that is nobody's", daemon.text())
        self.assertNotIn(self.PART, daemon.text())
        dump = subprocess.run([lib.binary(), "--dump", data], capture_output=True, text=True, check=True)
        self.assertIn('"q"', dump.stdout)
        self.assertNotIn(self.PART, dump.stdout + dump.stderr)
        for path in glob.glob(os.path.join(data, "**"), recursive=True):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    self.assertNotIn(self.PART.encode(), file.read(), path)

    def test_a_token_in_the_configuration_is_not_repeated(self):
        for text in ('token "t" {\n sha256 = "%s"\n}\n', 'token "t" {\n sha256 = %s\n}\n'):
            path = os.path.join(self.folder, "c")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text % self.BAD)
            done = subprocess.run([lib.binary(), "-t", "-c", path], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("sha256: this is a token", done.stderr)
            self.assertNotIn(self.PART, done.stderr + done.stdout)


class NewToken(Case):
    def test_what_is_printed_lets_the_token_in(self):
        printed = subprocess.run([lib.binary(), "--new-token", 'we"b${HOME}'], capture_output=True, text=True, check=True).stdout
        token, _, section = printed.partition("\n")
        self.assertRegex(token, r"^taskq_[0-9a-f]{64}$")
        self.assertNotIn(token, section)
        daemon = self.start(section)
        self.assertEqual(self.connect(daemon).call("auth", token=token)["identity"], {"kind": "token", "name": 'we"b${HOME}'})

    def test_it_has_the_roles_that_are_named(self):
        printed = subprocess.run([lib.binary(), "--new-token", "web", 'm"a*', "put", "read"], capture_output=True, text=True,
                                 check=True).stdout
        token, _, section = printed.partition("\n")
        connection = self.connect(self.start(section))
        connection.call("auth", token=token)
        self.assertEqual(connection.call("hello")["grants"], [{"pattern": 'm"a*', "roles": ["put", "read"]}])

    def test_a_grant_that_is_none_is_refused(self):
        for grant, words in ((["mail.*"], "and the roles"), (["mail.*", "eat"], "put take read admin"), (["", "put"], "a pattern")):
            done = subprocess.run([lib.binary(), "--new-token", "web", *grant], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(words, done.stderr)

    def test_a_name_that_is_none_is_refused(self):
        for name in ("", "a\nb", "x" * 256):
            done = subprocess.run([lib.binary(), "--new-token", name], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (2, ""))


if __name__ == "__main__":
    lib.main()
