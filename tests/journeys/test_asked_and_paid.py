"""Whoever asked for a payment reads a new line when it is made: an update in place notifies nobody."""

from typing import Any

import pytest

from tests.journeys.world import VISA, Doc, World, shown, until

OWNER = "U0OWNER01"


def _link_in(message: Doc) -> str:
    return str(next(e["url"] for b in message["blocks"] for e in b.get("elements", []) if e.get("url")))


def _lines(world: World, who: str) -> list[str]:
    return [shown(one) for one in world.messages(who) if one.get("thread_ts") and "paid" in shown(one)]


def _ask(world: World) -> Doc:
    """Ask finance, and wait until the asker has their copy, not only the answer to the command; gives the request."""
    world.home("owner")
    world.command("owner", "/wallet ask @finance 40")
    until(
        lambda: next((one for one in world.messages("owner") if _is_copy(one)), None),
        lambda: "the asker has no copy",
    )
    return world.reads("finance", "Please pay $40.00")


def _is_copy(message: Doc) -> bool:
    return not message["ephemeral"] and "You asked <@U0FINANCE> to pay $40.00" in shown(message)


@pytest.mark.parametrize(
    "fault",
    [
        None,
        {"method": "chat.postMessage", "times": 1, "limit": 5},
        {"method": "chat.update", "times": 2, "fail": 503},
        {"method": "chat.postMessage", "times": 1, "cut": "before"},
    ],
    ids=["none", "limited", "away", "cut off"],
)
def test_the_asker_reads_once_that_their_request_was_paid(world: World, fault: dict[str, Any] | None) -> None:
    """In the thread of their copy, shown in the conversation, whatever Slack answers first."""
    asked = _ask(world)
    if fault is not None:
        armed = world.client.post("/sandbox/api/slack/script", json={**fault, "channel": OWNER})
        assert armed.status_code == 200
    world.pay(_link_in(asked), VISA)
    world.skip(2)
    until(lambda: _lines(world, "owner") or None, lambda: "the owner is not notified")
    world.skip(30)
    (line,) = _lines(world, "owner")
    assert "<@U0FINANCE> paid $40.00* with Visa ••4242. The balance is $40.00." in line
    assert _lines(world, "finance") == []


def test_a_message_of_the_asker_that_was_deleted_is_told_anew(world: World) -> None:
    """The new message notifies by itself: no line is added to it."""
    asked = _ask(world)
    fault = {"method": "chat.update", "channel": OWNER, "times": 1, "refuse": "message_not_found"}
    assert world.client.post("/sandbox/api/slack/script", json=fault).status_code == 200
    world.pay(_link_in(asked), VISA)
    world.reads("owner", "was paid* with Visa ••4242 through the link sent to <@U0FINANCE>")
    world.skip(5)
    assert _lines(world, "owner") == []
