"""The rule of automatic payments: confirmed and turned on, turned off, paused and woken.

`Rules` does what people ask for, each in a transaction of its own. The functions change the rule inside the
transaction of whatever was the reason. Why a card is charged at all stands in `payments/recharge.py`.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, update

from bot.notices import RuleChanged
from bot.tables import cards, one_time_actions
from ledger import Automatic, Ledger, PolicyChanged, RechargeRule, Refused, Tx, new_id, scale_of

PENDING_LIFETIME = timedelta(hours=1)


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
        actor: str,
        expected_version: int | None,
    ) -> int:
        """Turn automatic payments on with a rule. Refuses: PolicyUnfit, PolicyChanged, NoCard."""

        def save(tx: Tx) -> int:
            rule.check(scale_of(tx.book.view(wallet_id).currency))
            _arrange_cards(tx, wallet_id, card_id=card_id, backup_id=backup_id)
            policy, version = tx.book.policy(wallet_id)
            turned_on = replace(policy, automatic=Automatic.ON, rule=rule, pause_reason="")
            after = tx.book.set_policy(wallet_id, turned_on, actor=actor, expected_version=expected_version)
            tx.outbox.add(wallet_id, RuleChanged(actor=actor, before_version=version, after_version=after))
            return after

        return self._ledger.run(save, wallet_id=wallet_id)

    def keep_pending(
        self, wallet_id: UUID, rule: RechargeRule, *, card_id: str, backup_id: str, actor: str
    ) -> str:
        """Keep a rule that somebody is about to confirm; gives its one-time action's id. Refuses: PolicyUnfit."""

        def save(tx: Tx) -> str:
            rule.check(scale_of(tx.book.view(wallet_id).currency))
            _, version = tx.book.policy(wallet_id)
            pending = PendingRule(rule=rule, card_id=card_id, backup_id=backup_id, version=version)
            one_time_action_id = new_id()
            tx.connection.execute(
                insert(one_time_actions).values(
                    wallet_id=wallet_id,
                    intent_id=one_time_action_id,
                    purpose="automatic",
                    body=msgspec.json.encode(pending).decode(),
                    actor=actor,
                    created_at=tx.now,
                    expires_at=tx.now + PENDING_LIFETIME,
                )
            )
            return str(one_time_action_id)

        return self._ledger.run(save, wallet_id=wallet_id)

    def turn_on_pending(self, wallet_id: UUID, one_time_action_id: str, *, actor: str) -> int:
        """Turn on the rule that was kept. Refuses: PolicyChanged, NoCard, as `turn_on`."""
        with self._ledger.reading() as connection:
            body = connection.execute(
                select(one_time_actions.c.body).where(
                    one_time_actions.c.wallet_id == wallet_id,
                    one_time_actions.c.intent_id == UUID(one_time_action_id),
                    one_time_actions.c.purpose == "automatic",
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

    def turn_off(self, wallet_id: UUID, *, actor: str) -> bool:
        """Turn automatic payments off; gives False when they were off already. Stopping is always safe."""

        def save(tx: Tx) -> bool:
            _, before = tx.book.policy(wallet_id)
            if not turn_off(tx, wallet_id, "", actor=actor):
                return False
            _, after = tx.book.policy(wallet_id)
            tx.outbox.add(wallet_id, RuleChanged(actor=actor, before_version=before, after_version=after))
            return True

        return self._ledger.run(save, wallet_id=wallet_id)


def pause(tx: Tx, wallet_id: UUID, reason: str) -> bool:
    """Charge nothing until a card or a payment of somebody's wakes them; says whether they were on."""
    policy, version = tx.book.policy(wallet_id)
    if policy.automatic is not Automatic.ON:
        return False
    paused = replace(policy, automatic=Automatic.PAUSED, pause_reason=reason)
    tx.book.set_policy(wallet_id, paused, actor="redbar", expected_version=version, reason=reason)
    return True


def turn_off(tx: Tx, wallet_id: UUID, reason: str, *, actor: str = "redbar") -> bool:
    """Charge nothing until somebody turns them on; says whether they were on or paused."""
    policy, version = tx.book.policy(wallet_id)
    if policy.automatic is Automatic.OFF:
        return False
    off = replace(policy, automatic=Automatic.OFF, pause_reason="")
    tx.book.set_policy(wallet_id, off, actor=actor, expected_version=version, reason=reason)
    return True


def wake(tx: Tx, wallet_id: UUID, *, actor: str) -> None:
    """Let them go on where they were paused: somebody has paid, or saved a card."""
    policy, version = tx.book.policy(wallet_id)
    if policy.automatic is Automatic.PAUSED:
        woken = replace(policy, automatic=Automatic.ON, pause_reason="")
        tx.book.set_policy(wallet_id, woken, actor=actor, expected_version=version, reason="paid")


def _arrange_cards(tx: Tx, wallet_id: UUID, *, card_id: str, backup_id: str) -> None:
    """Let one card be charged first, and another where one is named be its backup. Refuses: NoCard."""
    slots = {
        str(card): str(slot)
        for card, slot in tx.connection.execute(
            select(cards.c.card_id, cards.c.slot).where(
                cards.c.wallet_id == wallet_id, cards.c.slot != "removed"
            )
        )
    }
    if card_id not in slots:
        raise NoCard
    of_wallet = update(cards).where(cards.c.wallet_id == wallet_id)
    if slots[card_id] != "main":
        tx.connection.execute(of_wallet.where(cards.c.slot == "main").values(slot="backup"))
        tx.connection.execute(of_wallet.where(cards.c.card_id == card_id).values(slot="main"))
    if backup_id and backup_id != card_id and backup_id in slots:
        tx.connection.execute(of_wallet.where(cards.c.card_id == backup_id).values(slot="backup"))
