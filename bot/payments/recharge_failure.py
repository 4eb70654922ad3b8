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
from bot.payments.saved_cards import card_slots
from bot.states.card_slot import CardSlot
from bot.states.payment import Purpose, State
from bot.stripe.declines import CONFIRMATION_WANTED, NextTry, Severity, next_try, severity_of
from bot.tables import payments
from bot.wallets import rules
from ledger import Pause, PauseCode, Tx


def follow_failure(tx: Tx, payment: Payment) -> None:
    """Decide how an automatic payment goes on, and tell of it; for a charge that a person started nothing follows."""
    if payment.purpose is not Purpose.RECHARGE:
        return
    wallet_id = payment.wallet_id
    tried = _tried_cards(tx.connection, payment)
    slots = card_slots(tx.connection, wallet_id)
    if payment.state is State.WAITING:
        going_on = NextTry(at=None, card_id="")
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
    tx.book.set_trouble(wallet_id, _trouble(payment))
    if going_on.at is None and payment.state is not State.WAITING:
        rules.pause(tx, wallet_id, _pause(payment))
    tx.outbox.add(wallet_id, RechargeFailed(payment_id=payment.payment_id))


def _trouble(payment: Payment) -> str:
    """Give the code of what is wrong with automatic payments."""
    if payment.state is State.LAPSED:
        return PauseCode.UNCONFIRMED
    return CONFIRMATION_WANTED if payment.state is State.WAITING else payment.decline_code


def _pause(payment: Payment) -> Pause:
    if payment.state is State.LAPSED:
        return Pause(PauseCode.UNCONFIRMED, card_id=payment.card_id)
    return Pause(PauseCode.DECLINED, card_id=payment.card_id, decline=payment.decline_code)


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
