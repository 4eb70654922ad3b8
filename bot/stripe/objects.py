"""Objects of Stripe's library read into plain facts. The library itself is not needed for that.

Money is read from objects that were fetched, never from an event's body: that has the shape of the account's default
API version, not of ours.
"""

from datetime import UTC, datetime
from typing import Any

from bot.ports import (
    CardSeen,
    CustomerSeen,
    DisputeSeen,
    EventSeen,
    HeldCard,
    IntentSeen,
    IntentStatus,
    LinkSeen,
    MovementSeen,
    PageMode,
    PageStatus,
    RefundSeen,
    SessionSeen,
    WarningSeen,
)
from bot.states.dispute import DisputeStatus
from bot.states.refund import RefundStatus

_BRANDS = {"amex": "American Express", "diners": "Diners Club", "jcb": "JCB", "unionpay": "UnionPay"}


def event_seen(event: Any) -> EventSeen:
    """Reduce an event to a pointer; money is never read from its body."""
    thing: Any = event.data.object
    intent = getattr(thing, "payment_intent", None)
    return EventSeen(
        event_id=event.id,
        kind=event.type,
        object_id=str(thing["id"]),
        created=_moment(event.created),
        live=event.livemode,
        payment_intent_id=id_of(intent) if intent else None,
    )


def id_of(thing: Any) -> str:
    """Give the id of an object, expanded or not."""
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


def customer_seen(customer: Any) -> CustomerSeen:
    """Read a customer."""
    return CustomerSeen(customer_id=str(customer.id), metadata=_metadata(customer))


def intent_seen(intent: Any) -> IntentSeen:
    """Read a PaymentIntent."""
    charge: Any = intent.latest_charge
    error: Any = intent.last_payment_error
    card = _card(intent.payment_method) if intent.payment_method is not None else None
    if card is None and charge is not None and not isinstance(charge, str):
        card = _charged_card(charge)
    return IntentSeen(
        intent_id=intent.id,
        status=IntentStatus(intent.status),
        amount_minor=intent.amount,
        received_minor=int(intent.amount_received or 0),
        currency=intent.currency.upper(),
        live=intent.livemode,
        metadata=_metadata(intent),
        card=card,
        receipt_url=str(getattr(charge, "receipt_url", None) or ""),
        decline_code=str(getattr(error, "decline_code", None) or getattr(error, "code", None) or ""),
        advice_code=str(getattr(error, "advice_code", None) or ""),
        customer_id=id_of(intent.customer) if intent.customer else "",
        taken_back=bool(getattr(charge, "amount_refunded", 0) or getattr(charge, "disputed", False)),
        paid_at=datetime.fromtimestamp(charge.created, UTC) if getattr(charge, "paid", False) else None,
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


def session_seen(session: Any) -> SessionSeen:
    """Read a hosted page."""
    setup = session.setup_intent
    method = (
        getattr(setup, "payment_method", None) if setup is not None and not isinstance(setup, str) else None
    )
    return SessionSeen(
        session_id=str(session.id),
        status=PageStatus(session.status),
        mode=PageMode(session.mode),
        url=str(session.url or ""),
        intent_id=id_of(session.payment_intent) if session.payment_intent else None,
        setup_card=_card(method) if method is not None and not isinstance(method, str) else None,
        metadata=_metadata(session),
        live=session.livemode,
        link_id=id_of(session.payment_link) if session.payment_link else "",
    )


def link_seen(link: Any) -> LinkSeen:
    """Read a payment link."""
    return LinkSeen(link_id=link.id, url=link.url, active=link.active, metadata=_metadata(link))


def held_card(method: Any) -> HeldCard | None:
    """Read a saved card; None for what is no card."""
    card = _card(method)
    return HeldCard(card, attached=method.customer is not None) if card is not None else None


def refund_seen(refund: Any) -> RefundSeen:
    """Read a refund."""
    intent = refund.payment_intent
    return RefundSeen(
        refund_id=str(refund.id),
        status=RefundStatus(refund.status),
        amount_minor=int(refund.amount),
        currency=str(refund.currency).upper(),
        intent_id=id_of(intent) if intent else "",
        created=_moment(refund.created),
    )


def dispute_seen(dispute: Any) -> DisputeSeen:
    """Read a dispute with the movements of money that it has brought so far."""
    intent = dispute.payment_intent
    due_by = getattr(dispute.evidence_details, "due_by", None)
    return DisputeSeen(
        dispute_id=str(dispute.id),
        status=DisputeStatus(dispute.status),
        reason=str(dispute.reason),
        amount_minor=int(dispute.amount),
        currency=str(dispute.currency).upper(),
        intent_id=id_of(intent) if intent else "",
        due_by=_moment(due_by) if due_by else None,
        created=_moment(dispute.created),
        movements=[movement_seen(one) for one in dispute.balance_transactions],
    )


def movement_seen(moved: Any) -> MovementSeen:
    """Read a movement of the account's balance. Its amount is in the account's currency, not in the payment's."""
    source = moved.source
    intent = getattr(source, "payment_intent", None) if source is not None else None
    return MovementSeen(
        movement_id=str(moved.id),
        kind=str(moved.type),
        category=str(moved.reporting_category),
        incoming=int(moved.amount) > 0,
        source_id=id_of(source) if source else "",
        intent_id=id_of(intent) if intent else "",
        created=_moment(moved.created),
        currency=str(moved.currency).upper(),
        fee_minor=int(moved.fee),
    )


def warning_seen(warning: Any) -> WarningSeen:
    """Read an early fraud warning."""
    intent = getattr(warning, "payment_intent", None)
    return WarningSeen(
        warning_id=str(warning.id),
        actionable=bool(warning.actionable),
        intent_id=id_of(intent) if intent else "",
        created=_moment(warning.created),
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
