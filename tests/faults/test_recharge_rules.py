"""What keeps automatic payments from storming a card, from charging twice, and from being forgotten."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot import tables
from bot.notices import (
    ChargesSwitched,
    ConfirmationDue,
    RechargeChanged,
    RechargeFailed,
)
from bot.payment_rows import change, plan
from bot.payments.inbox import News
from bot.payments.operator_stop import switch_charges
from bot.payments.recharge import Recharge, due_reminder
from bot.payments.saved_cards import card_slots
from bot.payments.top_ups import Charges
from bot.ports import Body
from bot.rights import OPERATOR
from bot.served import Served
from bot.states.card_slot import CardSlot
from bot.states.payment import News as PaymentNews
from bot.states.payment import Purpose, State, Way
from bot.stripe import requests as stripe_requests
from bot.stripe.declines import CONFIRMATION_WANTED, DECLINES_MAX, FORGOTTEN, NOT_ACCEPTED
from bot.stripe.requests import Unreachable
from bot.use_cases import use_cases_of
from ledger import MICROS, Automatic, Pause, PauseCode, Tx
from ledger.storage.schema import audit_log
from tests.faults.driver import DOLLARS, BotDriver, automatic
from tests.faults.ruled_wallet import (
    RULE,
    connect,
    dollars_charged,
    payments_of,
    ruled_driver,
    set_rule,
    spend,
)
from tests.persons import owner


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BotDriver]:
    """One wallet with $20, a card and a rule, in front of one Stripe."""
    with ruled_driver(tmp_path) as made:
        yield made


def test_a_card_that_was_declined_eight_times_in_thirty_days_rests(
    driver: BotDriver, recharge: Recharge
) -> None:
    """Whoever wakes the rule each time: the ninth is not tried, by whatever id the same card goes."""
    driver.shop.arm(last4="4242", decline="generic_decline")
    for _ in range(12):
        recharge.consider(driver.wallet_id)
        driver.shop.clock.skip(hours=26)
        connect(driver)  # the same card anew, which wakes automatic payments
        set_rule(driver, RULE)

    assert len(payments_of(driver)) == 8
    assert automatic(driver) is Automatic.ON
    recharge.consider(driver.wallet_id)
    assert automatic(driver) is Automatic.PAUSED
    with driver.ledger.reading() as connection:
        _, policy = driver.ledger.look(connection, driver.wallet_id)
    assert policy.pause == Pause(PauseCode.DECLINED_OFTEN)

    connect(driver, "5555 5555 5555 4444")  # another card is another matter
    set_rule(driver, RULE)
    assert recharge.consider(driver.wallet_id) is not None
    assert dollars_charged(driver) == [180]


def _declined_before(driver: BotDriver, card_id: str) -> None:
    """Insert as many declines of a card as make it rest."""

    def save(tx: Tx) -> None:
        for _ in range(DECLINES_MAX):
            made = plan(
                tx,
                driver.wallet_id,
                purpose=Purpose.RECHARGE,
                way=Way.SAVED_CARD,
                currency=DOLLARS.currency,
                amount=DOLLARS,
                card_id=card_id,
            )
            change(tx, made, PaymentNews.DECLINED, decline_code="generic_decline")

    driver.ledger.run(save, wallet_id=driver.wallet_id)
    driver.shop.clock.skip(hours=26)


def test_the_backup_is_charged_where_the_main_card_is_declined_or_rests(
    driver: BotDriver, recharge: Recharge
) -> None:
    """A card that is lost hands its try on; one that rests is not asked, and where both rest nothing is."""
    connect(driver, "5555 5555 5555 4444")
    connect(driver)
    with driver.ledger.reading() as connection:
        slots = card_slots(connection, driver.wallet_id)
    main, backup = slots[CardSlot.MAIN], slots[CardSlot.BACKUP]
    driver.shop.arm(last4="4242", decline="lost_card")
    failed = recharge.consider(driver.wallet_id)
    assert failed is not None
    assert (failed.card_id, failed.next_card_id) == (main, backup)

    _declined_before(driver, main)
    made = recharge.consider(driver.wallet_id)
    assert made is not None
    assert (made.card_id, made.state) == (backup, State.PAID)

    spend(driver, "c-1", 180)
    _declined_before(driver, backup)
    assert recharge.consider(driver.wallet_id) is None
    assert automatic(driver) is Automatic.PAUSED


def test_money_that_people_have_on_the_way_counts(driver: BotDriver, recharge: Recharge) -> None:
    """Somebody's own charge has no answer yet: the rule closes only what is left of the gap.

    A page that was asked for and has no answer either is no money on its way.
    """
    driver.shop.arm(match="POST /v1/checkout/sessions", mode="reset_before")
    with pytest.raises(Unreachable):
        driver.payments.offer_page(driver.wallet_id, DOLLARS, asked_by=owner("U1"), saves_card=False)
    charges = Charges(driver.ledger, driver.payments, driver.served)
    wish, _ = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))
    driver.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="reset_after")
    charges.charge(driver.wallet_id, wish, actor=owner("U1"))

    assert recharge.consider(driver.wallet_id) is not None

    driver.shop.clock.skip(minutes=2)
    driver.sweep.run(driver.ledger.now())
    assert driver.view().balance_micros == 200 * MICROS
    assert sorted(dollars_charged(driver)) == [20, 160]


def test_a_retry_that_succeeds_takes_the_rescue_back(driver: BotDriver, recharge: Recharge) -> None:
    """The link that finance was sent is closed here and at Stripe: nobody pays what is not needed any more."""
    driver.shop.arm(last4="4242", decline="insufficient_funds")
    failed = recharge.consider(driver.wallet_id)
    assert failed is not None
    rescue = recharge.rescue(driver.wallet_id, failed.payment_id)
    assert rescue is not None
    driver.shop.arm(last4="4242", decline="")
    driver.shop.clock.skip(minutes=61)

    assert recharge.consider(driver.wallet_id) is not None
    driver.shop.clock.skip(minutes=2)
    driver.sweep.run(driver.ledger.now())

    again = driver.payments.look(driver.wallet_id, rescue.payment_id)
    assert again is not None
    assert again.state is State.WITHDRAWN
    assert not driver.shop.api.payment_links.retrieve(rescue.link_id).active


def test_people_are_reminded_of_what_the_bank_wants(driver: BotDriver, recharge: Recharge) -> None:
    """After an hour and after six, each once. Nobody confirms within a day: automatic payments are paused."""
    driver.shop.arm(last4="4242", decline="authentication_required")
    waiting = recharge.consider(driver.wallet_id)
    assert waiting is not None
    assert driver.view().trouble == CONFIRMATION_WANTED
    told = []
    for _ in range(10):
        recharge.remind(driver.ledger.now())
        recharge.remind(driver.ledger.now())
        told.append(len(driver.told(ConfirmationDue)))
        driver.shop.clock.skip(hours=1)

    assert told == [0, 1, 1, 1, 1, 1, 2, 2, 2, 2]
    assert driver.told(ConfirmationDue) == [ConfirmationDue(waiting.payment_id, hours) for hours in (1, 6)]
    assert automatic(driver) is Automatic.ON
    driver.shop.clock.skip(hours=15)
    driver.sweep.run(driver.ledger.now())
    with driver.ledger.reading() as connection:
        _, policy = driver.ledger.look(connection, driver.wallet_id)
    assert policy.pause == Pause(PauseCode.UNCONFIRMED, card_id=waiting.card_id)
    assert driver.view().trouble == PauseCode.UNCONFIRMED
    assert [due_reminder(timedelta(minutes=one), (1, 6)) for one in (59, 60, 359, 360, 1_000)] == [
        None,
        1,
        1,
        6,
        6,
    ]


@pytest.mark.parametrize(
    ("match", "mode", "charged"),
    [
        ("POST /v1/payment_intents", "reset_before", False),
        ("POST /v1/payment_intents/*/confirm", "reset_before", False),
        ("POST /v1/payment_intents/*/confirm", "reset_after", True),
    ],
    ids=["begun", "not confirmed", "charged unheard"],
)
def test_what_was_begun_when_the_operator_stopped_charges_is_taken_back(
    driver: BotDriver, recharge: Recharge, match: str, mode: str, charged: bool
) -> None:
    """Nothing is sent that could charge; what was charged already is credited as ever. People are told both ways."""
    driver.shop.arm(match=match, mode=mode)
    assert recharge.consider(driver.wallet_id) is not None
    assert switch_charges(driver.ledger, driver.wallet_id, off=True, actor=OPERATOR)
    for _ in range(5):
        driver.shop.clock.skip(minutes=20)
        driver.sweep.run(driver.ledger.now())
        recharge.consider(driver.wallet_id)

    assert dollars_charged(driver) == ([180] if charged else [])
    assert [row.state for row in payments_of(driver)] == ["paid" if charged else "withdrawn"]
    assert automatic(driver) is Automatic.ON
    assert driver.told(RechargeChanged) == [], "no message tells of the first try of a recharge"
    assert switch_charges(driver.ledger, driver.wallet_id, off=False, actor=OPERATOR)
    assert not switch_charges(driver.ledger, driver.wallet_id, off=False, actor=OPERATOR)
    assert [one.off for one in driver.told(ChargesSwitched)] == [True, False]
    with driver.ledger.reading() as connection:
        row = audit_log.c
        switched = connection.execute(
            select(row.wallet_id, row.actor, row.before, row.after)
            .where(row.action == "charges")
            .order_by(row.at, row.audit_id)
        ).all()
    on, stopped = '"on"', '"off"'
    assert switched == [(driver.wallet_id, OPERATOR, *change) for change in ((on, stopped), (stopped, on))]
    if not charged:
        assert recharge.consider(driver.wallet_id) is not None
        assert dollars_charged(driver) == [180]


def test_an_intent_that_is_answered_after_the_stop_is_cancelled(
    driver: BotDriver, recharge: Recharge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator stops charges while Stripe makes the intent: it is never confirmed."""
    real = driver.gateway.create_intent

    def create(body: Body, key: str) -> Any:
        answer = real(body, key)
        switch_charges(driver.ledger, driver.wallet_id, off=True, actor=OPERATOR)
        return answer

    monkeypatch.setattr(driver.gateway, "create_intent", create)
    assert recharge.consider(driver.wallet_id) is not None

    (row,) = payments_of(driver)
    assert (row.state, dollars_charged(driver)) == ("withdrawn", [])
    assert driver.shop.api.payment_intents.retrieve(row.intent_id).status == "canceled"


def test_two_replicas_that_have_one_answer_go_on_once(driver: BotDriver) -> None:
    """Both sweep the same request at the same instant: one of them confirms, and nobody hears of a failure."""
    charges = Charges(driver.ledger, driver.payments, driver.served)
    wish, _ = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))
    driver.shop.arm(match="POST /v1/payment_intents", mode="reset_after")
    charges.charge(driver.wallet_id, wish, actor=owner("U1"))
    driver.shop.clock.skip(minutes=2)
    with driver.ledger.reading() as connection:
        ((request, _),) = stripe_requests.due(
            connection, driver.ledger.now(), among=tables.stripe_requests.c.wallet_id == driver.wallet_id
        )
    answers = [stripe_requests.send(driver.gateway, request) for _ in range(2)]

    following = [
        driver.ledger.run(
            partial(driver.sender.follow, request=request, answer=one),
            wallet_id=driver.wallet_id,
        )
        for one in answers
    ]

    assert [one is not None for one in following] == [True, False]
    driver.sender.send_all(following[0])
    assert dollars_charged(driver) == [20]


def test_a_rescue_of_long_ago_is_left_alone(driver: BotDriver, recharge: Recharge) -> None:
    """Only what was asked instead of this payment is taken back. A micro-unit below the threshold is below it."""
    set_rule(driver, replace(RULE, threshold_micros=DOLLARS.micros + 1))
    other = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")

    assert recharge.consider(driver.wallet_id) is not None

    again = driver.payments.look(driver.wallet_id, other.payment_id)
    assert again is not None
    assert again.state is State.OFFERED


@pytest.mark.parametrize("days", [4, 35])
def test_after_a_long_sleep_there_is_one_recharge_at_most(
    driver: BotDriver, recharge: Recharge, days: int
) -> None:
    """Nobody polled, swept or considered for days; awake again, everything is looked at many times at once."""
    rescue, _ = driver.paid()
    driver.shop.clock.skip(days=days)
    spend(driver, "c-1", 15)
    for _ in range(20):
        driver.news.poll(driver.ledger.now())
        driver.news.handle_waiting(driver.ledger.now())
        driver.sweep.run(driver.ledger.now())
        recharge.consider(driver.wallet_id)
        driver.shop.clock.skip(minutes=1)

    assert driver.credited(rescue)
    assert len(payments_of(driver)) == 1
    assert driver.view().balance_micros >= 200 * MICROS


def test_a_press_is_followed_by_looks(driver: BotDriver) -> None:
    """An old request is looked at every ten minutes; after somebody pressed Pay, three times a minute."""
    news = News(
        driver.ledger,
        driver.gateway,
        driver.sync,
        driver.refunds,
        driver.disputes,
        driver.cards,
        driver.served,
        webhook=False,
    )
    driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")
    driver.shop.clock.skip(hours=5)

    def looks() -> int:
        count = 0
        for _ in range(6):
            driver.shop.clock.skip(seconds=20)
            count += news.poll(driver.ledger.now())
        return count

    assert looks() == 1
    news.pressed()
    assert looks() == 6


def test_an_outage_of_a_day_wears_no_card_out(driver: BotDriver, recharge: Recharge) -> None:
    """Stripe answers nothing while it knows the key, ten times in thirty days: no bank has said no."""
    match = "POST /v1/payment_intents"
    for _ in range(10):
        driver.shop.arm(match=match, mode="status", status=503)
        failed = recharge.consider(driver.wallet_id)
        assert failed is not None
        driver.shop.clock.skip(hours=21)
        driver.sweep.run(driver.ledger.now())
        driver.shop.clock.skip(hours=26)
        set_rule(driver, RULE)

    assert {(one.state, one.decline_code) for one in payments_of(driver)} == {("failed", "forgotten")}
    assert recharge.consider(driver.wallet_id) is not None
    assert dollars_charged(driver) == [180]


def test_a_charge_that_had_no_answer_in_time_is_tried_again_on_the_same_card(
    driver: BotDriver, recharge: Recharge
) -> None:
    """By the schedule of a soft decline, in true words, and without asking the backup card."""
    connect(driver, "5555 5555 5555 4444")
    connect(driver)
    set_rule(driver, RULE)
    driver.shop.arm(match="POST /v1/payment_intents", mode="status", status=503)
    recharge.consider(driver.wallet_id)
    driver.shop.clock.skip(hours=21)
    driver.sweep.run(driver.ledger.now())
    assert driver.view().trouble == FORGOTTEN
    assert recharge.consider(driver.wallet_id) is None

    driver.shop.clock.skip(minutes=61)
    assert recharge.consider(driver.wallet_id) is not None

    assert len({one.card_id for one in payments_of(driver)}) == 1
    assert dollars_charged(driver) == [180]


def test_a_request_that_stripe_does_not_accept_is_no_decline(driver: BotDriver, recharge: Recharge) -> None:
    """It would not be accepted again, so people are asked; their card is not called declined."""
    error = {"type": "invalid_request_error", "code": "amount_too_large", "message": "Amount must be less."}
    driver.shop.arm(match="POST /v1/payment_intents", mode="status", status=400, body={"error": error})

    recharge.consider(driver.wallet_id)

    with driver.ledger.reading() as connection:
        _, policy = driver.ledger.look(connection, driver.wallet_id)
    (card,) = {one.card_id for one in payments_of(driver)}
    assert policy.automatic is Automatic.PAUSED
    assert policy.pause == Pause(PauseCode.DECLINED, card_id=card, decline=NOT_ACCEPTED)


@pytest.mark.parametrize("team", ["T1", None], ids=["in the bot", "beside it"])
def test_a_decline_that_reconciliation_finds_pauses_automatic_payments(
    driver: BotDriver, recharge: Recharge, team: str | None
) -> None:
    """A hard decline whose answer was lost, found by the bot's comparison or by the operator's command."""
    driver.shop.arm(last4="4242", decline="stolen_card")
    driver.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="reset_after")
    recharge.consider(driver.wallet_id)
    driver.shop.clock.skip(minutes=10)

    use_cases_of(driver.ledger, driver.gateway, Served(team)).reconciliation.run(driver.ledger.now())

    assert len(driver.told(RechargeFailed)) == 1
    assert automatic(driver) is Automatic.PAUSED
    driver.shop.clock.skip(minutes=20)
    assert recharge.consider(driver.wallet_id) is None
