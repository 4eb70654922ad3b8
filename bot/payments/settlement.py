"""What follows, in one transaction, when money or a card arrived.

Every way in which news reaches us ends in `settle` or `connect`, and both are safe to run again: the ledger's key
`credit:pi_…` credits once, whatever told us first. No gateway is known here.
"""

import logging
from uuid import UUID

from sqlalchemy import insert, select, update

from bot.causes import AmountDiffers, NotBookableCause
from bot.due_work import BotDue
from bot.facts import RequestState
from bot.notices import CardConnected, PaidTwice, PaymentChanged, RechargeMade
from bot.payment_rows import Payment, change, forget_retries
from bot.payments.awaited_outcome import tell_outcome
from bot.payments.recharge_end import close_gap, end_recharge, has_failed, notice_of_change, say_changed
from bot.ports import CardSeen, IntentSeen, IntentStatus
from bot.states import card_slot
from bot.states.card_slot import CardEvent, CardSlot
from bot.states.payment import News, Purpose, State
from bot.stripe.keys import credit_key
from bot.tables import cards, payment_messages
from bot.wallets import rules
from bot.wallets.restored_mode import restored
from ledger import CreditKind, Currency, PostMoney, Receipt, Refused, Tx, from_minor

log = logging.getLogger("redbar.payments")


def settle(tx: Tx, payment: Payment, seen: IntentSeen, *, told_before: bool = False) -> Payment:
    """Credit a succeeded intent, once, and let everything that must follow be committed with it.

    `told_before` says that its people were told when it was paid, by the process that made the original of these books.
    """
    assert seen.status is IntentStatus.SUCCEEDED
    currency = Currency.of(seen.currency)
    if currency != payment.currency or seen.received_minor <= 0:
        # Never guessed at: a person has to look. The inbox row keeps the error and is tried again.
        raise AmountsDiffer(payment, seen.intent_id)
    amount = from_minor(seen.received_minor, currency)
    key = credit_key(seen.intent_id)
    paid_with = str(seen.card) if seen.card is not None else ""
    (outcome,) = tx.book.carry_out(
        payment.wallet_id,
        [
            PostMoney(
                source="stripe",
                source_id=key,
                kind=CreditKind.RECHARGE if payment.purpose is Purpose.RECHARGE else CreditKind.TOP_UP,
                amount_micros=amount.micros,
                occurred_at=None,
                reference=payment.ref,
                description=paid_with,
            )
        ],
    )
    if isinstance(outcome, Refused):
        raise outcome
    assert isinstance(outcome, Receipt)
    if outcome.duplicate:
        return payment
    if payment.state is State.PAID:
        tx.outbox.add(payment.wallet_id, PaidTwice(payment_id=payment.payment_id))
        return payment
    before, payment = payment, _mark_paid(tx, payment, seen, paid_with)
    tell_outcome(tx, before, payment)
    tx.book.set_trouble(payment.wallet_id, "")
    if payment.purpose is not Purpose.RECHARGE:
        rules.wake(tx, payment.wallet_id, actor=payment.payer or payment.asked_by)
    failed_before = payment.purpose is Purpose.RECHARGE and has_failed(before) and not told_before
    if payment.is_rescue or failed_before:
        _pay_recharge(tx, payment, ("stripe", key))
    elif not told_before:
        paid = RechargeMade if payment.purpose is Purpose.RECHARGE else PaymentChanged
        tx.outbox.add(payment.wallet_id, paid(payment_id=payment.payment_id))
    by_person = payment.purpose is not Purpose.RECHARGE
    if not close_gap(tx, payment.wallet_id, by=("stripe", key), paid_by_person=by_person):
        say_changed(tx, payment.wallet_id)
    return payment


def _mark_paid(tx: Tx, payment: Payment, seen: IntentSeen, paid_with: str) -> Payment:
    """Mark a payment as paid, and keep the card that was saved with it.

    On restored books it was paid at Stripe's time, and whoever made their original has told the news of it.
    """
    if payment.saves_card and seen.card is not None:
        save_card(tx, payment, seen.card)
    is_restored = restored(tx.connection) is not None
    if is_restored:
        _was_said(tx, payment)
    return change(
        tx,
        payment,
        News.SUCCEEDED,
        intent_id=seen.intent_id,
        settled_at=(seen.paid_at or tx.now) if is_restored else tx.now,
        paid_with=paid_with,
        receipt_url=seen.receipt_url,
    )


def _was_said(tx: Tx, payment: Payment) -> None:
    tx.connection.execute(
        update(payment_messages)
        .where(
            payment_messages.c.wallet_id == payment.wallet_id,
            payment_messages.c.payment_id == payment.payment_id,
        )
        .values(said=RequestState.PAID)
    )


def _pay_recharge(tx: Tx, payment: Payment, key: tuple[str, str]) -> None:
    """End a recharge that failed before and is paid now. What had ended, and is paid all the same, is flagged."""
    if not end_recharge(tx, payment.wallet_id, payment.recharge_id, by=key):
        tx.outbox.add(payment.wallet_id, notice_of_change(payment), PaidTwice(payment_id=payment.payment_id))


class NotBookable(Exception):
    """Money moved outside that cannot be booked by a program; kept, told and listed until somebody has looked."""

    def __init__(self, cause: NotBookableCause, *, wallet_id: UUID | None) -> None:
        self.cause = cause
        self.wallet_id = wallet_id
        super().__init__(cause)


class AmountsDiffer(NotBookable):
    """What moved is not what was asked for, in another currency or of no amount; nothing is booked."""

    def __init__(self, payment: Payment, outside_id: str) -> None:
        super().__init__(AmountDiffers(payment.ref, outside_id), wallet_id=payment.wallet_id)


class Unattributed(NotBookable):
    """Something carries our mark, and names a payment that is not here."""


class NotServed(Exception):
    """It belongs to another workspace of these books: the process of that workspace books it and tells of it."""

    def __init__(self, wallet_id: UUID) -> None:
        super().__init__(f"It belongs to wallet {wallet_id} of another workspace.")


def connect(tx: Tx, payment: Payment, card: CardSeen) -> Payment:
    """Save the card that somebody entered on a page made for that."""
    if payment.state is State.PAID:
        return payment
    save_card(tx, payment, card)
    payment = change(tx, payment, News.SUCCEEDED, settled_at=tx.now, paid_with=str(card))
    tx.outbox.add(payment.wallet_id, PaymentChanged(payment_id=payment.payment_id))
    return payment


def save_card(tx: Tx, payment: Payment, card: CardSeen) -> None:
    """Keep a card that somebody entered: as the main one where there is none, else as the backup, else as a spare.

    It changes and wakes no rule: which card is charged is a choice that an admin makes by name. A card that is in use,
    known by its fingerprint, stays what it is, whatever its id is now: only who asked for it is told.
    """
    wallet_id, actor = payment.wallet_id, payment.payer or payment.asked_by
    rows = tx.connection.execute(select(cards).where(cards.c.wallet_id == wallet_id)).all()
    in_use = {row.card_id: row for row in rows if row.slot != CardSlot.REMOVED}
    same = in_use.get(card.card_id) or next(
        (row for row in in_use.values() if card.fingerprint and row.fingerprint == card.fingerprint), None
    )
    slots = {card_id: CardSlot(row.slot) for card_id, row in in_use.items()}
    slot = slots[same.card_id] if same is not None else card_slot.slot_for(slots)
    of_wallet = update(cards).where(cards.c.wallet_id == wallet_id)
    if same is not None and same.card_id != card.card_id:
        taken_out = card_slot.NEXT.after(slot, CardEvent.TAKEN_OUT)
        tx.connection.execute(of_wallet.where(cards.c.card_id == same.card_id).values(slot=taken_out))
        # A retry that was planned on its id of before is not waited for: the new one is charged as soon as it may be.
        forget_retries(tx, wallet_id)
    values: dict[str, object] = {
        "brand": card.brand,
        "last4": card.last4,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "fingerprint": card.fingerprint,
        "connected_by": (same.connected_by if same is not None else "") or actor,
        "connected_at": tx.now,
        "slot": slot,
    }
    if any(row.card_id == card.card_id for row in rows):
        tx.connection.execute(of_wallet.where(cards.c.card_id == card.card_id).values(**values))
    else:
        tx.connection.execute(insert(cards).values(wallet_id=wallet_id, card_id=card.card_id, **values))
    tx.schedule.set(wallet_id, BotDue.CARDS, tx.now)
    if same is None or payment.purpose is Purpose.CONNECT:
        again = same is not None
        tx.outbox.add(wallet_id, CardConnected(card.card_id, payment.payment_id, actor, again=again))
