"""A served Slack stand-in, with a client for people's actions and the bot's real libraries, for tests."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from litestar import Litestar
from slack_bolt import App
from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler
from slack_sdk import WebClient

from bot.sandbox.document_store import DocumentStore
from bot.sandbox.live import Live
from bot.sandbox.loopback import loopback
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.slack.delivery import Delivered
from bot.sandbox.slack.stand_in import build_slack
from bot.sandbox.wire import Wire
from bot.slack.connection import end_waiting

BOT_TOKEN = "xoxb-test-bot"
APP_TOKEN = "xapp-1-test-app"
SIGNING_SECRET = "test-signing-secret"
HELLO_SECONDS = 5.0


class SettableClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, instant: datetime = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)) -> None:
        self._instant = instant

    def now(self) -> datetime:
        """Give the instant at which it stands."""
        return self._instant

    def set(self, instant: datetime) -> None:
        """Move to an instant."""
        self._instant = instant

    def skip(self, **delta: float) -> None:
        """Move by a timedelta's arguments."""
        self._instant += timedelta(**delta)


def unused_port() -> int:
    """Give a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stage:
    """A server on a thread of its own, whose application can be changed: starting one takes longer than most tests."""

    def __init__(self, app: Any = None) -> None:
        self.app = app
        self.port = unused_port()
        config = uvicorn.Config(
            self._serve,
            host="127.0.0.1",
            port=self.port,
            log_level="warning",
            lifespan="off",
            interface="asgi3",
            date_header=False,  # an application that wants one dates its answers itself
        )
        config.timeout_graceful_shutdown = 1
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)
        assert self._server.started, "the server could not start"

    def stop(self) -> None:
        """Stop serving and wait for it."""
        self._server.should_exit = True
        self._thread.join(10)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


_free: list[Stage] = []


@contextmanager
def lent_stage() -> Iterator[Stage]:
    """Lend a stage of this process, which goes on for whoever needs one next: the one that was free for the longest."""
    stage = _free.pop(0) if _free else Stage()
    try:
        yield stage
    finally:
        stage.app = _empty
        _free.append(stage)


async def _empty(scope: Any, receive: Any, send: Any) -> None:
    """Answer who comes late; no test waits for this."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Place:
    """The Slack stand-in on a stage, with a client for people and one for the bot."""

    def __init__(
        self,
        stage: Stage,
        clock: SettableClock,
        folder: Path,
        *,
        request_url: str | None = None,
    ) -> None:
        self.base_url = f"http://127.0.0.1:{stage.port}"
        self.clock = clock
        self.settings = SandboxSettings(
            base_url=self.base_url,
            slack_bot_token=BOT_TOKEN,
            slack_app_token=APP_TOKEN,
            slack_signing_secret=SIGNING_SECRET,
            slack_delivery="http" if request_url else "socket",
            slack_request_url=request_url or "",
            stripe_key="sk_test",
            stripe_webhook_url=None,
            stripe_webhook_secret=None,
        )
        self._store = DocumentStore(folder / "slack.db", synchronous="NORMAL")
        self._wire = Wire(folder / "log.jsonl")
        self.live = Live()
        self.stand_in = build_slack(self._store, self._wire, self.live, clock, self.settings)
        self.stand_in.tickets.clock.stop()  # a slow machine makes no trigger expire
        stage.app = Litestar([self.stand_in.router], openapi_config=None, logging_config=None)
        self.http = loopback(self.base_url, timeout=10)
        self.web = WebClient(BOT_TOKEN, base_url=f"{self.base_url}/slack/api/")

    def get(self, what: str, *, expect: int = 200, **query: str) -> Any:
        """See something as a person: `who` becomes `as`."""
        return self._read(self.http.get(f"/sandbox/api/{what}", params=_as(query)), expect)

    def do(self, what: str, *, expect: int = 200, **body: Any) -> Any:
        """Do something as a person: `who` becomes `as`."""
        return self._read(self.http.post(f"/sandbox/api/{what}", json=_as(body)), expect)

    def messages(self, who: str, channel: str = "dm") -> list[dict[str, Any]]:
        """Give what somebody reads in a conversation, oldest first."""
        found: list[dict[str, Any]] = self.get("messages", who=who, channel=channel)["messages"]
        return found

    def acknowledged(self, user_id: str, view: dict[str, Any], answer: dict[str, Any]) -> None:
        """Show what a form that somebody sent in was acknowledged with; errors stand in the form that is open."""
        if answer["response_action"] != "errors":
            actions = self.stand_in.actions
            actions._answered(actions.who(user_id), view, Delivered("", answer, 0))

    def wire(self, ref: str | None = None) -> list[dict[str, Any]]:
        """Give the wire log's entries, all or those about one thing."""
        answer = self.http.get("/sandbox/api/wire", params={"ref": ref} if ref else {})
        found: list[dict[str, Any]] = answer.json()["entries"]
        return found

    @staticmethod
    def wait_for(happened: Callable[[], bool]) -> None:
        """Wait until something has happened elsewhere."""
        for _ in range(500):
            if happened():
                return
            time.sleep(0.01)
        raise AssertionError("it never happened")

    def close(self) -> None:
        """Let go of every file and connection."""
        self.http.close()
        self.stand_in.close()
        self._wire.close()
        self._store.close()

    @staticmethod
    def _read(answer: httpx.Response, expect: int) -> Any:
        assert answer.status_code == expect, f"{answer.status_code}: {answer.text}"
        return answer.json()


def _as(given: dict[str, Any]) -> dict[str, Any]:
    return {"as" if name == "who" else name: value for name, value in given.items()}


def bolt_app(place: Place) -> App:
    """Make a real Bolt application that talks to the stand-in."""
    return App(signing_secret=SIGNING_SECRET, client=place.web)


class Connected:
    """A Bolt application on a real socket."""

    def __init__(self, place: Place, app: App) -> None:
        self._client = SocketModeHandler(app, APP_TOKEN, web_client=place.web).client
        said_hello = threading.Event()
        self._client.on_message_listeners.append(
            lambda message: said_hello.set() if '"hello"' in message else None
        )
        self._client.connect()
        assert said_hello.wait(HELLO_SECONDS), "no hello came"

    def close(self) -> None:
        """Leave."""
        self._client.auto_reconnect_enabled = False
        end_waiting(self._client)
        self._client.close()
