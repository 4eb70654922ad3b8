"""A dead card under ten thousand postings and twenty restarts: attempts and messages stay within the schedule.

What stormed others: a declined card that every new usage, every restart or every tick charged again.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.operator import demo
from bot.operator.demo import Demo
from bot.sandbox.loopback import loopback
from tests.blank_books import lay_books
from tests.journeys.world import World, shown
from tests.sizes import size

TICK = timedelta(milliseconds=200)
RESTARTS = size("dead_card", local=3, ci=3, full=20)
RESTARTS_AT_ONCE = 5
HOURS_PASS_AFTER = 5
"""Restarts after which hours pass: the whole schedule of tries is over by then."""
POSTINGS_EACH = 500
TRIES_MAX = 4
"""One and three repeats, after one, three and seven hours; then people have to help."""


def attempts(world: World) -> int:
    """Count how often a charge of the saved card was confirmed."""
    log = world.client.get("/sandbox/log.jsonl").text.splitlines()
    return sum('"POST"' in line and "/confirm" in line for line in log)


def told(world: World, who: str) -> int:
    """Count the messages that tell somebody of a failed automatic payment."""
    return sum(
        "automatic payment" in shown(one).lower() and "failed" in shown(one) for one in world.messages(who)
    )


def post(world: World, first: int) -> None:
    """Post five hundred usages of a cent."""
    batch = [
        {"id": f"call-{first + number}", "kind": "outbound_call", "amount": "0.01"}
        for number in range(POSTINGS_EACH)
    ]
    world.platform("POST", "/v1/usage", batch)


@pytest.mark.parametrize("hours_between", [0, 4])
def test_a_dead_card_is_tried_by_the_schedule_and_no_more(tmp_path: Path, hours_between: int) -> None:
    """Whether everything happens in one moment or over days."""
    data = tmp_path / "demo"
    tried = 0
    for number in range(RESTARTS if hours_between else RESTARTS_AT_ONCE):
        running: Demo = demo.start(lay_books(data), 0, tick=TICK)
        try:
            with loopback(running.url, timeout=60) as client:
                world = World(client, running.info["api_key"])
                if number == 0:
                    world.top_up_by_page("owner", "120.00")
                    world.balance_is("120.00")
                    world.turn_rule_on()
                client.post(
                    "/sandbox/api/stripe/script",
                    json={"last4": "4242", "decline": "insufficient_funds"},
                ).raise_for_status()
                if number == 0:
                    world.use("the-big-one", "75.00")
                    world.reads("finance", "failed")
                post(world, number * POSTINGS_EACH)
                if hours_between and number < HOURS_PASS_AFTER:
                    world.skip(hours_between * 60)
                tried, heard = attempts(world), told(world, "finance")
        finally:
            running.stop()
        assert tried <= TRIES_MAX
        assert heard <= TRIES_MAX
    assert tried == (TRIES_MAX if hours_between else 1)
