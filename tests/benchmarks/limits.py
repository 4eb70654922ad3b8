"""The limits, and what everyone writes: plain sqlite3 and psycopg, without a ledger's logic or with the least of it."""

import os
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import psycopg

from ledger import Ledger, SystemClock, new_wallet_id
from ledger.storage.schema import transfers
from ledger.storage.sqlite import sqlite_module
from ledger.writing.book import Book
from tests.benchmarks.contest import Done, Work
from tests.benchmarks.work import key, usage
from tests.postgres_server import Server

COLUMNS = [column.name for column in transfers.columns]
WALLET = str(new_wallet_id())
_HASH = bytes(range(32))
_TABLE = """
CREATE TABLE t (wallet_id TEXT, seq INTEGER, kind TEXT, amount INTEGER, balance_after INTEGER, source_id TEXT,
PRIMARY KEY (wallet_id, seq), UNIQUE (wallet_id, source_id)) STRICT, WITHOUT ROWID
"""
Row = tuple[Any, ...]


def rows(first: int, size: int, make: Callable[[], str] = key) -> list[Row]:
    """Make rows of `transfers`, as a ledger would write them for calls."""
    return [
        (
            *(
                WALLET,
                first + number,
                "outbound_call",
                "balance",
                "usage",
                420_000,
                10**15 - number,
                10**15,
                10**15,
            ),
            *(60, "platform", make(), None, None, None, 0, 0, b"", _HASH),
        )
        for number in range(size)
    ]


class RawSqlite:
    """The same rows into the same table by executemany, as durable, with nothing around them: the limit."""

    def __init__(self, file: Path, make: Callable[[], str] = key) -> None:
        Ledger(f"sqlite:///{file}", SystemClock()).close()
        self._make = make
        self._seq = 1
        self.connection = durable(file)
        self._statement = f"INSERT INTO transfers VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608

    def write(self, size: int) -> None:
        """Write so many rows and commit."""
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(self._statement, rows(self._seq, size, self._make))
        self.connection.execute("COMMIT")
        self._seq += size


def durable(file: Path) -> Any:
    """Open a file as the ledger does."""
    connection = sqlite_module().connect(str(file), isolation_level=None, check_same_thread=False, timeout=60)
    for setting in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 10000"):
        connection.execute(f"PRAGMA {setting}")
    return connection


class PlainSqlite:
    """One transaction an event, with the least that a ledger needs: the same key once, a balance, a day's sum."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._mine = threading.local()
        connection = self._connection()
        connection.execute(_TABLE)
        connection.execute("CREATE TABLE wallets (id TEXT PRIMARY KEY, balance INTEGER, seq INTEGER)")
        connection.execute("CREATE TABLE days (day TEXT PRIMARY KEY, n INTEGER, amount INTEGER)")
        connection.execute("INSERT INTO wallets VALUES (?, 1000000000000000, 0)", (WALLET,))

    def _connection(self) -> Any:
        if not hasattr(self._mine, "connection"):
            self._mine.connection = durable(self._file)
        return self._mine.connection

    def post(self, connection: Any = None) -> None:
        """Post one usage durably, on the thread's own connection or a shared one."""
        run = (connection or self._connection()).execute
        run("BEGIN IMMEDIATE")
        balance, seq = run("SELECT balance, seq FROM wallets WHERE id = ?", (WALLET,)).fetchone()
        name = key()
        assert (
            run("SELECT seq FROM t WHERE wallet_id = ? AND source_id = ?", (WALLET, name)).fetchone() is None
        )
        balance, seq = balance - 420_000, seq + 1
        run("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", (WALLET, seq, "outbound_call", 420_000, balance, name))
        run("UPDATE wallets SET balance = ?, seq = ? WHERE id = ?", (balance, seq, WALLET))
        run(
            "INSERT INTO days VALUES ('2026-11-25', 1, 420000) "
            "ON CONFLICT (day) DO UPDATE SET n = n + 1, amount = amount + 420000"
        )
        run("COMMIT")


def ungrouped(ledger: Ledger, wallet_id: UUID) -> Callable[[], object]:
    """Post one usage in a transaction of its own, past the writer that would group it: the same work, ungrouped."""
    return lambda: ledger.store.transact(
        lambda connection: Book(connection, ledger.now()).carry_out(wallet_id, [usage()], ends=True),
        keyed=True,
    )


class RawPostgres:
    """The same rows into the same table by unnest with binary arrays, with nothing around them: the limit."""

    def __init__(self, url: str) -> None:
        Ledger(url, SystemClock()).close()
        self._seq = 1
        self.connection = psycopg.connect(url, prepare_threshold=0)
        numbers = [isinstance(one, int) for one in rows(1, 1)[0]]
        kinds = ["int8" if number else "text" for number in numbers]
        kinds[COLUMNS.index("corrects_seq")] = "int8"
        kinds[0] = "uuid"
        kinds[-2:] = ["bytea", "bytea"]
        arrays = ", ".join(f"%b::{kind}[]" if kind != "uuid" else "%s::uuid[]" for kind in kinds)
        self._statement = f"INSERT INTO transfers ({', '.join(COLUMNS)}) SELECT * FROM unnest({arrays})"  # noqa: S608

    def write(self, size: int) -> None:
        """Write so many rows and commit."""
        columns = [list(column) for column in zip(*rows(self._seq, size), strict=True)]
        self.connection.execute(self._statement, columns)
        self.connection.commit()
        self._seq += size


_TABLES = (
    "CREATE TABLE IF NOT EXISTS wallets (id int PRIMARY KEY, balance bigint NOT NULL, seq bigint NOT NULL)",
    """
    CREATE TABLE IF NOT EXISTS moves (
        wallet_id int, seq bigint, source_id text NOT NULL, kind text NOT NULL, amount bigint NOT NULL,
        balance_after bigint NOT NULL, occurred_at bigint NOT NULL,
        PRIMARY KEY (wallet_id, seq), UNIQUE (wallet_id, source_id)
    )
    """,
    "INSERT INTO wallets VALUES (1, 0, 0) ON CONFLICT DO NOTHING",
)
_HOT_ROW = """
BEGIN;
UPDATE wallets SET balance = balance - 42, seq = seq + 1 WHERE id = 1 RETURNING balance, seq \\gset
INSERT INTO moves VALUES (1, :seq, gen_random_uuid()::text, 'outbound_call', 42, :balance, 1795601545052211);
COMMIT;
"""
"""What everyone writes: lock by updating, insert under the two keys that a ledger needs, commit."""


def pgbench(server: Server, url: str, clients: int) -> Work:
    """PostgreSQL's own load generator on one hot row: what one transaction an event comes to at best."""

    def work(seconds: int) -> Done:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in _TABLES:
                connection.execute(statement)
        with TemporaryDirectory() as folder:
            script = Path(folder) / "hot.sql"
            script.write_text(_HOT_ROW, encoding="utf-8")
            command: list[str] = [
                str(server.programs / "pgbench"),
                "-n",
                "-M",
                "prepared",
                "-j",
                "1",
                "-c",
                str(clients),
            ]
            command += ["-T", str(seconds), "-f", str(script), url]
            said = subprocess.run(
                command, capture_output=True, text=True, check=True, env={**os.environ}
            ).stdout
        done = re.search(r"transactions actually processed: (\d+)", said)
        assert done is not None, said
        return Done(int(done[1]), seconds)

    return work
