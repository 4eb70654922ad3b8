"""Amounts that a machine writes: one grammar at every field of the platform API that takes one."""

import inspect
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings

from bot.http import api
from bot.operator import demo
from bot.sandbox.loopback import loopback
from tests.blank_books import lay_books
from tests.journeys.conftest import TICK
from tests.journeys.world import World
from tests.ledger.test_money import is_machine_amount, near_texts

Doc = dict[str, Any]
_numbers = count(1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A funded wallet with a call that runs."""
    running = demo.start(lay_books(tmp_path_factory.mktemp("amounts")), 0, delivery="http", tick=TICK)
    with loopback(running.url, timeout=30) as client:
        found = World(client, running.info["api_key"])
        found.top_up_by_page("owner", "100.00")
        found.balance_is("100.00")
        assert found.may_start("running", "outbound_call", "1")["allowed"]
        yield found
    running.stop()


def _usage(world: World, text: str, *others: Doc) -> Doc:
    wrong = {"id": f"wrong-{next(_numbers)}", "kind": "ai_task", "amount": text}
    posted = [*others, wrong] if others else wrong
    answer: Doc = world.platform("POST", "/v1/usage", posted)["results"][-1]
    return {
        "field": answer.get("field"),
        "detail": answer.get("error"),
        "booked": answer["status"] != "rejected",
    }


def _batch(world: World, text: str) -> Doc:
    return _usage(world, text, {"id": "free of charge", "kind": "ai_task", "amount": "0"})


def _authorization(world: World, text: str) -> Doc:
    body = {"id": f"wrong-{next(_numbers)}", "kind": "ai_task", "estimate": text}
    return world.platform("POST", "/v1/authorizations", body, status=422)


def _capture(world: World, text: str) -> Doc:
    return world.platform("POST", "/v1/holds/running/capture", {"amount": text}, status=422)


def _extend(world: World, text: str) -> Doc:
    return world.platform("POST", "/v1/holds/running/extend", {"estimate": text}, status=422)


FIELDS: dict[tuple[str, str], tuple[Callable[[World, str], Doc], ...]] = {
    ("UsageBody", "amount"): (_usage, _batch),
    ("AuthorizationBody", "estimate"): (_authorization,),
    ("CaptureBody", "amount"): (_capture,),
    ("ExtendBody", "estimate"): (_extend,),
}
"""Every field that takes an amount, with the ways to send it."""


def test_every_amount_of_the_api_is_looked_at() -> None:
    """A new body with an amount needs an entry above."""
    classes = [one for _, one in inspect.getmembers(api, inspect.isclass) if issubclass(one, msgspec.Struct)]
    bodies = [one for one in classes if one.__name__.endswith("Body")]
    found = {
        (body.__name__, field.name)
        for body in bodies
        for field in msgspec.structs.fields(body)
        if field.name in ("amount", "estimate")
    }
    assert found == FIELDS.keys()


def _money(world: World) -> tuple[str, str, str]:
    wallet = world.wallet()
    return wallet["balance"], wallet["held"], wallet["standing"]


@pytest.mark.parametrize("field", FIELDS, ids=".".join)
def test_any_other_text_is_refused_by_the_fields_name_and_books_nothing(
    world: World, field: tuple[str, str]
) -> None:
    """By whatever way it comes."""

    @settings(max_examples=25, deadline=None, database=None)
    @given(near_texts.filter(lambda text: not is_machine_amount(text)))
    @example("0,420")
    @example("1,000")
    @example("$0.42")
    @example("0.42 ")
    @example("0,00")
    @example("0.0000000")
    def check(text: str) -> None:
        before = _money(world)
        for send in FIELDS[field]:
            answer = send(world, text)
            assert not answer.get("booked")
            assert answer["field"] == field[1]
            assert answer["detail"].startswith(f"{field[1]}: ")
            assert answer["detail"].endswith("Write it like 0.42.")
        assert _money(world) == before

    check()


@pytest.mark.parametrize(
    "text", ["0", "0.0", "000000000000.000000", "0.000001", "000000000001", "1.5", "0.420000"]
)
def test_an_amount_means_the_same_in_every_field(world: World, text: str) -> None:
    """To the sixth decimal, and zero is one."""
    number, exactly = next(_numbers), Decimal(text)
    hold, balance = f"exact-{number}", Decimal(world.wallet()["balance"])
    asked = world.may_start(hold, "outbound_call", text)
    assert Decimal(asked["hold"]["amount"]) == exactly
    world.may_start(f"free-{number}", "outbound_call", "0")
    extended = world.platform("POST", f"/v1/holds/free-{number}/extend", {"estimate": text})
    assert Decimal(extended["hold"]["amount"]) == exactly
    captured = world.platform("POST", f"/v1/holds/{hold}/capture", {"amount": text})
    assert Decimal(captured["balance_after"]) == balance - exactly
    (posted,) = world.use(f"exact-{number}-use", text)["results"]
    assert Decimal(posted["balance_after"]) == balance - 2 * exactly


def test_more_than_a_wallet_can_hold_is_refused_by_the_fields_name(world: World) -> None:
    """Twelve digits are in the grammar, and some of them too much."""
    before = _money(world)
    for (_, name), ways in FIELDS.items():
        for send in ways:
            answer = send(world, "999999999999")
            assert answer["field"] == name
            assert "more than a wallet can hold" in answer["detail"]
    assert _money(world) == before
