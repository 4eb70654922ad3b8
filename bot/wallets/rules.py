"""Automatic payments stopped without anybody's asking, and set going again; why they run at all is in `recharge.py`."""

from dataclasses import replace
from uuid import UUID

from ledger import Automatic, Tx


def pause(tx: Tx, wallet_id: UUID, reason: str) -> bool:
    """Charge nothing until a card or a payment of somebody's wakes them; says whether they were on."""
    policy, version = tx.book.policy(wallet_id)
    if policy.automatic is not Automatic.ON:
        return False
    paused = replace(policy, automatic=Automatic.PAUSED, pause_reason=reason)
    tx.book.set_policy(wallet_id, paused, actor="redbar", expected_version=version, reason=reason)
    return True


def turn_off(tx: Tx, wallet_id: UUID, reason: str, *, actor: str = "redbar") -> bool:
    """Charge nothing until somebody turns them on; says whether they were on or paused."""
    policy, version = tx.book.policy(wallet_id)
    if policy.automatic is Automatic.OFF:
        return False
    off = replace(policy, automatic=Automatic.OFF, pause_reason="")
    tx.book.set_policy(wallet_id, off, actor=actor, expected_version=version, reason=reason)
    return True


def wake(tx: Tx, wallet_id: UUID, *, actor: str) -> None:
    """Let them go on where they were paused: somebody has paid, or saved a card."""
    policy, version = tx.book.policy(wallet_id)
    if policy.automatic is Automatic.PAUSED:
        woken = replace(policy, automatic=Automatic.ON, pause_reason="")
        tx.book.set_policy(wallet_id, woken, actor=actor, expected_version=version, reason="paid")
