"""Saved cards: connected, removed, about to expire."""

from functools import partial

from bot import notices
from bot.delivering.deliveries import FanOut
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.recipients import Recipients
from bot.slack.views import cards as card_views
from bot.slack.views import money_in
from bot.states.payment import Purpose
from bot.surfaces.notice_facts import (
    arranged_cards,
    automatic_is_on,
    card_and_automatic,
    connected_card,
    removed_card_and_main,
)
from ledger import Ledger


class CardSender:
    """Tells what happened to a saved card."""

    def __init__(self, ledger: Ledger, recipients: Recipients, lookup: PaymentLookup) -> None:
        self._ledger = ledger
        self._recipients = recipients
        self._lookup = lookup

    def send_connected(self, to: FanOut, notice: notices.CardConnected) -> None:
        """Tell that a card was saved: the person who asked for it, and the others with a role."""
        payment = self._lookup.payment(to.wallet_id, notice.payment_id)
        found = connected_card(self._ledger, to.wallet_id, notice.card_id)
        if found is None:
            return
        card, backup = found
        stoppable = automatic_is_on(self._ledger, to.wallet_id)
        facts = self._lookup.request(payment) if payment.purpose is Purpose.CONNECT else None

        def send(user_id: str) -> None:
            role = self._recipients.role_of(to, user_id)
            self._recipients.post(user_id, money_in.connected(card, facts, role))

        self._recipients.each(to, [payment.asked_by] if payment.asked_by else [], send)
        told = partial(card_views.connected, card, backup, notice.actor, stoppable=stoppable)
        self._recipients.send(to, told, but=notice.actor)

    def send_arranged(self, to: FanOut, notice: notices.CardsArranged) -> None:
        """Tell that other cards are charged from now on."""
        changes = arranged_cards(self._ledger, to.wallet_id, notice)
        stoppable = automatic_is_on(self._ledger, to.wallet_id)
        told = partial(card_views.arranged, changes, notice.actor, stoppable=stoppable)
        self._recipients.send(to, told, but=notice.actor)

    def send_gone(self, to: FanOut, notice: notices.CardGone) -> None:
        """Tell that a saved card was removed."""
        card, main = removed_card_and_main(self._ledger, to.wallet_id, notice.card_id)
        self._recipients.send(
            to,
            lambda role: card_views.gone(
                card, actor=notice.actor, stopped=notice.stopped, main=main, role=role
            ),
            but=notice.actor,
        )

    def send_expiring(self, to: FanOut, notice: notices.CardExpiring) -> None:
        """Tell that a saved card expires soon."""
        card, automatic = card_and_automatic(self._ledger, to.wallet_id, notice.card_id)
        self._recipients.send(
            to, lambda role: card_views.expiring(card, notice.days_left, automatic=automatic, role=role)
        )
