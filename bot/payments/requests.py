"""Payments from wish to fact: pages, links, charges of the saved card, and the news about them.

Sole owner of payment rows and of `sync`. The shape is always *intend → send → record* (`stripe/requests.py`): a row and
a frozen request are committed, the request is sent outside any transaction, and its answer is committed together with
what follows from it. The sweep does the same, so a crash between any two steps only delays.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import select

from bot import payment_rows
from bot.notices import PaymentChanged, RequestSent
from bot.payment_rows import Payment, change, find, fresh, plan
from bot.payment_state import IN_FLIGHT, OPEN, News, State
from bot.payments import settlement
from bot.payments.charge_stops import BARRED_BY, bar_of, bar_of_call
from bot.payments.recharge_failure import follow_failure
from bot.payments.settlement import NotServed, Unattributed
from bot.ports import (
    Declined,
    IntentSeen,
    LinkSeen,
    NeedsAction,
    Ok,
    PaymentGateway,
    Rejected,
    SessionSeen,
    Unknown,
)
from bot.served import Served
from bot.stripe import customers, request_bodies
from bot.stripe import requests as stripe_requests
from bot.stripe.declines import FORGOTTEN, NO_DECLINES, NOT_ACCEPTED
from bot.stripe.key_health import note_access
from bot.stripe.keys import credit_key
from bot.stripe.requests import NotMade, StripeRequest, Unreachable
from bot.tables import billing, workspaces
from ledger import Currency, Ledger, Money, Tx, failpoint, to_minor, transfer_by_key

log = logging.getLogger("redbar.payments")
PAGE_LIFETIME = timedelta(hours=23, minutes=59)  # Stripe takes 24 hours, by its own clock
LINK_LIFETIME, CONFIRM_LIFETIME = timedelta(days=7), timedelta(hours=24)


class Payments:
    """Makes payments and hears what became of them."""

    def __init__(
        self, ledger: Ledger, gateway: PaymentGateway, served: Served, *, install: str, return_url: str
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._served = served
        self._install = install
        self._return_url = return_url
        self._sending: set[UUID] = set()

    # --- Wishes --------------------------------------------------------------------------------------------

    def offer_page(self, wallet_id: UUID, amount: Money, *, asked_by: str, saves_card: bool) -> Payment:
        """Make a hosted page for the person who asked. Refuses: Unreachable, NotMade, NotCardExact."""
        to_minor(amount)
        customer = self._customer(wallet_id)

        def intend(tx: Tx) -> StripeRequest:
            payment = plan(
                tx,
                wallet_id,
                purpose="top_up",
                way="page",
                currency=amount.currency,
                amount=amount,
                asked_by=asked_by,
                saves_card=saves_card,
                expires_at=tx.now + PAGE_LIFETIME,
            )
            return self._intend_page(tx, payment, customer)

        return self._made(self._ledger.run(intend, wallet_id=wallet_id))

    def ask(
        self, wallet_id: UUID, amount: Money, *, asked_by: str, payer: str, note: str, recharge_id: str = ""
    ) -> Payment:
        """Make a link and ask somebody to pay by it; they are told by DM."""
        to_minor(amount)

        def intend(tx: Tx) -> StripeRequest:
            payment = plan(
                tx,
                wallet_id,
                purpose="ask",
                way="link",
                currency=amount.currency,
                amount=amount,
                asked_by=asked_by,
                payer=payer,
                note=note,
                expires_at=tx.now + LINK_LIFETIME,
                recharge_id=recharge_id,
            )
            body = request_bodies.link(payment, install=self._install)
            return stripe_requests.intend(tx, wallet_id, "link", body, payment_id=payment.payment_id)

        return self._made(self._ledger.run(intend, wallet_id=wallet_id))

    def connect(self, wallet_id: UUID, currency: Currency, *, asked_by: str, payer: str = "") -> Payment:
        """Make a page that saves a card; a payer is asked by DM, without one the asker opens it."""
        customer = self._customer(wallet_id)

        def intend(tx: Tx) -> StripeRequest:
            payment = plan(
                tx,
                wallet_id,
                purpose="connect",
                way="page",
                currency=currency,
                asked_by=asked_by,
                payer=payer,
                saves_card=True,
                expires_at=tx.now + PAGE_LIFETIME,
            )
            return self._intend_page(tx, payment, customer)

        return self._made(self._ledger.run(intend, wallet_id=wallet_id))

    def charge(self, tx: Tx, payment: Payment) -> StripeRequest:
        """Plan the charge of a saved card inside the caller's commit; `carry_out` then makes it."""
        customer = tx.connection.execute(
            select(billing.c.customer_id).where(billing.c.wallet_id == payment.wallet_id)
        ).scalar_one()
        body = request_bodies.intent(payment, customer=customer, install=self._install)
        return stripe_requests.intend(tx, payment.wallet_id, "intent", body, payment_id=payment.payment_id)

    def make(self, request: StripeRequest) -> None:
        """Make a planned request that belongs to no payment; without an answer the sweep goes on with it."""
        assert request.payment_id is None
        self._drive(request)

    def carry_out(self, request: StripeRequest) -> Payment:
        """Make a planned request and all that follow from it; gives the payment as it then stands."""
        assert request.payment_id is not None
        self._drive(request)
        payment = self.look(request.wallet_id, request.payment_id)
        assert payment is not None
        return payment

    def withdraw(self, wallet_id: UUID, payment_id: UUID, *, by: str) -> Payment | None:
        """Take a request back; None when it is not open any more."""

        def take_back(tx: Tx) -> tuple[Payment, StripeRequest | None] | None:
            payment = find(tx.connection, wallet_id, payment_id=payment_id)
            if payment is None or payment.state not in OPEN or payment.way == "saved_card":
                return None
            payment = change(tx, payment, News.TAKEN_BACK, withdrawn_by=by)
            tx.outbox.add(wallet_id, PaymentChanged(payment_id=payment_id))
            return payment, stripe_requests.close(tx, payment)

        found = self._ledger.run(take_back, wallet_id=wallet_id)
        if found is None:
            return None
        payment, request = found
        if request is not None:
            self._drive(request)
        return payment

    def look(self, wallet_id: UUID, payment_id: UUID) -> Payment | None:
        """Read one payment."""
        with self._ledger.reading() as connection:
            return find(connection, wallet_id, payment_id=payment_id)

    def receipt_of(self, payment: Payment) -> str:
        """Give a receipt's link, read afresh since old ones die; empty when there is none to be had."""
        if not payment.intent_id:
            return ""
        answer = self._gateway.intent(payment.intent_id)
        return answer.seen.receipt_url if isinstance(answer, Ok) else ""

    # --- News ----------------------------------------------------------------------------------------------

    def sync_session(self, session_id: str) -> bool:
        """Look at a hosted page and let what it says act; False when outside could not be asked."""
        answer = self._gateway.session(session_id)
        match answer:
            case Unknown():
                return False
            case Rejected():
                return True
            case Ok(seen):
                if seen.intent_id is not None and not self.sync_intent(seen.intent_id):
                    return False
                payment = self._payment_of(seen.metadata, seen.intent_id or "")
                if payment is not None:
                    self._ledger.run(
                        lambda tx: self._heard_page(tx, payment, seen), wallet_id=payment.wallet_id
                    )
                return True

    def sync_intent(self, intent_id: str) -> bool:
        """Look at an intent and let what it says act; False when outside could not be asked."""
        return not isinstance(self.paid_by(intent_id), Unknown)

    def paid_by(self, intent_id: str) -> Payment | Unknown | None:
        """Look at an intent, let what it says act, and give its payment; None when it is not of this installation."""
        answer = self._gateway.intent(intent_id)
        match answer:
            case Unknown():
                return answer
            case Rejected():
                return None
            case Ok(seen):
                return self.hear_intent(seen)

    def hear_intent(self, seen: IntentSeen) -> Payment | None:
        """Let an intent that was looked at act; gives its payment, None when it is not of this installation."""
        payment = self._payment_of(seen.metadata, seen.intent_id)
        if payment is None:
            return None
        return self._ledger.run(lambda tx: self._heard_intent(tx, payment, seen), wallet_id=payment.wallet_id)

    def _heard_page(self, tx: Tx, payment: Payment, seen: SessionSeen) -> None:
        payment = fresh(tx, payment)
        if seen.status == "complete" and seen.mode == "setup" and seen.setup_card is not None:
            settlement.connect(tx, payment, seen.setup_card)
        elif seen.status == "expired" and payment.state is State.OFFERED:
            change(tx, payment, News.EXPIRED)
            tx.outbox.add(payment.wallet_id, PaymentChanged(payment_id=payment.payment_id))

    def _heard_intent(self, tx: Tx, payment: Payment, seen: IntentSeen) -> Payment:
        payment = fresh(tx, payment)
        if seen.status == "succeeded":
            return self._settle(tx, payment, seen)
        if seen.status in ("requires_payment_method", "canceled") and payment.way == "saved_card":
            # Whether this or the answer to our own request comes first, the second finds nothing left to do; the
            # intent is cancelled by whoever made the request.
            if seen.decline_code == "authentication_required":
                self._needs_person(tx, payment)
            elif seen.decline_code:
                self._declined(tx, payment, seen.decline_code, seen.advice_code)
        return payment

    def _settle(self, tx: Tx, payment: Payment, seen: IntentSeen) -> Payment:
        """Credit it; when an automatic payment has closed the gap, what was asked of people instead is taken back."""
        paid = settlement.settle(tx, payment, seen)
        if paid.purpose == "recharge":
            for one in payment_rows.open_payments(tx.connection, paid.wallet_id, purposes=("ask",)):
                if one.recharge_id == paid.recharge_id:
                    closed = change(tx, one, News.TAKEN_BACK)
                    tx.outbox.add(one.wallet_id, PaymentChanged(payment_id=one.payment_id))
                    stripe_requests.close(tx, closed)  # the sweep makes the request
        return paid

    def _ours(self, metadata: Mapping[str, str]) -> Payment | None:
        """Find the payment that an outside object names; None when it is not of this installation.

        Raises: Unattributed, when it is and the payment is not here; NotServed.
        """
        if metadata.get("redbar_install") != self._install:
            return None
        try:
            wallet_id, payment_id = UUID(metadata["redbar_wallet"]), UUID(metadata["redbar_payment"])
        except (KeyError, ValueError):
            raise Unattributed("it carries our mark, and names no payment of ours", wallet_id=None) from None
        with self._ledger.reading() as connection:
            if self._served.is_others(connection, wallet_id):
                raise NotServed(wallet_id)
            payment = find(connection, wallet_id, payment_id=payment_id)
        if payment is None:
            ref = metadata.get("redbar_ref", "")
            raise Unattributed(
                f"it names payment {ref or payment_id}, which is not here", wallet_id=wallet_id
            )
        return payment

    def _payment_of(self, metadata: Mapping[str, str], intent_id: str) -> Payment | None:
        """Find the payment that an object names, or that credited its intent. Raises: Unattributed, NotServed."""
        try:
            named = self._ours(metadata)
        except Unattributed:
            credited = self._credited(intent_id)
            if credited is None:
                raise
            return credited
        return named or self._credited(intent_id)

    def _credited(self, intent_id: str) -> Payment | None:
        """Find the payment by which an operator credited an intent that names none of ours."""
        with self._ledger.reading() as connection:
            for wallet_id in connection.execute(select(workspaces.c.wallet_id)).scalars().all():
                if transfer_by_key(connection, wallet_id, "stripe", credit_key(intent_id)) is not None:
                    if self._served.is_others(connection, wallet_id):
                        raise NotServed(wallet_id)
                    return find(connection, wallet_id, intent_id=intent_id)
        return None

    # --- The sweep -----------------------------------------------------------------------------------------

    def sweep(self, now: datetime) -> int:
        """Finish what a crash or an outage left open; gives how much was done. Safe to run twice or never."""
        with self._ledger.reading() as connection:
            own = self._served.own(connection)
            due = stripe_requests.due(connection, own, now)
            overdue = payment_rows.overdue(connection, own, now)
        done = sum(
            self._finish(request, forgotten)
            for request, forgotten in due
            if request.request_id not in self._sending
        )
        for wallet_id, payment_id in overdue:
            self._lapse(wallet_id, payment_id)
        return done + len(overdue)

    def _finish(self, request: StripeRequest, forgotten: bool) -> bool:
        """Go on with a request that has no answer; False when it waits until the app is installed again."""
        with self._ledger.reading() as connection:
            lives = self._served.lives(connection, request.wallet_id)
            bar = bar_of_call(connection, self._served, request)
        if forgotten:
            self._look_up(request, FORGOTTEN)
        elif bar:
            self._look_up(request, bar)
        elif lives or request.operation in stripe_requests.CLOSING:
            self._drive(request)
        else:
            return False
        return True

    def _look_up(self, request: StripeRequest, why: str) -> None:
        """Decide a request by what exists outside and never send it: Stripe may have forgotten its key."""
        # A page, link or unconfirmed intent that may exist without our knowing its id charges nothing by itself.
        answer: stripe_requests.Answer = Rejected(code=why, message="")
        if request.operation == "customer":
            answer = customers.look_for(self._gateway, request)
            if isinstance(answer, Unknown):
                return
        elif request.operation == "confirm":
            looked = self._gateway.intent(request.object_id)
            if not isinstance(looked, Ok):
                return
            answer = stripe_requests.as_confirmed(looked.seen, why)

        def decide(tx: Tx) -> StripeRequest | None:
            if request.operation in stripe_requests.CLOSING:
                stripe_requests.record(tx, request, answer)
                return stripe_requests.repeat(tx, request)
            return self._follow(tx, request, answer)

        self._drive(self._ledger.run(decide, wallet_id=request.wallet_id))

    def _lapse(self, wallet_id: UUID, payment_id: UUID) -> None:
        payment = self.look(wallet_id, payment_id)
        assert payment is not None
        # The last moment's payment is looked for before the request is called expired.
        if payment.session_id and not self.sync_session(payment.session_id):
            return
        if payment.link_id:
            found = self._gateway.link_intents(payment.link_id)
            if not isinstance(found, Ok) or not all(self.sync_intent(intent_id) for intent_id in found.seen):
                return

        def lapse(tx: Tx) -> StripeRequest | None:
            open_still = fresh(tx, payment)
            if open_still.state not in (State.OFFERED, State.WAITING):
                return None
            lapsed = change(tx, open_still, News.EXPIRED)
            if lapsed.way == "saved_card":
                follow_failure(tx, lapsed)  # nobody confirmed in time
                return None
            tx.outbox.add(wallet_id, PaymentChanged(payment_id=payment_id))
            return stripe_requests.close(tx, lapsed)

        request = self._ledger.run(lapse, wallet_id=wallet_id)
        if request is not None:
            self._drive(request)

    # --- Calls and what follows from them ------------------------------------------------------------------

    def _made(self, request: StripeRequest) -> Payment:
        payment = self.carry_out(request)
        if payment.state is State.ASKED:
            with self._ledger.reading() as connection:
                denied = stripe_requests.was_denied(connection, payment.wallet_id, payment.payment_id)
            raise Unreachable(payment.ref, denied=denied)
        if payment.state is State.FAILED:
            raise NotMade(payment.ref)
        return payment

    def _drive(self, request: StripeRequest | None) -> None:
        while request is not None:
            _, request = self._step(request)

    def _step(self, request: StripeRequest) -> tuple[stripe_requests.Answer, StripeRequest | None]:
        """Make one request and commit its answer; gives it, and the request that follows from it."""
        # Meanwhile the sweep of this process keeps away from it, however the clock jumps.
        self._sending.add(request.request_id)
        try:
            answer = stripe_requests.send(self._gateway, request)
            following = self._ledger.run(
                partial(self._follow, request=request, answer=answer), wallet_id=request.wallet_id
            )
        finally:
            self._sending.discard(request.request_id)
        failpoint(f"request.{request.operation}.committed")
        note_access(self._ledger, self._served, answer)
        return answer, following

    def _follow(self, tx: Tx, request: StripeRequest, answer: stripe_requests.Answer) -> StripeRequest | None:
        """Commit an answer with what follows from it; gives the next request where there is one."""
        if request.operation == "customer":
            customers.record(tx, request, answer)
            return None
        if not stripe_requests.record(tx, request, answer):
            return None
        payment = (
            find(tx.connection, request.wallet_id, payment_id=request.payment_id)
            if request.payment_id
            else None
        )
        if payment is None:
            return None
        match request.operation, answer:
            case "session" | "link", Ok(seen):
                assert isinstance(seen, SessionSeen | LinkSeen)
                return self._offered(tx, payment, seen)
            case "intent", Ok(seen):
                assert isinstance(seen, IntentSeen)
                started = change(tx, payment, News.STARTED, intent_id=seen.intent_id)
                if bar := bar_of(tx.connection, self._served, started):
                    self._refused(tx, started, bar)
                    return stripe_requests.cancel(tx, started)
                body = request_bodies.confirm(payment)
                return stripe_requests.intend(
                    tx,
                    request.wallet_id,
                    "confirm",
                    body,
                    payment_id=payment.payment_id,
                    object_id=seen.intent_id,
                )
            case "confirm", Ok(seen):
                assert isinstance(seen, IntentSeen)
                if seen.status == "succeeded":
                    self._settle(tx, payment, seen)
            case "intent" | "confirm", Declined():
                self._declined(tx, payment, answer.decline_code, answer.advice_code)
                return stripe_requests.cancel(tx, payment)
            case "confirm", NeedsAction():
                self._needs_person(tx, payment)
                return stripe_requests.cancel(tx, payment)
            case "session" | "link" | "intent" | "confirm", Rejected():
                self._refused(tx, payment, answer.code)
                return stripe_requests.cancel(tx, payment)
            case _:
                pass  # unknown: the sweep asks again with the same key; closing calls need nothing more
        return None

    def _offered(self, tx: Tx, payment: Payment, seen: SessionSeen | LinkSeen) -> StripeRequest | None:
        ids = {"session_id": seen.session_id} if isinstance(seen, SessionSeen) else {"link_id": seen.link_id}
        offered = change(tx, payment, News.ACCEPTED, url=seen.url, **ids)
        if offered.payer and offered.state is State.OFFERED:
            tx.outbox.add(payment.wallet_id, RequestSent(payment_id=payment.payment_id))
        # It may have been taken back before it was known to exist.
        return stripe_requests.close(tx, offered) if offered.state is State.WITHDRAWN else None

    def _declined(self, tx: Tx, payment: Payment, decline_code: str, advice_code: str) -> None:
        if payment.state in IN_FLIGHT:
            failed = change(tx, payment, News.DECLINED, decline_code=decline_code, advice_code=advice_code)
            follow_failure(tx, failed)

    def _needs_person(self, tx: Tx, payment: Payment) -> None:
        if payment.state in IN_FLIGHT:
            waiting = change(tx, payment, News.ACTION_NEEDED, expires_at=tx.now + CONFIRM_LIFETIME)
            follow_failure(tx, waiting)

    def _refused(self, tx: Tx, payment: Payment, code: str) -> None:
        if code in BARRED_BY:
            change(tx, payment, News.TAKEN_BACK, withdrawn_by=BARRED_BY[code])
            return
        # What Stripe called it is written down with the request; people are told whether it says anything of the card.
        why = code if code in NO_DECLINES else NOT_ACCEPTED
        failed = change(tx, payment, News.REFUSED, decline_code=why)
        if failed.state is State.FAILED and failed.way == "saved_card":
            follow_failure(tx, failed)

    # --- Bodies --------------------------------------------------------------------------------------------

    def _customer(self, wallet_id: UUID) -> str:
        """Give the wallet's customer, made on first need. Refuses: NotReached, NotMade."""
        found = self._ledger.run(
            partial(customers.known_or_intended, wallet_id=wallet_id, install=self._install),
            wallet_id=wallet_id,
        )
        return found if isinstance(found, str) else customers.made(self._step(found)[0])

    def _intend_page(self, tx: Tx, payment: Payment, customer: str) -> StripeRequest:
        body = request_bodies.page(
            payment, customer=customer, install=self._install, return_url=self._return_url
        )
        return stripe_requests.intend(tx, payment.wallet_id, "session", body, payment_id=payment.payment_id)
