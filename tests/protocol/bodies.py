"""Bodies, results and errors are carried byte for byte."""

import lib

VALUES = [
    "0", "-0", "0.1", "0.10", "1e400", "-1E-400", "12345678901234567890", "1.000000000000000000000000001", "true", "false",
    "null", '""', '"\\u00e9"', '"\u00e9"', '"\\/"', '"/"', '"\\ud83d\\ude00"', '"\U0001f600"', '"\\ud800"', '"\\u0000"', '"\\u007f"',
    '"\x7f"', '"\u2028"', '"\\b\\f\\n\\r\\t\\"\\\\"', "[]", "{}", "[ ]", "{ }", "[1,2.50]", "[ 1 , 2 ]", '{"a":1,"a":2}', '{ "a" :\t1 }',
    '{"":{"":[]}}', '{"body":{"body":1},"queue":"x"}', '"}"', '"]}"', '"\\"}"', '{"\\u0061":1}', '"%s"' % ("x" * 100_000),
    "[%s1]" % ("0," * 50_000), '{"id":1}', '"id"',
]


class Bodies(lib.ProtocolTest):
    def member(self, line, name):
        """The text of the last member of a reply's result or data, as it stands in the line."""
        at = line.index(('"%s":' % name).encode()) + len(name) + 3
        return line[at:].decode()

    def test_bodies(self):
        c = self.connect()
        for body in VALUES:
            with self.subTest(body=body[:40]):
                self.put(c, lib.Raw(body))
                c.ask("get", {"queue": self.queue, "auto_ack": True})
                self.assertEqual(self.member(c.line(), "body"), body + "}}")

    def test_bodies_that_are_waited_for(self):
        a, b = self.connect(), self.connect()
        for body in VALUES:
            with self.subTest(body=body[:40]):
                a.ask("get", {"queue": self.queue, "auto_ack": True})
                a.expect_nothing()
                self.put(b, lib.Raw(body))
                self.assertEqual(self.member(a.line(), "body"), body + "}}")

    def test_bodies_of_many_at_once(self):
        c = self.connect()
        for body in VALUES:
            self.put(c, lib.Raw(body))
        c.ask("get", {"queue": self.queue, "max": 1000, "auto_ack": True})
        line = c.line().decode()
        for body in VALUES:
            at = line.index('"body":') + 7
            self.assertTrue(line[at:].startswith(body + "}"), body[:40])
            line = line[at + len(body):]

    def test_the_body_stands_anywhere_in_the_request(self):
        c = self.connect()
        for params in ('{"body": [1 ] ,"queue":"%s"}', '{"queue":"%s","body":[1 ]}', '{"b\\u006fdy":[1 ],"queue":"%s"}'):
            c.send_line('{"jsonrpc":"2.0","id":1,"method":"put","params":%s}' % (params % self.queue))
            c.answer(1)
            c.ask("get", {"queue": self.queue, "auto_ack": True})
            self.assertEqual(self.member(c.line(), "body"), "[1 ]}}")

    def test_results(self):
        c = self.connect()
        for value in VALUES:
            with self.subTest(value=value[:40]):
                job = c.call("submit", queue=self.queue, body=1)["id"]
                self.get(c)
                c.call("ack", id=job, result=lib.Raw(value))
                c.ask("result", {"id": job})
                line = c.line()
                inner = line[line.index(b'"result":') + 9:]
                self.assertIn(('"result":' + value).encode(), inner)

    def test_results_that_are_waited_for(self):
        a, b = self.connect(), self.connect()
        for value in VALUES:
            with self.subTest(value=value[:40]):
                job = b.call("submit", queue=self.queue, body=1)["id"]
                a.ask("result", {"id": job})
                a.expect_nothing()
                self.get(b)
                b.call("ack", id=job, result=lib.Raw(value))
                line = a.line()
                self.assertIn(('"result":' + value).encode(), line[line.index(b'"result":') + 9:])

    def test_errors(self):
        c = self.connect()
        for value in VALUES:
            with self.subTest(value=value[:40]):
                job = c.call("submit", queue=self.queue, body=1)["id"]
                self.get(c)
                c.call("bury", id=job, error=lib.Raw(value))
                c.ask("result", {"id": job})
                line = c.line()
                self.assertIn(('"error":' + value).encode(), line[line.index(b'"data":'):])
                c.ask("job", {"id": job})
                self.assertIn(('"error":' + value).encode(), c.line())

    def test_bodies_in_listings(self):
        c = self.connect()
        for body in VALUES[:20]:
            self.put(c, lib.Raw(body))
        c.ask("jobs", {"queue": self.queue, "bodies": True})
        line = c.line().decode()
        for body in VALUES[:20]:
            self.assertIn('"body":%s}' % body, line)

    def test_a_body_survives_its_retries(self):
        c = self.connect()
        body = '{"n": 1.0e0,"n":"\\u0041"}'
        job = self.put(c, lib.Raw(body))
        for method, params in (("release", {}), ("nack", {"delay": 0}), ("bury", {})):
            self.get(c)
            c.call(method, id=job, **params)
        c.call("kick", id=job)
        c.ask("get", {"queue": self.queue})
        self.assertEqual(self.member(c.line(), "body"), body + "}}")

    def test_queue_names_and_keys_of_any_script(self):
        c = self.connect()
        for name in ("q", " ", '"', "\\", "/", "\u00e9", "\U0001f600", "x" * 255, "\u00e9" * 127, "{}", "\u2028", "null"):
            with self.subTest(name=name[:20]):
                job = c.call("put", queue=name, body=1, key=name)
                self.assertTrue(c.call("put", queue=name, body=2, key=name)["existing"])
                self.assertEqual(c.call("job", **job)["key"], name)
                got = c.call("get", queue=name, auto_ack=True)
                self.assertEqual((got["queue"], got["body"]), (name, 1))

    def test_one_queue_under_two_spellings(self):
        c = self.connect()
        c.send_line('{"jsonrpc":"2.0","id":1,"method":"put","params":{"queue":"\\u0061\\u00e9\\/","body":1}}')
        c.answer(1)
        self.assertEqual(c.call("get", queue="a\u00e9/", timeout=0)["body"], 1)


if __name__ == "__main__":
    lib.main()
