"""What a batch lets fall due: the schedule is touched only where an instant moves earlier, or has passed. Pure.

What is scheduled stands in the wallet's row too, so a common posting needs no further statement to know it.
"""

from datetime import datetime

from ledger.deciding.batch import Draft
from ledger.due_work import DueKind
from ledger.notices import Level, RechargeWanted


def falls_due(draft: Draft) -> dict[DueKind, datetime | None]:
    """Give what is scheduled anew, None for what is not due any more; the draft's wallet knows it from now on."""
    wallet, now = draft.wallet, draft.now
    due: dict[DueKind, datetime | None] = {}
    at, known = wallet.changes_at(), wallet.time_due_at
    if at != known and (known is None or known <= now or (at is not None and at < known)):
        due[DueKind.TIME] = wallet.time_due_at = at
    if draft.transfers and (wallet.pace_due_at is None or wallet.pace_due_at > now):
        due[DueKind.PACE] = wallet.pace_due_at = now
    if any(isinstance(one, RechargeWanted) for one in draft.notices):
        due[DueKind.RECHARGE] = now
    if any(level is Level.ZERO for _, level in draft.episodes):
        due[DueKind.STOPPED] = now
    return due
