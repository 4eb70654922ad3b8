"""The bot's rows: workspaces, people, cards, payments and their calls, news, messages, keys.

The tables are written out as they were on this day, never taken from the code of a later one.
"""

import sqlalchemy as sa
from alembic import op

from ledger.storage.migrations.placing import place
from ledger.storage.schema import NAMING, BigInt, PlainText, UtcInstant, UuidText

revision = "bot_0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    metadata = sa.MetaData(naming_convention=NAMING)
    _who(metadata)
    _payments(metadata)
    _news(metadata)
    _messages(metadata)
    metadata.create_all(op.get_bind())
    place(op.get_bind(), *metadata.tables)


def _table(metadata: sa.MetaData, name: str, *columns: "sa.schema.SchemaItem") -> None:
    sa.Table(name, metadata, *columns, sqlite_strict=True)


def _wallet() -> "sa.Column[object]":
    return sa.Column("wallet_id", UuidText, primary_key=True)


def _keys(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, PlainText, primary_key=True, nullable=False) for name in names]


def _uuid_key(name: str) -> "sa.Column[object]":
    return sa.Column(name, UuidText, primary_key=True)


def _texts(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, PlainText, nullable=False, server_default=sa.text("''")) for name in names]


def _needed(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, PlainText, nullable=False) for name in names]


def _instants(*names: str, optional: bool = False) -> "list[sa.Column[object]]":
    return [sa.Column(name, UtcInstant, nullable=optional) for name in names]


def _numbers(*names: str) -> "list[sa.Column[int]]":
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def _who(metadata: sa.MetaData) -> None:
    _table(
        metadata,
        "workspaces",
        *_keys("team_id"),
        *_texts("enterprise_id"),
        sa.Column("wallet_id", UuidText, nullable=False),
        *_texts("name", "bot_user_id"),
        *_instants("created_at"),
        *_instants("dead_at", optional=True),
    )
    _table(metadata, "billing", _wallet(), *_texts("customer_id"), *_numbers("refs_given"))
    _table(
        metadata,
        "people",
        _wallet(),
        *_keys("user_id"),
        *_needed("role"),
        *_texts("appointed_by"),
        *_instants("appointed_at"),
        sa.CheckConstraint("role IN ('billing_admin', 'finance')", name="role_known"),
    )
    main = sa.text("slot = 'main'")
    _table(
        metadata,
        "cards",
        _wallet(),
        *_keys("card_id"),
        *_texts("brand", "last4"),
        *_numbers("exp_month", "exp_year"),
        *_texts("fingerprint"),
        *_needed("slot"),
        *_texts("connected_by"),
        *_instants("connected_at"),
        sa.CheckConstraint("slot IN ('main', 'backup', 'removed')", name="slot_known"),
        sa.Index("uq_cards_main", "wallet_id", unique=True, sqlite_where=main, postgresql_where=main),
    )
    _table(
        metadata,
        "keys",
        _wallet(),
        _uuid_key("key_id"),
        *_needed("digest", "scopes"),
        *_texts("name"),
        *_instants("created_at"),
        *_instants("revoked_at", optional=True),
        sa.Index("ix_keys_digest", "digest"),
    )


def _payments(metadata: sa.MetaData) -> None:
    in_flight = sa.text("purpose = 'recharge' AND state IN ('asked', 'collecting')")
    _table(
        metadata,
        "payments",
        _wallet(),
        _uuid_key("payment_id"),
        *_needed("ref", "purpose", "way", "state"),
        sa.Column("amount_micros", BigInt),
        *_needed("currency"),
        *_texts("asked_by", "payer", "note", "card_id"),
        *_numbers("saves_card"),
        *_texts("session_id", "link_id", "intent_id", "url"),
        *_instants("created_at"),
        *_instants("expires_at", "settled_at", optional=True),
        *_texts("paid_with", "receipt_url", "decline_code", "advice_code", "withdrawn_by", "qr_file_id"),
        *_numbers("try_number"),
        *_texts("recharge_id"),
        *_instants("next_try_at", optional=True),
        *_texts("next_card_id"),
        sa.CheckConstraint("amount_micros IS NULL OR amount_micros > 0", name="amount_positive"),
        sa.CheckConstraint("purpose IN ('top_up', 'ask', 'recharge', 'connect')", name="purpose_known"),
        sa.CheckConstraint("way IN ('page', 'link', 'saved_card')", name="way_known"),
        sa.Index("uq_payments_ref", "wallet_id", "ref", unique=True),
        sa.Index(
            "uq_payments_in_flight",
            "wallet_id",
            unique=True,
            sqlite_where=in_flight,
            postgresql_where=in_flight,
        ),
        sa.Index("ix_payments_state", "wallet_id", "state"),
    )
    _table(
        metadata,
        "calls",
        _wallet(),
        _uuid_key("call_id"),
        sa.Column("payment_id", UuidText),
        *_needed("operation"),
        *_texts("object_id"),
        *_needed("key", "body", "state"),
        *_instants("created_at"),
        *_instants("tried_at", optional=True),
        *_numbers("tries"),
        *_texts("answer"),
        sa.CheckConstraint("state IN ('planned', 'unknown', 'done', 'refused')", name="state_known"),
        sa.Index("uq_calls_key", "wallet_id", "key", unique=True),
        sa.Index("ix_calls_state", "wallet_id", "state"),
    )
    _table(
        metadata,
        "intents",
        _wallet(),
        _uuid_key("intent_id"),
        *_needed("purpose", "body"),
        *_texts("actor"),
        *_instants("created_at", "expires_at"),
        *_instants("consumed_at", optional=True),
    )


def _news(metadata: sa.MetaData) -> None:
    _table(
        metadata,
        "inbox",
        _wallet(),
        *_keys("event_id"),
        *_needed("kind", "object_id"),
        *_texts("intent_id"),
        *_instants("created_at", "taken_at"),
        *_instants("handled_at", optional=True),
        *_numbers("tries"),
        *_instants("due_at"),
        *_texts("error"),
    )
    _table(metadata, "cursors", _wallet(), *_keys("name"), *_texts("value"), *_instants("at"))
    _table(metadata, "slack_events", _wallet(), *_keys("event_id"), *_instants("at"))


def _messages(metadata: sa.MetaData) -> None:
    _table(
        metadata,
        "payment_messages",
        _wallet(),
        _uuid_key("payment_id"),
        *_keys("user_id"),
        *_needed("audience", "channel", "ts"),
    )
    _table(
        metadata,
        "alert_channels",
        _wallet(),
        *_keys("channel_id"),
        *_texts("added_by"),
        *_instants("added_at"),
    )
    _table(
        metadata,
        "alert_messages",
        _wallet(),
        _uuid_key("episode_id"),
        *_keys("audience"),
        *_needed("channel", "ts"),
        *_numbers("level"),
        *_needed("phase"),
        *_texts("shown", "acknowledged_by"),
    )
    _table(
        metadata,
        "viewers",
        _wallet(),
        *_keys("user_id"),
        *_instants("viewed_at"),
        *_texts("shown", "kind", "month", "cursor"),
    )
    _table(metadata, "pictures", _wallet(), *_keys("name"), *_needed("file_id"), *_instants("at"))
