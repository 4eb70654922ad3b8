"""Sentences that several surfaces share, so that money, time and standing are said the same everywhere. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from bot.facts import AutomaticFacts, BalanceFacts, Basis, CardFacts
from bot.slack.views.causes import pause_words
from bot.slack.views.text import about, counted, minutes, moment, time_first
from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    Automatic,
    Currency,
    Money,
    RechargeRule,
    Standing,
    format_money,
)

KIND_LABELS = {
    "outbound_call": "Outbound call",
    "inbound_call": "Inbound call",
    "ai_task": "AI task",
    "top_up": "Top-up",
    "recharge": "Automatic payment",
    "refund": "Refund",
    "refund_reversal": "Refund returned",
    "dispute_withdrawn": "Dispute",
    "dispute_reinstated": "Dispute won",
    "promo": "Credit",
    "adjustment_up": "Correction",
    "adjustment_down": "Correction",
    "correction": "Correction",
}
_PLURALS = {
    "outbound_call": ("Outbound calls", "call", "calls"),
    "inbound_call": ("Inbound calls", "call", "calls"),
    "ai_task": ("AI tasks", "task", "tasks"),
}


def kind_label(kind: str) -> str:
    """Name one transaction's kind."""
    return KIND_LABELS.get(kind) or kind.replace("_", " ").capitalize()


def kind_plural(kind: str) -> str:
    """Name a kind's many."""
    return _PLURALS[kind][0] if kind in _PLURALS else kind_label(kind)


def kind_count(kind: str, count: int) -> str:
    """Say how many of a kind."""
    _, one, many = _PLURALS.get(kind, ("", "item", "items"))
    return counted(count, one, many)


def kind_inline(kind: str, count: int) -> str:
    """Say how many of a kind inside a sentence: "14 outbound calls", "1 AI task"."""
    name = kind_label(kind) if count == 1 else kind_plural(kind)
    return f"{count:,} {name if name.startswith('AI ') else name[0].lower() + name[1:]}"


def call_minutes(quantity: int) -> str:
    """Say seconds of calls in minutes, rounded up."""
    return f"{-(-quantity // 60):,} min"


def lasts(balance: BalanceFacts) -> str:
    """Say how long the money lasts; empty where it says nothing."""
    if not balance.funded or balance.standing is not Standing.OPEN:
        return ""
    match balance.basis:
        case Basis.USUAL if balance.lasts_until is not None:
            return f"lasts until {about(balance.lasts_until, balance.now, balance.zone)} at the usual pace"
        case Basis.LONG:
            return "lasts more than 60 days at the usual pace"
        case Basis.EARLY:
            return "too early to say how long it lasts"
        case _:
            return "nothing was spent lately"


def may_start(balance: BalanceFacts, *, amounts: bool = True, bold: bool = False) -> str:
    """Say what may start now, from the permits of this moment; without amounts where a channel reads it."""
    match balance.standing:
        case Standing.NOT_CONNECTED:
            return "Calls and AI tasks can't start until there is money in it."
        case Standing.OPEN if not balance.refused:
            return "Calls and AI tasks are running."
        case Standing.OPEN:
            why = f": {_why_refused(balance)}" if amounts else "."
            head = f"New {_refused(balance)} can't start{why[0]}"
            return " ".join(filter(None, [f"*{head}*" if bold else head, why[1:].strip(), _goes_on(balance)]))
        case Standing.GRACE | Standing.PAUSED:
            return f"*{stopped(balance)}*" if bold else stopped(balance)


_WORK = {OUTBOUND_CALL: "outbound calls", AI_TASK: "AI tasks", INBOUND_CALL: "inbound calls"}


def _refused(balance: BalanceFacts) -> str:
    if balance.refused >= _WORK.keys():
        return "calls and AI tasks"
    return " and ".join(name for kind, name in _WORK.items() if kind in balance.refused)


def _goes_on(balance: BalanceFacts) -> str:
    names = " and ".join(name for kind, name in _WORK.items() if kind not in balance.refused)
    return f"{names[0].upper()}{names[1:]} go on." if names else ""


def _why_refused(balance: BalanceFacts) -> str:
    if balance.held.micros:
        free = f"{balance.available} is" if balance.available.micros > 0 else "nothing is"
        calls = counted(balance.open_holds, "running call", "running calls")
        return f"{free} free, {balance.held} is held for {calls}."
    return f"{balance.balance} is left, a call needs {balance.call_needs}."


def grace_left(balance: BalanceFacts) -> str:
    """Say how much grace is left, in whole minutes."""
    assert balance.grace_ends_at is not None
    seconds = max(0, int((balance.grace_ends_at - balance.now).total_seconds()))
    return minutes(max(1, -(-seconds // 60)))


def stopped(balance: BalanceFacts) -> str:
    """Say what has stopped and what will, as it stands at this minute."""
    if balance.standing is Standing.GRACE and balance.grace_ends_at is not None:
        at = moment(balance.grace_ends_at, balance.zone, day=False)
        return (
            f"Outbound calls and AI tasks have stopped. Inbound calls stop in {grace_left(balance)}, at {at}."
        )
    return "All calls and AI tasks have stopped: outbound and inbound."


def brings_back(balance: BalanceFacts) -> str:
    """Say which amount brings everything back; empty while everything runs."""
    return f"{balance.brings_back} or more brings everything back." if balance.brings_back is not None else ""


def at_zero(balance: BalanceFacts) -> str:
    """Say what happens at zero."""
    grace = int(balance.grace.total_seconds()) // 60
    inbound = f"inbound calls go on for {minutes(grace)}" if grace else "so do inbound calls"
    return f"If the balance reaches zero: outbound calls and AI tasks stop at once; {inbound}."


def whole(micros: int, currency: str) -> str:
    """Write an amount without cents where there are none: "$50"."""
    return short(Money(micros, Currency.of(currency)))


def short(money: Money) -> str:
    """Write an amount without cents where there are none."""
    text = format_money(money)
    return text.removesuffix(".00")


def rule_words(rule: RechargeRule, currency: str) -> str:
    """Say a rule short: "Below $50 → back to $200"."""
    below = f"Below {whole(rule.threshold_micros, currency)}"
    if rule.target_micros is not None:
        return f"{below} → back to {whole(rule.target_micros, currency)}"
    assert rule.fixed_micros is not None
    return f"{below} → add {whole(rule.fixed_micros, currency)}"


def automatic_sentence(automatic: AutomaticFacts) -> str:
    """Say whether automatic payments run, in a sentence."""
    rule = automatic.rule
    match automatic.state:
        case Automatic.ON if rule is not None:
            how = (
                f"to bring it back to {whole(rule.target_micros, automatic.currency)}"
                if rule.target_micros is not None
                else f"to add {whole(rule.fixed_micros or 0, automatic.currency)}"
            )
            card = f"the card ••{automatic.card.last4}" if automatic.card is not None else "the card"
            below = whole(rule.threshold_micros, automatic.currency)
            return f"Automatic payments are on: below {below} {card} is charged {how}."
        case Automatic.PAUSED:
            why = f": {pause_words(automatic.pause)}" if automatic.pause is not None else ""
            return f"Automatic payments are paused{why}."
        case _:
            return "Automatic payments are off."


def expires(card: CardFacts) -> str:
    """Say when a card expires: "expires 12/30"."""
    return f"expires {card.exp_month:02d}/{card.exp_year % 100:02d}"


def ago(at: datetime, now: datetime) -> str:
    """Say how long ago something was."""
    seconds = max(0, int((now - at).total_seconds()))
    if seconds == 0:
        return "just now"
    if seconds < 60:
        return f"{seconds} seconds ago" if seconds != 1 else "1 second ago"
    if seconds < 3600:
        return f"{minutes(seconds // 60)} ago"
    if seconds < 48 * 3600:
        return f"{counted(seconds // 3600, 'hour', 'hours')} ago"
    return f"{seconds // 86400} days ago"


def roughly(at: datetime, now: datetime, zone: str) -> str:
    """Say a coming instant as `about` does; today's and tomorrow's in each reader's own zone."""
    there = ZoneInfo(zone)
    if (at.astimezone(there).date() - now.astimezone(there).date()).days > 1:
        return about(at, now, zone)
    return f"about {time_first(at, zone)}"
