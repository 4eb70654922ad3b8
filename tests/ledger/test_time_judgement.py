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
    Doubt,
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


# --- To the microsecond ------------------------------------------------------------------------------------

MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize("elapsed", [ZERO, timedelta(microseconds=1_500), SECOND, timedelta(hours=5)])
@pytest.mark.parametrize("side", [1, -1])
def test_a_step_is_believed_up_to_its_bound_and_not_beyond(elapsed: timedelta, side: int) -> None:
    """Ten seconds, and a thousandth of the time since the anchor."""
    bound = STEP_MAX + elapsed // 1_000
    at_bound = judge(FIRST, MORNING + elapsed + side * bound, elapsed)
    beyond = judge(FIRST, MORNING + elapsed + side * (bound + MOMENT), elapsed)
    assert at_bound.doubt is None
    assert beyond.doubt is not None
    assert (beyond.doubt.since, beyond.doubt.ahead) == (MORNING, side * (bound + MOMENT))
    assert beyond.doubt.against == "what the machine's monotonic clock expects"
    assert beyond.anchor == FIRST.anchor


def test_a_doubt_that_moves_is_told_anew_once_it_moved_by_a_step() -> None:
    """Else each reading would be another doubt."""
    leapt = judge(FIRST, MORNING + timedelta(hours=1), ZERO)
    same = judge(leapt, MORNING + timedelta(hours=1) + STEP_MAX, ZERO)
    moved = judge(leapt, MORNING + timedelta(hours=1) + STEP_MAX + MOMENT, ZERO)
    assert same.doubt == leapt.doubt
    assert moved.doubt is not None
    assert moved.doubt.ahead == timedelta(hours=1) + STEP_MAX + MOMENT
    assert moved.doubt.since == MORNING


@pytest.mark.parametrize(("elapsed", "renewed"), [(ANCHOR_FOR - MOMENT, False), (ANCHOR_FOR, True)])
def test_an_anchor_is_renewed_after_ten_minutes(elapsed: timedelta, renewed: bool) -> None:
    """By a reading that is believed, and at the end of a doubt."""
    wall = MORNING + elapsed + SECOND
    judged = judge(FIRST, wall, elapsed)
    assert judged.anchor == (Anchor(wall, elapsed) if renewed else FIRST.anchor)
    leapt = judge(FIRST, MORNING + timedelta(hours=1), ZERO)
    assert judge(leapt, wall, elapsed).anchor == Anchor(wall, elapsed)


def test_a_first_reading_is_its_own_anchor() -> None:
    """Later ticks stand for later times."""
    assert begin(MORNING, 7 * SECOND) == Judged(MORNING, Anchor(MORNING, 7 * SECOND), None)
    assert Anchor(MORNING, 7 * SECOND).expected(10 * SECOND) == MORNING + 3 * SECOND
    assert Anchor(MORNING, 7 * SECOND).expected(2 * SECOND) == MORNING - 5 * SECOND


def test_a_skip_moves_the_present_and_the_anchor_alike() -> None:
    """A doubt stays as it is."""
    leapt = judge(FIRST, MORNING + timedelta(hours=1), ZERO)
    later = skipped(leapt, SECOND)
    assert later == Judged(MORNING + SECOND, Anchor(MORNING + SECOND, ZERO), leapt.doubt)


@pytest.mark.parametrize(("off", "wrong"), [(OUTSIDE_MAX, False), (OUTSIDE_MAX + MOMENT, True)])
@pytest.mark.parametrize("side", [1, -1])
def test_another_clock_contradicts_beyond_its_bound(off: timedelta, wrong: bool, side: int) -> None:
    """By what its answer stands for now; the one that contradicts is the witness."""
    there = Dated("Slack", Anchor(MORNING + side * off - 5 * SECOND, 95 * SECOND))
    agreed = _said("Stripe", MORNING)
    judged = _start(agreed, there)
    assert (judged.doubt is not None) is wrong
    if judged.doubt is not None:
        assert judged.now == judged.doubt.since == min(MORNING, MORNING + side * off)
        assert judged.doubt.ahead == -side * off
        assert judged.doubt.against == "the clock of Slack"
        assert judged.anchor == there.said


def test_of_clocks_that_contradict_one_on_another_machine_is_the_witness() -> None:
    """A database may share this machine's clock; all that contradict are named."""
    hour = timedelta(hours=1)
    judged = _start(
        _said("PostgreSQL", MORNING - 2 * hour, independent=False), _said("Slack", MORNING - hour)
    )
    assert judged.anchor == Anchor(MORNING - hour, 100 * SECOND)
    assert judged.doubt is not None
    assert judged.doubt.against == "the clock of PostgreSQL and Slack"
    assert (judged.doubt.ahead, judged.now) == (hour, MORNING - 2 * hour)
    alone = _start(_said("PostgreSQL", MORNING - hour, independent=False))
    assert alone.anchor == Anchor(MORNING - hour, 100 * SECOND)


@pytest.mark.parametrize("boot", ["another run", ""])
@pytest.mark.parametrize(("behind", "doubted"), [(STEP_MAX, False), (STEP_MAX + MOMENT, True)])
def test_a_machine_started_anew_may_not_be_behind_its_books(
    boot: str, behind: timedelta, doubted: bool
) -> None:
    """How long it was off nobody knows. A run without a name is no run that is known."""
    known = Known(boot, Anchor(MORNING + behind, 5 * SECOND))
    judged = judge_start(MORNING, 100 * SECOND, boot=boot if not boot else "b", dates=[], known=known)
    assert (judged.doubt is not None) is doubted
    if judged.doubt is not None:
        assert judged.now == judged.doubt.since == MORNING + behind
        assert judged.anchor == Anchor(MORNING + behind, 100 * SECOND)
        assert judged.doubt.ahead == -behind
        assert judged.doubt.against == "the last instant that the books remember"
    else:
        assert judged == begin(MORNING, 100 * SECOND)


def test_a_doubt_that_goes_on_keeps_since_when() -> None:
    """Its witness is the newest; where there was none, it is since the last believed instant."""
    wall, ticks = MORNING + timedelta(hours=2), 2 * SECOND
    leapt = judge(FIRST, wall, SECOND)
    slack = Dated("Slack", Anchor(MORNING - timedelta(hours=1), ticks))
    again = judge_again(leapt, wall, ticks, [slack])
    assert again.doubt is not None
    assert (again.now, again.doubt.since, again.anchor) == (MORNING, MORNING, slack.said)
    assert (again.doubt.ahead, again.doubt.against) == (timedelta(hours=3), "the clock of Slack")
    fresh = judge_again(FIRST, wall, ticks, [slack])
    assert fresh.doubt is not None
    assert (fresh.now, fresh.doubt.since) == (MORNING, MORNING)


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(seconds=11), "11 seconds ahead of"),
        (timedelta(seconds=119, microseconds=999_999), "119 seconds ahead of"),
        (timedelta(minutes=2), "2 minutes ahead of"),
        (timedelta(minutes=119, seconds=59), "119 minutes ahead of"),
        (timedelta(hours=2), "2 hours ahead of"),
        (timedelta(hours=47, minutes=59), "47 hours ahead of"),
        (timedelta(days=2), "2 days ahead of"),
        (-timedelta(days=400), "400 days behind"),
        (-timedelta(seconds=11), "11 seconds behind"),
    ],
)
def test_a_doubt_says_how_far_the_clock_is_off(ahead: timedelta, words: str) -> None:
    """In its largest whole unit of which there are two, and since when the time stands still."""
    said = str(Doubt(MORNING, ahead, "the clock of Slack"))
    assert f"it is {words} the clock of Slack. " in said
    assert f"stands still at {MORNING:%Y-%m-%d %H:%M:%S} UTC." in said
