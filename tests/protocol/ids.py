"""Request ids of every legal kind come back byte for byte; others are refused."""

import lib

LEGAL = [
    "0", "1", "-1", "-0", "1.0", "1.50", "0.1", "1e400", "1E+2", "-1.5e-300", "12345678901234567890",
    "123456789012345678901234567890.000", "9007199254740993", '""', '"a"', '"\\u0031"', '"1"', '"\\u00e9"', '"\u00e9"',
    '"\\/"', '"/"', '"\\ud83d\\ude00"', '"\U0001f600"', '"\\n\\t\\"\\\\"', '"null"', "null", '"%s"' % ("x" * 1022),
    "1" * 1024, '"\\u0000"', '"\\ud800"',
]
ILLEGAL = ["true", "false", "{}", "[]", '{"a":1}', "[1]", '"%s"' % ("x" * 1023), "1" * 1025, '"%s"' % ("x" * 100_000)]


class Ids(lib.ProtocolTest):
    def test_ids_come_back_byte_for_byte(self):
        c = self.connect()
        for id in LEGAL:
            with self.subTest(id=id[:40]):
                c.send_line('{"jsonrpc":"2.0","id":%s,"method":"ping"}' % id)
                line = c.line()
                self.assertEqual(line, ('{"jsonrpc":"2.0","id":%s,"result":{}}' % id).encode())

    def test_ids_come_back_with_errors(self):
        c = self.connect()
        for id in LEGAL:
            with self.subTest(id=id[:40]):
                c.send_line('{"jsonrpc":"2.0","id":%s,"method":"get","params":{"queue":"none","timeout":0}}' % id)
                self.assertTrue(c.line().startswith(('{"jsonrpc":"2.0","id":%s,"error":{' % id).encode()))

    def test_ids_come_back_from_waits(self):
        a, b = self.connect(), self.connect()
        for id in LEGAL:
            with self.subTest(id=id[:40]):
                a.send_line('{"jsonrpc":"2.0","id":%s,"method":"get","params":{"queue":"w","auto_ack":true}}' % id)
                b.call("put", queue="w", body=1)
                self.assertTrue(a.line().startswith(('{"jsonrpc":"2.0","id":%s,"result":{' % id).encode()))

    def test_ids_come_back_wherever_the_id_stands(self):
        c = self.connect()
        for line in ('{"id":1.0,"jsonrpc":"2.0","method":"ping"}', '{"method":"ping","id": 1.0 ,"jsonrpc":"2.0"}',
                     '{"method":"ping","jsonrpc":"2.0","params":{},"id":1.0}', '{"\\u0069d":1.0,"jsonrpc":"2.0","method":"ping"}'):
            c.send_line(line)
            self.assertEqual(c.line(), b'{"jsonrpc":"2.0","id":1.0,"result":{}}')

    def test_ids_of_other_types(self):
        c = self.connect()
        for id in ILLEGAL:
            with self.subTest(id=id[:40]):
                c.send_line('{"jsonrpc":"2.0","id":%s,"method":"put","params":{"queue":"%s","body":1}}' % (id, self.queue))
                reply = c.reply()
                self.assertIsNone(reply["id"])
                self.assertEqual(reply["error"]["data"], {"name": "invalid_request", "param": "id"})
        self.assertError(c.error("stats", queue=self.queue), "not_found")

    def test_a_doubled_id(self):
        c = self.connect()
        c.send_line('{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}')
        reply = c.reply()
        self.assertEqual(reply["error"]["data"], {"name": "invalid_request", "param": "id"})

    def test_the_envelope(self):
        c = self.connect()
        table = [
            ('{"id":5,"method":"ping"}', 5, "jsonrpc"),
            ('{"jsonrpc":"1.0","id":5,"method":"ping"}', 5, "jsonrpc"),
            ('{"jsonrpc":2.0,"id":5,"method":"ping"}', 5, "jsonrpc"),
            ('{"jsonrpc":null,"id":5,"method":"ping"}', 5, "jsonrpc"),
            ('{"jsonrpc":"2.0","id":5}', 5, "method"),
            ('{"jsonrpc":"2.0","id":5,"method":1}', 5, "method"),
            ('{"jsonrpc":"2.0","id":5,"method":null}', 5, "method"),
            ('{"jsonrpc":"2.0","id":5,"method":["ping"]}', 5, "method"),
            ('{"jsonrpc":"2.0","id":5,"method":"ping","method":"ping"}', 5, "method"),
            ('{"jsonrpc":"2.0","jsonrpc":"2.0","id":5,"method":"ping"}', 5, "jsonrpc"),
            ('{"jsonrpc":"2.0","id":5,"method":"ping","params":{},"params":{}}', 5, "params"),
            ('{"jsonrpc":"2.0","id":5,"method":"ping","params":1}', 5, "params"),
            ('{"jsonrpc":"2.0","id":5,"method":"ping","params":"x"}', 5, "params"),
            ('{"jsonrpc":"2.0","id":5,"method":"ping","params":null}', 5, "params"),
            ('{"jsonrpc":"2.0","id":5,"method":"ping","params":true}', 5, "params"),
            ('{"jsonrpc":"2.0","id":5,"method":"ping","extra":1}', 5, "extra"),
            ('{"jsonrpc":"2.0","id":5,"method":"ping","":1}', 5, None),
            ('{"jsonrpc":"2.0","id":5,"result":{}}', 5, None),
            ('{"jsonrpc":"2.0","method":1,"params":"bar"}', None, None),
            ('{"jsonrpc":"2.0","method":1}', None, "method"),
            ('{"method":"ping"}', None, "jsonrpc"),
            ('{"jsonrpc":"2.0","method":"ping","extra":1}', None, "extra"),
        ]
        for line, id, param in table:
            with self.subTest(line=line):
                c.send_line(line)
                reply = c.reply()
                self.assertEqual(reply["id"], id)
                self.assertEqual(reply["error"]["code"], -32600)
                if param is not None:
                    self.assertEqual(reply["error"]["data"], {"name": "invalid_request", "param": param})
                c.expect_nothing()

    def test_names_may_be_escaped(self):
        c = self.connect()
        c.send_line('{"\\u006asonrpc":"\\u0032.0","id":1,"m\\u0065thod":"p\\u0069ng","par\\u0061ms":{}}')
        self.assertEqual(c.answer(1), {})

    def test_unknown_methods(self):
        c = self.connect()
        for method in ("", "PUT", "put ", "Ping", "rpc.discover", "$/other", "x" * 100_000, "p\u00efng", "put\x00"):
            with self.subTest(method=method[:20]):
                self.assertError(c.error(method), "method_not_found")

    def test_notifications_are_silent(self):
        c = self.connect()
        c.notify("ping")
        c.notify("no such method")
        c.notify("put", {"queue": self.queue})
        c.notify("put", {"queue": self.queue, "body": "here"})
        c.notify("put", [1, 2])
        c.notify("get", {"queue": self.queue})
        c.notify("result", {"id": 1})
        c.expect_nothing()
        self.assertEqual(self.get(c, timeout=0)["body"], "here")


if __name__ == "__main__":
    lib.main()
