"""The notice of the morning: the money ends within some days, and nothing is low yet. Off until somebody wants it.

It is silent while automatic payments refill the wallet, and while an alarm says more.
"""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bot.due_work import DueWork
from bot.notices import RunwayShort
from bot.payments.recharge import Recharge
from bot.served import Served
from bot.wallets.named_values import named_value, set_named_value
from ledger import (
    DueKind,
    Ledger,
    Lines,
    Moment,
    Tx,
    WalletPolicy,
    WalletView,
    burn_of,
    funds_of,
    last_episode,
    local_day,
    short_runway,
)

MORNING_BEGINS, MORNING_ENDS = time(9), time(12)
"""When the notice is told, in the wallet's zone. A morning that was missed is not made up for."""
INFO_TOLD = "info"
"""The named value that keeps the last day on which it was told."""


class RunwayWatch:
    """Commits the notice of the morning, at most one a day and wallet."""

    def __init__(self, ledger: Ledger, served: Served, recharge: Recharge) -> None:
        self._due = DueWork(ledger, served)
        self._recharge = recharge

    def run_once(self, now: datetime) -> None:
        """Look at the wallets whose people want the notice and whose morning it is."""
        self._due.each_in_one(DueKind.MORNING, self._tell)

    def _tell(self, tx: Tx, wallet_id: UUID) -> None:
        policy, _ = tx.book.policy(wallet_id)
        view = tx.book.view(wallet_id)
        if not policy.info:
            tx.schedule.set(wallet_id, DueKind.MORNING, None)
            return
        if is_morning(tx.now, view.zone):
            today = local_day(tx.now, ZoneInfo(view.zone)).isoformat()
            told = named_value(tx.connection, wallet_id, INFO_TOLD)
            if told is None or told.value < today:
                if not self._is_due(tx.connection, view, policy, tx.now):
                    return  # stays due while the morning lasts
                set_named_value(tx, wallet_id, INFO_TOLD, today)
                tx.outbox.add(wallet_id, RunwayShort())
        tx.schedule.set(wallet_id, DueKind.MORNING, next_morning(tx.now, view.zone))

    def _is_due(self, connection: Connection, view: WalletView, policy: WalletPolicy, now: datetime) -> bool:
        return short_runway_now(connection, self._recharge, view, policy, now) is not None


def short_runway_now(
    connection: Connection, recharge: Recharge, view: WalletView, policy: WalletPolicy, now: datetime
) -> datetime | None:
    """Give when the money ends, where people are to be told of it; None where nothing is to be told."""
    alarm = last_episode(connection, view.wallet_id)
    if alarm is not None and alarm.closed_at is None:
        return None
    moment = Moment(
        funds_of(view), Lines(view.warning_micros, view.critical_micros), trouble=bool(view.trouble)
    )
    return short_runway(
        moment,
        policy,
        burn_of(connection, view.wallet_id, now),
        now,
        view.zone,
        refills=recharge.refills(connection, view, policy, now),
    )


def is_morning(now: datetime, zone: str) -> bool:
    """Say whether it is morning in a zone. Pure."""
    return MORNING_BEGINS <= now.astimezone(ZoneInfo(zone)).time() < MORNING_ENDS


def next_morning(now: datetime, zone: str) -> datetime:
    """Give the next instant at which a morning begins in a zone. Pure."""
    there = ZoneInfo(zone)
    today = local_day(now, there)
    begins = (datetime.combine(today + timedelta(days=days), MORNING_BEGINS, there) for days in (0, 1, 2))
    return next(at for one in begins if (at := one.astimezone(UTC)) > now)
