"""How the page looks: pictures of every view, on a desk and on a phone, by day and by night; nothing sticks out, all can be read."""

import os

from support import WebTest, main, screenshots

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}

# Text whose colour is not far enough from what lies behind it (WCAG 2, level AA: 4.5 to 1, large text 3 to 1).
FAINT = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (node) => { for (let at = node; at; at = at.parentElement) { const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour[3] > 250) return colour; } return rgba("white"); };
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest(".unheard, noscript, :disabled, [aria-disabled=true]")) continue;
    const style = getComputedStyle(node);
    const svg = node instanceof SVGElement;
    const [a, b] = [light(rgba(svg ? style.fill : style.color)), light(behind(node))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if ((a + 0.05) / (b + 0.05) < least) found.push(`${((a + 0.05) / (b + 0.05)).toFixed(2)}: ${walker.currentNode.data.trim()} (${node.tagName}.${node.className})`);
}
return Array.from(new Set(found));
"""

NAMELESS = """
return Array.from(document.querySelectorAll("a, button, input, select, summary, [role=slider], table, meter, progress")).filter((node) => node.checkVisibility()
    && !node.textContent.trim() && !node.getAttribute("aria-label") && !node.getAttribute("aria-labelledby") && !node.labels?.length).map((node) => node.outerHTML.slice(0, 200))
"""


class Looks(WebTest):
    def setUp(self):
        super().setUp()
        self.start('shutdown_timeout = 0\nhandler "thumbnails" {\n kind = sleep\n queues = {"thumbnails"}\n workers = 4\n}\n'
                   'handler "echo" {\n kind = echo\n queues = {"echo"}\n workers = 2\n}\n')
        taskq = self.taskq = self.client()
        for queue, jobs in (("emails", 42), ("invoices", 7), ("reports.monthly.very-long-name-of-a-queue-that-goes-on", 3), ("search", 12), ("webhooks", 9)):
            for n in range(jobs):
                taskq.call("put", queue=queue, body={"to": "ada@example.org", "n": n, "tags": ["a", None, True]}, priority=n % 3, key="k%d" % n)
        for n in range(6):
            taskq.call("put", queue="thumbnails", body=1000)
        taskq.call("pause", queue="invoices")
        for job in taskq.call("get", queue="webhooks", max=5)["jobs"][:4]:
            taskq.call("bury", id=job["id"], error={"status": 502, "message": "bad gateway", "url": "https://example.org/" + "x" * 200})
            self.dead = job["id"]
        taskq.call("put", queue="search", body=1, delay=100)
        taskq.call("hello", client="mailer 2.1")

    def views(self):
        return {
            "overview": ((), "is paused"),
            "queues": (("queues",), "7 queues"),
            "queue": (("queue", "webhooks", "dead"), "dead: buried"),
            "job": (("job", self.dead), "Last error"),
            "pool": (("pool",), "4 of 4 workers busy"),
            "connections": (("connections",), "mailer 2.1"),
        }

    def test_every_view(self):
        folder = screenshots()
        for size, (width, height) in SIZES.items():
            self.browser.size(width, height)
            for theme in ("light", "dark"):
                self.browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
                for view, (words, text) in self.views().items():
                    with self.subTest(view=view, size=size, theme=theme):
                        self.go(*words)
                        self.browser.shows(text, "main")
                        if view in ("overview", "queue"):
                            self.browser.until("the plots are drawn", lambda: self.browser.script(
                                "return document.querySelectorAll('.plot .axes text').length > 0 || !document.querySelector('.plot')?.checkVisibility()"))
                        self.browser.screenshot(os.path.join(folder, "%s-%s-%s.png" % (view, size, theme)), whole=True)
                        sticking = self.browser.script("return [document.documentElement.scrollWidth, innerWidth]")
                        self.assertLessEqual(sticking[0], sticking[1], "it sticks out to the right")
                        self.assertEqual(self.browser.script(FAINT), [], "it is too faint")
                        self.assertEqual(self.browser.script(NAMELESS), [], "it has no name for who does not see it")
                        self.assertEqual(len(self.browser.all("main h1")), 1)

    def test_the_light_is_chosen_and_stays(self):
        def ground():
            return self.browser.script("return getComputedStyle(document.documentElement).backgroundColor")
        self.browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
        self.go("pool")
        self.browser.find("button.theme")
        day = ground()
        self.browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        night = ground()
        self.assertNotEqual(day, night)
        self.browser.press("button.theme")
        self.assertEqual(ground(), day)
        self.browser.press("button.theme")
        self.assertEqual(ground(), night)
        self.browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
        self.go("pool")
        self.assertEqual(ground(), night)

    def test_nothing_moves_for_who_does_not_want_it(self):
        self.browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
        self.go("queues")
        self.browser.find("tbody tr")
        moving = self.browser.script("""return Array.from(document.querySelectorAll("*")).filter((node) =>
            getComputedStyle(node).transitionDuration !== "0s" || getComputedStyle(node).animationName !== "none").length""")
        self.assertEqual(moving, 0)
        self.browser.devtools("Emulation.setEmulatedMedia", features=[])


if __name__ == "__main__":
    main()
