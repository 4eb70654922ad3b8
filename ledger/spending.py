"""Spending as arithmetic: the usual spend by hour of the week, when money runs out at it, what lies ahead. Pure.

Alert lines, runway and suggestions all ask here, so that money and time agree on every screen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

RUNWAY_MAX = timedelta(days=60)
BURN_WEEKS = 4
BURN_MIN_DAYS = 14
_WEEK_HOURS = 7 * 24
_MICROSECOND = timedelta(microseconds=1)
_HOUR_MICROSECONDS = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Burn:
    """The usual spend by hour of the week, in micro-units; Monday 00:00 is hour 0, in the wallet's zone."""

    by_hour: tuple[int, ...]

    @property
    def week_micros(self) -> int:
        """What a usual week costs."""
        return sum(self.by_hour)

    def at(self, local: datetime) -> int:
        """Give what the hour of a local instant usually costs."""
        return self.by_hour[local.weekday() * 24 + local.hour]


def burn_from(spent: Sequence[tuple[datetime, int]], hour: datetime, *, wallet_age: timedelta) -> Burn | None:
    """Learn the usual spend: four weeks by hour of the week, or the last 24 hours until there are two weeks.

    `spent` is spend by local hour, oldest first; `hour` is the present one. None under one day of history.
    """
    if not spent:
        # A wallet that is a day old and used nothing in four weeks has a burn of zero.
        return Burn((0,) * _WEEK_HOURS) if wallet_age >= timedelta(days=1) else None
    age = hour - spent[0][0]
    if age < timedelta(days=1):
        return None
    if age < timedelta(days=BURN_MIN_DAYS):
        by_day = [0] * 24
        for at, micros in spent:
            if timedelta() < hour - at <= timedelta(hours=24):
                by_day[at.hour] += micros
        return Burn(tuple(max(0, by_day[at % 24]) for at in range(_WEEK_HOURS)))
    weeks = min(BURN_WEEKS, age // timedelta(weeks=1))
    by_week = [0] * _WEEK_HOURS
    for at, micros in spent:
        if hour - timedelta(weeks=weeks) <= at < hour:
            by_week[at.weekday() * 24 + at.hour] += micros
    return Burn(tuple(max(0, micros // weeks) for micros in by_week))


def runway(burn: Burn, available_micros: int, now: datetime, zone: str) -> datetime | None:
    """Give the moment at which available money runs out at the usual pace; None when that is 60 days off or never."""
    if burn.week_micros == 0:
        return None
    left = available_micros
    if left <= 0:
        return now
    local = ZoneInfo(zone)
    at = now
    while at < now + RUNWAY_MAX:
        here = at.astimezone(local)
        past_hour = timedelta(minutes=here.minute, seconds=here.second, microseconds=here.microsecond)
        until = at + timedelta(hours=1) - past_hour
        cost = burn.at(here) * ((until - at) // _MICROSECOND) // _HOUR_MICROSECONDS
        if cost > 0 and left <= cost:
            return at + (until - at) * left // cost
        left -= cost
        at = until
    return None


def cost_ahead(burn: Burn, now: datetime, zone: str, hours: int) -> int:
    """Give what the coming hours usually cost, in micro-units."""
    local = ZoneInfo(zone)
    return sum(burn.at((now + timedelta(hours=hour)).astimezone(local)) for hour in range(hours))
