"""Metrics in the format of Prometheus, made from the vitals and the writer's counts at the moment they are asked for.

Labels are words of this program: reasons, states, jobs. No wallet, person or amount is in them, whatever is posted.
Nothing is registered with the library's global registry, since one process may hold several bots.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bot.surfaces.vitals import BookVitals, ProcessVitals, Trouble, Vitals
from ledger import DURATIONS, SIZES, Throughput

_SECOND = timedelta(seconds=1)
_NANOSECONDS = 1_000_000_000


class Metrics:
    """Writes the metrics of one process."""

    def __init__(self, throughput: Throughput) -> None:
        self._throughput = throughput

    def page(self, vitals: Vitals, accept: str) -> tuple[bytes, str]:
        """Give the page and its media type, in the format that the Accept header asks for."""
        encode, media_type = choose_encoder(accept)
        return encode(_Collected(self._throughput, vitals)), media_type


@dataclass(frozen=True, slots=True)
class _Collected(Collector):
    """The figures of one moment, as the library reads them."""

    throughput: Throughput
    vitals: Vitals

    def collect(self) -> Iterable[Metric]:
        yield from _of_writer(self.throughput)
        yield from _of_process(self.vitals.process)
        books = self.vitals.books
        yield _labelled_gauge(
            "redbar_database_trouble",
            "1 while the database cannot be used, by the code of its trouble.",
            "code",
            {books.code: 1} if isinstance(books, Trouble) else {},
        )
        yield _gauge(
            "redbar_database_up", "1 while the books can be read.", int(isinstance(books, BookVitals))
        )
        if isinstance(books, BookVitals):
            yield from _of_books(books)


def _of_writer(counted: Throughput) -> Iterator[Metric]:
    yield _counter("redbar_postings", "Transfers posted for callers that wait.", counted.posted)
    yield _counter("redbar_repeats", "Commands answered by their first receipt.", counted.repeated)
    yield _labelled_counter(
        "redbar_authorizations", "Answers to what may start, by reason.", "reason", counted.holds
    )
    refused = {**counted.refused, "Busy": counted.busy}
    yield _labelled_counter("redbar_refusals", "Commands refused, by reason.", "reason", refused)
    yield _counter("redbar_commit_failures", "Commits that were rolled back.", counted.failures)
    sizes = HistogramMetricFamily("redbar_commit_size", "Commands in one commit.")
    sizes.add_metric([], _buckets([str(one) for one in SIZES], counted.by_size), counted.commands)
    yield sizes
    durations = HistogramMetricFamily("redbar_commit_seconds", "How long a commit takes.")
    bounds = [str(one / _NANOSECONDS) for one in DURATIONS]
    durations.add_metric([], _buckets(bounds, counted.by_duration), counted.nanoseconds / _NANOSECONDS)
    yield durations


def _of_process(process: ProcessVitals) -> Iterator[Metric]:
    yield _gauge("redbar_writer_callers", "Callers that wait for the writer.", process.callers)
    yield _gauge("redbar_writer_commands", "Commands that wait for the writer.", process.commands)
    yield _gauge(
        "redbar_clock_in_doubt", "1 while the time, or a wallet's, is in doubt.", int(bool(process.clock))
    )
    yield _gauge(
        "redbar_clock_skew_seconds",
        "How far the clock was ahead of Slack's and Stripe's when they were last asked.",
        process.skew / _SECOND,
    )
    durations = SummaryMetricFamily("redbar_job_seconds", "How long runs of a job take.", labels=["job"])
    failures = CounterMetricFamily("redbar_job_failures", "Runs of a job that failed.", labels=["job"])
    failing = GaugeMetricFamily("redbar_job_failing", "Its last runs that failed in a row.", labels=["job"])
    silent = GaugeMetricFamily(
        "redbar_job_silent_seconds", "How long ago a run last succeeded.", labels=["job"]
    )
    for job in process.jobs:
        durations.add_metric([job.name], job.ended, job.lasted / _SECOND)
        failures.add_metric([job.name], job.failed)
        failing.add_metric([job.name], job.failing)
        silent.add_metric([job.name], job.silent_for / _SECOND)
    yield from (durations, failures, failing, silent)


def _of_books(books: BookVitals) -> Iterator[Metric]:
    states = {"waiting": books.waiting, "set_aside": books.set_aside}
    yield _labelled_gauge(
        "redbar_deliveries",
        "Messages that wait, and that were set aside.",
        "state",
        {state: one.count for state, one in states.items()},
    )
    yield _labelled_gauge(
        "redbar_deliveries_oldest_seconds",
        "How long ago the oldest of them came up.",
        "state",
        {state: one.oldest_for / _SECOND for state, one in states.items()},
    )
    yield _labelled_gauge("redbar_payments", "Payments by state.", "state", books.payments)
    yield _gauge("redbar_unknown_charges", "Charges whose outcome is not known.", books.unknown_charges)
    yield _gauge("redbar_differences", "Open differences between Stripe and the books.", books.differences)
    left = max(books.reads_allowed - books.reads, 0)
    yield _gauge(
        "redbar_stripe_reads_left", "Reads that Stripe allows until the end of the month (UTC).", left
    )
    refused = int(books.key_refused_at is not None)
    yield _gauge("redbar_stripe_key_refused", "1 while Stripe refuses the key.", refused)
    yield _gauge(
        "redbar_restored", "1 while the books are in restored mode.", int(books.restored is not None)
    )
    yield _gauge("redbar_schema_current", "1 while the tables are of this version.", int(books.current))


def _buckets(bounds: Sequence[str], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Give the buckets as Prometheus has them: each with all that is smaller."""
    return list(zip([*bounds, "+Inf"], accumulate(counts), strict=True))


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value)


def _labelled_gauge(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label])
    for value, amount in values.items():
        family.add_metric([value], amount)
    return family


def _counter(name: str, about: str, value: int) -> Metric:
    return CounterMetricFamily(name, about, value)


def _labelled_counter(name: str, about: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, about, labels=[label])
    for value, amount in dict(values).items():
        family.add_metric([value], amount)
    return family
