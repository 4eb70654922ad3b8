"""Saved cards: connected, removed, about to expire."""

from bot import notices
from bot.delivering.deliveries import Claim
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.posting import Posting
from bot.slack.views import cards as card_views
from bot.slack.views import money_in
from bot.states.payment import Purpose
from bot.surfaces.notice_facts import card_and_automatic, removed_card_and_main, saved_card
from ledger import Ledger


class CardSender:
    """Tells what happened to a saved card."""

    def __init__(self, ledger: Ledger, posting: Posting, lookup: PaymentLookup) -> None:
        self._ledger = ledger
        self._posting = posting
        self._lookup = lookup

    def show_connected(self, claim: Claim, notice: notices.CardConnected) -> None:
        """Tell the person who asked that a card was saved. Raises: NotTold, LeaseLost."""
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        card = saved_card(self._ledger, claim.wallet_id, notice.card_id)
        if card is not None:
            facts = self._lookup.request(payment) if payment.purpose is Purpose.CONNECT else None
            self._posting.tell(claim, lambda role: money_in.connected(card, facts, role))

    def show_gone(self, claim: Claim, notice: notices.CardGone) -> None:
        """Tell that a saved card was removed. Raises: NotTold, LeaseLost."""
        card, main = removed_card_and_main(self._ledger, claim.wallet_id, notice.card_id)
        self._posting.tell(
            claim,
            lambda role: card_views.gone(
                card, actor=notice.actor, stopped=notice.stopped, main=main, role=role
            ),
        )

    def show_expiring(self, claim: Claim, notice: notices.CardExpiring) -> None:
        """Tell that a saved card expires soon. Raises: NotTold, LeaseLost."""
        card, automatic = card_and_automatic(self._ledger, claim.wallet_id, notice.card_id)
        self._posting.tell(
            claim, lambda role: card_views.expiring(card, notice.days_left, automatic=automatic, role=role)
        )
