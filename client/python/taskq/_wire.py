"""Values to bytes and back: a request's line, the size and depth that the daemon takes, where it is."""

import json
import os
import socket
from typing import Any, Callable, Iterable, Optional, Tuple, Union

from . import errors

DEFAULT_ADDRESS = "127.0.0.1:7480"
DEFAULT_PORT = 7480
PROTOCOL = 1

Address = Union[str, Tuple[str, int]]  # a Unix socket's path, or host and port

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
decode = json.JSONDecoder().decode


def _make_pieces() -> Callable[[Any, int], Iterable[str]]:
    """JSONEncoder.encode makes the interpreter's own encoder anew for each value, which takes longer than most values
    do; this makes it once. Where it cannot be had, what the module offers does."""
    try:
        from json import encoder

        inside: Any = encoder
        made = inside.c_make_encoder(
            None, _encoder.default, inside.encode_basestring, None, ":", ",", False, False, False)
        if "".join(made({"a": [1, 2.5, None, "\u20ac"]}, 0)) == '{"a":[1,2.5,null,"\u20ac"]}':
            return made  # type: ignore[no-any-return]
    except (ImportError, AttributeError, TypeError):
        pass
    return lambda value, _: (_encoder.encode(value),)


_pieces = _make_pieces()


def encode(value: Any) -> bytes:
    """JSON in UTF-8, without white space. What JSON cannot say is a TypeError or ValueError."""
    try:
        return "".join(_pieces(value, 0)).encode()
    except RecursionError:
        raise ValueError("it contains itself, or is nested too deep") from None


def request(method: str, params: bytes) -> bytes:
    """A request's line up to its id, which stands last: `request(…) + b'%d}\\n' % id`."""
    return b'{"jsonrpc":"2.0","method":"%b","params":%b,"id":' % (method.encode(), params)


def notification(method: str, params: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","method":"%b","params":%b}\n' % (method.encode(), params)


def check(line: bytes, largest: int, deepest: int) -> None:
    """Refuses here what the daemon could only refuse without saying whose it was: its answers to a line that is too
    long or too deep bear no id."""
    if len(line) > largest:
        raise errors.TooLarge("a request of %d bytes; the daemon takes %d" % (len(line), largest))
    if line.count(b"[") + line.count(b"{") > deepest and _depth(line) > deepest:
        raise errors.ParseError("arrays and objects stand more than %d deep in it" % deepest)


def _depth(line: bytes) -> int:
    depth = most = at = 0
    while at < len(line):
        byte = line[at]
        if byte == 0x22:  # a string: to its end
            at += 1
            while line[at] != 0x22:
                at += 2 if line[at] == 0x5C else 1
        elif byte in b"[{":
            depth += 1
            most = max(most, depth)
        elif byte in b"]}":
            depth -= 1
        at += 1
    return most


# ---- addresses


def address_text(url: Optional[str]) -> str:
    """What is meant where nothing is said: the environment's TASKQ_ADDR, else the daemon's usual place."""
    return url or os.environ.get("TASKQ_ADDR") or DEFAULT_ADDRESS


def token_of(token: Optional[str]) -> Optional[str]:
    """What was given, else the environment's TASKQ_TOKEN, else what is in the file that TASKQ_TOKEN_FILE names."""
    if token or os.environ.get("TASKQ_TOKEN"):
        return token or os.environ["TASKQ_TOKEN"]
    path = os.environ.get("TASKQ_TOKEN_FILE")
    if not path:
        return None
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def parse_address(text: str) -> Address:
    """"host", "host:port", "[IPv6]:port" or "unix:PATH", as libtaskq and the CLI take it."""
    if "://" in text:
        raise ValueError("%r: an address is HOST:PORT, [IPv6]:PORT or unix:PATH" % text)
    if text.startswith("unix:"):
        path = text[len("unix:"):]
        if not path:
            raise ValueError("%r: there is no path in it" % text)
        return path
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise ValueError("%r: an IPv6 address stands in brackets, as in [::1]:7480" % text)
        port = port[1:] if port else str(DEFAULT_PORT)
    else:
        host, colon, port = text.partition(":")
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


def set_options(sock: socket.socket) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP_OPTIONS:
        option = getattr(socket, name, None)  # not every system has all
        if option is not None:
            try:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
            except OSError:
                pass


def connect(address: Address, timeout: float) -> socket.socket:
    """A connected socket, or OSError. The one place where a connection is made: TLS would be put around it here."""
    if isinstance(address, tuple):
        sock = socket.create_connection(address, timeout)
    else:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
    set_options(sock)
    return sock
