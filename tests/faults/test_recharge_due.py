"""When the rule is looked at: at once while that may help, when its block ends, never when all is well."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.payment_rows import forget_retries
from bot.payments.recharge import LOOK_AGAIN, next_recharge_look
from bot.wallets.rules import OffCode, turn_off
from ledger import DueKind, RechargeBlock, RechargeDecision
from ledger.storage.schema import wallet_schedule
from tests.faults.driver import BotDriver
from tests.faults.ruled_wallet import RULE, dollars_charged, payments_of, ruled_driver, set_rule, spend
from tests.ledger.wallet_driver import MORNING


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BotDriver]:
    """One wallet with $20, a card and a rule, in front of one Stripe."""
    with ruled_driver(tmp_path) as made:
        yield made


def _due_at(driver: BotDriver) -> datetime | None:
    mine = wallet_schedule.c.wallet_id == driver.wallet_id
    wanted = select(wallet_schedule.c.due_at).where(mine, wallet_schedule.c.kind == DueKind.RECHARGE)
    with driver.ledger.reading() as connection:
        found: datetime | None = connection.execute(wanted).scalar_one_or_none()
    return found


def _decline(driver: BotDriver) -> datetime:
    """Have the rule's charge declined; gives when the next try is due."""
    driver.shop.arm(last4="4242", decline="insufficient_funds")
    driver.recharge.run_due()
    (failed,) = payments_of(driver)
    at: datetime = failed.next_try_at
    assert at - driver.ledger.now() == timedelta(hours=1)
    driver.recharge.run_due()
    return at


def test_a_charge_that_closes_the_gap_leaves_nothing_due(driver: BotDriver) -> None:
    """The next posting that crosses the threshold schedules it again."""
    assert _due_at(driver) == driver.ledger.now()
    driver.recharge.run_due()
    assert dollars_charged(driver) == [180]
    driver.recharge.run_due()
    assert _due_at(driver) is None
    spend(driver, "down", 160)
    assert _due_at(driver) == driver.ledger.now()


def test_what_time_alone_ends_is_looked_at_then(driver: BotDriver) -> None:
    """A second charge waits for its quarter of an hour, and no look is spent on it before."""
    driver.recharge.run_due()
    spend(driver, "down", 160)
    driver.recharge.run_due()
    assert _due_at(driver) == driver.ledger.now() + RULE.spacing
    driver.shop.clock.skip(minutes=15)
    driver.recharge.run_due()
    assert dollars_charged(driver) == [180, 160]


def test_a_declined_charge_is_tried_again_when_it_is_due(driver: BotDriver) -> None:
    """The row waits for the retry."""
    at = _decline(driver)
    assert _due_at(driver) == at
    driver.shop.arm(last4="4242", decline="")
    driver.shop.clock.set(at)
    driver.recharge.run_due()
    assert dollars_charged(driver) == [180]


def test_a_retry_that_is_not_waited_for_any_more_is_looked_at_now(driver: BotDriver) -> None:
    """Another card, or another rule."""
    at = _decline(driver)
    driver.ledger.run(lambda tx: forget_retries(tx, driver.wallet_id), wallet_id=driver.wallet_id)
    assert _due_at(driver) == driver.ledger.now()
    driver.recharge.run_due()
    assert _due_at(driver) != at
    set_rule(driver, RULE)
    assert _due_at(driver) == driver.ledger.now()


def test_a_rule_that_was_turned_off_is_not_looked_at(driver: BotDriver) -> None:
    """Nothing is wanted, so nothing is due."""
    driver.ledger.run(
        lambda tx: turn_off(tx, driver.wallet_id, OffCode.CARD_GONE), wallet_id=driver.wallet_id
    )
    driver.recharge.run_due()
    assert (_due_at(driver), dollars_charged(driver)) == (None, [])


@pytest.mark.parametrize(
    ("block", "until", "wait"),
    [
        (RechargeBlock.SPACING, 15, 15),
        (RechargeBlock.RETRY, 60, 60),
        (RechargeBlock.DAY_CAP, 600, 600),
        (RechargeBlock.IN_FLIGHT, None, None),
        (RechargeBlock.SWITCHED_OFF, None, None),
        (RechargeBlock.NEEDS_PERSON, None, None),
        (RechargeBlock.MONTH_CAP, None, 1),
        (RechargeBlock.UNUSED, None, 1),
        (None, None, None),
    ],
)
def test_when_a_block_is_looked_at_again(
    block: RechargeBlock | None, until: int | None, wait: int | None
) -> None:
    """In minutes; without an instant the row stays due."""
    ends_at = None if until is None else MORNING + timedelta(minutes=until)
    decision = RechargeDecision(None if block else 1, block, ends_at)
    assert next_recharge_look(decision, MORNING) == (
        None if wait is None else MORNING + timedelta(minutes=wait)
    )
    assert timedelta(minutes=1) == LOOK_AGAIN
