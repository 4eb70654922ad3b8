"""PostgreSQL: several processes may write; the wallet's row is the lock, and what is asked twice is asked again.

A transaction that the server gave up for another's sake (40001, 40P01) runs again. When the connection is lost, what
carries keys runs again too: at worst it finds itself written. For everything else the server is asked what became of
the transaction, by its number.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Generic, TypeVar

import psycopg
from sqlalchemy import (
    URL,
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from ledger.clock import Clock, machine_ticks
from ledger.errors import Busy
from ledger.storage.pipeline import FORGOTTEN, UTF8
from ledger.storage.postgres_address import CROWDED, READ_ONLY, ServerAddress, read_address
from ledger.storage.server_watch import Mode, ServerSilent, ServerWatch
from ledger.storage.store import MIGRATION_LOCK, READERS_MAX, Store
from ledger.storage.trouble import (
    WAIT_MAX,
    OutcomeUnknown,
    StoreClosed,
    StoreLost,
    StoreTroubled,
    StoreUnusable,
    TroubleCode,
)

T = TypeVar("T")

APPLICATION = "redbar books"
"""What every session of ours is called at the server, whatever the address says: a restore looks for it."""
_OLDEST = 14_00_00
_IMPATIENT = f"SET lock_timeout = '{WAIT_MAX // timedelta(seconds=1)}s'"
_PATIENT = "SET lock_timeout = '20s'"
"""For migrations, which lock whole tables."""
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
    _IMPATIENT,
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
    "connect_timeout": WAIT_MAX // timedelta(seconds=1),
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_ROLLED_BACK = ("40001", "40P01", FORGOTTEN)
_ENDED_BY_SERVER = ("57P01", "57P02", "57P03", "57P05", "25P03", "25P04")
_LOCK_TIMEOUT = "55P03"
_LOCK_ROW = Column("one", Integer, CheckConstraint("one = 1"), primary_key=True, autoincrement=False)
_MIGRATION_LOCK = Table(MIGRATION_LOCK, MetaData(), _LOCK_ROW)
_TABLE_IS_THERE = "42P07"
_TROUBLES = {
    READ_ONLY: TroubleCode.READ_ONLY,
    "53100": TroubleCode.FULL,
    CROWDED: TroubleCode.SERVER_CROWDED,
}
"""Codes of the server that speak of the database and not of a statement."""
_KEY_IS_THERE = "23505"
"""The same key was written before, and not looked for, or by another process meanwhile: the second time it is found.
Once, since it may be a bug."""


class PostgresStore(Store):
    """An open database on a server."""

    commits_together = False

    def __init__(
        self,
        address: ServerAddress,
        writer: Engine,
        reader: Engine,
        watch: ServerWatch,
        *,
        clock: Clock,
        writable: bool,
    ) -> None:
        super().__init__(writer, reader, writable=writable, clock=clock)
        self._address = address
        self._watch = watch
        self._is_silent = False
        """The server did not answer the last look: nobody else has to find that out by waiting."""

    @property
    def place(self) -> str:
        """Where the database lies, for people."""
        return f"{self._address.where}/{self._address.database}"

    def transact(self, function: Callable[[Connection], T], *, keyed: bool = False) -> T:
        """Run a function in one write transaction; again when the server gave it up or was lost.

        Raises: Busy when a lock was not to be had, OutcomeUnknown, StoreLost, StoreTroubled.
        """
        give_up_at = machine_ticks() + WAIT_MAX
        tries, met_key, may_be_written = 0, False, False
        while True:
            attempt = _Attempt(function, keyed=keyed)
            try:
                with self.writing() as connection:
                    attempt.run(connection)
            except StoreTroubled as problem:
                if may_be_written:
                    problem.unsure()
                raise
            except (DBAPIError, psycopg.Error) as problem:
                code = _code(problem)
                if code == _LOCK_TIMEOUT:
                    raise Busy from problem
                gave_up = code in _ROLLED_BACK or (code == _KEY_IS_THERE and not met_key)
                if not gave_up:
                    if not _lost(problem, code):
                        raise
                    if attempt.committing and not keyed and self._was_committed(attempt.number, give_up_at):
                        return attempt.result
                    may_be_written |= keyed and attempt.began
                if machine_ticks() >= give_up_at:
                    if gave_up:
                        raise Busy from problem
                    raise self._refused(
                        self._lost_because(problem, nothing_written=not may_be_written)
                    ) from problem
                tries += 1
                if code == _KEY_IS_THERE:
                    met_key = True
                    continue  # it is there, and will be seen at once
                longest = min(500, 20 * 2**tries)
                _pause(random.randrange(longest // 2, longest))  # noqa: S311 - spreads tries, no secret
            else:
                return attempt.result

    def _was_committed(self, number: str, give_up_at: timedelta) -> bool:
        """Ask what became of a transaction. Raises: OutcomeUnknown."""
        while machine_ticks() < give_up_at:
            try:
                with self.reading() as connection:
                    status = connection.execute(
                        text("SELECT pg_xact_status(CAST(:number AS xid8))"), {"number": number}
                    ).scalar_one()
            except StoreClosed:
                break
            except (DBAPIError, StoreTroubled, Busy):
                status = "in progress"
            if status in ("committed", "aborted"):
                return bool(status == "committed")
            _pause(100)
        lost = OutcomeUnknown(
            f"{self._address.name} was lost while it wrote. Look whether it happened before you try again.",
            TroubleCode.SERVER_AWAY,
        )
        self._refused(lost)
        raise lost

    def look(self) -> None:
        """Ask the server whether it answers and may write; where it is silent, wake up whoever waits for it."""
        try:
            with self._uses:
                mode = self._watch.ask()
        except StoreClosed:
            return
        except ServerSilent:
            self._is_silent = True
            self._record.failed(self._silent(), caller=False)
            self._watch.cut_all()
            return
        except psycopg.Error as problem:
            self._is_silent = False  # it says no, or nobody is there: who asks hears that at once
            self._record.failed(self._lost_because(problem), caller=False)
            return
        self._is_silent = False
        if mode is Mode.WRITES or not self._writable:
            self._record.worked(wrote=False)
            return
        sentence = self._address.read_only_words(standby=mode is Mode.STANDBY)
        self._record.failed(StoreTroubled(sentence, TroubleCode.READ_ONLY), caller=False)

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Give a write connection whose transactions the migration tool opens itself. It waits long for a lock."""
        with super().migrating() as connection:
            driver: Any = connection.connection.driver_connection
            _run_alone(driver, _PATIENT)
            try:
                yield connection
            finally:
                connection.rollback()
                _run_alone(driver, _IMPATIENT)

    def _before_writing(self) -> None:
        if self._is_silent:
            raise self._refused(self._silent())

    def _before_reading(self) -> None:
        self._before_writing()

    def _after_commit(self) -> None:
        """Nothing: the server has said that it is committed."""

    def _silent(self) -> StoreLost:
        words = "does not answer. Look whether the server runs and can be reached; Redbar goes on by itself."
        return StoreLost(f"{self._address.name} {words}", TroubleCode.SERVER_AWAY)

    def _lost_because(self, problem: Exception, *, nothing_written: bool = True) -> StoreLost:
        cause = problem.orig if isinstance(problem, DBAPIError) else problem
        sentence = self._address.why_unusable(cause)
        code = TroubleCode.SERVER_CROWDED if self._address.is_crowded(cause) else TroubleCode.SERVER_AWAY
        return StoreLost(sentence, code, nothing_written=nothing_written)

    def _typed(self, problem: BaseException, *, writing: bool, committing: bool = False) -> BaseException:
        if not isinstance(problem, DBAPIError | psycopg.Error):
            return problem
        code = _code(problem)
        if _lost(problem, code):
            # Whoever writes tries again first, and asks what became of it.
            return problem if writing else self._refused(self._lost_because(problem))
        trouble = _TROUBLES.get(code or "")
        if trouble is None:
            return problem
        cause = problem.orig if isinstance(problem, DBAPIError) else problem
        return self._refused(StoreTroubled(self._address.why_unusable(cause), trouble))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from migrating meanwhile, or wait for the one that does.

        It is a row's lock on a connection of its own, so it ends with its process, and no clock has a say in it. An
        advisory lock would do the same, and some of the servers that we are kept fit for have none.
        """
        with self._writer.connect() as connection:
            self._make_migration_lock(connection)
            connection.exec_driver_sql("SET lock_timeout = 0")
            connection.exec_driver_sql(
                "SET idle_in_transaction_session_timeout = 0"
            )  # the work is done elsewhere
            connection.exec_driver_sql("SET statement_timeout = 0")
            try:
                connection.execute(select(_LOCK_ROW).with_for_update())
                yield
            finally:
                connection.invalidate()  # nobody else shall have its settings

    def _make_migration_lock(self, connection: Connection) -> None:
        for last in (False, False, True):
            try:
                _MIGRATION_LOCK.create(connection, checkfirst=True)
                connection.execute(insert(_MIGRATION_LOCK).values(one=1).on_conflict_do_nothing())
                connection.commit()
            except DBAPIError as problem:
                connection.rollback()
                # Two that make it at one moment: "if not exists" does not keep the second from failing.
                if last or _code(problem) not in (_KEY_IS_THERE, _TABLE_IS_THERE):
                    raise
            else:
                return

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
        return self._address.why_unusable(problem.orig)

    def close(self) -> None:
        """Let go of the database. May be called twice."""
        super().close()
        self._watch.close()


class _Attempt(Generic[T]):
    """One run of a function: how far it came, and what it gave."""

    def __init__(self, function: Callable[[Connection], T], *, keyed: bool) -> None:
        self._function = function
        self._keyed = keyed
        self.number = ""
        self.began = False
        self.committing = False
        self._result: list[T] = []

    @property
    def result(self) -> T:
        return self._result[0]

    def run(self, connection: Connection) -> None:
        self.began = True
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


def open_postgres(url: URL, *, write: bool, clock: Clock) -> PostgresStore:
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
    watch = ServerWatch(lambda: _watching(writer, address, write=write))
    for engine in (writer, reader):
        event.listen(engine, "connect", lambda connection, record: watch.knows(connection))
    store = PostgresStore(address, writer, reader, watch, clock=clock, writable=write)
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
        pool_timeout=WAIT_MAX.total_seconds(),
        connect_args={
            "prepare_threshold": prepare_threshold,
            **_DEADLINES,
            **address.connect_args(write=write),
        },
    )
    at_once = "; ".join(settings)

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: object) -> None:
        _run_alone(connection, at_once)

    return engine


def _run_alone(connection: Any, statement: str) -> None:
    """Run statements outside any transaction: one round trip, and nothing that a timeout could end."""
    connection.autocommit = True
    connection.execute(statement)
    connection.autocommit = False


def _watching(engine: Engine, address: ServerAddress, *, write: bool) -> "psycopg.Connection[Any]":
    """Connect past the pool: the watch must not wait for a connection that others have."""
    _, named = engine.dialect.create_connect_args(engine.url)
    asked = {**named, **_DEADLINES, **address.connect_args(write=write)}
    return psycopg.connect(**asked, autocommit=True)


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
