"""How an automatic payment that failed stands, as its message shows it. Pure.

It follows from the rows of one instant (`recharge_phase` in `surfaces/figures.py`): the tries, the link that can be
paid instead, and what ended the recharge. The phase before plays no part.
"""

from enum import StrEnum


class RechargePhase(StrEnum):
    """How an automatic payment that failed stands."""

    RETRYING = "retrying"  # another try is planned
    TRYING = "trying"  # a try is on its way
    CONFIRM = "confirm"  # the bank wants the cardholder to confirm
    PAUSED = "paused"  # no try is left; automatic payments wait for a person
    RESUMED = "resumed"  # automatic payments are on again; this payment is not tried any more
    OFF = "turned_off"  # automatic payments were turned off
    STOPPED = "stopped"  # the operator, or the app's removal, stopped the last try
    PAID = "paid"  # a later try succeeded
    PAID_BY_LINK = "paid_by_link"
    CLOSED = "closed"  # other money closed the gap
    REPLACED = "replaced"  # a newer automatic payment took its place


OVER = frozenset(
    {RechargePhase.PAID, RechargePhase.PAID_BY_LINK, RechargePhase.CLOSED, RechargePhase.REPLACED}
)
"""Phases in which nothing is asked of anybody any more."""
AWAITED = frozenset(
    {
        RechargePhase.CONFIRM,
        RechargePhase.PAUSED,
        RechargePhase.RESUMED,
        RechargePhase.PAID,
        RechargePhase.PAID_BY_LINK,
        RechargePhase.CLOSED,
    }
)
"""Phases that people are notified of: an update in place notifies nobody."""
