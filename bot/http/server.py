"""The product's own HTTP application: platform API, Stripe's webhook, Slack's endpoint, health and metrics."""

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from litestar import Litestar, Request, Response, post
from litestar.config.app import AppConfig
from litestar.exceptions import ClientException, HTTPException, NotAuthorizedException
from litestar.openapi.config import OpenAPIConfig

from bot.http.api import PlatformApi, platform_routes, problem_response, refusal_response
from bot.http.health import health_routes
from bot.http.openapi import BodiesRenderPlugin
from bot.http.unavailable import unavailable_response
from bot.payments.inbox import News
from bot.stripe.gateway import SignatureWrong, webhook_event
from bot.surfaces.vitals_reading import VitalSigns
from bot.wallets.usage import Usage
from ledger import Ledger, Refused, StoreUnusable

log = logging.getLogger("redbar.http")
SlackEndpoint = Callable[[str, Mapping[str, str]], tuple[int, str, str] | None]
"""Answers body and headers by status, body and content type, without waiting for anything.

None when the body is not a request of Slack's."""
BODY_MAX = 2_000_000
"""Bytes of a request's body: a thousand usages with room to spare."""


@dataclass(frozen=True, slots=True)
class Backend:
    """What the HTTP edge passes requests to."""

    ledger: Ledger
    usage: Usage
    news: News | None
    """None while nobody handles it."""
    slack: SlackEndpoint | None
    """Only in HTTP mode; in Socket Mode Slack sends us no request."""
    stripe_webhook_secret: str
    stripe_live: bool
    """Whether our key moves real money."""
    signs: VitalSigns


def build_http(backend: Backend) -> Litestar:
    """Put the application together."""
    health, end_health = health_routes(backend.signs)
    handlers: list[Any] = [
        platform_routes(PlatformApi(backend.ledger, backend.usage), backend.ledger),
        *health,
    ]
    if backend.news is not None and backend.stripe_webhook_secret:
        handlers.append(_stripe_webhook(backend, backend.news))
    if backend.slack is not None:
        handlers.append(_slack_events(backend.slack))
    return Litestar(
        handlers,
        exception_handlers={
            Refused: lambda request, refusal: refusal_response(refusal),
            StoreUnusable: unavailable_response,
            HTTPException: problem_response,
            Exception: _broken,
        },
        # As JSON alone: the framework's pages for it would fetch scripts and fonts from other hosts.
        openapi_config=OpenAPIConfig(
            title="Redbar", version="1", path="/v1/openapi", render_plugins=[BodiesRenderPlugin()]
        ),
        request_max_body_size=BODY_MAX,
        logging_config=None,
        on_app_init=[_quiet],
        on_shutdown=[end_health],
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


def _stripe_webhook(backend: Backend, news: News) -> Any:
    @post("/stripe/webhook", status_code=200)
    async def webhook(request: Request[Any, Any, Any]) -> Response[dict[str, object]]:
        """Take in one piece of news from Stripe; answered once it is kept."""
        payload = await request.body()
        signature = request.headers.get("stripe-signature", "")
        try:
            event = webhook_event(
                payload, signature, backend.stripe_webhook_secret, datetime.now(UTC), live=backend.stripe_live
            )
        except SignatureWrong as problem:
            log.warning("a webhook was refused: %s", problem)
            return Response({"detail": "The signature is not right."}, status_code=400)
        await asyncio.to_thread(news.take, [event])
        # Answered now, handled at once on a thread of its own; a job takes up what a crash leaves waiting.
        asyncio.get_running_loop().run_in_executor(None, news.handle_waiting, backend.ledger.now())
        return Response({"received": True})

    return webhook


def _slack_events(answer: SlackEndpoint) -> Any:
    @post("/slack/events", status_code=200)
    async def slack_events(request: Request[Any, Any, Any]) -> Response[str]:
        """Have a request of Slack's checked and answered."""
        body = (await request.body()).decode("utf-8", "replace")
        sent_at = request.headers.get("x-slack-request-timestamp", "0")
        if re.fullmatch(r"\d{1,12}", sent_at, re.ASCII) is None:
            raise NotAuthorizedException("The signature is not right.")  # Bolt fails on it
        # On the loop: it computes for a millisecond and waits for nothing, while threads may all be taken by webhooks.
        answered = answer(body, dict(request.headers.items()))
        if answered is None:
            raise ClientException("The body is not a request of Slack's.")
        status, text, content_type = answered
        return Response(text, status_code=status, media_type=content_type)

    return slack_events
