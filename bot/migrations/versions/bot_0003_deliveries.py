"""Who could not be told of a notice yet, or never will be: each recipient of a notice is tried alone.

The table is written out as it was on this day, never taken from the code of a later one.
"""

import sqlalchemy as sa
from alembic import op

from ledger.storage.migrations.placing import place
from ledger.storage.schema import NAMING, PlainText, UtcInstant, UuidText

revision = "bot_0003"
down_revision = "bot_0002"


def upgrade() -> None:
    """Make the table."""
    metadata = sa.MetaData(naming_convention=NAMING)
    sa.Table(
        "deliveries",
        metadata,
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("delivery_id", UuidText, primary_key=True),
        sa.Column("notice_id", UuidText, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("recipient", PlainText, nullable=False),
        sa.Column("state", PlainText, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due_at", UtcInstant, nullable=False),
        sa.Column("changed_at", UtcInstant, nullable=False),
        sa.Column("error", PlainText, nullable=False, server_default=sa.text("''")),
        sa.CheckConstraint("state IN ('waiting', 'told', 'aside')", name="state_known"),
        sa.Index("uq_deliveries_recipient", "wallet_id", "notice_id", "recipient", unique=True),
        sa.Index("ix_deliveries_due", "wallet_id", "state", "recipient", "seq"),
        sqlite_strict=True,
    )
    metadata.create_all(op.get_bind())
    place(op.get_bind(), *metadata.tables)
