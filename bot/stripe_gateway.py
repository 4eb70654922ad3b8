"""The only importer of stripe: turns its calls and exceptions into plain facts and four outcomes.

Nothing is retried here (`max_network_retries=0`): the caller's sweep is the only retrier, so an unknown outcome is
seen and remembered instead of being papered over. Facts about the library: README, Decisions R-04.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import stripe

from bot.ports import (
    Body,
    CardSeen,
    Declined,
    EventSeen,
    IntentSeen,
    LinkSeen,
    NeedsAction,
    Ok,
    Rejected,
    SessionSeen,
    Unknown,
)
from ledger import assert_outside_transaction

log = logging.getLogger("redbar.stripe")
T = TypeVar("T")

EVENT_TYPES = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "setup_intent.succeeded",
    "payment_method.detached",
    "payment_method.automatically_updated",
    "payment_method.updated",
]
_BRANDS = {"amex": "American Express", "diners": "Diners Club", "jcb": "JCB", "unionpay": "UnionPay"}
_SESSION_EXPAND = ["setup_intent.payment_method"]
_INTENT_EXPAND = ["latest_charge", "payment_method"]

# A module-wide switch of the library: with it on, the first call writes a file into the home directory.
stripe.enable_telemetry = False


class StripeGateway:
    """Calls Stripe's API at one address with one key."""

    def __init__(self, api_key: str, api_base: str) -> None:
        self._http = stripe.RequestsClient(timeout=(5, 20))
        self._client = stripe.StripeClient(
            api_key, max_network_retries=0, base_addresses={"api": api_base}, http_client=self._http
        )

    def close(self) -> None:
        """Give connections back."""
        self._http.close()  # type: ignore[no-untyped-call]

    def create_customer(self, body: Body, key: str) -> Ok[str] | Rejected | Unknown:
        """Make the wallet's customer; gives its id."""
        return _settled(lambda: str(self._client.v1.customers.create(_any(body), _key(key)).id))

    def create_session(self, body: Body, key: str) -> Ok[SessionSeen] | Rejected | Unknown:
        """Make a hosted page."""
        return _settled(lambda: _session(self._client.v1.checkout.sessions.create(_any(body), _key(key))))

    def expire_session(self, session_id: str, key: str) -> Ok[SessionSeen] | Rejected | Unknown:
        """Take a hosted page back."""
        return _settled(lambda: _session(self._client.v1.checkout.sessions.expire(session_id, {}, _key(key))))

    def session(self, session_id: str) -> Ok[SessionSeen] | Rejected | Unknown:
        """Look at a hosted page."""
        return _settled(
            lambda: _session(
                self._client.v1.checkout.sessions.retrieve(session_id, {"expand": _SESSION_EXPAND})
            )
        )

    def create_link(self, body: Body, key: str) -> Ok[LinkSeen] | Rejected | Unknown:
        """Make a durable link."""
        return _settled(lambda: _link(self._client.v1.payment_links.create(_any(body), _key(key))))

    def deactivate_link(self, link_id: str, key: str) -> Ok[LinkSeen] | Rejected | Unknown:
        """Make a link refuse further payers."""
        return _settled(
            lambda: _link(self._client.v1.payment_links.update(link_id, {"active": False}, _key(key)))
        )

    def link_intents(self, link_id: str) -> Ok[Sequence[str]] | Rejected | Unknown:
        """Give the ids of the PaymentIntents that a link's pages made."""

        def ask() -> Sequence[str]:
            found = self._client.v1.checkout.sessions.list({"payment_link": link_id, "limit": 100})
            return [_id(one.payment_intent) for one in found.data if one.payment_intent is not None]

        return _settled(ask)

    def create_intent(self, body: Body, key: str) -> Ok[IntentSeen] | Declined | Rejected | Unknown:
        """Make a PaymentIntent without confirming it; no money moves yet."""
        outcome = _money(lambda: _intent(self._client.v1.payment_intents.create(_any(body), _key(key))))
        assert not isinstance(outcome, NeedsAction), "an unconfirmed intent cannot ask for confirmation"
        return outcome

    def confirm_intent(
        self, intent_id: str, body: Body, key: str
    ) -> Ok[IntentSeen] | Declined | NeedsAction | Rejected | Unknown:
        """Charge the card of an intent."""
        outcome = _money(
            lambda: _intent(self._client.v1.payment_intents.confirm(intent_id, _any(body), _key(key)))
        )
        if isinstance(outcome, Ok) and outcome.seen.status == "requires_action":
            return NeedsAction(intent_id)
        return outcome

    def cancel_intent(self, intent_id: str, key: str) -> Ok[IntentSeen] | Rejected | Unknown:
        """Make sure that an intent never charges anything."""
        return _settled(
            lambda: _intent(
                self._client.v1.payment_intents.cancel(
                    intent_id, {"cancellation_reason": "abandoned"}, _key(key)
                )
            )
        )

    def intent(self, intent_id: str) -> Ok[IntentSeen] | Rejected | Unknown:
        """Look at a PaymentIntent."""
        return _settled(
            lambda: _intent(
                self._client.v1.payment_intents.retrieve(intent_id, {"expand": _any(_INTENT_EXPAND)})
            )
        )

    def customer_intents(
        self, customer_id: str, created_from: datetime
    ) -> Ok[Sequence[IntentSeen]] | Rejected | Unknown:
        """List a customer's PaymentIntents since an instant; a list, since search lags behind."""
        since = int(created_from.timestamp())

        def ask() -> Sequence[IntentSeen]:
            found = self._client.v1.payment_intents.list(
                {
                    "customer": customer_id,
                    "created": {"gte": since},
                    "limit": 100,
                    "expand": ["data.latest_charge"],
                }
            )
            return [_intent(one) for one in found.auto_paging_iter()]

        return _settled(ask)

    def detach_card(self, card_id: str, key: str) -> Ok[str] | Rejected | Unknown:
        """Make a card unusable for good."""
        return _settled(lambda: str(self._client.v1.payment_methods.detach(card_id, {}, _key(key)).id))

    def events(
        self, *, after_event_id: str | None, created_from: datetime
    ) -> Ok[Sequence[EventSeen]] | Rejected | Unknown:
        """Give what happened after an event, or since an instant where there is none, oldest first."""

        def ask() -> Sequence[EventSeen]:
            page: dict[str, object] = {"limit": 100, "types": EVENT_TYPES}
            if after_event_id is not None:
                # `ending_before` walks forward in time, and the library turns each page round.
                found = self._client.v1.events.list(_any({**page, "ending_before": after_event_id}))
                return [event_seen(one) for one in found.auto_paging_iter()]
            found = self._client.v1.events.list(
                _any({**page, "created": {"gte": int(created_from.timestamp())}})
            )
            return [event_seen(one) for one in reversed(list(found.auto_paging_iter()))]

        return _settled(ask)


class SignatureWrong(Exception):
    """A webhook's signature, age or mode is not right."""


def webhook_event(payload: bytes, signature: str, secret: str, now: datetime) -> EventSeen:
    """Check a webhook and give its news. Raises: SignatureWrong, whatever is wrong with it."""
    try:
        # The library lets signatures from the future pass and raises half a dozen types on garbage (measured).
        stamp = int(dict(part.split("=", 1) for part in signature.split(","))["t"])
        if stamp - now.timestamp() > 300:
            raise SignatureWrong("from the future")
        # No call is made: the client is only the library's way to the parser.
        event = stripe.Webhook.construct_event(payload, signature, secret)
        return event_seen(event)
    except SignatureWrong:
        raise
    except Exception as problem:
        raise SignatureWrong(type(problem).__name__) from problem


def event_seen(event: stripe.Event) -> EventSeen:
    """Reduce an event to a pointer; money is never read from its body."""
    thing: Any = event.data.object
    intent = getattr(thing, "payment_intent", None)
    return EventSeen(
        event_id=event.id,
        kind=event.type,
        object_id=str(thing["id"]),
        created=datetime.fromtimestamp(event.created, UTC),
        live=event.livemode,
        payment_intent_id=_id(intent) if intent else None,
    )


def _settled(call: Callable[[], T]) -> Ok[T] | Rejected | Unknown:
    outcome = _money(call)
    if isinstance(outcome, Declined):
        return Rejected(code=outcome.code, message="the card was declined")
    if isinstance(outcome, NeedsAction):
        return Rejected(code="authentication_required", message="the bank wants a confirmation")
    return outcome


def _money(call: Callable[[], T]) -> Ok[T] | Declined | NeedsAction | Rejected | Unknown:
    assert_outside_transaction()
    try:
        return Ok(call())
    except stripe.CardError as error:
        detail = error.error
        code = str(error.code or "")
        decline = str(getattr(detail, "decline_code", None) or code)
        intent = getattr(detail, "payment_intent", None)
        intent_id = _id(intent) if intent else None
        if "authentication_required" in (code, decline):
            return NeedsAction(intent_id)
        return Declined(code, decline, str(getattr(detail, "advice_code", None) or ""), intent_id)
    except stripe.APIConnectionError as error:
        # A refused connection is the one failure after which nothing can have happened.
        refused = "Connection refused" in str(error) or "Name or service not known" in str(error)
        log.warning("no answer from Stripe: %s", type(error).__name__)
        return Unknown(sent=not refused, message="no answer")
    except (stripe.InvalidRequestError, stripe.IdempotencyError, stripe.PermissionError) as error:
        log.error("Stripe refused a request: %s (request %s)", error.code, error.request_id)
        return Rejected(
            code=str(error.code or (error.error and error.error.type) or ""),
            message=str(error.user_message or ""),
        )
    except stripe.AuthenticationError as error:
        log.error("Stripe refused the key")
        return Rejected(code="authentication", message=str(error.user_message or ""))
    except stripe.StripeError as error:
        # 409 while the same key runs, 429, 5xx: what was done is not known, and the same key will tell.
        log.warning("Stripe answered %s (request %s)", error.http_status, error.request_id)
        return Unknown(sent=True, message=f"status {error.http_status}")


def _any(body: Any) -> Any:
    # The library's typed dictionaries cannot take a body that was stored as JSON and read back.
    return dict(body) if isinstance(body, Mapping) else body


def _key(key: str) -> Any:
    return {"idempotency_key": key}


def _id(thing: Any) -> str:
    return thing if isinstance(thing, str) else str(thing.id)


def _metadata(thing: Any) -> dict[str, str]:
    found = getattr(thing, "metadata", None)
    return {str(key): str(value) for key, value in found.to_dict().items()} if found else {}


def _card(method: Any) -> CardSeen | None:
    card = getattr(method, "card", None)
    if card is None:
        return None
    brand = str(card.brand)
    return CardSeen(
        card_id=str(method.id),
        brand=_BRANDS.get(brand, brand.capitalize()),
        last4=str(card.last4),
        exp_month=int(card.exp_month),
        exp_year=int(card.exp_year),
        fingerprint=str(getattr(card, "fingerprint", None) or ""),
    )


def _intent(intent: stripe.PaymentIntent) -> IntentSeen:
    charge: Any = intent.latest_charge
    error: Any = intent.last_payment_error
    card = _card(intent.payment_method) if intent.payment_method is not None else None
    if card is None and charge is not None and not isinstance(charge, str):
        card = _charged_card(charge)
    return IntentSeen(
        intent_id=intent.id,
        status=intent.status,
        amount_minor=intent.amount,
        received_minor=int(intent.amount_received or 0),
        currency=intent.currency.upper(),
        live=intent.livemode,
        metadata=_metadata(intent),
        card=card,
        receipt_url=str(getattr(charge, "receipt_url", None) or ""),
        decline_code=str(getattr(error, "decline_code", None) or getattr(error, "code", None) or ""),
        advice_code=str(getattr(error, "advice_code", None) or ""),
    )


def _charged_card(charge: Any) -> CardSeen | None:
    details = getattr(charge, "payment_method_details", None)
    card = getattr(details, "card", None)
    if card is None:
        return None
    brand = str(card.brand)
    return CardSeen(
        card_id=str(charge.payment_method or ""),
        brand=_BRANDS.get(brand, brand.capitalize()),
        last4=str(card.last4),
        exp_month=int(card.exp_month),
        exp_year=int(card.exp_year),
        fingerprint=str(getattr(card, "fingerprint", None) or ""),
    )


def _session(session: Any) -> SessionSeen:
    setup = session.setup_intent
    method = (
        getattr(setup, "payment_method", None) if setup is not None and not isinstance(setup, str) else None
    )
    return SessionSeen(
        session_id=str(session.id),
        status=str(session.status),
        mode=str(session.mode),
        url=str(session.url or ""),
        intent_id=_id(session.payment_intent) if session.payment_intent else None,
        setup_card=_card(method) if method is not None and not isinstance(method, str) else None,
        metadata=_metadata(session),
    )


def _link(link: stripe.PaymentLink) -> LinkSeen:
    return LinkSeen(link_id=link.id, url=link.url, active=link.active)
