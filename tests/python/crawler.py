"""The crawler among the package's examples, over a site on the loopback."""

import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import unittest

import support
from support import wait_for

CRAWLER = os.path.join(support.PACKAGE, "examples", "crawler.py")
PAGES = 60


class Site(http.server.BaseHTTPRequestHandler):
    """Page n leads to 2n+1 and 2n+2, back to the first, to one that is not there, and away. `held`: requests for /7 wait."""

    asked = []
    held = None

    def do_GET(self):
        self.asked.append(self.path)
        number = re.match(r"/(\d*)$", self.path)
        if self.path == "/picture":
            self.reply("image/png", b"\x89PNG<a href=/59>")
        elif number is None or int(number.group(1) or 0) >= PAGES:
            self.send_error(404)
        else:
            n = int(number.group(1) or 0)
            if n == 7 and self.held is not None:
                self.held.wait(support.PATIENCE)
            links = "".join('<a href="%d">x</a> ' % m for m in (2 * n + 1, 2 * n + 2) if m < PAGES)
            self.reply("text/html; charset=utf-8", (
                '<p>Größe number%d %s<a href="/#top">up</a> <a href="http://127.0.0.1:1/">away</a> <a href="/gone">gone</a> '
                '<a href="/picture">picture</a>' % (n, "seven " * (n % 7 == 0) + links)).encode())

    def reply(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Crawler(support.Case):
    def setUp(self):
        super().setUp()
        Site.asked, Site.held = [], None
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        self.site = "http://127.0.0.1:%d/" % server.server_address[1]

    def start(self, *arguments):
        process = subprocess.Popen([sys.executable, CRAWLER, self.site, "--url", self.daemon.address, *arguments],
                                   env=support.ENVIRONMENT, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def check(self, said):
        self.assertRegex(said, r"(?m)^%d pages, %d words$" % (PAGES, PAGES + len("größe seven x up away gone picture".split())))
        self.assertEqual(re.findall(r"(?i)seven: (\d+) x in \S+/(\d*)", said),
                         [("1", n) for n in sorted(str(n or "") for n in range(0, PAGES, 7))])
        self.assertIn("number59: 1 x in %s59" % self.site, said)
        self.assertIn("gone: HTTP Error 404", said)

    def test_every_page_once(self):
        self.check(self.start("--find", "SEVEN", "number59").communicate(timeout=support.PATIENCE)[0])
        self.assertEqual(sorted(Site.asked), sorted(["/", "/gone", "/picture", *("/%d" % n for n in range(1, PAGES))]))
        self.assertFalse([q for q in self.client.queues()["queues"] if q["queue"].startswith("crawl-")])

    def test_helpers_come_and_die(self):
        Site.held = threading.Event()
        self.addCleanup(Site.held.set)
        first = self.start("--fetchers", "1", "--find", "seven", "number59")
        name = re.match(r"this is --join (\S+)", first.stdout.readline()).group(1)
        helper = self.start("--join", name)
        addresses = name + ".addresses"
        wait_for(lambda: "/7" in Site.asked)
        if first.poll() is None:
            os.killpg(helper.pid, signal.SIGKILL)  # perhaps with the page that is held
        Site.held.set()
        said = first.communicate(timeout=support.PATIENCE)[0]
        self.check(said)
        self.assertNotIn(addresses, [q["queue"] for q in self.client.queues()["queues"]])


if __name__ == "__main__":
    support.main()
