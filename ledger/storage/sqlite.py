"""SQLite: one writer a file, readers beside it that never block.

Write transactions begin IMMEDIATE, so that what decides is read under the lock (the driver's default loses updates
silently, measured). A second process that would write is refused by a lock file, with words.
"""

import os
import sqlite3
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool, StaticPool

from ledger.storage.store import READERS_MAX, Store, StoreBusy, StoreUnusable

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows has no fcntl
    HAS_FLOCK = False
else:
    HAS_FLOCK = True

# Versions of SQLite whose write-ahead log cannot be corrupted by a reset race (sqlite.org/wal.html#walresetbug).
_SAFE_SINCE = (3, 51, 3)
_SAFE_BRANCHES = ((3, 44, 6), (3, 50, 7))
# The driver keeps 128 prepared statements, and of more it drops the newest first: a process that had migrated its books
# before prepared the hot ones anew each time (a hold took 1.8 times as long).
_CONNECTION = {"check_same_thread": False, "cached_statements": 1_000}


def sqlite_module() -> ModuleType:
    """Give the SQLite library to use: the one shipped with us where there is one, else Python's own."""
    try:
        from pysqlite3 import dbapi2  # noqa: PLC0415 - absent where it has no wheel
    except ImportError:
        return sqlite3
    module: ModuleType = dbapi2
    return module


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Say whether a version of SQLite is free of the WAL-reset bug."""
    if version >= _SAFE_SINCE:
        return True
    return any(version[:2] == fixed[:2] and version >= fixed for fixed in _SAFE_BRANCHES)


class Closable(Protocol):
    """A lock that ends when it is closed, or with its process."""

    def close(self) -> None:
        """Give the lock back."""
        ...


class SqliteStore(Store):
    """An open file, or a database in memory."""

    commits_together = True

    def __init__(
        self, writer: Engine, reader: Engine | None, lock: Closable | None, *, writable: bool = True
    ) -> None:
        super().__init__(writer, reader, writable=writable)
        self._lock_file = lock

    def why_unusable(self, problem: DBAPIError) -> str:
        """Say in words what a problem of the driver means for the one who named the database."""
        where = self._writer.url.database or "The database in memory"
        if isinstance(problem, OperationalError) and "no such" not in str(problem.orig):
            return f"{where} cannot be used: {problem.orig}."  # a full disk, a lock that somebody keeps
        return f"{where} is not a database of Redbar: {problem.orig}."

    def close(self) -> None:
        """Let go of the database. May be called twice."""
        super().close()
        if self._lock_file is not None:
            self._lock_file.close()


def open_sqlite(address: URL, *, write: bool) -> SqliteStore:
    """Open a file, or a database in memory. Raises: StoreBusy, StoreUnusable."""
    if not address.database or address.database == ":memory:":
        return _in_memory()
    return _open_file(Path(address.database), write=write)


def _in_memory() -> SqliteStore:
    engine = create_engine(
        "sqlite://", module=sqlite_module(), poolclass=StaticPool, connect_args=_CONNECTION
    )
    _prepare(engine, begin="BEGIN IMMEDIATE")
    return SqliteStore(engine, None, None)


def _open_file(path: Path, *, write: bool) -> SqliteStore:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise StoreUnusable(f"{path.parent} cannot be used for the database: {problem.strerror}.") from None
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.R_OK | os.W_OK):
        raise StoreUnusable(
            f"{path} cannot be read and written. Check its owner and rights, or name another place."
        )
    if not write and not path.exists():
        raise StoreUnusable(f"There is no database at {path}.")
    module = sqlite_module()
    lock = _take_lock(path, module) if write else None
    writer = _engine(path, module, connections=1)
    _prepare(writer, begin="BEGIN IMMEDIATE")
    reader = None
    if wal_is_safe(module.sqlite_version_info):
        reader = _engine(path, module, connections=READERS_MAX)
        _prepare(reader, begin="BEGIN", read_only=True)
    store = SqliteStore(writer, reader, lock, writable=write)
    try:
        if write:
            _prove_locking(writer, path, module)
        with store.reading() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    except DatabaseError as problem:
        store.close()
        raise StoreUnusable(store.why_unusable(problem)) from None
    except StoreUnusable:
        store.close()
        raise
    return store


def _engine(path: Path, module: ModuleType, *, connections: int) -> Engine:
    return create_engine(
        URL.create("sqlite", database=str(path)),
        module=module,
        poolclass=QueuePool,
        pool_size=min(connections, 8),
        max_overflow=connections - min(connections, 8),
        connect_args=_CONNECTION,
    )


def _prove_locking(writer: Engine, path: Path, module: ModuleType) -> None:
    """Prove that a write transaction keeps a second one out. Raises: StoreUnusable.

    Everything rests on it, and it is lost silently: on a network file system, or when somebody makes an engine that
    opens its transactions in the driver's way.
    """
    with writer.begin():
        other = module.connect(str(path), timeout=0, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
        except module.OperationalError:
            return
        finally:
            other.close()
    raise StoreUnusable(f"{path} lies on a file system without locks. Put the database on a local disk.")


def _take_lock(path: Path, module: ModuleType) -> Closable:
    """Keep other processes from writing to a file. Raises: StoreBusy."""
    beside = path.with_name(path.name + ".lock")
    lock = _flock(beside) if HAS_FLOCK else _exclusive(beside, module)
    if lock is None:
        raise StoreBusy(f"Another Redbar is using {path}. Stop it first, or name another database.")
    return lock


def _flock(beside: Path) -> Closable | None:
    lock = beside.open("a")
    try:
        flock(lock, LOCK_EX | LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def _exclusive(beside: Path, module: ModuleType) -> Closable | None:
    """Where the system has no `flock`: an exclusive transaction on the lock file, by SQLite's own locks."""
    lock: Any = module.connect(str(beside), timeout=0, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except module.OperationalError:
        lock.close()
        return None
    held: Closable = lock
    return held


def _prepare(engine: Engine, *, begin: str, read_only: bool = False) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: object) -> None:
        # The driver must not open transactions by itself: its BEGIN takes no lock.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 30000")
        if read_only:
            cursor.execute("PRAGMA query_only = ON")
        else:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute("PRAGMA wal_autocheckpoint = 10000")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.execute(begin)
