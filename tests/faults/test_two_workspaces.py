"""Books of an older version that hold two workspaces: a process of the first does nothing for the second.

Every job of the bot is run, whatever jobs there are, for days, over a second wallet that has work for each of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, insert, select, update

import bot.tables
import ledger.storage.schema
from bot import payment_rows
from bot.causes import MovedUnknown, as_stored
from bot.due_work import BotDue
from bot.operator import demo
from bot.payment_rows import Payment
from bot.payments.inbox import News
from bot.payments.requests import Payments
from bot.payments.sync import Sync
from bot.ports import Denied
from bot.reconciliation.manual_credit import ManualCredit
from bot.reconciliation.open_differences import NotCredited
from bot.sandbox.loopback import loopback
from bot.served import Served
from bot.states.payment import News as Event
from bot.states.payment import Purpose, Way
from bot.states.stripe_request import Operation
from bot.stripe import requests as stripe_requests
from bot.stripe.key_health import note_access
from bot.tables import NIL_WALLET, cards, differences, inbox
from bot.use_cases import use_cases_of
from bot.wallets.platform_keys import create_key
from ledger import USD, Automatic, Money, PostUsage, RechargeRule, Tx
from ledger.storage.schema import wallets
from tests.blank_books import lay_books
from tests.faults.driver import open_beside
from tests.journeys.conftest import TICK
from tests.journeys.world import World, until
from tests.persons import owner

TEAM = "T0BETA"
TWENTY = Money(20_000_000, USD)
RULE = RechargeRule(threshold_micros=50_000_000, target_micros=200_000_000)
TABLES = [
    table
    for metadata in (ledger.storage.schema.metadata, bot.tables.metadata)
    for table in metadata.sorted_tables
    if "wallet_id" in table.c and table.name != "workspaces"
]
WORKS = ("time", "news", "recharge", "sweep", "pace", "cards", "reconcile", "courier")
"""The jobs that would do something for the second workspace, if they did not ask whom they serve."""


@dataclass
class Second:
    """The second workspace, by its own process's flows."""

    running: demo.Demo
    world: World
    wallet_id: UUID
    payments: Payments
    sync: Sync
    news: News
    key: str

    def rows(self) -> dict[str, list[str]]:
        """Give everything that the books have of it, and of its news."""
        with self.running.bot.ledger.reading() as connection:
            found = {
                table.name: _rows(connection, table, table.c.wallet_id == self.wallet_id) for table in TABLES
            }
            theirs = inbox.c.object_id.in_([one["intent_id"] for one in self.unheard()])
            found["news"] = _rows(connection, inbox, (inbox.c.wallet_id == NIL_WALLET) & theirs)
        return found

    def unheard(self) -> list[dict[str, Any]]:
        """Give its payments at Stripe that nobody has booked."""
        charges = self.world.client.get("/sandbox/api/stripe/charges").json()
        return [
            {"intent_id": one["payment_intent"], **one}
            for one in charges
            if one["metadata"].get("redbar_wallet") == str(self.wallet_id)
        ]

    def pay(self, payment: Payment) -> None:
        """Pay what it asked for."""
        self.world.pay(payment.url)

    def job(self, name: str) -> None:
        """Run one job of the first workspace's process."""
        (job,) = [one for one in self.running.bot.scheduler.jobs if one.name == name]
        job.run_once(self.running.clock.now())

    def later(self, **span: int) -> None:
        """Let time pass, and nothing run."""
        self.running.clock.skip_to(self.running.clock.now() + timedelta(**span))


def _rows(connection: Any, table: Table, which: Any) -> list[str]:
    return sorted(str(tuple(row)) for row in connection.execute(select(table).where(which)))


@contextmanager
def _second(folder: Path) -> Iterator[Second]:
    """A running bot of one workspace, whose clock only the test moves, over books that hold two."""
    running = demo.start(lay_books(folder), 0, tick=TICK)
    try:
        with loopback(running.url, timeout=30) as client:
            world = World(client, running.info["api_key"])
            running.bot.scheduler.stop()
            next_month = running.clock.now().replace(day=1) + timedelta(days=32)
            running.clock.skip_to(next_month.replace(day=10))  # weeks before a card of that month expires
            books, gateway = running.bot.ledger, running.bot.use_cases.gateway
            wallet_id = open_beside(books, TEAM)
            made = use_cases_of(
                books, gateway, Served(TEAM), return_url="https://slack.example/", webhook=True
            )
            key = create_key(books, wallet_id, name="beta")
            second = Second(running, world, wallet_id, made.payments, made.sync, made.news, key)
            _give_work(second)
            yield second
    finally:
        running.stop()


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Second]:
    """The second workspace, with work for every job."""
    with _second(tmp_path / "demo") as made:
        yield made


def _give_work(second: Second) -> None:
    wallet_id, flow = second.wallet_id, second.payments
    page = flow.connect(wallet_id, USD, asked_by=owner("U0"))
    second.pay(page)
    assert second.sync.session(page.session_id)
    first = flow.ask(wallet_id, TWENTY, asked_by=owner("U0"), payer="U9", note="")
    second.pay(first)
    assert second.news.poll(second.running.clock.now()) is not None
    books = second.running.bot.ledger
    for intent in second.unheard():
        assert second.sync.intent(intent["intent_id"])
    opened = second.world.client.post(
        "/v1/authorizations",
        json={"id": "work", "kind": "outbound_call", "estimate": "1.00"},
        headers={"Authorization": f"Bearer {second.key}"},
    )
    assert opened.json()["allowed"], opened.text
    books.carry_out(wallet_id, [PostUsage("api", "call-1", "outbound_call", 5_000_000, None)])
    second.pay(flow.ask(wallet_id, TWENTY, asked_by=owner("U0"), payer="U9", note=""))
    books.run(lambda tx: _more_work(tx, wallet_id), wallet_id=wallet_id)
    # Made and paid, of both payments.
    until(lambda: len(second.rows()["news"]) == 4 or None, lambda: f"Stripe told {second.rows()['news']}")


def _more_work(tx: Tx, wallet_id: UUID) -> None:
    def plan(**more: Any) -> Payment:
        return payment_rows.plan(tx, wallet_id, currency=USD, amount=TWENTY, **more)

    policy, _ = tx.book.policy(wallet_id)
    on = replace(policy, automatic=Automatic.ON, rule=RULE)
    tx.book.set_policy(wallet_id, on, actor="U0", expected_version=None)
    waits = plan(purpose=Purpose.RECHARGE, way=Way.SAVED_CARD)
    payment_rows.change(tx, waits, Event.ACTION_NEEDED, expires_at=tx.now + timedelta(hours=24))
    offered = plan(purpose=Purpose.ASK, way=Way.LINK, expires_at=tx.now + timedelta(minutes=5))
    payment_rows.change(tx, offered, Event.ACCEPTED)
    stripe_requests.intend(
        tx, wallet_id, Operation.EXPIRE_SESSION, {}, payment_id=None, object_id="cs_test_none"
    )
    _expire_soon(tx, wallet_id)
    tx.connection.execute(update(wallets).where(wallets.c.wallet_id == wallet_id).values(warning_line=123))
    values = {
        "wallet_id": wallet_id,
        "key": "credit:pi_gone",
        "cause": as_stored(MovedUnknown()),
        "found_at": tx.now,
        "seen_at": tx.now,
    }
    tx.connection.execute(insert(differences).values(**values))


def _expire_soon(tx: Tx, wallet_id: UUID) -> None:
    mine = cards.c.wallet_id == wallet_id
    tx.connection.execute(update(cards).where(mine).values(exp_year=tx.now.year, exp_month=tx.now.month))
    tx.schedule.set(wallet_id, BotDue.CARDS, tx.now)


def test_no_job_does_anything_for_another_workspace(second: Second) -> None:
    """For four days. A job that is added later is run here too."""
    before, charged = second.rows(), len(second.unheard())
    jobs = second.running.bot.scheduler.jobs
    for number in range(17):
        for job in jobs:
            job.run_once(second.running.clock.now())
            assert second.rows() == before, f"the job {job.name!r} did something in round {number}"
        second.running.bot.timers.next_moment(second.running.clock.now(), datetime(2100, 1, 1, tzinfo=UTC))
        second.later(hours=6)
        second.running.world.stripe.sweep()
    assert len(second.unheard()) == charged == 2
    assert not [one for one in second.world.messages("owner") if "RB-1001" in str(one)]


def test_each_job_would_have_had_something_to_do(second: Second) -> None:
    """The same jobs, told that they serve the whole books: so the test above can fail, job by job."""
    object.__setattr__(second.running.bot.use_cases.served, "team_id", None)
    second.running.bot.timers._news._of_others.clear()
    second.later(minutes=20)
    idle = []
    for name in WORKS:
        if name == "reconcile":
            second.job(name)  # the first look of all begins the day
            second.later(hours=25)
        if name == "cards":  # news of the card that came late has read at Stripe when it really expires
            books = second.running.bot.ledger
            books.run(lambda tx: _expire_soon(tx, second.wallet_id), wallet_id=second.wallet_id)
        before = second.rows()
        second.job(name)
        if second.rows() == before:
            idle.append(name)
    assert idle == []
    assert len(second.unheard()) == 3, "its card was not charged"


def test_its_own_process_books_what_the_other_left(second: Second) -> None:
    """News of its payment wait for it unmarked, however often the first process looks."""
    for _ in range(5):
        second.job("news")
        second.later(minutes=30)
    assert second.news.handle_waiting(second.running.clock.now())

    with second.running.bot.ledger.reading() as connection:
        view, _ = second.running.bot.ledger.look(connection, second.wallet_id)
        waiting = connection.execute(select(inbox).where(inbox.c.handled_at.is_(None))).all()
    assert view.balance_micros == 35_000_000
    assert waiting == []


def test_a_refused_key_is_told_to_the_first_workspace_alone(second: Second) -> None:
    """Stripe refuses the key of the first process; the second may have another."""
    before = second.rows()
    bot = second.running.bot
    note_access(bot.ledger, bot.use_cases.served, Denied(sent=False, message="", whole=True))
    second.job("courier")
    assert second.rows() == before
    assert any("Stripe doesn't accept" in str(one) for one in second.world.messages("owner"))


def test_the_operator_cannot_credit_its_payment_to_the_first_workspace(second: Second) -> None:
    """Beside the running bot of the first workspace."""
    bot = second.running.bot
    unheard = second.unheard()[0]["intent_id"]
    with pytest.raises(NotCredited, match=r"belongs to wallet .* of another workspace"):
        ManualCredit(bot.ledger, bot.gateway, bot.use_cases.sync).credit(bot.wallet_id, unheard, "whose?")
    with pytest.raises(NotCredited, match="another workspace"):
        ManualCredit(bot.ledger, bot.gateway, second.sync).credit(second.wallet_id, _ours(second), "whose?")


def _ours(second: Second) -> str:
    bot = second.running.bot
    payment = bot.use_cases.payments.ask(bot.wallet_id, TWENTY, asked_by=owner("U0"), payer="U9", note="")
    second.pay(payment)
    charges = second.world.client.get("/sandbox/api/stripe/charges").json()
    return str(charges[-1]["payment_intent"])


def test_the_platforms_key_of_another_workspace_is_served_by_the_ledger(second: Second) -> None:
    """A key names its wallet. What follows from usage, here a charge, is left to the wallet's own process."""
    headers = {"Authorization": f"Bearer {second.key}"}
    usage = {"id": "call-2", "kind": "outbound_call", "amount": "10.00"}
    answer = second.world.client.post("/v1/usage", json=usage, headers=headers).json()
    assert answer["results"][0]["status"] == "accepted"
    assert answer["wallet"]["wallet_id"] == str(second.wallet_id)
    charged = len(second.unheard())
    before = second.rows()
    for job in second.running.bot.scheduler.jobs:
        job.run_once(second.running.clock.now())
    assert second.rows() == before
    assert len(second.unheard()) == charged
