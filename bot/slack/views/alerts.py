"""An episode in words: what channels may know, and what the people who look after billing are told. Pure."""

from datetime import timedelta

from bot.facts import AlertFacts, AutomaticFacts, BalanceFacts, PaidFacts
from bot.rights import Role
from bot.slack.ids import Act
from bot.slack.views.blocks import (
    AMBER,
    GREEN,
    RED,
    Block,
    Message,
    actions,
    actions_for,
    barred,
    button,
    confirm,
    context,
    offers,
    permitted,
    section,
)
from bot.slack.views.causes import blocked
from bot.slack.views.text import counted, minutes, moment, spoken
from bot.slack.views.words import (
    automatic_sentence,
    brings_back,
    kind_inline,
    may_start,
    roughly,
    short,
    stopped,
)
from bot.states.alert import OVER, AlertPhase
from ledger import Automatic, CreditKind, Level, decimal_text, format_money

LIVE_CALLS = "Live inbound calls may finish. A payment brings everything back at once."
STILL_LOW = "*Calls run again; the wallet is still low*"
PAYING = "Paying brings everything back at once."


def alert_channel(f: AlertFacts) -> Message:
    """Tell a channel: what stops, when, and what keeps running; no amounts, no cards, no payers."""
    fix = [button("Fix this", Act.FIX, label="Fix this: see how to top up the calling wallet")]
    match f.phase:
        case AlertPhase.CANT_START | AlertPhase.LOW if f.balance.refused:
            return barred(RED, may_start(f.balance, amounts=False, bold=True), [PAYING], buttons=fix)
        case AlertPhase.LOW | AlertPhase.CANT_START:
            very = "very low" if f.level >= Level.CRITICAL else "low"
            return barred(
                RED, f"*The calling wallet is {very}*", [f"Nothing has stopped. {_stops(f)}"], buttons=fix
            )
        case AlertPhase.COUNTING | AlertPhase.PAUSED:
            return barred(RED, f"*{stopped(f.balance)}*", [LIVE_CALLS], buttons=fix)
        case AlertPhase.RESTORED | AlertPhase.RECOVERED if f.stopped_anew:
            return _over_before(f)
        case AlertPhase.RESTORED if f.still_low:
            return barred(AMBER, STILL_LOW, [_were_stopped(f)], buttons=fix)
        case AlertPhase.RESTORED:
            return barred(GREEN, _runs_again(f), [_were_stopped(f)])
        case _:
            return barred(GREEN, "*The calling wallet is fine again*", ["Nothing has stopped."])


def alert_person(f: AlertFacts, role: Role) -> Message:
    """Tell somebody with a role: the money, what it means, and buttons that act."""
    match f.phase:
        case AlertPhase.LOW | AlertPhase.CANT_START:
            return _low_person(f, role)
        case AlertPhase.COUNTING | AlertPhase.PAUSED:
            lines = [
                LIVE_CALLS,
                " ".join(filter(None, [f"The balance is {f.balance.balance}.", brings_back(f.balance)])),
                _automatic(f.automatic),
                _after_stop_line(f),
            ]
            return barred(
                RED, f"*{stopped(f.balance)}*", lines, buttons=_ways_out(f, role), small=[_acknowledged(f)]
            )
        case AlertPhase.RESTORED | AlertPhase.RECOVERED if f.stopped_anew:
            return _over_before(f)
        case AlertPhase.RESTORED if f.still_low:
            return barred(
                AMBER,
                f"{STILL_LOW}: {f.balance.balance}{_enough(f.balance)}.",
                [_money_back(f), _stopped_and_cost(f), _automatic(f.automatic)],
                buttons=_ways_out(f, role),
            )
        case AlertPhase.RESTORED:
            return barred(
                GREEN,
                "*Everything runs again.*",
                [_money_back(f), _stopped_and_cost(f), _never_again(f)],
                buttons=_turn_on(f, role),
            )
        case _:
            return barred(
                GREEN,
                f"*The wallet is fine again:* {f.balance.balance}{_enough(f.balance)}",
                [f"{_paid(f.paid)}." if f.paid is not None else "", "Nothing had stopped.", _never_again(f)],
                buttons=_turn_on(f, role),
            )


def _low_person(f: AlertFacts, role: Role) -> Message:
    if f.balance.refused:
        back = " ".join(filter(None, [PAYING, brings_back(f.balance)]))
        lines = [back, _automatic(f.automatic)]
        return barred(
            RED, may_start(f.balance, bold=True), lines, buttons=_ways_out(f, role), small=[_acknowledged(f)]
        )
    very = "very low" if f.level >= Level.CRITICAL else "low"
    zero = (
        f"At zero, outbound calls and AI tasks stop at once; inbound calls {_grace_words(f.balance.grace)}."
    )
    return barred(
        RED,
        f"*The wallet is {very}: {f.balance.balance}{_enough(f.balance)}*",
        [" ".join(filter(None, ["Nothing has stopped.", _automatic(f.automatic), zero])), _held(f.balance)],
        buttons=_ways_out(f, role),
        small=[_acknowledged(f)],
    )


def story_line(f: AlertFacts, *, channel: bool) -> Message:
    """Give the line that a change adds to the thread of an episode's message."""
    zone, now = f.balance.zone, f.balance.now
    match f.phase:
        case AlertPhase.COUNTING:
            at = f.balance.emptied_at or now
            line = "the wallet reached zero; outbound calls and AI tasks stopped"
        case AlertPhase.CANT_START:
            at = now
            line = "new outbound calls and AI tasks can't start"
        case AlertPhase.PAUSED:
            at = min(f.balance.grace_ends_at or now, now)
            line = "inbound calls stopped too; live ones may finish"
        case AlertPhase.RESTORED:
            at = f.resumed_at or now
            line = "calls run again; the wallet is still low" if f.still_low else "everything runs again"
        case AlertPhase.RECOVERED:
            at = f.resumed_at or now
            line = "the wallet is fine again"
        case _:
            at = now
            line = "the wallet is very low" if f.level >= Level.CRITICAL else "the wallet is low"
    money = "" if channel else _story_money(f)
    text = f"{moment(at, zone, day=False)} {line}{money}"
    return Message(text=text, blocks=[section(text)])


def still_stopped(f: AlertFacts, role: Role) -> Message:
    """Say again that things have stopped, to somebody who has the alarm's message: nobody answered it."""
    since = moment(f.balance.emptied_at or f.opened_at, f.balance.zone, day=False)
    for_so_long = _length(f.balance.now - (f.balance.emptied_at or f.opened_at))
    if f.phase is AlertPhase.CANT_START:
        still = "*New outbound calls and AI tasks still can't start*"
        line = f"{still}, since {since} ({for_so_long}). Nobody has paid yet."
    else:
        line = f"*Still stopped, since {since} ({for_so_long}).* Nobody has paid yet."
    return Message(text=spoken(line), blocks=[section(line), actions(*_ways_out(f, role))])


def was_still_stopped() -> Message:
    """Say what a line of before said, once things are otherwise or a newer line says it: without its buttons."""
    line = "Things were still stopped, and nobody had paid yet. The message above says how it stands now."
    return Message(text=line, blocks=[section(line)])


def after_stop(kind: str, count: int, role: Role) -> Message:
    """Tell billing admins that work began although its kind was refused."""
    who = "the dialler isn't asking" if kind.endswith("_call") else "whatever starts them isn't asking"
    return barred(
        RED,
        f"*{kind_inline(kind, count)} began after the stop: {who}.*",
        [
            "What happens is charged all the same, and the balance falls further below zero.",
            "Redbar cannot hang up. Let the platform ask before each start, or stop it by hand.",
        ],
        buttons=permitted(
            role, button("Add balance", Act.ADD_BALANCE, style="primary"), button("History", Act.HISTORY)
        ),
    )


def runway_short(balance: BalanceFacts, automatic: AutomaticFacts, hours: int, role: Role) -> Message:
    """Tell in the morning when the money ends; nothing is low yet, so this is no alarm."""
    head = f"*{balance.balance} is left{_enough(balance)}* at the usual pace."
    lines = " ".join(filter(None, ["Nothing has stopped.", _automatic(automatic), _held(balance)]))
    may_end_it = " Alerts turns it off." if offers(role, Act.ALERTS) else ""
    why = f"Sent in the morning while less than {hours} hours are left.{may_end_it}"
    buttons = actions_for(
        role,
        button("Add balance", Act.ADD_BALANCE),
        button("Ask someone to pay", Act.ASK_TO_PAY),
        button("Alerts", Act.ALERTS),
    )
    return Message(
        text=spoken(head, lines, why), blocks=[section(f"{head}\n{lines}"), *buttons, context(why)]
    )


# --- What stops, and when ----------------------------------------------------------------------------------


def _stops(f: AlertFacts) -> str:
    balance = f.balance
    if balance.lasts_until is not None:
        when = f"at {roughly(balance.lasts_until, balance.now, balance.zone)}"
    else:
        when = "when it is empty"
    inbound = _grace_words(balance.grace)
    return f"If nobody tops up, outbound calls and AI tasks stop {when}, inbound calls {inbound}."


def _grace_words(grace: timedelta) -> str:
    whole = int(grace.total_seconds()) // 60
    return f"{minutes(whole)} later" if whole else "with them"


def _over_before(f: AlertFacts) -> Message:
    """Say an end in the past, with nothing that reads as the present."""
    at = moment(f.resumed_at or f.balance.now, f.balance.zone, day=False)
    return barred(
        AMBER, f"*This alarm ended* at {at}.", ["Things have stopped since: the newer alarm says more."]
    )


def _runs_again(f: AlertFacts) -> str:
    at = moment(f.resumed_at or f.balance.now, f.balance.zone, day=False)
    return f"*Everything runs again* since {at}."


def _were_stopped(f: AlertFacts) -> str:
    if f.stopped_for is None:
        return "Calls and AI tasks start as usual."
    return f"Outbound calls were stopped for {_length(f.stopped_for)}."


def _length(length: timedelta) -> str:
    whole = max(1, round(length.total_seconds() / 60))
    if whole < 120:
        return minutes(whole)
    hours = counted(whole // 60, "hour", "hours")
    return f"{hours} and {minutes(whole % 60)}" if whole % 60 else hours


# --- What people with a role are told besides --------------------------------------------------------------


def _held(balance: BalanceFacts) -> str:
    if not balance.held.micros:
        return ""
    calls = counted(balance.open_holds, "running call", "running calls")
    return f"{balance.held} is held for {calls}: {balance.available} available."


def _enough(balance: BalanceFacts) -> str:
    if balance.lasts_until is None:
        return ""
    return f", enough until {roughly(balance.lasts_until, balance.now, balance.zone)}"


def _automatic(automatic: AutomaticFacts) -> str:
    sentence = automatic_sentence(automatic)
    if automatic.state is Automatic.ON:
        return f"{sentence} {blocked(automatic.block)}".strip()
    return sentence


def _money_back(f: AlertFacts) -> str:
    if f.paid is not None:
        return f"{_paid(f.paid)}; the balance is {f.balance.balance}."
    return f"The balance is {f.balance.balance}."


def _paid(f: PaidFacts) -> str:
    """Say how money came back: amount, card and by whose hand."""
    match f.kind:
        case CreditKind.DISPUTE_REINSTATED:
            return f"{f.amount} came back from a dispute that was won"
        case CreditKind.REFUND_REVERSAL:
            return f"{f.amount} came back from a refund that failed"
        case CreditKind.RECHARGE:
            how = " by an automatic payment"
        case _ if f.payer_id:
            how = f" through the link sent to <@{f.payer_id}>"
        case _:
            how = f" by <@{f.asker_id}>" if f.asker_id else ""
    card = f" with {f.card}" if f.card else ""
    return f"{f.amount} was paid{card}{how}"


def _stopped_and_cost(f: AlertFacts) -> str:
    if f.stopped_for is None:
        return ""
    cost = f"; grace cost {f.grace_cost}" if f.grace_cost is not None and f.grace_cost.micros else ""
    return f"Stopped for {_length(f.stopped_for)}{cost}."


def _never_again(f: AlertFacts) -> str:
    if f.automatic.state is not Automatic.OFF:
        return ""
    return "Automatic payments are off: with them on, the wallet refills before it runs dry."


def _turn_on(f: AlertFacts, role: Role) -> list[Block]:
    if f.automatic.state is not Automatic.OFF:
        return []
    return permitted(role, button("Turn on automatic payments", Act.AUTOMATIC), button("Usage", Act.USAGE))


def _after_stop_line(f: AlertFacts) -> str:
    count = f.balance.after_stop_count
    return f"{counted(count, 'call or task', 'calls or tasks')} began after the stop." if count else ""


def _ways_out(f: AlertFacts, role: Role) -> list[Block]:
    buttons: list[Block] = []
    if f.charge is not None and offers(role, Act.CHARGE):
        amount, card = f.charge.amount, f.charge.card
        sure = confirm(
            "Charge the card?",
            f"{format_money(amount)} is charged to {card} now.",
            f"Charge {format_money(amount)}",
        )
        text = f"Charge {card} {short(amount)}"
        buttons.append(
            button(text, Act.CHARGE, value=f.charge.one_time_action_id, style="primary", confirm=sure)
        )
    elif f.offered is not None and not offers(role, Act.CHARGE):
        text = f"Pay {short(f.offered)} with a link"
        buttons.append(button(text, Act.PAY_BY_LINK, value=decimal_text(f.offered), style="primary"))
    else:
        buttons.append(button("Add balance", Act.ADD_BALANCE, style="primary"))
    buttons.append(button("Ask someone to pay", Act.ASK_TO_PAY))
    if f.automatic.state is not Automatic.ON:
        buttons.append(button("Automatic payments", Act.AUTOMATIC))
    if not f.acknowledged_by and f.phase not in OVER:
        value = f.episode_id or "open"
        buttons.append(
            button(
                "Acknowledge", Act.ACKNOWLEDGE, value=value, label="Acknowledge: quiet until it gets worse"
            )
        )
    return permitted(role, *buttons)


def _acknowledged(f: AlertFacts) -> str:
    by = f"<@{f.acknowledged_by}>"
    return f"Acknowledged by {by}: quiet until it gets worse." if f.acknowledged_by else ""


def _story_money(f: AlertFacts) -> str:
    match f.phase:
        case AlertPhase.COUNTING | AlertPhase.PAUSED:
            return f". The balance is {f.balance.balance}. {brings_back(f.balance)}".rstrip()
        case AlertPhase.RESTORED | AlertPhase.RECOVERED:
            return f". {_money_back(f)}"
        case _:
            return f": {f.balance.balance}{_enough(f.balance)}"
