"""Heads of the chains, to be kept where the database's owner cannot reach: against them a rewritten history shows.

A chain proves that nothing was changed inside it. Whoever can write everything can also write a new chain, whole in
itself; only what was kept elsewhere gives that away.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from sqlalchemy import Connection, select

from ledger.audit.verification import Audit, Finding
from ledger.storage.schema import transfers, wallets


class CheckpointUnreadable(Exception):
    """What was given is not a checkpoint; the message says so."""


class Head(msgspec.Struct, frozen=True):
    """The end of one wallet's chain: SHA-256 in hexadecimal; all zeros before the first transfer."""

    wallet_id: UUID
    seq: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    recorded_at: datetime


class Checkpoint(msgspec.Struct, frozen=True):
    """The ends of all chains at one moment."""

    made_at: datetime
    heads: list[Head]

    def to_json(self) -> bytes:
        """Write it down."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def checkpoint_of(audits: Iterable[Audit], made_at: datetime) -> Checkpoint:
    """Make a checkpoint of wallets that were found whole."""
    return Checkpoint(
        made_at, [Head(one.wallet_id, one.seq, one.head.hex(), one.recorded_at) for one in audits]
    )


def read_checkpoint(text: bytes) -> Checkpoint:
    """Read a checkpoint back. Raises: CheckpointUnreadable."""
    try:
        return msgspec.json.decode(text, type=Checkpoint)
    except msgspec.DecodeError:
        raise CheckpointUnreadable("That is not a checkpoint that `redbar verify --keep` wrote.") from None


def compare(
    connection: Connection, checkpoint: Checkpoint, wallet_id: UUID | None = None
) -> Iterator[Finding]:
    """Find the wallets, or the one, whose history is no longer the one that the checkpoint saw."""
    for head in checkpoint.heads:
        if wallet_id not in (None, head.wallet_id):
            continue
        mine = wallets.c.wallet_id == head.wallet_id
        if connection.execute(select(wallets.c.seq).where(mine)).one_or_none() is None:
            yield Finding(head.wallet_id, "checkpoint", None, "the wallet is gone")
            continue
        if head.seq == 0:
            continue
        found = connection.execute(
            select(transfers.c.hash).where(
                transfers.c.wallet_id == head.wallet_id, transfers.c.seq == head.seq
            )
        ).scalar_one_or_none()
        if found is None:
            words = f"the history ended with this on {checkpoint.made_at:%Y-%m-%d}; it is gone"
            yield Finding(head.wallet_id, "checkpoint", head.seq, words)
        elif found.hex() != head.hash:
            words = f"the history up to here is not the one of {checkpoint.made_at:%Y-%m-%d}"
            yield Finding(head.wallet_id, "checkpoint", head.seq, words)
