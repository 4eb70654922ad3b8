"""What a batch lets fall due: the schedule is touched only where an instant moves earlier, or has passed. Pure.

What is scheduled stands in the wallet's row too, so a common posting needs no further statement to know it.
"""

from datetime import datetime

from ledger.deciding.batch import Draft
from ledger.due_work import DueKind
from ledger.instants import to_stamp
from ledger.notices import Level, RechargeWanted


def falls_due(draft: Draft) -> dict[DueKind, datetime | None]:
    """Give what is scheduled anew, None for what is not due any more; the draft's wallet knows it from now on."""
    wallet, stamp = draft.wallet, draft.stamp
    due: dict[DueKind, datetime | None] = {}
    at, known = wallet.changes_at(), wallet.time_due_at
    wanted = None if at is None else to_stamp(at)
    if wanted != known and (known is None or known <= stamp or (wanted is not None and wanted < known)):
        due[DueKind.TIME], wallet.time_due_at = at, wanted
    if draft.transfers and (wallet.pace_due_at is None or wallet.pace_due_at > stamp):
        due[DueKind.PACE], wallet.pace_due_at = draft.now, stamp
    if draft.notices:
        if any(isinstance(one, RechargeWanted) for one in draft.notices):
            due[DueKind.RECHARGE] = draft.now
        if any(level is Level.ZERO for _, level in draft.episodes):
            due[DueKind.STOPPED] = draft.now
    return due
