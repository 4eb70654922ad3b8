"""Whether Stripe accepts our key: kept from the first refusal to the first answer, and told once each way.

A key that was revoked, or changed in one place only, looks like an outage to every flow, and is waited for like one;
but no minute of waiting ends it, so people are told whose turn it is.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, select

from bot.flows.marks import drop_mark, mark_of, mark_once
from bot.flows.notices import KeyAccepted, KeyRefused
from bot.ports import Denied, Ok
from bot.tables import cursors, workspaces
from ledger import Ledger, Tx

_NAME = "key_refused"


def key_refused_at(connection: Connection, wallet_id: UUID) -> datetime | None:
    """Say since when Stripe does not accept our key; None while it does."""
    mark = mark_of(connection, wallet_id, _NAME)
    return mark.at if mark is not None else None


def key_is_refused(connection: Connection) -> bool:
    """Say whether any wallet's people were told that Stripe does not accept our key."""
    return bool(_told(connection))


def note_access(ledger: Ledger, answer: object) -> None:
    """Learn from an answer of Stripe's whether our key is accepted; a missing right alone says nothing of the key."""
    if isinstance(answer, Denied) and answer.whole:
        with ledger.reading() as connection:
            ids = connection.execute(select(workspaces.c.wallet_id)).scalars().all()
        for wallet_id in ids:
            ledger.run(partial(_refused, wallet_id=wallet_id), wallet_id=wallet_id)
    elif isinstance(answer, Ok):
        with ledger.reading() as connection:
            told = _told(connection)
        for wallet_id in told:
            ledger.run(partial(_accepted, wallet_id=wallet_id), wallet_id=wallet_id)


def _told(connection: Connection) -> Sequence[UUID]:
    wanted = select(cursors.c.wallet_id).where(cursors.c.name == _NAME)
    return connection.execute(wanted.execution_options(cross_shard=True)).scalars().all()


def _refused(tx: Tx, *, wallet_id: UUID) -> None:
    if mark_once(tx, wallet_id, _NAME):
        tx.outbox.add(wallet_id, KeyRefused())


def _accepted(tx: Tx, *, wallet_id: UUID) -> None:
    if mark_of(tx.connection, wallet_id, _NAME) is not None:
        drop_mark(tx, wallet_id, _NAME)
        tx.outbox.add(wallet_id, KeyAccepted())
