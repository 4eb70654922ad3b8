"""The rules of the house that no tool checks: sizes, names, clocks, floats, docs that agree with the code."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.settings import TABLE
from tests import architecture_map

ROOT = Path(__file__).parent.parent
PACKAGES = ("ledger", "bot")
LINES_MAX = 500
FUNCTION_LINES_MAX = 60
BANNED_NAMES = {"utils", "helpers", "common", "base", "misc"}
# The one place that reads the machine's clock for each side, and where wall time is part of an outside protocol.
CLOCKS = {
    "ledger/clock.py",  # the product's clock
    "bot/sandbox/clock.py",  # the sandbox's
    "bot/http/server.py",  # signatures keep real time
    "bot/sandbox/wire.py",  # the log keeps real time
}


def _files(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", list(_files(*PACKAGES, "tests")), ids=_name)
def test_no_file_is_longer_than_a_head_can_hold(path: Path) -> None:
    """A file over 500 lines is two things in one."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_MAX


def test_no_module_is_a_drawer_for_everything() -> None:
    """Modules are named by nouns of the field."""
    assert [_name(path) for path in _files(*PACKAGES) if path.stem in BANNED_NAMES] == []


@pytest.mark.parametrize("path", list(_files(*PACKAGES)), ids=_name)
def test_functions_stay_short(path: Path) -> None:
    """Sixty lines; what registers many small listeners inside itself is counted by those."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    long = [
        f"{node.name}: {_own_lines(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _own_lines(node) > FUNCTION_LINES_MAX
    ]
    assert long == []


def _own_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    inner = sum(
        (child.end_lineno or 0) - child.lineno + 1
        for child in ast.iter_child_nodes(node)
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return (node.end_lineno or 0) - node.lineno + 1 - inner


@pytest.mark.parametrize("path", list(_files(*PACKAGES)), ids=_name)
def test_time_comes_from_an_injected_clock(path: Path) -> None:
    """`datetime.now` stands in the clocks alone."""
    text = path.read_text(encoding="utf-8")
    if _name(path) not in CLOCKS:
        assert "datetime.now(" not in text
    assert "utcnow(" not in text


def test_no_money_is_ever_a_float() -> None:
    """No float literal, no float or round, no true division in the ledger."""
    found = []
    for path in _files("ledger"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
            is_named = isinstance(node, ast.Name) and node.id in ("float", "round")
            divides = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not _joins_paths(node)
            # Sleeping is the one thing that is counted in fractions of a second.
            if (is_float or is_named or divides) and _name(path) != "ledger/failpoints.py":
                found.append(f"{_name(path)}:{getattr(node, 'lineno', 0)}")
    assert found == []


def _joins_paths(node: ast.BinOp) -> bool:
    return isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)


def test_every_flow_says_whose_wallet_it_writes() -> None:
    """Its row is the lock between replicas; None stands for rows that no wallet has yet."""
    forgotten = [
        f"{_name(path)}:{node.lineno}"
        for path in _files("bot")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "run"
        and ast.unparse(node.func.value).endswith("ledger")
        and "wallet_id" not in [keyword.arg for keyword in node.keywords]
    ]
    assert forgotten == []


def test_nothing_is_left_for_later() -> None:
    """A wish is filed, not written into the code."""
    wish = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert [_name(path) for path in _files(*PACKAGES) if wish.search(path.read_text(encoding="utf-8"))] == []


def test_the_import_contracts_hold() -> None:
    """Layers point downwards only."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_readme_lists_every_setting_as_it_is() -> None:
    """Name, default and meaning stand in the README word for word."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for setting in TABLE:
        default = f"`{setting.default}`" if setting.default else "–"
        assert f"| `{setting.name}` | {default} | {setting.meaning} |" in readme


def test_the_map_of_the_architecture_is_true() -> None:
    """A newcomer finds each file on the map, under its own first line: `python -m tests.architecture_map`."""
    assert architecture_map.written() == architecture_map.rendered()
