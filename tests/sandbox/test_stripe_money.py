"""Charges of saved cards, declines, refunds and lists, seen by the real library."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.sandbox.slack_place import SettableClock, Stage
from tests.sandbox.stripe_place import (
    ASKS_ALWAYS,
    ASKS_ONCE,
    SAVED_THEN_DECLINED,
    Shop,
    any_params,
    line,
)


@pytest.fixture
def shop(stage: Stage, clock: SettableClock, tmp_path: Path) -> Iterator[Shop]:
    """The stand-in, served."""
    made = Shop(stage, clock, tmp_path)
    yield made
    made.close()


def confirmed(shop: Shop, intent: str, card: str) -> stripe.PaymentIntent:
    """Charge a saved card as the product does."""
    params = {"off_session": True, "payment_method": card, "expand": ["latest_charge"]}
    return shop.api.payment_intents.confirm(intent, any_params(params))


def test_a_saved_card_is_charged_in_two_steps(shop: Shop) -> None:
    """Nothing moves before the second."""
    customer, card = shop.saved_card()

    intent = shop.intent(customer, card, metadata={"order": "7"}, description="Top-up")
    before = shop.charges()
    done = confirmed(shop, intent.id, card)

    assert intent.status == "requires_confirmation"
    assert before == []
    assert (done.status, done.amount_received) == ("succeeded", 5_000)
    assert isinstance(done.latest_charge, stripe.Charge)
    assert done.latest_charge.receipt_url
    assert done.latest_charge.payment_intent == intent.id
    assert done.metadata.to_dict() == {"order": "7"}
    assert [one["id"] for one in shop.charges()] == [done.latest_charge.id]


def test_an_intent_shows_its_card_when_asked(shop: Shop) -> None:
    """Expanded in place, two at once."""
    customer, card = shop.saved_card()
    done = confirmed(shop, shop.intent(customer, card).id, card)

    seen = shop.api.payment_intents.retrieve(
        done.id, any_params({"expand": ["latest_charge", "payment_method"]})
    )

    assert isinstance(seen.payment_method, stripe.PaymentMethod)
    assert seen.payment_method.card is not None
    assert seen.payment_method.card.last4 == "4242"


@pytest.mark.parametrize(
    ("method", "code", "decline", "advice"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline", None),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", "try_again_later"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card", "do_not_try_again"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card", "do_not_try_again"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", "confirm_card_data"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc", "confirm_card_data"),
        (
            "pm_card_chargeDeclinedProcessingError",
            "processing_error",
            "processing_error",
            "try_again_later",
        ),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required", None),
    ],
)
def test_a_decline_comes_as_an_error_with_the_whole_intent(
    shop: Shop, method: str, code: str, decline: str, advice: str | None
) -> None:
    """Code, decline code and advice; the intent can be tried again with another card."""
    with pytest.raises(stripe.CardError) as caught:
        shop.api.payment_intents.create(
            any_params(
                {
                    "amount": 5_000,
                    "currency": "usd",
                    "payment_method": method,
                    "confirm": True,
                    "off_session": True,
                    "metadata": {"order": "7"},
                }
            )
        )

    error: Any = caught.value.error
    assert (caught.value.http_status, caught.value.code) == (402, code)
    assert (error.type, error.decline_code, getattr(error, "advice_code", None)) == (
        "card_error",
        decline,
        advice,
    )
    assert error.payment_intent.status == "requires_payment_method"
    assert error.payment_intent.metadata.to_dict() == {"order": "7"}
    seen = shop.api.payment_intents.retrieve(error.payment_intent.id)
    assert seen.last_payment_error is not None
    assert seen.last_payment_error.decline_code == decline
    charge = shop.api.charges.retrieve(error.charge)
    assert (charge.status, charge.paid, charge.receipt_url) == ("failed", False, None)
    assert shop.charges() == []


def test_a_card_that_was_saved_can_still_fail(shop: Shop) -> None:
    """The event order of a charge without its holder."""
    customer, card = shop.saved_card(SAVED_THEN_DECLINED)
    intent = shop.intent(customer, card)
    begun = len(shop.happened())

    with pytest.raises(stripe.CardError):
        confirmed(shop, intent.id, card)

    assert shop.happened()[begun:] == ["charge.failed", "payment_intent.payment_failed"]


def test_a_bank_that_asks_every_time_refuses_without_the_holder(shop: Shop) -> None:
    """A bank that asks once is content."""
    customer, card = shop.saved_card(ASKS_ALWAYS)
    other, second = shop.saved_card(ASKS_ONCE)

    with pytest.raises(stripe.CardError) as caught:
        confirmed(shop, shop.intent(customer, card).id, card)

    assert caught.value.code == "authentication_required"
    assert confirmed(shop, shop.intent(other, second).id, second).status == "succeeded"


def test_a_holder_who_is_there_is_asked(shop: Shop) -> None:
    """Without off_session the intent waits for action instead of failing."""
    customer, card = shop.saved_card(ASKS_ALWAYS)

    waiting = shop.api.payment_intents.confirm(shop.intent(customer, card).id)

    assert waiting.status == "requires_action"
    assert shop.happened()[-1] == "payment_intent.requires_action"


def test_a_card_can_be_turned_bad_by_its_last_digits(shop: Shop) -> None:
    """And good again."""
    customer, card = shop.saved_card()

    shop.arm(last4="4242", decline="insufficient_funds")
    with pytest.raises(stripe.CardError):
        confirmed(shop, shop.intent(customer, card).id, card)
    shop.arm(last4="4242", decline="")

    assert confirmed(shop, shop.intent(customer, card).id, card).status == "succeeded"


def test_a_cancelled_intent_never_charges(shop: Shop) -> None:
    """And a paid one cannot be cancelled."""
    customer, card = shop.saved_card()
    intent = shop.intent(customer, card)
    paid = confirmed(shop, shop.intent(customer, card).id, card)

    gone = shop.api.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})

    assert (gone.status, gone.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe.InvalidRequestError) as after:
        confirmed(shop, intent.id, card)
    with pytest.raises(stripe.InvalidRequestError) as late:
        shop.api.payment_intents.cancel(paid.id)
    assert after.value.code == late.value.code == "payment_intent_unexpected_state"
    assert len(shop.charges()) == 1


def test_a_detached_card_is_gone_for_good(shop: Shop) -> None:
    """It belongs to nobody and pays nothing."""
    customer, card = shop.saved_card()
    intent = shop.intent(customer, card)

    gone = shop.api.payment_methods.detach(card)

    assert gone.customer is None
    assert shop.api.payment_methods.list({"customer": customer, "type": "card"}).data == []
    with pytest.raises(stripe.InvalidRequestError) as used:
        confirmed(shop, intent.id, card)
    assert used.value.code == "payment_method_unusable"
    with pytest.raises(stripe.InvalidRequestError):
        shop.api.payment_methods.detach(card)
    assert shop.happened().count("payment_method.detached") == 1


def test_a_card_of_another_customer_cannot_be_charged(shop: Shop) -> None:
    """Whoever knows its id."""
    _, card = shop.saved_card()
    stranger = shop.api.customers.create({"name": "Stranger"}).id

    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intent(stranger, card)

    assert caught.value.code == "payment_method_customer_mismatch"


def test_a_customer_is_changed_key_by_key(shop: Shop) -> None:
    """Metadata merges; an empty value removes its key."""
    made = shop.api.customers.create({"name": "Northwind", "metadata": {"a": "1", "b": "2"}})

    shop.api.customers.update(
        made.id, {"email": "billing@northwind.example", "metadata": {"b": "", "c": "3"}}
    )

    seen = shop.api.customers.retrieve(made.id)
    assert (seen.name, seen.email) == ("Northwind", "billing@northwind.example")
    assert seen.metadata is not None
    assert seen.metadata.to_dict() == {"a": "1", "c": "3"}


def test_intents_are_listed_by_customer_newest_first(shop: Shop, clock: SettableClock) -> None:
    """Through all pages, from an instant on."""
    customer, card = shop.saved_card()
    old = shop.intent(customer, card)
    clock.skip(hours=1)
    since = int(clock.now().timestamp())
    made = [shop.intent(customer, card).id for _ in range(3)]
    other, second = shop.saved_card()
    shop.intent(other, second)

    params = {"customer": customer, "created": {"gte": since}, "limit": 2, "expand": ["data.latest_charge"]}
    found = shop.api.payment_intents.list(any_params(params))

    assert [one.id for one in found.auto_paging_iter()] == list(reversed(made))
    everything = shop.api.payment_intents.list({"customer": customer}).data
    assert [one.id for one in everything] == [*reversed(made), old.id]


def test_money_is_given_back_in_parts_and_never_twice(shop: Shop) -> None:
    """The rest is the default; more than the rest is refused."""
    customer, card = shop.saved_card()
    paid = confirmed(shop, shop.intent(customer, card).id, card)

    first = shop.api.refunds.create({"payment_intent": paid.id, "amount": 2_000, "metadata": {"order": "7"}})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        shop.api.refunds.create({"payment_intent": paid.id, "amount": 3_001})
    rest = shop.api.refunds.create({"payment_intent": paid.id, "reason": "requested_by_customer"})
    with pytest.raises(stripe.InvalidRequestError) as over:
        shop.api.refunds.create({"payment_intent": paid.id})

    assert (first.status, first.amount, rest.amount) == ("succeeded", 2_000, 3_000)
    assert over.value.code == "charge_already_refunded"
    assert [one.id for one in shop.api.refunds.list({"payment_intent": paid.id}).data] == [rest.id, first.id]
    assert shop.api.refunds.retrieve(first.id).payment_intent == paid.id
    assert isinstance(paid.latest_charge, stripe.Charge)
    charge = shop.api.charges.retrieve(paid.latest_charge.id)
    assert (charge.amount_refunded, charge.refunded) == (5_000, True)
    assert shop.happened()[-2:] == ["charge.refunded", "refund.created"]


def test_the_balance_is_the_sum_of_what_moved(shop: Shop) -> None:
    """Charges in, refunds out, each with its source."""
    customer, card = shop.saved_card()
    paid = confirmed(shop, shop.intent(customer, card).id, card)
    shop.api.refunds.create({"payment_intent": paid.id, "amount": 2_000})

    found = shop.api.balance_transactions.list(any_params({"expand": ["data.source"]})).data

    assert [(one.type, one.amount) for one in found] == [("refund", -2_000), ("charge", 5_000)]
    assert isinstance(found[0].source, stripe.Refund)


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (49, "usd", "amount_too_small"),
        (29, "gbp", "amount_too_small"),
        (17_499, "huf", "amount_too_small"),
        (100_000_000, "usd", "amount_too_large"),
        ("12.5", "usd", "parameter_invalid_integer"),
        (1_001, "kwd", "parameter_invalid_integer"),
    ],
)
def test_amounts_outside_the_rules_are_refused(
    shop: Shop, amount: int | str, currency: str, code: str
) -> None:
    """Whole numbers of minor units within the currency's bounds."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.api.payment_intents.create(any_params({"amount": amount, "currency": currency}))

    assert (caught.value.http_status, caught.value.code) == (400, code)


def test_the_smallest_amounts_are_taken(shop: Shop) -> None:
    """The bounds belong to the rules."""
    for amount, currency in ((50, "usd"), (30, "gbp"), (50, "jpy"), (99_999_999, "eur")):
        made = shop.api.payment_intents.create({"amount": amount, "currency": currency})
        assert (made.amount, made.currency) == (amount, currency)


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"payment_method_types": ["card"]}, "payment_method_types_no_longer_supported", None),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"line_items": ""}, "parameter_missing", "line_items"),
        ({"success_url": ""}, "parameter_missing", "success_url"),
        ({"mode": "gift"}, None, "mode"),
        ({"customer": "cus_nobody"}, "resource_missing", None),
        ({"expires_at": 1}, None, "expires_at"),
        ({"metadata": {"k" * 41: "v"}}, None, None),
        ({"line_items": [{**line(5_000), "quantity": 0}]}, None, None),
        ({"line_items": [line(49)]}, "amount_too_small", None),
    ],
)
def test_a_page_that_makes_no_sense_is_refused(
    shop: Shop, params: dict[str, Any], code: str | None, param: str | None
) -> None:
    """With Stripe's code and the parameter's name."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.page(**params)

    assert caught.value.code == code
    assert param is None or caught.value.param == param
    assert shop.happened() == []


def test_what_is_not_there_is_named(shop: Shop) -> None:
    """An object, a property to expand, an address."""
    with pytest.raises(stripe.InvalidRequestError) as gone:
        shop.api.payment_intents.retrieve("pi_nothing")
    with pytest.raises(stripe.InvalidRequestError) as odd:
        shop.api.checkout.sessions.retrieve(shop.page().id, {"expand": ["colour"]})
    with pytest.raises(stripe.InvalidRequestError) as where:
        shop.stripe.raw_request("get", "/v1/colours")

    assert (gone.value.http_status, gone.value.code) == (404, "resource_missing")
    assert odd.value.code == "property_cannot_be_expanded"
    assert where.value.http_status == 404


def test_another_key_opens_nothing(shop: Shop) -> None:
    """And is not written down."""
    transport = stripe.RequestsClient(timeout=10)
    thief = stripe.StripeClient(
        "sk_test_stolen",
        max_network_retries=0,
        base_addresses={"api": f"{shop.base_url}/stripe"},
        http_client=transport,
    )

    with pytest.raises(stripe.AuthenticationError):
        thief.v1.customers.create({"name": "x"})

    transport.close()  # type: ignore[no-untyped-call]
    assert "sk_test_stolen" not in shop.wire.text()
    assert shop.wire.entries()[-1]["status"] == 401


def test_the_account_says_who_it_is(shop: Shop) -> None:
    """A harmless read that tells whether the key is right."""
    assert shop.api.accounts.retrieve_current().default_currency == "usd"


def test_everything_that_was_said_is_on_the_wire(shop: Shop) -> None:
    """With the key it was said under, and findable by the payment."""
    customer, card = shop.saved_card()
    params = any_params({"amount": 5_000, "currency": "usd", "customer": customer, "payment_method": card})
    made = shop.api.payment_intents.create(params, {"idempotency_key": "top-up-7"})

    entry = shop.wire.entries(ref=made.id)[-1]

    assert (entry["host"], entry["method"], entry["path"]) == (
        "api.stripe.com",
        "POST",
        "/v1/payment_intents",
    )
    assert (entry["idempotency_key"], entry["status"], entry["answer"]["id"]) == ("top-up-7", 200, made.id)
    assert entry["body"]["amount"] == "5000"
