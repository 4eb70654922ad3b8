"""The Stripe stand-in as a web application: the API under /stripe, hosted pages, webhooks out, faults on order."""

import asyncio
import html
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response, Router, get, post
from litestar.handlers import route
from litestar.params import FromPath, JSONBody

from bot.ports import Clock
from bot.sandbox.broken_line import BrokenLine
from bot.sandbox.document_store import Doc, DocumentStore
from bot.sandbox.live import Live
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.stripe import api as stripe_api
from bot.sandbox.stripe import clawbacks as stripe_clawbacks
from bot.sandbox.stripe import delays as stripe_delays
from bot.sandbox.stripe.faults import Ending, Fault, Faults, Mode
from bot.sandbox.stripe.hosted_pages import HostedPages, receipt_page
from bot.sandbox.stripe.params import Params, parse_form
from bot.sandbox.stripe.problem import StripeProblem
from bot.sandbox.stripe.state import StripeState, without_notes
from bot.sandbox.stripe.webhooks import Webhooks
from bot.sandbox.wire import Wire

PAGE = Path(__file__).parent.parent / "page"
HOST = "api.stripe.com"
THREADS = 4
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'",
}
"""A page asks nobody but its own server for anything."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One API request as it came."""

    method: str
    path: str
    body: str
    key: str | None
    token: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What is sent back, after how long, and how much of it arrives."""

    status: int
    body: Doc
    headers: dict[str, str] = field(default_factory=dict)
    delay_ms: int = 0
    ending: Ending = Ending.WHOLE


class StripeStandIn:
    """Everything that stands in for Stripe."""

    def __init__(
        self, store: DocumentStore, wire: Wire, live: Live, clock: Clock, settings: SandboxSettings
    ) -> None:
        webhooks = settings.stripe_webhook_url is not None
        self.state = StripeState(store, live, clock, settings.base_url, webhooks=webhooks)
        if settings.stripe_webhook_url is not None:
            with store.transaction():
                endpoint = {"id": "we_sandbox", "object": "webhook_endpoint", "created": self.state.now()}
                self.state.keep(
                    "endpoint", {**endpoint, "url": settings.stripe_webhook_url, "status": "enabled"}
                )
        self.pages = HostedPages(self.state)
        self.faults = Faults()
        self._wire = wire
        self._key = settings.stripe_key
        self._lock = threading.Lock()
        self._in_flight: set[str] = set()
        # Threads of its own: the product asks from within requests that hold the server's threads.
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="stripe")
        self.webhooks = Webhooks(self.state, wire, settings) if webhooks else None
        self.router = Router(
            "/", route_handlers=[*_api_routes(self), *_page_routes(self), *_control_routes(self)]
        )

    def close(self) -> None:
        """Stop sending webhooks; what waits is kept."""
        if self.webhooks is not None:
            self.webhooks.close()
        self._pool.shutdown()

    def sweep(self) -> None:
        """Do what time brings by the sandbox's clock: pages lapse, old keys are forgotten."""
        self.pages.sweep()
        with self.state.store.transaction():
            stripe_api.forget_old_keys(self.state)
            stripe_clawbacks.fail_due_refunds(self.state)
        self.tell()

    def claw_back(self, options: Doc) -> Doc:
        """Do what the account's owner, a bank or a network does to a charge. Raises: KeyError, StripeProblem."""
        with self.state.store.transaction():
            made = without_notes(stripe_clawbacks.carry_out(self.state, options))
        self.tell()
        return made

    def show_events(self) -> None:
        """Make visible what was ordered to come late or never."""
        stripe_delays.show_all(self.state.store)
        self.tell()

    def tell(self) -> None:
        """Have new events sent, where an endpoint is known."""
        if self.webhooks is not None:
            self.webhooks.wake()

    async def handle(self, asked: Asked) -> Answered:
        """Answer one API request, in its time; a second one with its key meanwhile is sent away."""
        key = asked.key if asked.method == "POST" else None
        with self._lock:
            busy = key is not None and key in self._in_flight
            if key is not None and not busy:
                self._in_flight.add(key)
        if busy:
            assert key is not None
            return self._sent_away(asked, key)
        try:
            answered = await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, asked)
            await asyncio.sleep(answered.delay_ms / 1000)
            return answered
        finally:
            if key is not None:
                with self._lock:
                    self._in_flight.discard(key)

    def _sent_away(self, asked: Asked, key: str) -> Answered:
        params: Params = {}
        with suppress(StripeProblem):
            params = self._read(asked)
        answered = Answered(*stripe_api.in_flight(key))
        self._record(asked, params, answered)
        return answered

    def _answer(self, asked: Asked) -> Answered:
        params: Params = {}
        try:
            params = self._read(asked)
            answered = self._faulty(asked, params, self.faults.take(f"{asked.method} {asked.path}"))
        except StripeProblem as problem:
            answered = Answered(problem.status, problem.body)
        self._record(asked, params, answered)
        self.tell()
        return answered

    def _read(self, asked: Asked) -> Params:
        if asked.token != self._key:
            raise StripeProblem(401, "invalid_request_error", "Invalid API Key provided.")
        if asked.key is not None and len(asked.key) > stripe_api.KEY_LENGTH_MAX:
            raise StripeProblem(400, "invalid_request_error", "Idempotency keys take up to 255 characters.")
        return parse_form(parse_qsl(asked.body, keep_blank_values=True))

    def _faulty(self, asked: Asked, params: Params, fault: Fault | None) -> Answered:
        """Answer as an armed fault has it; without one, truly."""
        real: Answered | None = None
        if fault is None or fault.does:
            real = Answered(*stripe_api.answer(self.state, asked.method, asked.path, params, asked.key))
        if fault is None:
            assert real is not None
            return real
        if fault.stored and asked.key:
            digest = stripe_api.digest_of(asked.method, asked.path, params)
            with self.state.store.transaction():
                stripe_api.remember(self.state, asked.key, digest, fault.status, fault.body)
        if fault.mode is Mode.STATUS:
            return Answered(fault.status, fault.body, delay_ms=fault.delay_ms)
        if fault.mode in (Mode.SLOW, Mode.TRUNCATED, Mode.CUT_SHORT):
            assert real is not None
            return Answered(real.status, real.body, real.headers, fault.delay_ms, fault.ending)
        gone = {"error": {"type": "api_error", "message": "No answer came in time."}}
        return Answered(504, gone, delay_ms=fault.delay_ms, ending=fault.ending)

    def _record(self, asked: Asked, params: Params, answered: Answered) -> None:
        # Status 0 says that no answer was sent; of half an answer nobody can read anything.
        status = 0 if answered.ending is Ending.NOTHING else answered.status
        body = answered.body if answered.ending is Ending.WHOLE else {}
        self._wire.record(HOST, asked.method, asked.path, asked.key, params, status, body)


def build_stripe(
    store: DocumentStore, wire: Wire, live: Live, clock: Clock, settings: SandboxSettings
) -> StripeStandIn:
    """Put the stand-in together."""
    return StripeStandIn(store, wire, live, clock, settings)


def _spoilt(answered: Answered) -> Response[bytes]:
    """Give what arrives of an answer that does not arrive whole."""
    whole = json.dumps(answered.body).encode()
    if answered.ending is Ending.HALF:
        return Response(whole[: len(whole) // 2], status_code=answered.status, media_type="application/json")
    sent = whole[: len(whole) // 2] if answered.ending is Ending.TORN else b""
    return BrokenLine(sent, status_code=answered.status)


def _api_routes(stand_in: StripeStandIn) -> list[Any]:
    @route("/stripe/v1/{path:path}", http_method=["GET", "POST", "DELETE"], status_code=200)
    async def api(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[Any]:
        """The API as the library speaks it."""
        raw = await request.body() if request.method == "POST" else request.scope["query_string"]
        asked = Asked(
            method=request.method,
            path=f"/v1{path}",
            body=raw.decode("utf-8", "replace"),
            key=request.headers.get("idempotency-key"),
            token=request.headers.get("authorization", "").removeprefix("Bearer "),
        )
        answered = await stand_in.handle(asked)
        if answered.ending is not Ending.WHOLE:
            return _spoilt(answered)
        headers = {"Request-Id": stand_in.state.new("req", 14), **answered.headers}
        if asked.key is not None:
            headers["Idempotency-Key"] = asked.key
        return Response(answered.body, status_code=answered.status, headers=headers)

    return [api]


def _page_routes(stand_in: StripeStandIn) -> list[Any]:
    @get("/sandbox/api/checkout/{name:str}", sync_to_thread=True)
    def see_session(name: FromPath[str]) -> Response[Doc]:
        """What a Checkout page shows."""
        found = stand_in.pages.session(name)
        return Response(found or {"error": "There is no such page."}, status_code=200 if found else 404)

    @get("/sandbox/api/link/{code:str}", sync_to_thread=True)
    def see_link(code: FromPath[str]) -> Response[Doc]:
        """What a payment link shows."""
        found = stand_in.pages.link(code)
        return Response(found or {"error": "There is no such link."}, status_code=200 if found else 404)

    @post("/sandbox/api/checkout/{name:str}/pay", status_code=200, sync_to_thread=True)
    def pay_session(name: FromPath[str], data: JSONBody[Doc]) -> Doc:
        """Pay on a Checkout page, or save a card there."""
        answer = stand_in.pages.pay_session(name, data)
        stand_in.tell()
        return answer

    @post("/sandbox/api/link/{code:str}/pay", status_code=200, sync_to_thread=True)
    def pay_link(code: FromPath[str], data: JSONBody[Doc]) -> Doc:
        """Pay by a payment link."""
        answer = stand_in.pages.pay_link(code, data)
        stand_in.tell()
        return answer

    @get(
        ["/stripe/checkout/{name:str}", "/stripe/pay/{name:str}"],
        media_type="text/html",
        response_headers=HEADERS,
        sync_to_thread=False,
    )
    def hosted_page(name: FromPath[str]) -> str:
        """The hosted page itself; it fetches what it shows."""
        return (PAGE / "checkout.html").read_text(encoding="utf-8")

    @get(
        "/stripe/receipts/{name:str}", media_type="text/html", response_headers=HEADERS, sync_to_thread=False
    )
    def receipt(name: FromPath[str]) -> Response[str]:
        """A receipt."""
        found = receipt_page(stand_in.state, name)
        gone = f"<!doctype html><title>No receipt</title>There is no receipt {html.escape(name)}."
        return Response(found or gone, status_code=200 if found else 404)

    return [see_session, see_link, pay_session, pay_link, hosted_page, receipt]


def _control_routes(stand_in: StripeStandIn) -> list[Any]:
    @post("/sandbox/api/stripe/script", status_code=200, sync_to_thread=False)
    def script(data: JSONBody[Doc]) -> Response[Doc]:
        """Arm a fault, turn a saved card (`last4`, `decline`), renew it, or let events come late or never (`delay`)."""
        if data.get("show"):
            stand_in.show_events()
            return Response({"ok": True})
        if "renew" in data:
            stand_in.state.renew_card(str(data["renew"]), int(data["exp_year"]), str(data["last4"]))
            stand_in.tell()
            return Response({"ok": True})
        if "last4" in data:
            stand_in.state.turn_card(str(data["last4"]), str(data.get("decline") or ""))
            return Response({"ok": True})
        if data.get("clear"):
            stand_in.faults.clear()
            stripe_delays.clear(stand_in.state.store)
            return Response({"ok": True})
        try:
            if "delay" in data:
                stripe_delays.delay(stand_in.state.store, data)
            else:
                stand_in.faults.arm(data)
        except (KeyError, ValueError, TypeError) as problem:
            return Response({"ok": False, "error": f"This cannot be armed: {problem}"}, status_code=400)
        return Response({"ok": True})

    @post("/sandbox/api/stripe/webhooks", status_code=200, sync_to_thread=False)
    def webhooks(data: JSONBody[Doc]) -> Doc:
        """Let webhooks through, hold them back, or send one once more."""
        if stand_in.webhooks is None:
            return {"ok": False, "error": "No webhook endpoint is set."}
        if "deliver" in data:
            stand_in.webhooks.deliver(bool(data["deliver"]))
        if "again" in data and not stand_in.webhooks.again(str(data["again"])):
            return {"ok": False, "error": "There is no such event."}
        return {"ok": True}

    @post("/sandbox/api/stripe/clawback", status_code=200, sync_to_thread=True)
    def clawback(data: JSONBody[Doc]) -> Response[Doc]:
        """Refund a charge, have a bank dispute it, or say what becomes of either."""
        try:
            made = stand_in.claw_back(data)
        except (KeyError, StripeProblem) as problem:
            words = (
                problem.body["error"]["message"] if isinstance(problem, StripeProblem) else f"no {problem}"
            )
            return Response({"ok": False, "error": words}, status_code=400)
        return Response({"ok": True, **made})

    @get("/sandbox/api/stripe/charges", sync_to_thread=False)
    def charges() -> list[Doc]:
        """Every succeeded charge: the truth that a ledger is held against."""
        with stand_in.state.store.transaction():
            return [without_notes(one) for one in stand_in.state.store.all("charge") if one["paid"]]

    return [script, webhooks, clawback, charges]
