"""What a rule would have done: hours of money played again, row by row."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.facts import RehearsalFacts
from bot.surfaces.rehearsal import Hour, first_day, hours_played, play, rehearsed
from ledger import USD, CreditKind, Money, RechargeRule, scale_of

MICROS = 1_000_000
DOLLARS = scale_of("USD")
START = datetime(2026, 11, 2, tzinfo=UTC)


def _hours(*spent: int, paid: dict[int, int] | None = None, apart: int = 1) -> list[Hour]:
    """Hours from midnight on, in whole dollars; `paid` says which of them had money paid in."""
    hours = []
    for number, dollars in enumerate(spent):
        at = START + timedelta(hours=number * apart)
        paid_in = (paid or {}).get(number, 0)
        hours.append(Hour(at, at.date().isoformat(), dollars * MICROS, paid_in * MICROS))
    return hours


def _rule(
    threshold: int = 50,
    target: int | None = 200,
    fixed: int | None = None,
    *,
    per_day: int = 3,
    day_cap: int = 500,
    month_cap: int = 5_000,
    spacing: timedelta = timedelta(minutes=15),
) -> RechargeRule:
    return RechargeRule(
        threshold_micros=threshold * MICROS,
        target_micros=None if target is None else target * MICROS,
        fixed_micros=None if fixed is None else fixed * MICROS,
        per_day_max=per_day,
        day_cap_micros=day_cap * MICROS,
        month_cap_micros=month_cap * MICROS,
        spacing=spacing,
    )


@pytest.mark.parametrize(
    ("why", "hours", "start", "rule", "charges", "most", "zeros"),
    [
        ("nothing happened", [], 100, _rule(), 0, 0, 0),
        ("it stayed above", _hours(10, 10, 10), 100, _rule(), 0, 0, 0),
        ("at the threshold is not below", _hours(50), 100, _rule(), 0, 0, 0),
        ("just below: the gap to the target", _hours(51), 100, _rule(), 1, 151, 0),
        ("a fixed amount", _hours(60), 100, _rule(target=None, fixed=80), 1, 80, 0),
        (
            "a fixed amount that is too small repeats",
            _hours(95, 0),
            100,
            _rule(target=None, fixed=30),
            2,
            60,
            0,
        ),
        ("each fall is a charge", _hours(151, 151, 151), 200, _rule(), 3, 453, 0),
        ("no more than so many a day", _hours(*[151] * 3), 200, _rule(per_day=2), 2, 302, 0),
        ("the next day starts anew", _hours(160, 155, 10, apart=12), 200, _rule(per_day=1), 2, 165, 0),
        ("the day's cap cuts the last", _hours(*[160] * 4), 200, _rule(day_cap=400), 3, 400, 1),
        ("the month's cap holds", _hours(*[160] * 4, apart=24), 200, _rule(month_cap=300), 2, 160, 1),
        (
            "spacing holds a second one back",
            _hours(160, 210),
            200,
            _rule(spacing=timedelta(hours=2)),
            1,
            160,
            1,
        ),
        ("what people paid in counts", _hours(60, 60, paid={0: 100, 1: 100}), 100, _rule(), 0, 0, 0),
        ("a big hour is met by one charge", _hours(230), 200, _rule(), 1, 230, 0),
        ("a wallet that began empty did not fall to zero", _hours(0), 0, _rule(), 1, 200, 0),
    ],
)
def test_a_rule_played_again(
    why: str, hours: list[Hour], start: int, rule: RechargeRule, charges: int, most: int, zeros: int
) -> None:
    """Charges, the most of a day, and falls to zero that were left."""
    assert play(hours, start * MICROS, rule, DOLLARS) == (charges, most * MICROS, zeros), why


@pytest.mark.parametrize(
    ("hours", "start", "zeros"),
    [
        (_hours(10, 10), 100, 0),
        (_hours(100), 100, 1),  # exactly zero is empty
        (_hours(99), 100, 0),
        (_hours(150, 10, 10), 100, 1),  # counted once, not for every hour below
        (_hours(150, 0, 150, paid={1: 100}), 100, 2),  # came back, fell again
        (_hours(10), 0, 0),  # was empty all the time
        (_hours(10), -5, 0),
    ],
)
def test_without_a_rule_nothing_is_charged(hours: list[Hour], start: int, zeros: int) -> None:
    """Only the falls to zero are counted."""
    assert play(hours, start * MICROS, None, DOLLARS) == (0, 0, zeros)


def test_months_have_caps_of_their_own() -> None:
    """The last days of one month leave the next its whole cap."""
    days = [
        Hour(datetime(2026, month, day, 12, tzinfo=UTC), f"2026-{month:02d}-{day:02d}", 160 * MICROS, 0)
        for month, day in ((10, 30), (10, 31), (11, 1), (11, 2))
    ]
    charges, most, _ = play(days, 200 * MICROS, _rule(month_cap=320), DOLLARS)
    assert (charges, most) == (4, 160 * MICROS)


def test_the_charges_of_the_rule_of_then_are_left_out() -> None:
    """What it paid in is not played again, though the balance changed by it."""
    sums = [
        ("2026-11-02", 9, "outbound_call", -30),
        ("2026-11-02", 9, "ai_task", -5),
        ("2026-11-02", 9, CreditKind.RECHARGE.value, 100),
        ("2026-11-02", 11, CreditKind.TOP_UP.value, 50),
    ]
    nine, eleven = (datetime(2026, 11, 2, hour, tzinfo=UTC) for hour in (9, 11))
    played = [Hour(nine, "2026-11-02", 35, 0), Hour(eleven, "2026-11-02", 0, 50)]
    assert hours_played(sums, "UTC") == (played, 115)


def test_a_rehearsal_compares_a_rule_with_none() -> None:
    """It begins with the balance of then, and counts days with anything in them."""
    sums = [(f"2026-11-{day:02d}", 12, "outbound_call", -120 * MICROS) for day in (2, 3, 4)]
    found = rehearsed(sums, Money(-160 * MICROS, USD), _rule(), "UTC")
    assert found == RehearsalFacts(
        days=3,
        charges=1,  # on the second day, from 40 below zero
        most_in_a_day=Money(240 * MICROS, USD),
        zeros_with_rule=0,
        zeros_without=1,
    )


def test_a_rehearsal_begins_thirty_local_days_ago() -> None:
    """By the wallet's calendar."""
    assert first_day(datetime(2026, 12, 1, 3, tzinfo=UTC), "America/New_York") == "2026-10-31"
