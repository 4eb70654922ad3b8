"""The schedule: what is due of a wallet is found by an index, and no job looks at every wallet.

Beside it a wallet counts the notices that were cleared, so that the others can still be held against their number.
Filled from the rows: whatever may be due is looked at once, soon, and schedules itself again by what it finds.
"""

import sqlalchemy as sa
from alembic import op

from ledger.storage.migrations.placing import place
from ledger.storage.schema import NAMING, BigInt, PlainText, UtcInstant, UuidText

revision = "ledger_0004"
down_revision = "ledger_0003"


def upgrade() -> None:
    """Add the columns and the table, and fill them."""
    op.add_column(
        "wallets", sa.Column("notices_cleared", BigInt, nullable=False, server_default=sa.text("0"))
    )
    for name in ("time_due_at", "pace_due_at", "lines_drawn_at"):
        op.add_column("wallets", sa.Column(name, UtcInstant))
    metadata = sa.MetaData(naming_convention=NAMING)
    sa.Table(
        "wallet_schedule",
        metadata,
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("kind", PlainText, primary_key=True),
        sa.Column("due_at", UtcInstant, nullable=False),
        sa.Column("lease_until", UtcInstant, nullable=False),
        sa.Column("token", BigInt, nullable=False),
        sa.CheckConstraint("token >= 0", name="token"),
        sa.Index("ix_wallet_schedule_due", "kind", "due_at"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    metadata.create_all(op.get_bind())
    place(op.get_bind(), *metadata.tables)
    _fill()


def _fill() -> None:
    changes = " UNION ALL ".join(
        f"SELECT wallet_id, {column} AS at FROM wallets WHERE {column} IS NOT NULL{more}"  # noqa: S608
        for column, more in (
            ("next_hold_expires_at", ""),
            ("falls_at", ""),
            ("grace_ends_at", " AND paused_said = 0"),
        )
    )
    info = r"""p.body LIKE '%"info"\:true%'"""
    for kind, found in (
        ("time", f"SELECT wallet_id, min(at) AS at FROM ({changes}) changes GROUP BY wallet_id"),  # noqa: S608
        ("pace", "SELECT wallet_id, touched_at AS at FROM wallets WHERE seq > 0"),
        ("recharge", "SELECT wallet_id, touched_at AS at FROM wallets WHERE recharge_said = 1"),
        (
            "stopped",
            "SELECT wallet_id, touched_at AS at FROM wallets WHERE episode_id IS NOT NULL AND episode_level >= 4",
        ),
        (
            "morning",
            "SELECT w.wallet_id, w.touched_at AS at FROM wallets w JOIN policies p "  # noqa: S608
            f"ON p.wallet_id = w.wallet_id AND p.version = w.policy_version WHERE {info}",
        ),
    ):
        op.execute(
            "INSERT INTO wallet_schedule (wallet_id, kind, due_at, lease_until, token) "  # noqa: S608
            f"SELECT wallet_id, '{kind}', at, 0, 0 FROM ({found}) found"
        )
    for kind in ("time", "pace"):
        op.execute(
            f"UPDATE wallets SET {kind}_due_at = (SELECT s.due_at FROM wallet_schedule s "  # noqa: S608
            f"WHERE s.wallet_id = wallets.wallet_id AND s.kind = '{kind}')"
        )
