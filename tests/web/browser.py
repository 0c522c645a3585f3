"""A headless Chromium, driven over WebDriver (W3C) with the standard library alone.

The driver is chromedriver on a port of its own choice. Waits are for conditions and end with a failure after PATIENCE seconds, which are
many: the machine may be busy with other things.
"""

import base64
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time

PATIENCE = float(os.environ.get("TASKQ_TEST_PATIENCE", "60"))
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Space": " ", "Left": "\ue012", "Right": "\ue014", "Home": "\ue011"}


def missing():
    """Why there is no browser here; None if there is one."""
    if not shutil.which("chromedriver"):
        return "there is no chromedriver"
    if not any(shutil.which(name) for name in BROWSERS):
        return "there is no Chromium"
    return None


class DriverError(Exception):
    def __init__(self, value):
        super().__init__("%s: %s" % (value.get("error"), value.get("message", "").split("\n")[0]))
        self.kind = value.get("error")


class Element:
    def __init__(self, browser, id):
        self.browser = browser
        self.id = id

    def _ask(self, method, path, body=None):
        return self.browser.ask(method, "/element/%s/%s" % (self.id, path), body)

    def click(self):
        self._ask("POST", "click", {})

    def type(self, text):
        self._ask("POST", "value", {"text": text})

    @property
    def text(self):
        return self._ask("GET", "text")

    @property
    def label(self):
        """What a screen reader calls it."""
        return self._ask("GET", "computedlabel")

    def attribute(self, name):
        return self._ask("GET", "attribute/" + name)

    def shown(self):
        return self._ask("GET", "displayed")


class Browser:
    """One window. What its console said and what it asked of the network are kept until they are looked at."""

    def __init__(self, width=1280, height=900):
        self._folder = tempfile.TemporaryDirectory(prefix="taskq-web", dir="/tmp")
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=dict(os.environ, HOME=self._folder.name, XDG_CONFIG_HOME=self._folder.name, TMPDIR=self._folder.name))
        self._session = None
        try:
            self._port = self._find_port()
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE + 30)
            self._begin(width, height)
        except BaseException:
            self.close()
            raise

    def _find_port(self):
        late = threading.Timer(PATIENCE, self._driver.kill)
        late.start()
        try:
            for line in self._driver.stdout:
                found = re.search(rb"started successfully on port (\d+)", line)
                if found:
                    threading.Thread(target=self._driver.stdout.read, daemon=True).start()
                    return int(found.group(1))
        finally:
            late.cancel()
        raise AssertionError("chromedriver does not start")

    def _begin(self, width, height):
        arguments = ["--headless=new", "--window-size=%d,%d" % (width, height), "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-default-browser-check",
                     "--force-color-profile=srgb", "--lang=en"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # which it refuses to use as root
        binary = next(filter(None, map(shutil.which, BROWSERS)))
        capabilities = {
            "browserName": "chrome", "timeouts": {"script": int(PATIENCE * 1000), "pageLoad": int(PATIENCE * 1000), "implicit": 0},
            "goog:chromeOptions": {"binary": binary, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        self._session = self._request("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]

    def _request(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        self._connection.request(method, path, text, {"Content-Type": "application/json"})
        value = json.loads(self._connection.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value and "stacktrace" in value:
            raise DriverError(value)
        return value

    def ask(self, method, path, body=None):
        return self._request(method, "/session/%s%s" % (self._session, path), body)

    def close(self):
        try:
            if self._session:
                self.ask("DELETE", "")
        except (OSError, DriverError, http.client.HTTPException):
            pass
        self._driver.terminate()
        try:
            self._driver.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._driver.kill()
            self._driver.wait()
        self._folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    # ---- where it is, and what it shows

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def script(self, text, *arguments):
        return self.ask("POST", "/execute/sync", {"script": text, "args": list(arguments)})

    def module_script(self, text, *arguments):
        """Runs the body of an async function and gives what it returns."""
        return self.ask("POST", "/execute/async", {"args": list(arguments), "script":
            "const done = arguments[arguments.length - 1]; (async (...arguments_) => {%s})(...Array.from(arguments).slice(0, -1))"
            ".then((value) => done({ value }), (error) => done({ error: String(error.stack ?? error) }))" % text})

    def devtools(self, command, **parameters):
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def size(self, width, height):
        """Of what the page sees: a phone is narrower than a window may be."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)

    def all(self, css):
        return [Element(self, next(iter(found.values()))) for found in self.ask("POST", "/elements", {"using": "css selector", "value": css})]

    def by_text(self, css, text):
        """Those that are shown and whose text, or label, is exactly this."""
        found = self.script("""return Array.from(document.querySelectorAll(arguments[0])).filter((node) => node.checkVisibility()
            && (node.textContent.trim() === arguments[1] || node.getAttribute("aria-label") === arguments[1]))""", css, text)
        return [Element(self, next(iter(one.values()))) for one in found]

    def until(self, what, condition):
        """Tries until the condition gives something true, and gives that."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                value = condition()
            except DriverError as error:
                if error.kind not in ("stale element reference", "no such element", "element click intercepted", "element not interactable"):
                    raise
                value = None
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError("%s: not within %g s; the page shows:\n%s" % (what, PATIENCE, self.text()))

    def text(self, css="body"):
        return self.script("return Array.from(document.querySelectorAll(arguments[0]), (node) => node.innerText).join('\\n')", css)

    def shows(self, text, css="body"):
        return self.until("%r is shown" % text, lambda: text in self.text(css))

    def shows_not(self, text, css="body"):
        return self.until("%r is not shown" % text, lambda: text not in self.text(css))

    def find(self, css, text=None):
        """Waits for one; its text is given where there are several."""
        found = self.until("%s %r" % (css, text), lambda: self.all(css) if text is None else self.by_text(css, text))
        return found[0]

    def press(self, css, text=None):
        """Clicks as a person does: where it is, and only if nothing lies over it."""
        def try_it():
            found = self.all(css) if text is None else self.by_text(css, text)
            if not found:
                return False
            found[0].click()
            return True
        self.until("%s %r can be pressed" % (css, text), try_it)

    def keys(self, *keys):
        """To what has the focus."""
        actions = []
        for key in keys:
            code = KEYS.get(key, key)
            actions += [{"type": "keyDown", "value": code}, {"type": "keyUp", "value": code}]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def focused(self):
        return Element(self, next(iter(self.ask("GET", "/element/active").values())))

    def screenshot(self, path, whole=False):
        if whole:
            data = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        else:
            data = self.ask("GET", "/screenshot")
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    # ---- what it did meanwhile

    def console(self):
        """What the console said since the last time: errors of scripts, of the network, of the Content-Security-Policy."""
        return ["%s %s" % (entry["level"], entry["message"]) for entry in self.ask("POST", "/se/log", {"type": "browser"})]

    def requested(self):
        """The addresses of all that was asked of the network since the last time."""
        entries = (json.loads(entry["message"])["message"] for entry in self.ask("POST", "/se/log", {"type": "performance"}))
        return [entry["params"]["request"]["url"] for entry in entries if entry["method"] == "Network.requestWillBeSent"]
