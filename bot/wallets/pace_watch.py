"""Looks at the pace of spending after money moved: the alert lines follow it, and a day may cost far more than usual.

Of such a day each kind is told once, while the day lasts.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bot.due_work import DueWork
from bot.notices import SpikeSeen
from bot.served import Served
from bot.wallets.named_values import remember_newer
from ledger import CREDITS, DueKind, Ledger, Spike, Tx, WalletPolicy, WalletView, daily, local_day, spikes_of

SPIKE_TOLD = "spike:"
"""Begins the named value of a kind: the last day of which a spike was told."""
LOOK_BACK = timedelta(hours=1)
"""A day is judged for so long after its end: its last calls are posted when they end."""


class PaceWatch:
    """Follows the pace of wallets in which money moved: draws the alert lines, and tells of days that stand out."""

    def __init__(self, ledger: Ledger, served: Served) -> None:
        self._due = DueWork(ledger, served)

    def run_once(self, now: datetime) -> None:
        """Look at the wallets in which money moved. Nobody is told while a wallet's time is in doubt."""
        self._due.each_in_one(DueKind.PACE, _follow)


def _follow(tx: Tx, wallet_id: UUID) -> None:
    """Tell of each kind that stands out on the present day, and let the alert lines follow the pace."""
    policy, _ = tx.book.policy(wallet_id)
    for spike in _spikes(tx.connection, tx.book.view(wallet_id), policy, tx.now):
        if remember_newer(tx, wallet_id, f"{SPIKE_TOLD}{spike.kind}", spike.day):
            tx.outbox.add(wallet_id, SpikeSeen(spike.day, spike.kind))
    tx.book.follow_pace(wallet_id)


def _spikes(connection: Connection, view: WalletView, policy: WalletPolicy, now: datetime) -> Sequence[Spike]:
    """Give the spikes of the present day, and before them those of the last one while it has just ended."""
    zone = ZoneInfo(view.zone)
    first, last = (local_day(at, zone).isoformat() for at in (now - LOOK_BACK, now))
    costs = daily(connection, view.wallet_id, first, last)
    # Most days cost too little: only the others are held against the weeks before.
    if not any(
        kind not in CREDITS and -one.amount_micros >= policy.spike_min_micros
        for kinds in costs.values()
        for kind, one in kinds.items()
    ):
        return []
    return spikes_of(connection, view.wallet_id, first, last, policy.spike_min_micros)
