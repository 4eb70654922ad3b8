"""What a change of rule changed, read back from the policies that were kept."""

from dataclasses import replace
from uuid import UUID

from bot.flows.facts import AutomaticFacts
from bot.flows.pages import automatic_facts, desk
from bot.flows.recharge import Recharge
from ledger import Ledger, policy_of


def rule_before_and_after(
    ledger: Ledger, recharge: Recharge, wallet_id: UUID, before_version: int, after_version: int
) -> tuple[AutomaticFacts, AutomaticFacts]:
    """Give automatic payments as two versions of the policy had them."""
    with ledger.reading() as connection:
        now = automatic_facts(desk(ledger, connection, wallet_id), recharge)
        found = [policy_of(connection, wallet_id, version) for version in (before_version, after_version)]
    before, after = (
        replace(now, state=policy.automatic, rule=policy.rule, pause_reason=policy.pause_reason)
        for policy in found
    )
    return before, after
