"""What may start, judged from the facts of one instant. Pure: no clock, no database, no scheduler.

Theory. *Standing* is a level, not an event: it is computed from the balance, the grace that is left and the time,
whoever asks and whenever. Two things move it. Money moves the balance across zero; time alone runs the grace out.
Nothing here remembers what was announced: announcements live in `alert_policy.consequences`. Stops that are over are
remembered for a week, because work that began in one of them may be posted later.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

GRACE_WINDOW = timedelta(hours=24)
"""Grace is a budget inside any such stretch of time."""
STOPS_KEPT = timedelta(days=7)
"""How long a stop is remembered after its end."""


class Standing(StrEnum):
    """What the wallet's state lets start."""

    NOT_CONNECTED = "not_connected"  # never funded: nothing starts
    OPEN = (
        "open"  # balance above zero: everything starts within what is available, inbound down to the ceiling
    )
    GRACE = "grace"  # empty, grace left: inbound alone, down to the overdraft ceiling
    PAUSED = "paused"  # empty, grace used up or ceiling reached: nothing starts


class Reason(StrEnum):
    """Why a start was allowed or refused, as the platform reads it."""

    ALLOWED = "allowed"
    FREE_OF_CHARGE = "free_of_charge"
    NOT_CONNECTED = "not_connected"
    INSUFFICIENT_AVAILABLE = "insufficient_available"
    EMPTY = "empty"
    GRACE_USED = "grace_used"
    OVERDRAFT_CEILING = "overdraft_ceiling"
    ENDED = "ended"  # this id asked before, and was charged or released since
    ALREADY_CHARGED = "already_charged"  # the cost of this id was posted before it asked


class Scope(StrEnum):
    """Which work a stop stops."""

    INBOUND = "inbound"  # inbound calls, and AI tasks inside them
    OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Stop:
    """A stretch of time in which standing refused one scope of work; `ended_at` is None while it lasts."""

    scope: Scope
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in which grace was being used."""

    began_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Funds:
    """The facts that standing is judged by. Amounts in micro-units."""

    balance_micros: int
    held_micros: int
    """Held by unexpired holds at the instant of judging."""
    funded: bool
    """Whether money ever came in."""
    emptied_at: datetime | None
    """When the balance last fell to zero or below; None while it is above."""
    grace_ends_at: datetime | None
    """Set with `emptied_at`."""
    ceiling_micros: int
    """How far below zero inbound work may take the balance; 0 or more."""

    @property
    def available_micros(self) -> int:
        """Balance less what is held."""
        return self.balance_micros - self.held_micros


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether one kind of work may start."""

    allowed: bool
    reason: Reason
    standing: Standing
    valid_until: datetime
    """Until when the answer may be relied on; a hold lives by its own expiry."""


def standing_at(now: datetime, funds: Funds) -> Standing:
    """Judge the standing from the facts of this instant."""
    if not funds.funded:
        return Standing.NOT_CONNECTED
    if funds.balance_micros > 0:
        return Standing.OPEN
    assert funds.grace_ends_at is not None, "an empty wallet always carries the end of its grace"
    if now < funds.grace_ends_at and funds.balance_micros > -funds.ceiling_micros:
        return Standing.GRACE
    return Standing.PAUSED


def permit_at(
    now: datetime, funds: Funds, *, inbound: bool, estimate_micros: int, lifetime: timedelta
) -> Permit:
    """Judge whether work of an estimated cost may start; the answer may be acted on for a `lifetime`.

    Inbound work alone may go below zero, down to the overdraft ceiling.
    """
    standing = standing_at(now, funds)
    until = now + lifetime
    if standing is Standing.GRACE and funds.grace_ends_at is not None:
        until = min(until, funds.grace_ends_at)
    reason = _reason(standing, now, funds, inbound=inbound, estimate_micros=estimate_micros)
    allowed = reason in (Reason.ALLOWED, Reason.FREE_OF_CHARGE)
    return Permit(allowed=allowed, reason=reason, standing=standing, valid_until=until)


def _reason(
    standing: Standing, now: datetime, funds: Funds, *, inbound: bool, estimate_micros: int
) -> Reason:
    if estimate_micros == 0:
        return Reason.FREE_OF_CHARGE
    left = funds.available_micros - estimate_micros
    match standing:
        case Standing.NOT_CONNECTED:
            return Reason.NOT_CONNECTED
        case Standing.OPEN if not inbound:
            return Reason.ALLOWED if left >= 0 else Reason.INSUFFICIENT_AVAILABLE
        case Standing.GRACE if not inbound:
            return Reason.EMPTY
        case Standing.OPEN | Standing.GRACE:
            return Reason.ALLOWED if left >= -funds.ceiling_micros else Reason.OVERDRAFT_CEILING
        case Standing.PAUSED:
            assert funds.grace_ends_at is not None, "an empty wallet always carries the end of its grace"
            return Reason.GRACE_USED if now >= funds.grace_ends_at else Reason.OVERDRAFT_CEILING
        case _:
            assert_never(standing)


def stopped_by(standing: Standing, scope: Scope) -> bool:
    """Say whether a standing refuses a scope of work, however little it costs."""
    match standing:
        case Standing.OPEN:
            return False
        case Standing.GRACE:
            return scope is not Scope.INBOUND
        case Standing.NOT_CONNECTED | Standing.PAUSED:
            return True
        case _:
            assert_never(standing)


def stop_before(began_at: datetime, scope: Scope, stops: Iterable[Stop]) -> Stop | None:
    """Give the stop during which work of a scope began; None when it was in order."""
    for stop in stops:
        over = stop.ended_at is not None and stop.ended_at <= began_at
        if stop.scope is scope and stop.began_at <= began_at and not over:
            return stop
    return None


def grace_end(emptied_at: datetime, spent: Sequence[Stretch], budget: timedelta) -> datetime:
    """Give the instant at which the grace of a wallet that empties now runs out.

    The budget is counted over the 24 hours before the emptying and the end stays as it is from then on: time
    alone can only take grace away (I13).
    """
    since = emptied_at - GRACE_WINDOW
    used = sum(
        (max(timedelta(), stretch.ended_at - max(stretch.began_at, since)) for stretch in spent), timedelta()
    )
    return emptied_at + max(timedelta(), budget - used)


def grace_spent(
    spent: Sequence[Stretch], *, emptied_at: datetime, grace_ends_at: datetime, refilled_at: datetime
) -> tuple[Stretch, ...]:
    """Give what counts as spent once an empty wallet is above zero again, without what is too old to matter."""
    latest = Stretch(began_at=emptied_at, ended_at=max(emptied_at, min(refilled_at, grace_ends_at)))
    return tuple(
        stretch
        for stretch in (*spent, latest)
        if stretch.ended_at > max(stretch.began_at, refilled_at - GRACE_WINDOW)
    )
