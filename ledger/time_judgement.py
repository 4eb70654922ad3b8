"""Whether the wall clock can be believed: held against the machine's monotonic clock, and against clocks outside. Pure.

A believed reading is an anchor: a wall time and the ticks of the monotonic clock at that moment. Later readings have to
agree with it. A wall clock that leapt is in doubt, and the time stands still at the last believed instant. The doubt
ends when the wall clock agrees with the anchor again, when a clock outside agrees with it, or when an operator accepts
the present time.

The wall clock may drift, since a time service slews it by up to 500 parts in a million. So the anchor is renewed every
ten minutes, and between two anchors the wall clock may differ by a thousandth of the time in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

STEP_MAX = timedelta(seconds=10)
"""How far the wall clock may step against the monotonic one: a time service corrects a young machine by seconds."""
OUTSIDE_MAX = timedelta(seconds=30)
"""How far another clock may differ: it tells whole seconds, and its answer was on the way. At 60 s Stripe refuses."""
BACK_MAX = timedelta(minutes=5)
"""How far something recorded may be ahead of the clock: a clock set back by less is waited out."""
ANCHOR_FOR = timedelta(minutes=10)
_DRIFT = 1_000


class Anchor(NamedTuple):
    """A wall time that was believed, and the ticks of the monotonic clock at that moment."""

    at: datetime
    ticks: timedelta

    def expected(self, ticks: timedelta) -> datetime:
        """Give the wall time that later ticks stand for."""
        return self.at + (ticks - self.ticks)


@dataclass(frozen=True, slots=True)
class Doubt:
    """The wall clock cannot be believed; the message says why and what to do."""

    since: datetime
    """The last believed instant."""
    ahead: timedelta
    """How far the wall clock is ahead of what was expected; below zero when it is behind."""
    against: str
    """What contradicts it."""

    def __str__(self) -> str:
        side = "ahead of" if self.ahead > timedelta() else "behind"
        return (
            f"The clock of this machine is in doubt: it is {_span(abs(self.ahead))} {side} {self.against}. Nothing is "
            f"charged, nothing expires and nobody is told; the time stands still at {self.since:%Y-%m-%d %H:%M:%S} "
            "UTC. Set the clock right and the doubt ends by itself; if it is right now, run `redbar clock accept`."
        )


@dataclass(frozen=True, slots=True)
class Dated:
    """What another clock said."""

    name: str
    """As people read it: "Slack"."""
    said: Anchor
    independent: bool = True
    """Whether it surely runs on another machine; a database may share this machine's clock."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the books remember of a believed reading, for a start at which no clock outside can be asked."""

    boot: str
    """The machine's run, from its start to its end; empty where it has no name."""
    anchor: Anchor
    skipped: timedelta = timedelta()
    """How much the time had skipped on purpose, in a sandbox."""


class Judged(NamedTuple):
    """What is known of the time: the present instant, and whether it is in doubt. Made at each reading, so a tuple."""

    now: datetime
    """In doubt, the last believed instant."""
    anchor: Anchor
    doubt: Doubt | None = None


def begin(wall: datetime, ticks: timedelta) -> Judged:
    """Believe a first reading, or one that an operator accepted."""
    return Judged(wall, Anchor(wall, ticks))


def judge(before: Judged, wall: datetime, ticks: timedelta) -> Judged:
    """Judge a reading by the anchor."""
    anchor = before.anchor
    elapsed = ticks - anchor.ticks
    ahead = wall - anchor.at - elapsed
    if not -STEP_MAX <= ahead <= STEP_MAX and abs(ahead) > STEP_MAX + elapsed // _DRIFT:
        doubt = before.doubt
        if doubt is None:
            doubt = Doubt(before.now, ahead, "what the machine's monotonic clock expects")
        elif abs(doubt.ahead - ahead) > STEP_MAX:
            doubt = replace(doubt, ahead=ahead)
        return before._replace(doubt=doubt)
    if before.doubt is not None or elapsed >= ANCHOR_FOR:
        anchor = Anchor(wall, ticks)
    return Judged(max(before.now, wall), anchor)


def judge_start(
    wall: datetime, ticks: timedelta, *, boot: str, dates: Sequence[Dated], known: Known | None
) -> Judged:
    """Judge the first reading of a process: by the clocks outside, or where none answered by what is remembered."""
    if dates:
        return _against(wall, ticks, dates) or begin(wall, ticks)
    if known is None:
        return begin(wall, ticks)
    if boot and boot == known.boot:
        return judge(Judged(known.anchor.at, known.anchor), wall, ticks)
    # The machine was started anew: how long it was off nobody knows, but time has passed.
    behind = known.anchor.at - wall
    if behind > STEP_MAX:
        against = "the last instant that the books remember"
        # Any later instant may be right, so the ticks from there on say the earliest.
        return Judged(
            known.anchor.at, Anchor(known.anchor.at, ticks), Doubt(known.anchor.at, -behind, against)
        )
    return begin(wall, ticks)


def judge_again(before: Judged, wall: datetime, ticks: timedelta, dates: Sequence[Dated]) -> Judged:
    """Judge a reading that is in doubt by the clocks outside: only one that runs on another machine can end it."""
    if not any(one.independent for one in dates):
        return judge(before, wall, ticks)
    found = _against(wall, ticks, dates)
    if found is None:
        return begin(wall, ticks)
    assert found.doubt is not None
    since = before.doubt.since if before.doubt is not None else before.now
    return Judged(before.now, found.anchor, replace(found.doubt, since=since))


def _against(wall: datetime, ticks: timedelta, dates: Sequence[Dated]) -> Judged | None:
    """Give the doubt that a clock outside raises; None where all agree with the wall clock."""
    wrong = [one for one in dates if abs(wall - one.said.expected(ticks)) > OUTSIDE_MAX]
    if not wrong:
        return None
    # Whoever is right, this instant has passed.
    surely = min([wall, *(one.said.expected(ticks) for one in dates)])
    names = " and ".join(one.name for one in wrong)
    witness = next((one for one in wrong if one.independent), wrong[0]).said
    return Judged(surely, witness, Doubt(surely, wall - witness.expected(ticks), f"the clock of {names}"))


def skipped(before: Judged, span: timedelta) -> Judged:
    """Let the time skip on purpose, as the sandbox does: the anchor skips too, so nothing is in doubt by it."""
    return before._replace(now=before.now + span, anchor=before.anchor._replace(at=before.anchor.at + span))


def _span(span: timedelta) -> str:
    seconds = span // timedelta(seconds=1)
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}s"
    return f"{seconds} seconds"
