"""What falls due in a wallet, by time or by a change of money, and when it is looked at again. Pure.

A schedule only says when somebody looks. What is decided at the look follows from the books, so a look that is late, or
happens twice, delays news and charges and changes no answer (I14).
"""

from datetime import datetime, timedelta
from enum import StrEnum

from ledger.spending import BURN_WEEKS


class DueKind(StrEnum):
    """What the ledger schedules of a wallet. The program around it adds kinds of its own."""

    TIME = "time"
    """Time alone changes the wallet: a hold expires, grace ends, an alarm falls."""
    PACE = "pace"
    """Money moved: the alert lines are drawn anew, and the day may cost far more than usual."""
    RECHARGE = "recharge"
    """Available money is below the rule's threshold."""
    STOPPED = "stopped"
    """Things have stopped, and perhaps nobody answers the alarm."""
    MORNING = "morning"
    """People want to hear in the morning that the money ends soon."""


DRAW_EVERY = timedelta(hours=1)
"""The alert lines of a wallet are drawn at most so often."""
QUIET_MAX = timedelta(days=1)
"""The longest time between two looks at the pace of a wallet that spends nothing."""
PACE_ENDS = timedelta(weeks=BURN_WEEKS, days=1)
"""So long after the last transfer the pace knows of no spending, whatever its hours are rounded to."""


def next_pace_look(now: datetime, drawn_at: datetime, moved_at: datetime | None) -> datetime | None:
    """Give when the pace is looked at again if no money moves; None where there is none left.

    The pace goes on changing with the hour of the week. The longer nothing moves, the rarer the looks.
    """
    if moved_at is None or now - moved_at >= PACE_ENDS:
        return None
    return max(drawn_at + DRAW_EVERY, now + min(now - moved_at, QUIET_MAX))
