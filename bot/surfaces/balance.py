"""A wallet's money as people are shown it, what it lets start, and how long it lasts."""

from bot.facts import BalanceFacts
from bot.surfaces.figures import basis_of, brings_back
from bot.surfaces.snapshot import Snapshot
from bot.wallets.usage import permits
from ledger import OUTBOUND_CALL, Standing, funds_of, runway


def balance_facts(snapshot: Snapshot) -> BalanceFacts:
    """Say the money, the standing and how long it lasts."""
    view = snapshot.view
    lasts_until = (
        runway(snapshot.burn, view.available_micros, snapshot.now, view.zone)
        if snapshot.burn is not None and view.funded
        else None
    )
    policy = snapshot.policy
    found = permits(view, policy, snapshot.now)
    stopped = view.funded and (
        view.standing is not Standing.OPEN or view.balance_micros < policy.floor_micros
    )
    return BalanceFacts(
        now=snapshot.now,
        zone=view.zone,
        balance=snapshot.money(view.balance_micros),
        held=snapshot.money(view.held_micros),
        available=snapshot.money(view.available_micros),
        open_holds=view.open_holds,
        standing=view.standing,
        lasts_until=lasts_until,
        basis=basis_of(snapshot.burn, lasts_until, view.available_micros),
        emptied_at=view.emptied_at,
        grace_ends_at=view.grace_ends_at,
        grace=policy.grace,
        brings_back=snapshot.money(brings_back(funds_of(view), policy, snapshot.scale)) if stopped else None,
        refused=frozenset(kind for kind, permit in found.items() if not permit.allowed),
        call_needs=snapshot.money(policy.hold_for(OUTBOUND_CALL)),
        funded=view.funded,
        after_stop_count=view.after_stop_count,
        last_asked_at=view.last_asked_at,
    )
