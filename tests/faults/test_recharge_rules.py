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
from bot.notices import CapReached, ChargesSwitched, ConfirmationDue, RechargeFailed
from bot.payment_state import State
from bot.payments.inbox import News
from bot.payments.operator_stop import switch_charges
from bot.payments.recharge import Recharge, due_reminder
from bot.payments.top_ups import Charges
from bot.ports import Body
from bot.served import Served
from bot.stripe import requests as stripe_requests
from bot.tables import payments
from ledger import MICROS, Automatic, PostUsage, RechargeRule
from tests.faults.desk import DOLLARS, Desk, automatic, desk_in

RULE = RechargeRule(threshold_micros=50 * MICROS, target_micros=200 * MICROS, spacing=timedelta(minutes=15))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """One wallet with $20, a card and a rule, in front of one Stripe."""
    with desk_in(tmp_path) as made:
        _connect(made)
        made.hear_all(made.paid()[1])
        _rule(made, RULE)
        yield made


@pytest.fixture
def recharge(desk: Desk) -> Recharge:
    """Automatic payments."""
    return desk.recharge


def _connect(desk: Desk, number: str = "4242 4242 4242 4242") -> None:
    page = desk.payments.connect(desk.wallet_id, DOLLARS.currency, asked_by="U1")
    assert desk.shop.pay(desk.shop.api.checkout.sessions.retrieve(page.session_id), number)["ok"]
    assert desk.sync.session(page.session_id)


def _rule(desk: Desk, rule: RechargeRule) -> None:
    with desk.ledger.reading() as connection:
        _, policy = desk.ledger.look(connection, desk.wallet_id)
    on = replace(policy, automatic=Automatic.ON, rule=rule, pause_reason="")
    desk.ledger.run(
        lambda tx: tx.book.set_policy(desk.wallet_id, on, actor="U1", expected_version=None),
        wallet_id=desk.wallet_id,
    )


def _rows(desk: Desk, purpose: str = "recharge") -> list[Any]:
    with desk.ledger.reading() as connection:
        mine = (payments.c.wallet_id == desk.wallet_id) & (payments.c.purpose == purpose)
        return list(connection.execute(select(payments).where(mine).order_by(payments.c.created_at)))


def _charged(desk: Desk) -> list[int]:
    return [one["amount"] // 100 for one in desk.shop.charges()[1:]]


def _spend(desk: Desk, name: str, dollars: int) -> None:
    usage = PostUsage("platform", name, "outbound_call", dollars * MICROS, None)
    desk.ledger.carry_out(desk.wallet_id, [usage])


def test_a_card_that_was_declined_eight_times_in_thirty_days_rests(desk: Desk, recharge: Recharge) -> None:
    """Whoever wakes the rule each time: the ninth is not tried, by whatever id the same card goes."""
    desk.shop.arm(last4="4242", decline="generic_decline")
    for _ in range(12):
        recharge.consider(desk.wallet_id)
        desk.shop.clock.skip(hours=26)
        _connect(desk)  # the same card anew, which wakes automatic payments
        _rule(desk, RULE)

    assert len(_rows(desk)) == 8
    assert automatic(desk) is Automatic.ON
    recharge.consider(desk.wallet_id)
    assert automatic(desk) is Automatic.PAUSED
    with desk.ledger.reading() as connection:
        _, policy = desk.ledger.look(connection, desk.wallet_id)
    assert policy.pause_reason == "the card was declined 8 times in 30 days"

    _connect(desk, "5555 5555 5555 4444")  # another card is another matter
    _rule(desk, RULE)
    assert recharge.consider(desk.wallet_id) is not None
    assert _charged(desk) == [180]


def test_the_second_last_charge_says_that_one_is_left(desk: Desk, recharge: Recharge) -> None:
    """Said once, before the cap binds."""
    for number in range(3):
        assert recharge.consider(desk.wallet_id) is not None
        _spend(desk, f"c-{number}", 180)
        desk.shop.clock.skip(minutes=16)
        left = [one for one in desk.told(CapReached) if one.held == "one_left"]
        assert len(left) == (number >= 1)
    assert recharge.consider(desk.wallet_id) is None


def test_money_that_people_have_on_the_way_counts(desk: Desk, recharge: Recharge) -> None:
    """Somebody's own charge has no answer yet: the rule closes only what is left of the gap."""
    charges = Charges(desk.ledger, desk.payments, desk.served)
    wish, _ = charges.prepare(desk.wallet_id, DOLLARS, actor="U1")
    desk.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="reset_after")
    charges.charge(desk.wallet_id, wish, actor="U1")

    assert recharge.consider(desk.wallet_id) is not None

    desk.shop.clock.skip(minutes=2)
    desk.sweep.run(desk.ledger.now())
    assert desk.view().balance_micros == 200 * MICROS
    assert sorted(_charged(desk)) == [20, 160]


def test_a_retry_that_succeeds_takes_the_rescue_back(desk: Desk, recharge: Recharge) -> None:
    """The link that finance was sent is closed here and at Stripe: nobody pays what is not needed any more."""
    desk.shop.arm(last4="4242", decline="insufficient_funds")
    failed = recharge.consider(desk.wallet_id)
    assert failed is not None
    rescue = recharge.rescue(desk.wallet_id, failed.payment_id)
    assert rescue is not None
    desk.shop.arm(last4="4242", decline="")
    desk.shop.clock.skip(minutes=61)

    assert recharge.consider(desk.wallet_id) is not None
    desk.shop.clock.skip(minutes=2)
    desk.sweep.run(desk.ledger.now())

    again = desk.payments.look(desk.wallet_id, rescue.payment_id)
    assert again is not None
    assert again.state is State.WITHDRAWN
    assert not desk.shop.api.payment_links.retrieve(rescue.link_id).active


def test_people_are_reminded_of_what_the_bank_wants(desk: Desk, recharge: Recharge) -> None:
    """After an hour and after six, each once; not when it was paid meanwhile."""
    desk.shop.arm(last4="4242", decline="authentication_required")
    assert recharge.consider(desk.wallet_id) is not None
    told = []
    for _ in range(10):
        recharge.remind(desk.ledger.now())
        recharge.remind(desk.ledger.now())
        told.append(len(desk.told(ConfirmationDue)))
        desk.shop.clock.skip(hours=1)

    assert told == [0, 1, 1, 1, 1, 1, 2, 2, 2, 2]
    assert [due_reminder(timedelta(minutes=one)) for one in (59, 60, 359, 360, 1_000)] == [None, 1, 1, 6, 6]


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
    desk: Desk, recharge: Recharge, match: str, mode: str, charged: bool
) -> None:
    """Nothing is sent that could charge; what was charged already is credited as ever. People are told both ways."""
    desk.shop.arm(match=match, mode=mode)
    assert recharge.consider(desk.wallet_id) is not None
    assert switch_charges(desk.ledger, desk.wallet_id, off=True, actor="operator")
    for _ in range(5):
        desk.shop.clock.skip(minutes=20)
        desk.sweep.run(desk.ledger.now())
        recharge.consider(desk.wallet_id)

    assert _charged(desk) == ([180] if charged else [])
    assert [row.state for row in _rows(desk)] == ["paid" if charged else "withdrawn"]
    assert automatic(desk) is Automatic.ON
    assert switch_charges(desk.ledger, desk.wallet_id, off=False, actor="operator")
    assert not switch_charges(desk.ledger, desk.wallet_id, off=False, actor="operator")
    assert len(desk.told(ChargesSwitched)) == 2
    if not charged:
        assert recharge.consider(desk.wallet_id) is not None
        assert _charged(desk) == [180]


def test_an_intent_that_is_answered_after_the_stop_is_cancelled(
    desk: Desk, recharge: Recharge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator stops charges while Stripe makes the intent: it is never confirmed."""
    real = desk.gateway.create_intent

    def create(body: Body, key: str) -> Any:
        answer = real(body, key)
        switch_charges(desk.ledger, desk.wallet_id, off=True, actor="operator")
        return answer

    monkeypatch.setattr(desk.gateway, "create_intent", create)
    assert recharge.consider(desk.wallet_id) is not None

    (row,) = _rows(desk)
    assert (row.state, _charged(desk)) == ("withdrawn", [])
    assert desk.shop.api.payment_intents.retrieve(row.intent_id).status == "canceled"


def test_two_replicas_that_have_one_answer_go_on_once(desk: Desk) -> None:
    """Both sweep the same call at the same instant: one of them confirms, and nobody hears of a failure."""
    charges = Charges(desk.ledger, desk.payments, desk.served)
    wish, _ = charges.prepare(desk.wallet_id, DOLLARS, actor="U1")
    desk.shop.arm(match="POST /v1/payment_intents", mode="reset_after")
    charges.charge(desk.wallet_id, wish, actor="U1")
    desk.shop.clock.skip(minutes=2)
    with desk.ledger.reading() as connection:
        ((request, _),) = stripe_requests.due(connection, [desk.wallet_id], desk.ledger.now())
    answers = [stripe_requests.send(desk.gateway, request) for _ in range(2)]

    following = [
        desk.ledger.run(
            partial(desk.sender.follow, request=request, answer=one),
            wallet_id=desk.wallet_id,
        )
        for one in answers
    ]

    assert [one is not None for one in following] == [True, False]
    desk.sender.send_all(following[0])
    assert _charged(desk) == [20]


def test_a_rescue_of_long_ago_is_left_alone(desk: Desk, recharge: Recharge) -> None:
    """Only what was asked instead of this payment is taken back."""
    other = desk.payments.ask(desk.wallet_id, DOLLARS, asked_by="U1", payer="U2", note="")

    assert recharge.consider(desk.wallet_id) is not None

    again = desk.payments.look(desk.wallet_id, other.payment_id)
    assert again is not None
    assert again.state is State.OFFERED


@pytest.mark.parametrize("days", [4, 35])
def test_after_a_long_sleep_there_is_one_recharge_at_most(desk: Desk, recharge: Recharge, days: int) -> None:
    """Nobody polled, swept or considered for days; awake again, everything is looked at many times at once."""
    rescue, _ = desk.paid()
    desk.shop.clock.skip(days=days)
    _spend(desk, "c-1", 15)
    for _ in range(20):
        desk.news.poll(desk.ledger.now())
        desk.news.handle_waiting(desk.ledger.now())
        desk.sweep.run(desk.ledger.now())
        recharge.consider(desk.wallet_id)
        desk.shop.clock.skip(minutes=1)

    assert desk.credited(rescue)
    assert len(_rows(desk)) == 1
    assert desk.view().balance_micros >= 200 * MICROS


def test_a_press_is_followed_by_looks(desk: Desk) -> None:
    """An old request is looked at every ten minutes; after somebody pressed Pay, three times a minute."""
    news = News(
        desk.ledger,
        desk.gateway,
        desk.sync,
        desk.refunds,
        desk.disputes,
        desk.cards,
        desk.served,
        webhook=False,
    )
    desk.payments.ask(desk.wallet_id, DOLLARS, asked_by="U1", payer="U2", note="")
    desk.shop.clock.skip(hours=5)

    def looks() -> int:
        count = 0
        for _ in range(6):
            desk.shop.clock.skip(seconds=20)
            count += news.poll(desk.ledger.now())
        return count

    assert looks() == 1
    news.pressed()
    assert looks() == 6


def test_an_outage_of_a_day_wears_no_card_out(desk: Desk, recharge: Recharge) -> None:
    """Stripe answers nothing while it knows the key, ten times in thirty days: no bank has said no."""
    match = "POST /v1/payment_intents"
    for _ in range(10):
        desk.shop.arm(match=match, mode="status", status=503)
        failed = recharge.consider(desk.wallet_id)
        assert failed is not None
        desk.shop.clock.skip(hours=21)
        desk.sweep.run(desk.ledger.now())
        desk.shop.clock.skip(hours=26)
        _rule(desk, RULE)

    assert {(one.state, one.decline_code) for one in _rows(desk)} == {("failed", "forgotten")}
    assert recharge.consider(desk.wallet_id) is not None
    assert _charged(desk) == [180]


def test_a_charge_that_had_no_answer_in_time_is_tried_again_on_the_same_card(
    desk: Desk, recharge: Recharge
) -> None:
    """By the schedule of a soft decline, in true words, and without asking the backup card."""
    _connect(desk, "5555 5555 5555 4444")
    _connect(desk)
    _rule(desk, RULE)
    desk.shop.arm(match="POST /v1/payment_intents", mode="status", status=503)
    recharge.consider(desk.wallet_id)
    desk.shop.clock.skip(hours=21)
    desk.sweep.run(desk.ledger.now())
    assert desk.view().trouble == "Stripe gave no answer in time"
    assert recharge.consider(desk.wallet_id) is None

    desk.shop.clock.skip(minutes=61)
    assert recharge.consider(desk.wallet_id) is not None

    assert len({one.card_id for one in _rows(desk)}) == 1
    assert _charged(desk) == [180]


def test_a_request_that_stripe_does_not_accept_is_no_decline(desk: Desk, recharge: Recharge) -> None:
    """It would not be accepted again, so people are asked; their card is not called declined."""
    error = {"type": "invalid_request_error", "code": "amount_too_large", "message": "Amount must be less."}
    desk.shop.arm(match="POST /v1/payment_intents", mode="status", status=400, body={"error": error})

    recharge.consider(desk.wallet_id)

    with desk.ledger.reading() as connection:
        _, policy = desk.ledger.look(connection, desk.wallet_id)
    assert (policy.automatic, policy.pause_reason) == (
        Automatic.PAUSED,
        "Stripe did not accept the request",
    )


@pytest.mark.parametrize("team", ["T1", None], ids=["in the bot", "beside it"])
def test_a_decline_that_reconciliation_finds_pauses_automatic_payments(
    desk: Desk, recharge: Recharge, team: str | None
) -> None:
    """A hard decline whose answer was lost, found by the bot's comparison or by the operator's command."""
    desk.shop.arm(last4="4242", decline="stolen_card")
    desk.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="reset_after")
    recharge.consider(desk.wallet_id)
    desk.shop.clock.skip(minutes=10)

    use_cases_of(desk.ledger, desk.gateway, Served(team)).reconciliation.run(desk.ledger.now())

    assert len(desk.told(RechargeFailed)) == 1
    assert automatic(desk) is Automatic.PAUSED
    desk.shop.clock.skip(minutes=20)
    assert recharge.consider(desk.wallet_id) is None
