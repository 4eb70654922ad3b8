"""Automatic payments: made, failed, waiting for a person, capped, and changes of their rule."""

from functools import partial
from uuid import UUID

from bot import notices
from bot.delivering.deliveries import Claim
from bot.delivering.posted_messages import PaymentMessage, remember_message
from bot.payment_rows import Payment
from bot.payments.cards import Cards
from bot.payments.recharge import Recharge
from bot.slack.client import MessageRef
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.posting import Posting
from bot.slack.senders.qr_codes import QrCodes
from bot.slack.views import automatic as automatic_views
from bot.slack.views import status as status_views
from bot.states.delivery import Side
from bot.states.payment import State
from bot.stripe.requests import NotMade
from bot.surfaces.notice_facts import failure_facts, rule_before_and_after, settings_change
from ledger import Ledger, Tx


class AutomaticSender:
    """Tells what automatic payments did."""

    def __init__(
        self,
        ledger: Ledger,
        posting: Posting,
        recharge: Recharge,
        cards: Cards,
        lookup: PaymentLookup,
        qr_codes: QrCodes,
    ) -> None:
        self._ledger = ledger
        self._posting = posting
        self._recharge = recharge
        self._cards = cards
        self._lookup = lookup
        self._qr_codes = qr_codes

    def show_made(self, claim: Claim, notice: notices.RechargeMade) -> None:
        """Tell that an automatic payment succeeded. Raises: NotTold, LeaseLost."""
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        message = automatic_views.recharged(self._lookup.result(payment))
        self._posting.tell(claim, lambda role: message)

    def show_failed(self, claim: Claim, notice: notices.RechargeFailed) -> None:
        """Tell that an automatic payment failed, with a link by which it can be paid instead.

        Raises: NotTold, LeaseLost.
        """
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        rescue = self._rescue(claim.wallet_id, notice.payment_id)
        with_qr = self._qr_codes.attach(rescue) if rescue is not None else None
        facts = failure_facts(self._ledger, notice, payment, with_qr)

        def keep(tx: Tx, ref: MessageRef) -> None:
            if rescue is not None:
                message = PaymentMessage(claim.recipient.slack_id, Side.PAYER, ref.channel, ref.ts)
                remember_message(tx, claim.wallet_id, rescue.payment_id, message)

        self._posting.require_there(claim)
        self._posting.post(claim, automatic_views.charge_failed(facts, self._posting.role(claim)), keep)

    def show_confirmation_due(self, claim: Claim, notice: notices.ConfirmationDue) -> None:
        """Remind that the bank waits for the cardholder; nothing is sent when it waits no longer.

        Raises: NotTold, LeaseLost.
        """
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        if payment.state is not State.WAITING:
            return
        rescue = self._rescue(claim.wallet_id, notice.payment_id)
        failed = notices.RechargeFailed(notice.payment_id, tries_left=0, next_try_at=None, paused=False)
        facts = failure_facts(self._ledger, failed, payment, rescue)
        message = automatic_views.confirmation_due(facts, notice.hours)
        self._posting.tell(claim, lambda role: message)

    def show_capped(self, claim: Claim, notice: notices.CapReached) -> None:
        """Tell that a cap blocks or lowers an automatic payment. Raises: NotTold, LeaseLost."""
        self._posting.tell(claim, partial(automatic_views.capped, notice.held))

    def show_switched(self, claim: Claim, notice: notices.ChargesSwitched) -> None:
        """Tell that the operator stopped all automatic charges, or allows them again. Raises: NotTold, LeaseLost."""
        self._posting.tell(claim, lambda role: automatic_views.charges_switched(off=notice.off, role=role))

    def show_rule_change(self, claim: Claim, notice: notices.RuleChanged) -> None:
        """Tell a change of the rule, and whose card it may charge that it may. Raises: NotTold, LeaseLost."""
        before, after = rule_before_and_after(
            self._ledger, self._recharge, claim.wallet_id, notice.before_version, notice.after_version
        )
        connectors = self._cards.connectors(claim.wallet_id)
        charged = [one for one in (after.card, after.backup) if one is not None]
        reader = claim.recipient.slack_id
        own = next((one for one in charged if connectors.get(one.card_id) == reader), None)
        self._posting.tell(
            claim,
            lambda role: automatic_views.rule_changed(notice.actor, before, after, role=role, own=own),
        )

    def show_settings_change(self, claim: Claim, notice: notices.SettingsChanged) -> None:
        """Tell which settings of the wallet changed, and that automatic payments were switched off with them.

        Raises: NotTold, LeaseLost.
        """
        facts = settings_change(self._ledger, claim.wallet_id, notice)
        self._posting.tell(claim, partial(status_views.settings_changed, facts))

    def _rescue(self, wallet_id: UUID, payment_id: UUID) -> Payment | None:
        try:
            return self._recharge.rescue(wallet_id, payment_id)
        except NotMade:
            return None  # the failure is told all the same, without a link
