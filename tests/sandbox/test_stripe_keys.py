"""Idempotency keys, and requests that go wrong on order, seen by the real library."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.sandbox.slack_place import SettableClock, Stage
from tests.sandbox.stripe_place import SAVED_THEN_DECLINED, Shop, any_params


@pytest.fixture
def shop(stage: Stage, clock: SettableClock, tmp_path: Path) -> Iterator[Shop]:
    """The stand-in, served."""
    made = Shop(stage, clock, tmp_path)
    yield made
    made.close()


def charge_body(customer: str, card: str, **more: Any) -> Any:
    """Give a charge in one step."""
    body = {"amount": 5_000, "currency": "usd", "customer": customer, "payment_method": card}
    return {**body, "confirm": True, "off_session": True, **more}


def charged(shop: Shop, customer: str, card: str, key: str, **more: Any) -> stripe.PaymentIntent:
    """Charge under a key."""
    return shop.api.payment_intents.create(charge_body(customer, card, **more), {"idempotency_key": key})


def test_the_same_key_and_body_charge_once(shop: Shop) -> None:
    """The second answer is the first one, and says so."""
    customer, card = shop.saved_card()

    first = charged(shop, customer, card, "k-1")
    second = charged(shop, customer, card, "k-1")

    assert first.id == second.id
    assert first.last_response is not None
    assert second.last_response is not None
    assert first.last_response.headers.get("Idempotent-Replayed") is None
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    assert first.last_response.body == second.last_response.body
    assert len(shop.charges()) == 1


def test_a_replay_shows_the_answer_of_that_time(shop: Shop) -> None:
    """Whatever became of the object since."""
    customer, card = shop.saved_card()
    body = any_params({"amount": 5_000, "currency": "usd", "customer": customer, "payment_method": card})
    made = shop.api.payment_intents.create(body, {"idempotency_key": "k-1"})

    shop.api.payment_intents.confirm(made.id, {"off_session": True})
    again = shop.api.payment_intents.create(body, {"idempotency_key": "k-1"})

    assert again.status == "requires_confirmation"


def test_the_same_key_with_another_body_is_refused(shop: Shop) -> None:
    """Nothing is charged, and the first answer stays."""
    customer, card = shop.saved_card()
    charged(shop, customer, card, "k-1")

    with pytest.raises(stripe.IdempotencyError) as caught:
        charged(shop, customer, card, "k-1", description="changed")

    assert (caught.value.http_status, caught.value.error and caught.value.error.type) == (
        400,
        "idempotency_error",
    )
    assert len(shop.charges()) == 1


def test_the_same_key_at_another_address_is_refused(shop: Shop) -> None:
    """A key belongs to one request."""
    shop.api.customers.create({"name": "Northwind"}, {"idempotency_key": "k-1"})

    with pytest.raises(stripe.IdempotencyError):
        shop.api.refunds.create({"payment_intent": "pi_x"}, {"idempotency_key": "k-1"})


def test_a_decline_is_remembered_under_its_key(shop: Shop) -> None:
    """Trying again needs a new key."""
    customer, card = shop.saved_card(SAVED_THEN_DECLINED)
    intents = []

    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            charged(shop, customer, card, "k-1")
        error: Any = caught.value.error
        intents.append(error.payment_intent.id)

    assert intents[0] == intents[1]
    assert shop.happened().count("charge.failed") == 1


def test_what_was_refused_before_it_began_is_not_remembered(shop: Shop) -> None:
    """The mended request may come under the same key."""
    customer, card = shop.saved_card()
    with pytest.raises(stripe.InvalidRequestError):
        charged(shop, customer, card, "k-1", colour="red")

    assert charged(shop, customer, card, "k-1").status == "succeeded"


def test_a_key_is_forgotten_after_a_day(shop: Shop, clock: SettableClock) -> None:
    """Whoever sends it then charges again."""
    customer, card = shop.saved_card()
    charged(shop, customer, card, "k-1")

    clock.skip(hours=23, minutes=59)
    shop.stand_in.sweep()
    charged(shop, customer, card, "k-1")
    before = len(shop.charges())
    clock.skip(minutes=1)
    shop.stand_in.sweep()
    charged(shop, customer, card, "k-1")

    assert (before, len(shop.charges())) == (1, 2)


def test_a_key_that_is_still_running_is_sent_away(shop: Shop) -> None:
    """Until the first answer is there; then it is given again."""
    customer, card = shop.saved_card()
    shop.arm(match="POST /v1/payment_intents", mode="slow", delay_ms=600)
    done = threading.Event()

    def slow() -> stripe.PaymentIntent:
        try:
            return charged(shop, customer, card, "k-1")
        finally:
            done.set()

    with ThreadPoolExecutor(1) as other:
        running = other.submit(slow)
        while not shop.charges():
            pass
        with pytest.raises(stripe.APIError) as caught:
            charged(shop, customer, card, "k-1")
        assert not done.is_set()
        first = running.result(10)

    assert caught.value.http_status == 409
    assert caught.value.error is not None
    assert caught.value.error.code == "idempotency_key_in_use"
    sent_away = next(one for one in shop.wire.entries() if one["status"] == 409)
    assert sent_away["body"]["amount"] == "5000"
    assert charged(shop, customer, card, "k-1").id == first.id
    assert len(shop.charges()) == 1


@pytest.mark.parametrize(
    ("mode", "sent"),
    [
        ("hang_then_do", True),
        ("reset_after", True),
        ("truncated", True),
        ("cut_short", True),
        ("hang_not_do", False),
        ("reset_before", False),
    ],
)
def test_a_request_without_an_answer_is_settled_by_sending_it_again(
    shop: Shop, mode: str, sent: bool
) -> None:
    """Done or not, the same key makes it exactly one charge."""
    customer, card = shop.saved_card()
    shop.arm(match="POST /v1/payment_intents*", mode=mode)

    with pytest.raises((stripe.APIConnectionError, stripe.APIError)) as caught:
        charged(shop, customer, card, "k-1")
    between = len(shop.charges())
    charged(shop, customer, card, "k-1")

    line_broke = mode in ("reset_before", "reset_after", "truncated")
    assert isinstance(caught.value, stripe.APIConnectionError) == line_broke
    assert between == int(sent)
    assert len(shop.charges()) == 1


def test_half_an_answer_has_its_status_on_the_wire_and_nothing_to_read(shop: Shop) -> None:
    """The line breaks in its middle, or it ends as if it were whole; the library cannot read either."""
    for mode, words in (("truncated", "IncompleteRead"), ("cut_short", "Invalid response body")):
        shop.arm(match="POST /v1/customers", mode=mode)
        with pytest.raises(stripe.StripeError, match=words):
            shop.api.customers.create({"name": "Northwind"}, {"idempotency_key": mode})
        entry = shop.wire.entries()[-1]
        assert (entry["status"], entry["answer"], entry["body"]) == (200, {}, {"name": "Northwind"})

    assert shop.happened() == ["customer.created"] * 2


def test_the_library_itself_gets_through_a_lost_answer(shop: Shop) -> None:
    """Its own retry sends the same key."""
    customer, card = shop.saved_card()
    shop.arm(match="POST /v1/payment_intents", mode="hang_then_do")
    options: Any = {"idempotency_key": "k-1", "max_network_retries": 1}

    made = shop.api.payment_intents.create(charge_body(customer, card), options)

    assert made.status == "succeeded"
    assert len(shop.charges()) == 1


def test_a_status_on_order_is_answered_as_often_as_ordered(shop: Shop) -> None:
    """And nothing is done meanwhile."""
    shop.arm(match="POST /v1/customers", mode="status", status=503, times=2)

    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            shop.api.customers.create({"name": "Northwind"})
        assert caught.value.http_status == 503
    shop.api.customers.create({"name": "Northwind"})

    assert shop.happened() == ["customer.created"]


def test_a_500_that_came_late_is_remembered_though_it_was_done(shop: Shop) -> None:
    """The key answers 500 for good; the charge is found by looking."""
    customer, card = shop.saved_card()
    shop.arm(match="POST /v1/payment_intents", mode="status", status=500, do=True, stored=True)

    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            charged(shop, customer, card, "k-1", metadata={"order": "7"})
        assert caught.value.http_status == 500

    found = shop.api.payment_intents.list({"customer": customer}).data
    assert [(one.status, one.metadata.to_dict()) for one in found] == [("succeeded", {"order": "7"})]
    assert len(shop.charges()) == 1


def test_a_rate_limit_is_its_own_error(shop: Shop) -> None:
    """With whatever body was ordered."""
    body = {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Slow down."}}
    shop.arm(match="GET /v1/events", mode="status", status=429, body=body)

    with pytest.raises(stripe.RateLimitError, match=r"Slow down\."):
        shop.api.events.list()

    assert shop.api.events.list().data == []


def test_a_fault_that_makes_no_sense_is_not_armed(shop: Shop) -> None:
    """And armed ones can be cleared."""
    assert (
        shop.http.post("/sandbox/api/stripe/script", json={"mode": "explode", "match": "*"}).status_code
        == 400
    )
    assert shop.http.post("/sandbox/api/stripe/script", json={"mode": "slow"}).status_code == 400
    shop.arm(match="*", mode="status", status=500)
    shop.arm(clear=True)

    assert shop.api.events.list().data == []


def test_requests_without_an_answer_are_on_the_wire_too(shop: Shop) -> None:
    """With the status zero."""
    shop.arm(match="POST /v1/customers", mode="reset_after")

    with pytest.raises(stripe.APIConnectionError):
        shop.api.customers.create({"name": "Northwind"}, {"idempotency_key": "k-1"})

    entry = shop.wire.entries()[-1]
    assert (entry["path"], entry["status"], entry["idempotency_key"]) == ("/v1/customers", 0, "k-1")
