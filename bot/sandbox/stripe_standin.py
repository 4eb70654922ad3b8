"""The Stripe stand-in as a web application: the API under /stripe, hosted pages, webhooks out, scripted faults."""

import asyncio
import fnmatch
import json
import logging
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import stripe
from litestar import Request, Response, Router, get, post
from litestar.handlers import route
from litestar.params import FromPath, JSONBody

from bot.ports import Clock
from bot.sandbox import stripe_api
from bot.sandbox.live import Live
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.shelf import Doc, Shelf
from bot.sandbox.stripe_pages import Pages, receipt_page
from bot.sandbox.stripe_state import StripeState
from bot.sandbox.wire import Wire

log = logging.getLogger("redbar.sandbox.stripe")
PAGE = Path(__file__).parent / "page"
RETRY_SECONDS_MAX = 30


class StripeStandIn:
    """Everything that stands in for Stripe."""

    def __init__(self, shelf: Shelf, wire: Wire, live: Live, clock: Clock, settings: SandboxSettings) -> None:
        self.state = StripeState(shelf, live, clock, settings.base_url)
        self.state.webhooks = settings.stripe_webhook_url is not None
        self.pages = Pages(self.state)
        self._shelf = shelf
        self._wire = wire
        self._settings = settings
        self._scripts: list[Doc] = []
        self._lock = threading.Lock()
        self.webhooks = Webhooks(self.state, wire, settings) if self.state.webhooks else None
        self.router = Router("/", route_handlers=_routes(self))

    def close(self) -> None:
        """Stop sending webhooks."""
        if self.webhooks is not None:
            self.webhooks.close()

    def sweep(self) -> None:
        """Close the pages whose time is over by the sandbox's clock."""
        self.pages.sweep()

    def script(self, wish: Doc) -> None:
        """Arm a fault for requests to come."""
        with self._lock:
            self._scripts.append({"times": 1, **wish})

    def answer(
        self, method: str, path: str, body: str, key: str | None, token: str
    ) -> tuple[int, Doc, dict[str, str], float]:
        """Answer one API request; the last part is how long to keep the caller waiting, in seconds."""
        if token != self._settings.stripe_key:
            problem = {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided."}}
            return 401, problem, {}, 0.0
        params = stripe_api.parse_form(parse_qsl(body, keep_blank_values=True))
        script = self._armed(f"{method} {path}")
        wait = 0.0
        if script is not None:
            wait = int(script.get("delay_ms", 0)) / 1000
            if script.get("mode") == "status":
                failed = {"error": {"type": "api_error", "message": "scripted"}}
                return int(script["status"]), script.get("body", failed), {}, wait
            if script.get("mode") == "hang_not_do":
                return 504, {"error": {"type": "api_error", "message": "no answer"}}, {}, wait
        status, answer, headers = stripe_api.answer(self.state, method, path, params, key)
        self._wire.record("api.stripe.com", method, path, key, params, status, answer)
        if self.webhooks is not None:
            self.webhooks.wake()
        if script is not None and script.get("mode") == "hang_then_do":
            return 504, {"error": {"type": "api_error", "message": "no answer"}}, {}, wait
        return status, answer, headers, wait

    def _armed(self, request: str) -> Doc | None:
        with self._lock:
            for one in self._scripts:
                if one["times"] > 0 and fnmatch.fnmatchcase(request, one["match"]):
                    one["times"] -= 1
                    return one
        return None


class Webhooks:
    """Posts events to the bot's endpoint, signed, until each was taken; what is not taken survives a restart."""

    def __init__(self, state: StripeState, wire: Wire, settings: SandboxSettings) -> None:
        self._state = state
        self._wire = wire
        self._settings = settings
        self._wake = threading.Event()
        self._closing = threading.Event()
        self.deliver = True
        self._thread = threading.Thread(target=self._work, name="stripe-webhooks", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look for events at once."""
        self._wake.set()

    def close(self) -> None:
        """Stop; what waits is kept."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        pause = 1.0
        with httpx.Client(timeout=5, trust_env=False) as client:
            while not self._closing.is_set():
                self._wake.wait(pause if self._state.shelf.all("undelivered") else RETRY_SECONDS_MAX)
                self._wake.clear()
                if self.deliver and not self._closing.is_set():
                    pause = 1.0 if self._send_all(client) else min(pause * 2, RETRY_SECONDS_MAX)

    def _send_all(self, client: httpx.Client) -> bool:
        for waiting in self._state.shelf.all("undelivered"):
            event = self._state.shelf.get("event", waiting["id"])
            if event is None or self._closing.is_set() or not self._send(client, event):
                return False
            self._state.shelf.delete("undelivered", waiting["id"])
        return True

    def _send(self, client: httpx.Client, event: Doc) -> bool:
        url, secret = self._settings.stripe_webhook_url, self._settings.stripe_webhook_secret
        assert url is not None
        assert secret is not None
        body = json.dumps(event)
        # Signatures keep real time, whatever the sandbox's clock says.
        signature = stripe.WebhookSignature.generate_signature_header(
            body, secret, timestamp=int(time.time())
        )
        try:
            answer = client.post(url, content=body, headers={"Stripe-Signature": signature})
        except httpx.HTTPError:
            return False
        self._wire.record("webhook", "POST", httpx.URL(url).path, None, event, answer.status_code, {})
        return answer.status_code < 300


def build_stripe(
    shelf: Shelf, wire: Wire, live: Live, clock: Clock, settings: SandboxSettings
) -> StripeStandIn:
    """Put the stand-in together."""
    return StripeStandIn(shelf, wire, live, clock, settings)


def _routes(stand_in: StripeStandIn) -> list[Any]:
    @route("/stripe/v1/{path:path}", http_method=["GET", "POST", "DELETE"])
    async def api(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[Doc]:
        """The API as the library speaks it."""
        raw = request.scope["query_string"] if request.method == "GET" else await request.body()
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        status, body, headers, wait = await asyncio.to_thread(
            stand_in.answer,
            request.method,
            f"/v1{path}",
            raw.decode(),
            request.headers.get("idempotency-key"),
            token,
        )
        if wait:
            await asyncio.sleep(wait)
        return Response(
            body, status_code=status, headers={"Request-Id": stand_in.state.new("req", 14), **headers}
        )

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
        if stand_in.webhooks is not None:
            stand_in.webhooks.wake()
        return answer

    @post("/sandbox/api/link/{code:str}/pay", status_code=200, sync_to_thread=True)
    def pay_link(code: FromPath[str], data: JSONBody[Doc]) -> Doc:
        """Pay by a payment link."""
        answer = stand_in.pages.pay_link(code, data)
        if stand_in.webhooks is not None:
            stand_in.webhooks.wake()
        return answer

    @get(
        ["/stripe/checkout/{name:str}", "/stripe/pay/{name:str}"],
        media_type="text/html",
        sync_to_thread=False,
    )
    def hosted_page(name: FromPath[str]) -> str:
        """The hosted page itself; it fetches what it shows."""
        return (PAGE / "checkout.html").read_text(encoding="utf-8")

    @get("/stripe/receipts/{name:str}", media_type="text/html", sync_to_thread=False)
    def receipt(name: FromPath[str]) -> Response[str]:
        """A receipt."""
        found = receipt_page(stand_in.state, name)
        return Response(found or "There is no such receipt.", status_code=200 if found else 404)

    @post("/sandbox/api/stripe/script", status_code=200, sync_to_thread=False)
    def script(data: JSONBody[Doc]) -> Doc:
        """Arm a fault, or (with `last4` and `decline`) make a saved card be declined from now on."""
        if "last4" in data:
            if data.get("decline"):
                stand_in.state.shelf.put(
                    "card_script", data["last4"], {"id": data["last4"], "decline": data["decline"]}
                )
            else:
                stand_in.state.shelf.delete("card_script", data["last4"])
        else:
            stand_in.script(data)
        return {"ok": True}

    @post("/sandbox/api/stripe/webhooks", status_code=200, sync_to_thread=False)
    def webhooks(data: JSONBody[Doc]) -> Doc:
        """Let webhooks through, or hold them back."""
        if stand_in.webhooks is not None:
            stand_in.webhooks.deliver = bool(data.get("deliver", True))
            stand_in.webhooks.wake()
        return {"ok": True}

    @get("/sandbox/api/stripe/charges", sync_to_thread=False)
    def charges() -> list[Doc]:
        """Every succeeded charge: the truth that a ledger is held against."""
        return [one for one in stand_in.state.shelf.all("charge") if one["paid"]]

    return [
        api,
        see_session,
        see_link,
        pay_session,
        pay_link,
        hosted_page,
        receipt,
        script,
        webhooks,
        charges,
    ]
