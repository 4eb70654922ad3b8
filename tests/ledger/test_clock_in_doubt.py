"""A wallet never runs back and never follows a clock that leapt: what the books do while the time is in doubt."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from ledger import INBOUND_CALL, JudgedClock, Standing, SystemClock, database_time
from tests.ledger.wallet_driver import MORNING, Machine, WalletDriver


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def driver(database: str, machine: Machine) -> Iterator[WalletDriver]:
    """One wallet with $100, on a machine whose clock may leap."""
    made = WalletDriver(database, clock=machine)
    made.top_up("100")
    yield made
    made.close()


def test_a_clock_that_was_ahead_for_a_minute_leaves_no_trace(driver: WalletDriver, machine: Machine) -> None:
    """Holds end, calls may start, and the usage of that minute is recorded when it came."""
    machine.leap(days=400)
    driver.use("0.10")  # one call, while the clock was wrong
    machine.skip(minutes=1)
    machine.leap(days=-400)
    for number in range(6):
        assert driver.ask(f"lost-{number}", estimate="15").permit.allowed
    assert driver.history(limit=1)[0].recorded_at == MORNING
    machine.skip(days=2)
    assert driver.view().held_micros == 0
    answer = driver.ask("next", estimate="15").permit
    assert answer.allowed
    assert answer.valid_until == machine.at + timedelta(seconds=30)
    assert driver.findings() == []


def test_grace_ends_after_a_clock_that_was_ahead(driver: WalletDriver, machine: Machine) -> None:
    """Grace that begins in doubt lasts its minutes from the last believed instant."""
    machine.leap(days=400)
    driver.use("100")
    assert driver.ask("in", kind=INBOUND_CALL, estimate="1").permit.allowed
    machine.skip(minutes=1)
    machine.leap(days=-400)
    machine.skip(minutes=15)
    assert not driver.ask("late", kind=INBOUND_CALL, estimate="1").permit.allowed
    assert driver.view().standing is Standing.PAUSED


@pytest.mark.parametrize("leap", [timedelta(days=1), -timedelta(days=1)], ids=["ahead", "behind"])
def test_nothing_expires_while_the_clock_is_in_doubt(
    driver: WalletDriver, machine: Machine, leap: timedelta
) -> None:
    """No hold and no grace; usage and permits go on at the last believed instant."""
    driver.ask("held", estimate="15")
    machine.skip(minutes=1)
    driver.use("100")
    machine.at += leap
    for _ in range(3):
        machine.skip(hours=1)
        view = driver.view()
        assert (view.open_holds, view.standing) == (1, Standing.GRACE)
        assert driver.ledger.doubt is not None
        assert driver.ledger.now() == MORNING + timedelta(minutes=1)
    driver.use("0.01")
    assert driver.history(limit=1)[0].recorded_at == MORNING + timedelta(minutes=1)
    assert driver.findings() == []


def test_expired_stays_expired_when_the_clock_is_set_back(driver: WalletDriver, machine: Machine) -> None:
    """Ten minutes back: the hold that ended does not hold again."""
    driver.ask("held", estimate="15")
    machine.skip(minutes=6)
    assert driver.view().open_holds == 0
    machine.leap(minutes=-10)
    assert driver.view().open_holds == 0
    assert driver.ask("next", estimate="15").permit.allowed
    machine.leap(minutes=10)
    assert driver.ledger.doubt is None


def test_books_that_were_written_ahead_are_in_doubt_alone(driver: WalletDriver, machine: Machine) -> None:
    """After a restart the clock is right and the wallet is ahead of it: that wallet waits, another one goes on."""
    other = driver.open_wallet()
    machine.leap(days=400)
    driver.reopen()  # a process that starts while the clock is wrong believes it
    driver.use("0.10")
    machine.leap(days=-400)
    driver.reopen()
    assert driver.ledger.doubt is None
    with driver.ledger.reading() as connection:
        assert driver.ledger.believed(connection, [driver.wallet_id, other]) == [other]


def test_a_small_set_back_is_waited_out(driver: WalletDriver, machine: Machine) -> None:
    """Across a restart: five minutes are no reason to call anybody."""
    machine.skip(minutes=10)
    driver.use("1")
    machine.leap(minutes=-4)
    driver.reopen()
    driver.use("1")
    with driver.ledger.reading() as connection:
        assert driver.ledger.believed(connection, [driver.wallet_id]) == [driver.wallet_id]
    newest, before = driver.history(limit=2)
    assert newest.recorded_at == before.recorded_at == MORNING + timedelta(minutes=10)


def test_an_accepted_clock_goes_on_from_the_present(driver: WalletDriver, machine: Machine) -> None:
    """Put forward for good: nothing moves until somebody accepts it."""
    machine.leap(hours=3)
    assert driver.ledger.now() == MORNING
    clock = driver.ledger.clock
    assert isinstance(clock, JudgedClock)
    assert clock.accept() == MORNING + timedelta(hours=3)
    assert driver.ledger.doubt is None
    assert driver.ledger.now() == MORNING + timedelta(hours=3)


def test_the_database_server_says_what_time_it_is(driver: WalletDriver) -> None:
    """A file has no clock of its own."""
    with driver.ledger.reading() as connection:
        said = database_time(connection)
    if driver.sqlite:
        assert said is None
    else:
        assert said is not None
        assert abs(said - SystemClock().now()) < timedelta(minutes=1)
