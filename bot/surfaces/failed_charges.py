"""An automatic payment that failed, as people are shown it: why, how it goes on, and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from bot import payment_rows
from bot.facts import FailureFacts, PaidFacts
from bot.payment_rows import Payment
from bot.payments.outcomes import CONFIRM_LIFETIME
from bot.payments.recharge import due_reminder
from bot.payments.recharge_end import ended_by
from bot.payments.saved_cards import card_words
from bot.states.card_slot import CardSlot
from bot.states.payment import Purpose, State
from bot.states.recharge import RechargePhase
from bot.stripe.declines import CONFIRMATION_WANTED, cause_of, is_backup_free, tries_left
from bot.surfaces.automatic import card_facts
from bot.surfaces.balance import balance_facts
from bot.surfaces.figures import recharge_phase
from bot.surfaces.requests import request_facts
from bot.surfaces.snapshot import Snapshot, snapshot_of
from bot.surfaces.transactions import how_paid
from ledger import CreditKind, Ledger, transfer_by_key


def failure_facts(ledger: Ledger, wallet_id: UUID, recharge_id: str) -> FailureFacts:
    """Say how an automatic payment that failed stands at this instant."""
    with snapshot_of(ledger, wallet_id) as snapshot:
        rows = payment_rows.payments_of_recharge(snapshot.connection, wallet_id, recharge_id)
        tries = [one for one in rows if one.purpose is Purpose.RECHARGE]
        links = [one for one in rows if one.is_rescue]
        last, ended = tries[-1], ended_by(snapshot.connection, wallet_id, recharge_id)
        phase = recharge_phase(
            last.state,
            retries=last.next_try_at is not None,
            paid=any(one.state is State.PAID for one in tries),
            paid_by_link=any(one.state is State.PAID for one in links),
            ended_by=None if ended is None else ended[1],
            automatic=snapshot.policy.automatic,
        )
        failed = _newest(tries, last, paid=phase is RechargePhase.PAID)
        tries_to_come, backup = _to_come(snapshot, tries)
        paid, paid_at = _paid(snapshot, ended) if ended is not None else (None, None)
        shown = balance_facts(snapshot)
        assert last.amount is not None, "an automatic payment has an amount"
        return FailureFacts(
            ref=tries[0].ref,
            phase=phase,
            amount=last.amount,
            card=card_words(snapshot.connection, wallet_id, failed.card_id),
            decline=cause_of(CONFIRMATION_WANTED if last.state is State.WAITING else failed.decline_code),
            unconfirmed=last.state is State.LAPSED,
            waited_hours=_waited(snapshot, last),
            next_try_at=last.next_try_at,
            tries_left=tries_to_come,
            backup=backup,
            automatic=snapshot.policy.automatic,
            lasts_until=shown.lasts_until,
            pay=request_facts(snapshot, links[-1], balance=shown) if links else None,
            paid=paid,
            paid_at=paid_at,
            balance=shown.balance,
            zone=snapshot.zone,
        )


def open_link(ledger: Ledger, wallet_id: UUID, recharge_id: str) -> Payment | None:
    """Give the link by which a failed automatic payment can be paid instead; None where none is open."""
    with ledger.reading() as connection:
        rows = payment_rows.payments_of_recharge(connection, wallet_id, recharge_id)
    return next((one for one in reversed(rows) if one.is_rescue and one.state is State.OFFERED), None)


def _newest(tries: Sequence[Payment], last: Payment, *, paid: bool) -> Payment:
    """Give the try whose card is named: the one that succeeded, else the newest that came to nothing."""
    named = [one for one in tries if (one.state is State.PAID if paid else one.decline_code)]
    return named[-1] if named else last


def _to_come(snapshot: Snapshot, tries: Sequence[Payment]) -> tuple[int, str]:
    """Say how many tries are left, and which backup card is among them; empty where none is."""
    tried = [one.card_id for one in tries]
    backup = card_facts(snapshot.connection, snapshot.wallet_id).get(CardSlot.BACKUP)
    backup_id = backup.card_id if backup is not None else ""
    retry_hours = snapshot.policy.retry_hours
    left = tries_left(tries[-1].next_card_id, tried, backup_id=backup_id, retry_hours=retry_hours)
    return left, str(backup) if is_backup_free(tried, backup_id) else ""


def _waited(snapshot: Snapshot, last: Payment) -> int:
    """Give the hours of the last reminder that was due while the bank waits for a confirmation."""
    if last.state is not State.WAITING or last.expires_at is None:
        return 0
    since = snapshot.now - (last.expires_at - CONFIRM_LIFETIME)
    return due_reminder(since, snapshot.policy.remind_hours) or 0


def _paid(snapshot: Snapshot, ended: tuple[str, str]) -> tuple[PaidFacts | None, datetime | None]:
    """Say which money ended it, and when: a payment's, or the operator's, which nobody paid."""
    row = transfer_by_key(snapshot.connection, snapshot.wallet_id, *ended)
    if row is None:
        return None, None
    kind = CreditKind(row.kind) if row.kind in [*CreditKind] else CreditKind.ADJUSTMENT_UP  # a correction
    paid = how_paid(snapshot.connection, snapshot.wallet_id, *ended)
    return paid or PaidFacts(amount=snapshot.money(row.amount_micros), kind=kind), row.recorded_at
