"""An open database, and the two ways of using it: one writer in the process, many readers.

What each kind of database does its own way is in `sqlite` and `postgres`; `opening` chooses between them.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
READERS_MAX = 32


class StoreUnusable(Exception):
    """The database cannot be used; the message says why and what to do."""


class StoreBusy(StoreUnusable):
    """Another process writes to this database."""


class StoreLost(StoreUnusable):
    """The database went away in the middle; what was asked may be asked again with the same keys."""


class OutcomeUnknown(StoreLost):
    """The database went away while it committed, and does not say what became of it."""


class InsideTransaction(AssertionError):
    """A network call was about to be made inside a write transaction."""


_inside = threading.local()


def assert_outside_transaction() -> None:
    """Raise when this thread is inside a write transaction: the network may hang, and everybody would wait."""
    if getattr(_inside, "depth", 0):
        raise InsideTransaction("no network call inside a transaction")


class Store(ABC):
    """An open database. `writing` and `transact` are for the writer alone; everybody may be `reading`."""

    commits_together: ClassVar[bool]
    """Whether one transaction may write to many wallets; elsewhere each has its own."""

    def __init__(self, *, writable: bool) -> None:
        self._writable = writable
        self._turn = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection inside one write transaction, alone in this process; commits unless something raises."""
        if not self._writable:
            raise StoreUnusable("The database was opened for looking only.")
        with self._turn:
            _inside.depth = getattr(_inside, "depth", 0) + 1
            try:
                with self._begin() as connection:
                    yield connection
            finally:
                _inside.depth -= 1

    def transact(self, function: Callable[[Connection], T], *, keyed: bool = False) -> T:
        """Run a function in one write transaction; where the database asks for it, again from the start.

        `keyed` says that everything it writes carries a key, so that it may even run again after it was committed.
        Raises: StoreLost.
        """
        with self.writing() as connection:
            return function(connection)

    @abstractmethod
    def _begin(self) -> AbstractContextManager[Connection]:
        """Give a connection inside a new write transaction."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]:
        """Give a connection inside one read transaction: everything read belongs to one instant."""

    @abstractmethod
    def migrating(self) -> AbstractContextManager[Connection]:
        """Give a write connection whose transactions the migration tool opens itself."""

    def prove_locking(self) -> None:  # noqa: B027 - SQLite proves it while it opens
        """Prove on the migrated tables that a lock keeps others out. Raises: StoreUnusable."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database. May be called twice."""
