"""What the Stripe stand-in remembers and how it changes: customers, pages, links, intents, cards, charges, events.

Objects have the shapes that the library reads (docs.stripe.com/api, API 2026-10-28.endive). Everything that one
request changes, its events included, is one commit on the shelf before the answer leaves.
"""

import secrets
import string
from typing import Any

from bot.ports import Clock
from bot.sandbox.live import Live
from bot.sandbox.shelf import Doc, Shelf
from bot.sandbox.stripe_cards import Asks, Kind, advice_of, code_of, message_of

API_VERSION = "2026-10-28.endive"
LINK_HOST_PATH = "/stripe/pay/"
PAGE_PATH = "/stripe/checkout/"
_LETTERS = string.ascii_letters + string.digits
KIND_OF_PREFIX = {
    "cus": "customer",
    "cs": "session",
    "plink": "link",
    "pi": "intent",
    "seti": "setup",
    "pm": "method",
    "ch": "charge",
    "evt": "event",
    "txn": "transaction",
}


class StripeProblem(Exception):
    """An error answer in Stripe's shape."""

    def __init__(self, status: int, kind: str, message: str, *, code: str = "", **more: Any) -> None:
        self.status = status
        self.body = {"error": {"type": kind, "message": message, **({"code": code} if code else {}), **more}}
        super().__init__(message)


def missing(kind: str, name: str) -> StripeProblem:
    """Give the answer for an object that isn't there."""
    return StripeProblem(
        404, "invalid_request_error", f"No such {kind}: '{name}'", code="resource_missing", param="id"
    )


class StripeState:
    """The account's objects."""

    def __init__(self, shelf: Shelf, live: Live, clock: Clock, base_url: str) -> None:
        self.shelf = shelf
        self._live = live
        self._clock = clock
        self._base_url = base_url
        self.idempotency_key = ""
        """The key of the request being handled, which its events carry."""
        self.webhooks = False
        """Whether events are also queued for a webhook endpoint."""

    def now(self) -> int:
        """Give seconds since 1970 by the sandbox's clock."""
        return int(self._clock.now().timestamp())

    def new(self, prefix: str, length: int = 24) -> str:
        """Make an id."""
        return f"{prefix}_{''.join(secrets.choice(_LETTERS) for _ in range(length))}"

    def need(self, kind: str, name: str) -> Doc:
        """Give an object. Raises: StripeProblem."""
        found = self.shelf.get(kind, name)
        if found is None:
            raise missing(kind, name)
        return found

    def keep(self, kind: str, doc: Doc) -> Doc:
        """Keep an object."""
        return self.shelf.put(kind, str(doc["id"]), doc)

    def emit(self, name: str, doc: Doc) -> None:
        """Say that something happened to an object, as it is now."""
        event = {
            "id": self.new("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": {"object": dict(doc)},
            "livemode": False,
            "pending_webhooks": 1 if self.webhooks else 0,
            "request": {"id": self.new("req", 14), "idempotency_key": self.idempotency_key or None},
            "type": name,
        }
        self.keep("event", event)
        if self.webhooks:
            self.shelf.put("undelivered", event["id"], {"id": event["id"], "tries": 0})
        self._live.publish("payment", {"id": doc["id"], "event": name})

    # --- Customers, pages, links ---------------------------------------------------------------------------

    def create_customer(self, params: Doc) -> Doc:
        """Make a customer."""
        return self.keep(
            "customer",
            {
                "id": self.new("cus", 14),
                "object": "customer",
                "created": self.now(),
                "livemode": False,
                "name": params.get("name"),
                "email": params.get("email"),
                "metadata": params.get("metadata", {}),
                "invoice_settings": {"default_payment_method": None},
            },
        )

    def create_session(self, params: Doc, *, link: Doc | None = None) -> Doc:
        """Make a hosted page."""
        name = self.new("cs_test", 58)
        mode = params["mode"]
        line = params.get("line_items", [{}])[0]
        price = line.get("price_data", {})
        amount = int(price["unit_amount"]) * int(line.get("quantity", 1)) if price else None
        session: Doc = {
            "id": name,
            "object": "checkout.session",
            "created": self.now(),
            "livemode": False,
            "mode": mode,
            "status": "open",
            "payment_status": "unpaid" if mode == "payment" else "no_payment_required",
            "customer": params.get("customer"),
            "client_reference_id": params.get("client_reference_id"),
            "metadata": params.get("metadata", {}),
            "amount_total": amount,
            "amount_subtotal": amount,
            "currency": price.get("currency") or params.get("currency"),
            "expires_at": int(params.get("expires_at") or self.now() + 24 * 3600),
            "success_url": params.get("success_url"),
            "cancel_url": params.get("cancel_url"),
            # The fragment is part of a real page's address and must survive being copied or scanned.
            "url": f"{self._base_url}{PAGE_PATH}{name}#fid{''.join(secrets.choice(_LETTERS) for _ in range(380))}",
            "payment_intent": None,
            "setup_intent": None,
            "payment_link": link["id"] if link is not None else None,
            "sandbox": {
                "intent_data": params.get("payment_intent_data", {}),
                "setup_data": params.get("setup_intent_data", {}),
                "product": price.get("product_data", {}).get("name", ""),
            },
        }
        if mode == "setup":
            session["setup_intent"] = self._create_setup(session)["id"]
        return self.keep("session", session)

    def _create_setup(self, session: Doc) -> Doc:
        return self.keep(
            "setup",
            {
                "id": self.new("seti"),
                "object": "setup_intent",
                "created": self.now(),
                "livemode": False,
                "status": "requires_payment_method",
                "customer": session["customer"],
                "payment_method": None,
                "usage": "off_session",
                "metadata": session["sandbox"]["setup_data"].get("metadata", {}),
            },
        )

    def create_link(self, params: Doc) -> Doc:
        """Make a durable link."""
        code = "".join(secrets.choice(_LETTERS) for _ in range(18))
        link: Doc = {
            "id": self.new("plink"),
            "object": "payment_link",
            "active": True,
            "livemode": False,
            "metadata": params.get("metadata", {}),
            "url": f"{self._base_url}{LINK_HOST_PATH}{code}",
            "inactive_message": params.get("inactive_message"),
            "restrictions": params.get("restrictions"),
            "sandbox": {"code": code, "params": params, "completed": 0},
        }
        self.shelf.put("code", code, {"link": link["id"]})
        return self.keep("link", link)

    def expire_session(self, session: Doc) -> Doc:
        """Close a page that nobody finished."""
        session["status"] = "expired"
        session["url"] = None
        self.keep("session", session)
        self.emit("checkout.session.expired", session)
        return session

    # --- Cards ---------------------------------------------------------------------------------------------

    def create_method(self, kind: Kind, exp_month: int, exp_year: int) -> Doc:
        """Make a payment method of an entered card."""
        return self.keep(
            "method",
            {
                "id": self.new("pm"),
                "object": "payment_method",
                "type": "card",
                "created": self.now(),
                "livemode": False,
                "customer": None,
                "metadata": {},
                "card": {
                    "brand": kind.brand,
                    "last4": kind.last4,
                    "exp_month": exp_month,
                    "exp_year": exp_year,
                    "fingerprint": kind.fingerprint,
                    "funding": "credit",
                    "country": "US",
                },
                "sandbox": {"number": kind.number, "set_up": False},
            },
        )

    def attach(self, method: Doc, customer: str, *, set_up: bool) -> None:
        """Save a card on a customer."""
        method["customer"] = customer
        method["sandbox"]["set_up"] = method["sandbox"]["set_up"] or set_up
        self.keep("method", method)
        self.emit("payment_method.attached", method)

    def detach(self, method: Doc) -> Doc:
        """Make a card unusable for good."""
        method["customer"] = None
        method["sandbox"]["detached"] = True
        self.keep("method", method)
        self.emit("payment_method.detached", method)
        return method

    # --- Intents and charges -------------------------------------------------------------------------------

    def create_intent(self, params: Doc) -> Doc:
        """Make a PaymentIntent that charges nothing yet."""
        intent: Doc = {
            "id": self.new("pi"),
            "object": "payment_intent",
            "created": self.now(),
            "livemode": False,
            "amount": int(params["amount"]),
            "amount_received": 0,
            "currency": params["currency"],
            "customer": params.get("customer"),
            "description": params.get("description"),
            "metadata": params.get("metadata", {}),
            "payment_method": params.get("payment_method"),
            "payment_method_types": ["card"],
            "setup_future_usage": params.get("setup_future_usage"),
            "status": "requires_confirmation" if params.get("payment_method") else "requires_payment_method",
            "latest_charge": None,
            "last_payment_error": None,
            "cancellation_reason": None,
            "capture_method": "automatic_async",
            "confirmation_method": "automatic",
        }
        self.keep("intent", intent)
        self.emit("payment_intent.created", intent)
        return intent

    def cancel(self, intent: Doc, reason: str | None) -> Doc:
        """Make sure that an intent never charges anything."""
        if intent["status"] in ("succeeded", "canceled", "processing"):
            raise StripeProblem(
                400,
                "invalid_request_error",
                f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}.",
                code="payment_intent_unexpected_state",
            )
        intent.update(status="canceled", cancellation_reason=reason)
        self.keep("intent", intent)
        self.emit("payment_intent.canceled", intent)
        return intent

    def charge(self, intent: Doc, method: Doc, kind: Kind, *, on_session: bool, confirmed: bool) -> str:
        """Try to charge a card; gives "succeeded", "authentication_required" or a decline code."""
        scripted = self.shelf.get("card_script", method["card"]["last4"])
        decline = scripted["decline"] if scripted is not None else kind.decline
        asks = kind.asks is Asks.ALWAYS or (
            kind.asks is Asks.UNLESS_SET_UP and not method["sandbox"]["set_up"]
        )
        if method["sandbox"].get("detached"):
            decline = "invalid_account"
        if not decline and asks and not (on_session and confirmed):
            decline = "authentication_required"
        if decline == "authentication_required" and on_session:
            return decline
        charge = self._make_charge(intent, method, decline)
        intent.update(latest_charge=charge["id"], payment_method=method["id"])
        if decline:
            intent["status"] = "requires_payment_method"
            intent["last_payment_error"] = self.error_of(intent, method, charge, decline)
            self.keep("intent", intent)
            self.emit("charge.failed", charge)
            self.emit("payment_intent.payment_failed", intent)
            return decline
        intent.update(status="succeeded", amount_received=intent["amount"], last_payment_error=None)
        self.keep("intent", intent)
        self.emit("charge.succeeded", charge)
        self.emit("payment_intent.succeeded", intent)
        return "succeeded"

    def error_of(self, intent: Doc, method: Doc, charge: Doc | None, decline: str) -> Doc:
        """Give a decline in the shape of an error."""
        error: Doc = {
            "type": "card_error",
            "code": code_of(decline),
            "decline_code": decline,
            "message": message_of(decline),
            "payment_method": {key: value for key, value in method.items() if key != "sandbox"},
        }
        if charge is not None:
            error["charge"] = charge["id"]
        if advice := advice_of(decline):
            error["advice_code"] = advice
        return error

    def _make_charge(self, intent: Doc, method: Doc, decline: str) -> Doc:
        name = self.new("ch")
        card = {
            key: method["card"][key] for key in ("brand", "last4", "exp_month", "exp_year", "fingerprint")
        }
        return self.keep(
            "charge",
            {
                "id": name,
                "object": "charge",
                "created": self.now(),
                "livemode": False,
                "amount": intent["amount"],
                "amount_captured": 0 if decline else intent["amount"],
                "amount_refunded": 0,
                "refunded": False,
                "currency": intent["currency"],
                "customer": intent["customer"],
                "description": intent["description"],
                "metadata": intent["metadata"],
                "paid": not decline,
                "status": "failed" if decline else "succeeded",
                "failure_code": code_of(decline) if decline else None,
                "payment_intent": intent["id"],
                "payment_method": method["id"],
                "payment_method_details": {"type": "card", "card": card},
                "receipt_url": None if decline else f"{self._base_url}/stripe/receipts/{name}",
                "balance_transaction": None if decline else self.new("txn"),
            },
        )
