"""Why a database cannot be used: the exceptions, and what a store remembers of a trouble while it lasts.

A trouble is remembered for health and for people. It refuses nothing by itself: each use tries the database again, so
a use works as soon as the database does. One line a minute stands in the log, with the count of refused uses, however
many callers come.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from ledger.clock import Clock, machine_ticks

log = logging.getLogger("redbar.store")
WAIT_MAX = timedelta(seconds=2)
"""How long a use waits for a lock, a connection or a lost server before its caller is refused."""
_QUIET = timedelta(seconds=3)
"""A trouble is over when the database works and no use has failed for so long: a full disk still takes a small write
here and there."""
_LOG_EVERY = timedelta(minutes=1)


class TroubleCode(StrEnum):
    """What is wrong with a database."""

    FILE_GONE = "file_gone"
    FILE_REPLACED = "file_replaced"
    FILE_TRUNCATED = "file_truncated"
    DAMAGED = "damaged"
    READ_ONLY = "read_only"
    FULL = "full"
    IO_FAILED = "io_failed"
    NOT_OPENED = "not_opened"
    LOCKED = "locked"
    SERVER_AWAY = "server_away"
    SERVER_CROWDED = "server_crowded"


LASTING = frozenset({TroubleCode.FILE_REPLACED, TroubleCode.FILE_TRUNCATED, TroubleCode.DAMAGED})
"""These never go away while the process runs."""
NEEDS_WRITE = frozenset({TroubleCode.FULL})
"""Only a write that worked shows that these are over."""


class StoreUnusable(Exception):
    """The database cannot be used; the message says why and what to do."""


class StoreBusy(StoreUnusable):
    """Another process writes to this database."""


class StoreClosed(StoreUnusable):
    """The process is ending and has let go of its database."""


class StoreTroubled(StoreUnusable):
    """A database that was open cannot be used now. The message is for the operator, and says what to do."""

    def __init__(self, sentence: str, code: TroubleCode, *, nothing_written: bool = True) -> None:
        super().__init__(sentence)
        self.code = code
        self.nothing_written = nothing_written
        """False where the transaction may have been committed; what carries keys may be asked again all the same."""
        self.while_reading = False
        """Whether it was met by a read, which says nothing of what the same caller wrote before."""

    def for_others(self) -> "StoreTroubled":
        """Give the refusal for callers whose transaction was never tried."""
        return StoreTroubled(str(self), self.code)

    def unsure(self) -> Self:
        """Say that the transaction may have been committed."""
        self.nothing_written = False
        return self


class StoreLost(StoreTroubled):
    """The database went away in the middle; what was asked may be asked again with the same keys."""


class OutcomeUnknown(StoreLost):
    """The database went away while it committed, and does not say what became of it."""

    def __init__(self, sentence: str, code: TroubleCode) -> None:
        super().__init__(sentence, code, nothing_written=False)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a database now."""

    code: TroubleCode
    sentence: str
    """For the operator: what is wrong and what to do."""
    since: datetime
    """When the first use was refused; a trouble that turns into another keeps it."""


class TroubleRecord:
    """Remembers the present trouble of a database, and writes it to the log. Any thread may call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.trouble: Trouble | None = None
        self._failed_at = self._said_at = timedelta()
        self._refused = 0
        """Uses that were refused since the last line of the log."""

    def failed(self, problem: StoreTroubled, *, caller: bool = True) -> None:
        """Note that a use was refused; without a caller it was only a look."""
        with self._lock:
            before, now = self.trouble, machine_ticks()
            self._failed_at = now
            self._refused += caller
            is_new = before is None or (before.code is not problem.code and before.code not in LASTING)
            if is_new:
                since = self._clock.now() if before is None else before.since
                self.trouble = Trouble(problem.code, str(problem), since)
            if is_new or now - self._said_at >= _LOG_EVERY:
                assert self.trouble is not None, "it was set with the first failure"
                log.error("%s (%s refused)", self.trouble.sentence, self._refused)
                self._said_at, self._refused = now, 0

    def worked(self, *, wrote: bool) -> None:
        """Note that the database could be used. A trouble is over once no use has failed for three seconds."""
        trouble = self.trouble
        if trouble is None:  # nearly always, and this runs with each commit
            return
        if trouble.code in LASTING or (trouble.code in NEEDS_WRITE and not wrote):
            return
        with self._lock:
            if self.trouble is trouble and machine_ticks() - self._failed_at >= _QUIET:
                self.trouble = None
                log.warning("the database can be used again (%s refused meanwhile)", self._refused)
                self._refused = 0
