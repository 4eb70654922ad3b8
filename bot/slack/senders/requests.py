"""Requests to pay and to connect a card: the messages to payer and asker, and what became of the payment."""

from dataclasses import replace

from bot import notices
from bot.delivering.deliveries import Claim
from bot.delivering.posted_messages import PaymentMessage, PostedMessages, remember_message
from bot.facts import RequestFacts, RequestState
from bot.payment_rows import Payment
from bot.ports import MessageGone
from bot.rights import Action, Role, may
from bot.slack.client import MessageRef
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.posting import Posting
from bot.slack.senders.qr_codes import QrCodes
from bot.slack.views import money_in
from bot.slack.views.blocks import Message
from bot.states.delivery import Side
from bot.states.payment import OPEN, State
from ledger import Tx


class RequestSender:
    """Posts and updates the messages of payments that people were asked for."""

    def __init__(
        self, posting: Posting, posted: PostedMessages, lookup: PaymentLookup, qr_codes: QrCodes
    ) -> None:
        self._posting = posting
        self._posted = posted
        self._lookup = lookup
        self._qr_codes = qr_codes

    def show(self, claim: Claim, notice: notices.RequestSent | notices.PaymentChanged) -> None:
        """Show payer or asker how their request stands now. Raises: NotTold, LeaseLost."""
        user_id = claim.recipient.slack_id
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        messages = self._posted.messages(claim.wallet_id, notice.payment_id)
        message = next((one for one in messages if one.user_id == user_id), None)
        side = message.side if message is not None else _side(payment, user_id)
        if side is Side.SELF:
            if message is None and payment.state is State.PAID:
                self._tell_result(claim, payment)
        elif message is not None or payment.state in OPEN or payment.state is State.PAID:
            # A request that is over before its reader saw it asks nothing of them, unless it was paid.
            self._show(claim, self._qr_codes.attach(payment), side, message)

    def show_outcome(self, claim: Claim, notice: notices.OutcomeKnown) -> None:
        """Tell who read that an outcome is not known yet what became of the charge. Raises: NotTold, LeaseLost."""
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        facts, zone = self._lookup.result(payment), self._lookup.zone(claim.wallet_id)
        self._posting.tell(claim, lambda role: money_in.outcome_known(facts, notice.at, zone, role))

    def _tell_result(self, claim: Claim, payment: Payment) -> None:
        """Tell somebody who paid on a hosted page of their own, and has no message yet, that it worked."""
        self._posting.require_there(claim)
        result = money_in.payment_result_message(self._lookup.result(payment), self._posting.role(claim))
        self._post(claim, payment, Side.SELF, result)

    def _show(self, claim: Claim, payment: Payment, side: Side, message: PaymentMessage | None) -> None:
        role = self._posting.role(claim)
        facts = self._lookup.request(payment)
        if not may(Action.SEE, role):
            facts = replace(facts, balance=None)
        if message is not None:
            try:
                self._update(claim, payment, message, facts, role)
            except MessageGone:
                pass  # it is told anew
            else:
                return
        if side is Side.ASKER and facts.state is RequestState.CONNECTED:
            return  # the connected card has a message of its own
        self._posting.require_there(claim)
        self._post(claim, payment, side, _request_message(side, facts, role))

    def _update(
        self, claim: Claim, payment: Payment, message: PaymentMessage, facts: RequestFacts, role: Role
    ) -> None:
        """Update a message; that their request was paid, the asker reads in a new line: an update notifies nobody.

        A connected card is told by a message of its own.
        """
        ref = self._posting.update(
            claim, MessageRef(message.channel, message.ts), _request_message(message.side, facts, role)
        )
        is_news = facts.state is RequestState.PAID and message.side is Side.ASKER
        said = facts.state if is_news else message.said
        now = replace(message, said=said, picture=ref.picture(payment.qr_file_id))

        def save(tx: Tx) -> None:
            remember_message(tx, claim.wallet_id, payment.payment_id, now)

        if now.said == message.said:
            claim.done(save)
        else:
            self._posting.reply(
                claim, ref, money_in.paid_news(facts), broadcast=True, keep=lambda tx, line: save(tx)
            )

    def _post(self, claim: Claim, payment: Payment, side: Side, message: Message) -> None:
        def keep(tx: Tx, ref: MessageRef) -> None:
            said = RequestState.PAID if payment.state is State.PAID else ""
            picture = ref.picture(payment.qr_file_id)
            posted = PaymentMessage(claim.recipient.slack_id, side, ref.channel, ref.ts, said, picture)
            remember_message(tx, claim.wallet_id, payment.payment_id, posted)

        self._posting.post(claim, message, keep)


def _side(payment: Payment, user_id: str) -> Side:
    """Say what somebody without a message is to a payment; who asks themselves reads the payer's message."""
    if user_id == payment.payer:
        return Side.PAYER
    return Side.ASKER if payment.payer else Side.SELF


def _request_message(side: Side, facts: RequestFacts, role: Role) -> Message:
    to_side = money_in.request_to_payer if side is Side.PAYER else money_in.request_to_asker
    return to_side(facts, role)
