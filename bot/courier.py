"""Carries committed notices to whoever should hear them: in order per wallet, at least once, or dead loudly.

A notice that cannot be delivered waits with a growing pause and holds back only later ones of its own wallet; after
`TRIES_MAX` tries it is set aside and logged, so that one poison notice cannot silence a wallet for ever.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from ledger import Ledger, Tx, Waiting, due_notices

log = logging.getLogger("redbar.courier")

LEASE = timedelta(minutes=2)
TRIES_MAX = 12
PAUSE_MAX = timedelta(minutes=15)

Deliver = Callable[[Waiting], None]


class Courier:
    """Claims notices, delivers them, backs off."""

    def __init__(self, ledger: Ledger, deliver: Deliver) -> None:
        self._ledger = ledger
        self._deliver = deliver

    def run_once(self, now: datetime) -> int:
        """Deliver what is due; gives how many notices were looked at."""
        with self._ledger.reading() as connection:
            due = due_notices(connection, self._ledger.now(), limit=50)
        for wallet_id, notice_id in due:
            take = partial(_take, wallet_id=wallet_id, notice_id=notice_id)
            waiting = self._ledger.run(take, wallet_id=wallet_id)
            if waiting is not None:
                self._one(waiting, now)
        return len(due)

    def _one(self, waiting: Waiting, now: datetime) -> None:
        try:
            self._deliver(waiting)
        except (
            Exception
        ) as problem:  # whatever delivery meets, the notice is kept and the next wallet goes on
            error = f"{type(problem).__name__}: {problem}"[:500]
            if waiting.attempts + 1 >= TRIES_MAX:
                log.error("notice %s of wallet %s is given up: %s", waiting.name, waiting.wallet_id, error)
                self._ledger.run(lambda tx: tx.outbox.dead(waiting, error), wallet_id=waiting.wallet_id)
                return
            log.warning("notice %s waits: %s", waiting.name, error, exc_info=True)
            pause = min(timedelta(seconds=2) * 2**waiting.attempts, PAUSE_MAX)
            self._ledger.run(
                lambda tx: tx.outbox.again(waiting, now + pause, error), wallet_id=waiting.wallet_id
            )
        else:
            self._ledger.run(lambda tx: tx.outbox.done(waiting), wallet_id=waiting.wallet_id)


def _take(tx: Tx, wallet_id: UUID, notice_id: UUID) -> Waiting | None:
    return tx.outbox.take(wallet_id, notice_id, lease=LEASE)
