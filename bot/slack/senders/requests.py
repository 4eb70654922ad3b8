"""Requests to pay and to connect a card: the messages to payer and asker, and what became of the payment."""

from dataclasses import replace

from bot import notices
from bot.delivering.deliveries import FanOut
from bot.delivering.posted_messages import PaymentMessage, PostedMessages
from bot.facts import RequestFacts
from bot.payment_rows import Payment
from bot.rights import Action, Role, may
from bot.slack.client import MessageRef, SlackClient
from bot.slack.failures import FileNotReady
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.qr_codes import QrCodes
from bot.slack.senders.recipients import Recipients
from bot.slack.views import money_in
from bot.slack.views.blocks import Message
from bot.states.delivery import Side
from bot.states.payment import State, Way
from bot.wallets.people import People


class RequestSender:
    """Posts and updates the messages of payments that people were asked for."""

    def __init__(
        self,
        client: SlackClient,
        people: People,
        recipients: Recipients,
        posted: PostedMessages,
        lookup: PaymentLookup,
        qr_codes: QrCodes,
    ) -> None:
        self._client = client
        self._people = people
        self._recipients = recipients
        self._posted = posted
        self._lookup = lookup
        self._qr_codes = qr_codes

    def send_request(self, to: FanOut, notice: notices.RequestSent) -> None:
        """Post a request to its payer and to its asker."""
        payment = self._qr_codes.attach(self._lookup.payment(to.wallet_id, notice.payment_id))
        facts = self._lookup.request(payment)
        known = {one.user_id for one in self._posted.messages(to.wallet_id, payment.payment_id)}
        # Somebody who asks themselves reads one message, the payer's.
        sides = {payment.asked_by: Side.ASKER, payment.payer: Side.PAYER}
        self._recipients.each(
            to,
            [one for one in (payment.payer, payment.asked_by) if one and one not in known],
            lambda user_id: self._post_request(payment, facts, user_id, sides[user_id]),
        )

    def _post_request(self, payment: Payment, facts: RequestFacts, user_id: str, side: Side) -> None:
        role = self._people.role_shown(payment.wallet_id, user_id)
        try:
            sent = self._client.post_message(user_id, _request_message(side, facts, role))
        except FileNotReady:
            # The link works without its picture.
            sent = self._client.post_message(
                user_id, _request_message(side, replace(facts, qr_file_id=None), role)
            )
        self._posted.remember_message(
            payment.wallet_id, payment.payment_id, PaymentMessage(user_id, side, sent.channel, sent.ts)
        )

    def send_change(self, to: FanOut, notice: notices.PaymentChanged) -> None:
        """Update a request's messages to what became of the payment."""
        payment_id = notice.payment_id
        payment = self._lookup.payment(to.wallet_id, payment_id)
        if payment.way is Way.SAVED_CARD:
            return  # the listener has answered the person who pressed
        facts = self._lookup.request(payment)
        messages = self._posted.messages(to.wallet_id, payment_id)
        known = {one.user_id: one for one in messages}
        self_paid = payment.state is State.PAID and payment.way is Way.PAGE and not payment.payer
        # A person who paid on their own hosted page has no message yet that could say it worked.
        paid_alone = self_paid and payment.amount is not None and payment.asked_by not in known

        def send(user_id: str) -> None:
            role = self._recipients.role_of(to, user_id)
            if user_id in known:
                one = known[user_id]
                shown = facts if may(Action.SEE, role) else replace(facts, balance=None)
                ref = MessageRef(one.channel, one.ts)
                self._client.update_message(ref, _request_message(one.side, shown, role))
                return
            message = money_in.payment_result_message(self._lookup.result(payment), role)
            sent = self._client.post_message(user_id, message)
            kept = PaymentMessage(user_id, Side.SELF, sent.channel, sent.ts)
            self._posted.remember_message(to.wallet_id, payment_id, kept)

        # A message to somebody who paid without a request already says what became of the payment.
        changed = [one.user_id for one in messages if one.side is not Side.SELF]
        self._recipients.each(to, [*changed, *((payment.asked_by,) if paid_alone else ())], send)
        if to.first_time:
            self._qr_codes.remove(payment)

    def send_paid_twice(self, to: FanOut, notice: notices.PaidTwice) -> None:
        """Tell that one request was paid by two payments."""
        payment = self._lookup.payment(to.wallet_id, notice.payment_id)
        message = money_in.paid_twice(self._lookup.request(payment))
        self._recipients.send(to, lambda role: message)


def _request_message(side: Side, facts: RequestFacts, role: Role) -> Message:
    to_side = money_in.request_to_payer if side is Side.PAYER else money_in.request_to_asker
    return to_side(facts, role)
