"""What is remembered of charges, held against the transfers, and of stops that are over. Only reads."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import BigInteger, Connection, func, or_, select, type_coerce

from ledger.audit.chain_walk import Problem, charged_twice
from ledger.chart import Account
from ledger.commands import PLATFORM
from ledger.standing import Scope
from ledger.storage.schema import charges, holds, stops, transfers

_BY_NUMBER = (transfers.c.wallet_id == charges.c.wallet_id) & (transfers.c.seq == charges.c.seq)
_OWN_ID = (transfers.c.source == PLATFORM) & (transfers.c.source_id == charges.c.hold_id)


def misfit_charges(connection: Connection, wallet_id: UUID) -> Iterator[Problem]:
    """Find the first charge whose transfer is not there, is no usage, or costs another hold.

    A further id of what was charged is never one that the transfer itself names.
    """
    t, c = transfers.c, charges.c
    charges_it = or_(func.coalesce(t.hold_id, "") == c.hold_id, _OWN_ID)
    row = connection.execute(
        select(c.hold_id, c.seq)
        .join(transfers, _BY_NUMBER, isouter=True)
        .where(
            c.wallet_id == wallet_id,
            or_(t.seq.is_(None), t.credit != Account.USAGE.value, (c.alias == 0) != charges_it),
        )
        .order_by(c.seq, c.hold_id)
        .limit(1)
    ).one_or_none()
    if row is not None:
        yield Problem("charge", f"{row.hold_id} is remembered as charged by it, and was not", row.seq)


def charged_under_own_id(connection: Connection, wallet_id: UUID) -> Iterator[Problem]:
    """Find usage with the id of a hold that another transfer had charged, from a time when that could happen."""
    rows = connection.execute(
        select(charges.c.hold_id, charges.c.seq.label("first"), transfers.c.seq)
        .join(transfers, (transfers.c.wallet_id == charges.c.wallet_id) & _OWN_ID)
        .where(
            charges.c.wallet_id == wallet_id,
            transfers.c.seq > charges.c.seq,
            transfers.c.hold_id.is_(None),
        )
        .order_by(transfers.c.seq)
    )
    for row in rows:
        yield charged_twice(row.seq, row.hold_id, row.first)


def holds_used_unlike(connection: Connection, wallet_id: UUID, said: int) -> Iterator[str]:
    """Say where a wallet is wrong about whether an id may be a hold's: then a look-up would be left out.

    Holds that were refused long ago may be cleared, so that they were used says nothing of what is there.
    """
    used = connection.execute(
        select(
            select(holds.c.hold_id).where(holds.c.wallet_id == wallet_id).exists()
            | select(charges.c.hold_id).where(charges.c.wallet_id == wallet_id).exists()
        )
    ).scalar_one()
    if said not in (int(used), 1):
        yield f"holds were used: cached {said}, derived {int(used)}"


def misfit_stops(connection: Connection, wallet_id: UUID, stopped_until: int | None) -> Iterator[str]:
    """Say what is wrong with the stops of a wallet, or with the end that it remembers of the last one."""
    mine = stops.c.wallet_id == wallet_id
    none = or_(stops.c.scope.not_in([one.value for one in Scope]), stops.c.began_at >= stops.c.ended_at)
    if connection.execute(select(stops.c.scope).where(mine, none)).first() is not None:
        yield "one of them stops nothing, or ended before it began"
    last = connection.execute(
        select(type_coerce(func.max(stops.c.ended_at), BigInteger)).where(mine)
    ).scalar_one()
    if stopped_until != last:
        yield f"the last one ended at {last}, the wallet says {stopped_until}"
