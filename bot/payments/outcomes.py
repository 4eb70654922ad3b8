"""What an answer or news of Stripe's means for a payment: it is changed, with all that follows, in the given commit.

Whether the answer to our own request or the news comes first, the second finds nothing left to do.
"""

from datetime import timedelta

from bot.notices import RequestSent
from bot.payment_rows import Payment, change
from bot.payments.awaited_outcome import tell_outcome
from bot.payments.charge_stops import STOPPED_BY
from bot.payments.recharge_end import notice_of_change
from bot.payments.recharge_failure import follow_failure
from bot.ports import LinkSeen, SessionSeen
from bot.states.payment import IN_FLIGHT, News, Purpose, State, Way
from bot.stripe import requests as stripe_requests
from bot.stripe.declines import NO_DECLINES, NOT_ACCEPTED
from bot.stripe.requests import StripeRequest
from ledger import Tx

CONFIRM_LIFETIME = timedelta(hours=24)
"""How long a payment waits for somebody to confirm it at the bank."""


def offered(tx: Tx, payment: Payment, seen: SessionSeen | LinkSeen) -> StripeRequest | None:
    """Offer a page or link that exists now; gives the request that closes it where it was taken back before."""
    ids = {"session_id": seen.session_id} if isinstance(seen, SessionSeen) else {"link_id": seen.link_id}
    after = change(tx, payment, News.ACCEPTED, url=seen.url, **ids)
    if after.payer and after.state is State.OFFERED:
        tx.outbox.add(payment.wallet_id, RequestSent(payment_id=payment.payment_id))
    elif after.is_rescue and after.state is State.OFFERED:
        tx.outbox.add(payment.wallet_id, notice_of_change(after))  # the failure's message shows the link
    # It may have been taken back before it was known to exist.
    return stripe_requests.close(tx, after) if after.state is State.WITHDRAWN else None


def declined(tx: Tx, payment: Payment, decline_code: str, advice_code: str) -> None:
    """Record that the card was declined, unless the charge has ended already."""
    if payment.state in IN_FLIGHT:
        failed = change(tx, payment, News.DECLINED, decline_code=decline_code, advice_code=advice_code)
        _ended_without_money(tx, payment, failed)


def needs_person(tx: Tx, payment: Payment) -> None:
    """Record that the bank wants a person to confirm, unless the charge has ended already."""
    if payment.state in IN_FLIGHT:
        waiting = change(tx, payment, News.ACTION_NEEDED, expires_at=tx.now + CONFIRM_LIFETIME)
        _ended_without_money(tx, payment, waiting)


def refused(tx: Tx, payment: Payment, code: str) -> None:
    """Record that a request was not accepted, or a charge stopped."""
    if code in STOPPED_BY:
        stopped = change(tx, payment, News.TAKEN_BACK, withdrawn_by=STOPPED_BY[code])
        tell_outcome(tx, payment, stopped)
        if stopped.purpose is Purpose.RECHARGE and stopped.try_number > 1:
            tx.outbox.add(payment.wallet_id, notice_of_change(stopped))
        return
    # What Stripe called it is written down with the request; people are told whether it says anything of the card.
    why = code if code in NO_DECLINES else NOT_ACCEPTED
    failed = change(tx, payment, News.REFUSED, decline_code=why)
    if failed.state is State.FAILED and failed.way is Way.SAVED_CARD:
        _ended_without_money(tx, payment, failed)


def _ended_without_money(tx: Tx, before: Payment, after: Payment) -> None:
    tell_outcome(tx, before, after)
    follow_failure(tx, after)
