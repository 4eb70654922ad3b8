"""The sweep: finishes what a crash or an outage left open, and ends requests whose time is over or whose app is gone.

A request without an answer is sent again with the same key and the same bytes, while Stripe remembers the key. Later,
and where its charge is not wanted any more, it is decided by what exists at Stripe and never sent.
"""

from datetime import datetime
from functools import partial
from uuid import UUID

from bot import payment_rows, tables
from bot.payment_rows import change, fresh, payment_by_id
from bot.payments.charge_stops import stop_of_request
from bot.payments.recharge_end import notice_of_change
from bot.payments.recharge_failure import follow_failure
from bot.payments.removal import close_down, is_to_close
from bot.payments.sending import RequestSender
from bot.payments.sync import Sync
from bot.ports import Ok, PaymentGateway, Rejected, Unknown
from bot.served import Served
from bot.states.payment import News, State, Way
from bot.states.stripe_request import CLOSING, Operation
from bot.stripe import customers
from bot.stripe import requests as stripe_requests
from bot.stripe.declines import FORGOTTEN
from bot.stripe.requests import StripeRequest
from bot.tables import payments
from ledger import Ledger, Tx


class Sweep:
    """Finishes what was left open."""

    def __init__(
        self, ledger: Ledger, gateway: PaymentGateway, served: Served, sender: RequestSender, sync: Sync
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._served = served
        self._sender = sender
        self._sync = sync

    def run(self, now: datetime) -> int:
        """Finish what a crash or an outage left open; gives how much was done. Safe to run twice or never."""
        if self._ledger.doubt is not None:
            return 0
        with self._ledger.reading() as connection:
            own = self._served.where_own
            due = stripe_requests.due(connection, now, among=own(tables.stripe_requests.c.wallet_id))
            overdue = payment_rows.overdue(connection, now, among=own(payments.c.wallet_id))
            dead = self._ledger.believed(connection, self._served.dead(connection))
            removed = [one for one in dead if is_to_close(self._ledger, connection, one, now)]
        for wallet_id in removed:
            for request in self._ledger.run(partial(close_down, wallet_id=wallet_id), wallet_id=wallet_id):
                self._sender.send_all(request)
        done = sum(
            self._finish(request, forgotten)
            for request, forgotten in due
            if not self._sender.is_sending(request)
        )
        for wallet_id, payment_id in overdue:
            self._lapse(wallet_id, payment_id)
        return done + len(overdue) + len(removed)

    def _finish(self, request: StripeRequest, forgotten: bool) -> bool:
        """Go on with a request that has no answer; False when it waits until the app is installed again."""
        with self._ledger.reading() as connection:
            lives = self._served.lives(connection, request.wallet_id)
            stop = stop_of_request(connection, self._served, request)
        if forgotten:
            self._look_up(request, FORGOTTEN)
        elif stop:
            self._look_up(request, stop)
        elif lives or request.operation in CLOSING:
            self._sender.send_all(request)
        else:
            return False
        return True

    def _look_up(self, request: StripeRequest, why: str) -> None:
        """Decide a request by what exists outside and never send it: Stripe may have forgotten its key."""
        # A page, link or unconfirmed intent that may exist without our knowing its id charges nothing by itself.
        answer: stripe_requests.Answer = Rejected(code=why, message="")
        if request.operation is Operation.CUSTOMER:
            answer = customers.look_for(self._gateway, request)
            if isinstance(answer, Unknown):
                return
        elif request.operation is Operation.CONFIRM:
            looked = self._gateway.intent(request.object_id)
            if not isinstance(looked, Ok):
                return
            answer = stripe_requests.as_confirmed(looked.seen, why)

        def decide(tx: Tx) -> StripeRequest | None:
            if request.operation in CLOSING:
                stripe_requests.record(tx, request, answer)
                return stripe_requests.repeat(tx, request)
            return self._sender.follow(tx, request, answer)

        self._sender.send_all(self._ledger.run(decide, wallet_id=request.wallet_id))

    def _lapse(self, wallet_id: UUID, payment_id: UUID) -> None:
        with self._ledger.reading() as connection:
            payment = payment_by_id(connection, wallet_id, payment_id)
        assert payment is not None
        # The last moment's payment is looked for before the request is called expired.
        if payment.session_id and not self._sync.session(payment.session_id):
            return
        if payment.link_id:
            found = self._gateway.link_intents(payment.link_id)
            if not isinstance(found, Ok) or not all(self._sync.intent(intent_id) for intent_id in found.seen):
                return

        def lapse(tx: Tx) -> StripeRequest | None:
            open_still = fresh(tx, payment)
            if open_still.state not in (State.OFFERED, State.WAITING):
                return None
            lapsed = change(tx, open_still, News.EXPIRED)
            if lapsed.way is Way.SAVED_CARD:
                follow_failure(tx, lapsed)  # nobody confirmed in time
                return None
            tx.outbox.add(wallet_id, notice_of_change(lapsed))
            return stripe_requests.close(tx, lapsed)

        request = self._ledger.run(lapse, wallet_id=wallet_id)
        if request is not None:
            self._sender.send_all(request)
