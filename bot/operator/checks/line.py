"""A line of `redbar check`, and the catching of what goes wrong while one is looked for."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

log = logging.getLogger("redbar.check")


@dataclass(frozen=True, slots=True)
class Line:
    """What was found of one thing."""

    name: str
    ok: bool | None
    """None where it could not be looked at, because of what another line says."""
    says: str
    """What is so; where it is wrong, also what to do."""


def caught(name: str, look: Callable[[], Line]) -> Line:
    """Look at one thing; what breaks on the way is its line, and keeps no other from being looked at."""
    try:
        return look()
    except Exception as problem:
        log.debug("a check broke off", exc_info=True)
        # What it says may quote an address with its password.
        return Line(name, False, f"This check broke off ({type(problem).__name__}). Please report it.")


def unseen(names: Iterable[str], why: str) -> list[Line]:
    """Give lines for what cannot be looked at."""
    return [Line(name, None, why) for name in names]
