"""The rules of the house that no tool checks: sizes, names, clocks, floats, docs that agree with the code."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
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


def _lint_imports(root: Path) -> "subprocess.CompletedProcess[str]":
    program = (
        "import sys; sys.path.insert(0, ''); from importlinter.cli import lint_imports_command as c; c()"
    )
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=root, capture_output=True, text=True, check=False
    )


def _pure_contracts() -> list[tuple[list[str], list[str]]]:
    """Give the pure modules and what they may not import, contract by contract."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [
        (one["source_modules"], one["forbidden_modules"])
        for one in settings["tool"]["importlinter"]["contracts"]
        if one["name"].startswith("Pure")
    ]


def _module(path: Path) -> str:
    return _name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_the_import_contracts_hold() -> None:
    """Layers point downwards only."""
    result = _lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


def test_a_module_that_says_pure_is_held_to_it() -> None:
    """The contracts' list and the docstrings of the ledger name the same modules."""
    claims = {
        _module(path)
        for path in _files("ledger")
        if re.search(r"\bPure\b", ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
    }
    assert claims == {module for modules, _ in _pure_contracts() for module in modules}


def test_every_forbidden_import_of_a_pure_module_is_refused(tmp_path: Path) -> None:
    """Planted in a copy: everything forbidden in one module of each contract, and `os` in all of them."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = []
    for modules, forbidden in _pure_contracts():
        for module in modules:
            imports = forbidden if module == modules[0] else ["os"]
            with (tmp_path / f"{module.replace('.', '/')}.py").open("a", encoding="utf-8") as file:
                file.writelines(f"import {one}\n" for one in imports)
            planted += [f"{module} is not allowed to import {one}:" for one in imports]
    said = _lint_imports(tmp_path).stdout

    assert [one for one in planted if one not in said] == []


def test_the_readme_lists_every_setting_as_it_is() -> None:
    """Name, default and meaning stand in the README word for word."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for setting in TABLE:
        default = f"`{setting.default}`" if setting.default else "–"
        assert f"| `{setting.name}` | {default} | {setting.meaning} |" in readme


def test_the_map_of_the_architecture_is_true() -> None:
    """A newcomer finds each file on the map, under its own first line: `python -m tests.architecture_map`."""
    assert architecture_map.written() == architecture_map.rendered()
