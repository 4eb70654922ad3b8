"""The only importer of stripe: turns its answers and exceptions into plain facts and four outcomes.

Nothing is retried here (`max_network_retries=0`): the caller's sweep is the only retrier, so an unknown outcome is
seen and remembered instead of being papered over. Facts about the library: README, Decisions R-04.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import stripe

from bot.dates import date_of
from bot.ports import (
    Body,
    CustomerSeen,
    Declined,
    Denied,
    DisputeSeen,
    EventSeen,
    HeldCard,
    IntentSeen,
    IntentStatus,
    LinkSeen,
    MovementSeen,
    NeedsAction,
    Ok,
    PageStatus,
    RefundSeen,
    Rejected,
    SessionSeen,
    SessionsSeen,
    Unknown,
    WarningSeen,
)
from bot.stripe.objects import (
    customer_seen,
    dispute_seen,
    event_seen,
    held_card,
    id_of,
    intent_seen,
    link_seen,
    movement_seen,
    refund_seen,
    session_seen,
    warning_seen,
)
from ledger import assert_outside_transaction

log = logging.getLogger("redbar.stripe")
T = TypeVar("T")

EVENT_TYPES = [  # twenty, which is the most that one question may name
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "radar.early_fraud_warning.created",
    "setup_intent.succeeded",
    "payment_method.detached",
    "payment_method.automatically_updated",
    "payment_method.updated",
]
_SESSION_EXPAND = ["setup_intent.payment_method"]
_INTENT_EXPAND = ["latest_charge", "payment_method"]

# A module-wide switch of the library: with it on, the first request writes a file into the home directory.
stripe.enable_telemetry = False


class _Counting(stripe.RequestsClient):
    """Counts reads, which Stripe rations; what is written is not rationed."""

    def __init__(self, timeout: tuple[float, float]) -> None:
        super().__init__(timeout=timeout)
        self._lock = threading.Lock()
        self._reads = 0
        self._answered = threading.local()

    def request(self, method: str, *args: Any, **more: Any) -> Any:
        if method.lower() == "get":
            with self._lock:
                self._reads += 1
        self._answered.date = None
        body, status, headers = super().request(method, *args, **more)
        self._answered.date = date_of(headers)
        return body, status, headers

    def answered_at(self) -> datetime | None:
        """Give the Date of the last answer to this thread; None where there was none."""
        found: datetime | None = getattr(self._answered, "date", None)
        return found

    def take_reads(self) -> int:
        with self._lock:
            taken, self._reads = self._reads, 0
        return taken


class StripeGateway:
    """Asks Stripe's API at one address with one key; `timeout` is for connecting and for reading, in seconds."""

    def __init__(self, api_key: str, api_base: str, *, timeout: tuple[float, float] = (5, 20)) -> None:
        self._http = _Counting(timeout=timeout)
        self._client = stripe.StripeClient(
            api_key, max_network_retries=0, base_addresses={"api": api_base}, http_client=self._http
        )

    def close(self) -> None:
        """Give connections back."""
        self._http.close()  # type: ignore[no-untyped-call]

    def take_reads(self) -> int:
        """Give how often Stripe was read since this was last asked."""
        return self._http.take_reads()

    def time(self) -> datetime | None:
        """Ask what time it is at Stripe, by the Date of whatever it answers; None where nothing answers. One read."""
        _answered(partial(self._client.v1.events.list, _any({"limit": 1})))
        return self._http.answered_at()

    def unreadable(self) -> Ok[Sequence[str]] | Rejected | Unknown:
        """Give what our key may not read of all that is read, in the words of Stripe's page of rights.

        Eight reads. Whether it may write shows only by writing, which this does not.
        """
        missing = []
        for name, look in self._lists().items():
            answer = _answered(partial(look, {"limit": 1}))
            if isinstance(answer, Denied) and not answer.whole:
                missing.append(name)
            elif not isinstance(answer, Ok):
                return answer
        return Ok(missing)

    def _lists(self) -> Mapping[str, Callable[[Any], object]]:
        api = self._client.v1
        return {
            "Events": api.events.list,
            "Customers": api.customers.list,
            "PaymentIntents": api.payment_intents.list,
            "Checkout Sessions": api.checkout.sessions.list,
            "Charges and Refunds": api.refunds.list,
            "Disputes": api.disputes.list,
            "Balance transactions": api.balance_transactions.list,
            "Radar's fraud warnings": api.radar.early_fraud_warnings.list,
        }

    def account(self) -> Ok[str] | Rejected | Unknown:
        """Give the id of the account that our key is of."""
        return _answered(lambda: str(self._client.v1.accounts.retrieve_current().id))

    def webhook_addresses(self) -> Ok[Sequence[str]] | Rejected | Unknown:
        """List where Stripe sends the account's news, as far as that is switched on."""

        def ask() -> Sequence[str]:
            found = self._client.v1.webhook_endpoints.list(_any({"limit": 100})).auto_paging_iter()
            return [str(one.url) for one in found if one.status == "enabled"]

        return _answered(ask)

    def create_customer(self, body: Body, key: str) -> Ok[str] | Rejected | Unknown:
        """Make the wallet's customer; gives its id."""
        return _answered(lambda: str(self._client.v1.customers.create(_any(body), _key(key)).id))

    def customers(self, since: datetime) -> Ok[Sequence[CustomerSeen]] | Rejected | Unknown:
        """List the account's customers that were made since an instant, newest first."""

        def ask() -> Sequence[CustomerSeen]:
            page = {"created": {"gte": int(since.timestamp())}, "limit": 100}
            found = self._client.v1.customers.list(_any(page)).auto_paging_iter()
            return [customer_seen(one) for one in found]

        return _answered(ask)

    def create_session(self, body: Body, key: str) -> Ok[SessionSeen] | Rejected | Unknown:
        """Make a hosted page."""
        return _answered(
            lambda: session_seen(self._client.v1.checkout.sessions.create(_any(body), _key(key)))
        )

    def expire_session(self, session_id: str, key: str) -> Ok[SessionSeen] | Rejected | Unknown:
        """Take a hosted page back."""
        return _answered(
            lambda: session_seen(self._client.v1.checkout.sessions.expire(session_id, {}, _key(key)))
        )

    def card(self, card_id: str) -> Ok[HeldCard] | Rejected | Unknown:
        """Look at a saved card."""
        answer = _answered(lambda: held_card(self._client.v1.payment_methods.retrieve(card_id)))
        if isinstance(answer, Ok):
            return Rejected(code="no_card", message="") if answer.seen is None else Ok(answer.seen)
        return answer

    def session(self, session_id: str) -> Ok[SessionSeen] | Rejected | Unknown:
        """Look at a hosted page."""
        return _answered(
            lambda: session_seen(
                self._client.v1.checkout.sessions.retrieve(session_id, {"expand": _SESSION_EXPAND})
            )
        )

    def create_link(self, body: Body, key: str) -> Ok[LinkSeen] | Rejected | Unknown:
        """Make a durable link."""
        return _answered(lambda: link_seen(self._client.v1.payment_links.create(_any(body), _key(key))))

    def deactivate_link(self, link_id: str, key: str) -> Ok[LinkSeen] | Rejected | Unknown:
        """Make a link refuse further payers."""
        return _answered(
            lambda: link_seen(self._client.v1.payment_links.update(link_id, {"active": False}, _key(key)))
        )

    def link_intents(self, link_id: str) -> Ok[Sequence[str]] | Rejected | Unknown:
        """Give the ids of the PaymentIntents that a link's pages made."""

        def ask() -> Sequence[str]:
            found = self._client.v1.checkout.sessions.list({"payment_link": link_id, "limit": 100})
            return [id_of(one.payment_intent) for one in found.data if one.payment_intent is not None]

        return _answered(ask)

    def completed_sessions(
        self, since: datetime, *, link_id: str = "", pages_max: int
    ) -> Ok[SessionsSeen] | Rejected | Unknown:
        """List the completed pages, of one link or of all, that were made since an instant; a read a page of it."""

        def ask() -> SessionsSeen:
            page = {
                "status": PageStatus.COMPLETE.value,
                "created": {"gte": int(since.timestamp())},
                "limit": 100,
            }
            of_link = {"payment_link": link_id} if link_id else {}
            listed = self._client.v1.checkout.sessions.list(_any({**page, **of_link}))
            seen = [session_seen(one) for one in listed.data]
            for _ in range(pages_max - 1):
                if not listed.has_more:
                    break
                listed = listed.next_page()
                seen += [session_seen(one) for one in listed.data]
            return SessionsSeen(seen, whole=not listed.has_more)

        return _answered(ask)

    def create_intent(self, body: Body, key: str) -> Ok[IntentSeen] | Declined | Rejected | Unknown:
        """Make a PaymentIntent without confirming it; no money moves yet."""
        outcome = _money(lambda: intent_seen(self._client.v1.payment_intents.create(_any(body), _key(key))))
        assert not isinstance(outcome, NeedsAction), "an unconfirmed intent cannot ask for confirmation"
        return outcome

    def confirm_intent(
        self, intent_id: str, body: Body, key: str
    ) -> Ok[IntentSeen] | Declined | NeedsAction | Rejected | Unknown:
        """Charge the card of an intent."""
        outcome = _money(
            lambda: intent_seen(self._client.v1.payment_intents.confirm(intent_id, _any(body), _key(key)))
        )
        if isinstance(outcome, Ok) and outcome.seen.status is IntentStatus.REQUIRES_ACTION:
            return NeedsAction(intent_id)
        return outcome

    def cancel_intent(self, intent_id: str, key: str) -> Ok[IntentSeen] | Rejected | Unknown:
        """Make sure that an intent never charges anything."""
        return _answered(
            lambda: intent_seen(
                self._client.v1.payment_intents.cancel(
                    intent_id, {"cancellation_reason": "abandoned"}, _key(key)
                )
            )
        )

    def intent(self, intent_id: str) -> Ok[IntentSeen] | Rejected | Unknown:
        """Look at a PaymentIntent."""
        return _answered(
            lambda: intent_seen(
                self._client.v1.payment_intents.retrieve(intent_id, {"expand": _any(_INTENT_EXPAND)})
            )
        )

    def refund(self, refund_id: str) -> Ok[RefundSeen] | Rejected | Unknown:
        """Look at a refund."""
        return _answered(lambda: refund_seen(self._client.v1.refunds.retrieve(refund_id)))

    def dispute(self, dispute_id: str) -> Ok[DisputeSeen] | Rejected | Unknown:
        """Look at a dispute."""
        return _answered(lambda: dispute_seen(self._client.v1.disputes.retrieve(dispute_id)))

    def fraud_warning(self, warning_id: str) -> Ok[WarningSeen] | Rejected | Unknown:
        """Look at an early fraud warning."""
        return _answered(
            lambda: warning_seen(self._client.v1.radar.early_fraud_warnings.retrieve(warning_id))
        )

    def intents(self, since: datetime, until: datetime) -> Ok[Sequence[IntentSeen]] | Rejected | Unknown:
        """List the account's PaymentIntents that were made in a stretch of time."""

        def ask() -> Sequence[IntentSeen]:
            page = {"created": _between(since, until), "limit": 100, "expand": ["data.latest_charge"]}
            return [
                intent_seen(one)
                for one in self._client.v1.payment_intents.list(_any(page)).auto_paging_iter()
            ]

        return _answered(ask)

    def sessions(self, since: datetime) -> Ok[Sequence[SessionSeen]] | Rejected | Unknown:
        """List the hosted pages that were made since an instant."""

        def ask() -> Sequence[SessionSeen]:
            page = {"created": {"gte": int(since.timestamp())}, "limit": 100}
            found = self._client.v1.checkout.sessions.list(_any(page)).auto_paging_iter()
            return [session_seen(one) for one in found]

        return _answered(ask)

    def active_links(self) -> Ok[Sequence[LinkSeen]] | Rejected | Unknown:
        """List the durable links that still take payments; Stripe does not say when one was made."""

        def ask() -> Sequence[LinkSeen]:
            found = self._client.v1.payment_links.list({"active": True, "limit": 100}).auto_paging_iter()
            return [link_seen(one) for one in found]

        return _answered(ask)

    def newest_intents(
        self, since: datetime, *, customer_id: str = ""
    ) -> Ok[Sequence[IntentSeen]] | Rejected | Unknown:
        """List the newest hundred PaymentIntents made since an instant, of one customer or of all; one read."""
        page: dict[str, object] = {"created": {"gte": int(since.timestamp())}, "limit": 100}
        if customer_id:
            page["customer"] = customer_id
        return _answered(
            lambda: [intent_seen(one) for one in self._client.v1.payment_intents.list(_any(page)).data]
        )

    def refunds(self, since: datetime, until: datetime) -> Ok[Sequence[RefundSeen]] | Rejected | Unknown:
        """List the account's refunds that were made in a stretch of time."""

        def ask() -> Sequence[RefundSeen]:
            page = {"created": _between(since, until), "limit": 100}
            return [refund_seen(one) for one in self._client.v1.refunds.list(_any(page)).auto_paging_iter()]

        return _answered(ask)

    def disputes(self, since: datetime, until: datetime) -> Ok[Sequence[DisputeSeen]] | Rejected | Unknown:
        """List the account's disputes that were opened in a stretch of time."""

        def ask() -> Sequence[DisputeSeen]:
            page = {"created": _between(since, until), "limit": 100}
            return [dispute_seen(one) for one in self._client.v1.disputes.list(_any(page)).auto_paging_iter()]

        return _answered(ask)

    def movements(self, since: datetime, until: datetime) -> Ok[Sequence[MovementSeen]] | Rejected | Unknown:
        """List the movements of the account's balance in a stretch of time, each with what it came from."""

        def ask() -> Sequence[MovementSeen]:
            page = {"created": _between(since, until), "limit": 100, "expand": ["data.source"]}
            found = self._client.v1.balance_transactions.list(_any(page))
            return [movement_seen(one) for one in found.auto_paging_iter()]

        return _answered(ask)

    def detach_card(self, card_id: str, key: str) -> Ok[str] | Rejected | Unknown:
        """Make a card unusable for good."""
        return _answered(lambda: str(self._client.v1.payment_methods.detach(card_id, {}, _key(key)).id))

    def events(self, created_from: datetime) -> Ok[Sequence[EventSeen]] | Rejected | Unknown:
        """Give what happened since an instant, oldest first.

        No event is a place to read on from: nothing promises that events become visible in their order.
        """

        def ask() -> Sequence[EventSeen]:
            since = {"gte": int(created_from.timestamp())}
            page = {"limit": 100, "types": EVENT_TYPES, "created": since}
            found = self._client.v1.events.list(_any(page)).auto_paging_iter()
            return [event_seen(one) for one in reversed(list(found))]

        return _answered(ask)


class SignatureWrong(Exception):
    """A webhook's signature, age or mode is not right."""


def webhook_event(payload: bytes, signature: str, secret: str, now: datetime, *, live: bool) -> EventSeen:
    """Check a webhook and give its news. Raises: SignatureWrong, whatever is wrong with it.

    `live` says which mode our key is of: news of the other mode is of other money. While a secret is being rolled,
    Stripe signs with both, and the library takes either.
    """
    try:
        # The library lets signatures from the future pass and raises half a dozen types on garbage (measured).
        stamp = int(dict(part.split("=", 1) for part in signature.split(","))["t"])
        if stamp - now.timestamp() > 300:
            raise SignatureWrong("from the future")
        # No request is sent: the client is only the library's way to the parser.
        event = stripe.Webhook.construct_event(payload, signature, secret)
        if event.livemode is not live:
            raise SignatureWrong("of the other mode, live or test, than the key")
        if getattr(event, "account", None):
            raise SignatureWrong("of another account")
        return event_seen(event)
    except SignatureWrong:
        raise
    except Exception as problem:
        raise SignatureWrong(type(problem).__name__) from problem


def _answered(ask: Callable[[], T]) -> Ok[T] | Rejected | Unknown:
    outcome = _money(ask)
    if isinstance(outcome, Declined):
        return Rejected(code=outcome.code, message="the card was declined")
    if isinstance(outcome, NeedsAction):
        return Rejected(code="authentication_required", message="the bank wants a confirmation")
    return outcome


def _money(ask: Callable[[], T]) -> Ok[T] | Declined | NeedsAction | Rejected | Unknown:
    assert_outside_transaction()
    try:
        return Ok(ask())
    except stripe.CardError as error:
        detail = error.error
        code = str(error.code or "")
        decline = str(getattr(detail, "decline_code", None) or code)
        intent = getattr(detail, "payment_intent", None)
        intent_id = id_of(intent) if intent else None
        if "authentication_required" in (code, decline):
            return NeedsAction(intent_id)
        return Declined(code, decline, str(getattr(detail, "advice_code", None) or ""), intent_id)
    except stripe.APIConnectionError as error:
        # A refused connection is the one failure after which nothing can have happened.
        refused = "Connection refused" in str(error) or "Name or service not known" in str(error)
        log.warning("no answer from Stripe: %s", type(error).__name__)
        return Unknown(sent=not refused, message="no_answer")
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        # Judged before the idempotency key is looked at: it says nothing of a request that was sent before.
        log.error("Stripe does not accept our key: %s (request %s)", error.user_message, error.request_id)
        return Denied(sent=False, message="", whole=isinstance(error, stripe.AuthenticationError))
    except (stripe.InvalidRequestError, stripe.IdempotencyError) as error:
        log.error("Stripe refused a request: %s (request %s)", error.code, error.request_id)
        return Rejected(
            code=str(error.code or (error.error and error.error.type) or ""),
            message=str(error.user_message or ""),
        )
    except stripe.StripeError as error:
        # 409 while the same key runs, 429, 5xx: what was done is not known, and the same key will tell.
        log.warning("Stripe answered %s (request %s)", error.http_status, error.request_id)
        return Unknown(sent=True, message=f"status:{error.http_status}")


def _between(since: datetime, until: datetime) -> dict[str, int]:
    return {"gte": int(since.timestamp()), "lte": int(until.timestamp())}


def _any(body: Any) -> Any:
    # The library's typed dictionaries cannot take a body that was stored as JSON and read back.
    return dict(body) if isinstance(body, Mapping) else body


def _key(key: str) -> Any:
    return {"idempotency_key": key}
