"""When people are alerted: lines, levels, and what must be told when money moved or time passed. Pure.

`consequences` is the one place that turns a change into notices.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

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
from ledger.recharge_policy import recharge_wanted
from ledger.standing import Funds, Standing, standing_at
from ledger.wallet_policy import Automatic, WalletPolicy

REARM_PERCENT = 110
"""A level is armed again when available money is this far above its line."""


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
        critical_micros=max(warning * policy.critical_percent // 100, four_hours_ahead_micros),
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
        notices.append(WalletRecovered(episode_id=watch.episode_id))
        watch = replace(watch, episode_id=None, episode_level=Level.FINE)
    if standing_at(now, after.funds) is Standing.PAUSED and not watch.paused_said:
        notices.append(_paused(after.funds, watch, now))
        watch = replace(watch, paused_said=True)
    wanted = recharge_wanted(after.funds, policy)
    if wanted and not watch.recharge_said:
        notices.append(RechargeWanted())
    return notices, replace(watch, recharge_said=wanted)


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
