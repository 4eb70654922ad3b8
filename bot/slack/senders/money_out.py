"""Refunds, disputes, and differences between Stripe and the books."""

from functools import partial

from bot import notices
from bot.delivering.deliveries import Claim
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.posting import Posting
from bot.slack.views import money_out
from bot.surfaces.notice_facts import correction_facts, credit_facts, dispute_facts, refund_facts
from ledger import Ledger, UsageCorrected, WalletCredited


class MoneyOutSender:
    """Tells what left the wallet, and what a person must decide."""

    def __init__(self, ledger: Ledger, posting: Posting, lookup: PaymentLookup) -> None:
        self._ledger = ledger
        self._posting = posting
        self._lookup = lookup

    def show_refund(self, claim: Claim, notice: notices.RefundBooked) -> None:
        """Tell a refund, or that the bank sent one back."""
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        message = money_out.refunded(refund_facts(self._ledger, payment, notice))
        self._posting.tell(claim, lambda role: message)

    def show_dispute(self, claim: Claim, notice: notices.DisputeChanged) -> None:
        """Tell how a dispute stands."""
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        facts = dispute_facts(self._ledger, payment, notice)
        self._posting.tell(claim, partial(money_out.disputed, facts))

    def show_differences(self, claim: Claim, notice: notices.BooksDiffer) -> None:
        """Tell that reconciliation found differences."""
        self._posting.tell(
            claim,
            lambda role: money_out.books_differ(
                notice.count, notice.key, notice.cause, paused=notice.paused, role=role
            ),
        )

    def show_parked(self, claim: Claim, notice: notices.MoneyParked) -> None:
        """Tell that money moved at Stripe which cannot be booked."""
        message = money_out.parked(notice.object_id, notice.cause)
        self._posting.tell(claim, lambda role: message)

    def show_correction(self, claim: Claim, notice: UsageCorrected) -> None:
        """Tell that what a piece of work cost was lowered."""
        message = money_out.corrected(correction_facts(self._ledger, claim.wallet_id, notice))
        self._posting.tell(claim, lambda role: message)

    def show_credit(self, claim: Claim, notice: WalletCredited) -> None:
        """Tell a credit that whoever runs Redbar gave."""
        message = money_out.credited(credit_facts(self._ledger, claim.wallet_id, notice))
        self._posting.tell(claim, lambda role: message)

    def show_manual_credit(self, claim: Claim, notice: notices.ManuallyCredited) -> None:
        """Tell that an operator credited a payment."""
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        message = money_out.manual_credit(self._lookup.request(payment), payment.intent_id)
        self._posting.tell(claim, lambda role: message)
