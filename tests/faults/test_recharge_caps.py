"""The caps of automatic payments are told before they bind, and what they did."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.notices import (
    CapNear,
    CapReached,
    RechargeMade,
)
from bot.payment_rows import Payment
from bot.payments.recharge import Recharge
from bot.stripe.requests import StripeRequest
from ledger import MICROS, CapWindow, RechargeRule, Tx
from tests.faults.driver import BotDriver
from tests.faults.ruled_wallet import RULE, ruled_driver, set_rule, spend


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BotDriver]:
    """One wallet with $20, a card and a rule, in front of one Stripe."""
    with ruled_driver(tmp_path) as made:
        yield made


def test_each_charge_is_told_and_what_the_cap_did_once(driver: BotDriver, recharge: Recharge) -> None:
    """Three a day: the third is cut, and the next is refused."""
    made = []
    for number in range(3):
        payment = recharge.consider(driver.wallet_id)
        assert payment is not None
        made.append(RechargeMade(payment.payment_id))
        driver.shop.clock.skip(minutes=16)
        spend(driver, f"c-{number}", 180)
    assert driver.told(RechargeMade) == made
    for _ in range(2):
        assert recharge.consider(driver.wallet_id) is None
    assert [one.held for one in driver.told(CapReached)] == ["cut", "day_count"]


DEAR = replace(RULE, per_day_max=9)


@pytest.mark.parametrize(
    ("rule", "window", "charges"),
    [
        (RULE, CapWindow.DAY, 2),
        (replace(DEAR, day_cap_micros=560 * MICROS), CapWindow.DAY, 2),
        (replace(DEAR, day_cap_micros=390 * MICROS), CapWindow.DAY, 2),
        (replace(DEAR, day_cap_micros=900 * MICROS, month_cap_micros=560 * MICROS), CapWindow.MONTH, 2),
    ],
    ids=["by number", "by money", "the last one is cut", "by the month"],
)
def test_second_last_charge_says_once_that_one_is_left(
    driver: BotDriver, recharge: Recharge, rule: RechargeRule, window: CapWindow, charges: int
) -> None:
    """Together with that charge; the one that follows is the last."""
    set_rule(driver, rule)
    for number in range(1, charges + 2):
        assert recharge.consider(driver.wallet_id) is not None
        spend(driver, f"c-{number}", 180)
        driver.shop.clock.skip(minutes=16)
        assert driver.told(CapNear) == ([CapNear(window)] if number >= charges else [])
    assert recharge.consider(driver.wallet_id) is None


def test_declined_second_last_charge_says_it_once_for_all_its_tries(
    driver: BotDriver, recharge: Recharge
) -> None:
    """A try is no charge more, and the next day has its own."""
    set_rule(driver, replace(RULE, per_day_max=2))
    driver.shop.arm(last4="4242", decline="insufficient_funds")
    assert recharge.consider(driver.wallet_id) is not None
    driver.shop.clock.skip(minutes=61)
    assert recharge.consider(driver.wallet_id) is not None
    assert driver.told(CapNear) == [CapNear(CapWindow.DAY)]

    driver.shop.arm(last4="4242", decline="")
    driver.shop.clock.skip(hours=24)
    assert recharge.consider(driver.wallet_id) is not None
    spend(driver, "next day", 180)
    driver.shop.clock.skip(hours=24)
    assert recharge.consider(driver.wallet_id) is not None
    assert len(driver.told(CapNear)) == 3


def test_notice_that_one_is_left_commits_with_its_charge(
    driver: BotDriver, recharge: Recharge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A charge that is not committed tells nothing, and the next look tells it."""
    set_rule(driver, replace(RULE, per_day_max=2))
    with monkeypatch.context() as patched:
        patched.setattr(recharge, "_payments", BreaksAtCharge())
        with pytest.raises(RuntimeError):
            recharge.consider(driver.wallet_id)
    assert driver.told(CapNear) == []
    assert recharge.consider(driver.wallet_id) is not None
    assert driver.told(CapNear) == [CapNear(CapWindow.DAY)]


class BreaksAtCharge:
    """The flow of payments, which fails where a charge is begun."""

    def charge(self, tx: Tx, payment: Payment) -> StripeRequest:
        """Fail, after everything else of the transaction was written."""
        raise RuntimeError
