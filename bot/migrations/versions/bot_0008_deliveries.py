"""A delivery is one subject for one recipient, with the version that is wanted and the one that was shown.

Until now it was one notice for one recipient, and had a row only where something went wrong. Rows of before are kept:
who waits, waits on for the newest notice of the subject; who was told of a notice that others still wait for, is not
told again. Messages that are still updated in place (an open episode's, an open payment's) get the row that their next
change needs. Whoever acknowledged an alarm acknowledged the level that it had.

The table is written out as it was on this day, never taken from the code of a later one.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from ledger.ids import new_id
from ledger.instants import EPOCH
from ledger.storage.migrations.placing import place
from ledger.storage.schema import NAMING, PlainText, UtcInstant, UuidText

revision = "bot_0008"
down_revision = "bot_0007"

_EPISODES = ("wallet.low", "wallet.grace_started", "wallet.paused", "wallet.resumed", "wallet.recovered")
_PAYMENTS = ("request.sent", "payment.changed")
_ONE_OF_A_KIND = {
    "usage.after_stop": "after_stop:",
    "charges.switched": "card_charges:",
    "key.refused": "key_state:",
    "key.accepted": "key_state:",
}
_ALARMS = (*_EPISODES, "usage.after_stop", "recharge.failed", "recharge.reminder", "recharge.capped")
_AWAITED = (*_PAYMENTS, "card.connected", "access.asked")
_RECIPIENTS = " OR ".join(
    f"substr(recipient, 1, {len(kind) + 1}) = '{kind}:'" for kind in ("channel", "person", "owners")
)
_OLD = sa.table(
    "deliveries",
    sa.column("wallet_id", UuidText),
    sa.column("notice_id", UuidText),
    sa.column("seq", sa.Integer),
    sa.column("recipient", sa.Text),
    sa.column("state", sa.Text),
    sa.column("tries", sa.Integer),
    sa.column("due_at", UtcInstant),
    sa.column("changed_at", UtcInstant),
    sa.column("error", sa.Text),
)
_NOTICES = sa.table(
    "notices",
    sa.column("wallet_id", UuidText),
    sa.column("notice_id", UuidText),
    sa.column("seq", sa.Integer),
    sa.column("name", sa.Text),
    sa.column("body", sa.Text),
    sa.column("state", sa.Text),
    sa.column("created_at", UtcInstant),
)


def upgrade() -> None:
    """Write every row anew, into the table of the new shape."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        op.execute("LOCK TABLE deliveries, alert_messages, payment_messages IN ACCESS EXCLUSIVE MODE")
    rows = _newest([*_of_deliveries(connection), *_of_messages(connection)])
    op.drop_table("deliveries")
    table = _deliveries()
    table.metadata.create_all(connection)
    place(connection, "deliveries")
    if rows:
        connection.execute(sa.insert(table), rows)
    level = sa.Column("acknowledged_level", sa.Integer, nullable=False, server_default=sa.text("0"))
    op.add_column("alert_messages", level)
    op.execute("UPDATE alert_messages SET acknowledged_level = level WHERE acknowledged_by <> ''")


def _deliveries() -> sa.Table:
    return sa.Table(
        "deliveries",
        sa.MetaData(naming_convention=NAMING),
        sa.Column("wallet_id", UuidText, primary_key=True),
        sa.Column("delivery_id", UuidText, primary_key=True),
        sa.Column("subject", PlainText, nullable=False),
        sa.Column("recipient", PlainText, nullable=False),
        sa.Column("notice_id", UuidText, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("seq", "urgency", "wanted", "shown")),
        sa.Column("state", PlainText, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        *(sa.Column(name, UtcInstant, nullable=False) for name in ("due_at", "lease_until", "changed_at")),
        sa.Column("error", PlainText, nullable=False, server_default=sa.text("''")),
        sa.CheckConstraint("state IN ('waiting', 'told', 'aside')", name="state_known"),
        sa.CheckConstraint(_RECIPIENTS, name="recipient_known"),
        sa.CheckConstraint("shown >= 0 AND shown <= wanted", name="shown_was_wanted"),
        sa.Index("uq_deliveries_subject", "wallet_id", "subject", "recipient", unique=True),
        sa.Index("ix_deliveries_due", "state", "due_at"),
        sa.Index("ix_deliveries_recipient", "wallet_id", "recipient", "state", "seq"),
        sqlite_strict=True,
    )


def _of_deliveries(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    """Give the rows of before; of what was told only where its notice is still being handed out."""
    joined = sa.join(
        _OLD,
        _NOTICES,
        (_OLD.c.wallet_id == _NOTICES.c.wallet_id) & (_OLD.c.notice_id == _NOTICES.c.notice_id),
    )
    wanted = sa.select(
        _OLD, _NOTICES.c.name, _NOTICES.c.body, _NOTICES.c.state.label("notice_state")
    ).select_from(joined)
    for row in connection.execute(wanted).mappings().all():
        if row["state"] != "told" or row["notice_state"] == "waiting":
            yield _row(row, row["recipient"], **{one: row[one] for one in _KEPT})


_KEPT = ("state", "tries", "due_at", "changed_at", "error")


def _of_messages(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    """Give a row for each message that is still updated in place."""
    newest: dict[tuple[Any, str], Any] = {}
    for row in connection.execute(
        sa.select(_NOTICES).where(_NOTICES.c.name.in_((*_EPISODES, *_PAYMENTS))).order_by(_NOTICES.c.seq)
    ).mappings():
        newest[row["wallet_id"], _subject(row)] = row
    for wallet_id, subject, recipient in _posted(connection):
        if (notice := newest.get((wallet_id, subject))) is not None:
            told = {"state": "told", "tries": 0, "error": ""}
            yield _row(
                notice, recipient, due_at=notice["created_at"], changed_at=notice["created_at"], **told
            )


def _posted(connection: sa.Connection) -> Iterator[tuple[Any, str, str]]:
    alerts = sa.table(
        "alert_messages",
        sa.column("wallet_id", UuidText),
        sa.column("episode_id", UuidText),
        sa.column("audience", sa.Text),
    )
    asked = sa.table(
        "payment_messages",
        sa.column("wallet_id", UuidText),
        sa.column("payment_id", UuidText),
        sa.column("user_id", sa.Text),
    )
    for wallet_id, episode_id, audience in connection.execute(sa.select(alerts)).all():
        yield wallet_id, f"episode:{episode_id}", audience
    for wallet_id, payment_id, user_id in connection.execute(sa.select(asked)).all():
        yield wallet_id, f"payment:{payment_id}", f"person:{user_id}"


def _row(notice: Any, recipient: str, **values: Any) -> dict[str, Any]:
    """Write one row of the new shape; `values` are those that stay as they are."""
    name = notice["name"]
    return {
        "wallet_id": notice["wallet_id"],
        "delivery_id": new_id(),
        "subject": _subject(notice),
        "recipient": recipient,
        "notice_id": notice["notice_id"],
        "seq": notice["seq"],
        "urgency": 2 if name in _ALARMS else 1 if name in _AWAITED else 0,
        "wanted": 1,
        "shown": int(values["state"] == "told"),
        "lease_until": EPOCH,
        **values,
    }


def _subject(notice: Any) -> str:
    name, body = notice["name"], json.loads(notice["body"])
    if name in _EPISODES and body.get("episode_id"):
        return f"episode:{body['episode_id']}"
    if name in _PAYMENTS:
        return f"payment:{body['payment_id']}"
    return _ONE_OF_A_KIND.get(name, f"notice:{notice['notice_id']}")


def _newest(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give one row for each subject and recipient: the newest, which waits if any of them does."""
    found: dict[tuple[Any, str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda one: one["seq"]):
        key = (row["wallet_id"], row["subject"], row["recipient"])
        before = found.get(key)
        if before is not None and before["state"] == "waiting":
            row.update({one: before[one] for one in _KEPT}, shown=0)
        found[key] = row
    return list(found.values())
