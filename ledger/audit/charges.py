"""What is remembered of charges, held against the transfers. Only reads."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Connection, func, or_, select

from ledger.audit.chain_walk import Problem, charged_twice
from ledger.chart import Account
from ledger.commands import PLATFORM
from ledger.storage.schema import charges, transfers

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
