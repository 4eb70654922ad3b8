"""What a call to Stripe's library says, held against the library's own typed parameters."""

import ast
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from types import ModuleType, UnionType
from typing import Any, Literal, NotRequired

from stripe._request_options import RequestOptions
from typing_extensions import get_type_hints, is_typeddict


def params_of(method: Callable[..., Any]) -> Any:
    """Give the typed dictionary that a service's method takes."""
    said = str(inspect.signature(method).parameters["params"].annotation)
    (bare,) = re.findall(r"\w+Params", said)
    module = inspect.getmodule(method)
    assert module is not None
    # Imported for type checkers alone, so it is read off the source: several have the same name.
    (home,) = set(
        re.findall(rf"from (stripe\.params[\w.]*) import \(?\s*{bare}\b", inspect.getsource(module))
    )
    return getattr(importlib.import_module(home), bare)


def problems(sent: Any, shape: Any, at: str = "") -> Iterator[str]:
    """Name what is sent and not known, not among the words that are listed, or deprecated."""
    if isinstance(sent, dict) and is_typeddict(shape):
        known, words = _fields(shape), _documents(shape)
        for key, value in sent.items():
            where = f"{at}.{key}" if at else key
            if key not in known:
                yield f"{where} is unknown"
                continue
            if "deprecated" in words.get(key, "").lower():
                yield f"{where} is deprecated: {words[key]}"
            yield from problems(value, known[key], where)
        return
    origin = typing.get_origin(shape)
    if origin in (NotRequired, typing.Annotated):
        yield from problems(sent, typing.get_args(shape)[0], at)
    elif origin is list and isinstance(sent, list):
        for index, one in enumerate(sent):
            yield from problems(one, typing.get_args(shape)[0], f"{at}[{index}]")
    elif origin in (typing.Union, UnionType):
        yield from _fits_one_of(sent, typing.get_args(shape), at)
    elif origin is dict and isinstance(sent, dict):
        pass  # names of the caller's own
    elif origin is Literal:
        if sent not in typing.get_args(shape):
            yield f"{at} is {sent!r}, which is not listed"
    elif not _is_of(sent, shape):
        yield f"{at} is {type(sent).__name__}, not {shape}"


def _fits_one_of(sent: Any, shapes: tuple[Any, ...], at: str) -> Iterator[str]:
    # An enumeration is typed as its words or any text: only the words count.
    listed = [one for one in shapes if typing.get_origin(one) is Literal and typing.get_args(one) != ("",)]
    wanted = [one for one in shapes if not (listed and one is str)]
    if isinstance(sent, dict):
        wanted = [one for one in wanted if is_typeddict(one) or typing.get_origin(one) is dict] or wanted
    found = [list(problems(sent, one, at)) for one in wanted]
    if all(found):
        yield from min(found, key=len)


def _is_of(sent: Any, shape: Any) -> bool:
    if shape in (int, str, bool, float):
        return type(sent) is shape
    return shape is Any or (isinstance(shape, type) and not is_typeddict(shape) and isinstance(sent, shape))


@cache
def _fields(shape: Any) -> dict[str, Any]:
    """Give what a class of parameters knows, without the options of a request, which travel apart."""
    found = get_type_hints(shape, localns={"StripeContext": object, "Mapping": Mapping}, include_extras=True)
    return {name: hint for name, hint in found.items() if name not in RequestOptions.__annotations__}


@cache
def _documents(shape: Any) -> dict[str, str]:
    """Read what is written under each field of a class."""
    found: dict[str, str] = {}
    for one in inspect.getmro(shape) if not is_typeddict(shape) else [shape]:
        module: ModuleType = importlib.import_module(one.__module__)
        tree = _tree(inspect.getsource(module))
        body = next(
            (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == one.__name__),
            [],
        )
        for field, note in pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(note, ast.Expr)
                and isinstance(field.target, ast.Name)
            ):
                found[field.target.id] = str(ast.literal_eval(note.value))
    return found


@cache
def _tree(source: str) -> ast.Module:
    return ast.parse(source)


class Recorder:
    """Stands before the library's services, passes every call on, and keeps what it said."""

    def __init__(self, target: Any, calls: list[tuple[str, Any, Any]], name: str = "") -> None:
        self._target, self._calls, self._name = target, calls, name

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        path = f"{self._name}.{name}" if self._name else name
        if not callable(found):
            return Recorder(found, self._calls, path)

        def call(*args: Any, **more: Any) -> Any:
            params = next((one for one in args if isinstance(one, dict)), more.get("params") or {})
            self._calls.append((path, params, found))
            return found(*args, **more)

        return call
