"""Functions by name, and what they are given, return and raise, as JSON."""

import base64
import importlib
import pickle
import sys
import traceback
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from . import _wire, errors


def name_of(function: Callable[..., Any]) -> str:
    """"module:qualified.name", by which a worker finds it again."""
    function = getattr(function, "__wrapped_task__", function)
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not module or not name or "<" in name:
        raise TypeError("a job's function must be found by its name in a module: %r cannot" % (function,))
    return "%s:%s" % (module, name)


def _b64(value: Any) -> str:
    return base64.b64encode(pickle.dumps(value, pickle.HIGHEST_PROTOCOL)).decode()


def _unb64(text: str) -> Any:
    return pickle.loads(base64.b64decode(text))


def job_body(name: str, args: Sequence[Any], kwargs: Dict[str, Any], pickled: bool) -> bytes:
    if pickled:
        return _wire.encode({"call": name, "pickle": _b64((tuple(args), kwargs))})
    return _wire.encode({"call": name, "args": list(args), "kwargs": kwargs} if kwargs
                        else {"call": name, "args": list(args)})


def chunk_body(name: str, chunk: Iterable[Sequence[Any]], pickled: bool) -> bytes:
    if pickled:
        return _wire.encode({"call": name, "chunk": _b64([tuple(args) for args in chunk])})
    return _wire.encode({"call": name, "chunk": [list(args) for args in chunk]})


class Finder:
    """Finds functions in the modules that a worker was started for, and in what is below them: in no other, since who
    may put jobs may not thereby call whatever is installed. `anything`: in all."""

    def __init__(self, modules: Sequence[str], anything: bool = False) -> None:
        self._modules = list(modules)
        self._anything = anything
        self._found: Dict[str, Callable[..., Any]] = {}

    def find(self, name: str) -> Callable[..., Any]:
        function = self._found.get(name)
        if function is None:
            function = self._found[name] = self._look(name)
        return function

    def _look(self, name: str) -> Callable[..., Any]:
        module, _, path = name.partition(":")
        if not self._anything and not any(module == m or module.startswith(m + ".") for m in self._modules):
            raise LookupError("%s: this worker serves %s only" % (name, ", ".join(self._modules) or "nothing"))
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        if not callable(found):
            raise TypeError("%s is no function" % name)
        return found  # type: ignore[no-any-return]


def run(body: Any, finder: Finder) -> Tuple[bool, bytes]:
    """Carries a job out: True and its result, or False and its error, as JSON."""
    pickled = False
    try:
        if not isinstance(body, dict) or "call" not in body:
            raise ValueError("this is no call of a function")
        function = finder.find(body["call"])
        chunk = body.get("chunk")
        if chunk is not None:
            pickled = isinstance(chunk, str)
            result: Any = [function(*args) for args in (_unb64(chunk) if pickled else chunk)]
        elif "pickle" in body:
            pickled = True
            args, kwargs = _unb64(body["pickle"])
            result = function(*args, **kwargs)
        else:
            kwargs = body.get("kwargs")
            result = function(*body["args"], **kwargs) if kwargs else function(*body["args"])
        return True, _wire.encode({"pickle": _b64(result)} if pickled else result)
    except Exception as error:
        return False, error_text(error, pickled)


def error_text(error: BaseException, pickled: bool) -> bytes:
    kind = type(error)
    said: Dict[str, Any] = {
        "type": "%s:%s" % (kind.__module__, kind.__qualname__),
        "message": _printable(str(error)),
        "traceback": _printable("".join(traceback.format_exception(kind, error, error.__traceback__)))[-20000:],
    }
    if pickled:
        try:
            said["pickle"] = _b64(error)
        except Exception:
            pass  # it goes by its type and args, or as text
    try:
        return _wire.encode(dict(said, args=list(error.args)))
    except (TypeError, ValueError):
        return _wire.encode(said)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def result_of(value: Any, pickled: bool) -> Any:
    return _unb64(value["pickle"]) if pickled else value


def exception_of(reason: Optional[str], said: Any, pickled: bool) -> BaseException:
    """What a dead job's error stands for: the exception itself where it can be made here."""
    made: Optional[BaseException] = None
    if isinstance(said, dict) and "type" in said:
        if pickled and "pickle" in said:
            try:
                made = _unb64(said["pickle"])
            except Exception:
                made = None
        if not isinstance(made, BaseException):
            made = _make(str(said["type"]), said.get("args"))
        if made is None:
            made = errors.RemoteError("%s: %s" % (said["type"], said.get("message", "")), said)
        if said.get("traceback"):
            made.__cause__ = errors.RemoteTraceback(str(said["traceback"]))
        return made
    return errors.Failed("the job is dead (%s): %s" % (reason, said), {"reason": reason, "error": said})


def _make(name: str, args: Optional[List[Any]]) -> Optional[BaseException]:
    module, _, path = name.partition(":")
    try:
        kind: Any = sys.modules.get(module) or importlib.import_module(module)
        for part in path.split("."):
            kind = getattr(kind, part)
        if args is not None and isinstance(kind, type) and issubclass(kind, Exception):
            return kind(*args)
    except Exception:
        pass
    return None
