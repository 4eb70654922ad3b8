"""Days and months in a wallet's time zone. Pure."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def day_bounds(now: datetime, zone: str) -> tuple[datetime, datetime, datetime]:
    """Give when the local day begins and ends and when its month began, all in UTC."""
    local = now.astimezone(ZoneInfo(zone))
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return day.astimezone(UTC), (day + timedelta(days=1)).astimezone(UTC), day.replace(day=1).astimezone(UTC)


def next_month(first: date) -> date:
    """Give the first day of the month after the one that a day is in."""
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1)
