"""Tables under the names of what they hold, and CHECKs for every state and kind.

A renamed table is created, copied and dropped. `calls` are Stripe requests, `intents` one-time actions, `breaks`
differences and `cursors` named values. On PostgreSQL a process of the version before may still be running: it is
kept from writing while the rows are copied, and fails afterwards instead of writing where nobody reads.

The outcome of a Stripe request stood in its answer as words. It gets a column of its own, and the answer keeps the
code. A dispute's status that no version knew becomes `other`.

The constraints are written out as they were on this day, never taken from the code of a later one.
"""

import sqlalchemy as sa
from alembic import op

from ledger.storage.migrations.placing import place
from ledger.storage.schema import NAMING, PlainText, UtcInstant, UuidText

revision = "bot_0004"
down_revision = "bot_0003"

_OUTCOME = (
    "CASE WHEN state = 'planned' THEN NULL WHEN state = 'refused' THEN 'rejected' "
    "WHEN state = 'unknown' AND answer = 'key not accepted' THEN 'denied' WHEN state = 'unknown' THEN 'unknown' "
    "WHEN answer = 'needs action' THEN 'needs_action' WHEN substr(answer, 1, 8) = 'declined' THEN 'declined' "
    "ELSE 'ok' END"
)
_ANSWER = (
    "CASE WHEN state = 'done' AND substr(answer, 1, 9) = 'declined ' THEN substr(answer, 10) "
    "WHEN state = 'done' OR answer = 'key not accepted' THEN '' ELSE answer END"
)
_COPIED = {
    "stripe_requests": (
        "calls",
        {
            "wallet_id": "wallet_id",
            "request_id": "call_id",
            "payment_id": "payment_id",
            "operation": "operation",
            "object_id": "object_id",
            "key": "key",
            "body": "body",
            "state": "state",
            "outcome": _OUTCOME,
            "created_at": "created_at",
            "tried_at": "tried_at",
            "tries": "tries",
            "answer": _ANSWER,
        },
    ),
    "one_time_actions": (
        "intents",
        {
            "wallet_id": "wallet_id",
            "one_time_action_id": "intent_id",
            "purpose": "purpose",
            "body": "body",
            "actor": "actor",
            "created_at": "created_at",
            "expires_at": "expires_at",
            "consumed_at": "consumed_at",
        },
    ),
    "differences": (
        "breaks",
        {one: one for one in ("wallet_id", "key", "words", "found_at", "seen_at", "ended_at")},
    ),
    "named_values": ("cursors", {one: one for one in ("wallet_id", "name", "value", "at")}),
}
_STATUSES = (
    "'suspected', 'warning_needs_response', 'warning_under_review', 'warning_closed', 'needs_response', "
    "'under_review', 'won', 'lost', 'prevented', 'appeal_needs_response', 'appeal_under_review', 'other'"
)
_RECIPIENTS = " OR ".join(
    f"substr({{column}}, 1, {len(kind) + 1}) = '{kind}:'" for kind in ("channel", "person", "owners")
)
_CHECKED = (
    (
        "payments",
        "state",
        "state IN ('asked', 'offered', 'collecting', 'waiting', 'failed', 'lapsed', 'withdrawn', 'paid')",
    ),
    ("disputes", "status", f"status IN ({_STATUSES})"),
    ("payment_messages", "audience", "audience IN ('asker', 'payer', 'self')"),
    ("deliveries", "recipient", _RECIPIENTS.format(column="recipient")),
    ("alert_messages", "audience", _RECIPIENTS.format(column="audience")),
    (
        "alert_messages",
        "phase",
        "phase IN ('low', 'cant_start', 'counting', 'paused', 'restored', 'recovered')",
    ),
)


def upgrade() -> None:
    """Rename the tables with their rows, and add the CHECKs."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        old = ", ".join(name for name, _ in _COPIED.values())
        op.execute(f"LOCK TABLE {old}, disputes IN ACCESS EXCLUSIVE MODE")
    metadata = sa.MetaData(naming_convention=NAMING)
    _stripe_requests(metadata)
    _others(metadata)
    metadata.create_all(connection)
    place(connection, *metadata.tables)
    for new, (old, columns) in _COPIED.items():
        op.execute(
            f"INSERT INTO {new} ({', '.join(columns)}) SELECT {', '.join(columns.values())} FROM {old}"  # noqa: S608
        )
        op.drop_table(old)
    op.execute(f"UPDATE disputes SET status = 'other' WHERE status NOT IN ({_STATUSES})")  # noqa: S608
    for table, column, condition in _CHECKED:
        constraint = f"CONSTRAINT ck_{table}_{column}_known CHECK ({condition})"
        if is_sqlite:
            _make_anew(connection, table, constraint)
        else:
            op.execute(f"ALTER TABLE {table} ADD {constraint}")


def _stripe_requests(metadata: sa.MetaData) -> None:
    sa.Table(
        "stripe_requests",
        metadata,
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("request_id", UuidText, primary_key=True),
        sa.Column("payment_id", UuidText),
        _text("operation"),
        _text("object_id", empty=True),
        *(_text(name) for name in ("key", "body", "state")),
        sa.Column("outcome", PlainText),
        sa.Column("created_at", UtcInstant, nullable=False),
        sa.Column("tried_at", UtcInstant),
        sa.Column("tries", sa.Integer, nullable=False),
        _text("answer", empty=True),
        sa.CheckConstraint(
            "operation IN ('customer', 'session', 'expire_session', 'link', 'deactivate_link', 'intent', 'confirm', "
            "'cancel_intent', 'detach')",
            name="operation_known",
        ),
        sa.CheckConstraint("state IN ('planned', 'unknown', 'done', 'refused')", name="state_known"),
        sa.CheckConstraint(
            "outcome IN ('ok', 'declined', 'needs_action', 'rejected', 'denied', 'unknown')",
            name="outcome_known",
        ),
        sa.CheckConstraint("(state IN ('planned')) = (outcome IS NULL)", name="tried_or_planned"),
        sa.Index("uq_stripe_requests_key", "wallet_id", "key", unique=True),
        sa.Index("ix_stripe_requests_state", "wallet_id", "state"),
        sqlite_strict=True,
    )


def _others(metadata: sa.MetaData) -> None:
    sa.Table(
        "one_time_actions",
        metadata,
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("one_time_action_id", UuidText, primary_key=True),
        *(_text(name) for name in ("purpose", "body")),
        _text("actor", empty=True),
        *(sa.Column(name, UtcInstant, nullable=False) for name in ("created_at", "expires_at")),
        sa.Column("consumed_at", UtcInstant),
        sa.CheckConstraint("purpose IN ('charge', 'automatic')", name="purpose_known"),
        sqlite_strict=True,
    )
    sa.Table(
        "differences",
        metadata,
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("key", PlainText, primary_key=True, nullable=False),
        _text("words"),
        *(sa.Column(name, UtcInstant, nullable=False) for name in ("found_at", "seen_at")),
        sa.Column("ended_at", UtcInstant),
        sqlite_strict=True,
    )
    sa.Table(
        "named_values",
        metadata,
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("name", PlainText, primary_key=True, nullable=False),
        _text("value", empty=True),
        sa.Column("at", UtcInstant, nullable=False),
        sqlite_strict=True,
    )


def _text(name: str, *, empty: bool = False) -> "sa.Column[str]":
    return sa.Column(name, PlainText, nullable=False, server_default=sa.text("''") if empty else None)


def _make_anew(connection: sa.Connection, table: str, constraint: str) -> None:
    """Add a constraint to a table of SQLite's, which can only be done by making the table anew with its rows."""
    kept = sa.text(
        "SELECT sql FROM sqlite_master WHERE type = :type AND tbl_name = :name AND sql IS NOT NULL"
    )
    (made,) = connection.execute(kept, {"type": "table", "name": table}).scalars()
    indexes = connection.execute(kept, {"type": "index", "name": table}).scalars().all()
    columns, _, options = made.partition("(")[2].rpartition(")")
    connection.exec_driver_sql(f"CREATE TABLE {table}_anew ({columns}, {constraint}){options}")
    connection.exec_driver_sql(f"INSERT INTO {table}_anew SELECT * FROM {table}")  # noqa: S608
    connection.exec_driver_sql(f"DROP TABLE {table}")
    connection.exec_driver_sql(f"ALTER TABLE {table}_anew RENAME TO {table}")
    for index in indexes:
        connection.exec_driver_sql(index)
