"""An open database, and the two ways of using it: one writer in the process, many readers.

What each kind of database does its own way is in `sqlite` and `postgres`; `open_store` chooses between them.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoneFree

from ledger.clock import Clock, SystemClock
from ledger.errors import Busy
from ledger.storage.trouble import (
    StoreClosed,
    StoreTroubled,
    StoreUnusable,
    Trouble,
    TroubleCode,
    TroubleRecord,
)

log = logging.getLogger("redbar.store")
T = TypeVar("T")
MIGRATION_LOCK = "migration_lock"
"""The table whose one row is locked by the process that migrates."""
READERS_MAX = 32
REOPENED = frozenset({TroubleCode.READ_ONLY, TroubleCode.NOT_OPENED, TroubleCode.IO_FAILED})
"""What a connection met when it was opened stays with it. A connection to a file that is gone must not be closed: the
last to close removes the log, which may be another file's by then."""
CLOSING_SECONDS = 5
"""A read takes milliseconds; what takes longer than this at the end of a process is stuck."""
POSTGRES_EXAMPLES = (
    "Write it like postgresql://USER:PASSWORD@HOST:5432/NAME, with %40 for @ in a password; several hosts like "
    "postgresql://USER:PASSWORD@/NAME?host=A:5432&host=B:5432."
)


class InsideTransaction(AssertionError):
    """A network request was about to be sent inside a write transaction."""


_inside = threading.local()


def assert_outside_transaction() -> None:
    """Raise when this thread is inside a write transaction: the network may hang, and everybody would wait."""
    if getattr(_inside, "depth", 0):
        raise InsideTransaction("no network call inside a transaction")


class _Uses:
    """Counts the uses of a database that run, and lets nobody begin one once it ends."""

    def __init__(self) -> None:
        self._running = 0
        self._ended = False
        self._none_runs = threading.Condition()

    def __enter__(self) -> None:
        with self._none_runs:
            if self._ended:
                raise StoreClosed("The database was closed: the process is ending.")
            self._running += 1

    def __exit__(self, *failed: object) -> None:
        with self._none_runs:
            self._running -= 1
            if self._ended and not self._running:
                self._none_runs.notify_all()

    def end(self, seconds: int) -> None:
        """Let nobody begin, and wait so long at most for those who have begun."""
        with self._none_runs:
            self._ended = True
            if not self._none_runs.wait_for(lambda: not self._running, seconds):
                log.warning("the database is closed while %s uses of it still run", self._running)


class Store(ABC):
    """An open database. `writing` and `transact` are for the writer alone; everybody may be `reading`."""

    commits_together: ClassVar[bool]
    """Whether one transaction may write to many wallets; elsewhere each has its own."""

    def __init__(self, writer: Engine, reader: Engine | None, *, writable: bool, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        """None where one connection does everything: in memory, or with a library that others could corrupt."""
        self._writable = writable
        self._uses = _Uses()
        self._turn = threading.Lock()
        self._kept: Connection | None = None
        """The writer's connection, kept from turn to turn: taking one out each time costs a lone caller a tenth."""
        self._record = TroubleRecord(clock)

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the database lies, for people; without a password."""

    def trouble(self) -> Trouble | None:
        """Say what is wrong with the database now; None while it can be used."""
        return self._record.trouble

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection inside one write transaction, alone in this process; commits unless something raises.

        Raises: StoreTroubled, OutcomeUnknown.
        """
        if not self._writable:
            raise StoreUnusable("The database was opened for looking only.")
        with self._uses, self._turn:
            _inside.depth = getattr(_inside, "depth", 0) + 1
            committing = False
            try:
                self._before_writing()
                if self._kept is None:
                    self._kept = self._writer.connect()
                with self._kept.begin():
                    yield self._kept
                    committing = True
                self._after_commit()
            except BaseException as problem:
                typed = self._typed(problem, writing=True, committing=committing)
                self._let_go(for_good=isinstance(typed, StoreTroubled) and typed.code in REOPENED)
                if typed is problem:
                    raise
                raise typed from problem
            else:
                self._record.worked(wrote=True)
            finally:
                _inside.depth -= 1

    def transact(self, function: Callable[[Connection], T], *, keyed: bool = False) -> T:
        """Run a function in one write transaction; where the database asks for it, again from the start.

        `keyed` says that everything it writes carries a key, so that it may even run again after it was committed.
        Raises: StoreLost.
        """
        with self.writing() as connection:
            return function(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection inside one read transaction: everything read belongs to one instant.

        Raises: StoreClosed, StoreTroubled. Refuses: Busy, when no connection is free for two seconds.
        """
        with self._uses:
            try:
                self._before_reading()
                if self._reader is None:
                    with self._turn:
                        self._let_go()
                        with self._writer.begin() as connection:
                            yield connection
                else:
                    with self._reader.begin() as connection:
                        yield connection
            except NoneFree:
                raise Busy from None
            except Exception as problem:
                typed = self._typed(problem, writing=False)
                if isinstance(typed, StoreTroubled):
                    typed.while_reading = True
                if typed is problem:
                    raise
                raise typed from problem

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Give a write connection whose transactions the migration tool opens itself."""
        with self._uses, self._turn:
            self._let_go()
            with self._writer.connect() as connection:
                yield connection

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from migrating meanwhile, or wait for the one that does."""
        yield  # a file has one writer

    @abstractmethod
    def why_unusable(self, problem: DBAPIError) -> str:
        """Say in words what a problem of the driver means for the one who named the database."""

    @abstractmethod
    def look(self) -> None:
        """Look whether the database can be used, for at most two seconds; `trouble` then says what is wrong.

        To be called each second: it notices what no caller has met, and the end of a trouble.
        """

    @abstractmethod
    def _before_writing(self) -> None:
        """Refuse a write that would go nowhere. Raises: StoreTroubled."""

    @abstractmethod
    def _before_reading(self) -> None:
        """Refuse a read that would find nothing. Raises: StoreTroubled."""

    @abstractmethod
    def _after_commit(self) -> None:
        """See that what was committed can be found again. Raises: OutcomeUnknown."""

    @abstractmethod
    def _typed(self, problem: BaseException, *, writing: bool, committing: bool = False) -> BaseException:
        """Give what a caller is told of a problem: a trouble of the database as StoreTroubled, all else as it is."""

    def _refused(self, problem: StoreTroubled) -> StoreTroubled:
        """Remember that a use was refused; gives the problem."""
        self._record.failed(problem)
        return problem

    def prove_locking(self) -> None:  # noqa: B027 - SQLite proves it while it opens
        """Prove on the migrated tables that a lock keeps others out. Raises: StoreUnusable."""

    def close(self) -> None:
        """Refuse new uses, let those that run end, and let go of the database. May be called twice.

        An engine whose pool was disposed of opens a new connection for whoever still asks, and nobody closes that one.
        """
        self._uses.end(CLOSING_SECONDS)
        with self._turn:
            self._let_go()
        self._writer.dispose()
        if self._reader is not None:
            self._reader.dispose()

    def _let_go(self, *, for_good: bool = False) -> None:
        """Give the kept connection back, or close it: the next turn begins with another one."""
        kept, self._kept = self._kept, None
        if kept is not None:
            if for_good:
                kept.invalidate()
            kept.close()


def open_store(url: str, *, write: bool = True, clock: Clock | None = None) -> Store:
    """Open a database: `sqlite:///FILE`, `sqlite://` for one in memory, or `postgresql://USER:PASSWORD@HOST/NAME`.

    `write=False` is for those who only look, beside the one who writes. By the clock a trouble is dated.
    Raises: StoreBusy, StoreUnusable.
    """
    clock = clock or SystemClock()
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):  # the second for a port that is no number
        example = POSTGRES_EXAMPLES if url.startswith("postgresql") else "Write it like sqlite:///redbar.db."
        raise StoreUnusable(f"The database's address cannot be read. {example}") from None
    match address.get_backend_name():
        case "sqlite":
            from ledger.storage.sqlite import open_sqlite  # noqa: PLC0415 - it needs the classes above

            return open_sqlite(address, write=write, clock=clock)
        case "postgresql":
            try:
                from ledger.storage.postgres import open_postgres  # noqa: PLC0415 - its driver is installed on request
            except ModuleNotFoundError as missing:
                raise StoreUnusable(
                    f"The library {missing.name} is missing. Install it: pip install 'redbar[postgres]'"
                ) from None
            return open_postgres(address, write=write, clock=clock)
        case other:
            raise StoreUnusable(
                f"{other} is not a database that Redbar can use: use sqlite:///FILE or postgresql://HOST/NAME."
            )
