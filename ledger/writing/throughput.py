"""What the writer did since the process began, as plain integers: commits by size and duration, answers by their kind.

The thread that writes counts, once a commit and without a lock. Others read while it counts, so two figures may belong
to two commits that follow each other.
"""

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter

from ledger.commands import HoldAnswer, Outcome, Receipt
from ledger.errors import Refused

SIZES = (1, 4, 16, 64, 256, 1_000, 4_000)
"""Upper bounds of the commands in a commit."""
DURATIONS = tuple(
    millis * 1_000_000 for millis in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
)
"""Upper bounds of how long a commit takes, in nanoseconds."""

_DUPLICATE = attrgetter("duplicate")


class Throughput:
    """Counts what was committed for callers that wait. What flows post in transactions of their own is not in it."""

    __slots__ = (
        "busy",
        "by_duration",
        "by_size",
        "commands",
        "failures",
        "holds",
        "nanoseconds",
        "posted",
        "refused",
        "repeated",
    )

    def __init__(self) -> None:
        self.commands = self.nanoseconds = 0
        """The sums that belong to the two histograms."""
        self.by_size = [0] * (len(SIZES) + 1)
        self.by_duration = [0] * (len(DURATIONS) + 1)
        """Commits in each bucket alone; the last one has no upper bound."""
        self.failures = 0
        """Transactions that were rolled back; each part that was then tried alone counts for itself."""
        self.posted = 0
        self.repeated = 0
        """Commands that were answered by the receipt of their first time."""
        self.holds: dict[str, int] = {}
        """Answers to "may this start?" by the permit's reason."""
        self.refused: dict[str, int] = {}
        """Refusals by their class."""
        self.busy = 0
        """Batches that were sent away, since too much was waiting. Counted by whoever asks, under the writer's gate."""

    def count(self, answered: Sequence[Sequence[Outcome]], nanoseconds: int) -> None:
        """Count one commit: the outcomes of each batch in it, and how long it took."""
        commands = 0
        for outcomes in answered:
            commands += len(outcomes)
            # Nearly all are receipts: counted without a step of Python each.
            others = [one for one in outcomes if type(one) is not Receipt]
            repeated = sum(map(_DUPLICATE, outcomes)) if not others else self._count_others(outcomes, others)
            self.repeated += repeated
            self.posted += len(outcomes) - len(others) - repeated
        self.commands += commands
        self.nanoseconds += nanoseconds
        self.by_size[bisect_left(SIZES, commands)] += 1
        self.by_duration[bisect_left(DURATIONS, nanoseconds)] += 1

    def _count_others(self, outcomes: Sequence[Outcome], others: Sequence[Outcome]) -> int:
        """Count what is no receipt; gives how many of the receipts were given before."""
        for one in others:
            if isinstance(one, HoldAnswer):
                reason = one.permit.reason.value
                self.holds[reason] = self.holds.get(reason, 0) + 1
            elif isinstance(one, Refused):
                name = type(one).__name__
                self.refused[name] = self.refused.get(name, 0) + 1
        return sum(one.duplicate for one in outcomes if type(one) is Receipt)
