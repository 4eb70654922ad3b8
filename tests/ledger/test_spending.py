"""The usual spend, learned from hours and walked forward: exact at every edge of an hour, a day, a week."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ledger.spending import (
    BURN_MIN_DAYS,
    RUNWAY_MAX,
    Burn,
    Spike,
    burn_from,
    cost_ahead,
    runway,
    spikes_on,
)

MONDAY = datetime(2026, 11, 23, 9, 0)  # noqa: DTZ001 - a local hour, as the rollups have it
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
MICROS = 1_000_000
OLD = timedelta(days=400)


def at_hour(**costs: int) -> Burn:
    """Spend in some hours of the week alone: `h9=5` is Monday 09:00."""
    by_hour = [0] * 168
    for name, micros in costs.items():
        by_hour[int(name.removeprefix("h"))] = micros
    return Burn(tuple(by_hour))


# --- Learned -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "known"),
    [(timedelta(0), False), (DAY - timedelta(microseconds=1), False), (DAY, True), (OLD, True)],
)
def test_a_wallet_that_used_nothing_has_a_pace_after_a_day(age: timedelta, known: bool) -> None:
    """Of zero; before that it is too early to say."""
    burn = burn_from([], MONDAY, wallet_age=age)
    assert (burn is not None) is known
    assert burn is None or burn.by_hour == (0,) * 168


@pytest.mark.parametrize(
    ("first", "known"), [(HOUR, False), (DAY - HOUR, False), (DAY, True), (DAY + HOUR, True)]
)
def test_the_pace_is_known_a_day_after_the_first_spend(first: timedelta, known: bool) -> None:
    """However old the wallet is."""
    spent = [(MONDAY - first, 24 * MICROS)]
    assert (burn_from(spent, MONDAY, wallet_age=OLD) is not None) is known


def test_young_spend_is_the_last_24_hours_every_day() -> None:
    """Each hour by its hour of the day; what is older, and the present hour, does not count."""
    spent = [
        (MONDAY - 3 * DAY, 9 * MICROS),
        (MONDAY - DAY - HOUR, 7 * MICROS),
        (MONDAY - DAY, 5 * MICROS),
        (MONDAY - DAY, 2 * MICROS),
        (MONDAY - HOUR, 3 * MICROS),
        (MONDAY, 100 * MICROS),
    ]
    burn = burn_from(spent, MONDAY, wallet_age=OLD)
    assert burn is not None
    assert {at: cost for at, cost in enumerate(burn.by_hour) if cost} == {
        day * 24 + hour: cost for day in range(7) for hour, cost in ((9, 7 * MICROS), (8, 3 * MICROS))
    }
    assert burn.week_micros == 70 * MICROS


def test_money_that_was_given_back_makes_no_hour_earn() -> None:
    """More corrected than spent counts as nothing, in a young pace and in an old one."""
    young = burn_from(
        [(MONDAY - 2 * DAY, MICROS), (MONDAY - 2 * HOUR, -3), (MONDAY - HOUR, 4)], MONDAY, wallet_age=OLD
    )
    old = burn_from(
        [(MONDAY - 5 * WEEK, MICROS), (MONDAY - 2 * HOUR, -3), (MONDAY - HOUR, 4)], MONDAY, wallet_age=OLD
    )
    assert young is not None
    assert old is not None
    assert (young.week_micros, old.week_micros) == (7 * 4, 1)


@pytest.mark.parametrize(
    ("days", "weeks"),
    [(BURN_MIN_DAYS, 2), (20, 2), (21, 3), (27, 3), (28, 4), (60, 4)],
)
def test_from_two_weeks_on_whole_weeks_count_and_at_most_four(days: int, weeks: int) -> None:
    """Each hour of the week costs its average of those weeks; an hour before them does not count."""
    first = MONDAY - timedelta(days=days)
    spent = [(first, 1)] + [(MONDAY - number * WEEK, 120) for number in range(6, 0, -1)]
    spent = sorted(one for one in spent if one[0] >= first)
    burn = burn_from(spent, MONDAY, wallet_age=OLD)
    assert burn is not None
    counted = sum(
        cost for at, cost in spent if at >= MONDAY - weeks * WEEK and at.hour == 9 and at.weekday() == 0
    )
    assert burn.by_hour[9] == counted // weeks
    assert burn.by_hour[9] >= 120


def test_a_day_before_two_weeks_only_the_last_day_counts() -> None:
    """One hour less than fourteen days is not two weeks."""
    spent = [(MONDAY - timedelta(days=14) + HOUR, 1), (MONDAY - WEEK, 168)]
    burn = burn_from(spent, MONDAY, wallet_age=OLD)
    assert burn is not None
    assert burn.week_micros == 0


def test_the_edges_of_four_weeks_are_exact() -> None:
    """The first hour of them counts, the one before does not; nor does the present hour."""
    spent = [
        (MONDAY - 5 * WEEK, 1),
        (MONDAY - 4 * WEEK - HOUR, 400),
        (MONDAY - 4 * WEEK, 40),
        (MONDAY - HOUR, 80),
        (MONDAY, 4_000),
    ]
    burn = burn_from(spent, MONDAY, wallet_age=OLD)
    assert burn is not None
    assert (burn.by_hour[9], burn.by_hour[8], burn.week_micros) == (10, 20, 30)


# --- Walked forward ----------------------------------------------------------------------------------------


def test_an_hour_of_the_week_is_looked_up_by_weekday_and_hour() -> None:
    """Monday 00:00 is the first, Sunday 23:00 the last."""
    burn = Burn(tuple(range(168)))
    assert burn.at(datetime(2026, 11, 23, 0, 59, tzinfo=UTC)) == 0
    assert burn.at(datetime(2026, 11, 29, 23, 0, tzinfo=UTC)) == 167
    assert burn.at(datetime(2026, 11, 25, 13, 0, tzinfo=UTC)) == 2 * 24 + 13


@pytest.mark.parametrize("available", [1, 0, -1])
def test_where_nothing_is_spent_money_lasts_for_ever(available: int) -> None:
    """There is no moment at which it runs out, not even now."""
    assert runway(at_hour(), available, NOW, "UTC") is None


@pytest.mark.parametrize("available", [0, -1, -MICROS])
def test_where_nothing_is_left_it_ran_out_now(available: int) -> None:
    """Whatever the hour costs."""
    assert runway(at_hour(h20=5), available, NOW, "UTC") == NOW


@pytest.mark.parametrize(
    ("left", "minutes"),
    [(1, 1), (30, 30), (59, 59), (60, 60), (61, 24 * 60 * 7 + 1), (120, 24 * 60 * 7 + 60)],
)
def test_money_runs_out_inside_the_hour_that_uses_it_up(left: int, minutes: int) -> None:
    """One hour of the week costs 60, a micro-unit a minute."""
    assert runway(at_hour(h9=60), left, NOW, "UTC") == NOW + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("seconds", "left", "after"), [(1_800, 30, 1_800), (3_599, 1, 604_801), (900, 15, 900)]
)
def test_the_rest_of_an_hour_costs_its_share(seconds: int, left: int, after: int) -> None:
    """Where an hour has begun, only what is left of it is spent."""
    begun = NOW + timedelta(seconds=seconds, microseconds=0)
    found = runway(at_hour(h9=60), left, begun, "UTC")
    assert found is not None
    share = 60 * (3_600 - seconds) // 3_600
    if left <= share:
        assert found == begun + timedelta(seconds=3_600 - seconds) * left // share
    else:
        assert found > NOW + WEEK


def test_the_moment_is_rounded_down_to_a_microsecond() -> None:
    """Three of seven parts of an hour: nobody is promised time that is not there."""
    assert runway(at_hour(h9=7), 3, NOW, "UTC") == NOW + timedelta(microseconds=3_600_000_000 * 3 // 7)


def test_a_fraction_of_a_second_belongs_to_its_hour() -> None:
    """Seconds and microseconds count: the next hour begins on the hour."""
    begun = NOW + timedelta(minutes=10, seconds=20, microseconds=30)
    assert runway(at_hour(h10=3_600), 1, begun, "UTC") == NOW + HOUR + timedelta(seconds=1)


def test_sixty_days_are_as_far_as_anybody_looks() -> None:
    """What lasts until the last hour before is said; what lasts longer is not."""
    every = Burn((60,) * 168)
    hours = RUNWAY_MAX // HOUR
    assert runway(every, 60 * hours, NOW, "UTC") == NOW + RUNWAY_MAX
    assert runway(every, 60 * hours + 1, NOW, "UTC") is None


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati"])
def test_money_and_runway_agree_hour_by_hour(zone: str) -> None:
    """What the coming hours cost lasts exactly so many hours, in any zone and over a change of the clock."""
    burn = Burn(tuple(7 * MICROS + 60 * hour for hour in range(168)))
    local = ZoneInfo(zone)
    for begins in (NOW, datetime(2026, 3, 7, 12, 15, tzinfo=UTC), datetime(2026, 10, 31, 20, 45, tzinfo=UTC)):
        past = timedelta(minutes=begins.astimezone(local).minute)
        on_the_hour = begins - past
        for hours in (1, 24, 100):
            cost = cost_ahead(burn, on_the_hour, zone, hours)
            assert runway(burn, cost, on_the_hour, zone) == on_the_hour + hours * HOUR


@pytest.mark.parametrize(
    ("hours", "cost"), [(0, 0), (1, 1), (2, 11), (15, 11), (16, 111), (168, 111), (169, 112)]
)
def test_what_lies_ahead_is_counted_by_the_hour(hours: int, cost: int) -> None:
    """The present hour counts whole."""
    burn = at_hour(h9=1, h10=10, h24=100)
    assert cost_ahead(burn, NOW, "UTC", hours) == cost


def test_what_lies_ahead_is_counted_in_the_wallets_zone() -> None:
    """09:00 UTC is 04:00 in New York."""
    assert cost_ahead(at_hour(h4=3, h9=5), NOW, "America/New_York", 1) == 3


# --- Days that stand out -----------------------------------------------------------------------------------

FRIDAY = date(2026, 11, 27)
CALLS, TASKS = "outbound_call", "ai_task"
LEAST = 1_000
NO = False
"""It does not stand out."""


def costs_of(*days: tuple[int, int], kind: str = CALLS) -> dict[str, dict[str, int]]:
    """Give what one kind cost, by how many days before Friday."""
    return {(FRIDAY - timedelta(days=back)).isoformat(): {kind: micros} for back, micros in days}


@pytest.mark.parametrize(
    ("before", "spent", "usual"),
    [
        # Twice the average of the Fridays that had it.
        ([(7, 600), (14, 400)], 1_000, 500),
        ([(7, 600), (14, 410)], 1_009, NO),
        ([(7, 600), (14, 410)], 1_010, 505),
        ([(7, 600), (14, 600), (21, 600), (28, 600), (35, 9_000)], 1_200, 600),
        # The sum has to be real, and so has the measure: a tenth of the least.
        ([(7, 100), (14, 100)], 999, NO),
        ([(7, 100), (14, 100)], 1_000, 100),
        ([(7, 99), (14, 99)], 1_000, None),
        ([(7, 0), (14, 0)], 5_000, None),
        # Without a measure it has to outdo every day of four weeks twice.
        ([(7, 99), (14, 99), (2, 500)], 1_000, None),
        ([(7, 99), (14, 99), (2, 501)], 1_000, NO),
        ([(7, 500), (15, 500)], 1_000, None),
        ([(7, 501), (15, 500)], 1_000, NO),
        ([(1, 100), (13, 100)], 9_000, NO),
        ([(1, 100), (14, 100)], 9_000, None),
        ([(28, 4_500)], 9_000, None),
        ([(28, 4_501)], 9_000, NO),
        ([(29, 1)], 9_000, NO),
        ([], 9_000, NO),
    ],
)
def test_a_day_stands_out_against_its_weekdays_or_against_every_day(
    before: list[tuple[int, int]], spent: int, usual: int | bool | None
) -> None:
    """Two weeks of history are needed, and a real sum."""
    found = spikes_on(FRIDAY, costs_of((0, spent), *before), LEAST)

    assert found == ([] if usual is NO else [Spike("2026-11-27", CALLS, spent, usual)])


def test_kinds_are_judged_apart_and_given_costliest_first() -> None:
    """A kind that is new beside old ones outdoes its own days, not theirs; a day without use is no history."""
    costs = costs_of((7, 2_000), (14, 2_000), (0, 4_000))
    costs[FRIDAY.isoformat()][TASKS] = 5_000
    assert spikes_on(FRIDAY, costs, LEAST) == [
        Spike("2026-11-27", TASKS, 5_000, None),
        Spike("2026-11-27", CALLS, 4_000, 2_000),
    ]
    only_paid = {"2026-11-01": {}, "2026-11-27": {TASKS: 5_000}}
    assert spikes_on(FRIDAY, only_paid, LEAST) == []
