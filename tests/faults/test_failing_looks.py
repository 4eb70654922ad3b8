"""A look at Stripe that fails, or finds what an operator has left, stops no other look and tells nobody again."""

import logging
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update

from bot.notices import MoneyParked
from bot.payment_rows import Payment
from bot.payments.open_checks import MISSES_MAX, look_at, what_is_open
from bot.reconciliation.manual_credit import leave_be
from bot.states.payment import State
from bot.tables import NIL_WALLET, payments
from bot.wallets.named_values import named_value
from tests.faults.driver import DOLLARS, BotDriver
from tests.persons import owner

U1 = owner("U1")
CONFIRM = "POST /v1/payment_intents/*/confirm"


def _charge_without_an_answer(driver: BotDriver) -> Payment:
    """Charge a saved card: the money moves, the answer is lost, and no event tells of it."""
    page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=U1)
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
    assert driver.sync.session(page.session_id)
    driver.shop.arm(delay="*")
    driver.shop.arm(match=CONFIRM, mode="reset_after")
    wish, _ = driver.charges.prepare(driver.wallet_id, DOLLARS, actor=U1)
    return driver.charges.charge(driver.wallet_id, wish, actor=U1)


def _pages(driver: BotDriver, count: int) -> list[Payment]:
    made = []
    for _ in range(count):
        driver.shop.clock.skip(seconds=1)
        made.append(driver.payments.offer_page(driver.wallet_id, DOLLARS, asked_by=U1, saves_card=False))
    return made


def _poll(driver: BotDriver, minutes: int = 11) -> None:
    driver.shop.clock.set(driver.ledger.now() + timedelta(minutes=minutes))
    driver.news.poll(driver.ledger.now())
    driver.news.handle_waiting(driver.ledger.now())


def _look(driver: BotDriver, payment: Payment) -> State:
    found = driver.payments.look(driver.wallet_id, payment.payment_id)
    assert found is not None
    return found.state


@pytest.mark.parametrize("left", [True, False])
def test_a_look_tells_nobody_of_a_charge_that_an_operator_left(
    driver: BotDriver, caplog: pytest.LogCaptureFixture, *, left: bool
) -> None:
    """The comparison found it at night; what people were spared then, they are spared at each look."""
    charge = _charge_without_an_answer(driver)
    in_euros = update(payments).where(payments.c.payment_id == charge.payment_id).values(currency="EUR")
    driver.ledger.run(lambda tx: tx.connection.execute(in_euros), wallet_id=driver.wallet_id)
    driver.shop.clock.skip(minutes=10)
    digest = driver.reconciliation.run(driver.ledger.now())
    assert [one.key for one in digest.differences] == [f"credit:{charge.intent_id}"]
    if left:
        leave_be(driver.ledger, charge.intent_id, "given back in Stripe")
    caplog.clear()

    for _ in range(3):
        _poll(driver)

    errors = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert (len(driver.told(MoneyParked)), bool(errors)) == ((0, False) if left else (1, True))
    assert (_look(driver, charge), driver.view().balance_micros) == (State.COLLECTING, 0)


UNREADABLE: dict[str, Any] = {"object": "payment_intent", "id": "pi_1", "metadata": {}}


def test_a_charge_that_cannot_be_read_stops_no_other_look(driver: BotDriver) -> None:
    """Stripe answers with something that is no payment: the round is not whole, and the next one asks again."""
    charge = _charge_without_an_answer(driver)
    (asked,) = _pages(driver, 1)
    assert driver.shop.pay(SimpleNamespace(url=asked.url, id=asked.session_id))["ok"]
    match = f"GET /v1/payment_intents/{charge.intent_id}"
    driver.shop.arm(match=match, mode="status", status=200, body=UNREADABLE)

    _poll(driver)
    assert (_look(driver, asked), _look(driver, charge)) == (State.PAID, State.COLLECTING)
    with driver.ledger.reading() as connection:
        looked = named_value(connection, NIL_WALLET, "looked_at")
        assert looked is not None
        assert (looked.value, named_value(connection, NIL_WALLET, "looked_whole_at")) == ("missed", None)

    _poll(driver)
    assert (_look(driver, charge), driver.view().balance_micros) == (State.PAID, 2 * DOLLARS.micros)


def test_three_looks_without_an_answer_are_enough_for_one_round(driver: BotDriver) -> None:
    """Stripe is away: the rest of a long list waits for the next round, which sees all of it."""
    asked = _pages(driver, MISSES_MAX + 2)
    now = driver.ledger.now()
    with driver.ledger.reading() as connection:
        requests = what_is_open(connection, now, among=payments.c.wallet_id == driver.wallet_id).requests
    assert [one.payment_id for one in requests] == [one.payment_id for one in reversed(asked)]

    driver.shop.arm(match="GET /v1/checkout/sessions*", mode="status", status=503, times=100)
    looked = look_at(driver.gateway, requests, now=now, whole_at=None)

    assert (looked.misses, looked.found) == (MISSES_MAX, [])
    assert 100 - driver.shop.stand_in.faults.left() == 1 + MISSES_MAX  # the list, and single looks
    driver.shop.arm(clear=True)
    for one in asked:
        assert driver.shop.pay(SimpleNamespace(url=one.url, id=one.session_id))["ok"]
    looked = look_at(driver.gateway, requests, now=now, whole_at=None)
    assert {one.object_id for one in looked.found} == {one.session_id for one in asked}
