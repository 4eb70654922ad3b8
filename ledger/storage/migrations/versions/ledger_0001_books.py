"""The books: wallets, policies, transfers with their texts, holds, rollups, episodes, notices, audit log.

The tables are written out as they were on this day, never taken from the code of a later one.
"""

import sqlalchemy as sa
from alembic import op

from ledger.storage.migrations.placing import APPEND_ONLY, place
from ledger.storage.schema import NAMING, BigInt, PlainText, UtcInstant, UuidText

revision = "ledger_0001"
down_revision = None


def upgrade() -> None:
    """Make the tables and the triggers that keep them append-only."""
    metadata = sa.MetaData(naming_convention=NAMING)
    _wallets(metadata)
    _transfers(metadata)
    _holds_and_rollups(metadata)
    _telling(metadata)
    metadata.create_all(op.get_bind())
    for table in APPEND_ONLY:
        _append_only(table)
    place(op.get_bind(), *metadata.tables)


def _wallet() -> "sa.Column[object]":
    return sa.Column("wallet_id", UuidText, primary_key=True)


def _text(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, PlainText, nullable=False) for name in names]


def _numbers(*names: str) -> "list[sa.Column[int]]":
    return [sa.Column(name, BigInt, nullable=False) for name in names]


def _wallets(metadata: sa.MetaData) -> None:
    sa.Table(
        "wallets",
        metadata,
        _wallet(),
        *_text("currency", "zone"),
        sa.Column("created_at", UtcInstant, nullable=False),
        sa.Column("touched_at", UtcInstant, nullable=False),
        *_numbers("balance", "held"),
        sa.Column("next_hold_expires_at", UtcInstant),
        *_numbers("seq"),
        sa.Column("chain_head", sa.LargeBinary, nullable=False),
        *_numbers("funded"),
        sa.Column("emptied_at", UtcInstant),
        sa.Column("grace_ends_at", UtcInstant),
        *_text("grace_spent"),
        *_numbers("ceiling", "grace_cost", "after_stop_count"),
        sa.Column("last_asked_at", UtcInstant),
        *_numbers("policy_version"),
        *_text("trouble"),
        *_numbers("warning_line", "critical_line", "announced"),
        sa.Column("episode_id", UuidText),
        *_numbers("episode_level", "paused_said", "recharge_said", "notice_seq"),
        sa.CheckConstraint("(balance > 0 OR funded = 0) = (emptied_at IS NULL)", name="emptied"),
        sa.CheckConstraint("(emptied_at IS NULL) = (grace_ends_at IS NULL)", name="grace"),
        sa.CheckConstraint("held >= 0", name="held"),
        sqlite_strict=True,
    )
    sa.Table(
        "policies",
        metadata,
        _wallet(),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        *_text("body"),
        sa.Column("changed_at", UtcInstant, nullable=False),
        *_text("changed_by", "reason"),
        sqlite_strict=True,
    )


def _transfers(metadata: sa.MetaData) -> None:
    named, linked = sa.text("reference <> ''"), sa.text("corrects_seq IS NOT NULL")
    sa.Table(
        "transfers",
        metadata,
        _wallet(),
        sa.Column("seq", BigInt, primary_key=True, autoincrement=False),
        *_text("kind", "debit", "credit"),
        *_numbers("amount", "balance_after"),
        sa.Column("occurred_at", UtcInstant, nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.Column("quantity", BigInt),
        *_text("source", "source_id"),
        sa.Column("hold_id", PlainText),
        sa.Column("parent", PlainText),
        sa.Column("corrects_seq", BigInt),
        *_numbers("after_stop", "dated"),
        sa.Column("text_digest", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("wallet_id", "source", "source_id", name="uq_transfers_key"),
        sa.CheckConstraint("amount > 0 OR (amount = 0 AND credit = 'usage')", name="amount"),
        sa.CheckConstraint("debit <> credit", name="sides"),
        sa.CheckConstraint("debit = 'balance' OR credit = 'balance'", name="touches_balance"),
        sa.CheckConstraint("seq > 0", name="seq"),
        sa.Index(
            "ix_transfers_corrects", "wallet_id", "corrects_seq", sqlite_where=linked, postgresql_where=linked
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    sa.Table(
        "texts",
        metadata,
        _wallet(),
        sa.Column("seq", BigInt, primary_key=True, autoincrement=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        *_text("reference", "description"),
        sa.Index("ix_texts_reference", "wallet_id", "reference", sqlite_where=named, postgresql_where=named),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _holds_and_rollups(metadata: sa.MetaData) -> None:
    sa.Table(
        "holds",
        metadata,
        _wallet(),
        sa.Column("hold_id", PlainText, primary_key=True),
        *_text("kind"),
        *_numbers("inbound"),
        sa.Column("asked", BigInt),
        *_numbers("amount"),
        *_text("state", "reference"),
        sa.Column("parent", PlainText),
        sa.Column("opened_at", UtcInstant, nullable=False),
        sa.Column("expires_at", UtcInstant, nullable=False),
        sa.Column("ended_at", UtcInstant),
        *_text("reason", "standing"),
        sa.Column("valid_until", UtcInstant, nullable=False),
        sa.CheckConstraint("state IN ('open', 'captured', 'released', 'expired', 'refused')", name="state"),
        sa.CheckConstraint("amount >= 0", name="amount"),
        sa.CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended"),
        sa.Index("ix_holds_open", "wallet_id", "state", "expires_at"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    sa.Table(
        "hourly",
        metadata,
        _wallet(),
        sa.Column("day", PlainText, primary_key=True),
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", PlainText, primary_key=True),
        *_numbers("count", "quantity", "amount"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _telling(metadata: sa.MetaData) -> None:
    still_open = sa.text("closed_at IS NULL")
    sa.Table(
        "episodes",
        metadata,
        _wallet(),
        sa.Column("episode_id", UuidText, primary_key=True),
        sa.Column("opened_at", UtcInstant, nullable=False),
        sa.Column("closed_at", UtcInstant),
        *_numbers("level"),
        sa.Index(
            "uq_episodes_open", "wallet_id", unique=True, sqlite_where=still_open, postgresql_where=still_open
        ),
        sqlite_strict=True,
    )
    waiting = sa.text("state = 'waiting'")
    sa.Table(
        "notices",
        metadata,
        _wallet(),
        sa.Column("notice_id", UuidText, primary_key=True),
        *_numbers("seq"),
        *_text("name", "body"),
        sa.Column("created_at", UtcInstant, nullable=False),
        sa.Column("due_at", UtcInstant, nullable=False),
        *_numbers("attempts"),
        *_text("state"),
        sa.Column("lease_until", UtcInstant, nullable=False),
        *_text("error"),
        sa.UniqueConstraint("wallet_id", "seq", name="uq_notices_seq"),
        sa.CheckConstraint("state IN ('waiting', 'done', 'dead')", name="state"),
        sa.Index("ix_notices_waiting", "wallet_id", "seq", sqlite_where=waiting, postgresql_where=waiting),
        sqlite_strict=True,
    )
    sa.Table(
        "audit_log",
        metadata,
        _wallet(),
        sa.Column("audit_id", UuidText, primary_key=True),
        sa.Column("at", UtcInstant, nullable=False),
        *_text("actor", "action", "before", "after"),
        sqlite_strict=True,
    )


def _append_only(table: str) -> None:
    words = f"{table} is append-only"
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{words}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )
