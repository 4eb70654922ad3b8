"""The payment behind a notice, and how its request stands now."""

from uuid import UUID

from bot.facts import PaymentFacts, RequestFacts
from bot.payment_rows import Payment
from bot.payments.requests import Payments
from bot.payments.top_ups import Charges
from bot.surfaces.notice_facts import request_now
from bot.surfaces.snapshot import zone_of
from ledger import Ledger


class PaymentLookup:
    """Finds payments that notices name."""

    def __init__(self, ledger: Ledger, payments: Payments, charges: Charges) -> None:
        self._ledger = ledger
        self._payments = payments
        self._charges = charges

    def payment(self, wallet_id: UUID, payment_id: UUID) -> Payment:
        """Give the payment that a notice names."""
        payment = self._payments.look(wallet_id, payment_id)
        assert payment is not None, "a notice and its payment are committed together"
        return payment

    def request(self, payment: Payment) -> RequestFacts:
        """Say how a payment's request stands now."""
        return request_now(self._ledger, payment)

    def zone(self, wallet_id: UUID) -> str:
        """Give the wallet's time zone."""
        return zone_of(self._ledger, wallet_id)

    def result(self, payment: Payment) -> PaymentFacts:
        """Say what became of a payment."""
        return self._charges.result(payment)
