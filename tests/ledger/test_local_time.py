"""Local days and months: in every zone, across every change of offset from 2025 to 2028."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import pytest

from ledger.local_time import (
    QUARTER_MICROSECONDS,
    day_began_at,
    day_bounds,
    local_day,
    local_hour,
    month_before,
    month_bounds,
    next_month,
)

MICROSECOND = timedelta(microseconds=1)
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)
FIRST, LAST = datetime(2025, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)


class Change(NamedTuple):
    """A zone's clock is turned: the first instant of the new offset."""

    zone: ZoneInfo
    at: datetime


@cache
def _zones() -> tuple[tuple[ZoneInfo, tuple[datetime, ...]], ...]:
    """Give every zone with its changes of offset; of zones that are alike in these years, one."""
    unlike: dict[tuple[object, ...], tuple[ZoneInfo, tuple[datetime, ...]]] = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        turns = tuple(_turns(zone))
        offsets = tuple(at.astimezone(zone).utcoffset() for at in (FIRST, *turns))
        unlike.setdefault((turns, offsets), (zone, turns))
    assert len(unlike) > 50, "the tz database is there"
    return tuple(unlike.values())


def _changes() -> list[Change]:
    return [Change(zone, at) for zone, turns in _zones() for at in turns]


def _turns(zone: ZoneInfo) -> Iterator[datetime]:
    weeks = (LAST - FIRST).days // 7
    for before, after in pairwise(FIRST + timedelta(weeks=week) for week in range(weeks + 1)):
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            yield _turn(zone, before, after)


def _turn(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    old = before.astimezone(zone).utcoffset()
    while after - before > MICROSECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def _around(change: Change) -> list[date]:
    day = change.at.astimezone(change.zone).date()
    return [day + DAY * number for number in range(-2, 3)]


def test_every_change_of_offset_falls_between_two_quarters_of_an_hour() -> None:
    """Rollups look the local hour up once a quarter, and a quarter has one local hour alone."""
    for zone, at in _changes():
        assert (at - datetime(1970, 1, 1, tzinfo=UTC)) % QUARTER == timedelta(), (zone, at)


def test_days_tile_time_around_every_change() -> None:
    """Each day begins where the one before ends, and the local dates on both sides are those of the two days."""
    for change in _changes():
        zone = change.zone
        for day in _around(change):
            began_at, ended_at = day_bounds(day, zone)
            assert began_at < ended_at == day_began_at(day + DAY, zone), (zone, day)
            assert (began_at - MICROSECOND).astimezone(zone).date() == day - DAY, (zone, day)
            assert began_at.astimezone(zone).date() == day, (zone, day)


def test_every_instant_belongs_to_the_one_day_that_contains_it() -> None:
    """Rollups, caps and the date on the wall agree on each quarter of an hour around every change."""
    for zone, at in _changes():
        for number in range(-9, 10):
            for instant in (at + number * QUARTER, at + number * QUARTER - MICROSECOND):
                day = local_day(instant, zone)
                began_at, ended_at = day_bounds(day, zone)
                assert began_at <= instant < ended_at, (zone, instant)
                assert day == instant.astimezone(zone).date(), (zone, instant)
                stamp = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND
                hour = instant.astimezone(zone).hour
                assert local_hour(stamp // QUARTER_MICROSECONDS, zone) == (day.isoformat(), hour), (
                    zone,
                    instant,
                )


def test_months_tile_time_in_every_zone() -> None:
    """Months meet, and contain the last instant and the first of their days."""
    for zone, _ in _zones():
        month = date(2025, 1, 1)
        while month.year < 2029:
            began_at, ended_at = month_bounds(month.replace(day=28), zone)
            last = ended_at - MICROSECOND
            assert began_at == day_began_at(month, zone), (zone, month)
            assert local_day(last, zone) == next_month(month) - DAY, (zone, month)
            assert local_day(ended_at, zone) == next_month(month), (zone, month)
            assert month_before(local_day(ended_at, zone)) == month, (zone, month)
            month = next_month(month)


@pytest.mark.parametrize(
    ("zone", "day", "began_at", "ended_at"),
    [
        ("UTC", "2026-11-23", "2026-11-23 00:00", "2026-11-24 00:00"),
        ("America/New_York", "2026-11-30", "2026-11-30 05:00", "2026-12-01 05:00"),
        ("America/New_York", "2026-03-08", "2026-03-08 05:00", "2026-03-09 04:00"),
        ("Asia/Kolkata", "2026-11-24", "2026-11-23 18:30", "2026-11-24 18:30"),
        # Midnight comes twice: the first one begins the day, which has 25 hours.
        ("America/Havana", "2026-11-01", "2026-11-01 04:00", "2026-11-02 05:00"),
        # 00:00 to 01:00 does not exist.
        ("America/Havana", "2026-03-08", "2026-03-08 05:00", "2026-03-09 04:00"),
        # At 24:00 the clock goes back to 23:00: that hour belongs to the old day twice.
        ("America/Santiago", "2026-04-04", "2026-04-04 03:00", "2026-04-05 04:00"),
        # The gap begins before midnight: from 23:30 to 00:30.
        ("America/Toronto", "1919-03-31", "1919-03-31 04:30", "1919-04-01 04:00"),
        # The clock went back from 00:01 to 23:01: the repeated hour belongs to the new day.
        ("America/St_Johns", "2010-11-07", "2010-11-07 02:30", "2010-11-08 03:30"),
        # A day that the zone skipped is empty.
        ("Pacific/Apia", "2011-12-30", "2011-12-30 10:00", "2011-12-30 10:00"),
    ],
)
def test_a_day_begins_and_ends(zone: str, day: str, began_at: str, ended_at: str) -> None:
    """As the rule says it, also in zones and years that no wallet meets."""
    bounds = day_bounds(date.fromisoformat(day), ZoneInfo(zone))
    assert bounds == (_utc(began_at), _utc(ended_at))


def test_a_repeated_hour_before_midnight_belongs_to_the_day_that_has_begun() -> None:
    """Days never run back, though the local date does."""
    zone = ZoneInfo("America/St_Johns")
    again = _utc("2010-11-07 03:00")
    assert again.astimezone(zone).date() == date(2010, 11, 6)
    assert local_day(again, zone) == date(2010, 11, 7)


@pytest.mark.parametrize(
    ("day", "following", "before"),
    [
        (date(2026, 1, 31), date(2026, 2, 1), date(2025, 12, 1)),
        (date(2026, 2, 1), date(2026, 3, 1), date(2026, 1, 1)),
        (date(2028, 2, 29), date(2028, 3, 1), date(2028, 1, 1)),
        (date(2026, 12, 1), date(2027, 1, 1), date(2026, 11, 1)),
    ],
)
def test_a_month_has_neighbours(day: date, following: date, before: date) -> None:
    """Whatever the day and however long the month."""
    assert (next_month(day), month_before(day)) == (following, before)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
