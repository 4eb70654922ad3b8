"""The keys by which a platform calls the API: made once, kept as digests, each for one wallet and some scopes."""

import hashlib
import secrets
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, insert, select

from bot.rights import OPERATOR
from bot.tables import keys
from ledger import Ledger, Tx, new_id

SCOPES = ("usage", "authorize", "read")


def create_key(ledger: Ledger, wallet_id: UUID, *, name: str, scopes: Sequence[str] = SCOPES) -> str:
    """Make a platform key and give it, once: only its digest is kept."""
    key = f"rbk_{secrets.token_urlsafe(30)}"

    def save(tx: Tx) -> None:
        tx.connection.execute(
            insert(keys).values(
                wallet_id=wallet_id,
                key_id=new_id(),
                digest=digest_of(key),
                scopes=" ".join(scopes),
                name=name,
                created_at=tx.now,
            )
        )
        tx.book.audit(wallet_id, OPERATOR, "key_created", {}, {"name": name, "scopes": list(scopes)})

    ledger.run(save, wallet_id=wallet_id)
    return key


def digest_of(key: str) -> str:
    """Give what is kept of a key. It has 240 random bits, so a plain digest cannot be guessed back."""
    return hashlib.sha256(key.encode()).hexdigest()


def key_wallet(connection: Connection, key: str) -> tuple[UUID, frozenset[str]] | None:
    """Find the wallet and scopes of a living key."""
    row = connection.execute(
        select(keys.c.wallet_id, keys.c.scopes)
        .where(keys.c.digest == digest_of(key), keys.c.revoked_at.is_(None))
        .execution_options(cross_shard=True)
    ).one_or_none()
    return (row.wallet_id, frozenset(row.scopes.split())) if row is not None else None
