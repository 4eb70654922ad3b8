"""Saved cards: connected, removed, about to expire."""

from functools import partial

from bot import notices
from bot.delivering.deliveries import Claim
from bot.rights import Action, may
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.posting import Posting
from bot.slack.views import cards as card_views
from bot.slack.views import money_in
from bot.states.payment import Purpose
from bot.surfaces.notice_facts import (
    arranged_cards,
    automatic_is_on,
    card_and_automatic,
    connected_card,
    own_card,
    removed_card_and_main,
)
from ledger import Ledger


class CardSender:
    """Tells what happened to a saved card."""

    def __init__(self, ledger: Ledger, posting: Posting, lookup: PaymentLookup) -> None:
        self._ledger = ledger
        self._posting = posting
        self._lookup = lookup

    def show_connected(self, claim: Claim, notice: notices.CardConnected) -> None:
        """Tell that a card was saved: whoever asked for it, and the others with a role. Raises: NotTold, LeaseLost."""
        payment = self._lookup.payment(claim.wallet_id, notice.payment_id)
        found = connected_card(self._ledger, claim.wallet_id, notice.card_id)
        if found is None:
            return
        card, main = found
        if claim.recipient.slack_id == payment.asked_by:
            facts = self._lookup.request(payment) if payment.purpose is Purpose.CONNECT else None
            self._posting.tell(claim, lambda role: money_in.connected(card, main, facts, role))
            return
        stoppable = automatic_is_on(self._ledger, claim.wallet_id)
        self._posting.tell(
            claim, partial(card_views.connected, card, main, notice.actor, stoppable=stoppable)
        )

    def show_arranged(self, claim: Claim, notice: notices.CardsArranged) -> None:
        """Tell that other cards are charged from now on. Raises: NotTold, LeaseLost.

        Who connected one of them and has no role reads of their own card alone, where a rule uses it.
        """
        stoppable = automatic_is_on(self._ledger, claim.wallet_id)
        if not may(Action.SEE, self._posting.role(claim)):
            own = own_card(self._ledger, claim.wallet_id, notice.main_after, claim.recipient.slack_id)
            if own is not None and stoppable:
                self._posting.tell(claim, partial(card_views.own_card_chosen, own))
            return
        changes = arranged_cards(self._ledger, claim.wallet_id, notice)
        self._posting.tell(claim, partial(card_views.arranged, changes, notice.actor, stoppable=stoppable))

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
