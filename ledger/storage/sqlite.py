"""SQLite: one writer a file, readers beside it that never block.

Write transactions begin IMMEDIATE, so that what decides is read under the lock (the driver's default loses updates
silently, measured). A second process that would write is refused by a lock file, with words.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool, StaticPool

from ledger.clock import Clock
from ledger.storage.books_file import (
    OWNER_ONLY,
    RESTORE,
    BooksFile,
    keep_from_others,
    make_directory,
    make_file,
)
from ledger.storage.store import READERS_MAX, Store
from ledger.storage.trouble import (
    WAIT_MAX,
    OutcomeUnknown,
    StoreBusy,
    StoreClosed,
    StoreTroubled,
    StoreUnusable,
    TroubleCode,
)

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


_PATIENT = timedelta(seconds=30)
"""How long a migration, or writing the file anew, waits for those who read the old one."""
_READ_ONLY = 8
_CODES = {
    5: TroubleCode.LOCKED,  # SQLITE_BUSY
    _READ_ONLY: TroubleCode.READ_ONLY,
    10: TroubleCode.IO_FAILED,  # SQLITE_IOERR
    11: TroubleCode.DAMAGED,  # SQLITE_CORRUPT
    13: TroubleCode.FULL,
    14: TroubleCode.NOT_OPENED,  # SQLITE_CANTOPEN
    26: TroubleCode.DAMAGED,  # SQLITE_NOTADB
}
"""SQLite's primary error codes that speak of the database and not of a statement."""
_SENTENCES = {
    TroubleCode.LOCKED: (
        "Another program keeps {file} locked for longer than two seconds. Find it, for example with `fuser {file}`, "
        "and end it; Redbar goes on by itself."
    ),
    TroubleCode.READ_ONLY: (
        "{file} cannot be written: {reason}. Let the user who runs Redbar write the file and its directory; Redbar "
        "goes on by itself."
    ),
    TroubleCode.IO_FAILED: (
        "The disk of {file} failed, or a limit of this user's space is reached: {reason}. The system's log says more; "
        "Redbar goes on by itself once the disk works."
    ),
    TroubleCode.DAMAGED: "{file} is damaged: {reason}. " + RESTORE,
    TroubleCode.FULL: "The disk of {file} is full. Free some space; Redbar goes on by itself.",
    TroubleCode.NOT_OPENED: (
        "{file} cannot be opened: {reason}. Check its owner, its rights and the limit of open files; Redbar goes on by "
        "itself."
    ),
}
"""For the operator."""


class Closable(Protocol):
    """A lock that ends when it is closed, or with its process."""

    def close(self) -> None:
        """Give the lock back."""
        ...


class SqliteStore(Store):
    """An open file, or a database in memory."""

    commits_together = True

    def __init__(
        self,
        writer: Engine,
        reader: Engine | None,
        lock: Closable | None,
        file: BooksFile | None,
        *,
        clock: Clock,
        writable: bool = True,
    ) -> None:
        super().__init__(writer, reader, writable=writable, clock=clock)
        self._lock_file = lock
        self._file = file
        """None in memory."""

    @property
    def place(self) -> str:
        """Where the database lies, for people."""
        return str(self._file.path) if self._file is not None else "memory"

    def look(self) -> None:
        """Look at the file; while something is wrong with it, try to write as well."""
        if self._file is None:
            return
        try:
            with self._uses:
                self._file.look()
                self._file.look_at_rights()
                if self._turn.acquire(blocking=False):  # who writes looks at the log himself
                    try:
                        self._file.look_at_log()
                    finally:
                        self._turn.release()
        except StoreTroubled as problem:
            self._record.failed(problem, caller=False)
        except StoreClosed:
            return
        else:
            if self._record.trouble is not None:
                self._try_to_write()

    def _try_to_write(self) -> None:
        """Write a page to the log, and wait until it is on the disk."""
        with suppress(StoreUnusable), self.writing() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            connection.exec_driver_sql(f"PRAGMA user_version = {version}")

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Give a write connection whose transactions the migration tool opens itself. It waits long for a lock."""
        with super().migrating() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute(_waiting(_PATIENT))
            (pages,) = driver.execute("PRAGMA page_count").fetchone()
            file, shrank = self._file, self._file is not None and self._file.may_shrink
            if file is not None:
                file.may_shrink = True
            try:
                yield connection
            finally:
                driver.execute(_waiting(WAIT_MAX))
            (left,) = driver.execute("PRAGMA page_count").fetchone()
            if file is not None:
                file.may_shrink = shrank or left < pages

    def _before_writing(self) -> None:
        if self._file is None:
            return
        try:
            self._file.look()
            if self._record.trouble is not None:  # else each commit has looked at it
                self._file.look_at_log()
        except StoreTroubled as problem:
            raise self._refused(problem) from None

    def _before_reading(self) -> None:
        if self._file is None:
            return
        try:
            self._file.look()
        except StoreTroubled as problem:
            if problem.code is not TroubleCode.READ_ONLY:
                raise self._refused(problem) from None

    def _after_commit(self) -> None:
        if self._file is None:
            return
        try:
            self._file.look()
            self._file.look_at_open_log()
        except StoreTroubled as problem:
            if problem.code is not TroubleCode.READ_ONLY:
                raise OutcomeUnknown(str(problem), problem.code) from None

    def _typed(self, problem: BaseException, *, writing: bool, committing: bool = False) -> BaseException:
        if isinstance(problem, OutcomeUnknown):
            return self._refused(problem)
        error = _error_code(problem)
        code = _CODES.get(error & 0xFF) if error is not None else None
        if code is None or self._file is None or (error == _READ_ONLY and not writing):
            return problem  # the last is a bug: who reads has tried to write
        try:
            self._file.look()
            self._file.look_at_rights()
        except StoreTroubled as found:
            seen = found  # it says more than what SQLite makes of it
        else:
            reason = getattr(problem, "orig", problem)
            seen = StoreTroubled(_SENTENCES[code].format(file=self._file.path, reason=reason), code)
        # The commit may stand in the log all the same, and come back after a crash. Of a full disk its end is missing.
        unsure = committing and seen.code is not TroubleCode.FULL
        return self._refused(seen.unsure() if unsure else seen)

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


def _error_code(problem: BaseException) -> int | None:
    """Give SQLite's extended error code; None when the problem is none of SQLite's."""
    cause = problem.orig if isinstance(problem, DBAPIError) else problem
    code: int | None = getattr(cause, "sqlite_errorcode", None)
    return code


def _waiting(longest: timedelta) -> str:
    return f"PRAGMA busy_timeout = {longest // timedelta(milliseconds=1)}"


def open_sqlite(address: URL, *, write: bool, clock: Clock) -> SqliteStore:
    """Open a file, or a database in memory. Raises: StoreBusy, StoreUnusable."""
    if not address.database or address.database == ":memory:":
        return _in_memory(clock)
    return _open_file(Path(address.database), write=write, clock=clock)


def _in_memory(clock: Clock) -> SqliteStore:
    engine = create_engine(
        "sqlite://", module=sqlite_module(), poolclass=StaticPool, connect_args=_CONNECTION
    )
    _prepare(engine, begin="BEGIN IMMEDIATE")
    return SqliteStore(engine, None, None, None, clock=clock)


def _open_file(path: Path, *, write: bool, clock: Clock) -> SqliteStore:
    try:
        make_directory(path.parent)
    except OSError as problem:
        raise StoreUnusable(f"{path.parent} cannot be used for the database: {problem.strerror}.") from None
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.R_OK | os.W_OK):
        raise StoreUnusable(
            f"{path} cannot be read and written. Check its owner and rights, or name another place."
        )
    if not write and not path.exists():
        raise StoreUnusable(f"There is no database at {path}.")
    module = sqlite_module()
    lock = take_lock(path, module) if write else None
    if write:
        make_file(path)
        keep_from_others(path)
    file = BooksFile(path)
    writer = _engine(path, module, connections=1)
    _prepare(writer, begin="BEGIN IMMEDIATE")
    for change in ("connect", "close"):
        event.listen(writer, change, lambda *connection: file.log_is_closed())
    reader = None
    if wal_is_safe(module.sqlite_version_info):
        reader = _engine(path, module, connections=READERS_MAX)
        _prepare(reader, begin="BEGIN", read_only=True)
    store = SqliteStore(writer, reader, lock, file, clock=clock, writable=write)
    try:
        if write:
            _prove_locking(writer, path, module)
        with (reader or writer).begin() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    except DatabaseError as problem:
        store.close()
        raise StoreUnusable(store.why_unusable(problem)) from None
    except StoreUnusable:
        store.close()
        raise
    return store


def _engine(path: Path, module: ModuleType, *, connections: int) -> Engine:
    # Never made by opening: in the place of a file that was deleted, an empty one would look like new books.
    there = f"{path.absolute().as_uri()}?mode=rw"
    return create_engine(
        URL.create("sqlite", database=str(path)),
        module=module,
        creator=lambda: module.connect(there, uri=True, **_CONNECTION),
        poolclass=QueuePool,
        pool_size=min(connections, 8),
        max_overflow=connections - min(connections, 8),
        pool_timeout=WAIT_MAX.total_seconds(),
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


def take_lock(path: Path, module: ModuleType) -> Closable:
    """Keep other processes from writing to a file. Raises: StoreBusy."""
    beside = path.with_name(path.name + ".lock")
    lock = _flock(beside) if HAS_FLOCK else _exclusive(beside, module)
    if lock is None:
        raise StoreBusy(f"Another Redbar is using {path}. Stop it first, or name another database.")
    return lock


def _flock(beside: Path) -> Closable | None:
    lock = os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT, OWNER_ONLY), "a")
    try:
        flock(lock, LOCK_EX | LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def _exclusive(beside: Path, module: ModuleType) -> Closable | None:
    """Where the system has no `flock`: an exclusive transaction on the lock file, by SQLite's own locks."""
    make_file(beside)
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
        cursor.execute(_waiting(WAIT_MAX))
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
