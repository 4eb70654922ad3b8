"""The platform API over real HTTP: who may call, what is taken, what is refused and how it is said."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from bot.operator import demo
from bot.sandbox.loopback import loopback
from bot.wallets.platform_keys import create_key
from tests.blank_books import lay_books
from tests.journeys.conftest import TICK
from tests.journeys.world import World

USAGE = {"id": "x", "kind": "outbound_call", "amount": "0.42"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[demo.Demo]:
    """One demo in HTTP mode for the whole module."""
    found = demo.start(lay_books(tmp_path_factory.mktemp("api")), 0, delivery="http", tick=TICK)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def world(running: demo.Demo) -> Iterator[World]:
    """A funded wallet."""
    with loopback(running.url, timeout=30) as client:
        found = World(client, running.info["api_key"])
        found.top_up_by_page("owner", "100.00")
        found.balance_is("100.00")
        yield found


def test_without_a_key_nothing_is_said(world: World) -> None:
    """401 with a sentence, whatever is wrong with the key."""
    for headers in ({}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer rbk_wrong"}):
        answer = world.client.get("/v1/wallet", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert "100.00" not in answer.text


def test_a_key_does_only_what_its_scopes_say(world: World, running: demo.Demo) -> None:
    """A key for reading posts nothing."""
    key = create_key(running.bot.ledger, running.bot.wallet_id, name="reader", scopes=["read"])
    headers = {"Authorization": f"Bearer {key}"}
    assert world.client.get("/v1/wallet", headers=headers).status_code == 200
    assert world.client.post("/v1/usage", headers=headers, json=USAGE).status_code == 403
    assert world.client.post("/v1/authorizations", headers=headers, json=USAGE).status_code in (400, 403)


def test_the_same_usage_is_booked_once_and_other_contents_are_a_conflict(world: World) -> None:
    """Same id and content: the same answer; another amount: named."""
    first = world.use("same", "0.42", reference="camp-118")
    again = world.use("same", "0.42", reference="camp-118")
    other = world.use("same", "0.43", reference="camp-118")
    assert [one["results"][0]["status"] for one in (first, again, other)] == [
        "accepted",
        "duplicate",
        "rejected",
    ]
    assert first["results"][0]["balance_after"] == again["results"][0]["balance_after"]
    assert other["results"][0]["field"] == "amount"


def test_one_bad_item_of_a_batch_hurts_only_itself(world: World) -> None:
    """Each item has its own answer, in order."""
    items = [
        {"id": "b1", "kind": "ai_task", "amount": "0.01"},
        {"id": "b2", "kind": "ai_task", "amount": "1e3"},
        {"id": "b3", "kind": "AI", "amount": "0.01"},
        {"id": "", "kind": "ai_task", "amount": "0.01"},
        {"id": "b5", "kind": "ai_task", "amount": "0"},
    ]
    results = world.platform("POST", "/v1/usage", items)["results"]
    assert [one["status"] for one in results] == ["accepted", "rejected", "rejected", "rejected", "accepted"]
    assert [one.get("field") for one in results] == [None, "amount", "kind", "id", None]


@pytest.mark.parametrize(
    "amount", ["1e3", "-5", "1.0000001", "", "NaN", "1_000", "١٠٠", "1.000,00", "∞", " "]
)
def test_amounts_that_are_none_are_refused_in_words(world: World, amount: str) -> None:
    """Nothing is guessed, and nothing is booked."""
    before = world.wallet()["balance"]
    result = world.use("bad-amount", amount)["results"][0]
    assert result["status"] == "rejected"
    assert result["error"].startswith("amount: ")
    assert world.wallet()["balance"] == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"id": "x"}',
        b'{"id": 1, "kind": "ai_task", "amount": "1"}',
        b'{"id": "x", "kind": "ai_task", "amount": 0.42}',
        b'{"id": "x", "kind": "ai_task", "amount": NaN}',
        b'{"id": "x", "kind": "ai_task", "amount": "1", "colour": "red"}',
        b'{"id": "x", "kind": "ai_task", "amount": "1", "occurred_at": "yesterday"}',
        b"\xff\xfe",
        b"[" * 10_000,
    ],
)
def test_a_body_that_is_not_usage_is_refused_and_never_breaks(world: World, body: bytes) -> None:
    """400 with a sentence, never a 500."""
    headers = {"Authorization": f"Bearer {world.api_key}", "Content-Type": "application/json"}
    answer = world.client.post("/v1/usage", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"]


def test_too_many_and_too_much_are_refused(world: World) -> None:
    """A thousand items at the most, and two megabytes."""
    items = [{**USAGE, "id": f"n{number}"} for number in range(1_001)]
    world.platform("POST", "/v1/usage", items, status=400)
    headers = {"Authorization": f"Bearer {world.api_key}"}
    answer = world.client.post("/v1/usage", content=b"x" * 3_000_000, headers=headers)
    assert answer.status_code == 413


def test_a_hold_is_opened_extended_and_captured_for_the_real_amount(world: World) -> None:
    """The estimate is set aside, the real cost is booked, and the hold ends once."""
    asked = world.may_start("h1", "outbound_call", "0.45")
    assert asked["allowed"]
    assert asked["hold"]["amount"] == "0.45"
    held = world.wallet()
    assert held["held"] == "0.45"
    extended = world.platform("POST", "/v1/holds/h1/extend", {"estimate": "0.90"})
    assert extended["hold"]["amount"] == "0.90"
    done = world.platform("POST", "/v1/holds/h1/capture", {"amount": "1.10", "quantity": 61})
    assert done["status"] == "accepted"
    assert world.wallet()["held"] == "0.00"
    again = world.platform("POST", "/v1/holds/h1/capture", {"amount": "1.10", "quantity": 61})
    assert again["status"] == "duplicate"
    world.platform("POST", "/v1/holds/h1/release", status=409)
    world.platform("POST", "/v1/holds/unknown/release", status=404)


def test_a_refusal_is_remembered_by_its_id(world: World) -> None:
    """Asking again with the same id gets the same no; with other contents a conflict."""
    no = world.may_start("big", "outbound_call", "5000")
    assert (no["allowed"], no["reason"], no["hold"]) == (False, "insufficient_available", None)
    assert world.may_start("big", "outbound_call", "5000") == {**no, "available": world.wallet()["available"]}
    body: dict[str, Any] = {"id": "big", "kind": "outbound_call", "estimate": "1"}
    problem = world.platform("POST", "/v1/authorizations", body, status=409)
    assert problem["field"] == "estimate"


def test_strangers_are_not_served(world: World) -> None:
    """Another Host, a page of another origin, an unsigned webhook, a forged request of Slack's."""
    assert world.client.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert world.client.get("/v1/wallet", headers={"Origin": "https://evil.example"}).status_code == 403
    assert world.client.post("/stripe/webhook", content=b"{}").status_code == 400
    for signature in ("", "t=1,v1=00", "garbage", "t=99999999999,v1=aa", "t=1,v1=\xff"):
        answer = world.client.post(
            "/stripe/webhook", content=b"{}", headers=[(b"Stripe-Signature", signature.encode("latin-1"))]
        )
        assert answer.status_code == 400
    forged = {"X-Slack-Signature": "v0=00", "X-Slack-Request-Timestamp": "1"}
    answer = world.client.post("/slack/events", content="command=/wallet&team_id=T0REDBAR1", headers=forged)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("changes", "status"),
    [({}, 200), ({"livemode": True}, 400), ({"account": "acct_other"}, 400)],
    ids=["ours", "of the other mode", "of another account"],
)
def test_signed_news_is_taken_in_only_when_it_is_of_our_money(
    world: World, running: demo.Demo, changes: dict[str, Any], status: int
) -> None:
    """Also while the secret is being rolled, when there are two signatures and one of them fits."""
    event = {
        "id": f"evt_{len(changes)}{status}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": {"id": "pi_nobody", "object": "payment_intent"}},
        **changes,
    }
    body = json.dumps(event)
    secret = running.bot.settings.stripe_webhook_secret
    old, new = (stripe.WebhookSignature.generate_signature_header(body, one) for one in ("whsec_old", secret))
    both = f"{old},{new.partition(',')[2]}"
    answer = world.client.post("/stripe/webhook", content=body, headers={"Stripe-Signature": both})
    assert answer.status_code == status, answer.text


def test_health_says_that_the_heart_beats(world: World) -> None:
    """Anybody may ask, and learns nothing of money."""
    answer = world.client.get("/healthz").json()
    assert answer["ok"]
    assert answer["beat_at"]


def test_no_page_of_ours_asks_another_host(world: World) -> None:
    """The API's description is a document, not a page that fetches scripts from somewhere."""
    for path in ("/v1/openapi", "/v1/openapi/openapi.json"):
        answer = world.client.get(path)
        assert answer.status_code == 200
        assert "/v1/usage" in answer.json()["paths"]
    for path in ("redoc", "swagger", "scalar", "elements", "rapidoc"):
        assert world.client.get(f"/v1/openapi/{path}").status_code == 404


@pytest.mark.parametrize(
    ("body", "signed_at"),
    [
        (b"payload=nope", "1"),
        (b"payload=[]", "1"),
        (b"payload=" + b"[" * 20_000, "1"),
        (b"[" * 20_000, "1"),
        (b"\xff", "1"),
        (b"", ""),
        (b"{}", "soon"),
        (b"{}", "\u0661"),
        (b"{}", "9" * 400),
    ],
)
def test_junk_at_slacks_door_is_refused_and_never_breaks(world: World, body: bytes, signed_at: str) -> None:
    """Anybody may send something there; it is looked at before its signature can be."""
    headers = [
        (b"X-Slack-Signature", b"v0=00"),
        (b"X-Slack-Request-Timestamp", signed_at.encode()),
        (b"Content-Type", b"application/x-www-form-urlencoded"),
    ]
    answer = world.client.post("/slack/events", content=body, headers=headers)
    assert answer.status_code in (400, 401), answer.text


def test_work_at_holds_that_cannot_be_is_refused_in_words(world: World) -> None:
    """Unknown holds, bad amounts, no body: each names what is wrong."""
    world.platform("POST", "/v1/holds/nobody/capture", {"amount": "1"}, status=404)
    world.platform("POST", "/v1/holds/nobody/extend", {}, status=404)
    assert world.platform("POST", "/v1/holds/x/capture", {"amount": "1e3"}, status=422)["field"] == "amount"
    assert world.platform("POST", "/v1/holds/x/extend", {"estimate": "-1"}, status=422)["field"] == "estimate"
    assert world.platform("POST", "/v1/holds/%00/release", status=422)["field"] == "id"
    for body in ({}, {"amount": "1", "colour": "red"}):
        assert world.platform("POST", "/v1/holds/x/capture", body, status=400)["problems"]
    nothing = world.platform("POST", "/v1/authorizations", status=400)
    assert nothing["problems"][0]["detail"] == "A JSON body is needed; there is none."


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "x" * 201),
        ("id", "a\0b"),
        ("kind", "outbound_call\n"),
        ("quantity", -1),
        ("quantity", 10**20),
        ("reference", "é" * 201),
        ("description", "x" * 501),
        ("occurred_at", "2026-11-25T00:00:00"),
        ("occurred_at", "0001-01-01T00:00:00+23:59"),
        ("occurred_at", "9999-12-31T23:59:59-23:59"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(world: World, field: str, value: object) -> None:
    """The item is rejected, and nothing is booked."""
    before = world.wallet()["balance"]
    posted = {**USAGE, "id": "fields", field: value}
    (result,) = world.platform("POST", "/v1/usage", posted)["results"]
    assert (result["status"], result["field"]) == ("rejected", field)
    assert world.wallet()["balance"] == before


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "null"}, {"Origin": "http://localhost:1"}, {"Host": "127.0.0.1.evil.example"}, {"Host": ""}],
)
def test_only_its_own_page_is_answered(world: World, headers: dict[str, str]) -> None:
    """A page elsewhere, or a name that was bent to point here, gets nothing, with a key or without."""
    with_key = {**headers, "Authorization": f"Bearer {world.api_key}"}
    assert world.client.get("/v1/wallet", headers=with_key).status_code == 403
    assert (
        world.client.post("/sandbox/api/clock/skip", json={"minutes": 1}, headers=headers).status_code == 403
    )
