"""Why automatic payments wait, as a code: sentences of before become codes, or are kept under the code `legacy`.

A sentence stood in three places: in a policy's body, beside the policy as the reason of its change, and in a wallet
as its trouble. Nothing is lost: an unknown sentence stays readable until the pause, or the trouble, ends.
"""

import json
import re
from typing import Any

import sqlalchemy as sa
from alembic import op

from ledger.storage.schema import UuidText

revision = "ledger_0003"
down_revision = "ledger_0002"

_PAUSES = {
    "there is no card to charge": "no_card",
    "the cardholder's bank asks about a payment": "bank_asks",
    "the books and Stripe differ": "books_differ",
}
_DECLINED_OFTEN = re.compile(r"the card was declined \d+ times in \d+ days")
_CHANGES = _PAUSES | {
    "a payment was disputed": "disputed",
    "the card is gone": "card_gone",
    "amounts of the currency": "currency_amounts",
}
_CODE = re.compile(r"[a-z_]*(:[a-z_]+)?")
"""What is no sentence already."""

_policies = sa.table(
    "policies",
    sa.column("wallet_id", UuidText),
    sa.column("version", sa.Integer),
    sa.column("body", sa.Text),
    sa.column("reason", sa.Text),
)
_wallets = sa.table("wallets", sa.column("wallet_id", UuidText), sa.column("trouble", sa.Text))


def upgrade() -> None:
    """Turn the sentences into codes."""
    connection = op.get_bind()
    for row in connection.execute(sa.select(_policies)).all():
        body, reason = _body(row.body), _code(row.reason)
        if (body, reason) != (row.body, row.reason):
            mine = (_policies.c.wallet_id == row.wallet_id) & (_policies.c.version == row.version)
            connection.execute(sa.update(_policies).where(mine).values(body=body, reason=reason))
    for row in connection.execute(sa.select(_wallets).where(_wallets.c.trouble != "")).all():
        trouble = _code(row.trouble)
        if trouble != row.trouble:
            mine = _wallets.c.wallet_id == row.wallet_id
            connection.execute(sa.update(_wallets).where(mine).values(trouble=trouble))


def _body(body: str) -> str:
    policy: dict[str, Any] = json.loads(body)
    if "pause_reason" not in policy:
        return body
    sentence = policy.pop("pause_reason")
    if sentence:
        code = _PAUSES.get(sentence) or ("declined_often" if _DECLINED_OFTEN.fullmatch(sentence) else "")
        policy["pause"] = {"code": code} if code else {"code": "legacy", "text": sentence}
    return json.dumps(policy, separators=(",", ":"), ensure_ascii=False)


def _code(sentence: str) -> str:
    if _CODE.fullmatch(sentence):
        return sentence
    known = _CHANGES.get(sentence) or ("declined_often" if _DECLINED_OFTEN.fullmatch(sentence) else "")
    return known or f"legacy:{sentence}"
