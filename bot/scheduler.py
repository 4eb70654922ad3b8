"""Runs the jobs, each at its interval.

APScheduler only ticks; *what* is due lives in rows, so a missed or doubled tick loses and doubles nothing. Each job
is a plain `run_once(now)`.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from bot.ports import Clock

log = logging.getLogger("redbar.scheduler")


@dataclass(frozen=True, slots=True)
class Job:
    """What runs at an interval."""

    name: str
    every: timedelta
    run_once: Callable[[datetime], object]


class Scheduler:
    """Runs jobs on a thread of its own, and on demand."""

    def __init__(self, clock: Clock, jobs: Sequence[Job]) -> None:
        self._clock = clock
        self.jobs = jobs
        self._locks = {job.name: Lock() for job in jobs}
        self.last_job_at: datetime | None = None
        """When a job last finished; `/healthz` gives it."""
        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},  # a shared store runs jobs twice (measured)
            executors={"default": ThreadPoolExecutor(len(jobs))},
            # The defaults drop a job that is a second late; late work is done late instead.
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
            timezone=UTC,
        )

    def start(self) -> None:
        """Begin to tick."""
        for job in self.jobs:
            self._scheduler.add_job(
                self._tick, "interval", args=[job], seconds=job.every.total_seconds(), id=job.name
            )
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ticking and wait for what is running."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def run_all(self) -> None:
        """Run every job once, in order, on this thread."""
        for job in self.jobs:
            self._run(job)

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
        try:
            job.run_once(self._clock.now())
        except Exception:  # a job that fails must not end the others
            log.exception("job %s failed", job.name)
        self.last_job_at = self._clock.now()
