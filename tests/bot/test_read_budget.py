"""How much is read of Stripe in a month: inside what is rationed, whatever the company does."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.payments.inbox import poll_every

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
MONTH = timedelta(days=30)
FLOOR = 10_000
EACH_PAYMENT = 500
READS_OF_A_PAYMENT = 4
"""The page and the intent, by the events of both."""
READS_OF_A_NIGHT = 8
"""What a reconciliation reads; `test_an_idle_night_costs_a_handful_of_reads` holds it to that."""


def reads(requests: int, *, paid_after: timedelta | None, webhook: bool = False) -> int:
    """Simulate a month with requests spread evenly over it; each is open until it is paid, or stays open."""
    made_at = [BEGAN + MONTH * number // max(requests, 1) for number in range(requests)]
    now, count = BEGAN, 0
    while now < BEGAN + MONTH:
        still_open = [at for at in made_at if at <= now and (paid_after is None or now < at + paid_after)]
        upcoming = [at for at in made_at if at > now]
        count += 1
        wait = poll_every(now, max(still_open, default=None), webhook=webhook)
        # A request that is made in between brings the next look forward.
        now = min(now + wait, upcoming[0] + timedelta(seconds=20)) if upcoming else now + wait
    nights = READS_OF_A_NIGHT * MONTH.days + (requests if paid_after is None else 0)
    return count + nights + (READS_OF_A_PAYMENT * requests if paid_after is not None else 0)


@pytest.mark.parametrize(
    ("requests", "paid_after"),
    [
        (0, None),
        (30, None),
        (100, timedelta(minutes=20)),
        (100, timedelta(hours=5)),
        (300, timedelta(hours=1)),
    ],
    ids=["idle", "30 links that nobody pays", "100 payments", "100 slow payments", "300 payments"],
)
def test_a_month_stays_inside_the_ration(requests: int, paid_after: timedelta | None) -> None:
    """Seven tenths of it once there are payments, since other programs of the company read too; idle, nine."""
    paid = requests if paid_after is not None else 0
    ration = max(FLOOR, EACH_PAYMENT * paid)

    assert reads(requests, paid_after=paid_after) <= ration * (9 if paid == 0 else 7) // 10


def test_a_webhook_makes_polling_a_safety_net() -> None:
    """Twice an hour."""
    nights = READS_OF_A_NIGHT * MONTH.days
    most = 1_441 + 100 * (READS_OF_A_PAYMENT + 1) + nights
    assert reads(100, paid_after=timedelta(hours=1), webhook=True) <= most


def test_what_is_worth_a_look() -> None:
    """A press brings the fast window back; while calls are stopped an open request is looked at every two minutes."""
    hours = [timedelta(hours=one) for one in (0, 1, 5)]
    minute = timedelta(minutes=1)

    def waits(**more: bool) -> list[timedelta]:
        return [poll_every(BEGAN + age, BEGAN, webhook=False, **more) for age in hours]

    assert waits() == [minute / 3, 2 * minute, 10 * minute]
    assert waits(stopped=True) == [minute / 3, 2 * minute, 2 * minute]
    assert waits(tight=True) == [minute, 6 * minute, 30 * minute]
    assert poll_every(BEGAN, None, webhook=False, stopped=True) == 10 * minute
