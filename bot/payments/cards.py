"""Saved cards after they were saved: changed by their bank, gone, soon to expire, removed by somebody.

What is kept of a card is what people may see of it. Stripe says what became of it; the date on it has no event and is
looked at here. A card that is gone takes automatic payments with it: nobody agreed to another one being charged.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import select, update

from bot.due_work import BotDue, DueWork
from bot.notices import CardExpiring, CardGone
from bot.payments.recharge_end import say_changed
from bot.payments.sending import RequestSender
from bot.payments.settlement import NotServed
from bot.ports import CardSeen, Ok, PaymentGateway, Rejected
from bot.rights import Action, Person, Tie
from bot.served import Served
from bot.states.card_slot import NEXT, CardEvent, CardSlot
from bot.states.stripe_request import Operation
from bot.stripe import requests as stripe_requests
from bot.stripe.requests import StripeRequest
from bot.tables import cards
from bot.wallets import rules
from bot.wallets.entitled import require_right, ties_to_card, ties_to_cards
from bot.wallets.named_values import remember_once
from bot.wallets.rules import NoCard, OffCode
from ledger import REDBAR, Ledger, Tx

WARN_DAYS = (30, 7, 1)
"""How many days before a card's last day people are told."""


class Cards:
    """Follows saved cards."""

    def __init__(
        self, ledger: Ledger, gateway: PaymentGateway, sender: RequestSender, served: Served
    ) -> None:
        self._ledger = ledger
        self._served = served
        self._due = DueWork(ledger, served)
        self._gateway = gateway
        self._sender = sender

    def sync(self, card_id: str) -> bool:
        """Look at a card and keep what changed; False when outside could not be asked. Raises: NotServed."""
        with self._ledger.reading() as connection:
            owners = connection.execute(
                select(cards.c.wallet_id)
                .where(cards.c.card_id == card_id, cards.c.slot != CardSlot.REMOVED)
                .execution_options(cross_shard=True)
            ).scalars()
            found = owners.all()
            wallet_ids = [one for one in found if not self._served.is_others(connection, one)]
        if not wallet_ids:
            if found:
                raise NotServed(found[0])
            return True
        answer = self._gateway.card(card_id)
        if not isinstance(answer, Ok | Rejected):
            return False
        seen = answer.seen if isinstance(answer, Ok) else None
        for wallet_id in wallet_ids:
            if seen is None or not seen.attached:
                gone = partial(_take_out, wallet_id=wallet_id, card_id=card_id, actor="")
                self._ledger.run(gone, wallet_id=wallet_id)
            else:
                card = seen.card
                changed = partial(_refresh, wallet_id=wallet_id, card=card)
                self._ledger.run(changed, wallet_id=wallet_id)
        return True

    def remove(self, wallet_id: UUID, card_id: str, *, actor: Person) -> None:
        """Take a card out for good, here and outside. Refuses: NotEntitled, NoCard."""

        def save(tx: Tx) -> StripeRequest:
            ties = ties_to_card(tx.connection, wallet_id, actor.user_id, card_id)
            require_right(tx.connection, wallet_id, actor, Action.REMOVE_CARD, ties)
            if not _take_out(tx, wallet_id=wallet_id, card_id=card_id, actor=actor.user_id):
                raise NoCard
            tx.book.audit(wallet_id, actor.user_id, "card_removed", {"card_id": card_id}, {})
            return stripe_requests.intend(
                tx, wallet_id, Operation.DETACH, {}, payment_id=None, object_id=card_id
            )

        self._sender.send_all(self._ledger.run(save, wallet_id=wallet_id))

    def charge_from_now_on(self, wallet_id: UUID, card_id: str, *, actor: Person) -> None:
        """Let an admin choose the card that is charged; it wakes no rule. Refuses: NotEntitled, NoCard."""

        def save(tx: Tx) -> None:
            require_right(tx.connection, wallet_id, actor, Action.CHANGE_RULE)
            rules.arrange_cards(tx, wallet_id, card_id=card_id, backup_id="", actor=actor.user_id)
            say_changed(tx, wallet_id)  # its message says when, and on which card, the next try is
            tx.book.audit(wallet_id, actor.user_id, "card_chosen", {"card_id": card_id}, {})

        self._ledger.run(save, wallet_id=wallet_id)

    def ties_to(self, wallet_id: UUID, user_id: str, card_id: str) -> frozenset[Tie]:
        """Say what somebody is to a card in use."""
        with self._ledger.reading() as connection:
            return ties_to_card(connection, wallet_id, user_id, card_id)

    def ties_to_any(self, wallet_id: UUID, user_id: str) -> frozenset[Tie]:
        """Say what somebody is to the cards in use, whichever it is."""
        with self._ledger.reading() as connection:
            return ties_to_cards(connection, wallet_id, user_id)

    def connectors(self, wallet_id: UUID) -> dict[str, str]:
        """Give who connected each card in use: user ids by card id."""
        with self._ledger.reading() as connection:
            rows = connection.execute(
                select(cards.c.card_id, cards.c.connected_by).where(
                    cards.c.wallet_id == wallet_id, cards.c.slot != CardSlot.REMOVED
                )
            )
            return {str(card): str(user) for card, user in rows if user}

    def look_ahead(self, now: datetime) -> None:
        """Tell of cards that expire soon: thirty days before, seven, and one, each once."""
        self._due.each_in_one(BotDue.CARDS, _look_ahead)


def last_day(year: int, month: int) -> date:
    """Give the last day of a card: the end of the month that is printed on it."""
    first_after = date(year + (month == 12), month % 12 + 1, 1)
    return first_after - timedelta(days=1)


def due_warning(days_left: int) -> int | None:
    """Say which of the warnings is due, by its days; the latest one that applies. Pure."""
    if days_left < 0:
        return None
    return min((one for one in WARN_DAYS if days_left <= one), default=None)


def next_warning(days_left: int) -> int | None:
    """Say after how many days the next warning is due; None after the last. Pure."""
    return min((days_left - one for one in WARN_DAYS if one < days_left), default=None)


def _look_ahead(tx: Tx, wallet_id: UUID) -> None:
    """Tell of the wallet's cards that expire soon, and schedule the next look."""
    rows = tx.connection.execute(
        select(cards.c.card_id, cards.c.exp_month, cards.c.exp_year).where(
            cards.c.wallet_id == wallet_id, cards.c.slot != CardSlot.REMOVED
        )
    ).all()
    today, waits = tx.now.date(), []
    for row in rows:
        # Judged by UTC: a card's last day lasts longer than any zone's.
        left = (last_day(row.exp_year, row.exp_month) - today).days
        due, wait = due_warning(left), next_warning(left)
        if due is not None and remember_once(
            tx, wallet_id, f"expiring:{row.card_id}:{row.exp_year}-{row.exp_month}:{due}"
        ):
            tx.outbox.add(wallet_id, CardExpiring(card_id=row.card_id, days_left=left))
        waits += [wait] if wait is not None else []
    at = datetime.combine(today + timedelta(days=min(waits)), time(), UTC) if waits else None
    tx.schedule.set(wallet_id, BotDue.CARDS, at)


def _take_out(tx: Tx, *, wallet_id: UUID, card_id: str, actor: str) -> bool:
    """Take a card out of use; says whether it was in use."""
    rows = tx.connection.execute(
        select(cards.c.card_id, cards.c.slot)
        .where(cards.c.wallet_id == wallet_id, cards.c.slot != CardSlot.REMOVED)
        .order_by(cards.c.connected_at)
    ).all()
    slots = {str(row.card_id): CardSlot(row.slot) for row in rows}
    if card_id not in slots:
        return False
    of_wallet = update(cards).where(cards.c.wallet_id == wallet_id)
    before = slots[card_id]
    taken_out = NEXT.after(before, CardEvent.TAKEN_OUT)
    tx.connection.execute(of_wallet.where(cards.c.card_id == card_id).values(slot=taken_out))
    stopped = False
    if before is CardSlot.MAIN:
        # The next card is what people can charge by hand now; no rule charges it unless an admin says so.
        left = [
            one for slot in (CardSlot.BACKUP, CardSlot.SPARE) for one, its in slots.items() if its is slot
        ]
        for heir in left[:1]:
            left_alone = NEXT.after(slots[heir], CardEvent.LEFT_ALONE)
            tx.connection.execute(of_wallet.where(cards.c.card_id == heir).values(slot=left_alone))
        stopped = rules.turn_off(tx, wallet_id, OffCode.CARD_GONE, actor=actor or REDBAR)
    tx.outbox.add(wallet_id, CardGone(card_id=card_id, actor=actor, stopped=stopped))
    return True


def _refresh(tx: Tx, *, wallet_id: UUID, card: CardSeen) -> None:
    tx.connection.execute(
        update(cards)
        .where(cards.c.wallet_id == wallet_id, cards.c.card_id == card.card_id)
        .values(
            brand=card.brand,
            last4=card.last4,
            exp_month=card.exp_month,
            exp_year=card.exp_year,
            fingerprint=card.fingerprint,
        )
    )
    tx.schedule.set(wallet_id, BotDue.CARDS, tx.now)
