"""Two sides of the same money, compared key by key: what agrees, what differs, what it adds up to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from bot.causes import Amount, AmountsApart, DifferenceCause, InboxError, OnlyAtStripe, OnlyInBooks
from bot.stripe.keys import CREDIT, DISPUTE, REFUND, REFUND_REVERSAL, is_dispute, split_key


@dataclass(frozen=True, slots=True)
class Entry:
    """One transfer of the books that came from Stripe. Micro-units, without a sign."""

    wallet_id: UUID
    key: str
    amount_micros: int
    currency: str
    reference: str

    @property
    def amount(self) -> Amount:
        """What it is."""
        return Amount(self.amount_micros, self.currency)


@dataclass(frozen=True, slots=True)
class Side:
    """What Stripe has under the same key."""

    amount_micros: int
    currency: str

    @property
    def amount(self) -> Amount:
        """What it is."""
        return Amount(self.amount_micros, self.currency)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One wallet's two sides."""

    ours: Mapping[str, Entry]
    theirs: Mapping[str, Side]
    differing: Mapping[str, DifferenceCause]
    """What is wrong, by key."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not on both sides alike."""

    wallet_id: UUID
    """The nil wallet where nobody's is known."""
    key: str
    cause: DifferenceCause
    found_at: datetime
    new: bool


@dataclass(frozen=True, slots=True)
class Parked:
    """News that could not be handled, and waits for somebody to look."""

    event_id: str
    kind: str
    object_id: str
    since: datetime
    tries: int
    error: InboxError


@dataclass(frozen=True, slots=True)
class Sum:
    """What one kind of money adds up to on both sides. Micro-units."""

    what: str
    currency: str
    count: int
    ours_micros: int
    theirs_micros: int


@dataclass(frozen=True, slots=True)
class Digest:
    """What one reconciliation found."""

    since: datetime
    until: datetime
    sums: Sequence[Sum]
    healed: Sequence[Entry]
    """What the books had missed and have now."""
    differences: Sequence[Difference]
    parked: Sequence[Parked]
    rebuilt: Sequence[str] = ()
    """The references of payments that restored books did not know, made again from what Stripe keeps of them."""
    left: int = 0
    """How much an operator has left as it is, all in all."""
    fees: Mapping[str, int] = field(default_factory=dict)
    """What Stripe kept, in minor units by currency: the operator's, listed and not matched."""
    reads: int = 0
    """How often Stripe was read this month."""
    reads_allowed: int = 0

    @property
    def headline(self) -> str:
        """Say it in one line."""
        if not (self.rebuilt or self.healed or self.differences or self.parked):
            return "nothing is missing and nothing differs"
        parts = (
            (len(self.rebuilt), "payment made again", "payments made again"),
            (len(self.healed), "missed and booked now", "missed and booked now"),
            (len(self.differences), "that differs", "that differ"),
            (len(self.parked), "piece of news parked", "pieces of news parked"),
        )
        return ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in parts if count)


_KINDS = {
    CREDIT: "payments",
    REFUND: "refunds",
    REFUND_REVERSAL: "refunds returned",
    DISPUTE: "disputes",
}


def compare(ours: Mapping[str, Entry], theirs: Mapping[str, Side]) -> Comparison:
    """Hold two sides together, key by key."""
    differing: dict[str, DifferenceCause] = {}
    for key in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(key), theirs.get(key)
        if mine is None:
            if other is not None:
                differing[key] = OnlyAtStripe(theirs=other.amount)
        elif other is None:
            if not is_dispute(key):  # listed by its dispute, which may be older than the list
                differing[key] = OnlyInBooks(name=mine.reference or key, ours=mine.amount)
        elif mine.amount != other.amount:
            differing[key] = AmountsApart(name=mine.reference or key, ours=mine.amount, theirs=other.amount)
    return Comparison(ours, theirs, differing)


def sums_of(compared: Sequence[Comparison]) -> Sequence[Sum]:
    """Add both sides up by kind and currency."""
    found: dict[tuple[str, str], list[int]] = {}
    for one in compared:
        for key in one.ours.keys() | one.theirs.keys():
            mine, other = one.ours.get(key), one.theirs.get(key)
            currency = mine.currency if mine is not None else other.currency if other is not None else ""
            sums = found.setdefault((_KINDS.get(split_key(key)[0], "other"), currency), [0, 0, 0])
            sums[0] += 1
            sums[1] += mine.amount_micros if mine is not None else 0
            sums[2] += other.amount_micros if other is not None else 0
    return [Sum(what, currency, *sums) for (what, currency), sums in sorted(found.items())]


def as_answer(digest: Digest) -> dict[str, Any]:
    """Give a digest as JSON: instants in ISO format, micro-units as integers."""
    told = msgspec.to_builtins(digest)
    assert isinstance(told, dict)
    return {**told, "headline": digest.headline}
