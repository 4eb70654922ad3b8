"""What people and rules ask for: hosted pages, links, saved cards, and charges of the saved card.

The shape is always *intend → send → record* (`stripe/requests.py`): a row and a frozen request are committed, the
request is sent outside any transaction, and its answer is committed together with what follows from it (`sending.py`).
The sweep does the same, so a crash between any two steps only delays.
"""

from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import select

from bot.payment_rows import Payment, change, payment_by_id, plan, ties_of
from bot.payments.recharge_end import ended_by, notice_of_change
from bot.payments.sending import RequestSender
from bot.ports import Ok, PaymentGateway
from bot.rights import Action, Person
from bot.states.payment import OPEN, News, Purpose, State, Way
from bot.states.stripe_request import Operation
from bot.stripe import customers, request_bodies
from bot.stripe import requests as stripe_requests
from bot.stripe.requests import NotMade, StripeRequest, Unreachable
from bot.tables import billing
from bot.wallets.entitled import require_right
from ledger import Currency, Ledger, Money, Tx, to_minor

PAGE_LIFETIME = timedelta(hours=23, minutes=59)
"""Stripe takes 24 hours, by its own clock."""


class Payments:
    """Asks for payments, and takes requests back."""

    def __init__(
        self,
        ledger: Ledger,
        gateway: PaymentGateway,
        sender: RequestSender,
        *,
        install: str,
        return_url: str,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._sender = sender
        self._install = install
        self._return_url = return_url

    def offer_page(self, wallet_id: UUID, amount: Money, *, asked_by: Person, saves_card: bool) -> Payment:
        """Make a hosted page for the person who asked. Refuses: NotEntitled, Unreachable, NotMade, NotCardExact."""
        to_minor(amount)
        customer = self._customer(wallet_id)

        def intend(tx: Tx) -> StripeRequest:
            require_right(tx.connection, wallet_id, asked_by, Action.PAY)
            if saves_card:
                require_right(tx.connection, wallet_id, asked_by, Action.CONNECT_CARD)
            payment = plan(
                tx,
                wallet_id,
                purpose=Purpose.TOP_UP,
                way=Way.PAGE,
                currency=amount.currency,
                amount=amount,
                asked_by=asked_by.user_id,
                saves_card=saves_card,
                expires_at=tx.now + PAGE_LIFETIME,
            )
            return self._intend_page(tx, payment, customer)

        return self._made(self._ledger.run(intend, wallet_id=wallet_id))

    def ask(self, wallet_id: UUID, amount: Money, *, asked_by: Person, payer: str, note: str) -> Payment:
        """Make a link and ask somebody to pay by it; they are told by DM. Refuses: NotEntitled, as `offer_page`."""
        to_minor(amount)

        def intend(tx: Tx) -> StripeRequest:
            require_right(tx.connection, wallet_id, asked_by, Action.ASK)
            return self._intend_link(tx, wallet_id, amount, asked_by=asked_by.user_id, payer=payer, note=note)

        return self._made(self._ledger.run(intend, wallet_id=wallet_id))

    def ask_instead(self, wallet_id: UUID, amount: Money, *, recharge_id: str) -> Payment | None:
        """Make the link by which an automatic payment that failed can be paid: Redbar itself asks, and nobody else.

        None where that payment has ended meanwhile. Refuses: Unreachable, NotMade, NotCardExact.
        """
        to_minor(amount)

        def intend(tx: Tx) -> StripeRequest | None:
            if ended_by(tx.connection, wallet_id, recharge_id) is not None:
                return None
            return self._intend_link(tx, wallet_id, amount, recharge_id=recharge_id)

        request = self._ledger.run(intend, wallet_id=wallet_id)
        return self._made(request) if request is not None else None

    def _intend_link(
        self,
        tx: Tx,
        wallet_id: UUID,
        amount: Money,
        *,
        asked_by: str = "",
        payer: str = "",
        note: str = "",
        recharge_id: str = "",
    ) -> StripeRequest:
        payment = plan(
            tx,
            wallet_id,
            purpose=Purpose.ASK,
            way=Way.LINK,
            currency=amount.currency,
            amount=amount,
            asked_by=asked_by,
            payer=payer,
            note=note,
            expires_at=tx.now + tx.book.policy(wallet_id)[0].link_lifetime,
            recharge_id=recharge_id,
        )
        body = request_bodies.link(payment, install=self._install)
        return stripe_requests.intend(tx, wallet_id, Operation.LINK, body, payment_id=payment.payment_id)

    def connect(self, wallet_id: UUID, currency: Currency, *, asked_by: Person, payer: str = "") -> Payment:
        """Make a page that saves a card; a payer is asked by DM, without one the asker opens it.

        Refuses: NotEntitled, Unreachable, NotMade.
        """
        customer = self._customer(wallet_id)

        def intend(tx: Tx) -> StripeRequest:
            require_right(tx.connection, wallet_id, asked_by, Action.CONNECT_CARD)
            return self._intend_connect(
                tx, wallet_id, currency, customer, asked_by=asked_by.user_id, payer=payer
            )

        return self._made(self._ledger.run(intend, wallet_id=wallet_id))

    def renew(self, wallet_id: UUID, payment_id: UUID, *, by: Person) -> Payment | None:
        """Replace a request to connect a card by a new one between the same people; None where it is none.

        Refuses: NotEntitled, Unreachable, NotMade.
        """
        old = self.look(wallet_id, payment_id)
        if old is None or old.amount is not None:
            return None
        customer = self._customer(wallet_id)

        def replace(tx: Tx) -> tuple[StripeRequest | None, StripeRequest]:
            taken = _take_back(tx, wallet_id, payment_id, by, Action.RENEW_REQUEST)
            made = self._intend_connect(
                tx, wallet_id, old.currency, customer, asked_by=old.asked_by, payer=old.payer
            )
            return taken[1] if taken is not None else None, made

        close, made = self._ledger.run(replace, wallet_id=wallet_id)
        if close is not None:
            self._sender.send_all(close)
        return self._made(made)

    def _intend_connect(
        self, tx: Tx, wallet_id: UUID, currency: Currency, customer: str, *, asked_by: str, payer: str
    ) -> StripeRequest:
        payment = plan(
            tx,
            wallet_id,
            purpose=Purpose.CONNECT,
            way=Way.PAGE,
            currency=currency,
            asked_by=asked_by,
            payer=payer,
            saves_card=True,
            expires_at=tx.now + PAGE_LIFETIME,
        )
        return self._intend_page(tx, payment, customer)

    def charge(self, tx: Tx, payment: Payment) -> StripeRequest:
        """Plan the charge of a saved card inside the caller's commit; `carry_out` then makes it."""
        customer = tx.connection.execute(
            select(billing.c.customer_id).where(billing.c.wallet_id == payment.wallet_id)
        ).scalar_one()
        body = request_bodies.intent(payment, customer=customer, install=self._install)
        return stripe_requests.intend(
            tx, payment.wallet_id, Operation.INTENT, body, payment_id=payment.payment_id
        )

    def carry_out(self, request: StripeRequest) -> Payment:
        """Make a planned request and all that follow from it; gives the payment as it then stands."""
        assert request.payment_id is not None
        self._sender.send_all(request)
        payment = self.look(request.wallet_id, request.payment_id)
        assert payment is not None
        return payment

    def withdraw(self, wallet_id: UUID, payment_id: UUID, *, by: Person) -> Payment | None:
        """Take a request back; None when it is not open any more. Refuses: NotEntitled."""
        found = self._ledger.run(
            lambda tx: _take_back(tx, wallet_id, payment_id, by, Action.WITHDRAW), wallet_id=wallet_id
        )
        if found is None:
            return None
        payment, request = found
        if request is not None:
            self._sender.send_all(request)
        return payment

    def look(self, wallet_id: UUID, payment_id: UUID) -> Payment | None:
        """Read one payment."""
        with self._ledger.reading() as connection:
            return payment_by_id(connection, wallet_id, payment_id)

    def receipt_of(self, payment: Payment) -> str:
        """Give a receipt's link, read afresh since old ones die; empty when there is none to be had."""
        if not payment.intent_id:
            return ""
        answer = self._gateway.intent(payment.intent_id)
        return answer.seen.receipt_url if isinstance(answer, Ok) else ""

    def _made(self, request: StripeRequest) -> Payment:
        payment = self.carry_out(request)
        if payment.state is State.ASKED:
            with self._ledger.reading() as connection:
                denied = stripe_requests.was_denied(connection, payment.wallet_id, payment.payment_id)
            raise Unreachable(payment.ref, denied=denied)
        if payment.state is State.FAILED:
            raise NotMade(payment.ref)
        return payment

    def _customer(self, wallet_id: UUID) -> str:
        """Give the wallet's customer, made on first need. Refuses: NotReached, NotMade."""
        found = self._ledger.run(
            partial(customers.known_or_intended, wallet_id=wallet_id, install=self._install),
            wallet_id=wallet_id,
        )
        return found if isinstance(found, str) else customers.made(self._sender.send(found)[0])

    def _intend_page(self, tx: Tx, payment: Payment, customer: str) -> StripeRequest:
        body = request_bodies.page(
            payment, customer=customer, install=self._install, return_url=self._return_url
        )
        return stripe_requests.intend(
            tx, payment.wallet_id, Operation.SESSION, body, payment_id=payment.payment_id
        )


def _take_back(
    tx: Tx, wallet_id: UUID, payment_id: UUID, by: Person, action: Action
) -> tuple[Payment, StripeRequest | None] | None:
    """Take a request back, with what closes it outside; None when it is not open any more. Refuses: NotEntitled."""
    payment = payment_by_id(tx.connection, wallet_id, payment_id)
    require_right(tx.connection, wallet_id, by, action, ties_of(payment, by.user_id))
    if payment is None or payment.state not in OPEN or payment.way is Way.SAVED_CARD:
        return None
    payment = change(tx, payment, News.TAKEN_BACK, withdrawn_by=by.user_id)
    tx.outbox.add(wallet_id, notice_of_change(payment))
    return payment, stripe_requests.close(tx, payment)
