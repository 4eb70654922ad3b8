"""What the Stripe stand-in remembers and how it changes: customers, pages, links, cards, events.

Objects have the shapes that the library reads (docs.stripe.com/api, API 2026-10-28.endive). Everything that one
request changes, its events included, is one commit on the store before the answer leaves.
"""

import copy
import secrets
import string
from collections.abc import Mapping
from typing import Any

from bot.ports import Clock
from bot.sandbox.document_store import Doc, DocumentStore
from bot.sandbox.live import Live
from bot.sandbox.stripe.cards import Kind
from bot.sandbox.stripe.delays import delayed, is_visible
from bot.sandbox.stripe.problem import missing

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
    "re": "refund",
    "txn": "transaction",
    "du": "dispute",
    "issfr": "warning",
}


def without_notes(doc: Mapping[str, Any]) -> Doc:
    """Give a copy of an object as the outside may see it: without our own notes."""
    return {name: copy.deepcopy(value) for name, value in doc.items() if name != "sandbox"}


def merged(before: Mapping[str, str], change: object) -> dict[str, str]:
    """Give metadata after a change: named keys are set, empty values remove theirs, an empty text removes all."""
    if not isinstance(change, dict):
        return {}
    after = {**before, **{str(key): str(value) for key, value in change.items()}}
    return {key: value for key, value in after.items() if value != ""}


class StripeState:
    """The account's objects."""

    def __init__(
        self, store: DocumentStore, live: Live, clock: Clock, base_url: str, *, webhooks: bool
    ) -> None:
        self.store = store
        self._live = live
        self._clock = clock
        self._base_url = base_url
        self.idempotency_key = ""
        """The key of the request being handled, which its events carry."""
        self.webhooks = webhooks
        """Whether events are also queued for a webhook endpoint."""

    def now(self) -> int:
        """Give seconds since 1970 by the sandbox's clock."""
        return int(self._clock.now().timestamp())

    def new(self, prefix: str, length: int = 24) -> str:
        """Make an id."""
        return f"{prefix}_{self.letters(length)}"

    def letters(self, length: int) -> str:
        """Give letters that nobody can guess."""
        return "".join(secrets.choice(_LETTERS) for _ in range(length))

    def receipt_url(self, charge: str) -> str:
        """Give where a charge's receipt is shown."""
        return f"{self._base_url}/stripe/receipts/{charge}"

    def need(self, kind: str, name: str) -> Doc:
        """Give an object. Raises: StripeProblem."""
        found = self.store.get(kind, name)
        if found is None:
            raise missing(kind, name)
        return found

    def keep(self, kind: str, doc: Doc) -> Doc:
        """Keep an object."""
        return self.store.put(kind, str(doc["id"]), doc)

    def emit(self, name: str, doc: Doc) -> None:
        """Say that something happened to an object, as it is now."""
        event: Doc = {
            "id": self.new("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": {"object": without_notes(doc)},
            "livemode": False,
            "pending_webhooks": 1 if self.webhooks else 0,
            "request": {"id": self.new("req", 14), "idempotency_key": self.idempotency_key or None},
            "type": name,
        }
        self.keep("event", delayed(self.store, event))
        if self.webhooks:
            self.queue(event["id"])
        self._live.publish("payment", {"id": doc["id"], "event": name})

    def shows(self, event: Doc) -> bool:
        """Say whether an event is visible by now."""
        return is_visible(event, self.now())

    def queue(self, event: str) -> None:
        """Have an event sent to the webhook endpoint, in its turn."""
        name = self.new("wh")
        self.store.put("undelivered", name, {"id": name, "event": event})

    def move(
        self, kind: str, amount: int, currency: str, source: str, *, category: str = "", fee: int = 0
    ) -> Doc:
        """Write a movement of the account's balance."""
        return self.keep(
            "transaction",
            {
                "id": self.new("txn"),
                "object": "balance_transaction",
                "amount": amount,
                "fee": fee,
                "net": amount - fee,
                "currency": currency,
                "created": self.now(),
                "available_on": self.now(),
                "exchange_rate": None,
                "reporting_category": category or kind,
                "source": source,
                "status": "available",
                "type": kind,
            },
        )

    # --- Customers, pages, links ---------------------------------------------------------------------------

    def create_customer(self, params: Doc) -> Doc:
        """Make a customer."""
        customer = self.keep(
            "customer",
            {
                "id": self.new("cus", 14),
                "object": "customer",
                "created": self.now(),
                "livemode": False,
                "name": params.get("name"),
                "email": params.get("email"),
                "metadata": merged({}, params.get("metadata")),
                "invoice_settings": {"default_payment_method": None},
            },
        )
        self.emit("customer.created", customer)
        return customer

    def update_customer(self, customer: Doc, params: Doc) -> Doc:
        """Change what is known of a customer."""
        if "metadata" in params:
            customer["metadata"] = merged(customer["metadata"], params["metadata"])
        for name in ("name", "email"):
            if name in params:
                customer[name] = params[name] or None
        card = params.get("invoice_settings", {}).get("default_payment_method")
        if card is not None:
            customer["invoice_settings"] = {"default_payment_method": card or None}
        self.keep("customer", customer)
        self.emit("customer.updated", customer)
        return customer

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
            "payment_method_types": ["card"],
            "ui_mode": "hosted_page",
            "status": "open",
            "payment_status": "unpaid" if mode == "payment" else "no_payment_required",
            "customer": params.get("customer"),
            "client_reference_id": params.get("client_reference_id"),
            "metadata": merged({}, params.get("metadata")),
            "amount_total": amount,
            "amount_subtotal": amount,
            "currency": price.get("currency") or params.get("currency"),
            "expires_at": int(params.get("expires_at") or self.now() + 24 * 3600),
            "success_url": params.get("success_url"),
            "cancel_url": params.get("cancel_url"),
            # The fragment is part of a real page's address and must survive being copied or scanned.
            "url": f"{self._base_url}{PAGE_PATH}{name}#fid{self.letters(380)}",
            "payment_intent": None,
            "setup_intent": None,
            "payment_link": link["id"] if link is not None else None,
            "custom_text": params.get("custom_text"),
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
        setup = self.keep(
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
                "metadata": merged({}, session["sandbox"]["setup_data"].get("metadata")),
                "payment_method_types": ["card"],
                "last_setup_error": None,
                "sandbox": {},
            },
        )
        self.emit("setup_intent.created", setup)
        return setup

    def create_link(self, params: Doc) -> Doc:
        """Make a durable link."""
        code = self.letters(18)
        limit = params.get("restrictions", {}).get("completed_sessions", {}).get("limit")
        price = params["line_items"][0]["price_data"]
        link: Doc = {
            "id": self.new("plink"),
            "object": "payment_link",
            "active": True,
            "livemode": False,
            "metadata": merged({}, params.get("metadata")),
            "url": f"{self._base_url}{LINK_HOST_PATH}{code}",
            "inactive_message": params.get("inactive_message"),
            "currency": price["currency"],
            "payment_method_types": params.get("payment_method_types"),
            "after_completion": params.get("after_completion"),
            "restrictions": {"completed_sessions": {"count": 0, "limit": int(limit)}} if limit else None,
            "sandbox": {"code": code, "params": params},
        }
        self.store.put("code", code, {"link": link["id"]})
        self.keep("link", link)
        self.emit("payment_link.created", link)
        return link

    def update_link(self, link: Doc, params: Doc) -> Doc:
        """Open or close a link, or change its metadata."""
        if "metadata" in params:
            link["metadata"] = merged(link["metadata"], params["metadata"])
        if "active" in params:
            link["active"] = params["active"] == "true"
        self.keep("link", link)
        self.emit("payment_link.updated", link)
        return link

    def expire_session(self, session: Doc) -> Doc:
        """Close a page that nobody finished."""
        session["status"] = "expired"
        session["url"] = None
        self.keep("session", session)
        self.emit("checkout.session.expired", session)
        return session

    def lapse(self, session: Doc) -> Doc:
        """Close a page whose time is over; gives it as it then is."""
        if session["status"] == "open" and session["expires_at"] <= self.now():
            self.expire_session(session)
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

    def turn_card(self, last4: str, decline: str) -> None:
        """Have every charge of a card be declined from now on; an empty code lets it be as it was."""
        if decline:
            self.store.put("card_script", last4, {"id": last4, "decline": decline})
        else:
            self.store.delete("card_script", last4)

    def renew_card(self, name: str, exp_year: int, last4: str) -> None:
        """Have a card's bank send a new one in its place: another last day, other digits, the same method."""
        with self.store.transaction():
            method = self.need("method", name)
            method["card"] = {**method["card"], "exp_year": exp_year, "last4": last4}
            self.keep("method", method)
            self.emit("payment_method.automatically_updated", method)

    def detach(self, method: Doc) -> Doc:
        """Make a card unusable for good, and nobody's default."""
        owner = self.store.get("customer", method["customer"] or "")
        if owner is not None and owner["invoice_settings"]["default_payment_method"] == method["id"]:
            owner["invoice_settings"] = {"default_payment_method": None}
            self.keep("customer", owner)
        method["customer"] = None
        method["sandbox"]["detached"] = True
        self.keep("method", method)
        self.emit("payment_method.detached", method)
        return method
