"""Ten thousand queues and a queue of a million jobs: the page stays usable, and costs the daemon less than 2 % of a core."""

import glob
import time

from support import WebTest, main

QUEUES = 10000
JOBS = 1000000
BATCH = 5000
WATCHED_S = 4
SHARE = 0.02


def put(queue, body):
    return b'{"jsonrpc":"2.0","id":1,"method":"put","params":{"queue":"%s","body":%s}}' % (queue, body)


class Crowd(WebTest):
    def setUp(self):
        super().setUp()
        self.start()
        self.taskq = self.client()
        self.flood([put(b"queue.%05d" % n, b"%d" % n) for n in range(QUEUES - 1)])
        for _ in range(JOBS // BATCH):
            self.flood([put(b"long", b'{"to":"ada@example.org"}')] * BATCH)
        self.assertEqual(self.taskq.call("stats")["gauges"]["ready"], QUEUES - 1 + JOBS)

    def flood(self, requests):
        for at in range(0, len(requests), BATCH):
            self.taskq.send(b"[" + b",".join(requests[at:at + BATCH]) + b"]\n")
            self.taskq.line()

    def used(self):
        """Seconds of processor time that the daemon has had."""
        used = 0
        for path in glob.glob("/proc/%d/task/*/schedstat" % self.daemon.pid):
            with open(path) as stat:
                used += int(stat.read().split()[0])  # ns
        return used / 1e9

    def watch(self, what):
        """With the view open for a while: what it costs. Opening it is not counted: it happens once."""
        before, began = self.used(), time.monotonic()
        self.browser.module_script("await new Promise((done) => setTimeout(done, %d));" % (WATCHED_S * 1000))
        share = (self.used() - before) / (time.monotonic() - began)
        print("%s: %.2f %% of a core" % (what, share * 100))
        self.assertLess(share, SHARE, what)

    def names(self):
        return self.browser.script("return Array.from(document.querySelectorAll('tbody th a'), (a) => a.textContent)")

    def test_a_crowd(self):
        self.go("queues")
        self.browser.shows("10,000 queues", ".bar")
        self.browser.press("th button", "Ready")
        self.browser.until("the longest comes first", lambda: self.names()[:1] == ["long"])
        self.assertEqual(len(self.names()), 50)
        self.browser.press("button", "Next ›")
        self.browser.shows("51 to 100 of 10,000", ".pager")
        self.browser.find("#filter").type("e.0777")
        self.browser.until("found by a part of the name", lambda: sorted(self.names()) == ["queue.%05d" % n for n in range(7770, 7780)])
        self.browser.script("document.querySelector('#filter').value = ''; document.querySelector('#filter').dispatchEvent(new Event('input'));")
        self.browser.shows("1 to 50 of 10,000", ".pager")
        self.watch("queues")

        self.browser.press("tbody th a", "long")
        self.browser.shows("1,000,000\nReady", ".tabs")
        self.browser.until("the first jobs are listed", lambda: len(self.names()) == 50)
        first = self.names()
        for page in (2, 3):
            self.browser.press("button", "Next ›")
            self.browser.shows("Page %d" % page, ".pager")
            self.browser.until("others are listed", lambda: len(self.names()) == 50 and not set(self.names()) & set(first))
        self.watch("a queue of a million jobs")

        self.go()
        self.browser.shows("1,009,999", ".tiles")
        self.browser.until("the fullest queue comes first", lambda: self.names()[:1] == ["long"])
        self.watch("overview")

        self.go("queue", "long")
        self.browser.press("button", "Purge…")
        self.browser.press("dialog button", "Delete 1,000,000 jobs")
        self.browser.shows("1,000,000 jobs of long deleted.", ".notices")
        self.assertEqual(self.taskq.call("stats")["gauges"]["ready"], QUEUES - 1)


if __name__ == "__main__":
    main()
