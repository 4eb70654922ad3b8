"""The wallet as it is now, sums from rollups, and spikes.

They take the same time however long the history is: they read the wallet's row and the rollups. Charts and months go
by the day of use in the wallet's zone.
"""

from collections import defaultdict
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, func, select

from ledger.chart import CREDITS, Account
from ledger.commands import KindSum, WalletView
from ledger.deciding.checks import AHEAD_MAX
from ledger.local_time import day_bounds
from ledger.reading.history import WITH_WORDS, WORDS, zone_of
from ledger.spending import BURN_WEEKS, Spike, spikes_on
from ledger.storage.accepted_times import first_number_from
from ledger.storage.schema import hourly, texts, transfers
from ledger.wallet_policy import WalletPolicy
from ledger.writing.book import policy_in, row_of, view_of


def look(connection: Connection, wallet_id: UUID, now: datetime) -> tuple[WalletView, WalletPolicy]:
    """Give a wallet as it is at an instant, with its policy. Refuses: WalletUnknown."""
    row = row_of(connection, wallet_id)
    return view_of(connection, row, now), policy_in(row)


# --- Sums -------------------------------------------------------------------------------------------------


def month_summary(
    connection: Connection, wallet_id: UUID, month: str, *, through_day: int = 31
) -> list[KindSum]:
    """Sum a month up by kind, up to and with a day of it; costs are below zero."""
    rows = connection.execute(
        select(
            hourly.c.kind, func.sum(hourly.c.count), func.sum(hourly.c.quantity), func.sum(hourly.c.amount)
        )
        .where(
            hourly.c.wallet_id == wallet_id,
            hourly.c.day >= f"{month}-01",
            hourly.c.day <= f"{month}-{through_day:02d}",
        )
        .group_by(hourly.c.kind)
        .order_by(hourly.c.kind)
    )
    return [KindSum(kind, int(count), int(quantity), int(amount)) for kind, count, quantity, amount in rows]


def daily(
    connection: Connection, wallet_id: UUID, first_day: str, last_day: str
) -> dict[str, dict[str, KindSum]]:
    """Sum every day of a stretch up by kind, days as "2026-11-17"."""
    rows = connection.execute(
        select(
            hourly.c.day,
            hourly.c.kind,
            func.sum(hourly.c.count),
            func.sum(hourly.c.quantity),
            func.sum(hourly.c.amount),
        )
        .where(hourly.c.wallet_id == wallet_id, hourly.c.day >= first_day, hourly.c.day <= last_day)
        .group_by(hourly.c.day, hourly.c.kind)
        .order_by(hourly.c.day, hourly.c.kind)
    )
    found: dict[str, dict[str, KindSum]] = defaultdict(dict)
    for day, kind, count, quantity, amount in rows:
        found[day][kind] = KindSum(kind, int(count), int(quantity), int(amount))
    return dict(found)


def hours_of(connection: Connection, wallet_id: UUID, first_day: str) -> list[tuple[str, int, str, int]]:
    """Give every hour's sum by kind since a day: (day, hour, kind, signed micro-units), oldest first."""
    rows = connection.execute(
        select(hourly.c.day, hourly.c.hour, hourly.c.kind, hourly.c.amount)
        .where(hourly.c.wallet_id == wallet_id, hourly.c.day >= first_day)
        .order_by(hourly.c.day, hourly.c.hour, hourly.c.kind)
    )
    return [(day, hour, kind, int(amount)) for day, hour, kind, amount in rows]


def months_of(connection: Connection, wallet_id: UUID) -> list[str]:
    """Give the months in which anything happened, newest first."""
    month = func.substr(hourly.c.day, 1, 7)
    rows = connection.execute(
        select(month).where(hourly.c.wallet_id == wallet_id).distinct().order_by(month.desc())
    )
    return [str(one) for one in rows.scalars()]


# --- Spikes -----------------------------------------------------------------------------------------------


def spikes_of(
    connection: Connection, wallet_id: UUID, first_day: str, last_day: str, least_micros: int
) -> list[Spike]:
    """Find the spikes of a stretch of days, oldest first, and of a day the costliest first."""
    first, last = date.fromisoformat(first_day), date.fromisoformat(last_day)
    found = daily(connection, wallet_id, (first - timedelta(weeks=BURN_WEEKS)).isoformat(), last_day)
    costs = {
        day: {kind: -one.amount_micros for kind, one in kinds.items() if kind not in CREDITS}
        for day, kinds in found.items()
    }
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [spike for day in days for spike in spikes_on(day, costs, least_micros)]


def references_of(
    connection: Connection, wallet_id: UUID, day: str, kind: str, *, limit: int = 5
) -> list[tuple[str, int]]:
    """Give the references that a day's cost of one kind went to, costliest first, in micro-units."""
    began_at, ended_at = day_bounds(date.fromisoformat(day), zone_of(connection, wallet_id))
    # Nothing that happened on a day was recorded before it, but for clocks that run ahead.
    first = first_number_from(connection, wallet_id, began_at - AHEAD_MAX)
    total = func.sum(transfers.c.amount)
    rows = connection.execute(
        select(WORDS[0], total)
        .select_from(transfers)
        .join(texts, WITH_WORDS, isouter=True)
        .where(
            transfers.c.wallet_id == wallet_id,
            transfers.c.seq >= first,
            transfers.c.kind == kind,
            transfers.c.debit == Account.BALANCE.value,
            transfers.c.occurred_at >= began_at,
            transfers.c.occurred_at < ended_at,
        )
        .group_by(WORDS[0])
        .order_by(total.desc(), WORDS[0])
        .limit(limit)
    )
    return [(str(reference), int(amount)) for reference, amount in rows]
