"""The ledger's source ids of what moved at Stripe: one key for each movement, so that it is booked once. Pure."""

CREDIT, REFUND, REFUND_REVERSAL, DISPUTE = "credit", "refund", "refund_reversal", "dispute"
"""The kinds of movements, as keys begin."""
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
