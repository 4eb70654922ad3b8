"""`redbar clock accept`: the running bot takes the present as true, or the command does so on the books itself."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.__main__ import main
from bot.control import Control, address_of
from bot.delivering.courier import Courier
from bot.operator import clock
from bot.operator.running_bot import Context
from bot.states.payment import State
from bot.tables import payments
from bot.wallets.accepted_clock import accept_now
from ledger import MICROS, JudgedClock, PostUsage, SystemClock, verify_books
from tests.faults.driver import DOLLARS, BotDriver, driver_in, rule_on
from tests.faults.test_clock_in_doubt import Machine
from tests.persons import owner
from tests.sandbox.slack_place import SettableClock

YEAR = timedelta(days=400)


@pytest.fixture
def machine() -> Machine:
    """A machine at the true present: commands beside the bot read the system's clock."""
    made = Machine()
    made.true = SettableClock(SystemClock().now())
    return made


@pytest.fixture
def driver(tmp_path: Path, machine: Machine) -> Iterator[BotDriver]:
    with driver_in(tmp_path, clock=machine.true, port=machine.port()) as made:
        page = made.payments.connect(made.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
        assert made.shop.pay(made.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
        assert made.sync.session(page.session_id)
        made.hear_all(made.paid()[1])
        yield made


def _believe(driver: BotDriver) -> None:
    port = driver.ledger.clock
    assert isinstance(port, JudgedClock)
    port.accept()


def _use(driver: BotDriver, name: str, dollars: int) -> None:
    driver.ledger.carry_out(
        driver.wallet_id, [PostUsage("platform", name, "outbound_call", dollars * MICROS, None)]
    )


def test_what_a_wrong_clock_left_lives_on(driver: BotDriver, machine: Machine) -> None:
    """A charge of the future keeps no later one back, its link lapses in a week from now, people are told."""
    rule_on(driver)
    machine.error = YEAR
    _believe(driver)  # by mistake
    assert driver.recharge.consider(driver.wallet_id) is not None
    link = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")
    _use(driver, "wrong", 180)
    machine.error = timedelta()
    assert driver.ledger.doubt is not None

    accepted = accept_now(driver.ledger, [driver.wallet_id], actor="operator")
    assert accepted.now == machine.true.now()
    (rows,) = accepted.rows
    assert "recorded there: transactions 2 to 3" in str(rows)

    told: list[str] = []
    courier = Courier(
        driver.ledger, lambda waiting: told.append(waiting.name), lambda to: None, driver.served
    )
    while courier.run_once(driver.ledger.now()):
        pass
    assert "wallet.credited" in told
    machine.true.skip(minutes=16)
    assert driver.recharge.consider(driver.wallet_id) is not None
    with driver.ledger.reading() as connection:
        latest = connection.execute(select(payments.c.created_at)).scalars()
        assert max(latest) == machine.true.now()
        assert verify_books(connection) == []
    machine.true.skip(days=8)
    driver.sweep.run(driver.ledger.now())
    found = driver.payments.look(driver.wallet_id, link.payment_id)
    assert found is not None
    assert found.state is State.LAPSED


@pytest.mark.parametrize("way", ["asks the bot", "does it itself"])
def test_the_command_accepts_and_names_the_rows(
    driver: BotDriver, machine: Machine, tmp_path: Path, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it, `redbar verify` finds them; after it, they are a note."""
    url = f"sqlite:///{tmp_path / 'redbar.db'}"
    machine.error = YEAR
    _believe(driver)
    _use(driver, "wrong", 1)
    machine.error = timedelta()
    assert _ran(capsys, "verify", url)[0] == 1
    with ExitStack() as running:
        if way == "asks the bot":
            context = Context(driver.ledger, [driver.wallet_id], lambda: nullcontext(_unused()))
            address = address_of(url)
            assert address is not None
            running.callback(Control(address, {clock.NAME: partial(clock.accept, context)}).close)
        else:
            driver.ledger.close()
        code, said = _ran(capsys, "clock", "accept", url)
        assert code == 0
        assert "taken as true" in said
        # The driver's clock has gone on by a second; where the command has the machine's own, that may not be over yet.
        assert re.search(r"recorded there: transactions? (1 to )?2\.", said)
        code, said = _ran(capsys, "verify", url)
        assert code == 0
        assert "Note:" in said
        assert "an operator took" in said
        assert "Nothing is recorded after it." in _ran(capsys, "clock", "accept", url)[1]
    assert driver.ledger.doubt is None or way == "does it itself"


def _unused() -> Any:
    raise AssertionError("nothing of Stripe is needed")


def _ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main([*words[:-1], "--database", words[-1]])
    return code, capsys.readouterr().out
