"""A wallet with a saved card and a rule that is on, for tests of automatic payments."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bot.tables import payments
from ledger import MICROS, Automatic, PostUsage, RechargeRule
from tests.faults.driver import DOLLARS, BotDriver, driver_in
from tests.persons import owner

RULE = RechargeRule(threshold_micros=50 * MICROS, target_micros=200 * MICROS, spacing=timedelta(minutes=15))


@contextmanager
def ruled_driver(folder: Path) -> Iterator[BotDriver]:
    """Set up one wallet with $20, a card and a rule, in front of one Stripe."""
    with driver_in(folder) as made:
        connect(made)
        made.hear_all(made.paid()[1])
        set_rule(made, RULE)
        yield made


def connect(driver: BotDriver, number: str = "4242 4242 4242 4242") -> None:
    """Save a card by a page."""
    page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id), number)["ok"]
    assert driver.sync.session(page.session_id)


def set_rule(driver: BotDriver, rule: RechargeRule) -> None:
    """Turn a rule on."""
    with driver.ledger.reading() as connection:
        _, policy = driver.ledger.look(connection, driver.wallet_id)
    on = replace(policy, automatic=Automatic.ON, rule=rule, pause=None)
    driver.ledger.run(
        lambda tx: tx.book.set_policy(driver.wallet_id, on, actor="U1", expected_version=None),
        wallet_id=driver.wallet_id,
    )


def payments_of(driver: BotDriver, purpose: str = "recharge") -> list[Any]:
    """Give the rows of one purpose, oldest first."""
    with driver.ledger.reading() as connection:
        mine = (payments.c.wallet_id == driver.wallet_id) & (payments.c.purpose == purpose)
        return list(connection.execute(select(payments).where(mine).order_by(payments.c.created_at)))


def dollars_charged(driver: BotDriver) -> list[int]:
    """Give the dollars of every charge after the first."""
    return [one["amount"] // 100 for one in driver.shop.charges()[1:]]


def spend(driver: BotDriver, name: str, dollars: int) -> None:
    """Post a call."""
    usage = PostUsage("platform", name, "outbound_call", dollars * MICROS, None)
    driver.ledger.carry_out(driver.wallet_id, [usage])
