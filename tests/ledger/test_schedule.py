"""The schedule: touched where an instant moves earlier, found by its index, done by one process, never lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, select

from ledger import (
    OUTBOUND_CALL,
    DueClaim,
    DueKind,
    LeaseLost,
    OpenHold,
    RechargeRule,
    ReleaseHold,
    Tx,
    due_wallets,
    next_due,
    unscheduled_wallets,
)
from ledger.due_work import DRAW_EVERY, PACE_ENDS, QUIET_MAX, next_pace_look
from ledger.storage.schema import wallet_schedule
from ledger.wallet_policy import Automatic
from tests.ledger.wallet_driver import MORNING, WalletDriver, usd

WORK = "work"
LEASE = timedelta(minutes=2)


@contextmanager
def touches() -> Iterator[list[str]]:
    """Collect the statements that touch the schedule."""
    seen: list[str] = []

    def see(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if "wallet_schedule" in statement:
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", see)


def scheduled(driver: WalletDriver) -> dict[str, Any]:
    """Give what is scheduled of the wallet: instants by kind."""
    mine = wallet_schedule.c.wallet_id == driver.wallet_id
    with driver.ledger.reading() as connection:
        return {row.kind: row.due_at for row in connection.execute(select(wallet_schedule).where(mine))}


def test_common_postings_and_holds_do_not_touch_it(driver: WalletDriver) -> None:
    """Only the first after a look does: an instant that moves later is found by the look."""
    driver.top_up("100")
    driver.ask("first")
    with touches() as seen:
        for number in range(5):
            driver.clock.skip(seconds=1)
            driver.use("0.10")
            driver.ask(f"call-{number}")
            driver.capture(f"call-{number}", "0.10")
        driver.do(ReleaseHold("first"))
    assert seen == []
    with touches() as seen:
        driver.ledger.run(lambda tx: tx.book.follow_pace(driver.wallet_id))
        driver.clock.skip(seconds=1)
        driver.use("0.10")
    assert seen


def test_an_instant_that_moves_earlier_is_scheduled_and_one_that_passed_moves_on(
    driver: WalletDriver,
) -> None:
    """Holds that last shorter; afterwards the next that is open, then none."""
    driver.top_up("100")
    driver.ask("long")
    assert scheduled(driver)[DueKind.TIME] == MORNING + timedelta(minutes=5)
    driver.set_policy(hold_lifetime=timedelta(minutes=2))
    driver.ask("short")
    assert scheduled(driver)[DueKind.TIME] == MORNING + timedelta(minutes=2)
    driver.clock.skip(minutes=2)
    driver.observe()
    assert scheduled(driver)[DueKind.TIME] == MORNING + timedelta(minutes=5)
    driver.clock.skip(minutes=3)
    driver.observe()
    assert DueKind.TIME not in scheduled(driver)


def test_what_money_and_settings_cause_is_due_at_once(driver: WalletDriver) -> None:
    """A recharge that is wanted, a stop, the notice of the morning."""
    driver.top_up("100")
    assert scheduled(driver) == {DueKind.PACE: MORNING}
    driver.set_policy(
        automatic=Automatic.ON, rule=RechargeRule(threshold_micros=usd("50"), target_micros=usd("200"))
    )
    driver.use("60")
    assert scheduled(driver)[DueKind.RECHARGE] == MORNING
    driver.use("40")
    assert scheduled(driver)[DueKind.STOPPED] == MORNING
    driver.set_policy(info=True)
    assert scheduled(driver)[DueKind.MORNING] == MORNING
    driver.set_policy(info=False)
    assert DueKind.MORNING not in scheduled(driver)


def test_changed_settings_hurry_what_waits(driver: WalletDriver) -> None:
    """A rule or repeats of another kind may want something now."""
    driver.top_up("10")
    driver.use("10")
    later = MORNING + timedelta(days=1)
    driver.ledger.run(lambda tx: tx.schedule.set(driver.wallet_id, DueKind.STOPPED, later))
    driver.set_policy(repeat_minutes=(1,))
    assert scheduled(driver)[DueKind.STOPPED] == MORNING
    assert DueKind.RECHARGE not in scheduled(driver)


def test_the_lines_follow_the_pace_at_most_hourly_and_rarer_the_longer_nothing_moves(
    driver: WalletDriver,
) -> None:
    """And not at all once the pace knows of no spending."""
    driver.top_up("100")
    driver.use("1")
    looks = []
    for _ in range(60):
        due = scheduled(driver).get(DueKind.PACE)
        if due is None:
            break
        looks.append(due - MORNING)
        driver.clock.at = max(driver.clock.at, due)
        driver.ledger.run(lambda tx: tx.book.follow_pace(driver.wallet_id))
    assert looks[:5] == [timedelta(hours=one) for one in (0, 1, 2, 4, 8)]
    assert all(after - before <= QUIET_MAX for before, after in pairwise(looks))
    assert PACE_ENDS <= looks[-1] < PACE_ENDS + QUIET_MAX


@pytest.mark.parametrize(
    ("drawn", "moved", "wait"),
    [
        (0, None, None),
        (0, 0, 60),
        (30, 0, 30),  # drawn half an hour ago, and money moves on
        (0, 90, 90),
        (50, 5, 10),
        (0, 60 * 40, 60 * 24),
        (0, 60 * 24 * 29, None),
    ],
)
def test_when_the_pace_is_looked_at_next(drawn: int, moved: int | None, wait: int | None) -> None:
    """By minutes since the lines were drawn, and since money moved."""
    moved_at = None if moved is None else MORNING - timedelta(minutes=moved)
    at = next_pace_look(MORNING, MORNING - timedelta(minutes=drawn), moved_at)
    assert at == (None if wait is None else MORNING + timedelta(minutes=wait))
    assert timedelta(hours=1) == DRAW_EVERY


# --- Claims ------------------------------------------------------------------------------------------------


def _claim(driver: WalletDriver) -> DueClaim | None:
    return driver.ledger.run(
        lambda tx: tx.schedule.claim(driver.wallet_id, WORK, lease=LEASE), wallet_id=driver.wallet_id
    )


def _finish(driver: WalletDriver, claim: DueClaim, **after: int) -> None:
    at = driver.clock.at + timedelta(**after) if after else None
    driver.ledger.run(lambda tx: tx.schedule.finish(claim, at), wallet_id=driver.wallet_id)


def _begin(driver: WalletDriver) -> None:
    driver.ledger.run(lambda tx: tx.schedule.begin(driver.wallet_id, WORK), wallet_id=driver.wallet_id)


def test_who_claims_does_it_alone_until_the_lease_ends(driver: WalletDriver) -> None:
    """A crash repeats it after the lease; whoever slept past the lease stores nothing."""
    _begin(driver)
    slept = _claim(driver)
    assert slept is not None
    assert _claim(driver) is None
    with driver.ledger.reading() as connection:
        assert due_wallets(connection, WORK, driver.clock.at) == []
    driver.clock.skip(minutes=2)
    with pytest.raises(LeaseLost):
        _finish(driver, slept)
    second = _claim(driver)
    assert second is not None
    with pytest.raises(LeaseLost):
        _finish(driver, slept, hours=1)
    _finish(driver, second, hours=1)
    assert scheduled(driver)[WORK] == driver.clock.at + timedelta(hours=1)
    with pytest.raises(LeaseLost):
        _finish(driver, second)


def test_a_claim_is_not_mistaken_for_one_of_a_row_that_came_again(driver: WalletDriver) -> None:
    """The row was taken away and came back meanwhile: tokens go on growing."""
    _begin(driver)
    old = _claim(driver)
    assert old is not None
    driver.ledger.run(lambda tx: tx.schedule.set(driver.wallet_id, WORK, None))
    driver.clock.skip(seconds=1)
    _begin(driver)
    assert _claim(driver) is not None
    with pytest.raises(LeaseLost):
        _finish(driver, old)


def test_what_falls_due_while_somebody_is_at_it_is_looked_at_again(driver: WalletDriver) -> None:
    """The work did not see what it was hurried for."""
    _begin(driver)
    claim = _claim(driver)
    assert claim is not None
    driver.clock.skip(seconds=1)
    woken = driver.clock.at
    driver.ledger.run(lambda tx: tx.schedule.set(driver.wallet_id, WORK, woken))
    _finish(driver, claim, hours=1)
    assert scheduled(driver)[WORK] == woken
    assert _claim(driver) is not None


# --- What is found -----------------------------------------------------------------------------------------


def test_a_wallet_ahead_of_the_clock_is_left_alone(driver: WalletDriver) -> None:
    """Its time is in doubt; its row stays."""
    driver.top_up("10")
    now = driver.clock.at
    with driver.ledger.reading() as connection:
        assert due_wallets(connection, DueKind.PACE, now) == [driver.wallet_id]
        assert due_wallets(connection, DueKind.PACE, now, among=wallet_schedule.c.kind == "none") == []
    driver.clock.skip(days=1)
    driver.use("1")
    driver.ledger.run(lambda tx: tx.schedule.set(driver.wallet_id, DueKind.PACE, now))
    with driver.ledger.reading() as connection:
        assert due_wallets(connection, DueKind.PACE, now) == []
        assert next_due(connection, now - timedelta(seconds=1)) == now


@pytest.mark.parametrize("kind", list(DueKind))
def test_a_row_that_was_lost_is_found_and_made_again(driver: WalletDriver, kind: DueKind) -> None:
    """Whatever kind: the wallet's other rows say that it may be due."""
    driver.top_up("100")
    driver.set_policy(
        automatic=Automatic.ON,
        rule=RechargeRule(threshold_micros=usd("50"), target_micros=usd("200")),
        info=True,
    )
    driver.do(OpenHold("running", OUTBOUND_CALL))
    driver.use("99.60")
    driver.use("0.40")
    before = scheduled(driver)
    assert set(before) == set(DueKind)
    with driver.ledger.reading() as connection:
        assert unscheduled_wallets(connection) == []

    driver.ledger.run(partial(_lose, driver=driver, kind=kind))
    with driver.ledger.reading() as connection:
        assert unscheduled_wallets(connection) == [driver.wallet_id]
    driver.ledger.run(lambda tx: tx.book.reschedule(driver.wallet_id))
    assert scheduled(driver) == before
    with driver.ledger.reading() as connection:
        assert unscheduled_wallets(connection) == []


def _lose(tx: Tx, *, driver: WalletDriver, kind: DueKind) -> None:
    mine = (wallet_schedule.c.wallet_id == driver.wallet_id) & (wallet_schedule.c.kind == kind)
    tx.connection.execute(delete(wallet_schedule).where(mine))


def test_nothing_scheduled_changes_an_answer(driver: WalletDriver) -> None:
    """I14: without any row, holds expire, grace ends and starts are judged as ever."""
    driver.top_up("10")
    driver.ask("h1", estimate="9")
    driver.ledger.run(
        lambda tx: tx.connection.execute(
            delete(wallet_schedule).where(wallet_schedule.c.wallet_id == driver.wallet_id)
        )
    )
    assert not driver.ask("h2", estimate="9").permit.allowed
    driver.clock.skip(minutes=5)
    assert driver.ask("h3", estimate="9").permit.allowed
    driver.ledger.run(lambda tx: tx.book.reschedule(driver.wallet_id))
