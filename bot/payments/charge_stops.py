"""Why a saved card may not be charged right now, though its charge was begun: asked again in each commit on the way."""

from collections.abc import Mapping

from sqlalchemy import Connection

from bot.payment_rows import Payment, payment_by_id
from bot.payments.operator_stop import charges_are_off
from bot.rights import Role
from bot.served import Served
from bot.states.payment import Purpose, Withdrawer
from bot.states.stripe_request import CHARGING
from bot.stripe.requests import APP_REMOVED, BOOKS_RESTORED, STOPPED_BY_OPERATOR, StripeRequest
from bot.wallets.restored_mode import last_rest, restored

STOPPED_BY: Mapping[str, str] = {
    STOPPED_BY_OPERATOR: Role.OPERATOR.value,  # while automatic charges were stopped
    APP_REMOVED: Withdrawer.APP_REMOVED.value,
    BOOKS_RESTORED: Withdrawer.RESTORED.value,
}
"""What takes such a payment back, by why."""


def stop_of(connection: Connection, served: Served, payment: Payment) -> str:
    """Say why a payment's card may not be charged; empty where it may.

    A dead workspace stops every charge, as do books that are restored; the operator's switch only automatic ones.
    """
    if restored(connection) is not None:
        return BOOKS_RESTORED
    if not served.lives(connection, payment.wallet_id):
        return APP_REMOVED
    if payment.purpose is Purpose.RECHARGE and charges_are_off(connection, payment.wallet_id):
        return STOPPED_BY_OPERATOR
    return ""


def stop_of_request(connection: Connection, served: Served, request: StripeRequest) -> str:
    """Say why a request may not be sent again; empty where it may, or charges nothing."""
    if request.operation not in CHARGING or request.payment_id is None:
        return ""
    rest = last_rest(connection)
    if rest is not None and request.created_at <= rest.ended_at:
        return BOOKS_RESTORED  # whoever made the original may have sent it, and others after it
    payment = payment_by_id(connection, request.wallet_id, request.payment_id)
    return stop_of(connection, served, payment) if payment is not None else ""
