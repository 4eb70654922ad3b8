"""The wallet's customer after an answer that says nothing: looked for, and made anew where there is none."""

import pytest

from bot.states.payment import State
from bot.stripe.requests import NotReached
from tests.faults.driver import DOLLARS, BotDriver
from tests.persons import owner

SAVED = {"match": "POST /v1/customers", "mode": "status", "status": 500, "stored": True}


def _connect(driver: BotDriver) -> State:
    return driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("U1")).state


def _customers(driver: BotDriver) -> list[str]:
    return [one.id for one in driver.shop.api.customers.list()]


@pytest.mark.parametrize("was_made", [False, True])
def test_a_saved_failure_holds_a_wallet_up_for_minutes_not_for_a_day(
    driver: BotDriver, *, was_made: bool
) -> None:
    """Stripe repeats a failure as long as it remembers the key; whether the customer exists, a list says."""
    driver.shop.arm(**SAVED, do=was_made)
    for _ in range(2):
        with pytest.raises(NotReached):
            _connect(driver)
        driver.shop.clock.skip(minutes=2)
        driver.sweep.run(driver.ledger.now())
    driver.shop.clock.skip(minutes=10)

    driver.sweep.run(driver.ledger.now())

    assert _connect(driver) is State.OFFERED
    page = driver.payments.offer_page(driver.wallet_id, DOLLARS, asked_by=owner("U1"), saves_card=True)
    (only,) = _customers(driver)
    assert driver.shop.api.checkout.sessions.retrieve(page.session_id).customer == only


def test_without_a_list_it_waits(driver: BotDriver) -> None:
    """An outage when it is looked for: nothing is concluded, and the next look finds it."""
    driver.shop.arm(**SAVED, do=True)
    with pytest.raises(NotReached):
        _connect(driver)
    driver.shop.clock.skip(minutes=12)
    driver.shop.arm(match="GET /v1/customers", mode="status", status=503)

    driver.sweep.run(driver.ledger.now())
    with pytest.raises(NotReached):
        _connect(driver)
    driver.shop.clock.skip(minutes=2)
    driver.sweep.run(driver.ledger.now())

    assert _connect(driver) is State.OFFERED
    assert len(_customers(driver)) == 1


def test_another_wallets_customer_is_not_taken(driver: BotDriver) -> None:
    """Only what carries this wallet's id is ours to adopt."""
    driver.shop.arm(**SAVED)
    with pytest.raises(NotReached):
        _connect(driver)
    stranger = driver.shop.api.customers.create({"name": "Orders", "metadata": {"redbar_wallet": "another"}})
    driver.shop.clock.skip(minutes=12)

    driver.sweep.run(driver.ledger.now())

    assert _connect(driver) is State.OFFERED
    assert len(_customers(driver)) == 2
    assert driver.shop.api.checkout.sessions.list().data[0].customer != stranger.id
