"""What the tests of TLS share: an authority with a server's and clients' certificates, and daemons that use them."""

import os
import re
import ssl
import tempfile
import unittest

import certificates
import lib

GRANT = 'grant "*" { roles = {"put", "take", "read", "admin"} }'


class World:
    """Made once for a test's file: what is costly to make and never changed."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="taskq-tls-")
        self.ca = certificates.Authority(self._folder.name)
        self.other = certificates.Authority(self._folder.name, "somebody else")
        self.server = self.ca.issue("localhost")
        self.client = self.ca.issue("worker 1", names=(), usage="client")

    def close(self):
        self._folder.cleanup()


def context(own=None, ca=None, version=None):
    """A client's: `own` is a pair of its own; without `ca` whoever answers is taken."""
    made = ssl.create_default_context(cafile=ca.certificate if ca else None)
    if not ca:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if own:
        made.load_cert_chain(own.certificate, own.key)
    if version:
        made.minimum_version = made.maximum_version = version
    return made


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.close)
        cls.ca, cls.server, cls.client = cls.world.ca, cls.world.server, cls.world.client

    def setUp(self):
        folder = lib.temporary_folder()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "taskqd.conf")

    def configure(self, server=None, client=None, ca=None, crl=None, more=""):
        """Writes the configuration: the server's pair; client: none, optional or required; by which authority."""
        server = server or self.server
        lines = ['tls_certificate = "%s"' % server.certificate, 'tls_key = "%s"' % server.key]
        if client:
            lines += ["tls_client = " + client, 'tls_client_ca = "%s"' % (ca or self.ca).certificate]
        if crl:
            lines.append('tls_client_crl = "%s"' % crl)
        certificates.write(self.path, "\n".join(lines) + "\n" + more)

    def start(self, *arguments, listen=("tls:127.0.0.1:0",), **more):
        daemon = lib.Daemon("-c", self.path, *arguments, listen=listen, **more)
        self.addCleanup(daemon.kill)
        return daemon

    def begin(self, *arguments, listen=("tls:127.0.0.1:0",), **settings):
        self.configure(**settings)
        return self.start(*arguments, listen=listen)

    def connect(self, daemon, own=None, address=None, tls=None):
        connection = daemon.connect(address, tls=tls or context(own, self.ca))
        self.addCleanup(connection.close)
        return connection

    def assertRefused(self, daemon, own=None, says=None, ca=None):
        """No request is answered: the handshake fails, in TLS 1.3 as the client sees it only when it reads."""
        seen = daemon.text().count("event=handshake_failed")
        try:
            connection = self.connect(daemon, tls=context(own, ca))
            connection.send_line(lib.request_text(1, "ping"))
            connection.expect_end()
        except (ssl.SSLError, ConnectionError):
            pass
        if says:  # one line a second at most: it may be among those that are only counted
            daemon._wait_for("(event=handshake_failed)", nth=0)
            lines = re.findall(r"event=handshake_failed.*", daemon.text())
            if len(lines) > seen:
                self.assertIn(says, lines[-1])

    def reload(self, daemon, says):
        """SIGHUP, and waits until the log says it once more."""
        seen = sum(bool(re.search(says, line)) for line in daemon.text().splitlines())
        os.kill(daemon.pid, 1)
        return daemon._wait_for("(%s)" % says, nth=seen)
