"""Lines: where they end, what is not JSON, how they may be cut up, and what is not our protocol at all."""

import lib

PING = '{"jsonrpc":"2.0","id":%s,"method":"ping"}'

BROKEN = [
    b"{", b"}", b"[", b"]", b"{]", b"[}", b"[1,", b"[1,]", b"[,1]", b"[1 2]", b"{,}", b'{"a"}', b'{"a":}', b'{"a":1,}',
    b'{"a" 1}', b"{a:1}", b"{'a':1}", b'{"a":1}}', b'{"a":1} x', b"{}{}", b"[][]", b"{1:2}",
    b"tru", b"True", b"nul", b"NaN", b"Infinity", b"-Infinity", b"undefined", b"[nan]",
    b"[01]", b"[-]", b"[+1]", b"[1.]", b"[.5]", b"[1e]", b"[1e+]", b"[0x10]", b"[--1]", b"[1.e2]", b"[-01]",
    b'["a', b'["\\x"]', b'["\\u12"]', b'["\\u123g"]', b'["\\"]', b'["a\tb"]', b'["a\x01b"]', b'["a\rb"]', b"['a']",
    b"/* no */ {}", b"// no", b"[1] // no", b"\x0b{}", b"\x0c[]", b"\xc2\xa0{}", b"\xef\xbb\xbf{}",
    # NUL, and what is not UTF-8: lone continuation, overlong, surrogate, beyond U+10FFFF, cut short, never legal.
    b"\x00", b'["a\x00b"]', b"{}\x00", b'{"a":1\x00}',
    b'["\x80"]', b'["\xc0\xaf"]', b'["\xc1\x81"]', b'["\xe0\x80\xaf"]', b'["\xf0\x80\x80\xaf"]', b'["\xed\xa0\x80"]',
    b'["\xed\xbf\xbf"]', b'["\xf4\x90\x80\x80"]', b'["\xf8\x88\x80\x80\x80"]', b'["\xc3"]', b'["\xe2\x82"]',
    b'["\xf0\x9f\x98"]', b'["\xff"]', b'["\xfe"]', b'{"\xc3":1}', b"\x80",
]

NO_REQUESTS = [b"1", b"0", b"-1.5e3", b'"ping"', b"true", b"false", b"null", b"{}", b'{"a":1}', b"[]"]


class Framing(lib.ProtocolTest):
    def ping(self, connection, id="1"):
        connection.send_line(PING % id)
        self.assertEqual(connection.line(), ('{"jsonrpc":"2.0","id":%s,"result":{}}' % id).encode())

    def assertBroken(self, reply):
        self.assertIsNone(reply["id"])
        self.assertEqual(reply["error"]["code"], -32700)
        self.assertEqual(reply["error"]["data"]["name"], "parse_error")

    def test_line_ends(self):
        c = self.connect()
        for end in (b"\n", b"\r\n", b" \n", b"\t\r\n", b"\r\r\n"):
            c.send(PING.encode() % b"1" + end)
            self.assertEqual(c.reply()["result"], {})
        c.expect_nothing()

    def test_blank_lines_are_skipped(self):
        c = self.connect()
        c.send(b"\n\r\n \n\t\t\n \r \n")
        self.ping(c)
        c.send(b"\n" * 5000)
        self.ping(c)
        c.expect_nothing()

    def test_white_space_around_and_between(self):
        c = self.connect()
        c.send(b' \t\r { \t"jsonrpc" : "2.0" , "id" : 7 ,\t"method" :\r"ping" , "params" : { } } \t\n')
        self.assertEqual(c.reply(), {"jsonrpc": "2.0", "id": 7, "result": {}})

    def test_broken_lines_are_answered_and_the_next_one_is_heard(self):
        c = self.connect()
        self.ping(c)
        for line in BROKEN:
            with self.subTest(line=line):
                c.send_line(line)
                reply = c.reply()
                self.assertBroken(reply)
                at = reply["error"]["data"]["at"]
                self.assertTrue(0 <= at <= len(line), at)
                self.ping(c)

    def test_at_is_where_the_error_is(self):
        c = self.connect()
        self.ping(c)
        for line, at in ((b'{"a":1,}', 7), (b"[1 2]", 3), (b"[tru]", 1), (b'["\x01"]', 2), (b'["\xff"]', 2)):
            c.send_line(line)
            got = c.reply()["error"]["data"]["at"]
            # Inside of a word or a number the exact byte is the reader's choice; it is never far.
            self.assertTrue(at <= got <= at + 3, (line, got))

    def test_json_that_is_no_request(self):
        c = self.connect()
        self.ping(c)
        for line in NO_REQUESTS:
            with self.subTest(line=line):
                c.send_line(line)
                reply = c.reply()
                self.assertIsNone(reply["id"])
                self.assertEqual(reply["error"]["data"]["name"], "invalid_request")
        self.ping(c)

    def test_a_message_over_two_lines_is_two_broken_ones(self):
        c = self.connect()
        c.send(b'{"jsonrpc":"2.0","id":1,\n"method":"ping"}\n')
        self.assertBroken(c.reply())
        self.assertBroken(c.reply())
        self.ping(c)

    def test_depth(self):
        c = self.connect()
        # The request is 1 deep and its params 2, so the body may be 126 deep.
        body = "[" * 126 + "]" * 126
        job = self.put(c, lib.Raw(body))
        c.ask("get", {"queue": self.queue, "max": 1})
        self.assertIn(b'"body":' + body.encode(), c.line())
        for deeper in (body.replace("[]", "[[]]"), "[" * 1000 + "]" * 1000, '{"a":' * 127 + "1" + "}" * 127):
            c.send_line(lib.request_text(1, "put", {"queue": self.queue, "body": lib.Raw(deeper)}))
            self.assertBroken(c.reply())
        self.assertEqual(c.call("ack", id=job), {})

    def test_depth_without_an_end(self):
        c = self.connect()
        self.ping(c)
        for opening in (b"[", b'{"a":'):
            c.send_line(opening * 100_000)
            self.assertBroken(c.reply())
        self.ping(c)

    def test_depth_of_a_batch_counts_its_array(self):
        c = self.connect()
        for depth, name in ((125, None), (126, "parse_error")):
            body = lib.Raw("[" * depth + "]" * depth)
            c.send_line("[" + lib.request_text(1, "put", {"queue": self.queue, "body": body}) + "]")
            reply = c.reply()
            if name:
                self.assertBroken(reply)
            else:
                self.assertIn("result", reply[0])

    def test_a_line_at_the_limit_and_one_over_it(self):
        c = self.connect()
        limit = c.call("hello")["limits"]["request"]
        line = PING % 1
        c.send_line(line + " " * (limit - len(line)))
        self.assertEqual(c.reply()["result"], {})
        c.send_line(line + " " * (limit + 1 - len(line)))
        reply = c.reply()
        self.assertIsNone(reply["id"])
        self.assertEqual(reply["error"]["data"]["name"], "too_large")
        self.ping(c)

    def test_an_endless_line_is_refused_before_it_ends_and_skipped(self):
        c = self.connect()
        self.ping(c)
        limit = c.call("hello")["limits"]["request"]
        before = self.daemon.resident()
        c.send(b"[" + b"1," * (limit // 2 + 1))
        self.assertEqual(c.reply()["error"]["data"]["name"], "too_large")
        for _ in range(64):
            c.send(b"1," * (1 << 19))
        c.send(PING.encode() % b"1")  # still the same line
        c.send(b"\n")
        self.ping(c, "2")
        self.assertLess(self.daemon.resident() - before, 32 << 20)

    def test_a_request_split_at_every_byte(self):
        c = self.connect()
        data = (lib.request_text(1, "put", {"queue": self.queue, "body": {"a": ["\u00e9", 1]}}) + "\r\n" +
                lib.request_text(2, "get", {"queue": self.queue, "auto_ack": True}) + "\n").encode()
        for cut in range(1, len(data)):
            c.send(data[:cut])
            c.send(data[cut:])
            self.assertIn("id", c.answer(1))
            self.assertEqual(c.answer(2)["body"], {"a": ["\u00e9", 1]})

    def test_requests_one_byte_at_a_time(self):
        c = self.connect()
        for id in (1, 2, 3):
            for byte in lib.request_text(id, "put", {"queue": self.queue, "body": "\u20ac"}).encode("utf-8") + b"\n":
                c.send(bytes([byte]))
        for id in (1, 2, 3):
            self.assertIn("id", c.answer(id))

    def test_many_requests_in_one_write(self):
        c = self.connect()
        count = 5000
        c.send("".join((PING % id) + "\n" for id in range(1, count + 1)))
        for id in range(1, count + 1):
            self.assertEqual(c.answer(id), {})

    def test_a_line_without_its_end_is_never_carried_out(self):
        line = lib.request_text(1, "put", {"queue": self.queue, "body": 1}).encode()
        for cut in range(len(line) + 1):
            c = self.connect()
            c.send(line[:cut])
            c.half_close()
            c.expect_end()
            c.close()
        watcher = self.connect()
        self.assertError(watcher.error("stats", queue=self.queue), "not_found")

    def test_what_is_not_json_at_the_start_is_told_off_once(self):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /rpc HTTP/1.1\r\n\r\n{}\r\n", b"PUT ", b"h", b"1",
                     b'"', b"\x00", b"\x16\x03\x01\x02\x00\x01", b"\xef\xbb\xbf{}", b"SSH-2.0-x\r\n", b"-", b"t", b"]", b"}",
                     b" \r\n\t G", b"\n\n\nGET / HTTP/1.0\r\n"):
            with self.subTest(data=data):
                c = self.connect()
                c.send(data)
                reply = c.reply()
                self.assertIsNone(reply["id"])
                self.assertEqual(reply["error"]["code"], -32015)
                self.assertEqual(reply["error"]["data"]["name"], "http")
                c.expect_end()

    def test_nothing_that_follows_http_is_carried_out(self):
        c = self.connect()
        c.send("POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n" +
               lib.request_text(1, "put", {"queue": self.queue, "body": 1}) + "\n")
        self.assertEqual(c.reply()["error"]["data"]["name"], "http")
        c.expect_end()
        self.assertError(self.connect().error("stats", queue=self.queue), "not_found")

    def test_http_later_on_is_only_a_broken_line(self):
        c = self.connect()
        self.ping(c)
        c.send_line("GET / HTTP/1.1")
        self.assertBroken(c.reply())
        self.ping(c)


if __name__ == "__main__":
    lib.main()
