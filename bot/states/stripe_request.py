"""What a Stripe request asks for, how it was answered, and what may become of it. Pure: a total table.

Theory. A Stripe request is a POST whose key and body are committed before it is sent. It is finished by a definite
answer. Without one it is unknown, and the sweep asks again with the same key. Of two answers to one request the first
definite one counts: two processes may sweep the same request.
"""

from enum import StrEnum

from bot.states.transitions import Transitions


class Operation(StrEnum):
    """What is asked of Stripe."""

    CUSTOMER = "customer"
    SESSION = "session"  # a hosted page
    EXPIRE_SESSION = "expire_session"
    LINK = "link"
    DEACTIVATE_LINK = "deactivate_link"
    INTENT = "intent"
    CONFIRM = "confirm"  # charges the intent
    CANCEL_INTENT = "cancel_intent"
    DETACH = "detach"  # a saved card


CHARGING = frozenset({Operation.INTENT, Operation.CONFIRM})
"""What charges a saved card: together, the second after the first."""
CLOSING = frozenset(
    {Operation.EXPIRE_SESSION, Operation.DEACTIVATE_LINK, Operation.CANCEL_INTENT, Operation.DETACH}
)
"""What makes sure that something takes no more money: done twice it does no harm, left undone it would."""


class RequestState(StrEnum):
    """Where a request stands."""

    PLANNED = "planned"  # committed; not known to have been sent
    UNKNOWN = "unknown"  # tried, and no answer settles it
    DONE = "done"  # Stripe carried it out; a bank may still have said no
    REFUSED = "refused"  # Stripe did not accept it, or it is not sent any more


class RequestOutcome(StrEnum):
    """How the last try of a request ended."""

    OK = "ok"
    DECLINED = "declined"  # by the bank
    NEEDS_ACTION = "needs_action"  # the bank wants the cardholder to confirm
    REJECTED = "rejected"  # the request was wrong, its object is gone, or it is not sent any more
    DENIED = "denied"  # our key was not accepted, or not for this
    UNKNOWN = "unknown"  # no answer


_S, _A = RequestState, RequestOutcome
_UNFINISHED = {
    _A.OK: _S.DONE,
    _A.DECLINED: _S.DONE,
    _A.NEEDS_ACTION: _S.DONE,
    _A.REJECTED: _S.REFUSED,
    _A.DENIED: _S.UNKNOWN,  # nothing is concluded from it: an earlier try may have been carried out
    _A.UNKNOWN: _S.UNKNOWN,
}

NEXT = Transitions(
    RequestState,
    RequestOutcome,
    {
        _S.PLANNED: _UNFINISHED,
        _S.UNKNOWN: _UNFINISHED,
        _S.DONE: dict.fromkeys(RequestOutcome, _S.DONE),
        _S.REFUSED: dict.fromkeys(RequestOutcome, _S.REFUSED),
    },
    begins=[_S.PLANNED],
)

UNFINISHED = frozenset({RequestState.PLANNED, RequestState.UNKNOWN})
"""States in which the sweep goes on with a request."""
