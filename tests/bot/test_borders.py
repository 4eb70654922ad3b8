"""The borders of Slack, HTTP and the sandbox: what their modules may import, and who opens transactions."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CONTRACTS = ("Views turn facts", "Rules of the stand-ins", "Slack and HTTP read")
PURE = "Pure files of the bot"
READS_ITSELF = {
    "bot/http/api.py",
    "bot/http/auth.py",
}
"""Files that still open a read transaction of their own. The set may only shrink."""


def _contracts(*more: str) -> Iterator[tuple[list[str], list[str]]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for one in settings["tool"]["importlinter"]["contracts"]:
        if one["name"].startswith((*CONTRACTS, *more)):
            yield one["source_modules"], one["forbidden_modules"]


def _file(module: str, root: Path) -> Path:
    path = root / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_every_forbidden_import_is_refused(tmp_path: Path) -> None:
    """Planted in a copy: everything forbidden in the first module of each contract, the last of it in the others."""
    for package in ("bot", "ledger"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = []
    for modules, forbidden in _contracts():
        for module in modules:
            imports = forbidden if module == modules[0] else forbidden[-1:]
            with _file(module, tmp_path).open("a", encoding="utf-8") as file:
                file.writelines(f"import {one}\n" for one in imports)
            planted += [f"{module} is not allowed to import {one}:" for one in imports]
    program = (
        "import sys; sys.path.insert(0, ''); from importlinter.cli import lint_imports_command as c; c()"
    )
    command = [sys.executable, "-c", program, "--no-cache"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert len(planted) > 40
    assert [one for one in planted if one not in said] == []


@pytest.mark.parametrize("package", ["bot/slack", "bot/sandbox"])
def test_module_that_says_pure_is_under_a_contract(package: str) -> None:
    """Its docstring is a promise that import-linter keeps."""
    kept = tuple(module for modules, _ in _contracts(PURE) for module in modules)
    for path in sorted((ROOT / package).rglob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if re.search(r"\bPure\b", text):
            module = (
                path.relative_to(ROOT)
                .as_posix()
                .removesuffix(".py")
                .removesuffix("/__init__")
                .replace("/", ".")
            )
            assert any(module == one or module.startswith(f"{one}.") for one in kept), module


def test_slack_and_http_open_no_transaction() -> None:
    """A use case opens it; those who still do it themselves are listed, and leave the list when they stop."""
    found = {
        path.relative_to(ROOT).as_posix()
        for package in ("bot/slack", "bot/http")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("reading", "run")
        and ast.unparse(node.func.value).endswith("ledger")
    }
    assert found == READS_ITSELF
