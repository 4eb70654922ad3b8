"""The limits of the API's fields: what the OpenAPI document states is what is enforced, and nothing else is."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import jsonschema
import pytest

from bot.http.bodies import BATCH_MAX, read_usage
from bot.operator import demo
from bot.sandbox.loopback import loopback
from ledger import QUANTITY_MAX
from tests.journeys.conftest import TICK
from tests.journeys.world import World

BASES: dict[str, dict[str, Any]] = {
    "UsageBody": {"id": "x", "kind": "ai_task", "amount": "0.01"},
    "AuthorizationBody": {"id": "x", "kind": "ai_task"},
    "CaptureBody": {"amount": "0.01"},
    "ExtendBody": {},
}
IDS = ("x" * 200, "x" * 201), ("é" * 200, "é" * 201), ("x", "")
KINDS = ("k" * 40, "k" * 41), ("a_9", "A_9"), ("a", "a\n"), ("a", "")
AMOUNTS = (
    ("0.000001", "0.0000001"),
    ("000000000001", "0000000000001"),
    ("0", ""),
    ("0.1", "0,1"),
    ("0.1", "0.1\n"),
)
QUANTITIES = (QUANTITY_MAX, QUANTITY_MAX + 1), (0, -1), (1, 10**20)
LIMITS: dict[tuple[str, str], tuple[tuple[Any, Any], ...]] = {
    ("UsageBody", "id"): IDS,
    ("UsageBody", "kind"): KINDS,
    ("UsageBody", "amount"): AMOUNTS,
    ("UsageBody", "quantity"): QUANTITIES,
    ("UsageBody", "reference"): (("x" * 200, "x" * 201), ("", "é" * 201)),
    ("UsageBody", "description"): (("x" * 500, "x" * 501),),
    ("UsageBody", "hold"): IDS,
    ("UsageBody", "parent"): IDS,
    ("AuthorizationBody", "id"): IDS,
    ("AuthorizationBody", "kind"): KINDS,
    ("AuthorizationBody", "estimate"): AMOUNTS,
    ("AuthorizationBody", "reference"): (("x" * 200, "x" * 201),),
    ("AuthorizationBody", "parent"): IDS,
    ("CaptureBody", "amount"): AMOUNTS,
    ("CaptureBody", "quantity"): QUANTITIES,
    ("CaptureBody", "description"): (("x" * 500, "x" * 501),),
    ("ExtendBody", "estimate"): AMOUNTS,
}
"""A value at each limit, and one that breaks it."""
NO_LIMIT = {("UsageBody", "occurred_at")}
"""Bounded by the present, which no document knows; its offset from UTC is its own test."""
CASES = [(*field, at, over) for field, pairs in LIMITS.items() for at, over in pairs]
_numbers = count(1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A funded wallet behind the real server."""
    running = demo.start(tmp_path_factory.mktemp("limits") / "demo", 0, delivery="http", tick=TICK)
    with loopback(running.url, timeout=30) as client:
        found = World(client, running.info["api_key"])
        found.top_up_by_page("owner", "100.00")
        found.balance_is("100.00")
        yield found
    running.stop()


@pytest.fixture(scope="module")
def document(world: World) -> dict[str, Any]:
    """The document as it is served."""
    found: dict[str, Any] = world.client.get("/v1/openapi").json()
    return found


def _is_stated(document: dict[str, Any], shape: str, body: dict[str, Any]) -> bool:
    """Say whether the document allows a body."""
    schema = {"$ref": f"#/components/schemas/{shape}", "components": document["components"]}
    return bool(jsonschema.Draft202012Validator(schema).is_valid(body))


def _field(world: World, shape: str, body: dict[str, Any]) -> str | None:
    """Send a body where it belongs; give the field that was refused."""
    number = next(_numbers)
    if shape == "UsageBody":
        (result,) = world.platform("POST", "/v1/usage", body)["results"]
        assert (result["status"] == "rejected") == ("field" in result), result
        return str(result["field"]) if "field" in result else None
    path = "/v1/authorizations"
    if shape != "AuthorizationBody":
        world.may_start(f"hold-{number}", "ai_task", "0.01")
        path = f"/v1/holds/hold-{number}/{'capture' if shape == 'CaptureBody' else 'extend'}"
    answer = world.client.post(path, json=body, headers={"Authorization": f"Bearer {world.api_key}"})
    if answer.status_code == 200:
        return None
    problem = answer.json()
    assert (answer.status_code, problem["title"]) == (422, "FieldWrong"), problem
    assert problem["detail"].startswith(f"{problem['field']}: ")
    return str(problem["field"])


@pytest.mark.parametrize(("shape", "field", "at", "over"), CASES)
def test_a_stated_limit_is_the_enforced_one(
    world: World, document: dict[str, Any], shape: str, field: str, at: object, over: object
) -> None:
    """At the limit it is taken, one over it is refused by the field's name."""
    base = BASES[shape]
    if "id" in base:
        base = {**base, "id": f"limit-{next(_numbers)}"}
    for value, fits in ((at, True), (over, False)):
        body = {**base, field: value}
        assert _is_stated(document, shape, body) is fits
        assert _field(world, shape, body) == (None if fits else field)


def test_every_field_of_every_body_has_its_case(document: dict[str, Any]) -> None:
    """A field that is added states its limit, or says why it has none."""
    found = {
        (shape, field) for shape in BASES for field in document["components"]["schemas"][shape]["properties"]
    }
    assert found == LIMITS.keys() | NO_LIMIT


def test_a_batch_has_its_stated_size(world: World, document: dict[str, Any]) -> None:
    """One more is refused whole."""
    operation = document["paths"]["/v1/usage"]["post"]
    several, _ = operation["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert (several["minItems"], several["maxItems"]) == (1, BATCH_MAX)
    items = [{**BASES["UsageBody"], "id": f"batch-{number}"} for number in range(BATCH_MAX + 1)]
    world.platform("POST", "/v1/usage", items, status=400)
    world.platform("POST", "/v1/usage", [], status=400)
    assert len(world.platform("POST", "/v1/usage", items[:-1])["results"]) == BATCH_MAX


def test_the_id_in_a_path_has_the_stated_limit(world: World, document: dict[str, Any]) -> None:
    """It is the id of a body, so it is refused alike."""
    for path in ("/v1/holds/{hold_id}/release", "/v1/holds/{hold_id}/capture", "/v1/holds/{hold_id}/extend"):
        (parameter,) = document["paths"][path]["post"]["parameters"]
        assert parameter["schema"] == document["components"]["schemas"]["UsageBody"]["properties"]["id"]
    world.platform("POST", f"/v1/holds/{'x' * 200}/release", status=404)
    problem = world.platform("POST", f"/v1/holds/{'x' * 201}/release", status=422)
    assert (problem["title"], problem["field"]) == ("FieldWrong", "id")


def test_one_item_of_a_wrong_shape_hurts_only_itself() -> None:
    """It is rejected in its place, by the field that is wrong where one is."""
    good = BASES["UsageBody"]
    items = [good, {**good, "id": 7}, {"id": "y"}, {**good, "colour": "red"}, 5, {**good, "amount": "1e3"}]
    read = read_usage(json.dumps(items).encode())

    assert [getattr(one, "problem", None) is None for one in read] == [True, *[False] * 5]
    problems = [one.problem for one in read if not hasattr(one, "kind")]
    assert [one.field for one in problems] == ["id", "kind", "colour", "item", "amount"]
    assert [one.id for one in read] == ["x", "", "y", "x", "", "x"]


def test_the_words_of_an_amount_are_the_ledgers() -> None:
    """Whoever wrote a comma reads what is wrong with it."""
    (read,) = read_usage(b'{"id": "x", "kind": "ai_task", "amount": "0,42"}')
    assert str(getattr(read, "problem", "")).startswith('amount: "0,42" contains ","')
