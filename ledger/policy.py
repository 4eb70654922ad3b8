"""What a wallet is told to do, and what must follow when its money moves. Pure.

`consequences` is the one place that turns a change into notices; `recharge_decision` is the one place that says
whether an automatic payment is due, of what size, and in words why not.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ledger.errors import PolicyUnfit
from ledger.money import MICROS
from ledger.notices import (
    Level,
    Notice,
    RechargeWanted,
    WalletEmptied,
    WalletLow,
    WalletPaused,
    WalletRecovered,
    WalletResumed,
)
from ledger.standing import Funds, Standing, standing_at

RULE_THRESHOLD_MIN = 10 * MICROS
CHARGE_MIN = 25 * MICROS
CHARGE_MAX = 2_500 * MICROS
REARM_PERCENT = 110
"""A level is armed again when available money is this far above its line."""
CRITICAL_PERCENT = 25


class Automatic(StrEnum):
    """Whether automatic payments run."""

    OFF = "off"
    ON = "on"
    PAUSED = "paused"  # switched on, but waiting for a person after failures


@dataclass(frozen=True, slots=True)
class RechargeRule:
    """When to charge the card, to where, and never more than what. Amounts in micro-units.

    Exactly one of `target_micros` (bring back to) and `fixed_micros` (add this much) is set.
    """

    threshold_micros: int
    target_micros: int | None = None
    fixed_micros: int | None = None
    per_day_max: int = 3
    day_cap_micros: int = 500 * MICROS
    month_cap_micros: int = 5_000 * MICROS
    spacing: timedelta = timedelta(minutes=15)

    def full_charge_micros(self) -> int:
        """Give the size of an ordinary charge: one made just below the threshold."""
        return self.wish_micros(self.threshold_micros)

    def wish_micros(self, level_micros: int) -> int:
        """Give what one charge adds at a level of money: the fixed amount as it is, or the whole gap in whole units.

        Where a fixed amount leaves the wallet below the threshold, the next charge follows after the spacing.
        """
        if self.fixed_micros is not None:
            return self.fixed_micros
        assert self.target_micros is not None, "a rule has a target or a fixed amount"
        return min(max(_up_to_major(self.target_micros - level_micros), CHARGE_MIN), CHARGE_MAX)

    def check(self) -> None:
        """Refuse numbers that contradict each other. Refuses: PolicyUnfit, naming the field to change."""
        if self.threshold_micros < RULE_THRESHOLD_MIN:
            raise PolicyUnfit("threshold", "The threshold has to be at least 10.")
        if (self.target_micros is None) == (self.fixed_micros is None):
            raise PolicyUnfit(
                "target", "A rule comes back to a target or adds a fixed amount, one of the two."
            )
        if self.target_micros is not None and self.target_micros <= self.threshold_micros:
            raise PolicyUnfit("target", "The amount to come back to has to be above the threshold.")
        if self.target_micros is not None and self.target_micros - self.threshold_micros > CHARGE_MAX:
            raise PolicyUnfit(
                "target", "One charge is at most 2,500: bring the target closer to the threshold."
            )
        if self.fixed_micros is not None and not CHARGE_MIN <= self.fixed_micros <= CHARGE_MAX:
            raise PolicyUnfit("fixed", "A fixed charge has to be between 25 and 2,500.")
        if self.per_day_max < 1:
            raise PolicyUnfit("per_day", "There has to be room for at least one charge a day.")
        if self.day_cap_micros < self.full_charge_micros():
            raise PolicyUnfit("day_cap", "The daily limit doesn't leave room for one full charge.")
        if self.month_cap_micros < self.full_charge_micros():
            raise PolicyUnfit("month_cap", "The monthly limit doesn't leave room for one full charge.")


def default_caps(target_micros: int) -> tuple[int, int]:
    """Give the default money caps per day and month for a rule that comes back to a target."""
    return max(500 * MICROS, 2 * target_micros), max(5_000 * MICROS, 10 * target_micros)


@dataclass(frozen=True, slots=True)
class WalletPolicy:
    """The settings of one wallet that its ledger obeys. Amounts in micro-units."""

    automatic: Automatic = Automatic.OFF
    rule: RechargeRule | None = None
    pause_reason: str = ""
    grace: timedelta = timedelta(minutes=15)
    grace_refill_micros: int = 10 * MICROS
    overdraft_min_micros: int = 25 * MICROS
    overdraft_percent: int = 5
    default_hold_micros: int = MICROS // 2
    default_holds: dict[str, int] = field(default_factory=dict)
    """Per kind, where it differs from `default_hold_micros`."""
    hold_lifetime: timedelta = timedelta(minutes=5)
    warning_min_micros: int = 50 * MICROS
    """The lowest warning line of a wallet without a rule."""

    def hold_for(self, kind: str) -> int:
        """Give the default hold of a kind."""
        return self.default_holds.get(kind, self.default_hold_micros)


@dataclass(frozen=True, slots=True)
class Lines:
    """The amounts of available money at which an episode opens or rises. Micro-units."""

    warning_micros: int
    critical_micros: int


def lines_for(policy: WalletPolicy, *, day_ahead_micros: int, four_hours_ahead_micros: int) -> Lines:
    """Draw the alert lines: the worse of money and runway, both said in money.

    "Less than 24 hours left" is the same as "less available than the next 24 hours will cost", so runway needs
    no clock of its own at each posting.
    """
    floor = policy.rule.threshold_micros if policy.rule is not None else policy.warning_min_micros
    warning = max(floor, day_ahead_micros)
    return Lines(
        warning_micros=warning,
        critical_micros=max(warning * CRITICAL_PERCENT // 100, four_hours_ahead_micros),
    )


@dataclass(frozen=True, slots=True)
class Watch:
    """What the wallet has already said, so that it says each thing once."""

    announced: Level = Level.FINE
    """The highest level announced and not armed again."""
    episode_id: UUID | None = None
    episode_level: Level = Level.FINE
    """The highest level the open episode has reached; meaningless without one."""
    paused_said: bool = False
    recharge_said: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """A wallet at one instant, for judging what follows. `trouble` is true while automatic payments fail."""

    funds: Funds
    lines: Lines
    trouble: bool
    grace_cost_micros: int = 0


def level_at(moment: Moment, policy: WalletPolicy) -> Level:
    """Judge how serious things are. Warnings stay silent while automatic payments work."""
    available = moment.funds.available_micros
    if not moment.funds.funded:
        return Level.FINE
    if moment.funds.balance_micros <= 0:
        return Level.ZERO
    if available <= moment.lines.critical_micros:
        return Level.CRITICAL
    if available > moment.lines.warning_micros:
        return Level.FINE
    if moment.trouble:
        return Level.CRITICAL
    return Level.FINE if policy.automatic is Automatic.ON else Level.WARNING


def consequences(
    before: Moment,
    after: Moment,
    policy: WalletPolicy,
    watch: Watch,
    now: datetime,
    *,
    new_episode_id: UUID,
    cause: tuple[str, str],
) -> tuple[list[Notice], Watch]:
    """Say what must be told of a change, and what is remembered as told.

    Called with `before` equal to `after` it judges what time alone did. `cause` is source and id of the transfer.
    """
    notices: list[Notice] = []
    if after.funds.balance_micros > 0 and (before.funds.balance_micros <= 0 or not before.funds.funded):
        notices.append(_resumed(before, after, watch, now, cause))
        watch = replace(watch, episode_id=None, episode_level=Level.FINE, paused_said=False)
    watch = _rearmed(after, watch)
    level = level_at(after, policy)
    if level > watch.announced:
        watch = replace(watch, announced=level)
        episode_id = watch.episode_id or new_episode_id
        watch = replace(watch, episode_id=episode_id, episode_level=level)
        notices.append(_crossed(after.funds, level, episode_id))
    elif watch.episode_id is not None and watch.announced is Level.FINE:
        notices.append(
            WalletRecovered(
                episode_id=watch.episode_id, recovered_at=now, balance_micros=after.funds.balance_micros
            )
        )
        watch = replace(watch, episode_id=None, episode_level=Level.FINE)
    if standing_at(now, after.funds) is Standing.PAUSED and not watch.paused_said:
        notices.append(_paused(after.funds, watch, now))
        watch = replace(watch, paused_said=True)
    wanted = recharge_wanted(after.funds, policy)
    if wanted and not watch.recharge_said:
        notices.append(RechargeWanted(available_micros=after.funds.available_micros))
    return notices, replace(watch, recharge_said=wanted)


def recharge_wanted(funds: Funds, policy: WalletPolicy) -> bool:
    """Judge whether available money is below the rule's threshold while automatic payments are on."""
    return (
        policy.automatic is Automatic.ON
        and policy.rule is not None
        and funds.available_micros < policy.rule.threshold_micros
    )


def _resumed(
    before: Moment, after: Moment, watch: Watch, now: datetime, cause: tuple[str, str]
) -> WalletResumed:
    return WalletResumed(
        episode_id=watch.episode_id,
        emptied_at=before.funds.emptied_at,
        resumed_at=now,
        grace_cost_micros=before.grace_cost_micros,
        balance_micros=after.funds.balance_micros,
        source=cause[0],
        source_id=cause[1],
    )


def _rearmed(after: Moment, watch: Watch) -> Watch:
    available = after.funds.available_micros
    announced = watch.announced
    if announced is Level.ZERO and after.funds.balance_micros > 0:
        announced = Level.CRITICAL
    if announced is Level.CRITICAL and available * 100 >= after.lines.critical_micros * REARM_PERCENT:
        announced = Level.WARNING
    if announced is Level.WARNING and available * 100 >= after.lines.warning_micros * REARM_PERCENT:
        announced = Level.FINE
    return replace(watch, announced=announced)


def _crossed(funds: Funds, level: Level, episode_id: UUID) -> Notice:
    if level is not Level.ZERO:
        return WalletLow(
            episode_id=episode_id,
            level=level,
            balance_micros=funds.balance_micros,
            available_micros=funds.available_micros,
        )
    assert funds.emptied_at is not None
    assert funds.grace_ends_at is not None
    return WalletEmptied(
        episode_id=episode_id,
        emptied_at=funds.emptied_at,
        grace_ends_at=funds.grace_ends_at,
        balance_micros=funds.balance_micros,
    )


def _paused(funds: Funds, watch: Watch, now: datetime) -> WalletPaused:
    assert watch.episode_id is not None, "a wallet pauses inside the episode that its emptying opened"
    assert funds.emptied_at is not None
    assert funds.grace_ends_at is not None
    return WalletPaused(
        episode_id=watch.episode_id,
        emptied_at=funds.emptied_at,
        # The ceiling can be reached before grace is used up; then the pause began now.
        paused_at=min(now, funds.grace_ends_at),
        balance_micros=funds.balance_micros,
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


class Held(StrEnum):
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


@dataclass(frozen=True, slots=True)
class RechargeDecision:
    """Charge `amount_micros` now, or don't because of `held`; exactly one is set."""

    amount_micros: int | None
    held: Held | None
    until: datetime | None = None
    """When it is worth looking again, where time alone changes the answer."""
    cut_by_cap: bool = False
    """The caps let through less than the gap."""


UNUSED_AFTER = timedelta(days=14)
"""A wallet that nobody draws on for so long is not filled up by itself."""


def recharge_decision(
    funds: Funds, policy: WalletPolicy, past: RechargePast, now: datetime, *, day_ends_at: datetime
) -> RechargeDecision:
    """Judge whether the card is charged now, and how much: the whole gap, inside bounds and caps.

    The caller holds the wallet's lock. `day_ends_at` is the end of the day in the wallet's zone.
    """

    def held(reason: Held, until: datetime | None = None) -> RechargeDecision:
        return RechargeDecision(amount_micros=None, held=reason, until=until)

    if policy.automatic is Automatic.PAUSED:
        return held(Held.PAUSED)
    rule = policy.rule
    if policy.automatic is Automatic.OFF or rule is None:
        return held(Held.OFF)
    if past.switched_off:
        return held(Held.SWITCHED_OFF)
    level_micros = funds.available_micros + past.coming_micros
    if level_micros >= rule.threshold_micros:
        return held(Held.ENOUGH)
    if past.in_flight:
        return held(Held.IN_FLIGHT)
    if past.last_used_at is not None and now - past.last_used_at >= UNUSED_AFTER:
        return held(Held.UNUSED)
    if past.needs_person:
        return held(Held.NEEDS_PERSON)
    if past.retry_at is not None and now < past.retry_at:
        return held(Held.RETRY, past.retry_at)
    if past.last_started_at is not None and now < past.last_started_at + rule.spacing:
        return held(Held.SPACING, past.last_started_at + rule.spacing)
    if past.attempts_today >= rule.per_day_max:
        return held(Held.DAY_COUNT, day_ends_at)
    wish = rule.wish_micros(level_micros)
    day_left = rule.day_cap_micros - past.money_today_micros
    month_left = rule.month_cap_micros - past.money_month_micros
    left = min(day_left, month_left)
    amount = wish if wish <= left else _down_to_major(left)
    if amount < CHARGE_MIN:
        if day_left < CHARGE_MIN:
            return held(Held.DAY_CAP, day_ends_at)
        return held(Held.MONTH_CAP)
    return RechargeDecision(amount_micros=amount, held=None, cut_by_cap=amount < wish)


def _up_to_major(micros: int) -> int:
    return -(-micros // MICROS) * MICROS


def _down_to_major(micros: int) -> int:
    return micros // MICROS * MICROS
