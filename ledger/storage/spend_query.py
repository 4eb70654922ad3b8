"""The rollups that burn and the overdraft ceiling are learned from."""

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from ledger.chart import CREDITS
from ledger.local_time import local_day, month_before
from ledger.spending import BURN_WEEKS, Burn, burn_from
from ledger.storage.schema import hourly, wallets


def burn_of(connection: Connection, wallet_id: UUID, now: datetime) -> Burn | None:
    """Read the rollups of four weeks and learn the burn from them; None under one day of history."""
    zone, created_at = connection.execute(
        select(wallets.c.zone, wallets.c.created_at).where(wallets.c.wallet_id == wallet_id)
    ).one()
    hour = now.astimezone(ZoneInfo(zone)).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    rows = connection.execute(
        select(hourly.c.day, hourly.c.hour, func.sum(hourly.c.amount))
        .where(
            hourly.c.wallet_id == wallet_id,
            hourly.c.day >= (hour - timedelta(weeks=BURN_WEEKS)).date().isoformat(),
            hourly.c.kind.not_in(CREDITS),
        )
        .group_by(hourly.c.day, hourly.c.hour)
        .order_by(hourly.c.day, hourly.c.hour)
    )
    spent = [
        (datetime.fromisoformat(day).replace(hour=at), -int(amount)) for day, at, amount in rows if amount
    ]
    return burn_from(spent, hour, wallet_age=now - created_at)


def usage_of_month_before(connection: Connection, wallet_id: UUID, now: datetime, zone: str) -> int:
    """Sum up what was used in the month before the present one of the wallet's zone, in micro-units."""
    month = f"{month_before(local_day(now, ZoneInfo(zone))):%Y-%m}"
    effect = connection.execute(
        select(func.coalesce(func.sum(hourly.c.amount), 0)).where(
            hourly.c.wallet_id == wallet_id,
            hourly.c.day >= f"{month}-01",
            hourly.c.day <= f"{month}-31",
            hourly.c.kind.not_in(CREDITS),
        )
    ).scalar_one()
    return -int(effect)
