"""Events of Stripe's that become visible late, out of order or never: what was paid is credited within two minutes.

Each way of paying × each fate of its events × polling and webhook mode × the age of the request. The bot is driven as
its scheduler drives it, on a clock that the test moves.
"""

from datetime import timedelta
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from bot.notices import MoneyParked
from bot.payment_rows import Payment
from bot.payments.inbox import News
from bot.payments.saved_cards import card_slots
from bot.payments.top_ups import Charges
from bot.states.payment import State
from bot.stripe.read_budget import add_reads, reads_of_month
from bot.tables import inbox, payments
from ledger import PostUsage, verify_books
from tests.faults.driver import DOLLARS, BotDriver
from tests.persons import owner
from tests.sandbox.stripe_place import MASTERCARD
from tests.sizes import size

STEP = timedelta(seconds=10)
IN_TIME = timedelta(minutes=2)
MODES = pytest.mark.parametrize("webhook", [False, True], ids=["polling", "webhook"])
HOURS = {"page": 20, "connect": 20, "link": 5 * 24}
FATES: dict[str, list[dict[str, Any]]] = {
    "late behind newer ones": [{"delay": "*", "minutes": 20}],
    "out of order": [
        {"delay": "payment_intent.*", "minutes": 40},
        {"delay": "setup_intent.*", "minutes": 40},
        {"delay": "checkout.session.*", "minutes": 3},
    ],
    "never visible": [{"delay": "*"}],
}


class Bot:
    """A bot whose scheduler ticks when the test says so."""

    def __init__(self, driver: BotDriver, *, webhook: bool) -> None:
        self.driver = driver
        args = (
            driver.ledger,
            driver.gateway,
            driver.sync,
            driver.refunds,
            driver.disputes,
            driver.cards,
            driver.served,
        )
        self.news = News(*args, webhook=webhook)

    def tick(self) -> bool:
        """Do what a tick does; gives whether Stripe was asked."""
        now = self.driver.ledger.now()
        asked = self.news.poll(now)
        self.news.handle_waiting(now)
        self.driver.sweep.run(now)
        return asked

    def run(self, length: timedelta, step: timedelta = STEP) -> int:
        """Let time pass; gives how often Stripe was asked."""
        asked = 0
        for _ in range(length // step):
            self.driver.shop.clock.skip(seconds=step.total_seconds())
            asked += self.tick()
        return asked

    def run_until_a_look(self) -> None:
        """Let time pass until Stripe was just asked: the worst moment at which to pay, since nobody looks soon."""
        self.run(STEP)
        while not self.run(STEP):
            pass

    def take(self, payment: Payment, at_most: timedelta = 2 * IN_TIME) -> timedelta:
        """Let time pass until a payment is paid; gives how long it took, and for ever where that was too long."""
        passed = timedelta()
        while self.state(payment) is not State.PAID:
            if passed >= at_most:
                return timedelta.max
            self.run(STEP)
            passed += STEP
        return passed

    def state(self, payment: Payment) -> State:
        """Say where a payment stands."""
        found = self.driver.payments.look(payment.wallet_id, payment.payment_id)
        assert found is not None
        return found.state

    def link(self) -> Payment:
        """Ask somebody to pay by a link."""
        return self.driver.payments.ask(
            self.driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note=""
        )

    def ask(self, way: str) -> Payment:
        """Make a request."""
        if way == "link":
            return self.link()
        if way == "connect":
            return self.driver.payments.connect(self.driver.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
        return self.driver.payments.offer_page(
            self.driver.wallet_id, DOLLARS, asked_by=owner("U1"), saves_card=True
        )

    def pay(self, payment: Payment, number: str = MASTERCARD) -> None:
        """Be the payer."""
        target = SimpleNamespace(url=payment.url, id=payment.session_id)
        assert self.driver.shop.pay(target, number)["ok"]

    def others_sell(self, times: int = 1) -> None:
        """Have another program of the company sell something, whose events are visible at once."""
        for _ in range(times):
            assert self.driver.shop.pay(self.driver.shop.page())["ok"]

    def balance(self) -> int:
        """Give the balance in dollars, of books that are whole."""
        with self.driver.ledger.reading() as connection:
            assert verify_books(connection) == []
        return self.driver.view().balance_micros // 1_000_000


@pytest.fixture
def bot(driver: BotDriver) -> Bot:
    """A bot that polls."""
    made = Bot(driver, webhook=False)
    made.tick()
    return made


WAYS = list(product(HOURS, ["young and alone", "old beside others"], FATES, [False, True]))[
    :: size("late_news", local=9, ci=9, full=1)
]
"""Ways to pay, ages, fates of the events, and whether webhooks come: one in five of all."""


@pytest.mark.parametrize(("way", "age", "fate", "webhook"), WAYS)
def test_what_was_paid_is_credited_in_time_whatever_becomes_of_its_events(
    driver: BotDriver, way: str, age: str, fate: str, webhook: bool
) -> None:
    """And once, also when the events turn up afterwards."""
    bot = Bot(driver, webhook=webhook)
    others = [bot.link(), bot.link()] if age.startswith("old") else []
    asked = bot.ask(way)
    if others:
        driver.shop.clock.skip(hours=HOURS[way])
    bot.run_until_a_look()
    for wish in FATES[fate]:
        driver.shop.arm(**wish)
    bot.pay(asked)
    driver.shop.arm(clear=True)
    bot.others_sell()

    assert bot.take(asked) <= IN_TIME

    driver.shop.arm(show=True)
    bot.run(timedelta(hours=1), timedelta(minutes=12))
    driver.hear_all(driver.happened())
    assert bot.balance() == (0 if way == "connect" else 20)
    with driver.ledger.reading() as connection:
        assert ("main" in card_slots(connection, driver.wallet_id)) == (way != "link")
        assert connection.execute(select(inbox).where(inbox.c.handled_at.is_(None))).all() == []
    assert all(bot.state(one) is not State.PAID for one in others)


@MODES
@pytest.mark.parametrize("fate", FATES)
def test_a_charge_without_an_answer_is_credited_in_time_whatever_becomes_of_its_events(
    driver: BotDriver, fate: str, webhook: bool
) -> None:
    """It was made, its answer was lost, and asking again gets no answer either."""
    bot = Bot(driver, webhook=webhook)
    card = bot.ask("connect")
    bot.pay(card)
    assert bot.take(card) <= IN_TIME
    bot.run(timedelta(minutes=1))
    charges = Charges(driver.ledger, driver.payments, driver.served)
    wish, _ = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))
    for delay in FATES[fate]:
        driver.shop.arm(**delay)
    driver.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="reset_after")
    made = charges.charge(driver.wallet_id, wish, actor=owner("U1"))
    assert made.state is State.COLLECTING
    driver.shop.arm(clear=True)
    driver.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="status", status=503, times=100)
    bot.others_sell()

    assert bot.take(made) <= IN_TIME

    driver.shop.arm(clear=True)
    driver.shop.arm(show=True)
    bot.run(timedelta(hours=1), timedelta(minutes=12))
    assert bot.balance() == 20


@MODES
def test_while_nothing_is_open_stripe_is_asked_as_seldom_as_before(driver: BotDriver, webhook: bool) -> None:
    """Every ten minutes, with a webhook every thirty; a request that was paid is not looked at any more."""
    bot = Bot(driver, webhook=webhook)
    asked = bot.link()
    bot.pay(asked)
    bot.take(asked)
    bot.run(timedelta(hours=1), timedelta(minutes=10))
    before, _ = reads_of_month(driver.ledger, driver.ledger.now())

    asked_times = bot.run(timedelta(hours=5), timedelta(minutes=1))

    after, _ = reads_of_month(driver.ledger, driver.ledger.now())
    assert asked_times == after - before == (10 if webhook else 30)


def test_a_late_event_of_what_is_not_open_is_read_by_the_next_polls(driver: BotDriver, bot: Bot) -> None:
    """A refund, behind newer events: the recent past is read again each time."""
    asked = bot.link()
    bot.pay(asked)
    bot.take(asked)
    bot.run(timedelta(hours=1), timedelta(minutes=10))
    driver.shop.arm(delay="*", minutes=12)
    driver.claw_back("refund", charge=driver.shop.charges()[0]["id"], amount=700)
    driver.shop.arm(clear=True)
    bot.others_sell()

    bot.run(timedelta(minutes=11), timedelta(minutes=1))
    assert bot.balance() == 20
    bot.run(timedelta(minutes=11), timedelta(minutes=1))

    assert bot.balance() == 13


def test_webhooks_of_others_put_off_no_poll(driver: BotDriver) -> None:
    """One that is lost among many that arrive is found by the safety net."""
    bot = Bot(driver, webhook=True)
    bot.tick()
    bot.link()
    driver.payments.withdraw(driver.wallet_id, bot.ask("page").payment_id, by=owner("U1"))
    driver.happened()

    for _ in range(7):
        bot.others_sell()
        bot.news.take(driver.happened())
        bot.run(timedelta(minutes=5), timedelta(minutes=5))

    with driver.ledger.reading() as connection:
        kinds = connection.execute(select(inbox.c.kind)).scalars().all()
    assert "checkout.session.expired" in kinds


# --- Many requests, a busy company, a long sleep -----------------------------------------------------------


def test_many_open_requests_cost_one_read_a_look(driver: BotDriver, bot: Bot) -> None:
    """Thirty links, all of them old."""
    for _ in range(30):
        bot.link()
    driver.shop.clock.skip(hours=5)
    bot.run(timedelta(minutes=10))
    before, _ = reads_of_month(driver.ledger, driver.ledger.now())

    bot.run(timedelta(hours=1))

    after, _ = reads_of_month(driver.ledger, driver.ledger.now())
    assert after - before <= 3600 // 110 + 1 + 6


def test_a_busy_company_hides_no_payment_in_its_list(driver: BotDriver, bot: Bot) -> None:
    """Two requests are looked at one by one where the list would take more reads than that."""
    asked = [bot.link(), bot.ask("page")]
    driver.shop.arm(delay="*")
    for one in asked:
        bot.pay(one)
    bot.others_sell(301)

    assert bot.take(asked[0]) <= IN_TIME
    assert bot.take(asked[1]) <= IN_TIME
    sent = [
        one["body"] for one in driver.shop.wire.entries(limit=100) if one["path"] == "/v1/checkout/sessions"
    ]
    assert len([one for one in sent if one.get("status") == "complete" and "payment_link" not in one]) == 2


def test_what_was_paid_in_a_long_sleep_is_found_by_the_first_look(driver: BotDriver, bot: Bot) -> None:
    """Paid days ago, and no event tells of it; a look reaches back to the last one that saw everything."""
    asked, _ = bot.link(), bot.link()
    bot.run(timedelta(hours=30), timedelta(minutes=30))
    driver.shop.arm(delay="*")
    bot.pay(asked)
    driver.shop.clock.skip(days=3)

    # The first look gets no answer, and moves the place from which the next one looks no further.
    driver.shop.arm(match="GET /v1/checkout/sessions*", mode="status", status=503, times=3)
    bot.tick()

    assert bot.take(asked) <= IN_TIME


# --- Looks that fail ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 404, "body": {"error": {"type": "invalid_request_error", "code": "resource_missing"}}},
        {"status": 503},
    ],
    ids=["gone", "no answer"],
)
def test_one_look_that_fails_stops_no_other(driver: BotDriver, bot: Bot, trouble: dict[str, Any]) -> None:
    """Nor the list that covers all: then they are looked at one by one."""
    asked = []
    for _ in range(3):
        asked.append(bot.ask("page"))
        driver.shop.clock.skip(seconds=1)
    driver.shop.arm(delay="*")
    for one in asked[:2]:
        bot.pay(one)
    driver.shop.arm(match="GET /v1/checkout/sessions", mode="status", times=50, **trouble)
    newest = f"GET /v1/checkout/sessions/{asked[2].session_id}"
    driver.shop.arm(match=newest, mode="status", times=50, **trouble)

    for one in asked[:2]:
        assert bot.take(one) <= IN_TIME
    assert bot.state(asked[2]) is State.OFFERED


def test_a_payment_that_cannot_be_booked_stops_no_other_and_is_told_once(driver: BotDriver, bot: Bot) -> None:
    """In another currency than asked for."""
    odd, even = bot.link(), bot.link()
    driver.ledger.run(
        lambda tx: tx.connection.execute(
            update(payments).where(payments.c.payment_id == odd.payment_id).values(currency="EUR")
        ),
        wallet_id=driver.wallet_id,
    )
    driver.shop.arm(delay="*")
    for one in (odd, even):
        bot.pay(one)

    assert bot.take(even) <= IN_TIME
    bot.run(timedelta(minutes=30), timedelta(minutes=1))

    assert (bot.balance(), len(driver.told(MoneyParked))) == (20, 1)


def test_a_charge_that_cannot_be_booked_stops_no_look(driver: BotDriver, bot: Bot) -> None:
    """It is told once, as news of it would be."""
    card = bot.ask("connect")
    bot.pay(card)
    bot.take(card)
    charges = Charges(driver.ledger, driver.payments, driver.served)
    driver.shop.arm(delay="*")
    driver.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="reset_after")
    wish, _ = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))
    made = charges.charge(driver.wallet_id, wish, actor=owner("U1"))
    driver.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="status", status=503, times=100)
    driver.ledger.run(
        lambda tx: tx.connection.execute(
            update(payments).where(payments.c.payment_id == made.payment_id).values(currency="EUR")
        ),
        wallet_id=driver.wallet_id,
    )
    asked = bot.link()
    bot.run(timedelta(minutes=1))
    bot.pay(asked)

    assert bot.take(asked) <= IN_TIME
    assert len(driver.told(MoneyParked)) == 1


def test_nothing_is_concluded_from_a_refused_key(driver: BotDriver, bot: Bot) -> None:
    """No look is made with it; once it is mended, what was paid meanwhile is credited."""
    asked = bot.ask("page")
    bot.tick()
    driver.shop.arm(delay="*")
    error = {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided."}}
    driver.shop.arm(match="GET *", mode="status", status=401, body=error, times=1_000)
    bot.pay(asked)

    before = driver.shop.stand_in.faults.left()
    bot.run(timedelta(minutes=20))
    assert bot.state(asked) is State.OFFERED
    assert before - driver.shop.stand_in.faults.left() <= 11
    driver.shop.arm(clear=True)

    assert bot.take(asked) <= IN_TIME + STEP


def test_where_looks_get_no_answer_events_are_read_more_often(driver: BotDriver, bot: Bot) -> None:
    """A right to read pages may be missing; an old request's payment is then heard of by its event in time."""
    error = {"error": {"type": "invalid_request_error", "message": "The key may not do this."}}
    driver.shop.arm(match="GET /v1/checkout/*", mode="status", status=403, body=error, times=10_000)
    asked = bot.link()
    driver.shop.clock.skip(hours=5)
    bot.run(timedelta(minutes=5))
    bot.pay(asked)

    assert bot.take(asked) <= IN_TIME


def test_a_look_tries_again_what_got_no_answer_before(driver: BotDriver, bot: Bot) -> None:
    """The wait between tries has grown to hours by then."""
    asked = bot.link()
    driver.shop.arm(delay="*")
    bot.pay(asked)
    driver.shop.arm(match="GET /v1/payment_intents/*", mode="status", status=503, times=1_000)
    bot.run(timedelta(hours=2), timedelta(minutes=4))
    driver.shop.arm(clear=True)

    assert bot.take(asked) <= IN_TIME


# --- The ration --------------------------------------------------------------------------------------------


def _read_much(driver: BotDriver, reads: int) -> None:
    driver.ledger.run(lambda tx: add_reads(tx, taken=reads), wallet_id=None)


def test_an_old_request_waits_where_the_months_reads_are_ahead_and_a_press_does_not(
    driver: BotDriver, bot: Bot
) -> None:
    """Looks at it every half hour; after somebody pressed Pay, in time again."""
    asked, other = bot.ask("page"), bot.ask("page")
    driver.shop.clock.skip(hours=5)
    _read_much(driver, 9_500)
    driver.shop.arm(delay="*")
    bot.run(timedelta(minutes=31))
    bot.pay(asked)
    assert IN_TIME < bot.take(asked, timedelta(hours=1)) <= timedelta(minutes=30) + STEP

    _read_much(driver, -1_000)
    bot.news.pressed()
    bot.pay(other)
    assert bot.take(other) <= IN_TIME


def test_while_calls_stand_still_thrift_waits(driver: BotDriver, bot: Bot) -> None:
    """The wallet ran dry, and the month's reads are ahead of their pace."""
    paid = bot.link()
    bot.pay(paid)
    bot.take(paid)
    asked = bot.link()
    usage = PostUsage(
        source="platform",
        source_id="call-1",
        kind="outbound_call",
        amount_micros=DOLLARS.micros,
        occurred_at=None,
    )
    driver.ledger.run(lambda tx: tx.book.carry_out(driver.wallet_id, [usage]), wallet_id=driver.wallet_id)
    driver.shop.clock.set(driver.ledger.now().replace(month=12, day=1, hour=0))
    bot.run(timedelta(minutes=5))
    _read_much(driver, 4_000)
    driver.shop.arm(delay="*")
    bot.pay(asked)

    assert bot.take(asked) <= IN_TIME


def test_a_ration_that_is_used_up_is_polled_seldom(driver: BotDriver) -> None:
    """Nothing is open: ten minutes between two polls become thirty."""
    bot = Bot(driver, webhook=False)
    assert bot.tick()
    assert bot.run(timedelta(minutes=11), step=timedelta(minutes=1)) == 1
    _, allowed = reads_of_month(driver.ledger, driver.ledger.now())
    driver.ledger.run(lambda tx: add_reads(tx, taken=allowed), wallet_id=None)
    assert bot.run(timedelta(minutes=28), step=timedelta(minutes=1)) == 0
    assert bot.run(timedelta(minutes=2), step=timedelta(minutes=1)) == 1
