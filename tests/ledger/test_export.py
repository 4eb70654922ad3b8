"""Exports, judged by those who will read them: Python's csv, and the real bean-check."""

import csv
import io
import random
import subprocess
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path

import pytest
from beancount import loader
from beancount.core import data, realization

from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    CaptureHold,
    Command,
    Correct,
    CreditKind,
    OpenHold,
    PostMoney,
    PostUsage,
    beancount_lines,
    csv_lines,
    extract_of,
)
from ledger.chart import Account
from ledger.export import ACCOUNTS
from tests.ledger.desk import Desk, usd

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
    "back\\slash",
    "Grüße 👋 שלום",
    "2026-11-01 * not a transaction",
    "; not a comment",
    "#tag ^link",
    "campaign 7",
    "",
)
KINDS = (OUTBOUND_CALL, INBOUND_CALL, AI_TASK, "sms")


def mixed(count: int) -> list[Command]:
    """Make commands of every kind, with texts that break naive writers; a fixed seed, so that a failure comes again."""
    chance = random.Random(9)  # noqa: S311
    commands: list[Command] = [PostMoney("stripe", "credit:pi_0", CreditKind.TOP_UP, usd("5000"), None)]
    for number in range(1, count):
        text, other = chance.choice(NASTY), chance.choice(NASTY)
        micros = chance.choice([0, 1, usd("0.42"), usd("1.333333"), usd("12")])
        match chance.randrange(12):
            case 0:
                kind = chance.choice(list(CreditKind))
                commands.append(
                    PostMoney("stripe", f"credit:pi_{number}", kind, micros + 1, None, text, other)
                )
            case 1 if isinstance(commands[-1], PostMoney | PostUsage) and commands[-1].amount_micros > 0:
                commands.append(Correct("operator", f"fix-{number}", len(commands), 1, None, other))
            case _:
                kind_of_usage = chance.choice(KINDS)
                commands.append(
                    PostUsage("platform", f"call-{number}", kind_of_usage, micros, None, 60, text, other)
                )
    return commands


def lived(desk: Desk, count: int) -> None:
    """Let so many transfers happen, over three months."""
    commands = mixed(count - 1)
    for first in range(0, len(commands), 200):
        desk.do(*commands[first : first + 200])
        desk.clock.skip(hours=40)
    desk.do(PostMoney("stripe", "credit:pi_last", CreditKind.TOP_UP, usd("90000"), None))
    desk.do(OpenHold("h1", OUTBOUND_CALL, usd("1")), CaptureHold("h1", usd("0.75"), None))
    while (seq := desk.view().seq) < count:
        desk.use("0.01", key=f"fill-{seq}")


def exported(desk: Desk, month: str | None = None) -> tuple[list[dict[str, str]], str]:
    """Give an export as read back from CSV, and as Beancount."""
    with desk.ledger.reading() as connection:
        extract = extract_of(connection, desk.wallet_id, month)
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


def test_ten_thousand_mixed_transfers_pass_the_check_and_add_up(desk: Desk, tmp_path: Path) -> None:
    """Every account's balance in Beancount is ours; every line of the CSV follows from the one before."""
    lived(desk, 10_000)

    rows, beans = exported(desk)
    entries = checked(beans, tmp_path)

    ours = dict.fromkeys(Account, 0)
    for one in desk.transfers():
        ours[Account(one.debit)] -= one.amount
        ours[Account(one.credit)] += one.amount
    root = realization.realize(entries)  # type: ignore[no-untyped-call]
    for account, name in ACCOUNTS.items():
        found = realization.get(root, name)  # type: ignore[no-untyped-call]
        balance = found.balance.get_currency_units("USD").number if found is not None else None
        assert (balance or Decimal(0)).scaleb(6) == ours[account], account
    assert sum(isinstance(one, data.Transaction) for one in entries) == 10_000

    opening, *transfers, closing = rows
    assert (opening["kind"], closing["kind"], len(transfers)) == ("opening", "closing", 10_000)
    balance = Decimal(opening["balance_after"])
    for number, row in enumerate(transfers, start=1):
        balance += Decimal(row["amount"])
        assert (row["number"], Decimal(row["balance_after"])) == (str(number), balance)
    assert Decimal(closing["balance_after"]) == balance == Decimal(desk.view().balance_micros).scaleb(-6)


def test_no_cell_is_a_formula_and_no_text_is_lost(desk: Desk) -> None:
    """A spreadsheet shows what was written, and runs nothing."""
    desk.top_up("100", key="credit:pi_1")
    for number, text in enumerate(NASTY):
        desk.use("1", key=f"call-{number}", reference=text, description=text)

    rows, _ = exported(desk)

    written = [row["reference"] for row in rows[2:-1]]
    for text, cell in zip(NASTY, written, strict=True):
        assert cell in (text, f"'{text}")
        assert not cell.strip().startswith(("=", "+", "-", "@", "\uff1d"))
        assert not cell.startswith("\t")
    assert (rows[1]["stripe_id"], rows[1]["card"]) == ("pi_1", "Visa ••4242")
    assert rows[2]["amount"] == "-1.00"
    assert rows[2]["stripe_id"] == ""


def test_months_follow_on_from_each_other(desk: Desk, tmp_path: Path) -> None:
    """The closing of one is the opening of the next, each passes the check, and none is missing."""
    lived(desk, 400)
    desk.clock.skip(days=62)
    desk.use("1", key="later")
    months = ("2026-10", "2026-11", "2026-12", "2027-01", "2027-02")

    found = [exported(desk, month) for month in months]

    counts = [len(rows) - 2 for rows, _ in found]
    assert (counts[0], sum(counts)) == (0, 401)
    assert counts[1] > 0
    assert counts[2] == 0 or counts[3] == 0, "one month in between is empty"
    for (rows, beans), (following, _) in zip(found, [*found[1:], exported(desk, "2027-03")], strict=True):
        assert rows[-1]["balance_after"] == following[0]["balance_after"]
        checked(beans, tmp_path)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_days_are_those_of_the_wallet(database: str, zone: str, tmp_path: Path) -> None:
    """The same instant is another day in Kiritimati."""
    desk = Desk(database, zone=zone)
    desk.top_up("5")  # Monday, 9:00 in UTC
    desk.clock.skip(hours=4)
    desk.use("1")

    _, beans = exported(desk)
    desk.close()

    days = [entry.date.day for entry in checked(beans, tmp_path) if isinstance(entry, data.Transaction)]
    assert days == ([23, 24] if zone == "Pacific/Kiritimati" else [23, 23])


def test_a_long_history_takes_no_more_memory(desk: Desk) -> None:
    """Streamed: five times the rows, the same peak."""
    peaks = []
    for count in (4_000, 20_000):
        while (seq := desk.view().seq) < count:
            calls = range(seq, min(count, seq + 2_000))
            desk.do(
                *[PostUsage("platform", f"m-{one}", OUTBOUND_CALL, 1, None, 60, "campaign") for one in calls]
            )
        with desk.ledger.reading() as connection:
            extract = extract_of(connection, desk.wallet_id)
            sum(
                map(len, csv_lines(connection, extract, lambda source, source_id: ""))
            )  # what is cached is cached now
            tracemalloc.start()
            lines = sum(1 for _ in csv_lines(connection, extract, lambda source, source_id: ""))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert lines == count + 3
    assert peaks[1] < 2 * peaks[0]
