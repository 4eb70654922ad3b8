"""A message about a payment keeps which picture it shows, so that a picture that is missing there can follow.

Of the messages of before nobody knows it: those of open links are edited once more, as they stand.
"""

import sqlalchemy as sa
from alembic import op

from ledger.storage.schema import PlainText

revision = "bot_0010"
down_revision = "bot_0009"


def upgrade() -> None:
    """Add the column."""
    op.add_column(
        "payment_messages", sa.Column("picture", PlainText, nullable=False, server_default=sa.text("''"))
    )
