"""The page's modules that need no page: JSON as text, what is said of figures, who may do what, what is healthy."""

import json
import random

from support import WebTest, main

SPACES = ("", "", "", " ", "\n", "\t \r\n")
SCALARS = ("null", "true", "false", "0", "-1.50", "1e400", "12345678901234567890", '""', '"a\\"]}"', '"\\\\"', '"\\u00e9\\n"', '"{[,:"',
           '"\u202e\U0001f600"')


def text_of(random_, depth=0):
    """A JSON text with white space wherever it may stand."""
    def space():
        return random_.choice(SPACES)
    kind = random_.random()
    if depth > 4 or kind < 0.4:
        return random_.choice(SCALARS)
    inner = [text_of(random_, depth + 1) for _ in range(random_.randrange(4))]
    if kind < 0.7:
        return "[" + space() + ("%s,%s" % (space(), space())).join(inner) + space() + "]"
    return "{" + space() + ",".join('%s"%s%d"%s:%s%s%s' % (space(), random_.choice(("k", "\\u006b", '\\"')), n, space(), space(), one, space())
                                    for n, one in enumerate(inner)) + space() + "}"


class Modules(WebTest):
    def setUp(self):
        super().setUp()
        self.start()
        self.go("pool")

    def run_in(self, module, script, *arguments):
        """Runs the body of a function with the module's names in `m` and arguments in `a`."""
        outcome = self.browser.module_script("const m = await import(new URL(%s, location.origin)); const a = arguments_; %s"
                                             % (json.dumps(module), script), *arguments)
        self.assertNotIn("error", outcome, outcome)
        return outcome["value"]

    def test_json_is_cut_and_laid_out_without_changing_it(self):
        chance = random.Random(7)
        texts = [text_of(chance) for _ in range(300)]
        replies = ['{"jsonrpc":"2.0", "result" : {"a":%s,"body" :%s } ,"id":%d}' % (text_of(chance), text, n) for n, text in enumerate(texts)]
        cut = self.run_in("json.js", "return m.elements(a[0]).map((one) => m.member(m.member(one, 'result'), 'body'))", "[ " + " , ".join(replies) + "]")
        self.assertEqual(cut, texts)
        laid = self.run_in("json.js", "return a[0].map((text) => m.parts(text).map((part) => part[1]).join(''))", texts)

        def parsed(text):
            return json.loads(text, object_pairs_hook=lambda pairs: ["object", pairs], parse_int=str, parse_float=str)
        self.assertEqual([parsed(text) for text in laid], [parsed(text) for text in texts])
        self.assertIsNone(self.run_in("json.js", "return m.member('{\"a\":{\"body\":1}}', 'body') ?? null"))

    def test_figures_in_words(self):
        for call, words in {
            "count(1234567)": "1,234,567", "many(1, 'job')": "1 job", "many(0, 'job')": "0 jobs", "many(1, 'of them is', 'of them are')": "1 of them is", "short(999)": "999", "short(1234)": "1.2k",
            "short(35000000)": "35M", "rate(0)": "0/s", "rate(0.05)": "3/min", "rate(12.34)": "12/s", "bytes(1023)": "1023 B", "bytes(1536)": "1.5 KiB",
            "bytes(3 * 2 ** 30)": "3 GiB", "duration(0)": "0 s", "duration(0.25)": "250 ms", "duration(3.21)": "3.2 s", "duration(250)": "4 min 10 s",
            "duration(7200)": "2 h", "duration(90061)": "1 d 1 h", "duration(86405)": "1 d", "age(250)": "4 min", "age(59)": "59 s", "age(3700)": "1 h 1 min",
        }.items():
            self.assertEqual(self.run_in("format.js", "return m." + call), words, call)

    def test_patterns_of_grants(self):
        for pattern, queue, fits in (("a", "a", True), ("a", "b", False), ("*", "", True), ("mail.*", "mail.", True), ("mail.*", "mail", False),
                                     ("*.in", "mail.in", True), ("a*a", "a", False), ("ab*ba", "aba", False), ("a*b*c", "axxbyyc", True),
                                     ("a*b*c", "acb", False), ("a**b", "ab", True), ("a.c", "abc", False), ("*b*", "abc", True), ("*bb*b", "bb", False)):
            self.assertEqual(self.run_in("access.js", "return m.matches(a[0], a[1])", pattern, queue), fits, (pattern, queue))

    def findings(self, queues=(), lively=(), stats=None, before=None, handlers=()):
        plain = {"ready": 0, "delayed": 0, "reserved": 0, "dead": 0, "done": 0, "waiters": 0, "paused": False, "shut_down": False, "oldest": None, "idle": 1e9}
        found = self.run_in("health.js", "const found = m.findings({ ...a[0], lively: new Set(a[0].lively) }); return [m.verdict(found)[0], found]",
                            {"queues": [dict(plain, **queue) for queue in queues], "lively": list(lively), "stats": stats, "before": before,
                             "handlers": list(handlers)})
        return found[0], [(one["grade"], one.get("queue"), one["text"] + " " + one["todo"]) for one in found[1]]

    def test_what_is_healthy(self):
        self.assertEqual(self.findings(), ("good", []))
        alone = {"queue": "q", "ready": 3, "oldest": 90}
        self.assertEqual(self.findings([alone]), ("bad", [
            ("bad", "q", "has 3 jobs ready and no consumer. The oldest waits for 1 min. Start a consumer for it.")]))
        for changed in ({"oldest": 20}, {"waiters": 1}, {"reserved": 1}, {"idle": 10}):
            self.assertEqual(self.findings([dict(alone, **changed)]), ("good", []), changed)
        self.assertEqual(self.findings([alone], lively=["q"]), ("good", []))
        self.assertEqual(self.findings([dict(alone, paused=True)])[1][0][0], "warn")
        late = dict(alone, reserved=2, oldest=600)
        self.assertIn("Add consumers", self.findings([late])[1][0][2])
        handler = {"handler": "h", "queues": ["q"], "workers": 2, "running": 2, "state": "running"}
        self.assertIn("The handler h has 2 workers and none to spare", self.findings([late], handlers=[handler])[1][0][2])
        self.assertIn("The handler h has 1 worker and none", self.findings([late], handlers=[dict(handler, workers=1, running=1)])[1][0][2])
        self.assertEqual(self.findings([{"queue": "q", "dead": 2}])[0], "good")
        for one, two in (({"dead": 1}, "has 1 dead job: it failed"), ({"dead": 2}, "has 2 dead jobs: they failed")):
            self.assertIn(two, self.findings([dict(one, queue="q")])[1][0][2])
        self.assertIn("1 job waits in it.", self.findings([dict(alone, ready=1, paused=True)])[1][0][2])
        many = self.findings([dict(late, queue="q%d" % n) for n in range(6)])
        self.assertIn("1 more queue falls behind, with 3 ready jobs.", many[1][5][2])
        self.assertEqual(self.findings(handlers=[dict(handler, state="draining")])[1][0][0], "note")
        many = self.findings([dict(alone, queue="q%d" % n, ready=n + 1) for n in range(12)])
        self.assertEqual([row[1] for row in many[1]], ["q11", "q10", "q9", "q8", "q7", None])
        self.assertIn("7 more queues with 28 jobs", many[1][5][2])

    def test_what_the_daemon_says_of_itself(self):
        stats = {"bytes": 10, "max_bytes": 100, "gauges": {"waiting_puts": 0}, "counters": {"lease_expired": 5}, "auth_failures": 2,
                 "store": {"commits": 100, "sync_ns": 10 ** 9}}
        self.assertEqual(self.findings(stats=stats, before=stats), ("good", []))
        for changed, word in (({"bytes": 95}, "puts are refused"), ({"bytes": 99}, "puts are refused"), ({"gauges": {"waiting_puts": 2}}, "2 producers wait"),
                              ({"counters": {"lease_expired": 7}}, "2 leases ran out"), ({"auth_failures": 3}, "1 wrong token"),
                              ({"store": {"commits": 110, "sync_ns": 6 * 10 ** 9}}, "The disk takes 500 ms")):
            grade, found = self.findings(stats=dict(stats, **changed), before=stats)
            self.assertEqual(len(found), 1, changed)
            self.assertIn(word, found[0][2])
            self.assertEqual(grade, "bad" if changed.get("bytes") == 99 else "warn")

    def test_history_before_the_daemon_began_is_not_known(self):
        read = self.run_in("history.js", "return new m.History(25).read({ result: { step: 5, until: 1000, series: { put: [10, 20], ready: [3, 4] } } })")
        self.assertEqual(read, {"start": 980, "step": 5, "values": {"put": [None, None, None, 2, 4], "ready": [None, None, None, 3, 4]}})


if __name__ == "__main__":
    main()
