"""Due work: it costs what is due, one process does it, and what one wallet runs into keeps no other waiting."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import ColumnElement, delete, select, update

from bot.app import open_ledger
from bot.due_work import AGAIN_AFTER, BotDue, DueWork
from bot.operator import demo
from bot.payment_rows import change, plan
from bot.served import Served
from bot.states.payment import News, Purpose, Way
from bot.tables import workspaces
from bot.wallets.named_values import named_value, set_named_value
from bot.wallets.workspaces import begin_work
from ledger import MICROS, USD, DueKind, Ledger, Money, OpenHold, Tx
from ledger.storage.schema import wallet_schedule, wallets
from tests.blank_books import lay_books
from tests.due_books import add_wallets, let_fall_due, round_of
from tests.faults.driver import open_beside
from tests.postgres_server import Server
from tests.sandbox.slack_place import SettableClock

WORK = "work"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[demo.Demo]:
    """A bot that serves every workspace of its books, and whose jobs only the test runs."""
    made = demo.start(lay_books(tmp_path / "demo"), 0, tick=timedelta(hours=1))
    try:
        made.bot.scheduler.stop()
        object.__setattr__(made.bot.use_cases.served, "team_id", None)
        yield made
    finally:
        made.stop()


def _round(running: demo.Demo) -> dict[str, tuple[int, int]]:
    costs = round_of(running.bot.scheduler, but=lambda name: False)
    return {name: (cost.statements, cost.steps) for name, cost in costs.items()}


def test_no_job_costs_more_with_the_wallets_in_which_nothing_is_due(running: demo.Demo) -> None:
    """Neither statements nor rows that are read: each job is counted with five of them and with a few hundred."""
    ledger, wallet_id = running.bot.ledger, running.bot.wallet_id
    add_wallets(ledger, wallet_id, 5)
    for _ in range(3):  # what the start brings is over, and what is asked now and then was asked
        _round(running)
    few = _round(running)
    add_wallets(ledger, wallet_id, 400)
    many = _round(running)

    assert set(few) == {job.name for job in running.bot.scheduler.jobs}
    # A wallet that is read takes more than ten steps.
    grown = {
        name: (few[name], many[name])
        for name in few
        if many[name][0] > few[name][0] or many[name][1] > few[name][1] + 400
    }
    assert grown == {}


def test_the_count_sees_a_job_that_lists_wallets(running: demo.Demo) -> None:
    """Else the test above could not fail."""
    ledger, wallet_id = running.bot.ledger, running.bot.wallet_id
    served = running.bot.use_cases.served

    def lists(now: datetime) -> None:
        with ledger.reading() as connection:
            ledger.believed(connection, served.living(connection))

    (job,) = [one for one in running.bot.scheduler.jobs if one.name == "pace"]
    object.__setattr__(job, "run_once", lists)
    few = _round(running)["pace"]
    add_wallets(ledger, wallet_id, 400)
    assert _round(running)["pace"][1] > few[1] + 400


def test_a_round_costs_what_is_due(running: demo.Demo) -> None:
    """Ten due wallets cost ten transactions, however many others there are."""
    ledger, wallet_id = running.bot.ledger, running.bot.wallet_id
    _round(running)
    ids = add_wallets(ledger, wallet_id, 300)
    idle = _round(running)["time"]
    let_fall_due(ledger, ids[:10])
    ten = _round(running)["time"]
    let_fall_due(ledger, ids[10:30])
    twenty = _round(running)["time"]
    assert (ten[0] - idle[0]) * 2 == twenty[0] - idle[0] > 0
    assert _round(running)["time"][0] == idle[0]


def test_a_clock_that_skips_stops_at_every_due_moment_in_order(running: demo.Demo) -> None:
    """Of the schedule, and of requests that lapse; then where it was to stop."""
    ledger, wallet_id, now = running.bot.ledger, running.bot.wallet_id, running.clock.now()
    ledger.carry_out(wallet_id, [OpenHold("call-1", "outbound_call", 0)])

    def add(tx: Tx) -> None:
        for kind, minutes in ((DueKind.MORNING, 3), (DueKind.STOPPED, 7), (DueKind.RECHARGE, 7)):
            tx.schedule.set(wallet_id, kind, now + timedelta(minutes=minutes))
        asked = plan(
            tx,
            wallet_id,
            purpose=Purpose.ASK,
            way=Way.LINK,
            currency=USD,
            amount=Money(20 * MICROS, USD),
            expires_at=now + timedelta(minutes=4),
        )
        change(tx, asked, News.ACCEPTED)

    ledger.run(add, wallet_id=wallet_id)
    with ledger.reading() as connection:
        expires_at = connection.execute(
            select(wallets.c.time_due_at).where(wallets.c.wallet_id == wallet_id)
        ).scalar_one()
    until = now + timedelta(hours=1)
    found, at = [], now
    while at < until:
        at = running.bot.timers.next_moment(at, until)
        found.append(at)
    minutes = [now + timedelta(minutes=one) for one in (3, 4, 7, 60)]
    assert found == sorted({*minutes, expires_at})


# --- In each wallet ----------------------------------------------------------------------------------------


@pytest.fixture
def books(tmp_path: Path) -> Iterator[tuple[Ledger, list[UUID]]]:
    """Books of three workspaces."""
    ledger = open_ledger(f"sqlite:///{lay_books(tmp_path) / 'redbar.db'}", SettableClock())
    yield ledger, [open_beside(ledger, f"T{number}") for number in range(3)]
    ledger.close()


def _begin(ledger: Ledger, wallet_ids: list[UUID]) -> None:
    for wallet_id in wallet_ids:
        ledger.run(partial(_begin_one, wallet_id=wallet_id), wallet_id=wallet_id)


def _begin_one(tx: Tx, wallet_id: UUID) -> None:
    tx.schedule.begin(wallet_id, WORK)


def _due(ledger: Ledger) -> list[UUID]:
    return list(DueWork(ledger, Served(None)).wallets(WORK))


def test_what_one_wallet_runs_into_keeps_no_other_waiting(
    books: tuple[Ledger, list[UUID]], caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and tried again after a minute."""
    ledger, ids = books
    _begin(ledger, ids)
    done: list[UUID] = []

    def work(tx: Tx, wallet_id: UUID) -> None:
        if wallet_id == bad and len(done) < 3:
            raise RuntimeError
        done.append(wallet_id)
        tx.schedule.set(wallet_id, WORK, None)

    bad = _due(ledger)[0]
    with caplog.at_level(logging.CRITICAL):
        DueWork(ledger, Served(None)).each_in_one(WORK, work)
    assert sorted([*done, bad]) == sorted(ids)
    assert _due(ledger) == []
    clock = ledger.clock
    assert isinstance(clock, SettableClock)
    clock.set(clock.now() + AGAIN_AFTER)
    done.append(bad)
    DueWork(ledger, Served(None)).each_in_one(WORK, work)
    assert done[-1] == bad
    assert _due(ledger) == []


def test_only_living_workspaces_of_this_process_are_worked_for(books: tuple[Ledger, list[UUID]]) -> None:
    """Another team's rows, and those of a removed app, stay due."""
    ledger, ids = books
    _begin(ledger, ids)
    dead = update(workspaces).where(workspaces.c.wallet_id == ids[0]).values(dead_at=ledger.now())
    ledger.run(lambda tx: tx.connection.execute(dead))
    assert sorted(_due(ledger)) == sorted(ids[1:])
    assert list(DueWork(ledger, Served("T1")).wallets(WORK)) == [ids[1]]
    assert list(DueWork(ledger, Served("T0")).wallets(WORK)) == []


def test_work_that_leaves_its_row_due_is_done_once_a_round(books: tuple[Ledger, list[UUID]]) -> None:
    """The next round looks again; this one ends."""
    ledger, ids = books
    _begin(ledger, ids)
    done: list[UUID] = []
    DueWork(ledger, Served(None)).each_in_one(WORK, lambda tx, wallet_id: done.append(wallet_id))
    assert sorted(done) == sorted(ids)


def test_several_processes_do_a_wallets_work_once(postgres: Server, blank_books: str, tmp_path: Path) -> None:
    """On PostgreSQL, each with connections of its own, all at the same moment."""
    url = postgres.create(f"due_{tmp_path.name[-20:]}", template=blank_books)
    clock = SettableClock()
    ledgers = [open_ledger(url, clock) for _ in range(4)]
    ids = [open_beside(ledgers[0], f"T{number}") for number in range(5)]
    _begin(ledgers[0], ids)
    gate = Barrier(len(ledgers))

    def work(tx: Tx, wallet_id: UUID) -> None:
        said = named_value(tx.connection, wallet_id, "done")
        set_named_value(tx, wallet_id, "done", str(int(said.value if said else 0) + 1))
        tx.schedule.set(wallet_id, WORK, tx.now + timedelta(hours=1))

    class Gated(DueWork):
        """All processes have found all of it due before the first does any."""

        def wallets(self, kind: str) -> Iterator[UUID]:
            found = list(DueWork.wallets(self, kind))
            gate.wait()
            assert sorted(found) == sorted(ids)
            return iter(found)

    with ThreadPoolExecutor(len(ledgers)) as pool:
        list(pool.map(lambda one: Gated(one, Served(None)).each_in_one(WORK, work), ledgers))
    with ledgers[0].reading() as connection:
        counts = [named_value(connection, one, "done") for one in ids]
    assert [one.value for one in counts if one is not None] == ["1"] * len(ids)

    _begin(ledgers[0], ids)
    clock.set(clock.now() + timedelta(hours=1))
    with ThreadPoolExecutor(len(ledgers)) as pool:
        claims = list(pool.map(lambda one: DueWork(one, Served(None)).claim(ids[0], WORK), ledgers))
    assert sum(one is not None for one in claims) == 1
    for one in ledgers:
        one.close()


# --- What was lost -----------------------------------------------------------------------------------------


def test_what_no_row_knows_of_is_found_once_after_the_start(running: demo.Demo) -> None:
    """A hold of books whose schedule was lost expires all the same, and is announced."""
    bot = running.bot
    bot.ledger.carry_out(bot.wallet_id, [OpenHold("call-1", "outbound_call", 0)])
    bot.ledger.run(lambda tx: tx.connection.execute(delete(wallet_schedule).where(_mine(bot.wallet_id))))
    running.clock.skip_to(running.clock.now() + timedelta(minutes=10))
    bot.timers.observe(running.clock.now())
    with bot.ledger.reading() as connection:
        row = connection.execute(select(wallets).where(wallets.c.wallet_id == bot.wallet_id)).one()
    assert (row.open_holds, row.time_due_at) == (0, None)


def _mine(wallet_id: UUID) -> ColumnElement[bool]:
    return (wallet_schedule.c.wallet_id == wallet_id) & (wallet_schedule.c.kind == DueKind.TIME)


def test_standing_work_that_was_lost_begins_again_with_a_start(books: tuple[Ledger, list[UUID]]) -> None:
    """A start begins it where it has not begun, and leaves it where it has."""
    ledger, (wallet_id, *_) = books
    kind = (wallet_schedule.c.wallet_id == wallet_id) & (wallet_schedule.c.kind == BotDue.HOUSEKEEPING)
    later = ledger.now() + timedelta(days=7)
    for known, begun in ((None, ledger.now()), (later, later)):

        def start(tx: Tx, known: datetime | None = known) -> None:
            tx.schedule.set(wallet_id, BotDue.HOUSEKEEPING, known)
            begin_work(tx, wallet_id)

        ledger.run(start, wallet_id=wallet_id)
        with ledger.reading() as connection:
            assert connection.execute(select(wallet_schedule.c.due_at).where(kind)).scalar_one() == begun
