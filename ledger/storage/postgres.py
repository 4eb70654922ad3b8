"""PostgreSQL: several processes may write; the wallet's row is the lock, and what is asked twice is asked again.

A transaction that the server gave up for another's sake (40001, 40P01) runs again. When the connection is lost, what
carries keys runs again too: at worst it finds itself written. For everything else the server is asked what became of
the transaction, by its number.
"""

import random
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Generic, TypeVar

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from ledger.errors import Busy
from ledger.storage.pipeline import FORGOTTEN, UTF8
from ledger.storage.postgres_address import ServerAddress, read_address
from ledger.storage.store import (
    READERS_MAX,
    OutcomeUnknown,
    Store,
    StoreClosed,
    StoreLost,
    StoreUnusable,
)

T = TypeVar("T")

PATIENCE_SECONDS = 15
"""How long a lost database is waited for before callers are told."""
APPLICATION = "redbar books"
"""What every session of ours is called at the server, whatever the address says: a restore looks for it."""
_OLDEST = 14_00_00
_SESSION = (
    f"SET application_name = '{APPLICATION}'",
    # What the address, the environment, the role or the database says of these must not decide what is written, or
    # whether. `client_encoding` is not among them: it goes with the connection's first message (postgres_address).
    "SET timezone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET standard_conforming_strings = on",
    "SET array_nulls = on",  # a batch's columns travel as arrays
    # The hot path says only BEGIN, and reads under the lock what was committed before it had it.
    "SET default_transaction_isolation = 'read committed'",
    "SET statement_timeout = '30s'",
    "SET lock_timeout = '20s'",
    # A frozen process must not keep a wallet's lock.
    "SET idle_in_transaction_session_timeout = '60s'",
    # An export takes as long as it takes, and a quiet night must not end the pool's connections.
    "SET idle_session_timeout = 0",
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'",
    # What was answered must be on disk; stricter settings than this stay.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)
_WRITERS = (
    # A plan of its own for each execution costs a third of the throughput (facts: 1.36x at 20 rows).
    "SET plan_cache_mode = force_generic_plan",
)
_READERS = (
    # What is read lies along an index, in its order. Before the server has counted a new table's rows it would rather
    # sort or hash all of them: a page of history took 30 ms.
    "SET enable_hashjoin = off",
    "SET enable_bitmapscan = off",
)
_DEADLINES = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_ROLLED_BACK = ("40001", "40P01", FORGOTTEN)
_ENDED_BY_SERVER = ("57P01", "57P02", "57P03", "57P05", "25P03", "25P04")
_LOCK_TIMEOUT = "55P03"
_KEY_IS_THERE = "23505"
"""The same key was written before, and not looked for, or by another process meanwhile: the second time it is found.
Once, since it may be a bug."""


class PostgresStore(Store):
    """An open database on a server."""

    commits_together = False

    def __init__(self, address: ServerAddress, writer: Engine, reader: Engine, *, writable: bool) -> None:
        super().__init__(writer, reader, writable=writable)
        self._address = address

    def transact(self, function: Callable[[Connection], T], *, keyed: bool = False) -> T:
        """Run a function in one write transaction; again when the server gave it up or was lost.

        Raises: Busy when a lock was not to be had, OutcomeUnknown, StoreLost.
        """
        give_up_at = time.monotonic_ns() + PATIENCE_SECONDS * 10**9
        tries = 0
        while True:
            attempt = _Attempt(function, keyed=keyed)
            try:
                with self.writing() as connection:
                    attempt.run(connection)
            except (DBAPIError, psycopg.Error) as problem:
                code = _code(problem)
                if code == _LOCK_TIMEOUT:
                    raise Busy from problem
                if code not in _ROLLED_BACK and not (code == _KEY_IS_THERE and tries == 0):
                    if not _lost(problem, code):
                        raise
                    if attempt.committing and not keyed and self._was_committed(attempt.number, give_up_at):
                        return attempt.result
                if time.monotonic_ns() >= give_up_at:
                    raise StoreLost("The database does not answer. Try again in a moment.") from problem
                tries += 1
                if code == _KEY_IS_THERE:
                    continue  # it is there, and will be seen at once
                longest = min(1_000, 20 * 2**tries)
                _pause(random.randrange(longest // 2, longest))  # noqa: S311 - spreads tries, no secret
            else:
                return attempt.result

    def _was_committed(self, number: str, give_up_at: int) -> bool:
        """Ask what became of a transaction. Raises: OutcomeUnknown."""
        while time.monotonic_ns() < give_up_at:
            try:
                with self.reading() as connection:
                    status = connection.execute(
                        text("SELECT pg_xact_status(CAST(:number AS xid8))"), {"number": number}
                    ).scalar_one()
            except DBAPIError:
                status = "in progress"
            except StoreClosed:
                break
            if status in ("committed", "aborted"):
                return bool(status == "committed")
            _pause(100)
        raise OutcomeUnknown(
            "The database was lost while it wrote. Look whether it happened before you try again."
        )

    def prove_locking(self) -> None:
        """Prove that a row that is locked here is locked for others. Raises: StoreUnusable.

        What stands between (a pooler that deals single statements out to several sessions) can lose that silently.
        """
        row = "SELECT version_num FROM alembic_version_ledger FOR UPDATE"
        try:
            with self._writer.begin() as connection:
                connection.exec_driver_sql(row)
                with self._writer.connect() as other:
                    other.exec_driver_sql(f"{row} NOWAIT")
        except DBAPIError as problem:
            if _code(problem) == _LOCK_TIMEOUT:
                return
            raise StoreUnusable(self.why_unusable(problem)) from None
        raise StoreUnusable(
            "Locks do not hold on this database. Connect to it directly, or by a pooler that keeps a session for "
            "each transaction."
        )

    def why_unusable(self, problem: DBAPIError) -> str:
        """Say in words what a problem of the driver means for the one who named the database."""
        return self._address.why_unusable(problem)


class _Attempt(Generic[T]):
    """One run of a function: how far it came, and what it gave."""

    def __init__(self, function: Callable[[Connection], T], *, keyed: bool) -> None:
        self._function = function
        self._keyed = keyed
        self.number = ""
        self.committing = False
        self._result: list[T] = []

    @property
    def result(self) -> T:
        return self._result[0]

    def run(self, connection: Connection) -> None:
        if not self._keyed:
            self.number = connection.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar_one()
        self._result = [self._function(connection)]
        self.committing = True


def _pause(milliseconds: int) -> None:
    time.sleep(timedelta(milliseconds=milliseconds).total_seconds())


def _code(problem: Exception) -> str | None:
    """Give the SQLSTATE; None when the server had no say."""
    cause = problem.orig if isinstance(problem, DBAPIError) else problem
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


def _lost(problem: Exception, code: str | None) -> bool:
    """Say whether the connection is gone: broken, shut down by the server, or ended by an administrator."""
    cause = problem.orig if isinstance(problem, DBAPIError) else problem
    if not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return code is None or code.startswith("08") or code in _ENDED_BY_SERVER


def open_postgres(url: URL, *, write: bool) -> PostgresStore:
    """Open a database on a server. Raises: StoreUnusable."""
    address = read_address(url)
    writer = _engine(
        address,
        write=write,
        connections=2,
        isolation_level="READ COMMITTED",
        settings=_SESSION + _WRITERS,
        prepare_threshold=None,
    )
    reader = _engine(
        address,
        write=write,
        connections=READERS_MAX,
        isolation_level="REPEATABLE READ",
        settings=_SESSION + _READERS,
    ).execution_options(postgresql_readonly=True)
    store = PostgresStore(address, writer, reader, writable=write)
    try:
        with reader.begin() as connection:
            _check_server(connection, address, write=write)
    except DBAPIError as problem:
        store.close()
        raise StoreUnusable(store.why_unusable(problem)) from None
    except StoreUnusable:
        store.close()
        raise
    return store


def _engine(
    address: ServerAddress,
    *,
    write: bool,
    connections: int,
    isolation_level: str,
    settings: Sequence[str],
    prepare_threshold: int | None = 5,
) -> Engine:
    engine = create_engine(
        address.url,
        isolation_level=isolation_level,
        pool_size=min(connections, 8),
        max_overflow=connections - min(connections, 8),
        pool_pre_ping=connections > 2,  # the writer finds out by itself, and tries again
        connect_args={
            "prepare_threshold": prepare_threshold,
            **_DEADLINES,
            **address.connect_args(write=write),
        },
    )
    at_once = "; ".join(settings)

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: object) -> None:
        connection.autocommit = True  # one round trip, and no transaction that a timeout could end
        connection.execute(at_once)
        connection.autocommit = False

    return engine


def _check_server(connection: Connection, address: ServerAddress, *, write: bool) -> None:
    """Refuse a server on which what was answered could be lost or kept differently. Raises: StoreUnusable."""
    version, fsync, kept_in, sent_in, standby = connection.exec_driver_sql(
        "SELECT current_setting('server_version_num')::int, current_setting('fsync'), "
        "current_setting('server_encoding'), current_setting('client_encoding'), pg_is_in_recovery()"
    ).one()
    where = f"The server at {address.where}"
    if version < _OLDEST:
        raise StoreUnusable(f"{where} is PostgreSQL {version // 10_000}. Redbar needs 14 or newer.")
    if fsync != "on":
        raise StoreUnusable(f"{where} runs with fsync off: a power cut would lose money. Turn it on.")
    if kept_in != UTF8:
        raise StoreUnusable(
            f"The database {address.database} is kept in {kept_in}. Make one in UTF8, for example: "
            "CREATE DATABASE books ENCODING 'UTF8' TEMPLATE template0."
        )
    if sent_in != UTF8:
        raise StoreUnusable(
            f"{address.name} is reached by something that changes client_encoding to {sent_in}, so names would be "
            "garbled. Set it to UTF8 in the pooler, or connect to the server directly."
        )
    if standby and write:
        raise StoreUnusable(f"{where} is a standby, which cannot write. Name the primary.")
