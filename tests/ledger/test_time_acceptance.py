"""Books that were written while a wrong clock was believed: found, accepted by an operator, and alive again."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update

from ledger import (
    INBOUND_CALL,
    FutureRows,
    Standing,
    Tx,
    accept_present,
    audit_books,
    beancount_lines,
    extract_of,
    history,
    month_summary,
    months_of,
)
from ledger.instants import to_stamp
from ledger.storage.schema import audit_log, wallets
from tests.ledger.wallet_driver import MORNING, Machine, WalletDriver, usd

YEAR = timedelta(days=400)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def driver(database: str, machine: Machine) -> Iterator[WalletDriver]:
    """One wallet with $100, on a machine whose clock may be wrong."""
    made = WalletDriver(database, clock=machine)
    made.top_up("100")
    yield made
    made.close()


def _while_wrong(driver: WalletDriver, machine: Machine, *, days: int = 400) -> None:
    """Let a process believe a clock that is ahead; what follows is written by it."""
    machine.leap(days=days)
    driver.reopen()


def _right_again(driver: WalletDriver, machine: Machine, *, days: int = 400) -> None:
    machine.leap(days=-days)
    machine.skip(minutes=1)
    driver.reopen()


def _accept(driver: WalletDriver) -> FutureRows | None:
    return driver.ledger.run(
        lambda tx: accept_present(tx.connection, driver.wallet_id, tx.now, actor="operator"),
        wallet_id=driver.wallet_id,
    )


def _found(driver: WalletDriver) -> tuple[list[str], list[str]]:
    with driver.ledger.reading() as connection:
        (audit,) = audit_books(connection, driver.wallet_id, now=driver.ledger.now())
    return [str(one) for one in audit.findings], [str(one) for one in audit.notes]


def test_rows_of_the_future_are_a_finding_until_they_are_accepted(
    driver: WalletDriver, machine: Machine
) -> None:
    """Afterwards they are a note, and the chain is whole with what follows."""
    _while_wrong(driver, machine)
    driver.use("1")
    driver.use("2")
    _right_again(driver, machine)
    ((finding,), notes) = _found(driver)
    assert "transaction 2: clock: last changed 2027-12-28" in finding
    assert notes == []

    rows = _accept(driver)
    assert rows is not None
    assert list(rows.numbers) == [2, 3]
    assert _found(driver)[0] == []
    driver.use("3")
    findings, (note,) = _found(driver)
    assert findings == []
    assert "transaction 3: clock" in note
    assert "2026-11-23T09:01:00+00:00 as the present" in note
    newest, wrong = driver.history(limit=2)
    assert (newest.recorded_at, wrong.recorded_at) == (MORNING + timedelta(minutes=1), MORNING + YEAR)
    assert _accept(driver) is None


@pytest.mark.backends("sqlite")
def test_an_acceptance_excuses_only_what_it_names(driver: WalletDriver, machine: Machine) -> None:
    """Without its row, or for later transfers, time that ran back is a finding as ever."""
    _while_wrong(driver, machine)
    driver.use("1")
    _right_again(driver, machine)
    _accept(driver)
    driver.use("2")
    assert _found(driver)[0] == []

    def unguard(tx: Tx) -> None:
        """Take away what keeps the audit log append-only, as its owner can."""
        guards = tx.connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_log'"
        )
        for (name,) in guards.all():
            tx.connection.exec_driver_sql(f"DROP TRIGGER {name}")

    driver.ledger.run(unguard)

    def change(**said: int) -> None:
        mine = audit_log.c.action == "clock.accept"

        def save(tx: Tx) -> None:
            body = json.loads(tx.connection.execute(select(audit_log.c.after).where(mine)).scalar_one())
            tx.connection.execute(update(audit_log).where(mine).values(after=json.dumps(body | said)))

        driver.ledger.run(save)

    change(at=to_stamp(MORNING + timedelta(hours=1)))
    assert "transaction 3: time" in _found(driver)[0][0]
    change(at=to_stamp(MORNING + timedelta(minutes=1)))
    assert _found(driver)[0] == []
    change(seq=1)
    assert "transaction 3: time" in _found(driver)[0][0]
    driver.ledger.run(lambda tx: tx.connection.execute(delete(audit_log)))
    assert "transaction 3: time" in _found(driver)[0][0]


def test_a_wallet_lives_on_after_the_acceptance(driver: WalletDriver, machine: Machine) -> None:
    """Holds end after their minutes, grace after its own, and answers are valid as long as ever."""
    driver.ask("before", estimate="1")
    _while_wrong(driver, machine)
    driver.ask("wrong", estimate="15")
    driver.use("99")
    driver.use("2")  # empty now, by a clock that is wrong
    _right_again(driver, machine)
    _accept(driver)
    view = driver.view()
    assert (view.open_holds, view.standing) == (1, Standing.GRACE)
    assert view.emptied_at == MORNING + timedelta(minutes=1)
    assert driver.ask("in", kind=INBOUND_CALL, estimate="1").permit.allowed
    machine.skip(minutes=5)
    assert driver.view().open_holds == 0
    machine.skip(minutes=11)
    assert driver.view().standing is Standing.PAUSED
    driver.top_up("50")
    answer = driver.ask("next", estimate="15").permit
    assert answer.allowed
    assert answer.valid_until == machine.at + timedelta(seconds=30)
    assert driver.findings() == []


def test_months_have_the_rows_that_came_in_them(driver: WalletDriver, machine: Machine) -> None:
    """In history, in the sums by kind, and in the export."""
    _while_wrong(driver, machine)
    driver.use("1")
    _right_again(driver, machine)
    _accept(driver)
    driver.use("2")
    machine.skip(days=30)
    driver.use("4")
    with driver.ledger.reading() as connection:
        november = history(connection, driver.wallet_id, month="2026-11")
        december = history(connection, driver.wallet_id, month="2026-12")
        assert months_of(connection, driver.wallet_id) == ["2026-12", "2026-11"]
        sums = {one.kind: one for one in month_summary(connection, driver.wallet_id, "2026-11")}
        days = [line[1:11] for line in beancount_lines(connection, extract_of(connection, driver.wallet_id))][
            1:-1
        ]
    assert [row.seq for row in november] == [3, 2, 1]
    assert [row.seq for row in december] == [4]
    assert sums["outbound_call"].amount_micros == -usd("3")
    assert [day for day in days if day.startswith("20")] == ["2026-11-23"] * 3 + ["2026-12-23"]
    assert driver.findings() == []


def test_a_clock_may_be_wrong_twice(driver: WalletDriver, machine: Machine) -> None:
    """And an acceptance itself may have been wrong, and be followed by an earlier present."""
    _while_wrong(driver, machine)
    driver.use("1")
    _right_again(driver, machine, days=300)  # still a hundred days ahead
    _accept(driver)
    driver.use("2")
    _right_again(driver, machine, days=100)
    rows = _accept(driver)
    assert rows is not None
    assert list(rows.numbers) == [3]
    driver.use("3")
    _while_wrong(driver, machine, days=7)
    driver.use("4")
    _right_again(driver, machine, days=7)
    _accept(driver)
    driver.use("5")
    assert _found(driver)[0] == []
    with driver.ledger.reading() as connection:
        assert months_of(connection, driver.wallet_id) == ["2026-11"]
        assert connection.execute(select(func.count()).select_from(wallets)).scalar_one() == 1
        assert len(history(connection, driver.wallet_id, month="2026-11")) == 6
