"""@taskq.task: a function that can be called here or done elsewhere."""

import functools
from typing import Any, Callable, Optional, Union

from . import _functions, _wire, errors
from .client import Client, client_of


class Pending:
    """A job that `delay` put: its `id`, and its outcome for whoever wants it while the daemon keeps it."""

    def __init__(self, client: Client, id: int, pickled: bool) -> None:
        self._client, self.id, self._pickled = client, id, pickled

    def result(self, timeout: Optional[float] = None) -> Any:
        """What the function returned; what it raised is raised here. taskq.Timeout after `timeout` seconds (None: never),
        taskq.Cancelled, taskq.NotFound where it is not kept any more."""
        try:
            return _functions.result_of(self._client.result(self.id, timeout=timeout)["result"], self._pickled)
        except errors.Failed as failed:
            made = _functions.exception_of(failed.data.get("reason"), failed.data.get("error"), self._pickled)
        raise made

    def cancel(self) -> bool:
        """Takes the job back if nobody has begun it."""
        return bool(self._client.cancel(self.id)["cancelled"])


class Task:
    """Called, it is the plain function; `delay` puts a job for a worker and returns when the daemon has it."""

    def __init__(self, function: Callable[..., Any], queue: str, max_attempts: Optional[int],
                 url: Union[str, Client, None], serializer: str, priority: Optional[float]) -> None:
        functools.update_wrapper(self, function)
        self.__wrapped_task__ = function
        self._url, self.queue = url, queue
        self._pickled = serializer == "pickle"
        self._options = {"max_attempts": max_attempts, "priority": priority}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped_task__(*args, **kwargs)

    def delay(self, *args: Any, **kwargs: Any) -> Pending:
        """Puts a job that calls it; what it will come to. TypeError or ValueError where the arguments cannot be sent."""
        client = client_of(self._url)
        body = _functions.job_body(self.__wrapped_task__, args, kwargs, self._pickled)
        options: Any = self._options
        return Pending(client, client.submit(self.queue, _wire.decode(body.decode()), **options)["id"], self._pickled)

    def __reduce__(self) -> Any:
        return self.__wrapped_task__.__qualname__  # found by its name, as a function is


def task(*, queue: str = "python", max_attempts: Optional[int] = None, url: Union[str, Client, None] = None,
         serializer: str = "json", priority: Optional[float] = None) -> Callable[[Callable[..., Any]], Task]:
    """`@taskq.task(queue="emails", max_attempts=5)` gives a function `send` a `send.delay(…)`.

    `queue`: whose workers do it (`python3 -m taskq.worker MODULE --queue emails`). `max_attempts` (else the queue's) and
    `priority` (a number, lower ones first) are the job's. `url`: the daemon's address or a Client, used from the first
    `delay` on. `serializer`: "json", or "pickle" where the workers were started with --pickle.
    """
    if serializer not in ("json", "pickle"):
        raise ValueError("serializer is 'json' or 'pickle', not %r" % (serializer,))

    def decorate(function: Callable[..., Any]) -> Task:
        return Task(function, queue, max_attempts, url, serializer, priority)

    return decorate
