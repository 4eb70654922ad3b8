"""The sandbox's clock: the product's time, which it lets skip, kept across restarts."""

import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol


class SkippingClock(Protocol):
    """The product's clock, which is judged and may be let skip: a skip is no leap."""

    @property
    def offset(self) -> timedelta:
        """How much was skipped."""
        ...

    def now(self) -> datetime:
        """Give the present instant."""
        ...

    def skip(self, span: timedelta) -> None:
        """Let the time skip."""
        ...


class SandboxClock:
    """Real time with an offset that only grows."""

    def __init__(self, product: SkippingClock, path: Path | None = None) -> None:
        """The product's clock begins with the offset that `offset_kept` gives for the same file."""
        self._product = product
        self._path = path
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Give the sandbox's present instant."""
        return self._product.now()

    @property
    def offset(self) -> timedelta:
        """How far the sandbox is ahead of real time."""
        return self._product.offset

    def skip_to(self, instant: datetime) -> None:
        """Let time jump forward to an instant; an instant already past changes nothing."""
        with self._lock:
            span = instant - self._product.now()
            if span <= timedelta():
                return
            self._product.skip(span)
            if self._path is not None:
                fresh = self._path.with_suffix(".new")
                fresh.touch(0o600)
                fresh.write_text(str(self._product.offset // timedelta(microseconds=1)), encoding="ascii")
                fresh.replace(self._path)


def offset_kept(path: Path) -> timedelta:
    """Give how far the sandbox was ahead of real time when it last ran. Raises: ValueError, OSError."""
    if not path.exists():
        return timedelta()
    return timedelta(microseconds=int(path.read_text(encoding="ascii")))
