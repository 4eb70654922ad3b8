"""Taking the present as true: the clock, the books of each wallet that is ahead of it, and the bot's own rows.

The bot's rows are brought back so that nothing waits for a future that a wrong clock had reached: what was done counts
as done now, what is due is due now, and what lapses lasts as long as it would have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Table, update

from bot.tables import NIL_WALLET, disputes, metadata, one_time_actions, payments
from bot.wallets.clock_watch import remember_clock
from ledger import FutureRows, JudgedClock, Ledger, Tx, accept_present
from ledger.storage.schema import UtcInstant

_DEADLINES = {
    payments.c.expires_at,
    payments.c.next_try_at,
    one_time_actions.c.expires_at,
    disputes.c.due_at,  # the bank's
}
"""What lies in the future rightly."""
_NEXT_TRY_MAX = timedelta(days=7)
"""No declined charge waits longer for its next try."""


@dataclass(frozen=True, slots=True)
class FutureOf:
    """What of a wallet was recorded after the present that was accepted."""

    found: FutureRows

    def __str__(self) -> str:
        numbers = self.found.numbers
        if not numbers:
            which = "no transaction"
        elif len(numbers) == 1:
            which = f"transaction {numbers[0]}"
        else:
            which = f"transactions {numbers[0]} to {numbers[-1]}"
        return (
            f"Wallet {self.found.wallet_id} was last changed in the future, at {self.found.touched_at.isoformat()}; "
            f"recorded there: {which}. It goes on from now. `redbar verify` names this as a note."
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """The instant that was taken as the present, and what was recorded after it."""

    now: datetime
    rows: Sequence[FutureOf]


def accept_now(ledger: Ledger, wallet_ids: Sequence[UUID], *, actor: str) -> Accepted:
    """Take the present time as true, for the clock and for some wallets."""
    if isinstance(ledger.clock, JudgedClock):
        ledger.clock.accept()
    found = [
        ledger.run(partial(_bring_back, wallet_id=wallet_id, actor=actor), wallet_id=wallet_id)
        for wallet_id in wallet_ids
    ]
    ledger.run(partial(_bring_rows_back, wallet_id=NIL_WALLET), wallet_id=None)
    remember_clock(ledger)
    return Accepted(ledger.now(), [FutureOf(one) for one in found if one is not None])


def _bring_back(tx: Tx, *, wallet_id: UUID, actor: str) -> FutureRows | None:
    rows = accept_present(tx.connection, wallet_id, tx.now, actor=actor)
    _bring_rows_back(tx, wallet_id=wallet_id)
    return rows


def _bring_rows_back(tx: Tx, *, wallet_id: UUID) -> None:
    for row in tx.connection.execute(
        payments.select().where(payments.c.wallet_id == wallet_id, payments.c.created_at > tx.now)
    ).all():
        if row.expires_at is not None:
            mine = (payments.c.wallet_id == wallet_id) & (payments.c.payment_id == row.payment_id)
            lasts = tx.now + (row.expires_at - row.created_at)
            tx.connection.execute(update(payments).where(mine).values(expires_at=lasts))
    for row in tx.connection.execute(
        one_time_actions.select().where(
            one_time_actions.c.wallet_id == wallet_id, one_time_actions.c.created_at > tx.now
        )
    ).all():
        mine = (one_time_actions.c.wallet_id == wallet_id) & (
            one_time_actions.c.one_time_action_id == row.one_time_action_id
        )
        lasts = tx.now + (row.expires_at - row.created_at)
        tx.connection.execute(update(one_time_actions).where(mine).values(expires_at=lasts))
    tx.connection.execute(
        update(payments)
        .where(payments.c.wallet_id == wallet_id, payments.c.next_try_at > tx.now + _NEXT_TRY_MAX)
        .values(next_try_at=tx.now)
    )
    for table in metadata.sorted_tables:
        _bring_table_back(tx, table, wallet_id)


def _bring_table_back(tx: Tx, table: Table, wallet_id: UUID) -> None:
    if "wallet_id" not in table.c:
        return
    for column in table.c:
        if isinstance(column.type, UtcInstant) and column not in _DEADLINES:
            tx.connection.execute(
                update(table).where(table.c.wallet_id == wallet_id, column > tx.now).values({column: tx.now})
            )
