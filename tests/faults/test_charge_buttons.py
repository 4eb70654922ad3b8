"""The button that charges the saved card: what it stands for, how long, and what is said of the charge."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.causes import DeclineCause
from bot.payments.saved_cards import card_slots, card_words
from bot.payments.top_ups import ACTION_LIFETIME, AlreadyUsed, AmountNotTaken, OverDailyLimit, PendingCharge
from bot.states.card_slot import CardSlot
from bot.states.payment import Outcome, Purpose, State, Way
from bot.tables import one_time_actions
from bot.wallets.rules import NoCard, Rules
from ledger import MICROS, Money, NotCardExact, RechargeRule, new_id
from ledger.storage.schema import audit_log
from tests.faults.cells import error
from tests.faults.driver import DOLLARS, BotDriver, driver_in
from tests.persons import owner

USD = DOLLARS.currency
U1 = owner("U1")
USED = r"^This button was used already\. Nothing more was charged\.$"


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BotDriver]:
    """One wallet with a card, in front of one Stripe."""
    with driver_in(tmp_path) as made:
        page = made.payments.connect(made.wallet_id, USD, asked_by=U1)
        assert made.shop.pay(made.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
        assert made.sync.session(page.session_id)
        yield made


def _card(driver: BotDriver) -> str:
    with driver.ledger.reading() as connection:
        return card_slots(connection, driver.wallet_id)[CardSlot.MAIN]


def test_a_button_stands_for_its_charge_and_charges_once(driver: BotDriver) -> None:
    """Whoever presses is who asked; the books say who did what."""
    button, card_id = driver.charges.prepare(driver.wallet_id, DOLLARS, actor=U1)
    assert card_id == _card(driver)
    assert driver.charges.peek(driver.wallet_id, button) == PendingCharge(DOLLARS, card_id)
    with driver.ledger.reading() as connection:
        assert connection.execute(select(one_time_actions.c.actor)).scalar_one() == "U1"

    made = driver.charges.charge(driver.wallet_id, button, actor=owner("U2"))

    assert (made.purpose, made.way, made.amount, made.state) == (
        Purpose.TOP_UP,
        Way.SAVED_CARD,
        DOLLARS,
        State.PAID,
    )
    assert (made.asked_by, made.card_id) == ("U2", card_id)
    with driver.ledger.reading() as connection:
        row = audit_log.c
        (did,) = connection.execute(select(row.actor, row.after).where(row.action == "charge")).all()
    assert did.actor == "U2"
    assert json.loads(did.after) == {"ref": made.ref, "amount_micros": DOLLARS.micros}
    with pytest.raises(AlreadyUsed, match=USED):
        driver.charges.charge(driver.wallet_id, button, actor=U1)
    with pytest.raises(AlreadyUsed, match=USED):
        driver.charges.peek(driver.wallet_id, button)
    assert [one["amount"] for one in driver.shop.charges()] == [2_000]


def test_a_button_lives_for_a_day(driver: BotDriver) -> None:
    """To its last microsecond."""
    first, second = (driver.charges.prepare(driver.wallet_id, DOLLARS, actor=U1)[0] for _ in range(2))
    assert timedelta(days=1) == ACTION_LIFETIME
    ends_at = driver.ledger.now() + ACTION_LIFETIME
    driver.shop.clock.set(ends_at - timedelta(microseconds=1))
    assert driver.charges.charge(driver.wallet_id, first, actor=U1).state is State.PAID
    driver.shop.clock.set(ends_at)
    with pytest.raises(AlreadyUsed, match=USED):
        driver.charges.charge(driver.wallet_id, second, actor=U1)


def test_what_is_no_button_of_a_charge_charges_nothing(driver: BotDriver) -> None:
    """No id, an id of nothing, and the id of a form that turns a rule on."""
    rule = RechargeRule(threshold_micros=50 * MICROS, target_micros=200 * MICROS)
    card_id = _card(driver)
    form = Rules(driver.ledger).keep_pending(driver.wallet_id, rule, card_id=card_id, backup_id="", actor=U1)
    for text in ("", "no id", str(new_id()), form):
        with pytest.raises(AlreadyUsed, match=USED):
            driver.charges.charge(driver.wallet_id, text, actor=U1)
    assert driver.shop.charges() == []


def test_an_alarm_offers_everybody_the_same_button(driver: BotDriver) -> None:
    """Of the same amount and card; once pressed it is not offered again, whoever sees it next."""
    episode_id, card_id = new_id(), _card(driver)
    more = Money(30 * MICROS, USD)

    def offer(amount: Money, card: str) -> str:
        return driver.charges.offer(driver.wallet_id, episode_id, amount, card_id=card)

    button = offer(DOLLARS, card_id)
    assert offer(DOLLARS, card_id) == button
    assert len({button, offer(more, card_id), offer(DOLLARS, "pm_other")}) == 3
    assert driver.charges.peek(driver.wallet_id, offer(more, card_id)) == PendingCharge(more, card_id)

    assert driver.charges.charge(driver.wallet_id, button, actor=U1).state is State.PAID
    assert offer(DOLLARS, card_id) == button
    with pytest.raises(AlreadyUsed, match=USED):
        driver.charges.charge(driver.wallet_id, button, actor=U1)
    with pytest.raises(NoCard):
        driver.charges.charge(driver.wallet_id, offer(DOLLARS, "pm_other"), actor=U1)


@pytest.mark.parametrize(
    ("amount", "refusal", "words"),
    [
        (9_990_000, AmountNotTaken, "A top-up is between $10.00 and $10,000.00; $9.99 is outside that."),
        (20_005_000, NotCardExact, "$20.005 can't be paid exactly by card."),
        (
            1_000_010_000,
            OverDailyLimit,
            "People can charge the saved card up to $1,000.00 a day; $1,000.00 is left today. "
            "Ask somebody to pay a larger amount by link: their payment is the approval.",
        ),
    ],
)
def test_an_amount_that_is_not_charged_is_refused_in_words(
    driver: BotDriver, amount: int, refusal: type[Exception], words: str
) -> None:
    """Before there is a button."""
    with pytest.raises(refusal) as refused:
        driver.charges.prepare(driver.wallet_id, Money(amount, USD), actor=U1)
    assert str(refused.value) == words
    assert driver.shop.charges() == []


CONFIRM = "POST /v1/payment_intents/*/confirm"
RESULTS: dict[Outcome, dict[str, Any]] = {
    Outcome.PAID: {},
    Outcome.DECLINED: {"last4": "4242", "decline": "insufficient_funds"},
    Outcome.NEEDS_ACTION: {"last4": "4242", "decline": "authentication_required"},
    Outcome.UNKNOWN: {"match": CONFIRM, "mode": "reset_after"},
    Outcome.UNREACHABLE: {"match": "POST /v1/payment_intents", "mode": "reset_before"},
    Outcome.DENIED: {"match": "POST /v1/payment_intents", **error(401, "")},
}


@pytest.mark.parametrize("outcome", RESULTS)
def test_what_became_of_a_charge_is_said(driver: BotDriver, outcome: Outcome) -> None:
    """With its amount, its card and the balance after it."""
    driver.hear_all(driver.paid()[1])
    button, _ = driver.charges.prepare(driver.wallet_id, DOLLARS, actor=U1)
    if RESULTS[outcome]:
        driver.shop.arm(**RESULTS[outcome])
    made = driver.charges.charge(driver.wallet_id, button, actor=U1)

    said = driver.charges.result(made)

    assert said.outcome is outcome
    assert (said.ref, said.amount, said.card) == (made.ref, DOLLARS, "Visa ••4242")
    assert said.balance == Money((40 if outcome is Outcome.PAID else 20) * MICROS, USD)
    assert bool(said.receipt_url) is (outcome is Outcome.PAID)
    assert said.receipt_url == made.receipt_url
    assert driver.charges.result(replace(made, state=State.WITHDRAWN)).outcome is Outcome.TAKEN_BACK
    assert said.decline is (DeclineCause.TOO_LITTLE_MONEY if outcome is Outcome.DECLINED else None)


def test_a_charge_is_said_by_the_card_that_paid_it(driver: BotDriver) -> None:
    """A payment of a page names no card of the wallet; a card that is gone has no name."""
    page = driver.payments.offer_page(driver.wallet_id, DOLLARS, asked_by=U1, saves_card=False)
    session = driver.shop.api.checkout.sessions.retrieve(page.session_id)
    assert driver.shop.pay(session, "5555 5555 5555 4444")["ok"]
    assert driver.sync.session(page.session_id)
    paid = driver.payments.look(driver.wallet_id, page.payment_id)
    assert paid is not None

    said = driver.charges.result(paid)

    assert (said.outcome, said.card) == (Outcome.PAID, "Mastercard ••4444")
    with driver.ledger.reading() as connection:
        assert card_words(connection, driver.wallet_id, _card(driver)) == "Visa ••4242"
        assert card_words(connection, driver.wallet_id, "pm_gone") == "the card"
        assert card_words(connection, new_id(), _card(driver)) == "the card"
