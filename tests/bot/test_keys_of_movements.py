"""The ledger's keys: what each movement at Stripe is booked under, whichever object it is seen by."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from bot.ports import DisputeSeen, IntentSeen, IntentStatus, MovementSeen, RefundSeen
from bot.states.dispute import DisputeStatus
from bot.states.refund import RefundStatus
from bot.stripe.keys import (
    correction_key,
    is_dispute,
    key_of_movement,
    keys_of,
    operator_credit_key,
    possible_keys,
    split_key,
)

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def moved(kind: str, category: str = "", name: str = "txn_1") -> MovementSeen:
    """A movement of the account."""
    return MovementSeen(name, kind, category, True, "re_1", "pi_1", NOON)


def intent(status: IntentStatus) -> IntentSeen:
    """An intent for $20, of which $19 came."""
    return IntentSeen(
        intent_id="pi_1",
        status=status,
        amount_minor=2_000,
        received_minor=1_900,
        currency="USD",
        live=False,
        metadata={},
        card=None,
        receipt_url="",
        decline_code="",
        advice_code="",
    )


@pytest.mark.parametrize("status", IntentStatus)
def test_an_intent_is_booked_once_it_succeeded(status: IntentStatus) -> None:
    """By what came, and not by what was asked for."""
    expected = [("credit:pi_1", 1_900, "USD")] if status is IntentStatus.SUCCEEDED else []
    assert keys_of(intent(status)) == expected


@pytest.mark.parametrize("status", RefundStatus)
def test_a_refund_is_booked_and_put_back_where_it_came_to_nothing(status: RefundStatus) -> None:
    """Both ways, also where it had failed before it was heard of."""
    taken, back = ("refund:re_1", 700, "EUR"), ("refund_reversal:re_1", 700, "EUR")
    seen = RefundSeen("re_1", status, 700, "EUR", "pi_1", NOON)
    failed = status in (RefundStatus.FAILED, RefundStatus.CANCELED)
    assert keys_of(seen) == ([taken, back] if failed else [taken])


def test_each_movement_of_a_dispute_has_its_own_key() -> None:
    """A bank may take the money, give it back and take it again."""
    movements = [moved("adjustment", "dispute", name) for name in ("txn_1", "txn_2")]
    seen = DisputeSeen("dp_1", DisputeStatus.LOST, "", 500, "USD", "pi_1", None, NOON, movements)
    assert keys_of(seen) == [("dispute:txn_1", 500, "USD"), ("dispute:txn_2", 500, "USD")]
    assert keys_of(DisputeSeen("dp_1", DisputeStatus.LOST, "", 500, "USD", "pi_1", None, NOON, [])) == []


@pytest.mark.parametrize(
    ("kind", "category", "key"),
    [
        ("charge", "charge", "credit:pi_1"),
        ("payment", "", "credit:pi_1"),
        ("refund", "refund", "refund:re_1"),
        ("payment_refund", "", "refund:re_1"),
        ("refund_failure", "", "refund_reversal:re_1"),
        ("payment_failure_refund", "", "refund_reversal:re_1"),
        ("adjustment", "dispute", "dispute:txn_1"),
        ("adjustment", "dispute_reversal", "dispute:txn_1"),
        ("adjustment", "", None),
        ("payout", "payout", None),
        ("stripe_fee", "dispute", None),
    ],
)
def test_a_movement_of_the_account_has_the_key_of_what_it_came_from(
    kind: str, category: str, key: str | None
) -> None:
    """So that each is found in the books; what is of no payment has none."""
    assert key_of_movement(moved(kind, category)) == key


def test_a_key_is_taken_apart_as_it_was_put_together() -> None:
    """A kind and an id; an operator's keys too."""
    keys = ("credit:x", "refund:x", "refund_reversal:x", "dispute:x")
    assert possible_keys("x") == keys
    assert [split_key(key) for key in keys] == [(key.removesuffix(":x"), "x") for key in keys]
    assert split_key("x") == ("x", "")
    assert [is_dispute(key) for key in keys] == [False, False, False, True]
    assert operator_credit_key("May:1") == "credit:May:1"
    assert split_key("credit:May:1") == ("credit", "May:1")
    assert correction_key(UUID(int=7)) == f"correct:{UUID(int=7)}"
