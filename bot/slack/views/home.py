"""Home: the whole wallet on one page, for those who look after it; one sentence for everybody else. Pure."""

from datetime import datetime

from bot.facts import AutomaticFacts, BalanceFacts, HomeFacts, MonthFacts, OwnCardsFacts, PeopleFacts
from bot.rights import Role
from bot.slack.ids import Act
from bot.slack.views import history as history_views
from bot.slack.views import usage as usage_views
from bot.slack.views.blocks import (
    Block,
    View,
    actions,
    actions_for,
    button,
    context,
    divider,
    header,
    home_tab,
    offers,
    option,
    permitted,
    picture,
    section,
    select,
)
from bot.slack.views.cards import off_button, own_card_blocks
from bot.slack.views.causes import blocked, pause_words
from bot.slack.views.money_in import request_rows
from bot.slack.views.status import (
    NOT_HERE,
    START,
    access_button,
    asked_sentence,
    held_words,
    key_refused_words,
)
from bot.slack.views.text import counted
from bot.slack.views.unreached import untold_words
from bot.slack.views.words import (
    KIND_LABELS,
    ago,
    brings_back,
    kind_plural,
    lasts,
    may_start,
    rule_words,
    stopped,
)
from ledger import Automatic, Standing

ALL_KINDS = "all"
REQUESTS_MAX = 5
_FILTERS = ("outbound_call", "inbound_call", "ai_task", "top_up", "recharge", "refund", "correction")


def home(f: HomeFacts) -> View:
    """Give Home for somebody with a role: what is due, money and time, the rule, the month, the transactions."""
    blocks = [*_untold(f.untold_since, f.balance.zone), *_key(f), *_bar(f), *_money(f)]
    blocks += [divider(), *_automatic(f)]
    if f.requests:
        blocks += [
            divider(),
            section("*Open requests*"),
            *request_rows(f.requests[:REQUESTS_MAX], f.role, f.viewer_id),
        ]
        if len(f.requests) > REQUESTS_MAX:
            blocks.append(context(f"{len(f.requests) - REQUESTS_MAX:,} more: /wallet lists them all."))
    if f.balance.funded or f.history.rows or f.month.spent.micros:
        blocks += [divider(), *_month(f.month, f.balance), divider(), *_transactions(f)]
    blocks += [divider(), *_foot(f)]
    return home_tab(blocks)


def home_for_member(
    people: PeopleFacts, own: OwnCardsFacts, role: Role, *, untold_since: datetime | None, zone: str
) -> View:
    """Give Home for somebody without a role: whom to ask, the same whatever the wallet's state, and their own cards."""
    blocks = [
        *_untold(untold_since, zone),
        section(asked_sentence(people)),
        *actions_for(role, access_button()),
    ]
    if own.cards:
        blocks += [divider(), *own_card_blocks(own, role)]
    return home_tab(blocks)


def home_elsewhere() -> View:
    """Give Home for guests, people of other workspaces and bots."""
    return home_tab([section(NOT_HERE)])


# --- What is due -------------------------------------------------------------------------------------------


def _untold(since: datetime | None, zone: str) -> list[Block]:
    return [section(f"🟥 {untold_words(since, zone)}")] if since is not None else []


def _key(f: HomeFacts) -> list[Block]:
    words = key_refused_words(f.key_refused_at, f.balance.zone)
    return [section(f"🟥 {words}")] if words else []


def _bar(f: HomeFacts) -> list[Block]:
    """Give the red bar: a red square and bold words, as Home has no colour."""
    balance = f.balance
    match balance.standing:
        case Standing.OPEN if not balance.refused:
            return []
        case Standing.OPEN:
            return [section(f"🟥 {may_start(balance, bold=True)}")]
        case Standing.NOT_CONNECTED if f.automatic.card is not None:
            return [section(f"🟥 *Card connected. Add money to start.*\n{START}"), *_first_steps(f)]
        case Standing.NOT_CONNECTED:
            return [section(f"🟥 *Connect your wallet*\n{START}"), *_first_steps(f)]
        case Standing.GRACE | Standing.PAUSED:
            lines = [
                f"🟥 *{stopped(balance)}*",
                f"Live inbound calls may finish. {brings_back(balance)}".strip(),
                _after_stop(balance),
            ]
            return [section("\n".join(line for line in lines if line))]


def _after_stop(balance: BalanceFacts) -> str:
    count = balance.after_stop_count
    if not count:
        return ""
    began = counted(count, "call or task", "calls or tasks")
    return f"{began} began after the stop: whatever starts them isn't asking."


def _first_steps(f: HomeFacts) -> list[Block]:
    buttons = []
    if f.automatic.card is None:
        buttons = permitted(f.role, button("Connect a card", Act.CONNECT_CARD, style="primary"))
    first = not buttons
    buttons.append(button("Add balance", Act.ADD_BALANCE, style="primary" if first else None))
    buttons.append(button("Ask someone to pay", Act.ASK_TO_PAY))
    return actions_for(f.role, *buttons, block_id="first_steps")


# --- Money and time ----------------------------------------------------------------------------------------


def _money(f: HomeFacts) -> list[Block]:
    balance = f.balance
    if balance.standing is Standing.NOT_CONNECTED:
        return [divider(), header(str(balance.balance))]
    blocks: list[Block] = [header(str(balance.balance))]
    held = held_words(balance)
    if held:
        blocks.append(context(held))
    if balance.standing is Standing.OPEN:
        words = lasts(balance)
        says = f"{words[0].upper()}{words[1:]}." if words else ""
        # What can't start stands in the red bar above.
        now = "" if balance.refused else may_start(balance)
        if says or now:
            blocks.append(section(" ".join(filter(None, [says, now]))))
    buttons = [
        button("Add balance", Act.ADD_BALANCE, style="primary"),
        button("Ask someone to pay", Act.ASK_TO_PAY),
    ]
    if f.automatic.card is None:
        buttons.append(button("Connect a card", Act.CONNECT_CARD))
    return [*blocks, *actions_for(f.role, *buttons, block_id="money")]


# --- Automatic payments ------------------------------------------------------------------------------------


def _automatic(f: HomeFacts) -> list[Block]:
    automatic = f.automatic
    if automatic.state is Automatic.OFF or automatic.rule is None:
        blocks = _not_active(f)
    else:
        blocks = [section(_rule_lines(automatic), accessory=_rule_button(f)), *_notes(automatic)]
    return blocks


def _not_active(f: HomeFacts) -> list[Block]:
    why = "Refills the wallet before it runs dry. You choose when and how much."
    if not offers(f.role, Act.AUTOMATIC):
        return [section("*Automatic payments are off*"), context(f"{why} An admin can turn them on.")]
    lines = "*Automatic payments*"
    if f.balance.funded and f.automatic.card is None:
        lines += "\nNo card is connected yet."
    # The one danger button on Home: it names a state that costs money, and loses its colour once it is active.
    not_active = button(
        "Not Active",
        Act.AUTOMATIC,
        style="danger",
        label="Automatic payments are not active. Set them up.",
    )
    return [section(lines, accessory=not_active), context(why)]


def _rule_lines(automatic: AutomaticFacts) -> str:
    assert automatic.rule is not None
    paused = automatic.state is Automatic.PAUSED
    parts = [rule_words(automatic.rule, automatic.currency)]
    if automatic.card is not None:
        parts.append(str(automatic.card))
    charges = "charge" if automatic.rule.per_day_max == 1 else "charges"
    parts.append(f"{automatic.charges_today} of {automatic.rule.per_day_max} {charges} used today")
    return f"*Automatic payments are {'paused' if paused else 'on'}*\n{' · '.join(parts)}"


def _rule_button(f: HomeFacts) -> Block | None:
    change = (
        button("Turn on again", Act.AUTOMATIC)
        if f.automatic.state is Automatic.PAUSED
        else button("Change", Act.AUTOMATIC, label="Change automatic payments")
    )
    return next(iter(permitted(f.role, change, off_button("Turn off"))), None)


def _notes(automatic: AutomaticFacts) -> list[Block]:
    notes = []
    if automatic.state is Automatic.PAUSED and automatic.pause is not None:
        notes.append(f"Paused: {pause_words(automatic.pause)}.")
    if automatic.state is Automatic.ON:
        notes.append(blocked(automatic.block))
    if automatic.backup is not None:
        notes.append(f"Backup: {automatic.backup}.")
    said = " ".join(filter(None, notes))
    return [context(said)] if said else []


# --- The month ---------------------------------------------------------------------------------------------


def _month(month: MonthFacts, balance: BalanceFacts) -> list[Block]:
    year = balance.now.year
    against = usage_views.against_last(month)
    headline = f"*{usage_views.headline_of(month, year)}*"
    text = f"{headline}\n{against}" if against else headline
    blocks = [section(text, accessory=_month_menu(month, year)), usage_views.kind_fields(month)]
    if month.picture_file_id is not None and month.spent.micros:
        name = usage_views.month_name(month.month, year)
        alt = f"Spend by day in {name}, {month.spent} in all. Costliest days: {usage_views.top_days(month)}."
        blocks.append(picture(month.picture_file_id, alt))
    if month.spent.micros:
        blocks.append(context(f"Costliest days: {usage_views.top_days(month)}"))
    if month.spike is not None:
        blocks.append(usage_views.spike_row(month.spike))
    return blocks


def _month_menu(month: MonthFacts, year: int) -> Block | None:
    months = sorted({*month.months, month.month}, reverse=True)[:100]
    if len(months) < 2:
        return None
    options = {one: option(usage_views.month_name(one, year), one) for one in months}
    chosen = options.get(month.month)
    return select(Act.MONTH, list(options.values()), chosen=chosen, placeholder="Month")


# --- Transactions ------------------------------------------------------------------------------------------


def _transactions(f: HomeFacts) -> list[Block]:
    everything = option("All kinds", ALL_KINDS)
    kinds = dict.fromkeys((*_FILTERS, f.history.kind or _FILTERS[0]))
    options = [everything, *(option(_filter_name(kind), kind) for kind in kinds)]
    chosen = next((one for one in options if one["value"] == f.history.kind), everything)
    menu = select(Act.KIND, options, chosen=chosen, placeholder="Kind")
    blocks = [section("*Transactions*", accessory=menu)]
    if not f.history.rows:
        nothing = "Nothing yet: the first call or top-up shows up here."
        blocks.append(context(nothing if f.history.kind is None else "Nothing of this kind."))
    blocks += [history_views.row_block(row, f.history.zone) for row in f.history.rows]
    pager = history_views.pager_buttons(f.history, Act.NEWER, Act.OLDER, filters=False)
    if pager:
        blocks.append(actions(*pager, block_id="pager"))
    return blocks


def _filter_name(kind: str) -> str:
    return (
        f"{KIND_LABELS[kind]}s"
        if kind in ("top_up", "recharge", "refund", "correction")
        else kind_plural(kind)
    )


def _foot(f: HomeFacts) -> list[Block]:
    if f.balance.last_asked_at is None:
        asked = "The platform hasn't asked yet whether something may start."
    else:
        asked = f"The platform last asked {ago(f.balance.last_asked_at, f.balance.now)}."
    settings = (button("People", Act.PEOPLE), button("Alerts", Act.ALERTS))
    return [*actions_for(f.role, *settings, block_id="settings"), context(asked)]
