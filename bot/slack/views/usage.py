"""A month's usage in words, numbers and a chart, and why a day cost so much. Pure."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from bot.facts import BalanceFacts, DayFacts, KindFacts, MonthFacts, SpikeFacts
from bot.rights import Role
from bot.slack.ids import Act, Form
from bot.slack.views.blocks import (
    Block,
    Message,
    View,
    actions,
    actions_for,
    button,
    context,
    modal,
    mrkdwn,
    section,
)
from bot.slack.views.text import escape, spoken
from bot.slack.views.words import KIND_LABELS, call_minutes, kind_count, kind_label, kind_plural, lasts, short
from ledger import MICROS, Money

POINTS_MAX = 20
"""A chart in Slack takes no more; a longer month is drawn in steps of three days."""
TOP_DAYS = 3


def usage(f: MonthFacts, balance: BalanceFacts) -> Message:
    """Sum a month up: spent, by kind, against the month before, as a chart, and its costliest days."""
    year = balance.now.year
    headline = f"*{headline_of(f, year)}*"
    against = against_last(f)
    lines = [kind_line(one) for one in shown_kinds(f)]
    ends = f"The balance is {balance.balance}{_lasts(balance)}."
    blocks: list[Block] = [section(f"{headline}\n{against}" if against else headline), kind_fields(f)]
    if f.spent.micros > 0:
        steps = _steps(f.days)
        blocks += [_chart(f, steps, year), context(_steps_in_words(steps)), section(_top_days(f))]
    if f.spike is not None:
        blocks.append(spike_row(f.spike))
    blocks.append(context(ends))
    blocks.append(actions(*_other_months(f, year), button("History", Act.HISTORY, value=f.month)))
    rest = [f"{against}." if against else "", *(f"{line}." for line in lines), ends]
    return Message(text=spoken(f"{headline}.", *rest), blocks=blocks)


def headline_of(f: MonthFacts, year: int) -> str:
    """Say what a month cost: "November so far: $412.60"."""
    so_far = " so far" if f.running else ""
    return f"{month_name(f.month, year)}{so_far}: {f.spent}"


def month_name(month: str, year: int) -> str:
    """Name a month, with its year where that is another than the present one."""
    first = date.fromisoformat(f"{month}-01")
    return f"{first:%B}" if first.year == year else f"{first:%B %Y}"


def against_last(f: MonthFacts) -> str:
    """Compare with the same days of the month before; empty where there is nothing to compare with."""
    if f.last_month is None or f.last_spent is None or f.last_spent.micros <= 0 or f.spent.micros <= 0:
        return ""
    before = f"{date.fromisoformat(f'{f.last_month}-01'):%B}"
    days = "" if not f.running else "1 " if f.through_day == 1 else f"1–{f.through_day} "
    change = f.spent.micros - f.last_spent.micros
    percent = (abs(change) * 200 // f.last_spent.micros + 1) // 2  # to the nearest whole
    if percent == 0:
        return f"As much as {days}{before}"
    return f"{percent:,} % {'more' if change > 0 else 'less'} than {days}{before}"


def shown_kinds(f: MonthFacts) -> list[KindFacts]:
    """Give what a month's numbers are shown for: usage, costliest first, then all top-ups as one, then the rest."""
    top_ups = [one for one in f.credits if one.kind in ("top_up", "recharge")]
    rest = [one for one in f.credits if one.kind not in ("top_up", "recharge")]
    together = KindFacts(
        kind="top_up",
        count=sum(one.count for one in top_ups),
        quantity=0,
        amount=Money(sum(one.amount.micros for one in top_ups), f.spent.currency),
    )
    order = list(KIND_LABELS)
    used = sorted(
        f.kinds,
        key=lambda one: (-one.amount.micros, order.index(one.kind) if one.kind in order else len(order)),
    )
    return [*used, together, *rest]


def kind_line(one: KindFacts) -> str:
    """Say one kind's share: "Outbound calls $301.20 · 1,204 calls · 2,310 min"."""
    return f"{_kind_title(one)} {_kind_numbers(one)}"


def _kind_title(one: KindFacts) -> str:
    return "Top-ups" if one.kind == "top_up" else kind_plural(one.kind)


def _kind_numbers(one: KindFacts) -> str:
    parts = [str(one.amount)]
    if one.kind in ("outbound_call", "inbound_call", "ai_task"):
        parts.append(kind_count(one.kind, one.count))
    else:
        parts.append(f"{one.count:,}")
    if one.kind.endswith("_call"):
        parts.append(call_minutes(one.quantity))
    return " · ".join(parts)


def kind_fields(f: MonthFacts) -> Block:
    """Give the numbers in two columns."""
    fields = [mrkdwn(f"*{_kind_title(one)}*\n{_kind_numbers(one)}") for one in shown_kinds(f)[:10]]
    return {"type": "section", "fields": fields}


def _lasts(balance: BalanceFacts) -> str:
    words = lasts(balance)
    return f"; it {words}" if words.startswith("lasts") else ""


def _other_months(f: MonthFacts, year: int) -> list[Block]:
    """Give buttons for the nearest month before and after this one that have anything in them."""
    before = max((one for one in f.months if one < f.month), default=None)
    after = min((one for one in f.months if one > f.month), default=None)
    buttons = []
    if before is not None:
        buttons.append(button(f"‹ {month_name(before, year)}", Act.EARLIER_MONTH, value=before))
    if after is not None:
        buttons.append(button(f"{month_name(after, year)} ›", Act.LATER_MONTH, value=after))
    return buttons


# --- Days --------------------------------------------------------------------------------------------------


def _steps(days: Sequence[DayFacts]) -> list[tuple[str, Money]]:
    """Give the points of the chart: single days while they fit, else steps of three days."""
    size = 1 if len(days) <= POINTS_MAX else 3
    steps = []
    for start in range(0, len(days), size):
        part = days[start : start + size]
        first, last = (date.fromisoformat(one.day).day for one in (part[0], part[-1]))
        label = str(first) if first == last else f"{first}–{last}"
        spent = Money(sum(one.spent.micros for one in part), part[0].spent.currency)
        steps.append((label, spent))
    return steps


def _chart(f: MonthFacts, steps: Sequence[tuple[str, Money]], year: int) -> Block:
    name = month_name(f.month, year)
    code = f.spent.currency.code
    return {
        "type": "data_visualization",
        "block_id": f"usage_{f.month}",
        "title": f"Spend in {name} ({code})",
        "chart": {
            "type": "bar",
            "series": [
                {
                    "name": "Spend",
                    "data": [{"label": label, "value": chart_number(spent)} for label, spent in steps],
                }
            ],
            "axis_config": {
                "categories": [label for label, _ in steps],
                "x_label": f"Day of {name}",
                "y_label": code,
            },
        },
    }


def chart_number(money: Money) -> float:
    """Give an amount as the number that a chart takes. Charts know no other kind; nothing is computed with it."""
    return float(round(Decimal(money.micros) / MICROS, 2))


def _steps_in_words(steps: Sequence[tuple[str, Money]]) -> str:
    spent = [f"{label}: {money}" for label, money in steps if money.micros]
    return f"By day of the month: {', '.join(spent)}."


def _top_days(f: MonthFacts) -> str:
    return f"Costliest days: {top_days(f)}."


def top_days(f: MonthFacts) -> str:
    """Name the costliest days: "Tue 17 Nov $93.20, Mon 16 Nov $61.10"."""
    costly = sorted((one for one in f.days if one.spent.micros > 0), key=lambda one: -one.spent.micros)
    return ", ".join(f"{day_name(one.day)} {one.spent}" for one in costly[:TOP_DAYS])


def day_name(day: str) -> str:
    """Write a day of the wallet's calendar: "Tue 17 Nov"."""
    when = date.fromisoformat(day)
    return f"{when:%a} {when.day} {when:%b}"


# --- Spikes ------------------------------------------------------------------------------------------------


def spike_sentence(spike: SpikeFacts) -> str:
    """Say how far a day stands out."""
    head = f"{kind_plural(spike.kind)} on {day_name(spike.day)} cost"
    if spike.times_tenths is None:
        return f"{head} {short(spike.spent)}, {_against(spike)}."
    return f"{head} {_against(spike)}."


def _against(spike: SpikeFacts) -> str:
    """Say what a day is held against: its weekday, or all days where that is no measure."""
    if spike.times_tenths is None:
        return "far more than on any day of the four weeks before"
    times = f"{spike.times_tenths // 10}.{spike.times_tenths % 10}"
    return f"{times} times a usual {date.fromisoformat(spike.day):%A}"


def spike_row(spike: SpikeFacts) -> Block:
    """Give the spike with its [Why?]."""
    return section(spike_sentence(spike), accessory=_why_button(spike, Act.WHY))


def spike_seen(spike: SpikeFacts, role: Role, *, lasts: bool) -> Message:
    """Tell that a day costs far more than usual, and the reference that costs most; `lasts`: it is today."""
    when = "today" if lasts else f"on {day_name(spike.day)}"
    named = next(((name, money) for name, money in spike.references if name), None)
    most = f" ({escape(named[0], 80)}: {short(named[1])})" if named is not None else ""
    line = f"*{kind_plural(spike.kind)} cost {short(spike.spent)} {when}, {_against(spike)}{most}.*"
    buttons = actions_for(role, _why_button(spike, Act.WHY_IN_THREAD))
    return Message(text=spoken(line), blocks=[section(line), *buttons])


def _why_button(spike: SpikeFacts, act: Act) -> Block:
    label = f"Why? {spike_sentence(spike)}"[:75]
    return button("Why?", act, value=f"{spike.day}:{spike.kind}", label=label)


def why(spike: SpikeFacts) -> View:
    """Explain a spike by the references that cost most."""
    weekday = f"{date.fromisoformat(spike.day):%A}"
    usual = (
        f"a usual {weekday} costs {spike.usual}"
        if spike.usual is not None
        else f"there are too few {weekday}s to compare it with"
    )
    blocks = [section(f"*{spike_sentence(spike)}*\n{spike.spent} on that day; {usual}.")]
    if spike.references:
        lines = [f"{money}  {escape(name, 80) or 'without a reference'}" for name, money in spike.references]
        blocks.append(section("*What cost most that day*\n" + "\n".join(lines)))
    else:
        label = kind_label(spike.kind)
        blocks.append(
            context(f"{label}: no references were posted with it, so there is nothing finer to show.")
        )
    return modal(Form.NOTHING, "Why?", blocks)
