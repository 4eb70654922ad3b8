"""What an operator settles by hand: credited once and found by refunds and disputes, or left and not listed again."""

from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select

from bot.app import use_cases_of
from bot.notices import ManuallyCredited, MoneyParked, RefundBooked
from bot.payments.sync import Sync
from bot.reconciliation.manual_credit import ManualCredit, leave_be
from bot.reconciliation.open_differences import NotCredited, parked_news
from bot.reconciliation.run import Reconciliation
from bot.served import Served
from ledger import Automatic, CreditKind, PostMoney, history, verify_books
from ledger.storage.schema import audit_log
from tests.faults.desk import DOLLARS, Desk, automatic, open_beside, rule_on

DISPUTED = "4000 0000 0000 0259"
WHY = "the invoice of October"


@pytest.fixture
def both(desk: Desk) -> Reconciliation:
    """The comparison of the two sides."""
    return use_cases_of(desk.ledger, desk.gateway, Served(None)).reconciliation


@pytest.fixture
def hand(desk: Desk) -> ManualCredit:
    """The operator's hand."""
    return use_cases_of(desk.ledger, desk.gateway, Served(None)).manual_credit


def _unmarked(desk: Desk, number: str = "4242 4242 4242 4242", **more: Any) -> str:
    """Have our customer pay $30 on a page that somebody made in Stripe; gives the intent."""
    page = desk.payments.offer_page(desk.wallet_id, DOLLARS, asked_by="U1", saves_card=False)
    customer = desk.shop.api.checkout.sessions.retrieve(page.session_id).customer
    assert isinstance(customer, str)
    assert desk.shop.pay(desk.shop.page(3_000, customer=customer, **more), number)["ok"]
    return str(desk.shop.charges()[-1]["payment_intent"])


def _strange(desk: Desk) -> str:
    """Have $50 paid under our mark for a payment that is not here, as after a backup was put back."""
    marks = {
        "redbar_install": use_cases_of(desk.ledger, desk.gateway, Served(None)).reconciliation._install,
        "redbar_wallet": str(desk.wallet_id),
        "redbar_ref": "RB-9",
        "redbar_payment": "0199d3a0-0000-7000-8000-000000000000",
    }
    assert desk.shop.pay(desk.shop.link(payment_intent_data={"metadata": marks}))["ok"]
    return str(desk.shop.charges()[-1]["payment_intent"])


def _kinds(desk: Desk) -> list[tuple[str, int]]:
    with desk.ledger.reading() as connection:
        assert verify_books(connection) == []
        page = history(connection, desk.wallet_id, limit=50)
    return [(row.kind, row.amount_micros // 1_000_000) for row in reversed(page)]


def _later(desk: Desk, both: Reconciliation, **time: int) -> Any:
    desk.shop.clock.skip(**(time or {"minutes": 10}))
    return both.run(desk.ledger.now())


def test_what_a_customer_paid_without_our_mark_is_put_into_the_wallet(
    desk: Desk, both: Reconciliation, hand: ManualCredit
) -> None:
    """Once, as a payment of its own that people are told of; the comparison agrees from then on."""
    intent = _unmarked(desk)
    assert [one.key for one in _later(desk, both).differences] == [f"credit:{intent}"]

    words = hand.credit(desk.wallet_id, intent, WHY)

    assert words == f"$30.00 of {intent} is in the wallet as RB-1002. The balance is $30.00."
    assert _kinds(desk) == [("top_up", 30)]
    assert len(desk.told(ManuallyCredited)) == 1
    with pytest.raises(NotCredited, match=r"is RB-1002's, which is paid\. Nothing more was booked"):
        hand.credit(desk.wallet_id, intent, WHY)
    digest = _later(desk, both)
    assert (digest.differences, digest.healed) == ([], [])
    assert _kinds(desk) == [("top_up", 30)]


def test_what_was_parked_is_handled_once_it_is_credited(
    desk: Desk, both: Reconciliation, hand: ManualCredit
) -> None:
    """The piece of news that could not be booked finds its payment the next time that it is tried."""
    desk.happened()
    intent = _strange(desk)
    desk.hear_all(desk.happened())
    desk.shop.clock.skip(hours=1)
    desk.news.handle_waiting(desk.ledger.now())
    digest = _later(desk, both)
    assert (len(digest.parked), len(digest.differences)) == (2, 1)  # of its page, and its own

    hand.credit(desk.wallet_id, intent, WHY)
    desk.shop.clock.skip(hours=5)
    desk.news.handle_waiting(desk.ledger.now())

    digest = _later(desk, both)
    assert (digest.parked, digest.differences) == ([], [])
    assert _kinds(desk) == [("top_up", 50)]
    assert len(desk.told(MoneyParked)) == 1


@pytest.mark.parametrize("heard", ["news", "comparison"])
def test_a_refund_of_it_is_booked_like_any_other(
    desk: Desk, both: Reconciliation, hand: ManualCredit, heard: str
) -> None:
    """By the news of it, and by the nightly comparison where that was lost."""
    intent = _unmarked(desk)
    hand.credit(desk.wallet_id, intent, WHY)
    desk.happened()
    desk.claw_back("refund", charge=desk.shop.charges()[-1]["id"], amount=1_200)

    if heard == "news":
        desk.hear_all(desk.happened())
    digest = _later(desk, both)

    assert digest.differences == []
    assert _kinds(desk) == [("top_up", 30), ("refund", -12)]
    assert len(desk.told(RefundBooked)) == 1


def test_a_dispute_of_it_is_booked_like_any_other(
    desk: Desk, both: Reconciliation, hand: ManualCredit
) -> None:
    """The cardholder's bank takes it back after it was credited."""
    intent = _unmarked(desk)
    hand.credit(desk.wallet_id, intent, WHY)
    desk.happened()
    desk.claw_back("dispute", charge=desk.shop.charges()[-1]["id"])

    desk.hear_all(desk.happened())

    assert _kinds(desk) == [("top_up", 30), ("dispute_withdrawn", -30)]
    assert _later(desk, both).differences == []


@pytest.mark.parametrize("number", ["4242 4242 4242 4242", DISPUTED])
def test_what_was_given_back_before_is_not_credited(desk: Desk, hand: ManualCredit, number: str) -> None:
    """Its refund may be older than what the comparison lists, and would never be booked."""
    intent = _unmarked(desk, number)
    if number != DISPUTED:
        desk.claw_back("refund", charge=desk.shop.charges()[-1]["id"], amount=1_200)
    desk.hear_all(desk.happened())

    with pytest.raises(NotCredited, match="was given back at Stripe, in part or whole, or is disputed"):
        hand.credit(desk.wallet_id, intent, WHY)
    assert _kinds(desk) == []


def test_no_two_wallets_are_credited(desk: Desk, hand: ManualCredit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second operator saw the payment before the first had credited it."""
    second = open_beside(desk.ledger, "T2")
    intent = _unmarked(desk)
    hand.credit(desk.wallet_id, intent, WHY)
    monkeypatch.setattr(Sync, "hear_intent", lambda self, seen: None)

    with pytest.raises(NotCredited, match="was credited to wallet"):
        hand.credit(second, intent, WHY)
    with pytest.raises(NotCredited, match="is in the wallet already"):
        hand.credit(desk.wallet_id, intent, WHY)
    assert _kinds(desk) == [("top_up", 30)]


def test_only_money_that_came_can_be_credited(desk: Desk, hand: ManualCredit) -> None:
    """Each refusal says why, and books nothing."""
    own, events = desk.paid()
    desk.hear_all(events)
    customer, card = desk.shop.saved_card()
    unpaid = desk.shop.api.payment_intents.create(
        {"amount": 500, "currency": "usd", "customer": customer, "payment_method": card}
    ).id
    euros = _unmarked(desk, line_items=[_euros()])
    for what, words in (
        (own, r"is RB-1001's, which is paid"),
        (unpaid, "no money came by it"),
        ("pi_nothing", "Stripe knows no payment pi_nothing"),
        ("re_1", "name it as Stripe does, pi_"),
        (euros, "was paid in EUR, and the wallet is in USD"),
    ):
        with pytest.raises(NotCredited, match=words):
            hand.credit(desk.wallet_id, what, WHY)
    desk.shop.arm(match="GET /v1/payment_intents/*", mode="status", status=503)
    with pytest.raises(NotCredited, match="Stripe could not be asked"):
        hand.credit(desk.wallet_id, euros, WHY)

    assert _kinds(desk) == [("top_up", 20)]


def _euros() -> dict[str, Any]:
    price = {"currency": "eur", "unit_amount": 3_000, "product_data": {"name": "x"}}
    return {"price_data": price, "quantity": 1}


def test_what_is_left_is_not_listed_again(desk: Desk, both: Reconciliation, hand: ManualCredit) -> None:
    """A payment that was not for the wallet, news of another, and a transfer that Stripe knows nothing of."""
    rule_on(desk)
    unmarked = _unmarked(desk)
    desk.happened()
    strange = _strange(desk)
    desk.hear_all(desk.happened())
    desk.shop.clock.skip(hours=1)
    desk.news.handle_waiting(desk.ledger.now())
    invented = PostMoney("stripe", "credit:pi_never", CreditKind.TOP_UP, 5_000_000, None)
    desk.ledger.carry_out(desk.wallet_id, [invented])

    said = leave_be(desk.ledger, strange, "was given back in Stripe")  # before the night has found it
    assert said.startswith(f"Left as it is, and not listed any more: credit:{strange}. ")
    first = _later(desk, both)
    assert sorted(one.key for one in first.differences) == sorted([f"credit:{unmarked}", "credit:pi_never"])
    assert first.parked == []
    assert automatic(desk) is Automatic.PAUSED
    for what in (unmarked, "credit:pi_never"):
        leave_be(desk.ledger, what, "another business")
    with desk.ledger.reading() as connection:
        did = connection.execute(select(audit_log.c.after).where(audit_log.c.action == "left_as_it_is"))
        (written,) = did.scalars()
    assert "credit:pi_never" in str(written)
    assert "another business" in str(written)

    # What becomes of a payment that was left is left with it.
    marked = next(one for one in desk.shop.charges() if one["payment_intent"] == strange)
    desk.claw_back("refund", charge=marked["id"], amount=1_200)
    desk.hear_all(desk.happened())
    for _ in range(2):
        digest = _later(desk, both, hours=24)
        assert digest.headline == "nothing is missing and nothing differs"
        assert digest.left == 3
    hand.credit(desk.wallet_id, unmarked, "it was for the wallet after all")
    assert _later(desk, both).left == 2
    for what, words in (("pi_never", "Nothing that is listed is called pi_never"), (" ", "Name what")):
        with pytest.raises(NotCredited, match=words):
            leave_be(desk.ledger, what, "again")


def test_news_that_only_wait_cannot_be_left(desk: Desk) -> None:
    """An outage is no reason to forget a payment."""
    intent, events = desk.paid()
    desk.shop.arm(match="GET /v1/*", mode="status", status=503, times=20)
    desk.hear_all(events)

    with pytest.raises(NotCredited):
        leave_be(desk.ledger, intent, "no")


def _refund_of_strange(desk: Desk) -> tuple[str, str]:
    """Have a refund parked of a payment that is parked itself; gives both."""
    desk.happened()
    strange = _strange(desk)
    desk.claw_back("refund", charge=desk.shop.charges()[-1]["id"], amount=700)
    events = desk.happened()
    desk.hear_all(events)
    desk.shop.clock.skip(hours=1)
    desk.news.handle_waiting(desk.ledger.now())
    (refund,) = {one.object_id for one in events if one.object_id.startswith("re_")}
    return strange, refund


def test_what_is_left_while_it_is_looked_at_stays_left(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look ends after the operator's word, and does not undo it."""
    _, refund = _refund_of_strange(desk)
    look = desk.gateway.refund

    def look_slowly(refund_id: str) -> Any:
        with suppress(NotCredited):
            leave_be(desk.ledger, refund, "meanwhile")
        return look(refund_id)

    monkeypatch.setattr(desk.gateway, "refund", look_slowly)
    desk.shop.clock.skip(hours=1)
    desk.news.handle_waiting(desk.ledger.now())

    assert refund not in {one.object_id for one in parked_news(desk.ledger)}


def test_a_refund_that_is_left_hides_nothing_of_its_payment(desk: Desk, both: Reconciliation) -> None:
    """Its news names the payment too; what is left is the refund alone."""
    strange, refund = _refund_of_strange(desk)

    assert leave_be(desk.ledger, refund, "x").startswith(
        f"Left as it is, and not listed any more: refund:{refund}."
    )
    assert [one.key for one in _later(desk, both).differences] == [f"credit:{strange}"]
    assert len(desk.told(MoneyParked)) == 2  # of the payment, and of its refund
