"""Where a daemon is: addresses, and sockets to them."""

import os
import socket
import struct
import types
from typing import NamedTuple, Optional

DEFAULT_ADDRESS = "127.0.0.1:7480"
DEFAULT_PORT = 7480


class Address(NamedTuple):
    host: str  # or the path of a Unix socket
    port: int = 0  # 0: a Unix socket
    tls: bool = False


def address_text(url: Optional[str]) -> str:
    """What is meant where nothing is said: the environment's TASKQ_ADDR, else the daemon's usual place."""
    return url or os.environ.get("TASKQ_ADDR") or DEFAULT_ADDRESS


def parse_address(text: str) -> Address:
    """"host", "host:port", "[IPv6]:port", these behind "taskqs://" or the daemon's "tls:host:port" (with TLS) or "taskq://", or "unix:PATH", as
    libtaskq and the CLI take it. ValueError says what is wrong."""
    if text.startswith("unix:"):
        if text == "unix:":
            raise ValueError("%r: there is no path in it" % text)
        return Address(text[len("unix:"):])
    for scheme, tls in (("taskqs://", True), ("taskq://", False), ("tls:", True)):
        if text.startswith(scheme) and (scheme != "tls:" or ":" in text[len(scheme):]):
            place = text[len(scheme):]
            place = place[:-1] if place.endswith("/") else place
            if any(c in place for c in "/?#@"):
                raise ValueError("%r: behind the slashes there is a host and a port, and nothing else" % text)
            return Address(*_host_and_port(text, place), tls)
    if "://" in text:
        raise ValueError("%r: what begins it is taskqs:// (with TLS), taskq://, or nothing" % text)
    return Address(*_host_and_port(text, text))


def _host_and_port(text: str, place: str) -> "tuple[str, int]":
    if place.startswith("["):
        host, closed, port = place[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise ValueError("%r: an IPv6 address stands in brackets, as in [::1]:7480" % text)
        port = port[1:] if port else str(DEFAULT_PORT)
    else:
        host, colon, port = place.partition(":")
        if ":" in port:
            raise ValueError("%r: an IPv6 address stands in brackets, as in [::1]:7480" % text)
        port = port if colon else str(DEFAULT_PORT)
    if not host:
        raise ValueError("%r: there is no host in it" % text)
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError("%r: the port is a number from 1 to 65535" % text)
    return host, int(port)


# A machine that vanished is noticed after about half a minute, also while nothing is sent.
_TCP_OPTIONS = (
    ("TCP_NODELAY", 1), ("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 35000),
)


def _set_options(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP_OPTIONS:
        option = getattr(socket, name, None)  # not every system has all
        if option is not None:
            try:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
            except OSError:
                pass


TIMED_OUT = (socket.timeout, BlockingIOError)  # what a send or recv raises after the time of set_patience()


def set_patience(sock: socket.socket, seconds: float) -> bool:
    """For how long a send or recv waits. Where the kernel can do the waiting it does, and that is True: for a timeout of
    its own Python asks the kernel twice each time."""
    if isinstance(sock.recv, types.BuiltinMethodType):  # it is nobody's replacement
        whole = int(seconds)
        value = struct.pack("@ll", whole, int((seconds - whole) * 1e6))
        try:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                sock.setsockopt(socket.SOL_SOCKET, option, value)
            sock.settimeout(None)
            return True
        except OSError:
            pass
    sock.settimeout(seconds)
    return False


def connect(address: Address, timeout: float) -> socket.socket:
    """A connected socket, without TLS, or OSError."""
    if address.port:
        sock = socket.create_connection((address.host, address.port), timeout)
        _set_options(sock)
        return sock
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(address.host)
    except BaseException:
        sock.close()
        raise
    return sock
