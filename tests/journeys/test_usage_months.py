"""A month of usage leads to the months beside it, in every conversation."""

from collections.abc import Iterator

import pytest
from slack_sdk import WebClient

from bot.operator import demo
from bot.sandbox.loopback import loopback
from bot.slack.views.blocks import actions, button
from tests.blank_books import lay_books
from tests.journeys.conftest import TICK
from tests.journeys.world import World, button_of


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[demo.Demo]:
    """One company for the whole module."""
    found = demo.start(lay_books(tmp_path_factory.mktemp("months")), 0, tick=TICK)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def world(running: demo.Demo) -> Iterator[World]:
    """Calls in September, October and November."""
    with loopback(running.url, timeout=30) as client:
        found = World(client, running.info["api_key"])
        found.top_up_by_page("owner", "100.00")
        found.balance_is("100.00")
        for month in ("09", "10", "11"):
            found.use(f"call-{month}", "1.00", occurred_at=f"2026-{month}-05T10:00:00Z", quantity=60)
        yield found


@pytest.mark.parametrize("channel", ["dm", "#general"])
def test_a_month_between_two_others_is_shown_and_leads_to_both(world: World, channel: str) -> None:
    """By command, then by either button."""
    world.command("owner", "/wallet usage 2026-10", channel)
    october = world.reads("owner", "October: $1.00", channel)
    for text, says in (("‹ September", "September: $1.00"), ("November ›", "November so far: $1.00")):
        pressed = button_of(october, text)
        world.act(
            "press", "owner", channel=channel, ts=october["ts"], action_id=pressed["action_id"], text=text
        )
        world.reads("owner", says, channel)


def test_a_months_button_in_an_old_message_still_shows_it(world: World, running: demo.Demo) -> None:
    """It carries the month under the id that every such button once had."""
    slack = WebClient(running.bot.settings.slack_bot_token, running.bot.settings.slack_api_url)
    row = actions(button("‹ August", "usage", value="2026-08"))
    posted = slack.chat_postMessage(channel="C0CALLS01", text="September", blocks=[row])
    world.act("press", "owner", channel="#calls", ts=posted["ts"], action_id="usage")
    world.reads("owner", "August: $0.00", "#calls")
