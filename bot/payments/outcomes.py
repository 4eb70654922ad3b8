"""What an answer or news of Stripe's means for a payment: it is changed, with all that follows, in the given commit.

Whether the answer to our own request or the news comes first, the second finds nothing left to do.
"""

from datetime import timedelta

from bot import payment_rows
from bot.notices import PaymentChanged, RequestSent
from bot.payment_rows import Payment, change
from bot.payments import settlement
from bot.payments.charge_stops import STOPPED_BY
from bot.payments.recharge_failure import follow_failure
from bot.ports import IntentSeen, LinkSeen, SessionSeen
from bot.states.payment import IN_FLIGHT, News, Purpose, State, Way
from bot.stripe import requests as stripe_requests
from bot.stripe.declines import NO_DECLINES, NOT_ACCEPTED
from bot.stripe.requests import StripeRequest
from ledger import Tx

CONFIRM_LIFETIME = timedelta(hours=24)
"""How long a payment waits for somebody to confirm it at the bank."""


def succeeded(tx: Tx, payment: Payment, seen: IntentSeen) -> Payment:
    """Credit it; when an automatic payment has closed the gap, what was asked of people instead is taken back."""
    paid = settlement.settle(tx, payment, seen)
    if paid.purpose is Purpose.RECHARGE:
        for one in payment_rows.open_payments(tx.connection, paid.wallet_id, purposes=(Purpose.ASK,)):
            if one.recharge_id == paid.recharge_id:
                closed = change(tx, one, News.TAKEN_BACK)
                tx.outbox.add(one.wallet_id, PaymentChanged(payment_id=one.payment_id))
                stripe_requests.close(tx, closed)  # the sweep makes the request
    return paid


def offered(tx: Tx, payment: Payment, seen: SessionSeen | LinkSeen) -> StripeRequest | None:
    """Offer a page or link that exists now; gives the request that closes it where it was taken back before."""
    ids = {"session_id": seen.session_id} if isinstance(seen, SessionSeen) else {"link_id": seen.link_id}
    after = change(tx, payment, News.ACCEPTED, url=seen.url, **ids)
    if after.payer and after.state is State.OFFERED:
        tx.outbox.add(payment.wallet_id, RequestSent(payment_id=payment.payment_id))
    # It may have been taken back before it was known to exist.
    return stripe_requests.close(tx, after) if after.state is State.WITHDRAWN else None


def declined(tx: Tx, payment: Payment, decline_code: str, advice_code: str) -> None:
    """Record that the card was declined, unless the charge has ended already."""
    if payment.state in IN_FLIGHT:
        failed = change(tx, payment, News.DECLINED, decline_code=decline_code, advice_code=advice_code)
        follow_failure(tx, failed)


def needs_person(tx: Tx, payment: Payment) -> None:
    """Record that the bank wants a person to confirm, unless the charge has ended already."""
    if payment.state in IN_FLIGHT:
        waiting = change(tx, payment, News.ACTION_NEEDED, expires_at=tx.now + CONFIRM_LIFETIME)
        follow_failure(tx, waiting)


def refused(tx: Tx, payment: Payment, code: str) -> None:
    """Record that a request was not accepted, or a charge stopped."""
    if code in STOPPED_BY:
        change(tx, payment, News.TAKEN_BACK, withdrawn_by=STOPPED_BY[code])
        return
    # What Stripe called it is written down with the request; people are told whether it says anything of the card.
    why = code if code in NO_DECLINES else NOT_ACCEPTED
    failed = change(tx, payment, News.REFUSED, decline_code=why)
    if failed.state is State.FAILED and failed.way is Way.SAVED_CARD:
        follow_failure(tx, failed)
