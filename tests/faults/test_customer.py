"""The wallet's customer after an answer that says nothing: looked for, and made anew where there is none."""

import pytest

from bot.payment_state import State
from bot.stripe.requests import NotReached
from tests.faults.desk import DOLLARS, Desk

SAVED = {"match": "POST /v1/customers", "mode": "status", "status": 500, "stored": True}


def _connect(desk: Desk) -> State:
    return desk.payments.connect(desk.wallet_id, DOLLARS.currency, asked_by="U1").state


def _customers(desk: Desk) -> list[str]:
    return [one.id for one in desk.shop.api.customers.list()]


@pytest.mark.parametrize("was_made", [False, True])
def test_a_saved_failure_holds_a_wallet_up_for_minutes_not_for_a_day(desk: Desk, *, was_made: bool) -> None:
    """Stripe repeats a failure as long as it remembers the key; whether the customer exists, a list says."""
    desk.shop.arm(**SAVED, do=was_made)
    for _ in range(2):
        with pytest.raises(NotReached):
            _connect(desk)
        desk.shop.clock.skip(minutes=2)
        desk.sweep.run(desk.ledger.now())
    desk.shop.clock.skip(minutes=10)

    desk.sweep.run(desk.ledger.now())

    assert _connect(desk) is State.OFFERED
    page = desk.payments.offer_page(desk.wallet_id, DOLLARS, asked_by="U1", saves_card=True)
    (only,) = _customers(desk)
    assert desk.shop.api.checkout.sessions.retrieve(page.session_id).customer == only


def test_without_a_list_it_waits(desk: Desk) -> None:
    """An outage when it is looked for: nothing is concluded, and the next look finds it."""
    desk.shop.arm(**SAVED, do=True)
    with pytest.raises(NotReached):
        _connect(desk)
    desk.shop.clock.skip(minutes=12)
    desk.shop.arm(match="GET /v1/customers", mode="status", status=503)

    desk.sweep.run(desk.ledger.now())
    with pytest.raises(NotReached):
        _connect(desk)
    desk.shop.clock.skip(minutes=2)
    desk.sweep.run(desk.ledger.now())

    assert _connect(desk) is State.OFFERED
    assert len(_customers(desk)) == 1


def test_another_wallets_customer_is_not_taken(desk: Desk) -> None:
    """Only what carries this wallet's id is ours to adopt."""
    desk.shop.arm(**SAVED)
    with pytest.raises(NotReached):
        _connect(desk)
    stranger = desk.shop.api.customers.create({"name": "Orders", "metadata": {"redbar_wallet": "another"}})
    desk.shop.clock.skip(minutes=12)

    desk.sweep.run(desk.ledger.now())

    assert _connect(desk) is State.OFFERED
    assert len(_customers(desk)) == 2
    assert desk.shop.api.checkout.sessions.list().data[0].customer != stranger.id
