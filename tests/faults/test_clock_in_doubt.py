"""A clock that leapt charges nobody, lets nothing lapse and tells nobody, until it is right again or accepted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.delivering.courier import Courier
from bot.states.payment import State
from ledger import MICROS, ClockInDoubt, JudgedClock, PostUsage
from ledger.storage.schema import wallets
from tests.faults.driver import DOLLARS, BotDriver, driver_in, rule_on
from tests.persons import owner
from tests.sandbox.slack_place import SettableClock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEAPS = pytest.mark.parametrize("leap", [timedelta(days=40), -timedelta(days=40)], ids=["ahead", "behind"])


class Machine:
    """The machine that the bot runs on: its wall clock is wrong by `error`."""

    def __init__(self) -> None:
        self.true = SettableClock()
        self.error = timedelta()

    def now(self) -> datetime:
        return self.true.now() + self.error

    def port(self) -> JudgedClock:
        return JudgedClock(self, lambda: self.true.now() - EPOCH, boot="b")


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def driver(tmp_path: Path, machine: Machine) -> Iterator[BotDriver]:
    """One wallet with $20, a card and a rule that wants more, on a machine whose clock may leap."""
    with driver_in(tmp_path, clock=machine.true, port=machine.port()) as made:
        page = made.payments.connect(made.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
        assert made.shop.pay(made.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
        assert made.sync.session(page.session_id)
        made.hear_all(made.paid()[1])
        yield made


@LEAPS
def test_the_rule_charges_nothing_in_doubt(driver: BotDriver, machine: Machine, leap: timedelta) -> None:
    """It is due, and waits until the clock is right."""
    rule_on(driver)
    machine.error = leap
    assert driver.recharge.consider(driver.wallet_id) is None
    assert len(driver.shop.charges()) == 1
    machine.error = timedelta()
    assert driver.recharge.consider(driver.wallet_id) is not None


def test_the_caps_of_a_day_are_not_emptied_by_a_leap(driver: BotDriver, machine: Machine) -> None:
    """Each day of the leap would allow three charges more."""
    rule_on(driver)
    assert driver.recharge.consider(driver.wallet_id) is not None
    for day in range(1, 4):
        machine.error = timedelta(days=day)
        spent = PostUsage("platform", f"c-{day}", "outbound_call", 60 * MICROS, None)
        driver.ledger.carry_out(driver.wallet_id, [spent])
        driver.recharge.consider(driver.wallet_id)
    assert len(driver.shop.charges()) == 2


@LEAPS
def test_people_charge_nothing_in_doubt(driver: BotDriver, machine: Machine, leap: timedelta) -> None:
    """Their confirmation neither charges nor expires: it is still good afterwards."""
    action, _ = driver.charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))
    machine.error = leap
    with pytest.raises(ClockInDoubt):
        driver.charges.charge(driver.wallet_id, action, actor=owner("U1"))
    machine.error = timedelta()
    assert driver.charges.charge(driver.wallet_id, action, actor=owner("U1")).state is State.PAID


def test_no_open_charge_is_sent_again_in_doubt(driver: BotDriver, machine: Machine) -> None:
    """The sweep finishes it once the clock is right."""
    rule_on(driver)
    driver.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="reset_before")
    assert driver.recharge.consider(driver.wallet_id) is not None
    machine.true.skip(minutes=2)
    assert driver.ledger.doubt is None
    machine.error = timedelta(days=40)
    assert driver.sweep.run(driver.ledger.now()) == 0
    assert len(driver.shop.charges()) == 1
    machine.error = timedelta()
    driver.sweep.run(driver.ledger.now())
    assert len(driver.shop.charges()) == 2


def test_no_link_lapses_in_doubt(driver: BotDriver, machine: Machine) -> None:
    """Forty days ahead for an hour: the link of seven days is open afterwards."""
    payment = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")
    machine.error = timedelta(days=40)
    driver.sweep.run(driver.ledger.now())
    machine.true.skip(hours=1)
    driver.sweep.run(driver.ledger.now())
    machine.error = timedelta()
    driver.sweep.run(driver.ledger.now())
    found = driver.payments.look(driver.wallet_id, payment.payment_id)
    assert found is not None
    assert found.state is State.OFFERED
    machine.true.skip(days=8)
    driver.sweep.run(driver.ledger.now())
    found = driver.payments.look(driver.wallet_id, payment.payment_id)
    assert found is not None
    assert found.state is State.LAPSED


@LEAPS
def test_nobody_is_told_in_doubt(driver: BotDriver, machine: Machine, leap: timedelta) -> None:
    """Notices are committed with their cause, and wait."""
    told: list[str] = []
    courier = Courier(
        driver.ledger, lambda waiting: told.append(waiting.name), lambda to: None, driver.served
    )
    machine.error = leap
    driver.ledger.carry_out(
        driver.wallet_id, [PostUsage("platform", "c", "outbound_call", 30 * MICROS, None)]
    )
    assert courier.run_once(driver.ledger.now()) == 0
    assert told == []
    machine.error = timedelta()
    while courier.run_once(driver.ledger.now()):
        pass
    assert "wallet.grace_started" in told


def test_money_that_people_paid_is_booked_in_doubt(driver: BotDriver, machine: Machine) -> None:
    """At the last believed instant."""
    intent, events = driver.paid()
    believed = driver.ledger.now()
    machine.error = timedelta(days=40)
    driver.hear_all(events)
    assert driver.credited(intent)
    with driver.ledger.reading() as connection:
        assert connection.execute(wallets.select()).one().touched_at == believed


def test_a_wallet_ahead_of_a_right_clock_waits_alone(driver: BotDriver, machine: Machine) -> None:
    """Its books were written while another process believed a wrong clock."""
    rule_on(driver)
    later = machine.now() + timedelta(days=40)
    driver.ledger.run(lambda tx: tx.connection.execute(update(wallets).values(touched_at=later)))
    assert driver.ledger.doubt is None
    assert driver.recharge.consider(driver.wallet_id) is None
    courier = Courier(driver.ledger, lambda waiting: None, lambda to: None, driver.served)
    assert courier.run_once(driver.ledger.now()) == 0
    with pytest.raises(ClockInDoubt):
        driver.charges.charge(
            driver.wallet_id,
            driver.charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))[0],
            actor=owner("U1"),
        )
