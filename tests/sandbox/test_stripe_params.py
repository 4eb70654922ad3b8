"""Requests that are not what Stripe takes: refused by name, with nothing done, whatever is wrong with them."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.slack_place import SettableClock, Stage
from tests.sandbox.stripe_place import ASKS_ALWAYS, KEY, Shop, any_params, line

NAMES = (
    "mode customer line_items payment_intent_data custom_text success_url expires_at currency metadata amount "
    "payment_method confirm off_session active restrictions invoice_settings limit types type created "
    "starting_after expand name reason charge payment_intent"
).split()
INSIDES = [
    "",
    "[]",
    "[0]",
    "[a]",
    "[²]",
    "[0][b]",
    "[gte]",
    "[metadata][k]",
    "[0][price_data][unit_amount]",
    "][",
]
VALUES = [
    "",
    "1",
    "-1",
    "true",
    "usd",
    "payment",
    "x" * 300,
    "é",
    "1e3",
    "99999999999999999999",
    "%ff",
    "%00",
]
ROUNDS = 400


@pytest.fixture
def shop(stage: Stage, clock: SettableClock, tmp_path: Path) -> Iterator[Shop]:
    """The stand-in, served."""
    made = Shop(stage, clock, tmp_path)
    yield made
    made.close()


def sent(shop: Shop, method: str, path: str, body: str, key: str | None = None) -> httpx.Response:
    """Send a request as it is."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-www-form-urlencoded"}
    if key is not None:
        headers["Idempotency-Key"] = key
    address = f"/stripe/v1{path}" + (f"?{body}" if method == "GET" else "")
    return shop.http.request(method, address, content=body if method == "POST" else None, headers=headers)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"payment_intent_data": {"colour": "red"}}, "payment_intent_data[colour]"),
        ({"line_items": [{**line(500), "colour": "red"}]}, "line_items[0][colour]"),
        ({"adaptive_pricing": {"enabled": "maybe"}}, "adaptive_pricing[enabled]"),
        ({"custom_text": {"submit": {"message": "x" * 1_201}}}, "custom_text[submit][message]"),
        ({"payment_intent_data": {"metadata": {"k": "v" * 501}}}, "payment_intent_data[metadata][k]"),
        ({"payment_intent_data": ["off_session"]}, "payment_intent_data"),
        ({"customer": {"id": "cus_1"}}, "customer"),
        ({"client_reference_id": "x" * 201}, "client_reference_id"),
        ({"ui_mode": "hosted"}, "ui_mode"),
    ],
)
def test_what_is_wrong_is_named_however_deep_it_is(shop: Shop, params: dict[str, Any], param: str) -> None:
    """As Stripe writes a parameter's place."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.page(**params)

    assert (caught.value.http_status, caught.value.param) == (400, param)
    assert shop.happened() == []


def test_a_refused_request_charged_nothing_and_left_its_key_free(shop: Shop) -> None:
    """What cannot be expanded is found after the charge, which is then undone."""
    customer, card = shop.saved_card()
    begun = shop.happened()
    body: dict[str, Any] = {"amount": 5_000, "currency": "usd", "customer": customer, "payment_method": card}
    body |= {"confirm": True, "off_session": True}

    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.api.payment_intents.create(
            any_params({**body, "expand": ["colour"]}), {"idempotency_key": "k-1"}
        )
    between = shop.charges()
    made = shop.api.payment_intents.create(
        any_params({**body, "expand": ["latest_charge"]}), {"idempotency_key": "k-1"}
    )

    assert caught.value.code == "property_cannot_be_expanded"
    assert between == []
    assert [one["payment_intent"] for one in shop.charges()] == [made.id]
    assert shop.happened()[len(begun) :] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


def test_no_garbage_makes_the_stand_in_stumble(shop: Shop) -> None:
    """Four hundred requests of names, shapes and values that do not belong together."""
    customer, card = shop.saved_card()
    page = shop.page().id
    paths = [
        "/customers",
        f"/customers/{customer}",
        "/checkout/sessions",
        f"/checkout/sessions/{page}/expire",
        "/payment_links",
        "/payment_intents",
        f"/payment_methods/{card}/detach",
        "/refunds",
        "/events",
        "/balance_transactions",
    ]
    chance = random.Random(7)  # noqa: S311 - a fixed seed, so that a failure comes again
    stumbled = []

    for _ in range(ROUNDS):
        pieces = [
            f"{chance.choice(NAMES)}{chance.choice(INSIDES)}={chance.choice(VALUES)}"
            for _ in range(chance.randint(0, 4))
        ]
        method, path, body = chance.choice(["GET", "POST"]), chance.choice(paths), "&".join(pieces)
        answer = sent(shop, method, path, body)
        if answer.status_code not in (200, 400, 404) or answer.headers["content-type"] != "application/json":
            stumbled.append((answer.status_code, method, path, body))

    assert stumbled == []
    assert shop.charges() == []


def test_a_receipt_follows_refunds_and_asks_no_other_host(shop: Shop) -> None:
    """Its address stays the same."""
    customer, card = shop.saved_card()
    paid = shop.intent(customer, card, confirm=True, off_session=True, expand=["latest_charge"])
    assert isinstance(paid.latest_charge, stripe.Charge)
    address = str(paid.latest_charge.receipt_url)

    before = shop.http.get(address)
    shop.api.refunds.create({"payment_intent": paid.id, "amount": 1_250})
    after = shop.http.get(address)

    assert "refunded" not in before.text
    assert "$12.50 refunded" in after.text
    assert "default-src 'self'" in after.headers["content-security-policy"]


def test_keys_have_a_length(shop: Shop) -> None:
    """255 characters are taken, one more is not."""
    assert sent(shop, "POST", "/customers", "name=a", "k" * 255).status_code == 200
    assert sent(shop, "POST", "/customers", "name=a", "k" * 256).status_code == 400


def test_a_bank_that_begins_to_ask_is_answered_by_the_holder(shop: Shop) -> None:
    """A card turned to ask fails without its holder, and pays on a page once confirmed."""
    customer, card = shop.saved_card()
    shop.arm(last4="4242", decline="authentication_required")

    with pytest.raises(stripe.CardError) as caught:
        shop.intent(customer, card, confirm=True, off_session=True)
    page = shop.page(customer=customer)
    asked = shop.pay(page)
    passed = shop.pay(page, authenticate=True)

    assert caught.value.code == "authentication_required"
    assert asked["needs_authentication"] is True
    assert passed["ok"] is True


def test_a_holder_who_says_no_is_an_attempt_that_failed(shop: Shop) -> None:
    """With an error of its own and no charge; the page stays open."""
    page = shop.page()

    shop.pay(page, ASKS_ALWAYS, authenticate=False)

    seen = shop.api.checkout.sessions.retrieve(page.id, any_params({"expand": ["payment_intent"]}))
    assert seen.status == "open"
    assert isinstance(seen.payment_intent, stripe.PaymentIntent)
    assert seen.payment_intent.last_payment_error is not None
    assert seen.payment_intent.last_payment_error.code == "payment_intent_authentication_failure"
    assert seen.payment_intent.latest_charge is None
    assert shop.happened() == ["payment_intent.created", "payment_intent.payment_failed"]


def test_a_card_that_is_removed_is_nobodys_default(shop: Shop) -> None:
    """The customer forgets it."""
    customer, card = shop.saved_card()
    shop.api.customers.update(customer, {"invoice_settings": {"default_payment_method": card}})

    shop.api.payment_methods.detach(card)

    settings = shop.api.customers.retrieve(customer).invoice_settings
    assert settings is not None
    assert settings.default_payment_method is None
