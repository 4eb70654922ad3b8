"""Refunds, disputes, and differences between Stripe and the books."""

from functools import partial

from bot import notices
from bot.delivering.deliveries import FanOut
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.recipients import Recipients
from bot.slack.views import money_out
from bot.states.dispute import QUIET
from bot.surfaces.notice_facts import correction_facts, credit_facts, dispute_facts, refund_facts
from ledger import CreditKind, Ledger, UsageCorrected, WalletCredited


class MoneyOutSender:
    """Tells what left the wallet, and what a person must decide."""

    def __init__(self, ledger: Ledger, recipients: Recipients, lookup: PaymentLookup) -> None:
        self._ledger = ledger
        self._recipients = recipients
        self._lookup = lookup

    def send_refund(self, to: FanOut, notice: notices.RefundBooked) -> None:
        """Tell a refund, or that the bank sent one back."""
        payment = self._lookup.payment(to.wallet_id, notice.payment_id)
        message = money_out.refunded(refund_facts(self._ledger, payment, notice))
        self._recipients.send(to, lambda role: message)

    def send_dispute(self, to: FanOut, notice: notices.DisputeChanged) -> None:
        """Tell how a dispute stands; a change that moved no money and asks for nothing is left out."""
        if not notice.opened and not notice.moved_micros and notice.status in QUIET:
            return
        payment = self._lookup.payment(to.wallet_id, notice.payment_id)
        facts = dispute_facts(self._ledger, payment, notice)
        self._recipients.send(to, partial(money_out.disputed, facts))

    def send_differences(self, to: FanOut, notice: notices.BooksDiffer) -> None:
        """Tell that reconciliation found differences."""
        self._recipients.send(
            to,
            lambda role: money_out.books_differ(
                notice.count, notice.key, notice.cause, paused=notice.paused, role=role
            ),
            finance=False,
        )

    def send_parked(self, to: FanOut, notice: notices.MoneyParked) -> None:
        """Tell that money moved at Stripe which cannot be booked."""
        message = money_out.parked(notice.object_id, notice.cause)
        self._recipients.send(to, lambda role: message, finance=False)

    def send_correction(self, to: FanOut, notice: UsageCorrected) -> None:
        """Tell that what a piece of work cost was lowered."""
        message = money_out.corrected(correction_facts(self._ledger, to.wallet_id, notice))
        self._recipients.send(to, lambda role: message)

    def send_credit(self, to: FanOut, notice: WalletCredited) -> None:
        """Tell a credit that whoever runs Redbar gave; money from a card is told by its payment."""
        if notice.kind in (CreditKind.PROMO, CreditKind.ADJUSTMENT_UP):
            message = money_out.credited(credit_facts(self._ledger, to.wallet_id, notice))
            self._recipients.send(to, lambda role: message)

    def send_manual_credit(self, to: FanOut, notice: notices.ManuallyCredited) -> None:
        """Tell that an operator credited a payment."""
        payment = self._lookup.payment(to.wallet_id, notice.payment_id)
        message = money_out.manual_credit(self._lookup.request(payment), payment.intent_id)
        self._recipients.send(to, lambda role: message)
