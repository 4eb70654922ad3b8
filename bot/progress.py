"""How far a long command is, for people who watch: on a terminal, once a second, on standard error."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_EVERY_SECONDS = 1


def shown(pieces: Iterable[T], total: int) -> Iterator[T]:
    """Pass pieces on, and show how many of about `total` have passed."""
    watched = sys.stderr is not None and sys.stderr.isatty()  # None when it was closed before we began
    shown_at = time.monotonic()
    for done, piece in enumerate(pieces):
        yield piece
        if watched and done % 100 == 0 and time.monotonic() - shown_at >= _EVERY_SECONDS:
            shown_at = time.monotonic()
            sys.stderr.write(f"\r{min(done, total):,} of {total:,} ")
            sys.stderr.flush()
    if watched:
        sys.stderr.write("\r" + " " * 40 + "\r")
        sys.stderr.flush()
