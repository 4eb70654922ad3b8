"""The product's own gateway against the stand-in: every call it makes, and what it makes of the answers."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.ports import (
    CardSeen,
    Declined,
    IntentSeen,
    LinkSeen,
    NeedsAction,
    Ok,
    Rejected,
    SessionSeen,
    Unknown,
)
from bot.stripe.gateway import StripeGateway
from tests.sandbox.slack_place import SettableClock, Stage
from tests.sandbox.stripe_place import ASKS_ALWAYS, KEY, LOST, SAVED_THEN_DECLINED, VISA, Shop, line

METADATA = {"redbar_install": "i", "redbar_wallet": "w", "redbar_payment": "p", "redbar_ref": "RB-1"}


@pytest.fixture
def shop(stage: Stage, clock: SettableClock, tmp_path: Path) -> Iterator[Shop]:
    """The stand-in, served."""
    made = Shop(stage, clock, tmp_path)
    yield made
    made.close()


@pytest.fixture
def gateway(shop: Shop) -> Iterator[StripeGateway]:
    """The product's gateway."""
    made = StripeGateway(KEY, f"{shop.base_url}/stripe")
    yield made
    made.close()


def page_body(customer: str, clock: SettableClock) -> dict[str, object]:
    """Give a page's body as the product freezes it."""
    return {
        "customer": customer,
        "client_reference_id": "p",
        "metadata": METADATA,
        "allowed_payment_method_types": ["card"],
        "success_url": "http://127.0.0.1/",
        "cancel_url": "http://127.0.0.1/",
        "expires_at": int((clock.now() + timedelta(hours=23, minutes=59)).timestamp()),
        "mode": "payment",
        "line_items": [line(5_000)],
        "payment_intent_data": {
            "metadata": METADATA,
            "description": "Wallet top-up RB-1",
            "setup_future_usage": "off_session",
        },
        "adaptive_pricing": {"enabled": False},
    }


LINK_BODY: dict[str, object] = {
    "line_items": [line(5_000)],
    "payment_method_types": ["card"],
    "metadata": METADATA,
    "payment_intent_data": {"metadata": METADATA, "description": "Wallet top-up RB-1"},
    "restrictions": {"completed_sessions": {"limit": 1}},
    "inactive_message": "This request is closed.",
    "after_completion": {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "Thanks."}},
}


def customer_of(gateway: StripeGateway) -> str:
    """Make a customer."""
    made = gateway.create_customer({"name": "Northwind Calls", "metadata": METADATA}, "customer-1")
    assert isinstance(made, Ok)
    return made.seen


def test_a_page_is_made_paid_and_seen(gateway: StripeGateway, shop: Shop, clock: SettableClock) -> None:
    """With the intent, the card and the receipt behind it."""
    customer = customer_of(gateway)
    made = gateway.create_session(page_body(customer, clock), "page-1")
    assert isinstance(made, Ok)
    assert isinstance(made.seen, SessionSeen)

    shop.pay(shop.api.checkout.sessions.retrieve(made.seen.session_id))

    seen = gateway.session(made.seen.session_id)
    assert isinstance(seen, Ok)
    assert (seen.seen.status, seen.seen.metadata) == ("complete", METADATA)
    assert seen.seen.intent_id is not None
    intent = gateway.intent(seen.seen.intent_id)
    assert isinstance(intent, Ok)
    assert (intent.seen.status, intent.seen.received_minor, intent.seen.currency) == (
        "succeeded",
        5_000,
        "USD",
    )
    assert intent.seen.metadata == METADATA
    assert str(intent.seen.card) == "Visa ••4242"
    assert intent.seen.receipt_url.startswith(f"{shop.base_url}/stripe/receipts/ch_")
    assert not intent.seen.live


def test_a_setup_page_gives_the_card(gateway: StripeGateway, shop: Shop, clock: SettableClock) -> None:
    """Which can be taken away again."""
    customer = customer_of(gateway)
    body = page_body(customer, clock)
    for name in ("line_items", "payment_intent_data", "adaptive_pricing"):
        del body[name]
    body |= {"mode": "setup", "currency": "usd", "setup_intent_data": {"metadata": METADATA}}
    made = gateway.create_session(body, "page-1")
    assert isinstance(made, Ok)

    shop.pay(shop.api.checkout.sessions.retrieve(made.seen.session_id))

    seen = gateway.session(made.seen.session_id)
    assert isinstance(seen, Ok)
    card = seen.seen.setup_card
    assert isinstance(card, CardSeen)
    assert (card.last4, card.exp_month, card.exp_year) == ("4242", 12, 2034)
    assert card.fingerprint
    assert gateway.detach_card(card.card_id, "detach-1") == Ok(card.card_id)


def test_a_page_is_taken_back(gateway: StripeGateway, shop: Shop, clock: SettableClock) -> None:
    """Once; a paid one is refused."""
    customer = customer_of(gateway)
    made = gateway.create_session(page_body(customer, clock), "page-1")
    assert isinstance(made, Ok)

    gone = gateway.expire_session(made.seen.session_id, "expire-1")
    again = gateway.expire_session(made.seen.session_id, "expire-2")

    assert isinstance(gone, Ok)
    assert gone.seen.status == "expired"
    assert isinstance(again, Rejected)


def test_a_link_is_made_paid_and_closed(gateway: StripeGateway, shop: Shop) -> None:
    """Its intents are found by it."""
    made = gateway.create_link(LINK_BODY, "link-1")
    assert isinstance(made, Ok)
    assert isinstance(made.seen, LinkSeen)

    shop.pay(shop.api.payment_links.retrieve(made.seen.link_id), LOST)
    shop.pay(shop.api.payment_links.retrieve(made.seen.link_id), VISA)

    found = gateway.link_intents(made.seen.link_id)
    assert isinstance(found, Ok)
    assert len(found.seen) == 1
    intent = gateway.intent(found.seen[0])
    assert isinstance(intent, Ok)
    assert (intent.seen.status, intent.seen.metadata) == ("succeeded", METADATA)
    closed = gateway.deactivate_link(made.seen.link_id, "close-1")
    assert isinstance(closed, Ok)
    assert closed.seen.active is False


def intent_body(customer: str, card: str) -> dict[str, object]:
    """Give a charge's body as the product freezes it."""
    return {
        "amount": 5_000,
        "currency": "usd",
        "customer": customer,
        "payment_method": card,
        "allowed_payment_method_types": ["card"],
        "metadata": METADATA,
        "description": "Wallet top-up RB-1",
    }


def confirm_body(card: str) -> dict[str, object]:
    """Give the body that charges it."""
    return {"off_session": True, "payment_method": card, "expand": ["latest_charge"]}


@pytest.mark.parametrize(
    ("number", "outcome"), [(VISA, Ok), (SAVED_THEN_DECLINED, Declined), (ASKS_ALWAYS, NeedsAction)]
)
def test_a_saved_card_is_charged(
    gateway: StripeGateway, shop: Shop, number: str, outcome: type[object]
) -> None:
    """Each kind of card ends as its own outcome, and the intent can be found and cancelled."""
    customer, card = shop.saved_card(number)
    made = gateway.create_intent(intent_body(customer, card), "intent-1")
    assert isinstance(made, Ok)
    assert made.seen.status == "requires_confirmation"

    answer = gateway.confirm_intent(made.seen.intent_id, confirm_body(card), "confirm-1")

    assert isinstance(answer, outcome)
    if isinstance(answer, Ok):
        assert isinstance(answer.seen, IntentSeen)
        assert answer.seen.receipt_url
    else:
        assert isinstance(answer, Declined | NeedsAction)
        assert answer.intent_id == made.seen.intent_id
        gone = gateway.cancel_intent(made.seen.intent_id, "cancel-1")
        assert isinstance(gone, Ok)
        assert gone.seen.status == "canceled"
        assert gone.seen.decline_code == gateway_decline(answer)
    found = gateway.intents(shop.clock.now() - timedelta(minutes=10), shop.clock.now())
    assert isinstance(found, Ok)
    assert [one.intent_id for one in found.seen] == [made.seen.intent_id]


def gateway_decline(answer: Declined | NeedsAction) -> str:
    """Give what the intent remembers of an answer."""
    return answer.decline_code if isinstance(answer, Declined) else "authentication_required"


def test_a_lost_answer_is_unknown_and_settled_by_the_same_key(gateway: StripeGateway, shop: Shop) -> None:
    """The charge happened; asking again finds it."""
    customer, card = shop.saved_card()
    made = gateway.create_intent(intent_body(customer, card), "intent-1")
    assert isinstance(made, Ok)
    modes = ("reset_after", "hang_then_do", "truncated", "cut_short")
    for mode in modes:
        shop.arm(match="POST /v1/payment_intents/*/confirm", mode=mode)

    answers = [gateway.confirm_intent(made.seen.intent_id, confirm_body(card), "confirm-1") for _ in range(5)]

    assert [type(one) for one in answers] == [Unknown] * len(modes) + [Ok]
    assert all(one.sent for one in answers if isinstance(one, Unknown))
    assert len(shop.charges()) == 1


def test_events_are_read_oldest_first_from_an_instant(
    gateway: StripeGateway, shop: Shop, clock: SettableClock
) -> None:
    """Earlier ones are left out."""
    shop.pay(shop.link())
    clock.skip(minutes=1)
    shop.pay(shop.page())

    every, last = gateway.events(clock.now() - timedelta(minutes=1)), gateway.events(clock.now())

    assert isinstance(every, Ok)
    assert isinstance(last, Ok)
    kinds = ["payment_intent.succeeded", "checkout.session.completed"]
    assert [one.kind for one in every.seen] == kinds * 2
    assert last.seen == every.seen[2:]
    assert last.seen[1].payment_intent_id == last.seen[0].object_id
    assert not any(one.live for one in last.seen)


def test_completed_pages_are_listed_whichever_way_they_were_opened(
    gateway: StripeGateway, shop: Shop, clock: SettableClock
) -> None:
    """Pages, those of links, and those that save a card; open ones and earlier ones are left out."""
    shop.pay(shop.page())
    clock.skip(minutes=1)
    since, (link, page) = clock.now(), (shop.link(), shop.page())
    setup = shop.setup_page(shop.api.customers.create({"name": "Northwind"}).id)
    for one in (link, page, setup):
        shop.pay(one)
    shop.page()

    every = gateway.completed_sessions(since, pages_max=1)
    of_link = gateway.completed_sessions(since, link_id=link.id, pages_max=1)

    assert isinstance(every, Ok)
    assert isinstance(of_link, Ok)
    assert every.seen.whole
    assert {one.session_id for one in every.seen.sessions if not one.link_id} == {setup.id, page.id}
    assert [one.status for one in every.seen.sessions] == ["complete"] * 3
    assert [one.link_id for one in of_link.seen.sessions] == [link.id]


def test_a_long_list_is_read_no_further_than_wanted(
    gateway: StripeGateway, shop: Shop, clock: SettableClock
) -> None:
    """A hundred pages a read."""
    for _ in range(101):
        shop.pay(shop.page())

    first, both = (gateway.completed_sessions(clock.now(), pages_max=one) for one in (1, 2))

    assert isinstance(first, Ok)
    assert isinstance(both, Ok)
    assert (len(first.seen.sessions), first.seen.whole) == (100, False)
    assert (len({one.session_id for one in both.seen.sessions}), both.seen.whole) == (101, True)
    assert gateway.take_reads() == 3


def test_whoever_waits_but_a_moment_does_not_know(shop: Shop) -> None:
    """How long an answer may take is up to whoever makes the gateway."""
    hurried = StripeGateway(KEY, f"{shop.base_url}/stripe", timeout=(5, 0.05))
    shop.arm(match="POST /v1/customers", mode="slow", delay_ms=200)

    answer = hurried.create_customer({"name": "x"}, "k")

    hurried.close()
    assert answer == Unknown(sent=True, message="no_answer")


def test_nobody_there_is_not_sent(free_port: int) -> None:
    """A refused connection is the one certain failure."""
    gateway = StripeGateway(KEY, f"http://127.0.0.1:{free_port}/stripe")

    answer = gateway.create_customer({"name": "x"}, "k")

    gateway.close()
    assert answer == Unknown(sent=False, message="no_answer")
