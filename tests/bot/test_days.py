"""Local days and months as the caps and summaries count them, across the turns of a zone's clock."""

from datetime import UTC, date, datetime

import pytest

from bot.days import day_bounds, next_month


@pytest.mark.parametrize(
    ("now", "zone", "bounds"),
    [
        ("2026-11-23 12:00", "UTC", ("2026-11-23 00:00", "2026-11-24 00:00", "2026-11-01 00:00")),
        # Still the 30th in New York, and the month before there.
        (
            "2026-12-01 03:00",
            "America/New_York",
            ("2026-11-30 05:00", "2026-12-01 05:00", "2026-11-01 04:00"),
        ),
        (
            "2026-03-08 18:00",
            "America/New_York",
            ("2026-03-08 05:00", "2026-03-09 04:00", "2026-03-01 05:00"),
        ),
        (
            "2026-11-01 18:00",
            "America/New_York",
            ("2026-11-01 04:00", "2026-11-02 05:00", "2026-11-01 04:00"),
        ),
        ("2026-11-23 20:00", "Asia/Kolkata", ("2026-11-23 18:30", "2026-11-24 18:30", "2026-10-31 18:30")),
    ],
)
def test_a_local_day_begins_and_ends_at_local_midnight(
    now: str, zone: str, bounds: tuple[str, str, str]
) -> None:
    """A day on which the clock is turned has 23 or 25 hours."""
    assert day_bounds(_utc(now), zone) == tuple(map(_utc, bounds))


@pytest.mark.parametrize(
    ("day", "following"),
    [
        (date(2026, 1, 31), date(2026, 2, 1)),
        (date(2026, 2, 1), date(2026, 3, 1)),
        (date(2028, 2, 29), date(2028, 3, 1)),
        (date(2026, 12, 1), date(2027, 1, 1)),
    ],
)
def test_a_month_follows_each_month(day: date, following: date) -> None:
    """Whatever the day and however long the month."""
    assert next_month(day) == following


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
