"""What makes the bot unready, what only warns, and where the lines are."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.http.readiness import Status, checks_of, is_ready
from bot.surfaces.vitals import BookVitals, DeliveryVitals, JobVitals, ProcessVitals, Trouble, Vitals

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
QUEUE_MAX = 50_000
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
WELL = Vitals(
    ProcessVitals(
        at=NOW,
        jobs=[
            JobVitals(name, every, 9, 0, 0, 9 * SECOND, every)
            for name, every in (("news", SECOND), ("cards", 60 * MINUTE))
        ],
        ticking=True,
        beat_at=NOW,
        callers=0,
        commands=0,
        clock=(),
        skew=timedelta(),
        telling=(),
        slack_away=False,
    ),
    BookVitals(
        current=True,
        waiting=DeliveryVitals(0, timedelta()),
        set_aside=DeliveryVitals(0, timedelta()),
        restored=None,
        restored_at=None,
        key_refused_at=None,
        payments={},
        unknown_charges=0,
        differences=0,
        reads=0,
        reads_allowed=10_000,
    ),
)


def _process(**changes: Any) -> Vitals:
    return replace(WELL, process=replace(WELL.process, **changes))


def _books(**changes: Any) -> Vitals:
    assert isinstance(WELL.books, BookVitals)
    return replace(WELL, books=replace(WELL.books, **changes))


def _jobs(*changes: dict[str, Any]) -> Vitals:
    jobs = [replace(job, **changed) for job, changed in zip(WELL.process.jobs, changes, strict=True)]
    return _process(jobs=jobs)


OK = (
    _jobs({"failing": 2, "failed": 700}, {}),
    _jobs({"silent_for": SECOND + 5 * MINUTE}, {"silent_for": 65 * MINUTE}),
    _process(jobs=[replace(one, silent_for=600 * MINUTE) for one in WELL.process.jobs], ticking=False),
    _process(callers=10_000, commands=QUEUE_MAX * 8 // 10 - 1),
    _process(skew=30 * SECOND),
    _process(skew=-30 * SECOND),
    _books(waiting=DeliveryVitals(900, 10 * MINUTE)),
    _books(reads=9_000),
)
WARNINGS = (
    (_jobs({"silent_for": SECOND + 6 * MINUTE}, {}), "heartbeat", "The job news has not ended for 6 minutes"),
    (_process(skew=61 * SECOND), "clock", "61 seconds ahead of Slack's or Stripe's"),
    (_process(skew=-31 * SECOND), "clock", "31 seconds behind Slack's or Stripe's"),
    (
        _books(waiting=DeliveryVitals(3, 11 * MINUTE)),
        "deliveries",
        "3 messages wait to be shown in Slack, the oldest for 11",
    ),
    (_process(slack_away=True), "slack", "Slack is not connected"),
    (_books(set_aside=DeliveryVitals(1, MINUTE)), "deliveries", "1 message was set aside"),
    (_books(key_refused_at=NOW), "stripe", "Stripe refuses the key since 2026-11-25 09:00 UTC"),
    (_books(unknown_charges=2), "stripe", "Stripe has not answered 2 charges"),
    (_books(reads=9_001), "stripe", "9001 of the 10000 reads"),
    (_books(differences=1), "differences", "`redbar reconcile`"),
)
FAILURES = (
    (
        replace(WELL, books=Trouble("X", "It is away.", NOW)),
        "database",
        "It is away. The books cannot be used since",
    ),
    (_books(current=False), "database", "of another version"),
    (_jobs({"failing": 3}, {}), "heartbeat", "The job news failed 3 times in a row"),
    (
        _jobs({"silent_for": MINUTE}, {"failing": 3, "silent_for": 600 * MINUTE}),
        "heartbeat",
        "The job cards failed",
    ),
    (
        _jobs({"silent_for": 6 * MINUTE}, {"silent_for": 66 * MINUTE}),
        "heartbeat",
        "No job has succeeded for 6 minutes",
    ),
    (_process(commands=QUEUE_MAX * 8 // 10), "queue", "40000 of at most 50000"),
    (_process(clock=["It is in doubt."]), "clock", "It is in doubt."),
    (_process(telling=["Nobody can be told."]), "telling", "Nobody can be told."),
    (_books(restored="backup", restored_at=NOW), "restored", "(backup): nothing is charged"),
)


def test_a_bot_that_is_well_is_ready() -> None:
    """Nothing is said."""
    checks = checks_of(WELL, queue_max=QUEUE_MAX)
    assert {one.status for one in checks} == {Status.OK}
    assert [one.says for one in checks if one.says] == []


@pytest.mark.parametrize("vitals", OK)
def test_what_is_usual_is_not_said(vitals: Vitals) -> None:
    """Up to each line."""
    assert {one.status for one in checks_of(vitals, queue_max=QUEUE_MAX)} == {Status.OK}


@pytest.mark.parametrize(("vitals", "name", "words"), WARNINGS)
def test_a_warning_leaves_the_bot_ready(vitals: Vitals, name: str, words: str) -> None:
    """One check says it, and all others are well."""
    checks = checks_of(vitals, queue_max=QUEUE_MAX)
    assert is_ready(checks)
    (said,) = [one for one in checks if one.status is not Status.OK]
    assert (said.name, said.status) == (name, Status.WARNING)
    (sentence,) = said.says
    assert words in sentence


@pytest.mark.parametrize(("vitals", "name", "words"), FAILURES)
def test_a_failure_makes_the_bot_unready(vitals: Vitals, name: str, words: str) -> None:
    """One check says it, and all others are well."""
    checks = checks_of(vitals, queue_max=QUEUE_MAX)
    assert not is_ready(checks)
    (said,) = [one for one in checks if one.status is not Status.OK]
    assert (said.name, said.status) == (name, Status.FAILED)
    (sentence,) = said.says
    assert words in sentence


def test_a_failure_and_a_warning_of_one_check_are_both_said() -> None:
    """It failed."""
    checks = checks_of(_process(clock=["It is in doubt."], skew=MINUTE), queue_max=QUEUE_MAX)
    (said,) = [one for one in checks if one.status is not Status.OK]
    assert (said.status, len(said.says)) == (Status.FAILED, 2)
