"""Money in the Stripe stand-in: intents, charges, and the balance they move."""

from dataclasses import replace

from bot.sandbox.document_store import Doc
from bot.sandbox.stripe.cards import Asks, Kind, advice_of, code_of, message_of
from bot.sandbox.stripe.clawbacks import trouble_after
from bot.sandbox.stripe.problem import invalid
from bot.sandbox.stripe.state import StripeState, merged, without_notes

UNEXPECTED = "payment_intent_unexpected_state"
AUTHENTICATION = "authentication_required"


def create_intent(state: StripeState, params: Doc) -> Doc:
    """Make a PaymentIntent that charges nothing yet."""
    name = state.new("pi")
    intent: Doc = {
        "id": name,
        "object": "payment_intent",
        "created": state.now(),
        "livemode": False,
        "amount": int(params["amount"]),
        "amount_received": 0,
        "amount_capturable": 0,
        "client_secret": f"{name}_secret_{state.letters(24)}",
        "currency": params["currency"],
        "customer": params.get("customer"),
        "description": params.get("description"),
        "metadata": merged({}, params.get("metadata")),
        "payment_method": params.get("payment_method"),
        "payment_method_types": ["card"],
        "receipt_email": params.get("receipt_email"),
        "setup_future_usage": params.get("setup_future_usage"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_confirmation" if params.get("payment_method") else "requires_payment_method",
        "next_action": None,
        "latest_charge": None,
        "last_payment_error": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "confirmation_method": "automatic",
    }
    state.keep("intent", intent)
    state.emit("payment_intent.created", intent)
    return intent


def cancel(state: StripeState, intent: Doc, reason: str | None) -> Doc:
    """Make sure that an intent never charges anything."""
    if any(one["payment_intent"] == intent["id"] for one in state.store.all("session")):
        message = (
            "You cannot cancel this PaymentIntent because it belongs to a Checkout Session. Expire that one."
        )
        raise invalid(message, code=UNEXPECTED, payment_intent=without_notes(intent))
    if intent["status"] in ("succeeded", "canceled", "processing"):
        message = f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}."
        raise invalid(message, code=UNEXPECTED, payment_intent=without_notes(intent))
    intent.update(status="canceled", cancellation_reason=reason, canceled_at=state.now(), next_action=None)
    state.keep("intent", intent)
    state.emit("payment_intent.canceled", intent)
    return intent


def charge(
    state: StripeState, intent: Doc, method: Doc, kind: Kind, *, on_session: bool, confirmed: bool
) -> str:
    """Try to charge a card; gives "succeeded", "authentication_required" or a decline code."""
    decline = _decline_of(state, method, kind, confirmed=on_session and confirmed)
    if decline == AUTHENTICATION and on_session:
        return decline
    made = _make_charge(state, intent, method, decline)
    intent.update(latest_charge=made["id"], payment_method=method["id"], next_action=None)
    if decline:
        # The intent drops its card: the next try has to name one.
        intent.update(status="requires_payment_method", payment_method=None)
        intent["last_payment_error"] = _error_of(method, made, decline)
        state.keep("intent", intent)
        state.emit("charge.failed", made)
        state.emit("payment_intent.payment_failed", intent)
        return decline
    intent.update(status="succeeded", amount_received=intent["amount"], last_payment_error=None)
    state.keep("intent", intent)
    state.emit("charge.succeeded", made)
    state.emit("payment_intent.succeeded", intent)
    trouble_after(state, made, kind.trouble)
    return "succeeded"


def not_confirmed(state: StripeState, intent: Doc) -> None:
    """Note that the card's holder was asked and said no."""
    message = (
        "We are unable to authenticate your payment method. "
        "Please choose a different payment method and try again."
    )
    error = {"type": "card_error", "code": "payment_intent_authentication_failure", "message": message}
    intent.update(status="requires_payment_method", payment_method=None, last_payment_error=error)
    state.keep("intent", intent)
    state.emit("payment_intent.payment_failed", intent)


def ask_holder(state: StripeState, intent: Doc, method: Doc) -> Doc:
    """Leave an intent waiting for the card's holder, who is there."""
    intent.update(
        status="requires_action",
        payment_method=method["id"],
        next_action={"type": "use_stripe_sdk", "use_stripe_sdk": {}},
    )
    state.keep("intent", intent)
    state.emit("payment_intent.requires_action", intent)
    return intent


def turned(state: StripeState, kind: Kind) -> Kind:
    """Give a card as it behaves now: as its number has it, or as it was turned to be."""
    found = state.store.get("card_script", kind.last4)
    if found is None:
        return kind
    if found["decline"] == AUTHENTICATION:
        return replace(kind, decline="", asks=Asks.ALWAYS)
    return replace(kind, decline=str(found["decline"]), at_attach=False)


def _decline_of(state: StripeState, method: Doc, kind: Kind, *, confirmed: bool) -> str:
    kind = turned(state, kind)
    asks = kind.asks is Asks.ALWAYS or (kind.asks is Asks.UNLESS_SET_UP and not method["sandbox"]["set_up"])
    return AUTHENTICATION if asks and not kind.decline and not confirmed else kind.decline


def _error_of(method: Doc, made: Doc, decline: str) -> Doc:
    error: Doc = {
        "type": "card_error",
        "code": code_of(decline),
        "decline_code": decline,
        "message": message_of(decline),
        "payment_method": without_notes(method),
        "charge": made["id"],
    }
    if advice := advice_of(decline):
        error["advice_code"] = advice
    return error


def _make_charge(state: StripeState, intent: Doc, method: Doc, decline: str) -> Doc:
    name = state.new("ch")
    moved = None if decline else state.move("charge", intent["amount"], intent["currency"], name)["id"]
    return state.keep(
        "charge",
        {
            "id": name,
            "object": "charge",
            "created": state.now(),
            "livemode": False,
            "amount": intent["amount"],
            "amount_captured": 0 if decline else intent["amount"],
            "amount_refunded": 0,
            "refunded": False,
            "captured": not decline,
            "disputed": False,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "metadata": dict(intent["metadata"]),
            "paid": not decline,
            "status": "failed" if decline else "succeeded",
            "failure_code": code_of(decline) if decline else None,
            "failure_message": message_of(decline) if decline else None,
            "outcome": {
                "network_status": "declined_by_network" if decline else "approved_by_network",
                "reason": decline or None,
                "type": "issuer_declined" if decline else "authorized",
            },
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {"type": "card", "card": dict(method["card"])},
            "receipt_email": intent["receipt_email"],
            "receipt_url": None if decline else state.receipt_url(name),
            "balance_transaction": moved,
        },
    )
