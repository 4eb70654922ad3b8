"""The ledger stands alone: its examples run as they are printed, and it brings nothing of the bot's along."""

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import ledger

MODULES = [
    "ledger",
    *[one.name for one in pkgutil.walk_packages(ledger.__path__, "ledger.") if ".migrations" not in one.name],
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_are_true(module: str) -> None:
    """Every example in every docstring."""
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_the_package_shows_how_it_is_used() -> None:
    """The docstring of the package has more than a word or two."""
    examples = doctest.DocTestFinder().find(ledger, "ledger")
    assert sum(len(one.examples) for one in examples) >= 10


def test_it_comes_alone() -> None:
    """A program that embeds the ledger loads no bot, no web framework, no locale data, no driver it does not use."""
    strangers = (
        "bot",
        "slack_bolt",
        "slack_sdk",
        "stripe",
        "litestar",
        "apscheduler",
        "httpx",
        "psycopg",
        "babel",
    )
    program = f"import ledger, sys; print([one for one in {strangers} if one in sys.modules])"
    root = Path(ledger.__file__).parent.parent
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True
    )
    assert said.stdout.strip() == "[]"
