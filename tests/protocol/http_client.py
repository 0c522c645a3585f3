"""A client of the daemon's HTTP port, for tests."""

import http.client
import json
import socket

import lib

JSON = {"Content-Type": "application/json"}


class Answer:
    def __init__(self, response, head):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = b"" if head else response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]["data"]["name"]


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(lib.PATIENCE)
        self.sock.connect(self.path)


class Client:
    """A connection that is kept alive; `tls`: an ssl.SSLContext."""

    def __init__(self, address, token=None, tls=None):
        if address.startswith("unix:"):
            self.http = Unix(address[len("unix:"):])
        elif tls:
            self.http = http.client.HTTPSConnection(address, timeout=lib.PATIENCE, context=tls)
        else:
            self.http = http.client.HTTPConnection(address, timeout=lib.PATIENCE)
        self.token = token

    def ask(self, method, path, body=None, headers=()):
        headers = dict(headers)
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        self.http.request(method, path, body, headers)
        return self.answer(method == "HEAD")

    def answer(self, head=False):
        response = self.http.getresponse()
        answer = Answer(response, head)
        response.read()
        return answer

    def post(self, body, **headers):
        return self.ask("POST", "/rpc", body, {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}})

    def send(self, method, **params):
        """The request alone, for an answer that may take long."""
        headers = dict(JSON, **({"Authorization": "Bearer " + self.token} if self.token else {}))
        self.http.request("POST", "/rpc", lib.request_text(1, method, params), headers)

    def call(self, method, **params):
        answer = self.post(lib.request_text(1, method, params))
        if answer.status not in (200, 401):
            raise AssertionError("%s is answered with %d: %r" % (method, answer.status, answer.body))
        return lib.outcome(answer.json, 1 if answer.status == 200 else None)

    def close(self):
        self.http.close()
