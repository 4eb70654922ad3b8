"""The made-up company is the same whenever it begins: busy by weekday, with one day that stands out near the end."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.sandbox.pace import CALLS, WEEKS, six_weeks

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("begins", range(14))
def test_one_working_day_near_the_end_stands_out(begins: int) -> None:
    """Whatever the hour and the weekday of the beginning: more than twice its weekdays before, by local days."""
    began_at = datetime(2026, 11, 23, 2, 10, tzinfo=UTC) + begins * timedelta(hours=13)
    spent: dict[date, int] = defaultdict(int)
    items = [item for step in six_weeks(began_at, "run") for item in step.usage]
    for item in items:
        if item["kind"] == "outbound_call":
            day = datetime.fromisoformat(str(item["occurred_at"])).astimezone(BERLIN).date()
            spent[day] += int(str(item["amount"]).removeprefix("0."))

    ended_at = began_at + timedelta(weeks=WEEKS)
    late = [day for day in spent if timedelta(days=1) <= ended_at.date() - day <= timedelta(days=3)]
    (busy,) = [day for day in late if spent[day] > 2 * _usual(spent, day)]

    assert busy.weekday() < 5
    assert [day for day in spent if day > busy and day.weekday() < 5 and day < ended_at.date()] == []
    assert abs(len(items) - CALLS) < CALLS // 10
    assert len({item["id"] for item in items}) == len(items)


def _usual(spent: dict[date, int], day: date) -> int:
    return sum(spent[day - timedelta(weeks=week)] for week in range(1, 5)) // 4
