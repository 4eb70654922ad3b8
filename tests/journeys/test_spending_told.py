"""What is spent is told by the running bot: money that ends soon in the morning, and a day that costs far more."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.journeys.world import World, button_of

ZONE = ZoneInfo("Europe/Berlin")
HALF_PAST_EIGHT = 8 * 60 + 30


def _now(world: World) -> datetime:
    return datetime.fromisoformat(world.client.get("/sandbox/api/clock").json()["now"])


def _use(world: World, name: str, amount: str, kind: str, ago: timedelta, reference: str = "") -> None:
    world.use(name, amount, kind, reference=reference, occurred_at=(_now(world) - ago).isoformat())


def test_people_read_in_the_morning_and_on_the_day_what_they_asked_for(world: World) -> None:
    """The clock skips over nine: the message is of nine. [Why?] is answered in the thread."""
    world.home("owner")
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.command("owner", "/wallet alerts")
    world.modal("owner", "alerts")
    world.submit("owner", channels=["C0CALLS01"], info=["on"])
    world.modal_reads("owner", "They read in the morning, too")
    world.act("close", "owner")
    local = _now(world).astimezone(ZONE)
    world.skip((HALF_PAST_EIGHT - local.hour * 60 - local.minute) % (24 * 60) + 24 * 60)
    for hours in range(1, 31):
        _use(world, f"task-{hours}", "1.00", "ai_task", timedelta(hours=hours))
    world.balance_is("70.00")
    _use(world, "task-now", "10.00", "ai_task", timedelta())
    world.skip(4 * 60)
    told = world.reads("finance", "Sent in the morning while less than 72 hours are left.")
    assert told["text"].startswith("$60.00 is left, enough until about ")
    assert datetime.fromtimestamp(float(told["ts"]), ZONE).hour == 9

    world.top_up_by_page("owner", "500.00")
    world.balance_is("560.00")
    for name, amount, days in (("first", "44.00", 14), ("second", "44.00", 7), ("today", "123.00", 0)):
        _use(world, name, amount, "outbound_call", timedelta(days=days), "camp-118")
    world.skip(1)
    seen = world.reads("finance", "Outbound calls cost $123 today, 2.7 times a usual ")
    pressed = button_of(seen, "Why?")
    world.act("press", "finance", channel="dm", ts=seen["ts"], action_id=pressed["action_id"], text="Why?")
    why = world.reads("finance", "$123.00  camp-118")
    assert why["thread_ts"] == seen["ts"]
