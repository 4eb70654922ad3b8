"""Charged once: what each hold was charged, stops that are over, holds judged anew, and what alarms need to end.

Books of before may have charged a hold twice. The first transfer is the charge; the others stay, and `redbar verify`
names them.
"""

import sqlalchemy as sa
from alembic import op

from ledger.storage.migrations.placing import place
from ledger.storage.schema import NAMING, BigInt, PlainText, UtcInstant, UuidText

revision = "ledger_0002"
down_revision = "ledger_0001"


def upgrade() -> None:
    """Add the columns and tables, and fill them from what is booked."""
    for name in ("ceiling_month", "open_holds", "holds_used", "announced_line"):
        op.add_column("wallets", sa.Column(name, BigInt, nullable=False, server_default=sa.text("0")))
    for name in ("ceiling_hit_at", "stopped_until", "falls_at"):
        op.add_column("wallets", sa.Column(name, UtcInstant))
    op.add_column("holds", sa.Column("generation", BigInt, nullable=False, server_default=sa.text("1")))
    metadata = sa.MetaData(naming_convention=NAMING)
    _tables(metadata)
    metadata.create_all(op.get_bind())
    place(op.get_bind(), *metadata.tables)
    _fill()


def _tables(metadata: sa.MetaData) -> None:
    sa.Table(
        "charges",
        metadata,
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("hold_id", PlainText, primary_key=True),
        sa.Column("seq", BigInt, nullable=False),
        sa.Column("alias", BigInt, nullable=False),
        sa.CheckConstraint("alias IN (0, 1)", name="alias"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    sa.Table(
        "stops",
        metadata,
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("scope", PlainText, primary_key=True),
        sa.Column("began_at", UtcInstant, primary_key=True),
        sa.Column("ended_at", UtcInstant, nullable=False),
        sa.CheckConstraint("scope IN ('inbound', 'others')", name="scope"),
        sa.CheckConstraint("began_at < ended_at", name="order"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _fill() -> None:
    # The first transfer that names a hold, or that has the hold's own id, is its charge.
    op.execute(
        "INSERT INTO charges (wallet_id, hold_id, seq, alias) "
        "SELECT wallet_id, hold_id, min(seq), 0 FROM ("
        "SELECT wallet_id, hold_id, seq FROM transfers WHERE hold_id IS NOT NULL "
        "UNION ALL "
        "SELECT t.wallet_id, h.hold_id, t.seq FROM holds h JOIN transfers t "
        "ON t.wallet_id = h.wallet_id AND t.source = 'platform' AND t.source_id = h.hold_id "
        "WHERE t.hold_id IS NULL) named GROUP BY wallet_id, hold_id"
    )
    op.execute(
        "UPDATE wallets SET "
        "open_holds = (SELECT count(*) FROM holds h WHERE h.wallet_id = wallets.wallet_id AND h.state = 'open'), "
        "holds_used = CASE WHEN EXISTS (SELECT 1 FROM holds h WHERE h.wallet_id = wallets.wallet_id) "
        "OR EXISTS (SELECT 1 FROM charges c WHERE c.wallet_id = wallets.wallet_id) THEN 1 ELSE 0 END, "
        "announced_line = CASE announced WHEN 2 THEN warning_line WHEN 3 THEN critical_line ELSE 0 END, "
        # Since when is not known: no earlier than the last change.
        "ceiling_hit_at = CASE WHEN grace_ends_at > touched_at AND balance <= -ceiling THEN touched_at END"
    )
