"""What can go wrong, as exceptions.

Each error of the protocol has a class of its own, with its `code` and `name`; where the standard library has a word
for the same thing (queue.Empty, TimeoutError …) the class is one of those as well. What the library itself has to say
follows after them. A test holds the classes against the daemon's own table.
"""

import concurrent.futures
import queue
from typing import Any, Dict, Mapping, Optional, Type


# Since 3.11 the two are one.
_TIMEOUTS = tuple(dict.fromkeys((concurrent.futures.TimeoutError, TimeoutError)))


class TaskqError(Exception):
    """The base of all. `code` and `name` are the protocol's (0 and "" for the library's own errors); `data` is what the
    daemon sent along."""

    code = 0
    name = ""

    def __init__(self, message: str = "", data: Optional[Mapping[str, Any]] = None) -> None:
        super().__init__(message or " ".join((self.__doc__ or "").split()))
        self.data: Dict[str, Any] = dict(data or {})

    def __reduce__(self) -> Any:
        return type(self), (str(self), self.data)


# ---- the daemon's


class ParseError(TaskqError, ValueError):
    """This line is not JSON."""

    code, name = -32700, "parse_error"


class InvalidRequest(TaskqError):
    """This is not a JSON-RPC 2.0 request."""

    code, name = -32600, "invalid_request"


class MethodNotFound(TaskqError):
    """There is no such method."""

    code, name = -32601, "method_not_found"


class InvalidParams(TaskqError, ValueError):
    """The params are not what the method takes; `data["param"]` names the one that is wrong."""

    code, name = -32602, "invalid_params"


class InternalError(TaskqError):
    """The daemon failed at this request; its log says more."""

    code, name = -32603, "internal_error"


class RequestCancelled(TaskqError):
    """The request was taken back."""

    code, name = -32800, "request_cancelled"


class Empty(TaskqError, queue.Empty):
    """No job is ready."""

    code, name = -32001, "empty"


class Full(TaskqError, queue.Full):
    """The queue is full."""

    code, name = -32002, "full"


class NotFound(TaskqError, LookupError):
    """There is no such job or queue."""

    code, name = -32003, "not_found"


class NotReserved(TaskqError):
    """The job is not reserved under this delivery: its lease ran out, or it is another's."""

    code, name = -32004, "not_reserved"


class ShutDown(TaskqError, getattr(queue, "ShutDown", Exception)):  # type: ignore[misc]
    """The queue is shut down."""

    code, name = -32005, "shut_down"


class Timeout(TaskqError, *_TIMEOUTS):  # type: ignore[misc]
    """The time was up first."""

    code, name = -32006, "timeout"


class Failed(TaskqError):
    """The job failed; `data` has its `reason`, `attempts` and last `error`."""

    code, name = -32007, "failed"


class Cancelled(TaskqError, concurrent.futures.CancelledError):
    """The job was cancelled."""

    code, name = -32008, "cancelled"


class TooLarge(TaskqError, ValueError):
    """This is larger than the daemon takes."""

    code, name = -32009, "too_large"


class Overloaded(TaskqError):
    """The daemon is at one of its limits; try again later."""

    code, name = -32010, "overloaded"


class Draining(TaskqError):
    """The daemon is stopping."""

    code, name = -32011, "draining"


class StoreFailed(TaskqError):
    """The daemon cannot write to its disk."""

    code, name = -32012, "store_failed"


class Unauthorized(TaskqError, PermissionError):
    """Say who you are first."""

    code, name = -32013, "unauthorized"


class Forbidden(TaskqError, PermissionError):
    """You may not do this."""

    code, name = -32014, "forbidden"


class NotHttp(TaskqError):
    """This port speaks JSON-RPC 2.0, one message a line, not HTTP."""

    code, name = -32015, "http"


BY_NAME: Dict[str, Type[TaskqError]] = {
    each.name: each
    for each in (
        ParseError, InvalidRequest, MethodNotFound, InvalidParams, InternalError, RequestCancelled, Empty, Full,
        NotFound, NotReserved, ShutDown, Timeout, Failed, Cancelled, TooLarge, Overloaded, Draining, StoreFailed,
        Unauthorized, Forbidden, NotHttp,
    )
}


def of_reply(error: Mapping[str, Any]) -> TaskqError:
    """The exception that a reply's `error` stands for."""
    data = error.get("data") or {}
    kind = BY_NAME.get(data.get("name", ""))
    if kind is not None:
        return kind(error.get("message", ""), data)
    unknown = TaskqError(error.get("message", ""), data)
    unknown.code, unknown.name = error.get("code", 0), data.get("name", "")
    return unknown


# ---- the library's own


class NoDaemon(TaskqError, ConnectionError):
    """No connection could be made. Nothing was sent."""


class TlsFailed(NoDaemon):
    """TLS: who answers cannot be trusted, does not speak it, or does not accept this client's certificate. Nothing was
    done."""


class Lost(TaskqError, ConnectionError):
    """The connection was lost after the request was sent and before its reply came: it may have been carried out or
    not. Requests that can be repeated without harm are, and never fail so."""


class Closed(TaskqError, ConnectionError):
    """The client was closed."""


class ProtocolError(TaskqError):
    """What came is not what the protocol says; the connection was closed."""


class RemoteError(TaskqError):
    """A job's function raised something that cannot be made here; `type` names it. Its traceback is the cause."""

    def __init__(self, message: str = "", data: Optional[Mapping[str, Any]] = None) -> None:
        super().__init__(message, data)
        self.type: str = str(self.data.get("type", ""))


class WorkerDied(Failed, concurrent.futures.BrokenExecutor):
    """The process that ran the job ended before the job did, or no process can be had that would run it."""


class RemoteTraceback(Exception):
    """The traceback of where an exception was raised, as text: the cause of the exception here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return '\n"""\n%s"""' % self.text

    def __reduce__(self) -> Any:
        return type(self), (self.text,)
