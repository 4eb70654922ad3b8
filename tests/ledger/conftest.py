"""Fixtures of the ledger's tests: each runs on SQLite and on PostgreSQL, but for those that say otherwise.

What is about one database alone says so: `@pytest.mark.backends("sqlite")`.
"""

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from ledger import Ledger
from tests.ledger.wallet_driver import ManualClock, WalletDriver
from tests.postgres_server import Server

BACKENDS = ("sqlite", "postgresql")
_numbers = count(1)


@pytest.fixture(autouse=True)
def _hard_ways_are_gone_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every batch of more than two commands sent in pieces, as large ones are, and few repeats be expected."""
    monkeypatch.setattr("ledger.writing.book.DECIDED_AHEAD", 2)
    monkeypatch.setattr("ledger.writing.writer.LOOKS", 1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs a database on each of them."""
    if "backend" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("backends")
        metafunc.parametrize("backend", marker.args if marker is not None else BACKENDS, scope="session")


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of the newest schema, to be copied: making one costs more than most tests."""
    path = tmp_path_factory.mktemp("blank") / "books.db"
    Ledger(f"sqlite:///{path}", ManualClock()).close()
    return path


@pytest.fixture(scope="session")
def blank_on_server(postgres: Server) -> str:
    """The same on the server; gives its name."""
    Ledger(postgres.create("blank_books"), ManualClock()).close()
    return "blank_books"


@pytest.fixture
def database(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[str]:
    """A database of the newest schema of the test's own; gives its address."""
    if backend == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('blank'), tmp_path)}"
        return
    server: Server = request.getfixturevalue("postgres")
    name = f"books_{next(_numbers)}"
    yield server.create(name, template=request.getfixturevalue("blank_on_server"))
    server.drop(name)


@pytest.fixture
def driver(database: str) -> Iterator[WalletDriver]:
    """One wallet in dollars, in New York, never funded, on a Monday morning; its books are right at the end."""
    made = WalletDriver(database)
    yield made
    try:
        if made.honest:
            assert made.findings() == []
    finally:
        made.close()
