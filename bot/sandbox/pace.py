"""Six weeks of a busy company, made up but always the same: how many calls and tasks each hour, at what price.

Money is text in major units, as the platform posts it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

WEEKS = 6
CALLS = 20_000
STEP = timedelta(hours=12)
FRIDAY = 4
REFERENCES = ("camp-118", "camp-121", "support", "renewals", "winback")
_HOURS = (0, 0, 0, 0, 0, 1, 2, 5, 9, 11, 12, 11, 8, 10, 12, 11, 9, 6, 4, 3, 2, 1, 0, 0)
_DAYS = (11, 12, 12, 11, 10, 3, 2)
_KINDS = (("outbound_call", 50), ("inbound_call", 25), ("ai_task", 25))


@dataclass(frozen=True, slots=True)
class Step:
    """A few hours: when they end, and the usage that happened in them."""

    ends_at: datetime
    usage: tuple[dict[str, object], ...]


def six_weeks(began_at: datetime, run: str) -> Iterator[Step]:
    """Give six weeks in steps; `run` makes the ids of this playing unique.

    On the last working day before the end a campaign calls three times as often, so that there is a day to ask about.
    """
    dice = random.Random(20261125)  # noqa: S311 - the same company every time, nothing secret
    steps = int(timedelta(weeks=WEEKS) / STEP)
    weights = [_weight(began_at + index * STEP) for index in range(steps)]
    total = sum(weights)
    spike_day = _last_working_day(before=(began_at + timedelta(weeks=WEEKS)).date())
    number = 0
    for index, weight in enumerate(weights):
        begins_at = began_at + index * STEP
        usage = []
        for _ in range(CALLS * weight // total):
            kind = dice.choices([name for name, _ in _KINDS], [share for _, share in _KINDS])[0]
            at = begins_at + timedelta(seconds=dice.randint(0, int(STEP.total_seconds()) - 1))
            spike = kind == "outbound_call" and at.date() == spike_day
            for _ in range(3 if spike else 1):
                number += 1
                usage.append(_one(dice, f"{run}-{number}", kind, at, spike=spike))
        usage.sort(key=lambda one: str(one["occurred_at"]))  # as a dialler would post them
        yield Step(begins_at + STEP, tuple(usage))


def _weight(at: datetime) -> int:
    hours = sum(_HOURS[(at.hour + offset) % 24] for offset in range(int(STEP / timedelta(hours=1))))
    return hours * _DAYS[at.weekday()]


def _last_working_day(*, before: date) -> date:
    day = before - timedelta(days=1)
    while day.weekday() > FRIDAY:
        day -= timedelta(days=1)
    return day


def _one(dice: random.Random, name: str, kind: str, at: datetime, *, spike: bool) -> dict[str, object]:
    seconds = dice.randint(20, 400) if kind != "ai_task" else 0
    cents = 2 + seconds // 60 * 3 + dice.randint(0, 3) if seconds else dice.randint(1, 2)
    item: dict[str, object] = {
        "id": name,
        "kind": kind,
        "amount": f"0.{cents:02d}",
        "reference": "camp-121" if spike else dice.choice(REFERENCES),
        "occurred_at": at.isoformat(),
    }
    if seconds:
        item["quantity"] = seconds
    return item
