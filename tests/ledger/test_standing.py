"""Standing, permits and grace as pure functions of the facts of one instant."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ledger import Funds, Permit, Reason, Standing, permit_at
from ledger.standing import (
    Scope,
    Stop,
    Stretch,
    grace_end,
    grace_spent,
    standing_at,
    stop_before,
    stopped_by,
)
from tests.ledger.wallet_driver import MORNING, usd

NOW = MORNING
LIFETIME = timedelta(seconds=30)
BUDGET = timedelta(minutes=15)
OPEN = Funds(usd("10"), 0, True, None, None, usd("25"))
EMPTY = replace(OPEN, balance_micros=0, emptied_at=NOW, grace_ends_at=NOW + BUDGET)
NEVER = replace(OPEN, balance_micros=0, funded=False)


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


@pytest.mark.parametrize(
    ("funds", "after", "standing"),
    [
        (NEVER, minutes(0), Standing.NOT_CONNECTED),
        (replace(NEVER, balance_micros=-5), minutes(0), Standing.NOT_CONNECTED),
        (OPEN, minutes(0), Standing.OPEN),
        (replace(OPEN, balance_micros=1), minutes(0), Standing.OPEN),
        (replace(OPEN, held_micros=usd("10")), minutes(0), Standing.OPEN),
        (EMPTY, minutes(0), Standing.GRACE),
        (EMPTY, minutes(15) - timedelta(microseconds=1), Standing.GRACE),
        (EMPTY, minutes(15), Standing.PAUSED),
        (replace(EMPTY, balance_micros=usd("-24.999999")), minutes(0), Standing.GRACE),
        (replace(EMPTY, balance_micros=usd("-25")), minutes(0), Standing.PAUSED),
        (replace(EMPTY, ceiling_micros=0), minutes(0), Standing.PAUSED),
    ],
)
def test_standing_is_judged_from_the_facts_of_the_instant(
    funds: Funds, after: timedelta, standing: Standing
) -> None:
    """Every border, on both sides."""
    assert standing_at(NOW + after, funds) is standing


@pytest.mark.parametrize(
    ("funds", "inbound", "estimate", "reason"),
    [
        (NEVER, True, "1", Reason.NOT_CONNECTED),
        (NEVER, False, "0", Reason.FREE_OF_CHARGE),
        (OPEN, False, "10", Reason.ALLOWED),
        (OPEN, False, "10.000001", Reason.INSUFFICIENT_AVAILABLE),
        (replace(OPEN, held_micros=usd("4")), False, "6.01", Reason.INSUFFICIENT_AVAILABLE),
        (replace(OPEN, held_micros=usd("4")), True, "31", Reason.ALLOWED),
        (replace(OPEN, held_micros=usd("4")), True, "31.01", Reason.OVERDRAFT_CEILING),
        (EMPTY, False, "0.01", Reason.EMPTY),
        (EMPTY, True, "25", Reason.ALLOWED),
        (EMPTY, True, "25.01", Reason.OVERDRAFT_CEILING),
        (replace(EMPTY, held_micros=usd("20")), True, "5.01", Reason.OVERDRAFT_CEILING),
        (replace(EMPTY, balance_micros=usd("-25")), True, "0.01", Reason.OVERDRAFT_CEILING),
        (replace(EMPTY, grace_ends_at=NOW), True, "0.01", Reason.GRACE_USED),
        (replace(EMPTY, grace_ends_at=NOW), False, "0.01", Reason.GRACE_USED),
        (replace(EMPTY, grace_ends_at=NOW), False, "0", Reason.FREE_OF_CHARGE),
    ],
)
def test_a_permit_gives_its_reason(funds: Funds, inbound: bool, estimate: str, reason: Reason) -> None:
    """Each rule by name; allowed or not follows from it."""
    permit = permit_at(NOW, funds, inbound=inbound, estimate_micros=usd(estimate), lifetime=LIFETIME)

    assert permit.reason is reason
    assert permit.allowed is (reason in (Reason.ALLOWED, Reason.FREE_OF_CHARGE))


def test_a_permit_is_valid_for_a_moment_and_never_beyond_grace() -> None:
    """Half a minute, or what is left of the grace."""
    lasting: Permit = permit_at(NOW, EMPTY, inbound=True, estimate_micros=1, lifetime=LIFETIME)
    ending = permit_at(
        NOW + minutes(15) - timedelta(seconds=10), EMPTY, inbound=True, estimate_micros=1, lifetime=LIFETIME
    )

    assert lasting.valid_until == NOW + LIFETIME
    assert ending.valid_until == EMPTY.grace_ends_at


def test_grace_is_what_the_last_day_left_of_the_budget() -> None:
    """Stretches are counted inside the 24 hours before, also in part."""
    day = timedelta(hours=24)
    old = Stretch(NOW - day - minutes(30), NOW - day - minutes(20))
    half = Stretch(NOW - day - minutes(5), NOW - day + minutes(5))
    recent = Stretch(NOW - minutes(60), NOW - minutes(53))

    assert grace_end(NOW, [], BUDGET) == NOW + minutes(15)
    assert grace_end(NOW, [old], BUDGET) == NOW + minutes(15)
    assert grace_end(NOW, [half], BUDGET) == NOW + minutes(10)
    assert grace_end(NOW, [old, half, recent], BUDGET) == NOW + minutes(3)
    assert grace_end(NOW, [recent, recent, recent], BUDGET) == NOW


def test_what_was_spent_is_kept_as_long_as_it_matters() -> None:
    """Never more than the grace lasted, and nothing older than a day."""
    old = Stretch(NOW - timedelta(days=2), NOW - timedelta(days=2) + minutes(9))

    within = grace_spent((old,), emptied_at=NOW, grace_ends_at=NOW + BUDGET, refilled_at=NOW + minutes(4))
    beyond = grace_spent((), emptied_at=NOW, grace_ends_at=NOW + BUDGET, refilled_at=NOW + minutes(90))
    at_once = grace_spent((), emptied_at=NOW, grace_ends_at=NOW + BUDGET, refilled_at=NOW)

    assert within == (Stretch(NOW, NOW + minutes(4)),)
    assert beyond == (Stretch(NOW, NOW + BUDGET),)
    assert at_once == ()


@pytest.mark.parametrize(
    ("standing", "inbound", "others"),
    [
        (Standing.OPEN, False, False),
        (Standing.GRACE, False, True),
        (Standing.PAUSED, True, True),
        (Standing.NOT_CONNECTED, True, True),
    ],
)
def test_a_standing_stops_scopes_of_work(standing: Standing, inbound: bool, others: bool) -> None:
    """However little it costs."""
    assert stopped_by(standing, Scope.INBOUND) is inbound
    assert stopped_by(standing, Scope.OTHERS) is others


MOMENT = timedelta(microseconds=1)
PAST = Stop(Scope.OTHERS, NOW - minutes(60), NOW - minutes(30))
LASTS = Stop(Scope.INBOUND, NOW - minutes(10), None)


@pytest.mark.parametrize(
    ("began_at", "scope", "stop"),
    [
        (NOW - minutes(60) - MOMENT, Scope.OTHERS, None),
        (NOW - minutes(60), Scope.OTHERS, PAST),
        (NOW - minutes(30) - MOMENT, Scope.OTHERS, PAST),
        (NOW - minutes(30), Scope.OTHERS, None),
        (NOW - minutes(45), Scope.INBOUND, None),
        (NOW - minutes(10) - MOMENT, Scope.INBOUND, None),
        (NOW - minutes(10), Scope.INBOUND, LASTS),
        (NOW, Scope.INBOUND, LASTS),
        (NOW, Scope.OTHERS, None),
    ],
)
def test_work_belongs_to_the_stop_in_which_it_began(
    began_at: datetime, scope: Scope, stop: Stop | None
) -> None:
    """Of its own scope; a stop contains its first instant and not its last."""
    assert stop_before(began_at, scope, [PAST, LASTS]) is stop
    assert stop_before(began_at, scope, []) is None
