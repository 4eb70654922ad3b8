"""Refunds, disputes and suspicions in every order and repeated: each movement of money is booked once."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from sqlalchemy import select

from bot.notices import DisputeChanged, RefundBooked
from bot.payment_rows import payment_by_intent
from bot.payments.settlement import AmountsDiffer
from bot.ports import DisputeSeen, EventSeen, MovementSeen, RefundSeen
from bot.states.dispute import DisputeStatus
from bot.states.refund import RefundStatus
from bot.tables import disputes
from ledger import Automatic, PostUsage, history, verify_books
from tests.faults.driver import DOLLARS, BotDriver, automatic, rule_on

DISPUTED = "4000 0000 0000 0259"
INQUIRED = "4000 0000 0000 1976"
SUSPECTED = "4000 0000 0000 5423"
REFUND_FAILS = "4000 0000 0000 5126"


def _charge(driver: BotDriver) -> str:
    return str(driver.shop.charges()[-1]["id"])


def _kinds(driver: BotDriver) -> Sequence[tuple[str, int]]:
    with driver.ledger.reading() as connection:
        page = history(connection, driver.wallet_id, limit=50)
        assert verify_books(connection) == []
    return [(row.kind, row.amount_micros // 1_000_000) for row in reversed(page)]


def test_partial_refunds_are_booked_each_by_its_own_id(driver: BotDriver) -> None:
    """Three of them, heard of often and in any order; the charge's running sum is never looked at."""
    _, events = driver.paid()
    for cents in (500, 500, 300):
        driver.claw_back("refund", charge=_charge(driver), amount=cents)
    heard = [*events, *driver.happened()] * 3
    random.Random(7).shuffle(heard)  # noqa: S311 - a fixed order, so that a failure comes again

    for event in heard:
        driver.hear_all([event])

    assert sorted(_kinds(driver)[1:]) == [("refund", -5), ("refund", -5), ("refund", -3)]
    assert _kinds(driver)[0] == ("top_up", 20)
    assert driver.view().balance_micros == 7_000_000
    assert len(driver.told(RefundBooked)) == 3


def test_a_refund_before_the_credit_waits_for_nothing(driver: BotDriver) -> None:
    """Who hears of the refund first looks at the payment, which credits it."""
    driver.paid()
    made = driver.claw_back("refund", charge=_charge(driver))

    assert driver.refunds.sync(made["id"])

    assert _kinds(driver) == [("top_up", 20), ("refund", -20)]


def test_a_refund_that_fails_puts_the_money_back(driver: BotDriver) -> None:
    """A card that is gone takes no refund; the bank says so later."""
    _, events = driver.paid(REFUND_FAILS)
    driver.hear_all(events)
    driver.claw_back("refund", charge=_charge(driver), amount=1_200)
    driver.hear_all(driver.happened())
    assert driver.view().balance_micros == 8_000_000

    driver.shop.clock.skip(hours=2)
    driver.shop.stand_in.sweep()
    driver.hear_all(driver.happened())

    assert _kinds(driver) == [("top_up", 20), ("refund", -12), ("refund_reversal", 12)]
    assert len(driver.told(RefundBooked)) == 2


@pytest.mark.parametrize("ended", ["failed", "canceled"])
@pytest.mark.parametrize("heard", [True, False], ids=["heard of while pending", "unheard"])
def test_a_refund_that_came_to_nothing_puts_the_money_back(
    driver: BotDriver, ended: str, heard: bool
) -> None:
    """Failed or canceled, and whether or not anybody listened between its request and its end."""
    _, events = driver.paid()
    made = driver.claw_back("refund", charge=_charge(driver), amount=1_200, status="pending")
    if heard:
        driver.hear_all([*events, *driver.happened()])
        assert driver.view().balance_micros == 8_000_000
    driver.claw_back("turn_refund", refund=made["id"], status=ended)

    driver.hear_all([*reversed(driver.happened()), *events])

    assert _kinds(driver) == [("top_up", 20), ("refund", -12), ("refund_reversal", 12)]
    assert [one.failed for one in driver.told(RefundBooked)] == ([False, True] if heard else [True])


@pytest.mark.parametrize("status", list(RefundStatus))
def test_each_status_of_a_refund_is_booked_by_what_it_means(driver: BotDriver, status: RefundStatus) -> None:
    """The list is Stripe's; of these, two mean that the money is back."""
    intent, events = driver.paid()
    driver.hear_all(events)
    seen = RefundSeen("re_1", status, 1_200, "USD", intent, driver.ledger.now())

    for _ in range(2):
        assert driver.refunds.hear(seen)

    back = status in (RefundStatus.FAILED, RefundStatus.CANCELED)
    assert driver.view().balance_micros == (20_000_000 if back else 8_000_000)
    assert [one.failed for one in driver.told(RefundBooked)] == [back]


@pytest.mark.parametrize("minor", [1, 1_200])
def test_a_refund_or_a_dispute_in_another_currency_is_not_booked(driver: BotDriver, minor: int) -> None:
    """Its number would count as money of the wallet's currency. The error keeps the news until somebody has looked."""
    intent, events = driver.paid()
    driver.hear_all(events)
    now = driver.ledger.now()
    moved = MovementSeen("txn_1", "adjustment", "dispute", False, "dp_1", intent, now, "EUR", 0)
    refund = RefundSeen("re_1", RefundStatus.SUCCEEDED, minor, "EUR", intent, now)
    dispute = DisputeSeen("dp_1", DisputeStatus.LOST, "fraudulent", minor, "EUR", intent, None, now, [moved])

    with pytest.raises(AmountsDiffer):
        driver.refunds.hear(refund)
    with pytest.raises(AmountsDiffer):
        driver.disputes.hear(dispute)

    assert _kinds(driver) == [("top_up", 20)]
    assert driver.refunds.hear(replace(refund, currency="USD"))
    assert driver.disputes.hear(replace(dispute, currency="USD"))
    assert driver.view().balance_micros == 20_000_000 - 2 * minor * 10_000
    with driver.ledger.reading() as connection:
        paid = payment_by_intent(connection, driver.wallet_id, intent)
        assert paid is not None
        posted = history(connection, driver.wallet_id, limit=3)
        assert {(one.reference, one.description) for one in posted} == {(paid.ref, paid.paid_with)}


def test_later_looks_at_a_dispute_leave_what_an_admin_decided(driver: BotDriver) -> None:
    """The first look turns automatic payments off, and none after it; a look that is older changes nothing."""
    intent, events = driver.paid()
    driver.hear_all(events)
    rule_on(driver)
    opened_at = driver.ledger.now()
    due_by = opened_at + timedelta(days=7)
    moved = MovementSeen("txn_1", "adjustment", "dispute", False, "dp_1", intent, opened_at, "USD", 0)
    first = DisputeSeen(
        "dp_1", DisputeStatus.NEEDS_RESPONSE, "fraudulent", 1_200, "USD", intent, due_by, opened_at, [moved]
    )
    assert driver.disputes.hear(first)
    assert automatic(driver) is Automatic.OFF
    rule_on(driver)
    driver.shop.clock.skip(hours=1)
    statuses = [DisputeStatus.UNDER_REVIEW, DisputeStatus.LOST]

    for status in (*statuses, DisputeStatus.UNDER_REVIEW, DisputeStatus.NEEDS_RESPONSE):
        assert driver.disputes.hear(replace(first, status=status))
    with driver.ledger.reading() as connection:
        paid = payment_by_intent(connection, driver.wallet_id, intent)
        assert paid is not None
        (kept,) = connection.execute(select(disputes)).mappings()
    assert driver.disputes.hear(
        replace(first, dispute_id="dp_2", status=DisputeStatus.PREVENTED, movements=[])
    )

    assert dict(kept) == {
        "wallet_id": driver.wallet_id,
        "dispute_id": "dp_1",
        "payment_id": paid.payment_id,
        "status": DisputeStatus.LOST,
        "reason": "fraudulent",
        "amount_micros": 12_000_000,
        "currency": "USD",
        "due_at": due_by,
        "opened_at": opened_at,
        "changed_at": driver.ledger.now(),
    }
    assert automatic(driver) is Automatic.ON
    told = [(one.status, one.opened, one.moved_micros) for one in driver.told(DisputeChanged)]
    assert told == [
        (DisputeStatus.NEEDS_RESPONSE, True, -12_000_000),
        *((status, False, 0) for status in statuses),
        (DisputeStatus.PREVENTED, True, 0),
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_dispute_takes_once_and_turns_automatic_payments_off(
    driver: BotDriver, order: Sequence[int]
) -> None:
    """In every order of its first three events, each of them twice."""
    rule_on(driver)
    intent, events = driver.paid(DISPUTED)
    disputing = [one for one in events if one.kind.startswith("charge.dispute.")]
    assert len(disputing) == 2
    pieces: list[list[EventSeen]] = [
        [disputing[0]],
        [disputing[1]],
        [e for e in events if e not in disputing],
    ]

    for index in (*order, *order):
        driver.hear_all(pieces[index])

    assert driver.credited(intent)
    assert _kinds(driver) == [("top_up", 20), ("dispute_withdrawn", -20)]
    assert automatic(driver) is Automatic.OFF
    assert len(driver.told(DisputeChanged)) == 1


@pytest.mark.parametrize(("outcome", "left"), [("won", 20), ("lost", 0)])
def test_a_dispute_ends_with_all_or_nothing(driver: BotDriver, outcome: str, left: int) -> None:
    """Won gives it back by a transaction of its own; lost moves nothing more; news that comes late changes neither."""
    _, events = driver.paid(DISPUTED)
    driver.hear_all(events)
    rule_on(driver)  # an admin decides to go on
    (dispute,) = {one.object_id for one in events if one.kind.startswith("charge.dispute.")}
    driver.claw_back("turn_dispute", dispute=dispute, status="under_review")
    driver.claw_back("turn_dispute", dispute=dispute, status=outcome)

    late = [*reversed(driver.happened()), *events]
    for event in (*late, *late):
        driver.hear_all([event])

    assert driver.view().balance_micros == left * 1_000_000
    assert [kind for kind, _ in _kinds(driver)].count("dispute_reinstated") == (outcome == "won")
    assert automatic(driver) is Automatic.ON
    assert len(driver.told(DisputeChanged)) == 2


def test_an_appeal_may_move_the_money_once_more(driver: BotDriver) -> None:
    """Lost, then won after all: keyed by the movement, so it is simply one more."""
    _, events = driver.paid(DISPUTED)
    (dispute,) = {one.object_id for one in events if one.kind.startswith("charge.dispute.")}
    for status in ("lost", "won"):
        driver.claw_back("turn_dispute", dispute=dispute, status=status)
        driver.hear_all(driver.happened())

    assert _kinds(driver) == [("top_up", 20), ("dispute_withdrawn", -20), ("dispute_reinstated", 20)]


def test_an_inquiry_moves_nothing_and_pauses(driver: BotDriver) -> None:
    """The bank only asks; when it takes the money after all, automatic payments are off."""
    rule_on(driver)
    _, events = driver.paid(INQUIRED)
    driver.hear_all(events)
    assert _kinds(driver) == [("top_up", 20)]
    assert automatic(driver) is Automatic.PAUSED

    (dispute,) = {one.object_id for one in events if one.kind.startswith("charge.dispute.")}
    driver.claw_back("turn_dispute", dispute=dispute, status="needs_response")
    driver.hear_all(driver.happened())

    assert driver.view().balance_micros == 0
    assert automatic(driver) is Automatic.OFF
    assert len(driver.told(DisputeChanged)) == 2


def test_a_suspicion_is_told_once(driver: BotDriver) -> None:
    """A fraud warning moves nothing."""
    _, events = driver.paid(SUSPECTED)

    for _ in range(3):
        driver.hear_all(events)

    assert _kinds(driver) == [("top_up", 20)]
    assert len(driver.told(DisputeChanged)) == 1
    with driver.ledger.reading() as connection:
        mine = select(disputes.c.status).where(disputes.c.wallet_id == driver.wallet_id)
        assert connection.execute(mine).scalars().all() == ["suspected"]


def test_a_refund_may_take_the_wallet_below_zero(driver: BotDriver) -> None:
    """What was spent already is given back all the same, and the cutoff follows."""
    _, events = driver.paid()
    driver.hear_all(events)
    driver.ledger.carry_out(
        driver.wallet_id, [PostUsage("platform", "c-1", "outbound_call", 15_000_000, None)]
    )
    driver.claw_back("refund", charge=_charge(driver))
    driver.hear_all(driver.happened())

    view = driver.view()
    assert view.balance_micros == DOLLARS.micros - 15_000_000 - DOLLARS.micros
    assert view.standing == "grace"
    driver.shop.clock.skip(minutes=16)
    assert driver.view().standing == "paused"


def test_what_is_not_ours_is_passed_over(driver: BotDriver) -> None:
    """The company's other business on the same account: its refunds and disputes are none of the wallet's."""
    link = driver.shop.link()
    assert driver.shop.pay(link, DISPUTED)["ok"]
    before = len(_kinds(driver))
    driver.hear_all(driver.happened())

    assert len(_kinds(driver)) == before
    with driver.ledger.reading() as connection:
        left = connection.execute(select(disputes.c.dispute_id).execution_options(cross_shard=True)).all()
    assert left == []
