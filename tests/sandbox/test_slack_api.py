"""The Slack stand-in's Web API as the real slack_sdk meets it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack.installation import SCOPES
from tests.sandbox.slack_place import Place, SettableClock

HELLO: list[dict[str, Any]] = [{"type": "section", "text": {"type": "mrkdwn", "text": "Hello"}}]
MODAL: dict[str, Any] = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "A form"},
    "blocks": [
        *HELLO,
        {
            "type": "actions",
            "elements": [
                {"type": "button", "action_id": "more", "text": {"type": "plain_text", "text": "More"}}
            ],
        },
    ],
}
HOME: dict[str, Any] = {"type": "home", "blocks": HELLO}


def _refused(call: Any, **params: Any) -> dict[str, Any]:
    """Give Slack's answer to a call that is refused."""
    with pytest.raises(SlackApiError) as refused:
        call(**params)
    answer: dict[str, Any] = dict(refused.value.response.data)
    return answer


def test_the_bot_learns_who_it_is_when_its_token_is_good(place: Place) -> None:
    """auth.test names the team, the bot's user and the bot."""
    answer = place.web.auth_test()

    assert (answer["team_id"], answer["user_id"], answer["bot_id"]) == ("T0REDBAR1", "U0REDBAR1", "B0REDBAR1")


def test_calls_are_refused_in_slacks_words_when_token_scope_or_method_is_wrong(place: Place) -> None:
    """Each mistake has its own word."""
    base = f"{place.base_url}/slack/api/"

    stranger = WebClient("xoxb-somebody-else", base_url=base)

    assert _refused(stranger.auth_test)["error"] == "invalid_auth"
    assert place.http.post("/slack/api/auth.test").json()["error"] == "not_authed"
    assert _refused(place.web.api_call, api_method="chat.shout")["error"] == "unknown_method"


def test_a_missing_scope_is_named_when_a_method_needs_one(place: Place) -> None:
    """The answer says what is needed and what was granted."""
    missing = _refused(place.web.conversations_join, channel="C0CAMPAIG")

    assert missing["error"] == "missing_scope"
    assert missing["needed"] == "channels:join"
    assert tuple(missing["provided"].split(",")) == SCOPES


@pytest.mark.parametrize(
    ("user", "admin", "owner", "restricted", "stranger"),
    [
        ("U0OWNER01", True, True, False, False),
        ("U0ADMIN01", True, False, False, False),
        ("U0FINANCE", False, False, False, False),
        ("U0GUEST01", False, False, True, False),
        ("U0EXTERN1", False, False, False, True),
    ],
)
def test_people_carry_their_flags_when_the_bot_asks(
    place: Place, user: str, admin: bool, owner: bool, restricted: bool, stranger: bool
) -> None:
    """Flags that Slack leaves out count as false."""
    person = place.web.users_info(user=user)["user"]

    assert bool(person.get("is_admin")) is admin
    assert bool(person.get("is_owner")) is owner
    assert bool(person.get("is_restricted")) is restricted
    assert bool(person.get("is_stranger")) is stranger
    assert (person["team_id"] == "T0REDBAR1") is not stranger


def test_nobody_is_found_when_the_id_is_unknown(place: Place) -> None:
    """users.info says so; users.list has everybody and the bot."""
    assert _refused(place.web.users_info, user="U0NOBODY1")["error"] == "user_not_found"
    members = [one["id"] for one in place.web.users_list()["members"]]
    assert {"U0OWNER01", "U0MEMBER1", "U0REDBAR1"} <= set(members)


def test_a_message_is_read_changed_and_deleted_in_its_channel(place: Place) -> None:
    """Post, update and delete keep one timestamp."""
    posted = place.web.chat_postMessage(channel="C0CALLS01", text="Low balance", blocks=HELLO)

    ts = posted["ts"]
    place.web.chat_update(channel="C0CALLS01", ts=ts, text="All well")
    (seen,) = place.messages("member", "#calls")
    assert (seen["ts"], seen["text"], seen["edited"], seen["bot"]) == (ts, "All well", True, True)

    place.web.chat_delete(channel="C0CALLS01", ts=ts)
    assert place.messages("member", "#calls") == []
    assert _refused(place.web.chat_delete, channel="C0CALLS01", ts=ts)["error"] == "message_not_found"


def test_timestamps_follow_the_clock_and_never_repeat(place: Place, clock: SettableClock) -> None:
    """A standing clock still gives increasing timestamps."""
    stamps = [place.web.chat_postMessage(channel="C0CALLS01", text=str(one))["ts"] for one in range(3)]
    clock.skip(hours=1)
    stamps.append(place.web.chat_postMessage(channel="C0CALLS01", text="later")["ts"])

    assert stamps == sorted(set(stamps), key=float)
    assert datetime.fromtimestamp(float(stamps[-1]), clock.now().tzinfo).hour == clock.now().hour


def test_a_persons_id_as_channel_reaches_their_direct_message(place: Place) -> None:
    """The bot needs no conversation id to write to somebody."""
    answer = place.web.chat_postMessage(channel="U0OWNER01", text="For you")

    assert answer["channel"].startswith("D")
    assert [one["text"] for one in place.messages("owner")] == ["For you"]
    assert place.messages("admin") == []


def test_a_red_bar_is_kept_when_a_message_has_blocks_and_attachments(place: Place) -> None:
    """Colour, fallback and inner blocks come back as they were sent."""
    bar = [{"color": "#E01E5A", "fallback": "Low balance", "blocks": HELLO}]

    place.web.chat_postMessage(channel="C0CALLS01", text="Low balance", blocks=HELLO, attachments=bar)

    (seen,) = place.messages("member", "#calls")
    (kept,) = seen["attachments"]
    assert (kept["color"].lstrip("#").upper(), kept["fallback"]) == ("E01E5A", "Low balance")
    assert kept["blocks"][0]["text"]["text"] == "Hello"
    assert seen["blocks"][0]["text"]["text"] == "Hello"


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
        ({"channel": "C0CAMPAIG", "text": "x"}, "not_in_channel"),
        ({"channel": "C0CALLS01"}, "no_text"),
        ({"channel": "C0CALLS01", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "C0CALLS01", "text": "x", "attachments": [{"text": "y"}] * 101}, "too_many_attachments"),
        ({"channel": "C0CALLS01", "text": "x", "blocks": [{"type": "confetti"}]}, "invalid_blocks"),
    ],
)
@pytest.mark.filterwarnings("ignore:The top-level")  # the library's own advice about a missing text
def test_a_message_is_refused_in_slacks_words(place: Place, params: dict[str, Any], error: str) -> None:
    """Nothing of a refused message is seen."""
    assert _refused(place.web.chat_postMessage, **params)["error"] == error
    assert place.messages("member", "#calls") == []


def test_a_thread_reply_carries_its_parent(place: Place) -> None:
    """The parent counts its replies."""
    parent = place.web.chat_postMessage(channel="C0CALLS01", text="Alert")["ts"]
    place.web.chat_postMessage(channel="C0CALLS01", text="Solved", thread_ts=parent)

    first, reply = place.messages("member", "#calls")
    assert (first["reply_count"], reply["thread_ts"]) == (1, parent)


def test_an_ephemeral_message_has_one_reader(place: Place) -> None:
    """Others do not see it, and it cannot be updated."""
    answer = place.web.chat_postEphemeral(channel="C0CALLS01", user="U0MEMBER1", text="Only you")

    (seen,) = place.messages("member", "#calls")
    assert seen["ephemeral"] is True
    assert place.messages("owner", "#calls") == []
    changed = _refused(place.web.chat_update, channel="C0CALLS01", ts=answer["message_ts"], text="All")
    assert changed["error"] == "message_not_found"


def test_only_the_bots_own_messages_can_be_changed(place: Place) -> None:
    """What a person wrote stays."""
    said = place.do("say", who="member", channel="#calls", text="Mine")

    assert (
        _refused(place.web.chat_update, channel="C0CALLS01", ts=said["ts"], text="No")["error"]
        == "cant_update_message"
    )


def test_an_unacceptable_block_is_pointed_at(place: Place) -> None:
    """The messages carry a JSON pointer, as the bot's fallback needs it."""
    chart = {"type": "data_visualization", "title": "Use", "chart": {"type": "pie", "segments": []}}

    refused = _refused(
        place.web.views_publish, user_id="U0OWNER01", view={"type": "home", "blocks": [*HELLO * 5, chart]}
    )

    assert refused["error"] in ("invalid_arguments", "invalid_blocks")
    (words,) = refused["response_metadata"]["messages"]
    assert "unsupported type: data_visualization [json-pointer:/view/blocks/5/type]" in words


def test_a_home_tab_is_kept_per_person_and_guarded_by_its_hash(place: Place) -> None:
    """A stale hash loses; without one the last writer wins."""
    first = place.web.views_publish(user_id="U0OWNER01", view=HOME)["view"]
    second = place.web.views_publish(user_id="U0OWNER01", view=HOME, hash=first["hash"])["view"]

    stale = _refused(place.web.views_publish, user_id="U0OWNER01", view=HOME, hash=first["hash"])

    assert second["id"] == first["id"]
    assert stale["error"] == "hash_conflict"
    assert place.get("home", who="owner")["hash"] == second["hash"]
    assert place.get("home", who="admin")["view"] is None


def test_a_view_is_refused_when_it_is_too_large(place: Place) -> None:
    """250 kB is the most."""
    large = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3000}}
    view = {**HOME, "blocks": [large] * 90}

    assert _refused(place.web.views_publish, user_id="U0OWNER01", view=view)["error"] == "view_too_large"


@pytest.fixture
def modal_trigger(place: Place, bolt: App) -> Callable[[], str]:
    """Gives the trigger of a button that was just pressed in the top modal."""
    seen: list[str] = []

    @bolt.action("more")
    def remember(ack: Ack, body: dict[str, str]) -> None:
        seen.append(body["trigger_id"])
        ack()

    def pressed() -> str:
        place.do("press", who="owner", surface="modal", action_id="more")
        return seen[-1]

    return pressed


@pytest.fixture
def trigger(place: Place, bolt: App) -> Callable[[], str]:
    """Gives the trigger of a command that was just sent."""
    seen: list[str] = []

    @bolt.command("/wallet")
    def remember(ack: Ack, command: dict[str, str]) -> None:
        seen.append(command["trigger_id"])
        ack()

    def sent() -> str:
        place.do("command", who="owner", channel="dm", text="/wallet")
        return seen[-1]

    return sent


def test_a_trigger_opens_one_modal_within_three_seconds(place: Place, trigger: Callable[[], str]) -> None:
    """It is refused when made up, used or late, by the clock of the tickets."""
    used_up = trigger()
    place.web.views_open(trigger_id=used_up, view=MODAL)

    used = _refused(place.web.views_open, trigger_id=used_up, view=MODAL)
    made_up = _refused(place.web.views_open, trigger_id="12345.made-up", view=MODAL)
    late = trigger()
    place.do("slack/tickets", seconds=3.1)
    too_late = _refused(place.web.views_open, trigger_id=late, view=MODAL)

    assert used["error"] == "exchanged_trigger_id"
    assert made_up["error"] in ("invalid_trigger_id", "invalid_trigger")
    assert too_late["error"] == "expired_trigger_id"


def test_modals_are_stacked_and_updated(
    place: Place, trigger: Callable[[], str], modal_trigger: Callable[[], str]
) -> None:
    """Open, push and update; a stale hash and an unknown view are refused."""
    opened = place.web.views_open(trigger_id=trigger(), view=MODAL)["view"]
    pushed = place.web.views_push(trigger_id=modal_trigger(), view=MODAL)["view"]
    stack = [one["id"] for one in place.get("modals", who="owner")["views"]]

    changed = {**MODAL, "title": {"type": "plain_text", "text": "Changed"}}
    place.web.views_update(view_id=pushed["id"], view=changed, hash=pushed["hash"])
    stale = _refused(place.web.views_update, view_id=pushed["id"], view=MODAL, hash=pushed["hash"])
    unknown = _refused(place.web.views_update, view_id="V0NOTHING", view=MODAL)

    assert stack == [opened["id"], pushed["id"]]
    assert (pushed["previous_view_id"], pushed["root_view_id"]) == (opened["id"], opened["id"])
    assert place.get("modals", who="owner")["views"][-1]["title"]["text"] == "Changed"
    assert (stale["error"], unknown["error"]) == ("hash_conflict", "not_found")


def test_a_fourth_modal_is_refused(
    place: Place, trigger: Callable[[], str], modal_trigger: Callable[[], str]
) -> None:
    """Three can be stacked."""
    place.web.views_open(trigger_id=trigger(), view=MODAL)
    for _ in range(2):
        place.web.views_push(trigger_id=modal_trigger(), view=MODAL)

    refused = _refused(place.web.views_push, trigger_id=modal_trigger(), view=MODAL)

    assert refused["error"] == "push_limit_reached"


def test_a_commands_trigger_cannot_push(place: Place, trigger: Callable[[], str]) -> None:
    """Only something done inside a modal may put another on top of it."""
    assert _refused(place.web.views_push, trigger_id=trigger(), view=MODAL)["error"].startswith(
        "invalid_trigger"
    )
