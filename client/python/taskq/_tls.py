"""TLS to the daemon: who answers is always verified, and nothing falls back to plain text."""

import os
import socket
import ssl
import threading
import time
from typing import Dict, List, Mapping, Optional, Tuple

from . import _address, _secrets, errors

# The options about TLS, each with the variable that stands in where it is not given.
OPTIONS = {"ca_file": "TASKQ_CA", "cert_file": "TASKQ_CERT", "key_file": "TASKQ_KEY", "tls_name": "TASKQ_TLS_NAME"}
PATIENCE = 60.0  # seconds for which nothing can be sent until the daemon is taken for gone
_PIECE = 1 << 16
_PARTIAL_CHAIN = 0x80000  # X509_V_FLAG_PARTIAL_CHAIN; a name in ssl since 3.10
_CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"

# What OpenSSL's reasons mean here, alerts of the other side among them.
_REASONS = {
    "WRONG_VERSION_NUMBER": "it is not TLS that is spoken there: have taskqd listen with TLS at that port, or leave out "
                            "taskqs:// if plain text will do",
    "HTTP_REQUEST": "it is not TLS that is spoken there, but HTTP",
    "UNSUPPORTED_PROTOCOL": "it speaks no TLS that is new enough: 1.2 at least",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks no version of TLS that this does: 1.2 or 1.3",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it does not go on: it may want a certificate of this client (TASKQ_CERT, TASKQ_KEY), "
                                     "or there is no cipher that both take",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate of this client: name it and its key (TASKQ_CERT, "
                                         "TASKQ_KEY)",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust who issued this client's certificate: its tls_client_ca must have that CA",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "this client's certificate has expired: it needs a new one",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "this client's certificate has been revoked",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept this client's certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "it does not accept this client's certificate: is it for clients (its extended "
                                           "key usage)?",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept this client's certificate",
    "TLSV1_ALERT_ACCESS_DENIED": "it lets nobody in with this client's certificate",
}
_EXPIRED, _NOT_YET = 10, 9  # OpenSSL's X509_V_ERR_…
_UNTRUSTED = (2, 18, 19, 20, 21)
_OTHER_NAME = (62, 64)


class Tls:
    """What a connection's TLS is made with. The files are read now, so that what is wrong with them is said at once
    (ValueError), and again for a new connection when they were replaced."""

    error = ssl.SSLError

    def __init__(self, options: Mapping[str, Optional[str]], host: str) -> None:
        given = {name: options.get(name) or os.environ.get(variable) or None for name, variable in OPTIONS.items()}
        name = (given["tls_name"] or host).partition("%")[0]  # an interface is part of where to go, not of the name
        self.name = name[:-1] if len(name) > 1 and name.endswith(".") else name
        self._ca, self._certificate, self._key = given["ca_file"], given["cert_file"], given["key_file"]
        self._given = {OPTIONS[name]: value for name, value in given.items() if value}
        self._stamps = self._stamp()
        self._context = self._load()

    def environment(self) -> Dict[str, str]:
        """The variables that make another process do the same."""
        return dict(self._given)

    def _stamp(self) -> List[Tuple[int, int, int]]:
        stamps = []
        for path in (self._ca, self._certificate, self._key):
            try:
                status = os.stat(path) if path else None
            except OSError:
                status = None
            stamps.append((status.st_dev, status.st_ino, status.st_mtime_ns) if status else (0, 0, 0))
        return stamps

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which verifies certificate and name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.hostname_checks_common_name = False
        if getattr(context, "security_level", 1) < 2:
            context.set_ciphers(_CIPHERS)
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)  # a line that was cut off is not taken anyway
        if self._ca is None:
            context.load_default_certs()
        else:
            _load_ca(context, self._ca)
        if self._certificate is not None:
            _load_certificate(context, self._certificate, self._key)
        elif self._key is not None:
            raise ValueError("there is a key, but no certificate that it belongs to (TASKQ_CERT)")
        return context

    def context(self) -> ssl.SSLContext:
        """For a new connection: from the files as they are now, or as they were where they cannot be used now."""
        stamps = self._stamp()
        if stamps != self._stamps:
            try:
                self._context, self._stamps = self._load(), stamps
            except ValueError:
                pass  # they may be half replaced
        return self._context

    def wrap(self, sock: socket.socket, timeout: float) -> "TlsSocket":
        """TLS on a connected socket, once both have shaken hands; TlsFailed, or OSError where the connection ended. The
        socket is closed where that fails."""
        try:
            wrapped = TlsSocket(sock, self.context(), self.name)
            wrapped.shake_hands(time.monotonic() + timeout)
            return wrapped
        except ssl.SSLError as error:
            sock.close()
            raise errors.TlsFailed(self.sentence(error)) from error
        except BaseException:
            sock.close()
            raise

    def sentence(self, error: BaseException) -> str:
        """What went wrong, and what to do about it."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._bad_certificate(error.verify_code, error.verify_message)
        reason = getattr(error, "reason", None) or str(error)
        return _REASONS.get(reason, "TLS failed: %s" % reason)

    def _bad_certificate(self, code: int, message: str) -> str:
        if code in _OTHER_NAME:
            return "its certificate is not for %s: connect to a name that it has, or say which one it must have " \
                   "(TASKQ_TLS_NAME)" % self.name
        if code in _UNTRUSTED:
            return "its certificate is issued by nobody whom this system trusts: if you do, name a file with that CA's " \
                   "certificate (TASKQ_CA)" if self._ca is None else "its certificate is not issued by a CA of %s" % self._ca
        if code == _EXPIRED:
            return "its certificate has expired: the daemon needs a new one"
        if code == _NOT_YET:
            return "its certificate is not valid yet: is this machine's clock right?"
        return "its certificate is not accepted: %s" % message


def _load_ca(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise ValueError("the CA file %s has no certificate in PEM that can be read" % path) from error
    except OSError as error:
        raise ValueError("the CA file %s cannot be opened: %s" % (path, error.strerror)) from error
    # What is named is trusted, also where it is not a CA but the daemon's own certificate.
    context.verify_flags |= _PARTIAL_CHAIN


def _load_certificate(context: ssl.SSLContext, certificate: str, key: Optional[str]) -> None:
    def no_password() -> str:
        raise ValueError("the key file %s is encrypted, and nobody can be asked for its password: decrypt it with "
                         "`openssl pkey`" % (key or certificate))

    try:
        with open(certificate, "rb"):
            pass
    except OSError as error:
        raise ValueError("the certificate file %s cannot be opened: %s" % (certificate, error.strerror)) from error
    _secrets.check_kept("key", key or certificate)
    try:
        context.load_cert_chain(certificate, key, no_password)
    except ssl.SSLError as error:
        wrong = "the key in %s is not that of the certificate in %s" % (key or certificate, certificate) \
            if error.reason == "KEY_VALUES_MISMATCH" else \
            "the certificate file %s, or the key file %s, has none in PEM that can be used" % (certificate, key or certificate)
        raise ValueError(wrong) from error


class TlsSocket:
    """As much of a socket as a Link uses: one thread may send while another receives, which an ssl.SSLSocket does not
    promise. The lock is held while bytes are turned into others, never while they are waited for."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, name: str) -> None:
        self._sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=name)
        self._lock = threading.Lock()
        self._sending = threading.Lock()

    def settimeout(self, timeout: Optional[float]) -> None:
        self._sock.settimeout(timeout)

    def shake_hands(self, deadline: float) -> None:
        while True:
            try:
                self._tls.do_handshake()
                self._flush()
                return
            except ssl.SSLWantReadError:
                self._flush()
            except ssl.SSLError:
                self._tell_why()
                raise
            left = deadline - time.monotonic()
            self._sock.settimeout(max(0.001, left))
            try:
                data = self._sock.recv(_PIECE)
            except socket.timeout:
                raise OSError("the connection was taken, but not greeted in time: is it TLS that is spoken there?") from None
            if not data:
                raise OSError("the connection was taken, but then ended in the TLS handshake: is it TLS that is spoken "
                              "there?")
            self._in.write(data)

    def send(self, data: bytes) -> int:
        """All of it."""
        with self._lock:
            self._tls.write(data)
        self._flush()
        return len(data)

    def _flush(self) -> None:
        with self._sending:
            rest = memoryview(self._out.read())
            patience = time.monotonic() + PATIENCE
            while rest:
                try:
                    sent = self._sock.send(rest)
                    rest = rest[sent:]
                    patience = time.monotonic() + PATIENCE
                except _address.TIMED_OUT:
                    if time.monotonic() > patience:
                        raise OSError("the daemon reads nothing any more") from None

    def recv(self, most: int) -> bytes:
        """What has come, up to about `most` bytes; waits while there is nothing."""
        while True:
            data = self._read(most)
            if data is not None:
                return data
            if self._out.pending:  # an answer of TLS's own
                self._flush()
            # In one step, so that nothing that was received is lost where a signal's handler raises.
            if not sum(map(self._in.write, map(self._sock.recv, (_PIECE,)))):
                return b""

    def _read(self, most: int) -> Optional[bytes]:
        """None: something has to come first."""
        parts: List[bytes] = []
        try:
            with self._lock:
                while most > 0:
                    part = self._tls.read(most)
                    if not part:
                        break
                    parts.append(part)
                    most -= len(part)
        except ssl.SSLWantReadError:
            if not parts:
                return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass
        return b"".join(parts)

    def _tell_why(self) -> None:
        """The alert, if it can be sent at once."""
        try:
            self._sock.send(self._out.read(), socket.MSG_DONTWAIT)
        except OSError:
            pass

    def shutdown(self, how: int) -> None:
        if self._lock.acquire(False):
            try:
                self._tls.unwrap()
            except (ssl.SSLError, ValueError):
                pass
            finally:
                self._lock.release()
            self._tell_why()
        self._sock.shutdown(how)

    def close(self) -> None:
        self._sock.close()
