"""What keeps automatic payments from storming a card, from charging twice, and from being forgotten."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.app import use_cases_of
from bot.notices import CapNear, ChargesSwitched, ConfirmationDue, RechargeFailed
from bot.payment_rows import Payment
from bot.payments.inbox import News
from bot.payments.operator_stop import switch_charges
from bot.payments.recharge import Recharge, due_reminder
from bot.payments.top_ups import Charges
from bot.ports import Body
from bot.served import Served
from bot.states.payment import State
from bot.stripe import requests as stripe_requests
from bot.stripe.declines import FORGOTTEN, NOT_ACCEPTED
from bot.stripe.requests import StripeRequest
from bot.tables import payments
from ledger import MICROS, Automatic, CapWindow, Pause, PauseCode, PostUsage, RechargeRule, Tx
from tests.faults.driver import DOLLARS, BotDriver, automatic, driver_in
from tests.persons import owner

RULE = RechargeRule(threshold_micros=50 * MICROS, target_micros=200 * MICROS, spacing=timedelta(minutes=15))


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BotDriver]:
    """One wallet with $20, a card and a rule, in front of one Stripe."""
    with driver_in(tmp_path) as made:
        _connect(made)
        made.hear_all(made.paid()[1])
        _rule(made, RULE)
        yield made


@pytest.fixture
def recharge(driver: BotDriver) -> Recharge:
    """Automatic payments."""
    return driver.recharge


def _connect(driver: BotDriver, number: str = "4242 4242 4242 4242") -> None:
    page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id), number)["ok"]
    assert driver.sync.session(page.session_id)


def _rule(driver: BotDriver, rule: RechargeRule) -> None:
    with driver.ledger.reading() as connection:
        _, policy = driver.ledger.look(connection, driver.wallet_id)
    on = replace(policy, automatic=Automatic.ON, rule=rule, pause=None)
    driver.ledger.run(
        lambda tx: tx.book.set_policy(driver.wallet_id, on, actor="U1", expected_version=None),
        wallet_id=driver.wallet_id,
    )


def _rows(driver: BotDriver, purpose: str = "recharge") -> list[Any]:
    with driver.ledger.reading() as connection:
        mine = (payments.c.wallet_id == driver.wallet_id) & (payments.c.purpose == purpose)
        return list(connection.execute(select(payments).where(mine).order_by(payments.c.created_at)))


def _charged(driver: BotDriver) -> list[int]:
    return [one["amount"] // 100 for one in driver.shop.charges()[1:]]


def _spend(driver: BotDriver, name: str, dollars: int) -> None:
    usage = PostUsage("platform", name, "outbound_call", dollars * MICROS, None)
    driver.ledger.carry_out(driver.wallet_id, [usage])


def test_a_card_that_was_declined_eight_times_in_thirty_days_rests(
    driver: BotDriver, recharge: Recharge
) -> None:
    """Whoever wakes the rule each time: the ninth is not tried, by whatever id the same card goes."""
    driver.shop.arm(last4="4242", decline="generic_decline")
    for _ in range(12):
        recharge.consider(driver.wallet_id)
        driver.shop.clock.skip(hours=26)
        _connect(driver)  # the same card anew, which wakes automatic payments
        _rule(driver, RULE)

    assert len(_rows(driver)) == 8
    assert automatic(driver) is Automatic.ON
    recharge.consider(driver.wallet_id)
    assert automatic(driver) is Automatic.PAUSED
    with driver.ledger.reading() as connection:
        _, policy = driver.ledger.look(connection, driver.wallet_id)
    assert policy.pause == Pause(PauseCode.DECLINED_OFTEN)

    _connect(driver, "5555 5555 5555 4444")  # another card is another matter
    _rule(driver, RULE)
    assert recharge.consider(driver.wallet_id) is not None
    assert _charged(driver) == [180]


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
    _rule(driver, rule)
    for number in range(1, charges + 2):
        assert recharge.consider(driver.wallet_id) is not None
        _spend(driver, f"c-{number}", 180)
        driver.shop.clock.skip(minutes=16)
        assert driver.told(CapNear) == ([CapNear(window)] if number >= charges else [])
    assert recharge.consider(driver.wallet_id) is None


def test_declined_second_last_charge_says_it_once_for_all_its_tries(
    driver: BotDriver, recharge: Recharge
) -> None:
    """A try is no charge more, and the next day has its own."""
    _rule(driver, replace(RULE, per_day_max=2))
    driver.shop.arm(last4="4242", decline="insufficient_funds")
    assert recharge.consider(driver.wallet_id) is not None
    driver.shop.clock.skip(minutes=61)
    assert recharge.consider(driver.wallet_id) is not None
    assert driver.told(CapNear) == [CapNear(CapWindow.DAY)]

    driver.shop.arm(last4="4242", decline="")
    driver.shop.clock.skip(hours=24)
    assert recharge.consider(driver.wallet_id) is not None
    _spend(driver, "next day", 180)
    driver.shop.clock.skip(hours=24)
    assert recharge.consider(driver.wallet_id) is not None
    assert len(driver.told(CapNear)) == 3


def test_notice_that_one_is_left_commits_with_its_charge(
    driver: BotDriver, recharge: Recharge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A charge that is not committed tells nothing, and the next look tells it."""
    _rule(driver, replace(RULE, per_day_max=2))
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


def test_money_that_people_have_on_the_way_counts(driver: BotDriver, recharge: Recharge) -> None:
    """Somebody's own charge has no answer yet: the rule closes only what is left of the gap."""
    charges = Charges(driver.ledger, driver.payments, driver.served)
    wish, _ = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))
    driver.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="reset_after")
    charges.charge(driver.wallet_id, wish, actor=owner("U1"))

    assert recharge.consider(driver.wallet_id) is not None

    driver.shop.clock.skip(minutes=2)
    driver.sweep.run(driver.ledger.now())
    assert driver.view().balance_micros == 200 * MICROS
    assert sorted(_charged(driver)) == [20, 160]


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
    """After an hour and after six, each once; not when it was paid meanwhile."""
    driver.shop.arm(last4="4242", decline="authentication_required")
    assert recharge.consider(driver.wallet_id) is not None
    told = []
    for _ in range(10):
        recharge.remind(driver.ledger.now())
        recharge.remind(driver.ledger.now())
        told.append(len(driver.told(ConfirmationDue)))
        driver.shop.clock.skip(hours=1)

    assert told == [0, 1, 1, 1, 1, 1, 2, 2, 2, 2]
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
    assert switch_charges(driver.ledger, driver.wallet_id, off=True, actor="operator")
    for _ in range(5):
        driver.shop.clock.skip(minutes=20)
        driver.sweep.run(driver.ledger.now())
        recharge.consider(driver.wallet_id)

    assert _charged(driver) == ([180] if charged else [])
    assert [row.state for row in _rows(driver)] == ["paid" if charged else "withdrawn"]
    assert automatic(driver) is Automatic.ON
    assert switch_charges(driver.ledger, driver.wallet_id, off=False, actor="operator")
    assert not switch_charges(driver.ledger, driver.wallet_id, off=False, actor="operator")
    assert len(driver.told(ChargesSwitched)) == 2
    if not charged:
        assert recharge.consider(driver.wallet_id) is not None
        assert _charged(driver) == [180]


def test_an_intent_that_is_answered_after_the_stop_is_cancelled(
    driver: BotDriver, recharge: Recharge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator stops charges while Stripe makes the intent: it is never confirmed."""
    real = driver.gateway.create_intent

    def create(body: Body, key: str) -> Any:
        answer = real(body, key)
        switch_charges(driver.ledger, driver.wallet_id, off=True, actor="operator")
        return answer

    monkeypatch.setattr(driver.gateway, "create_intent", create)
    assert recharge.consider(driver.wallet_id) is not None

    (row,) = _rows(driver)
    assert (row.state, _charged(driver)) == ("withdrawn", [])
    assert driver.shop.api.payment_intents.retrieve(row.intent_id).status == "canceled"


def test_two_replicas_that_have_one_answer_go_on_once(driver: BotDriver) -> None:
    """Both sweep the same request at the same instant: one of them confirms, and nobody hears of a failure."""
    charges = Charges(driver.ledger, driver.payments, driver.served)
    wish, _ = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))
    driver.shop.arm(match="POST /v1/payment_intents", mode="reset_after")
    charges.charge(driver.wallet_id, wish, actor=owner("U1"))
    driver.shop.clock.skip(minutes=2)
    with driver.ledger.reading() as connection:
        ((request, _),) = stripe_requests.due(connection, [driver.wallet_id], driver.ledger.now())
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
    assert _charged(driver) == [20]


def test_a_rescue_of_long_ago_is_left_alone(driver: BotDriver, recharge: Recharge) -> None:
    """Only what was asked instead of this payment is taken back."""
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
    _spend(driver, "c-1", 15)
    for _ in range(20):
        driver.news.poll(driver.ledger.now())
        driver.news.handle_waiting(driver.ledger.now())
        driver.sweep.run(driver.ledger.now())
        recharge.consider(driver.wallet_id)
        driver.shop.clock.skip(minutes=1)

    assert driver.credited(rescue)
    assert len(_rows(driver)) == 1
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
        _rule(driver, RULE)

    assert {(one.state, one.decline_code) for one in _rows(driver)} == {("failed", "forgotten")}
    assert recharge.consider(driver.wallet_id) is not None
    assert _charged(driver) == [180]


def test_a_charge_that_had_no_answer_in_time_is_tried_again_on_the_same_card(
    driver: BotDriver, recharge: Recharge
) -> None:
    """By the schedule of a soft decline, in true words, and without asking the backup card."""
    _connect(driver, "5555 5555 5555 4444")
    _connect(driver)
    _rule(driver, RULE)
    driver.shop.arm(match="POST /v1/payment_intents", mode="status", status=503)
    recharge.consider(driver.wallet_id)
    driver.shop.clock.skip(hours=21)
    driver.sweep.run(driver.ledger.now())
    assert driver.view().trouble == FORGOTTEN
    assert recharge.consider(driver.wallet_id) is None

    driver.shop.clock.skip(minutes=61)
    assert recharge.consider(driver.wallet_id) is not None

    assert len({one.card_id for one in _rows(driver)}) == 1
    assert _charged(driver) == [180]


def test_a_request_that_stripe_does_not_accept_is_no_decline(driver: BotDriver, recharge: Recharge) -> None:
    """It would not be accepted again, so people are asked; their card is not called declined."""
    error = {"type": "invalid_request_error", "code": "amount_too_large", "message": "Amount must be less."}
    driver.shop.arm(match="POST /v1/payment_intents", mode="status", status=400, body={"error": error})

    recharge.consider(driver.wallet_id)

    with driver.ledger.reading() as connection:
        _, policy = driver.ledger.look(connection, driver.wallet_id)
    (card,) = {one.card_id for one in _rows(driver)}
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
