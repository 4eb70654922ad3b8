"""A month of usage leads to the months beside it, in every conversation."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from slack_sdk import WebClient

from bot.operator import demo
from bot.sandbox.loopback import loopback
from bot.slack.views.blocks import actions, button
from tests.blank_books import lay_books
from tests.journeys.conftest import TICK
from tests.journeys.world import World, button_of

MIDDLE = 15
"""The day of the month on which the company is looked at."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[demo.Demo]:
    """One company for the whole module."""
    found = demo.start(lay_books(tmp_path_factory.mktemp("months")), 0, tick=TICK)
    found.world.slack.tickets.clock.stop()
    yield found
    found.stop()


@dataclass(frozen=True, slots=True)
class Months:
    """A company in the middle of a month, whatever day it is really."""

    world: World
    present: datetime
    """The fifth of that month."""

    def ago(self, number: int) -> datetime:
        """Give the fifth of so many months before."""
        return self.present if number == 0 else (self.ago(number - 1) - timedelta(days=7)).replace(day=5)


@pytest.fixture(scope="module")
def months(running: demo.Demo) -> Iterator[Months]:
    """Calls in the present month and in the two before it."""
    with loopback(running.url, timeout=30) as client:
        world = World(client, running.info["api_key"])
        world.top_up_by_page("owner", "100.00")
        world.balance_is("100.00")
        now = datetime.fromisoformat(client.get("/sandbox/api/clock").json()["now"])
        month = now if now.day <= MIDDLE else now + timedelta(days=32 - now.day)
        world.skip((month.replace(day=MIDDLE) - now) // timedelta(minutes=1))
        found = Months(world, month.replace(day=5, hour=10))
        for number in range(3):
            world.use(f"call-{number}", "1.00", occurred_at=found.ago(number).isoformat(), quantity=60)
        yield found


@pytest.mark.parametrize("channel", ["dm", "#general"])
def test_a_month_between_two_others_is_shown_and_leads_to_both(months: Months, channel: str) -> None:
    """By command, then by either button."""
    world = months.world
    before, middle, present = (f"{months.ago(number):%B}" for number in (2, 1, 0))
    world.command("owner", f"/wallet usage {months.ago(1):%Y-%m}", channel)
    shown = world.reads("owner", f"{middle}: $1.00", channel)
    for text, says in ((f"‹ {before}", f"{before}: $1.00"), (f"{present} ›", f"{present} so far: $1.00")):
        pressed = button_of(shown, text)
        world.act(
            "press", "owner", channel=channel, ts=shown["ts"], action_id=pressed["action_id"], text=text
        )
        world.reads("owner", says, channel)


def test_a_months_button_in_an_old_message_still_shows_it(months: Months, running: demo.Demo) -> None:
    """It carries the month under the id that every such button once had."""
    slack = WebClient(running.bot.settings.slack_bot_token, running.bot.settings.slack_api_url)
    empty = months.ago(3)
    row = actions(button(f"‹ {empty:%B}", "usage", value=f"{empty:%Y-%m}"))
    posted = slack.chat_postMessage(channel="C0CALLS01", text="A month", blocks=[row])
    months.world.act("press", "owner", channel="#calls", ts=posted["ts"], action_id="usage")
    months.world.reads("owner", f"{empty:%B}: $0.00", "#calls")
