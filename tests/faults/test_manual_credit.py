"""What an operator settles by hand: credited once and found by refunds and disputes, or left and not listed again."""

from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select

from bot.notices import ManuallyCredited, MoneyParked, RefundBooked
from bot.payments.sync import Sync
from bot.reconciliation.manual_credit import ManualCredit, leave_be
from bot.reconciliation.open_differences import NotCredited, parked_news
from bot.reconciliation.run import Reconciliation
from bot.served import Served
from bot.use_cases import use_cases_of
from ledger import Automatic, CreditKind, PostMoney, history, verify_books
from ledger.storage.schema import audit_log
from tests.faults.driver import DOLLARS, BotDriver, automatic, open_beside, rule_on
from tests.persons import owner

DISPUTED = "4000 0000 0000 0259"
WHY = "the invoice of October"


@pytest.fixture
def both(driver: BotDriver) -> Reconciliation:
    """The comparison of the two sides."""
    return use_cases_of(driver.ledger, driver.gateway, Served(None)).reconciliation


@pytest.fixture
def hand(driver: BotDriver) -> ManualCredit:
    """The operator's hand."""
    return use_cases_of(driver.ledger, driver.gateway, Served(None)).manual_credit


def _unmarked(driver: BotDriver, number: str = "4242 4242 4242 4242", **more: Any) -> str:
    """Have our customer pay $30 on a page that somebody made in Stripe; gives the intent."""
    page = driver.payments.offer_page(driver.wallet_id, DOLLARS, asked_by=owner("U1"), saves_card=False)
    customer = driver.shop.api.checkout.sessions.retrieve(page.session_id).customer
    assert isinstance(customer, str)
    assert driver.shop.pay(driver.shop.page(3_000, customer=customer, **more), number)["ok"]
    return str(driver.shop.charges()[-1]["payment_intent"])


def _strange(driver: BotDriver) -> str:
    """Have $50 paid under our mark for a payment that is not here, as after a backup was put back."""
    marks = {
        "redbar_install": use_cases_of(driver.ledger, driver.gateway, Served(None)).reconciliation._install,
        "redbar_wallet": str(driver.wallet_id),
        "redbar_ref": "RB-9",
        "redbar_payment": "0199d3a0-0000-7000-8000-000000000000",
    }
    assert driver.shop.pay(driver.shop.link(payment_intent_data={"metadata": marks}))["ok"]
    return str(driver.shop.charges()[-1]["payment_intent"])


def _kinds(driver: BotDriver) -> list[tuple[str, int]]:
    with driver.ledger.reading() as connection:
        assert verify_books(connection) == []
        page = history(connection, driver.wallet_id, limit=50)
    return [(row.kind, row.amount_micros // 1_000_000) for row in reversed(page)]


def _later(driver: BotDriver, both: Reconciliation, **time: int) -> Any:
    driver.shop.clock.skip(**(time or {"minutes": 10}))
    return both.run(driver.ledger.now())


def test_what_a_customer_paid_without_our_mark_is_put_into_the_wallet(
    driver: BotDriver, both: Reconciliation, hand: ManualCredit
) -> None:
    """Once, as a payment of its own that people are told of; the comparison agrees from then on."""
    intent = _unmarked(driver)
    assert [one.key for one in _later(driver, both).differences] == [f"credit:{intent}"]

    words = hand.credit(driver.wallet_id, intent, WHY)

    assert words == f"$30.00 of {intent} is in the wallet as RB-1002. The balance is $30.00."
    assert _kinds(driver) == [("top_up", 30)]
    assert len(driver.told(ManuallyCredited)) == 1
    with pytest.raises(NotCredited, match=r"is RB-1002's, which is paid\. Nothing more was booked"):
        hand.credit(driver.wallet_id, intent, WHY)
    digest = _later(driver, both)
    assert (digest.differences, digest.healed) == ([], [])
    assert _kinds(driver) == [("top_up", 30)]


def test_what_was_parked_is_handled_once_it_is_credited(
    driver: BotDriver, both: Reconciliation, hand: ManualCredit
) -> None:
    """The piece of news that could not be booked finds its payment the next time that it is tried."""
    driver.happened()
    intent = _strange(driver)
    driver.hear_all(driver.happened())
    driver.shop.clock.skip(hours=1)
    driver.news.handle_waiting(driver.ledger.now())
    digest = _later(driver, both)
    assert (len(digest.parked), len(digest.differences)) == (2, 1)  # of its page, and its own

    hand.credit(driver.wallet_id, intent, WHY)
    driver.shop.clock.skip(hours=5)
    driver.news.handle_waiting(driver.ledger.now())

    digest = _later(driver, both)
    assert (digest.parked, digest.differences) == ([], [])
    assert _kinds(driver) == [("top_up", 50)]
    assert len(driver.told(MoneyParked)) == 1


@pytest.mark.parametrize("heard", ["news", "comparison"])
def test_a_refund_of_it_is_booked_like_any_other(
    driver: BotDriver, both: Reconciliation, hand: ManualCredit, heard: str
) -> None:
    """By the news of it, and by the nightly comparison where that was lost."""
    intent = _unmarked(driver)
    hand.credit(driver.wallet_id, intent, WHY)
    driver.happened()
    driver.claw_back("refund", charge=driver.shop.charges()[-1]["id"], amount=1_200)

    if heard == "news":
        driver.hear_all(driver.happened())
    digest = _later(driver, both)

    assert digest.differences == []
    assert _kinds(driver) == [("top_up", 30), ("refund", -12)]
    assert len(driver.told(RefundBooked)) == 1


def test_a_dispute_of_it_is_booked_like_any_other(
    driver: BotDriver, both: Reconciliation, hand: ManualCredit
) -> None:
    """The cardholder's bank takes it back after it was credited."""
    intent = _unmarked(driver)
    hand.credit(driver.wallet_id, intent, WHY)
    driver.happened()
    driver.claw_back("dispute", charge=driver.shop.charges()[-1]["id"])

    driver.hear_all(driver.happened())

    assert _kinds(driver) == [("top_up", 30), ("dispute_withdrawn", -30)]
    assert _later(driver, both).differences == []


@pytest.mark.parametrize("number", ["4242 4242 4242 4242", DISPUTED])
def test_what_was_given_back_before_is_not_credited(
    driver: BotDriver, hand: ManualCredit, number: str
) -> None:
    """Its refund may be older than what the comparison lists, and would never be booked."""
    intent = _unmarked(driver, number)
    if number != DISPUTED:
        driver.claw_back("refund", charge=driver.shop.charges()[-1]["id"], amount=1_200)
    driver.hear_all(driver.happened())

    with pytest.raises(NotCredited, match="was given back at Stripe, in part or whole, or is disputed"):
        hand.credit(driver.wallet_id, intent, WHY)
    assert _kinds(driver) == []


def test_no_two_wallets_are_credited(
    driver: BotDriver, hand: ManualCredit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second operator saw the payment before the first had credited it."""
    second = open_beside(driver.ledger, "T2")
    intent = _unmarked(driver)
    hand.credit(driver.wallet_id, intent, WHY)
    monkeypatch.setattr(Sync, "hear_intent", lambda self, seen: None)

    with pytest.raises(NotCredited, match="was credited to wallet"):
        hand.credit(second, intent, WHY)
    with pytest.raises(NotCredited, match="is in the wallet already"):
        hand.credit(driver.wallet_id, intent, WHY)
    assert _kinds(driver) == [("top_up", 30)]


def test_only_money_that_came_can_be_credited(driver: BotDriver, hand: ManualCredit) -> None:
    """Each refusal says why, and books nothing."""
    own, events = driver.paid()
    driver.hear_all(events)
    customer, card = driver.shop.saved_card()
    unpaid = driver.shop.api.payment_intents.create(
        {"amount": 500, "currency": "usd", "customer": customer, "payment_method": card}
    ).id
    euros = _unmarked(driver, line_items=[_euros()])
    for what, words in (
        (own, r"is RB-1001's, which is paid"),
        (unpaid, "no money came by it"),
        ("pi_nothing", "Stripe knows no payment pi_nothing"),
        ("re_1", "name it as Stripe does, pi_"),
        (euros, "was paid in EUR, and the wallet is in USD"),
    ):
        with pytest.raises(NotCredited, match=words):
            hand.credit(driver.wallet_id, what, WHY)
    driver.shop.arm(match="GET /v1/payment_intents/*", mode="status", status=503)
    with pytest.raises(NotCredited, match="Stripe could not be asked"):
        hand.credit(driver.wallet_id, euros, WHY)

    assert _kinds(driver) == [("top_up", 20)]


def _euros() -> dict[str, Any]:
    price = {"currency": "eur", "unit_amount": 3_000, "product_data": {"name": "x"}}
    return {"price_data": price, "quantity": 1}


def test_what_is_left_is_not_listed_again(
    driver: BotDriver, both: Reconciliation, hand: ManualCredit
) -> None:
    """A payment that was not for the wallet, news of another, and a transfer that Stripe knows nothing of."""
    rule_on(driver)
    unmarked = _unmarked(driver)
    driver.happened()
    strange = _strange(driver)
    driver.hear_all(driver.happened())
    driver.shop.clock.skip(hours=1)
    driver.news.handle_waiting(driver.ledger.now())
    invented = PostMoney("stripe", "credit:pi_never", CreditKind.TOP_UP, 5_000_000, None)
    driver.ledger.carry_out(driver.wallet_id, [invented])

    said = leave_be(driver.ledger, strange, "was given back in Stripe")  # before the night has found it
    assert said.startswith(f"Left as it is, and not listed any more: credit:{strange}. ")
    first = _later(driver, both)
    assert sorted(one.key for one in first.differences) == sorted([f"credit:{unmarked}", "credit:pi_never"])
    assert first.parked == []
    assert automatic(driver) is Automatic.PAUSED
    for what in (unmarked, "credit:pi_never"):
        leave_be(driver.ledger, what, "another business")
    with driver.ledger.reading() as connection:
        did = connection.execute(select(audit_log.c.after).where(audit_log.c.action == "left_as_it_is"))
        (written,) = did.scalars()
    assert "credit:pi_never" in str(written)
    assert "another business" in str(written)

    # What becomes of a payment that was left is left with it.
    marked = next(one for one in driver.shop.charges() if one["payment_intent"] == strange)
    driver.claw_back("refund", charge=marked["id"], amount=1_200)
    driver.hear_all(driver.happened())
    for _ in range(2):
        digest = _later(driver, both, hours=24)
        assert digest.headline == "nothing is missing and nothing differs"
        assert digest.left == 3
    hand.credit(driver.wallet_id, unmarked, "it was for the wallet after all")
    assert _later(driver, both).left == 2
    for what, words in (("pi_never", "Nothing that is listed is called pi_never"), (" ", "Name what")):
        with pytest.raises(NotCredited, match=words):
            leave_be(driver.ledger, what, "again")


def test_news_that_only_wait_cannot_be_left(driver: BotDriver) -> None:
    """An outage is no reason to forget a payment."""
    intent, events = driver.paid()
    driver.shop.arm(match="GET /v1/*", mode="status", status=503, times=20)
    driver.hear_all(events)

    with pytest.raises(NotCredited):
        leave_be(driver.ledger, intent, "no")


def _refund_of_strange(driver: BotDriver) -> tuple[str, str]:
    """Have a refund parked of a payment that is parked itself; gives both."""
    driver.happened()
    strange = _strange(driver)
    driver.claw_back("refund", charge=driver.shop.charges()[-1]["id"], amount=700)
    events = driver.happened()
    driver.hear_all(events)
    driver.shop.clock.skip(hours=1)
    driver.news.handle_waiting(driver.ledger.now())
    (refund,) = {one.object_id for one in events if one.object_id.startswith("re_")}
    return strange, refund


def test_what_is_left_while_it_is_looked_at_stays_left(
    driver: BotDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look ends after the operator's word, and does not undo it."""
    _, refund = _refund_of_strange(driver)
    look = driver.gateway.refund

    def look_slowly(refund_id: str) -> Any:
        with suppress(NotCredited):
            leave_be(driver.ledger, refund, "meanwhile")
        return look(refund_id)

    monkeypatch.setattr(driver.gateway, "refund", look_slowly)
    driver.shop.clock.skip(hours=1)
    driver.news.handle_waiting(driver.ledger.now())

    assert refund not in {one.object_id for one in parked_news(driver.ledger)}


def test_a_refund_that_is_left_hides_nothing_of_its_payment(driver: BotDriver, both: Reconciliation) -> None:
    """Its news names the payment too; what is left is the refund alone."""
    strange, refund = _refund_of_strange(driver)

    assert leave_be(driver.ledger, refund, "x").startswith(
        f"Left as it is, and not listed any more: refund:{refund}."
    )
    assert [one.key for one in _later(driver, both).differences] == [f"credit:{strange}"]
    assert len(driver.told(MoneyParked)) == 2  # of the payment, and of its refund
