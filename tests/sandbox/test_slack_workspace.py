"""What changes in the stand-in's workspace: channels, people, the app itself; and what the bot is told of it."""

import time
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk.errors import SlackApiError

from tests.sandbox.slack_place import Place

CALLS, OWNER, FINANCE, MEMBER = "C0CALLS01", "U0OWNER01", "U0FINANCE", "U0MEMBER1"
ALL_EVENTS = (
    "app_uninstalled",
    "channel_archive",
    "channel_unarchive",
    "channel_left",
    "group_left",
    "member_joined_channel",
    "team_join",
    "tokens_revoked",
    "user_change",
)


def _code(send: Any, **params: Any) -> str:
    try:
        send(**params)
    except SlackApiError as refused:
        return str(refused.response["error"])
    return ""


@pytest.fixture
def heard(place: Place, bolt: App) -> list[dict[str, Any]]:
    """The events that reach the bot, with every scope and subscription granted."""
    found: list[dict[str, Any]] = []
    for kind in ALL_EVENTS:
        bolt.event(kind)(lambda event: found.append(event))
    place.do(
        "slack/scopes",
        scopes=["chat:write", "channels:read", "channels:join", "users:read"],
        events=list(ALL_EVENTS),
    )
    return found


# --- Channels ----------------------------------------------------------------------------------------------


def test_a_message_of_an_archived_channel_stays_as_it_is(place: Place) -> None:
    """Edits are refused as inactive, new messages as archived."""
    ts = place.web.chat_postMessage(channel=CALLS, text="Low")["ts"]
    place.do("slack/channel", channel="#calls", archived=True)

    assert _code(place.web.chat_update, channel=CALLS, ts=ts, text="Fine") == "is_inactive"
    assert _code(place.web.chat_postMessage, channel=CALLS, text="x") == "is_archived"
    assert _code(place.web.chat_postEphemeral, channel=CALLS, user=OWNER, text="x") == "is_archived"
    place.do("slack/channel", channel="#calls", archived=False)
    assert _code(place.web.chat_update, channel=CALLS, ts=ts, text="Fine") == ""


def test_a_bot_that_was_removed_changes_nothing_in_a_channel(place: Place) -> None:
    """Neither its own messages nor new ones."""
    ts = place.web.chat_postMessage(channel=CALLS, text="Low")["ts"]
    place.do("slack/channel", channel="#calls", bot_member=False)

    assert _code(place.web.chat_update, channel=CALLS, ts=ts, text="Fine") == "not_in_channel"
    assert _code(place.web.chat_postMessage, channel=CALLS, text="x") == "not_in_channel"
    place.do("slack/scopes", scopes=["chat:write", "chat:write.public"])
    assert _code(place.web.chat_postMessage, channel=CALLS, text="x") == ""


def test_a_private_channel_is_unknown_to_those_outside(place: Place) -> None:
    """The bot needs another scope to ask about one, and must be in it."""
    place.do("slack/channel", channel="#calls", private=True)
    place.do("slack/scopes", scopes=["chat:write", "channels:read"])
    assert _code(place.web.conversations_info, channel=CALLS) == "missing_scope"
    place.do("slack/scopes", scopes=["chat:write", "groups:read"])
    assert place.web.conversations_info(channel=CALLS)["channel"]["is_private"] is True
    assert [one["id"] for one in place.web.conversations_list(types="private_channel")["channels"]] == [CALLS]

    place.do("slack/channel", channel="#calls", bot_member=False)
    assert _code(place.web.conversations_info, channel=CALLS) == "channel_not_found"
    assert _code(place.web.chat_postMessage, channel=CALLS, text="x") == "channel_not_found"
    assert place.web.conversations_list(types="private_channel")["channels"] == []


def test_channels_are_listed_with_the_scope_alone(place: Place) -> None:
    """All public ones, those with the bot, page by page, and without the archived ones."""
    web = place.web
    place.do("slack/scopes", scopes=["chat:write"])
    assert _code(web.conversations_list) == "missing_scope"
    assert _code(web.users_conversations) == "missing_scope"
    place.do("slack/scopes", scopes=["channels:read"])
    assert _code(web.conversations_list, types="public_channel,private_channel") == "missing_scope"
    place.do("slack/channel", channel="#general", archived=True)

    pages = [page["channels"] for page in web.conversations_list(limit=2)]
    assert [[one["name"] for one in page] for page in pages] == [["general", "calls"], ["campaigns"]]
    living = web.conversations_list(exclude_archived=True)["channels"]
    assert [one["name"] for one in living] == ["calls", "campaigns"]
    assert [one["name"] for one in web.users_conversations()["channels"]] == ["general", "calls"]
    theirs = web.users_conversations(user="U0EXTERN1")["channels"]
    assert [one["name"] for one in theirs] == ["campaigns"]


def test_the_bot_joins_a_public_channel(place: Place) -> None:
    """With the scope for it; a second time is a warning, an archived one a refusal."""
    join, campaigns = place.web.conversations_join, "C0CAMPAIG"
    assert _code(join, channel=campaigns) == "missing_scope"
    place.do("slack/scopes", scopes=["chat:write", "channels:join"])
    assert join(channel=campaigns)["channel"]["is_member"] is True
    assert place.web.chat_postMessage(channel=campaigns, text="Here")["ok"]
    assert join(channel=campaigns)["warning"] == "already_in_channel"
    place.do("slack/channel", channel="#campaigns", archived=True)
    assert _code(join, channel=campaigns) == "is_archived"


# --- DMs and threads ---------------------------------------------------------------------------------------


def test_a_dm_of_two_people_is_closed_to_the_bot(place: Place, bolt: App) -> None:
    """A command typed there arrives; only its response_url answers where it was typed."""
    seen: list[dict[str, str]] = []

    @bolt.command("/wallet")
    def wallet(ack: Any, command: dict[str, str], respond: Any) -> None:
        seen.append(command)
        ack()
        respond("Your balance")

    place.do("command", who="owner", channel="@finance", text="/wallet")

    (command,) = seen
    channel = command["channel_id"]
    assert (channel[:1], command["channel_name"]) == ("D", "directmessage")
    post = {"channel": channel, "text": "x"}
    assert _code(place.web.chat_postEphemeral, user=OWNER, **post) == "channel_not_found"
    assert _code(place.web.chat_postMessage, **post) == "channel_not_found"
    assert _code(place.web.chat_update, ts="1.0", **post) == "channel_not_found"
    place.wait_for(lambda: bool(place.messages("owner", "@finance")))
    (answer,) = place.messages("owner", "@finance")
    assert (answer["text"], answer["ephemeral"]) == ("Your balance", True)
    assert place.messages("finance", "@owner") == []
    assert place.messages("owner", "dm") == []


def test_a_reply_needs_its_message(place: Place) -> None:
    """One that was deleted takes replies as long as others are there: Slack shows a gap above them."""
    web = place.web
    alone, followed = (web.chat_postMessage(channel=CALLS, text="x")["ts"] for _ in range(2))
    web.chat_postMessage(channel=CALLS, text="reply", thread_ts=followed)
    for ts in (alone, followed):
        web.chat_delete(channel=CALLS, ts=ts)

    assert _code(web.chat_postMessage, channel=CALLS, text="r", thread_ts=alone) == "thread_not_found"
    assert _code(web.chat_postMessage, channel=CALLS, text="r", thread_ts=followed) == ""


# --- People ------------------------------------------------------------------------------------------------


def test_somebody_who_left_is_deleted_and_their_dm_stays(place: Place) -> None:
    """An existing DM takes messages, a new one cannot be opened; nothing is done in their name."""
    web = place.web
    web.chat_postMessage(channel=FINANCE, text="before")
    place.do("slack/scopes", events=[])  # no bot is connected
    place.do("slack/person", person="finance", left=True)
    place.do("slack/person", person="member", left=True)

    seen = web.users_info(user=FINANCE)["user"]
    assert (seen["deleted"], seen.get("is_admin")) == (True, None)
    assert {one["id"] for one in web.users_list()["members"] if one["deleted"]} == {FINANCE, MEMBER}
    assert _code(web.chat_postMessage, channel=FINANCE, text="after") == ""
    assert _code(web.chat_postMessage, channel=MEMBER, text="after") == "user_disabled"
    assert _code(web.chat_postEphemeral, channel=CALLS, user=FINANCE, text="x") == "user_not_in_channel"
    assert place.do("command", who="finance", text="/wallet", expect=404)["error"]


def test_fifty_thousand_people_are_paged_without_delay(place: Place) -> None:
    """Each page costs its own people alone; the last one has those who came last."""
    place.do("slack/scopes", events=[])
    place.do("slack/person", crowd=50_000)
    place.do("slack/person", person="U0LATE001", handle="late", kind="owner")
    web = place.web
    assert _code(web.users_list) == "limit_required"

    began = time.perf_counter()
    ids, owners, cursor, pages = set(), [], "", 0
    while pages == 0 or cursor:
        page = web.users_list(limit=1000, cursor=cursor)
        pages += 1
        ids |= {one["id"] for one in page["members"]}
        owners += [one["id"] for one in page["members"] if one.get("is_owner")]
        cursor = page["response_metadata"]["next_cursor"]
    took = time.perf_counter() - began

    assert (pages, len(ids)) == (51, 50_000 + 5 + 1 + 2)
    assert owners == [OWNER, "U0LATE001"]
    assert took < 60
    one = web.users_info(user="U1000049999")["user"]
    assert (one["name"], _code(web.users_info, user="U1000050000")) == ("person49999", "user_not_found")
    assert place.web.chat_postMessage(channel=one["id"], text="x")["channel"] == "D1000049999"


# --- Pictures ----------------------------------------------------------------------------------------------


def test_a_picture_that_was_deleted_is_refused_wherever_it_is_shown(place: Place) -> None:
    """On Home, in a new message and in an edit, with a pointer to its block."""
    web = place.web
    place.stand_in.state.file_seconds = 0.0
    upload = web.files_upload_v2(content=b"\x89PNG", filename="a.png", title="a", alt_txt="a")
    file_id = upload["files"][0]["id"]
    blocks: list[Any] = [
        {"type": "divider"},
        {"type": "image", "slack_file": {"id": file_id}, "alt_text": "a"},
    ]
    view = {"type": "home", "blocks": blocks}
    ts = web.chat_postMessage(channel=CALLS, text="x", blocks=blocks)["ts"]
    web.views_publish(user_id=OWNER, view=view)
    web.files_delete(file=file_id)

    for send, params, at in (
        (web.views_publish, {"user_id": OWNER, "view": view}, "/view/blocks/1"),
        (web.chat_postMessage, {"channel": CALLS, "text": "x", "blocks": blocks}, "/blocks/1"),
        (web.chat_update, {"channel": CALLS, "ts": ts, "text": "x", "blocks": blocks}, "/blocks/1"),
    ):
        with pytest.raises(SlackApiError) as refused:
            send(**params)
        (words,) = refused.value.response["response_metadata"]["messages"]
        assert "invalid slack file" in words
        assert f"[json-pointer:{at}" in words


# --- Events ------------------------------------------------------------------------------------------------


def test_the_bot_is_told_of_its_channels(place: Place, heard: list[dict[str, Any]]) -> None:
    """When it is removed and invited, when it joins, and when one of its channels is archived."""
    place.do("say", who="admin", channel="#calls", text="/remove @redbar")
    place.do("slack/channel", channel="#calls", archived=True)  # it is not told: it is not there
    place.do("slack/channel", channel="#calls", archived=False)
    place.do("say", who="admin", channel="#calls", text="/invite @redbar")
    place.do("slack/channel", channel="#calls", archived=True)
    place.do("slack/channel", channel="#calls", archived=True)  # nothing changes
    place.do("slack/channel", channel="#calls", archived=False)
    place.web.conversations_join(channel="C0CAMPAIG")

    place.wait_for(lambda: len(heard) >= 5)
    assert [(one["type"], one["channel"]) for one in heard] == [
        ("channel_left", CALLS),
        ("member_joined_channel", CALLS),
        ("channel_archive", CALLS),
        ("channel_unarchive", CALLS),
        ("member_joined_channel", "C0CAMPAIG"),
    ]
    assert (heard[1]["user"], heard[1]["inviter"]) == ("U0REDBAR1", "U0ADMIN01")


def test_the_bot_is_told_of_people(place: Place, heard: list[dict[str, Any]]) -> None:
    """Who came, changed and left, as users.info describes them."""
    place.do("slack/person", person="U0NEW0001", handle="new", kind="admin")
    place.do("slack/person", person="member", kind="owner")
    place.do("slack/person", person="finance", left=True)

    place.wait_for(lambda: len(heard) >= 3)
    assert [(one["type"], one["user"]["id"]) for one in heard] == [
        ("team_join", "U0NEW0001"),
        ("user_change", MEMBER),
        ("user_change", FINANCE),
    ]
    assert heard[0]["user"]["is_admin"] is True
    assert heard[1]["user"]["is_owner"] is True
    assert heard[2]["user"]["deleted"] is True


def test_the_bot_is_told_that_it_was_removed(place: Place, heard: list[dict[str, Any]]) -> None:
    """By two events; its token is dead from then on, until it is installed again."""
    place.do("slack/app", installed=False)

    place.wait_for(lambda: len(heard) >= 2)
    assert [one["type"] for one in heard] == ["app_uninstalled", "tokens_revoked"]
    assert heard[1]["tokens"]["bot"]
    assert _code(place.web.auth_test) == "account_inactive"
    place.do("slack/app", installed=True)
    assert _code(place.web.auth_test) == ""


def test_only_what_was_subscribed_to_and_granted_is_told(place: Place, heard: list[dict[str, Any]]) -> None:
    """An event needs its line in the manifest and the scope to see what it is about."""
    place.do("slack/scopes", scopes=["users:read"])
    place.do("slack/channel", channel="#calls", archived=True)
    place.do("slack/scopes", scopes=["channels:read", "users:read"], events=["channel_unarchive"])
    place.do("slack/person", person="finance", left=True)
    place.do("slack/channel", channel="#calls", archived=False)

    place.wait_for(lambda: len(heard) >= 1)
    assert [one["type"] for one in heard] == ["channel_unarchive"]
