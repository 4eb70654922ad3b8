"""`redbar deliveries`: the operator reads who was not told and why, and sends it again."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot.__main__ import main
from bot.app import open_ledger
from bot.delivering.courier import Courier
from bot.delivering.deliveries import Claim
from bot.notices import CapReached
from bot.ports import NotNow, RecipientGone
from bot.served import Served
from bot.surfaces.vitals import BookVitals
from bot.tables import workspaces
from bot.wallets.people import People
from bot.wallets.workspaces import Workspaces
from ledger import Currency, Ledger
from ledger.storage.schema import notices
from tests.blank_books import lay_books
from tests.bot.courier_post import Workspace
from tests.bot.vital_signs import signs_of
from tests.persons import owner
from tests.sandbox.slack_place import SettableClock


class Books:
    """Books with one notice, and a Slack in which people are in trouble."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{lay_books(folder) / 'redbar.db'}"
        self.clock = SettableClock()
        self.trouble: dict[str, Exception] = {}
        self.read: list[str] = []

    def carry(self, *, fresh: bool = False) -> None:
        """Start a bot's courier, let it tell what is due, and end it."""
        ledger = open_ledger(self.url, self.clock)
        try:
            if fresh:
                self._begin(ledger)
            courier = Courier(ledger, lambda waiting: None, self._show, Served("T1"))
            while courier.run_once(self.clock.now()):
                pass
        finally:
            ledger.close()

    def _begin(self, ledger: Ledger) -> None:
        workspaces = Workspaces(ledger)
        wallet_id = workspaces.open(
            team_id="T1", enterprise_id="", name="W", bot_user_id="B", currency=Currency.of("USD"), zone="UTC"
        )
        people = People(ledger, workspaces, Workspace())
        people.appoint(wallet_id, billing_admins=["A1", "A2"], finance=["F1"], actor=owner("U1"))
        done = update(notices).where(notices.c.wallet_id == wallet_id).values(state="done")
        ledger.run(lambda tx: tx.connection.execute(done), wallet_id=wallet_id)  # that they were appointed
        ledger.run(lambda tx: tx.outbox.add(wallet_id, CapReached("day_cap")), wallet_id=wallet_id)

    def _show(self, claim: Claim) -> None:
        who = claim.recipient.slack_id
        if claim.waiting.name == CapReached.name and who in self.trouble:
            raise self.trouble[who]
        self.read.append(f"{who} {claim.waiting.name}")

    def command(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
        """Type the command."""
        code = main(["deliveries", "--database", self.url, *arguments])
        return code, capsys.readouterr().out


@pytest.fixture
def books(tmp_path: Path) -> Books:
    """Of three people the first is gone, and Slack does not take the second's message for now."""
    made = Books(tmp_path)
    made.trouble = {"A1": RecipientGone("user_disabled"), "A2": NotNow("ratelimited")}
    made.carry(fresh=True)
    return made


def test_health_and_metrics_know_what_waits_and_what_was_set_aside(books: Books) -> None:
    """With how long ago the oldest of each came up; of a workspace without the app nothing is counted."""
    books.clock.skip(minutes=11)
    ledger = open_ledger(books.url, books.clock)
    found = signs_of(ledger).read().books
    assert isinstance(found, BookVitals)
    assert (found.waiting.count, found.set_aside.count) == (
        2,
        1,
    )  # that A1 is gone waits behind what A2 was not told
    assert found.waiting.oldest_for == found.set_aside.oldest_for == timedelta(minutes=11)
    for (wallet_id,) in ledger.run(lambda tx: tx.connection.execute(select(workspaces.c.wallet_id)).all()):
        ledger.run(lambda tx, one=wallet_id: tx.outbox.add(one, CapReached("day_cap")), wallet_id=wallet_id)  # type: ignore[misc]
    Courier(ledger, lambda waiting: None, books._show, Served("T1")).hand_out()
    newer = signs_of(ledger).read().books
    assert isinstance(newer, BookVitals)
    assert newer.waiting.oldest_for == timedelta(minutes=11)  # one of the two tells a newer notice now
    Workspaces(ledger).forget("T1", "app_uninstalled")
    left = signs_of(ledger).read().books
    ledger.close()
    assert isinstance(left, BookVitals)
    assert (left.waiting.count, left.set_aside.count) == (0, 0)


def test_what_waits_and_what_was_set_aside_is_listed(
    books: Books, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason, and it ends with 1, as a check that found something."""
    code, text = books.command(capsys)
    assert code == 1
    waits, aside = (
        next(line for line in text.splitlines() if f"person:{who}" in line) for who in ("A2", "A1")
    )
    assert "recharge.capped" in aside
    assert "set aside: gone said=user_disabled" in aside
    assert "waits, next try" in waits
    assert "1 failed: waits said=ratelimited" in waits
    assert "F1" not in text

    code, text = books.command(capsys, "--json")
    listed = json.loads(text)["deliveries"]
    assert {(one["recipient"], one["state"]) for one in listed} == {
        ("person:A1", "aside"),
        ("person:A2", "waiting"),
    }


def test_what_was_set_aside_is_sent_again(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    """Once the cause is mended; then nothing is open."""
    _, text = books.command(capsys, "--json")
    aside = next(one for one in json.loads(text)["deliveries"] if one["state"] == "aside")
    books.trouble.clear()
    books.clock.skip(minutes=1)
    books.carry()
    assert "A1 recharge.capped" not in books.read

    code, text = books.command(capsys, "--again", aside["delivery_id"])
    assert (code, text.splitlines()[0]) == (
        0,
        "It is sent again now. `redbar deliveries` says what comes of it.",
    )
    books.clock.skip(days=365)  # the command's clock is the machine's
    books.carry()
    assert books.read.count("A1 recharge.capped") == 1
    assert books.command(capsys) == (0, "Everybody was told of everything.\n")


@pytest.mark.parametrize("named", ["nonsense", "00000000-0000-7000-8000-000000000000"])
def test_what_is_not_there_cannot_be_sent_again(
    books: Books, capsys: pytest.CaptureFixture[str], named: str
) -> None:
    """It says where the ids are."""
    code, text = books.command(capsys, "--again", named)
    assert code == 2
    assert named in text
    assert "`redbar deliveries` lists them" in text


def test_what_only_waits_is_not_sent_again(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    """It is tried by itself, when Slack takes it."""
    _, text = books.command(capsys, "--json")
    waits = next(one for one in json.loads(text)["deliveries"] if one["state"] == "waiting")
    assert books.command(capsys, "--again", waits["delivery_id"])[0] == 2
