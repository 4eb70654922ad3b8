"""Three processes that start at one moment on one PostgreSQL: one migrates, the others wait for it, all run."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from bot.tables import BOT_VERSIONS
from ledger import open_store
from ledger.storage.store import MIGRATION_LOCK
from tests.old_books import LEDGER, upgrade_to
from tests.postgres_server import Server
from tests.redbar_process import RedbarProcess

OPENED = "There is no wallet yet"
"""What a command says that opened the books, and found them empty."""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends what a test began."""
    with ExitStack() as opened:
        yield opened


def _start(stack: ExitStack, url: str) -> RedbarProcess:
    started = RedbarProcess(["key", "create", "--database", url], {})
    stack.callback(started.close)
    stack.callback(started.send_signal, signal.SIGKILL)
    return started


@pytest.mark.parametrize("age", ["empty", "older"])
def test_three_that_start_at_once_all_run(postgres: Server, stack: ExitStack, age: str) -> None:
    """On a database without tables, and on one that a version before left."""
    url = postgres.create(f"at_once_{age}")
    if age == "older":
        store = open_store(url)
        upgrade_to(store, "ledger_0002", LEDGER)
        upgrade_to(store, "bot_0003", (BOT_VERSIONS, "alembic_version_bot"))
        store.close()
    started = [_start(stack, url) for _ in range(3)]
    said = [one.stdout.read().decode() for one in started]
    assert all(words.startswith(OPENED) for words in said), said


def test_who_dies_while_it_migrates_keeps_nobody_waiting(postgres: Server, stack: ExitStack) -> None:
    """The lock goes with its connection."""
    url = postgres.create("at_once_killed")
    store = open_store(url)
    stack.callback(store.close)
    with store.alone():
        waiting = _start(stack, url)
        with psycopg.connect(url, autocommit=True) as connection:
            holds = (
                "SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
                "WHERE l.relation = to_regclass(%s) AND l.mode = 'RowShareLock' AND l.granted "
                "AND a.state = 'idle in transaction'"
            )
            (pid,) = connection.execute(holds, (MIGRATION_LOCK,)).fetchone() or (0,)
            tables = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'transfers'")
            assert tables.fetchone() == (0,), "the other waits before its first table"
            connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        assert waiting.stdout.read().decode().startswith(OPENED)
