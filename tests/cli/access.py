#!/usr/bin/env python3
"""Tokens: where the program takes them from, and what it says where that does not do."""

import hashlib
import json
import os
import socket
import tempfile

import cli
from cli import BROKEN, USAGE

TOKENS = {name: "taskq_" + name * 8 for name in ("admin5ec1", "maker5ec1")}


class Access(cli.CliTest):
    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            for (name, token), roles in zip(TOKENS.items(), ('"put", "take", "read", "admin"', '"put"')):
                file.write('token "%s" {\n sha256 = "%s"\n grant "*" { roles = {%s} }\n}\n'
                           % (name[:5], hashlib.sha256(token.encode()).hexdigest(), roles))
            file.flush()
            cls.arguments = ("-c", file.name)
            super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        assert "5ec1" not in cls.daemon.text()

    def setUp(self):
        super().setUp()
        for name in ("TASKQ_TOKEN", "TASKQ_TOKEN_FILE"):
            self.env.pop(name, None)

    def file(self, name, mode=0o600):
        path = self.path("token-" + name[:5], TOKENS[name] + "\n\n# what taskqd printed below it\n")
        os.chmod(path, mode)
        return path

    def refused(self, code, *words, env=None):
        """Ends with this code, says these words, and no token."""
        ran = self.taskq("put", self.queue, "1", code=code, env=env or self.env)
        for word in words:
            self.assertIn(word, ran.err)
        self.assertNotIn("5ec1", ran.err)

    def test_the_environment_or_a_file(self):
        for env, options in (({"TASKQ_TOKEN": TOKENS["admin5ec1"]}, ()),
                             ({"TASKQ_TOKEN_FILE": self.file("admin5ec1")}, ()),
                             ({"TASKQ_TOKEN": "another"}, ("--token-file", self.file("admin5ec1")))):
            self.taskq("put", self.queue, "1", *options, env=dict(self.env, **env))
            self.taskq("get", self.queue, *options, env=dict(self.env, **env))

    def test_without_a_token_it_says_what_to_do(self):
        self.refused(BROKEN, "say who you are first", "--token-file", "TASKQ_TOKEN")

    def test_a_token_that_is_nobodys(self):
        self.refused(BROKEN, "the token that was given is nobody's", env=dict(self.env, TASKQ_TOKEN="taskq_wrong5ec1"))

    def test_a_role_that_is_missing_is_named(self):
        env = dict(self.env, TASKQ_TOKEN=TOKENS["maker5ec1"])
        self.taskq("put", self.queue, "1", env=env)
        ran = self.taskq("get", self.queue, code=BROKEN, env=env)
        self.assertIn('token "maker" lacks the role take on the queue "%s"' % self.queue, ran.err)

    def test_who_is_connected(self):
        with self.daemon.connect() as stranger:
            stranger.call("ping")
            env = dict(self.env, TASKQ_TOKEN=TOKENS["admin5ec1"])
            said = self.taskq("who", env=env).out
            self.assertRegex(said, r"(?m)^IDENTITY +PEER +CLIENT +AGE +REQUESTS +WAITS$")
            self.assertRegex(said, r"(?m)^token admin +127\.0\.0\.1:\d+ +taskq [^ ]+ +\S+ +3 +0$")
            self.assertRegex(said, r"(?m)^- +127\.0\.0\.1:%d +- +\S+ +1 +0$" % stranger.socket.getsockname()[1])
            rows = self.taskq("who", "--json", env=env).lines()
            self.assertIn({"kind": "token", "name": "admin"}, [row["identity"] for row in rows])
        ran = self.taskq("who", code=BROKEN, env=dict(self.env, TASKQ_TOKEN=TOKENS["maker5ec1"]))
        self.assertIn("lacks the role admin on all queues", ran.err)

    def test_files_that_do_not_do(self):
        self.refused(USAGE, "can be read or changed by others",
                     env=dict(self.env, TASKQ_TOKEN_FILE=self.file("admin5ec1", 0o644)))
        self.refused(USAGE, "nowhere cannot be opened", env=dict(self.env, TASKQ_TOKEN_FILE=self.path("nowhere")))
        self.refused(USAGE, "what TASKQ_TOKEN has is no token", env=dict(self.env, TASKQ_TOKEN="5ec1 5ec1"))

    def test_a_token_is_no_argument(self):
        self.taskq("--token", TOKENS["admin5ec1"], "ping", code=USAGE)

    def test_workers_and_their_commands_have_it_too(self):
        options = ("--token-file", self.file("admin5ec1"))
        id = self.taskq("submit", self.queue, "1", *options).out.strip()
        # The command asks for itself, through its own connection.
        self.taskq("work", self.queue, "-j", 2, "--timeout", 0, *options, "--", "sh", "-c",
                   '"$0" job "$TASKQ_ID" >/dev/null && echo 5', cli._program)
        self.assertEqual(self.taskq("result", id, *options).out, "5\n")

    def test_every_connection_begins_with_it(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(cli.PATIENCE)
            env = dict(self.env, TASKQ_ADDR="127.0.0.1:%d" % listener.getsockname()[1], TASKQ_TOKEN=TOKENS["maker5ec1"])
            process = self.start("watch", 7, env=env)
            for n in range(3):
                connection, _ = listener.accept()
                connection.settimeout(cli.PATIENCE)
                with connection, connection.makefile("rwb") as file:
                    first = json.loads(file.readline())
                    self.assertEqual(first, {"jsonrpc": "2.0", "method": "auth",
                                             "params": {"token": TOKENS["maker5ec1"]}})
                    request = next(r for r in map(json.loads, file) if r["method"] == "result")
                    if n == 2:
                        reply = {"jsonrpc": "2.0", "id": request["id"], "result": {"id": 7, "state": "done", "result": 1}}
                        file.write(json.dumps(reply).encode() + b"\n")
                        file.flush()
                        self.assertEqual(self.finish(process).code, 0)


if __name__ == "__main__":
    cli.main()
