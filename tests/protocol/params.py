"""Every param of every method, from the tables of common/protocol.md: what is missing, unknown, doubled, of the wrong type
or out of range is refused by name, and nothing of the request is carried out."""

import json
import re

import lib
from lib import Raw

NOT_TEXT = [Raw("1"), Raw("null"), Raw("true"), Raw("[]"), Raw("{}")]
NOT_NUMBER = [Raw('"1"'), Raw("null"), Raw("true"), Raw("false"), Raw("[]"), Raw("[1]"), Raw("{}"), Raw('""')]
NOT_FINITE = [Raw("1e400"), Raw("-1e400"), Raw("9" * 400)]
NOT_WHOLE = NOT_NUMBER + NOT_FINITE + [Raw(t) for t in (
    "1.0", "1.5", "1e3", "1e308", "-1", "9007199254740992", "18446744073709551616", "18446744073709551617",
    "9223372036854775808", "4294967296e0")]
BAD_SECONDS = NOT_NUMBER + NOT_FINITE + [Raw(t) for t in ("-1", "-0.001", "1e308", "-1e308", "1000000001", "1e10")]
BAD_NAMES = NOT_TEXT + ["", "a" * 256, "\u00e9" * 128, "x" * 10_000] + [
    Raw(t) for t in ('"a\\u0000b"', '"\\n"', '"a\\u001f"', '"\\u007f"', '"\x7f"', '"\\ud800"', '"\\udc00\\ud800"')]

# Values of a type that are refused wherever it stands.
BAD = {
    "queue": BAD_NAMES,
    "key": NOT_TEXT + ["", "k" * 256, "\u00e9" * 128],
    "job": NOT_WHOLE,
    "delivery": NOT_WHOLE + [Raw("0")],
    "integer": NOT_WHOLE,
    "seconds": BAD_SECONDS,
    "lease": BAD_SECONDS + [Raw("0"), Raw("0.0")],
    "timeout": [value for value in BAD_SECONDS if value != "null"],
    "priority": NOT_NUMBER + NOT_FINITE,
    "number": NOT_NUMBER + NOT_FINITE + [Raw("-1"), Raw("1e308")],
    "amount": NOT_NUMBER + NOT_FINITE + [Raw("-1"), Raw("-1e-300")],
    "bool": [Raw(t) for t in ("0", "1", "null", '"true"', '""', "[]", "{}")],
    "string": NOT_TEXT,
    "array of queues": [Raw(t) for t in ("1", "null", '"q"', "{}", "[]", "[1]", '["q",1]', '["q","q"]', '["q",""]', '["q",null]',
                                         '["\\u0071","q"]')] + [[str(n) for n in range(101)]],
    "array of strings": [Raw(t) for t in ("1", "null", '"q"', "{}", "[]", "[1]", '["ready",1]', '["ready",""]',
                                          '["ready",null]')] + [[str(n) for n in range(65)]],
    "array of jobs": [Raw(t) for t in ("[]", "1", "null", '"1"', "{}", "[]", '["1"]', "[1.0]", "[-1]", "[null]", "[[1]]")] +
                     [list(range(1, 1002))],
    "queue or null": [value for value in BAD_NAMES if value != "null"],
    "object": [Raw(t) for t in ("1", "null", '"x"', "[]", "true", '{"bas":1}', '{"base":"1"}', '{"base":-1}', '{"cap":1e308}',
                                '{"jitter":1.1}', '{"jitter":-0.1}', '{"jitter":null}', '{"base":1,"base":1}')],
    "string, number or null": [Raw(t) for t in ("true", "[]", "{}")],
    "any": [],
}

# Values beyond what the note of the table says, where its type alone does not.
BEYOND = {
    ("get", "queues"): [json.dumps([str(n) for n in range(65)])],
    ("history", "span"): ["0", "0.999", "86400.001"],
    ("put", "max_attempts"): ["0", "65536"],
    ("declare", "max_attempts"): ["0", "65536"],
    ("declare", "max_lost"): ["0", "256"],
    ("declare", "concurrency"): ["4294967296"],
    ("declare", "order"): ['""', '"FIFO"', '"filo"'],
    ("get", "max"): ["0", "1001"],
    ("jobs", "limit"): ["0", "1001"],
    ("jobs", "state"): ['""', '"Ready"', '"finished"'],
    ("jobs", "after"): ['""', '"nonsense"', '"\\u0000"'],
    ("queues", "limit"): ["0", "1001"],
    ("delete", "state"): ['""', '"reserved"', '"gone"'],
    ("delete", "limit"): ["0"],
    ("kick", "state"): ['""', '"ready"', '"reserved"', '"done"'],
    ("kick", "limit"): ["0"],
    ("backup", "folder"): ['""', '"relative"', '"/a\\u0000b"', '"/%s"' % ("x" * 4000)],
    ("auth", "token"): ['""', '"%s"' % ("x" * 256)],
    ("who", "limit"): ["0", "10001"],
    ("hello", "client"): ['"%s"' % ("x" * 256)],
    ("progress", "message"): ['"%s"' % ("x" * 1025), '"%s"' % ("\\u00e9" * 513)],
}

# Good params for each method; {q} is the test's queue. What is named here is what is taken away to find what is required.
GOOD = {
    "who": {},
    "auth": {"token": "taskq_0"},
    "put": {"queue": "{q}", "body": 1},
    "submit": {"queue": "{q}", "body": 1},
    "call": {"queue": "{q}", "body": 1},
    "result": {"id": 1},
    "cancel": {"id": 1},
    "get": {"queue": "{q}"},
    "ack": {"id": 1},
    "nack": {"id": 1},
    "release": {"id": 1},
    "bury": {"id": 1},
    "touch": {"id": 1},
    "progress": {"id": 1, "done": 1},
    "job": {"id": 1},
    "jobs": {"queue": "{q}"},
    "delete": {"queue": "{q}"},
    "kick": {"queue": "{q}"},
    "declare": {"queue": "{q}"},
    "queues": {},
    "stats": {},
    "history": {},
    "events": {},
    "pause": {"queue": "{q}"},
    "resume": {"queue": "{q}"},
    "join": {"queue": "{q}"},
    "shutdown": {"queue": "{q}"},
    "drop": {"queue": "{q}"},
    "hello": {},
    "ping": {},
    "pool": {},
    "backup": {"folder": "/"},
    "$/cancelRequest": {"id": 1},
}

# Params that exclude one another, and those that want another: (method, params, the name that may be blamed).
TOGETHER = [
    ("put", {"queue": "{q}", "body": 1, "delay": 1, "at": 1}, {"delay", "at"}),
    ("put", {"queue": "{q}", "body": 1, "key_for": 1}, {"key_for", "key"}),
    ("submit", {"queue": "{q}", "body": 1, "progress": True}, {"progress"}),
    ("progress", {"id": 1}, {"done", "message"}),
    ("progress", {"id": 1, "total": 1}, {"done", "message"}),
    ("get", {}, {"queue", "queues"}),
    ("get", {"queue": "{q}", "queues": ["{q}"]}, {"queue", "queues"}),
    ("get", {"queue": "{q}", "auto_ack": True, "detached": True}, {"auto_ack", "detached"}),
    ("ack", {}, {"id", "ids"}),
    ("ack", {"id": 1, "ids": [1]}, {"id", "ids"}),
    ("ack", {"ids": [1], "delivery": 1}, {"ids", "delivery"}),
    ("ack", {"ids": [1], "result": 1}, {"ids", "result"}),
    ("delete", {}, {"id", "queue"}),
    ("delete", {"id": 1, "queue": "{q}"}, {"id", "queue"}),
    ("delete", {"id": 1, "state": "dead"}, {"id", "state"}),
    ("delete", {"id": 1, "limit": 1}, {"id", "limit"}),
    ("kick", {}, {"id", "queue"}),
    ("kick", {"id": 1, "queue": "{q}"}, {"id", "queue"}),
    ("kick", {"id": 1, "state": "dead"}, {"id", "state"}),
    ("kick", {"id": 1, "limit": 1}, {"id", "limit"}),
    ("declare", {"queue": "{q}", "dead_letter": "{q}"}, {"dead_letter"}),
]


class Params(lib.ProtocolTest):
    def setUp(self):
        super().setUp()
        self.document = lib.Document.get()
        self.c = self.connect()

    def good(self, method):
        return json.loads(json.dumps(GOOD[method]).replace("{q}", self.queue))

    def refused(self, method, params, blamed):
        with self.subTest(method=method, params=lib.text(params)[:100]):
            error = self.c.error(method, **params)
            self.assertError(error, "invalid_params")
            self.assertIn(error.data.get("param"), blamed, error.message)

    def rows(self):
        for method in self.document.methods:
            rows = list(self.document.params[method])
            if method in ("submit", "call"):
                rows += [row for row in self.document.params["put"] if row[0] not in {own[0] for own in rows}]
            for name, kind, default, _ in rows:
                yield method, name, kind, default

    def untouched(self):
        self.assertError(self.c.error("stats", queue=self.queue), "not_found")

    def test_every_method_is_covered(self):
        self.assertEqual(set(GOOD), set(self.document.methods))
        for method, name, kind, _ in self.rows():
            self.assertIn(kind, BAD, "%s of %s" % (name, method))

    def test_required(self):
        for method, name, _, default in self.rows():
            if default == "–" and name in GOOD[method]:
                params = self.good(method)
                del params[name]
                alternatives = {row[0] for row in self.document.params[method] if row[2] == "–"}
                self.refused(method, params, alternatives if method in ("get", "ack", "delete", "kick") else {name})
        self.untouched()

    def test_unknown(self):
        for method in self.document.methods:
            for name in ("bogus", "Queue", "i", "", "idx", "queue ", "x" * 1000):
                self.refused(method, dict(self.good(method), **{name: 1}), {name if 0 < len(name) < 256 else None})
        self.untouched()

    def test_unknown_for_now(self):
        # What other methods take, or a later protocol may, is no less unknown here.
        for method, name in (("put", "keep_result"), ("put", "notify"), ("call", "notify"), ("get", "body"), ("ping", "queue"),
                             ("declare", "handler"), ("get", "ids"), ("stats", "id"), ("nack", "result"), ("ack", "error")):
            self.refused(method, dict(self.good(method), **{name: True}), {name})
        self.untouched()

    def test_doubled(self):
        for method in self.document.methods:
            params = self.good(method)
            for name, value in params.items():
                text = lib.text(params)[:-1] + ",%s:%s}" % (json.dumps(name), lib.text(value))
                escaped = lib.text(params)[:-1] + ',"\\u%04x%s":%s}' % (ord(name[0]), name[1:], lib.text(value))
                for twice in (text, escaped):
                    with self.subTest(method=method, params=twice):
                        self.c.send_line(lib.request_text(1, method, Raw(twice)))
                        with self.assertRaises(lib.RpcError) as caught:
                            self.c.answer(1)
                        self.assertError(caught.exception, "invalid_params", param=name)
        self.untouched()

    def test_wrong_types_and_ranges(self):
        for method, name, kind, _ in self.rows():
            params = self.good(method)
            if (name, method) == ("queues", "get"):
                del params["queue"]
            if (name, method) == ("ids", "ack"):
                del params["id"]
            if name == "id" and method in ("delete", "kick"):
                del params["queue"]
            if name == "key_for":
                params["key"] = "k"
            bad = BAD[kind] + [Raw(value) for value in BEYOND.get((method, name), ())]
            blamed = {name, "base", "cap", "jitter", "bas"} if kind == "object" else {name}
            for value in bad:
                self.refused(method, dict(params, **{name: value}), blamed)
        self.untouched()

    def test_what_does_not_go_together(self):
        for method, params, blamed in TOGETHER:
            self.refused(method, json.loads(json.dumps(params).replace("{q}", self.queue)), blamed)
        self.untouched()

    def test_params_that_are_no_object(self):
        for method in self.document.methods:
            with self.subTest(method=method):
                for params in ("[]", "[1]", '["%s",1]' % self.queue):
                    self.c.send_line(lib.request_text(1, method, Raw(params)))
                    with self.assertRaises(lib.RpcError) as caught:
                        self.c.answer(1)
                    self.assertError(caught.exception, "invalid_params")
        self.untouched()

    def test_params_may_be_left_out_where_none_is_required(self):
        for method in ("ping", "hello", "queues", "stats", "pool"):
            self.c.send_line(lib.request_text(1, method))
            self.c.answer(1)
        self.c.send_line(lib.request_text(2, "put"))
        with self.assertRaises(lib.RpcError) as caught:
            self.c.answer(2)
        self.assertError(caught.exception, "invalid_params")

    def test_values_at_the_edges_are_taken(self):
        for name, values in {
            "priority": ("1e308", "-1e308", "5e-324", "-0.0", "0", "9007199254740993", "1E2"),
            "delay": ("0", "0.0", "1e9", "1000000000", "0.0001", "1E-300"),
            "at": ("0", "1", "1.5", "1e10"),
            "lease": ("0.001", "1e9", "1000000000.0"),
            "max_attempts": ("1", "65535"),
            "expires": ("1e9", "100"),
            "key": ('"k"', '"%s"' % ("x" * 255)),
            "timeout": ("null", "0", "0.0", "1e9"),
        }.items():
            for value in values:
                with self.subTest(name=name, value=value):
                    job = self.c.call("put", queue=self.queue, body=1, **{name: Raw(value)})["id"]
                    self.c.call("delete", id=job)
        for name, values in {
            "maxsize": ("0", "9007199254740991"),
            "max_lost": ("1", "255"),
            "concurrency": ("0", "4294967295"),
            "keep_dead": ("0", "1e9"),
            "keep_result_bytes": ("0", "9007199254740991"),
            "dead_letter": ("null", '"other"'),
            "backoff": ("{}", '{"jitter":0}', '{"jitter":1,"base":0,"cap":1e9}'),
            "durable": ("true", "false"),
        }.items():
            for value in values:
                with self.subTest(name=name, value=value):
                    self.c.call("declare", queue=self.queue, **{name: Raw(value)})

    def test_priorities_are_printed_as_short_as_can_be(self):
        for sent, printed in (("1.50", "1.5"), ("1e0", "1"), ("0.1", "0.1"), ("0.30000000000000004", "0.30000000000000004"),
                              ("100", "100"), ("-2.0", "-2"), ("123456789.125", "123456789.125")):
            self.c.call("put", queue=self.queue, body=1, priority=Raw(sent))
            self.c.ask("get", {"queue": self.queue, "auto_ack": True})
            found = re.search(rb'"priority":([^,}]+)', self.c.line())
            self.assertEqual(found[1].decode(), printed)
        for sent in ("1e308", "5e-324", "-1.7976931348623157e308", "1e22"):
            self.c.call("put", queue=self.queue, body=1, priority=Raw(sent))
            self.assertEqual(self.get(self.c, auto_ack=True)["priority"], float(sent))


if __name__ == "__main__":
    lib.main()
