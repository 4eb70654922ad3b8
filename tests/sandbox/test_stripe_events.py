"""What happened, asked for and sent: the events list, and signed webhooks."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.sandbox.slack_place import SettableClock, Stage
from tests.sandbox.stripe_place import WEBHOOK_SECRET, Shop, any_params

WAIT_SECONDS = 10


@pytest.fixture
def shop(stage: Stage, clock: SettableClock, tmp_path: Path) -> Iterator[Shop]:
    """The stand-in, served."""
    made = Shop(stage, clock, tmp_path)
    yield made
    made.close()


class Endpoint:
    """A webhook endpoint that keeps what it takes."""

    def __init__(self) -> None:
        self.status = 200
        self.taken: list[tuple[bytes, str]] = []
        self.refused = 0
        self.changed = threading.Condition()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with endpoint.changed:
                    status = endpoint.status
                    if status == 200:
                        endpoint.taken.append((body, self.headers["Stripe-Signature"]))
                    else:
                        endpoint.refused += 1
                    endpoint.changed.notify_all()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/stripe/webhook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def answer(self, status: int) -> None:
        """Answer everything to come with a status."""
        with self.changed:
            self.status = status

    def wait_for(self, count: int) -> list[str]:
        """Wait until so many were taken; gives their types."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.taken) >= count, WAIT_SECONDS), self.types()
        return self.types()

    def wait_for_refusal(self) -> None:
        """Wait until one was refused."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.refused > 0, WAIT_SECONDS)

    def types(self) -> list[str]:
        """Name what was taken."""
        return [json.loads(body)["type"] for body, _ in self.taken]

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A webhook endpoint."""
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def sending(stage: Stage, clock: SettableClock, tmp_path: Path, endpoint: Endpoint) -> Iterator[Shop]:
    """The stand-in, served, with a webhook endpoint."""
    made = Shop(stage, clock, tmp_path, webhook_url=endpoint.url)
    yield made
    made.close()


def test_events_are_newest_first_and_point_to_their_object(shop: Shop) -> None:
    """A snapshot of that moment, with the key it was asked under."""
    made = shop.api.customers.create({"name": "Before"}, {"idempotency_key": "k-1"})
    shop.api.customers.update(made.id, {"name": "After"})

    newest, oldest = shop.api.events.list().data

    assert (newest.type, oldest.type) == ("customer.updated", "customer.created")
    assert oldest.data.object["name"] == "Before"
    assert oldest.data.object["id"] == made.id
    assert oldest.request is not None
    assert oldest.request.idempotency_key == "k-1"
    assert (oldest.livemode, oldest.api_version) == (False, "2026-10-28.endive")
    assert shop.api.events.retrieve(oldest.id).type == "customer.created"


def test_our_own_notes_never_leave_the_house(shop: Shop) -> None:
    """Not in objects, events or errors."""
    customer, card = shop.saved_card()
    page, link = shop.page(customer=customer), shop.link()
    shop.pay(link)

    shown = [
        shop.http.get(f"/stripe/v1{path}", headers={"Authorization": "Bearer sk_test_shop"}).text
        for path in (
            "/events?limit=100",
            f"/checkout/sessions/{page.id}",
            "/checkout/sessions",
            f"/payment_links/{link.id}",
            f"/payment_methods/{card}",
            "/payment_intents?expand[]=data.payment_method",
        )
    ]

    assert all('"sandbox"' not in one and '"error"' not in one for one in shown)
    assert "4242424242424242" not in "".join(shown)


def test_walking_forward_from_an_event_misses_nothing(shop: Shop) -> None:
    """Page by page, oldest first, as the product polls."""
    first = shop.api.customers.create({"name": "0"})
    cursor = shop.api.events.list().data[0].id
    made = [shop.api.customers.create({"name": str(number)}).id for number in range(1, 6)]

    found = shop.api.events.list(
        any_params({"ending_before": cursor, "limit": 2, "types": ["customer.created"]})
    )

    assert [event.data.object["id"] for event in found.auto_paging_iter()] == made
    back = shop.api.events.list({"starting_after": shop.api.events.list().data[0].id, "limit": 100})
    assert [event.data.object["id"] for event in back.data] == [*reversed(made[:-1]), first.id]


def test_events_are_chosen_by_type_and_time(shop: Shop, clock: SettableClock) -> None:
    """A cursor of another type keeps its place."""
    shop.api.customers.create({"name": "early"})
    cursor = shop.api.events.list().data[0].id
    clock.skip(minutes=10)
    since = int(clock.now().timestamp())
    shop.pay(shop.page())

    after = shop.api.events.list({"created": {"gte": since}}).data
    some = shop.api.events.list({"types": ["payment_intent.succeeded", "checkout.session.completed"]}).data
    one = shop.api.events.list({"type": "charge.succeeded", "ending_before": cursor}).data

    assert len(after) == 4
    assert [event.type for event in some] == ["checkout.session.completed", "payment_intent.succeeded"]
    assert [event.type for event in one] == ["charge.succeeded"]


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 101},
        {"ending_before": "evt_nothing"},
        {"type": "a", "types": ["b"]},
        {"types": [str(number) for number in range(21)]},
        {"created": {"about": 5}},
    ],
)
def test_lists_that_make_no_sense_are_refused(shop: Shop, params: dict[str, Any]) -> None:
    """As invalid requests."""
    with pytest.raises(stripe.InvalidRequestError):
        shop.api.events.list(any_params(params))


def test_webhooks_come_in_order_and_the_library_believes_them(sending: Shop, endpoint: Endpoint) -> None:
    """Signed in real time, whatever the sandbox's clock says."""
    sending.pay(sending.page())

    types = endpoint.wait_for(4)

    assert types == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    for body, signature in endpoint.taken:
        event = stripe.Webhook.construct_event(body, signature, WEBHOOK_SECRET)
        assert event.pending_webhooks == 1
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body.replace(b"usd", b"eur"), signature, WEBHOOK_SECRET)


def test_a_webhook_that_was_not_taken_comes_again(sending: Shop, endpoint: Endpoint) -> None:
    """In its place, before later ones."""
    endpoint.answer(503)
    sending.api.customers.create({"name": "first"})
    endpoint.wait_for_refusal()
    endpoint.answer(200)

    sending.pay(sending.page())

    assert endpoint.wait_for(5)[:2] == ["customer.created", "payment_intent.created"]


def test_webhooks_held_back_are_sent_later(sending: Shop, endpoint: Endpoint) -> None:
    """The list has them meanwhile; one can be sent twice."""
    sending.http.post("/sandbox/api/stripe/webhooks", json={"deliver": False})
    sending.api.customers.create({"name": "Northwind"})
    event = sending.api.events.list().data[0]
    held = list(endpoint.taken)

    sending.http.post("/sandbox/api/stripe/webhooks", json={"deliver": True})
    endpoint.wait_for(1)
    sending.http.post("/sandbox/api/stripe/webhooks", json={"again": event.id})
    endpoint.wait_for(2)

    assert held == []
    assert [json.loads(body)["id"] for body, _ in endpoint.taken] == [event.id] * 2


def test_webhooks_that_nobody_took_survive_a_restart(
    stage: Stage, clock: SettableClock, tmp_path: Path, endpoint: Endpoint
) -> None:
    """They come when both are there again."""
    endpoint.answer(500)
    before = Shop(stage, clock, tmp_path, webhook_url=endpoint.url)
    before.api.customers.create({"name": "Northwind"})
    endpoint.wait_for_refusal()
    before.close()

    endpoint.answer(200)
    after = Shop(stage, clock, tmp_path, webhook_url=endpoint.url)
    after.stand_in.sweep()

    assert endpoint.wait_for(1) == ["customer.created"]
    after.close()


def test_without_an_endpoint_nothing_is_sent(shop: Shop) -> None:
    """And the control says why."""
    answer = shop.http.post("/sandbox/api/stripe/webhooks", json={"deliver": True}).json()

    assert answer["ok"] is False


def test_an_event_may_become_visible_late_behind_newer_ones(shop: Shop, clock: SettableClock) -> None:
    """It stands in its place in time, in no list before."""
    shop.arm(delay="customer.*", minutes=20)
    late = shop.api.customers.create({"name": "late"}).id
    shop.pay(shop.page())
    cursor = shop.api.events.list().data[0].id
    before = shop.happened()
    clock.skip(minutes=20)

    after = shop.api.events.list({"type": "customer.created"}).data

    assert "customer.created" not in before
    assert [event.data.object["id"] for event in after] == [late]
    assert shop.api.events.list({"ending_before": cursor}).data == []


def test_an_event_may_never_become_visible(shop: Shop, clock: SettableClock) -> None:
    """Of one object alone, by its type; whoever ordered it can show it."""
    hidden = shop.api.customers.create({"name": "hidden"}).id
    shop.arm(delay="customer.updated", object=hidden)
    other = shop.api.customers.create({"name": "other"}).id
    for name in (hidden, other):
        shop.api.customers.update(name, {"name": "changed"})
    clock.skip(days=20)

    def changed() -> list[str]:
        found = shop.api.events.list({"type": "customer.updated"}).data
        return [event.data.object["id"] for event in found]

    assert changed() == [other]
    shop.arm(show=True)
    assert changed() == [other, hidden]


def test_a_webhook_does_not_bring_an_event_before_it_is_visible(
    sending: Shop, endpoint: Endpoint, clock: SettableClock
) -> None:
    """Others pass it."""
    sending.arm(delay="customer.created", minutes=5)
    sending.api.customers.create({"name": "late"})
    sending.pay(sending.page())
    before = endpoint.wait_for(4)

    clock.skip(minutes=5)
    sending.stand_in.sweep()

    assert "customer.created" not in before
    assert endpoint.wait_for(5)[-1] == "customer.created"
    assert "sandbox" not in json.loads(endpoint.taken[-1][0])


def test_a_delay_without_a_number_of_minutes_is_refused(shop: Shop) -> None:
    """In words."""
    answer = shop.http.post("/sandbox/api/stripe/script", json={"delay": "*", "minutes": "soon"})

    assert answer.status_code == 400
