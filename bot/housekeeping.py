"""Housekeeping: what ended long ago, and nothing can ask for again, is cleared in slices.

Transfers, charges and texts are never touched: what was used is charged once, however late it is said again. What is
open, waits or was set aside unread stays, however old. So does what tells of a payment: money may come back years
later, and its message is edited then. Ids of Slack's events are cleared where they are kept, after two days
(`delivering/posted_messages.py`).
"""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, delete, literal, or_, select

from bot.due_work import BotDue, DueWork
from bot.served import Served
from bot.states.delivery import LIVING, DeliveryState, SubjectKind
from bot.tables import NIL_WALLET, deliveries, inbox, one_time_actions
from ledger import Ledger, Tx, clear_notices, clear_refused_holds
from ledger.storage.schema import episodes

KEPT_FOR = timedelta(days=90)
"""How long what ended is kept, for all wallets alike: disputes and complaints about a call or a message come up in the
two months after it, and the operator then wants to see what was asked and told.
"""
SLICE = 500
"""Rows of a kind that one transaction clears at most, so that nobody waits long for the wallet."""
LOOK_EVERY, LOOK_EVERY_IDLE = timedelta(days=1), timedelta(days=7)
"""From one look at a wallet to the next, where something was cleared and where nothing was."""


class Housekeeping:
    """Clears what ended long ago."""

    def __init__(self, ledger: Ledger, served: Served, *, most: int = SLICE) -> None:
        self._ledger = ledger
        self._due = DueWork(ledger, served)
        self._most = most

    def run_once(self, now: datetime) -> None:
        """Clear a slice of each wallet that is due, and one of the news that was handled."""
        self._due.each_in_one(BotDue.HOUSEKEEPING, partial(_clear, most=self._most))
        if self._ledger.doubt is None:
            self._ledger.run(partial(_clear_inbox, most=self._most), wallet_id=None)


def _clear(tx: Tx, wallet_id: UUID, *, most: int) -> None:
    """Clear a slice of each kind, and schedule the next look: at once where a slice was full."""
    before = tx.now - KEPT_FOR
    kept = select(deliveries.c.notice_id).where(deliveries.c.wallet_id == wallet_id)
    counts = (
        _clear_deliveries(tx, wallet_id, before, most),
        clear_notices(tx.connection, wallet_id, before, kept=kept, most=most),
        clear_refused_holds(tx.connection, wallet_id, before, most=most),
        _clear_actions(tx, wallet_id, before, most),
    )
    if most in counts:
        return  # the row stays due, and the next run goes on
    at = tx.now + (LOOK_EVERY if any(counts) else LOOK_EVERY_IDLE)
    tx.schedule.set(wallet_id, BotDue.HOUSEKEEPING, at)


def _clear_deliveries(tx: Tx, wallet_id: UUID, before: datetime, most: int) -> int:
    """Delete deliveries that were told, where nobody waits for the subject and its message is not edited again."""
    mine = (deliveries.c.wallet_id == wallet_id) & (deliveries.c.changed_at < before)
    beside = deliveries.alias("beside")
    waits = (
        select(beside.c.delivery_id)
        .where(
            beside.c.wallet_id == wallet_id,
            beside.c.subject == deliveries.c.subject,
            beside.c.state == DeliveryState.WAITING,
        )
        .exists()
    )
    told = (deliveries.c.state == DeliveryState.TOLD) & _is_over(wallet_id, before) & ~waits
    found = select(deliveries.c.delivery_id).where(mine, told).order_by(deliveries.c.delivery_id).limit(most)
    cleared = tx.connection.execute(found).scalars().all()
    tx.connection.execute(
        delete(deliveries).where(deliveries.c.wallet_id == wallet_id, deliveries.c.delivery_id.in_(cleared))
    )
    return len(cleared)


def _is_over(wallet_id: UUID, before: datetime) -> ColumnElement[bool]:
    """Say that the message about a subject is edited no more: an alarm that ended, or one that is told once."""
    ended = (
        select(literal(f"{SubjectKind.EPISODE}:") + cast(episodes.c.episode_id, Text))
        .where(episodes.c.wallet_id == wallet_id, episodes.c.closed_at < before)
        .scalar_subquery()
    )
    lives = or_(*(deliveries.c.subject.startswith(f"{kind}:") for kind in LIVING))
    return or_(~lives, deliveries.c.subject.in_(ended))


def _clear_actions(tx: Tx, wallet_id: UUID, before: datetime, most: int) -> int:
    mine = one_time_actions.c.wallet_id == wallet_id
    found = (
        select(one_time_actions.c.one_time_action_id)
        .where(mine, one_time_actions.c.consumed_at < before)
        .order_by(one_time_actions.c.one_time_action_id)
        .limit(most)
    )
    cleared = tx.connection.execute(found).scalars().all()
    tx.connection.execute(
        delete(one_time_actions).where(mine, one_time_actions.c.one_time_action_id.in_(cleared))
    )
    return len(cleared)


def _clear_inbox(tx: Tx, *, most: int) -> None:
    """Delete news that was handled: Stripe keeps an event for a month, and its object tells what became of it."""
    mine = inbox.c.wallet_id == NIL_WALLET
    found = (
        select(inbox.c.event_id)
        .where(mine, inbox.c.handled_at < tx.now - KEPT_FOR)
        .order_by(inbox.c.handled_at, inbox.c.event_id)
        .limit(most)
    )
    cleared = tx.connection.execute(found).scalars().all()
    tx.connection.execute(delete(inbox).where(mine, inbox.c.event_id.in_(cleared)))
