"""Stripe and the books held side by side: what was missed is booked, what contradicts is kept and told."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.causes import Amount, MovedUnknown, PaymentUnknown, Unmarked
from bot.notices import BooksDiffer, MoneyParked
from bot.operator.reconcile import lines_of
from bot.ports import EventSeen
from bot.reconciliation.difference import Difference, Digest, as_answer
from bot.reconciliation.open_differences import keep_differences
from bot.reconciliation.run import NotReconciled, Reconciliation
from bot.served import Served
from bot.tables import NIL_WALLET, inbox
from bot.use_cases import use_cases_of
from ledger import Automatic, CreditKind, PostMoney
from tests.faults.driver import DOLLARS, BotDriver, automatic, rule_on
from tests.persons import owner

DISPUTED = "4000 0000 0000 0259"


@pytest.fixture
def both(driver: BotDriver) -> Reconciliation:
    """The comparison of the two."""
    return use_cases_of(driver.ledger, driver.gateway, Served(None)).reconciliation


def _later(driver: BotDriver, both: Reconciliation, **time: int) -> Digest:
    driver.shop.clock.skip(**(time or {"minutes": 10}))
    return both.run(driver.ledger.now())


def test_nothing_to_say_is_zero_on_both_sides(driver: BotDriver, both: Reconciliation) -> None:
    """Payments, a refund, a dispute, all heard of: the sums agree and nothing is listed."""
    for number in ("4242 4242 4242 4242", DISPUTED):
        driver.hear_all(driver.paid(number)[1])
    driver.claw_back("refund", charge=driver.shop.charges()[0]["id"], amount=700)
    driver.hear_all(driver.happened())

    digest = _later(driver, both)

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


def test_what_was_never_heard_of_is_booked_and_said(driver: BotDriver, both: Reconciliation) -> None:
    """Every event was lost: payment, refund and dispute are found by listing, once each."""
    driver.paid()
    driver.claw_back("refund", charge=driver.shop.charges()[0]["id"], amount=700)
    driver.paid(DISPUTED)

    digest = _later(driver, both)
    again = _later(driver, both)

    assert driver.view().balance_micros == 13_000_000
    # The open request itself is asked about first, so its payment is no news by the time payments are listed.
    assert {one.key.partition(":")[0] for one in digest.healed} >= {"refund"}
    assert digest.differences == []
    assert (again.healed, again.differences) == ([], [])
    assert any("Was missed, is booked now" in line for line in lines_of(as_answer(digest)))


def test_thirty_five_days_later_it_still_finds_everything(driver: BotDriver, both: Reconciliation) -> None:
    """Longer than Stripe keeps events: the objects themselves are listed since the last good comparison."""
    _later(driver, both)
    driver.paid()
    driver.claw_back("refund", charge=driver.shop.charges()[0]["id"])

    digest = _later(driver, both, days=35)

    assert driver.view().balance_micros == 0
    assert digest.differences == []
    assert [one.what for one in digest.sums] == ["payments", "refunds"]


@pytest.mark.parametrize("ended", ["failed", "canceled"])
def test_a_refund_that_came_to_nothing_agrees_on_both_sides(
    driver: BotDriver, both: Reconciliation, ended: str
) -> None:
    """While the refund itself is listed: Stripe's side has both of its movements, as the books have."""
    driver.hear_all(driver.paid()[1])
    made = driver.claw_back("refund", charge=driver.shop.charges()[0]["id"], amount=700, status="pending")
    driver.claw_back("turn_refund", refund=made["id"], status=ended)

    digest = _later(driver, both)

    assert {one.key for one in digest.healed} >= {f"refund:{made['id']}", f"refund_reversal:{made['id']}"}
    assert digest.differences == []
    assert _later(driver, both).headline == "nothing is missing and nothing differs"
    assert driver.view().balance_micros == DOLLARS.micros


@pytest.mark.parametrize("ended", ["failed", "canceled"])
def test_a_refund_that_ended_weeks_later_is_found_by_its_movement(
    driver: BotDriver, both: Reconciliation, ended: str
) -> None:
    """The refund itself is older than what is listed; the money that came back is not."""
    driver.hear_all(driver.paid()[1])
    made = driver.claw_back("refund", charge=driver.shop.charges()[0]["id"], amount=700)
    driver.hear_all(driver.happened())
    _later(driver, both)
    assert _later(driver, both, days=20).healed == []
    driver.claw_back("turn_refund", refund=made["id"], status=ended)

    digest = _later(driver, both)

    assert [one.key for one in digest.healed] == [f"refund_reversal:{made['id']}"]
    assert digest.differences == []
    assert driver.view().balance_micros == DOLLARS.micros


def test_a_credit_that_stripe_knows_nothing_of_is_a_difference_with_an_age(
    driver: BotDriver, both: Reconciliation
) -> None:
    """It is not taken back by a program: told once, listed until it is gone, automatic payments paused."""
    rule_on(driver)
    made_up = PostMoney("stripe", "credit:pi_never", CreditKind.TOP_UP, 5_000_000, None)
    driver.ledger.carry_out(driver.wallet_id, [made_up])

    first = _later(driver, both)
    second = _later(driver, both, hours=20)
    third = _later(driver, both, days=40)  # by then it is older than anything that is listed

    assert [one.key for one in first.differences] == ["credit:pi_never"]
    assert first.differences[0].new
    for later in (second, third):
        assert [(one.key, one.new, one.found_at) for one in later.differences] == [
            ("credit:pi_never", False, first.differences[0].found_at)
        ]
    assert driver.view().balance_micros == 5_000_000
    assert automatic(driver) is Automatic.PAUSED
    assert [one.paused for one in driver.told(BooksDiffer)] == [True]
    assert any("Stripe has nothing that moved" in line for line in lines_of(as_answer(third)))


def test_a_difference_ends_when_both_sides_were_seen_to_agree(
    driver: BotDriver, both: Reconciliation
) -> None:
    """Also long after: a payment that was said to be missing, and has been there all the time."""
    intent, events = driver.paid()
    driver.hear_all(events)
    _later(driver, both, days=30)
    keep_differences(
        driver.ledger,
        [Difference(driver.wallet_id, f"credit:{intent}", MovedUnknown(), driver.ledger.now(), new=True)],
        [driver.wallet_id],
    )

    assert _later(driver, both).differences == []


def test_a_movement_stays_until_the_books_have_it(driver: BotDriver, both: Reconciliation) -> None:
    """Nothing at Stripe looks a movement up by its id, so its difference ends with its transfer and not before."""
    lost = Difference(driver.wallet_id, "dispute:txn_9", MovedUnknown(), driver.ledger.now(), new=True)
    keep_differences(driver.ledger, [lost], [driver.wallet_id])
    assert [(one.key, one.cause) for one in _later(driver, both, days=200).differences] == [
        (lost.key, lost.cause)
    ]

    late = PostMoney("stripe", lost.key, CreditKind.DISPUTE_WITHDRAWN, 5_000_000, None)
    driver.ledger.carry_out(driver.wallet_id, [late])
    assert _later(driver, both, days=30).differences == []


@pytest.mark.parametrize("match", ["GET /v1/payment_intents/*", "GET /v1/refunds/*"])
def test_a_look_without_an_answer_is_no_difference(
    driver: BotDriver, both: Reconciliation, match: str
) -> None:
    """One look-up meets an outage: nothing is concluded from it, and nothing is paused."""
    driver.hear_all(driver.paid()[1])
    made = driver.claw_back("refund", charge=driver.shop.charges()[0]["id"], amount=700)
    driver.shop.clock.skip(days=10)
    rule_on(driver)
    booked_late = PostMoney("stripe", f"refund:{made['id']}", CreditKind.REFUND, 7_000_000, None)
    early = PostMoney("stripe", "credit:pi_never", CreditKind.TOP_UP, 5_000_000, None)
    driver.ledger.carry_out(driver.wallet_id, [booked_late, early])
    driver.shop.clock.skip(minutes=10)

    driver.shop.arm(match=match, mode="status", status=503)
    with pytest.raises(NotReconciled):
        both.run(driver.ledger.now())
    assert automatic(driver) is Automatic.ON
    assert driver.told(BooksDiffer) == []

    assert [one.key for one in _later(driver, both).differences] == ["credit:pi_never"]


def test_an_amount_that_differs_is_a_difference(driver: BotDriver, both: Reconciliation) -> None:
    """Somebody credited by hand under Stripe's key, and wrote another amount."""
    intent, _ = driver.paid()
    wrong = PostMoney("stripe", f"credit:{intent}", CreditKind.TOP_UP, 90_000_000, None, reference="RB-1001")
    driver.ledger.carry_out(driver.wallet_id, [wrong])

    digest = _later(driver, both)

    assert len(digest.differences) == 1
    assert digest.differences[0].key == f"credit:{intent}"
    assert any("the books have RB-1001 $90.00" in line for line in lines_of(as_answer(digest)))
    assert [one.paused for one in driver.told(BooksDiffer)] == [False]  # they were off already
    assert driver.view().balance_micros == 90_000_000


def test_money_under_our_mark_for_nobody_is_parked_and_listed(
    driver: BotDriver, both: Reconciliation
) -> None:
    """A payment names one that is not here: kept, told once, never dropped, found by the comparison too."""
    install = use_cases_of(driver.ledger, driver.gateway, Served(None)).reconciliation._install
    marks = {"redbar_install": install, "redbar_wallet": str(driver.wallet_id), "redbar_ref": "RB-9"}
    marks["redbar_payment"] = "0199d3a0-0000-7000-8000-000000000000"
    link = driver.shop.link(payment_intent_data={"metadata": marks})
    driver.happened()
    assert driver.shop.pay(link)["ok"]
    events: list[EventSeen] = [one for one in driver.happened() if one.kind == "payment_intent.succeeded"]

    # An outage before the first look, and another between two later ones, change nothing of what is told.
    for number in range(4):
        if number % 2 == 0:
            driver.shop.arm(match="GET /v1/payment_intents/*", mode="status", status=503)
        driver.hear_all(events)
        driver.shop.clock.skip(hours=1)
        driver.hear_all(events)
        driver.shop.clock.skip(hours=5)
    digest = _later(driver, both)

    assert driver.view().balance_micros == 0
    assert len(driver.told(MoneyParked)) == 1
    with driver.ledger.reading() as connection:
        left = connection.execute(
            select(inbox.c.event_id).where(inbox.c.wallet_id == NIL_WALLET, inbox.c.handled_at.is_(None))
        ).scalars()
        assert list(left) == [events[0].event_id]
    assert [one.event_id for one in digest.parked] == [events[0].event_id]
    assert [one.key for one in digest.differences] == [f"credit:{events[0].object_id}"]
    assert digest.parked[0].error == PaymentUnknown("RB-9")


def test_a_payment_of_our_customer_without_our_mark_is_named(driver: BotDriver, both: Reconciliation) -> None:
    """Somebody charged the customer in Stripe's own pages: said, and left to a person."""
    page = driver.payments.offer_page(driver.wallet_id, DOLLARS, asked_by=owner("U1"), saves_card=False)
    customer = driver.shop.api.checkout.sessions.retrieve(page.session_id).customer
    assert isinstance(customer, str)
    assert driver.shop.pay(driver.shop.page(3_000, customer=customer))["ok"]

    digest = _later(driver, both)

    assert driver.view().balance_micros == 0
    assert len(digest.differences) == 1
    cause = digest.differences[0].cause
    assert isinstance(cause, Unmarked)
    assert cause.amount == Amount(30_000_000, "USD")


def test_it_runs_once_a_day_and_survives_an_outage(driver: BotDriver, both: Reconciliation) -> None:
    """The first day only remembers when it began; a night without Stripe is made up for."""
    assert both.run_if_due(driver.ledger.now()) is None
    driver.shop.clock.skip(hours=25)
    driver.shop.arm(match="GET /v1/refunds", mode="status", status=503)
    assert both.run_if_due(driver.ledger.now()) is None
    digest = both.run_if_due(driver.ledger.now())
    assert digest is not None
    assert digest.until - digest.since > timedelta(days=3)
    assert both.run_if_due(driver.ledger.now()) is None

    driver.shop.arm(match="GET /v1/payment_intents", mode="status", status=503)
    with pytest.raises(NotReconciled):
        both.run(driver.ledger.now())


def test_an_idle_night_costs_a_handful_of_reads(driver: BotDriver, both: Reconciliation) -> None:
    """Stripe's ration is not spent on looking."""
    driver.hear_all(driver.paid()[1])
    before = _later(driver, both).reads

    assert _later(driver, both, hours=24).reads - before <= 8
