"""Planned Stripe requests are sent outside any transaction, each answer committed with what follows from it.

A charge of the saved card is two requests, an intent and its confirmation; whether it is still wanted is asked again
in the commit between them. After a definite failure the intent is cancelled, so that nothing may ever charge it.
"""

from functools import partial
from uuid import UUID

from bot.payment_rows import change, payment_by_id
from bot.payments import outcomes, settlement
from bot.payments.charge_stops import stop_of
from bot.payments.restored_watch import RestoredWatch
from bot.ports import (
    Declined,
    Denied,
    IntentSeen,
    IntentStatus,
    LinkSeen,
    NeedsAction,
    Ok,
    PaymentGateway,
    Rejected,
    SessionSeen,
    Unknown,
)
from bot.served import Served
from bot.states.payment import News
from bot.states.stripe_request import Operation
from bot.stripe import customers, request_bodies
from bot.stripe import requests as stripe_requests
from bot.stripe.key_health import note_access
from bot.stripe.requests import StripeRequest
from ledger import Ledger, Tx, failpoint


class RequestSender:
    """Makes planned requests and commits what comes of them."""

    def __init__(self, ledger: Ledger, gateway: PaymentGateway, served: Served, watch: RestoredWatch) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._served = served
        self._watch = watch
        self._sending: set[UUID] = set()

    def send_all(self, request: StripeRequest | None) -> None:
        """Make a planned request and all that follow from it; without an answer the sweep goes on with it."""
        while request is not None:
            _, request = self.send(request)

    def send(self, request: StripeRequest) -> tuple[stripe_requests.Answer, StripeRequest | None]:
        """Make one request and commit its answer; gives it, and the request that follows from it."""
        problem = (
            self._watch.why_not_charge(request.wallet_id) if request.operation is Operation.INTENT else None
        )
        if isinstance(problem, Rejected) and not request.unsent:
            return problem, None  # it may have been sent before: what it came to is looked up later
        if isinstance(problem, Unknown) and not isinstance(problem, Denied):
            return problem, None
        # Meanwhile the sweep of this process keeps away from it, however the clock jumps.
        self._sending.add(request.request_id)
        try:
            answer = problem or stripe_requests.send(self._gateway, request)
            following = self._ledger.run(
                partial(self.follow, request=request, answer=answer), wallet_id=request.wallet_id
            )
        finally:
            self._sending.discard(request.request_id)
        failpoint(f"stripe_request.{request.operation}.committed")
        note_access(self._ledger, self._served, answer)
        return answer, following

    def is_sending(self, request: StripeRequest) -> bool:
        """Say whether this process makes a request at this moment."""
        return request.request_id in self._sending

    def follow(self, tx: Tx, request: StripeRequest, answer: stripe_requests.Answer) -> StripeRequest | None:
        """Commit an answer with what follows from it; gives the next request where there is one."""
        if request.operation is Operation.CUSTOMER:
            customers.record(tx, request, answer)
            return None
        if not stripe_requests.record(tx, request, answer):
            return None
        payment = (
            payment_by_id(tx.connection, request.wallet_id, request.payment_id)
            if request.payment_id
            else None
        )
        if payment is None:
            return None
        match request.operation, answer:
            case Operation.SESSION | Operation.LINK, Ok(seen):
                assert isinstance(seen, SessionSeen | LinkSeen)
                return outcomes.offered(tx, payment, seen)
            case Operation.INTENT, Ok(seen):
                assert isinstance(seen, IntentSeen)
                started = change(tx, payment, News.STARTED, intent_id=seen.intent_id)
                if stop := stop_of(tx.connection, self._served, started):
                    outcomes.refused(tx, started, stop)
                    return stripe_requests.cancel(tx, started)
                body = request_bodies.confirm(payment)
                return stripe_requests.intend(
                    tx,
                    request.wallet_id,
                    Operation.CONFIRM,
                    body,
                    payment_id=payment.payment_id,
                    object_id=seen.intent_id,
                )
            case Operation.CONFIRM, Ok(seen):
                assert isinstance(seen, IntentSeen)
                if seen.status is IntentStatus.SUCCEEDED:
                    settlement.settle(tx, payment, seen)
            case Operation.INTENT | Operation.CONFIRM, Declined():
                outcomes.declined(tx, payment, answer.decline_code, answer.advice_code)
                return stripe_requests.cancel(tx, payment)
            case Operation.CONFIRM, NeedsAction():
                outcomes.needs_person(tx, payment)
                return stripe_requests.cancel(tx, payment)
            case Operation.SESSION | Operation.LINK | Operation.INTENT | Operation.CONFIRM, Rejected():
                outcomes.refused(tx, payment, answer.code)
                return stripe_requests.cancel(tx, payment)
            case _:
                pass  # unknown: the sweep asks again with the same key; closing requests need nothing more
        return None
