"""The limits, and what everyone writes: plain sqlite3 and psycopg, without a ledger's logic or with the least of it."""

import os
import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from ledger import new_wallet_id
from ledger.sqlite import sqlite_module
from tests.benchmarks.contest import Work
from tests.benchmarks.work import key
from tests.postgres_server import Server

COLUMNS = (
    "wallet_id, seq, kind, debit, credit, amount, balance_after, occurred_at, recorded_at, quantity, source, "
    "source_id, hash"
)
_TABLE = """
CREATE TABLE t (wallet_id {text}, seq {int}, kind {text}, debit {text}, credit {text}, amount {int},
balance_after {int}, occurred_at {int}, recorded_at {int}, quantity {int}, source {text}, source_id {text},
hash {bytes}, PRIMARY KEY (wallet_id, seq), UNIQUE (wallet_id, source, source_id))
"""
_HASH = bytes(32)
WALLET = str(new_wallet_id())
Row = tuple[Any, ...]


def rows(first: int, size: int, make: Callable[[], str] = key) -> list[Row]:
    """Make rows of a transfer's size."""
    return [
        (
            WALLET,
            first + number,
            "outbound_call",
            "balance",
            "usage",
            420_000,
            1,
            1,
            1,
            60,
            "platform",
            make(),
            _HASH,
        )
        for number in range(size)
    ]


class RawSqlite:
    """Rows written by executemany, as durable as the ledger's: the limit."""

    def __init__(self, file: Path, make: Callable[[], str] = key) -> None:
        self._make = make
        self._seq = 0
        self.connection = durable(file)
        self.connection.execute(
            _TABLE.format(text="TEXT", int="INTEGER", bytes="BLOB") + " STRICT, WITHOUT ROWID"
        )

    def write(self, size: int) -> None:
        """Write so many rows and commit."""
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(
            f"INSERT INTO t VALUES ({', '.join('?' * 13)})",  # noqa: S608
            rows(self._seq, size, self._make),
        )
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
        connection.execute(_TABLE.format(text="TEXT", int="INTEGER", bytes="BLOB") + " STRICT, WITHOUT ROWID")
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
        known = "SELECT seq FROM t WHERE wallet_id = ? AND source = 'platform' AND source_id = ?"
        assert run(known, (WALLET, name)).fetchone() is None
        balance, seq = balance - 420_000, seq + 1
        row = (
            WALLET,
            seq,
            "outbound_call",
            "balance",
            "usage",
            420_000,
            balance,
            1,
            1,
            60,
            "platform",
            name,
            _HASH,
        )
        run(f"INSERT INTO t VALUES ({', '.join('?' * 13)})", row)  # noqa: S608
        run("UPDATE wallets SET balance = ?, seq = ? WHERE id = ?", (balance, seq, WALLET))
        run(
            "INSERT INTO days VALUES ('2026-11-25', 1, 420000) "
            "ON CONFLICT (day) DO UPDATE SET n = n + 1, amount = amount + 420000"
        )
        run("COMMIT")


class RawPostgres:
    """Rows written by unnest with binary arrays: the limit."""

    def __init__(self, url: str) -> None:
        self._seq = 0
        self.connection = psycopg.connect(url, prepare_threshold=0)
        self.connection.execute(_TABLE.format(text="text", int="bigint", bytes="bytea"))
        self.connection.commit()
        kinds = ["text", *["int8"], *["text"] * 3, *["int8"] * 5, *["text"] * 2, "bytea"]
        arrays = ", ".join(f"%b::{kind}[]" for kind in kinds)
        self._statement = f"INSERT INTO t ({COLUMNS}) SELECT * FROM unnest({arrays})"  # noqa: S608

    def write(self, size: int) -> None:
        """Write so many rows and commit."""
        columns = [list(column) for column in zip(*rows(self._seq, size), strict=True)]
        self.connection.execute(self._statement, columns)
        self.connection.commit()
        self._seq += size


_HOT_ROW = """
BEGIN;
UPDATE wallets SET balance = balance - 1, seq = seq + 1 WHERE id = 1 RETURNING balance;
INSERT INTO moves (wallet_id, amount) VALUES (1, 1);
COMMIT;
"""


def pgbench(server: Server, url: str, clients: int) -> Work:
    """PostgreSQL's own load generator on one hot row: what one transaction an event comes to at best."""

    def work(seconds: int) -> tuple[int, Sequence[int]]:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS wallets (id int PRIMARY KEY, balance bigint, seq bigint)"
            )
            connection.execute("CREATE TABLE IF NOT EXISTS moves (wallet_id int, amount bigint)")
            connection.execute("INSERT INTO wallets VALUES (1, 0, 0) ON CONFLICT DO NOTHING")
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
        return int(done[1]), ()

    return work
