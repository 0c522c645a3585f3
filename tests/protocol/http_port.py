"""HTTP: every status, what a client may and may not send, requests that wait, who is let in, and the end of the daemon."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import tempfile
import threading
import time
import unittest

import lib
from access import SECRET, SUPER, grant, token_section
from certificates import Authority
from http_client import JSON, Client

ALWAYS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="taskq-http-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.queue = self.id().rsplit(".", 1)[-1]

    def start(self, settings="", http=("127.0.0.1:0",), **more):
        path = os.path.join(self.folder, "taskqd.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(settings)
        daemon = lib.Daemon("-c", path, http=http, **more)
        self.addCleanup(daemon.kill)
        return daemon

    def client(self, daemon, token=None, nth=0):
        client = Client(daemon.http[nth], token)
        self.addCleanup(client.close)
        return client

    def connect(self, daemon):
        connection = daemon.connect()
        self.addCleanup(connection.close)
        return connection

    def raw(self, daemon, text):
        """A socket to which this was sent."""
        host, port = daemon.http[0].rsplit(":", 1)
        peer = socket.create_connection((host, int(port)), lib.PATIENCE)
        self.addCleanup(peer.close)
        peer.sendall(text if isinstance(text, bytes) else text.encode())
        return peer


def read_to_end(peer):
    parts = []
    while True:
        try:
            part = peer.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)


def statuses(text):
    """Of all responses in a stream."""
    return [int(status) for status in re.findall(rb"(?:^|\n|\})HTTP/1\.1 (\d+) ", text)]


class Shared(Case):
    """Over one daemon, without identities."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = lib.Daemon(http=("127.0.0.1:0",))

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def setUp(self):
        super().setUp()
        self.http = self.client(self.daemon)

    def stream(self, text):
        """All that comes back until the daemon closes."""
        return read_to_end(self.raw(self.daemon, text))

    def head(self, *lines, method="POST", path="/rpc", host="localhost", type="application/json"):
        return "".join(line + "\r\n" for line in (
            "%s %s HTTP/1.1" % (method, path), *(["Host: " + host] if host is not None else []),
            *(["Content-Type: " + type] if type else []), *lines, ""))


class Looking(Shared):
    def test_it_lives_and_is_ready(self):
        for path, text in (("/healthz", b"ok\n"), ("/readyz", b"ready\n")):
            answer = self.http.ask("GET", path)
            self.assertEqual((answer.status, answer.body), (200, text))
            self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
            self.assertEqual(answer.headers["cache-control"], "no-store")

    def test_the_page_is_served_with_what_keeps_it_safe(self):
        answer = self.http.ask("GET", "/")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["content-type"], "text/html; charset=utf-8")
        self.assertIn(b"<!doctype html>", answer.body.lower()[:200])
        self.assertEqual({name: answer.headers[name] for name in ALWAYS}, ALWAYS)
        policy = answer.headers["content-security-policy"]
        for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:",
                     "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"):
            self.assertIn(rule, policy.split("; "))
        self.assertNotIn("unsafe", policy)
        for link in re.findall(rb'(?:href|src)="([^":]+\.(?:css|js|svg))"', answer.body):
            linked = self.http.ask("GET", "/" + link.decode().lstrip("./"))
            self.assertEqual(linked.status, 200, link)
            self.assertGreater(len(linked.body), 0)

    def test_a_file_that_is_known_is_not_sent_again(self):
        first = self.http.ask("GET", "/")
        tag = first.headers["etag"]
        self.assertRegex(tag, r'^"[0-9a-f]{32}"$')
        for known in (tag, 'W/"x", %s' % tag, "*"):
            again = self.http.ask("GET", "/", headers={"If-None-Match": known})
            self.assertEqual((again.status, again.body, again.headers["etag"]), (304, b"", tag))
        self.assertEqual(self.http.ask("GET", "/", headers={"If-None-Match": '"other"'}).body, first.body)

    def test_head_says_what_get_would(self):
        for path in ("/", "/healthz", "/nothing"):
            get, head = self.http.ask("GET", path), self.http.ask("HEAD", path)
            self.assertEqual(head.status, get.status)
            for name in ("content-length", "content-type"):
                self.assertEqual(head.headers[name], get.headers[name])
            self.assertEqual(int(head.headers["content-length"]), len(get.body))
        self.assertEqual(self.http.ask("GET", "/healthz").body, b"ok\n")  # nothing stood behind the heads

    def test_methods_that_are_not_allowed(self):
        for path, allowed in (("/", "GET, HEAD, OPTIONS"), ("/healthz", "GET, HEAD, OPTIONS"), ("/rpc", "POST, OPTIONS")):
            options = self.http.ask("OPTIONS", path)
            self.assertEqual((options.status, options.headers["allow"], options.body), (204, allowed, b""))
            self.assertFalse([name for name in options.headers if name.startswith("access-control")])
            for method in ("PUT", "DELETE", "BREW", "GET" if path == "/rpc" else "PATCH"):
                answer = self.http.ask(method, path)
                self.assertEqual((answer.status, answer.headers["allow"], answer.error), (405, allowed, "http"))
        self.assertEqual(self.http.ask("OPTIONS", "*").status, 204)
        answer = self.http.ask("POST", "/healthz", b"x=1")
        self.assertEqual((answer.status, answer.headers["connection"]), (405, "close"))

    def test_what_is_not_there(self):
        for path in ("/nothing", "/index.html/", "//", "/rpc/", "/../etc/passwd", "/%2e", "/web.h", "*"):
            answer = self.http.ask("GET", path)
            self.assertEqual((answer.status, answer.error), (404, "http"), path)
        self.assertEqual(self.http.ask("GET", "/healthz?a=/x").status, 200)


class Requests(Shared):
    def test_a_request_is_answered(self):
        answer = self.http.post(b'{"jsonrpc":"2.0","id":1.50,"method":"ping"}')
        self.assertEqual((answer.status, answer.body), (200, b'{"jsonrpc":"2.0","id":1.50,"result":{}}\n'))
        self.assertEqual(answer.headers["content-type"], "application/json")
        self.assertEqual(answer.headers["cache-control"], "no-store")
        self.assertEqual({name: answer.headers[name] for name in ALWAYS}, ALWAYS)

    def test_a_job_goes_through(self):
        id = self.http.call("put", queue=self.queue, body={"é": [1, 2.50]})["id"]
        job = self.http.call("get", queue=self.queue, timeout=0)
        self.assertEqual((job["id"], job["body"]), (id, {"é": [1, 2.5]}))
        self.http.close()  # which makes it nobody's business: its lease is detached
        other = self.client(self.daemon)
        self.assertEqual(other.call("job", id=id)["state"], "reserved")
        other.call("ack", id=id, delivery=job["delivery"])
        with self.assertRaises(lib.RpcError):
            other.call("job", id=id)

    def test_an_acknowledged_get_needs_no_lease(self):
        self.http.call("put", queue=self.queue, body=1)
        self.assertEqual(self.http.call("get", queue=self.queue, auto_ack=True, timeout=0)["body"], 1)
        self.assertEqual(self.http.call("stats", queue=self.queue)["gauges"]["reserved"], 0)

    def test_errors_of_the_protocol_come_with_200(self):
        for body, name in ((b"{", "parse_error"), (b"GET / HTTP/1.1", "parse_error"), (b"7", "invalid_request"), (b"[]", "invalid_request"),
                           (b'{"jsonrpc":"2.0","id":1,"method":"nope"}', "method_not_found"),
                           (lib.request_text(1, "job", {"id": 1 << 50}), "not_found"),
                           (lib.request_text(1, "get", {"queue": self.queue, "timeout": 0}), "empty")):
            answer = self.http.post(body)
            self.assertEqual((answer.status, answer.error), (200, name), body)

    def test_a_body_may_stand_on_several_lines(self):
        text = '\r\n{\n "jsonrpc": "2.0",\r\n\t"id": "a",\n "method": "put", "params":\n{"queue": "%s", "body": ["\\n",\n\n2]}}\n\n' % self.queue
        self.assertIn("result", self.http.post(text).json)
        self.assertEqual(self.http.call("get", queue=self.queue, auto_ack=True)["body"], ["\n", 2])
        for broken in ('{"jsonrpc":"2.0","id":1,"method":"pi\nng"}', '{"jsonrpc":"2.0","id":1,"method":"ping\\\n"}'):
            self.assertEqual(self.http.post(broken).error, "parse_error")
        self.assertEqual(self.http.post('{"jsonrpc":"2.0","id":1,"method":"ping"}\n{"jsonrpc":"2.0","id":2,"method":"ping"}').error,
                         "parse_error")  # one request or one batch: what stands behind it is no JSON

    def test_a_batch(self):
        batch = [lib.request_text(n, "put", {"queue": self.queue, "body": n}) for n in range(500)]
        batch += [lib.request_text("w", "who"), lib.request_text(None, "ping"), lib.request_text("g", "get", {"queue": self.queue})]
        replies = self.http.post("[%s]" % ",".join(batch)).json
        self.assertEqual([reply["id"] for reply in replies], [*range(500), "w", "g"])
        self.assertEqual(replies[-1]["result"]["body"], 0)
        self.http.call("drop", queue=self.queue)

    def test_a_batch_whose_elements_wait(self):
        worker = self.client(self.daemon)
        self.http.http.request("POST", "/rpc", "[%s]" % ",".join(
            [lib.request_text(1, "get", {"queue": self.queue}), lib.request_text(2, "ping"),
             lib.request_text(3, "call", {"queue": self.queue + "2", "body": 7})]), JSON)
        job = worker.call("get", queue=self.queue + "2")
        worker.call("ack", id=job["id"], delivery=job["delivery"], result="seven")
        worker.call("put", queue=self.queue, body="one")
        replies = {reply["id"]: reply["result"] for reply in self.http.answer().json}
        self.assertEqual((replies[1]["body"], replies[2], replies[3]["result"]), ("one", {}, "seven"))

    def test_what_has_no_id_has_no_answer(self):
        for body in (lib.request_text(None, "put", {"queue": self.queue, "body": 1}),
                     "[%s,%s]" % ((lib.request_text(None, "put", {"queue": self.queue, "body": 2}),) * 2),
                     lib.request_text(None, "nope"), lib.request_text(None, "get", {"queue": self.queue}),
                     lib.request_text(None, "who")):
            answer = self.http.post(body)
            self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(self.http.call("stats", queue=self.queue)["gauges"]["ready"], 3)
        self.http.call("declare", queue=self.queue, maxsize=3)
        self.assertEqual(self.http.post(lib.request_text(None, "put", {"queue": self.queue, "body": 4})).status, 204)
        self.assertEqual(self.http.call("stats", queue=self.queue)["gauges"]["waiting_puts"], 1)  # it waits on
        self.http.call("get", queue=self.queue, auto_ack=True)
        self.assertEqual(self.http.call("stats", queue=self.queue)["gauges"]["ready"], 3)
        self.http.call("drop", queue=self.queue)

    def test_what_would_come_unasked_is_refused(self):
        id = self.http.call("submit", queue=self.queue, body=1)["id"]
        for method, params, member in (("submit", {"queue": self.queue, "body": 1, "notify": True}, "notify"),
                                       ("call", {"queue": self.queue, "body": 1, "progress": True}, "progress"),
                                       ("result", {"id": id, "progress": True}, "progress")):
            with self.assertRaises(lib.RpcError) as raised:
                self.http.call(method, **params)
            self.assertEqual((raised.exception.name, raised.exception.data["param"]), ("invalid_params", member))
            self.assertIn("HTTP", raised.exception.message)
        with self.assertRaises(lib.RpcError) as raised:
            self.http.call("events")
        self.assertEqual(raised.exception.name, "invalid_request")
        with self.assertRaises(lib.RpcError) as raised:
            self.http.call("auth", token=SECRET)
        self.assertEqual(raised.exception.name, "invalid_request")
        self.assertIn("Authorization", raised.exception.message)
        self.assertEqual(self.http.call("submit", queue=self.queue, body=1, notify=False)["id"], id + 1)
        self.http.call("drop", queue=self.queue)

    def test_large_bodies(self):
        limit = self.http.call("hello")["limits"]
        body = "x" * (limit["body"] - 2)
        id = self.http.call("put", queue=self.queue, body=body)["id"]
        self.assertEqual(self.http.call("get", queue=self.queue, timeout=0)["body"], body)
        answer = self.client(self.daemon).post(b" " * (limit["request"] + 1))
        self.assertEqual((answer.status, answer.error, answer.headers["connection"]), (413, "too_large", "close"))
        chunks = (b" " * 65536 for _ in range(limit["request"] // 65536 + 2))
        answer = self.client(self.daemon).post(chunks)
        self.assertEqual((answer.status, answer.error), (413, "too_large"))
        self.http.call("delete", id=id)

    def test_a_body_in_chunks(self):
        text = lib.request_text(1, "ping").encode()
        answer = self.http.post(iter([text[:5], text[5:6], text[6:]]))
        self.assertEqual(answer.json["result"], {})
        pieces = b"".join(b"%x;name=\"v\"\r\n%c\r\n" % (1, byte) for byte in text) + b"000\r\nTrailer: x\r\n\r\n"
        for piece in (pieces, pieces.upper().replace(text.upper(), text)):
            peer = self.raw(self.daemon, self.head("Transfer-Encoding: Chunked", "Connection: close"))
            for n in range(0, len(pieces), 7):
                peer.sendall(pieces[n:n + 7])
            self.assertIn(b'"result":{}', read_to_end(peer))


class Refusals(Shared):
    def refused(self, text, status, name="http"):
        """It is answered with this alone, and the connection closed."""
        reply = self.stream(text)
        self.assertEqual(statuses(reply), [status], (text, reply))
        head, _, body = reply.partition(b"\r\n\r\n")
        self.assertIn(b"Connection: close", head)
        self.assertEqual(json.loads(body)["error"]["data"]["name"], name)
        self.assertIn(b"Content-Length: %d\r\n" % len(body), head)
        return body.decode()

    def test_other_types_of_content(self):
        for type in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", "json"):
            self.refused(self.head("Content-Length: 2", type=type) + "{}", 415)
        for type in ("application/json; charset=utf-8", "Application/JSON ;x=1"):
            reply = self.stream(self.head("Content-Length: 2", "Connection: close", type=type) + "{}")
            self.assertEqual(statuses(reply), [200])

    def test_other_hosts(self):
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "localhost:80:80", "[::1", "localhost:x",
                     "2130706433", "127.1"):
            for method, path in (("POST", "/rpc"), ("GET", "/"), ("GET", "/nothing")):
                self.refused(self.head("Content-Length: 0", host=host, method=method, path=path), 421)
        self.assertIn("http_hosts", self.refused(self.head(host="evil.example", path="/", method="GET"), 421))
        reply = self.stream(self.head(host="evil.example", path="/", method="HEAD"))
        self.assertEqual((statuses(reply), reply[-4:]), ([421], b"\r\n\r\n"))
        for host in ("localhost", "LOCALHOST:7481", "127.0.0.1", "10.1.2.3:80", "[::1]:7481", "[fe80::1]"):
            reply = self.stream(self.head("Connection: close", method="GET", path="/", host=host, type=None))
            self.assertEqual(statuses(reply), [200], host)
        for path in ("/healthz", "/readyz"):
            reply = self.stream(self.head("Connection: close", method="GET", path=path, host="evil.example", type=None))
            self.assertEqual(statuses(reply), [200])
        reply = self.stream("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(statuses(reply), [421])
        reply = self.stream("GET http://localhost/healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        self.assertEqual(statuses(reply), [200])

    def test_pages_of_other_hosts(self):
        for fields in (["Origin: http://evil.example"], ["Origin: null"], ["Origin: http://localhost:1"], ["Origin: http://localhos"],
                       ["Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: same-site"], ["Origin: localhost"],
                       ["Origin: http://localhost", "Sec-Fetch-Site: cross-site"]):
            self.refused(self.head("Content-Length: 2", *fields) + "{}", 403, "forbidden")
        for fields in (["Origin: http://localhost"], ["Origin: https://LOCALHOST", "Sec-Fetch-Site: same-origin"], ["Sec-Fetch-Site: none"]):
            reply = self.stream(self.head("Content-Length: 2", "Connection: close", *fields) + "{}")
            self.assertEqual(statuses(reply), [200], fields)

    def test_broken_heads(self):
        good = "Host: localhost\r\n"
        for text in ("\x00", "hello\r\n\r\n", "GET\r\n\r\n", "GET  / HTTP/1.1\r\n" + good + "\r\n", "GET / HTTP/1.1 \r\n" + good + "\r\n",
                     "GET / \r\n" + good + "\r\n", "GET / HTTP/1.1\n" + good + "\r\n", "GET x HTTP/1.1\r\n" + good + "\r\n",
                     "G(T / HTTP/1.1\r\n" + good + "\r\n", "GET /\x01 HTTP/1.1\r\n" + good + "\r\n", "GET /\xe9 HTTP/1.1\r\n" + good + "\r\n",
                     "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n" + good + good + "\r\n", "GET / HTTP/1.1\r\n" + good + "A\r\n\r\n",
                     "GET / HTTP/1.1\r\n" + good + "A : b\r\n\r\n", "GET / HTTP/1.1\r\n" + good + ": b\r\n\r\n",
                     "GET / HTTP/1.1\r\n" + good + "A: b\r\n c\r\n\r\n", "GET / HTTP/1.1\r\n" + good + "A: b\rc\r\n\r\n",
                     "GET / HTTP/1.1\r\n" + good + "A: \x00\r\n\r\n", "GET / XTTP/1.1\r\n" + good + "\r\n", "GET / HTTP/1\r\n" + good + "\r\n",
                     "POST /rpc HTTP/1.1\r\n" + good + "Content-Length: -1\r\n\r\n", "POST /rpc HTTP/1.1\r\n" + good + "Content-Length: 1 1\r\n\r\n",
                     "POST /rpc HTTP/1.1\r\n" + good + "Content-Length: 99999999999999999999\r\n\r\n",
                     "POST /rpc HTTP/1.1\r\n" + good + "Content-Length: +1\r\n\r\n", "POST /rpc HTTP/1.1\r\n" + good + "Content-Length:\r\n\r\n",
                     "POST /rpc HTTP/1.1\r\n" + good + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n",
                     "POST /rpc HTTP/1.1\r\n" + good + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
                     "POST /rpc HTTP/1.0\r\n" + good + "Transfer-Encoding: chunked\r\n\r\n"):
            with self.subTest(text=text):
                if text == "\x00":  # is a head that never ends, until a line does
                    text += "\r\n\r\n"
                self.refused(text.encode("latin-1"), 400)

    def test_other_versions_and_codings(self):
        for version in ("HTTP/2.0", "HTTP/1.2", "HTTP/0.9"):
            self.refused("GET / %s\r\nHost: localhost\r\n\r\n" % version, 505)
        self.refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)
        for coding in ("gzip", "gzip, chunked", "chunked, chunked", "", "identity"):
            self.refused(self.head("Transfer-Encoding: " + coding), 501)
        self.refused(self.head(), 411)
        self.refused(self.head("Content-Length: 2", "Expect: 200-ok"), 417)
        self.refused(self.head("Content-Length: 0"), 400, "parse_error")
        self.refused(self.head("Content-Length: 3") + " \r\n", 400, "parse_error")

    def test_broken_chunks(self):
        for body in ("x", "\r\n", "-1\r\n", "2 x\r\n{}\r\r", "2\r\n{}x", "2\n{}\r\n", "2\r\n{}\r\n0\r\n\r\r", "10000000000000000\r\n",
                     "0;a=\x01\r\n\r\n", "2\r\n{}\r\n0\r\na\x02\r\n\r\n", "2;" + 9000 * "x", "0\r\n" + 9000 * "x"):
            with self.subTest(body=body[:40]):
                self.refused(self.head("Transfer-Encoding: chunked") + body, 400)
        self.refused(self.head("Transfer-Encoding: chunked") + "fffffffffffffff\r\n", 413, "too_large")

    def test_long_heads(self):
        self.refused("GET /%s" % ("x" * 40000), 431)
        self.refused(self.head("A: " + "x" * 40000), 431)
        self.refused(self.head(*["A%d: b" % n for n in range(101)]), 431)
        reply = self.stream(self.head(*["A%d: b" % n for n in range(90)], "Cookie: " + "x" * 20000, "Connection: close", method="GET",
                                      path="/healthz"))
        self.assertEqual(statuses(reply), [200])


class Connections(Shared):
    def test_a_connection_is_used_again(self):
        self.http.ask("GET", "/healthz")
        before = self.http.http.sock
        for n in range(50):
            self.http.call("ping")
        self.assertIs(self.http.http.sock, before)

    def test_it_is_closed_when_that_is_asked_for(self):
        for text in ("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n", "GET /healthz HTTP/1.0\r\n\r\n"):
            reply = self.stream(text)
            self.assertEqual(statuses(reply), [200])
            self.assertIn(b"\r\nConnection: close\r\n", reply)
        reply = self.stream("GET /healthz HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n")
        self.assertEqual(statuses(reply), [200, 200])
        self.assertEqual(reply.count(b"\r\nConnection: keep-alive\r\n"), 1)

    def test_requests_that_come_together_are_answered_in_order(self):
        one = lib.request_text(1, "put", {"queue": self.queue, "body": 1})
        two = "[%s]" % lib.request_text(2, "get", {"queue": self.queue, "auto_ack": True})
        text = "\r\n\r\n".join(["GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                                + self.head("Content-Length: %d" % len(one)) + one
                                + self.head("Transfer-Encoding: chunked") + "%x\r\n%s\r\n0\r\n\r\n" % (len(two), two)
                                + "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"] * 20)
        text += "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        reply = self.stream(text)
        self.assertEqual(statuses(reply), [200, 200, 200, 200] * 20 + [404])
        self.assertEqual(reply.count(b'"id":2,"result":'), 20)
        peer = self.raw(self.daemon, b"")
        for byte in text.encode()[:1800]:
            peer.sendall(bytes([byte]))
        peer.shutdown(socket.SHUT_WR)
        self.assertGreater(len(statuses(read_to_end(peer))), 3)

    def test_a_client_may_end_its_side(self):
        body = lib.request_text(1, "put", {"queue": self.queue, "body": 1})
        peer = self.raw(self.daemon, self.head("Content-Length: %d" % len(body)) + body)
        peer.shutdown(socket.SHUT_WR)
        self.assertIn(b'"result":{"id":', read_to_end(peer))
        self.http.call("drop", queue=self.queue)

    def test_a_body_is_asked_for(self):
        body = lib.request_text(1, "ping")
        peer = self.raw(self.daemon, self.head("Content-Length: %d" % len(body), "Expect: 100-continue", "Connection: close"))
        self.assertEqual(peer.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.sendall(body.encode())
        self.assertEqual(statuses(read_to_end(peer)), [200])
        peer = self.raw(self.daemon, self.head("Content-Length: 99999999", "Expect: 100-continue"))
        self.assertEqual(statuses(read_to_end(peer)), [413])

    def flood(self, peer, more):
        """Sends until the daemon takes no more, which it must not go on with for long."""
        peer.setblocking(False)
        sent = full = 0
        while full < 300:
            try:
                sent += peer.send(more)
                full = 0
            except BlockingIOError:
                full += 1
                self.http.call("ping")  # so long has the daemon had to take it
            self.assertLess(sent, 64 << 20)
        peer.setblocking(True)
        peer.settimeout(lib.PATIENCE)

    def test_what_is_not_read_is_bounded(self):
        """Who sends on and on while its request waits, or never reads what it is answered, is not read from."""
        page = self.http.ask("GET", "/").body
        links = [link.decode() for link in re.findall(rb'(?:href|src)="/?([\w./]+)"', page)]
        large = max(links, key=lambda link: len(self.http.ask("GET", "/" + link).body))
        more = ("GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % large).encode() * 10000
        body = lib.request_text(1, "get", {"queue": self.queue})
        before = self.daemon.resident()
        waits = self.raw(self.daemon, self.head("Content-Length: %d" % len(body)) + body)
        deaf = self.raw(self.daemon, b"")
        for peer in (waits, deaf):
            self.flood(peer, more)
        self.assertLess(self.daemon.resident() - before, 32 << 20)
        self.http.call("put", queue=self.queue, body=1)
        for peer in (waits, deaf):
            got = b""
            while got.count(b"200 OK") < 3:
                got += peer.recv(65536)
            self.assertEqual(b'"body":1' in got, peer is waits)
            peer.close()
        self.http.call("drop", queue=self.queue)


class Waiting(Shared):
    def gauge(self, name):
        return self.http.call("stats", queue=self.queue)["gauges"][name]

    def until(self, condition, what):
        deadline = time.monotonic() + lib.PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)

    def test_who_waits_does_not_keep_others_waiting(self):
        waiting = [self.client(self.daemon) for _ in range(20)]
        for client in waiting:
            client.send("get", queue=self.queue)
        self.until(lambda: self.gauge("waiting_gets") == 20, "gets")
        rows = [row for row in self.http.call("who")["connections"] if row["waits"]]
        self.assertEqual(len(rows), 20)
        for n in range(20):
            self.http.call("put", queue=self.queue, body=n)
        self.assertEqual(sorted(client.answer().json["result"]["body"] for client in waiting), list(range(20)))
        self.http.call("drop", queue=self.queue)

    def test_waits_for_an_outcome_and_for_all(self):
        submitted = self.http.call("submit", queue=self.queue, body=1)["id"]
        result, join, timed = (self.client(self.daemon) for _ in range(3))
        result.send("result", id=submitted)
        join.send("join", queue=self.queue)
        with self.assertRaises(lib.RpcError) as raised:
            timed.call("result", id=submitted, timeout=0.05)
        self.assertEqual(raised.exception.name, "timeout")
        job = self.http.call("get", queue=self.queue)
        self.http.call("ack", id=job["id"], delivery=job["delivery"], result=[1])
        self.assertEqual(result.answer().json["result"]["result"], [1])
        self.assertEqual(join.answer().json["result"], {})

    def test_who_is_gone_waits_no_more(self):
        for end in (socket.socket.close, lambda peer: peer.shutdown(socket.SHUT_WR)):
            body = "[%s]" % ",".join(lib.request_text(n, "get", {"queue": self.queue}) for n in range(5))
            peers = [self.raw(self.daemon, self.head("Content-Length: %d" % len(body)) + body) for _ in range(4)]
            self.until(lambda: self.gauge("waiting_gets") == 20, "gets")
            for peer in peers:
                end(peer)
            self.until(lambda: self.gauge("waiting_gets") == 0, "gone")
            self.until(lambda: len(self.http.call("who")["connections"]) == 1, "closed")
        id = self.http.call("put", queue=self.queue, body=1)["id"]
        self.assertEqual(self.http.call("job", id=id)["state"], "ready")
        self.http.call("drop", queue=self.queue)


class Durable(Case):
    def test_a_reply_means_that_it_is_on_disk(self):
        data = os.path.join(self.folder, "data")
        daemon = self.start(data=data)
        clients = [self.client(daemon) for _ in range(8)]
        ids = []

        def put(client):
            for n in range(20):
                ids.append(client.call("put", queue="q", body=n)["id"])
        threads = [threading.Thread(target=put, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(lib.PATIENCE)
        self.assertEqual(len(set(ids)), 160)
        daemon.kill()
        daemon = self.start(data=data)
        self.assertEqual(self.client(daemon).call("stats", queue="q")["gauges"]["ready"], 160)
        daemon.stop()


class Settings(Case):
    def test_nowhere(self):
        daemon = self.start('http = "none"\n', http=())
        self.assertNotIn("HTTP", daemon.text())
        daemon.stop()

    def test_several_addresses_and_a_unix_socket(self):
        path = os.path.join(self.folder, "http")
        daemon = self.start(http=("127.0.0.1:0", "unix:" + path))
        for nth in range(2):
            self.assertEqual(self.client(daemon, nth=nth).call("ping"), {})
        daemon.stop()
        self.assertFalse(os.path.exists(path))

    def test_the_configuration_says_where(self):
        daemon = self.start('http = {"127.0.0.1:0"}\nhttp_hosts = {"taskq.example", "Other.Example"}\n', http=())
        address = daemon._wait_for(r"event=listening .*address=(\S+) for=HTTP")
        client = Client(address)
        self.addCleanup(client.close)
        for host, status in (("taskq.example:7481", 200), ("TASKQ.example", 200), ("other.example", 200), ("x.taskq.example", 421)):
            answer = client.ask("GET", "/", headers={"Host": host})
            self.assertEqual(answer.status, status)
        daemon.stop()

    def test_what_others_can_reach_is_refused_without_insecure(self):
        with self.assertRaisesRegex(AssertionError, "insecure"):
            self.start(http=("0.0.0.0:0",))
        with self.assertRaisesRegex(AssertionError, "none does not go together"):
            self.start(http=("none", "127.0.0.1:0"))

    def test_a_port_in_use_is_an_error(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            with self.assertRaisesRegex(AssertionError, "cannot listen on " + address):
                self.start(http=(address,))

    def test_one_too_many_is_told(self):
        daemon = self.start("http_connections = 3\n")
        clients = [self.client(daemon) for _ in range(3)]
        for client in clients:
            client.call("ping")
        more = self.client(daemon).ask("GET", "/healthz")
        self.assertEqual((more.status, more.error, more.headers["connection"]), (503, "overloaded", "close"))
        self.assertEqual(self.connect(daemon).call("ping"), {})  # the other port has its own
        with open(os.path.join(self.folder, "taskqd.conf"), "w") as file:
            file.write("http_connections = 4\n")
        os.kill(daemon.pid, signal.SIGHUP)
        daemon._wait_for(r"setting=(http_connections) ")
        self.assertEqual(self.client(daemon).call("ping"), {})
        daemon.stop()


class Identities(Case):
    def setUp(self):
        super().setUp()
        self.sections = SUPER + token_section("reader", "reader", grant("*", ["read"])) + token_section("own", "own", grant("own.*", ["read", "put"]))

    def test_a_token_is_asked_for(self):
        daemon = self.start(self.sections)
        nobody = self.client(daemon)
        answer = nobody.post(lib.request_text(1, "ping"))
        self.assertEqual((answer.status, answer.error), (401, "unauthorized"))
        self.assertEqual(answer.headers["www-authenticate"], 'Bearer realm="taskq"')
        for path in ("/healthz", "/readyz", "/"):
            self.assertEqual(nobody.ask("GET", path).status, 200)
        self.assertEqual(self.client(daemon, SECRET).call("who")["connections"][0]["identity"], {"kind": "token", "name": "super"})
        reader = self.client(daemon, "reader")
        self.assertEqual(reader.call("stats")["gauges"]["ready"], 0)
        with self.assertRaises(lib.RpcError) as raised:
            reader.call("put", queue="q", body=1)
        self.assertEqual(raised.exception.name, "forbidden")
        # Each request says who it is from.
        reader.token = SECRET
        reader.call("put", queue="q", body=1)
        reader.token = None
        self.assertEqual(reader.post(lib.request_text(1, "put", {"queue": "q", "body": 1})).status, 401)
        daemon.stop()

    def test_a_wrong_token_is_slow_counted_and_logged_without_it(self):
        daemon = self.start(self.sections)
        wrong = "taskq_" + "0" * 64
        before = time.monotonic()
        for headers in ({"Authorization": "Bearer " + wrong}, {"Authorization": "Basic c3VwZXI6" + SECRET}, {"Authorization": SECRET}):
            client = self.client(daemon)
            client.http.request("POST", "/rpc", lib.request_text(1, "ping"), {**JSON, **headers})
            other = self.client(daemon, SECRET).call("ping")
            self.assertEqual(other, {})  # meanwhile
            answer = client.answer()
            self.assertEqual((answer.status, answer.error, answer.headers["connection"]), (401, "unauthorized", "close"))
            self.assertNotIn(wrong.encode(), answer.body)
        self.assertGreater(time.monotonic() - before, 2.9)
        daemon.stop()
        self.assertEqual(daemon.text().count("event=token_wrong msg=\"a client gave a token that is nobody's\" peer=127.0.0.1:"), 3)
        self.assertNotIn(wrong, daemon.text())
        self.assertNotIn(SECRET, daemon.text())

    def test_whom_the_kernel_knows_needs_no_token(self):
        path = os.path.join(self.folder, "http")
        daemon = self.start(self.sections + 'user "%d" {\n%s}\n' % (os.getuid(), grant("own.*", ["put"])), http=("unix:" + path,))
        client = self.client(daemon)
        self.assertIn("id", client.call("put", queue="own.q", body=1))
        with self.assertRaises(lib.RpcError):
            client.call("put", queue="q", body=1)
        client.token = SECRET
        self.assertIn("id", client.call("put", queue="q", body=1))
        client.token = None
        with self.assertRaises(lib.RpcError):
            client.call("put", queue="q", body=1)
        daemon.stop()

    def test_a_reload_holds_at_once(self):
        daemon = self.start(self.sections)
        super_one, waiting, own = self.client(daemon, SECRET), self.client(daemon, "own"), self.client(daemon, "own")
        own.call("put", queue="own.q", body=1)
        waiting.send("join", queue="own.q")
        while super_one.call("stats", queue="own.q")["gauges"]["waiting_joins"] < 1:
            pass
        with open(os.path.join(self.folder, "taskqd.conf"), "w") as file:
            file.write(SUPER)
        os.kill(daemon.pid, signal.SIGHUP)
        daemon._wait_for(r"event=(access_changed)")
        with self.assertRaises((http.client.BadStatusLine, ConnectionError)):
            waiting.answer()
        own = self.client(daemon, "own")
        self.assertEqual(own.post(lib.request_text(1, "ping")).status, 401)
        self.assertEqual(super_one.call("stats", queue="own.q")["gauges"]["waiting_joins"], 0)
        daemon.stop()

    def test_metrics_take_the_role_read_on_all_queues(self):
        daemon = self.start(self.sections)
        for token, status in ((None, 401), ("own", 403), ("reader", 200), (SECRET, 200)):
            answer = self.client(daemon, token).ask("GET", "/metrics")
            self.assertEqual((token, answer.status), (token, status))
            if status == 200:
                self.assertIn(b"\ntaskq_connections", answer.body)
                self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
            else:
                self.assertEqual(answer.error, "unauthorized" if status == 401 else "forbidden")
                self.assertNotIn(b"taskq_", answer.body)
        daemon.stop()
        daemon = self.start("metrics_open = true\n" + self.sections)
        self.assertIn(b"\ntaskq_connections", self.client(daemon).ask("GET", "/metrics").body)
        self.assertEqual(self.client(daemon).post(lib.request_text(1, "ping")).status, 401)
        daemon.stop()

    def test_one_address_has_a_share_of_those_who_have_not_said_who_they_are(self):
        daemon = self.start("http_connections = 16\n" + self.sections)
        known = [self.client(daemon, SECRET) for _ in range(8)]
        for client in known:
            client.call("ping")  # and is known from then on
        strangers = [self.client(daemon) for _ in range(4)]
        for client in strangers:
            self.assertEqual(client.ask("GET", "/healthz").status, 200)
        more = self.client(daemon).ask("GET", "/healthz")
        self.assertEqual((more.status, more.error, more.headers["connection"]), (503, "overloaded", "close"))
        daemon._wait_for("(too many have not said who they are)")
        strangers[0].token = SECRET
        strangers[0].call("ping")
        self.assertEqual(self.client(daemon).ask("GET", "/healthz").status, 200)
        daemon.stop()

    def test_an_identity_has_so_many_connections(self):
        daemon = self.start(self.sections.replace('"reader" {', '"reader" {\n  connections = 2', 1))
        first, second, third = (self.client(daemon, "reader") for _ in range(3))
        first.call("ping")
        second.call("ping")
        answer = third.post(lib.request_text(1, "ping"))
        self.assertEqual((answer.status, answer.error), (429, "overloaded"))
        second.token = SECRET
        second.call("ping")  # and is somebody else's now
        self.assertEqual(self.client(daemon, "reader").call("ping"), {})
        daemon.stop()


class Tls(Case):
    def test_over_tls_and_by_certificate(self):
        ca = Authority(self.folder)
        server, worker = ca.issue("localhost"), ca.issue("worker", usage="client")
        daemon = self.start('tls_certificate = "%s"\ntls_key = "%s"\ntls_client = optional\ntls_client_ca = "%s"\n'
                            % (server.certificate, server.key, ca.certificate)
                            + SUPER + 'certificate "worker" {\n%s}\n' % grant("own.*", ["put", "take"]), http=("tls:127.0.0.1:0",))
        address = daemon.http[0][len("tls:"):]
        context = ssl.create_default_context(cafile=ca.certificate)
        known = ssl.create_default_context(cafile=ca.certificate)
        known.load_cert_chain(worker.certificate, worker.key)

        def client(context, token=None):
            made = Client(address, token, context)
            self.addCleanup(made.close)
            return made
        self.assertEqual(client(context).ask("GET", "/healthz").body, b"ok\n")
        self.assertEqual(client(context).post(lib.request_text(1, "ping")).status, 401)
        self.assertEqual(client(context, SECRET).call("who")["connections"][0]["identity"]["name"], "super")
        by_certificate, waiting = client(known), client(known)
        self.assertEqual(by_certificate.call("hello")["identity"], {"kind": "certificate", "name": "worker"})
        waiting.send("get", queue="own.q")
        body = "x" * 900000
        by_certificate.call("put", queue="own.q", body=body)
        self.assertEqual(waiting.answer().json["result"]["body"], body)
        with self.assertRaises(lib.RpcError):
            by_certificate.call("put", queue="q", body=1)
        with socket.create_connection(address.rsplit(":", 1), lib.PATIENCE) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertNotIn(b"HTTP/1.1 200", read_to_end(plain))
        daemon.stop()


class Stopping(Case):
    def test_requests_that_wait_hear_that_it_stops(self):
        daemon = self.start("shutdown_timeout = 0.2\n")
        getter, joiner, prober = (self.client(daemon) for _ in range(3))
        prober.call("put", queue="q", body=1)
        getter.send("get", queue="empty")
        joiner.send("join", queue="q")
        while prober.call("stats")["gauges"]["waiting_gets"] + prober.call("stats")["gauges"]["waiting_joins"] < 2:
            pass
        daemon.terminate()
        self.assertEqual(getter.answer().error, "draining")
        self.assertEqual(joiner.answer().error, "draining")
        daemon.wait()

    def test_it_says_that_it_is_not_ready_while_it_drains(self):
        daemon = self.start("shutdown_timeout = 60\n")
        holder, client = self.connect(daemon), self.client(daemon)
        holder.call("put", queue="q", body=1)
        job = holder.call("get", queue="q")
        daemon.terminate()
        deadline = time.monotonic() + lib.PATIENCE
        while True:
            answer = client.ask("GET", "/readyz")
            if answer.status == 503:
                break
            self.assertLess(time.monotonic(), deadline)
        self.assertIn(b"stopping", answer.body)
        self.assertEqual(self.client(daemon).ask("GET", "/healthz").status, 200)
        with self.assertRaises(lib.RpcError) as raised:
            client.call("put", queue="q", body=1)
        self.assertEqual(raised.exception.name, "draining")
        waiter = self.client(daemon)
        waiter.send("result", id=job["id"])
        waiter.answer()  # it was not submitted
        holder.call("ack", id=job["id"])
        daemon.wait()

    def test_it_is_not_ready_where_there_is_no_memory(self):
        daemon = self.start("memory = 100K\n")
        client = self.client(daemon)
        while True:
            try:
                client.call("put", queue="q", body="x" * 10000)
            except lib.RpcError as error:
                self.assertEqual(error.name, "overloaded")
                break
        try:
            while True:
                client.call("put", queue="q", body="x")
        except lib.RpcError:
            pass
        self.assertIn(client.ask("GET", "/readyz").status, (200, 503))
        client.call("drop", queue="q")
        self.assertEqual(client.ask("GET", "/readyz").status, 200)
        daemon.stop()


if __name__ == "__main__":
    lib.main()
