"""TLS as it is set up: what is wrong with files and addresses is said, new files are taken without dropping anybody, and what ends is
heard of before."""

import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import certificates
import lib
from tls_lib import GRANT, Case, context

TOKEN = 'token "t" {\n sha256 = "%s"\n %s\n}\n' % ("0" * 64, GRANT)


def run(*arguments):
    """The daemon, which does not come up: its exit code and what it says."""
    done = subprocess.run([lib.binary(), "-m", "-H", "none", *arguments], capture_output=True, text=True, timeout=lib.PATIENCE)
    return done.returncode, done.stderr


class Wrong(Case):
    def assertSays(self, words, configuration, *listen):
        """Both the daemon and its check of the settings say it and end with 1."""
        certificates.write(self.path, configuration)
        for arguments in (listen or ("-l", "tls:127.0.0.1:0"), ("-t",)):
            code, said = run("-c", self.path, *arguments)
            self.assertEqual(code, 1, said)
            self.assertIn(words, said)

    def files(self, certificate=None, key=None, **more):
        lines = ['tls_certificate = "%s"' % (certificate or self.server.certificate), 'tls_key = "%s"' % (key or self.server.key)]
        return "\n".join(lines + ["%s = %s" % item for item in more.items()]) + "\nlisten = {\"tls:127.0.0.1:0\"}\n"

    def test_files_that_are_not_there_or_something_else(self):
        none, text = os.path.join(self.folder, "none"), certificates.write(os.path.join(self.folder, "text"), "text\n")
        os.chmod(text, 0o600)
        self.assertSays("tls_certificate: %s cannot be read: No such file or directory" % none, self.files(certificate=none))
        self.assertSays("tls_certificate: %s has no certificate in PEM" % text, self.files(certificate=text))
        self.assertSays("tls_certificate: %s is no file" % self.folder, self.files(certificate=self.folder))
        self.assertSays("tls_key: %s cannot be read: No such file or directory" % none, self.files(key=none))
        self.assertSays("tls_key: %s has no private key in PEM" % text, self.files(key=text))
        self.assertSays("tls_client_ca: %s cannot be read" % none, self.files(tls_client="required", tls_client_ca='"%s"' % none))
        self.assertSays("tls_client_crl: %s has no revocation list" % self.ca.certificate,
                        self.files(tls_client="required", tls_client_ca='"%s"' % self.ca.certificate,
                                   tls_client_crl='"%s"' % self.ca.certificate))

    def test_what_does_not_go_together(self):
        self.assertSays("tls_key is not set", 'tls_certificate = "%s"\n' % self.server.certificate)
        self.assertSays("tls_certificate is not set", 'listen = {"tls:127.0.0.1:0"}\n')
        self.assertSays("tls_certificate is not set", 'tls_client = required\n')
        other = self.ca.issue("localhost")
        self.assertSays("tls_key: %s is not the key of the certificate in %s" % (other.key, self.server.certificate),
                        self.files(key=other.key))
        self.assertSays("tls_client_ca is set, but clients are not asked", self.files(tls_client_ca='"%s"' % self.ca.certificate))
        self.assertSays("tls_client_ca does not say who may issue them", self.files(tls_client="optional"))
        certificates.write(self.path, "tls_client = perhaps\n")
        self.assertIn("one of these is expected: none optional required", run("-t", "-c", self.path)[1])

    def test_certificates_that_nobody_would_take(self):
        for pair, says in ((self.ca.issue("localhost", begins=-9, ends=-1), "expired on 20"),
                           (self.ca.issue("localhost", begins=1), "is not valid before 20"),
                           (self.client, "is not for a server"),
                           (self.ca.issue("localhost", key="weak"), "ee key too small")):
            self.assertSays("tls_certificate: %s" % pair.certificate, self.files(pair.certificate, pair.key))
            self.assertSays(says, self.files(pair.certificate, pair.key))

    def test_keys_that_others_can_read_or_that_are_locked(self):
        pair = self.ca.issue("localhost")
        for mode in (0o604, 0o644, 0o660, 0o602):
            os.chmod(pair.key, mode)
            self.assertSays("others can read or change %s; make it its user's alone: chmod 600" % pair.key,
                            self.files(pair.certificate, pair.key))
        os.chmod(pair.key, 0o640)
        certificates.write(self.path, self.files(pair.certificate, pair.key))
        self.assertEqual(subprocess.run([lib.binary(), "-t", "-c", self.path], capture_output=True).returncode, 0)
        locked = os.path.join(self.folder, "locked")
        certificates.openssl("pkey", "-in", pair.key, "-aes256", "-passout", "pass:secret", "-out", locked)
        os.chmod(locked, 0o600)
        self.assertSays("tls_key: %s is encrypted" % locked, self.files(pair.certificate, locked))

    def test_a_list_that_is_out_of_date(self):
        crl = os.path.join(self.folder, "crl")
        self.ca.crl(1, crl)
        deadline = time.monotonic() + lib.PATIENCE
        text = self.files(tls_client="required", tls_client_ca='"%s"' % self.ca.certificate, tls_client_crl='"%s"' % crl)
        certificates.write(self.path, text)
        while run("-t", "-c", self.path)[0] == 0 and time.monotonic() < deadline:
            pass
        self.assertSays("tls_client_crl: %s is out of date since 20" % crl, text)


class Addresses(Case):
    def refused(self, address, more=""):
        self.configure(more=more)
        code, said = run("-c", self.path, "-l", address)
        self.assertEqual(code, 1, said)
        return said

    def test_what_others_can_reach_is_with_tls_and_says_who_may_do_what(self):
        self.assertIn("insecure = true", self.refused("tls:0.0.0.0:0"))
        self.assertIn("configure tokens or certificates", self.refused("tls:0.0.0.0:0"))
        self.assertIn("listen with TLS (tls:HOST:PORT)", self.refused("0.0.0.0:0", TOKEN))
        self.assertIn("everybody could do everything", self.refused("0.0.0.0:0"))
        daemon = self.begin(listen=("tls:0.0.0.0:0",), more=TOKEN)
        self.assertNotIn("insecure", daemon.text())
        self.begin(listen=("tls:0.0.0.0:0", "0.0.0.0:0"), more="insecure = true\n")._wait_for("(event=insecure .*whoever can reach)")

    def test_what_is_no_address_with_tls(self):
        self.assertIn("a Unix socket takes no TLS", self.refused("tls:unix:/tmp/x"))
        self.assertIn("an address is written", self.refused("tls:7480"))
        self.assertIn("an address is written", self.refused("tls:"))

    def test_ipv6_and_names(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("there is no IPv6 here")
        daemon = self.begin(listen=("tls:[::1]:0",))
        self.assertRegex(daemon.address, r"^tls:\[::1\]:\d+$")

    def test_a_socket_that_is_passed_on_is_with_tls_by_its_name(self):
        self.configure()
        become = os.path.join(self.folder, "become.py")
        certificates.write(become, "import os, sys\nos.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2', LISTEN_FDNAMES='x:tls')\n"
                           "fds = [int(fd) for fd in sys.argv[1].split(',')]\nfds = [os.dup(fd) for fd in fds]\n"
                           "for n, fd in enumerate(fds):\n    os.dup2(fd, 3 + n)\nos.execv(sys.argv[2], sys.argv[2:])\n")
        with socket.create_server(("127.0.0.1", 0)) as plain, socket.create_server(("127.0.0.1", 0)) as tls:
            fds = [plain.fileno(), tls.fileno()]
            daemon = self.start(listen=("127.0.0.1:0",), wrap=(sys.executable, become, ",".join(map(str, fds))), pass_fds=fds)
            with daemon.connect("127.0.0.1:%d" % plain.getsockname()[1]) as connection:
                connection.call("ping")
            self.connect(daemon, address="tls:127.0.0.1:%d" % tls.getsockname()[1]).call("ping")


class Reload(Case):
    def serial(self, connection):
        return connection.socket.getpeercert()["serialNumber"]

    def replace(self, pair, fresh):
        for old, new in ((pair.certificate, fresh.certificate), (pair.key, fresh.key)):
            certificates.write(old, certificates.read(new))

    def test_new_files_hold_for_new_connections_and_drop_none(self):
        pair = self.ca.issue("localhost")
        daemon = self.begin(server=pair)
        over, failures, counts = threading.Event(), [], []

        def work():
            try:
                with daemon.connect(tls=context(ca=self.ca)) as client:
                    count = 0
                    while not over.is_set():
                        client.call("put", queue="q", body="x" * 30000)
                        client.call("get", queue="q", auto_ack=True)
                        count += 1
                    counts.append(count)
            except BaseException as failure:  # for the thread that waits
                failures.append(failure)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        first = self.connect(daemon)
        serials = [self.serial(first)]
        for _ in range(5):
            self.replace(pair, self.ca.issue("localhost", ends=200 + len(serials)))
            self.reload(daemon, "event=tls_reloaded")
            fresh = self.connect(daemon)
            serials.append(self.serial(fresh))
            fresh.call("ping")
        over.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertGreater(min(counts), 0)
        self.assertEqual(len(set(serials)), 6)
        self.assertEqual(first.call("ping"), {})
        ends = first.call("stats")["tls"]["certificate_expires"]
        self.assertEqual(ends, ssl.cert_time_to_seconds(fresh.socket.getpeercert()["notAfter"]))

    def test_bad_files_leave_the_old_ones_in_force(self):
        pair = self.ca.issue("localhost")
        daemon = self.begin(server=pair)
        before = self.serial(self.connect(daemon))
        key = certificates.read(pair.key)
        certificates.write(pair.key, certificates.read(self.server.key))
        self.reload(daemon, "event=tls_refused .*why=.tls_key: %s is not the key" % pair.key)
        certificates.write(pair.key, key)
        os.chmod(pair.key, 0o644)
        self.reload(daemon, "event=tls_refused .*why=.tls_key: others can read")
        os.unlink(pair.certificate)
        self.reload(daemon, "event=tls_refused .*why=.tls_certificate: %s cannot be read" % pair.certificate)
        self.configure(server=pair, more="tls_client = required\n")
        self.reload(daemon, "event=tls_refused .*why=.")
        certificates.write(self.path, "")
        self.reload(daemon, "event=tls_refused .*why=.tls_certificate is not set")
        self.assertEqual(self.serial(self.connect(daemon)), before)
        self.configure(server=self.ca.issue("localhost"))
        self.reload(daemon, "event=tls_reloaded")
        self.assertNotEqual(self.serial(self.connect(daemon)), before)

    def test_a_daemon_without_takes_a_start(self):
        certificates.write(self.path, "")
        daemon = self.start(listen=("127.0.0.1:0",))
        self.configure()
        self.reload(daemon, "event=tls_waits")
        with daemon.connect() as connection:
            self.assertNotIn("tls", connection.call("stats"))

    def test_who_is_revoked_is_cut_off_and_nobody_else(self):
        ca = certificates.Authority(self.folder)
        gone, stays = ca.issue("gone", usage="client"), ca.issue("stays", usage="client")
        crl = ca.crl(path=os.path.join(self.folder, "crl"))
        daemon = self.begin(client="optional", ca=ca, crl=crl, listen=("tls:127.0.0.1:0", "127.0.0.1:0"))
        clients = [self.connect(daemon, pair) for pair in [gone, stays, None] * 5]
        plain = lib.Connection(daemon.addresses[0 if not daemon.addresses[0].startswith("tls:") else 1])
        ca.revoke(gone)
        ca.crl(path=crl)
        self.reload(daemon, "event=tls_reloaded")
        for n, client in enumerate(clients):
            if n % 3 == 0:
                client.expect_end()
            else:
                client.call("ping")
        plain.call("ping")
        plain.close()
        daemon._wait_for("(event=client_untrusted .*who=gone)")
        self.assertRefused(daemon, gone)

    def test_certificates_may_be_asked_for_later(self):
        daemon = self.begin()
        client = self.connect(daemon)
        self.configure(client="required")
        self.reload(daemon, "event=tls_reloaded")
        client.expect_end()
        self.assertRefused(daemon)
        self.assertEqual(self.connect(daemon, self.client).call("ping"), {})

    def test_an_identity_that_is_taken_out_cuts_off(self):
        daemon = self.begin(client="required", more='certificate "worker 1" { %s }\n%s' % (GRANT, TOKEN))
        client = self.connect(daemon, self.client)
        client.call("put", queue="q", body=1)
        self.configure(client="required", more=TOKEN)
        self.reload(daemon, "event=access_changed .*identities=1")
        client.expect_end()
        self.assertEqual(self.connect(daemon, self.client).error("put", queue="q", body=1).name, "unauthorized")


class Expiry(Case):
    def test_what_ends_soon_is_said(self):
        daemon = self.begin(server=self.ca.issue("localhost", ends=10.5))
        self.assertRegex(daemon.text(), r'level=warning event=certificate_expires .*expires="20\d\d-\d\d-\d\d \d\d:\d\d UTC" days=10')
        seconds = self.connect(daemon).call("stats")["tls"]["certificate_expires"] - time.time()
        self.assertTrue(10 * 86400 < seconds < 11 * 86400, seconds)

    def test_what_lasts_is_not(self):
        daemon = self.begin(server=self.ca.issue("localhost", ends=31.5), client="optional",
                            crl=self.ca.crl(5 * 86400, os.path.join(self.folder, "crl")))
        self.assertNotIn("level=warning", daemon.text())
        figures = self.connect(daemon).call("stats")["tls"]
        self.assertTrue(4 * 86400 < figures["crl_expires"] - time.time() < 5 * 86400)
        self.assertEqual((figures["handshakes"], figures["handshakes_done"], figures["handshakes_failed"]), (0, 1, 0))

    def test_a_list_that_ends_soon_is_said(self):
        daemon = self.begin(client="optional", crl=self.ca.crl(86400, os.path.join(self.folder, "crl")))
        self.assertRegex(daemon.text(), r"level=warning event=crl_expires .*hours=2[34]")


if __name__ == "__main__":
    lib.main()
