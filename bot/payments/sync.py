"""Sessions and intents as Stripe shows them, let act on their payments; safe to repeat, in any order.

Every way in which news reaches us ends here: an event, a look at an open request, a reconciliation, a refund that came
before its payment. An object is always looked at afresh; what told of it is only a hint.
"""

from collections.abc import Callable, Mapping
from uuid import UUID

from sqlalchemy import select

from bot.causes import NamesNoPayment, PaymentUnknown
from bot.payment_rows import Payment, change, fresh, payment_by_id, payment_by_intent
from bot.payments import outcomes, settlement
from bot.payments.recharge_end import notice_of_change
from bot.payments.settlement import NotServed, Unattributed
from bot.ports import (
    IntentSeen,
    IntentStatus,
    Ok,
    PageMode,
    PageStatus,
    PaymentGateway,
    Rejected,
    SessionSeen,
    Unknown,
)
from bot.served import Served
from bot.states.payment import News, State, Way
from bot.stripe.keys import credit_key
from bot.tables import workspaces
from ledger import Ledger, Tx, transfer_by_key


class Sync:
    """Looks at sessions and intents and lets what they say act."""

    def __init__(self, ledger: Ledger, gateway: PaymentGateway, served: Served, *, install: str) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._served = served
        self._install = install

    def session(self, session_id: str) -> bool:
        """Look at a hosted page and let what it says act; False when outside could not be asked."""
        answer = self._gateway.session(session_id)
        match answer:
            case Unknown():
                return False
            case Rejected():
                return True
            case Ok(seen):
                if seen.intent_id is not None and not self.intent(seen.intent_id):
                    return False
                payment = self._payment_of(seen.metadata, seen.intent_id or "")
                if payment is not None:
                    self._ledger.run(
                        lambda tx: self._heard_page(tx, payment, seen), wallet_id=payment.wallet_id
                    )
                return True

    def intent(self, intent_id: str) -> bool:
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

    def apply(self, intent_id: str, book: Callable[[Tx, Payment], None]) -> bool:
        """Let something act on the payment that an intent paid, after the intent; False when it could not be asked."""
        if not intent_id:
            return True  # not of ours: we make nothing but PaymentIntents
        payment = self.paid_by(intent_id)
        if isinstance(payment, Unknown):
            return False
        if payment is not None:
            paid = payment
            self._ledger.run(lambda tx: book(tx, paid), wallet_id=paid.wallet_id)
        return True

    def _heard_page(self, tx: Tx, payment: Payment, seen: SessionSeen) -> None:
        payment = fresh(tx, payment)
        if seen.status is PageStatus.COMPLETE and seen.mode is PageMode.SETUP and seen.setup_card is not None:
            settlement.connect(tx, payment, seen.setup_card)
        elif seen.status is PageStatus.EXPIRED and payment.state is State.OFFERED:
            tx.outbox.add(payment.wallet_id, notice_of_change(change(tx, payment, News.EXPIRED)))

    def _heard_intent(self, tx: Tx, payment: Payment, seen: IntentSeen) -> Payment:
        payment = fresh(tx, payment)
        if seen.status is IntentStatus.SUCCEEDED:
            return settlement.settle(tx, payment, seen)
        ended = seen.status in (IntentStatus.REQUIRES_PAYMENT_METHOD, IntentStatus.CANCELED)
        if ended and payment.way is Way.SAVED_CARD:
            # The intent is cancelled by whoever made the request.
            if seen.decline_code == "authentication_required":
                outcomes.needs_person(tx, payment)
            elif seen.decline_code:
                outcomes.declined(tx, payment, seen.decline_code, seen.advice_code)
        return payment

    def _ours(self, metadata: Mapping[str, str]) -> Payment | None:
        """Find the payment that an outside object names; None when it is not of this installation.

        Raises: Unattributed, when it is and the payment is not here; NotServed.
        """
        if metadata.get("redbar_install") != self._install:
            return None
        try:
            wallet_id, payment_id = UUID(metadata["redbar_wallet"]), UUID(metadata["redbar_payment"])
        except (KeyError, ValueError):
            raise Unattributed(NamesNoPayment(), wallet_id=None) from None
        with self._ledger.reading() as connection:
            if self._served.is_others(connection, wallet_id):
                raise NotServed(wallet_id)
            payment = payment_by_id(connection, wallet_id, payment_id)
        if payment is None:
            ref = metadata.get("redbar_ref") or str(payment_id)
            raise Unattributed(PaymentUnknown(ref), wallet_id=wallet_id)
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
                    return payment_by_intent(connection, wallet_id, intent_id)
        return None
