"""Batches: arrays of requests, as JSON-RPC 2.0 has them."""

import json

import lib

R = lib.request_text


class Batches(lib.ProtocolTest):
    def batch(self, connection, *elements):
        connection.send_line("[" + ",".join(elements) + "]")

    def test_empty(self):
        c = self.connect()
        for line in ("[]", "[ ]", " [\t] "):
            c.send_line(line)
            reply = c.reply()
            self.assertIsInstance(reply, dict)
            self.assertIsNone(reply["id"])
            self.assertEqual(reply["error"]["data"]["name"], "invalid_request")

    def test_one_element_is_still_an_array(self):
        c = self.connect()
        self.batch(c, R(1, "ping"))
        self.assertEqual(c.reply(), [{"jsonrpc": "2.0", "id": 1, "result": {}}])

    def test_only_notifications_have_no_reply(self):
        c = self.connect()
        self.batch(c, R(None, "put", {"queue": self.queue, "body": 1}), R(None, "ping"), R(None, "nothing"))
        c.expect_nothing()
        self.assertEqual(self.get(c, timeout=0)["body"], 1)

    def test_elements_that_are_no_requests(self):
        c = self.connect()
        self.batch(c, "1", '"a"', "null", "true", "{}", "[]", "[%s]" % R(9, "ping"))
        replies = c.reply()
        self.assertEqual(len(replies), 7)
        for reply in replies:
            self.assertIsNone(reply["id"])
            self.assertEqual(reply["error"]["data"]["name"], "invalid_request")
        c.expect_nothing()

    def test_mixed(self):
        c = self.connect()
        self.batch(c, R("a", "put", {"queue": self.queue, "body": 1}), R(None, "put", {"queue": self.queue, "body": 2}),
                   R("b", "put", {"queue": self.queue}), "7", R("c", "nothing"), R("d", "get", {"queue": self.queue, "max": 9}))
        replies = {reply["id"]: reply for reply in c.reply()}
        self.assertEqual(set(replies), {"a", "b", "c", "d", None})
        self.assertIn("id", replies["a"]["result"])
        self.assertEqual(replies["b"]["error"]["data"], {"name": "invalid_params", "param": "body"})
        self.assertEqual(replies["c"]["error"]["data"]["name"], "method_not_found")
        self.assertEqual(replies[None]["error"]["data"]["name"], "invalid_request")
        self.assertEqual([job["body"] for job in replies["d"]["result"]["jobs"]], [1, 2])

    def test_broken_json_in_a_batch_is_one_error_and_nothing_is_done(self):
        c = self.connect()
        c.send_line("[%s,%s" % (R(1, "put", {"queue": self.queue, "body": 1}), R(2, "ping")))
        reply = c.reply()
        self.assertIsInstance(reply, dict)
        self.assertEqual(reply["error"]["data"]["name"], "parse_error")
        c.send_line("[%s,{]" % R(1, "put", {"queue": self.queue, "body": 1}))
        self.assertEqual(c.reply()["error"]["data"]["name"], "parse_error")
        self.assertError(c.error("stats", queue=self.queue), "not_found")

    def test_replies_come_in_order_when_nothing_waits(self):
        c = self.connect()
        self.batch(c, *[R(id, "ping") for id in range(1, 501)])
        self.assertEqual([reply["id"] for reply in c.reply()], list(range(1, 501)))

    def test_ids_come_back_byte_for_byte(self):
        c = self.connect()
        ids = ["1.0", '"\\u0031"', "null", "12345678901234567890"]
        self.batch(c, *['{"jsonrpc":"2.0","id":%s,"method":"ping"}' % id for id in ids])
        self.assertEqual(c.line().decode(), "[" + ",".join('{"jsonrpc":"2.0","id":%s,"result":{}}' % id for id in ids) + "]")

    def test_the_reply_leaves_when_the_last_is_ready(self):
        a, b = self.connect(), self.connect()
        self.batch(a, R(1, "get", {"queue": self.queue}), R(2, "ping"))
        a.ask("ping", id=3)
        self.assertEqual(a.answer(3), {})
        self.put(b, "late")
        replies = {reply["id"]: reply["result"] for reply in a.reply()}
        self.assertEqual(replies[1]["body"], "late")
        self.assertEqual(replies[2], {})

    def test_a_waiting_element_does_not_hold_up_those_behind_it(self):
        c = self.connect()
        self.batch(c, R(1, "get", {"queue": self.queue}), R(2, "put", {"queue": self.queue, "body": "own"}))
        replies = {reply["id"]: reply["result"] for reply in c.reply()}
        self.assertEqual(replies[1]["body"], "own")
        self.assertEqual(replies[1]["id"], replies[2]["id"])

    def test_waiting_elements_that_are_notifications(self):
        a, b = self.connect(), self.connect()
        self.batch(a, R(None, "join", {"queue": self.queue}), R(1, "get", {"queue": self.queue}))
        a.expect_nothing()
        self.put(b, 1)
        self.assertEqual(a.reply()[0]["result"]["body"], 1)

    def test_cancelling_an_element(self):
        c = self.connect()
        self.batch(c, R("g", "get", {"queue": self.queue}), R("p", "ping"))
        c.expect_nothing()
        c.notify("$/cancelRequest", {"id": "g"})
        replies = {reply["id"]: reply for reply in c.reply()}
        self.assertEqual(replies["g"]["error"]["data"]["name"], "request_cancelled")
        self.assertEqual(replies["p"]["result"], {})

    def test_several_waits_in_one_batch(self):
        a, b = self.connect(), self.connect()
        self.batch(a, *[R(id, "get", {"queue": "%s-%d" % (self.queue, id)}) for id in range(1, 6)])
        a.expect_nothing()
        for id in (3, 1, 5, 2, 4):
            b.call("put", queue="%s-%d" % (self.queue, id), body=id)
        self.assertEqual({reply["id"]: reply["result"]["body"] for reply in a.reply()}, {id: id for id in range(1, 6)})

    def test_two_batches_wait_at_once(self):
        a, b = self.connect(), self.connect()
        for name in "xy":
            self.batch(a, R(name, "get", {"queue": self.queue + name}), R(name + name, "ping"))
        a.expect_nothing()
        for name in "yx":
            b.call("put", queue=self.queue + name, body=name)
            self.assertEqual({reply["id"] for reply in a.reply()}, {name, name + name})

    def test_the_most_elements_and_one_more(self):
        c = self.connect()
        limit = c.call("hello")["limits"]["batch"]
        self.batch(c, *['{"jsonrpc":"2.0","id":1,"method":"ping"}'] * limit)
        self.assertEqual(len(c.reply()), limit)
        self.batch(c, *[R(None, "put", {"queue": "q", "body": 1})] * (limit + 1))
        reply = c.reply()
        self.assertIsInstance(reply, dict)
        self.assertIsNone(reply["id"])
        self.assertEqual(reply["error"]["data"]["name"], "too_large")
        self.assertError(c.error("stats", queue="q"), "not_found")

    def test_nobody_reads_the_reply(self):
        a, b = self.connect(), self.connect()
        self.batch(a, R(1, "get", {"queue": self.queue}), R(2, "ping"))
        a.expect_nothing()
        a.reset()
        job = self.put(b, "safe")
        self.assertEqual(self.get(b)["id"], job)

    def test_a_batch_is_one_line(self):
        c = self.connect()
        self.batch(c, R(1, "ping"), R(2, "ping"))
        c.ask("ping", id=3)
        self.assertEqual(len(json.loads(c.line())), 2)
        self.assertEqual(c.answer(3), {})


if __name__ == "__main__":
    lib.main()
