"""Values to bytes and back: a request's line, the size and depth that the daemon takes."""

import json
from typing import Any, Callable, Iterable

from . import errors

PROTOCOL = 1
DEEPEST = 126  # of a value in a request, where it stands in two objects: a line may have 128

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_decoder = json.JSONDecoder()
decode = _decoder.decode
_scan = _decoder.scan_once  # type: ignore[attr-defined]


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


def result_of(reply: bytes) -> Any:
    """A reply's result; None where it is an error."""
    return decode(reply.decode()).get("result")


def accepted(reply: bytes) -> Any:
    """True for a reply that has a result; None where it is an error, or begins as no reply of taskqd does."""
    return True if reply.find(b'"result":', 20, 64) > 0 else None


def body_of(reply: bytes) -> Any:
    """(body,) of a get's result, without a look at the rest; None where that cannot be had so."""
    text = reply.decode()
    at = text.find(',"body":')  # within a string its quotes would be escaped
    if at > 0:
        try:
            body, end = _scan(text, at + 8)
        except (StopIteration, ValueError, RecursionError):
            return None
        if text[end:] == "}}":
            return (body,)
    return None


def check(line: bytes, largest: int, deepest: int) -> None:
    """Refuses here what the daemon could only refuse without saying whose it was: its answers to a line that is too
    long or too deep bear no id."""
    if len(line) > largest:
        raise errors.TooLarge("a request of %d bytes; the daemon takes %d" % (len(line), largest))
    check_depth(line, deepest)


def check_depth(line: bytes, deepest: int) -> None:
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
