"""Refunds, disputes and suspicions in every order and repeated: each movement of money is booked once."""

import random
from collections.abc import Sequence
from itertools import permutations

import pytest
from sqlalchemy import select

from bot.notices import DisputeChanged, RefundBooked
from bot.ports import EventSeen
from bot.tables import disputes
from ledger import Automatic, PostUsage, history, verify_books
from tests.faults.desk import DOLLARS, Desk, automatic, rule_on

DISPUTED = "4000 0000 0000 0259"
INQUIRED = "4000 0000 0000 1976"
SUSPECTED = "4000 0000 0000 5423"
REFUND_FAILS = "4000 0000 0000 5126"


def _charge(desk: Desk) -> str:
    return str(desk.shop.charges()[-1]["id"])


def _kinds(desk: Desk) -> Sequence[tuple[str, int]]:
    with desk.ledger.reading() as connection:
        page = history(connection, desk.wallet_id, limit=50)
        assert verify_books(connection) == []
    return [(row.kind, row.amount_micros // 1_000_000) for row in reversed(page)]


def test_partial_refunds_are_booked_each_by_its_own_id(desk: Desk) -> None:
    """Three of them, heard of often and in any order; the charge's running sum is never looked at."""
    _, events = desk.paid()
    for cents in (500, 500, 300):
        desk.claw_back("refund", charge=_charge(desk), amount=cents)
    heard = [*events, *desk.happened()] * 3
    random.Random(7).shuffle(heard)  # noqa: S311 - a fixed order, so that a failure comes again

    for event in heard:
        desk.hear_all([event])

    assert sorted(_kinds(desk)[1:]) == [("refund", -5), ("refund", -5), ("refund", -3)]
    assert _kinds(desk)[0] == ("top_up", 20)
    assert desk.view().balance_micros == 7_000_000
    assert len(desk.told(RefundBooked)) == 3


def test_a_refund_before_the_credit_waits_for_nothing(desk: Desk) -> None:
    """Who hears of the refund first looks at the payment, which credits it."""
    desk.paid()
    made = desk.claw_back("refund", charge=_charge(desk))

    assert desk.refunds.sync(made["id"])

    assert _kinds(desk) == [("top_up", 20), ("refund", -20)]


def test_a_refund_that_fails_puts_the_money_back(desk: Desk) -> None:
    """A card that is gone takes no refund; the bank says so later."""
    _, events = desk.paid(REFUND_FAILS)
    desk.hear_all(events)
    desk.claw_back("refund", charge=_charge(desk), amount=1_200)
    desk.hear_all(desk.happened())
    assert desk.view().balance_micros == 8_000_000

    desk.shop.clock.skip(hours=2)
    desk.shop.stand_in.sweep()
    desk.hear_all(desk.happened())

    assert _kinds(desk) == [("top_up", 20), ("refund", -12), ("refund_reversal", 12)]
    assert len(desk.told(RefundBooked)) == 2


def test_a_refund_that_was_pending_and_failed_unheard_ends_the_same(desk: Desk) -> None:
    """Nobody listened between its request and its failure: the books end as if somebody had."""
    _, events = desk.paid()
    made = desk.claw_back("refund", charge=_charge(desk), amount=1_200, status="pending")
    desk.claw_back("turn_refund", refund=made["id"], status="failed")

    desk.hear_all([*reversed(desk.happened()), *events])

    assert _kinds(desk) == [("top_up", 20), ("refund", -12), ("refund_reversal", 12)]
    assert len(desk.told(RefundBooked)) == 1


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_dispute_takes_once_and_turns_automatic_payments_off(desk: Desk, order: Sequence[int]) -> None:
    """In every order of its first three events, each of them twice."""
    rule_on(desk)
    intent, events = desk.paid(DISPUTED)
    disputing = [one for one in events if one.kind.startswith("charge.dispute.")]
    assert len(disputing) == 2
    pieces: list[list[EventSeen]] = [
        [disputing[0]],
        [disputing[1]],
        [e for e in events if e not in disputing],
    ]

    for index in (*order, *order):
        desk.hear_all(pieces[index])

    assert desk.credited(intent)
    assert _kinds(desk) == [("top_up", 20), ("dispute_withdrawn", -20)]
    assert automatic(desk) is Automatic.OFF
    assert len(desk.told(DisputeChanged)) == 1


@pytest.mark.parametrize(("outcome", "left"), [("won", 20), ("lost", 0)])
def test_a_dispute_ends_with_all_or_nothing(desk: Desk, outcome: str, left: int) -> None:
    """Won gives it back by a transaction of its own; lost moves nothing more; news that comes late changes neither."""
    _, events = desk.paid(DISPUTED)
    desk.hear_all(events)
    rule_on(desk)  # an admin decides to go on
    (dispute,) = {one.object_id for one in events if one.kind.startswith("charge.dispute.")}
    desk.claw_back("turn_dispute", dispute=dispute, status="under_review")
    desk.claw_back("turn_dispute", dispute=dispute, status=outcome)

    late = [*reversed(desk.happened()), *events]
    for event in (*late, *late):
        desk.hear_all([event])

    assert desk.view().balance_micros == left * 1_000_000
    assert [kind for kind, _ in _kinds(desk)].count("dispute_reinstated") == (outcome == "won")
    assert automatic(desk) is Automatic.ON
    assert len(desk.told(DisputeChanged)) == 2


def test_an_appeal_may_move_the_money_once_more(desk: Desk) -> None:
    """Lost, then won after all: keyed by the movement, so it is simply one more."""
    _, events = desk.paid(DISPUTED)
    (dispute,) = {one.object_id for one in events if one.kind.startswith("charge.dispute.")}
    for status in ("lost", "won"):
        desk.claw_back("turn_dispute", dispute=dispute, status=status)
        desk.hear_all(desk.happened())

    assert _kinds(desk) == [("top_up", 20), ("dispute_withdrawn", -20), ("dispute_reinstated", 20)]


def test_an_inquiry_moves_nothing_and_pauses(desk: Desk) -> None:
    """The bank only asks; when it takes the money after all, automatic payments are off."""
    rule_on(desk)
    _, events = desk.paid(INQUIRED)
    desk.hear_all(events)
    assert _kinds(desk) == [("top_up", 20)]
    assert automatic(desk) is Automatic.PAUSED

    (dispute,) = {one.object_id for one in events if one.kind.startswith("charge.dispute.")}
    desk.claw_back("turn_dispute", dispute=dispute, status="needs_response")
    desk.hear_all(desk.happened())

    assert desk.view().balance_micros == 0
    assert automatic(desk) is Automatic.OFF
    assert len(desk.told(DisputeChanged)) == 2


def test_a_suspicion_is_told_once(desk: Desk) -> None:
    """A fraud warning moves nothing."""
    _, events = desk.paid(SUSPECTED)

    for _ in range(3):
        desk.hear_all(events)

    assert _kinds(desk) == [("top_up", 20)]
    assert len(desk.told(DisputeChanged)) == 1
    with desk.ledger.reading() as connection:
        mine = select(disputes.c.status).where(disputes.c.wallet_id == desk.wallet_id)
        assert connection.execute(mine).scalars().all() == ["suspected"]


def test_a_refund_may_take_the_wallet_below_zero(desk: Desk) -> None:
    """What was spent already is given back all the same, and the cutoff follows."""
    _, events = desk.paid()
    desk.hear_all(events)
    desk.ledger.carry_out(desk.wallet_id, [PostUsage("platform", "c-1", "outbound_call", 15_000_000, None)])
    desk.claw_back("refund", charge=_charge(desk))
    desk.hear_all(desk.happened())

    view = desk.view()
    assert view.balance_micros == DOLLARS.micros - 15_000_000 - DOLLARS.micros
    assert view.standing == "grace"
    desk.shop.clock.skip(minutes=16)
    assert desk.view().standing == "paused"


def test_what_is_not_ours_is_passed_over(desk: Desk) -> None:
    """The company's other business on the same account: its refunds and disputes are none of the wallet's."""
    link = desk.shop.link()
    assert desk.shop.pay(link, DISPUTED)["ok"]
    before = len(_kinds(desk))
    desk.hear_all(desk.happened())

    assert len(_kinds(desk)) == before
    with desk.ledger.reading() as connection:
        left = connection.execute(select(disputes.c.dispute_id).execution_options(cross_shard=True)).all()
    assert left == []
