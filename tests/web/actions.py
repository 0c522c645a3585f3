"""What people do on the page, clicked in a browser, and what the daemon says of it afterwards."""

import json

from support import WebTest, lib, main


class Queues(WebTest):
    def setUp(self):
        super().setUp()
        self.start()
        self.taskq = self.client()

    def gauges(self, queue):
        return self.taskq.call("stats", queue=queue)["gauges"]

    def test_pausing_and_resuming_a_queue(self):
        for queue in ("a", "b"):
            self.taskq.call("put", queue=queue, body=1)
        self.go("queues")
        self.browser.press("button", "Pause b")
        self.browser.find("button", "Resume b")
        self.assertTrue(self.taskq.call("stats", queue="b")["paused"])
        self.assertFalse(self.taskq.call("stats", queue="a")["paused"])
        self.browser.shows("b is paused", ".notices")
        self.browser.press("button", "Resume b")
        self.browser.find("button", "Pause b")
        self.assertFalse(self.taskq.call("stats", queue="b")["paused"])

    def test_purging_asks_and_names_the_count(self):
        for n in range(1234):
            self.taskq.ask("put", {"queue": "full", "body": n})
        for n in range(1234):
            self.taskq.reply()
        self.taskq.call("get", queue="full")
        self.taskq.call("put", queue="other", body=1)
        self.go("queues")
        self.browser.press("button", "Delete all jobs of full")
        asked = self.dialog().text
        self.assertIn("1,233 jobs of full", asked)
        self.assertIn("1 job that somebody is working on will stay", asked)
        self.assertEqual(self.browser.focused().text, "Cancel")
        self.browser.keys("Escape")
        self.browser.until("the question is gone", lambda: not self.browser.all("dialog"))
        self.assertEqual(self.gauges("full")["ready"], 1233)
        self.browser.press("button", "Delete all jobs of full")
        self.browser.press("dialog button", "Delete 1,233 jobs")
        self.browser.shows("1,233 jobs of full deleted.", ".notices")
        self.assertEqual({key: self.gauges("full")[key] for key in ("ready", "reserved")}, {"ready": 0, "reserved": 1})
        self.assertEqual(self.gauges("other")["ready"], 1)

    def test_removing_a_queue(self):
        self.taskq.call("put", queue="old", body=1)
        self.taskq.call("put", queue="kept", body=1)
        self.go("queue", "old")
        self.browser.press("button", "Remove queue…")
        self.browser.press("dialog button", "Cancel")
        self.assertEqual(self.gauges("old")["ready"], 1)
        self.browser.press("button", "Remove queue…")
        self.browser.press("dialog button", "Remove it and 1 job")
        self.browser.until("the list is shown", lambda: [link.text for link in self.browser.all("tbody th a")] == ["kept"])
        self.assertEqual(self.taskq.error("stats", queue="old").name, "not_found")

    def test_retrying_all_dead(self):
        ids = [self.taskq.call("put", queue="q", body=n)["id"] for n in range(3)]
        for id in ids[:2]:
            self.taskq.call("get", queue="q")
            self.taskq.call("bury", id=id, error="broken pipe")
        self.go("queue", "q", "dead")
        self.browser.until("both are listed", lambda: len(self.browser.all("table.jobs tbody")) == 2)
        self.browser.press("button", "Body of job %d" % ids[0])
        self.browser.shows('"broken pipe"', ".details pre")
        self.browser.press("button", "Retry all dead…")
        self.browser.press("dialog button", "Retry 2 jobs")
        self.browser.shows("2 jobs of q made ready.", ".notices")
        self.assertEqual({key: self.gauges("q")[key] for key in ("ready", "dead")}, {"ready": 3, "dead": 0})
        self.browser.shows("No job is dead.")

    def test_one_job_of_the_list(self):
        first = self.taskq.call("put", queue="q", body=1, delay=1000)["id"]
        second = self.taskq.call("put", queue="q", body=2, delay=2000)["id"]
        self.go("queue", "q")
        self.browser.shows("due in", "table.jobs")  # the first state that has jobs
        self.browser.press("button", "Make job %d ready" % first)
        self.browser.shows("Job %d is ready." % first, ".notices")
        self.assertEqual(self.taskq.call("job", id=first)["state"], "ready")
        self.browser.press("button", "Delete job %d" % second)
        self.browser.press("dialog button", "Delete 1 job")
        self.browser.shows("Job %d deleted." % second, ".notices")
        self.assertEqual(self.taskq.error("job", id=second).name, "not_found")

    def test_the_focus_goes_on_where_a_row_goes(self):
        ids = [self.taskq.call("put", queue="q", body=n, delay=1000)["id"] for n in range(3)]
        self.go("queue", "q")
        self.browser.find("button", "Make job %d ready" % ids[1])
        self.browser.script("document.querySelector('button[aria-label=\"Make job %d ready\"]').focus()" % ids[1])
        self.browser.keys("Enter")
        self.browser.until("it is gone from the list", lambda: len(self.browser.all("table.jobs tbody")) == 2)
        self.assertEqual(self.browser.focused().label, "Body of job %d" % ids[2])

    def test_pages_of_jobs(self):
        ids = [self.taskq.call("put", queue="q", body=n)["id"] for n in range(120)]
        self.go("queue", "q", "ready")

        def listed():
            return self.browser.script("return Array.from(document.querySelectorAll('table.jobs th a'), (a) => Number(a.textContent))")
        self.browser.until("the first page", lambda: listed() == ids[:50])
        self.browser.press("button", "Next ›")
        self.browser.until("the second page", lambda: listed() == ids[50:100])
        self.browser.press("button", "Next ›")
        self.browser.until("the last page", lambda: listed() == ids[100:])
        self.assertFalse(self.browser.script("return document.querySelectorAll('.pager button')[1].disabled === false"))
        self.browser.press("button", "‹ Back")
        self.browser.until("the second page again", lambda: listed() == ids[50:100])

    def test_sorting_and_filtering(self):
        for queue, jobs in (("alpha", 2), ("beta", 11), ("gamma", 1), ("alphabet", 3)):
            for n in range(jobs):
                self.taskq.call("put", queue=queue, body=n)
        self.taskq.call("pause", queue="gamma")
        self.go("queues")

        def names():
            return [link.text for link in self.browser.all("tbody th a")]
        self.browser.until("by name", lambda: names() == ["alpha", "alphabet", "beta", "gamma"])
        self.browser.press("th button", "Ready")
        self.browser.until("the fullest first", lambda: names() == ["beta", "alphabet", "alpha", "gamma"])
        self.assertEqual(self.browser.find("th[aria-sort]").attribute("aria-sort"), "descending")
        self.browser.press("th button", "Ready")
        self.browser.until("the emptiest first", lambda: names() == ["gamma", "alpha", "alphabet", "beta"])
        self.browser.find("#filter").type("PHA")
        self.browser.until("filtered", lambda: names() == ["alpha", "alphabet"])
        self.browser.shows("2 of 4 queues")
        self.browser.find("#filter").type("\ue003" * 3)
        self.browser.press("#only option[value=paused]")
        self.browser.until("paused ones", lambda: names() == ["gamma"])


class Jobs(WebTest):
    def setUp(self):
        super().setUp()
        self.start('handler "napper" {\n kind = sleep\n queues = {"naps"}\n workers = 2\n}\n')
        self.taskq = self.client()

    def job(self, body, **more):
        return self.taskq.call("put", queue="q", body=lib.Raw(body), **more)["id"]

    def shown(self, part):
        """The JSON that the page shows under a heading, without the white space between its parts."""
        return self.browser.script("""const section = Array.from(document.querySelectorAll("section.part")).find((node) =>
            node.checkVisibility() && node.querySelector("h2").textContent === arguments[0]);
            return section?.querySelector("code").textContent""", part)

    def test_opening_a_job(self):
        id = self.job('{"n":1}', key="order-17", priority=2.5, max_attempts=4)
        self.go()
        self.browser.find("header input").type("%d\ue007" % id)
        self.browser.shows("Job %d" % id, "h1")
        for text in ("order-17", "2.5", "0 of 4", "no consumer is waiting for it", "Handed out\n0 times"):
            self.browser.shows(text, "main")
        self.taskq.call("get", queue="q")
        self.taskq.call("progress", id=id, done=3, total=12, message="the third")
        self.browser.shows("3 of 12: the third", ".progress")
        self.taskq.call("nack", id=id, error={"why": "no route"}, delay=500)
        self.browser.shows("1 attempt failed.", ".life")
        self.browser.until("the error is shown", lambda: self.shown("Last error") == '{\n  "why": "no route"\n}')
        self.browser.press("button", "Run now")
        self.browser.shows("ready", "h1")
        self.assertEqual(self.taskq.call("job", id=id)["state"], "ready")

    def test_what_was_put_is_shown_as_it_was_put(self):
        text = '{"big":12345678901234567890, "f":1.0,"e":1e400,"twice":1,"twice":2,"s":"\\u0041\\n\\"\\\\","deep":[[],{},[{}]],"t":[true,false,null]}'
        id = self.job(text)
        self.go("job", id)
        self.browser.until("the body is shown", lambda: self.shown("Body"))
        laid = self.shown("Body")
        self.assertIn("\n", laid)
        self.assertEqual("".join(laid.split()), "".join(text.split()))
        self.browser.press("button", "As it came")
        self.assertEqual(self.shown("Body"), text)

    def test_a_huge_body_is_cut_until_asked_for(self):
        body = '["%s"]' % ("lorem ipsum " * 80000)
        id = self.job(body)
        self.go("job", id)
        self.browser.until("some of it is shown", lambda: self.shown("Body"))
        self.assertEqual(len(self.shown("Body")), 50000)
        self.browser.press("button", "Show all 938 KiB")
        self.browser.until("all of it is shown", lambda: self.shown("Body") == body)

    def test_a_result(self):
        id = self.taskq.call("submit", queue="q", body=1)["id"]
        self.taskq.call("get", queue="q")
        self.taskq.call("ack", id=id, result=lib.Raw('{"total":9007199254740993}'))
        self.go("job", id)
        self.browser.until("it is shown", lambda: self.shown("Result") == '{\n  "total": 9007199254740993\n}')
        self.browser.shows("done", "h1")

    def test_a_dead_job_is_retried_and_deleted(self):
        id = self.job("1")
        self.taskq.call("get", queue="q")
        self.taskq.call("bury", id=id)
        self.go("job", id)
        self.browser.shows("Dead: its consumer said that it cannot succeed.", ".life")
        self.browser.press("button", "Retry")
        self.browser.shows("ready", "h1")
        self.assertEqual(self.taskq.call("job", id=id)["state"], "ready")
        self.browser.press("button", "Delete…")
        self.browser.press("dialog button", "Delete 1 job")
        self.browser.shows("Job %d deleted." % id, ".notices")
        self.assertEqual(self.taskq.error("job", id=id).name, "not_found")
        self.go("job", id)
        self.browser.shows("There is no such job.")

    def test_the_pool_and_a_running_job_that_is_cancelled(self):
        ids = [self.taskq.call("submit", queue="naps", body=1000)["id"] for _ in range(3)]
        self.go("pool")
        self.browser.shows("2 of 2 workers busy", ".handler")
        self.browser.until("two run", lambda: len(self.browser.all(".handler tbody tr")) == 2)
        self.browser.press(".handler a", str(ids[0]))
        self.browser.shows("reserved", "h1")
        self.browser.press("button", "Cancel")
        self.browser.press("dialog button", "Cancel the job")
        self.browser.shows("cancelled", "h1")
        self.assertEqual(self.taskq.call("job", id=ids[0])["state"], "cancelled")
        self.taskq.call("cancel", id=ids[1], running=True)
        self.taskq.call("cancel", id=ids[2], running=True)

    def test_connections(self):
        self.taskq.call("hello", client="mailer 2.1")
        waiting = self.client()
        waiting.ask("get", {"queue": "nothing"})
        self.go("connections")
        self.browser.shows("mailer 2.1", "tbody")
        self.browser.shows("127.0.0.1:%d" % self.taskq.socket.getsockname()[1], "tbody")
        self.browser.until("one waits", lambda: "1" in [cell.text for cell in self.browser.all("tbody td:last-child")])

    def test_an_id_that_is_none(self):
        for id in ("0", "99999999999999999999", "x"):
            self.go("job", id)
            self.browser.shows("There is no such job.")
        self.go("queue", "nowhere")
        self.browser.shows("There is no such queue.")
        self.assertNotIn("nowhere", json.dumps(self.taskq.call("queues")))


if __name__ == "__main__":
    main()
