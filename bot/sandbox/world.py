"""The two stand-ins and the web page as one web application, which replaces the outside and never the product.

What the web page may ask of the product (let time pass, play six weeks, play the story) is passed in as plain
functions: this package imports nothing of the product.
"""

import asyncio
import json
import mimetypes
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from litestar import Litestar, Response, get, post
from litestar.params import FromPath, JSONBody
from litestar.types import ASGIApp, Receive, Scope, Send

from bot.sandbox.clock import SandboxClock
from bot.sandbox.document_store import Doc, DocumentStore
from bot.sandbox.live import Live
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.slack.stand_in import SlackStandIn, build_slack
from bot.sandbox.stripe.stand_in import StripeStandIn, build_stripe
from bot.sandbox.wire import Wire

PAGE = Path(__file__).parent / "page"
THREADS = 32
SKIP_MINUTES_MAX = 60 * 24 * 60
PRODUCT_PATHS = ("/v1", "/healthz", "/readyz", "/metrics", "/slack/events", "/stripe/webhook")
"""Paths that belong to the product; everything else is the sandbox's."""


@dataclass(frozen=True, slots=True)
class Product:
    """What the web page may ask of the product, as its operator could."""

    skip: Callable[[timedelta], None]
    """Let time pass; every due moment runs in order."""
    six_weeks: Callable[[], Awaitable[Doc]]
    story: Callable[[], list[Doc]]
    play: Callable[[int], Awaitable[Doc]]
    extra: Callable[[], Doc]
    """What the web page needs at its start beside Slack's part."""


@dataclass(frozen=True, slots=True)
class World:
    """The running sandbox."""

    app: Litestar
    slack: SlackStandIn
    stripe: StripeStandIn
    live: Live
    wire: Wire
    stores: tuple[DocumentStore, ...]
    clock: SandboxClock

    def tell_time(self) -> None:
        """Tell open web pages that time has passed."""
        self.live.publish("clock", _clock(self.clock))

    def close(self) -> None:
        """Stop the stand-ins and close all files; what was written stays."""
        self.slack.close()
        self.stripe.close()
        for store in self.stores:
            store.close()
        self.wire.close()


def build_world(
    data: Path | None, clock: SandboxClock, settings: SandboxSettings, product: Callable[[], Product]
) -> World:
    """Put the sandbox together. `product` is called when it is needed: the product is made after its world."""
    live, wire = Live(), Wire(data / "log.jsonl" if data else None)
    slack_store = DocumentStore(data / "slack.db" if data else None, synchronous="NORMAL")
    stripe_store = DocumentStore(data / "stripe.db" if data else None)

    def extra() -> Doc:
        return {"clock": _clock(clock), **product().extra()}

    slack = build_slack(slack_store, wire, live, clock, settings, extra)
    stripe = build_stripe(stripe_store, wire, live, clock, settings)
    handlers = [slack.router, stripe.router, *_page_routes(), *_time_routes(clock, product)]
    app = Litestar(handlers, openapi_config=None, logging_config=None)
    return World(app, slack, stripe, live, wire, (slack_store, stripe_store), clock)


def _clock(clock: SandboxClock) -> Doc:
    return {"now": clock.now().isoformat(), "offset_seconds": int(clock.offset.total_seconds())}


def _page_routes() -> list[Any]:
    @get("/", media_type="text/html", sync_to_thread=False)
    def index() -> Response[str]:
        """The page."""
        return _file("index.html")

    @get("/sandbox/static/{name:str}", sync_to_thread=False)
    def static(name: FromPath[str]) -> Response[str]:
        """A script or a style of the page."""
        return _file(name)

    @get("/favicon.ico", sync_to_thread=False)
    def icon() -> Response[str]:
        """The page carries its icon itself."""
        return Response("", status_code=204, media_type="image/x-icon")

    return [index, static, icon]


def _file(name: str) -> Response[str]:
    path = PAGE / name
    if "/" in name or "\\" in name or path.parent != PAGE or not path.is_file():
        return Response("There is no such file.", status_code=404, media_type="text/plain")
    kind = mimetypes.guess_type(name)[0] or "text/plain"
    policy = "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": policy}
    return Response(path.read_text(encoding="utf-8"), media_type=f"{kind}; charset=utf-8", headers=headers)


def _time_routes(clock: SandboxClock, product: Callable[[], Product]) -> list[Any]:
    @get("/sandbox/api/clock", sync_to_thread=False)
    def see_clock() -> Doc:
        """What time it is here."""
        return _clock(clock)

    @post("/sandbox/api/clock/skip", status_code=200)
    async def skip(data: JSONBody[Doc]) -> Response[Doc]:
        """Let minutes pass; every due moment runs in order."""
        minutes = data.get("minutes")
        if not isinstance(minutes, int) or not 0 < minutes <= SKIP_MINUTES_MAX:
            return Response(
                {"ok": False, "error": "Say how many minutes, up to sixty days."}, status_code=400
            )
        await asyncio.to_thread(product().skip, timedelta(minutes=minutes))
        return Response({"ok": True, **_clock(clock)})

    @post("/sandbox/api/six-weeks", status_code=200)
    async def six_weeks() -> Doc:
        """Play six weeks of a busy company through the real endpoints."""
        return await product().six_weeks()

    @get("/sandbox/api/story", sync_to_thread=False)
    def story() -> Doc:
        """The eight steps of the story."""
        return {"steps": product().story()}

    @post("/sandbox/api/story/{number:int}", status_code=200)
    async def play(number: FromPath[int]) -> Doc:
        """Play one step of the story."""
        return await product().play(number)

    return [see_clock, skip, six_weeks, story, play]


class Dated:
    """Dates every answer by the sandbox's clock, as web servers date theirs by their own."""

    def __init__(self, inner: ASGIApp, clock: SandboxClock) -> None:
        self._inner = inner
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and put a Date into its answer."""

        async def dated(message: Any) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._clock.now(), usegmt=True).encode()
                message = {**message, "headers": [*message.get("headers", ()), (b"date", date)]}
            await send(message)

        await self._inner(scope, receive, dated)


class OneAddress:
    """One address for product and sandbox; refuses other Host names, and web pages of other origins."""

    def __init__(self, product: ASGIApp, sandbox: ASGIApp, hosts: frozenset[str]) -> None:
        self._product = product
        self._sandbox = sandbox
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the product or to the sandbox, by its path."""
        kind = str(scope["type"])
        if kind == "lifespan":
            # The loop's own few threads would be used up by handlers that wait for the bot, which calls back in.
            asyncio.get_running_loop().set_default_executor(
                ThreadPoolExecutor(THREADS, thread_name_prefix="sandbox")
            )
            await self._sandbox(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        origin = headers.get("origin", "")
        if headers.get("host", "") not in self._hosts or (
            origin and origin.partition("://")[2] not in self._hosts
        ):
            await _refuse(kind, send)
            return
        path = scope["path"]
        ours = any(path == one or path.startswith(f"{one}/") for one in PRODUCT_PATHS)
        await (self._product if ours else self._sandbox)(scope, receive, send)


async def _refuse(kind: str, send: Send) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "strangers are not served"})
        return
    body = json.dumps({"detail": "This sandbox answers only its own page on this machine."}).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
