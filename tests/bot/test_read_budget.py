"""How much is read of Stripe in a month: inside what is rationed, whatever the company does."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from bot.stripe.read_budget import Budget, look_every, poll_every, reads_allowed

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
MONTH = timedelta(days=30)
NEVER = timedelta(days=7)
"""After which a link that nobody paid lapses."""
READS_OF_A_PAYMENT = 6
"""The page and its intent, by the events of both, and by a look."""
READS_OF_A_NIGHT = 8
"""What a reconciliation reads; `test_an_idle_night_costs_a_handful_of_reads` holds it to that."""
TICK = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
FLOOR = reads_allowed(0)


@dataclass
class Month:
    """What a month came to."""

    read: int
    allowed: int
    longest: timedelta
    """The longest wait between two looks while something was open."""


def month(
    requests: int,
    open_for: timedelta,
    *,
    paid: bool = True,
    webhook: bool = False,
    stopped: bool = False,
    reads_a_look: int = 1,
) -> Month:
    """Simulate a month with requests spread evenly over it, each of them open for so long."""
    made_at = [BEGAN + MONTH * number // max(requests, 1) for number in range(requests)]
    allowed = reads_allowed(requests if paid else 0)
    changes_at = sorted({*made_at, *(at + open_for for at in made_at)})
    now, read, longest = BEGAN, 0, timedelta()
    polled_at = looked_at = BEGAN
    ended, night_at = 0, BEGAN
    while now < BEGAN + MONTH:
        if now >= night_at:
            read, night_at = read + READS_OF_A_NIGHT, night_at + timedelta(days=1)
        gone = bisect_right(made_at, now - open_for)
        read, ended = read + (READS_OF_A_PAYMENT if paid else 1) * (gone - ended), gone
        made = bisect_right(made_at, now)
        watched_at = made_at[made - 1] if made > gone else None
        budget = Budget(now, read, allowed)
        wait = poll_every(now, watched_at, webhook=webhook, tight=budget.tight)
        if now >= polled_at + wait:
            read, polled_at = read + 1, now
        due_at = [polled_at + wait, night_at]
        if watched_at is not None:
            wait = look_every(budget, watched_at, webhook=webhook, stopped=stopped)
            if now >= looked_at + wait:
                read, looked_at = read + reads_a_look, now
                longest = max(longest, wait)
            due_at.append(looked_at + wait)
        due_at += changes_at[bisect_right(changes_at, now) :][:1]
        now = max(now + TICK, min(due_at))
    return Month(read, allowed, longest)


IDLE_PERCENT, EARNED_PERCENT = 90, 70
"""What a month may take of the ration that everybody has, and of one that payments earn: other programs read too."""


@pytest.mark.parametrize(
    ("requests", "open_for", "paid", "percent"),
    [
        (0, NEVER, False, IDLE_PERCENT),
        (1, MONTH, False, IDLE_PERCENT),
        (30, NEVER, False, IDLE_PERCENT),
        (100, timedelta(minutes=20), True, EARNED_PERCENT),
        (100, timedelta(hours=5), True, EARNED_PERCENT),
        (300, timedelta(hours=1), True, EARNED_PERCENT),
        (20, timedelta(days=2), True, IDLE_PERCENT),
        (60, timedelta(days=1), True, IDLE_PERCENT),
    ],
    ids=[
        "idle",
        "one link, open all month",
        "30 links that nobody pays",
        "100 payments",
        "100 slow payments",
        "300 payments",
        "always one open, on the floor",
        "always two open",
    ],
)
@pytest.mark.parametrize("webhook", [False, True], ids=["polling", "webhook"])
def test_a_month_stays_inside_the_ration(
    requests: int, open_for: timedelta, paid: bool, percent: int, webhook: bool
) -> None:
    """Whatever is open, and for how long."""
    found = month(requests, open_for, paid=paid, webhook=webhook)

    assert found.read <= found.allowed * percent // 100


@pytest.mark.parametrize("webhook", [False, True], ids=["polling", "webhook"])
@pytest.mark.parametrize("reads_a_look", [1, 8])
def test_a_month_in_which_calls_stand_still_stays_inside_the_ration(webhook: bool, reads_a_look: int) -> None:
    """Looks have priority over thrift then, and yet what is left lasts until the end of the month."""
    found = month(1, MONTH, paid=False, webhook=webhook, stopped=True, reads_a_look=reads_a_look)

    assert found.read <= found.allowed


@pytest.mark.parametrize(
    ("requests", "open_for"),
    [
        (4, timedelta(hours=20)),
        (10, timedelta(hours=8)),
        (20, timedelta(hours=3)),
        (100, timedelta(hours=12)),
    ],
)
def test_an_ordinary_month_is_looked_at_every_two_minutes(requests: int, open_for: timedelta) -> None:
    """From the first request to the last; a payment earns five hundred reads."""
    assert month(requests, open_for).longest < 2 * MINUTE


def test_a_webhook_makes_polling_a_safety_net() -> None:
    """Twice an hour; looks follow what is open."""
    nights = READS_OF_A_NIGHT * MONTH.days
    polls, looks = 1_441, 100 * (timedelta(hours=1) // timedelta(seconds=110) + 1)

    found = month(100, timedelta(hours=1), webhook=True)

    assert found.read <= polls + looks + 100 * READS_OF_A_PAYMENT + nights


def test_what_is_worth_a_poll() -> None:
    """The events list is read every two minutes while a request is young, else every ten."""
    ages = [MINUTE, 20 * MINUTE, 60 * MINUTE]

    def waits(*, tight: bool) -> list[timedelta]:
        return [poll_every(BEGAN + age, BEGAN, webhook=False, tight=tight) for age in ages]

    assert waits(tight=False) == [2 * MINUTE, 2 * MINUTE, 10 * MINUTE]
    assert waits(tight=True) == [6 * MINUTE, 6 * MINUTE, 30 * MINUTE]
    assert poll_every(BEGAN, None, webhook=False) == 10 * MINUTE
    assert poll_every(BEGAN, BEGAN, webhook=True) == 30 * MINUTE


SECONDS = timedelta(seconds=1)
MIDDLE = BEGAN + MONTH / 2


@pytest.mark.parametrize(
    ("read", "stopped", "waits"),
    [
        (0, False, [20, 110, 110, 110]),
        (6_100, False, [20, 110, 1_800, 1_800]),
        (6_100, True, [20, 110, 110, 110]),
        (7_100, False, [60, 330, 1_800, 1_800]),
        (7_100, True, [60, 330, 861, 861]),
        (9_100, True, [86_400] * 4),
    ],
    ids=["in pace", "ahead", "ahead, stopped", "tight", "tight, stopped", "spent"],
)
def test_what_is_worth_a_look(read: int, stopped: bool, waits: list[int]) -> None:
    """By age (5 and 20 minutes, 1 hour, 6 days), in the middle of a month of 10,000 reads."""
    budget = Budget(MIDDLE, read, FLOOR)
    ages = [5 * MINUTE, 20 * MINUTE, 60 * MINUTE, timedelta(days=6)]

    found = [look_every(budget, MIDDLE - age, webhook=False, stopped=stopped) for age in ages]

    assert [one // SECONDS for one in found] == waits


def test_a_webhook_needs_no_fast_looks() -> None:
    """Two minutes do."""
    assert look_every(Budget(MIDDLE, 0, FLOOR), MIDDLE, webhook=True, stopped=False) == 110 * SECONDS


def test_a_large_company_is_paced_too() -> None:
    """A million payments a month."""
    allowed = reads_allowed(1_000_000)

    assert [Budget(MIDDLE, allowed * percent // 100, allowed).ahead for percent in (49, 51, 80)] == [
        False,
        True,
        True,
    ]
