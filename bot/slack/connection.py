"""The connection to one Slack workspace: its clients, Bolt's app, the socket, and requests that arrive over HTTP."""

import logging
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Literal

from slack_bolt import App, BoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.builtin import SocketModeClient

from bot.dates import date_of
from bot.slack.answers import Meaning
from bot.slack.envelopes import EnvelopeHandler
from bot.slack.failures import UNREACHED, AnswerUnreadable, ReadingClient, answer_to
from bot.slack.presence import ListeningClient
from bot.slack.workers import Workers


class NotConnected(Exception):
    """Slack cannot be used: it cannot be reached."""

    retry_after: timedelta | None = None
    """How long Slack asks to wait before the next try, where it does."""


class NotSlack(NotConnected):
    """What answers at Slack's address is not Slack."""


class TokenRefused(NotConnected):
    """Slack refused one of our tokens."""

    def __init__(self, token: Literal["bot", "app"], code: str) -> None:
        self.token = token
        self.code = code
        super().__init__(f"Slack refused the {token} token: {code}")


@dataclass(frozen=True, slots=True)
class SlackAccess:
    """How Slack is reached. Without an app token, Slack sends its requests to us (HTTP mode)."""

    bot_token: str
    app_token: str
    signing_secret: str
    api_url: str


@dataclass(frozen=True, slots=True)
class Identity:
    """The workspace that the bot token belongs to."""

    team_id: str
    enterprise_id: str
    name: str
    bot_user_id: str
    said_at: datetime | None
    """The Date of Slack's answer."""


def plain_client(access: SlackAccess) -> WebClient:
    """Make a client that never retries: retries are the courier's."""
    return ReadingClient(**_options(access))


def listening_client(access: SlackAccess, gone: Callable[[str], None]) -> ListeningClient:
    """Make a client that reports when Slack says that the app was removed."""
    return ListeningClient(gone=gone, **_options(access))


def identify(client: WebClient) -> Identity:
    """Ask Slack which workspace the bot token belongs to. Raises: NotConnected."""
    with _connecting("bot"):
        me = client.auth_test()
    return Identity(
        team_id=str(me["team_id"]),
        enterprise_id=str(me.get("enterprise_id") or ""),
        name=str(me["team"]),
        bot_user_id=str(me["user_id"]),
        said_at=date_of(me.headers),
    )


def time_at_slack(client: WebClient) -> datetime | None:
    """Ask what time it is at Slack; None where it doesn't answer."""
    try:
        return identify(client).said_at
    except NotConnected:
        return None


def bolt_app(signing_secret: str, bot_user_id: str) -> App:
    """Make Bolt's application. Each listener runs in the thread that dispatches, so listeners must never wait."""
    return App(
        signing_secret=signing_secret or "unused in Socket Mode",
        client=WebClient(),  # without a token: listeners answer by clients of ours
        # Bolt would ask Slack who we are while somebody's first request waits for its acknowledgement.
        authorize=lambda enterprise_id, team_id: AuthorizeResult(
            enterprise_id=enterprise_id, team_id=team_id, bot_user_id=bot_user_id
        ),
        # Bolt's other way starts a listener on a pool and waits for its acknowledgement, looking every 10 ms.
        process_before_response=True,
        logger=logging.getLogger("slack_bolt.app"),  # not of ours: it logs whole requests
    )


class SlackApp:
    """Bolt's app, which hears Slack through a socket of ours or through requests to us, and its threads."""

    def __init__(self, access: SlackAccess, client: WebClient, bot_user_id: str, workers: Workers) -> None:
        self._access = access
        self.workers = workers
        self.client = client
        self.bolt = bolt_app(access.signing_secret, bot_user_id)
        self._socket: EnvelopeHandler | None = None
        self._changing = Lock()
        self.hears = False
        """Whether what Slack sends is taken in. A socket that breaks opens itself again."""
        self._stopped = False

    def start(self) -> None:
        """Take in what Slack sends; opens the socket in Socket Mode. Raises: NotConnected."""
        with self._changing:
            if self._stopped:
                return
            if self._access.app_token and self._socket is None:
                opened = EnvelopeHandler(self.bolt, self._access.app_token, self.client)
                with _connecting("app"):
                    try:
                        opened.connect()  # type: ignore[no-untyped-call]
                    except BaseException:
                        _close(opened)
                        raise
                self._socket = opened
            self.hears = True

    def hear_nothing(self) -> None:
        """Take in nothing that Slack sends, until started again."""
        with self._changing:
            self.hears = False
            closing, self._socket = self._socket, None
            if closing is not None:
                _close(closing)

    def hang_up(self) -> None:
        """Don't reconnect when Slack's socket closes."""
        with self._changing:
            if self._socket is not None:
                self._socket.client.auto_reconnect_enabled = False

    def stop(self) -> None:
        """Close the socket for good, and finish the work that was started."""
        with self._changing:
            self._stopped = True
        self.hear_nothing()
        self.workers.stop()

    def answer(self, body: str, headers: Mapping[str, str]) -> tuple[int, str, str] | None:
        """Answer a request that Slack sent to us; gives status, body and content type. Waits for nothing.

        Bolt checks the signature. None when the body is not a request of Slack's. While nothing is taken in Slack reads
        503, and sends events again.
        """
        if not self.hears:
            return 503, "", "text/plain"
        values: dict[str, str | Sequence[str]] = dict(headers)
        try:
            request = BoltRequest(body=body, headers=values)
        except (ValueError, TypeError, AttributeError, RecursionError):
            # Bolt reads the body before it checks the signature, and anybody may send one.
            return None
        answer = self.bolt.dispatch(request)
        content_type = answer.first_headers_without_set_cookie().get("content-type", "text/plain")
        return answer.status, answer.body, content_type


def _close(handler: EnvelopeHandler) -> None:
    end_waiting(handler.client)
    handler.close()  # type: ignore[no-untyped-call]


def end_waiting(client: SocketModeClient) -> None:
    """End the waiting of the client's two readers, so that closing it takes no time.

    One waits up to a second for a message, the other up to three for bytes, and both are joined.
    """
    client.closed = True
    client.current_session_runner.event.set()  # else it could read the same session once more
    client.current_session_state.terminated = True
    session = client.current_session
    if session is not None and session.sock is not None:
        with suppress(OSError):  # Slack may have closed it already
            # Past the method of TLS sockets, which takes the session away from the thread that reads.
            socket.socket.shutdown(session.sock, socket.SHUT_RD)
    client.message_queue.put(None)


def _options(access: SlackAccess) -> dict[str, Any]:
    return {
        "token": access.bot_token,
        "base_url": access.api_url,
        "timeout": 10,
        "retry_handlers": [],
    }


@contextmanager
def _connecting(token: Literal["bot", "app"]) -> Iterator[None]:
    try:
        yield
    except UNREACHED as problem:
        answer = answer_to(problem)
        if answer.code and answer.meaning is not Meaning.WAIT:
            raise TokenRefused(token, answer.code) from problem
        answered = isinstance(problem, SlackApiError | AnswerUnreadable)
        away = NotSlack() if answered and not answer.code and answer.retry_after is None else NotConnected()
        away.retry_after = answer.retry_after
        raise away from problem
