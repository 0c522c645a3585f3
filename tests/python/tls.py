"""taskqs://: a client that verifies the daemon, and says who it is by a certificate of its own."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import unittest

import support
import taskq
import taskq.aio
import work
from support import in_thread, lib

import certificates

VARIABLES = ("TASKQ_CA", "TASKQ_CERT", "TASKQ_KEY", "TASKQ_TLS_NAME", "TASKQ_TOKEN", "TASKQ_TOKEN_FILE", "TASKQ_ADDR")


class Secure(unittest.TestCase):
    """An authority and what it issued; `daemon` starts a daemon with TLS."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("openssl"):
            raise unittest.SkipTest("there is no openssl command here")
        for name in VARIABLES:
            os.environ.pop(name, None)
        cls.folder = lib.temporary_folder()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.ca = certificates.Authority(cls.folder.name)
        cls.other_ca = certificates.Authority(cls.folder.name, "another authority")
        cls.server = cls.ca.issue("localhost")
        cls.ann = cls.ca.issue("ann", usage="client")
        cls.elsewhere = cls.ca.issue("elsewhere", names=("DNS:elsewhere.example",))

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def daemon(self, pair=None, settings=""):
        pair = pair or self.server
        conf = self.write("conf", 'tls_certificate = "%s"\ntls_key = "%s"\n%s' % (pair.certificate, pair.key, settings))
        daemon = lib.Daemon("-c", conf, listen=("tls:127.0.0.1:0", "127.0.0.1:0"))
        self.addCleanup(daemon.stop)
        daemon.port = daemon.address.rpartition(":")[2]
        daemon.url = "taskqs://localhost:" + daemon.port
        return daemon

    def client(self, url, **more):
        client = taskq.Client(url, **more)
        self.addCleanup(client.close)
        return client

    def refused(self, url, saying, **more):
        with self.assertRaises(taskq.TlsFailed) as caught:
            self.client(url, **more).ping()
        self.assertIsInstance(caught.exception, ConnectionError)
        self.assertIn(saying, str(caught.exception))
        self.assertIn(url, str(caught.exception))

    def environment(self, **variables):
        os.environ.update(variables)
        for name in variables:
            self.addCleanup(os.environ.pop, name, None)


class Verified(Secure):
    def test_what_is_sent_comes(self):
        client = self.client(self.daemon().url, ca_file=self.ca.certificate)
        self.assertEqual(client.ping(), {})
        q = taskq.Queue(url=client)
        q.put_many(range(3000))
        self.assertEqual(q.get_many(3000), list(range(3000)))
        large = ["x" * 1000] * 900
        q.put(large)
        self.assertEqual(q.get(), large)

    def test_threads_send_and_receive_at_once(self):
        client = self.client(self.daemon().url, ca_file=self.ca.certificate)
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        self.addCleanup(sys.setswitchinterval, before)

        def talk(n):
            for i in range(60):
                client.put("talk", [n, i, "x" * (i * 100)])
            return [tuple(client.get("talk", auto_ack=True)["body"][:2]) for _ in range(60)]

        threads = [in_thread(talk, n) for n in range(8)]
        got = sorted(pair for thread in threads for pair in thread.outcome())
        self.assertEqual(got, sorted((n, i) for n in range(8) for i in range(60)))
        self.assertEqual(client.connection.generation, 1)

    def test_by_the_environment_and_by_address(self):
        daemon = self.daemon()
        self.environment(TASKQ_CA=self.ca.certificate, TASKQ_ADDR="taskqs://127.0.0.1:%s/" % daemon.port)
        with taskq.Client() as client:
            self.assertEqual(client.ping(), {})

    def test_the_daemons_own_certificate_can_be_what_is_trusted(self):
        self.client(self.daemon().url, ca_file=self.server.certificate).ping()

    def test_an_unknown_authority(self):
        url = self.daemon().url
        self.refused(url, "TASKQ_CA")
        self.refused(url, "not issued by a CA of", ca_file=self.other_ca.certificate)

    def test_another_name(self):
        url = self.daemon(self.elsewhere).url
        self.refused(url, "not for localhost", ca_file=self.ca.certificate)
        self.client(url, ca_file=self.ca.certificate, tls_name="elsewhere.example").ping()
        self.environment(TASKQ_TLS_NAME="elsewhere.example.")
        self.client(url, ca_file=self.ca.certificate).ping()
        # What the common name says does not count.
        self.refused(url, "not for elsewhere", ca_file=self.ca.certificate, tls_name="elsewhere")

    def test_a_name_that_is_only_the_subjects(self):
        with support.TlsServer(support.server_context(self.ca.issue("localhost", names=()))) as address:
            url = "taskqs://localhost:" + address.rpartition(":")[2]
            self.refused(url, "not for localhost", ca_file=self.ca.certificate)

    def test_dates(self):
        for begins, ends, saying in ((-9, -2, "has expired"), (2, 9, "not valid yet")):
            pair = self.ca.issue("localhost", begins=begins, ends=ends)
            context = support.server_context(pair)
            with support.TlsServer(context) as address:
                self.refused("taskqs://" + address, saying, ca_file=self.ca.certificate)

    def test_no_tls_there_and_none_here(self):
        daemon = self.daemon()
        self.refused("taskqs://" + daemon.addresses[1], "not TLS", ca_file=self.ca.certificate)
        with self.assertRaises(taskq.NoDaemon):
            self.client("127.0.0.1:" + daemon.port, connect_timeout=5).ping()

    def test_who_takes_the_connection_and_is_silent_or_ends_it(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = "taskqs://127.0.0.1:%d" % listener.getsockname()[1]
            with self.assertRaises(taskq.NoDaemon) as caught:
                self.client(url, connect_timeout=0.2, ca_file=self.ca.certificate).ping()
            self.assertIn("is it TLS", str(caught.exception))
            listener.accept()[0].close()
            thread = in_thread(lambda: listener.accept()[0].close())
            with self.assertRaises(taskq.NoDaemon):
                self.client(url, ca_file=self.ca.certificate).ping()
            thread.outcome()

    def test_old_protocols_are_not_spoken(self):
        context = support.server_context(self.server)
        context.minimum_version = context.maximum_version = support.ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with support.TlsServer(context) as address:
            with self.assertRaises(taskq.TlsFailed):
                self.client("taskqs://" + address, ca_file=self.ca.certificate).ping()

    def test_a_daemon_that_comes_back_with_another_certificate(self):
        daemon = self.daemon()
        client = self.client(daemon.url, ca_file=self.ca.certificate)
        client.ping()
        daemon.stop()
        conf = self.write("conf", 'tls_certificate = "%s"\ntls_key = "%s"\n' % (self.elsewhere.certificate, self.elsewhere.key))
        again = lib.Daemon("-c", conf, listen=("tls:127.0.0.1:" + daemon.port,))
        self.addCleanup(again.stop)
        with self.assertRaises(taskq.TlsFailed):
            client.ping()

    def test_an_authority_that_was_replaced_is_read_again(self):
        path = self.path("trusted.pem")
        shutil.copy(self.other_ca.certificate, path)
        client = self.client(self.daemon().url, ca_file=path)
        with self.assertRaises(taskq.TlsFailed):
            client.ping()
        self.write("half.pem", "-----BEGIN CERTIFICATE-----\nhalf of it")
        os.replace(self.path("half.pem"), path)
        with self.assertRaises(taskq.TlsFailed):
            client.ping()
        shutil.copy(self.ca.certificate, path + ".new")
        os.replace(path + ".new", path)
        self.assertEqual(client.ping(), {})


class Certificates(Secure):
    """This client's own."""

    def required(self):
        return self.daemon(settings='tls_client = required\ntls_client_ca = "%s"\ncertificate "ann" { grant "*" { roles = '
                                    '{"put", "take", "read", "admin"} } }\n' % self.ca.certificate)

    def test_a_certificate_says_who_this_is(self):
        url = self.required().url
        client = self.client(url, ca_file=self.ca.certificate, cert_file=self.ann.certificate, key_file=self.ann.key)
        self.assertEqual(client.hello()["identity"]["name"], "ann")
        both = self.write("both.pem", support.content(self.ann.certificate) + support.content(self.ann.key))
        self.environment(TASKQ_CERT=both, TASKQ_CA=self.ca.certificate)
        self.assertEqual(self.client(url).hello()["identity"]["name"], "ann")

    def test_none_or_one_of_another_authority(self):
        url = self.required().url
        self.refused(url, "certificate", ca_file=self.ca.certificate)
        stranger = self.other_ca.issue("ann", usage="client")
        self.refused(url, "certificate", ca_file=self.ca.certificate, cert_file=stranger.certificate, key_file=stranger.key)

    def test_aio_and_workers_too(self):
        url = self.required().url
        options = {"ca_file": self.ca.certificate, "cert_file": self.ann.certificate, "key_file": self.ann.key}

        async def talk():
            async with taskq.aio.Client(url, **options) as client:
                gets = [asyncio.ensure_future(client.get("aio")) for _ in range(50)]
                await asyncio.gather(*(client.put("aio", n) for n in range(50)))
                return sorted(job["body"] for job in await asyncio.gather(*gets))

        self.assertEqual(asyncio.run(asyncio.wait_for(talk(), support.PATIENCE)), list(range(50)))
        worker = subprocess.Popen([sys.executable, "-m", "taskq.worker", "--url", url, "--ca", options["ca_file"], "--cert",
                                   options["cert_file"], "--cert-key", options["key_file"], "--queue", "secure", "work"],
                                  env=support.ENVIRONMENT)
        self.addCleanup(worker.wait)
        self.addCleanup(worker.terminate)
        client = self.client(url, **options)
        with taskq.Executor("secure", url=client) as executor:
            self.assertEqual(executor.submit(work.add, 1, 2).result(support.PATIENCE), 3)
        with taskq.Executor(2, url=client) as executor:  # whose own workers need the same
            self.assertEqual(list(executor.map(work.double, range(10))), [2 * n for n in range(10)])


class Files(Secure):
    """What is wrong is said before anything is tried."""

    def wrong(self, saying, url="taskqs://localhost", **options):
        with self.assertRaises(ValueError) as caught:
            taskq.Client(url, **options)
        self.assertIn(saying, str(caught.exception))

    def test_certificates(self):
        nothing, rubbish = self.path("nothing"), self.write("rubbish", "no certificate")
        self.wrong("cannot be opened", ca_file=nothing)
        self.wrong("no certificate in PEM", ca_file=rubbish)
        self.wrong("cannot be opened", cert_file=nothing)
        self.wrong("in PEM", cert_file=rubbish)
        self.wrong("no certificate that it belongs to", key_file=self.ann.key)
        self.wrong("not that of the certificate", cert_file=self.ann.certificate, key_file=self.server.key)
        loose = self.write("loose", support.content(self.ann.key), 0o644)
        self.wrong("chmod 600", cert_file=self.ann.certificate, key_file=loose)
        locked = self.path("locked")
        certificates.openssl("pkey", "-in", self.ann.key, "-aes256", "-passout", "pass:x", "-out", locked)
        os.chmod(locked, 0o600)
        self.wrong("encrypted", cert_file=self.ann.certificate, key_file=locked)

    def test_they_are_for_taskqs_alone(self):
        for name in ("ca_file", "cert_file", "key_file", "tls_name"):
            for url in ("localhost", "taskq://localhost", "unix:/x"):
                self.wrong(name, url, **{name: "x"})
        self.environment(TASKQ_CA="/not/there")  # the environment's are for those who want them
        taskq.Client("localhost").close()
        self.wrong("/not/there")

    def test_tokens(self):
        self.wrong("cannot be opened", token_file=self.path("nothing"))
        self.wrong("no token", token_file=self.write("empty", "\nsecond"))
        self.wrong("chmod 600", token_file=self.write("open", "secret\n", 0o640 | 0o004))
        self.wrong("no token", token="with space")
        good = taskq._secrets.token_of
        token = self.write("token", "first\r\nsecond\n", 0o640)
        self.assertEqual(good(None, token), "first")
        self.environment(TASKQ_TOKEN_FILE=token)
        self.assertEqual(good(None, None), "first")
        self.environment(TASKQ_TOKEN="variable")
        self.assertEqual(good(None, None), "variable")
        self.assertEqual(good(None, token), "first")
        self.assertEqual(good("given", None), "given")

    def test_a_token_over_tls(self):
        conf = subprocess.run([lib.binary(), "--new-token", "ann"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=True, text=True).stdout
        token, _, section = conf.partition("\n")
        daemon = self.daemon(settings=section + "\n")
        path = self.write("token", token + "\n")
        client = self.client(daemon.url, ca_file=self.ca.certificate, token_file=path)
        self.assertEqual(client.hello()["identity"]["name"], "ann")
        wrong = self.write("wrong", "taskq_0123\n")
        with self.assertRaises(taskq.Unauthorized):
            self.client(daemon.url, ca_file=self.ca.certificate, token_file=wrong).ping()


if __name__ == "__main__":
    support.main()
