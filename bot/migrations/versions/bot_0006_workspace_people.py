"""Who owns the workspace and who has left it, stored, so that deliveries never ask Slack for it.

The tables are written out as they were on this day, never taken from the code of a later one.
"""

import sqlalchemy as sa
from alembic import op

from ledger.storage.migrations.placing import place
from ledger.storage.schema import NAMING, PlainText, UtcInstant, UuidText

revision = "bot_0006"
down_revision = "bot_0005"


def upgrade() -> None:
    """Make the tables. They begin empty: no listing has ended yet."""
    metadata = sa.MetaData(naming_convention=NAMING)
    sa.Table(
        "workspace_people",
        metadata,
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("user_id", PlainText, primary_key=True, nullable=False),
        sa.Column("role", PlainText, nullable=False),
        sa.Column("known_at", UtcInstant, nullable=False),
        sa.CheckConstraint("role IN ('owner', 'admin', 'member', 'outsider')", name="role_known"),
        sqlite_strict=True,
    )
    sa.Table(
        "people_listings",
        metadata,
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("cursor", PlainText, nullable=False, server_default=sa.text("''")),
        sa.Column("started_at", UtcInstant, nullable=False),
        sa.Column("listed_at", UtcInstant, nullable=True),
        sa.Column("due_at", UtcInstant, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sqlite_strict=True,
    )
    metadata.create_all(op.get_bind())
    place(op.get_bind(), *metadata.tables)
