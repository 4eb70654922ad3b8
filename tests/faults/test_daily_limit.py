"""The daily limit of people's charges: what counts, when it is judged, and when the day begins."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from bot import payment_rows
from bot.payments.top_ups import AmountNotTaken, OverDailyLimit
from bot.states.payment import Purpose, State, Way
from bot.tables import payments
from ledger import MICROS, Money, Tx, new_id
from tests.faults.driver import DOLLARS, BotDriver, driver_in
from tests.persons import owner
from tests.sandbox.slack_place import SettableClock

USD = DOLLARS.currency
LIMIT = Money(1_000 * MICROS, USD)
CENT = Money(10_000, USD)
U1 = owner("U1")


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BotDriver]:
    """One wallet with a card, in front of one Stripe."""
    with driver_in(tmp_path) as made:
        _connect(made)
        yield made


def _connect(driver: BotDriver) -> None:
    page = driver.payments.connect(driver.wallet_id, USD, asked_by=U1)
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
    assert driver.sync.session(page.session_id)


def _prepare(driver: BotDriver, amount: Money) -> str:
    return driver.charges.prepare(driver.wallet_id, amount, actor=U1)[0]


def _charge(driver: BotDriver, wish: str) -> payment_rows.Payment:
    return driver.charges.charge(driver.wallet_id, wish, actor=U1)


# --- What counts -------------------------------------------------------------------------------------------

COUNTS = {State.ASKED, State.COLLECTING, State.PAID}
"""Money of these may have been charged: whoever does not know the outcome has to assume it."""


def _row(
    driver: BotDriver, state: State, *, purpose: Purpose = Purpose.TOP_UP, way: Way = Way.SAVED_CARD
) -> None:
    """Insert a payment of the whole limit that has come to a state."""

    def save(tx: Tx) -> None:
        made = payment_rows.plan(
            tx, driver.wallet_id, purpose=purpose, way=way, currency=USD, amount=LIMIT, asked_by="U1"
        )
        mine = update(payments).where(payments.c.payment_id == made.payment_id)
        tx.connection.execute(mine.values(state=state.value))

    driver.ledger.run(save, wallet_id=driver.wallet_id)


@pytest.mark.parametrize("state", State)
def test_a_charge_counts_towards_the_day_unless_it_certainly_brought_nothing(
    driver: BotDriver, state: State
) -> None:
    """Paid, in flight and unknown count; declined, withdrawn and lapsed do not."""
    _row(driver, state)
    if state in COUNTS:
        with pytest.raises(OverDailyLimit) as refused:
            _prepare(driver, DOLLARS)
        assert (refused.value.limit, refused.value.left) == (LIMIT, Money(0, USD))
    else:
        assert _prepare(driver, LIMIT)


@pytest.mark.parametrize(
    ("purpose", "way"),
    [(Purpose.TOP_UP, Way.PAGE), (Purpose.ASK, Way.LINK), (Purpose.RECHARGE, Way.SAVED_CARD)],
)
def test_what_others_pay_and_what_the_rule_charges_does_not_count(
    driver: BotDriver, purpose: Purpose, way: Way
) -> None:
    """The limit is for people who charge the saved card."""
    _row(driver, State.PAID, purpose=purpose, way=way)
    assert _prepare(driver, LIMIT)


@pytest.mark.parametrize(
    "lost",
    ["POST /v1/payment_intents", "POST /v1/payment_intents/*/confirm"],
    ids=["not made", "not confirmed"],
)
@pytest.mark.parametrize("mode", ["reset_before", "reset_after"])
def test_a_charge_without_an_answer_counts_until_it_is_known(driver: BotDriver, lost: str, mode: str) -> None:
    """Its answer was lost, whichever of the two requests it belongs to."""
    wish = _prepare(driver, LIMIT)
    driver.shop.arm(match=lost, mode=mode)
    made = _charge(driver, wish)
    assert made.state in (State.ASKED, State.COLLECTING)

    with pytest.raises(OverDailyLimit):
        _prepare(driver, DOLLARS)


def test_the_limit_is_exact_to_the_least_unit(driver: BotDriver) -> None:
    """The whole of it may be charged, and not a cent more."""
    most = Money(LIMIT.micros - DOLLARS.micros, USD)
    _charge(driver, _prepare(driver, DOLLARS))
    with pytest.raises(OverDailyLimit) as refused:
        _prepare(driver, Money(most.micros + CENT.micros, USD))
    assert refused.value.left == most
    _charge(driver, _prepare(driver, most))
    assert driver.view().balance_micros == LIMIT.micros


def test_the_bounds_of_one_top_up_are_exact_to_the_least_unit(driver: BotDriver) -> None:
    """From $10.00 to $10,000.00, both included."""
    for cents in (1_000, 1_000_000):
        driver.charges.check(driver.wallet_id, Money(cents * CENT.micros, USD))
    for cents in (999, 1_000_001):
        with pytest.raises(AmountNotTaken):
            driver.charges.check(driver.wallet_id, Money(cents * CENT.micros, USD))


# --- When it is judged -------------------------------------------------------------------------------------


def test_the_limit_is_judged_again_at_the_press(driver: BotDriver) -> None:
    """Two confirmations were open at once: together they are too much, so the second press charges nothing."""
    first, second = (_prepare(driver, Money(600 * MICROS, USD)) for _ in range(2))
    _charge(driver, first)

    with pytest.raises(OverDailyLimit) as refused:
        _charge(driver, second)

    assert refused.value.left == Money(400 * MICROS, USD)
    assert [one["amount"] for one in driver.shop.charges()] == [60_000]
    assert driver.charges.peek(driver.wallet_id, second).amount == Money(600 * MICROS, USD)


def test_the_button_of_an_alarm_is_judged_at_the_press(driver: BotDriver) -> None:
    """It was offered without a look at the limit."""
    card_id = driver.charges.prepare(driver.wallet_id, DOLLARS, actor=U1)[1]
    offered = driver.charges.offer(driver.wallet_id, new_id(), LIMIT, card_id=card_id)
    _charge(driver, _prepare(driver, DOLLARS))

    with pytest.raises(OverDailyLimit):
        _charge(driver, offered)


# --- When the day begins -----------------------------------------------------------------------------------

MIDNIGHTS = [
    ("Pacific/Kiritimati", date(2026, 6, 15)),  # 14 hours ahead
    ("Pacific/Pago_Pago", date(2026, 6, 15)),  # 11 hours behind
    ("Asia/Kathmandu", date(2026, 6, 15)),  # a quarter of an hour off
    ("America/New_York", date(2026, 3, 8)),  # the clock goes forward at 02:00
    ("America/New_York", date(2026, 3, 9)),
    ("America/New_York", date(2026, 11, 1)),  # and back
    ("America/New_York", date(2026, 11, 2)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),  # by half an hour
    ("Africa/Cairo", date(2026, 4, 24)),  # there is no midnight
    ("America/Havana", date(2026, 11, 1)),  # there are two
    ("UTC", date(2026, 12, 1)),
]


@pytest.mark.parametrize(("zone", "day"), MIDNIGHTS, ids=str)
def test_the_day_of_the_limit_is_the_wallets_own(tmp_path: Path, zone: str, day: date) -> None:
    """What was charged counts until the last microsecond of its local day, and not in the next."""
    begins = _begins(day, ZoneInfo(zone))
    with driver_in(tmp_path, clock=SettableClock(begins - timedelta(minutes=5)), zone=zone) as driver:
        _connect(driver)
        _charge(driver, _prepare(driver, LIMIT))
        driver.shop.clock.set(begins - timedelta(microseconds=1))
        with pytest.raises(OverDailyLimit):
            _prepare(driver, DOLLARS)
        driver.shop.clock.set(begins)
        _charge(driver, _prepare(driver, LIMIT))
        driver.shop.clock.set(_begins(day + timedelta(days=1), ZoneInfo(zone)) - timedelta(microseconds=1))
        with pytest.raises(OverDailyLimit):
            _prepare(driver, DOLLARS)


def _begins(day: date, zone: ZoneInfo) -> datetime:
    """Find the first instant of a local day by looking at every quarter of an hour, and at nothing of the product."""
    at = datetime.combine(day, datetime.min.time(), UTC) - timedelta(days=1)
    while at.astimezone(zone).date() < day:
        at += timedelta(minutes=15)
    return at


def test_the_limit_is_a_setting_of_the_wallet(driver: BotDriver) -> None:
    """A smaller one counts at once."""
    with driver.ledger.reading() as connection:
        _, policy = driver.ledger.look(connection, driver.wallet_id)
    lower = replace(policy, people_day_max_micros=20 * MICROS)
    driver.ledger.run(
        lambda tx: tx.book.set_policy(driver.wallet_id, lower, actor="U1", expected_version=None),
        wallet_id=driver.wallet_id,
    )
    with pytest.raises(OverDailyLimit, match=r"up to \$20.00 a day; \$20.00 is left today"):
        _prepare(driver, Money(21 * MICROS, USD))
