"""Disputes and fraud warnings, so that each is told once and a closed one does not open again.

The table is written out as it was on this day, never taken from the code of a later one.
"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations.placing import place
from ledger.tables import NAMING, BigInt, PlainText, UtcInstant, UuidText

revision = "bot_0002"
down_revision = "bot_0001"


def upgrade() -> None:
    """Make the table."""
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
    metadata.create_all(op.get_bind())
    place(op.get_bind(), *metadata.tables)
