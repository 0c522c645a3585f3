"""What the page's tests share: one browser for all tests of a class, a daemon with an HTTP port for each that wants one, and a look at
what the page did meanwhile after every test: nothing said on the console, nothing asked of another host."""

import os
import sys
import tempfile
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "protocol"))

import lib  # noqa: E402
from access import grant, token_section  # noqa: E402,F401  (for the tests)

import browser  # noqa: E402

SKIPPED = 77


class WebTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)
        cls.browser.devtools("Page.enable")
        cls.browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=
                             "window.alert = window.confirm = window.prompt = () => { window.struck = true; };"
                             "addEventListener('securitypolicyviolation', (event) => { window.violated = event.violatedDirective; });")

    def setUp(self):
        self.expected = ()  # what the console may say in this test
        self.hosts = set()
        self.browser.size(1280, 900)
        self.browser.open("about:blank")
        self.browser.console()
        self.browser.requested()

    def start(self, settings="", listen=("127.0.0.1:0",), http="127.0.0.1:0", arguments=()):
        """A daemon of this test's own, and a connection to it that may do all where there are no identities."""
        folder = tempfile.TemporaryDirectory(prefix="taskq-web-")
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "taskqd.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(settings)
        self.settings = path
        daemon = lib.Daemon("-c", path, *arguments, listen=listen, http=(http,))
        self.addCleanup(lambda: daemon.running() and daemon.stop())
        self.daemon = daemon
        self.base = "http://%s/" % daemon.http[0]
        self.hosts.add(daemon.http[0])
        return daemon

    def client(self, token=None):
        connection = self.daemon.connect()
        self.addCleanup(connection.close)
        if token:
            connection.call("auth", token=token)
        return connection

    def go(self, *words):
        """Opens a view as an address does that somebody was sent."""
        self.browser.open("about:blank")
        self.browser.open(self.base + "#/" + "/".join(urllib.parse.quote(str(word), safe="") for word in words))

    def dialog(self):
        return self.browser.find("dialog[open]")

    def tearDown(self):
        if hasattr(self, "base"):
            self.assertFalse(self.browser.script("return window.struck"), "a script of somebody else ran")
            self.assertIsNone(self.browser.script("return window.violated || null"), "the Content-Security-Policy was violated")
        said = [line for line in self.browser.console() if not any(word in line for word in self.expected)]
        self.assertEqual(said, [], "the console says")
        for url in self.browser.requested():
            self.assertTrue(url.startswith(("about:", "data:", "chrome:")) or urllib.parse.urlsplit(url).netloc in self.hosts, url)
        if hasattr(self, "base"):
            self.browser.open("about:blank")  # asks nothing more of a daemon that ends


def screenshots():
    """The folder for them, in the build's."""
    folder = os.environ.get("SCREENSHOTS") or tempfile.mkdtemp(prefix="taskq-screenshots-")
    os.makedirs(folder, exist_ok=True)
    return folder


def main():
    why = browser.missing()
    if why:
        print("skipped: %s (conf/setup test installs it where the system has one)" % why)
        sys.exit(SKIPPED)
    lib.main()
