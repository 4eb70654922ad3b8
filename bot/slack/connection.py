"""The connection to one Slack workspace: its clients, Bolt's app, the socket, and requests that arrive over HTTP."""

import logging
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from slack_bolt import App, BoltRequest
from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler
from slack_bolt.lazy_listener.thread_runner import ThreadLazyListenerRunner
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.builtin import SocketModeClient

from bot.dates import date_of
from bot.slack.answers import Meaning
from bot.slack.failures import UNREACHED, AnswerUnreadable, ReadingClient, answer_to
from bot.slack.presence import ListeningClient

LISTENERS = 20
"""Slow work of a few people must not keep the next command from being acknowledged."""


class NotConnected(Exception):
    """Slack cannot be used: it cannot be reached."""


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


class SlackApp:
    """Bolt's app with its threads; hears Slack through a socket of ours or through requests to us."""

    def __init__(self, access: SlackAccess, client: WebClient) -> None:
        self._access = access
        # Listeners and slow work apart, and many of them: with Bolt's five shared threads, five slow jobs make the
        # sixth command time out (measured).
        listeners = ThreadPoolExecutor(LISTENERS, thread_name_prefix="listener")
        lazy = ThreadPoolExecutor(LISTENERS, thread_name_prefix="lazy")
        self._executors: Sequence[ThreadPoolExecutor] = (listeners, lazy)
        self.bolt = App(
            signing_secret=access.signing_secret or "unused in Socket Mode",
            client=client,
            token_verification_enabled=False,
            listener_executor=listeners,
            logger=logging.getLogger("redbar.bolt"),
        )
        self.bolt.listener_runner.lazy_listener_runner = ThreadLazyListenerRunner(self.bolt.logger, lazy)
        self._socket: SocketModeHandler | None = None

    def start(self) -> None:
        """Open the socket in Socket Mode. Raises: NotConnected."""
        if self._access.app_token:
            self._socket = SocketModeHandler(self.bolt, self._access.app_token)
            with _connecting("app"):
                self._socket.connect()  # type: ignore[no-untyped-call]

    def hang_up(self) -> None:
        """Don't reconnect when Slack's socket closes."""
        if self._socket is not None:
            self._socket.client.auto_reconnect_enabled = False

    def stop(self) -> None:
        """Close the socket and wait for the listeners that run."""
        if self._socket is not None:
            end_waiting(self._socket.client)
            self._socket.close()  # type: ignore[no-untyped-call]
        for executor in self._executors:
            executor.shutdown(wait=True, cancel_futures=True)

    def answer(self, body: str, headers: Mapping[str, str]) -> tuple[int, str, str] | None:
        """Answer a request that Slack sent to us; gives status, body and content type. Bolt checks the signature.

        None when the body is not a request of Slack's.
        """
        values: dict[str, str | Sequence[str]] = dict(headers)
        try:
            request = BoltRequest(body=body, headers=values)
        except (ValueError, TypeError, AttributeError, RecursionError):
            # Bolt reads the body before it checks the signature, and anybody may send one.
            return None
        answer = self.bolt.dispatch(request)
        content_type = answer.first_headers_without_set_cookie().get("content-type", "text/plain")
        return answer.status, answer.body, content_type


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
        not_slack = isinstance(problem, SlackApiError | AnswerUnreadable) and not answer.code
        raise (NotSlack if not_slack else NotConnected) from problem
