"""A message about a payment keeps what its reader was last notified of; a failed charge's is found by its recharge.

Until now the message about an automatic payment that failed was kept under the link that can be paid instead. It moves
to the id of the recharge, which is its first try's. What ended a recharge is a named value from now on: those that are
over get an empty one, so that no credit of later is said to have ended them.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from ledger.storage.schema import PlainText, UtcInstant, UuidText

revision = "bot_0009"
down_revision = "bot_0008"

_PAYMENTS = sa.table(
    "payments",
    sa.column("wallet_id", UuidText),
    sa.column("payment_id", UuidText),
    sa.column("recharge_id", sa.Text),
    sa.column("purpose", sa.Text),
    sa.column("state", sa.Text),
    sa.column("created_at", UtcInstant),
    sa.column("next_try_at", UtcInstant),
)
_MESSAGES = sa.table(
    "payment_messages",
    sa.column("wallet_id", UuidText),
    sa.column("payment_id", UuidText),
    sa.column("user_id", sa.Text),
)
_VALUES = sa.table(
    "named_values",
    sa.column("wallet_id", UuidText),
    sa.column("name", sa.Text),
    sa.column("value", sa.Text),
    sa.column("at", UtcInstant),
)


def upgrade() -> None:
    """Add the column, move the messages, and end what is over."""
    op.add_column(
        "payment_messages", sa.Column("said", PlainText, nullable=False, server_default=sa.text("''"))
    )
    connection = op.get_bind()
    for wallet_id, recharge_id, rows in _recharges(connection):
        for link in (one for one in rows if one.purpose == "ask"):
            _move(connection, wallet_id, link.payment_id, UUID(recharge_id))
        if not any(_is_open(one) for one in rows):
            _end(connection, wallet_id, recharge_id, rows[-1].created_at)


def _recharges(connection: sa.Connection) -> list[tuple[UUID, str, list[Any]]]:
    """Give the payments of each recharge, oldest first."""
    found: dict[tuple[UUID, str], list[Any]] = {}
    rows = connection.execute(sa.select(_PAYMENTS).order_by(_PAYMENTS.c.created_at)).all()
    of_recharge = {(one.wallet_id, one.recharge_id) for one in rows if one.purpose == "recharge"}
    for row in rows:
        key = (row.wallet_id, row.recharge_id)
        if key in of_recharge:
            found.setdefault(key, []).append(row)
    return [(*key, rows) for key, rows in found.items()]


def _move(connection: sa.Connection, wallet_id: UUID, link_id: UUID, recharge_id: UUID) -> None:
    c = _MESSAGES.c
    there = connection.execute(
        sa.select(c.user_id).where(c.wallet_id == wallet_id, c.payment_id == recharge_id)
    )
    mine = (c.wallet_id == wallet_id) & (c.payment_id == link_id) & c.user_id.not_in(list(there.scalars()))
    connection.execute(sa.update(_MESSAGES).where(mine).values(payment_id=recharge_id))


def _is_open(row: Any) -> bool:
    return row.next_try_at is not None or row.state in ("asked", "offered", "collecting", "waiting")


def _end(connection: sa.Connection, wallet_id: UUID, recharge_id: str, at: datetime) -> None:
    values = {"wallet_id": wallet_id, "name": f"recharge_ended:{recharge_id}", "value": "", "at": at}
    connection.execute(sa.insert(_VALUES).values(**values))
