"""Automatic payments in words: the form, the rule, its confirmation, and what became of a charge. Pure."""

from typing import assert_never

from bot.facts import (
    AutomaticConfirmFacts,
    AutomaticFacts,
    AutomaticFormFacts,
    CardFacts,
    PaymentFacts,
    RehearsalFacts,
)
from bot.rights import Role, Tie
from bot.slack.ids import Act, Form
from bot.slack.views.blocks import (
    RED,
    Block,
    Message,
    View,
    actions,
    actions_for,
    barred,
    button,
    context,
    field_of,
    modal,
    number,
    option,
    permitted,
    plain,
    section,
    select,
)
from bot.slack.views.cards import off_button, remove_button
from bot.slack.views.causes import blocked, pause_words
from bot.slack.views.text import counted, spoken
from bot.slack.views.words import automatic_sentence, expires, short, whole
from ledger import MICROS, Automatic, CapWindow, RechargeRule, format_money

TITLE = "Automatic payments"
NO_BACKUP = "none"
BACK_TO, ADD = "target", "fixed"
_OFF = "Automatic payments are off. No card is charged by itself any more."
PAUSE_ENDS = "A successful payment, or turning them on again, ends the pause."


def automatic_form(f: AutomaticFormFacts) -> View:
    """Give the form of the rule; turning it on is confirmed in a second view."""
    if not f.cards:
        return modal(Form.NOTHING, TITLE, _without_card())
    rule = f.current.rule or f.suggested
    blocks = [
        section(
            "Refills the wallet before it runs dry: when the balance falls below the first amount, the card is "
            f"charged. {_state_words(f.current)}"
        ),
        *_amount_fields(rule, f),
        *_card_fields(f),
        *_cap_fields(rule, f),
        context("Before anything changes you see what this rule would have done over the last 30 days."),
    ]
    if f.current.state is not Automatic.OFF:
        blocks.append(actions(off_button()))
    return modal(Form.AUTOMATIC, TITLE, blocks, submit="Continue", close="Not now", private=f.currency)


def _without_card() -> list[Block]:
    return [
        section(
            "Automatic payments refill the wallet before it runs dry: below an amount you choose, a card is "
            "charged. They need a card first. It stays with Stripe; only its brand and last four digits are kept."
        ),
        actions(button("Connect a card", Act.CONNECT_CARD, style="primary")),
    ]


def _amount_fields(rule: RechargeRule, f: AutomaticFormFacts) -> list[Block]:
    back = option("Bring it back to the amount below", BACK_TO)
    add = option("Add the amount below, every time", ADD)
    amount = rule.target_micros if rule.target_micros is not None else rule.fixed_micros or 0
    return [
        field_of(
            f"When the balance falls below ({f.currency})",
            number(
                Act.THRESHOLD, initial=_typed(rule.threshold_micros), least=_typed(f.threshold_min.micros)
            ),
            block_id=Act.THRESHOLD,
        ),
        field_of(
            "Then",
            select(Act.HOW, [back, add], chosen=back if rule.target_micros is not None else add),
            block_id=Act.HOW,
        ),
        field_of(
            f"Amount ({f.currency})",
            number(Act.TARGET, initial=_typed(amount), least=_typed(f.threshold_min.micros)),
            block_id=Act.TARGET,
            hint=f"One charge is at least {short(f.charge_min)} and at most {short(f.charge_max)}; "
            f"what closes a gap is rounded up to a multiple of {short(f.rounded_to)}.",
        ),
    ]


def _card_fields(f: AutomaticFormFacts) -> list[Block]:
    choices = [option(f"{card}, {expires(card)}", card.card_id) for card in f.cards]
    by_id = {str(one["value"]): one for one in choices}
    main = f.current.card.card_id if f.current.card is not None else f.cards[0].card_id
    none = option("No backup card", NO_BACKUP)
    backup = by_id.get(f.current.backup.card_id, none) if f.current.backup is not None else none
    return [
        field_of("Card", select(Act.CARD, choices, chosen=by_id.get(main, choices[0])), block_id=Act.CARD),
        field_of(
            "Backup card",
            select(Act.BACKUP, [none, *choices], chosen=backup),
            block_id=Act.BACKUP,
            hint="Charged when the first card is declined and the wallet can't wait for the next try.",
        ),
    ]


def _cap_fields(rule: RechargeRule, f: AutomaticFormFacts) -> list[Block]:
    least = _typed(f.charge_min.micros)
    return [
        field_of(
            "Never more charges a day than",
            number(Act.PER_DAY, initial=str(rule.per_day_max), least="1", decimals=False),
            block_id=Act.PER_DAY,
        ),
        field_of(
            f"Never more a day than ({f.currency})",
            number(Act.DAY_CAP, initial=_typed(rule.day_cap_micros), least=least),
            block_id=Act.DAY_CAP,
        ),
        field_of(
            f"Never more a month than ({f.currency})",
            number(Act.MONTH_CAP, initial=_typed(rule.month_cap_micros), least=least),
            block_id=Act.MONTH_CAP,
            hint="These limits are hard: nothing is charged beyond them, whatever happens.",
        ),
    ]


def _typed(micros: int) -> str:
    """Give an amount as somebody would type it into the field: "50", "37.50"."""
    major, rest = divmod(micros, MICROS)
    return str(major) if rest == 0 else f"{major}.{rest:06d}".rstrip("0")


def confirm_automatic(f: AutomaticConfirmFacts) -> View:
    """Give the second view: the rule in words, its rehearsal, and what it charges at once."""
    blocks = [
        section(f"*{rule_sentence(f.rule, f.currency, f.card)}*\n{_caps(f.rule, f.currency)}"),
        section(_rehearsal(f.rehearsal)),
    ]
    submit = "Turn on"
    if f.charges_now is not None:
        threshold = whole(f.rule.threshold_micros, f.currency)
        words = (
            f"The balance is already below {threshold}: "
            f"turning this on charges {format_money(f.charges_now)} to {f.card} now."
        )
        blocks.append({"type": "alert", "level": "warning", "text": plain(f"⚠ {words}")})
        submit = f"Turn on, charge {short(f.charges_now)}"
        submit = submit if len(submit) <= 24 else "Turn on and charge"
    blocks.append(context("You can turn this off at any time; billing admins and finance are told."))
    return modal(
        Form.CONFIRM_AUTOMATIC,
        "Turn on this rule?",
        blocks,
        submit=submit,
        close="Not now",
        private=f.one_time_action_id,
    )


def _rehearsal(f: RehearsalFacts) -> str:
    if f.days <= 0:
        return "There is no history yet on which to try this rule out."
    span = f"In the last {counted(f.days, 'day', 'days')}" if f.days > 1 else "In the last day"
    if f.charges == 0:
        charged = f"{span} this rule would not have charged anything"
    else:
        charged = f"{span} this rule would have charged {_times(f.charges)}, at most {short(f.most_in_a_day)} in a day"
    if f.zeros_without == 0 and f.zeros_with_rule == 0:
        return f"{charged}; the wallet never hit zero."
    if f.zeros_with_rule == 0:
        return f"{charged}, and the wallet would not have hit zero (it did {_times(f.zeros_without)})."
    return (
        f"{charged}, and the wallet would still have hit zero {_times(f.zeros_with_rule)} "
        f"(it did {_times(f.zeros_without)}): a higher threshold helps."
    )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


# --- The rule and its state --------------------------------------------------------------------------------


def rule_sentence(rule: RechargeRule, currency: str, card: CardFacts | None) -> str:
    """Say a rule in one sentence."""
    named = str(card) if card is not None else "the card"
    below = whole(rule.threshold_micros, currency)
    if rule.target_micros is not None:
        return f"Below {below}, {named} is charged to bring the balance back to {whole(rule.target_micros, currency)}."
    return f"Below {below}, {named} is charged {whole(rule.fixed_micros or 0, currency)}."


def _caps(rule: RechargeRule, currency: str) -> str:
    return (
        f"Never more than {counted(rule.per_day_max, 'charge', 'charges')} a day, "
        f"{whole(rule.day_cap_micros, currency)} a day, {whole(rule.month_cap_micros, currency)} a month."
    )


def automatic_state(f: AutomaticFacts, role: Role) -> Message:
    """Say whether automatic payments run, by which rule, and offer to change that."""
    if f.state is Automatic.OFF or f.rule is None:
        headline = "*Automatic payments are off.*"
        lines = [
            "They refill the wallet before it runs dry. You choose when and how much, and hard limits hold."
        ]
        if f.card is None:
            lines.append("They need a card first.")
        buttons = [button("Turn on automatic payments", Act.AUTOMATIC, style="primary")]
        if f.card is None:
            buttons.append(button("Connect a card", Act.CONNECT_CARD))
    else:
        paused = f.state is Automatic.PAUSED
        why = f": {pause_words(f.pause)}" if f.pause is not None else ""
        headline = f"*Automatic payments are paused{why}.*" if paused else "*Automatic payments are on.*"
        lines = [
            PAUSE_ENDS if paused else "",
            f"{rule_sentence(f.rule, f.currency, f.card)} {_used(f)}",
            _caps(f.rule, f.currency),
            f"Backup: {f.backup}." if f.backup is not None else "",
            blocked(f.block),
        ]
        change = (
            button("Turn on again", Act.AUTOMATIC, style="primary")
            if paused
            else button("Change", Act.AUTOMATIC)
        )
        buttons = [change, off_button()]
    kept = [line for line in lines if line]
    return Message(
        text=spoken(headline, *kept),
        blocks=[section("\n".join([headline, *kept])), *actions_for(role, *buttons)],
    )


def turned_off() -> Message:
    """Confirm to somebody without a role that the rule charges nothing any more."""
    return Message(text=_OFF, blocks=[section(_OFF)])


def _used(f: AutomaticFacts) -> str:
    assert f.rule is not None
    charges = "charge" if f.rule.per_day_max == 1 else "charges"
    return f"{f.charges_today} of {f.rule.per_day_max} {charges} used today."


def _state_words(f: AutomaticFacts) -> str:
    match f.state:
        case Automatic.ON:
            return "They are on now."
        case Automatic.PAUSED:
            why = f": {pause_words(f.pause)}" if f.pause is not None else ""
            return f"They are paused{why}. {PAUSE_ENDS}"
        case Automatic.OFF:
            return "They are off until you turn them on."


def rule_changed(
    actor_id: str,
    before: AutomaticFacts,
    after: AutomaticFacts,
    *,
    role: Role,
    own: CardFacts | None = None,
) -> Message:
    """Tell the others at once who changed automatic payments, from what to what.

    `own` is the card that the reader connected: they may remove it and stop the rule, whatever their role.
    """
    # Redbar itself acts too, and has no user id of its own to mention.
    who = f"<@{actor_id}>" if actor_id[:1] in ("U", "W") else "Redbar"
    if after.state is Automatic.OFF:
        line = f"{who} turned automatic payments off. No card is charged by itself any more."
        return Message(text=line, blocks=[section(line)])
    if after.state is Automatic.PAUSED:
        line = automatic_sentence(after)
        again = button("Turn on again", Act.AUTOMATIC)
        return Message(text=line, blocks=[section(line), *actions_for(role, again)])
    assert after.rule is not None, "automatic payments that are on have a rule"
    if before.state is not Automatic.ON or before.rule is None:
        line = (
            f"{who} turned automatic payments on. {rule_sentence(after.rule, after.currency, after.card)} "
            f"{_caps(after.rule, after.currency)}"
        )
    else:
        changes = ", ".join(_differences(before, after))
        line = (
            f"{who} changed automatic payments: {changes}."
            if changes
            else f"{who} saved automatic payments as they were."
        )
    buttons = [off_button(), *([remove_button(own, "Remove this card")] if own is not None else [])]
    ties = [Tie.CONNECTOR] if own is not None else []
    return Message(text=line, blocks=[section(line), *actions_for(role, *buttons, ties=ties)])


def _differences(before: AutomaticFacts, after: AutomaticFacts) -> list[str]:
    assert before.rule is not None
    assert after.rule is not None
    old, new, currency = before.rule, after.rule, after.currency
    pairs = [
        ("threshold", _amount(old.threshold_micros, currency), _amount(new.threshold_micros, currency)),
        ("target", _amount(old.target_micros, currency), _amount(new.target_micros, currency)),
        ("fixed amount", _amount(old.fixed_micros, currency), _amount(new.fixed_micros, currency)),
        ("charges a day", str(old.per_day_max), str(new.per_day_max)),
        ("daily limit", _amount(old.day_cap_micros, currency), _amount(new.day_cap_micros, currency)),
        ("monthly limit", _amount(old.month_cap_micros, currency), _amount(new.month_cap_micros, currency)),
        ("card", str(before.card or "none"), str(after.card or "none")),
        ("backup card", str(before.backup or "none"), str(after.backup or "none")),
    ]
    return [f"{name} {was} → {now}" for name, was, now in pairs if was != now]


def _amount(micros: int | None, currency: str) -> str:
    return "none" if micros is None else whole(micros, currency)


# --- What became of a charge -------------------------------------------------------------------------------


def recharged(f: PaymentFacts) -> Message:
    """Say in one quiet line that the rule refilled the wallet."""
    balance = f"; the balance is {f.balance}" if f.balance is not None else ""
    line = f"Automatic payment of {f.amount} with {f.card}{balance}."
    receipt = f" <{f.receipt_url}|Receipt>" if f.receipt_url else ""
    return Message(text=line, blocks=[context(f"{line}{receipt}")])


def charges_switched(*, off: bool, role: Role) -> Message:
    """Say that the operator stopped every automatic charge, or allows them again."""
    if off:
        return barred(
            RED,
            "*Whoever runs Redbar has stopped all automatic charges.*",
            [
                "The rule stays as it is, and charges nothing until they are allowed again. Paying by hand works."
            ],
            buttons=permitted(role, button("Add balance", Act.ADD_BALANCE, style="primary")),
        )
    line = "Automatic charges are allowed again: the rule goes on as it was."
    return Message(text=line, blocks=[section(line)])


_CAPPED = {
    "day_count": (
        "All of today's automatic charges are used",
        "Tomorrow there are new ones. Until then nothing refills the wallet by itself.",
    ),
    "day_cap": (
        "Today's limit of automatic payments is reached",
        "Tomorrow there is room again. Until then nothing refills the wallet by itself.",
    ),
    "month_cap": (
        "This month's limit of automatic payments is reached",
        "Next month there is room again. Until then nothing refills the wallet by itself.",
    ),
    "cut": (
        "Automatic payments come close to their limit: less than the whole gap is charged",
        "The next charge may be held back until there is room again.",
    ),
}


def cap_near(window: CapWindow, role: Role) -> Message:
    """Tell that the limits let through one more automatic payment in their window."""
    match window:
        case CapWindow.DAY:
            left, until = "today", "midnight"
        case CapWindow.MONTH:
            left, until = "this month", "the first of next month"
        case _:
            assert_never(window)
    line = f"*One automatic payment is left {left}.* After it the wallet is not refilled until {until}."
    buttons = actions_for(role, button("Change limits", Act.AUTOMATIC))
    return Message(text=spoken(line), blocks=[section(line), *buttons])


ONE_LEFT = "one_left"
"""The block by which a version before told that one charge is left today."""


def capped(block: str, role: Role) -> Message:
    """Tell that a limit keeps the card from being charged, or from being charged in full."""
    if block == ONE_LEFT:
        return cap_near(CapWindow.DAY, role)
    what, then = _CAPPED.get(block, ("A limit keeps the card from being charged", ""))
    return barred(
        RED,
        f"*{what}.*",
        [f"{then} You can add balance by hand, or raise the limit.".strip()],
        buttons=permitted(
            role,
            button("Add balance", Act.ADD_BALANCE, style="primary"),
            button("Ask someone to pay", Act.ASK_TO_PAY),
            button("Change limits", Act.AUTOMATIC),
        ),
    )
