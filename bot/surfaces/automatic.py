"""Automatic payments as people are shown them: the rule, the cards, and why no charge is made now."""

from uuid import UUID

from sqlalchemy import Connection, select

from bot.causes import BlockFacts, PauseFacts
from bot.facts import AutomaticConfirmFacts, AutomaticFacts, AutomaticFormFacts, CardFacts, OwnCardsFacts
from bot.payments.recharge import Recharge
from bot.payments.saved_cards import card_words
from bot.states.card_slot import CardSlot
from bot.stripe.declines import cause_of
from bot.surfaces.figures import charged_at_once, suggested_rule
from bot.surfaces.rehearsal import first_day, rehearsed
from bot.surfaces.snapshot import Snapshot
from bot.tables import cards
from bot.wallets.rules import NoCard
from ledger import (
    Automatic,
    Ledger,
    Pause,
    PauseCode,
    RechargeDecision,
    RechargeRule,
    WalletPolicy,
    charge_bounds,
    hours_of,
    threshold_min_micros,
)


def automatic_facts(snapshot: Snapshot, recharge: Recharge) -> AutomaticFacts:
    """Say the rule, the cards, and in a sentence why no charge is made now."""
    view, policy = snapshot.view, snapshot.policy
    by_slot = card_facts(snapshot.connection, snapshot.wallet_id)
    outlook = recharge.outlook(snapshot.connection, view, policy, snapshot.now)
    return AutomaticFacts(
        state=policy.automatic,
        rule=policy.rule,
        currency=view.currency,
        card=by_slot.get(CardSlot.MAIN),
        backup=by_slot.get(CardSlot.BACKUP),
        charges_today=outlook.charges_today,
        pause=pause_facts(snapshot.connection, snapshot.wallet_id, policy.pause),
        block=block_facts(outlook.decision, view.zone, policy),
    )


def block_facts(decision: RechargeDecision, zone: str, policy: WalletPolicy) -> BlockFacts | None:
    """Say why no charge is made now."""
    if decision.block is None:
        return None
    return BlockFacts(
        code=decision.block,
        until=decision.until,
        zone=zone,
        spacing=policy.rule.spacing if policy.rule is not None else policy.recharge_spacing,
        unused_after=policy.unused_after,
    )


def pause_facts(connection: Connection, wallet_id: UUID, pause: Pause | None) -> PauseFacts | None:
    """Say why automatic payments wait, with the card named as people read it."""
    if pause is None:
        return None
    declined = pause.code is PauseCode.DECLINED
    return PauseFacts(
        code=pause.code,
        card=card_words(connection, wallet_id, pause.card_id) if pause.card_id else "",
        decline=cause_of(pause.decline) if declined else None,
        text=pause.text,
    )


def card_facts(connection: Connection, wallet_id: UUID) -> dict[CardSlot, CardFacts]:
    """Give the cards that may be charged by slot."""
    found = cards_in_use(connection, wallet_id)
    return {CardSlot.BACKUP if one.backup else CardSlot.MAIN: one for one in found if not one.spare}


def cards_in_use(connection: Connection, wallet_id: UUID) -> list[CardFacts]:
    """Give the usable cards: the main one first, then the backup, then the spare ones as they were saved."""
    rows = connection.execute(
        select(cards)
        .where(cards.c.wallet_id == wallet_id, cards.c.slot != CardSlot.REMOVED)
        .order_by(cards.c.connected_at)
    ).all()
    order = (CardSlot.MAIN, CardSlot.BACKUP, CardSlot.SPARE)
    return [
        CardFacts(
            card_id=row.card_id,
            brand=row.brand,
            last4=row.last4,
            exp_month=row.exp_month,
            exp_year=row.exp_year,
            backup=row.slot == CardSlot.BACKUP,
            spare=row.slot == CardSlot.SPARE,
        )
        for row in sorted(rows, key=lambda one: order.index(CardSlot(one.slot)))
    ]


def own_cards(snapshot: Snapshot, user_id: str) -> OwnCardsFacts:
    """Give the cards in use that somebody connected."""
    found = snapshot.connection.execute(
        select(cards.c.card_id).where(
            cards.c.wallet_id == snapshot.wallet_id,
            cards.c.slot != CardSlot.REMOVED,
            cards.c.connected_by == user_id,
        )
    ).scalars()
    own = {str(one) for one in found} if user_id else set()
    usable = cards_in_use(snapshot.connection, snapshot.wallet_id)
    mine = tuple(one for one in usable if one.card_id in own)
    charged = any(not one.spare for one in mine)
    return OwnCardsFacts(mine, charged and snapshot.policy.automatic is not Automatic.OFF)


def usable_cards(ledger: Ledger, wallet_id: UUID) -> list[CardFacts]:
    """Give the usable cards, the one that is charged first."""
    with ledger.reading() as connection:
        return cards_in_use(connection, wallet_id)


def card_with_id(connection: Connection, wallet_id: UUID, card_id: str) -> CardFacts | None:
    """Give one usable card; None where it is there no longer."""
    usable = cards_in_use(connection, wallet_id)
    return next((one for one in usable if one.card_id == card_id), None)


def chosen_card(snapshot: Snapshot, card_id: str) -> tuple[CardFacts, Automatic]:
    """Give a card that was chosen to be charged, and whether a rule uses it. Refuses: NoCard."""
    card = card_with_id(snapshot.connection, snapshot.wallet_id, card_id)
    if card is None:
        raise NoCard  # removed a moment ago
    return card, snapshot.policy.automatic


def automatic_form(snapshot: Snapshot, recharge: Recharge) -> AutomaticFormFacts:
    """Give what the form of automatic payments starts from."""
    least, most = charge_bounds(snapshot.scale)
    return AutomaticFormFacts(
        currency=snapshot.view.currency,
        current=automatic_facts(snapshot, recharge),
        suggested=suggested_rule(snapshot.burn, snapshot.now, snapshot.zone, snapshot.policy, snapshot.scale),
        cards=tuple(cards_in_use(snapshot.connection, snapshot.wallet_id)),
        threshold_min=snapshot.money(threshold_min_micros(snapshot.scale)),
        charge_min=snapshot.money(least),
        charge_max=snapshot.money(most),
        rounded_to=snapshot.money(snapshot.scale.up(1)),
    )


def automatic_confirm(
    snapshot: Snapshot, rule: RechargeRule, card_id: str, one_time_action_id: str
) -> AutomaticConfirmFacts:
    """Give what turning a rule on means. Refuses: PolicyUnfit, NoCard."""
    rule.check(snapshot.scale)
    connection, wallet_id, view = snapshot.connection, snapshot.wallet_id, snapshot.view
    card = card_with_id(connection, wallet_id, card_id)
    if card is None:
        raise NoCard
    sums = hours_of(connection, wallet_id, first_day(snapshot.now, view.zone))
    at_once = charged_at_once(rule, view, snapshot.now)
    return AutomaticConfirmFacts(
        one_time_action_id=one_time_action_id,
        rule=rule,
        currency=view.currency,
        card=card,
        rehearsal=rehearsed(sums, snapshot.money(view.balance_micros), rule, view.zone),
        charges_now=snapshot.money(at_once) if at_once is not None else None,
    )
