"""Instants are stored as whole microseconds, and read again as the same instants."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ledger.instants import from_stamp, to_stamp


@pytest.mark.parametrize(
    ("instant", "stamp"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC), 1_000_001),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (datetime(2026, 11, 30, 12, tzinfo=UTC), 1_796_040_000_000_000),
    ],
)
def test_an_instant_is_its_microseconds_since_1970(instant: datetime, stamp: int) -> None:
    """Both ways, also before 1970; an instant said in another zone is the same."""
    assert to_stamp(instant) == stamp
    assert to_stamp(instant.astimezone(timezone(timedelta(hours=-5)))) == stamp
    assert from_stamp(stamp) == instant
    assert from_stamp(stamp).tzinfo is UTC
