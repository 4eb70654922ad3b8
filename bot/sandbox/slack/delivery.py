"""How the Slack stand-in delivers to the bot: through a socket that the bot opened, or by signed HTTP."""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

import httpx
from litestar.connection import WebSocket
from litestar.exceptions import WebSocketDisconnect

from bot.sandbox.document_store import Doc
from bot.sandbox.loopback import loopback
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.slack.seed import APP
from bot.sandbox.wire import Wire

ACK_SECONDS = 3.0
SOCKETS_MAX = 10
GOODBYE_SECONDS = 0.2
"""Between asking the bot to come back with a new socket and closing the old one; Slack waits longer."""
EVENT_RETRY_SECONDS = (0.0, 1.0)
"""Waits before an event that wasn't taken is sent again: at once, then Slack's minute, scaled down."""
Socket = WebSocket[Any, Any, Any]


class Kind(StrEnum):
    """What is delivered, by the names that envelopes carry."""

    COMMAND = "slash_commands"
    INTERACTION = "interactive"
    EVENT = "events_api"


class Trouble(StrEnum):
    """Slack's words for what a person sees when the app didn't answer."""

    NOT_REACHED = "dispatch_failed"
    NO_ANSWER = "operation_timeout"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the bot answered, and after how long; `error` is empty when it did so in time."""

    error: str
    answer: Doc
    acked_ms: int

    @property
    def ok(self) -> bool:
        """Whether the bot acknowledged."""
        return not self.error


class NotDelivered(Exception):
    """The bot didn't acknowledge."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble
        super().__init__(trouble.value)


class Delivery:
    """Delivers commands, interactions and events."""

    def __init__(self, wire: Wire, settings: SandboxSettings) -> None:
        self._wire = wire
        self._settings = settings
        self._sockets: list[Socket] = []
        self._waiting: dict[str, asyncio.Future[Doc]] = {}
        self._turn = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.Client | None = None
        # Deliveries by HTTP wait on threads of their own: the bot calls back while they do.
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="slack-delivery")

    def close(self) -> None:
        """Let threads and connections go, so that the bot needs not wait for its sockets to fall silent."""
        if self._loop is not None and self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._hang_up(list(self._sockets)), self._loop)
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    async def deliver(
        self, kind: Kind, payload: Mapping[str, Any], *, retry: int = 0, answers: bool = False
    ) -> Delivered:
        """Hand something over and wait for the acknowledgement, three seconds of real time at the most."""
        began = time.monotonic()
        try:
            if self._settings.slack_delivery == "socket":
                answer = await self._by_socket(kind, payload, retry, answers)
            else:
                answer = await self._by_http(kind, payload, retry)
            error = ""
        except NotDelivered as failure:
            answer, error = {}, failure.trouble.value
        acked_ms = int((time.monotonic() - began) * 1000)
        shown = {key: value for key, value in payload.items() if key != "token"}
        status, said = (200, answer) if not error else (408, {"error": error})
        self._wire.record("slack.com", "DELIVER", f"/{kind.value}", None, shown, status, said)
        return Delivered(error, answer, acked_ms)

    async def deliver_event(self, payload: Mapping[str, Any]) -> Delivered:
        """Hand an event over, and again when it wasn't taken."""
        got = await self.deliver(Kind.EVENT, payload)
        for attempt, seconds in enumerate(EVENT_RETRY_SECONDS, start=1):
            if got.ok:
                break
            await asyncio.sleep(seconds)
            got = await self.deliver(Kind.EVENT, payload, retry=attempt)
        return got

    # --- The socket ----------------------------------------------------------------------------------------

    async def serve(self, socket: Socket) -> None:
        """Keep one of the bot's sockets until it closes."""
        self._loop = asyncio.get_running_loop()
        await socket.accept()
        if len(self._sockets) >= SOCKETS_MAX:
            await self._goodbye(socket, "too_many_websockets")
            return
        self._sockets.append(socket)
        try:
            await socket.send_json(
                {
                    "type": "hello",
                    "num_connections": len(self._sockets),
                    "debug_info": {
                        "host": "applink",
                        "build_number": 1,
                        "approximate_connection_time": 18060,
                    },
                    "connection_info": {"app_id": APP},
                }
            )
            while True:
                self._take(await socket.receive_text())
        except WebSocketDisconnect:
            pass
        finally:
            if socket in self._sockets:
                self._sockets.remove(socket)

    def connected(self) -> int:
        """Say how many sockets the bot holds open."""
        return len(self._sockets)

    async def disconnect(self, reason: str) -> None:
        """Ask the bot to come back with new sockets, as Slack does every few hours."""
        leaving = list(self._sockets)
        self._sockets.clear()
        for socket in leaving:
            await self._goodbye(socket, reason)
        await asyncio.sleep(GOODBYE_SECONDS)
        await self._hang_up(leaving)

    async def _hang_up(self, sockets: Sequence[Socket]) -> None:
        for socket in sockets:
            with suppress(WebSocketDisconnect, RuntimeError):
                await socket.close(code=1001)

    async def _goodbye(self, socket: Socket, reason: str) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            await socket.send_json(
                {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink"}}
            )

    def _take(self, text: str) -> None:
        """Take an acknowledgement; anything else that a socket says is passed over."""
        try:
            message = json.loads(text)
        except ValueError:
            return
        waiting = self._waiting.pop(str(message.get("envelope_id", "")), None)
        if waiting is not None and not waiting.done():
            payload = message.get("payload")
            waiting.set_result(payload if isinstance(payload, dict) else {})

    async def _by_socket(self, kind: Kind, payload: Mapping[str, Any], retry: int, answers: bool) -> Doc:
        envelope = secrets.token_hex(16)
        message: Doc = {
            "envelope_id": envelope,
            "payload": payload,
            "type": kind.value,
            "accepts_response_payload": answers,
        }
        if kind is Kind.EVENT:
            message |= {"retry_attempt": retry, "retry_reason": "timeout" if retry else ""}
        waiting: asyncio.Future[Doc] = asyncio.get_running_loop().create_future()
        self._waiting[envelope] = waiting
        try:
            await self._send(message)
            return await asyncio.wait_for(waiting, ACK_SECONDS)
        except TimeoutError:
            raise NotDelivered(Trouble.NO_ANSWER) from None
        finally:
            self._waiting.pop(envelope, None)

    async def _send(self, message: Doc) -> None:
        """Send through any one of the sockets; one that turns out to be closed is skipped."""
        for _ in range(len(self._sockets)):
            self._turn += 1
            socket = self._sockets[self._turn % len(self._sockets)]
            try:
                await socket.send_json(message)
            except (WebSocketDisconnect, RuntimeError):
                continue
            return
        raise NotDelivered(Trouble.NOT_REACHED)

    # --- HTTP ----------------------------------------------------------------------------------------------

    async def _by_http(self, kind: Kind, payload: Mapping[str, Any], retry: int) -> Doc:
        form = "application/x-www-form-urlencoded"
        if kind is Kind.COMMAND:
            body, content_type = urlencode(payload), form
        elif kind is Kind.INTERACTION:
            body, content_type = urlencode({"payload": json.dumps(payload)}), form
        else:
            body, content_type = json.dumps(payload), "application/json"
        headers = {"Content-Type": content_type, **self.signed(body)}
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": "http_timeout"}
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(
                loop.run_in_executor(self._pool, self._post, body.encode(), headers), ACK_SECONDS
            )
        except TimeoutError:
            raise NotDelivered(Trouble.NO_ANSWER) from None

    def signed(self, body: str) -> dict[str, str]:
        """Give the headers that sign a body. Signatures keep real time, whatever the sandbox's clock says."""
        stamp = str(int(time.time()))
        secret = self._settings.slack_signing_secret.encode()
        digest = hmac.new(secret, f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}

    def _post(self, body: bytes, headers: Mapping[str, str]) -> Doc:
        if self._client is None:
            self._client = loopback(timeout=ACK_SECONDS)
        try:
            answer = self._client.post(self._settings.slack_request_url, content=body, headers=dict(headers))
        except httpx.TimeoutException:
            raise NotDelivered(Trouble.NO_ANSWER) from None
        except httpx.HTTPError:
            raise NotDelivered(Trouble.NOT_REACHED) from None
        if answer.status_code != 200:
            raise NotDelivered(Trouble.NOT_REACHED)
        if answer.headers.get("content-type", "").startswith("application/json") and answer.content:
            found = answer.json()
            return found if isinstance(found, dict) else {}
        return {"text": answer.text} if answer.text else {}
