"""The sweep meets a Stripe that does not answer: it concludes nothing, sends nothing, and ends it the next time."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.notices import PaymentChanged
from bot.payment_rows import Payment
from bot.states.payment import State
from bot.states.stripe_request import Operation, RequestState
from bot.stripe.declines import FORGOTTEN
from bot.stripe.requests import CUSTOMER_LIFETIME, KEY_LIFETIME, NotReached
from bot.tables import billing, stripe_requests
from tests.faults.driver import DOLLARS, BotDriver
from tests.persons import owner

U1 = owner("U1")
SILENT = {"mode": "status", "status": 503}


def _wait(driver: BotDriver, time: timedelta) -> None:
    driver.shop.clock.set(driver.ledger.now() + time + timedelta(minutes=1))


def _sweep(driver: BotDriver) -> list[str]:
    """Sweep, and give what was sent by it."""
    before = len(_posts(driver))
    driver.sweep.run(driver.ledger.now())
    return _posts(driver)[before:]


def _posts(driver: BotDriver) -> list[str]:
    return [one["path"] for one in driver.shop.wire.entries(limit=1_000) if one["method"] == "POST"]


def _requests(driver: BotDriver) -> list[Any]:
    """Give the state, the answer and the key of every request, oldest first."""
    row = stripe_requests.c
    with driver.ledger.reading() as connection:
        return list(
            connection.execute(select(row.state, row.answer, row.key).order_by(row.created_at, row.key))
        )


def _look(driver: BotDriver, payment: Payment) -> State:
    found = driver.payments.look(driver.wallet_id, payment.payment_id)
    assert found is not None
    return found.state


def test_a_customer_that_cannot_be_looked_for_is_not_made_twice(driver: BotDriver) -> None:
    """It was made, the answer was lost, and the list of customers has no answer either."""
    driver.shop.arm(match="POST /v1/customers", mode="reset_after")
    with pytest.raises(NotReached):
        driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=U1)
    (made,) = driver.shop.api.customers.list().data
    _wait(driver, CUSTOMER_LIFETIME)

    driver.shop.arm(match="GET /v1/customers", **SILENT)
    assert _sweep(driver) == []
    assert [one.state for one in _requests(driver)] == [RequestState.UNKNOWN]
    assert _sweep(driver) == []

    assert [one.state for one in _requests(driver)] == [RequestState.DONE]
    with driver.ledger.reading() as connection:
        assert connection.execute(select(billing.c.customer_id)).scalar_one() == made.id


def test_a_charge_whose_key_is_forgotten_waits_until_its_intent_can_be_looked_at(driver: BotDriver) -> None:
    """It was made, and its answer was lost: it is neither sent again nor given up."""
    page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=U1)
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
    assert driver.sync.session(page.session_id)
    wish, _ = driver.charges.prepare(driver.wallet_id, DOLLARS, actor=U1)
    driver.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="reset_after")
    charge = driver.charges.charge(driver.wallet_id, wish, actor=U1)
    _wait(driver, KEY_LIFETIME)

    driver.shop.arm(match="GET /v1/payment_intents/*", **SILENT)
    assert _sweep(driver) == []
    assert (_look(driver, charge), driver.view().balance_micros) == (State.COLLECTING, 0)
    assert _sweep(driver) == []

    assert (_look(driver, charge), driver.view().balance_micros) == (State.PAID, DOLLARS.micros)


@pytest.mark.parametrize("way", ["link", "page"])
def test_a_request_that_ran_out_is_open_until_its_last_payment_can_be_looked_for(
    driver: BotDriver, way: str
) -> None:
    """Somebody may have paid at the last moment. One notice says that the request expired."""
    if way == "link":
        asked = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=U1, payer="U2", note="")
    else:
        asked = driver.payments.offer_page(driver.wallet_id, DOLLARS, asked_by=U1, saves_card=False)
    assert asked.expires_at is not None
    driver.shop.clock.set(asked.expires_at)

    driver.shop.arm(match="GET /v1/checkout/sessions*", **SILENT)
    assert _sweep(driver) == []
    assert _look(driver, asked) is State.OFFERED

    assert _sweep(driver) == ([f"/v1/payment_links/{asked.link_id}"] if way == "link" else [])
    assert _look(driver, asked) is State.LAPSED
    assert [one.payment_id for one in driver.told(PaymentChanged)] == [asked.payment_id]


def test_a_closing_request_whose_key_is_forgotten_is_asked_for_anew(driver: BotDriver) -> None:
    """Under a new key: a link that was withdrawn takes no money, however long Stripe was away."""
    asked = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=U1, payer="U2", note="")
    driver.shop.arm(match="POST /v1/payment_links/*", **SILENT)
    driver.payments.withdraw(driver.wallet_id, asked.payment_id, by=U1)
    assert driver.shop.api.payment_links.retrieve(asked.link_id).active
    _wait(driver, KEY_LIFETIME)

    assert _sweep(driver) == [f"/v1/payment_links/{asked.link_id}"]

    assert not driver.shop.api.payment_links.retrieve(asked.link_id).active
    old, new = (one for one in _requests(driver) if Operation.DEACTIVATE_LINK in one.key)
    assert (old.state, old.answer, new.state) == (RequestState.REFUSED, FORGOTTEN, RequestState.DONE)
    assert old.key != new.key
    assert _sweep(driver) == []
