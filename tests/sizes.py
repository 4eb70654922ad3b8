"""How much the long tests try: a little here, more in CI, everything by `python -m tests.long NAME`."""

import os
from typing import TypeVar

T = TypeVar("T")
FULL = os.environ.get("REDBAR_FULL", "")
REQUIRE_ALL = bool(os.environ.get("REDBAR_REQUIRE_ALL"))
"""Set in CI, where nothing may be skipped."""


def size(name: str, *, local: T, ci: T, full: T) -> T:
    """Give how much a test tries."""
    if name == FULL:
        return full
    return ci if REQUIRE_ALL else local
