"""Clears rows that ended and that nothing can ask for again. Transfers and charges are never cleared."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Select, delete, select, update

from ledger.storage.schema import charges, holds, notices, wallets


def clear_notices(
    connection: Connection, wallet_id: UUID, before: datetime, *, kept: Select[UUID], most: int
) -> int:
    """Delete notices that were handed out and committed before an instant, the oldest first; gives their number.

    `kept` gives the ids that somebody still reads. The wallet counts what is cleared, so that the audit can still hold
    the others against the number that was told.
    """
    mine = notices.c.wallet_id == wallet_id
    old = (notices.c.state == "done") & (notices.c.created_at < before) & notices.c.notice_id.not_in(kept)
    found = select(notices.c.notice_id).where(mine, old).order_by(notices.c.seq).limit(most)
    cleared = connection.execute(found).scalars().all()
    connection.execute(delete(notices).where(mine, notices.c.notice_id.in_(cleared)))
    counted = wallets.c.notices_cleared + len(cleared)
    connection.execute(
        update(wallets).where(wallets.c.wallet_id == wallet_id).values(notices_cleared=counted)
    )
    return len(cleared)


def clear_refused_holds(connection: Connection, wallet_id: UUID, before: datetime, *, most: int) -> int:
    """Delete holds that were refused before an instant and never charged; gives their number.

    Who asks with such an id again is judged anew. What was charged stays known, so it is charged once (I6).
    """
    mine = holds.c.wallet_id == wallet_id
    charged = select(charges.c.hold_id).where(
        charges.c.wallet_id == wallet_id, charges.c.hold_id == holds.c.hold_id
    )
    found = (
        select(holds.c.hold_id)
        .where(mine, holds.c.state == "refused", holds.c.ended_at < before, ~charged.exists())
        .order_by(holds.c.expires_at)
        .limit(most)
    )
    cleared = connection.execute(found).scalars().all()
    connection.execute(delete(holds).where(mine, holds.c.hold_id.in_(cleared)))
    return len(cleared)
