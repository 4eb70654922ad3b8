"""Erasing what people wrote: references and descriptions go, the money and its proof stay.

The chain covers each text as a salted digest. With the salt gone too, the digest says nothing of what it was made of,
and `verify` still passes. The database's files keep the bytes until `overwrite_erased`.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_, update

from ledger.storage.accepted_times import first_number_from
from ledger.storage.schema import holds, texts, transfers
from ledger.storage.store import Store
from ledger.writing.writer import Tx


def erase_reference(tx: Tx, wallet_id: UUID, reference: str, *, actor: str) -> int:
    """Erase the texts of all transfers and ended holds with a reference; gives how many transfers lost theirs."""
    assert reference, "transfers without a reference have nothing in common"
    which = texts.c.reference == reference
    return _erase(tx, wallet_id, which, holds.c.reference == reference, actor=actor, why="reference")


def erase_numbers(tx: Tx, wallet_id: UUID, seqs: list[int], *, actor: str) -> int:
    """Erase the texts of some transfers, and of the holds that they captured; gives how many transfers had one."""
    theirs = select(transfers.c.hold_id, transfers.c.recorded_at).where(
        transfers.c.wallet_id == wallet_id, transfers.c.seq.in_(seqs), transfers.c.hold_id.is_not(None)
    )
    captured = tuple_(holds.c.hold_id, holds.c.ended_at).in_(theirs)
    return _erase(tx, wallet_id, texts.c.seq.in_(seqs), captured, actor=actor, why="numbers")


def erase_before(tx: Tx, wallet_id: UUID, instant: datetime, *, actor: str) -> int:
    """Erase the texts of what was recorded before an instant; gives how many transfers had one."""
    which = texts.c.seq < first_number_from(tx.connection, wallet_id, instant)
    # By its end, as its capture: a capture that comes again is compared with the hold's reference.
    return _erase(tx, wallet_id, which, holds.c.ended_at < instant, actor=actor, why="age")


def overwrite_erased(store: Store) -> bool:
    """Write the database's files anew without what was erased; gives False when readers kept some of it in the log.

    Needs as much room as the texts take (in SQLite, the whole file) and keeps all writers waiting. Files that were
    copied before, and a server's archived log, are out of reach.
    """
    # Measured: what is merely overwritten on erasing lives on where pages were split while it was written.
    with store.migrating() as connection:
        driver: Any = connection.connection.driver_connection
        if connection.dialect.name == "sqlite":
            driver.execute("VACUUM")
            # The log goes last: all that was erased stands in it.
            (blocked, _, _) = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not blocked
        driver.autocommit = True
        try:
            for table in (texts, holds):
                driver.execute(f"VACUUM (FULL) {table.name}")
        finally:
            driver.autocommit = False
    return True


def _erase(
    tx: Tx,
    wallet_id: UUID,
    which: ColumnElement[bool],
    which_holds: ColumnElement[bool],
    *,
    actor: str,
    why: str,
) -> int:
    erased = tx.connection.execute(
        update(texts)
        .where(texts.c.wallet_id == wallet_id, which, texts.c.salt != b"")
        .values(salt=b"", reference="", description="")
    ).rowcount
    tx.connection.execute(
        update(holds)
        .where(holds.c.wallet_id == wallet_id, holds.c.state != "open", which_holds)
        .values(reference="")
    )
    # What was erased must not live on in the note that it was.
    tx.book.audit(wallet_id, actor, "erase", None, {"why": why, "transfers": erased})
    return int(erased)
