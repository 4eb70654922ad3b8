"""Spending as arithmetic: the usual spend by hour of the week, when money ends at it, days that stand out. Pure.

Alert lines, runway and suggestions all ask here, so that money and time agree on every screen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
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


SPIKE_PERCENT = 200
"""A day stands out when it cost so much of a usual one."""
WEEKDAYS_MIN = 2
"""So many earlier days of the same weekday are a measure."""
REAL_SHARE = 10
"""A usual day below this part of the least spike is too small to be multiplied."""

DayCosts = Mapping[str, Mapping[str, int]]
"""What each kind cost by day ("2026-11-17"), in micro-units."""


@dataclass(frozen=True, slots=True)
class Spike:
    """A day on which one kind cost far more than before. Micro-units."""

    day: str
    kind: str
    spent_micros: int
    usual_micros: int | None
    """What the same weekday usually costs; None where there is no such measure, and the day outdid every other day."""


def spikes_on(day: date, costs: DayCosts, least_micros: int) -> list[Spike]:
    """Give the kinds that stand out on a day, costliest first.

    A kind stands out that cost at least twice the average of the same weekdays of four weeks before. Where fewer than
    two of these had that kind, or cost next to nothing, it has to cost at least twice the costliest day of these weeks;
    without two weeks of history nothing is judged. A kind that cost less than `least_micros` never stands out.
    """
    before = {
        past: costs[past]
        for back in range(1, BURN_WEEKS * 7 + 1)
        if costs.get(past := (day - timedelta(days=back)).isoformat())
    }
    has_history = min(before, default=day.isoformat()) <= (day - timedelta(days=BURN_MIN_DAYS)).isoformat()
    found = []
    for kind, spent in costs.get(day.isoformat(), {}).items():
        if spent < least_micros:
            continue
        usual = _usual(day, kind, before)
        if usual is not None and usual * REAL_SHARE >= least_micros:
            stands_out = spent * 100 >= usual * SPIKE_PERCENT
        else:
            usual = None
            costliest = max((one.get(kind, 0) for one in before.values()), default=0)
            stands_out = has_history and spent * 100 >= costliest * SPIKE_PERCENT
        if stands_out:
            found.append(Spike(day.isoformat(), kind, spent, usual))
    return sorted(found, key=lambda one: (-one.spent_micros, one.kind))


def _usual(day: date, kind: str, before: DayCosts) -> int | None:
    """Give what a kind cost on average on the same weekdays that had it; None where there are too few."""
    weekdays = [(day - timedelta(weeks=week)).isoformat() for week in range(1, BURN_WEEKS + 1)]
    costs = [before[one][kind] for one in weekdays if kind in before.get(one, {})]
    return sum(costs) // len(costs) if len(costs) >= WEEKDAYS_MIN else None
