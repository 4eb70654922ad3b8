"""What follows a failed automatic charge: the next try or the pause, the wallet's trouble, and the notice.

It is committed together with the failure, whoever found that out: the charge's own answer, news, the sweep, or a
reconciliation beside the bot.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, select

from bot import payment_rows
from bot.notices import RechargeFailed
from bot.payment_rows import Payment
from bot.payments.saved_cards import card_slots, card_words
from bot.states.card_slot import CardSlot
from bot.states.payment import Purpose, State
from bot.stripe.declines import NextTry, Severity, next_try, severity_of, words_of
from bot.tables import payments
from bot.wallets import rules
from ledger import Tx


def follow_failure(tx: Tx, payment: Payment) -> None:
    """Decide how an automatic payment goes on, and tell of it; for a charge that a person started nothing follows."""
    if payment.purpose is not Purpose.RECHARGE:
        return
    wallet_id = payment.wallet_id
    tried = _tried_cards(tx.connection, payment)
    slots = card_slots(tx.connection, wallet_id)
    if payment.state is State.WAITING:
        going_on = NextTry(at=None, card_id="", tries_left=0)
    else:
        lapsed = payment.state is State.LAPSED
        severity = Severity.HARD if lapsed else severity_of(payment.decline_code, payment.advice_code)
        going_on = next_try(
            severity,
            tried,
            backup_id=slots.get(CardSlot.BACKUP, ""),
            now=tx.now,
            wont_last_until=_wont_last(tx, wallet_id),
            retry_hours=tx.book.policy(wallet_id)[0].retry_hours,
        )
    payment_rows.schedule(tx, payment, going_on.at, going_on.card_id)
    card = card_words(tx.connection, wallet_id, payment.card_id)
    why = _why(payment, card)
    tx.book.set_trouble(wallet_id, why)
    paused = going_on.at is None and payment.state is not State.WAITING
    if paused:
        rules.pause(tx, wallet_id, why)
    tx.outbox.add(
        wallet_id,
        RechargeFailed(
            payment_id=payment.payment_id,
            tries_left=going_on.tries_left,
            next_try_at=going_on.at,
            paused=paused,
        ),
    )


def _why(payment: Payment, card: str) -> str:
    if payment.state is State.LAPSED:
        return f"nobody confirmed the payment on {card} at the bank in time"
    return words_of(
        "authentication_required" if payment.state is State.WAITING else payment.decline_code, card
    )


def _tried_cards(connection: Connection, payment: Payment) -> Sequence[str]:
    rows = connection.execute(
        select(payments.c.card_id)
        .where(
            payments.c.wallet_id == payment.wallet_id,
            payments.c.recharge_id == payment.recharge_id,
            payments.c.purpose == Purpose.RECHARGE,
        )
        .order_by(payments.c.created_at)
    )
    return [str(card) for card in rows.scalars()]


def _wont_last(tx: Tx, wallet_id: UUID) -> bool:
    view = tx.book.view(wallet_id)
    return view.available_micros <= view.critical_micros
