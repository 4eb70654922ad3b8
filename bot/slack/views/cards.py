"""What became of a saved card, in words, and the button that removes one. Pure."""

from collections.abc import Sequence

from bot.facts import CardFacts, OwnCardsFacts
from bot.rights import Role, Tie
from bot.slack.ids import Act, Form
from bot.slack.views.blocks import (
    RED,
    Block,
    Message,
    View,
    actions_for,
    barred,
    button,
    confirm,
    modal,
    permitted,
    section,
)
from bot.slack.views.text import spoken
from bot.states.card_slot import CardSlot
from ledger import Automatic


def remove_button(card: CardFacts, text: str = "Remove card") -> Block:
    """Give the button that takes a card out for good, which asks first."""
    sure = confirm(
        f"Remove {card}?",
        "It can't be charged any more, here or at Stripe. Automatic payments that use it are turned off.",
        "Remove",
        "Keep it",
        style="danger",
    )
    return button(text, Act.REMOVE_CARD, value=card.card_id, confirm=sure, label=f"Remove {card}")


def choose_buttons(card: CardFacts, main: CardFacts | None) -> list[Block]:
    """Give the button that has a card charged from now on, which asks first; none for the card that is charged."""
    if card.is_main:
        return []
    before = f" instead of {main}" if main is not None else ""
    sure = confirm(
        f"Charge {card} from now on?",
        f"It is charged{before}, by people and by automatic payments where they are on. Nothing is charged now.",
        "Charge it from now on",
    )
    text = "Charge it from now on"
    return [
        button(
            text, Act.CHARGE_FROM_NOW, value=card.card_id, confirm=sure, label=f"Charge {card} from now on"
        )
    ]


def use_of(card: CardFacts) -> str:
    """Say in a sentence what a card is used for."""
    if card.is_main:
        return "It is the card that is charged."
    return "It is the backup card." if card.backup else "It is a spare card: nothing charges it."


def chosen(card: CardFacts, automatic: Automatic, role: Role) -> Message:
    """Confirm to whoever chose a card that it is charged from now on, and what that means for automatic payments."""
    line = f"*{card} is charged from now on.* The others have been told."
    rest = {
        Automatic.ON: "Automatic payments are on and use it.",
        Automatic.PAUSED: "Automatic payments stay paused until an admin turns them on.",
        Automatic.OFF: "Automatic payments are off.",
    }[automatic]
    again = {
        Automatic.ON: [],
        Automatic.PAUSED: [button("Turn on again", Act.AUTOMATIC, style="primary")],
        Automatic.OFF: [button("Turn on automatic payments", Act.AUTOMATIC)],
    }[automatic]
    return Message(text=spoken(line, rest), blocks=[section(f"{line}\n{rest}"), *actions_for(role, *again)])


def off_button(text: str = "Turn automatic payments off") -> Block:
    """Give the button that stops them, which asks first."""
    sure = confirm(
        "Turn automatic payments off?",
        "No card is charged by itself any more. The wallet then runs dry unless somebody tops it up.",
        "Turn off",
        style="danger",
    )
    return button(text, Act.AUTOMATIC_OFF, confirm=sure, label="Turn automatic payments off")


_REMOVED = "The card is removed: it can't be charged any more. The others have been told."


def removed() -> Message:
    """Confirm to the person who removed a card that it is done."""
    return Message(text=_REMOVED, blocks=[section(_REMOVED)])


def removed_view() -> View:
    """The same in the form that had the button."""
    return modal(Form.NOTHING, "Connect a card", [section(_REMOVED)])


def own_cards(f: OwnCardsFacts, role: Role) -> Message:
    """Show the cards that somebody connected, with the ways to stop them being charged."""
    blocks = own_card_blocks(f, role)
    return Message(text=spoken(*(f"{card}, which you connected." for card in f.cards)), blocks=blocks)


def own_card_blocks(f: OwnCardsFacts, role: Role) -> list[Block]:
    """Give a row for each card that somebody connected, and the button that stops the rule that uses one."""
    ties = [Tie.CONNECTOR]
    blocks: list[Block] = []
    for card in f.cards:
        remove = permitted(role, remove_button(card, "Remove this card"), ties=ties)
        blocks.append(section(f"*{card}*, which you connected", accessory=remove[0] if remove else None))
    if f.rule_uses:
        blocks += actions_for(role, off_button(), ties=ties)
    return blocks


def own_card_chosen(card: CardFacts, role: Role) -> Message:
    """Tell somebody whose card an admin chose that the rule charges it from now on, with the ways to stop that."""
    line = f"*{card}*, which you connected, is the card that automatic payments charge from now on."
    buttons = [off_button(), remove_button(card, "Remove this card")]
    return Message(
        text=spoken(line), blocks=[section(line), *actions_for(role, *buttons, ties=[Tie.CONNECTOR])]
    )


def connected(
    card: CardFacts, main: CardFacts | None, actor_id: str, role: Role, *, stoppable: bool
) -> Message:
    """Tell the others that a card was connected, by whom, and what it is used for."""
    by = f" by <@{actor_id}>" if actor_id else ""
    line = f"*{card} was connected*{by}. {use_of(card)}"
    stop = [off_button()] if stoppable and not card.spare else []
    buttons = [*choose_buttons(card, main), *stop, remove_button(card)]
    return Message(text=spoken(line), blocks=[section(line), *actions_for(role, *buttons)])


def arranged(
    changes: Sequence[tuple[CardSlot, str, str]], actor_id: str, role: Role, *, stoppable: bool
) -> Message:
    """Tell the others which cards are charged from now on, and which were before; empty where there was none."""
    told = ", ".join(f"{slot} card {before or 'none'} → {after or 'none'}" for slot, before, after in changes)
    line = f"<@{actor_id}> changed which card is charged: {told}."
    buttons = [off_button()] if stoppable else []
    return Message(text=line, blocks=[section(line), *actions_for(role, *buttons)])


def gone(card: str, *, actor: str, stopped: bool, main: str, role: Role) -> Message:
    """Say that a card is gone, who removed it, and what that stops."""
    by = f"by <@{actor}>" if actor else "at the bank or at Stripe"
    head = f"*{card} was removed* {by}. It can't be charged any more."
    rest = "Automatic payments are off: nothing refills the wallet by itself." if stopped else ""
    left = f"{main} is the card that people can charge now." if main else "There is no card left to charge."
    buttons = [button("Connect a card", Act.CONNECT_CARD)]
    if stopped:
        buttons.append(button("Automatic payments", Act.AUTOMATIC))
        return barred(RED, head, [rest, left], buttons=permitted(role, *buttons))
    return Message(text=spoken(head, left), blocks=[section(f"{head} {left}"), *actions_for(role, *buttons)])


def expiring(card: str, days_left: int, *, automatic: bool, role: Role) -> Message:
    """Say that a card expires soon, and what stops then."""
    when = {0: "today", 1: "tomorrow"}.get(days_left, f"in {days_left} days")
    after = (
        "After that, automatic payments fail unless the bank has sent a new one."
        if automatic
        else "After that, it can't be charged unless the bank has sent a new one."
    )
    return barred(
        RED,
        f"*{card} expires {when}.*",
        [f"{after} Connect another in time."],
        buttons=permitted(role, button("Connect a card", Act.CONNECT_CARD, style="primary")),
    )
