"""What makes sure that a payment takes no more money outside: its page, its link or its intent is closed."""

from bot.payment_rows import Payment
from bot.payment_state import State
from bot.stripe import requests as stripe_requests
from bot.stripe.requests import StripeRequest
from ledger import Tx


def cancel(tx: Tx, payment: Payment) -> StripeRequest | None:
    """Plan the end of a try's intent: one intent per try, and after a definite failure nothing may ever charge it."""
    if not payment.intent_id or payment.state is State.PAID:
        return None
    return _intend(tx, payment, "cancel_intent", payment.intent_id)


def close(tx: Tx, payment: Payment) -> StripeRequest | None:
    """Plan the end of what people could still pay by."""
    if payment.link_id:
        return _intend(tx, payment, "deactivate_link", payment.link_id)
    if payment.session_id and payment.state is State.WITHDRAWN:
        return _intend(tx, payment, "expire_session", payment.session_id)
    return None


def _intend(tx: Tx, payment: Payment, operation: str, object_id: str) -> StripeRequest:
    return stripe_requests.intend(
        tx, payment.wallet_id, operation, {}, payment_id=payment.payment_id, object_id=object_id
    )
