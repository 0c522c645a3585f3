"""Every method of the protocol, once: for the client that returns results and for the one that returns awaitables.

A param that is left out (or None, where null means nothing) is not sent, so the daemon's default holds.
"""

from typing import Any, Dict, Generic, Mapping, Optional, Sequence, TypeVar

R = TypeVar("R")


class _Absent:
    def __repr__(self) -> str:
        return "<absent>"


ABSENT: Any = _Absent()  # where None is a value (JSON's null)

# Those that may be carried out twice without harm, so that they are asked again when a reply was lost. A put or submit
# is one of them if it has a key, a get if its job would have come back, and a result if the daemon does not forget it.
REPEATABLE = frozenset((
    "hello", "ping", "job", "jobs", "queues", "stats", "history", "pool", "join", "declare", "pause", "resume", "shutdown", "touch",
    "progress", "auth", "who",
))


def may_repeat(method: str, params: Mapping[str, Any]) -> bool:
    """Whether a request can be carried out twice without harm."""
    if method in ("put", "submit", "call"):
        return "key" in params
    if method == "get":
        return not params.get("auto_ack") and not params.get("detached")
    if method == "result":
        return not params.get("forget")
    return method in REPEATABLE


def _given(**params: Any) -> Dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None and value is not ABSENT}


def _ids(ids: Optional[Sequence[int]]) -> Optional[Sequence[int]]:
    return None if ids is None else list(ids)


class Methods(Generic[R]):
    """The protocol's methods, by their names and with their params in its words; what comes back is the result object, and
    every error is an exception of its own (taskq.errors). A param that is left out takes the daemon's default.

    Times are seconds, fractions allowed; `timeout` None waits for ever, 0 not at all. `id` is a job's number, `delivery`
    the token of its hand-out, with which any connection may acknowledge; without it only the one that got the job may.
    common/protocol.md says what each does in full. Any method may raise InvalidParams, Overloaded, Unauthorized, Forbidden,
    StoreFailed, NoDaemon, Lost and Closed; what else it may raise is said with it.
    """

    def _ask(self, method: str, params: Dict[str, Any]) -> R:
        raise NotImplementedError

    # ---- producers

    def put(self, queue: str, body: Any, *, priority: Optional[float] = None, delay: Optional[float] = None,
            at: Optional[float] = None, lease: Optional[float] = None, max_attempts: Optional[int] = None,
            expires: Optional[float] = None, key: Optional[str] = None, key_for: Optional[float] = None,
            timeout: Optional[float] = None) -> R:
        """Puts a job; {"id"}. `body` is any JSON value. A lower `priority` goes first; it is ready after `delay` seconds or at
        the Unix time `at`, dies unless somebody has begun it within `expires`, and has `max_attempts`. With a `key` it is
        safe to repeat, and is repeated where a reply was lost: an unfinished job of the queue with that key, or one that
        finished less than `key_for` ago, comes back instead (`existing`). Full, TooLarge, ShutDown."""
        return self._ask("put", {"queue": queue, "body": body, **_given(
            priority=priority, delay=delay, at=at, lease=lease, max_attempts=max_attempts, expires=expires, key=key,
            key_for=key_for, timeout=timeout)})

    def submit(self, queue: str, body: Any, *, priority: Optional[float] = None, delay: Optional[float] = None,
               at: Optional[float] = None, lease: Optional[float] = None, max_attempts: Optional[int] = None,
               expires: Optional[float] = None, key: Optional[str] = None, key_for: Optional[float] = None,
               timeout: Optional[float] = None, keep_result: Optional[float] = None, notify: Optional[bool] = None,
               progress: Optional[bool] = None) -> R:
        """A put whose outcome is kept, for `keep_result` seconds after it; {"id"}. `notify` and `progress` have notifications
        come on this connection. Full, TooLarge, ShutDown."""
        return self._ask("submit", {"queue": queue, "body": body, **_given(
            priority=priority, delay=delay, at=at, lease=lease, max_attempts=max_attempts, expires=expires, key=key,
            key_for=key_for, timeout=timeout, keep_result=keep_result, notify=notify, progress=progress)})

    def call(self, queue: str, body: Any, *, priority: Optional[float] = None, delay: Optional[float] = None,
             at: Optional[float] = None, lease: Optional[float] = None, max_attempts: Optional[int] = None,
             expires: Optional[float] = None, key: Optional[str] = None, key_for: Optional[float] = None,
             timeout: Optional[float] = None, keep_result: Optional[float] = None,
             progress: Optional[bool] = None) -> R:
        """Puts a job and waits for its outcome, as `result` gives it. Failed, Cancelled, Timeout, NotFound, Full, ShutDown."""
        return self._ask("call", {"queue": queue, "body": body, **_given(
            priority=priority, delay=delay, at=at, lease=lease, max_attempts=max_attempts, expires=expires, key=key,
            key_for=key_for, timeout=timeout, keep_result=keep_result, progress=progress)})

    def result(self, id: int, *, timeout: Optional[float] = None, forget: Optional[bool] = None,
               progress: Optional[bool] = None) -> R:
        """Waits for a job's outcome; {"id","state","result"}. `forget`: it goes once it is delivered. Failed, Cancelled,
        Timeout, NotFound."""
        return self._ask("result", {"id": id, **_given(timeout=timeout, forget=forget, progress=progress)})

    def cancel(self, id: int, *, running: Optional[bool] = None) -> R:
        """Cancels a job that nobody has begun, with `running` also one that somebody has; {"cancelled"}. NotFound."""
        return self._ask("cancel", {"id": id, **_given(running=running)})

    # ---- consumers

    def get(self, queue: Optional[str] = None, *, queues: Optional[Sequence[str]] = None,
            timeout: Optional[float] = None, lease: Optional[float] = None, auto_ack: Optional[bool] = None,
            max: Optional[int] = None, detached: Optional[bool] = None) -> R:
        """Takes the next job of a queue, or the most urgent of several; {"id","queue","priority","delivery","attempt","body"},
        with `max` {"jobs"}: 1 to so many. It is held for `lease` seconds, which nothing renews but `touch`, and comes back
        when this connection goes unless it is `detached`; with `auto_ack` it is gone at once. Empty, ShutDown,
        NotFound."""
        return self._ask("get", _given(queue=queue, queues=None if queues is None else list(queues), timeout=timeout,
                                       lease=lease, auto_ack=auto_ack, max=max, detached=detached))

    def ack(self, id: Optional[int] = None, *, delivery: Optional[int] = None, result: Any = ABSENT,
            ids: Optional[Sequence[int]] = None) -> R:
        """The job is done, or all of `ids`; `result` may be any JSON value, None too. NotReserved, NotFound, Cancelled,
        TooLarge."""
        params = _given(id=id, delivery=delivery, ids=_ids(ids))
        if result is not ABSENT:
            params["result"] = result
        return self._ask("ack", params)

    def nack(self, id: int, *, delivery: Optional[int] = None, error: Any = ABSENT,
             delay: Optional[float] = None) -> R:
        """The attempt failed with `error`, any JSON value; {"state","delay"}. It is tried again after `delay` seconds instead of
        the queue's backoff. NotReserved, NotFound, Cancelled."""
        params = _given(id=id, delivery=delivery, delay=delay)
        if error is not ABSENT:
            params["error"] = error
        return self._ask("nack", params)

    def release(self, id: int, *, delivery: Optional[int] = None, delay: Optional[float] = None,
                priority: Optional[float] = None) -> R:
        """Gives a job back, uncounted. NotReserved, NotFound, Cancelled."""
        return self._ask("release", _given(id=id, delivery=delivery, delay=delay, priority=priority))

    def bury(self, id: int, *, delivery: Optional[int] = None, error: Any = ABSENT) -> R:
        """The job cannot succeed: it dies at once. NotReserved, NotFound, Cancelled."""
        params = _given(id=id, delivery=delivery)
        if error is not ABSENT:
            params["error"] = error
        return self._ask("bury", params)

    def touch(self, id: int, *, delivery: Optional[int] = None, lease: Optional[float] = None) -> R:
        """Begins the job's lease anew; {"lease"}. NotReserved, NotFound; Cancelled: somebody wants it ended."""
        return self._ask("touch", _given(id=id, delivery=delivery, lease=lease))

    def progress(self, id: int, *, delivery: Optional[int] = None, done: Optional[float] = None,
                 total: Optional[float] = None, message: Optional[str] = None) -> R:
        """Says how far a job is; not a touch. NotReserved, NotFound; Cancelled: somebody wants it ended."""
        return self._ask("progress", _given(id=id, delivery=delivery, done=done, total=total, message=message))

    # ---- jobs

    def job(self, id: int) -> R:
        """Everything about one job, with `why` it is not running. NotFound."""
        return self._ask("job", {"id": id})

    def jobs(self, queue: str, *, state: Optional[str] = None, after: Optional[str] = None,
             limit: Optional[int] = None, bodies: Optional[bool] = None) -> R:
        """A page of a queue's jobs in a `state`, without their bodies unless `bodies`; `after` is the page before it."""
        return self._ask("jobs", _given(queue=queue, state=state, after=after, limit=limit, bodies=bodies))

    def delete(self, id: Optional[int] = None, *, queue: Optional[str] = None, state: Optional[str] = None,
               limit: Optional[int] = None) -> R:
        """Removes a job, or up to `limit` of a queue's in a `state`; {"count"}. NotFound, NotReserved."""
        return self._ask("delete", _given(id=id, queue=queue, state=state, limit=limit))

    def kick(self, id: Optional[int] = None, *, queue: Optional[str] = None, state: Optional[str] = None,
             limit: Optional[int] = None) -> R:
        """Makes a dead or delayed job ready, or up to `limit` of a queue's; {"count"}. NotFound."""
        return self._ask("kick", _given(id=id, queue=queue, state=state, limit=limit))

    # ---- queues

    def declare(self, queue: str, *, owned: Optional[bool] = None, order: Optional[str] = None,
                maxsize: Optional[int] = None, lease: Optional[float] = None, max_attempts: Optional[int] = None,
                max_lost: Optional[int] = None, backoff: Optional[Mapping[str, float]] = None,
                dead_letter: Any = ABSENT, concurrency: Optional[int] = None, durable: Optional[bool] = None,
                keep_result: Optional[float] = None, keep_dead: Optional[float] = None,
                keep_result_bytes: Optional[int] = None, keep_dead_bytes: Optional[int] = None) -> R:
        """Makes a queue or changes its settings; what is left out stays. `dead_letter` None means none."""
        params = _given(queue=queue, owned=owned, order=order, maxsize=maxsize, lease=lease, max_attempts=max_attempts,
                        max_lost=max_lost, backoff=backoff, concurrency=concurrency, durable=durable,
                        keep_result=keep_result, keep_dead=keep_dead, keep_result_bytes=keep_result_bytes,
                        keep_dead_bytes=keep_dead_bytes)
        if dead_letter is not ABSENT:
            params["dead_letter"] = dead_letter
        return self._ask("declare", params)

    def queues(self, *, after: Optional[str] = None, limit: Optional[int] = None, match: Optional[str] = None,
               sort: Optional[str] = None, counters: Optional[bool] = None) -> R:
        """A page of the queues with their counts, after the name `after`; with `sort` the largest of all."""
        return self._ask("queues", _given(after=after, limit=limit, match=match, sort=sort, counters=counters))

    def stats(self, queue: Optional[str] = None) -> R:
        """Counters and gauges of a queue, or of the whole daemon. NotFound."""
        return self._ask("stats", _given(queue=queue))

    def history(self, queues: Optional[Sequence[str]] = None, *, span: Optional[float] = None) -> R:
        """The daemon's figures step by step, or those of some queues."""
        return self._ask("history", _given(queues=None if queues is None else list(queues), span=span))

    def events(self, queues: Optional[Sequence[str]] = None, *, states: Optional[Sequence[str]] = None) -> R:
        """Listens to the changes of jobs' states, which come as notifications `event`; ends only with an error."""
        return self._ask("events", _given(queues=None if queues is None else list(queues),
                                          states=None if states is None else list(states)))

    def pause(self, queue: str) -> R:
        """Gets of the queue wait from now on; puts go on."""
        return self._ask("pause", {"queue": queue})

    def resume(self, queue: str) -> R:
        """Ends a pause."""
        return self._ask("resume", {"queue": queue})

    def join(self, queue: str, *, timeout: Optional[float] = None) -> R:
        """Waits until the queue has no unfinished job. Timeout."""
        return self._ask("join", _given(queue=queue, timeout=timeout))

    def shutdown(self, queue: str, *, immediate: Optional[bool] = None) -> R:
        """The queue takes no more jobs until it is dropped; with `immediate` those die that nobody has begun."""
        return self._ask("shutdown", _given(queue=queue, immediate=immediate))

    def drop(self, queue: str) -> R:
        """Removes a queue with its settings and all its jobs; {"count"}. NotFound."""
        return self._ask("drop", {"queue": queue})

    # ---- the daemon

    def hello(self, *, client: Optional[str] = None) -> R:
        """What the daemon is, what it takes (`limits`), and who it takes this client for. A client says it by itself."""
        return self._ask("hello", _given(client=client))

    def ping(self) -> R:
        """Nothing, and says so."""
        return self._ask("ping", {})

    def auth(self, token: str) -> R:
        """Says who this connection is. A client that was made with a `token` says so on every connection by itself."""
        return self._ask("auth", {"token": token})

    def who(self, *, limit: Optional[int] = None) -> R:
        """Who is connected."""
        return self._ask("who", _given(limit=limit))

    def pool(self, *, handler: Optional[str] = None, workers: Optional[int] = None) -> R:
        """What the daemon's own workers do; with both params it sets a handler's workers."""
        return self._ask("pool", _given(handler=handler, workers=workers))

    def backup(self, folder: str) -> R:
        """Copies the daemon's store into a folder on the daemon's machine."""
        return self._ask("backup", {"folder": folder})
