"""Causes as codes: what was written as a sentence before becomes a code, or is kept under the code `legacy`.

Nothing is lost: an unknown sentence stays readable until what it is about ends. The notices that carry a sentence are
rewritten with it, since one that waits, or that one recipient has yet to be told, is read by the new class.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from ledger.storage.schema import UuidText

revision = "bot_0005"
down_revision = "bot_0004"

DIFFERENCES = "differences"
REQUESTS = "stripe_requests"
REQUEST_ID = "request_id"
_ANSWERS = {
    "the key may not do this": "key_lacks_right",
    "no answer": "no_answer",
}
_NOT_BOOKABLE: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], dict[str, Any]]], ...] = (
    (
        re.compile(r"(\S+): (\S+) is in another currency or of no amount"),
        lambda found: {"code": "amount_differs", "ref": found[1], "object_id": found[2]},
    ),
    (
        re.compile(r"it carries our mark, and names no payment of ours"),
        lambda found: {"code": "names_no_payment"},
    ),
    (
        re.compile(r"it names payment (\S+), which is not here"),
        lambda found: {"code": "payment_unknown", "payment": found[1]},
    ),
)


def upgrade() -> None:
    """Turn sentences into codes."""
    op.alter_column(DIFFERENCES, "words", new_column_name="cause")
    _rewrite(DIFFERENCES, "key", "cause", _legacy)
    _rewrite("inbox", "event_id", "error", _error_of_inbox)
    _rewrite("deliveries", "delivery_id", "error", _error_of_delivery)
    _rewrite("notices", "notice_id", "error", _error)
    _rewrite("notices", "notice_id", "body", _notice, names=("books.differ", "money.parked"))
    _rewrite(REQUESTS, REQUEST_ID, "answer", _answer)


def _rewrite(
    table: str, key: str, column: str, new: Callable[[str], str], *, names: Sequence[str] = ()
) -> None:
    """Write one column of a table anew, row by row, or of the rows of some names; an empty one stays empty."""
    types = {"event_id": sa.Text, "key": sa.Text}
    rows = sa.table(
        table,
        sa.column("wallet_id", UuidText),
        sa.column(key, types.get(key, UuidText)),
        sa.column(column, sa.Text),
        sa.column("name", sa.Text),
    )
    connection, old = op.get_bind(), rows.c[column]
    wanted = sa.select(rows.c.wallet_id, rows.c[key], old).where(old != "")
    if names:
        wanted = wanted.where(rows.c.name.in_(names))
    for wallet_id, one, stored in connection.execute(wanted).all():
        if (written := new(stored)) != stored:
            mine = (rows.c.wallet_id == wallet_id) & (rows.c[key] == one)
            connection.execute(sa.update(rows).where(mine).values({column: written}))


def _json(cause: dict[str, Any]) -> str:
    return json.dumps(cause, separators=(",", ":"), ensure_ascii=False)


def _legacy(text: str) -> str:
    return _json({"code": "legacy", "text": text})


def _not_bookable(text: str) -> dict[str, Any] | None:
    for pattern, cause in _NOT_BOOKABLE:
        if found := pattern.fullmatch(text):
            return cause(found)
    return None


def _error_of_inbox(text: str) -> str:
    known = _not_bookable(text.partition(": ")[2])
    return _json(known) if known is not None else _error(text)


def _error_of_delivery(text: str) -> str:
    if text == "has left the workspace" or re.fullmatch(r"[a-z_]+", text):
        return _json({"code": "gone", "said": "left_workspace" if " " in text else text})
    if found := re.fullmatch(r"NotNow: (.*)", text, re.DOTALL):
        return _json({"code": "waits", "said": found[1]})
    return _error(text)


def _error(text: str) -> str:
    if found := re.fullmatch(r"([A-Za-z_]+): (.*)", text, re.DOTALL):
        return _json({"code": "failed", "error": found[1], "detail": found[2]})
    return _legacy(text)


def _notice(body: str) -> str:
    """Give a notice's body with a cause in place of its sentence; one that has none as it is."""
    told: dict[str, Any] = json.loads(body)
    if "words" not in told:
        return body
    words = told.pop("words")
    told["cause"] = _not_bookable(words) or {"code": "legacy", "text": words}
    return _json(told)


def _answer(text: str) -> str:
    if found := re.fullmatch(r"status (\S*)", text):
        return f"status:{found[1]}"
    return _ANSWERS.get(text, text)
