"""taskq.Client: the protocol's methods over one connection, from any number of threads."""

from typing import Any, Dict, Optional, Union

from . import _address, _wire
from ._connection import Connection
from ._methods import Methods, may_repeat

# What may wait: for it the daemon's own time is added to the time in which a reply must come.
WAITING = frozenset(("put", "submit", "get", "result", "join", "call"))
SLOW = frozenset(("backup", "drop", "delete", "kick", "shutdown"))  # answered when done, which may take its time


class Client(Methods[Dict[str, Any]]):
    """A client of the daemon at `url`: "host:port", "[IPv6]:port", "unix:PATH", or through TLS "taskqs://host:port"; else
    $TASKQ_ADDR, else 127.0.0.1:7480. It connects when it is first used. What is wrong with its arguments is a ValueError.

    Any number of threads may use it at once: their requests share one connection, and one that waits holds up none.
    After a fork the child has a connection of its own; jobs that the parent holds stay the parent's.

    When the connection is lost it is made anew, with growing pauses, for up to `retry_for` seconds (None: for ever). A
    request that was not carried out, or that may be repeated, is made again; any other fails with `Lost`, since nobody
    knows whether it was carried out. A request that waits for a time is given up when that time is over.

    `connect_timeout`: seconds for making a connection. `reply_timeout`: how many seconds longer than a request's own
    timeout its reply may take before the connection is given up. `name`: who this is, for the daemon's log and `who`.

    `token`, or the first line of `token_file`, says who this is on every connection; else $TASKQ_TOKEN, else the file
    $TASKQ_TOKEN_FILE. A file that others can read is refused.

    For taskqs:// alone (ValueError with another address), PEM files that are read again for a new connection when they
    were replaced: `ca_file` (else $TASKQ_CA, else what the system trusts) has the CAs of which one must have issued the
    daemon's certificate, or that very certificate; `cert_file` (else $TASKQ_CERT) and `key_file` (else $TASKQ_KEY, else
    it stands in the former) are this client's own, for daemons that ask for it; `tls_name` (else $TASKQ_TLS_NAME, else
    what the address says) is the name that the daemon's certificate must be for. There is no way to leave the
    verification out, and where it fails that is TlsFailed: nothing is sent without TLS instead.
    """

    def __init__(self, url: Optional[str] = None, *, connect_timeout: float = 5.0, reply_timeout: float = 60.0,
                 retry_for: Optional[float] = 60.0, name: Optional[str] = None, token: Optional[str] = None,
                 token_file: Optional[str] = None, ca_file: Optional[str] = None, cert_file: Optional[str] = None,
                 key_file: Optional[str] = None, tls_name: Optional[str] = None) -> None:
        self.connection = Connection(
            url, connect_timeout=connect_timeout, reply_timeout=reply_timeout, retry_for=retry_for, name=name, token=token,
            token_file=token_file, tls={"ca_file": ca_file, "cert_file": cert_file, "key_file": key_file,
                                        "tls_name": tls_name})

    @property
    def url(self) -> str:
        """The daemon's address."""
        return self.connection.url

    def request(self, method: str, **params: Any) -> Dict[str, Any]:
        """Any method, also one that this library does not know; its result. It waits for the daemon's reply, and raises its
        error."""
        return self._ask(method, params)

    def _ask(self, method: str, params: Dict[str, Any]) -> Dict[str, Any]:
        def make(left: Optional[float]) -> bytes:
            if left is not None and "timeout" in params:
                params["timeout"] = left
            return _wire.request(method, _wire.encode(params))

        timeout = params.get("timeout") if method in WAITING else None if method in SLOW else 0.0
        return self.connection.call(make, timeout, may_repeat(method, params))  # type: ignore[no-any-return]

    def notify(self, method: str, **params: Any) -> None:
        """Sends a request that is not answered, not even where it fails."""
        line, link = _wire.notification(method, _wire.encode(params)), self.connection.link()
        _wire.check(line, link.largest, link.deepest)
        link.send(line)

    def close(self) -> None:
        """Closes the connection: jobs held under leases that are not detached go back to their queues."""
        self.connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "%s(%r)" % (type(self).__name__, self.url)


_shared: Dict[str, Client] = {}


def client_of(url: Union[str, Client, None]) -> Client:
    """A Client as it is; for an address the one that all of the process share."""
    if isinstance(url, Client):
        return url
    text = _address.address_text(url)
    found = _shared.get(text)
    if found is None or found.connection.closed:
        found = _shared[text] = Client(text)
    return found
