"""Home is never dead: what Slack refuses is left out, and what it does not take now follows. Over real HTTP."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.delivering.posted_messages import PostedMessages
from bot.facts import HomeFacts
from bot.ports import NotNow, RecipientGone
from bot.sandbox.slack.faults import Cut, Fail, Fault, Limit, Refuse, UploadHostAway, Wrong
from bot.sandbox.slack.seed import TEAM
from bot.slack.client import SlackClient
from bot.slack.homes import Homes
from bot.slack.publish_pace import PublishPace
from bot.slack.views import home as home_views
from bot.slack.views.blocks import View
from bot.wallets.people import CannotAsk
from bot.wallets.refused_content import RefusedContent
from ledger import MICROS, CreditKind, PostMoney, PostUsage, new_id
from tests.bot.rights_company import USERS, Company, actor, company

OWNER, FINANCE, MEMBER = "owner", "finance", "member"
IMAGE = "image"


@dataclass
class Shown:
    """A company whose people look at Home, and the clock by which Home is published."""

    company: Company
    homes: Homes
    slept: list[float]

    def arm(self, wrong: Wrong, method: str = "views.publish", **more: Any) -> None:
        """Let Slack go wrong."""
        self.company.place.stand_in.faults.add(Fault(method, wrong, **more))

    def heal(self) -> None:
        """Let Slack do as ever."""
        self.company.place.stand_in.faults.clear()

    def open(self, column: str) -> None:
        """Open Home."""
        self.homes.open(actor(column))

    def later(self, **delta: float) -> None:
        """Let time pass, and do what is due then."""
        self.company.place.clock.skip(**delta)
        self.refresh()

    def refresh(self, times: int = 1) -> None:
        """Do what the jobs do."""
        for _ in range(times):
            self.homes.refresh(self.company.wallet_id, TEAM)
            self.homes.pictures.draw()

    def spend(self, dollars: int) -> None:
        """Let something happen that Home shows."""
        usage = PostUsage("platform", str(new_id()), "outbound_call", dollars * MICROS, None)
        self.company.ledger.carry_out(self.company.wallet_id, [usage])

    def view(self, column: str) -> dict[str, Any]:
        """Give Home as somebody sees it."""
        found: dict[str, Any] = self.company.place.get("home", who=USERS[column])["view"] or {"blocks": []}
        return found

    def kinds(self, column: str) -> list[str]:
        """Give the kinds of blocks that somebody sees."""
        return [one["type"] for one in self.view(column)["blocks"]]

    def asked(self, path: str = "/api/views.publish", user: str = "") -> int:
        """Count requests to Slack."""
        found = [one for one in self.company.place.wire() if one["path"].startswith(path)]
        return sum(not user or one["body"].get("user_id") == user for one in found)


def _homes(made: Company, slept: list[float]) -> Homes:
    context = made.context

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        made.place.clock.skip(seconds=seconds)

    slack = SlackClient(made.client, sleep, RefusedContent(made.ledger, TEAM))
    posted = PostedMessages(made.ledger)
    return Homes(made.ledger, slack, context.people, context.recharge, posted, first_admin="", sleep=sleep)


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    """A company with money and calls, whose pictures are ready at once."""
    with company(tmp_path) as made:
        made.place.stand_in.state.file_seconds = 0.0
        money = PostMoney("test", "money", CreditKind.TOP_UP, 500 * MICROS, None)
        made.ledger.carry_out(made.wallet_id, [money])
        slept: list[float] = []
        one = Shown(made, _homes(made, slept), slept)
        one.spend(3)
        yield one


def _with_picture(shown: Shown) -> str:
    """Let the owner see Home with its picture; gives the picture's file."""
    shown.open(OWNER)
    shown.later(seconds=2)
    shown.later(seconds=2)
    (image,) = [one for one in shown.view(OWNER)["blocks"] if one["type"] == IMAGE]
    return str(image["slack_file"]["id"])


# --- What Slack refuses ------------------------------------------------------------------------------------


def test_words_come_first_and_the_picture_follows(shown: Shown) -> None:
    """Nobody waits for the host that takes pictures."""
    shown.open(OWNER)
    assert "$497.00" in str(shown.view(OWNER))
    assert (IMAGE in shown.kinds(OWNER), shown.asked("/upload/")) == (False, 0)
    assert _with_picture(shown)


def test_a_picture_that_was_deleted_is_left_out_and_uploaded_anew(shown: Shown) -> None:
    """Home shows its words at once; it is asked for seldom until there is another picture."""
    file_id = _with_picture(shown)
    shown.company.context.slack.delete_file(file_id)
    shown.company.place.clock.skip(minutes=1)
    before = shown.asked()
    shown.open(OWNER)
    assert "$497.00" in str(shown.view(OWNER))
    assert IMAGE not in shown.kinds(OWNER)
    shown.refresh(50)
    assert shown.asked() - before == 2, "refused once, then shown without"
    assert shown.slept == []

    for _ in range(40):
        shown.later(seconds=5)
    (image,) = [one for one in shown.view(OWNER)["blocks"] if one["type"] == IMAGE]
    assert image["slack_file"]["id"] != file_id
    assert shown.asked() - before < 15


def test_a_picture_that_is_still_processed_follows_within_seconds(shown: Shown) -> None:
    """The same picture: it is not uploaded again."""
    shown.company.place.stand_in.state.file_seconds = 10_000.0
    shown.open(OWNER)
    shown.later(seconds=2)
    shown.later(seconds=2)
    assert (IMAGE in shown.kinds(OWNER), "$497.00" in str(shown.view(OWNER))) == (False, True)
    shown.company.place.stand_in.state.file_seconds = 0.0
    shown.later(seconds=6)
    assert IMAGE in shown.kinds(OWNER)
    assert shown.asked("/upload/") == 1


def _refusal_at(shown: Shown, kind: str) -> Refuse:
    at = shown.kinds(OWNER).index(kind)
    message = f"[ERROR] unsupported type: {kind} [json-pointer:/view/blocks/{at}/type]"
    return Refuse("invalid_arguments", (message,))


def test_a_refused_block_is_left_out_for_a_day_in_every_process(shown: Shown) -> None:
    """Asked once, not with each change; its words stay; afterwards it is tried again."""
    shown.open(OWNER)
    shown.arm(_refusal_at(shown, "header"))
    shown.spend(1)
    shown.later(seconds=2)
    assert "header" not in shown.kinds(OWNER)
    assert "$496.00" in str(shown.view(OWNER)["blocks"][0])

    before = shown.asked()
    shown.homes = _homes(shown.company, shown.slept)  # another process
    for _ in range(3):
        shown.spend(1)
        shown.later(seconds=2)
    assert shown.asked() - before <= 4
    assert ("header" in shown.kinds(OWNER), "$493.00" in str(shown.view(OWNER))) == (False, True)
    shown.company.place.clock.skip(hours=24)
    shown.open(OWNER)
    assert "header" in shown.kinds(OWNER)


@pytest.mark.parametrize(("times", "kinds"), [(1, None), (2, {"section"}), (3, {"section"})])
def test_a_refusal_that_points_nowhere_leaves_the_words(
    shown: Shown, times: int, kinds: set[str] | None
) -> None:
    """Without pictures, then sections alone, then one section; the same Home is not tried whole again."""
    _with_picture(shown)
    shown.spend(1)
    shown.arm(Refuse("invalid_arguments"), times=times)
    shown.later(seconds=2)
    assert "$496.00" in str(shown.view(OWNER))
    assert IMAGE not in shown.kinds(OWNER)
    if kinds is not None:
        assert set(shown.kinds(OWNER)) == kinds
    before = shown.asked()
    shown.refresh(20)
    assert shown.asked() == before


def test_a_home_of_which_nothing_is_taken_is_asked_for_seldom_and_comes_back(shown: Shown) -> None:
    """Not hundreds of times; the others see theirs."""
    shown.open(FINANCE)
    shown.arm(Refuse("invalid_arguments"), channel=USERS[OWNER], times=None)
    shown.open(OWNER)
    for _ in range(120):
        shown.later(seconds=1)
    assert shown.asked(user=USERS[OWNER]) <= 6 * 4
    shown.spend(1)
    shown.later(seconds=2)
    assert "$496.00" in str(shown.view(FINANCE))
    shown.heal()
    shown.later(minutes=10)
    assert "$496.00" in str(shown.view(OWNER))


# --- What Slack does not take now --------------------------------------------------------------------------


def test_a_limit_is_kept_to_for_everybody(shown: Shown) -> None:
    """Retry-After is that of the method: nobody's Home is published before, and everybody's is after."""
    shown.open(FINANCE)
    shown.arm(Limit(30))
    before = shown.asked()
    shown.open(OWNER)
    shown.open(MEMBER)
    shown.spend(1)
    for _ in range(29):
        shown.later(seconds=1)
    assert shown.asked() - before == 1
    shown.later(seconds=2)
    assert all("$496.00" in str(shown.view(one)) for one in (OWNER, FINANCE))
    assert "Ask for access" in str(shown.view(MEMBER))


@pytest.mark.parametrize("wrong", [Fail(503), Cut(), Refuse("fatal_error"), Refuse("code_of_next_year")])
def test_a_home_that_could_not_be_published_follows(shown: Shown, wrong: Wrong) -> None:
    """For people with a role and without; it is tried more and more seldom."""
    shown.arm(wrong, times=None)
    for column in (OWNER, MEMBER, "guest"):
        shown.open(column)
    for _ in range(60):
        shown.later(seconds=1)
    assert shown.asked() <= 3 * 6
    shown.heal()
    shown.later(minutes=2)
    assert "$497.00" in str(shown.view(OWNER))
    assert "Ask for access" in str(shown.view(MEMBER))
    assert "isn't available here" in str(shown.view("guest"))


def test_whoever_slack_could_not_be_asked_about_sees_home_when_it_answers(shown: Shown) -> None:
    """Nothing is published until then."""
    shown.arm(Fail(500), "users.info", channel=USERS[OWNER], times=1)
    with pytest.raises(CannotAsk):
        shown.open(OWNER)
    assert shown.asked() == 0
    shown.later(seconds=2)
    assert "$497.00" in str(shown.view(OWNER))


def test_slack_is_not_asked_who_somebody_is_at_every_tick(shown: Shown) -> None:
    """Its limit is a hundred people a minute."""
    shown.arm(Fail(500), "users.info", channel=USERS[OWNER], times=None)
    with pytest.raises(CannotAsk):
        shown.open(OWNER)
    for _ in range(60):
        shown.later(seconds=1)
    assert shown.asked("/api/users.info") <= 6


def test_a_home_that_cannot_be_rendered_stops_no_other(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours: it is tried more and more seldom too."""
    shown.open(OWNER)
    shown.open(FINANCE)
    rendered: list[str] = []
    real = home_views.home

    def render(facts: HomeFacts) -> View:
        rendered.append(facts.viewer_id)
        if facts.viewer_id == USERS[OWNER]:
            raise ZeroDivisionError
        return real(facts)

    monkeypatch.setattr(home_views, "home", render)
    shown.spend(1)
    for _ in range(60):
        shown.later(seconds=1)
    assert "$496.00" in str(shown.view(FINANCE))
    assert 3 <= rendered.count(USERS[OWNER]) <= 6


def test_one_viewers_trouble_is_that_viewers(shown: Shown) -> None:
    """Each of the others is refreshed, and the troubled one is not asked for at every tick."""
    shown.open(OWNER)
    shown.open(FINANCE)
    shown.arm(Refuse("user_not_found"), channel=USERS[OWNER], times=None)
    shown.spend(1)
    for _ in range(60):
        shown.later(seconds=1)
    assert "$496.00" in str(shown.view(FINANCE))
    assert shown.asked(user=USERS[OWNER]) == 2


def test_a_viewer_is_published_to_once_a_second(shown: Shown) -> None:
    """Who presses again waits for the rest of the second; a refresh comes back later."""
    shown.open(OWNER)
    shown.company.place.clock.skip(milliseconds=400)
    shown.open(OWNER)
    assert shown.slept == [0.6]
    shown.spend(1)
    before = shown.asked()
    shown.refresh()
    assert shown.asked() == before
    shown.later(seconds=1)
    assert shown.asked() == before + 1
    assert "$496.00" in str(shown.view(OWNER))


def test_of_presses_that_wait_the_last_is_shown() -> None:
    """Those between do nothing; a refresh gives way."""
    pace, shown, first = PublishPace(), [], threading.Event()
    go = threading.Event()

    def press(number: int) -> None:
        with pace.turn("U1", waits=True) as mine:
            if number == 0:
                first.set()
                go.wait(10)
            if mine:
                shown.append(number)

    threads = [threading.Thread(target=press, args=(number,)) for number in range(3)]
    threads[0].start()
    assert first.wait(10)
    with pace.turn("U1", waits=False) as mine:
        assert not mine
    for number, thread in enumerate(threads[1:], start=2):
        thread.start()
        while pace._viewer("U1").newest < number:
            pass
    go.set()
    for thread in threads:
        thread.join(10)
    assert shown == [0, 2]


def test_each_failure_waits_longer(shown: Shown) -> None:
    """By what it was, up to ten minutes, or an hour where it is definite for this viewer."""
    now = shown.company.ledger.now()
    pace = PublishPace()
    waits = []
    for _ in range(12):
        pace.failed("U1", NotNow("no_answer"), now)
        waits.append(pace.wait("U1", now) // timedelta(seconds=1))
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]
    assert pace.wait("U2", now) == timedelta(0)
    pace.failed("U2", RecipientGone("user_not_found"), now)
    assert pace.wait("U2", now) == timedelta(hours=1)
    pace.failed("U3", NotNow("ratelimited", timedelta(seconds=9)), now)
    assert pace.wait("U4", now) == timedelta(seconds=9)


# --- The host that takes pictures --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "method"),
    [
        (UploadHostAway(), "files.getUploadURLExternal"),
        (Cut(), "upload"),
        (Fail(500), "upload"),
        (Limit(60), "files.getUploadURLExternal"),
    ],
)
def test_home_goes_without_its_picture_while_the_host_is_away(
    shown: Shown, wrong: Wrong, method: str
) -> None:
    """The host is asked more and more seldom; the picture follows when it answers."""
    shown.arm(wrong, method, times=None)
    shown.open(OWNER)
    before = shown.asked("/api/files.getUploadURLExternal")
    for _ in range(100):
        shown.later(seconds=1)
    assert 1 <= shown.asked("/api/files.getUploadURLExternal") - before <= 3
    shown.spend(1)
    shown.later(seconds=2)
    assert "$496.00" in str(shown.view(OWNER))
    shown.heal()
    shown.later(minutes=4)
    shown.later(seconds=2)
    assert IMAGE in shown.kinds(OWNER)


def test_a_workspace_that_takes_no_files_is_asked_again_after_hours(shown: Shown) -> None:
    """It is a setting of its administrators."""
    shown.arm(Refuse("file_uploads_disabled"), "files.getUploadURLExternal", times=None)
    shown.open(OWNER)
    for _ in range(100):
        shown.later(minutes=1)
    assert shown.asked("/api/files.getUploadURLExternal") == 1


# --- What is remembered ------------------------------------------------------------------------------------


def test_a_refused_part_is_left_out_for_longer_each_time(shown: Shown) -> None:
    """Fourfold up to a day; in this workspace alone; a part that was long not refused begins anew."""
    refused, skip = RefusedContent(shown.company.ledger, TEAM), shown.company.place.clock.skip
    hours = []
    for _ in range(5):
        refused.remember({"part:1": timedelta(hours=1)})
        hours.append(0)
        while "part:1" in refused.known():
            skip(hours=1)
            hours[-1] += 1
    assert hours == [1, 4, 16, 24, 24]
    assert refused.times("part:1") == 5

    elsewhere = RefusedContent(shown.company.ledger, "T0NOWHERE")
    refused.remember({"part:2": timedelta(hours=1)})
    elsewhere.remember({"part:3": timedelta(hours=1)})
    assert elsewhere.known() == frozenset()
    assert refused.known() == frozenset({"part:2"})
    skip(days=3)
    refused.remember({"part:2": timedelta(hours=1)})
    assert (refused.times("part:1"), refused.times("part:2")) == (0, 1)
