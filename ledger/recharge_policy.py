"""Whether an automatic payment is made now, of what size, and why not. Pure: decided under the wallet's lock."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ledger.currencies import Scale
from ledger.standing import Funds
from ledger.wallet_policy import Automatic, RechargeRule, WalletPolicy, charge_bounds


def recharge_wanted(funds: Funds, policy: WalletPolicy) -> bool:
    """Judge whether available money is below the rule's threshold while automatic payments are on."""
    return (
        policy.automatic is Automatic.ON
        and policy.rule is not None
        and funds.available_micros < policy.rule.threshold_micros
    )


@dataclass(frozen=True, slots=True)
class RechargePast:
    """What automatic payments did lately, counted under the wallet's lock. Amounts in micro-units.

    Money counts succeeded, in-flight and unknown tries; attempts count whatever became of them.
    """

    in_flight: bool
    attempts_today: int
    money_today_micros: int
    money_month_micros: int
    last_started_at: datetime | None
    coming_micros: int = 0
    """Money already on its way from payments whose outcome is not known yet."""
    retry_at: datetime | None = None
    """When the next try of a recharge that was declined is due; its wish is not counted above."""
    needs_person: bool = False
    """The bank wants the cardholder to confirm a try."""
    last_used_at: datetime | None = None
    """When the platform last asked or posted; None before the first time."""
    switched_off: bool = False
    """The operator has stopped all automatic charges."""


class RechargeBlock(StrEnum):
    """Why no automatic payment is made now."""

    OFF = "off"
    PAUSED = "paused"
    ENOUGH = "enough"
    IN_FLIGHT = "in_flight"
    SPACING = "spacing"
    RETRY = "retry"
    NEEDS_PERSON = "needs_person"
    DAY_COUNT = "day_count"
    DAY_CAP = "day_cap"
    MONTH_CAP = "month_cap"
    UNUSED = "unused"
    SWITCHED_OFF = "switched_off"


class CapWindow(StrEnum):
    """What a cap counts over, in the wallet's zone."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class RechargeDecision:
    """Charge `amount_micros` now, or don't because of `block`; exactly one is set."""

    amount_micros: int | None
    block: RechargeBlock | None
    until: datetime | None = None
    """When it is worth looking again, where time alone changes the answer."""
    cut_by_cap: bool = False
    """The caps let through less than the gap."""
    one_left: CapWindow | None = None
    """The window in which the caps admit exactly one more charge after this one."""


def recharge_decision(
    funds: Funds,
    policy: WalletPolicy,
    past: RechargePast,
    now: datetime,
    *,
    day_ends_at: datetime,
    scale: Scale,
) -> RechargeDecision:
    """Judge whether the card is charged now, and how much: the whole gap, inside bounds and caps.

    The caller holds the wallet's lock. `day_ends_at` is the end of the day in the wallet's zone.
    """

    def blocked(block: RechargeBlock, until: datetime | None = None) -> RechargeDecision:
        return RechargeDecision(amount_micros=None, block=block, until=until)

    if policy.automatic is Automatic.PAUSED:
        return blocked(RechargeBlock.PAUSED)
    rule = policy.rule
    if policy.automatic is Automatic.OFF or rule is None:
        return blocked(RechargeBlock.OFF)
    if past.switched_off:
        return blocked(RechargeBlock.SWITCHED_OFF)
    level_micros = funds.available_micros + past.coming_micros
    if level_micros >= rule.threshold_micros:
        return blocked(RechargeBlock.ENOUGH)
    if past.in_flight:
        return blocked(RechargeBlock.IN_FLIGHT)
    if past.last_used_at is not None and now - past.last_used_at >= policy.unused_after:
        return blocked(RechargeBlock.UNUSED)
    if past.needs_person:
        return blocked(RechargeBlock.NEEDS_PERSON)
    if past.retry_at is not None and now < past.retry_at:
        return blocked(RechargeBlock.RETRY, past.retry_at)
    if past.last_started_at is not None and now < past.last_started_at + rule.spacing:
        return blocked(RechargeBlock.SPACING, past.last_started_at + rule.spacing)
    if past.attempts_today >= rule.per_day_max:
        return blocked(RechargeBlock.DAY_COUNT, day_ends_at)
    wish = rule.wish_micros(level_micros, scale)
    day_left = rule.day_cap_micros - past.money_today_micros
    month_left = rule.month_cap_micros - past.money_month_micros
    left = min(day_left, month_left)
    amount = wish if wish <= left else scale.down(left)
    least, _ = charge_bounds(scale)
    if amount < least:
        if day_left < least:
            return blocked(RechargeBlock.DAY_CAP, day_ends_at)
        return blocked(RechargeBlock.MONTH_CAP)
    return RechargeDecision(
        amount_micros=amount,
        block=None,
        cut_by_cap=amount < wish,
        one_left=_one_left_after(amount, rule, past, scale),
    )


def admits_full_charge(rule: RechargeRule, past: RechargePast, scale: Scale) -> bool:
    """Judge whether the caps leave room for an ordinary charge, whether or not one is wanted now."""
    full = rule.full_charge_micros(scale)
    return (
        past.attempts_today < rule.per_day_max
        and full <= rule.day_cap_micros - past.money_today_micros
        and full <= rule.month_cap_micros - past.money_month_micros
    )


def _one_left_after(
    amount_micros: int, rule: RechargeRule, past: RechargePast, scale: Scale
) -> CapWindow | None:
    """Name the window in which one charge is left after this one; the longer one where both have one left.

    Later charges are taken to be as large as this one, and no smaller than an ordinary one.
    """
    size = max(amount_micros, rule.full_charge_micros(scale))
    by_month = _charges_in(rule.month_cap_micros - past.money_month_micros - amount_micros, size, scale)
    by_day = _charges_in(rule.day_cap_micros - past.money_today_micros - amount_micros, size, scale)
    by_count = rule.per_day_max - past.attempts_today - 1
    if by_month == 1:
        return CapWindow.MONTH
    return CapWindow.DAY if min(by_count, by_day, by_month) == 1 else None


def _charges_in(left_micros: int, size_micros: int, scale: Scale) -> int:
    """Count the charges of a size that fit into what a money cap has left, a last one cut to the rest among them."""
    least, _ = charge_bounds(scale)
    whole, rest = divmod(max(0, left_micros), size_micros)
    return whole + (rest >= least)
