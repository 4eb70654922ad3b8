"""What Stripe says of a refund, and what the books hold of it. Pure: a total table.

Theory. A refund has no row of its own: the ledger's keys `refund:re_…` and `refund_reversal:re_…` say what is booked.
A refund that failed before we learned of it is booked both ways all the same: whatever the order of the news, the
books end the same and match the movements at Stripe one by one.
"""

from collections.abc import Mapping
from enum import StrEnum

from bot.states.stripe_word import StripeWord
from bot.states.transitions import Transitions


class RefundStatus(StripeWord):
    """What Stripe says of a refund."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the bank sent the money back
    CANCELED = "canceled"  # the money never left
    OTHER = "other"  # booked like a pending one


class RefundState(StrEnum):
    """What the books hold of a refund."""

    UNBOOKED = "unbooked"
    TAKEN_OUT = "taken_out"
    PUT_BACK = "put_back"  # taken out of the wallet, and put back


_S, _N = RefundState, RefundStatus
_MADE = (_N.PENDING, _N.REQUIRES_ACTION, _N.SUCCEEDED, _N.OTHER)
_GIVEN_BACK = (_N.FAILED, _N.CANCELED)
_NEWS: Mapping[RefundStatus, RefundState] = {
    **dict.fromkeys(_MADE, _S.TAKEN_OUT),
    **dict.fromkeys(_GIVEN_BACK, _S.PUT_BACK),
}

NEXT = Transitions(
    RefundState,
    RefundStatus,
    {
        _S.UNBOOKED: _NEWS,
        _S.TAKEN_OUT: _NEWS,
        _S.PUT_BACK: dict.fromkeys(
            RefundStatus, _S.PUT_BACK
        ),  # an older look that came later changes nothing
    },
    begins=[_S.UNBOOKED],
)
