"""Private queues: declared at every new connection, gone with their object."""

import os
import weakref
from typing import TYPE_CHECKING, Any, Callable

from . import _wire, errors
from ._connection import Connection, Link

if TYPE_CHECKING:
    from ._simple import SimpleQueue


def declarer(queue: "weakref.ref[SimpleQueue[Any]]", params: bytes) -> Callable[[Link], None]:
    def declare(link: Link) -> None:
        one = queue()
        if one is None:
            return
        try:
            link.ask("declare", params)
        except errors.InvalidParams as error:
            if error.data.get("param") != "owned":
                raise
            # The daemon has not noticed yet that the connection it belonged to is no more.
            link.ask("drop", _wire.encode({"queue": one._name}))
            link.ask("declare", params)
        one._told = link

    return declare


def left(connection: Connection, key: object, name: str, owner: int) -> None:
    """A private queue's object is gone, so the queue goes."""
    connection.connected.pop(key, None)
    if owner == os.getpid():
        connection.leftovers.append(_wire.notification("drop", _wire.encode({"queue": name})))
