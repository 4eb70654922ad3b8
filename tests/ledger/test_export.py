"""Exports, judged by those who will read them: Python's csv, and the real bean-check."""

import csv
import io
import random
import re
import shutil
import subprocess
import sys
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Literal
from uuid import UUID

import pytest
from beancount import loader
from beancount.core import data, realization
from sqlalchemy import Connection, update
from sqlalchemy import text as sql

from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    BooksBroken,
    CaptureHold,
    Command,
    Correct,
    CreditKind,
    OpenHold,
    PostMoney,
    PostUsage,
    Receipt,
    beancount_lines,
    csv_lines,
    erase_numbers,
    extract_of,
)
from ledger.chart import Account
from ledger.reading.export import ACCOUNTS
from ledger.storage.schema import wallets
from tests.ledger.wallet_driver import WalletDriver, usd
from tests.sizes import size

NASTY = (
    "=cmd|' /C calc'!A0",
    "+49 30 901820",
    "-2+3",
    "@SUM(A1)",
    "\tTab",
    " =1+1",
    "\uff1d1+1",
    'say "hello", twice',
    "two\nlines",
    "back\\slash, and one at the end \\",
    "other separator;=cmd()",
    'and its quotes;"=cmd()"',
    "end of line\r\n=1+1",
    "tabbed\t@SUM(A1)",
    "\n=1+1",
    "three\n\n\nlines",
    '"=1+1"',
    "\u200f=1+1 \u202e nothing",
    "a family \U0001f468\u200d\U0001f469\u200d\U0001f467, no\u00a0break, \u2028",
    "bell \x07 escape \x1b[31m",
    "".join(f"{line}\n" for line in range(80)),
    "Grüße 👋 שלום",
    "2026-11-01 * not a transaction",
    'nor here\n2026-11-01 * "Opening balances"',
    "; not a comment",
    "#tag ^link",
    "campaign 7",
    "",
)
MIXED = size("export", local=800, ci=800, full=10_000)
"""Transfers of every kind, with every text."""
KINDS = (OUTBOUND_CALL, INBOUND_CALL, AI_TASK, "sms")


def mixed(count: int) -> list[Command]:
    """Make commands of every kind, with texts that break naive writers; a fixed seed, so that a failure comes again."""
    chance = random.Random(9)  # noqa: S311
    commands: list[Command] = []
    for number in range(count):
        text, other = chance.choice(NASTY), chance.choice(NASTY)
        micros = chance.choice([0, 1, usd("0.42"), usd("1.333333"), usd("12")])
        match chance.randrange(12):
            case 0:
                kind = chance.choice(list(CreditKind))
                key = f"credit:pi_{number}"
                commands.append(PostMoney("stripe", key, kind, micros + 1, None, text, other))
            case 1:
                hold = f"h-{number}"
                commands.append(OpenHold(hold, OUTBOUND_CALL, usd("1"), text))
                commands.append(CaptureHold(hold, micros, None, 60, "", other))
            case _:
                kind_of_usage = chance.choice(KINDS)
                key = f"call-{number}"
                commands.append(PostUsage("platform", key, kind_of_usage, micros, None, 60, text, other))
    return commands


def lived(driver: WalletDriver, count: int) -> None:
    """Let so many transfers happen, a hundred and their corrections every twenty hours."""
    driver.do(PostMoney("stripe", "credit:pi_first", CreditKind.TOP_UP, usd("50000"), None))
    commands = iter(mixed(count))
    while driver.view().seq + 120 < count:
        outcomes = driver.do(*islice(commands, 100))
        priced = [one for one in outcomes if isinstance(one, Receipt) and one.amount_micros > 1]
        driver.do(
            *(
                Correct("operator", f"fix-{one.seq}", one.source_id, one.amount_micros - 1, None, NASTY[0])
                for one in priced[::9]
            )
        )
        driver.clock.skip(hours=20)
    while (seq := driver.view().seq) < count:
        driver.use("0.01", key=f"fill-{seq}")


def exported(driver: WalletDriver, month: str | None = None) -> tuple[list[dict[str, str]], str]:
    """Give an export as read back from CSV, and as Beancount."""
    with driver.ledger.reading() as connection:
        extract = extract_of(connection, driver.wallet_id, month)
        paid = "".join(csv_lines(connection, extract, lambda source, source_id: "Visa ••4242"))
        beans = "".join(beancount_lines(connection, extract))
    return list(csv.DictReader(io.StringIO(paid, newline=""))), beans


def checked(beans: str, tmp_path: Path) -> list[data.Directive]:
    """Let the real bean-check judge a file; give what was read."""
    file = tmp_path / "books.beancount"
    file.write_text(beans, encoding="utf-8")
    command = [sys.executable, "-m", "beancount.scripts.check", str(file)]
    verdict = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (verdict.returncode, verdict.stderr, verdict.stdout) == (0, "", "")
    entries, errors, _ = loader.load_file(str(file))
    assert errors == []
    return list(entries)


@pytest.mark.usefixtures("whole_batches")
def test_mixed_transfers_pass_the_check_and_add_up(driver: WalletDriver, tmp_path: Path) -> None:
    """Every account's balance in Beancount is ours; every line of the CSV follows from the one before."""
    lived(driver, MIXED)

    rows, beans = exported(driver)
    entries = checked(beans, tmp_path)

    ours = dict.fromkeys(Account, 0)
    for one in driver.transfers():
        ours[Account(one.debit)] -= one.amount
        ours[Account(one.credit)] += one.amount
    root = realization.realize(entries)  # type: ignore[no-untyped-call]
    for account, name in ACCOUNTS.items():
        found = realization.get(root, name)  # type: ignore[no-untyped-call]
        balance = found.balance.get_currency_units("USD").number if found is not None else None
        assert (balance or Decimal(0)).scaleb(6) == ours[account], account
    assert sum(isinstance(one, data.Transaction) for one in entries) == MIXED

    opening, *transfers, closing = rows
    assert (opening["kind"], closing["kind"], len(transfers)) == ("opening", "closing", MIXED)
    captured = [row for row in transfers if row["source"] == "hold"]
    assert len(captured) > MIXED // 20
    assert {row["hold_id"] for row in captured} == {row["source_id"] for row in captured}
    assert {row["kind"] for row in transfers} == {*KINDS, *CreditKind, "correction"}
    assert {row["amount"] for row in transfers} >= {"0.00", "-1.333333"}
    balance = Decimal(opening["balance_after"])
    for number, row in enumerate(transfers, start=1):
        balance += Decimal(row["amount"])
        assert (row["number"], Decimal(row["balance_after"])) == (str(number), balance)
    assert Decimal(closing["balance_after"]) == balance == Decimal(driver.view().balance_micros).scaleb(-6)
    assert closing["description"] == f"opening 0.00, transactions {balance}, closing {balance}"


def test_no_cell_is_a_formula_and_no_text_is_lost(driver: WalletDriver) -> None:
    """A spreadsheet shows what was written, and runs nothing."""
    driver.top_up("100", key="credit:pi_1")
    for number, text in enumerate(NASTY):
        driver.use("1", key=f"{text[:9]}{number}", reference=text, description=text)
    driver.do(PostMoney("stripe", "refund:=cmd()", CreditKind.REFUND, 1, None))

    rows, _ = exported(driver)

    for text, row in zip(NASTY, rows[2:-2], strict=True):
        # Apostrophes are put in, and nothing else is changed.
        assert (
            row["reference"].replace("'", "") == row["description"].replace("'", "") == text.replace("'", "")
        )
        assert row["amount"] == "-1.00"
        assert row["stripe_id"] == ""
    assert (rows[1]["stripe_id"], rows[1]["card"]) == ("pi_1", "Visa ••4242")
    assert rows[-2]["stripe_id"] == "'=cmd()"


RUN = re.compile(r'[\s"]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]')
"""How a cell begins that a spreadsheet runs."""


# Not commas without quotes: nothing reads that, since any comma in a text breaks its columns.
READERS = [
    (",", csv.QUOTE_MINIMAL),
    (";", csv.QUOTE_MINIMAL),
    (";", csv.QUOTE_NONE),
    ("\t", csv.QUOTE_MINIMAL),
]


@pytest.mark.parametrize(("separator", "quoting"), READERS)
def test_a_spreadsheet_of_any_locale_runs_nothing(
    blank: Path, tmp_path: Path, separator: str, quoting: Literal[0, 3]
) -> None:
    """Where numbers have commas, a file is cut at semicolons: quotes in the middle of a cell then protect nothing."""
    driver = WalletDriver(f"sqlite:///{shutil.copy(blank, tmp_path)}")
    for number, text in enumerate(NASTY):
        driver.use("0", key=f"{text[:9]}{number}", reference=text, description=text)
    with driver.ledger.reading() as connection:
        lines = list(
            csv_lines(connection, extract_of(connection, driver.wallet_id), lambda source, key: "=card")
        )
    driver.close()

    rows = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=separator, quoting=quoting)

    cells = [cell for row in rows for cell in row]
    assert [cell for cell in cells if RUN.match(cell)] == []
    assert sum("cmd" in cell for cell in cells) >= 3


def test_beancount_reads_every_text_back_as_it_is(driver: WalletDriver, tmp_path: Path) -> None:
    """Quotes, line ends, scripts that run from right to left: not a character is lost, and none is syntax."""
    driver.top_up("100", key="credit:pi_1")
    for number, text in enumerate(NASTY):
        driver.use("1", key=f"call-{number}", reference=text, description=text)
    driver.do(OpenHold("h1", OUTBOUND_CALL, usd("1")), CaptureHold("h1", usd("0.75"), None))
    driver.do(Correct("operator", "fix", "call-0", usd("0.5"), None, "wrong rate"))

    _, beans = exported(driver)

    found = [entry for entry in checked(beans, tmp_path) if isinstance(entry, data.Transaction)]
    told = [(entry.narration, entry.meta.get("reference", "")) for entry in found]
    assert told[1:-2] == [(text, text) for text in NASTY]
    entries = [line for line in beans.splitlines() if line.startswith("2026-11-01 *")]
    assert entries == []
    assert [entry.payee for entry in found[-2:]] == [OUTBOUND_CALL, "correction"]
    assert (found[-2].meta["hold"], found[-1].meta["corrects"]) == ("h1", 2)
    assert (found[0].meta["number"], found[0].meta["key"]) == (1, "stripe:credit:pi_1")


def test_an_erased_text_is_an_empty_text(driver: WalletDriver, tmp_path: Path) -> None:
    """The transaction is exported, without what somebody had written."""
    driver.top_up("100")
    driver.use("1", reference="campaign 7", description="Ann to Bob")
    driver.ledger.run(lambda tx: erase_numbers(tx, driver.wallet_id, [2], actor="U1"))

    rows, beans = exported(driver)

    assert (rows[2]["number"], rows[2]["reference"], rows[2]["description"]) == ("2", "", "")
    entry = [entry for entry in checked(beans, tmp_path) if isinstance(entry, data.Transaction)][1]
    assert (entry.narration, "reference" in entry.meta) == ("", False)
    assert "campaign" not in beans


def test_a_wallet_without_transactions_is_exported_too(driver: WalletDriver, tmp_path: Path) -> None:
    """Opening and closing are zero, and the check passes."""
    rows, beans = exported(driver)

    assert [(row["kind"], row["balance_after"]) for row in rows] == [
        ("opening", "0.00"),
        ("closing", "0.00"),
    ]
    assert not [entry for entry in checked(beans, tmp_path) if isinstance(entry, data.Transaction)]


@pytest.mark.parametrize("currency", ["JPY", "KWD"])
def test_micro_units_of_any_currency_are_exact(driver: WalletDriver, tmp_path: Path, currency: str) -> None:
    """Without minor units and with three: a millionth is neither rounded away nor tolerated."""
    # No new wallet can have dinars; one that was opened when they were offered can still be read.
    driver.wallet_id = driver.open_wallet(currency="JPY")
    of_wallet = update(wallets).where(wallets.c.wallet_id == driver.wallet_id)
    driver.ledger.run(lambda tx: tx.connection.execute(of_wallet.values(currency=currency)))
    driver.top_up("100")
    driver.use("0.000001")

    rows, beans = exported(driver)

    assert (rows[-1]["balance_after"], rows[-1]["currency"]) == ("99.999999", currency)
    checked(beans, tmp_path)
    off_by_one = tmp_path / "off.beancount"
    off_by_one.write_text(beans.replace("Wallet  99.999999 ~", "Wallet  99.999998 ~"), encoding="utf-8")
    _, errors, _ = loader.load_file(str(off_by_one))
    assert len(errors) == 1


FORGERIES = {
    "an amount": ("UPDATE transfers SET amount = amount + 1 WHERE seq = 2", 2),
    "a balance": ("UPDATE transfers SET balance_after = balance_after + 1 WHERE seq = 3", 3),
    "a transfer that is gone": ("DELETE FROM transfers WHERE seq = 2", 2),
    "the last one gone": ("DELETE FROM transfers WHERE seq = 4", 4),
}


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("forgery", FORGERIES)
def test_books_that_were_forged_are_not_exported(driver: WalletDriver, forgery: str) -> None:
    """Both formats stop at the first transaction that does not follow from the one before."""
    statement, seq = FORGERIES[forgery]
    driver.honest = False
    driver.top_up("10")
    for _ in range(3):
        driver.use("1")
    with driver.ledger.store.writing() as connection:
        for operation in ("update", "delete"):
            connection.execute(sql(f"DROP TRIGGER transfers_no_{operation}"))
        connection.execute(sql(statement))

    with driver.ledger.reading() as connection:
        extract = extract_of(connection, driver.wallet_id)
        for lines in (
            csv_lines(connection, extract, lambda source, key: ""),
            beancount_lines(connection, extract),
        ):
            with pytest.raises(BooksBroken) as caught:
                list(lines)
            assert caught.value.seq == seq


@pytest.mark.backends("sqlite")
def test_what_was_forged_before_a_month_is_found(driver: WalletDriver) -> None:
    """A month opens with what the transfers before it add up to, so these are held to their balance too."""
    driver.honest = False
    driver.top_up("10")
    driver.clock.skip(days=31)
    driver.use("1")
    with driver.ledger.store.writing() as connection:
        connection.execute(sql("DROP TRIGGER transfers_no_update"))
        connection.execute(sql("UPDATE transfers SET amount = amount + 1 WHERE seq = 1"))

    with driver.ledger.reading() as connection, pytest.raises(BooksBroken, match="transaction 1 "):
        list(beancount_lines(connection, extract_of(connection, driver.wallet_id, "2026-12")))


@pytest.mark.usefixtures("whole_batches")
def test_months_follow_on_from_each_other(driver: WalletDriver, tmp_path: Path) -> None:
    """The closing of one is the opening of the next, each passes the check, and none is missing."""
    lived(driver, 1_200)
    driver.clock.skip(days=62)
    driver.use("1", key="later")
    months = ("2026-10", "2026-11", "2026-12", "2027-01", "2027-02")

    found = [exported(driver, month) for month in months]

    counts = [len(rows) - 2 for rows, _ in found]
    assert min(counts[1:3]) > 100
    assert (counts[0], *counts[3:], sum(counts)) == (0, 0, 1, 1_201)
    for (rows, beans), (following, _) in zip(found, [*found[1:], exported(driver, "2027-03")], strict=True):
        assert rows[-1]["balance_after"] == following[0]["balance_after"]
        checked(beans, tmp_path)


def test_a_month_counts_what_is_its_own(driver: WalletDriver, tmp_path: Path) -> None:
    """What was before it is dated the day before: summed up by its days, a month has its own usage and no more."""
    driver.top_up("100")
    driver.use("5")
    driver.clock.skip(days=10)
    driver.use("7")

    _, beans = exported(driver, "2026-12")

    found = [entry for entry in checked(beans, tmp_path) if isinstance(entry, data.Transaction)]
    assert [entry.date for entry in found] == [date(2026, 11, 30), date(2026, 12, 3)]
    used = {
        entry.date: posting.units.number
        for entry in found
        for posting in entry.postings
        if posting.account == ACCOUNTS[Account.USAGE] and posting.units is not None
    }
    assert used == {date(2026, 11, 30): Decimal(5), date(2026, 12, 3): Decimal(7)}


def test_a_month_begins_at_midnight_in_the_wallets_zone(driver: WalletDriver, tmp_path: Path) -> None:
    """The last microsecond of November in New York is November, in both formats."""
    driver.clock.at = datetime(2026, 12, 1, 5, 0, tzinfo=UTC) - timedelta(microseconds=1)
    driver.top_up("100")
    driver.clock.skip(microseconds=1)
    driver.use("7")

    november, _ = exported(driver, "2026-11")
    december, beans = exported(driver, "2026-12")

    assert [row["number"] for row in november[1:-1]] == ["1"]
    assert [row["number"] for row in december[1:-1]] == ["2"]
    days = [entry.date for entry in checked(beans, tmp_path) if isinstance(entry, data.Transaction)]
    assert days == [date(2026, 11, 30), date(2026, 12, 1)]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_days_are_those_of_the_wallet(database: str, zone: str, tmp_path: Path) -> None:
    """The same instant is another day in Kiritimati."""
    driver = WalletDriver(database, zone=zone)
    driver.top_up("5")  # Monday, 9:00 in UTC
    driver.clock.skip(hours=4)
    driver.use("1")

    _, beans = exported(driver)
    driver.close()

    days = [entry.date.day for entry in checked(beans, tmp_path) if isinstance(entry, data.Transaction)]
    assert days == ([23, 24] if zone == "Pacific/Kiritimati" else [23, 23])


@pytest.mark.backends("postgresql")
def test_a_server_keeps_what_was_not_asked_for_yet(driver: WalletDriver) -> None:
    """The rows wait in a cursor of the server's; a driver would take all of them, where Python counts no memory."""
    driver.top_up("10")
    with driver.ledger.reading() as connection:
        lines = beancount_lines(connection, extract_of(connection, driver.wallet_id))
        list(islice(lines, 2))
        named = sql(
            "SELECT count(*) FROM pg_cursors WHERE name <> ''"
        )  # this question has one without a name
        waiting = connection.execute(named).scalar_one()
        assert (waiting, len(list(lines))) == (1, 1 + len(ACCOUNTS))


@pytest.mark.usefixtures("whole_batches")
def test_a_long_history_takes_no_more_memory(driver: WalletDriver) -> None:
    """Streamed in both formats: three times the rows, the same peak."""
    seen: dict[str, list[tuple[int, int]]] = {"csv": [], "beancount": []}
    for count in (2_000, 6_000):
        numbers = range(driver.view().seq, count)
        driver.do(*(PostUsage("platform", f"m-{one}", OUTBOUND_CALL, 1, None, 60, "c") for one in numbers))
        for form, sizes in seen.items():
            with driver.ledger.reading() as connection:
                assert (
                    characters_of(connection, driver.wallet_id, form) > count
                )  # what is cached is cached now
                tracemalloc.start()
                characters = characters_of(connection, driver.wallet_id, form)
                sizes.append((characters, tracemalloc.get_traced_memory()[1]))
                tracemalloc.stop()
    for (short, first_peak), (long, second_peak) in seen.values():
        assert second_peak - first_peak < (long - short) // 8, seen


def characters_of(connection: Connection, wallet_id: UUID, form: str) -> int:
    """Export a wallet, keep nothing of it, and give its length."""
    extract = extract_of(connection, wallet_id)
    if form == "beancount":
        return sum(map(len, beancount_lines(connection, extract)))
    return sum(map(len, csv_lines(connection, extract, lambda source, source_id: "")))
