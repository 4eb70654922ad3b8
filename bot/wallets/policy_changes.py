"""Changes of a wallet's settings, by the operator or when the books are opened: a version of the policy each, told."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from bot.notices import SettingsChanged
from bot.rights import OPERATOR
from bot.wallets.policy_settings import differences, listed, with_settings, within_bounds
from ledger import (
    REDBAR,
    Automatic,
    Ledger,
    Tx,
    policies_that_do_not_fit,
    policy_of,
    rescale_policy,
    scale_of,
)


def list_settings(ledger: Ledger, wallet_id: UUID) -> list[str]:
    """Write every setting of a wallet in a line."""
    with ledger.reading() as connection:
        view, policy = ledger.look(connection, wallet_id)
    return listed(policy, scale_of(view.currency))


def change_settings(ledger: Ledger, wallet_id: UUID, wanted: Sequence[str]) -> list[str]:
    """Change settings written as name=value; gives what has changed, in words. Refuses: SettingUnfit."""

    def save(tx: Tx) -> list[str]:
        policy, version = tx.book.policy(wallet_id)
        scale = scale_of(tx.book.view(wallet_id).currency)
        changed = with_settings(policy, wanted, scale)
        if changed == policy:
            return []
        after = tx.book.set_policy(
            wallet_id, changed, actor=OPERATOR, expected_version=version, reason="settings"
        )
        tx.outbox.add(wallet_id, SettingsChanged(actor=OPERATOR, before_version=version, after_version=after))
        return differences(policy, changed, scale)

    return ledger.run(save, wallet_id=wallet_id)


def fit_policies(ledger: Ledger) -> None:
    """Give every wallet amounts of its own currency; done when the books are opened, and safe to repeat."""
    with ledger.reading() as connection:
        wallet_ids = policies_that_do_not_fit(connection)
    for wallet_id in wallet_ids:
        ledger.run(partial(_fit, wallet_id=wallet_id), wallet_id=wallet_id)


def _fit(tx: Tx, *, wallet_id: UUID) -> None:
    versions = rescale_policy(tx, wallet_id, within_bounds)
    if versions is None:
        return  # another process was faster
    before, after = versions
    was_on = policy_of(tx.connection, wallet_id, before).automatic is not Automatic.OFF
    is_on = policy_of(tx.connection, wallet_id, after).automatic is not Automatic.OFF
    tx.outbox.add(
        wallet_id,
        SettingsChanged(
            actor=REDBAR, before_version=before, after_version=after, stopped=was_on and not is_on
        ),
    )
