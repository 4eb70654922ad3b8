"""Where time comes from."""

from datetime import UTC, datetime
from typing import Protocol


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
