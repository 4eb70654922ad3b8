"""Charges of which somebody was told that their outcome is not known yet: that person is told what became of them."""

from bot.notices import OutcomeKnown
from bot.payment_rows import Payment, fresh
from bot.states.payment import IN_FLIGHT, State
from bot.wallets.named_values import forget_named_value, named_value, set_named_value
from ledger import Tx

_AWAITED = "outcome_awaited:"
"""Begins the named value of a charge whose outcome somebody waits for; its value is who."""


def await_outcome(tx: Tx, payment: Payment, user_id: str) -> Payment:
    """Keep that somebody is told that a charge has no outcome yet; gives the charge, which may have one by now."""
    now = fresh(tx, payment)
    if now.state in IN_FLIGHT:
        set_named_value(tx, now.wallet_id, f"{_AWAITED}{now.payment_id}", user_id)
    return now


def tell_outcome(tx: Tx, before: Payment, after: Payment) -> None:
    """Tell who waits for it what became of a charge. A failure can still turn into a success, which is told too."""
    if after.state in IN_FLIGHT or after.state is before.state:
        return
    name = f"{_AWAITED}{after.payment_id}"
    awaited = named_value(tx.connection, after.wallet_id, name)
    if awaited is None:
        return
    tx.outbox.add(after.wallet_id, OutcomeKnown(payment_id=after.payment_id, told=awaited.value, at=tx.now))
    if after.state is State.PAID:
        forget_named_value(tx, after.wallet_id, name)
