"""Eight who recharge one wallet at once: exactly what the caps admit is charged, day by day, and not once more."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.app import open_ledger
from bot.states.payment import State
from bot.tables import payments
from ledger import MICROS, Automatic, Ledger, RechargeRule, verify_books
from tests.faults.driver import DOLLARS, BotDriver, driver_in
from tests.faults.racers import race
from tests.persons import owner
from tests.postgres_server import Server

RACERS, ROUNDS, DAYS = 8, 3, 2
ROOT = Path(__file__).parents[2]
_numbers = count(1)


def _rule(*, per_day_max: int, day_cap: int) -> RechargeRule:
    return RechargeRule(
        threshold_micros=50 * MICROS,
        target_micros=200 * MICROS,
        per_day_max=per_day_max,
        day_cap_micros=day_cap * MICROS,
        month_cap_micros=5_000 * MICROS,
        spacing=timedelta(0),  # else the clock would hold them back, and not the cap
    )


@contextmanager
def _wallet(folder: Path, rule: RechargeRule, url: str = "") -> Iterator[BotDriver]:
    """One wallet with money, a card and a rule."""
    with driver_in(folder, url) as driver:
        page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
        assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
        assert driver.sync.session(page.session_id)
        driver.hear_all(driver.paid()[1])
        with driver.ledger.reading() as connection:
            _, policy = driver.ledger.look(connection, driver.wallet_id)
        on = replace(policy, automatic=Automatic.ON, rule=rule)
        driver.ledger.run(
            lambda tx: tx.book.set_policy(driver.wallet_id, on, actor="U1", expected_version=None),
            wallet_id=driver.wallet_id,
        )
        yield driver


def _charged(driver: BotDriver) -> list[int]:
    """Give what the saved card was charged, in dollars; the first payment came by a link."""
    return sorted(one["amount"] // 100 for one in driver.shop.charges()[1:])


def _is_right(driver: BotDriver, ledger: Ledger, expected: list[int]) -> None:
    assert _charged(driver) == sorted(expected)
    with ledger.reading() as connection:
        mine = (payments.c.wallet_id == driver.wallet_id) & (payments.c.purpose == "recharge")
        rows = connection.execute(
            select(payments.c.state, func.count()).where(mine).group_by(payments.c.state)
        )
        assert {str(state): number for state, number in rows} == {State.PAID.value: len(expected)}
        assert verify_books(connection) == []


CAPS = pytest.mark.parametrize(
    ("rule", "each_day"),
    [
        (_rule(per_day_max=3, day_cap=5_000), [200, 200, 200]),
        (_rule(per_day_max=50, day_cap=500), [200, 200, 100]),
    ],
    ids=["three a day", "$500 a day"],
)


@CAPS
def test_eight_processes_charge_what_the_caps_admit(
    tmp_path: Path, postgres: Server, blank_books: str, rule: RechargeRule, each_day: list[int]
) -> None:
    """On PostgreSQL, each process with connections of its own, two days one after the other."""
    url = postgres.create(f"caps_{next(_numbers)}", template=blank_books)
    with _wallet(tmp_path, rule, url) as driver:
        for day in range(1, DAYS + 1):
            driver.shop.clock.skip(days=1)
            order = {
                "database_url": url,
                "stripe": f"{driver.shop.base_url}/stripe",
                "wallet_id": str(driver.wallet_id),
                "now": driver.ledger.now().isoformat(),
                "racers": RACERS,
                "rounds": ROUNDS,
                "day": day,
            }
            said = subprocess.run(
                [sys.executable, "-m", "tests.faults.racers"],
                input=json.dumps(order) + "\n",
                capture_output=True,
                text=True,
                cwd=ROOT,
                check=True,
                timeout=120,
            )
            assert all(json.loads(said.stdout)), said.stderr  # an empty answer is a crash
            _is_right(driver, driver.ledger, each_day * day)


@CAPS
def test_eight_threads_charge_what_the_caps_admit(
    tmp_path: Path, rule: RechargeRule, each_day: list[int]
) -> None:
    """On SQLite, in one process; it starts anew every day, and has forgotten nothing."""
    with _wallet(tmp_path, rule) as driver:
        url = f"sqlite:///{tmp_path / 'redbar.db'}"
        stripe = f"{driver.shop.base_url}/stripe"
        driver.ledger.close()
        for day in range(1, DAYS + 1):
            driver.shop.clock.skip(days=1)
            ledger = open_ledger(url, driver.shop.clock)
            try:
                with ThreadPoolExecutor(RACERS) as pool:
                    racing = [
                        pool.submit(race, ledger, stripe, driver.wallet_id, f"{day}-{number}", ROUNDS)
                        for number in range(RACERS)
                    ]
                    made = [one.result() for one in racing]
                assert sum(made) == len(each_day)
                _is_right(driver, ledger, each_day * day)
            finally:
                ledger.close()
