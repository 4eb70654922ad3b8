"""Fixtures of the ledger's tests: each runs on SQLite and on PostgreSQL, but for those that say otherwise.

What is about one database alone says so: `@pytest.mark.backends("sqlite")`.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

from ledger import Ledger
from ledger.storage.hot_path import DECIDED_AHEAD
from ledger.storage.schema import metadata
from ledger.writing.writer import LOOKS
from tests.ledger.wallet_driver import ManualClock, WalletDriver
from tests.postgres_server import Server

BACKENDS = ("sqlite", "postgresql")
_numbers = count(1)


@pytest.fixture(autouse=True)
def _hard_ways_are_gone_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every batch of more than two commands sent in pieces, as large ones are, and few repeats be expected."""
    monkeypatch.setattr("ledger.writing.book.DECIDED_AHEAD", 2)
    monkeypatch.setattr("ledger.writing.writer.LOOKS", 1)


@pytest.fixture
def whole_batches(_hard_ways_are_gone_often: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have batches decided as in a running bot, for a test that only needs a long history."""
    monkeypatch.setattr("ledger.writing.book.DECIDED_AHEAD", DECIDED_AHEAD)
    monkeypatch.setattr("ledger.writing.writer.LOOKS", LOOKS)


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


@pytest.fixture(scope="session")
def databases(postgres: Server, blank_on_server: str) -> Iterator["Databases"]:
    """Blank databases on the server."""
    made = Databases(postgres, blank_on_server)
    yield made
    made.close()


class Databases:
    """Blank databases, emptied and used again: making one costs more than most tests.

    One whose schema or settings a test has changed, or whose sessions it has ended, is thrown away.
    """

    def __init__(self, server: Server, template: str) -> None:
        self._server = server
        self._template = template
        self._free: list[str] = []
        self._lines: dict[str, psycopg.Connection[tuple[str]]] = {}
        """A connection to each, past the triggers that keep rows."""
        self._blank = ""

    @contextmanager
    def one(self) -> Iterator[str]:
        """Give the address of a database that nobody else uses."""
        name = self._free.pop() if self._free else self._made()
        yield self._server.url(name)
        if self._emptied(self._lines[name]):
            self._free.append(name)
        else:
            self._lines.pop(name).close()
            self._server.drop(name)

    def _emptied(self, line: "psycopg.Connection[tuple[str]]") -> bool:
        try:
            if _shape_of(line) != self._blank:
                return False
            line.execute(";".join(f"DELETE FROM {table}" for table in metadata.tables))  # noqa: S608 - names of ours
        except psycopg.OperationalError:
            return False  # a test ended every session of the server
        return True

    def close(self) -> None:
        """Let go of all of them."""
        for line in self._lines.values():
            line.close()

    def _made(self) -> str:
        name = f"books_{next(_numbers)}"
        url = self._server.create(name, template=self._template)
        line = self._lines[name] = psycopg.connect(
            url, autocommit=True, options="-c session_replication_role=replica"
        )
        self._blank = _shape_of(line)
        return name


def _shape_of(connection: "psycopg.Connection[tuple[str]]") -> str:
    """Describe everything but rows: versions, columns, constraints, indexes, triggers, settings."""
    (shape,) = connection.execute(
        "SELECT concat_ws('|', "
        "(SELECT string_agg(version_num, ',') FROM alembic_version_ledger), "
        "(SELECT md5(string_agg(attrelid::text || attname || atttypid::text || attnotnull::text, ',' "
        "ORDER BY attrelid, attnum)) FROM pg_attribute JOIN pg_class r ON r.oid = attrelid AND relkind = 'r' "
        "WHERE relnamespace = 'public'::regnamespace), "
        "(SELECT md5(string_agg(conname || convalidated::text, ',' ORDER BY conname)) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace), "
        "(SELECT md5(string_agg(indexdef, ',' ORDER BY indexdef)) FROM pg_indexes WHERE schemaname = 'public'), "
        "(SELECT md5(string_agg(tgname || tgenabled::text, ',' ORDER BY tgname)) FROM pg_trigger), "
        "(SELECT md5(string_agg(relacl::text, ',' ORDER BY relname)) FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace), "
        "(SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())))"
    ).fetchone() or ("",)
    return shape


@pytest.fixture
def database(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[str]:
    """A database of the newest schema of the test's own; gives its address."""
    with blank_database(request, backend, tmp_path) as url:
        yield url


@contextmanager
def blank_database(request: pytest.FixtureRequest, backend: str, folder: Path) -> Iterator[str]:
    """Give the address of an empty database of the newest schema."""
    if backend == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('blank'), folder)}"
        return
    databases: Databases = request.getfixturevalue("databases")
    with databases.one() as url:
        yield url


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
