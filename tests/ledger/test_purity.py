"""The ledger's pure modules: what says "Pure" is under a contract, and the contract refuses each forbidden import."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("ledger", "bot")


def _files(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


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
        if one["name"].startswith("Pure: ")
    ]


def _module(path: Path) -> str:
    return path.relative_to(ROOT).as_posix().removesuffix(".py").removesuffix("/__init__").replace("/", ".")


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
