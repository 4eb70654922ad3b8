"""Runs the jobs, each at its interval.

APScheduler only ticks; *what* is due lives in rows, so a missed or doubled tick loses and doubles nothing. Each job
is a plain `run_once(now)`.

APScheduler reads the wall clock itself. A leap ahead would make it list every tick that it missed, millions of them; a
clock that is set back afterwards would leave all jobs waiting for the future. `EveryFromNow` prevents the first, and a
thread that looks every second the second.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from bot.ports import Clock
from ledger import SystemClock, machine_ticks

log = logging.getLogger("redbar.scheduler")


@dataclass(frozen=True, slots=True)
class Job:
    """What runs at an interval."""

    name: str
    every: timedelta
    run_once: Callable[[datetime], object]


@dataclass(slots=True)
class JobRuns:
    """What became of a job's runs since the scheduler was made. The thread that runs the job writes it."""

    fresh_at: timedelta
    """The machine's ticks at the last success, or when the scheduler began: the clock may stand still, or skip."""
    ended: int = 0
    failed: int = 0
    failing: int = 0
    """How many of the last runs failed, one after the other."""
    lasted: timedelta = timedelta()
    """How long all runs took together."""
    succeeded_at: datetime | None = None

    def count(self, began: timedelta, ended: timedelta, at: datetime, *, succeeded: bool) -> None:
        """Count a run that has ended."""
        self.ended += 1
        self.lasted += ended - began
        if succeeded:
            self.failing, self.succeeded_at, self.fresh_at = 0, at, ended
        else:
            self.failed += 1
            self.failing += 1


class EveryFromNow(IntervalTrigger):  # type: ignore[misc]
    """Ticks at an interval; after a pause the next tick is an interval from now, however many were missed."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> Any:
        """Give the next tick."""
        found = super().get_next_fire_time(previous_fire_time, now)
        return found if previous_fire_time is None or found > now else now + self.interval


class Scheduler:
    """Runs jobs on a thread of its own, and on demand."""

    def __init__(self, clock: Clock, jobs: Sequence[Job]) -> None:
        self._clock = clock
        self.jobs = jobs
        self._locks = {job.name: Lock() for job in jobs}
        self.runs = {job.name: JobRuns(machine_ticks()) for job in jobs}
        self.started = False
        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},  # a shared store runs jobs twice (measured)
            executors={"default": ThreadPoolExecutor(len(jobs) or 1)},
            # The defaults drop a job that is a second late; late work is done late instead.
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
            timezone=UTC,
        )
        self._stopped = Event()
        self._watch = Thread(target=self._watch_wall, name="scheduler-watch", daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self.started = True
        for one in self.runs.values():
            one.fresh_at = machine_ticks()
        for job in self.jobs:
            self._scheduler.add_job(
                self._tick,
                EveryFromNow(seconds=job.every.total_seconds(), timezone=UTC),
                args=[job],
                id=job.name,
                name=job.name,
            )
        self._scheduler.start()
        self._watch.start()

    @property
    def beat_at(self) -> datetime | None:
        """When a job last succeeded."""
        return max(
            (one.succeeded_at for one in self.runs.values() if one.succeeded_at is not None), default=None
        )

    def stop(self) -> None:
        """Stop ticking and wait for what is running."""
        self._stopped.set()
        if self._watch.is_alive():
            self._watch.join()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def run_all(self) -> None:
        """Run every job once, in order, on this thread."""
        for job in self.jobs:
            self._run(job)

    def _watch_wall(self) -> None:
        while not self._stopped.wait(1):
            self.bring_back()

    def bring_back(self) -> None:
        """Let jobs tick again that wait for a future which a wrong clock had reached."""
        now = SystemClock().now()
        for waiting in self._scheduler.get_jobs():
            due = waiting.next_run_time
            if due is not None and due - now > waiting.trigger.interval + timedelta(seconds=1):
                self._scheduler.modify_job(waiting.id, next_run_time=now)

    def _tick(self, job: Job) -> None:
        # A job that is still running, here or by `run_all`, is not run a second time at once.
        if self._locks[job.name].acquire(blocking=False):
            try:
                self._guarded(job)
            finally:
                self._locks[job.name].release()

    def _run(self, job: Job) -> None:
        with self._locks[job.name]:
            self._guarded(job)

    def _guarded(self, job: Job) -> None:
        began, succeeded = machine_ticks(), False
        try:
            job.run_once(self._clock.now())
            succeeded = True
        except Exception:  # a job that fails must not end the others
            log.exception("job %s failed", job.name)
        self.runs[job.name].count(began, machine_ticks(), self._clock.now(), succeeded=succeeded)
