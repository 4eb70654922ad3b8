"""Every way in which the Slack stand-in goes wrong on order, as the real slack_sdk meets it."""

from collections.abc import Callable, Mapping
from functools import partial
from http.client import IncompleteRead
from typing import Any
from urllib.error import HTTPError, URLError

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from bot.sandbox.slack.faults import Cut, Fail, Fault, Limit, NoFault, Refuse, Say, UploadHostAway, fault_in
from tests.sandbox.slack_place import BOT_TOKEN, Place, SettableClock

CALLS, OWNER, ADMIN, FINANCE = "C0CALLS01", "U0OWNER01", "U0ADMIN01", "U0FINANCE"
HELLO: list[dict[str, Any]] = [{"type": "section", "text": {"type": "mrkdwn", "text": "Hello"}}]
HOME: dict[str, Any] = {"type": "home", "blocks": HELLO}
PICTURE = b"\x89PNG\r\n\x1a\n not really a picture"

CUT_OFF = (IncompleteRead, ConnectionResetError)
"""Which of both the client sees depends on what the server had read of the request."""


@pytest.fixture
def web(place: Place) -> WebClient:
    """The library as the bot uses it: it sends nothing twice by itself."""
    return WebClient(BOT_TOKEN, base_url=f"{place.base_url}/slack/api/", retry_handlers=[], timeout=5)


def _code(send: Callable[[], object]) -> str:
    """Give Slack's code for a request; empty where it succeeds."""
    try:
        send()
    except SlackApiError as refused:
        return str(refused.response.get("error") or refused.response.status_code)
    return ""


TO_ONE: Mapping[str, tuple[str, Callable[[WebClient, str], object]]] = {
    "chat.postMessage": (CALLS, lambda web, one: web.chat_postMessage(channel=one, text="x")),
    "chat.postEphemeral": (
        CALLS,
        lambda web, one: web.chat_postEphemeral(channel=one, user=OWNER, text="x"),
    ),
    "views.publish": (OWNER, lambda web, one: web.views_publish(user_id=one, view=HOME)),
    "users.info": (OWNER, lambda web, one: web.users_info(user=one)),
}
OTHER = {CALLS: "C0GENERAL", OWNER: FINANCE}


@pytest.mark.parametrize("method", TO_ONE)
def test_one_recipient_of_several_is_refused(place: Place, web: WebClient, method: str) -> None:
    """As often as was ordered, with any code; everybody else is served."""
    one, send = TO_ONE[method]
    place.stand_in.faults.add(Fault(method, Refuse("restricted_action"), channel=one, times=2))

    codes = [_code(partial(send, web, to)) for to in (OTHER[one], one, OTHER[one], one, one)]

    assert codes == ["", "restricted_action", "", "restricted_action", ""]


def test_a_person_is_one_recipient_by_whichever_id(place: Place, web: WebClient) -> None:
    """A fault armed for them meets what is posted to their DM and edited in it."""
    sent = web.chat_postMessage(channel=OWNER, text="x")
    place.stand_in.faults.add(Fault("*", Refuse("user_disabled"), channel=OWNER, times=3))

    assert _code(lambda: web.chat_postMessage(channel=OWNER, text="x")) == "user_disabled"
    assert _code(lambda: web.chat_postMessage(channel=sent["channel"], text="x")) == "user_disabled"
    assert _code(lambda: web.chat_update(channel=sent["channel"], ts=sent["ts"], text="y")) == "user_disabled"
    assert [one["text"] for one in place.messages("owner")] == ["x"]


def test_a_refusal_carries_its_messages(place: Place, web: WebClient) -> None:
    """The pointers by which the bot finds a refused block."""
    pointer = "[ERROR] unsupported type: table [json-pointer:/view/blocks/3/type]"
    place.stand_in.faults.add(Fault("views.publish", Refuse("invalid_arguments", (pointer,))))

    with pytest.raises(SlackApiError) as refused:
        web.views_publish(user_id=OWNER, view=HOME)

    assert refused.value.response["response_metadata"]["messages"] == [pointer]
    assert place.get("home", who="owner")["view"] is None


def test_a_limit_names_its_seconds(place: Place, web: WebClient) -> None:
    """For one method: another goes on."""
    place.stand_in.faults.add(Fault("chat.postMessage", Limit(7), times=None))

    with pytest.raises(SlackApiError) as limited:
        web.chat_postMessage(channel=CALLS, text="x")

    assert (limited.value.response.status_code, limited.value.response.headers["Retry-After"]) == (429, "7")
    assert _code(lambda: web.users_info(user=OWNER)) == ""
    assert _code(lambda: web.chat_postMessage(channel=CALLS, text="x")) == "ratelimited"
    place.stand_in.faults.clear()
    assert _code(lambda: web.chat_postMessage(channel=CALLS, text="x")) == ""


def test_a_host_that_fails_does_nothing(place: Place, web: WebClient) -> None:
    """Without a code: no word about the recipient."""
    place.stand_in.faults.add(Fault("users.list", Fail(502)))

    assert _code(lambda: web.users_list(limit=3)) == "502"
    assert _code(lambda: web.users_list(limit=3)) == ""


@pytest.mark.parametrize("done", [False, True])
def test_an_answer_is_lost_before_or_after_the_message_was_posted(
    place: Place, web: WebClient, done: bool
) -> None:
    """The bot hears nothing either way: the case that makes retries dangerous. No real second passes."""
    place.stand_in.faults.add(Fault("chat.postMessage", Cut(done=done)))

    with pytest.raises(CUT_OFF):
        web.chat_postMessage(channel=CALLS, text="Once")

    assert [one["text"] for one in place.messages("owner", "#calls")] == (["Once"] if done else [])
    assert place.wire()[-1]["status"] == 0


def test_any_answer_can_be_said(place: Place, web: WebClient) -> None:
    """Another workspace's auth.test, for example."""
    place.stand_in.faults.add(Fault("auth.test", Say({"ok": True, "team_id": "T0OTHER01"})))

    assert [web.auth_test()["team_id"] for _ in range(2)] == ["T0OTHER01", "T0REDBAR1"]


def _upload(web: WebClient) -> object:
    return web.files_upload_v2(content=PICTURE, filename="a.png", title="a", alt_txt="a")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("files.getUploadURLExternal", Fail(500)), SlackApiError),
        (Fault("files.getUploadURLExternal", UploadHostAway()), URLError),
        (Fault("upload", Cut()), CUT_OFF),
        (Fault("upload", Fail(500)), HTTPError),
        (Fault("files.completeUploadExternal", Refuse("file_uploads_disabled")), SlackApiError),
    ],
    ids=["no address", "host away", "cut", "host fails", "not completed"],
)
def test_an_upload_fails_at_each_of_its_three_requests(
    place: Place, web: WebClient, fault: Fault, error: Any
) -> None:
    """The next upload succeeds."""
    place.stand_in.faults.add(fault)

    with pytest.raises(error):
        _upload(web)

    assert _upload(web)


@pytest.mark.parametrize("fault", [Fail(500), Refuse("used_url"), Limit(3)])
def test_a_response_url_goes_wrong(place: Place, fault: Fail | Refuse | Limit) -> None:
    """By its status or its body; nothing is shown."""
    place.stand_in.faults.add(Fault("response_url", fault))
    url = f"{place.base_url}/slack/response/{place.stand_in.tickets.response(OWNER, CALLS)}"
    webhook = WebhookClient(url, retry_handlers=[])

    first, second = webhook.send(text="x"), webhook.send(text="y")

    assert first.status_code != 200 or "used_url" in first.body
    assert second.status_code == 200
    assert [one["text"] for one in place.messages("owner", "#calls")] == ["y"]


def test_slacks_limits_are_kept_by_the_sandboxs_clock(
    place: Place, web: WebClient, clock: SettableClock
) -> None:
    """One message a second in each channel; a method so often a minute."""

    def post(channel: str) -> str:
        return _code(lambda: web.chat_postMessage(channel=channel, text="x"))

    place.do("slack/limits")
    owner_dm = place.stand_in.state.dm_of(OWNER)
    assert [post(one) for one in (CALLS, CALLS, OWNER, owner_dm, ADMIN)] == [
        "",
        "ratelimited",
        "",
        "ratelimited",
        "",
    ]
    clock.skip(seconds=1)
    assert [post(CALLS), post(OWNER)] == ["", ""]

    listed = [_code(lambda: web.users_list(limit=3)) for _ in range(21)]
    assert listed == [""] * 20 + ["ratelimited"]
    clock.skip(seconds=59)
    assert _code(lambda: web.users_list(limit=3)) == "ratelimited"
    clock.skip(seconds=1)
    assert _code(lambda: web.users_list(limit=3)) == ""
    place.do("slack/limits", enforced=False)
    assert [post(CALLS), post(CALLS)] == ["", ""]


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"refuse": "is_archived", "messages": ["m"]}, Refuse("is_archived", ("m",))),
        ({"limit": 7}, Limit(7)),
        ({"fail": 502}, Fail(502)),
        ({"cut": "before"}, Cut(done=False)),
        ({"cut": "after"}, Cut(done=True)),
        ({"upload_host_away": True}, UploadHostAway()),
        ({"answer": {"ok": False}, "status": 503}, Say({"ok": False}, 503)),
    ],
)
def test_a_fault_is_armed_over_http(said: dict[str, Any], fault: object) -> None:
    """Each kind has a word."""
    found = fault_in({"method": "chat.update", "channel": CALLS, "times": None, **said})
    assert found == Fault("chat.update", fault, channel=CALLS, times=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"method": "chat.update", "refuse": "x", "limit": 3},
        {"method": "chat.update", "drop": True},
        {"method": "chat.update", "refuse": "x", "status": 500},
        {"method": "chat.update", "cut": "sometimes"},
        {"method": "chat.update", "limit": "soon"},
    ],
)
def test_what_is_no_fault_is_refused_with_a_sentence(place: Place, said: dict[str, Any]) -> None:
    """And nothing is armed."""
    with pytest.raises(NoFault):
        fault_in(said)
    assert place.do("slack/script", expect=400, **said)["error"]
    assert place.stand_in.faults.left() == 0
