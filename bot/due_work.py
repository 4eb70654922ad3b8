"""Does what is due, wallet by wallet: what one wallet's work runs into keeps no other wallet waiting.

A job asks the schedule what is due of a kind, so it costs what is due and not what there is. It looks only at wallets
of this process whose app is installed and whose time is not in doubt; the others' rows stay due.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from uuid import UUID

from bot.served import Served
from ledger import DueClaim, Ledger, Tx, due_wallets
from ledger.storage.schema import wallet_schedule

log = logging.getLogger("redbar.due")

PAGE = 1_000
"""Wallets that one look finds at most."""
AGAIN_AFTER = timedelta(minutes=1)
"""When work that failed is tried again."""
LEASE = timedelta(minutes=2)
"""How long a process may take for work that asks outside, before another process does it too."""


class BotDue(StrEnum):
    """What the bot schedules of a wallet beside the ledger's own kinds."""

    CHANNELS = "channels"
    """Slack is asked whether Redbar can post to the alert channels."""
    CARDS = "cards"
    """A saved card expires soon, and people are told."""
    HOUSEKEEPING = "housekeeping"
    """What ended long ago is cleared."""


@dataclass(frozen=True, slots=True)
class DueWork:
    """What is due of the wallets that this process serves."""

    ledger: Ledger
    served: Served

    def wallets(self, kind: str) -> Iterator[UUID]:
        """Give the wallets in which work of a kind is due, until none is; each of them once."""
        seen: set[UUID] = set()
        among = self.served.where_living(wallet_schedule.c.wallet_id)
        while self.ledger.doubt is None:
            with self.ledger.reading() as connection:
                found = due_wallets(connection, kind, self.ledger.now(), limit=PAGE, among=among)
            fresh = [one for one in found if one not in seen]
            if not fresh:
                return
            seen.update(fresh)
            yield from fresh
            if len(found) < PAGE:
                return

    def each(self, kind: str, work: Callable[[UUID], object]) -> None:
        """Do the due work of a kind in each wallet; what fails is logged, and tried again after a while."""
        for wallet_id in self.wallets(kind):
            try:
                work(wallet_id)
            except Exception:  # whatever one wallet runs into, the next one goes on
                log.exception("%s of wallet %s failed", kind, wallet_id)
                again = partial(_again, wallet_id=wallet_id, kind=kind)
                self.ledger.run(again, wallet_id=wallet_id)

    def each_in_one(self, kind: str, work: Callable[[Tx, UUID], object]) -> None:
        """The same for work of one transaction, which schedules the next look: of several processes one does it."""

        def run(tx: Tx, wallet_id: UUID) -> None:
            if tx.schedule.is_due(wallet_id, kind):
                work(tx, wallet_id)

        self.each(
            kind, lambda wallet_id: self.ledger.run(partial(run, wallet_id=wallet_id), wallet_id=wallet_id)
        )

    def claim(self, wallet_id: UUID, kind: str) -> DueClaim | None:
        """Take due work that asks outside; None where another process was faster."""
        return self.ledger.run(
            lambda tx: tx.schedule.claim(wallet_id, kind, lease=LEASE), wallet_id=wallet_id
        )


def _again(tx: Tx, *, wallet_id: UUID, kind: str) -> None:
    tx.schedule.set(wallet_id, kind, tx.now + AGAIN_AFTER)
