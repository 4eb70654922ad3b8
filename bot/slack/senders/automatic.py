"""Automatic payments: made, failed, waiting for a person, capped, and changes of their rule."""

from functools import partial
from uuid import UUID

from bot import notices
from bot.delivering.deliveries import FanOut
from bot.delivering.posted_messages import PaymentMessage, PostedMessages
from bot.payment_rows import Payment
from bot.payments.cards import Cards
from bot.payments.recharge import Recharge
from bot.slack.client import SlackClient
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.qr_codes import QrCodes
from bot.slack.senders.recipients import Recipients
from bot.slack.views import automatic as automatic_views
from bot.slack.views import status as status_views
from bot.states.delivery import Side
from bot.states.payment import State
from bot.stripe.requests import NotMade
from bot.surfaces.notice_facts import failure_facts, rule_before_and_after, settings_change
from ledger import Ledger


class AutomaticSender:
    """Tells what automatic payments did."""

    def __init__(
        self,
        ledger: Ledger,
        client: SlackClient,
        recipients: Recipients,
        recharge: Recharge,
        cards: Cards,
        posted: PostedMessages,
        lookup: PaymentLookup,
        qr_codes: QrCodes,
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._recipients = recipients
        self._recharge = recharge
        self._cards = cards
        self._posted = posted
        self._lookup = lookup
        self._qr_codes = qr_codes

    def send_made(self, to: FanOut, notice: notices.RechargeMade) -> None:
        """Tell that an automatic payment succeeded."""
        payment = self._lookup.payment(to.wallet_id, notice.payment_id)
        message = automatic_views.recharged(self._lookup.result(payment))
        self._recipients.send(to, lambda role: message, finance=False)

    def send_failed(self, to: FanOut, notice: notices.RechargeFailed) -> None:
        """Tell that an automatic payment failed, with a link by which it can be paid instead."""
        payment = self._lookup.payment(to.wallet_id, notice.payment_id)
        rescue = self._rescue(to.wallet_id, notice.payment_id)
        with_qr = self._qr_codes.attach(rescue) if rescue is not None else None
        facts = failure_facts(self._ledger, notice, payment, with_qr)

        def send(user_id: str) -> None:
            role = self._recipients.role_of(to, user_id)
            sent = self._client.post_message(user_id, automatic_views.charge_failed(facts, role))
            if rescue is not None:
                message = PaymentMessage(user_id, Side.PAYER, sent.channel, sent.ts)
                self._posted.remember_message(to.wallet_id, rescue.payment_id, message)

        self._recipients.with_role(to, send)

    def send_confirmation_due(self, to: FanOut, notice: notices.ConfirmationDue) -> None:
        """Remind that the bank waits for the cardholder; nothing is sent when it waits no longer."""
        payment = self._lookup.payment(to.wallet_id, notice.payment_id)
        if payment.state is not State.WAITING:
            return
        rescue = self._rescue(to.wallet_id, notice.payment_id)
        failed = notices.RechargeFailed(notice.payment_id, tries_left=0, next_try_at=None, paused=False)
        facts = failure_facts(self._ledger, failed, payment, rescue)
        message = automatic_views.confirmation_due(facts, notice.hours)
        self._recipients.send(to, lambda role: message)

    def send_capped(self, to: FanOut, notice: notices.CapReached) -> None:
        """Tell that a cap blocks or lowers an automatic payment."""
        self._recipients.send(to, partial(automatic_views.capped, notice.held))

    def send_switched(self, to: FanOut, notice: notices.ChargesSwitched) -> None:
        """Tell that the operator stopped all automatic charges, or allows them again."""
        self._recipients.send(to, lambda role: automatic_views.charges_switched(off=notice.off, role=role))

    def send_rule_change(self, to: FanOut, notice: notices.RuleChanged) -> None:
        """Tell a change of the rule to people with a role and to those whose card is saved, but not to its author."""
        before, after = rule_before_and_after(
            self._ledger, self._recharge, to.wallet_id, notice.before_version, notice.after_version
        )
        connectors = self._cards.connectors(to.wallet_id)

        def send(user_id: str) -> None:
            charged = [one for one in (after.card, after.backup) if one is not None]
            own = next((one for one in charged if connectors.get(one.card_id) == user_id), None)
            role = self._recipients.role_of(to, user_id)
            message = automatic_views.rule_changed(notice.actor, before, after, role=role, own=own)
            self._client.post_message(user_id, message)

        self._recipients.with_role(to, send, but=[notice.actor])
        self._recipients.each(to, [one for one in connectors.values() if one != notice.actor], send)

    def send_settings_change(self, to: FanOut, notice: notices.SettingsChanged) -> None:
        """Tell which settings of the wallet changed, and that automatic payments were switched off with them."""
        facts = settings_change(self._ledger, to.wallet_id, notice)
        self._recipients.send(to, partial(status_views.settings_changed, facts))

    def _rescue(self, wallet_id: UUID, payment_id: UUID) -> Payment | None:
        try:
            return self._recharge.rescue(wallet_id, payment_id)
        except NotMade:
            return None  # the failure is told all the same, without a link
