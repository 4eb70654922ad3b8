"""What `/wallet` answers: money first, then time, then what to do. Pure."""

from collections.abc import Sequence
from datetime import datetime

from bot.change_facts import SettingsChangeFacts
from bot.facts import BalanceFacts, PeopleFacts, StatusFacts
from bot.rights import Role
from bot.slack.ids import Act
from bot.slack.views.blocks import (
    GREEN,
    RED,
    Block,
    Message,
    actions_for,
    barred,
    button,
    context,
    permitted,
    section,
)
from bot.slack.views.causes import blocked
from bot.slack.views.money_in import request_rows
from bot.slack.views.money_in.sentences import request_line
from bot.slack.views.text import counted, moment, spoken
from bot.slack.views.words import (
    at_zero,
    automatic_sentence,
    brings_back,
    lasts,
    may_start,
    rule_words,
    stopped,
)
from ledger import Automatic, Standing, TroubleCode

NAMED_MAX = 3
REQUESTS_MAX = 10
NOT_HERE = "Redbar isn't available here."
_WITHOUT_KEY = (
    "Nothing can be charged, asked for or heard of until whoever runs Redbar has mended it. What is paid by open links "
    "meanwhile comes in then."
)
_BOOKS = {
    TroubleCode.FILE_GONE: "their file is gone",
    TroubleCode.FILE_REPLACED: "their file was replaced",
    TroubleCode.FILE_TRUNCATED: "a part of their file is lost",
    TroubleCode.DAMAGED: "their file is damaged",
    TroubleCode.READ_ONLY: "they are read-only",
    TroubleCode.FULL: "the disk is full",
    TroubleCode.IO_FAILED: "the disk is failing",
    TroubleCode.NOT_OPENED: "their file can't be opened",
    TroubleCode.LOCKED: "another program keeps them locked",
    TroubleCode.SERVER_AWAY: "the database doesn't answer",
    TroubleCode.SERVER_CROWDED: "the database has no free connection",
}
START = "Calls and AI tasks can't start until there is money in it. It takes about a minute."


def status(f: StatusFacts) -> Message:
    """Say balance, standing, how long it lasts, what happens at zero, and the open requests."""
    if f.balance.standing is Standing.NOT_CONNECTED:
        return _with_requests(_not_connected(f), f)
    if f.balance.standing is not Standing.OPEN:
        return _with_requests(_stopped(f), f)
    headline = f"*{f.balance.balance}*{_lasts(f.balance)}"
    lines = [
        key_refused_words(f.key_refused_at, f.balance.zone),
        held_words(f.balance),
        f"{may_start(f.balance)} {automatic_sentence(f.automatic)} {blocked(f.automatic.block)}".strip(),
        at_zero(f.balance),
    ]
    kept = [line for line in lines if line]
    message = Message(
        text=spoken(f"{headline}.", *kept),
        blocks=[section("\n".join([headline, *kept])), *actions_for(f.role, *_buttons(f))],
    )
    return _with_requests(message, f)


def held_words(balance: BalanceFacts) -> str:
    """Say what is held and what is available; empty while nothing is held."""
    if balance.held.micros == 0:
        return ""
    calls = counted(balance.open_holds, "running call", "running calls")
    return f"{balance.held} is held for {calls}: {balance.available} available."


def _lasts(balance: BalanceFacts) -> str:
    words = lasts(balance)
    return f" · {words}" if words else ""


def _not_connected(f: StatusFacts) -> Message:
    card = f.automatic.card is not None
    headline = "*Card connected. Add money to start.*" if card else "*Connect your wallet*"
    connect = [] if card else [button("Connect a card", Act.CONNECT_CARD, style="primary")]
    buttons = permitted(f.role, *connect)
    first = not buttons
    buttons += permitted(
        f.role,
        button("Add balance", Act.ADD_BALANCE, style="primary" if first else None),
        button("Ask someone to pay", Act.ASK_TO_PAY),
    )
    lines = [
        START,
        f"The balance is {f.balance.balance}.",
        key_refused_words(f.key_refused_at, f.balance.zone),
    ]
    return barred(RED, headline, lines, buttons=buttons)


def _stopped(f: StatusFacts) -> Message:
    return barred(
        RED,
        f"*{stopped(f.balance)}*",
        [
            "Live inbound calls may finish. A payment brings everything back at once.",
            f"The balance is {f.balance.balance}. {brings_back(f.balance)}".strip(),
            f"{automatic_sentence(f.automatic)} {blocked(f.automatic.block)}".strip(),
            key_refused_words(f.key_refused_at, f.balance.zone),
        ],
        buttons=_buttons(f),
    )


def _buttons(f: StatusFacts) -> list[Block]:
    return permitted(
        f.role,
        button("Add balance", Act.ADD_BALANCE, style="primary"),
        button("Usage", Act.USAGE),
        button("History", Act.HISTORY),
        button(
            "Turn on automatic payments" if f.automatic.state is Automatic.OFF else "Automatic payments",
            Act.AUTOMATIC,
        ),
    )


def _with_requests(message: Message, f: StatusFacts) -> Message:
    """Add every open request, so that a real one can be told from a forged one."""
    if not f.requests:
        return message
    shown = f.requests[:REQUESTS_MAX]
    headline = counted(len(f.requests), "open request", "open requests")
    rows = [section(f"*{headline}*"), *request_rows(shown, f.role, f.viewer_id)]
    if len(f.requests) > len(shown):
        rows.append(context(f"{len(f.requests) - len(shown):,} more are not shown."))
    text = spoken(message.text, f"{headline}:", "; ".join(map(request_line, shown)) + ".")
    if not message.attachments:
        return Message(text=text, blocks=[*message.blocks, *rows])
    # Blocks stand above every bar; the requests belong below what has stopped.
    red = message.attachments[0]
    return Message(text=text, blocks=message.blocks, attachments=[{**red, "blocks": [*red["blocks"], *rows]}])


def key_refused_words(since: datetime | None, zone: str) -> str:
    """Say that Stripe doesn't accept our key, and what that means; empty while it does."""
    if since is None:
        return ""
    return f"*Stripe hasn't accepted Redbar's key since {moment(since, zone)}.* {_WITHOUT_KEY}"


def key_refused() -> Message:
    """Tell people that Stripe doesn't accept our key."""
    return barred(
        RED, "*Stripe doesn't accept Redbar's key any more.*", [_WITHOUT_KEY, "Nothing else stops for it."]
    )


def key_accepted() -> Message:
    """Tell people that Stripe accepts our key again."""
    return barred(
        GREEN, "*Stripe accepts Redbar's key again.*", ["What was paid meanwhile is coming in now."]
    )


def books_not_written(code: TroubleCode) -> Message:
    """Tell people that nothing can be written to the books, and why."""
    return barred(
        RED,
        f"*Redbar can't write its books: {_BOOKS[code]}.*",
        ["New calls are refused until it can; whoever runs Redbar has to look."],
    )


def books_written_again() -> Message:
    """Tell people that the books can be written again."""
    return barred(
        GREEN,
        "*Redbar can write its books again.*",
        ["The platform is answered again; the balance decides what may start."],
    )


def settings_changed(f: SettingsChangeFacts, role: Role) -> Message:
    """Tell which settings of the wallet changed, from what to what."""
    if f.by_operator:
        headline = "*Redbar's operator changed settings of this wallet.*"
    else:
        headline = f"*The limits of this wallet are amounts in {f.currency} now; they were those in dollars.*"
    lines = [", ".join(f.changes) + "."] if f.changes else []
    if f.stopped_rule is None:
        text = "\n".join([headline, *lines])
        return Message(text=spoken(headline, *lines), blocks=[section(text)])
    rule = rule_words(f.stopped_rule, f.currency)
    lines.insert(
        0,
        f"Automatic payments are off: their rule ({rule}) does not fit these limits, and nobody agreed to larger "
        "charges. Nothing refills the wallet by itself until an admin turns them on with a new rule.",
    )
    turn_on = button("Turn on automatic payments", Act.AUTOMATIC, style="primary")
    return barred(RED, headline, lines, buttons=permitted(role, turn_on))


def whom_to_ask(people: PeopleFacts, role: Role, *, card_gone: bool = False) -> Message:
    """Tell somebody who may not do something whom to ask; the same whatever the wallet's state.

    `card_gone`: they press a button that stands under a message about a card of theirs, which is no longer here.
    """
    sentence = asked_sentence(people)
    if card_gone:
        sentence = f"No card of yours is connected here, so none can be charged. {sentence}"
    return Message(text=sentence, blocks=[section(sentence), *actions_for(role, access_button())])


def asked_sentence(people: PeopleFacts) -> str:
    """Name who looks after billing."""
    named = list(dict.fromkeys(people.billing_admins or people.owners))[:NAMED_MAX]
    if not named:
        return "Nobody looks after billing here yet."
    return f"Billing is looked after by {_listed([f'<@{one}>' for one in named])}."


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def access_button() -> Block:
    """Give the button that asks for access."""
    return button("Ask for access", Act.ASK_FOR_ACCESS)


def not_here() -> Message:
    """Tell guests, people of other workspaces and bots that there is nothing for them."""
    return Message(text=NOT_HERE, blocks=[section(NOT_HERE)])
