"""Reading the books: the wallet, history by keyset, sums from rollups, spikes, episodes.

Balance, summaries and pages take the same time however long the history is: they read the wallet's row, the rollups,
and a stretch of an index. Charts and months go by the day of use in the wallet's zone.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select, true

from ledger.chart import CREDITS, Account
from ledger.commands import HistoryRow, KindSum, WalletView
from ledger.deciding.checks import AHEAD_MAX
from ledger.errors import WalletUnknown
from ledger.notices import Level
from ledger.pace import PACE_WEEKS
from ledger.storage.schema import episodes, holds, hourly, texts, transfers, wallets
from ledger.wallet_policy import WalletPolicy
from ledger.writing.book import policy_in, row_of, view_of

WITH_WORDS = (texts.c.wallet_id == transfers.c.wallet_id) & (texts.c.seq == transfers.c.seq)
"""How a transfer finds its row of text; one without words has none."""
WORDS = (
    func.coalesce(texts.c.reference, literal_column("''")).label("reference"),
    func.coalesce(texts.c.description, literal_column("''")).label("description"),
)


def look(connection: Connection, wallet_id: UUID, now: datetime) -> tuple[WalletView, WalletPolicy]:
    """Give a wallet as it is at an instant, with its policy. Refuses: WalletUnknown."""
    row = row_of(connection, wallet_id)
    return view_of(connection, row, now), policy_in(row)


# --- History -----------------------------------------------------------------------------------------------


def history(
    connection: Connection,
    wallet_id: UUID,
    *,
    before_seq: int | None = None,
    after_seq: int | None = None,
    kinds: Sequence[str] | None = None,
    month: str | None = None,
    reference: str | None = None,
    limit: int = 10,
) -> list[HistoryRow]:
    """Give transactions, newest first: those before a number, or the ones nearest after it.

    `month` ("2026-11") goes by the day a transaction was recorded, in the wallet's zone, so a closed month never
    changes.
    """
    wanted = _transactions(wallet_id)
    if before_seq is not None:
        wanted = wanted.where(transfers.c.seq < before_seq)
    if after_seq is not None:
        wanted = wanted.where(transfers.c.seq > after_seq)
    if kinds is not None:
        wanted = wanted.where(transfers.c.kind.in_(list(kinds)))
    if month is not None:
        first, after = numbers_of_month(connection, wallet_id, month)
        wanted = wanted.where(transfers.c.seq >= first, transfers.c.seq < after)
    if reference is not None:
        # Said twice, since only rows with a reference are in its index.
        wanted = wanted.where(texts.c.reference == reference, texts.c.reference != literal_column("''"))
    order = transfers.c.seq.asc() if after_seq is not None else transfers.c.seq.desc()
    rows = [_row(row) for row in connection.execute(wanted.order_by(order).limit(limit))]
    return rows[::-1] if after_seq is not None else rows


def numbers_of_month(connection: Connection, wallet_id: UUID, month: str) -> tuple[int, int]:
    """Give the first transaction recorded in a month of the wallet's zone, and the first after it.

    Refuses: WalletUnknown.
    """
    began_at, ended_at = _month(_zone_of(connection, wallet_id), month)
    return first_number_from(connection, wallet_id, began_at), first_number_from(
        connection, wallet_id, ended_at
    )


def transfer_by_key(
    connection: Connection, wallet_id: UUID, source: str, source_id: str
) -> HistoryRow | None:
    """Find one transaction by its key."""
    mine = (transfers.c.source == source) & (transfers.c.source_id == source_id)
    row = connection.execute(_transactions(wallet_id).where(mine)).one_or_none()
    return _row(row) if row is not None else None


@dataclass(frozen=True, slots=True)
class TransferStory:
    """One transaction and what gave parts of it back."""

    row: HistoryRow
    corrections: Sequence[HistoryRow]


def transfer_story(
    connection: Connection, wallet_id: UUID, source: str, source_id: str
) -> TransferStory | None:
    """Find one transaction by its key, with its corrections in order."""
    row = transfer_by_key(connection, wallet_id, source, source_id)
    if row is None:
        return None
    corrected = connection.execute(
        _transactions(wallet_id).where(transfers.c.corrects_seq == row.seq).order_by(transfers.c.seq)
    )
    return TransferStory(row, [_row(one) for one in corrected])


@dataclass(frozen=True, slots=True)
class HoldStory:
    """One hold, or one refusal to open one, as it ended or stands. Amounts in micro-units."""

    hold_id: str
    kind: str
    amount_micros: int
    state: str
    """ "open", "captured", "released", "expired" or "refused"."""
    reason: str
    standing: str
    parent: str | None
    reference: str
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None


def hold_story(connection: Connection, wallet_id: UUID, hold_id: str) -> HoldStory | None:
    """Find one hold, or one refusal, by its id."""
    row = connection.execute(
        select(holds).where(holds.c.wallet_id == wallet_id, holds.c.hold_id == hold_id)
    ).one_or_none()
    if row is None:
        return None
    return HoldStory(
        hold_id=row.hold_id,
        kind=row.kind,
        amount_micros=row.amount,
        state=row.state,
        reason=row.reason,
        standing=row.standing,
        parent=row.parent,
        reference=row.reference,
        opened_at=row.opened_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
    )


def transfers_of_source(
    connection: Connection, wallet_id: UUID, source: str, since: datetime, until: datetime
) -> list[HistoryRow]:
    """Give what a source had posted in a stretch of time, both ends included, in order."""
    c = transfers.c
    mine = (c.source == source) & (c.recorded_at >= since) & (c.recorded_at <= until)
    return [_row(row) for row in connection.execute(_transactions(wallet_id).where(mine).order_by(c.seq))]


def _transactions(wallet_id: UUID) -> Select[Any]:
    return (
        select(transfers, *WORDS)
        .join(texts, WITH_WORDS, isouter=True)
        .where(transfers.c.wallet_id == wallet_id)
    )


def _row(row: Any) -> HistoryRow:
    return HistoryRow(
        seq=row.seq,
        kind=row.kind,
        amount_micros=row.amount if row.credit == Account.BALANCE else -row.amount,
        balance_after_micros=row.balance_after,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        quantity=row.quantity,
        reference=row.reference,
        description=row.description,
        source=row.source,
        source_id=row.source_id,
        after_stop=bool(row.after_stop),
        corrects_seq=row.corrects_seq,
    )


def _zone_of(connection: Connection, wallet_id: UUID) -> ZoneInfo:
    """Give a wallet's zone. Refuses: WalletUnknown."""
    name = connection.execute(
        select(wallets.c.zone).where(wallets.c.wallet_id == wallet_id)
    ).scalar_one_or_none()
    if name is None:
        raise WalletUnknown
    return ZoneInfo(name)


def _month(zone: ZoneInfo, month: str) -> tuple[datetime, datetime]:
    first = datetime.fromisoformat(f"{month}-01").replace(tzinfo=zone)
    following = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    return first.astimezone(UTC), following.astimezone(UTC)


def first_number_from(connection: Connection, wallet_id: UUID, instant: datetime) -> int:
    """Give the number of the first transaction recorded at or after an instant, also when it is still to come.

    Recorded time never runs back along the numbers, so halving finds it in the primary key: no index of its own.
    """
    low = 1
    high = 1 + connection.execute(select(wallets.c.seq).where(wallets.c.wallet_id == wallet_id)).scalar_one()
    while low < high:
        middle = (low + high) // 2
        recorded_at = connection.execute(
            select(transfers.c.recorded_at).where(
                transfers.c.wallet_id == wallet_id, transfers.c.seq == middle
            )
        ).scalar_one()
        low, high = (low, middle) if recorded_at >= instant else (middle + 1, high)
    return low


# --- Sums --------------------------------------------------------------------------------------------------


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


# --- Spikes ------------------------------------------------------------------------------------------------

SPIKE_PERCENT = 200
SPIKE_MIN_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Spike:
    """A day on which one kind cost at least twice the same weekdays before it. Micro-units."""

    day: str
    kind: str
    spent_micros: int
    usual_micros: int


def spikes_of(connection: Connection, wallet_id: UUID, first_day: str, last_day: str) -> list[Spike]:
    """Find the spikes of a stretch of days, oldest first: judged against the same weekdays of four weeks before."""
    first, last = date.fromisoformat(first_day), date.fromisoformat(last_day)
    found = daily(connection, wallet_id, (first - timedelta(weeks=PACE_WEEKS)).isoformat(), last_day)
    spikes = []
    day = first
    while day <= last:
        for kind, one in found.get(day.isoformat(), {}).items():
            if kind in CREDITS:
                continue
            before = [
                -found[past][kind].amount_micros
                for week in range(1, PACE_WEEKS + 1)
                if kind in found.get(past := (day - timedelta(weeks=week)).isoformat(), {})
            ]
            spent = -one.amount_micros
            if len(before) < 2 or spent < SPIKE_MIN_MICROS:
                continue
            usual = sum(before) // len(before)
            if spent * 100 >= usual * SPIKE_PERCENT:
                spikes.append(Spike(day.isoformat(), kind, spent, usual))
        day += timedelta(days=1)
    return spikes


def references_of(
    connection: Connection, wallet_id: UUID, day: str, kind: str, *, limit: int = 5
) -> list[tuple[str, int]]:
    """Give the references that a day's cost of one kind went to, costliest first, in micro-units."""
    began = datetime.fromisoformat(day).replace(tzinfo=_zone_of(connection, wallet_id))
    ended = began + timedelta(days=1)
    # Nothing that happened on a day was recorded before it, but for clocks that run ahead.
    first = first_number_from(connection, wallet_id, began.astimezone(UTC) - AHEAD_MAX)
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
            transfers.c.occurred_at >= began.astimezone(UTC),
            transfers.c.occurred_at < ended.astimezone(UTC),
        )
        .group_by(WORDS[0])
        .order_by(total.desc(), WORDS[0])
        .limit(limit)
    )
    return [(str(reference), int(amount)) for reference, amount in rows]


# --- Episodes and due moments ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Episode:
    """From crossing to recovery."""

    episode_id: UUID
    opened_at: datetime
    closed_at: datetime | None
    level: Level


def episode(connection: Connection, wallet_id: UUID, episode_id: UUID) -> Episode | None:
    """Find one episode."""
    return _episode(
        connection.execute(
            select(episodes).where(episodes.c.wallet_id == wallet_id, episodes.c.episode_id == episode_id)
        ).one_or_none()
    )


def last_episode(connection: Connection, wallet_id: UUID) -> Episode | None:
    """Give the latest episode."""
    return _episode(
        connection.execute(
            select(episodes)
            .where(episodes.c.wallet_id == wallet_id)
            .order_by(episodes.c.opened_at.desc(), episodes.c.episode_id.desc())
            .limit(1)
        ).one_or_none()
    )


def _episode(row: Any) -> Episode | None:
    if row is None:
        return None
    return Episode(row.episode_id, row.opened_at, row.closed_at, Level(row.level))


def due_wallets(
    connection: Connection, now: datetime, *, wallet_ids: Sequence[UUID] | None = None
) -> list[UUID]:
    """Give the wallets in which time alone has changed something: grace that ran out, holds that expired.

    With `wallet_ids` only those among them.
    """
    rows = connection.execute(
        select(wallets.c.wallet_id)
        .where(
            ((wallets.c.grace_ends_at <= now) & (wallets.c.paused_said == 0))
            | (wallets.c.next_hold_expires_at <= now),
            _among(wallet_ids),
        )
        .execution_options(cross_shard=True)
    )
    return list(rows.scalars())


def next_due(
    connection: Connection, after: datetime, *, wallet_ids: Sequence[UUID] | None = None
) -> datetime | None:
    """Give the next instant at which time alone changes a wallet; with `wallet_ids` one of those."""
    mine = _among(wallet_ids)
    grace = select(func.min(wallets.c.grace_ends_at)).where(
        wallets.c.grace_ends_at > after, wallets.c.paused_said == 0, mine
    )
    held = select(func.min(wallets.c.next_hold_expires_at)).where(
        wallets.c.next_hold_expires_at > after, mine
    )
    found = [
        connection.execute(one, execution_options={"cross_shard": True}).scalar_one_or_none()
        for one in (grace, held)
    ]
    return min((at for at in found if at is not None), default=None)


def _among(wallet_ids: Sequence[UUID] | None) -> ColumnElement[bool]:
    return wallets.c.wallet_id.in_(wallet_ids) if wallet_ids is not None else true()
