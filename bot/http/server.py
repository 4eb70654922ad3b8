"""The product's own HTTP application: platform API, Stripe's webhook, Slack's endpoint, health."""

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.config.app import AppConfig
from litestar.exceptions import ClientException, HTTPException, NotAuthorizedException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from slack_bolt import App, BoltRequest

from bot.http.api import PlatformApi, platform_routes, problem_response, refusal_response
from bot.payments.inbox import News
from bot.stripe.gateway import SignatureWrong, webhook_event
from bot.wallets.usage import Usage
from ledger import Ledger, Refused

log = logging.getLogger("redbar.http")
BODY_MAX = 2_000_000
"""Bytes of a request's body: a thousand usages with room to spare."""


@dataclass(frozen=True, slots=True)
class Doors:
    """What the HTTP edge opens onto."""

    ledger: Ledger
    usage: Usage
    news: News
    bolt: App | None
    """Only in HTTP mode; in Socket Mode Slack never calls us."""
    stripe_webhook_secret: str
    stripe_live: bool
    """Whether our key moves real money."""
    beat: Callable[[], datetime | None]


def build_http(doors: Doors) -> Litestar:
    """Put the application together."""
    handlers: list[Any] = [
        platform_routes(PlatformApi(doors.ledger, doors.usage), doors.ledger),
        _health(doors),
    ]
    if doors.stripe_webhook_secret:
        handlers.append(_stripe_webhook(doors))
    if doors.bolt is not None:
        handlers.append(_slack_events(doors.bolt))
    return Litestar(
        handlers,
        exception_handlers={
            Refused: lambda request, refusal: refusal_response(refusal),
            HTTPException: problem_response,
            Exception: _broken,
        },
        # As JSON alone: the framework's pages for it would fetch scripts and fonts from other hosts.
        openapi_config=OpenAPIConfig(
            title="Redbar", version="1", path="/v1/openapi", render_plugins=[JsonRenderPlugin()]
        ),
        request_max_body_size=BODY_MAX,
        logging_config=None,
        on_app_init=[_quiet],
    )


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that an application is served on. Raises: OSError."""
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except UnicodeError:
        raise OSError(f"{host!r} is not the name of a host") from None
    # Named by its protocol, or the event loop would leave Nagle's algorithm on: 40 ms for every answer (measured).
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _quiet(config: AppConfig) -> AppConfig:
    config.debug = False
    return config


def _broken(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, object]]:
    log.error("a request broke", exc_info=error)
    body: dict[str, object] = {
        "status": 500,
        "title": "Broken",
        "detail": "Something broke on our side. Nothing is known to be lost; the same request may be repeated.",
    }
    return Response(body, status_code=500, media_type="application/problem+json")


def _health(doors: Doors) -> Any:
    @get("/healthz", sync_to_thread=False)
    def healthz() -> dict[str, object]:
        """Say that the process answers, and when its heartbeat last beat."""
        beat = doors.beat()
        return {"ok": True, "beat_at": beat.isoformat() if beat is not None else None}

    return healthz


def _stripe_webhook(doors: Doors) -> Any:
    @post("/stripe/webhook", status_code=200)
    async def webhook(request: Request[Any, Any, Any]) -> Response[dict[str, object]]:
        """Take in one piece of news from Stripe; answered once it is kept."""
        payload = await request.body()
        signature = request.headers.get("stripe-signature", "")
        try:
            event = webhook_event(
                payload, signature, doors.stripe_webhook_secret, datetime.now(UTC), live=doors.stripe_live
            )
        except SignatureWrong as problem:
            log.warning("a webhook was refused: %s", problem)
            return Response({"detail": "The signature is not right."}, status_code=400)
        await asyncio.to_thread(doors.news.take, [event])
        # Answered now, handled at once on a thread of its own; what a crash leaves waiting, the heartbeat takes up.
        asyncio.get_running_loop().run_in_executor(None, doors.news.handle_waiting, doors.ledger.now())
        return Response({"received": True})

    return webhook


def _slack_events(bolt: App) -> Any:
    @post("/slack/events", status_code=200)
    async def slack_events(request: Request[Any, Any, Any]) -> Response[str]:
        """Hand a request of Slack's to Bolt, which checks its signature, on a thread of its own."""
        body = (await request.body()).decode("utf-8", "replace")
        headers: dict[str, str | Sequence[str]] = dict(request.headers.items())
        sent_at = request.headers.get("x-slack-request-timestamp", "0")
        if re.fullmatch(r"\d{1,12}", sent_at, re.ASCII) is None:
            raise NotAuthorizedException("The signature is not right.")  # Bolt would break on it
        try:
            asked = BoltRequest(body=body, headers=headers)
        except (ValueError, TypeError, AttributeError, RecursionError):
            # Bolt reads the body before it checks the signature, and anybody may send one.
            raise ClientException("The body is not a request of Slack's.") from None
        answer = await asyncio.to_thread(bolt.dispatch, asked)
        content_type = answer.first_headers_without_set_cookie().get("content-type", "text/plain")
        return Response(answer.body, status_code=answer.status, media_type=content_type)

    return slack_events
