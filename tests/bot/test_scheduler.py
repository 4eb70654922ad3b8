"""The jobs' ticks go on whatever the wall clock does."""

from datetime import UTC, datetime, timedelta
from threading import Event

from bot.scheduler import EveryFromNow, Job, Scheduler
from ledger import SystemClock

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


def test_a_leap_ahead_is_one_tick() -> None:
    """Four hundred days at four ticks a second would be listed one by one."""
    trigger = EveryFromNow(seconds=0.25, timezone=UTC)
    assert trigger.get_next_fire_time(NOW, NOW + timedelta(days=400)) == NOW + timedelta(
        days=400, seconds=0.25
    )
    assert trigger.get_next_fire_time(NOW, NOW) == NOW + timedelta(seconds=0.25)


def test_jobs_go_on_after_a_clock_was_set_back() -> None:
    """Their next tick lay in a future that the clock does not reach any more."""
    ran = Event()
    scheduler = Scheduler(SystemClock(), [Job("one", timedelta(seconds=0.05), lambda now: ran.set())])
    scheduler.start()
    try:
        assert ran.wait(5)
        future = SystemClock().now() + timedelta(days=400)
        scheduler._scheduler.modify_job("one", next_run_time=future)
        ran.clear()
        assert ran.wait(5)
    finally:
        scheduler.stop()


def test_a_run_that_fails_is_no_beat() -> None:
    """Each job's failures are counted, and end by its next success; others go on."""
    broken = True

    def breaks(now: datetime) -> None:
        if broken:
            raise ValueError("refused")

    day = timedelta(days=1)
    jobs = [Job("breaks", day, breaks), Job("works", day, lambda now: None)]
    scheduler = Scheduler(SystemClock(), jobs)
    fresh_at = scheduler.runs["breaks"].fresh_at
    for _ in range(3):
        scheduler.run_all()
    runs = scheduler.runs["breaks"]
    assert (runs.ended, runs.failed, runs.failing, runs.succeeded_at) == (3, 3, 3, None)
    assert runs.fresh_at == fresh_at
    assert scheduler.runs["works"].failing == 0
    assert scheduler.beat_at == scheduler.runs["works"].succeeded_at is not None

    broken = False
    scheduler.run_all()
    assert (runs.ended, runs.failed, runs.failing) == (4, 3, 0)
    assert runs.succeeded_at is not None
    assert runs.fresh_at > fresh_at
