"""An alarm's message keeps which line in its thread still shows buttons: they are taken off when things are otherwise.

Of the lines of before nobody knows it: their buttons stay.
"""

import sqlalchemy as sa
from alembic import op

from ledger.storage.schema import PlainText

revision = "bot_0012"
down_revision = "bot_0011"


def upgrade() -> None:
    """Add the column."""
    op.add_column(
        "alert_messages", sa.Column("line_ts", PlainText, nullable=False, server_default=sa.text("''"))
    )
