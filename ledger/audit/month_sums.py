"""Sums by local hour and kind, compared without keeping them: memory must not grow with a history. Pure.

Each hour and kind has weights that nobody can know before; a month is the weighted sum of its counts, quantities and
amounts, one number. Two months of the same rows have the same number; of other rows they have it once in 2^128 times.
"""

from collections.abc import Iterator
from hashlib import blake2b
from zoneinfo import ZoneInfo

from ledger import local_time

Hour = tuple[str, int, str]
"""A local day, its hour, a kind of transfer."""

QUARTER = local_time.QUARTER_MICROSECONDS
QUARTERS_AT_ONCE = 4_096
_WEIGHT_BYTES = 16


def local_hour(quarter: int, kind: str, zone: ZoneInfo) -> Hour:
    """Give the local day and hour that a quarter of an hour lies in."""
    return *local_time.local_hour(quarter, zone), kind


def month_of(hour: Hour) -> str:
    """Give the month of an hour: 2026-11."""
    return hour[0][:7]


class Secret:
    """The weights of one comparison, from a key drawn anew each time, so that no forger can aim at them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def weights(self, hour: Hour) -> tuple[int, int, int]:
        """Give the weights of count, quantity and amount."""
        size = _WEIGHT_BYTES
        # As a tuple is shown, so that no two hours read the same, whatever stands in a forged one.
        drawn = blake2b(repr(hour).encode("utf-8", "replace"), key=self._key, digest_size=3 * size).digest()
        first, second, third = (
            int.from_bytes(drawn[at : at + size], "big") for at in range(0, 3 * size, size)
        )
        return first, second, third


class Tally:
    """What rows add up to, by month."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._months: dict[str, int] = {}

    def add(self, hour: Hour, count: int, quantity: int, amount: int) -> None:
        """Add sums of an hour."""
        a, b, c = self._secret.weights(hour)
        month = month_of(hour)
        self._months[month] = self._months.get(month, 0) + a * count + b * quantity + c * amount

    def months_unlike(self, other: "Tally") -> Iterator[str]:
        """Give the months in which two tallies differ, in order."""
        for month in sorted(self._months.keys() | other._months.keys()):
            if self._months.get(month, 0) != other._months.get(month, 0):
                yield month
