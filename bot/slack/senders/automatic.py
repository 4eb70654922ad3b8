"""Automatic payments: made, capped, stopped by the operator, and changes of their rule and of the settings."""

from functools import partial

from bot import notices
from bot.delivering.deliveries import Claim
from bot.payments.cards import Cards
from bot.payments.recharge import Recharge
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.posting import Posting
from bot.slack.views import automatic as automatic_views
from bot.slack.views import status as status_views
from bot.surfaces.notice_facts import rule_before_and_after, settings_change
from ledger import Ledger


class AutomaticSender:
    """Tells what automatic payments did."""

    def __init__(
        self,
        ledger: Ledger,
        posting: Posting,
        recharge: Recharge,
        cards: Cards,
        lookup: PaymentLookup,
    ) -> None:
        self._ledger = ledger
        self._posting = posting
        self._recharge = recharge
        self._cards = cards
        self._lookup = lookup

    def show_made(self, claim: Claim, notice: notices.RechargeMade) -> None:
        """Tell that an automatic payment succeeded. Raises: NotTold, LeaseLost."""
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        message = automatic_views.recharged(self._lookup.result(payment))
        self._posting.tell(claim, lambda role: message)

    def show_caps(self, claim: Claim, notice: notices.CapReached | notices.CapNear) -> None:
        """Tell that a cap blocks or lowers an automatic payment, or will soon. Raises: NotTold, LeaseLost."""
        if isinstance(notice, notices.CapNear):
            self._posting.tell(claim, partial(automatic_views.cap_near, notice.window))
        else:
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
