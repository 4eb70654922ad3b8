"""Figures and states that are shown, worked out from facts that were read before. Pure."""

from datetime import datetime, timedelta

from bot.facts import Basis, HomeFacts
from bot.states.alert import AlertPhase
from bot.states.payment import IN_FLIGHT, State
from bot.states.recharge import RechargePhase
from ledger import (
    AI_TASK,
    CENT,
    INBOUND_CALL,
    OUTBOUND_CALL,
    Automatic,
    Burn,
    CreditKind,
    Episode,
    Funds,
    Level,
    Money,
    RechargePast,
    RechargeRule,
    Scale,
    Standing,
    WalletPolicy,
    WalletView,
    charge_bounds,
    cost_ahead,
    format_money,
    recharge_decision,
    runway,
    scale_of,
)

CREDIT_KINDS = frozenset(kind.value for kind in CreditKind)


def basis_of(burn: Burn | None, lasts_until: datetime | None, available_micros: int) -> Basis:
    """Say how well it is known how long the money lasts."""
    if burn is None:
        return Basis.EARLY
    if burn.week_micros == 0:
        return Basis.IDLE
    return Basis.USUAL if lasts_until is not None or available_micros <= 0 else Basis.LONG


def brings_back(funds: Funds, policy: WalletPolicy, scale: Scale) -> int:
    """Give the least round amount after which every kind may start at its default hold, and grace is whole again."""
    below_zero = {INBOUND_CALL: funds.ceiling_micros}
    holds = {kind: policy.hold_for(kind) for kind in (OUTBOUND_CALL, INBOUND_CALL, AI_TASK)}
    gaps = [
        hold - below_zero.get(kind, 0) - funds.available_micros
        for kind, hold in holds.items()
        if hold > 0  # work without a price starts always
    ]
    gaps.append(policy.floor_micros - funds.balance_micros)  # below the floor the alarm goes on
    return scale.up(max(policy.grace_refill_micros, policy.top_up_min_micros, *gaps))


def offered_amount(policy: WalletPolicy, available: Money) -> Money:
    """Give what an alert's button offers to charge: what brings the wallet back to where it should be."""
    rule = policy.rule
    if rule is None:
        gap = 4 * policy.warning_min_micros - available.micros
    elif rule.fixed_micros is not None:
        gap = max(rule.fixed_micros, rule.threshold_micros - available.micros)
    else:
        gap = (rule.target_micros or 0) - available.micros
    scale = scale_of(available.currency.code)
    offered = scale.up(max(policy.top_up_min_micros, gap))
    return Money(min(offered, policy.top_up_max_micros), available.currency)


def suggested_rule(
    burn: Burn | None, now: datetime, zone: str, policy: WalletPolicy, scale: Scale
) -> RechargeRule:
    """Suggest a rule from the pace: the threshold covers a day, the target a week, inside the bounds of one charge."""
    day = week = 0
    if burn is not None:
        day = cost_ahead(burn, now, zone, 24)
        week = burn.week_micros
    least, most = charge_bounds(scale)
    threshold = scale.up(max(policy.suggested_threshold_micros, day))
    target = min(scale.up(max(policy.suggested_target_micros, week)), threshold + most)
    target = max(target, threshold + least)
    day_cap, month_cap = policy.default_caps(target)
    return RechargeRule(
        threshold_micros=threshold,
        target_micros=target,
        per_day_max=policy.recharges_a_day,
        day_cap_micros=day_cap,
        month_cap_micros=month_cap,
        spacing=policy.recharge_spacing,
    )


def charged_at_once(rule: RechargeRule, view: WalletView, now: datetime) -> int | None:
    """Give what a rule would charge as soon as it is turned on; None where the balance is not below it."""
    policy = WalletPolicy(automatic=Automatic.ON, rule=rule)
    funds = Funds(view.balance_micros, view.held_micros, view.funded, view.emptied_at, view.grace_ends_at, 0)
    past = RechargePast(False, 0, 0, 0, None)
    scale = scale_of(view.currency)
    return recharge_decision(funds, policy, past, now, day_ends_at=now, scale=scale).amount_micros


def pace_words(burn: Burn | None, amount: Money, now: datetime, zone: str) -> str:
    """Say how long an amount lasts at the present pace; empty where that isn't known."""
    if burn is None or burn.week_micros == 0:
        return ""
    until = runway(burn, amount.micros, now, zone)
    if until is None:
        return f"{format_money(amount)} lasts more than 60 days at the present pace."
    hours = (until - now) // timedelta(hours=1)
    words = f"{hours // 24} days" if hours >= 48 else f"{hours} hours" if hours != 1 else "1 hour"
    return f"{format_money(amount)} lasts about {words} at the present pace."


def phase_of(episode: Episode, standing: Standing) -> AlertPhase:
    """Say how an episode stands."""
    if episode.closed_at is not None:
        return AlertPhase.RESTORED if episode.level is Level.ZERO else AlertPhase.RECOVERED
    if episode.level is not Level.ZERO:
        return AlertPhase.LOW
    if standing is Standing.OPEN:
        return AlertPhase.CANT_START
    return AlertPhase.PAUSED if standing is Standing.PAUSED else AlertPhase.COUNTING


def recharge_phase(
    last: State,
    *,
    retries: bool,
    paid: bool,
    paid_by_link: bool,
    ended_by: str | None,
    automatic: Automatic,
) -> RechargePhase:
    """Say how a recharge stands. `last` is the state of its newest try, `retries` says that another one is planned.

    `ended_by` is the key of the credit that ended it, empty where a newer recharge did, None where nothing has.
    """
    if paid_by_link:
        return RechargePhase.PAID_BY_LINK
    if paid:
        return RechargePhase.PAID
    if ended_by is not None:
        return RechargePhase.CLOSED if ended_by else RechargePhase.REPLACED
    if last in IN_FLIGHT:
        return RechargePhase.TRYING
    if last is State.WAITING:
        return RechargePhase.CONFIRM
    if automatic is Automatic.OFF:
        return RechargePhase.OFF
    if last is State.WITHDRAWN:
        return RechargePhase.STOPPED
    if automatic is Automatic.PAUSED:
        return RechargePhase.PAUSED
    return RechargePhase.RETRYING if retries else RechargePhase.RESUMED


def whole_cents(micros: int) -> int:
    """Give an average without the fractions of a cent that nobody was ever charged."""
    return micros // CENT * CENT


def fingerprint(view: WalletView, now: datetime, facts: HomeFacts) -> str:
    """Name the state behind a Home tab, so that it is sent again only when something changed."""
    balance = facts.balance
    running = (now - (balance.emptied_at or now)) // timedelta(minutes=1)
    requests = ",".join(one.ref for one in facts.requests)
    parts = (
        view.seq,
        view.held_micros,
        view.policy_version,
        view.trouble,
        balance.standing,
        running,
        requests,
        facts.automatic.card,
        facts.automatic.block,
        facts.month.picture_file_id,
        facts.month.month,
        facts.people,
        facts.key_refused_at,
    )
    return "|".join(map(str, parts))
