"""Disputes and fraud warnings, so that each is told once and a closed one does not open again; and what a
reconciliation found, with its age.

The tables are written out as they were on this day, never taken from the code of a later one.
"""

import sqlalchemy as sa
from alembic import op

from ledger.storage.migrations.placing import place
from ledger.storage.schema import NAMING, BigInt, PlainText, UtcInstant, UuidText

revision = "bot_0002"
down_revision = "bot_0001"


def upgrade() -> None:
    """Make the tables."""
    metadata = sa.MetaData(naming_convention=NAMING)
    sa.Table(
        "disputes",
        metadata,
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("dispute_id", PlainText, primary_key=True, nullable=False),
        sa.Column("payment_id", UuidText, nullable=False),
        sa.Column("status", PlainText, nullable=False),
        sa.Column("reason", PlainText, nullable=False, server_default=sa.text("''")),
        sa.Column("amount_micros", BigInt, nullable=False),
        sa.Column("currency", PlainText, nullable=False),
        sa.Column("due_at", UtcInstant, nullable=True),
        sa.Column("opened_at", UtcInstant, nullable=False),
        sa.Column("changed_at", UtcInstant, nullable=False),
        sqlite_strict=True,
    )
    sa.Table(
        "breaks",
        metadata,
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("key", PlainText, primary_key=True, nullable=False),
        sa.Column("words", PlainText, nullable=False),
        sa.Column("found_at", UtcInstant, nullable=False),
        sa.Column("seen_at", UtcInstant, nullable=False),
        sa.Column("ended_at", UtcInstant, nullable=True),
        sqlite_strict=True,
    )
    metadata.create_all(op.get_bind())
    place(op.get_bind(), *metadata.tables)
