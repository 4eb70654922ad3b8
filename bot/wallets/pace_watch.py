"""Looks for days that cost far more than usual, and tells of each once, while the day lasts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bot.notices import SpikeSeen
from bot.served import Served
from bot.wallets.named_values import remember_newer
from ledger import CREDITS, Ledger, Spike, Tx, WalletPolicy, WalletView, daily, local_day, spikes_of

SPIKE_TOLD = "spike:"
"""Begins the named value of a kind: the last day of which a spike was told."""
LOOK_BACK = timedelta(hours=1)
"""A day is judged for so long after its end: its last calls are posted when they end."""


class SpikeWatch:
    """Commits a notice for each kind that stands out on the present day of its wallet."""

    def __init__(self, ledger: Ledger, served: Served) -> None:
        self._ledger = ledger
        self._served = served

    def run_once(self, now: datetime) -> None:
        """Look at every wallet's day. Nobody is told while its time is in doubt."""
        with self._ledger.reading() as connection:
            living = self._ledger.believed(connection, self._served.living(connection))
            found = [
                one
                for one in living
                if _spikes(connection, *self._ledger.look(connection, one), self._ledger.now())
            ]
        for wallet_id in found:
            self._ledger.run(partial(_tell, wallet_id=wallet_id), wallet_id=wallet_id)


def _tell(tx: Tx, *, wallet_id: UUID) -> None:
    policy, _ = tx.book.policy(wallet_id)
    for spike in _spikes(tx.connection, tx.book.view(wallet_id), policy, tx.now):
        if remember_newer(tx, wallet_id, f"{SPIKE_TOLD}{spike.kind}", spike.day):
            tx.outbox.add(wallet_id, SpikeSeen(spike.day, spike.kind))


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
