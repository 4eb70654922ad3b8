"""Faults on order: what a test or a person arms, so that a request to come goes wrong in a named way."""

import fnmatch
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.sandbox.document_store import Doc


class Mode(StrEnum):
    """How a request goes wrong."""

    SLOW = "slow"
    """It is done and answered, late."""
    HANG_THEN_DO = "hang_then_do"
    """It is done, and the caller waits for nothing."""
    HANG_NOT_DO = "hang_not_do"
    """It is not done, and the caller waits for nothing."""
    RESET_BEFORE = "reset_before"
    """The line breaks before it is done."""
    RESET_AFTER = "reset_after"
    """The line breaks after it is done."""
    STATUS = "status"
    """It is answered with a given status; with `do` it is done all the same."""
    TRUNCATED = "truncated"
    """It is done, and the line breaks in the middle of the answer."""
    CUT_SHORT = "cut_short"
    """It is done, and half of the answer comes as if it were all of it."""


class Ending(StrEnum):
    """How an answer ends."""

    WHOLE = "whole"
    NOTHING = "nothing"
    """The line breaks before its first byte."""
    TORN = "torn"
    """The line breaks after half of the bytes that were promised."""
    HALF = "half"
    """It is half of what it should be, and promises no more."""


_DO = frozenset({Mode.SLOW, Mode.HANG_THEN_DO, Mode.RESET_AFTER, Mode.TRUNCATED, Mode.CUT_SHORT})
_ENDINGS = {
    Mode.RESET_BEFORE: Ending.NOTHING,
    Mode.RESET_AFTER: Ending.NOTHING,
    Mode.TRUNCATED: Ending.TORN,
    Mode.CUT_SHORT: Ending.HALF,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One armed fault."""

    mode: Mode
    delay_ms: int = 0
    status: int = 500
    body: Doc = field(default_factory=dict)
    do: bool = False
    stored: bool = False
    """Whether the answer is remembered under the request's key, as a 500 that came late enough is."""

    @property
    def does(self) -> bool:
        """Whether the request is carried out."""
        return self.do or self.mode in _DO

    @property
    def ending(self) -> "Ending":
        """How much of an answer arrives."""
        return _ENDINGS.get(self.mode, Ending.WHOLE)


class Faults:
    """The armed faults, oldest first; each is used up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[tuple[str, int, Fault]] = []

    def arm(self, options: dict[str, Any]) -> None:
        """Arm a fault for the requests to come that match. Raises: KeyError, ValueError, TypeError."""
        fault = Fault(
            mode=Mode(options.get("mode", "slow")),
            delay_ms=int(options.get("delay_ms", 0)),
            status=int(options.get("status", 500)),
            body=dict(
                options.get("body") or {"error": {"type": "api_error", "message": "An error on order."}}
            ),
            do=bool(options.get("do", False)),
            stored=bool(options.get("stored", False)),
        )
        with self._lock:
            self._armed.append((str(options["match"]), int(options.get("times", 1)), fault))

    def clear(self) -> None:
        """Disarm everything."""
        with self._lock:
            self._armed.clear()

    def left(self) -> int:
        """Count the requests that are still to go wrong."""
        with self._lock:
            return sum(times for _, times, _ in self._armed)

    def take(self, request: str) -> Fault | None:
        """Give the fault that a request ("POST /v1/refunds") meets."""
        with self._lock:
            for index, (pattern, times, fault) in enumerate(self._armed):
                if fnmatch.fnmatchcase(request, pattern):
                    self._armed[index] = (pattern, times - 1, fault)
                    if times <= 1:
                        del self._armed[index]
                    return fault
        return None
