"""Where time comes from, and whether it can be believed."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from ledger.time_judgement import (
    Anchor,
    Dated,
    Doubt,
    Judged,
    Known,
    begin,
    judge,
    judge_again,
    judge_start,
    skipped,
)


class Clock(Protocol):
    """Gives the time; tests and demos bring their own."""

    def now(self) -> datetime:
        """Give the present instant, aware, in UTC."""
        ...


class SystemClock:
    """Real time."""

    def now(self) -> datetime:
        """Give the present instant."""
        return datetime.now(UTC)


def machine_ticks() -> timedelta:
    """Give the machine's monotonic time, with the time it was suspended where the system counts that."""
    if sys.platform == "linux":  # else a laptop that was closed over night would wake in doubt
        return timedelta(microseconds=time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000)
    return timedelta(microseconds=time.monotonic_ns() // 1_000)


def machine_boot() -> str:
    """Name the machine's present run; empty where the system does not name it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


class JudgedClock:
    """A wall clock that is held against the monotonic one. In doubt it stands still.

    `offset` is what the sandbox has skipped; it is added to the wall clock.
    """

    def __init__(
        self,
        wall: Clock | None = None,
        ticks: Callable[[], timedelta] = machine_ticks,
        *,
        boot: str | None = None,
        offset: timedelta = timedelta(),
    ) -> None:
        self._wall = wall or SystemClock()
        self._ticks = ticks
        self._boot = machine_boot() if boot is None else boot
        self._offset = offset
        self._lock = threading.Lock()
        self._judged = begin(self._wall.now() + offset, ticks())

    def now(self) -> datetime:
        """Give the present instant; in doubt the last one that was believed."""
        return self._look().now

    @property
    def doubt(self) -> Doubt | None:
        """Why the time is in doubt; None while it is believed."""
        return self._look().doubt

    @property
    def offset(self) -> timedelta:
        """How much was skipped."""
        with self._lock:
            return self._offset

    def begin(self, dates: Sequence[Dated], known: Known | None) -> None:
        """Judge the start of a process: by the clocks outside, or where none answered by what is remembered."""
        with self._lock:
            self._judged = judge_start(*self._read(), boot=self._boot, dates=dates, known=known)

    def heard(self, name: str, at: datetime, *, independent: bool = True) -> Dated:
        """Give what another clock has just said, with our ticks of that moment."""
        return Dated(name, Anchor(at, self._ticks()), independent)

    def ahead_of(self, other: Dated) -> timedelta:
        """Give how far the wall clock, believed or not, is ahead of what another clock said."""
        with self._lock:
            wall, ticks = self._read()
        return wall - other.said.expected(ticks)

    def ask_again(self, dates: Sequence[Dated]) -> None:
        """Judge a time that is in doubt by the clocks outside."""
        with self._lock:
            self._judged = judge_again(self._judged, *self._read(), dates)

    def accept(self) -> datetime:
        """Take the wall clock's present time as true; gives it."""
        with self._lock:
            self._judged = begin(*self._read())
            return self._judged.now

    def skip(self, span: timedelta) -> None:
        """Let the time skip on purpose."""
        with self._lock:
            self._offset += span
            self._judged = skipped(self._judged, span)

    def known(self) -> Known | None:
        """Give what the books may remember of the present reading; None in doubt."""
        judged = self._look()
        return Known(self._boot, judged.anchor, self.offset) if judged.doubt is None else None

    def _look(self) -> Judged:
        with self._lock:
            self._judged = judge(self._judged, *self._read())
            return self._judged

    def _read(self) -> tuple[datetime, timedelta]:
        return self._wall.now() + self._offset, self._ticks()
