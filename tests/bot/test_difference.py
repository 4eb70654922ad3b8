"""Two sides of the same money held together: each way in which they can differ, and what is said of it."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from bot.causes import Amount, AmountsApart, DifferenceCause, Legacy, OnlyAtStripe, OnlyInBooks
from bot.operator.reconcile import lines_of
from bot.reconciliation.difference import (
    Comparison,
    Difference,
    Digest,
    Entry,
    Parked,
    Side,
    Sum,
    as_answer,
    compare,
    sums_of,
)

WALLET = UUID(int=7)
NOON = datetime(2026, 11, 25, 12, 5, 59, tzinfo=UTC)
MICROS = 1_000_000


def ours(key: str, dollars: int, *, currency: str = "USD", reference: str = "RB-1001") -> Entry:
    """A transfer of the books."""
    return Entry(WALLET, key, dollars * MICROS, currency, reference)


def amount(dollars: int, currency: str = "USD") -> Amount:
    """An amount as a cause keeps it."""
    return Amount(dollars * MICROS, currency)


def theirs(dollars: int, currency: str = "USD") -> Side:
    """What Stripe has."""
    return Side(dollars * MICROS, currency)


@pytest.mark.parametrize(
    ("mine", "other", "cause"),
    [
        (ours("credit:pi_1", 20), theirs(20), None),
        (
            ours("credit:pi_1", 20),
            theirs(21),
            AmountsApart(name="RB-1001", ours=amount(20), theirs=amount(21)),
        ),
        (
            ours("credit:pi_1", 20),
            theirs(20, "EUR"),
            AmountsApart(name="RB-1001", ours=amount(20), theirs=amount(20, "EUR")),
        ),
        (None, theirs(20), OnlyAtStripe(theirs=amount(20))),
        (ours("credit:pi_1", 20), None, OnlyInBooks(name="RB-1001", ours=amount(20))),
        (ours("credit:pi_1", 20, reference=""), None, OnlyInBooks(name="credit:pi_1", ours=amount(20))),
    ],
)
def test_each_way_to_differ_has_its_cause(
    mine: Entry | None, other: Side | None, cause: DifferenceCause | None
) -> None:
    """Amount and currency count; a reference is named where there is one."""
    found = compare({"credit:pi_1": mine} if mine else {}, {"credit:pi_1": other} if other else {})
    assert found.differing == ({"credit:pi_1": cause} if cause else {})


def test_a_movement_of_a_dispute_that_is_not_listed_is_no_difference() -> None:
    """Its dispute may be older than the list; one that Stripe alone has is one."""
    key = "dispute:txn_1"
    assert compare({key: ours(key, 20)}, {}).differing == {}
    assert compare({}, {key: theirs(20)}).differing == {key: OnlyAtStripe(theirs=amount(20))}
    assert key in compare({key: ours(key, 20)}, {key: theirs(19)}).differing


def test_all_keys_of_both_sides_are_held_together() -> None:
    """One that differs hides no other."""
    mine = {key: ours(key, 20) for key in ("credit:pi_1", "credit:pi_2", "refund:re_1")}
    other = {"credit:pi_2": theirs(20), "credit:pi_3": theirs(5)}
    found = compare(mine, other)
    assert list(found.differing) == ["credit:pi_1", "credit:pi_3", "refund:re_1"]
    assert (found.ours, found.theirs) == (mine, other)


def test_sums_are_by_kind_and_currency() -> None:
    """Both sides, each key once, in order; a side that has nothing adds nothing."""
    first = Comparison(
        {
            "credit:pi_1": ours("credit:pi_1", 20),
            "credit:pi_2": ours("credit:pi_2", 5),
            "refund:re_1": ours("refund:re_1", 3),
        },
        {"credit:pi_1": theirs(20), "credit:pi_3": theirs(7), "dispute:txn_1": theirs(20)},
        {},
    )
    second = Comparison(
        {
            "credit:pi_9": ours("credit:pi_9", 4, currency="EUR"),
            "refund_reversal:re_1": ours("refund_reversal:re_1", 3),
            "promo:1": ours("promo:1", 2),
        },
        {"credit:pi_8": theirs(1, "EUR")},
        {},
    )
    assert sums_of([first, second]) == [
        Sum("disputes", "USD", 1, 0, 20 * MICROS),
        Sum("other", "USD", 1, 2 * MICROS, 0),
        Sum("payments", "EUR", 2, 4 * MICROS, MICROS),
        Sum("payments", "USD", 3, 25 * MICROS, 27 * MICROS),
        Sum("refunds", "USD", 1, 3 * MICROS, 0),
        Sum("refunds returned", "USD", 1, 3 * MICROS, 0),
    ]
    assert sums_of([]) == []


def _digest(healed: int = 0, differing: int = 0, parked: int = 0, left: int = 0) -> Digest:
    return Digest(
        since=NOON.replace(day=24),
        until=NOON,
        sums=[
            Sum("payments", "USD", 1_000, 20 * MICROS, 20 * MICROS),
            Sum("refunds", "USD", 2, 3 * MICROS, MICROS),
        ],
        healed=[ours("credit:pi_1", 20)] * healed,
        differences=[Difference(WALLET, "credit:pi_2", Legacy("they differ"), NOON, new=True)] * differing,
        parked=[Parked("evt_1", "refund.created", "re_1", NOON, 3, Legacy("in euros"))] * parked,
        left=left,
        fees={"USD": 1_550},
        reads=1_234,
        reads_allowed=10_000,
    )


@pytest.mark.parametrize(
    ("found", "headline"),
    [
        ((0, 0, 0), "nothing is missing and nothing differs"),
        ((1, 0, 0), "1 missed and booked now"),
        ((2, 0, 0), "2 missed and booked now"),
        ((0, 1, 0), "1 that differs"),
        ((0, 2, 0), "2 that differ"),
        ((0, 0, 1), "1 piece of news parked"),
        ((0, 0, 2), "2 pieces of news parked"),
        ((1, 2, 3), "1 missed and booked now, 2 that differ, 3 pieces of news parked"),
    ],
)
def test_a_comparison_is_said_in_one_line(found: tuple[int, int, int], headline: str) -> None:
    """What is left as it is by hand is not counted."""
    digest = _digest(*found, left=9)
    assert digest.headline == headline
    assert as_answer(digest)["headline"] == headline


def test_a_digest_as_json_keeps_its_integers_and_names() -> None:
    """Programs read them by name; instants are in ISO format."""
    answer = as_answer(_digest(1, 1, 1, 2))
    assert answer["since"] == "2026-11-24T12:05:59Z"
    assert answer["differences"][0] == {
        "wallet_id": str(WALLET),
        "key": "credit:pi_2",
        "cause": {"code": "legacy", "text": "they differ"},
        "found_at": "2026-11-25T12:05:59Z",
        "new": True,
    }
    assert answer["sums"][0]["ours_micros"] == 20 * MICROS
    assert answer["healed"][0]["amount_micros"] == 20 * MICROS


def test_a_digest_in_lines_is_what_the_operator_reads() -> None:
    """Every part of it, word for word."""
    assert lines_of(as_answer(_digest(1, 1, 1, 2))) == [
        "Stripe and the books, 2026-11-24 12:05 to 2026-11-25 12:05 UTC",
        "  payments           1000            $20.00  the same at Stripe",
        "  refunds               2             $3.00  $1.00 at Stripe: $2.00 apart",
        "  Stripe kept $15.50 in fees, which are nobody's in the wallet.",
        "Was missed, is booked now: RB-1001 $20.00 (credit:pi_1).",
        "Differs since 2026-11-25 12:05: credit:pi_2: they differ.",
        "Parked since 2026-11-25 12:05, tried 3 times: refund.created re_1: in euros",
        "Left as it is by hand, all in all: 2.",
        "1 missed and booked now, 1 that differs, 1 piece of news parked.",
        "Stripe was read 1,234 times this month, of 10,000 that it allows.",
    ]


def test_a_quiet_digest_names_nothing() -> None:
    """Nothing that was found is named."""
    lines = lines_of(as_answer(_digest()))
    assert lines[-2:] == [
        "Nothing is missing and nothing differs.",
        "Stripe was read 1,234 times this month, of 10,000 that it allows.",
    ]
    assert len(lines) == 6
