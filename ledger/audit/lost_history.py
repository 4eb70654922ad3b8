"""What would be lost if other books took the place of these: the transfers that the others do not have.

Two books of one wallet share a beginning. A transfer's hash covers all before it, so where the hashes of one number
are equal, everything up to it is equal too, and the end of the shared part is found by halving.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select

from ledger.storage.schema import transfers, wallets

Knows = Callable[[UUID, int, bytes], bool]
"""Whether the other books have a wallet's transfer of this number with this hash."""


@dataclass(frozen=True, slots=True)
class LostHistory:
    """Transfers that only these books have, and the span in which they were recorded."""

    transfers: int
    since: datetime
    until: datetime


def history_lost_to(books: Connection, knows: Knows) -> LostHistory | None:
    """Give what the other books lack of these; None when they have all of it."""
    count = 0
    instants: list[datetime] = []
    used = select(wallets.c.wallet_id, wallets.c.seq).where(wallets.c.seq > 0)
    for wallet_id, seq in books.execute(used.execution_options(cross_shard=True)).all():
        shared = _shared(books, wallet_id, seq, knows)
        if shared == seq:
            continue
        count += seq - shared
        mine = select(transfers.c.recorded_at).where(transfers.c.wallet_id == wallet_id)
        instants += books.execute(mine.where(transfers.c.seq.in_((shared + 1, seq)))).scalars()
    return LostHistory(count, min(instants), max(instants)) if count else None


def _shared(books: Connection, wallet_id: UUID, seq: int, knows: Knows) -> int:
    """Give the number of the last transfer that both have; 0 when they share none."""
    hashes = select(transfers.c.hash).where(transfers.c.wallet_id == wallet_id)

    def known(number: int) -> bool:
        found = books.execute(hashes.where(transfers.c.seq == number)).scalar_one()
        return knows(wallet_id, number, found)

    if known(seq):
        return seq
    shared, unknown = 0, seq
    while unknown - shared > 1:
        middle = (shared + unknown) // 2
        if known(middle):
            shared = middle
        else:
            unknown = middle
    return shared
