"""Python's queue and concurrent.futures over taskqd, the job queue daemon."""

from .client import Client
from .errors import (
    Cancelled, Closed, Draining, Empty, Failed, Forbidden, Full, InternalError, InvalidParams, InvalidRequest, Lost,
    MethodNotFound, NoDaemon, NotFound, NotHttp, NotReserved, Overloaded, ParseError, ProtocolError, RemoteError,
    RemoteTraceback, RequestCancelled, ShutDown, StoreFailed, TaskqError, Timeout, TlsFailed, TooLarge, Unauthorized,
    WorkerDied,
)
from ._futures import Future
from .executor import Executor
from .pools import AsyncResult, Pool, ThreadPool
from .queues import JoinableQueue, LifoQueue, PriorityQueue, Queue, SimpleQueue
from .tasks import Pending, Task, task

__version__ = "0.1.0"
