"""Whether the platform may send requests here, judged from the vitals, with a sentence for what is wrong. Pure.

Only what keeps the API from answering right is a failure. Slack or Stripe being away, people who are told late, and
what waits for a person's decision are warnings: the ledger answers on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from bot.surfaces.vitals import BookVitals, ProcessVitals, Trouble, Vitals

FAILING_MAX = 3
"""Runs of a job that may fail one after the other before the process counts as broken."""
SILENT_MAX = timedelta(minutes=5)
"""How long after it was due a job may go without a success before that is said."""
QUEUE_MAX_PERCENT = 80
"""The share of what may wait for the writer; at all of it callers are sent away."""
WAITING_MAX = timedelta(minutes=10)
"""How long a message may wait before that is said: Slack asks to wait for minutes at most."""
SKEW_MAX = timedelta(seconds=30)
"""How far the clock may be from Slack's and Stripe's: at a minute Stripe refuses hosted pages."""
READS_MAX_PERCENT = 90


class Status(StrEnum):
    """How one check went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `says` has a sentence each for what is wrong and what to do."""

    name: str
    status: Status
    says: Sequence[str] = ()


def checks_of(vitals: Vitals, *, queue_max: int) -> list[Check]:
    """Judge everything; `queue_max` is how many commands may wait for the writer."""
    process, books = vitals.process, vitals.books
    found = [
        _database(books),
        _heartbeat(process),
        _queue(process, queue_max),
        _check("clock", process.clock, _skew(process.skew)),
        _check("telling", process.telling),
        _check("slack", warnings=_slack(away=process.slack_away)),
    ]
    if isinstance(books, BookVitals):
        found += [
            _restored(books),
            _check("deliveries", warnings=_deliveries(books)),
            _check("stripe", warnings=_stripe(books)),
            _check("differences", warnings=_differences(books.differences)),
        ]
    return found


def is_ready(checks: Sequence[Check]) -> bool:
    """Say whether nothing failed."""
    return all(one.status is not Status.FAILED for one in checks)


def _check(name: str, failures: Sequence[str] = (), warnings: Sequence[str] = ()) -> Check:
    status = Status.FAILED if failures else Status.WARNING if warnings else Status.OK
    return Check(name, status, (*failures, *warnings))


def _database(books: BookVitals | Trouble) -> Check:
    if isinstance(books, Trouble):
        return _check(
            "database",
            [
                f"{books.says} The books cannot be used since {books.since:%Y-%m-%d %H:%M:%S} UTC; nothing is lost."
            ],
        )
    if not books.current:
        return _check(
            "database",
            [
                "The tables are of another version than this program. Start the newest Redbar on this database."
            ],
        )
    return _check("database")


def _heartbeat(process: ProcessVitals) -> Check:
    failing = [
        f"The job {job.name} failed {job.failing} times in a row. The log says why, under redbar.scheduler."
        for job in process.jobs
        if job.failing >= FAILING_MAX
    ]
    if not process.ticking:
        return _check("heartbeat", failing)
    silent = [job for job in process.jobs if job.silent_for > job.every + SILENT_MAX and not job.failing]
    if process.jobs and len(silent) == len(process.jobs):
        minutes = min(job.silent_for for job in silent) // timedelta(minutes=1)
        return _check("heartbeat", [f"No job has succeeded for {minutes} minutes. Restart Redbar."])
    late = [
        f"The job {job.name} has not ended for {job.silent_for // timedelta(minutes=1)} minutes; it ends by itself "
        "where Slack or Stripe is slow."
        for job in silent
    ]
    return _check("heartbeat", failing, late)


def _queue(process: ProcessVitals, queue_max: int) -> Check:
    if process.commands * 100 < queue_max * QUEUE_MAX_PERCENT:
        return _check("queue")
    return _check(
        "queue",
        [
            f"{process.commands} of at most {queue_max} commands wait to be written. The database is slower than the "
            "platform posts: look at its disk and its load."
        ],
    )


def _skew(skew: timedelta) -> list[str]:
    if abs(skew) <= SKEW_MAX:
        return []
    side = "ahead of" if skew > timedelta() else "behind"
    return [
        f"The clock of this machine is {abs(skew) // timedelta(seconds=1)} seconds {side} Slack's or Stripe's. At a "
        "minute Stripe refuses hosted pages. Set the clock right, by a time service."
    ]


def _slack(*, away: bool) -> list[str]:
    if not away:
        return []
    return [
        "Slack is not connected: nobody is heard or told. Redbar tries again; the platform's API goes on."
    ]


def _restored(books: BookVitals) -> Check:
    if books.restored is None:
        return _check("restored")
    return _check(
        "restored",
        [
            f"These books are in restored mode since {books.restored_at:%Y-%m-%d %H:%M} UTC ({books.restored}): "
            "nothing is charged and nobody is told. Run `redbar reconcile`, then `redbar resume`."
        ],
    )


def _messages(count: int, one: str, several: str) -> str:
    return f"1 message {one}" if count == 1 else f"{count} messages {several}"


def _deliveries(books: BookVitals) -> list[str]:
    found = []
    if books.waiting.oldest_for > WAITING_MAX:
        found.append(
            f"{_messages(books.waiting.count, 'waits', 'wait')} to be shown in Slack, the oldest for "
            f"{books.waiting.oldest_for // timedelta(minutes=1)} minutes. `redbar deliveries` says why."
        )
    if books.set_aside.count:
        found.append(
            f"{_messages(books.set_aside.count, 'was', 'were')} set aside, since Slack did not take it. "
            "`redbar deliveries` lists each and sends one again."
        )
    return found


def _stripe(books: BookVitals) -> list[str]:
    found = []
    if books.key_refused_at is not None:
        found.append(
            f"Stripe refuses the key since {books.key_refused_at:%Y-%m-%d %H:%M} UTC: nothing can be charged, and no "
            "payment is heard of. Set REDBAR_STRIPE_API_KEY to a key that Stripe accepts, and restart."
        )
    if books.unknown_charges:
        found.append(
            f"Stripe has not answered {books.unknown_charges} charges. Each is asked for again with its key until it "
            "is known; none is made twice."
        )
    if books.reads * 100 > books.reads_allowed * READS_MAX_PERCENT:
        found.append(
            f"{books.reads} of the {books.reads_allowed} reads that Stripe allows this month are used. Payments are "
            "heard of later; set REDBAR_STRIPE_WEBHOOK_SECRET to hear of them at once."
        )
    return found


def _differences(count: int) -> list[str]:
    if not count:
        return []
    return [
        f"Stripe and the books differ in {count} places. `redbar reconcile` lists them, for a person to decide."
    ]
