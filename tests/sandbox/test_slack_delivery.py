"""Commands, presses and events reach a real Bolt application through the socket and through signed HTTP."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar, Request, Response, post
from slack_bolt import Ack, App, BoltRequest, BoltResponse, Respond

from bot.sandbox.slack import delivery as slack_delivery
from tests.sandbox.slack_place import (
    APP_TOKEN,
    SIGNING_SECRET,
    Connected,
    Place,
    SettableClock,
    Stage,
    bolt_app,
)

HOME_BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "Balance: $50.00"}}]
BUTTON = {
    "type": "actions",
    "block_id": "act",
    "elements": [
        {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}, "value": "1"}
    ],
}


def test_a_command_is_answered_through_its_response_url_when_the_bot_acks(place: Place, bolt: App) -> None:
    """The bot responds for the asker's eyes only."""

    @bolt.command("/wallet")
    def wallet(ack: Ack, respond: Respond, command: dict[str, str]) -> None:
        respond(text=f"{command['user_id']} said {command['text']}")
        ack()

    outcome = place.do("command", who="member", channel="#calls", text="/wallet help")

    assert outcome["ok"] is True
    assert [one["text"] for one in place.messages("member", "#calls")] == ["U0MEMBER1 said help"]
    assert place.messages("owner", "#calls") == []


def test_a_command_carries_what_slack_sends(place: Place, bolt: App) -> None:
    """Every field that the bot may read is there; a mention is escaped."""
    seen: list[dict[str, str]] = []

    @bolt.command("/wallet")
    def wallet(ack: Ack, command: dict[str, str]) -> None:
        seen.append(command)
        ack("Done")

    place.do("command", who="finance", channel="#campaigns", text="/wallet ask @owner")

    (command,) = seen
    assert (command["command"], command["channel_id"]) == ("/wallet", "C0CAMPAIG")
    assert (command["user_id"], command["team_id"]) == ("U0FINANCE", "T0REDBAR1")
    assert command["text"].startswith("ask <@U0OWNER01")
    assert command["response_url"].startswith(place.base_url)
    assert command["trigger_id"]
    (answer,) = place.messages("finance", "#campaigns")
    assert (answer["text"], answer["ephemeral"]) == ("Done", True)


def test_a_command_fails_when_the_bot_does_not_ack(
    place: Place, bolt: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bolt has no listener, so no envelope is acknowledged; a word that Slack doesn't know is not even sent."""
    monkeypatch.setattr(slack_delivery, "ACK_SECONDS", 0.2)

    unheard = place.do("command", who="member", channel="#calls", text="/wallet")
    unknown = place.do("command", who="member", channel="#calls", text="/nobody")

    assert (unheard["ok"], unheard["error"]) == (False, "operation_timeout")
    assert unknown["ok"] is False


def test_a_command_fails_at_once_when_the_bot_is_away(place: Place) -> None:
    """Without a socket there is nobody to wait for."""
    outcome = place.do("command", who="member", channel="#calls", text="/wallet")

    assert outcome["ok"] is False
    assert outcome["error"]


def test_home_is_published_while_its_opening_is_awaited(place: Place, bolt: App) -> None:
    """The bot calls back into the same server meanwhile; opening again carries the view."""
    events: list[dict[str, Any]] = []

    @bolt.event("app_home_opened")
    def opened(event: dict[str, Any]) -> None:
        events.append(event)
        place.web.views_publish(user_id=event["user"], view={"type": "home", "blocks": HOME_BLOCKS})

    first = place.do("home", who="owner")
    second = place.do("home", who="owner")

    assert first["view"]["blocks"][0]["text"]["text"] == "Balance: $50.00"
    assert second["view"]["hash"] != first["view"]["hash"]
    assert [one["tab"] for one in events] == ["home", "home"]
    assert "view" not in events[0]
    assert events[1]["view"]["id"] == first["view"]["id"]


def test_the_bot_is_reached_again_after_its_socket_was_replaced(place: Place) -> None:
    """A second connection takes over when the first is gone."""
    app = bolt_app(place)

    @app.command("/wallet")
    def wallet(ack: Ack) -> None:
        ack("here")

    Connected(place, app).close()
    again = Connected(place, app)
    try:
        outcome = place.do("command", who="member", channel="#calls", text="/wallet")
    finally:
        again.close()

    assert outcome["ok"] is True


def test_a_socket_is_refused_when_the_token_is_not_the_apps(place: Place) -> None:
    """apps.connections.open wants the app-level token."""

    def asked(token: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        answer: dict[str, Any] = place.http.post("/slack/api/apps.connections.open", headers=headers).json()
        return answer

    answer, stranger = asked(place.settings.slack_bot_token), asked("xapp-stranger")

    assert answer["error"] in ("not_allowed_token_type", "invalid_auth")
    assert stranger["error"] == "invalid_auth"


def test_deliveries_and_calls_are_on_the_wire_without_any_token(place: Place, bolt: App) -> None:
    """A message's timestamp finds the call that made it; secrets are nowhere in the log."""

    @bolt.command("/wallet")
    def wallet(ack: Ack) -> None:
        ack()

    place.do("command", who="member", channel="#calls", text="/wallet")
    ts = place.web.chat_postMessage(channel="C0CALLS01", text="Alert")["ts"]

    assert [one["path"] for one in place.wire(ts)] == ["/api/chat.postMessage"]
    whole = place.http.get("/sandbox/log.jsonl").text
    assert "/wallet" in whole
    for secret in (place.settings.slack_bot_token, APP_TOKEN, SIGNING_SECRET):
        assert secret not in whole


@pytest.fixture
def by_http(stage: Stage, clock: SettableClock, tmp_path: Path) -> Iterator[tuple[Place, App]]:
    """A stand-in that posts signed HTTP to a Bolt application on a server of its own."""
    bot = Stage()
    place = Place(stage, clock, tmp_path, request_url=f"http://127.0.0.1:{bot.port}/slack/events")
    app = bolt_app(place)

    @post("/slack/events", status_code=200)
    async def events(request: Request[Any, Any, Any]) -> Response[str]:
        headers: dict[str, str | Sequence[str]] = dict(request.headers.items())
        asked = BoltRequest(body=(await request.body()).decode(), headers=headers)
        answer = await asyncio.to_thread(app.dispatch, asked)
        kind = answer.first_headers_without_set_cookie().get("content-type", "text/plain")
        return Response(answer.body, status_code=answer.status, media_type=kind)

    bot.app = Litestar([events], openapi_config=None, logging_config=None)
    yield place, app
    place.close()
    bot.stop()


def test_signed_http_carries_commands_presses_and_events(by_http: tuple[Place, App]) -> None:
    """Bolt checks the signature of each, and answers each."""
    place, app = by_http
    pressed: list[str] = []

    @app.command("/wallet")
    def wallet(ack: Ack, command: dict[str, str]) -> None:
        ack(text=f"You said {command['text']}", blocks=[BUTTON])

    @app.action("go")
    def go(ack: Ack, respond: Respond, action: dict[str, Any]) -> None:
        pressed.append(action["value"])
        respond(text="Gone", replace_original=True)
        ack()

    @app.event("app_home_opened")
    def opened(event: dict[str, Any]) -> None:
        place.web.views_publish(user_id=event["user"], view={"type": "home", "blocks": HOME_BLOCKS})

    assert place.do("command", who="member", channel="#calls", text="/wallet 50")["ok"] is True
    (shown,) = place.messages("member", "#calls")
    assert shown["text"] == "You said 50"
    assert place.do("press", who="member", channel="#calls", ts=shown["ts"], action_id="go")["ok"] is True
    assert pressed == ["1"]
    assert [one["text"] for one in place.messages("member", "#calls")] == ["Gone"]
    assert place.do("home", who="member")["view"] is not None


def test_http_delivery_is_refused_when_the_secrets_differ(by_http: tuple[Place, App]) -> None:
    """A bot with another signing secret answers 401, which people see as a failure."""
    place, app = by_http
    other = App(token=place.settings.slack_bot_token, signing_secret="another", client=place.web)
    app.dispatch = other.dispatch  # type: ignore[method-assign]

    assert place.do("command", who="member", channel="#calls", text="/wallet")["ok"] is False


def test_one_of_two_sockets_gets_each_command(place: Place) -> None:
    """Two processes with one token share the work, as with Slack."""
    app, got = bolt_app(place), threading.Semaphore(0)

    @app.command("/wallet")
    def wallet(ack: Ack) -> None:
        got.release()
        ack()

    first, second = Connected(place, app), Connected(place, app)
    try:
        for _ in range(4):
            assert place.do("command", who="member", channel="#calls", text="/wallet")["ok"] is True
    finally:
        first.close()
        second.close()

    assert sum(got.acquire(blocking=False) for _ in range(8)) == 4


def test_the_bot_comes_back_when_it_is_asked_to_reconnect(place: Place, bolt: App) -> None:
    """Slack refreshes sockets every few hours; the library opens a new one by itself."""

    @bolt.command("/wallet")
    def wallet(ack: Ack) -> None:
        ack()

    asked = len([one for one in place.wire() if one["path"] == "/api/apps.connections.open"])
    place.do("slack/disconnect", reason="refresh_requested")
    place.wait_for(
        lambda: len([one for one in place.wire() if one["path"] == "/api/apps.connections.open"]) > asked
    )
    place.wait_for(lambda: place.stand_in.delivery.connected() > 0)

    assert place.do("command", who="member", channel="#calls", text="/wallet")["ok"] is True


def test_an_event_is_sent_again_when_the_bot_did_not_take_it(by_http: tuple[Place, App]) -> None:
    """The retry has the same event id and says so in its headers."""
    place, app = by_http
    ids: list[tuple[str, int]] = []

    @app.middleware
    def forgetful(context: Any, body: dict[str, Any], next: Any) -> Any:
        ids.append((body["event_id"], len(ids)))
        return BoltResponse(status=500) if len(ids) == 1 else next()

    @app.event("app_home_opened")
    def opened(event: dict[str, Any]) -> None:
        place.web.views_publish(user_id=event["user"], view={"type": "home", "blocks": HOME_BLOCKS})

    home = place.do("home", who="owner")

    assert home["view"] is not None
    assert len(ids) == 2
    assert ids[0][0] == ids[1][0]


def test_many_people_are_served_at_once_while_the_bot_calls_back(place: Place, bolt: App) -> None:
    """Waiting for an acknowledgement blocks nobody's call."""

    @bolt.command("/wallet")
    def wallet(ack: Ack, command: dict[str, str]) -> None:
        place.web.chat_postMessage(channel=command["user_id"], text=command["text"])
        ack()

    with ThreadPoolExecutor(12) as people:
        outcomes = list(
            people.map(
                lambda number: place.do("command", who="member", channel="#calls", text=f"/wallet {number}"),
                range(24),
            )
        )

    assert all(one["ok"] for one in outcomes), outcomes
    assert sorted(int(one["text"]) for one in place.messages("member")) == list(range(24))


def test_open_pages_hear_of_every_change(place: Place) -> None:
    """The live stream names the channel of a new message and the person of a new Home."""
    heard: list[str] = []
    with place.http.stream("GET", "/sandbox/api/live") as stream:
        lines = stream.iter_lines()
        next(lines)
        place.web.chat_postMessage(channel="C0CALLS01", text="Alert")
        place.web.views_publish(user_id="U0OWNER01", view={"type": "home", "blocks": HOME_BLOCKS})
        while len(heard) < 2:
            line = next(lines)
            if "C0CALLS01" in line or "U0OWNER01" in line:
                heard.append(line)

    assert "message" in heard[0]
    assert "home" in heard[1]
