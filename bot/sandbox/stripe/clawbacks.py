"""Money that leaves again in the Stripe stand-in: refunds, also those that fail, disputes, early fraud warnings.

Statuses, events and movements as docs.stripe.com/api has them for refunds and disputes. Real events come in no order
that could be relied on; here a dispute's come in the usual one, and tests shuffle what they hear.
"""

from bot.sandbox.document_store import Doc
from bot.sandbox.stripe.amounts import integer
from bot.sandbox.stripe.problem import invalid
from bot.sandbox.stripe.state import StripeState, merged

DISPUTE_FEE = 1_500
"""What the bank takes besides, in minor units: the account's, never the payer's."""
EVIDENCE_DAYS = 9
REFUNDS_FAIL_AFTER_SECONDS = 3_600
_STEPS = {
    "warning_needs_response": {"warning_under_review", "warning_closed", "needs_response", "prevented"},
    "warning_under_review": {"warning_closed", "needs_response"},
    "needs_response": {"under_review", "won", "lost", "prevented"},
    "under_review": {"won", "lost"},
    "lost": {"won"},  # by appeal
}
_ENDS = {"won", "lost", "warning_closed", "prevented"}


# --- Refunds -----------------------------------------------------------------------------------------------


def refund(state: StripeState, params: Doc, *, status: str = "succeeded") -> Doc:
    """Give money back. Raises: StripeProblem."""
    paid = _charge_to_refund(state, params)
    left = paid["amount"] - paid["amount_refunded"]
    if left == 0:
        raise invalid(f"Charge {paid['id']} has already been refunded.", code="charge_already_refunded")
    amount = integer(params, "amount") if "amount" in params else left
    if amount < 1:
        raise invalid(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    if amount > left:
        raise invalid(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).", param="amount"
        )
    name = state.new("re")
    made = {
        "id": name,
        "object": "refund",
        "amount": amount,
        "currency": paid["currency"],
        "created": state.now(),
        "charge": paid["id"],
        "payment_intent": paid["payment_intent"],
        "metadata": merged({}, params.get("metadata")),
        "reason": params.get("reason"),
        "status": status,
        "failure_reason": None,
        "failure_balance_transaction": None,
        "balance_transaction": state.move("refund", -amount, paid["currency"], name)["id"],
    }
    state.keep("refund", made)
    paid["amount_refunded"] += amount
    paid["refunded"] = paid["amount_refunded"] == paid["amount"]
    state.keep("charge", paid)
    state.emit("charge.refunded", paid)
    state.emit("refund.created", made)
    return made


def turn_refund(state: StripeState, made: Doc, status: str) -> Doc:
    """Let a refund succeed, fail or be canceled; what failed is money of the account again. Raises: StripeProblem."""
    if status not in ("succeeded", "failed", "canceled") or made["status"] in ("failed", "canceled"):
        raise invalid(f"A refund that is {made['status']} cannot become {status}.")
    made["status"] = status
    if status == "succeeded":
        state.keep("refund", made)
        state.emit("refund.updated", made)
        return made
    paid = state.need("charge", made["charge"])
    paid["amount_refunded"] -= made["amount"]
    paid["refunded"] = False
    state.keep("charge", paid)
    made["failure_reason"] = "expired_or_canceled_card" if status == "failed" else None
    back = state.move("refund_failure", made["amount"], made["currency"], made["id"])
    made["failure_balance_transaction"] = back["id"]
    state.keep("refund", made)
    state.emit("refund.failed" if status == "failed" else "refund.updated", made)
    return made


def fail_due_refunds(state: StripeState) -> None:
    """Let the refunds fail that their test card has fail, an hour after they seemed to have succeeded."""
    for made in state.store.all("refund"):
        due = made["created"] + REFUNDS_FAIL_AFTER_SECONDS <= state.now()
        if due and made["status"] == "succeeded" and _refund_fails(state, made):
            turn_refund(state, made, "failed")


def _refund_fails(state: StripeState, made: Doc) -> bool:
    return bool(state.need("charge", made["charge"]).get("sandbox", {}).get("refunds_fail"))


def _charge_to_refund(state: StripeState, params: Doc) -> Doc:
    name = params.get("charge")
    if params.get("payment_intent"):
        intent = state.need("intent", params["payment_intent"])
        name = intent["latest_charge"] if intent["status"] == "succeeded" else None
        if name is None:
            raise invalid(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.")
    if not name:
        raise invalid(
            "One of the following params should be provided for this request: payment_intent, charge."
        )
    paid = state.need("charge", str(name))
    if not paid["paid"]:
        raise invalid(f"Charge {paid['id']} was not paid, so there is nothing to refund.")
    return paid


# --- Disputes ----------------------------------------------------------------------------------------------


def open_dispute(state: StripeState, paid: Doc, *, reason: str, inquiry: bool = False) -> Doc:
    """Have the cardholder's bank dispute a charge; an inquiry moves no money yet. Raises: StripeProblem."""
    if paid["disputed"] or not paid["paid"]:
        raise invalid(f"Charge {paid['id']} cannot be disputed.")
    due_by = state.now() + EVIDENCE_DAYS * 86_400
    dispute = {
        "id": state.new("du"),
        "object": "dispute",
        "amount": paid["amount"] - paid["amount_refunded"],
        "currency": paid["currency"],
        "charge": paid["id"],
        "payment_intent": paid["payment_intent"],
        "created": state.now(),
        "livemode": False,
        "metadata": {},
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
        "is_charge_refundable": inquiry,
        "evidence_details": {
            "due_by": due_by,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "balance_transactions": [],
    }
    paid["disputed"] = True
    state.keep("charge", paid)
    state.keep("dispute", dispute)
    state.emit("charge.dispute.created", dispute)
    if not inquiry:
        _withdraw(state, dispute)
    return dispute


def turn_dispute(state: StripeState, dispute: Doc, status: str) -> Doc:
    """Let a dispute go on. Raises: StripeProblem, for a step that there is not."""
    before = dispute["status"]
    if status not in _STEPS.get(before, ()):
        raise invalid(f"A dispute that is {before} cannot become {status}.")
    dispute["status"] = status
    state.keep("dispute", dispute)
    if status == "needs_response":
        _withdraw(state, dispute)
    if status in ("won", "prevented") and _taken(dispute):
        _reinstate(state, dispute)
    state.emit("charge.dispute.closed" if status in _ENDS else "charge.dispute.updated", dispute)
    return dispute


def _taken(dispute: Doc) -> bool:
    return bool(sum(one["amount"] for one in dispute["balance_transactions"]) < 0)


def _withdraw(state: StripeState, dispute: Doc) -> None:
    amount, currency, name = dispute["amount"], dispute["currency"], dispute["id"]
    moved = state.move("adjustment", -amount, currency, name, category="dispute", fee=DISPUTE_FEE)
    dispute["balance_transactions"].append(moved)
    state.keep("dispute", dispute)
    state.emit("charge.dispute.funds_withdrawn", dispute)


def _reinstate(state: StripeState, dispute: Doc) -> None:
    moved = state.move(
        "adjustment",
        dispute["amount"],
        dispute["currency"],
        dispute["id"],
        category="dispute_reversal",
    )
    dispute["balance_transactions"].append(moved)
    state.keep("dispute", dispute)
    state.emit("charge.dispute.funds_reinstated", dispute)


def warn_of_fraud(state: StripeState, paid: Doc) -> Doc:
    """Have the card's network say that a charge is probably fraud; no money moves."""
    warning = state.keep(
        "warning",
        {
            "id": state.new("issfr"),
            "object": "radar.early_fraud_warning",
            "actionable": not paid["refunded"] and not paid["disputed"],
            "charge": paid["id"],
            "payment_intent": paid["payment_intent"],
            "created": state.now(),
            "fraud_type": "made_with_stolen_card",
            "livemode": False,
        },
    )
    state.emit("radar.early_fraud_warning.created", warning)
    return warning


def trouble_after(state: StripeState, paid: Doc, what: str) -> None:
    """Do to a charge that has just succeeded what its test card is for."""
    match what:
        case "dispute":
            open_dispute(state, paid, reason="fraudulent")
        case "dispute_not_received":
            open_dispute(state, paid, reason="product_not_received")
        case "inquiry":
            open_dispute(state, paid, reason="fraudulent", inquiry=True)
        case "fraud_warning":
            warn_of_fraud(state, paid)
        case "refund_fails":
            paid["sandbox"] = {**paid.get("sandbox", {}), "refunds_fail": True}
            state.keep("charge", paid)
        case _:
            assert what == "", what


def carry_out(state: StripeState, options: Doc) -> Doc:
    """Do one thing to a charge, a refund or a dispute that is named. Raises: KeyError, StripeProblem."""
    match str(options["act"]):
        case "refund":
            params = {"charge": str(options["charge"])}
            if options.get("amount"):
                params["amount"] = str(options["amount"])
            return refund(state, params, status=str(options.get("status") or "succeeded"))
        case "dispute" | "inquiry" as act:
            paid = state.need("charge", str(options["charge"]))
            reason = str(options.get("reason") or "fraudulent")
            return open_dispute(state, paid, reason=reason, inquiry=act == "inquiry")
        case "fraud_warning":
            return warn_of_fraud(state, state.need("charge", str(options["charge"])))
        case "turn_refund":
            return turn_refund(state, state.need("refund", str(options["refund"])), str(options["status"]))
        case "turn_dispute":
            return turn_dispute(state, state.need("dispute", str(options["dispute"])), str(options["status"]))
        case other:
            raise KeyError(other)
