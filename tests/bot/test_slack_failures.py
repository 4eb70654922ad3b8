"""Every way in which a request to Slack can fail, over real HTTP, and what each is raised as."""

import json
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from bot.ports import MessageGone, NotNow, NotTold, RecipientGone
from bot.slack.client import MessageRef, SlackClient
from bot.slack.connection import NotConnected, NotSlack, SlackAccess, TokenRefused, identify, plain_client
from bot.slack.failures import ContentRefused, FileNotReady, NotForeseen, ReadingClient
from bot.slack.views.blocks import Message
from tests.sandbox.slack_place import BOT_TOKEN, Place, SettableClock, Stage, lent_stage, unused_port

CHANNEL, OWNER = "C0CALLS01", "U0OWNER01"
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "hello"}}
MESSAGE = Message(text="hello", blocks=[SECTION])
HOME = {"type": "home", "blocks": [SECTION]}
TIMEOUT_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered instead of the stand-in's answer."""

    body: bytes | str | object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})

    @property
    def content(self) -> bytes:
        """Give the bytes of the body; what is neither bytes nor text is sent as JSON."""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class Rig:
    """The stand-in behind a layer that answers some paths by itself, and a client of the bot's."""

    def __init__(self, stage: Stage, place: Place) -> None:
        self.place = place
        self.replies: dict[str, Reply] = {}
        """By the end or a part of the path: what is answered there."""
        self._behind = stage.app
        stage.app = self._serve
        self.client = self.client_at(place.base_url)
        self.ref = self.client.post_message(CHANNEL, MESSAGE)

    @staticmethod
    def client_at(base_url: str) -> SlackClient:
        """Make a client of a Slack that is served somewhere."""
        web = ReadingClient(
            BOT_TOKEN, base_url=f"{base_url}/slack/api/", timeout=TIMEOUT_SECONDS, retry_handlers=[]
        )
        return SlackClient(web, lambda seconds: None)

    def response_url(self) -> str:
        """Give an address at which one answer may be left."""
        return f"{self.place.base_url}/slack/response/{self.place.stand_in.tickets.response(OWNER, CHANNEL)}"

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        for part, reply in self.replies.items():
            if part in scope["path"]:
                while (await receive()).get("more_body"):
                    pass
                headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
                await send({"type": "http.response.start", "status": reply.status, "headers": headers})
                await send({"type": "http.response.body", "body": reply.content})
                return
        await self._behind(scope, receive, send)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Slack, served, with nothing broken yet."""
    with lent_stage() as stage:
        place = Place(stage, SettableClock(), tmp_path_factory.mktemp("slack"))
        yield Rig(stage, place)
        place.close()


@pytest.fixture(autouse=True)
def _whole(rig: Rig) -> None:
    rig.replies.clear()


Way = Callable[[SlackClient, MessageRef, str], object]
WAYS: Mapping[str, tuple[Way, tuple[str, ...]]] = {
    "post": (lambda client, ref, url: client.post_message(CHANNEL, MESSAGE), ("chat.postMessage",)),
    "edit": (lambda client, ref, url: client.update_message(ref, MESSAGE), ("chat.update",)),
    "ephemeral": (
        lambda client, ref, url: client.post_ephemeral(CHANNEL, OWNER, MESSAGE),
        ("chat.postEphemeral", "chat.postMessage"),
    ),
    "home": (lambda client, ref, url: client.publish_view(OWNER, HOME), ("views.publish",)),
    "response_url": (lambda client, ref, url: client.respond(url, MESSAGE, replace=False), ("/response/",)),
}
"""How something is sent, and the paths that are asked for it."""
UPLOADS = ("files.getUploadURLExternal", "/upload/", "files.completeUploadExternal")
"""The three requests of an upload; the second goes to a host of its own."""


def _upload(client: SlackClient) -> str | None:
    return client.try_upload(b"png", filename="a.png", title="a", alt="a").file_id


def _problem(send: Callable[[], object]) -> Exception | None:
    try:
        send()
    except NotTold as problem:
        return problem
    return None


def _html(status: int, **headers: str) -> Reply:
    return Reply("<html><body>A page</body></html>", status, {"Content-Type": "text/html", **headers})


def _code(code: str, status: int = 200) -> Reply:
    return Reply({"ok": False, "error": code}, status)


ANSWERS: Mapping[str, tuple[Reply, type[NotTold]]] = {
    "a person or channel that is gone": (_code("is_archived"), RecipientGone),
    "a message that is gone": (_code("message_not_found"), MessageGone),
    "a limit": (_code("ratelimited", 429), NotNow),
    "a limit without JSON": (_html(429), NotNow),
    "a token that is refused": (_code("token_revoked"), NotNow),
    "blocks that are refused": (_code("invalid_blocks"), ContentRefused),
    "a code that nobody knows": (_code("code_of_next_year"), NotForeseen),
    "an unknown code of a failed server": (_code("code_of_next_year", 500), NotNow),
    "a failed server": (_html(500), NotNow),
    "a gateway without a host": (Reply("", 502), NotNow),
    "a server that is away": (Reply({"ok": False}, 503), NotNow),
    "a proxy that forbids": (_html(403), NotNow),
    "a proxy that finds nothing": (_html(404), NotNow),
    "a proxy that asks for a password": (_html(407), NotNow),
    "a body that is too large": (_html(413), ContentRefused),
    "a redirect to itself": (_html(302, Location="?again"), NotNow),
    "a redirect that may not be followed": (_html(307, Location="/elsewhere"), NotNow),
    "bytes that are no text": (Reply(b"\xff\xfe\xff"), NotNow),
    "an unknown charset": (Reply("{}", 200, {"Content-Type": "text/plain; charset=klingon"}), NotNow),
    "bytes that are no text, from a failed server": (Reply(b"\xff\xfe\xff", 500), NotNow),
}
"""Answers that no way of sending takes for a success."""
ODD: Mapping[str, Reply] = {
    "a page": _html(200),
    "nothing": Reply(""),
    "half of JSON": Reply('{"ok": tr'),
    "an object without an answer": Reply({}),
    "no code": Reply({"ok": False}),
    "a sentence as the code": Reply({"ok": False, "error": "Something went wrong"}),
    "a number as the code": Reply({"ok": False, "error": 7}),
    "null": Reply("null"),
    "a number": Reply("5"),
    "a text": Reply('"ok"'),
    "an empty list": Reply("[]"),
    "a list": Reply("[1]"),
    "JSON without an end": Reply("[" * 100_000),
    "packed bytes": Reply(b"\x1f\x8b", 200, {"Content-Type": "application/gzip"}),
}
"""Answers with status 200 that the Web API never gives. The upload's host and a response_url give nothing legible."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_is_no_success_is_raised_as_what_it_means(rig: Rig, way: str, answer: str) -> None:
    """However it is sent."""
    (send, paths), (reply, expected) = WAYS[way], ANSWERS[answer]
    rig.replies |= dict.fromkeys(paths, reply)
    problem = _problem(lambda: send(rig.client, rig.ref, rig.response_url()))
    assert type(problem) is expected


@pytest.mark.parametrize("way", [one for one in WAYS if one != "response_url"])
@pytest.mark.parametrize("answer", ODD)
def test_an_answer_that_is_not_slacks_is_waited_out(rig: Rig, way: str, answer: str) -> None:
    """A captive portal or a proxy answers for Slack: that says nothing of the recipient."""
    send, paths = WAYS[way]
    rig.replies |= dict.fromkeys(paths, ODD[answer])
    problem = _problem(lambda: send(rig.client, rig.ref, ""))
    assert type(problem) is NotNow


@pytest.mark.parametrize("path", UPLOADS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_upload_that_fails_costs_the_picture_alone(
    rig: Rig, caplog: pytest.LogCaptureFixture, path: str, answer: str
) -> None:
    """At each of its three requests; the log names the meaning. The upload's host gives no codes."""
    reply, expected = ANSWERS[answer]
    if path == "/upload/":
        if reply.status == 200 and b'"ok"' in reply.content:
            return  # the host says by its status alone that it took the bytes
        expected = ContentRefused if reply.status == 413 else NotNow
    rig.replies[path] = reply
    with caplog.at_level(logging.WARNING, "redbar.slack"):
        assert _upload(rig.client) is None
    (said,) = [one.getMessage() for one in caplog.records if one.name == "redbar.slack"]
    assert f"could not be uploaded: {expected.__name__}:" in said


@pytest.mark.parametrize("path", [UPLOADS[0], UPLOADS[2]])
@pytest.mark.parametrize("answer", ODD)
def test_an_upload_survives_answers_that_are_not_slacks(rig: Rig, path: str, answer: str) -> None:
    """At each request to the Web API."""
    rig.replies[path] = ODD[answer]
    assert _upload(rig.client) is None


def test_an_upload_host_that_takes_bytes_only_later_costs_the_picture(rig: Rig) -> None:
    """The SDK raises an error of its own for a status such as 202."""
    rig.replies["/upload/"] = Reply("later", 202)
    assert _upload(rig.client) is None


def _closed(client: socket.socket) -> None:
    """Hang up without an answer."""


def _reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _garbage(client: socket.socket) -> None:
    client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


def _truncated(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")


def _chunked(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")


def _silent(client: socket.socket) -> None:
    client.settimeout(TIMEOUT_SECONDS * 5)
    with suppress(OSError):
        while client.recv(65536):
            pass


LINES: tuple[Callable[[socket.socket], None], ...] = (
    _closed,
    _reset,
    _garbage,
    _truncated,
    _chunked,
    _silent,
)


@dataclass(frozen=True, slots=True)
class Line:
    """A host that takes a connection, reads a request, and then behaves badly."""

    base_url: str
    asked: list[bytes] = field(default_factory=list)
    """What each connection began with."""


@pytest.fixture
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    """Serve such a host; the parameter says how it behaves."""
    listener = socket.create_server(("127.0.0.1", 0))
    made = Line(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    made.asked.append(client.recv(65536))
                    request.param(client)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield made
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def _all_ways_wait(rig: Rig, base_url: str) -> None:
    client, ref = rig.client_at(base_url), rig.ref
    problems = {
        way: type(_problem(lambda send=send: send(client, ref, f"{base_url}/response")))  # type: ignore[misc]
        for way, (send, _) in WAYS.items()
    }
    assert problems == dict.fromkeys(WAYS, NotNow)
    assert _upload(client) is None
    # The upload's host is another than the Web API's.
    rig.replies[UPLOADS[0]] = Reply({"ok": True, "upload_url": f"{base_url}/upload", "file_id": "F1"})
    assert _upload(rig.client) is None


@pytest.mark.parametrize("line", LINES, indirect=True, ids=[one.__name__ for one in LINES])
def test_a_connection_that_breaks_is_waited_out(rig: Rig, line: Line) -> None:
    """Closed, reset, not HTTP, cut off, or silent until the timeout."""
    _all_ways_wait(rig, line.base_url)


@pytest.mark.parametrize("line", [_closed, _reset], indirect=True, ids=["closed", "reset"])
@pytest.mark.parametrize("way", ["post", "edit", "home", "response_url"])
def test_a_request_whose_answer_is_lost_is_sent_once(rig: Rig, line: Line, way: str) -> None:
    """Whether Slack took it is unknown: the library's own retry could show it twice."""
    send, _ = WAYS[way]
    problem = _problem(lambda: send(rig.client_at(line.base_url), rig.ref, f"{line.base_url}/response"))
    assert type(problem) is NotNow
    assert len(line.asked) == 1


@pytest.mark.parametrize("line", [_silent], indirect=True, ids=["silent"])
@pytest.mark.parametrize("way", WAYS)
def test_silence_is_waited_for_as_long_as_the_client_says(rig: Rig, line: Line, way: str) -> None:
    """By each way, and not as long as the library would."""
    send, paths = WAYS[way]
    began = time.monotonic()
    _problem(lambda: send(rig.client_at(line.base_url), rig.ref, f"{line.base_url}/response"))
    assert time.monotonic() - began < TIMEOUT_SECONDS * (len(paths) + 1)


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_a_channel_does_not_take_arrives_in_the_dm(rig: Rig, answer: str) -> None:
    """Whatever the reason: somebody waits for it."""
    rig.replies["chat.postEphemeral"], _ = ANSWERS[answer]
    before = len(rig.place.messages(OWNER))
    rig.client.post_ephemeral(CHANNEL, OWNER, MESSAGE)
    assert len(rig.place.messages(OWNER)) == before + 1


@pytest.mark.parametrize("address", ["nobody listens", "no such host", "no TLS there"])
def test_a_host_that_cannot_be_reached_is_waited_out(rig: Rig, address: str) -> None:
    """Errors of sockets, names and TLS."""
    urls = {
        "nobody listens": f"http://127.0.0.1:{unused_port()}",
        "no such host": "http://slack.invalid",
        "no TLS there": rig.place.base_url.replace("http:", "https:"),
    }
    _all_ways_wait(rig, urls[address])


@pytest.mark.parametrize("way", [one for one in WAYS if one != "home"])
def test_a_limit_carries_its_retry_after(rig: Rig, way: str) -> None:
    """To whoever schedules the next try."""
    send, paths = WAYS[way]
    rig.replies |= dict.fromkeys(paths, _html(429, **{"Retry-After": "17"}))
    problem = _problem(lambda: send(rig.client, rig.ref, rig.response_url()))
    assert isinstance(problem, NotNow)
    assert problem.retry_after == timedelta(seconds=17)


def test_a_picture_that_is_still_processed_is_not_a_refused_block(rig: Rig) -> None:
    """The message is worth sending again with its picture."""
    refused = _code("invalid_blocks").body
    assert isinstance(refused, dict)
    pending = Reply(refused | {"response_metadata": {"messages": ["invalid slack file"]}})
    rig.replies["chat.postMessage"] = pending
    problem = _problem(lambda: rig.client.post_message(CHANNEL, MESSAGE))
    assert type(problem) is FileNotReady


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (_code("invalid_auth"), TokenRefused),
        (_code("code_of_next_year"), TokenRefused),
        (_code("ratelimited", 429), NotConnected),
        (_code("internal_error"), NotConnected),
        (_html(200), NotSlack),
        (_html(502), NotSlack),
        (Reply("[1]"), NotSlack),
        (Reply({"ok": False}), NotSlack),
    ],
    ids=str,
)
def test_a_start_says_whether_the_token_or_the_network_is_wrong(
    rig: Rig, reply: Reply, expected: type[NotConnected]
) -> None:
    """A proxy's page is no refused token, and neither is a limit."""
    rig.replies["auth.test"] = reply
    access = SlackAccess(BOT_TOKEN, "", "", f"{rig.place.base_url}/slack/api/")
    with pytest.raises(NotConnected) as problem:
        identify(plain_client(access))
    assert type(problem.value) is expected
