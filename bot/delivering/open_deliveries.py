"""What waits to be told and what was set aside: for the operator, who may have one tried again, and for Home."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from bot.causes import in_short
from bot.delivering.deliveries import revive
from bot.served import Served
from bot.states.delivery import OWNERS, DeliveryState, Recipient, Subject
from bot.tables import deliveries
from ledger import Ledger, Tx, read_notice

SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class OpenDelivery:
    """One delivery that is not over."""

    delivery_id: UUID
    wallet_id: UUID
    notice: str
    """The name of the newest notice that it tells."""
    recipient: str
    state: str
    since: datetime
    """When that notice was committed."""
    due_at: datetime
    tries: int
    error: str
    """Why it was not told, as a code with what belongs to it; empty where nothing was tried."""


def open_deliveries(connection: Connection, wallet_id: UUID | None = None) -> Sequence[OpenDelivery]:
    """Give what waits and what was set aside, the oldest first, at most `SHOWN_MAX`; of one wallet or of all."""
    wanted = select(deliveries).where(deliveries.c.state != DeliveryState.TOLD)
    if wallet_id is not None:
        wanted = wanted.where(deliveries.c.wallet_id == wallet_id)
    rows = connection.execute(
        wanted.order_by(deliveries.c.changed_at, deliveries.c.delivery_id)
        .limit(SHOWN_MAX)
        .execution_options(cross_shard=True)
    )
    return [_open(connection, row) for row in rows.all()]


def _open(connection: Connection, row: Any) -> OpenDelivery:
    notice = read_notice(connection, row.wallet_id, row.notice_id)
    same = ("delivery_id", "wallet_id", "recipient", "state", "due_at", "tries")
    return OpenDelivery(
        **{name: getattr(row, name) for name in same},
        notice=notice.name,
        since=notice.created_at,
        error=in_short(row.error),
    )


def untold_since(connection: Connection, wallet_id: UUID) -> datetime | None:
    """Give since when something waits for the owners because nobody can be told; None where nothing does."""
    found = connection.execute(
        select(deliveries.c.notice_id).where(
            deliveries.c.wallet_id == wallet_id,
            deliveries.c.recipient == str(OWNERS),
            deliveries.c.state == DeliveryState.WAITING,
            deliveries.c.tries > 0,
        )
    ).scalars()
    return min((read_notice(connection, wallet_id, one).created_at for one in found), default=None)


def untold_wallets(connection: Connection, served: Served) -> Sequence[UUID]:
    """Give the served wallets of which something waits for the owners because nobody can be told."""
    waits = (deliveries.c.state == DeliveryState.WAITING) & (deliveries.c.recipient == str(OWNERS))
    found = (
        select(deliveries.c.wallet_id)
        .where(waits, deliveries.c.tries > 0, served.where_living(deliveries.c.wallet_id))
        .distinct()
        .order_by(deliveries.c.wallet_id)
    )
    return connection.execute(found.execution_options(cross_shard=True)).scalars().all()


def send_again(ledger: Ledger, wallet_ids: Sequence[UUID], delivery_id: UUID) -> bool:
    """Have a delivery that was set aside tried again at once; says whether there is one of that id."""
    return any(
        ledger.run(partial(_again, wallet_id=one, delivery_id=delivery_id), wallet_id=one)
        for one in wallet_ids
    )


def _again(tx: Tx, *, wallet_id: UUID, delivery_id: UUID) -> bool:
    row = tx.connection.execute(
        select(deliveries.c.subject, deliveries.c.recipient).where(
            deliveries.c.wallet_id == wallet_id, deliveries.c.delivery_id == delivery_id
        )
    ).one_or_none()
    if row is None:
        return False
    return revive(tx, wallet_id, Subject.read(row.subject), Recipient.of(row.recipient))
