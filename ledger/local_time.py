"""Days and months in a wallet's time zone, as rollups, caps and months count them alike. Pure.

A local day is half-open: it begins with the first instant whose local date is that day or a later one, and ends where
the next day begins. Two cases follow from it. Where local midnight comes twice, the first one begins the day. Where
midnight does not exist, the day begins at the end of the gap.

An instant belongs to the day that contains it. That is the date on a local clock, except in a zone that turns its
clock back across midnight after midnight has passed: the repeated minutes belong to the new day, since days never run
back. No zone of 2025 to 2028 does so; `tests/ledger/test_local_time.py` checks every zone and every change of offset.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_QUARTER = timedelta(minutes=15)
QUARTER_MICROSECONDS = _QUARTER // _MICROSECOND
"""A quarter of an hour, counted from 1970: inside one, no zone changes its offset."""


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """Give the local day that an instant belongs to."""
    local = instant.astimezone(zone)
    day = local.date()
    # Only a repeated hour can lie behind a midnight that has passed.
    return day + _DAY if local.fold and instant >= day_began_at(day + _DAY, zone) else day


# Asked of every batch and every usage, nearly always of the present quarter.
@lru_cache(maxsize=256)
def local_hour(quarter: int, zone: ZoneInfo) -> tuple[str, int]:
    """Give the local day ("2026-11-17") and hour of a quarter of an hour, by its number since 1970."""
    local = _began(quarter, zone)
    return local_day(local, zone).isoformat(), local.hour


@lru_cache(maxsize=256)
def month_number(quarter: int, zone: ZoneInfo) -> int:
    """Number the local month of a quarter of an hour: one more for each month."""
    day = local_day(_began(quarter, zone), zone)
    return day.year * 12 + day.month


def _began(quarter: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(quarter * _QUARTER.seconds, zone)


def day_began_at(day: date, zone: ZoneInfo) -> datetime:
    """Give the instant at which a local day begins, in UTC."""
    midnight = datetime.combine(day, time(), zone)
    first = midnight.astimezone(UTC)
    if (first - _MICROSECOND).astimezone(zone).date() < day <= first.astimezone(zone).date():
        return first
    # Midnight does not exist: read with the offset after the gap it lies before the change, and with the one before
    # the gap at or after it.
    before, after = midnight.replace(fold=1).astimezone(UTC) - _MICROSECOND, first
    while after - before > _MICROSECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).date() < day:
            before = middle
        else:
            after = middle
    return after


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Give when a local day begins and when the next one does, in UTC."""
    return day_began_at(day, zone), day_began_at(day + _DAY, zone)


def month_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Give when the local month of a day begins and when the next one does, in UTC."""
    return day_began_at(day.replace(day=1), zone), day_began_at(next_month(day), zone)


def next_month(day: date) -> date:
    """Give the first day of the month after the one that a day is in."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def month_before(day: date) -> date:
    """Give the first day of the month before the one that a day is in."""
    return (day.replace(day=1) - _DAY).replace(day=1)
