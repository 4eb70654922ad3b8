"""What is due is found by an index, and the ledger's schedule knows the bot's work: no job looks at every wallet.

Filled from the rows: channels, cards and what ended long ago are looked at soon, and each look schedules the next.
"""

import sqlalchemy as sa
from alembic import op

revision = "bot_0013"
down_revision = "bot_0012"

INDEXES = {
    "ix_workspaces_wallet": ("workspaces", ["wallet_id"]),
    "ix_people_listings_due": ("people_listings", ["due_at"]),
    "ix_payments_due": ("payments", ["state", "expires_at"]),
    "ix_stripe_requests_due": ("stripe_requests", ["state", "created_at"]),
    "ix_named_values_name": ("named_values", ["name"]),
    "ix_inbox_handled": ("inbox", ["wallet_id", "handled_at"]),
}


def upgrade() -> None:
    """Add the indexes, and schedule what there is."""
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)
    dead = sa.text("dead_at IS NOT NULL")
    op.create_index("ix_workspaces_dead", "workspaces", ["dead_at"], sqlite_where=dead, postgresql_where=dead)
    for kind, found in (
        ("channels", "SELECT DISTINCT wallet_id FROM alert_channels"),
        ("cards", "SELECT DISTINCT wallet_id FROM cards WHERE slot <> 'removed'"),
        ("housekeeping", "SELECT DISTINCT wallet_id FROM workspaces"),
    ):
        op.execute(
            "INSERT INTO wallet_schedule (wallet_id, kind, due_at, lease_until, token) "  # noqa: S608
            f"SELECT wallet_id, '{kind}', 0, 0, 0 FROM ({found}) found"
        )
    op.execute(
        "INSERT INTO people_listings (wallet_id, cursor, started_at, due_at, tries) "
        "SELECT wallet_id, '', created_at, created_at, 0 FROM workspaces w "
        "WHERE NOT EXISTS (SELECT 1 FROM people_listings p WHERE p.wallet_id = w.wallet_id)"
    )
