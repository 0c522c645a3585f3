"""Where the daemon wants to know who one is: the page asks for a token, keeps it for the tab, and offers what that token may do."""

import os
import signal

from support import WebTest, grant, lib, main, token_section

OPS, MAIL, READER = ("taskq_" + word * 16 for word in ("0b5e", "3a11", "4ead"))
ROLES = ("put", "take", "read", "admin")
SECTIONS = (token_section("ops", OPS, grant("*", ROLES)) + token_section("mail", MAIL, grant("mail.*", ("read", "admin")), grant("sms", ("read",)))
            + token_section("reader", READER, grant("*", ("read",))))


class Tokens(WebTest):
    def setUp(self):
        super().setUp()
        self.expected = ("401",)  # how the daemon asks for a token
        self.start(SECTIONS)
        self.ops = self.client(OPS)
        for queue in ("mail.in", "sms", "secret"):
            self.ops.call("put", queue=queue, body=queue)

    def sign_in(self, token):
        self.browser.find("input[type=password]").type(token + "\ue007")

    def names(self):
        return [link.text for link in self.browser.all("tbody th a")]

    def test_a_token_is_asked_for_and_kept_for_the_tab(self):
        self.go("queues")
        self.browser.shows("Sign in", "h1")
        for wrong in ("taskq_nonsense", "taskq_\u00fc\u4e2d"):
            self.sign_in(wrong)
            self.browser.shows("does not know this token")
            self.browser.find("input[type=password]").type("\ue009a\ue000")
        self.sign_in(OPS)
        self.browser.until("what the address says is shown", lambda: self.names() == ["mail.in", "secret", "sms"])
        self.browser.shows("ops", ".identity")
        self.assertEqual(self.browser.script("return [localStorage.length, document.cookie, Object.values(sessionStorage)]"), [0, "", [OPS]])
        self.assertNotIn(OPS, self.browser.script("return document.documentElement.outerHTML"))
        self.go("queue", "sms")
        self.browser.shows("sms", "h1")
        self.browser.press(".identity summary")
        self.browser.shows("put, take, read, admin on all queues", ".identity")
        self.browser.press("button", "Sign out")
        self.browser.shows("Sign in", "h1")
        self.assertEqual(self.browser.script("return sessionStorage.length"), 0)
        self.assertNotIn("sms", self.browser.text("main"))

    def test_what_may_be_done_is_offered_and_nothing_else(self):
        self.go("queues")
        self.sign_in(MAIL)
        self.browser.until("what it may see", lambda: self.names() == ["mail.in", "sms"])
        self.assertEqual(len(self.browser.by_text("button", "Pause mail.in")), 1)
        self.assertEqual(self.browser.by_text("button", "Pause sms"), [])
        self.browser.press(".identity summary")
        self.browser.shows("read, admin on mail.*\nread on sms", ".identity")
        self.browser.press(".identity summary")
        self.browser.press("button", "Pause mail.in")
        self.browser.find("button", "Resume mail.in")
        self.assertTrue(self.ops.call("stats", queue="mail.in")["paused"])
        self.go()
        self.browser.shows("may not look at the daemon as a whole", "main")
        self.browser.shows("is paused, and 1 job waits in it", ".health")
        self.go("pool")
        self.browser.shows("cannot be shown", "main")
        self.go("connections")
        self.browser.shows("cannot be shown", "main")
        self.go("queue", "secret")
        self.browser.until("no more is told than of one that is not there", lambda: "secret" in self.browser.text("h1"))
        self.assertEqual(self.browser.all("main button"), [])

    def test_a_reader_is_offered_nothing_that_changes(self):
        dead = self.ops.call("get", queue="mail.in")["id"]
        self.ops.call("bury", id=dead)
        self.go("queue", "mail.in", "dead")
        self.sign_in(READER)
        self.browser.find("table.jobs tbody")
        for word in ("Pause", "Purge…", "Remove queue…", "Retry all dead…", "Delete job %d" % dead, "Make job %d ready" % dead):
            self.assertEqual(self.browser.by_text("button", word), [], word)
        self.go("job", dead)
        self.browser.shows("dead", "h1")
        self.assertEqual(self.browser.by_text("button", "Retry") + self.browser.by_text("button", "Delete…"), [])

    def test_a_token_that_is_taken_away(self):
        self.go("queues")
        self.sign_in(READER)
        self.browser.until("it is let in", lambda: len(self.names()) == 3)
        with open(self.settings, "w", encoding="utf-8") as file:
            file.write(token_section("ops", OPS, grant("*", ROLES)))
        os.kill(self.daemon.pid, signal.SIGHUP)
        self.browser.shows("does not know this token any more")
        self.assertEqual(self.browser.script("return sessionStorage.length"), 0)


if __name__ == "__main__":
    main()
