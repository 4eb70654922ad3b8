"""The rule of automatic payments: confirmed and turned on, turned off, paused and woken.

`Rules` does what people ask for, each in a transaction of its own. The functions change the rule inside the
transaction of whatever was the reason. Why a card is charged at all stands in `payments/recharge.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, update

from bot.notices import CardsArranged, RuleChanged
from bot.payment_rows import forget_retries
from bot.rights import Action, Person, Tie
from bot.states.card_slot import CardSlot, arranged
from bot.states.one_time_action import ActionPurpose
from bot.tables import cards, one_time_actions
from bot.wallets.entitled import require_right, ties_to_rule
from ledger import (
    REDBAR,
    Automatic,
    Ledger,
    Pause,
    PolicyChanged,
    RechargeRule,
    Refused,
    Tx,
    new_id,
    scale_of,
)

PENDING_LIFETIME = timedelta(hours=1)


class OffCode(StrEnum):
    """Why Redbar itself turned automatic payments off."""

    DISPUTED = "disputed"  # a cardholder's bank took a payment back
    CARD_GONE = "card_gone"  # the card that is charged was removed
    APP_REMOVED = "app_removed"  # the app was removed from the workspace, so nobody there could stop them


class NoCard(Refused):
    """Automatic payments need a card."""

    def __init__(self) -> None:
        super().__init__("There is no card to charge yet. Connect one first.")


@dataclass(frozen=True, slots=True)
class PendingRule:
    """A rule that somebody is about to confirm, and the policy version that it was made from.

    It is stored as JSON under these names.
    """

    rule: RechargeRule
    card_id: str
    backup_id: str
    version: int


class Rules:
    """Changes rules as people ask, and tells of each change."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def turn_on(
        self,
        wallet_id: UUID,
        rule: RechargeRule,
        *,
        card_id: str,
        backup_id: str,
        actor: Person,
        expected_version: int | None,
    ) -> int:
        """Turn automatic payments on with a rule. Refuses: NotEntitled, PolicyUnfit, PolicyChanged, NoCard."""

        def save(tx: Tx) -> int:
            require_right(tx.connection, wallet_id, actor, Action.CHANGE_RULE)
            rule.check(scale_of(tx.book.view(wallet_id).currency))
            arrange_cards(tx, wallet_id, card_id=card_id, backup_id=backup_id, actor=actor.user_id)
            policy, version = tx.book.policy(wallet_id)
            turned_on = replace(policy, automatic=Automatic.ON, rule=rule, pause=None)
            after = tx.book.set_policy(
                wallet_id, turned_on, actor=actor.user_id, expected_version=expected_version
            )
            changed = RuleChanged(actor=actor.user_id, before_version=version, after_version=after)
            tx.outbox.add(wallet_id, changed)
            return after

        return self._ledger.run(save, wallet_id=wallet_id)

    def keep_pending(
        self, wallet_id: UUID, rule: RechargeRule, *, card_id: str, backup_id: str, actor: Person
    ) -> str:
        """Keep a rule that somebody is about to confirm; gives its one-time action's id.

        Refuses: NotEntitled, PolicyUnfit.
        """

        def save(tx: Tx) -> str:
            require_right(tx.connection, wallet_id, actor, Action.CHANGE_RULE)
            rule.check(scale_of(tx.book.view(wallet_id).currency))
            _, version = tx.book.policy(wallet_id)
            pending = PendingRule(rule=rule, card_id=card_id, backup_id=backup_id, version=version)
            one_time_action_id = new_id()
            tx.connection.execute(
                insert(one_time_actions).values(
                    wallet_id=wallet_id,
                    one_time_action_id=one_time_action_id,
                    purpose=ActionPurpose.AUTOMATIC,
                    body=msgspec.json.encode(pending).decode(),
                    actor=actor.user_id,
                    created_at=tx.now,
                    expires_at=tx.now + PENDING_LIFETIME,
                )
            )
            return str(one_time_action_id)

        return self._ledger.run(save, wallet_id=wallet_id)

    def turn_on_pending(self, wallet_id: UUID, one_time_action_id: str, *, actor: Person) -> int:
        """Turn on the rule that was kept. Refuses: NotEntitled, PolicyChanged, NoCard, as `turn_on`."""
        with self._ledger.reading() as connection:
            body = connection.execute(
                select(one_time_actions.c.body).where(
                    one_time_actions.c.wallet_id == wallet_id,
                    one_time_actions.c.one_time_action_id == UUID(one_time_action_id),
                    one_time_actions.c.purpose == ActionPurpose.AUTOMATIC,
                    one_time_actions.c.expires_at > self._ledger.now(),
                )
            ).scalar_one_or_none()
        if body is None:
            raise PolicyChanged
        pending = msgspec.json.decode(body, type=PendingRule)
        return self.turn_on(
            wallet_id,
            pending.rule,
            card_id=pending.card_id,
            backup_id=pending.backup_id,
            actor=actor,
            expected_version=pending.version,
        )

    def ties(self, wallet_id: UUID, user_id: str) -> frozenset[Tie]:
        """Say what somebody is to the rule: whether they connected a card that it may charge."""
        with self._ledger.reading() as connection:
            return ties_to_rule(connection, wallet_id, user_id)

    def turn_off(self, wallet_id: UUID, *, actor: Person) -> bool:
        """Turn automatic payments off; gives False when they were off already. Refuses: NotEntitled.

        Stopping is always safe: whoever connected a card that the rule charges may do it too.
        """

        def save(tx: Tx) -> bool:
            ties = ties_to_rule(tx.connection, wallet_id, actor.user_id)
            require_right(tx.connection, wallet_id, actor, Action.STOP_RULE, ties)
            _, before = tx.book.policy(wallet_id)
            if not turn_off(tx, wallet_id, None, actor=actor.user_id):
                return False
            _, after = tx.book.policy(wallet_id)
            changed = RuleChanged(actor=actor.user_id, before_version=before, after_version=after)
            tx.outbox.add(wallet_id, changed)
            return True

        return self._ledger.run(save, wallet_id=wallet_id)


def pause(tx: Tx, wallet_id: UUID, why: Pause) -> bool:
    """Charge nothing until a payment of somebody's, or an admin, wakes them; says whether they were on."""
    policy, version = tx.book.policy(wallet_id)
    if policy.automatic is not Automatic.ON:
        return False
    paused = replace(policy, automatic=Automatic.PAUSED, pause=why)
    tx.book.set_policy(wallet_id, paused, actor=REDBAR, expected_version=version, reason=why.code.value)
    return True


def turn_off(tx: Tx, wallet_id: UUID, why: OffCode | None, *, actor: str = REDBAR) -> bool:
    """Charge nothing until somebody turns them on; says whether they were on or paused.

    `why` is None where a person turned them off.
    """
    policy, version = tx.book.policy(wallet_id)
    if policy.automatic is Automatic.OFF:
        return False
    off = replace(policy, automatic=Automatic.OFF, pause=None)
    tx.book.set_policy(wallet_id, off, actor=actor, expected_version=version, reason=why or "")
    return True


def wake(tx: Tx, wallet_id: UUID, *, actor: str) -> None:
    """Let them go on where they were paused: somebody has paid."""
    policy, version = tx.book.policy(wallet_id)
    if policy.automatic is Automatic.PAUSED:
        woken = replace(policy, automatic=Automatic.ON, pause=None)
        tx.book.set_policy(wallet_id, woken, actor=actor, expected_version=version, reason="paid")


def arrange_cards(tx: Tx, wallet_id: UUID, *, card_id: str, backup_id: str, actor: str) -> None:
    """Let one card be charged first, and another where one is named be its backup; tell a change. Refuses: NoCard."""
    before = _slots(tx, wallet_id)
    if card_id not in before:
        raise NoCard
    after = arranged(before, main_id=card_id, backup_id=backup_id)
    if after == before:
        return
    # The main card is unique at every moment: the one that was it goes first.
    for changed in sorted(after, key=lambda one: after[one] is CardSlot.MAIN):
        if after[changed] is not before[changed]:
            its = (cards.c.wallet_id == wallet_id) & (cards.c.card_id == changed)
            tx.connection.execute(update(cards).where(its).values(slot=after[changed]))
    main_before, main_after = _in(CardSlot.MAIN, before), _in(CardSlot.MAIN, after)
    if main_before != main_after:
        forget_retries(tx, wallet_id)
    backup = CardSlot.BACKUP
    told = CardsArranged(actor, main_before, main_after, _in(backup, before), _in(backup, after))
    tx.outbox.add(wallet_id, told)


def _in(slot: CardSlot, slots: Mapping[str, CardSlot]) -> str:
    """Give the card in a slot; empty where there is none."""
    return next((card_id for card_id, its in slots.items() if its is slot), "")


def _slots(tx: Tx, wallet_id: UUID) -> dict[str, CardSlot]:
    rows = tx.connection.execute(
        select(cards.c.card_id, cards.c.slot)
        .where(cards.c.wallet_id == wallet_id, cards.c.slot != CardSlot.REMOVED)
        .order_by(cards.c.card_id)
    )
    return {str(card): CardSlot(slot) for card, slot in rows}
