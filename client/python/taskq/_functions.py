"""Functions by name, and what they are given, return and raise, as JSON."""

import base64
import importlib
import pickle
import sys
import traceback
import types
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from . import _wire, errors


in_worker = False  # whether this process is one that an executor started for itself
_MOST_NAMES = 1000
_names: Dict[Any, str] = {}  # of plain functions: any other may hold on to the object that it belongs to


def name_of(function: Callable[..., Any]) -> str:
    """"module:qualified.name", by which a worker finds it again; TypeError where it would not find this very one."""
    plain = type(function) is types.FunctionType
    known = _names.get(function) if plain else None
    if known is not None:
        return known
    function = getattr(function, "__wrapped_task__", function)
    module, path = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not module or not path or "<" in path or not _is_there(function, module, path):
        raise TypeError("a job's function must be found by its name in a module: %r cannot" % (function,))
    name = "%s:%s" % (module, path)
    if plain and len(_names) < _MOST_NAMES:
        _names[function] = name
    return name


def _is_there(function: Any, module: str, path: str) -> bool:
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found is not None and getattr(found, "__wrapped_task__", found) == function


def _b64(value: Any) -> str:
    return base64.b64encode(pickle.dumps(value, pickle.HIGHEST_PROTOCOL)).decode()


def _unb64(text: str) -> Any:
    return pickle.loads(base64.b64decode(text))


def _pack(function: Callable[..., Any], given: Any) -> Tuple[Optional[str], str]:
    """What cannot be named can still be pickled: a method of an object, for one."""
    try:
        name = name_of(function)
    except TypeError:
        return None, _b64((function, given))
    return name, _b64((None, given))


def _unpack(name: Optional[str], text: str, finder: "Finder") -> Tuple[Callable[..., Any], Any]:
    function, given = _unb64(text)
    return finder.find(name) if name is not None else function, given


def job_body(function: Callable[..., Any], args: Sequence[Any], kwargs: Dict[str, Any], pickled: bool) -> bytes:
    """A job that calls it once."""
    if pickled:
        name, given = _pack(function, (tuple(args), kwargs))
        return _wire.encode({"call": name, "pickle": given})
    return _wire.encode({"call": name_of(function), "args": list(args), **({"kwargs": kwargs} if kwargs else {})})


def chunk_body(function: Callable[..., Any], chunk: Iterable[Sequence[Any]], pickled: bool) -> bytes:
    """A job that calls it once for each of the chunk's arguments; its result is the list of theirs."""
    if pickled:
        name, given = _pack(function, [tuple(args) for args in chunk])
        return _wire.encode({"call": name, "chunk": given})
    return _wire.encode({"call": name_of(function), "chunk": [list(args) for args in chunk]})


class Finder:
    """Finds functions in the modules that a worker was started for, and in what is below them: in no other, since who
    may put jobs may not thereby call whatever is installed. `anything`: in all. `pickles`: it takes what was pickled,
    which can call anything as well."""

    def __init__(self, modules: Sequence[str], anything: bool = False, pickles: bool = False) -> None:
        self._modules = list(modules)
        self._anything = anything
        self.pickles = pickles
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
        chunk, name = body.get("chunk"), body["call"]
        pickled = "pickle" in body or isinstance(chunk, str)
        if pickled and not finder.pickles:
            pickled = False
            raise PermissionError("this worker takes nothing that was pickled: it was started without --pickle")
        if chunk is not None:
            function, chunk = _unpack(name, chunk, finder) if pickled else (finder.find(name), chunk)
            result: Any = [function(*args) for args in chunk]
        elif pickled:
            function, (args, kwargs) = _unpack(name, body["pickle"], finder)
            result = function(*args, **kwargs)
        else:
            result = finder.find(name)(*body["args"], **body.get("kwargs", {}))
        return True, _outcome({"pickle": _b64(result)} if pickled else result)
    except BaseException as error:  # an exit as well: it is the function's, not the worker's
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
        return _outcome(dict(said, args=list(error.args)))
    except (TypeError, ValueError, errors.ParseError):
        return _wire.encode(said)


def _outcome(value: Any) -> bytes:
    text = _wire.encode(value)
    _wire.check_depth(text, _wire.DEEPEST)
    return text


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
    if reason == "lost":
        return errors.WorkerDied("the worker that ran the job is gone", {"reason": reason, "error": said})
    return errors.Failed("the job is dead (%s): %s" % (reason, said), {"reason": reason, "error": said})


def _make(name: str, args: Optional[List[Any]]) -> Optional[BaseException]:
    module, _, path = name.partition(":")
    try:
        kind: Any = sys.modules.get(module) or importlib.import_module(module)
        for part in path.split("."):
            kind = getattr(kind, part)
        if args is not None and isinstance(kind, type) and issubclass(kind, BaseException):
            return kind(*args)
    except Exception:
        pass
    return None
