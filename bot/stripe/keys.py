"""The ledger's keys that the bot makes: one for each movement at Stripe or by the operator, so that it is booked once.

No other file writes such a key out: two spellings of one key would book one movement twice. Pure.
"""

from uuid import UUID

from bot.ports import DisputeSeen, IntentSeen, IntentStatus, MovementSeen, RefundSeen
from bot.states.refund import NEXT, RefundState

CREDIT, REFUND, REFUND_REVERSAL, DISPUTE = "credit", "refund", "refund_reversal", "dispute"
"""The kinds of movements, as keys begin."""
CORRECTION = "correct"
KINDS = (CREDIT, REFUND, REFUND_REVERSAL, DISPUTE)


def credit_key(intent_id: str) -> str:
    """Give the key of what a PaymentIntent brought."""
    return f"{CREDIT}:{intent_id}"


def refund_key(refund_id: str) -> str:
    """Give the key of what a refund took."""
    return f"{REFUND}:{refund_id}"


def refund_reversal_key(refund_id: str) -> str:
    """Give the key of what a refund that failed gave back."""
    return f"{REFUND_REVERSAL}:{refund_id}"


def dispute_key(movement_id: str) -> str:
    """Give the key of one movement of money that a dispute brought: a bank may repeat it and turn it round."""
    return f"{DISPUTE}:{movement_id}"


def operator_credit_key(name: str) -> str:
    """Give the key of a credit by the operator, who names it: the same name is credited once."""
    return f"{CREDIT}:{name}"


def correction_key(correction_id: UUID) -> str:
    """Give the key of a correction by the operator."""
    return f"{CORRECTION}:{correction_id}"


def possible_keys(object_id: str) -> tuple[str, ...]:
    """Give every key that an object of Stripe's may have, whatever its kind."""
    return tuple(f"{kind}:{object_id}" for kind in KINDS)


def split_key(key: str) -> tuple[str, str]:
    """Give a key's kind and the id of its object at Stripe; empty texts where a part is missing."""
    kind, _, object_id = key.partition(":")
    return kind, object_id


def is_dispute(key: str) -> bool:
    """Say whether a key is that of a movement which a dispute brought."""
    return split_key(key)[0] == DISPUTE


def keys_of(seen: IntentSeen | RefundSeen | DisputeSeen) -> list[tuple[str, int, str]]:
    """Give the books' keys of what moved, each with its amount in minor units and its currency."""
    match seen:
        case IntentSeen(status=IntentStatus.SUCCEEDED):
            return [(credit_key(seen.intent_id), seen.received_minor, seen.currency)]
        case IntentSeen():
            return []
        case RefundSeen():
            keys = [(refund_key(seen.refund_id), seen.amount_minor, seen.currency)]
            if NEXT.after(RefundState.UNBOOKED, seen.status) is RefundState.PUT_BACK:
                keys.append((refund_reversal_key(seen.refund_id), seen.amount_minor, seen.currency))
            return keys
        case DisputeSeen():
            return [
                (dispute_key(one.movement_id), seen.amount_minor, seen.currency) for one in seen.movements
            ]


def key_of_movement(moved: MovementSeen) -> str | None:
    """Give the books' key of a movement of the account; None where it is not of a payment."""
    match moved.kind, moved.category:
        case ("charge" | "payment", _):
            return credit_key(moved.intent_id)
        case ("refund" | "payment_refund", _):
            return refund_key(moved.source_id)
        case ("refund_failure" | "payment_failure_refund", _):
            return refund_reversal_key(moved.source_id)
        case ("adjustment", "dispute" | "dispute_reversal"):
            return dispute_key(moved.movement_id)
        case _:
            return None
