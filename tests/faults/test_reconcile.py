"""Stripe and the books held side by side: what was missed is booked, what contradicts is kept and told."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.app import use_cases_of
from bot.notices import BooksDiffer, MoneyParked
from bot.ports import EventSeen
from bot.reconciliation.difference import Difference, Digest, as_answer, lines_of
from bot.reconciliation.open_differences import keep_differences
from bot.reconciliation.run import NotReconciled, Reconciliation
from bot.served import Served
from bot.tables import NIL_WALLET, inbox
from ledger import Automatic, CreditKind, PostMoney
from tests.faults.desk import DOLLARS, Desk, automatic, rule_on

DISPUTED = "4000 0000 0000 0259"


@pytest.fixture
def both(desk: Desk) -> Reconciliation:
    """The comparison of the two."""
    return use_cases_of(desk.ledger, desk.gateway, Served(None)).reconciliation


def _later(desk: Desk, both: Reconciliation, **time: int) -> Digest:
    desk.shop.clock.skip(**(time or {"minutes": 10}))
    return both.run(desk.ledger.now())


def test_nothing_to_say_is_zero_on_both_sides(desk: Desk, both: Reconciliation) -> None:
    """Payments, a refund, a dispute, all heard of: the sums agree and nothing is listed."""
    for number in ("4242 4242 4242 4242", DISPUTED):
        desk.hear_all(desk.paid(number)[1])
    desk.claw_back("refund", charge=desk.shop.charges()[0]["id"], amount=700)
    desk.hear_all(desk.happened())

    digest = _later(desk, both)

    assert (digest.healed, digest.differences, digest.parked) == ([], [], [])
    sums = {one.what: (one.count, one.ours_micros, one.theirs_micros) for one in digest.sums}
    assert sums == {
        "payments": (2, 40_000_000, 40_000_000),
        "refunds": (1, 7_000_000, 7_000_000),
        "disputes": (1, 20_000_000, 20_000_000),
    }
    assert digest.fees == {"USD": 1_500}
    assert 0 < digest.reads < 60
    assert "Nothing is missing and nothing differs." in lines_of(as_answer(digest))


def test_what_was_never_heard_of_is_booked_and_said(desk: Desk, both: Reconciliation) -> None:
    """Every event was lost: payment, refund and dispute are found by listing, once each."""
    desk.paid()
    desk.claw_back("refund", charge=desk.shop.charges()[0]["id"], amount=700)
    desk.paid(DISPUTED)

    digest = _later(desk, both)
    again = _later(desk, both)

    assert desk.view().balance_micros == 13_000_000
    # The open request itself is asked about first, so its payment is no news by the time payments are listed.
    assert {one.key.partition(":")[0] for one in digest.healed} >= {"refund"}
    assert digest.differences == []
    assert (again.healed, again.differences) == ([], [])
    assert any("Was missed, is booked now" in line for line in lines_of(as_answer(digest)))


def test_thirty_five_days_later_it_still_finds_everything(desk: Desk, both: Reconciliation) -> None:
    """Longer than Stripe keeps events: the objects themselves are listed since the last good comparison."""
    _later(desk, both)
    desk.paid()
    desk.claw_back("refund", charge=desk.shop.charges()[0]["id"])

    digest = _later(desk, both, days=35)

    assert desk.view().balance_micros == 0
    assert digest.differences == []
    assert [one.what for one in digest.sums] == ["payments", "refunds"]


def test_a_refund_that_failed_weeks_later_is_found_by_its_movement(desk: Desk, both: Reconciliation) -> None:
    """The refund itself is older than what is listed; the money that came back is not."""
    desk.hear_all(desk.paid()[1])
    made = desk.claw_back("refund", charge=desk.shop.charges()[0]["id"], amount=700)
    desk.hear_all(desk.happened())
    _later(desk, both)
    assert _later(desk, both, days=20).healed == []
    desk.claw_back("turn_refund", refund=made["id"], status="failed")

    digest = _later(desk, both)

    assert [one.key for one in digest.healed] == [f"refund_reversal:{made['id']}"]
    assert digest.differences == []
    assert desk.view().balance_micros == DOLLARS.micros


def test_a_credit_that_stripe_knows_nothing_of_is_a_difference_with_an_age(
    desk: Desk, both: Reconciliation
) -> None:
    """It is not taken back by a program: told once, listed until it is gone, automatic payments paused."""
    rule_on(desk)
    made_up = PostMoney("stripe", "credit:pi_never", CreditKind.TOP_UP, 5_000_000, None)
    desk.ledger.carry_out(desk.wallet_id, [made_up])

    first = _later(desk, both)
    second = _later(desk, both, hours=20)
    third = _later(desk, both, days=40)  # by then it is older than anything that is listed

    assert [one.key for one in first.differences] == ["credit:pi_never"]
    assert first.differences[0].new
    for later in (second, third):
        assert [(one.key, one.new, one.found_at) for one in later.differences] == [
            ("credit:pi_never", False, first.differences[0].found_at)
        ]
    assert desk.view().balance_micros == 5_000_000
    assert automatic(desk) is Automatic.PAUSED
    assert [one.paused for one in desk.told(BooksDiffer)] == [True]
    assert any("Stripe has nothing that moved" in line for line in lines_of(as_answer(third)))


def test_a_difference_ends_when_both_sides_were_seen_to_agree(desk: Desk, both: Reconciliation) -> None:
    """Also long after: a payment that was said to be missing, and has been there all the time."""
    intent, events = desk.paid()
    desk.hear_all(events)
    _later(desk, both, days=30)
    keep_differences(
        desk.ledger,
        [Difference(desk.wallet_id, f"credit:{intent}", "?", desk.ledger.now(), new=True)],
        [desk.wallet_id],
    )

    assert _later(desk, both).differences == []


def test_a_movement_stays_until_the_books_have_it(desk: Desk, both: Reconciliation) -> None:
    """Nothing at Stripe looks a movement up by its id, so its difference ends with its transfer and not before."""
    lost = Difference(desk.wallet_id, "dispute:txn_9", "moved at Stripe", desk.ledger.now(), new=True)
    keep_differences(desk.ledger, [lost], [desk.wallet_id])
    assert [(one.key, one.words) for one in _later(desk, both, days=200).differences] == [
        (lost.key, lost.words)
    ]

    late = PostMoney("stripe", lost.key, CreditKind.DISPUTE_WITHDRAWN, 5_000_000, None)
    desk.ledger.carry_out(desk.wallet_id, [late])
    assert _later(desk, both, days=30).differences == []


@pytest.mark.parametrize("match", ["GET /v1/payment_intents/*", "GET /v1/refunds/*"])
def test_a_look_without_an_answer_is_no_difference(desk: Desk, both: Reconciliation, match: str) -> None:
    """One look-up meets an outage: nothing is concluded from it, and nothing is paused."""
    desk.hear_all(desk.paid()[1])
    made = desk.claw_back("refund", charge=desk.shop.charges()[0]["id"], amount=700)
    desk.shop.clock.skip(days=10)
    rule_on(desk)
    booked_late = PostMoney("stripe", f"refund:{made['id']}", CreditKind.REFUND, 7_000_000, None)
    early = PostMoney("stripe", "credit:pi_never", CreditKind.TOP_UP, 5_000_000, None)
    desk.ledger.carry_out(desk.wallet_id, [booked_late, early])
    desk.shop.clock.skip(minutes=10)

    desk.shop.arm(match=match, mode="status", status=503)
    with pytest.raises(NotReconciled):
        both.run(desk.ledger.now())
    assert automatic(desk) is Automatic.ON
    assert desk.told(BooksDiffer) == []

    assert [one.key for one in _later(desk, both).differences] == ["credit:pi_never"]


def test_an_amount_that_differs_is_a_difference(desk: Desk, both: Reconciliation) -> None:
    """Somebody credited by hand under Stripe's key, and wrote another amount."""
    intent, _ = desk.paid()
    wrong = PostMoney("stripe", f"credit:{intent}", CreditKind.TOP_UP, 90_000_000, None, reference="RB-1001")
    desk.ledger.carry_out(desk.wallet_id, [wrong])

    digest = _later(desk, both)

    assert len(digest.differences) == 1
    assert digest.differences[0].key == f"credit:{intent}"
    assert "$90.00" in str(as_answer(digest)["breaks"])
    assert [one.paused for one in desk.told(BooksDiffer)] == [False]  # they were off already
    assert desk.view().balance_micros == 90_000_000


def test_money_under_our_mark_for_nobody_is_parked_and_listed(desk: Desk, both: Reconciliation) -> None:
    """A payment names one that is not here: kept, told once, never dropped, found by the comparison too."""
    install = use_cases_of(desk.ledger, desk.gateway, Served(None)).reconciliation._install
    marks = {"redbar_install": install, "redbar_wallet": str(desk.wallet_id), "redbar_ref": "RB-9"}
    marks["redbar_payment"] = "0199d3a0-0000-7000-8000-000000000000"
    link = desk.shop.link(payment_intent_data={"metadata": marks})
    desk.happened()
    assert desk.shop.pay(link)["ok"]
    events: list[EventSeen] = [one for one in desk.happened() if one.kind == "payment_intent.succeeded"]

    # An outage before the first look, and another between two later ones, change nothing of what is told.
    for number in range(4):
        if number % 2 == 0:
            desk.shop.arm(match="GET /v1/payment_intents/*", mode="status", status=503)
        desk.hear_all(events)
        desk.shop.clock.skip(hours=1)
        desk.hear_all(events)
        desk.shop.clock.skip(hours=5)
    digest = _later(desk, both)

    assert desk.view().balance_micros == 0
    assert len(desk.told(MoneyParked)) == 1
    with desk.ledger.reading() as connection:
        left = connection.execute(
            select(inbox.c.event_id).where(inbox.c.wallet_id == NIL_WALLET, inbox.c.handled_at.is_(None))
        ).scalars()
        assert list(left) == [events[0].event_id]
    assert [one.event_id for one in digest.parked] == [events[0].event_id]
    assert [one.key for one in digest.differences] == [f"credit:{events[0].object_id}"]
    assert "RB-9" in digest.parked[0].error


def test_a_payment_of_our_customer_without_our_mark_is_named(desk: Desk, both: Reconciliation) -> None:
    """Somebody charged the customer in Stripe's own pages: said, and left to a person."""
    page = desk.payments.offer_page(desk.wallet_id, DOLLARS, asked_by="U1", saves_card=False)
    customer = desk.shop.api.checkout.sessions.retrieve(page.session_id).customer
    assert isinstance(customer, str)
    assert desk.shop.pay(desk.shop.page(3_000, customer=customer))["ok"]

    digest = _later(desk, both)

    assert desk.view().balance_micros == 0
    assert len(digest.differences) == 1
    assert "$30.00 was paid by a customer of ours without our mark" in digest.differences[0].words


def test_it_runs_once_a_day_and_survives_an_outage(desk: Desk, both: Reconciliation) -> None:
    """The first day only remembers when it began; a night without Stripe is made up for."""
    assert both.run_if_due(desk.ledger.now()) is None
    desk.shop.clock.skip(hours=25)
    desk.shop.arm(match="GET /v1/refunds", mode="status", status=503)
    assert both.run_if_due(desk.ledger.now()) is None
    digest = both.run_if_due(desk.ledger.now())
    assert digest is not None
    assert digest.until - digest.since > timedelta(days=3)
    assert both.run_if_due(desk.ledger.now()) is None

    desk.shop.arm(match="GET /v1/payment_intents", mode="status", status=503)
    with pytest.raises(NotReconciled):
        both.run(desk.ledger.now())


def test_an_idle_night_costs_a_handful_of_reads(desk: Desk, both: Reconciliation) -> None:
    """Stripe's ration is not spent on looking."""
    desk.hear_all(desk.paid()[1])
    before = _later(desk, both).reads

    assert _later(desk, both, hours=24).reads - before <= 8
