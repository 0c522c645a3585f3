"""What strangers put is shown and never carried out; who has no pointer, or no daemon for a while, gets on all the same."""

from support import WebTest, lib, main

SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(2)>"
ODD = "a\u202eb\u200b\u00e9\u4e2d\U0001f600"


class Strangers(WebTest):
    def setUp(self):
        super().setUp()
        self.start()
        self.taskq = self.client()

    def foreign(self):
        """Elements that no file of the page has made: scripts beyond its own, images beyond its sign, handlers in attributes."""
        return self.browser.script("""return Array.from(document.querySelectorAll("*")).filter((node) =>
            (node.tagName === "SCRIPT" && node.getAttribute("src") !== "app.js") || (node.tagName === "IMG" && node.getAttribute("src") !== "icon.svg")
            || ["IFRAME", "OBJECT", "EMBED", "B"].includes(node.tagName) || Array.from(node.attributes).some((a) => a.name.startsWith("on"))
            || /^\\s*javascript:/i.test(node.getAttribute("href") ?? "")).map((node) => node.outerHTML)""")

    def test_markup_is_text_everywhere(self):
        queues = [SCRIPT, IMAGE, "javascript:alert(3)", "#/pool", "../%2e%2e/?a=b&c", "__proto__", "\"'><b>"]
        for queue in queues:
            for _ in range(2):
                self.taskq.call("submit", queue=queue, body={SCRIPT: [IMAGE, SCRIPT]}, key=SCRIPT)
                job = self.taskq.call("get", queue=queue, timeout=0) if _ == 0 else None
                if job:
                    self.taskq.call("progress", id=job["id"], message=IMAGE)
                    self.taskq.call("bury", id=job["id"], error={"html": SCRIPT})
            self.taskq.call("put", queue=queue, body=IMAGE)
        self.taskq.call("hello", client=SCRIPT)
        for queue in queues:
            self.taskq.call("pause", queue=queue)
        self.go()
        for queue in queues[:3]:
            self.browser.shows(queue, "main")
        self.assertEqual(self.foreign(), [])
        self.go("connections")
        self.browser.shows(SCRIPT, "tbody")
        self.assertEqual(self.foreign(), [])
        self.go("queues")
        self.browser.until("all are listed", lambda: sorted(link.text for link in self.browser.all("tbody th a")) == sorted(queues))
        self.assertEqual(self.foreign(), [])
        for queue in queues:
            self.go("queues")
            self.browser.press("tbody th a", queue)
            self.browser.until("its name stands above", lambda: self.browser.text("h1").startswith(queue))
            self.browser.press("a", "1Dead")
            self.browser.press("button.opener")
            self.browser.shows('"html": "%s"' % SCRIPT, ".details pre")
            self.browser.press("table.jobs th a")
            self.browser.shows('"%s",' % IMAGE, "pre")
            self.assertEqual(self.foreign(), [])
        self.browser.press("button", "Delete…")
        self.browser.shows(queues[-1], "dialog")
        self.assertEqual(self.foreign(), [])
        self.browser.keys("Escape")

    def test_what_cannot_be_seen_is_named(self):
        id = self.taskq.call("put", queue=ODD, body=lib.Raw('{"a\u202eb":"\\ud800 \u200b\\n\u0085"}'))["id"]
        self.go("queues")
        self.browser.shows("aU+202EbU+200B\u00e9\u4e2d\U0001f600", "tbody")
        self.browser.press("tbody th a")
        self.browser.until("its name stands above", lambda: "U+202E" in self.browser.text("h1"))
        self.go("job", id)
        self.browser.shows('"aU+202Eb": "\\ud800 U+200B\\nU+0085"', "pre")

    def test_without_a_pointer(self):
        for queue in ("a", "b"):
            self.taskq.call("put", queue=queue, body=1)
        self.go("queues")
        self.browser.find("button", "Pause b")
        self.browser.keys("Tab")
        self.assertEqual(self.browser.focused().text, "Skip to the content")
        self.browser.keys("Enter")
        self.assertEqual(self.browser.script("return [document.activeElement.id, location.hash]"), ["main", "#/queues"])
        seen = []
        for _ in range(40):
            self.browser.keys("Tab")
            label = self.browser.focused().label
            outline = self.browser.script("return getComputedStyle(document.activeElement).outlineStyle")
            self.assertNotEqual(outline, "none", "the focus cannot be seen: %s" % label)
            seen.append(label)
            if label == "Pause b":
                break
        self.assertEqual(seen[:4], ["Filter", "Show", "Queue", "Ready"])
        self.assertEqual(seen[-3:], ["Delete all jobs of a", "b", "Pause b"])
        self.browser.keys("Enter")
        self.browser.find("button", "Resume b")
        self.assertTrue(self.taskq.call("stats", queue="b")["paused"])

    def test_a_plot_is_read_with_the_keyboard(self):
        self.go()
        self.browser.until("the plots are there", lambda: any(one.shown() for one in self.browser.all("[role=slider]")))
        plot = self.browser.all("[role=slider]")[0]
        self.assertEqual(plot.label, "Jobs per second")
        self.browser.script("arguments[0].focus()", {"element-6066-11e4-a52e-4f735466cecf": plot.id})
        last = int(plot.attribute("aria-valuenow"))
        self.browser.keys("Left", "Left")
        self.assertEqual(int(plot.attribute("aria-valuenow")), last - 2)
        self.assertRegex(plot.attribute("aria-valuetext"), r"^\d\d:\d\d:\d\d: put .+, done .+, failed .+$")
        self.browser.keys("Home")
        self.assertEqual(plot.attribute("aria-valuenow"), "0")
        self.assertRegex(self.browser.text("figcaption .unheard"), r"From \d\d:\d\d.* to .*Now put .*Highest")
        self.browser.press("figure summary")
        self.browser.until("a row a moment", lambda: len(self.browser.all("figure:first-child details tbody tr")) == last + 1)

    def test_the_daemon_goes_and_comes_back(self):
        self.taskq.call("put", queue="before", body=1)
        self.go("queues")
        self.browser.shows("before", "tbody")
        http = self.daemon.http[0]
        self.expected = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "ERR_SOCKET_NOT_CONNECTED")
        self.taskq.close()
        self.daemon.kill()
        self.browser.shows("cannot be reached", ".banner")
        self.browser.shows("No connection", "header")
        self.browser.shows("before", "tbody")  # what was known stays to be read
        self.start(http=http)
        self.taskq = self.client()
        self.taskq.call("put", queue="after", body=1)
        self.browser.shows("after", "tbody")
        self.browser.shows("Connected", "header")
        self.browser.until("the alarm is over", lambda: not self.browser.find(".banner").shown())

    def test_an_action_that_fails_says_so(self):
        id = self.taskq.call("put", queue="q", body=1, delay=100)["id"]
        self.go("job", id)
        self.browser.find("button", "Run now")
        self.taskq.call("delete", id=id)
        self.browser.press("button", "Run now")
        self.browser.shows("no such job", ".notices")

    def test_a_hidden_tab_asks_nothing(self):
        self.go("pool")
        self.browser.shows("runs no jobs itself")

        def asked():
            return sum("/rpc" in url for url in self.browser.requested())
        self.browser.until("it asks", asked)
        self.browser.script("Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' });"
                            "document.dispatchEvent(new Event('visibilitychange'));")
        self.browser.until("what was under way is answered", lambda: not asked())
        # As long as three rounds would take, by the page's own clock.
        self.browser.module_script("await new Promise((done) => setTimeout(done, 6500));")
        self.assertLessEqual(asked(), 1)
        self.browser.script("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'));")
        self.browser.until("it asks again", asked)

    def test_what_is_shown_can_be_held_still(self):
        self.taskq.call("put", queue="q", body=1)
        self.go("queue", "q")
        self.browser.shows("1", ".tabs")
        self.browser.press("button", "Hold what is shown still")
        self.browser.shows("Held", "header")
        self.taskq.call("put", queue="q", body=2)
        self.browser.module_script("await new Promise((done) => setTimeout(done, 4000));")
        self.browser.shows("1\nReady", ".tabs")
        self.browser.press("button", "Hold what is shown still")
        self.browser.shows("2\nReady", ".tabs")


if __name__ == "__main__":
    main()
