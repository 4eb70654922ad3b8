"""When people are alerted: lines, levels, and what must be told when money moved or time passed. Pure.

`consequences` is the one place that turns a change into notices.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never
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
from ledger.spending import Burn, runway
from ledger.standing import Funds, Standing, standing_at
from ledger.wallet_policy import Automatic, WalletPolicy

CLEAR_PERCENT = 110
"""Available money is well above a line when it is so much of it."""


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
    """The highest level that was announced and has not fallen since."""
    announced_line_micros: int = 0
    """That level's line when it was announced: a line that moves down afterwards ends nothing."""
    falls_at: datetime | None = None
    """When the level falls, if money stays well above its line until then; None while it does not."""
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
    level = _seriousness(moment, policy, moment.lines)
    return Level.FINE if level is Level.WARNING and policy.automatic is Automatic.ON else level


def short_runway(
    moment: Moment, policy: WalletPolicy, burn: Burn | None, now: datetime, zone: str, *, refills: bool
) -> datetime | None:
    """Give when the money ends, where that is soon and people asked to be told; None where nothing is to be told.

    Silent while automatic payments refill the wallet, at every level that has an alarm, and while the pace is unknown.
    """
    if not policy.info or refills or burn is None or not moment.funds.funded:
        return None
    if level_at(moment, policy) is not Level.FINE:
        return None
    ends_at = runway(burn, moment.funds.available_micros, now, zone)
    return ends_at if ends_at is not None and ends_at < now + timedelta(hours=policy.info_hours) else None


def line_of(level: Level, lines: Lines, policy: WalletPolicy) -> int:
    """Give the line of a level: the balance or the available money at which, or below which, it begins."""
    match level:
        case Level.FINE:
            return 0
        case Level.WARNING:
            return lines.warning_micros
        case Level.CRITICAL:
            return max(lines.critical_micros, policy.floor_micros)
        case Level.ZERO:
            return policy.floor_micros
        case _:
            assert_never(level)


def _seriousness(moment: Moment, policy: WalletPolicy, lines: Lines, *, percent: int = 100) -> Level:
    """Judge the level by lines of which so many percent count, whether or not anybody hears of it."""
    funds = moment.funds
    if not funds.funded:
        return Level.FINE
    floor = policy.floor_micros * percent
    available = funds.available_micros * 100
    if funds.balance_micros <= 0 or funds.balance_micros * 100 < floor:
        return Level.ZERO
    if available <= lines.critical_micros * percent or available < floor:
        return Level.CRITICAL
    if available > lines.warning_micros * percent:
        return Level.FINE
    return Level.CRITICAL if moment.trouble else Level.WARNING


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
    said = watch.announced
    watch = _fallen(before, after, policy, watch, now)
    if _runs_again(before, after, said, watch.announced):
        notices.append(_resumed(before, after, watch, now, cause))
        watch = replace(watch, episode_id=None, episode_level=Level.FINE)
    if after.funds.balance_micros > 0:
        watch = replace(watch, paused_said=False)
    level = level_at(after, policy)
    if level > watch.announced:
        episode_id = watch.episode_id or new_episode_id
        watch = replace(
            _announced(watch, level, after.lines, policy), episode_id=episode_id, episode_level=level
        )
        if level is not Level.ZERO or after.funds.emptied_at is None:
            notices.append(_low(after.funds, level, episode_id))
    elif watch.episode_id is not None and watch.announced is Level.FINE:
        notices.append(WalletRecovered(episode_id=watch.episode_id))
        watch = replace(watch, episode_id=None, episode_level=Level.FINE)
    if before.funds.emptied_at is None and after.funds.emptied_at is not None:
        notices.append(_emptied(after.funds, watch))
    if standing_at(now, after.funds) is Standing.PAUSED and not watch.paused_said:
        notices.append(_paused(after.funds, watch, now))
        watch = replace(watch, paused_said=True)
    wanted = recharge_wanted(after.funds, policy)
    if wanted and not watch.recharge_said:
        notices.append(RechargeWanted())
    return notices, replace(watch, recharge_said=wanted)


def _fallen(before: Moment, after: Moment, policy: WalletPolicy, watch: Watch, now: datetime) -> Watch:
    """Let the announced level fall: by money that came in, or by time well above its line.

    Money that was only held and given back ends nothing at once, and a line that moved ends nothing at all.
    """
    if watch.announced is Level.FINE:
        return watch
    if after.funds.balance_micros > before.funds.balance_micros:
        level = _seriousness(after, policy, after.lines)
        if level < watch.announced:
            watch = _announced(watch, level, after.lines, policy)
    if watch.falls_at is not None and now >= watch.falls_at and _clear(after, policy, watch):
        watch = _announced(watch, _one_lower(watch.announced), after.lines, policy)
    if watch.announced is Level.FINE or not _clear(after, policy, watch):
        return replace(watch, falls_at=None)
    return replace(watch, falls_at=watch.falls_at or now + policy.alarm_ends_after)


def _clear(after: Moment, policy: WalletPolicy, watch: Watch) -> bool:
    """Say whether the wallet is well above the line of its announced level, where that line is and where it was."""
    said, lines = watch.announced_line_micros, after.lines
    match watch.announced:
        case Level.WARNING:
            lines = replace(lines, warning_micros=max(lines.warning_micros, said))
        case Level.CRITICAL:
            lines = replace(lines, critical_micros=max(lines.critical_micros, said))
        case Level.ZERO if after.funds.balance_micros * 100 < said * CLEAR_PERCENT:
            return False
        case _:
            pass
    return _seriousness(after, policy, lines, percent=CLEAR_PERCENT) < watch.announced


def _announced(watch: Watch, level: Level, lines: Lines, policy: WalletPolicy) -> Watch:
    return replace(watch, announced=level, announced_line_micros=line_of(level, lines, policy), falls_at=None)


def _one_lower(level: Level) -> Level:
    return max(one for one in Level if one < level)


def _runs_again(before: Moment, after: Moment, said: Level, announced: Level) -> bool:
    """Say whether what had stopped may start again, or starts for the first time."""
    if not before.funds.funded:
        return after.funds.balance_micros > 0
    return said is Level.ZERO and announced < Level.ZERO


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


def _low(funds: Funds, level: Level, episode_id: UUID) -> WalletLow:
    return WalletLow(
        episode_id=episode_id,
        level=level,
        balance_micros=funds.balance_micros,
        available_micros=funds.available_micros,
    )


def _emptied(funds: Funds, watch: Watch) -> WalletEmptied:
    assert watch.episode_id is not None, "a wallet empties inside an episode"
    assert funds.emptied_at is not None
    assert funds.grace_ends_at is not None
    return WalletEmptied(
        episode_id=watch.episode_id,
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
