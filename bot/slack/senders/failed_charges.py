"""Automatic payments that failed: each is one message for each recipient, updated in place until it has ended.

An update notifies nobody. What people wait for is a line in the message's thread besides, shown in the conversation;
the message's row keeps which of them was posted last, so that each is posted once.
"""

from dataclasses import replace
from uuid import UUID

from bot import notices
from bot.delivering.deliveries import Claim
from bot.delivering.posted_messages import PaymentMessage, PostedMessages, remember_message
from bot.facts import FailureFacts
from bot.payment_rows import Payment
from bot.ports import MessageGone
from bot.rights import Action, may
from bot.slack.client import MessageRef
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.posting import Posting
from bot.slack.senders.qr_codes import QrCodes
from bot.slack.views import failed_charges, money_in
from bot.slack.views.blocks import Message
from bot.states.delivery import Side
from bot.states.recharge import AWAITED, OVER, RechargePhase
from bot.surfaces.failed_charges import failure_facts, open_link
from ledger import Ledger, Tx


class FailedChargeSender:
    """Posts and updates the messages of automatic payments that failed."""

    def __init__(
        self,
        ledger: Ledger,
        posting: Posting,
        posted: PostedMessages,
        lookup: PaymentLookup,
        qr_codes: QrCodes,
    ) -> None:
        self._ledger = ledger
        self._posting = posting
        self._posted = posted
        self._lookup = lookup
        self._qr_codes = qr_codes

    def show(
        self,
        claim: Claim,
        notice: notices.RechargeFailed | notices.RechargeChanged | notices.ConfirmationDue,
    ) -> None:
        """Show one recipient how a failed automatic payment stands now. Raises: NotTold, LeaseLost."""
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        link = open_link(self._ledger, claim.wallet_id, payment.recharge_id)
        if link is not None:
            self._qr_codes.attach(link)
        facts = self._facts(claim, payment)
        messages = self._posted.messages(claim.wallet_id, UUID(payment.recharge_id))
        message = next((one for one in messages if one.user_id == claim.recipient.slack_id), None)
        if message is not None:
            try:
                self._update(claim, payment, message, facts)
            except MessageGone:
                pass  # it is told anew
            else:
                return
        elif facts.phase in OVER and facts.phase is not RechargePhase.PAID:
            return  # it was over before its reader saw it, and asks nothing of them
        self._posting.require_there(claim)
        self._post(claim, payment, facts)

    def show_paid_twice(self, claim: Claim, notice: notices.PaidTwice) -> None:
        """Tell that a request was paid twice, or a recharge although it had ended. Raises: NotTold, LeaseLost."""
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        if payment.is_of_recharge:
            message = failed_charges.paid_twice(self._facts(claim, payment))
        else:
            message = money_in.paid_twice(self._lookup.request(payment))
        self._posting.tell(claim, lambda role: message)

    def _facts(self, claim: Claim, payment: Payment) -> FailureFacts:
        facts = failure_facts(self._ledger, claim.wallet_id, payment.recharge_id)
        is_shown = may(Action.SEE, self._posting.role(claim))
        return facts if is_shown else replace(facts, balance=None)

    def _update(self, claim: Claim, payment: Payment, message: PaymentMessage, facts: FailureFacts) -> None:
        ref = self._posting.update(
            claim, MessageRef(message.channel, message.ts), self._message(claim, facts)
        )
        message = replace(message, picture=ref.picture(_picture(facts)))
        said = _said(facts)
        if facts.phase not in AWAITED or said == message.said:
            claim.done(lambda tx: _remember(tx, claim, payment, message))
            return
        now = replace(message, said=said)
        self._posting.reply(
            claim,
            ref,
            failed_charges.news_of_charge(facts),
            broadcast=True,
            keep=lambda tx, line: _remember(tx, claim, payment, now),
        )

    def _post(self, claim: Claim, payment: Payment, facts: FailureFacts) -> None:
        def keep(tx: Tx, ref: MessageRef) -> None:
            posted = PaymentMessage(
                claim.recipient.slack_id,
                Side.PAYER,
                ref.channel,
                ref.ts,
                _said(facts),
                ref.picture(_picture(facts)),
            )
            _remember(tx, claim, payment, posted)

        self._posting.post(claim, self._message(claim, facts), keep)

    def _message(self, claim: Claim, facts: FailureFacts) -> Message:
        return failed_charges.charge_failed(facts, self._posting.role(claim))


def _remember(tx: Tx, claim: Claim, payment: Payment, message: PaymentMessage) -> None:
    remember_message(tx, claim.wallet_id, UUID(payment.recharge_id), message)


def _said(facts: FailureFacts) -> str:
    """Name what a message says that its reader is notified of: the phase, and each reminder in it."""
    return f"{facts.phase}:{facts.waited_hours}" if facts.waited_hours else str(facts.phase)


def _picture(facts: FailureFacts) -> str:
    return (facts.pay.qr_file_id or "") if facts.pay is not None else ""
