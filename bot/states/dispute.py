"""What Stripe says of a dispute, and which of it is taken. Pure: a total table over the phases of a dispute.

Theory. A dispute lives by looks at it, which may come late and in any order. Its newest status is kept. A dispute that
has ended opens again by an appeal alone; any other open status after an end is an older look that came later.
A fraud warning is kept among the disputes that it foretells, under its own id.
"""

from collections.abc import Mapping
from enum import StrEnum

from bot.states.stripe_word import StripeWord
from bot.states.transitions import Transitions


class DisputeStatus(StripeWord):
    """Where a dispute stands: Stripe's words, and ours for a warning."""

    SUSPECTED = "suspected"  # a fraud warning: no bank has said anything yet
    WARNING_NEEDS_RESPONSE = "warning_needs_response"
    WARNING_UNDER_REVIEW = "warning_under_review"
    WARNING_CLOSED = "warning_closed"
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"
    PREVENTED = "prevented"
    APPEAL_NEEDS_RESPONSE = "appeal_needs_response"
    APPEAL_UNDER_REVIEW = "appeal_under_review"
    OTHER = "other"  # treated as an open dispute


class Phase(StrEnum):
    """What a status means for money and rules."""

    SUSPICION = "suspicion"
    INQUIRY = "inquiry"  # the bank only asks: no money has moved
    DISPUTE = "dispute"  # the bank took the money, or is about to
    APPEAL = "appeal"
    ENDED = "ended"


_D, _P = DisputeStatus, Phase
PHASE_OF: Mapping[DisputeStatus, Phase] = {
    _D.SUSPECTED: _P.SUSPICION,
    _D.WARNING_NEEDS_RESPONSE: _P.INQUIRY,
    _D.WARNING_UNDER_REVIEW: _P.INQUIRY,
    _D.WARNING_CLOSED: _P.ENDED,
    _D.NEEDS_RESPONSE: _P.DISPUTE,
    _D.UNDER_REVIEW: _P.DISPUTE,
    _D.WON: _P.ENDED,
    _D.LOST: _P.ENDED,
    _D.PREVENTED: _P.ENDED,
    _D.APPEAL_NEEDS_RESPONSE: _P.APPEAL,
    _D.APPEAL_UNDER_REVIEW: _P.APPEAL,
    _D.OTHER: _P.DISPUTE,
}

_WARNED = dict.fromkeys(Phase, _P.SUSPICION)  # a warning's row is its own: no look at a dispute finds it
_LOOKS = (_P.INQUIRY, _P.DISPUTE, _P.APPEAL, _P.ENDED)
_NEWEST = {phase: phase for phase in _LOOKS}

NEXT = Transitions(
    Phase,
    Phase,
    {
        _P.SUSPICION: _WARNED,
        _P.INQUIRY: {**_NEWEST, _P.SUSPICION: _P.INQUIRY},
        _P.DISPUTE: {**_NEWEST, _P.SUSPICION: _P.DISPUTE},
        _P.APPEAL: {**_NEWEST, _P.SUSPICION: _P.APPEAL},
        _P.ENDED: {**dict.fromkeys(Phase, _P.ENDED), _P.APPEAL: _P.APPEAL},
    },
    begins=tuple(Phase),
)

QUIET = frozenset({_D.UNDER_REVIEW, _D.WARNING_UNDER_REVIEW, _D.APPEAL_UNDER_REVIEW})
"""Statuses in which nobody has to do anything."""
AWAITED = (_D.NEEDS_RESPONSE, _D.UNDER_REVIEW, _D.WARNING_NEEDS_RESPONSE, _D.WARNING_UNDER_REVIEW)
"""Statuses of disputes that are looked at however old they are, since a decision is still to come."""


def after(before: DisputeStatus | None, seen: DisputeStatus) -> DisputeStatus:
    """Give the status to keep after a look; `before` is None for a dispute that has no row yet."""
    if before is None or NEXT.after(PHASE_OF[before], PHASE_OF[seen]) is PHASE_OF[seen]:
        return seen
    return before
