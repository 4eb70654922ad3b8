"""Shows on standard error how far a long command is, once a second."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_EVERY_SECONDS = 1


class Meter:
    """Shows how much is done on a terminal; where nobody watches, in lines if `always`, else not at all."""

    def __init__(self, *, always: bool = False) -> None:
        there = sys.stderr is not None  # None when it was closed before we began
        self._on_terminal = there and sys.stderr.isatty()
        self.watched = self._on_terminal or (there and always)
        self._shown_at = time.monotonic()

    def show(self, words: str) -> None:
        """Show it, at most once a second."""
        if self.watched and time.monotonic() - self._shown_at >= _EVERY_SECONDS:
            self._shown_at = time.monotonic()
            sys.stderr.write(f"\r{words} " if self._on_terminal else f"{words}\n")
            sys.stderr.flush()

    def end(self, words: str = "") -> None:
        """Clear the terminal's line; elsewhere show how it ended."""
        if self.watched:
            sys.stderr.write("\r" + " " * 40 + "\r" if self._on_terminal else f"{words}\n")
            sys.stderr.flush()


def with_progress(pieces: Iterable[T], total: int, *, always: bool = False) -> Iterator[T]:
    """Pass pieces on, and show how many of about `total` have passed; `always` also where nobody watches, in lines."""
    meter = Meter(always=always)
    for done, piece in enumerate(pieces):
        yield piece
        if meter.watched and done % 100 == 0:
            meter.show(f"{min(done, total):,} of {total:,}")
    meter.end(f"{total:,} of {total:,}")
