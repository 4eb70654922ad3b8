"""Caps of automatic payments and of people's charges, where a local midnight comes twice or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from bot import payment_rows
from bot.payments.top_ups import OverDailyLimit
from bot.states.payment import Purpose, State, Way
from bot.tables import payments
from ledger import MICROS, Automatic, Money, PostUsage, RechargeBlock, RechargeDecision, RechargeRule, Tx
from tests.faults.driver import DOLLARS, BotDriver, driver_in
from tests.persons import owner
from tests.sandbox.slack_place import SettableClock

RULE = RechargeRule(
    threshold_micros=50 * MICROS,
    target_micros=200 * MICROS,
    per_day_max=1,
    day_cap_micros=5_000 * MICROS,
    month_cap_micros=5_000 * MICROS,
    spacing=timedelta(minutes=15),
)
MONTHLY = replace(RULE, per_day_max=50, day_cap_micros=180 * MICROS, month_cap_micros=180 * MICROS)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@contextmanager
def _wallet(folder: Path, zone: str, began_at: str, rule: RechargeRule) -> Iterator[BotDriver]:
    """Set up a wallet with $20, a card and a rule, at an instant."""
    with driver_in(folder, clock=SettableClock(_utc(began_at)), zone=zone) as driver:
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


def _charge_at(driver: BotDriver, at: str) -> bool:
    """Let the rule look at an instant; says whether it charged. What it charged is spent again."""
    driver.shop.clock.set(_utc(at))
    if driver.recharge.consider(driver.wallet_id) is None:
        return False
    _spend(driver, f"call at {at}", 180)
    return True


def _spend(driver: BotDriver, name: str, dollars: int) -> None:
    usage = PostUsage("platform", name, "outbound_call", dollars * MICROS, None)
    driver.ledger.carry_out(driver.wallet_id, [usage])


def _decision(driver: BotDriver) -> RechargeDecision:
    with driver.ledger.reading() as connection:
        view, policy = driver.ledger.look(connection, driver.wallet_id)
        return driver.recharge.outlook(connection, view, policy, driver.ledger.now()).decision


@pytest.mark.parametrize(
    ("zone", "began_at", "charged_at", "refused_at", "ends_at"),
    [
        # 00:10 is there twice; the day of 25 hours has one charge.
        ("America/Havana", "2026-11-01 03:30", "2026-11-01 04:10", "2026-11-01 05:10", "2026-11-02 05:00"),
        # 23:10 of the day before is there twice, and both belong to the day before.
        ("America/Santiago", "2026-04-05 01:30", "2026-04-05 02:10", "2026-04-05 03:10", "2026-04-05 04:00"),
    ],
)
def test_one_charge_a_day_is_one_charge_in_each_local_day(
    tmp_path: Path, zone: str, began_at: str, charged_at: str, refused_at: str, ends_at: str
) -> None:
    """The refusal says when the day ends, and at that instant the next charge is made."""
    with _wallet(tmp_path, zone, began_at, RULE) as driver:
        assert _charge_at(driver, charged_at)
        assert not _charge_at(driver, refused_at)
        decision = _decision(driver)
        assert (decision.block, decision.until) == (RechargeBlock.DAY_COUNT, _utc(ends_at))
        assert _charge_at(driver, ends_at)


def test_caps_of_money_hold_where_a_month_begins_with_two_midnights(tmp_path: Path) -> None:
    """The first of November begins at its first midnight, for the day's cap and for the month's."""
    with _wallet(tmp_path, "America/Havana", "2026-11-01 03:30", MONTHLY) as driver:
        assert _charge_at(driver, "2026-11-01 03:40")  # still October
        assert _charge_at(driver, "2026-11-01 04:10")
        assert not _charge_at(driver, "2026-11-01 05:10")
        assert _decision(driver).block is RechargeBlock.DAY_CAP
        assert not _charge_at(driver, "2026-11-02 06:00")
        assert _decision(driver).block is RechargeBlock.MONTH_CAP
        driver.shop.clock.set(_utc("2026-12-01 04:59"))
        _spend(driver, "a call in between", 1)  # else the wallet counts as unused
        assert not _charge_at(driver, "2026-12-01 04:59")
        assert _charge_at(driver, "2026-12-01 05:00")


def test_the_daily_limit_of_people_holds_where_midnight_comes_twice(tmp_path: Path) -> None:
    """What was charged in the first 00:10 counts in the second."""
    with _wallet(tmp_path, "America/Havana", "2026-11-01 03:30", RULE) as driver:
        most = Money(1_000 * MICROS, DOLLARS.currency)

        def charge(at: str) -> None:
            driver.shop.clock.set(_utc(at))
            wish, _ = driver.charges.prepare(driver.wallet_id, most, actor=owner("U1"))
            driver.charges.charge(driver.wallet_id, wish, actor=owner("U1"))

        charge("2026-11-01 04:10")
        with pytest.raises(OverDailyLimit):
            charge("2026-11-01 05:10")
        charge("2026-11-02 05:00")


# --- What counts, and in which day and month ----------------------------------------------------------------

DAYS = [
    ("Pacific/Kiritimati", "2026-06-14 10:00", "2026-06-15 10:00"),  # 14 hours ahead
    ("Pacific/Pago_Pago", "2026-06-15 11:00", "2026-06-16 11:00"),  # 11 hours behind
    ("Asia/Kathmandu", "2026-06-14 18:15", "2026-06-15 18:15"),
    ("America/New_York", "2026-03-08 05:00", "2026-03-09 04:00"),  # 23 hours
    ("America/New_York", "2026-11-01 04:00", "2026-11-02 05:00"),  # 25 hours
    ("Africa/Cairo", "2026-04-23 22:00", "2026-04-24 21:00"),  # begins at 01:00
    ("UTC", "2026-06-15 00:00", "2026-06-16 00:00"),
]
MONTHS = [
    ("Pacific/Kiritimati", "2026-05-31 10:00", "2026-06-30 10:00"),
    ("America/New_York", "2026-03-01 05:00", "2026-04-01 04:00"),  # the clock goes forward in between
    ("America/New_York", "2026-11-01 04:00", "2026-12-01 05:00"),
    ("Australia/Lord_Howe", "2026-03-31 13:00", "2026-04-30 13:30"),
    ("UTC", "2026-12-01 00:00", "2027-01-01 00:00"),
]
COUNTED = replace(RULE, day_cap_micros=1_000 * MICROS, month_cap_micros=1_000 * MICROS)
MOMENT = timedelta(microseconds=1)


def _made(driver: BotDriver, at: datetime, state: State = State.PAID, dollars: int = 180) -> None:
    """Insert an automatic payment that was begun at an instant and has come to a state."""

    def save(tx: Tx) -> None:
        made = payment_rows.plan(
            tx,
            driver.wallet_id,
            purpose=Purpose.RECHARGE,
            way=Way.SAVED_CARD,
            currency=DOLLARS.currency,
            amount=Money(dollars * MICROS, DOLLARS.currency),
        )
        mine = update(payments).where(payments.c.payment_id == made.payment_id)
        tx.connection.execute(mine.values(created_at=at, state=state.value))

    driver.ledger.run(save, wallet_id=driver.wallet_id)


def _block_at(driver: BotDriver, at: datetime) -> RechargeBlock | None:
    driver.shop.clock.set(at)
    return _decision(driver).block


@pytest.mark.parametrize(
    ("rule", "block"),
    [
        (COUNTED, RechargeBlock.DAY_COUNT),
        (replace(COUNTED, per_day_max=9, day_cap_micros=180 * MICROS), RechargeBlock.DAY_CAP),
    ],
    ids=["count", "money"],
)
@pytest.mark.parametrize(("zone", "begins", "ends"), DAYS)
def test_a_day_of_the_caps_is_the_wallets_own(
    tmp_path: Path, zone: str, begins: str, ends: str, rule: RechargeRule, block: RechargeBlock
) -> None:
    """From its first instant to its last microsecond, whatever its length."""
    first, last = _utc(begins), _utc(ends) - MOMENT
    spaced = replace(rule, spacing=timedelta(0))
    with _wallet(tmp_path, zone, str(first.replace(tzinfo=None) - timedelta(hours=1)), spaced) as driver:
        _made(driver, first - MOMENT)
        assert _block_at(driver, first - MOMENT) is block
        assert _block_at(driver, first) is None
        _made(driver, first)
        assert _block_at(driver, first) is block
        assert _block_at(driver, last) is block
        assert _decision(driver).until == _utc(ends)
        assert _block_at(driver, _utc(ends)) is None


@pytest.mark.parametrize(("zone", "begins", "ends"), MONTHS)
def test_a_month_of_the_caps_is_the_wallets_own(tmp_path: Path, zone: str, begins: str, ends: str) -> None:
    """From its first instant to its last microsecond."""
    first, last = _utc(begins), _utc(ends) - MOMENT
    rule = replace(COUNTED, per_day_max=9, month_cap_micros=180 * MICROS, spacing=timedelta(0))
    with _wallet(tmp_path, zone, str(first.replace(tzinfo=None) - timedelta(hours=1)), rule) as driver:
        _made(driver, first - MOMENT)
        assert _block_at(driver, first - MOMENT) is RechargeBlock.MONTH_CAP
        assert _block_at(driver, first) is None
        _made(driver, first)
        driver.shop.clock.set(last)
        _spend(driver, "a call in between", 1)  # else the wallet counts as unused
        assert _block_at(driver, last) is RechargeBlock.MONTH_CAP
        assert _block_at(driver, _utc(ends)) is None


@pytest.mark.parametrize("state", State)
def test_money_that_may_have_been_charged_is_not_charged_again(tmp_path: Path, state: State) -> None:
    """Unknown, waiting and paid hold the next charge back; a definite end frees its money, and never its try."""
    rule = replace(COUNTED, per_day_max=2, day_cap_micros=180 * MICROS, spacing=timedelta(0))
    held = {
        State.ASKED: RechargeBlock.IN_FLIGHT,
        State.COLLECTING: RechargeBlock.IN_FLIGHT,
        State.WAITING: RechargeBlock.NEEDS_PERSON,
        State.PAID: RechargeBlock.DAY_CAP,
    }
    with _wallet(tmp_path, "UTC", "2026-06-15 09:00", rule) as driver:
        _made(driver, driver.ledger.now(), state)
        assert _decision(driver).block is held.get(state)
        if state not in held:
            _made(driver, driver.ledger.now(), State.FAILED)
            assert _decision(driver).block is RechargeBlock.DAY_COUNT
