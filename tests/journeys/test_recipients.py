"""One person or channel that Slack refuses: everybody else reads the alarm, through the real libraries."""

from itertools import count

import pytest

from tests.journeys.world import World, shown, until

CALLS, OWNER, ADMIN, FINANCE = "C0CALLS01", "U0OWNER01", "U0ADMIN01", "U0FINANCE"
PLACES = {"#calls": CALLS, "owner": OWNER, "admin": ADMIN, "finance": FINANCE}


def _arm(world: World, **fault: object) -> None:
    assert world.client.post("/sandbox/api/slack/script", json=fault).status_code == 200


def _stops(world: World, place: str) -> int:
    who, channel = ("owner", place) if place.startswith("#") else (place, "dm")
    return sum("have stopped" in shown(one) for one in world.messages(who, channel))


def _code(code: str) -> dict[str, object]:
    return {"refuse": code}


LIMITED = {"limit": 30}
AWAY = {"fail": 503}
LOOKS_A_MINUTE = 20


@pytest.mark.parametrize(
    ("hit", "fault", "comes_back"),
    [
        ("#calls", _code("is_archived"), True),
        ("#calls", _code("restricted_action"), True),
        ("#calls", LIMITED, True),
        ("owner", _code("channel_not_found"), False),
        ("admin", AWAY, True),
        ("finance", _code("user_disabled"), False),
        ("finance", LIMITED, True),
    ],
    ids=["archived", "forbidden", "limited", "first gone", "middle away", "last gone", "last limited"],
)
def test_a_refused_recipient_keeps_nobody_else_from_the_alarm(
    world: World, hit: str, fault: dict[str, object], comes_back: bool
) -> None:
    """The others read it once within seconds; the one who was hit reads it when Slack takes it."""
    world.home("owner")
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    _arm(world, method="chat.postMessage", channel=PLACES[hit], times=10_000, **fault)
    world.use("call-1", "100.00")
    others = [one for one in PLACES if one != hit]
    looks = count(1)

    def all_read() -> bool | None:
        # Until a limit is over, nobody of the workspace is sent another message.
        if fault == LIMITED and next(looks) % LOOKS_A_MINUTE == 0:
            world.skip(1)
        return all(_stops(world, one) == 1 for one in others) or None

    until(all_read, lambda: f"who read the alarm: { {one: _stops(world, one) for one in PLACES} }")
    world.skip(5)
    assert [_stops(world, one) for one in others] == [1] * len(others)
    assert _stops(world, hit) == 0

    _arm(world, clear=True)
    world.skip(5)
    assert _stops(world, hit) == (1 if comes_back else 0)
    assert [_stops(world, one) for one in others] == [1] * len(others)


@pytest.mark.parametrize(("refusals", "kinds"), [(1, {"section"}), (2, set())])
def test_a_message_that_slack_does_not_take_goes_as_words(
    world: World, refusals: int, kinds: set[str]
) -> None:
    """Blocks refused for whatever reason: the sentence arrives all the same, once, with less and less beside it."""
    world.home("owner")
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.reads("finance", "was connected")
    _arm(world, method="chat.postMessage", channel=FINANCE, times=refusals, **_code("invalid_blocks"))
    world.command("owner", "/wallet auto off")
    world.use("call-1", "100.00")
    found = world.reads("finance", "have stopped")
    beside = [one for bar in found["attachments"] for one in bar["blocks"]]
    assert {one["type"] for one in (*found["blocks"], *beside)} == kinds
    assert _stops(world, "finance") == 1


def test_an_upload_host_that_is_away_costs_the_picture_alone(world: World) -> None:
    """The link is sent without its QR code."""
    world.home("owner")
    _arm(world, method="files.getUploadURLExternal", times=10, cut="before")
    _arm(world, method="files.completeUploadExternal", times=10, fail=500)
    world.command("owner", "/wallet ask @finance 40")
    world.reads("finance", "Please pay $40.00")


def test_a_channel_that_comes_back_reads_the_alarm_as_it_stands(world: World) -> None:
    """Redbar is removed from #calls: admins read so once. Invited again, #calls reads the alarm and its end."""
    world.home("owner")
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.command("owner", "/remove @Redbar", channel="#calls")
    away = "I'm not in"
    world.reads("owner", away)
    world.skip(3 * 60)
    world.use("call-1", "100.00")
    world.reads("owner", "have stopped")
    world.skip(5)
    assert _stops(world, "#calls") == 0
    assert sum(away in shown(one) for one in world.messages("owner")) == 1

    world.command("owner", "/invite @Redbar", channel="#calls")
    world.reads("owner", "have stopped", channel="#calls")
    world.top_up_by_page("owner", "100.00", save=False)
    found = world.reads("owner", "Everything runs again", channel="#calls")
    assert "have stopped" not in shown(found)
    assert sum(away in shown(one) for one in world.messages("owner")) == 1
