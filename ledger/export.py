"""The books for others to read: CSV for spreadsheets, Beancount for those who keep books themselves. Only reads.

Both are streamed: a long history takes no more memory than a short one. Amounts are exact decimals.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from ledger.chart import Account
from ledger.errors import WalletUnknown
from ledger.money import Currency, Money, decimal_text
from ledger.reading import WITH_WORDS, WORDS, numbers_of_month
from ledger.tables import texts, transfers, wallets

Paid = Callable[[str, str], str]
"""Gives the card that a transfer's source and source id were paid with; empty when it was none."""

COLUMNS = (
    "number",
    "recorded_at",
    "happened_at",
    "kind",
    "amount",
    "currency",
    "balance_after",
    "quantity",
    "reference",
    "description",
    "source",
    "source_id",
    "stripe_id",
    "card",
    "hold_id",
    "corrects",
    "after_stop",
)
_FETCHED_AT_ONCE = 1_000
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet run a cell, also in full width (owasp.org, CSV injection)."""


@dataclass(frozen=True, slots=True)
class Extract:
    """What is exported: a stretch of one wallet's transfers, and the balance on both sides of it. Micro-units."""

    wallet_id: UUID
    currency: str
    zone: str
    first_seq: int
    after_seq: int
    opening_micros: int
    closing_micros: int
    closed_at: datetime
    """When the last of its transfers was recorded; for an empty stretch, when the wallet was opened."""

    @property
    def count(self) -> int:
        """How many transfers it has."""
        return self.after_seq - self.first_seq


def extract_of(connection: Connection, wallet_id: UUID, month: str | None = None) -> Extract:
    """Choose all of a wallet's transfers, or those recorded in a month ("2026-11") of its zone.

    Refuses: WalletUnknown.
    """
    wallet = connection.execute(select(wallets).where(wallets.c.wallet_id == wallet_id)).one_or_none()
    if wallet is None:
        raise WalletUnknown
    first, after = (1, wallet.seq + 1) if month is None else numbers_of_month(connection, wallet_id, month)
    opening, _ = _balance_after(connection, wallet_id, first - 1)
    closing, closed_at = _balance_after(connection, wallet_id, after - 1)
    return Extract(
        wallet_id,
        wallet.currency,
        wallet.zone,
        first,
        after,
        opening,
        closing,
        closed_at or wallet.created_at,
    )


def _balance_after(connection: Connection, wallet_id: UUID, seq: int) -> tuple[int, datetime | None]:
    row = connection.execute(
        select(transfers.c.balance_after, transfers.c.recorded_at).where(
            transfers.c.wallet_id == wallet_id, transfers.c.seq == seq
        )
    ).one_or_none()
    return (0, None) if row is None else (row.balance_after, row.recorded_at)


class _Row(NamedTuple):
    """A transfer on its way out."""

    seq: int
    kind: str
    debit: str
    credit: str
    amount: int
    balance_after: int
    occurred_at: datetime
    recorded_at: datetime
    quantity: int | None
    source: str
    source_id: str
    hold_id: str | None
    corrects_seq: int | None
    after_stop: int
    reference: str
    description: str

    @property
    def effect(self) -> int:
        return self.amount if self.credit == Account.BALANCE else -self.amount


_COLUMNS = [transfers.c[name] for name in _Row._fields if name in transfers.c]


def _rows(connection: Connection, extract: Extract) -> Iterator[_Row]:
    found = connection.execution_options(yield_per=_FETCHED_AT_ONCE).execute(
        select(*_COLUMNS, *WORDS)
        .join(texts, WITH_WORDS, isouter=True)
        .where(
            transfers.c.wallet_id == extract.wallet_id,
            transfers.c.seq >= extract.first_seq,
            transfers.c.seq < extract.after_seq,
        )
        .order_by(transfers.c.seq)
    )
    for row in found:
        yield _Row._make(row)


# --- CSV ---------------------------------------------------------------------------------------------------


def csv_lines(connection: Connection, extract: Extract, paid: Paid) -> Iterator[str]:
    """Write an extract as CSV: a header, the opening balance, one line a transfer, the closing balance.

    Opening plus all amounts is closing. A text that a spreadsheet would run begins with an apostrophe.
    """
    currency = Currency.of(extract.currency)
    line = _Line()
    yield line.of(COLUMNS)
    yield line.of(_balance_row("opening", extract.opening_micros, currency))
    for row in _rows(connection, extract):
        yield line.of(
            (
                row.seq,
                _utc(row.recorded_at),
                _utc(row.occurred_at),
                row.kind,
                _exact(row.effect, currency),
                currency.code,
                _exact(row.balance_after, currency),
                "" if row.quantity is None else row.quantity,
                _inert(row.reference),
                _inert(row.description),
                _inert(row.source),
                _inert(row.source_id),
                _stripe_id(row),
                _inert(paid(row.source, row.source_id)),
                _inert(row.hold_id or ""),
                "" if row.corrects_seq is None else row.corrects_seq,
                "yes" if row.after_stop else "",
            )
        )
    yield line.of(_balance_row("closing", extract.closing_micros, currency))


class _Line:
    """Turns values into a line of CSV."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._writer = csv.writer(self._text)

    def of(self, values: tuple[object, ...]) -> str:
        self._text.seek(0)
        self._text.truncate()
        self._writer.writerow(values)
        return self._text.getvalue()


def _balance_row(kind: str, micros: int, currency: Currency) -> tuple[object, ...]:
    named: dict[str, object] = {
        "kind": kind,
        "currency": currency.code,
        "balance_after": _exact(micros, currency),
    }
    return tuple(named.get(column, "") for column in COLUMNS)


def _inert(text: str) -> str:
    """Keep a spreadsheet from running a text."""
    return f"'{text}" if text.lstrip().startswith(_FORMULA) or text[:1] in ("\t", "\r", "\n") else text


def _stripe_id(row: _Row) -> str:
    return row.source_id.partition(":")[2] if row.source == "stripe" else ""


def _exact(micros: int, currency: Currency) -> str:
    return decimal_text(Money(micros, currency))


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


# --- Beancount ---------------------------------------------------------------------------------------------

ACCOUNTS = {
    Account.BALANCE: "Assets:Wallet",
    Account.CARD: "Liabilities:Card",
    Account.USAGE: "Expenses:Usage",
    Account.PROMO: "Income:Promo",
    Account.REFUNDS: "Liabilities:Refunds",
    Account.DISPUTES: "Liabilities:Disputes",
    Account.ADJUSTMENTS: "Equity:Adjustments",
}
"""What each account of a wallet's books is called in Beancount's."""
_OPENING = "Equity:Opening-Balances"


def beancount_lines(connection: Connection, extract: Extract) -> Iterator[str]:
    """Write an extract as a Beancount file, a piece a transfer: `bean-check` accepts it, and its balances are ours.

    Dates are the days of record in the wallet's zone. An extract that begins later opens each account with what it
    had by then, and every account's balance at the end is asserted.
    """
    zone, currency = ZoneInfo(extract.zone), Currency.of(extract.currency)
    balances = _balances_before(connection, extract)
    last = extract.closed_at.astimezone(zone).date()
    began = None
    for row in _rows(connection, extract):
        day = row.recorded_at.astimezone(zone).date()
        if began is None:
            began = day
            yield "".join(_head(extract, day, balances, currency))
        balances[row.debit] -= row.amount
        balances[row.credit] += row.amount
        yield "".join(_transaction(row, day, currency))
    if began is None:
        yield "".join(_head(extract, last, balances, currency))
    yield "\n"
    for account, name in ACCOUNTS.items():
        amount = _exact(balances[account.value], currency)
        yield f"{last + timedelta(days=1)} balance {name}  {amount} ~ 0 {currency.code}\n"


def _balances_before(connection: Connection, extract: Extract) -> defaultdict[str, int]:
    balances: defaultdict[str, int] = defaultdict(int)
    if extract.first_seq == 1:
        return balances
    earlier = (transfers.c.wallet_id == extract.wallet_id) & (transfers.c.seq < extract.first_seq)
    for side, sign in ((transfers.c.debit, -1), (transfers.c.credit, 1)):
        sums = connection.execute(select(side, func.sum(transfers.c.amount)).where(earlier).group_by(side))
        for account, micros in sums:
            balances[account] += sign * int(micros)
    return balances


def _head(extract: Extract, day: date, balances: Mapping[str, int], currency: Currency) -> Iterator[str]:
    yield f'option "title" {_quoted(f"Wallet {extract.wallet_id}")}\n'
    yield f'option "operating_currency" "{currency.code}"\n\n'
    opened = [_OPENING, *ACCOUNTS.values()] if any(balances.values()) else list(ACCOUNTS.values())
    for name in opened:
        yield f"{day} open {name} {currency.code}\n"
    if not any(balances.values()):
        return
    # Our books sum to zero by themselves, so what was before needs no other side; Beancount wants one all the same.
    for account, name in ACCOUNTS.items():
        if amount := balances[account.value]:
            yield f'\n{day} * "Opening balance"\n'
            yield f"  {name}  {_exact(amount, currency)} {currency.code}\n"
            yield f"  {_OPENING}  {_exact(-amount, currency)} {currency.code}\n"


def _transaction(row: _Row, day: date, currency: Currency) -> Iterator[str]:
    words = " - ".join(part for part in (row.reference, row.description) if part)
    yield f"\n{day} * {_quoted(row.kind)} {_quoted(words)}\n"
    yield f"  number: {row.seq}\n"
    yield f"  key: {_quoted(f'{row.source}:{row.source_id}')}\n"
    yield f"  recorded: {_quoted(_utc(row.recorded_at))}\n"
    if row.occurred_at != row.recorded_at:
        yield f"  happened: {_quoted(_utc(row.occurred_at))}\n"
    if row.quantity is not None:
        yield f"  quantity: {row.quantity}\n"
    if row.corrects_seq is not None:
        yield f"  corrects: {row.corrects_seq}\n"
    for account, micros in ((row.debit, -row.amount), (row.credit, row.amount)):
        yield f"  {ACCOUNTS[Account(account)]}  {_exact(micros, currency)} {currency.code}\n"


def _quoted(text: str) -> str:
    """Write a string as Beancount reads it; what does not print becomes a space."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
