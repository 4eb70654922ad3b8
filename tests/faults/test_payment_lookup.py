"""A payment is looked up by one thing that names it: never by what is empty, which many payments have in common."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bot.payment_rows import payment_by_id, payment_by_intent, payment_by_ref
from bot.surfaces.episodes import _paid
from ledger import WalletResumed, erase_numbers
from tests.faults.driver import DOLLARS, BotDriver, driver_in
from tests.persons import owner


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BotDriver]:
    """One wallet, one Stripe."""
    with driver_in(tmp_path) as made:
        yield made


def test_each_look_up_finds_its_payment_and_no_other(driver: BotDriver) -> None:
    """Of two payments, one of which has no intent yet."""
    intent, events = driver.paid()
    driver.hear_all(events)
    open_still = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")

    with driver.ledger.reading() as connection:
        paid = payment_by_intent(connection, driver.wallet_id, intent)
        assert paid is not None
        assert payment_by_id(connection, driver.wallet_id, paid.payment_id) == paid
        assert payment_by_ref(connection, driver.wallet_id, paid.ref) == paid != open_still
        assert payment_by_ref(connection, driver.wallet_id, "") is None
        assert payment_by_ref(connection, driver.wallet_id, "RB-9999") is None
        with pytest.raises(AssertionError):
            payment_by_intent(connection, driver.wallet_id, "")


def test_an_erased_reference_names_no_payment_as_the_one_that_brought_money_back(driver: BotDriver) -> None:
    """Any other payment of the wallet would be named in the green message, with its payer."""
    intent, events = driver.paid()
    driver.hear_all(events)
    now = driver.ledger.now()
    resumed = WalletResumed(
        episode_id=None,
        emptied_at=None,
        resumed_at=now,
        grace_cost_micros=0,
        balance_micros=DOLLARS.micros,
        source="stripe",
        source_id=f"credit:{intent}",
    )
    with driver.ledger.reading() as connection:
        found = _paid(connection, driver.wallet_id, resumed)
    assert found is not None
    assert found.payer_id == "U2"

    erase = partial(erase_numbers, wallet_id=driver.wallet_id, seqs=[1], actor="operator")
    driver.ledger.run(lambda tx: erase(tx), wallet_id=driver.wallet_id)
    with driver.ledger.reading() as connection:
        assert _paid(connection, driver.wallet_id, resumed) is None
