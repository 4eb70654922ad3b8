"""The link of a request, copied for somebody outside Slack: by whom, how long, and no longer."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from slack_bolt import BoltRequest

from bot.operator import demo
from bot.operator.demo import Demo
from bot.sandbox.loopback import loopback
from bot.sandbox.slack.seed import TEAM
from bot.slack.ids import Act
from tests.blank_books import lay_books
from tests.journeys.conftest import TICK
from tests.journeys.world import FINANCE_VISA, Doc, World, button_of, shown, until

CALLS = "C0CALLS01"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Demo]:
    """A company in front of a bot whose listeners can be reached."""
    made = demo.start(lay_books(tmp_path / "demo"), 0, tick=TICK)
    made.world.slack.tickets.clock.stop()
    yield made
    made.stop()


@pytest.fixture
def world(running: Demo) -> Iterator[World]:
    """The same, seen by people."""
    with loopback(running.url, timeout=30) as client:
        yield World(client, running.info["api_key"])


def asked(world: World, dollars: int = 60) -> tuple[Doc, str]:
    """Ask finance to pay; gives the answer that only the asker sees, which nothing updates, and the link."""
    world.command("admin", f"/wallet ask @finance {dollars} before the campaign", channel="#calls")
    answer = world.reads("admin", f"You asked <@U0FINANCE> to pay ${dollars}", channel="#calls")
    assert answer["ephemeral"]
    sent = world.reads("finance", f"Please pay ${dollars}.00")
    return answer, str(button_of(sent, f"Pay ${dollars}.00")["url"])


def press(world: World, who: str, message: Doc) -> None:
    """Press [Copy link]."""
    found = button_of(message, "Copy link")
    world.act("press", who, channel="#calls", ts=message["ts"], action_id=found["action_id"])


def forms_of(world: World, who: str) -> list[Doc]:
    """Give the open forms of somebody."""
    found: list[Doc] = world.client.get("/sandbox/api/modals", params={"as": who}).json()["views"]
    return found


def copied(form: Doc) -> str:
    """Give the text of the form's box."""
    (box,) = [one for one in form["blocks"] if one["type"] == "rich_text"]
    return str(box["elements"][0]["elements"][0]["text"])


def press_as(running: Demo, user_id: str, payment_id: str) -> None:
    """Press the button without having been shown it, as a forged request would."""
    body = {
        "type": "block_actions",
        "team": {"id": TEAM},
        "user": {"id": user_id, "team_id": TEAM},
        "channel": {"id": CALLS},
        "trigger_id": "none",
        "actions": [
            {"type": "button", "action_id": str(Act.COPY_LINK), "block_id": "b", "value": payment_id}
        ],
    }
    running.bot.slack.bolt.dispatch(BoltRequest(body=body, mode="socket_mode"))


def test_the_asker_copies_the_link_until_it_is_paid(world: World) -> None:
    """The very link that was sent, in a box of its own; afterwards a sentence says why there is none."""
    answer, url = asked(world)

    press(world, "admin", answer)
    form = world.modal_reads("admin", "Anybody with this link can pay $60.00")
    assert copied(form) == url
    assert "once, until" in shown(form)
    assert forms_of(world, "finance") == []
    world.act("close", "admin")

    world.pay(url, FINANCE_VISA)
    world.reads("finance", "Paid $60.00")
    press(world, "admin", answer)
    said = world.modal_reads("admin", "there is none to copy")
    assert "*$60.00 was paid* with Visa ••1881" in shown(said)
    assert url not in str(said)


def test_a_request_that_was_withdrawn_or_has_expired_has_no_link(world: World, running: Demo) -> None:
    """It says what became of it; when time alone ended it, from that moment."""
    first, _ = asked(world)
    copy = world.reads("admin", "You asked")
    button = button_of(copy, "Withdraw")
    world.act("press", "admin", channel="dm", ts=copy["ts"], action_id=button["action_id"], confirm=True)
    until(lambda: "withdrawn" in str(world.messages("admin")) or None, lambda: "it was not withdrawn")
    press(world, "admin", first)
    world.modal_reads("admin", "was withdrawn by <@U0ADMIN01>. Nothing was charged. Its link")

    second, _ = asked(world, 70)
    running.clock.skip_to(running.clock.now() + timedelta(days=7))
    press(world, "admin", second)
    world.modal_reads("admin", "has expired. Nothing was charged. Its link")


def test_others_are_told_whom_to_ask(world: World, running: Demo) -> None:
    """People without a role, and people from outside, read the same sentences as ever."""
    answer, url = asked(world)
    payment_id = str(button_of(answer, "Copy link")["value"])

    press_as(running, "U0MEMBER1", payment_id)
    said = world.reads("member", "Billing is looked after by", channel="#calls")
    press_as(running, "U0GUEST01", payment_id)
    world.reads("guest", "isn't available here", channel="#calls")

    assert url not in str(said) + str(world.messages("guest", "#calls"))
