"""Two sides of the same money, compared key by key: what agrees, what differs, what it adds up to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from bot.stripe.keys import CREDIT, DISPUTE, REFUND, REFUND_REVERSAL, is_dispute, split_key
from ledger import Currency, Money, from_minor


@dataclass(frozen=True, slots=True)
class Entry:
    """One transfer of the books that came from Stripe. Micro-units, without a sign."""

    wallet_id: UUID
    key: str
    amount_micros: int
    currency: str
    reference: str

    def __str__(self) -> str:
        return f"{self.reference or self.key} {Money(self.amount_micros, Currency.of(self.currency))}"


@dataclass(frozen=True, slots=True)
class Side:
    """What Stripe has under the same key."""

    amount_micros: int
    currency: str

    def __str__(self) -> str:
        return str(Money(self.amount_micros, Currency.of(self.currency)))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One wallet's two sides."""

    ours: Mapping[str, Entry]
    theirs: Mapping[str, Side]
    differing: Mapping[str, str]
    """What is wrong, in words, by key."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not on both sides alike."""

    wallet_id: UUID
    """The nil wallet where nobody's is known."""
    key: str
    words: str
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
    error: str


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
        if not (self.healed or self.differences or self.parked):
            return "nothing is missing and nothing differs"
        parts = (
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
    differing: dict[str, str] = {}
    for key in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(key), theirs.get(key)
        if mine is None:
            differing[key] = f"Stripe has {other}, the books have nothing"
        elif other is None:
            if not is_dispute(key):  # listed by its dispute, which may be older than the list
                differing[key] = f"the books have {mine}, Stripe has nothing that moved"
        elif (mine.amount_micros, mine.currency) != (other.amount_micros, other.currency):
            differing[key] = f"the books have {mine}, Stripe has {other}"
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


def lines_of(told: Mapping[str, Any]) -> Sequence[str]:
    """Say a digest in lines, as the command line shows it."""
    lines = [f"Stripe and the books, {_short(told['since'])} to {_short(told['until'])} UTC"]
    for one in told["sums"]:
        ours, theirs = (
            Money(one[side], Currency.of(one["currency"])) for side in ("ours_micros", "theirs_micros")
        )
        same = "the same at Stripe" if ours == theirs else f"{theirs} at Stripe: {ours - theirs} apart"
        lines.append(f"  {one['what']:<16} {one['count']:>6}  {ours!s:>16}  {same}")
    for currency, minor in told["fees"].items():
        fee = from_minor(minor, Currency.of(currency))
        lines.append(f"  Stripe kept {fee} in fees, which are nobody's in the wallet.")
    for one in told["healed"]:
        amount = Money(one["amount_micros"], Currency.of(one["currency"]))
        lines.append(f"Was missed, is booked now: {one['reference']} {amount} ({one['key']}).")
    for one in told["differences"]:
        lines.append(f"Differs since {_short(one['found_at'])}: {one['key']}: {one['words']}.")
    for one in told["parked"]:
        lines.append(
            f"Parked since {_short(one['since'])}, tried {one['tries']} times: "
            f"{one['kind']} {one['object_id']}: {one['error']}"
        )
    if told["left"]:
        lines.append(f"Left as it is by hand, all in all: {told['left']}.")
    lines.append(f"{told['headline'][:1].upper()}{told['headline'][1:]}.")
    lines.append(
        f"Stripe was read {told['reads']:,} times this month, of {told['reads_allowed']:,} that it allows."
    )
    return lines


def _short(instant: str) -> str:
    return instant[:16].replace("T", " ")
