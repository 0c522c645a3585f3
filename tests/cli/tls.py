#!/usr/bin/env python3
"""taskqs://: what the program says over TLS, and what it says where that cannot be trusted."""

import hashlib
import json
import os
import shutil
import ssl
import unittest

import cli
from cli import BROKEN, NO_DAEMON, USAGE, protocol

import certificates

VARIABLES = ("TASKQ_CA", "TASKQ_CERT", "TASKQ_KEY", "TASKQ_TLS_NAME", "TASKQ_TOKEN", "TASKQ_TOKEN_FILE")
TOKEN = "taskq_" + "5ec1" * 8


@unittest.skipUnless(shutil.which("openssl"), "there is no openssl command")
class Tls(cli.CliTest):
    @classmethod
    def setUpClass(cls):
        cls.files = protocol.temporary_folder()
        cls.addClassCleanup(cls.files.cleanup)
        cls.ca = certificates.Authority(cls.files.name)
        cls.other = certificates.Authority(cls.files.name, "somebody else")
        cls.server = cls.ca.issue("d")
        cls.arguments = cls.configure(cls.server)
        cls.daemon = protocol.Daemon(*cls.arguments, listen=("tls:127.0.0.1:0", "127.0.0.1:0"))

    @classmethod
    def configure(cls, pair, more=""):
        """The arguments of a daemon with this certificate."""
        path = os.path.join(cls.files.name, "conf-%d" % len(os.listdir(cls.files.name)))
        certificates.write(path, 'tls_certificate = "%s"\ntls_key = "%s"\n%s' % (pair.certificate, pair.key, more))
        return "-c", path

    def setUp(self):
        super().setUp()
        for name in VARIABLES:
            self.env.pop(name, None)
        self.plain = self.daemon.addresses[1]
        self.url = self.url_of(self.daemon)
        self.env["TASKQ_ADDR"] = self.url
        self.options = ("--ca", self.ca.certificate)

    @staticmethod
    def url_of(daemon, host="localhost"):
        return "taskqs://%s:%s" % (host, daemon.address.rpartition(":")[2])

    def other_daemon(self, pair, more="", **how):
        daemon = protocol.Daemon(*self.configure(pair, more), listen=("tls:127.0.0.1:0",), **how)
        self.addCleanup(daemon.stop)
        return daemon

    def refused(self, code, *words, arguments=(), env=None):
        ran = self.taskq("put", self.queue, "1", *arguments, code=code, env=dict(self.env, **(env or {})))
        for word in words:
            self.assertIn(word, ran.err)
        self.assertEqual(ran.out, "")
        return ran

    # ---- where all is well

    def test_a_job_goes_there_and_back(self):
        body = json.dumps("x" * 300000)  # many records, and more than a socket takes at once
        self.taskq("put", self.queue, *self.options, input=body)
        self.assertEqual(self.taskq("get", self.queue, *self.options).out.strip(), body)
        for url in (self.url_of(self.daemon, "127.0.0.1"), self.url + "/", self.daemon.address):
            self.taskq("-a", url, "ping", *self.options)
        self.taskq("ping", env=dict(self.env, TASKQ_CA=self.ca.certificate))
        self.taskq("ping", "--ca", self.server.certificate)  # that very certificate is trusted as well

    def test_the_systems_authorities(self):
        env = dict(self.env, SSL_CERT_FILE=self.ca.certificate)  # OpenSSL's own word for where they are
        self.taskq("ping", env=env)
        self.refused(BROKEN, "and not by a CA of", arguments=("--ca", self.other.certificate), env=env)

    def test_many_at_once(self):
        lines = "".join("%d\n" % n for n in range(3000))
        self.taskq("put", self.queue, "--lines", *self.options, input=lines)
        rows = self.taskq("get", self.queue, "--max", 1000, "--json", *self.options).out
        self.assertEqual(len(rows.splitlines()), 1000)
        env = dict(self.env, TASKQ_CA=self.ca.certificate)
        worker = self.start("work", self.queue + "-map", "-j", 4, "--", "cat", env=env)
        ran = self.taskq("map", self.queue + "-map", input="1\n2\n3\n", env=env)
        self.assertEqual(ran.out, "1\n2\n3\n")
        worker.terminate()
        self.finish(worker)

    def test_workers_and_their_commands_have_it_too(self):
        options = (*self.options, "-a", self.url_of(self.daemon, "127.0.0.1"), "--tls-name", "localhost")
        id = self.taskq("submit", self.queue, "1", *options).out.strip()
        self.taskq("work", self.queue, "-j", 2, "--timeout", 0, *options, "--", "sh", "-c",
                   '"$0" job "$TASKQ_ID" >/dev/null && echo 5', cli._program)
        self.assertEqual(self.taskq("result", id, *options).out, "5\n")

    def test_bench(self):
        ran = self.taskq("bench", "-n", 500, "-c", 3, "-f", 16, "--json", *self.options)
        self.assertGreater(ran.json()["put"]["jobs_per_second"], 0)

    # ---- whom it does not trust

    def test_an_authority_that_is_not_trusted(self):
        self.refused(BROKEN, "issued by /CN=test authority", "which this system does not trust", "TASKQ_CA",
                     env={"SSL_CERT_FILE": self.other.certificate, "SSL_CERT_DIR": self.files.name})
        ran = self.refused(BROKEN, "issued by /CN=test authority, and not by a CA of",
                           arguments=("--ca", self.other.certificate))
        self.assertIn("no TLS with " + self.url, ran.err)
        ran = self.taskq("ping", "--json", "--ca", self.other.certificate, code=BROKEN)
        self.assertEqual(json.loads(ran.err)["error"]["name"], "tls")

    def test_another_name(self):
        elsewhere = self.other_daemon(self.ca.issue("localhost", names=("DNS:q.example", "IP:10.1.2.3")))
        self.env["TASKQ_ADDR"] = self.url_of(elsewhere)
        self.refused(BROKEN, "its certificate is for q.example, 10.1.2.3 and not for localhost", "TASKQ_TLS_NAME",
                     arguments=self.options)
        for name in ("q.example", "10.1.2.3"):
            self.taskq("ping", *self.options, "--tls-name", name)
            self.taskq("ping", *self.options, env=dict(self.env, TASKQ_TLS_NAME=name))

    # ---- what is not TLS, or not plain

    def test_there_is_no_way_back_to_plain_text(self):
        self.refused(BROKEN, "it is not TLS that is spoken there", "have taskqd listen with TLS",
                     arguments=("-a", "taskqs://" + self.plain, *self.options))
        self.assertEqual(self.refused(BROKEN, "if it speaks TLS, the address begins with taskqs://",
                                      arguments=("-a", self.url[len("taskqs://"):])).out, "")
        for option in ("--ca", "--cert", "--cert-key", "--tls-name"):
            self.refused(USAGE, "is reached without TLS", "taskqs://",
                         arguments=("-a", self.plain, option, self.ca.certificate))
        # The environment may be there for other daemons.
        self.taskq("ping", "-a", self.plain, env=dict(self.env, TASKQ_CA=self.ca.certificate))

    def test_nobody_there(self):
        self.refused(NO_DAEMON, "Connection refused", arguments=("-a", "taskqs://127.0.0.1:1", *self.options))

    def test_addresses_that_are_none(self):
        for url, words in (("taskqs://", "no host"), ("taskqs://h/q", "and nothing else"), ("taskqs://u:p@h", "and nothing else"),
                           ("https://h:7480", "taskqs://")):
            self.refused(USAGE, "is no address", words, arguments=("-a", url))

    # ---- who we are

    def test_files_that_do_not_do(self):
        own = self.ca.issue("ann", usage="client")
        self.refused(USAGE, "cannot be opened: No such file", arguments=("--ca", self.path("nowhere")))
        self.refused(USAGE, "no certificate in PEM", arguments=("--ca", self.path("empty", "")))
        os.chmod(own.key, 0o644)
        self.refused(USAGE, "can be read or changed by others: chmod 600 it",
                     arguments=("--cert", own.certificate, "--cert-key", own.key))
        self.refused(USAGE, "can be read or changed by others",
                     env={"TASKQ_CERT": own.certificate, "TASKQ_KEY": own.key})
        os.chmod(own.key, 0o600)
        self.refused(USAGE, "is not that of the certificate", arguments=("--cert", own.certificate, "--cert-key", self.server.key))
        self.refused(USAGE, "TASKQ_CERT", arguments=("--cert-key", own.key))
        certificates.openssl("pkey", "-in", own.key, "-aes128", "-passout", "pass:x", "-out", self.path("locked"))
        os.chmod(self.path("locked"), 0o600)
        self.refused(USAGE, "is encrypted", arguments=("--cert", own.certificate, "--cert-key", self.path("locked")))

    def test_a_certificate_says_who_we_are(self):
        ann, late, alien = (self.ca.issue("ann", usage="client"), self.ca.issue("ann", usage="client", begins=-9, ends=-2),
                            self.other.issue("ann", usage="client"))
        revoked = self.ca.issue("ann", usage="client")
        self.ca.revoke(revoked)
        daemon = self.other_daemon(self.server, 'tls_client = required\ntls_client_ca = "%s"\ntls_client_crl = "%s"\n'
                                   'certificate "ann" { grant "%s" { roles = {"put"} } }\n'
                                   % (self.ca.certificate, self.ca.crl(), self.queue))
        self.env["TASKQ_ADDR"] = self.url_of(daemon)
        self.taskq("put", self.queue, "1", *self.options, "--cert", ann.certificate, "--cert-key", ann.key)
        env = {"TASKQ_CA": self.ca.certificate, "TASKQ_CERT": ann.certificate, "TASKQ_KEY": ann.key}
        self.taskq("put", self.queue, "1", env=dict(self.env, **env))
        ran = self.taskq("get", self.queue, env=dict(self.env, **env), code=BROKEN)
        self.assertIn('certificate "ann" lacks the role take', ran.err)
        for pair, words in ((None, "it wants a certificate of this client"), (late, "this client's certificate has expired"),
                            (alien, "does not trust who issued this client's certificate"), (revoked, "has been revoked")):
            own = ("--cert", pair.certificate, "--cert-key", pair.key) if pair else ()
            self.refused(BROKEN, words, arguments=(*self.options, *own))

    def test_a_token_goes_through_tls(self):
        daemon = self.other_daemon(self.server, 'token "ann" { sha256 = "%s"\n grant "*" { roles = {"put"} } }\n'
                                   % hashlib.sha256(TOKEN.encode()).hexdigest())
        self.env.update(TASKQ_ADDR=self.url_of(daemon), TASKQ_TOKEN=TOKEN)
        self.taskq("put", self.queue, "1", *self.options)
        self.refused(BROKEN, "the token that was given is nobody's", arguments=self.options,
                     env={"TASKQ_TOKEN": TOKEN + "x"})
        self.assertNotIn("5ec1", daemon.text())

    # ---- connections that end

    def test_a_worker_goes_on_when_the_daemon_comes_back(self):
        data, env = self.path("data"), dict(self.env, TASKQ_CA=self.ca.certificate)
        daemon = protocol.Daemon(*self.configure(self.server), listen=("tls:127.0.0.1:0",), data=data)
        self.addCleanup(daemon.kill)
        env["TASKQ_ADDR"] = self.url_of(daemon)
        worker = self.start("work", self.queue, "--once", "--", "cat", env=env)
        with daemon.connect(tls=self.context()) as connection:
            connection.until(lambda who: any(row["waits"] for row in who["connections"]), "who")
        daemon.stop()
        daemon = protocol.Daemon(*self.configure(self.ca.issue("renewed")), listen=(daemon.address,), data=data)
        self.addCleanup(daemon.stop)
        self.assertEqual(self.taskq("call", self.queue, "7", env=env).out, "7\n")
        self.assertEqual(self.finish(worker).code, 0)

    def context(self):
        return ssl.create_default_context(cafile=self.ca.certificate)


if __name__ == "__main__":
    cli.main()
