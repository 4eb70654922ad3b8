"""How a running bot is, as plain facts: what health is judged by, and what metrics show. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class JobVitals:
    """What became of one job's runs in this process."""

    name: str
    every: timedelta
    ended: int
    failed: int
    failing: int
    """How many of the last runs failed, one after the other."""
    lasted: timedelta
    """How long all runs took together."""
    silent_for: timedelta
    """How long ago, in real time, a run last succeeded; or the scheduler began."""


@dataclass(frozen=True, slots=True)
class ProcessVitals:
    """What is known without the database."""

    at: datetime
    jobs: Sequence[JobVitals]
    ticking: bool
    """Whether jobs run by themselves here."""
    beat_at: datetime | None
    """When a job last succeeded."""
    callers: int
    """Who wait for the writer."""
    commands: int
    """What they want written."""
    clock: Sequence[str]
    """What is wrong with the time, in words for the operator."""
    skew: timedelta
    """How far the clock was ahead of Slack's and Stripe's when they were last asked; below zero when it was behind."""
    telling: Sequence[str]
    """Why nobody can be told of a wallet, in words for the operator."""
    slack_away: bool
    """Whether Slack does not let us connect."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the database cannot be used."""

    code: str
    says: str
    """A sentence for the operator."""
    since: datetime


@dataclass(frozen=True, slots=True)
class DeliveryVitals:
    """Deliveries in one state, of workspaces that have the app installed."""

    count: int
    oldest_for: timedelta
    """How long ago the notice of the oldest was committed; zero where there is none."""


@dataclass(frozen=True, slots=True)
class BookVitals:
    """What the database says, at one instant."""

    current: bool
    """Whether its tables are of this program's version."""
    waiting: DeliveryVitals
    set_aside: DeliveryVitals
    restored: str | None
    """Why the books are in restored mode; None while they are not."""
    restored_at: datetime | None
    key_refused_at: datetime | None
    """Since when Stripe refuses our key; None while it does not."""
    payments: Mapping[str, int]
    """Payments by state; every state is there."""
    unknown_charges: int
    """Requests to charge a card whose outcome is not known."""
    differences: int
    """What differs between Stripe and the books, and waits for a person."""
    reads: int
    """How often Stripe was read this month."""
    reads_allowed: int


@dataclass(frozen=True, slots=True)
class Vitals:
    """How a running bot is: its process, and its books or why they cannot be read."""

    process: ProcessVitals
    books: BookVitals | Trouble
