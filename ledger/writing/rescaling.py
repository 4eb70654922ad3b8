"""Policies from the time when every default was a number of dollars, made fit for the currencies of their wallets.

Looked at each time the books are opened. It is safe to repeat: a policy that fits stays as it is.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection, select

from ledger.currencies import RESCALED, Scale, scale_of
from ledger.storage.schema import policies, wallets
from ledger.wallet_policy import WalletPolicy, rescaled
from ledger.writing.book import REDBAR
from ledger.writing.writer import Tx

REASON = "currency_amounts"
"""Why such a version of a policy was written."""


def policies_that_do_not_fit(connection: Connection) -> Sequence[UUID]:
    """Give the wallets whose policies have amounts of another currency."""
    rows = connection.execute(
        select(wallets.c.wallet_id, wallets.c.currency, policies.c.body)
        .join(
            policies,
            (policies.c.wallet_id == wallets.c.wallet_id) & (policies.c.version == wallets.c.policy_version),
        )
        .where(wallets.c.currency.in_(RESCALED))
        .order_by(wallets.c.wallet_id)
        .execution_options(cross_shard=True)
    )
    return [wallet_id for wallet_id, currency, body in rows if _fitted(body, currency) is not None]


def rescale_policy(
    tx: Tx, wallet_id: UUID, within_bounds: Callable[[WalletPolicy, Scale], WalletPolicy]
) -> tuple[int, int] | None:
    """Write a version of the policy that fits the currency; gives the versions before and after, None where it does.

    `within_bounds` gives a policy without the settings that are outside their bounds in the currency.
    """
    _, version = tx.book.policy(wallet_id)
    currency, body = tx.connection.execute(
        select(wallets.c.currency, policies.c.body)
        .join(policies, policies.c.wallet_id == wallets.c.wallet_id)
        .where(wallets.c.wallet_id == wallet_id, policies.c.version == version)
    ).one()
    fitted = _fitted(body, currency)
    if fitted is None:
        return None
    fitted = within_bounds(fitted, scale_of(currency))
    after = tx.book.set_policy(wallet_id, fitted, actor=REDBAR, expected_version=version, reason=REASON)
    return version, after


def _fitted(body: str, currency: str) -> WalletPolicy | None:
    policy = msgspec.json.decode(body, type=WalletPolicy)
    fitted = rescaled(policy, currency, msgspec.json.decode(body, type=dict[str, msgspec.Raw]).keys())
    return fitted if fitted != policy else None
