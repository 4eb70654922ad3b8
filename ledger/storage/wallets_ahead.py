"""Wallets whose own last instant is ahead of the clock: their time is in doubt, and nothing is done by it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, bindparam, exists, literal, select

from ledger.storage.schema import wallets
from ledger.time_judgement import BACK_MAX


def not_ahead(wallet_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Give the condition that a wallet's own time is not ahead of the clock, for a query with a parameter `ahead`.

    It looks one wallet up by its key; `ahead_after` gives the parameter's value.
    """
    ahead = bindparam("ahead", type_=wallets.c.touched_at.type)
    return ~exists(
        select(literal(1)).where(wallets.c.wallet_id == wallet_id, wallets.c.touched_at > ahead)
    ).correlate_except(wallets)


def ahead_after(now: datetime) -> datetime:
    """Give the instant past which a wallet's own time is in doubt."""
    return now + BACK_MAX


_AHEAD = select(wallets.c.wallet_id, wallets.c.touched_at).where(wallets.c.touched_at > bindparam("after"))
_AHEAD_ONE = _AHEAD.where(wallets.c.wallet_id == bindparam("of_wallet"))
# Made once, since jobs ask them several times a second.


def ahead_of(
    connection: Connection, instant: datetime, wallet_ids: Sequence[UUID] | None = None
) -> dict[UUID, datetime]:
    """Give those wallets, of some or of all, whose last instant is after an instant, with that last instant."""
    if wallet_ids is not None and not wallet_ids:
        return {}
    after = {"after": instant}
    if wallet_ids is None:
        rows = connection.execute(_AHEAD, after, execution_options={"cross_shard": True})
    elif len(wallet_ids) == 1:  # also inside a write transaction, which looks at its own wallet alone
        rows = connection.execute(_AHEAD_ONE, {**after, "of_wallet": wallet_ids[0]})
    else:
        some = _AHEAD.where(wallets.c.wallet_id.in_(wallet_ids))
        rows = connection.execute(some, after, execution_options={"cross_shard": True})
    return {row.wallet_id: row.touched_at for row in rows}
