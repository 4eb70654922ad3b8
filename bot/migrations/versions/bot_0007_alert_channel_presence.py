"""Whether Redbar is in each alert channel, as far as Slack said, and when Slack was last asked.

The constraints are written out as they were on this day, never taken from the code of a later one.
"""

from alembic import op

revision = "bot_0007"
down_revision = "bot_0006"

_CHECKS = {
    "presence_known": "presence IN ('unknown', 'present', 'not_in_channel', 'is_archived', 'channel_not_found', "
    "'refused')",
    "presence_dated": "(presence IN ('unknown')) = (presence_since IS NULL)",
}


def upgrade() -> None:
    """Add the columns: of the channels of before nothing is known yet."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    instant = "INTEGER" if is_sqlite else "BIGINT"
    checks = [
        f"CONSTRAINT ck_alert_channels_{name} CHECK ({condition})" for name, condition in _CHECKS.items()
    ]
    # SQLite adds a constraint with a column alone, and Citus one alone without a column.
    beside = " ".join(checks) if is_sqlite else ""
    for column in (
        "presence TEXT NOT NULL DEFAULT 'unknown'",
        f"looked_at {instant}",
        f"presence_since {instant} {beside}",
    ):
        op.execute(f"ALTER TABLE alert_channels ADD COLUMN {column}")
    if not is_sqlite:
        for check in checks:
            op.execute(f"ALTER TABLE alert_channels ADD {check}")
