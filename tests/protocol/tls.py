"""TLS on a connection: what is spoken and what is not, who is let in, and that it carries what it does without TLS."""

import http.client
import os
import re
import select
import socket
import ssl
import subprocess
import threading
import time
import warnings

import certificates
import lib
from tls_lib import GRANT, Case, context

BIG = "x" * 1000000


def s_client(address, *arguments, stdin=b""):
    """openssl s_client, which says what came of the handshake. It goes on until the daemon closes."""
    host = address[len("tls:"):]
    return subprocess.run(["openssl", "s_client", "-connect", host, *arguments], input=stdin, timeout=lib.PATIENCE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout.decode("utf-8", "replace")


class Spoken(Case):
    def setUp(self):
        super().setUp()
        self.daemon = self.begin()
        self.address = self.daemon.address

    def test_old_versions_are_not(self):
        for version in ("-tls1", "-tls1_1"):
            self.assertIn("alert protocol version", s_client(self.address, version, "-cipher", "ALL:@SECLEVEL=0"))
        self.assertIn("TLSv1.2, Cipher is ECDHE-", s_client(self.address, "-tls1_2"))
        self.assertIn("TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256", s_client(self.address))
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            warnings.simplefilter("ignore", DeprecationWarning)
            old = context()
            old.set_ciphers("ALL:@SECLEVEL=0")
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
            self.connect(self.daemon, tls=old)

    def test_weak_ciphers_are_not(self):
        # No forward secrecy, no authenticated encryption, no authentication, none at all; each with a key of its kind.
        rsa = self.begin(server=self.ca.issue("localhost", key="rsa")).address
        for address, cipher in ((rsa, "AES128-SHA"), (rsa, "AES256-GCM-SHA384"), (rsa, "ECDHE-RSA-AES128-SHA256"),
                                (rsa, "DHE-RSA-AES128-GCM-SHA256"), (self.address, "ECDHE-ECDSA-AES256-SHA"),
                                (self.address, "aNULL"), (self.address, "eNULL"), (rsa, "CAMELLIA")):
            said = s_client(address, "-tls1_2", "-cipher", cipher + ":@SECLEVEL=0")
            self.assertIn("alert handshake failure", said, cipher)
        for cipher in ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"):
            self.assertIn("Cipher is " + cipher, s_client(rsa, "-tls1_2", "-cipher", cipher))

    def test_nothing_is_renegotiated_compressed_or_resumed(self):
        said = s_client(self.address, "-tls1_2", stdin=b"R\n")
        self.assertIn("Compression: NONE", said)
        self.assertRegex(said, "no renegotiation|unexpected message")
        again = s_client(self.address, "-tls1_2", "-reconnect")
        self.assertEqual((again.count("New, TLSv1.2"), again.count("Reused,")), (6, 0))
        self.assertNotIn("TLS session ticket:", s_client(self.address))

    def test_a_client_that_checks_the_certificate_is_content_and_another_name_is_not(self):
        self.assertEqual(self.connect(self.daemon).call("ping"), {})
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(self.daemon, tls=context(ca=self.world.other))
        port = int(self.address.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)) as plain, self.assertRaises(ssl.SSLCertVerificationError):
            context(ca=self.ca).wrap_socket(plain, server_hostname="example.org")

    def test_plain_text_is_closed_without_an_answer_and_the_log_says_why(self):
        address = self.address[len("tls:"):]
        for text in ("{}\n", "GET / HTTP/1.1\r\n\r\n", "\n", "x"):
            with lib.Connection(address) as plain:
                plain.send(text)
                plain.expect_end()
        self.daemon._wait_for(r'event=handshake_failed .*why="it does not speak TLS" peer=(127\.0\.0\.1:\d+)')

    def test_who_tries_on_and_on_does_not_fill_the_log(self):
        began = time.monotonic()
        address = self.address[len("tls:"):]
        for _ in range(200):
            with lib.Connection(address) as plain:
                plain.send("x")
                plain.expect_end()
        self.connect(self.daemon).until(lambda stats: stats["tls"]["handshakes_failed"] == 200, "stats")
        self.assertLessEqual(self.daemon.text().count("event=handshake_failed"), time.monotonic() - began + 1)

    def test_tls_on_a_port_without_it_is_closed(self):
        plain = self.start(listen=("127.0.0.1:0",))
        with self.assertRaises(ssl.SSLError):
            plain.connect(tls=context())
        with plain.connect() as connection:
            connection.call("ping")

    def test_http_with_tls(self):
        daemon = self.start(http=("tls:127.0.0.1:0",))
        host, port = daemon.http[0][len("tls:"):].split(":")
        connection = http.client.HTTPSConnection(host, int(port), timeout=lib.PATIENCE, context=context(ca=self.ca))
        for _ in range(2):
            connection.request("POST", "/rpc", '{"jsonrpc":"2.0","id":1,"method":"ping"}', {"Content-Type": "application/json"})
            reply = connection.getresponse()
            self.assertEqual((reply.status, reply.read().strip()), (200, b'{"jsonrpc":"2.0","id":1,"result":{}}'))
        connection.close()


class Clients(Case):
    def bad(self):
        """Certificates that nobody may be let in with, and what is said of them."""
        ca = self.ca
        return (("another authority's", self.world.other.issue("worker 1", usage="client"), "unable to get local issuer"),
                ("a copy of the name", certificates.Authority(self.folder).issue("worker 1", usage="client"), "issuer|signature"),
                ("expired", ca.issue("worker 1", usage="client", begins=-9, ends=-1), "certificate has expired"),
                ("not yet valid", ca.issue("worker 1", usage="client", begins=1), "not yet valid"),
                ("for servers", self.server, "purpose"))

    def test_none_are_asked_for(self):
        daemon = self.begin()
        self.assertEqual(self.connect(daemon).call("ping"), {})
        self.assertEqual(self.connect(daemon, self.client).call("ping"), {})

    def test_optional(self):
        daemon = self.begin(client="optional")
        self.assertEqual(self.connect(daemon).call("ping"), {})
        self.assertEqual(self.connect(daemon, self.client).call("ping"), {})
        for name, pair, _ in self.bad():
            with self.subTest(name):
                self.assertRefused(daemon, pair)

    def test_required(self):
        daemon = self.begin(client="required")
        self.assertEqual(self.connect(daemon, self.client).call("ping"), {})
        self.assertRefused(daemon, says="peer did not return a certificate")

    def test_what_is_wrong_is_logged(self):
        for name, pair, says in self.bad():
            with self.subTest(name):
                daemon = self.begin(client="required")
                self.assertRefused(daemon, pair)
                daemon._wait_for('(event=handshake_failed .*why="[^"]*(?:%s))' % says)
                daemon.stop()

    def test_revoked(self):
        gone, stays = self.ca.issue("gone", usage="client"), self.ca.issue("stays", usage="client")
        self.ca.revoke(gone)
        daemon = self.begin(client="optional", crl=self.ca.crl(path=os.path.join(self.folder, "crl")))
        self.assertEqual(self.connect(daemon, stays).call("ping"), {})
        self.assertRefused(daemon, gone, "certificate revoked")
        # Whoever is of an authority whose list is not there cannot be judged.
        both = os.path.join(self.folder, "both")
        certificates.write(both, certificates.read(self.ca.certificate) + certificates.read(self.world.other.certificate))
        daemon = self.begin(client="required", ca=certificates.Pair(both, None), crl=os.path.join(self.folder, "crl"))
        self.assertRefused(daemon, self.world.other.issue("x", usage="client"), "unable to get certificate CRL")
        self.assertEqual(self.connect(daemon, stays).call("ping"), {})

    def test_a_list_that_is_out_of_date_lets_nobody_in(self):
        daemon = self.begin(client="required", crl=self.ca.crl(3, os.path.join(self.folder, "crl")))
        self.assertIn("event=crl_expires", daemon.text())
        deadline = time.monotonic() + lib.PATIENCE
        while "CRL has expired" not in daemon.text() and time.monotonic() < deadline:
            try:
                self.connect(daemon, self.client).call("ping")
            except (ssl.SSLError, ConnectionError, AssertionError):
                pass
        self.assertIn("CRL has expired", daemon.text())

    def test_an_authority_between(self):
        between = self.ca.issue("between", names=(), usage="ca")
        under = certificates.Authority(self.folder, "under")
        for ours, theirs in ((under.certificate, between.certificate), (under.key, between.key)):
            certificates.write(ours, certificates.read(theirs))
        pair = under.issue("worker 2", usage="client")
        with open(pair.certificate, "a") as chain:
            chain.write(certificates.read(under.certificate))
        server = under.issue("localhost")
        with open(server.certificate, "a") as chain:
            chain.write(certificates.read(under.certificate))
        daemon = self.begin(server=server, client="required", more='certificate "worker 2" { %s }\n' % GRANT)
        rows = self.connect(daemon, pair).call("who")["connections"]
        self.assertEqual(rows[0]["identity"], {"kind": "certificate", "name": "worker 2"})


class Names(Case):
    def test_the_name_is_the_identity(self):
        pairs = {"cn": self.ca.issue("by cn", ("DNS:not.this",), "client"),
                 "dns": self.ca.issue(None, ("email:a@b.c", "URI:urn:x", "DNS:by.dns", "DNS:not.this"), "client"),
                 "uri": self.ca.issue(None, ("email:a@b.c", "URI:spiffe://by/uri"), "client"),
                 "mail": self.ca.issue(None, ("email:by@mail",), "client"),
                 "unicode": self.ca.issue("Zoë/№1", (), "client")}
        names = {"cn": "by cn", "dns": "by.dns", "uri": "spiffe://by/uri", "mail": "by@mail", "unicode": "Zoë/№1"}
        sections = "".join('certificate "%s" { %s }\n' % (name, GRANT) for name in names.values())
        daemon = self.begin(client="optional", more=sections + 'certificate "not.this" { %s }\n' % GRANT)
        for kind, pair in pairs.items():
            with self.subTest(kind):
                client = self.connect(daemon, pair)
                own = [row for row in client.call("who")["connections"] if row["requests"]]
                self.assertEqual(own[0]["identity"], {"kind": "certificate", "name": names[kind]})
                client.call("pause", queue="q")
                client.close()
                daemon._wait_for('(event=admin .*action=pause kind=certificate who="?%s"? peer=127)' % re.escape(names[kind]))

    def test_other_names_are_nobody_until_they_say_who_they_are(self):
        token = "taskq_0"
        daemon = self.begin(client="optional", more='certificate "worker 2" { %s }\ntoken "t" {\n sha256 = "%s"\n %s\n}\n'
                            % (GRANT, __import__("hashlib").sha256(token.encode()).hexdigest(), GRANT))
        for own in (self.client, None):
            client = self.connect(daemon, own)
            self.assertEqual(client.error("put", queue="q", body=1).name, "unauthorized")
            client.call("auth", token=token)
            client.call("put", queue="q", body=1)
        # A token says who one is also where the certificate did.
        client = self.connect(daemon, self.ca.issue("worker 2", usage="client"))
        client.call("put", queue="q", body=1)
        self.assertEqual(client.call("auth", token=token)["identity"], {"kind": "token", "name": "t"})

    def test_two_authorities_names_are_not_told_apart_by_their_issuer_and_a_plain_port_has_none(self):
        daemon = self.begin(client="required", more='certificate "worker 1" { %s }\n' % GRANT, listen=("tls:127.0.0.1:0", "127.0.0.1:0"))
        self.assertEqual(self.connect(daemon, self.client).call("put", queue="q", body=1), {"id": 1})
        with lib.Connection(daemon.addresses[0 if not daemon.addresses[0].startswith("tls:") else 1]) as plain:
            self.assertEqual(plain.error("put", queue="q", body=1).name, "unauthorized")


class Raw:
    """A client whose records are made by hand: what OpenSSL would send is sent when the test says so."""

    def __init__(self, address, tls):
        self.socket = lib.Connection(address[len("tls:"):]).socket
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = tls.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def flush(self):
        self.socket.sendall(self.outgoing.read())

    def receive(self):
        """False: the end."""
        data = self.socket.recv(1 << 16)
        self.incoming.write(data)
        if not data:
            self.incoming.write_eof()
        return bool(data)

    def shake(self):
        while True:
            try:
                self.tls.do_handshake()
                self.flush()
                return self
            except ssl.SSLWantReadError:
                self.flush()
                self.receive()

    def read_all(self):
        """All that is sent until the other end says that it sends no more."""
        got = b""
        while True:
            try:
                data = self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                if not self.receive():
                    raise AssertionError("the connection ended without close_notify")
                continue
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                return got
            got += data


class Traffic(Case):
    def setUp(self):
        super().setUp()
        self.daemon = self.begin(more="output_limit = 64K\n")

    def both(self):
        """A connection with each version."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            yield self.connect(self.daemon, tls=context(ca=self.ca, version=version))

    def raw(self):
        raw = Raw(self.daemon.address, context(ca=self.ca)).shake()
        self.addCleanup(raw.socket.close)
        return raw

    def test_large_bodies_both_ways(self):
        for client in self.both():
            for size in (1, 16383, 16384, 16385, 65536, 1000000):
                body = "".join(chr(97 + i % 26) for i in range(size))
                client.call("put", queue="q", body=body)
                self.assertEqual(client.call("get", queue="q", auto_ack=True)["body"], body)

    def test_many_large_ones_in_flight(self):
        for client in self.both():
            other = self.connect(self.daemon)
            ids = [client.ask("put", {"queue": "q", "body": BIG}) for _ in range(10)]
            for id in ids:
                client.answer(id)
            ids = [client.ask("get", {"queue": "q", "auto_ack": True}) for _ in range(10)]
            other.call("ping")  # while nothing of it is read
            for id in ids:
                self.assertEqual(client.answer(id)["body"], BIG)

    def test_many_requests_in_few_records_and_in_many(self):
        for client in self.both():
            # As many as fit into the sockets: two threads must not use one connection of Python's at a time.
            client.send("".join(lib.request_text(n, "ping") + "\n" for n in range(2000)))
            for n in range(2000):
                client.answer(n)
            for byte in lib.request_text(1, "ping") + "\n":
                client.send(byte)
            client.answer(1)

    def test_several_records_that_come_at_once(self):
        raw = self.raw()
        for n in range(300):
            raw.tls.write((lib.request_text(n, "ping") + "\n").encode())
        records = raw.outgoing.read()
        cut = len(records) - 7  # the last is not whole
        raw.socket.sendall(records[:cut])
        got = b""
        while got.count(b"\n") < 299:
            try:
                got += raw.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                raw.receive()
        raw.socket.sendall(records[cut:])
        while got.count(b"\n") < 300:
            try:
                got += raw.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                raw.receive()
        self.assertEqual(got, b"".join(b'{"jsonrpc":"2.0","id":%d,"result":{}}\n' % n for n in range(300)))

    def test_requests_that_come_with_the_end_of_the_handshake(self):
        raw = Raw(self.daemon.address, context(ca=self.ca))
        with self.assertRaises(ssl.SSLWantReadError):
            raw.tls.do_handshake()
        raw.flush()
        while True:
            raw.receive()
            try:
                raw.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                pass
        raw.tls.write((lib.request_text(1, "ping") + "\n").encode())
        raw.flush()  # Finished and the request with one call
        with self.assertRaises(ssl.SSLWantReadError):
            raw.tls.read()
        raw.receive()
        self.assertEqual(raw.tls.read(), b'{"jsonrpc":"2.0","id":1,"result":{}}\n')
        raw.socket.close()

    def test_who_is_let_in_while_others_have_their_turn_is_heard_later(self):
        """A connection whose turn comes before its first request is still listened to."""
        self.configure(more='token "a" { sha256 = "%s"\n %s }\n' % ("0" * 64, GRANT))
        daemon = self.start(listen=("tls:127.0.0.1:0", "127.0.0.1:0"))
        over = threading.Event()

        def crowd():
            while not over.is_set():
                with daemon.connect(daemon.addresses[1]) as connection:
                    connection.send(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n' * 90)
                    for _ in range(90):
                        connection.reply()

        crowds = [threading.Thread(target=crowd) for _ in range(4)]
        for thread in crowds:
            thread.start()
        try:
            for _ in range(60):
                with daemon.connect(tls=context(ca=self.ca)) as connection:
                    select.select([], [], [], 0.005)
                    self.assertEqual(connection.call("ping"), {})
        finally:
            over.set()
            for thread in crowds:
                thread.join()

    def test_what_was_asked_before_close_notify_is_answered(self):
        raw = self.raw()
        for n in range(3):
            raw.tls.write((lib.request_text(n, "put", {"queue": "q", "body": BIG[:20000]}) + "\n").encode())
        raw.tls.write((lib.request_text(3, "get", {"queue": "q", "auto_ack": True}) + "\n{").encode())
        with self.assertRaises(ssl.SSLWantReadError):
            raw.tls.unwrap()
        raw.flush()  # and the socket stays open
        got = raw.read_all()
        self.assertEqual(got.count(b"\n"), 4)
        self.assertFalse(raw.receive(), "and then the connection is closed")

    def test_an_end_of_the_socket_without_close_notify_is_one(self):
        raw = self.raw()
        raw.tls.write((lib.request_text(1, "ping") + "\n").encode())
        raw.flush()
        raw.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(raw.read_all(), b'{"jsonrpc":"2.0","id":1,"result":{}}\n')

    def test_the_daemon_says_close_notify(self):
        raw = self.raw()
        raw.tls.write(b"no JSON\n")
        raw.flush()
        self.assertIn(b'"name":"http"', raw.read_all())
        idle = self.raw()
        self.daemon.terminate()
        self.assertEqual(idle.read_all(), b"")

    def test_a_record_that_was_changed_ends_the_connection(self):
        raw = self.raw()
        raw.tls.write((lib.request_text(1, "put", {"queue": "q", "body": 1}) + "\n").encode())
        record = bytearray(raw.outgoing.read())
        record[-1] ^= 1
        raw.socket.sendall(record)
        while raw.receive():
            pass
        with self.assertRaises(ssl.SSLError):
            raw.tls.read()
        self.assertEqual(self.connect(self.daemon).call("queues")["queues"], [])

    def test_a_slow_reader_gets_all_and_holds_nobody_up(self):
        client, other = self.connect(self.daemon), self.connect(self.daemon)
        for _ in range(30):
            other.call("put", queue="q", body=BIG)
        for _ in range(30):
            client.ask("get", {"queue": "q", "auto_ack": True})
        for _ in range(100):
            other.call("ping")
        self.assertGreater(other.call("stats", queue="q")["gauges"]["ready"], 10)  # it is not read from while it does not read
        for n in range(30):
            self.assertEqual(len(client.answer(n + 1)["body"]), len(BIG))

    def test_many_connections_at_once(self):
        def work(n, failures):
            try:
                with self.daemon.connect(tls=context(ca=self.ca)) as client:
                    for i in range(20):
                        client.call("put", queue="q%d" % n, body=[n, i] * 500)
                        self.assertEqual(client.call("get", queue="q%d" % n, auto_ack=True)["body"], [n, i] * 500)
            except BaseException as failure:  # for the thread that waits
                failures.append(failure)

        failures = []
        threads = [threading.Thread(target=work, args=(n, failures)) for n in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_an_idle_connection_that_was_busy_is_small(self):
        clients = [self.connect(self.daemon) for _ in range(20)]
        before = self.daemon.resident()
        clients += [self.connect(self.daemon) for _ in range(200)]
        for client in clients[20:]:
            client.call("put", queue="q", body=BIG[:50000])
            client.call("get", queue="q", auto_ack=True)
        if before:
            self.assertLess((self.daemon.resident() - before) / 200, 25000)

    def test_a_job_comes_back_when_its_connection_goes(self):
        holder, other = self.connect(self.daemon), self.connect(self.daemon)
        other.call("put", queue="q", body=1)
        holder.call("get", queue="q")
        holder.close()
        self.assertEqual(other.call("get", queue="q")["delivery"] > 0, True)


class Half(Case):
    """Handshakes that are begun and not ended."""

    def hello(self):
        """The first flight of a client."""
        outgoing = ssl.MemoryBIO()
        with self.assertRaises(ssl.SSLWantReadError):
            context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
        return outgoing.read()

    def open(self, daemon, data=b""):
        connection = lib.Connection(daemon.address[len("tls:"):])
        self.addCleanup(connection.close)
        connection.send(data)
        return connection

    def end(self, connection):
        """Waits until the daemon has closed it, whatever it sent."""
        try:
            while connection.socket.recv(1 << 16):
                pass
        except ConnectionError:
            pass

    def test_each_has_its_time(self):
        daemon = self.begin(more="tls_handshake_timeout = 300ms\n")
        hello = self.hello()
        for data in (b"", hello[:1], hello[:100], hello):
            self.end(self.open(daemon, data))
        slow = self.open(daemon)
        with self.assertRaises((BrokenPipeError, ConnectionError, AssertionError)):
            for byte in hello:  # a byte at a time does not buy more of it
                slow.send(bytes([byte]))
                slow.socket.settimeout(0.02)
                try:
                    if not slow.socket.recv(1):
                        raise ConnectionError
                except socket.timeout:
                    pass
        daemon._wait_for("(it took too long)")
        self.assertEqual(self.connect(daemon).call("stats")["tls"]["handshakes_failed"], 5)

    def test_they_are_bounded_and_nobody_is_kept_out_by_them(self):
        daemon = self.begin(more="tls_handshakes = 3\ntls_handshake_timeout = 60\n")
        hello = self.hello()
        connected = self.connect(daemon)
        held = [self.open(daemon, (b"", hello[:50], hello)[n % 3]) for n in range(6)]
        connected.until(lambda stats: stats["tls"]["handshakes"] == 6, "stats")
        self.assertEqual(self.connect(daemon).call("ping"), {})  # waits its turn, which is some seconds
        for connection in held[:3]:
            self.end(connection)
        daemon._wait_for("(it took long, and others wait)")

    def test_they_take_little_memory_and_count_as_connections(self):
        daemon = self.begin(more="max_connections = 300\nmax_strangers = 2000\n")
        connected = self.connect(daemon)
        before = daemon.resident()
        hello = self.hello()
        held = [self.open(daemon, hello) for _ in range(250)]
        connected.until(lambda stats: stats["tls"]["handshakes"] == 250, "stats")
        if before:
            self.assertLess((daemon.resident() - before) / 250, 100000)
        for connection in [self.open(daemon) for _ in range(60)][49:]:
            self.end(connection)
        daemon._wait_for("(event=turned_away)")
        self.assertEqual(connected.call("ping"), {})
        del held

    def test_one_address_has_a_quarter_of_the_strangers(self):
        daemon = self.begin(more="max_strangers = 8\n")
        connected = []
        for _ in range(4):  # who is through is none any more
            connected.append(self.connect(daemon))
            connected[-1].call("ping")
        held = [self.open(daemon, self.hello()) for _ in range(2)]
        self.end(self.open(daemon))
        daemon._wait_for(r"(event=stranger_turned_away .*peer=127)")
        held[0].close()
        connected[0].until(lambda stats: stats["tls"]["handshakes"] == 1, "stats")
        self.assertEqual(self.connect(daemon).call("ping"), {})

    def test_garbage_within_the_handshake(self):
        daemon = self.begin(more="tls_handshake_timeout = 1\n")
        hello = self.hello()
        for data in (b"\x16" + b"\0" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 100, hello[:5] + b"\xff" * 200, hello + b"garbage" * 10,
                     hello + hello, b"\x16\x03\x01\0\0" * 100):
            with self.subTest(data[:20]):
                self.end(self.open(daemon, data))
        self.assertEqual(self.connect(daemon).call("ping"), {})

    def test_a_stop_does_not_wait_for_them(self):
        daemon = self.begin(more="tls_handshakes = 2\n")
        hello = self.hello()
        held = [self.open(daemon, hello) for _ in range(5)]
        began = time.monotonic()
        daemon.stop()
        self.assertLess(time.monotonic() - began, lib.PATIENCE / 2)
        for connection in held:
            self.end(connection)


if __name__ == "__main__":
    if not certificates.openssl("version"):
        raise SystemExit(77)
    lib.main()
