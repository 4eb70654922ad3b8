"""The pace of spending, learned from rollups, and what it says of the time that is left.

Money and time never disagree on one screen: alert lines, runway and suggestions all ask here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from ledger.chart import CREDITS
from ledger.storage.schema import hourly, wallets

RUNWAY_MAX = timedelta(days=60)
PACE_WEEKS = 4
PACE_MIN_DAYS = 14
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


def burn_of(connection: Connection, wallet_id: UUID, now: datetime) -> Burn | None:
    """Learn the pace: four weeks by hour of the week, or the last 24 hours until there are two weeks.

    None under one day of history: too early to say.
    """
    zone, created_at = connection.execute(
        select(wallets.c.zone, wallets.c.created_at).where(wallets.c.wallet_id == wallet_id)
    ).one()
    hour = now.astimezone(ZoneInfo(zone)).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    rows = connection.execute(
        select(hourly.c.day, hourly.c.hour, func.sum(hourly.c.amount))
        .where(
            hourly.c.wallet_id == wallet_id,
            hourly.c.day >= (hour - timedelta(weeks=PACE_WEEKS)).date().isoformat(),
            hourly.c.kind.not_in(CREDITS),
        )
        .group_by(hourly.c.day, hourly.c.hour)
        .order_by(hourly.c.day, hourly.c.hour)
    )
    spent = [
        (datetime.fromisoformat(day).replace(hour=at), -int(amount)) for day, at, amount in rows if amount
    ]
    if not spent:
        # Nothing used in four weeks is a pace too, once the wallet is a day old.
        return Burn((0,) * _WEEK_HOURS) if now - created_at >= timedelta(days=1) else None
    return _learned(spent, hour)


def _learned(spent: Sequence[tuple[datetime, int]], hour: datetime) -> Burn | None:
    """Learn from spend by local hour, oldest first, up to the hour that runs."""
    age = hour - spent[0][0]
    if age < timedelta(days=1):
        return None
    if age < timedelta(days=PACE_MIN_DAYS):
        by_day = [0] * 24
        for at, micros in spent:
            if timedelta() < hour - at <= timedelta(hours=24):
                by_day[at.hour] += micros
        return Burn(tuple(max(0, by_day[at % 24]) for at in range(_WEEK_HOURS)))
    weeks = min(PACE_WEEKS, age // timedelta(weeks=1))
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
