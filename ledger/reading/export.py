"""The books for others to read: CSV for spreadsheets, Beancount for those who keep books themselves. Only reads.

Both are streamed: a long history takes no more memory than a short one. Amounts are exact decimals. Books that do not
add up are not exported: every transfer is held to its number and its balance on the way out.
"""

import csv
import io
import re
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
from ledger.instants import from_stamp, to_stamp
from ledger.local_time import local_day
from ledger.money import Currency, Money, decimal_text
from ledger.reading.history import WITH_WORDS, WORDS, numbers_of_month
from ledger.storage.accepted_times import accepted_times
from ledger.storage.schema import texts, transfers, wallets

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
_RUNS = re.compile(
    '^(?=[\t\r\n])|(?:^|(?<=[;\t\r\n]))(?=(?:[^\\S\t\r\n]|")*[=+\\-@\uff1d\uff0b\uff0d\uff20])'
)
"""Where a cell begins that a spreadsheet runs, also in full width (owasp.org, CSV injection).

Inside a text too: a spreadsheet set to another separator cuts our lines at its own, and knows none of our quotes.
"""


class BooksBroken(Exception):
    """A transfer does not follow from the one before; nothing made of such books can be relied on."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        super().__init__(f"The books up to transaction {seq} do not add up.")


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
    eve: date
    """The day before its month, in the wallet's zone; the day the wallet was opened when it has all transfers."""

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
    if month is None:
        first, after = 1, wallet.seq + 1
        eve = local_day(wallet.created_at, ZoneInfo(wallet.zone))
    else:
        first, after = numbers_of_month(connection, wallet_id, month)
        eve = date.fromisoformat(f"{month}-01") - timedelta(days=1)
    opening, closing = (_balance_after(connection, wallet_id, seq) for seq in (first - 1, after - 1))
    return Extract(wallet_id, wallet.currency, wallet.zone, first, after, opening, closing, eve)


def _balance_after(connection: Connection, wallet_id: UUID, seq: int) -> int:
    found = connection.execute(
        select(transfers.c.balance_after).where(transfers.c.wallet_id == wallet_id, transfers.c.seq == seq)
    ).scalar_one_or_none()
    return 0 if found is None else int(found)


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
    """Give the transfers in order. Raises: BooksBroken."""
    wanted = (
        select(*_COLUMNS, *WORDS)
        .join(texts, WITH_WORDS, isouter=True)
        .where(
            transfers.c.wallet_id == extract.wallet_id,
            transfers.c.seq >= extract.first_seq,
            transfers.c.seq < extract.after_seq,
        )
        .order_by(transfers.c.seq)
        .execution_options(yield_per=_FETCHED_AT_ONCE)
    )
    seq, balance = extract.first_seq, extract.opening_micros
    for found in connection.execute(wanted):
        row = _Row._make(found)
        balance += row.effect
        if (row.seq, row.balance_after) != (seq, balance):
            raise BooksBroken(seq)
        yield row
        seq += 1
    if (seq, balance) != (extract.after_seq, extract.closing_micros):
        raise BooksBroken(seq)


# --- CSV ---------------------------------------------------------------------------------------------------


def csv_lines(connection: Connection, extract: Extract, paid: Paid) -> Iterator[str]:
    """Write an extract as CSV: a header, the opening balance, one line a transfer, the closing balance.

    Opening plus all amounts is closing, and the last line says so. Where a spreadsheet would run a text, an apostrophe
    stands before it; numbers stay numbers. Raises: BooksBroken.
    """
    currency = Currency.of(extract.currency)
    line = _Line()
    yield line.of(COLUMNS)
    yield line.of(_balance_row("opening", extract.opening_micros, currency, ""))
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
                _inert(_stripe_id(row)),
                _inert(paid(row.source, row.source_id)),
                _inert(row.hold_id or ""),
                "" if row.corrects_seq is None else row.corrects_seq,
                "yes" if row.after_stop else "",
            )
        )
    moved = _exact(extract.closing_micros - extract.opening_micros, currency)
    opening, closing = (_exact(one, currency) for one in (extract.opening_micros, extract.closing_micros))
    proof = f"opening {opening}, transactions {moved}, closing {closing}"
    yield line.of(_balance_row("closing", extract.closing_micros, currency, proof))


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


def _balance_row(kind: str, micros: int, currency: Currency, proof: str) -> tuple[object, ...]:
    named: dict[str, object] = {
        "kind": kind,
        "currency": currency.code,
        "balance_after": _exact(micros, currency),
        "description": proof,
    }
    return tuple(named.get(column, "") for column in COLUMNS)


def _inert(text: str) -> str:
    """Keep a spreadsheet from running a text."""
    return _RUNS.sub("'", text)


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
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def beancount_lines(connection: Connection, extract: Extract) -> Iterator[str]:
    """Write an extract as a Beancount file, a piece a transfer: `bean-check` accepts it, and its balances are ours.

    Dates are the days of record in the wallet's zone. A month begins with what each account had by then, dated the day
    before, so that it counts for the balances and not for the month. Every account's balance at the end is asserted.
    Raises: BooksBroken.
    """
    zone, currency = ZoneInfo(extract.zone), Currency.of(extract.currency)
    balances = _balances_before(connection, extract)
    accepted = accepted_times(connection, extract.wallet_id)
    day = extract.eve
    yield "".join(_head(extract, balances, currency))
    for row in _rows(connection, extract):
        day = local_day(from_stamp(accepted.of(row.seq, to_stamp(row.recorded_at))), zone)
        balances[row.debit] -= row.amount
        balances[row.credit] += row.amount
        yield "".join(_transaction(row, day, currency))
    yield "\n"
    # Beancount looks at a balance in the morning of its day, and rounds unless it is told by how much it may be off.
    morning = day + timedelta(days=1)
    for account, name in ACCOUNTS.items():
        yield f"{morning} balance {name}  {_exact(balances[account.value], currency)} ~ 0 {currency.code}\n"


def _balances_before(connection: Connection, extract: Extract) -> defaultdict[str, int]:
    balances: defaultdict[str, int] = defaultdict(int)
    if extract.first_seq == 1:
        return balances
    earlier = (transfers.c.wallet_id == extract.wallet_id) & (transfers.c.seq < extract.first_seq)
    for side, sign in ((transfers.c.debit, -1), (transfers.c.credit, 1)):
        sums = connection.execute(select(side, func.sum(transfers.c.amount)).where(earlier).group_by(side))
        for account, micros in sums:
            balances[account] += sign * int(micros)
    if balances[Account.BALANCE] != extract.opening_micros:
        raise BooksBroken(extract.first_seq - 1)
    return balances


def _head(extract: Extract, balances: Mapping[str, int], currency: Currency) -> Iterator[str]:
    yield f'option "title" {_quoted(f"Wallet {extract.wallet_id}")}\n'
    yield f'option "operating_currency" "{currency.code}"\n\n'
    for name in ACCOUNTS.values():
        yield f"{extract.eve} open {name} {currency.code}\n"
    if any(balances.values()):
        # A wallet's books sum to zero by themselves, so what was before needs no other side.
        yield f'\n{extract.eve} * "Opening balances"\n'
        for account, name in ACCOUNTS.items():
            yield f"  {name}  {_exact(balances[account.value], currency)} {currency.code}\n"


def _transaction(row: _Row, day: date, currency: Currency) -> Iterator[str]:
    yield f"\n{day} * {_quoted(row.kind)} {_quoted(row.description)}\n"
    yield f"  number: {row.seq}\n"
    yield f"  key: {_quoted(f'{row.source}:{row.source_id}')}\n"
    if row.reference:
        yield f"  reference: {_quoted(row.reference)}\n"
    yield f"  recorded: {_quoted(_utc(row.recorded_at))}\n"
    if row.occurred_at != row.recorded_at:
        yield f"  happened: {_quoted(_utc(row.occurred_at))}\n"
    if row.quantity is not None:
        yield f"  quantity: {row.quantity}\n"
    if row.corrects_seq is not None:
        yield f"  corrects: {row.corrects_seq}\n"
    if row.hold_id is not None:
        yield f"  hold: {_quoted(row.hold_id)}\n"
    if row.after_stop:
        yield "  after-stop: TRUE\n"
    for account, micros in ((row.debit, -row.amount), (row.credit, row.amount)):
        yield f"  {ACCOUNTS[Account(account)]}  {_exact(micros, currency)} {currency.code}\n"


def _quoted(text: str) -> str:
    """Write a string as Beancount reads it back, character by character.

    Line ends are escaped: to what reads by lines (people, grep, bean-format), a text must not look like an entry.
    """
    return f'"{text.translate(_ESCAPES)}"'
