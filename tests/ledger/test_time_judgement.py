"""The judgement of a wall clock: what raises a doubt, what ends it, and that time never leaps without leave."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.time_judgement import (
    ANCHOR_FOR,
    OUTSIDE_MAX,
    STEP_MAX,
    Anchor,
    Dated,
    Judged,
    Known,
    begin,
    judge,
    judge_again,
    judge_start,
    skipped,
)
from tests.ledger.wallet_driver import MORNING

SECOND = timedelta(seconds=1)
ZERO = timedelta()
FIRST = begin(MORNING, ZERO)


@given(st.lists(st.tuples(st.floats(0, 5_000), st.floats(-5_000, 5_000)), max_size=40))
@settings(max_examples=100, deadline=None)
def test_time_neither_runs_back_nor_follows_a_leap(readings: list[tuple[float, float]]) -> None:
    """Whatever the wall clock does: the present stays beside the monotonic clock, and a doubt holds it still."""
    judged, ticks, off, passed = FIRST, ZERO, ZERO, ZERO
    for seconds, step in readings:
        ticks += timedelta(seconds=seconds)
        passed += timedelta(seconds=seconds)
        off += timedelta(seconds=step)
        before, judged = judged, judge(judged, MORNING + ticks + off, ticks)
        assert judged.now >= before.now
        if judged.doubt is not None:
            assert judged.now == before.now
            assert judged.doubt.since == judged.now
        # An anchor is renewed at most every ten minutes, and each time lets a step and a thousandth through.
        renewals = 1 + passed // ANCHOR_FOR + len(readings)
        assert judged.now <= MORNING + ticks + renewals * STEP_MAX + passed / 500


@given(st.lists(st.floats(-0.0005, 0.0005), min_size=1, max_size=50), st.integers(1, 100_000))
@settings(max_examples=100, deadline=None)
def test_a_clock_that_a_time_service_slews_is_believed(rates: list[float], seconds: int) -> None:
    """Up to 500 parts in a million, for as long as it likes."""
    judged, ticks, wall = FIRST, ZERO, MORNING
    for rate in rates:
        ticks += seconds * SECOND
        wall += seconds * SECOND * (1 + rate)
        judged = judge(judged, wall, ticks)
        assert judged.doubt is None


@pytest.mark.parametrize("leap", [timedelta(days=400), timedelta(seconds=11), -timedelta(seconds=11)])
def test_a_leap_is_in_doubt_until_the_clock_agrees_again(leap: timedelta) -> None:
    """It is never followed, and time goes on where it would be."""
    leapt = judge(FIRST, MORNING + SECOND + leap, SECOND)
    assert (leapt.now, leapt.doubt and leapt.doubt.ahead) == (MORNING, leap)
    still = judge(leapt, MORNING + 60 * SECOND + leap, 60 * SECOND)
    assert still == leapt
    right = judge(still, MORNING + 61 * SECOND, 61 * SECOND)
    assert (right.now, right.doubt) == (MORNING + 61 * SECOND, None)


def test_a_small_step_is_believed_and_never_runs_back() -> None:
    """A time service corrects a young machine by seconds."""
    ahead = judge(FIRST, MORNING + 9 * SECOND, SECOND)
    back = judge(ahead, MORNING + 2 * SECOND, 2 * SECOND)
    assert (ahead.now, back.now, back.doubt) == (MORNING + 9 * SECOND, ahead.now, None)


def test_a_machine_that_slept_is_believed() -> None:
    """Both clocks went on while it was suspended."""
    woken = judge(FIRST, MORNING + timedelta(days=3), timedelta(days=3))
    assert (woken.now, woken.doubt) == (MORNING + timedelta(days=3), None)


def test_a_skip_on_purpose_is_no_leap() -> None:
    """The sandbox skips days, in doubt too."""
    span = timedelta(days=40)
    later = judge(skipped(FIRST, span), MORNING + span + SECOND, SECOND)
    assert (later.now, later.doubt) == (MORNING + span + SECOND, None)


def _said(name: str, at: datetime, *, independent: bool = True) -> Dated:
    """Give what a clock said at the ticks of `_start`."""
    return Dated(name, Anchor(at, 100 * SECOND), independent)


def _start(*dates: Dated, known: Known | None = None, wall_ahead: timedelta = ZERO) -> Judged:
    return judge_start(MORNING + wall_ahead, 100 * SECOND, boot="b", dates=dates, known=known)


@pytest.mark.parametrize("ahead", [timedelta(days=1), -timedelta(days=1), OUTSIDE_MAX + SECOND])
def test_a_start_that_another_clock_contradicts_is_in_doubt(ahead: timedelta) -> None:
    """The time stands at what has surely passed; once the clock is set right, the doubt ends by itself."""
    judged = _start(_said("Slack", MORNING), _said("Stripe", MORNING), wall_ahead=ahead)
    assert judged.doubt is not None
    assert "the clock of Slack and Stripe" in str(judged.doubt)
    assert "redbar clock accept" in str(judged.doubt)
    assert judged.now == min(MORNING, MORNING + ahead)
    assert judge(judged, MORNING + ahead + SECOND, 101 * SECOND).doubt is not None
    assert judge(judged, MORNING + SECOND, 101 * SECOND).doubt is None


def test_a_start_is_believed_where_the_clocks_agree() -> None:
    """They tell whole seconds, and their answers were on the way."""
    judged = _start(
        _said("Slack", MORNING - 20 * SECOND), _said("PostgreSQL", MORNING + 5 * SECOND, independent=False)
    )
    assert (judged.now, judged.doubt) == (MORNING, None)


def test_the_remembered_offset_judges_a_start_without_another_clock() -> None:
    """While the machine has not been started anew; then only a clock that ran back shows."""
    known = Known("b", Anchor(MORNING - 40 * SECOND, 60 * SECOND))
    assert _start(known=known).doubt is None
    assert _start(known=known, wall_ahead=timedelta(hours=1)).doubt is not None
    assert _start(known=known, wall_ahead=-timedelta(hours=1)).doubt is not None
    other = Known("another run", known.anchor)
    assert _start(known=other, wall_ahead=timedelta(hours=1)).doubt is None
    behind = _start(known=other, wall_ahead=-timedelta(hours=1))
    assert behind.doubt is not None
    assert behind.now == known.anchor.at
    assert _start().doubt is None


def test_only_a_clock_on_another_machine_ends_a_doubt() -> None:
    """A database may share the clock that leapt."""
    leapt = judge(FIRST, MORNING + timedelta(hours=2), SECOND)
    wall, ticks = MORNING + timedelta(hours=2) + SECOND, 2 * SECOND
    now = Anchor(wall, ticks)
    assert judge_again(leapt, wall, ticks, [Dated("PostgreSQL", now, independent=False)]).doubt is not None
    assert judge_again(leapt, wall, ticks, []).doubt is not None
    assert judge_again(leapt, wall, ticks, [Dated("Slack", Anchor(MORNING, ticks))]).doubt is not None
    assert judge_again(leapt, wall, ticks, [Dated("Slack", now)]) == begin(wall, ticks)
