"""Transactions in rows: a page of them, one in full, and the label that every surface gives a row. Pure."""

from datetime import date
from zoneinfo import ZoneInfo

from bot.facts import HistoryFacts, RowFacts
from bot.slack.ids import Act, Form
from bot.slack.views.blocks import (
    Block,
    Message,
    View,
    actions,
    button,
    context,
    modal,
    option,
    plain,
    section,
)
from bot.slack.views.text import clean, escape, moment, spoken
from bot.slack.views.words import call_minutes, kind_label, kind_plural
from ledger import Currency, format_money

REFERENCE_MAX = 60


def history(f: HistoryFacts, currency: Currency) -> Message:
    """Show a page of transactions, newest first, with the filters that made it."""
    headline = f"*Transactions*{_filters(f)}"
    if not f.rows:
        line = "There is nothing here yet." if f.kind is None and f.month is None else "Nothing matches."
        return Message(text=spoken(f"{headline}.", line), blocks=[section(f"{headline}\n{line}")])
    blocks = [section(headline), *(row_block(row, f.zone) for row in f.rows)]
    pager = pager_buttons(f, Act.HISTORY_NEWER, Act.HISTORY_OLDER, filters=True)
    if pager:
        blocks.append(actions(*pager))
    blocks.append(context(f"Amounts in {currency.code}. Each row shows the balance after it."))
    rows = "; ".join(f"{format_money(row.amount, plus=True)} {label_of(row)}" for row in f.rows)
    return Message(text=spoken(f"{headline}:", f"{rows}."), blocks=blocks)


def _filters(f: HistoryFacts) -> str:
    parts = []
    if f.kind is not None:
        parts.append(kind_plural(f.kind))
    if f.month is not None:
        parts.append(f"{date.fromisoformat(f'{f.month}-01'):%B %Y}")
    return "".join(f" · {part}" for part in parts)


def row_block(row: RowFacts, zone: str) -> Block:
    """Give one row: the amount first, and a menu for more."""
    text = (
        f"*{format_money(row.amount, plus=True)}*  {label_of(row)}\n"
        f"{_when(row, zone)} · Balance {row.balance_after}"
    )
    options = [option("Details", f"details:{row.seq}")]
    if row.has_receipt:
        options.insert(0, option("Receipt", f"receipt:{row.seq}"))
    menu: Block = {"type": "overflow", "action_id": Act.ROW, "options": options}
    return section(text, accessory=menu, block_id=f"row_{row.seq}")


def label_of(row: RowFacts) -> str:
    """Name a row with what tells it from others."""
    label = row_label(row.kind, row.quantity, row.reference, row.card)
    return f"{label} · after the stop" if row.after_stop else label


def row_label(kind: str, quantity: int | None, reference: str = "", card: str = "") -> str:
    """Name a transaction: "Outbound call · 3 min · camp-118"."""
    parts = [escape(kind_label(kind), REFERENCE_MAX)]
    if quantity and kind.endswith("_call"):
        parts.append(call_minutes(quantity))
    elif quantity and quantity > 1:
        parts.append(f"{quantity:,}")
    parts += [escape(part, REFERENCE_MAX) for part in (reference, card) if part]
    return " · ".join(parts)


def _when(row: RowFacts, zone: str) -> str:
    if _late(row, zone):
        return f"Used {moment(row.occurred_at, zone)}, recorded {moment(row.recorded_at, zone)}"
    return moment(row.occurred_at, zone)


def _late(row: RowFacts, zone: str) -> bool:
    """Say whether a row was recorded on another day than it happened; both are shown then."""
    there = ZoneInfo(zone)
    return row.occurred_at.astimezone(there).date() != row.recorded_at.astimezone(there).date()


def pager_buttons(f: HistoryFacts, newer: Act, older: Act, *, filters: bool) -> list[Block]:
    """Give the pager without dead ends. `filters` says that the buttons themselves carry kind and month."""
    return [
        button(text, action, value=page_value(cursor, f) if filters else cursor, label=label)
        for text, action, cursor, label in (
            ("‹ Newer", newer, f.newer_cursor, "Newer transactions"),
            ("Older ›", older, f.older_cursor, "Older transactions"),
        )
        if cursor is not None
    ]


def page_value(cursor: str, f: HistoryFacts) -> str:
    """Give what a pager button carries: where to go on, and the filters to keep."""
    return f"{cursor}|{f.kind or ''}|{f.month or ''}"


def page_of(value: str) -> tuple[str, str | None, str | None]:
    """Read what a pager button carried: cursor, kind and month."""
    cursor, _, rest = value.partition("|")
    kind, _, month = rest.partition("|")
    return cursor, kind or None, month or None


def row_details(row: RowFacts, receipt_url: str, zone: str = "UTC") -> View:
    """Show one transaction in full; the receipt's address is read afresh."""
    amount = format_money(row.amount, plus=True)
    lines = [
        f"*{amount}*  {row_label(row.kind, row.quantity, '', row.card)}",
        f"Balance after it: {row.balance_after}",
        f"Happened {moment(row.occurred_at, zone)}",
        f"Recorded {moment(row.recorded_at, zone)}" if _late(row, zone) else "",
        "It began after the stop." if row.after_stop else "",
    ]
    blocks = [section("\n".join(line for line in lines if line))]
    for name, text in (("Reference", row.reference), ("Description", row.description)):
        if text:
            blocks.append(context(f"*{name}*"))
            # The platform's text is shown as it is: Slack reads no formatting in it.
            blocks.append({"type": "section", "text": _as_sent(text)})
    if receipt_url:
        blocks.append(actions(button("Receipt", Act.OPEN_PAGE, url=receipt_url)))
    ref = f" · Ref {row.payment_ref}" if row.payment_ref else ""
    blocks.append(context(f"Transaction {row.seq:,}{ref}"))
    return modal(Form.NOTHING, f"Transaction {row.seq}"[:24], blocks)


def _as_sent(text: str) -> Block:
    shown = plain(clean(text, 500) or "-")
    shown["emoji"] = False
    return shown
