"""People's actions: reading, writing and pressing do what Slack's client does."""

from typing import Any

import pytest
from slack_bolt import Ack, App

from tests.sandbox.slack_place import Place


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def _option(value: str) -> dict[str, Any]:
    return {"text": _plain(value.title()), "value": value}


def _button(action_id: str, label: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": _plain(label), **more}


def _actions(*elements: dict[str, Any], block_id: str = "act") -> dict[str, Any]:
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


CONFIRM = {
    "title": _plain("Turn it off?"),
    "text": _plain("Calls may stop."),
    "confirm": _plain("Turn off"),
    "deny": _plain("Keep"),
}


def test_a_page_begins_with_people_channels_and_the_app(place: Place) -> None:
    """bootstrap has one person of every kind."""
    seen = place.get("bootstrap")

    assert [one["kind"] for one in seen["people"]] == [
        "owner",
        "admin",
        "finance",
        "member",
        "guest",
        "outsider",
    ]
    assert {"C0GENERAL", "C0CALLS01", "C0CAMPAIG"} == {one["id"] for one in seen["channels"]}
    assert (seen["workspace"]["id"], seen["app"]["id"]) == ("T0REDBAR1", "A0REDBAR1")


def test_an_outsider_sees_only_the_shared_channel(place: Place) -> None:
    """Somebody of another workspace has one channel and no conversation with the app."""
    sidebar = place.get("sidebar", who="outsider")

    assert [one["name"] for one in sidebar["channels"]] == ["campaigns"]
    assert place.get("messages", who="outsider", channel="#calls", expect=404)["error"]


def test_unread_counts_fall_when_the_conversation_is_read(place: Place) -> None:
    """The sidebar counts what came since the last look."""
    place.web.chat_postMessage(channel="U0OWNER01", text="One")

    def unread() -> int:
        (dm,) = [one for one in place.get("sidebar", who="owner")["dms"] if one["is_app"]]
        return int(dm["unread"])

    before = unread()
    place.messages("owner")

    assert (before, unread()) == (1, 0)


def test_what_a_person_says_is_read_by_others(place: Place) -> None:
    """A person is found by handle or id."""
    place.do("say", who="U0MEMBER1", channel="#general", text="Good morning")

    (seen,) = place.messages("finance", "#general")
    assert (seen["user"], seen["bot"], seen["text"]) == ("U0MEMBER1", False, "Good morning")


def test_a_text_with_a_slash_is_a_command(place: Place, bolt: App) -> None:
    """Nothing is written into the channel."""
    bolt.command("/wallet")(lambda ack: ack())

    assert place.do("say", who="member", channel="#general", text="/wallet")["ok"] is True
    assert place.messages("member", "#general") == []


@pytest.mark.parametrize(
    "options",
    [
        {"action_id": "go"},
        {"text": "Go"},
        {"block_id": "act", "action_id": "go"},
    ],
)
def test_a_press_carries_what_slack_sends(place: Place, bolt: App, options: dict[str, Any]) -> None:
    """The button is found by its id or its words; the payload names person, place, message and action."""
    seen: list[dict[str, Any]] = []

    @bolt.action("go")
    def go(ack: Ack, body: dict[str, Any]) -> None:
        seen.append(body)
        ack()

    blocks = [_actions(_button("stop", "Stop"), _button("go", "Go", value="7"))]
    ts = place.web.chat_postMessage(channel="C0CALLS01", text="Choose", blocks=blocks)["ts"]

    outcome = place.do("press", who="member", channel="#calls", ts=ts, **options)

    (body,) = seen
    (action,) = body["actions"]
    assert outcome["ok"] is True
    assert (action["action_id"], action["block_id"], action["value"]) == ("go", "act", "7")
    assert float(action["action_ts"]) > 0
    assert (body["user"]["id"], body["user"]["team_id"]) == ("U0MEMBER1", "T0REDBAR1")
    assert (body["channel"]["id"], body["message"]["ts"]) == ("C0CALLS01", ts)
    assert body["container"]["message_ts"] == ts
    assert body["trigger_id"]
    assert body["response_url"].startswith(place.base_url)
    assert (body["is_enterprise_install"], body["enterprise"]) == (False, None)
    assert body["api_app_id"] == "A0REDBAR1"


def test_a_press_by_an_outsider_names_their_team(place: Place, bolt: App) -> None:
    """The bot can tell a guest of a shared channel from the house's own people."""
    seen: list[dict[str, Any]] = []

    @bolt.command("/wallet")
    def ask(ack: Ack) -> None:
        ack(response_type="in_channel", text="Choose", blocks=[_actions(_button("go", "Go"))])

    @bolt.action("go")
    def go(ack: Ack, body: dict[str, Any]) -> None:
        seen.append(body)
        ack()

    place.do("command", who="member", channel="#campaigns", text="/wallet")
    shown = place.messages("outsider", "#campaigns")[-1]
    place.do("press", who="outsider", channel="#campaigns", ts=shown["ts"], action_id="go")

    assert seen[0]["user"]["team_id"] == "T0PARTNER"
    assert seen[0]["team"]["id"] == "T0REDBAR1"


def test_a_button_in_the_red_bar_can_be_pressed(place: Place, bolt: App) -> None:
    """Attachments' blocks are looked through too."""
    bolt.action("go")(lambda ack: ack())
    bar = [{"color": "danger", "fallback": "Low", "blocks": [_actions(_button("go", "Go"))]}]
    ts = place.web.chat_postMessage(channel="C0CALLS01", text="Low", attachments=bar)["ts"]

    assert place.do("press", who="member", channel="#calls", ts=ts, action_id="go")["ok"] is True


def test_a_press_is_refused_when_the_button_is_not_there(place: Place) -> None:
    """People cannot press what they do not see."""
    ts = place.web.chat_postMessage(channel="U0OWNER01", text="Nothing to press")["ts"]

    assert place.do("press", who="owner", channel="dm", ts=ts, action_id="go", expect=404)["error"]
    assert place.do("press", who="member", channel="dm", ts=ts, action_id="go", expect=404)["error"]
    assert place.do("press", who="owner", channel="dm", ts="1.000001", action_id="go", expect=404)["error"]


def test_a_button_that_asks_first_is_not_sent_until_confirmed(place: Place, bolt: App) -> None:
    """The dialog comes back with 409; the bot hears of it only after the yes."""
    seen: list[str] = []

    @bolt.action("off")
    def off(ack: Ack, action: dict[str, Any]) -> None:
        seen.append(action["action_id"])
        ack()

    blocks = [_actions(_button("off", "Turn off", confirm=CONFIRM))]
    ts = place.web.chat_postMessage(channel="U0OWNER01", text="Automatic", blocks=blocks)["ts"]

    asked = place.do("press", who="owner", channel="dm", ts=ts, action_id="off", expect=409)
    assert (asked["error"], asked["confirm"]["confirm"]["text"], seen) == ("confirm", "Turn off", [])
    assert place.do("press", who="owner", channel="dm", ts=ts, action_id="off", confirm=True)["ok"] is True
    assert seen == ["off"]


def test_home_is_pressed_without_a_response_url(place: Place, bolt: App) -> None:
    """Home's payload has the view with hash and state, and no place to respond to."""
    seen: list[dict[str, Any]] = []

    @bolt.action("kind")
    def kind(ack: Ack, body: dict[str, Any]) -> None:
        seen.append(body)
        ack()

    menu = {"type": "static_select", "action_id": "kind", "options": [_option("calls"), _option("tasks")]}
    view = place.web.views_publish(
        user_id="U0OWNER01", view={"type": "home", "blocks": [_actions(menu)], "private_metadata": "page 2"}
    )["view"]

    place.do("press", who="owner", view_id=view["id"], action_id="kind", selected_option="tasks")

    (body,) = seen
    assert body["actions"][0]["selected_option"]["value"] == "tasks"
    assert (body["view"]["hash"], body["view"]["private_metadata"]) == (view["hash"], "page 2")
    assert body["view"]["state"]["values"]["act"]["kind"]["selected_option"]["value"] == "tasks"
    assert body["container"] == {"type": "view", "view_id": view["id"]}
    assert "response_url" not in body


def test_a_global_shortcut_reaches_the_bot(place: Place, bolt: App) -> None:
    """It carries a trigger and no channel."""
    seen: list[dict[str, Any]] = []

    @bolt.shortcut("top_up")
    def top_up(ack: Ack, shortcut: dict[str, Any]) -> None:
        seen.append(shortcut)
        ack()

    assert place.do("shortcut", who="owner", callback_id="top_up")["ok"] is True
    assert seen[0]["trigger_id"]
    assert "channel" not in seen[0]


def test_a_response_url_serves_five_times(place: Place, bolt: App) -> None:
    """A sixth use is refused and shows nothing."""
    urls: list[str] = []

    @bolt.command("/wallet")
    def wallet(ack: Ack, command: dict[str, str]) -> None:
        urls.append(command["response_url"])
        ack()

    place.do("command", who="member", channel="#calls", text="/wallet")
    statuses = [place.http.post(urls[0], json={"text": str(one)}).status_code for one in range(6)]

    assert statuses[:5] == [200] * 5
    assert statuses[5] >= 400
    assert len(place.messages("member", "#calls")) == 5


def test_an_armed_fault_answers_as_often_as_it_was_armed(place: Place) -> None:
    """Tests and stories can make Slack refuse."""
    place.do("slack/script", method="chat.postMessage", times=2, limit=7)

    def send() -> int:
        headers = {"Authorization": f"Bearer {place.settings.slack_bot_token}"}
        said = place.http.post(
            "/slack/api/chat.postMessage", json={"channel": "C0CALLS01", "text": "x"}, headers=headers
        )
        return said.status_code

    assert [send() for _ in range(3)] == [429, 429, 200]
    assert len(place.messages("member", "#calls")) == 1


def test_an_unknown_person_is_told_so(place: Place) -> None:
    """404 with words, on every route that takes a person."""
    for what in ("sidebar", "messages", "home", "modals"):
        assert place.get(what, who="nobody", expect=404)["error"]
    for what in ("say", "command", "home", "press", "submit", "close", "shortcut"):
        assert place.do(what, who="nobody", text="x", expect=404)["error"]
