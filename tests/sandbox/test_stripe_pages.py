"""Payers on the hosted pages, seen by the real library."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import stripe

from tests.sandbox.slack_place import SettableClock, Stage
from tests.sandbox.stripe_place import (
    ASKS_ALWAYS,
    LOST,
    MASTERCARD,
    NO_MONEY,
    SAVED_THEN_DECLINED,
    VISA,
    Shop,
    any_params,
)


@pytest.fixture
def shop(stage: Stage, clock: SettableClock, tmp_path: Path) -> Iterator[Shop]:
    """The stand-in, served."""
    made = Shop(stage, clock, tmp_path)
    yield made
    made.close()


def test_a_paid_page_is_complete_and_has_its_intent(shop: Shop) -> None:
    """Nothing is there before, and everything after."""
    page = shop.page(payment_intent_data={"metadata": {"order": "7"}, "description": "Top-up RB-1"})
    assert page.url is not None
    assert page.url.startswith(f"{shop.base_url}/stripe/checkout/{page.id}#")
    assert len(page.url) > 400
    assert page.payment_intent is None

    answer = shop.pay(page)

    seen = shop.api.checkout.sessions.retrieve(
        page.id, any_params({"expand": ["payment_intent.latest_charge"]})
    )
    assert (answer["ok"], answer["state"], answer["redirect"]) == (
        True,
        "complete",
        "https://shop.example/thanks",
    )
    assert (seen.status, seen.payment_status, seen.url) == ("complete", "paid", None)
    intent = seen.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert (intent.status, intent.amount_received, intent.currency) == ("succeeded", 5_000, "usd")
    assert intent.metadata.to_dict() == {"order": "7"}
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert intent.latest_charge.receipt_url == answer["receipt_url"]
    assert shop.http.get(answer["receipt_url"]).text.count("$50.00") == 1


def test_events_of_a_paid_page_come_in_the_usual_order(shop: Shop) -> None:
    """Money first, the page last."""
    customer = shop.api.customers.create({"name": "Northwind"}).id
    page = shop.page(customer=customer, payment_intent_data={"setup_future_usage": "off_session"})

    shop.pay(page)

    assert shop.happened() == [
        "customer.created",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "payment_method.attached",
        "checkout.session.completed",
    ]


def test_a_page_that_saves_the_card_leaves_it_on_the_customer(shop: Shop) -> None:
    """And the card can be charged without its holder from then on."""
    customer = shop.api.customers.create({"name": "Northwind"}).id
    page = shop.page(customer=customer, payment_intent_data={"setup_future_usage": "off_session"})
    assert shop.see(page)["save_card"] is True

    shop.pay(page, MASTERCARD)

    card = shop.api.payment_methods.list({"customer": customer, "type": "card"}).data[0]
    assert card.card is not None
    assert (card.card.brand, card.card.last4, card.card.exp_month, card.card.exp_year) == (
        "mastercard",
        "4444",
        12,
        2034,
    )
    again = shop.intent(customer, card.id, confirm=True, off_session=True)
    assert again.status == "succeeded"


def test_a_setup_page_saves_the_card_and_charges_nothing(shop: Shop) -> None:
    """The card hangs on the SetupIntent; the same number has the same fingerprint."""
    customer = shop.api.customers.create({"name": "Northwind"}).id
    page = shop.setup_page(customer)
    other = shop.setup_page(customer)

    answer = shop.pay(page)
    shop.pay(other)

    expand = any_params({"expand": ["setup_intent.payment_method"]})
    seen = shop.api.checkout.sessions.retrieve(page.id, expand).setup_intent
    second = shop.api.checkout.sessions.retrieve(other.id, expand).setup_intent
    assert isinstance(seen, stripe.SetupIntent)
    assert isinstance(second, stripe.SetupIntent)
    assert (seen.status, seen.metadata and seen.metadata.to_dict()) == ("succeeded", {"order": "7"})
    assert isinstance(seen.payment_method, stripe.PaymentMethod)
    assert isinstance(second.payment_method, stripe.PaymentMethod)
    assert seen.payment_method.customer == customer
    assert seen.payment_method.card is not None
    assert second.payment_method.card is not None
    assert seen.payment_method.card.fingerprint == second.payment_method.card.fingerprint
    assert answer["receipt_url"] is None
    assert shop.charges() == []


def test_a_declined_card_leaves_the_page_open_for_another(shop: Shop) -> None:
    """One intent, two charges, one of them paid."""
    page = shop.page()

    declined = shop.pay(page, NO_MONEY)
    seen = shop.api.checkout.sessions.retrieve(page.id)
    paid = shop.pay(page, VISA)

    assert declined["ok"] is False
    assert declined["state"] == "open"
    assert declined["error"]["message"] == "Your card has insufficient funds."
    assert declined["error"]["decline_code"] == "insufficient_funds"
    assert seen.status == "open"
    assert paid["ok"] is True
    assert shop.api.checkout.sessions.retrieve(page.id).payment_intent == seen.payment_intent
    assert shop.happened() == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


def test_a_lost_card_is_not_called_lost_to_its_holder(shop: Shop) -> None:
    """A thief learns nothing."""
    answer = shop.pay(shop.page(), LOST)

    assert answer["error"]["message"] == "Your card was declined."


def test_a_bank_that_asks_is_answered_on_the_page(shop: Shop) -> None:
    """First the question, then no, then yes."""
    page = shop.page()

    asked = shop.pay(page, ASKS_ALWAYS)
    refused = shop.pay(page, ASKS_ALWAYS, authenticate=False)
    passed = shop.pay(page, ASKS_ALWAYS, authenticate=True)

    assert asked["needs_authentication"] is True
    assert (refused["ok"], refused["state"]) == (False, "open")
    assert passed["ok"] is True
    assert len(shop.charges()) == 1


def test_a_card_that_fails_later_can_be_saved(shop: Shop) -> None:
    """A declining card cannot."""
    customer = shop.api.customers.create({"name": "Northwind"}).id
    page = shop.setup_page(customer)

    refused = shop.pay(page, NO_MONEY)
    saved = shop.pay(page, SAVED_THEN_DECLINED)

    assert refused["ok"] is False
    assert saved["ok"] is True
    assert "setup_intent.setup_failed" in shop.happened()


def test_pressing_twice_pays_once(shop: Shop) -> None:
    """Even when both presses arrive at the same moment."""
    page = shop.page()

    with ThreadPoolExecutor(4) as people:
        answers = list(people.map(lambda _: shop.pay(page), range(4)))

    assert all(answer["ok"] for answer in answers)
    assert len(shop.charges()) == 1
    assert shop.happened().count("checkout.session.completed") == 1


def test_a_link_for_one_payment_is_closed_by_it(shop: Shop) -> None:
    """The second payer reads why."""
    link = shop.link(metadata={"order": "7"}, payment_intent_data={"metadata": {"order": "7"}})
    assert link.url.startswith(f"{shop.base_url}/stripe/pay/")
    assert len(link.url) < 70
    seen = shop.see(link)
    assert (seen["state"], seen["amount_text"], seen["wire"]) == ("open", "$50.00", link.id)

    first = shop.pay(link)
    second = shop.pay(link)

    assert first["ok"] is True
    assert (second["ok"], second["state"], second["error"]["message"]) == (
        False,
        "inactive",
        "This was paid.",
    )
    assert shop.api.payment_links.retrieve(link.id).active is False
    assert len(shop.charges()) == 1
    assert shop.see(link)["receipt_url"] == first["receipt_url"]


def test_the_pages_behind_a_link_are_found_by_it(shop: Shop) -> None:
    """Only those, with the link's metadata and their intents."""
    link = shop.link(metadata={"order": "7"}, payment_intent_data={"metadata": {"order": "7"}}, limit=None)
    other = shop.link()
    shop.pay(other)
    shop.pay(link)
    shop.pay(link)

    found = shop.api.checkout.sessions.list({"payment_link": link.id, "limit": 100}).data

    assert [one.payment_link for one in found] == [link.id, link.id]
    assert [one.metadata and one.metadata.to_dict() for one in found] == [{"order": "7"}] * 2
    for one in found:
        intent = shop.api.payment_intents.retrieve(str(one.payment_intent))
        assert intent.metadata.to_dict() == {"order": "7"}
    assert len({one.payment_intent for one in found}) == 2


def test_a_link_that_was_taken_back_refuses_payers(shop: Shop) -> None:
    """Nothing is charged."""
    link = shop.link()

    after = shop.api.payment_links.update(link.id, {"active": False})
    answer = shop.pay(link)

    assert after.active is False
    assert answer["state"] == "inactive"
    assert shop.see(link)["state"] == "inactive"
    assert shop.charges() == []


def test_a_page_lapses_by_the_clock(shop: Shop, clock: SettableClock) -> None:
    """Whoever looks first finds it expired, and it says so once."""
    expires = int((clock.now() + timedelta(minutes=30)).timestamp())
    page = shop.page(expires_at=expires)

    clock.skip(minutes=30)
    answer = shop.pay(page)
    shop.stand_in.sweep()

    seen = shop.api.checkout.sessions.retrieve(page.id)
    assert answer["state"] == "expired"
    assert (seen.status, seen.url) == ("expired", None)
    assert shop.happened() == ["checkout.session.expired"]
    assert shop.charges() == []


def test_the_sweep_lets_pages_lapse_that_nobody_looks_at(shop: Shop, clock: SettableClock) -> None:
    """The event comes without a visitor."""
    shop.page()

    clock.skip(hours=23, minutes=59)
    shop.stand_in.sweep()
    before = shop.happened()
    clock.skip(minutes=1)
    shop.stand_in.sweep()

    assert before == []
    assert shop.happened() == ["checkout.session.expired"]


def test_a_page_can_be_taken_back_once(shop: Shop) -> None:
    """A page that is over cannot."""
    page = shop.page()

    assert shop.api.checkout.sessions.expire(page.id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError, match="status of open"):
        shop.api.checkout.sessions.expire(page.id)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"number": "4111 1111 1111 1111"}, "not one of the test cards"),
        ({"number": "４２４２ ４２４２ ４２４２ ４２４２"}, "not one of the test cards"),
        ({"exp": "13/34"}, "not valid"),
        ({"exp": "10/26"}, "in the past"),
        ({"exp": ""}, "not valid"),
    ],
)
def test_what_is_no_card_is_not_taken(shop: Shop, form: dict[str, str], words: str) -> None:
    """Least of all a real one."""
    answer = shop.pay(shop.page(), **form)

    assert words in answer["error"]["message"]
    assert shop.charges() == []


def test_pages_and_links_that_never_were_are_not_found(shop: Shop) -> None:
    """In words."""
    assert shop.http.get("/sandbox/api/checkout/cs_test_nothing").status_code == 404
    assert shop.http.get("/sandbox/api/link/nothing").status_code == 404
    assert shop.http.get("/stripe/receipts/ch_nothing").status_code == 404


def test_the_hosted_page_is_served_at_both_addresses(shop: Shop) -> None:
    """The address carries which one it is."""
    for target in (shop.page().url, shop.link().url):
        answer = shop.http.get(str(target))
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
