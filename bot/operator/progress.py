"""Shows on standard error how far a long command is, once a second."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_EVERY_SECONDS = 1


def with_progress(pieces: Iterable[T], total: int, *, always: bool = False) -> Iterator[T]:
    """Pass pieces on, and show how many of about `total` have passed; `always` also where nobody watches, in lines."""
    there = sys.stderr is not None  # None when it was closed before we began
    on_terminal = there and sys.stderr.isatty()
    watched = on_terminal or (there and always)
    shown_at = time.monotonic()
    for done, piece in enumerate(pieces):
        yield piece
        if watched and done % 100 == 0 and time.monotonic() - shown_at >= _EVERY_SECONDS:
            shown_at = time.monotonic()
            words = f"{min(done, total):,} of {total:,}"
            sys.stderr.write(f"\r{words} " if on_terminal else f"{words}\n")
            sys.stderr.flush()
    if watched:
        sys.stderr.write("\r" + " " * 40 + "\r" if on_terminal else f"{total:,} of {total:,}\n")
        sys.stderr.flush()
