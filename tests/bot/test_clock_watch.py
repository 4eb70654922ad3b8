"""The clock at the start of the bot, held against Slack's, Stripe's and the database's, and what health says of it."""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from bot.app import open_ledger
from bot.sandbox.clock import SandboxClock
from bot.sandbox.world import Dated
from bot.served import Served
from bot.slack.connection import time_at_slack
from bot.stripe.gateway import StripeGateway
from bot.wallets.clock_watch import ClockWatch, clocks_outside, judge_beside, remember_clock
from ledger import Dated as Heard
from ledger import JudgedClock, Ledger
from tests.faults.test_clock_in_doubt import EPOCH, Machine
from tests.sandbox.slack_place import Place, SettableClock, lent_stage
from tests.sandbox.stripe_place import KEY, Shop

DAY = timedelta(days=1)


class _Skipping:
    """The time of the outside, as the sandbox's clock wants it."""

    def __init__(self, clock: SettableClock) -> None:
        self.now = clock.now
        self.offset = timedelta()

    def skip(self, span: timedelta) -> None:
        raise AssertionError("nobody skips here")


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def outside(machine: Machine, tmp_path: Path) -> Iterator[tuple[Place, StripeGateway]]:
    """Slack and Stripe, served, with the Date of the true time; and the libraries that speak to them."""
    with lent_stage() as of_slack, lent_stage() as of_stripe:
        place, shop = Place(of_slack, machine.true, tmp_path), Shop(of_stripe, machine.true, tmp_path)
        for stage in (of_slack, of_stripe):
            stage.app = Dated(stage.app, SandboxClock(_Skipping(machine.true)))
        gateway = StripeGateway(KEY, f"{shop.base_url}/stripe")
        yield place, gateway
        gateway.close()
        place.close()
        shop.close()


def _opened(folder: Path, machine: Machine) -> Ledger:
    return open_ledger(f"sqlite:///{folder / 'redbar.db'}", machine.port())


def _watch(ledger: Ledger, outside: tuple[Place, StripeGateway]) -> ClockWatch:
    place, gateway = outside
    clocks: dict[str, Callable[[], datetime | None]] = {
        "Slack": partial(time_at_slack, place.web),
        "Stripe": gateway.time,
    }
    ask = clocks_outside(ledger, clocks, asks_database=True, patience=timedelta(minutes=1))
    return ClockWatch(ledger, Served("T1"), ask)


def test_a_start_that_slack_and_stripe_contradict_is_in_doubt(
    tmp_path: Path, machine: Machine, outside: tuple[Place, StripeGateway], caplog: pytest.LogCaptureFixture
) -> None:
    """Health says who contradicts the clock, the log says it once, and a clock set right ends it."""
    machine.error = DAY
    ledger = _opened(tmp_path, machine)
    watch = _watch(ledger, outside)
    with caplog.at_level(logging.WARNING, logger="redbar.clock"):
        watch.begin()
        for _ in range(12):  # with questions in between
            machine.true.skip(seconds=10)
            watch.look(ledger.now())
    (problem,) = watch.problems()
    assert "24 hours ahead of the clock of Slack and Stripe" in problem
    assert [record.levelname for record in caplog.records if record.name == "redbar.clock"] == ["ERROR"]
    machine.error = timedelta()
    watch.look(ledger.now())
    assert watch.problems() == ()
    assert ledger.now() == machine.true.now()
    ledger.close()


def test_a_start_is_believed_where_everybody_agrees(
    tmp_path: Path, machine: Machine, outside: tuple[Place, StripeGateway]
) -> None:
    """A later leap for good is believed once Slack and Stripe say the same."""
    ledger = _opened(tmp_path, machine)
    watch = _watch(ledger, outside)
    watch.begin()
    assert watch.problems() == ()
    clock = ledger.clock
    assert isinstance(clock, JudgedClock)
    stood = machine.true.now()
    # The machine was paused from outside: its monotonic clock missed a day.
    clock._ticks = lambda: machine.true.now() - DAY - EPOCH
    machine.true.skip(days=1)
    watch.look(ledger.now())
    assert (len(watch.problems()), ledger.now()) == (1, stood)
    for _ in range(6):
        watch.look(ledger.now())
    assert (watch.problems(), ledger.now()) == ((), machine.true.now())
    ledger.close()


def test_a_clock_that_drifts_is_compared_every_six_hours(tmp_path: Path, machine: Machine) -> None:
    """It is believed, since it never leaps; how far it is from Slack's is known before Stripe minds."""
    ledger = _opened(tmp_path, machine)
    asked = []

    def slack(clock: JudgedClock) -> list[Heard]:
        asked.append(clock.now())
        near, far = machine.true.now() - timedelta(seconds=5), machine.true.now() + timedelta(seconds=40)
        return [clock.heard("Stripe", near), clock.heard("Slack", far)] if len(asked) > 1 else []

    watch = ClockWatch(ledger, Served("T1"), slack)
    watch.begin()
    assert watch.skew == timedelta()
    for _ in range(6 * 360):
        assert len(asked) == 1
        machine.true.skip(seconds=10)
        watch.look(ledger.now())
    assert len(asked) == 2
    assert watch.skew == -timedelta(seconds=40)
    assert watch.problems() == ()
    ledger.close()


def test_nobody_answers_and_the_books_remember(tmp_path: Path, machine: Machine) -> None:
    """The offset between the machine's two clocks is kept; a restart of the bot does not make a leap true."""
    first = _opened(tmp_path, machine)
    remember_clock(first)
    first.close()
    machine.true.skip(hours=5)
    again = _opened(tmp_path, machine)
    judge_beside(again)
    assert again.doubt is None
    again.close()
    machine.error = DAY
    leapt = _opened(tmp_path, machine)
    watch = ClockWatch(leapt, Served("T1"), lambda clock: ())
    watch.begin()
    assert leapt.doubt is not None
    remember_clock(leapt)  # remembers nothing
    leapt.close()
    machine.error = timedelta()
    right = _opened(tmp_path, machine)
    judge_beside(right)
    assert right.doubt is None
    right.close()
