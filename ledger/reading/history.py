"""What happened in a wallet: transactions by keyset, holds, episodes.

A page takes the same time however long the history is: it reads a stretch of an index. Months go by the wallet's zone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, func, literal_column, select

from ledger.chart import Account
from ledger.commands import HistoryRow
from ledger.errors import WalletUnknown
from ledger.local_time import month_bounds
from ledger.notices import Level
from ledger.storage.accepted_times import first_number_from
from ledger.storage.schema import episodes, holds, texts, transfers, wallets

WITH_WORDS = (texts.c.wallet_id == transfers.c.wallet_id) & (texts.c.seq == transfers.c.seq)
"""How a transfer finds its row of text; one without words has none."""
WORDS = (
    func.coalesce(texts.c.reference, literal_column("''")).label("reference"),
    func.coalesce(texts.c.description, literal_column("''")).label("description"),
)


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
    began_at, ended_at = month_bounds(date.fromisoformat(f"{month}-01"), zone_of(connection, wallet_id))
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


def zone_of(connection: Connection, wallet_id: UUID) -> ZoneInfo:
    """Give a wallet's zone. Refuses: WalletUnknown."""
    name = connection.execute(
        select(wallets.c.zone).where(wallets.c.wallet_id == wallet_id)
    ).scalar_one_or_none()
    if name is None:
        raise WalletUnknown
    return ZoneInfo(name)


# --- Episodes ---------------------------------------------------------------------------------------------


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
