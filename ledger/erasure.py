"""Erasing what people wrote: references and descriptions go, the money and its proof stay.

The chain covers each text as a salted digest. With the salt gone too, the digest says nothing of what it was made of,
and `verify` still passes.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, update

from ledger.reading import first_number_from
from ledger.tables import holds, texts
from ledger.writer import Tx


def erase_reference(tx: Tx, wallet_id: UUID, reference: str, *, actor: str) -> int:
    """Erase the texts of all transfers and ended holds with a reference; gives how many transfers lost theirs."""
    assert reference, "transfers without a reference have nothing in common"
    which = texts.c.reference == reference
    return _erase(tx, wallet_id, which, holds.c.reference == reference, actor=actor, why="reference")


def erase_numbers(tx: Tx, wallet_id: UUID, seqs: list[int], *, actor: str) -> int:
    """Erase the texts of some transfers; gives how many had one."""
    return _erase(tx, wallet_id, texts.c.seq.in_(seqs), None, actor=actor, why="numbers")


def erase_before(tx: Tx, wallet_id: UUID, instant: datetime, *, actor: str) -> int:
    """Erase the texts of what was recorded before an instant; gives how many transfers had one."""
    which = texts.c.seq < first_number_from(tx.connection, wallet_id, instant)
    return _erase(tx, wallet_id, which, holds.c.opened_at < instant, actor=actor, why="age")


def _erase(
    tx: Tx,
    wallet_id: UUID,
    which: ColumnElement[bool],
    which_holds: ColumnElement[bool] | None,
    *,
    actor: str,
    why: str,
) -> int:
    erased = tx.connection.execute(
        update(texts)
        .where(texts.c.wallet_id == wallet_id, which, texts.c.salt != b"")
        .values(salt=b"", reference="", description="")
    ).rowcount
    if which_holds is not None:
        tx.connection.execute(
            update(holds)
            .where(holds.c.wallet_id == wallet_id, holds.c.state != "open", which_holds)
            .values(reference="")
        )
    # What was erased must not live on in the note that it was.
    tx.book.audit(wallet_id, actor, "erase", None, {"why": why, "transfers": erased})
    return int(erased)
