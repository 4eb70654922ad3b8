"""Faults planted into the running product, and the test that has to see each: nothing on disk is changed.

A fault is an edit of a module's text. Its function gets the edited code for a while, its constant the edited value, so
that everybody who imported either before works with the fault too.
"""

import ast
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Fault:
    """An edit of one module: some text that stands there exactly once, and what stands there instead."""

    module: str
    before: str
    after: str


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Let the product have a fault for a while."""
    module = importlib.import_module(fault.module)
    path = Path(str(module.__file__))
    text = path.read_text(encoding="utf-8")
    assert text.count(fault.before) == 1, (
        f"{fault.module} has {fault.before!r} {text.count(fault.before)} times"
    )
    edited = text.replace(fault.before, fault.after)
    names, statement = _around(ast.parse(text), text.count("\n", 0, text.index(fault.before)) + 1)
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(statement, ast.FunctionDef):
            code = _code_named(compile(edited, str(path), "exec", dont_inherit=True), ".".join(names))
            patch.setattr(_function(module, names), "__code__", code)
        else:
            (name,) = names
            patch.setattr(module, name, _value_of(module, ast.parse(edited), name))
        yield


def _around(tree: ast.Module, line: int) -> tuple[list[str], ast.stmt]:
    """Give the function or the assignment that a line stands in, with the names that lead to it."""
    names: list[str] = []
    body: list[ast.stmt] = tree.body
    while True:
        found = next(one for one in body if one.lineno <= line <= (one.end_lineno or one.lineno))
        match found:
            case ast.ClassDef(name=name, body=inside):
                names.append(name)
                body = inside
            case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                return [*names, name], found
            case ast.Assign(targets=[ast.Name(id=name)]):
                return [*names, name], found
            case _:
                raise AssertionError(f"line {line} is in no function and in no constant")


def _function(module: ModuleType, names: list[str]) -> Any:
    found: Any = module
    for name in names:
        found = getattr(found, name)
    return getattr(found, "fget", found)


def _code_named(code: CodeType, name: str) -> CodeType:
    inside = [one for one in code.co_consts if isinstance(one, CodeType)]
    for one in inside:
        if one.co_qualname == name:
            return one
    return next(_code_named(one, name) for one in inside if name.startswith(f"{one.co_qualname}."))


def _value_of(module: ModuleType, tree: ast.Module, name: str) -> object:
    """Work out an edited constant in its own module."""
    _, statement = next((name, one) for one in tree.body if _assigns(one, name))
    assert isinstance(statement, ast.Assign | ast.AnnAssign)
    assert statement.value is not None
    expression = ast.Expression(statement.value)
    return eval(compile(expression, str(module.__file__), "eval"), vars(module))  # noqa: S307 - our own text


def _assigns(statement: ast.stmt, name: str) -> bool:
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    return any(isinstance(one, ast.Name) and one.id == name for one in targets)


# --- Running the test that has to see it -------------------------------------------------------------------


@dataclass(eq=False)  # pytest keeps plugins in sets
class Outcomes:
    """What became of the tests of one run."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Why each that failed did."""
    broken: list[str] = field(default_factory=list)
    """What failed before or after a test: that says nothing of the product."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep one."""
        if report.when == "call" and report.passed:
            self.passed.append(report.nodeid)
        elif report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = str(getattr(crash, "message", report.longrepr))
            (self.failed if report.when == "call" else self.broken).append(why)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not be collected."""
        if report.failed:
            self.broken.append(str(report.longrepr))


def outcomes_of(test: str) -> Outcomes:
    """Run a test by its id, with its own fixtures, in this process; gives what became of it."""
    found = Outcomes()
    alone = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:faulthandler"]
    pytest.main(["-q", "-x", *alone, "--rootdir", str(ROOT), f"{ROOT}/{test}"], plugins=[found])
    return found
