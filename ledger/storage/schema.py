"""The ledger's rows. One schema for SQLite, PostgreSQL and Citus.

`wallet_id` leads every key; nothing is numbered or stamped by the database; every constraint has a name; amounts are
integer micro-units, instants integer microseconds since 1970 (UTC). `transfers` and `audit_log` are append-only by
trigger (migration 0001). Reasons: README, Decisions R-01 and R-02.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.types import TypeEngine

from ledger.instants import from_stamp, to_stamp

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcInstant(TypeDecorator[datetime]):
    """An aware instant, kept as integer microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[object]:
        """Choose the column's type."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())  # type: ignore[arg-type]

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Write an instant."""
        if value is None:
            return None
        assert value.tzinfo is not None, "an instant without a time zone reached the database"
        return to_stamp(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Read an instant."""
        return None if value is None else from_stamp(value)


class UuidText(TypeDecorator[UUID]):
    """An id: a native uuid where there is one, lower case text elsewhere (a STRICT table knows no uuid)."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[object]:
        """Choose the column's type."""
        return dialect.type_descriptor(Uuid() if dialect.name == "postgresql" else Text())  # type: ignore[arg-type]

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> object:
        """Write an id."""
        if value is None or dialect.name == "postgresql":
            return value
        return str(value)

    def process_result_value(self, value: object, dialect: Dialect) -> UUID | None:
        """Read an id."""
        if value is None or isinstance(value, UUID):
            return value
        return UUID(str(value))


BigInt = BigInteger().with_variant(Integer, "sqlite")
"""64 bits everywhere; a STRICT table knows them as INTEGER."""

PlainText = Text().with_variant(Text(collation="C"), "postgresql")
"""Text in the order of its characters, the same everywhere and quick to search."""

metadata = MetaData(naming_convention=NAMING)


def _wallet() -> Column[UUID]:
    return Column("wallet_id", UuidText, primary_key=True)


def _text(name: str, default: str | None = None) -> Column[str]:
    return Column(
        name, PlainText, nullable=False, server_default=None if default is None else text(f"'{default}'")
    )


def _number(name: str, default: int | None = None) -> Column[int]:
    return Column(
        name, BigInt, nullable=False, server_default=None if default is None else text(str(default))
    )


wallets = Table(
    "wallets",
    metadata,
    _wallet(),
    _text("currency"),
    _text("zone"),
    Column("created_at", UtcInstant, nullable=False),
    Column("touched_at", UtcInstant, nullable=False),  # the last instant recorded: time never runs back (I19)
    _number("balance"),
    _number("held"),
    Column("next_hold_expires_at", UtcInstant),
    _number("seq"),
    Column("chain_head", LargeBinary, nullable=False),
    _number("funded"),
    Column("emptied_at", UtcInstant),
    Column("grace_ends_at", UtcInstant),
    _text("grace_spent"),
    _number("ceiling"),
    _number("grace_cost"),
    _number("after_stop_count"),
    Column("last_asked_at", UtcInstant),
    _number("policy_version"),
    _text("trouble"),
    _number("warning_line"),
    _number("critical_line"),
    _number("announced"),
    Column("episode_id", UuidText),
    _number("episode_level"),
    _number("paused_said"),
    _number("recharge_said"),
    _number("notice_seq"),
    _number("ceiling_month", 0),  # local year * 12 + month of the last draw
    Column("ceiling_hit_at", UtcInstant),
    Column("stopped_until", UtcInstant),  # when the last stop ended
    _number("open_holds", 0),
    _number("holds_used", 0),  # whether any id may be a hold's, or an alias of what was charged
    _number("announced_line", 0),
    Column("falls_at", UtcInstant),
    Column("time_due_at", UtcInstant),  # as scheduled, so that a posting knows it without a look
    Column("pace_due_at", UtcInstant),  # the same
    Column("lines_drawn_at", UtcInstant),  # when the pace was followed last
    _number("notices_cleared", 0),  # how many of the notices handed out are not kept any more
    CheckConstraint("(balance > 0 OR funded = 0) = (emptied_at IS NULL)", name="emptied"),
    CheckConstraint("(emptied_at IS NULL) = (grace_ends_at IS NULL)", name="grace"),
    CheckConstraint("held >= 0", name="held"),
    sqlite_strict=True,
)

policies = Table(
    "policies",
    metadata,
    _wallet(),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("body"),
    Column("changed_at", UtcInstant, nullable=False),
    _text("changed_by"),
    _text("reason"),
    sqlite_strict=True,
)

transfers = Table(
    "transfers",
    metadata,
    _wallet(),
    Column("seq", BigInt, primary_key=True, autoincrement=False),
    _text("kind"),
    _text("debit"),
    _text("credit"),
    _number("amount"),
    _number("balance_after"),
    Column("occurred_at", UtcInstant, nullable=False),
    Column("recorded_at", UtcInstant, nullable=False),
    Column("quantity", BigInt),
    _text("source"),
    _text("source_id"),
    Column("hold_id", PlainText),
    Column("parent", PlainText),
    Column("corrects_seq", BigInt),
    _number("after_stop"),
    _number("dated"),  # the caller said when it happened, so a replay has to say the same
    Column("text_digest", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    UniqueConstraint("wallet_id", "source", "source_id", name="uq_transfers_key"),
    # Work without a price is a transaction too; nothing else moves nothing.
    CheckConstraint("amount > 0 OR (amount = 0 AND credit = 'usage')", name="amount"),
    CheckConstraint("debit <> credit", name="sides"),
    CheckConstraint("debit = 'balance' OR credit = 'balance'", name="touches_balance"),
    CheckConstraint("seq > 0", name="seq"),
    Index(
        "ix_transfers_corrects",
        "wallet_id",
        "corrects_seq",
        sqlite_where=text("corrects_seq IS NOT NULL"),
        postgresql_where=text("corrects_seq IS NOT NULL"),
    ),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

texts = Table(
    "texts",
    metadata,
    _wallet(),
    Column("seq", BigInt, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    _text("reference"),
    _text("description"),
    Index(
        "ix_texts_reference",
        "wallet_id",
        "reference",
        sqlite_where=text("reference <> ''"),
        postgresql_where=text("reference <> ''"),
    ),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

holds = Table(
    "holds",
    metadata,
    _wallet(),
    Column("hold_id", PlainText, primary_key=True),
    _text("kind"),
    _number("inbound"),
    Column("asked", BigInt),
    _number("amount"),
    _text("state"),
    _text("reference"),
    Column("parent", PlainText),
    Column("opened_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    Column("ended_at", UtcInstant),
    _text("reason"),
    _text("standing"),
    Column("valid_until", UtcInstant, nullable=False),
    _number("generation", 1),
    CheckConstraint("state IN ('open', 'captured', 'released', 'expired', 'refused')", name="state"),
    CheckConstraint("amount >= 0", name="amount"),
    CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended"),
    Index("ix_holds_open", "wallet_id", "state", "expires_at"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

charges = Table(
    "charges",
    metadata,
    _wallet(),
    Column("hold_id", PlainText, primary_key=True),  # one hold is charged once
    _number("seq"),
    _number("alias"),  # 1: not a hold's id, but one under which the same charge was posted again
    CheckConstraint("alias IN (0, 1)", name="alias"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

stops = Table(
    "stops",
    metadata,
    _wallet(),
    Column("scope", PlainText, primary_key=True),
    Column("began_at", UtcInstant, primary_key=True),
    Column("ended_at", UtcInstant, nullable=False),
    CheckConstraint("scope IN ('inbound', 'others')", name="scope"),
    CheckConstraint("began_at < ended_at", name="order"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

hourly = Table(
    "hourly",
    metadata,
    _wallet(),
    Column("day", PlainText, primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("kind", PlainText, primary_key=True),
    _number("count"),
    _number("quantity"),
    _number("amount"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

episodes = Table(
    "episodes",
    metadata,
    _wallet(),
    Column("episode_id", UuidText, primary_key=True),
    Column("opened_at", UtcInstant, nullable=False),
    Column("closed_at", UtcInstant),
    _number("level"),
    Index(
        "uq_episodes_open",
        "wallet_id",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    sqlite_strict=True,
)

notices = Table(
    "notices",
    metadata,
    _wallet(),
    Column("notice_id", UuidText, primary_key=True),
    _number("seq"),
    _text("name"),
    _text("body"),
    Column("created_at", UtcInstant, nullable=False),
    Column("due_at", UtcInstant, nullable=False),
    _number("attempts"),
    _text("state"),
    Column("lease_until", UtcInstant, nullable=False),
    _text("error"),
    UniqueConstraint("wallet_id", "seq", name="uq_notices_seq"),
    CheckConstraint("state IN ('waiting', 'done', 'dead')", name="state"),
    Index(
        "ix_notices_waiting",
        "wallet_id",
        "seq",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    sqlite_strict=True,
)

wallet_schedule = Table(
    "wallet_schedule",
    metadata,
    _wallet(),
    Column("kind", PlainText, primary_key=True),  # of `DueKind`, or of the program around the ledger
    Column("due_at", UtcInstant, nullable=False),
    Column("lease_until", UtcInstant, nullable=False),
    _number("token"),  # of the newest claim; later claims have greater ones
    CheckConstraint("token >= 0", name="token"),
    Index(
        "ix_wallet_schedule_due", "kind", "due_at"
    ),  # across wallets: what is due is looked for every moment
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

audit_log = Table(
    "audit_log",
    metadata,
    _wallet(),
    Column("audit_id", UuidText, primary_key=True),
    Column("at", UtcInstant, nullable=False),
    _text("actor"),
    _text("action"),
    _text("before"),
    _text("after"),
    sqlite_strict=True,
)
