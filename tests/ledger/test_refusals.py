"""Every refusal of the planner by its class, its field and its words; nothing of the wallet changes with it. Pure."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ledger import (
    AI_TASK,
    MICROS,
    OUTBOUND_CALL,
    CaptureHold,
    Command,
    Correct,
    CreditKind,
    ExtendHold,
    OpenHold,
    Outcome,
    PostMoney,
    PostUsage,
    Receipt,
    Refused,
    ReleaseHold,
    WalletPolicy,
)
from ledger.deciding.batch import SALT_BYTES, Draft
from ledger.deciding.loaded import Loaded
from ledger.deciding.planner import Planner
from ledger.deciding.wanted import wanted_by
from tests.ledger.bare_wallet import NOW, wallet

USED = PostUsage(
    "platform", "u", OUTBOUND_CALL, 5 * MICROS, NOW, 60, "lead 7", "a call", hold_id=None, parent="p"
)
PAID = PostMoney("stripe", "m", CreditKind.TOP_UP, 9 * MICROS, NOW, "RB-1", "Visa")
ASKED = OpenHold("h", AI_TASK, 4 * MICROS, "lead 8", "p")
LOWERED = Correct("operator", "c", "u", 3 * MICROS, NOW, "too long")


def decide(*commands: Command) -> tuple[list[Outcome], Draft]:
    """Decide a batch on a wallet with $100."""
    salts = bytes(SALT_BYTES * wanted_by(commands).texts)
    before = wallet(100 * MICROS, funded=True)
    draft = Draft(before, WalletPolicy(), NOW, salts=salts, first_episode=7, ceiling=25)
    planner = Planner(draft, Loaded())
    return [planner.decide(one) for one in commands], draft


def other(command: Command, **fields: Any) -> Command:
    """Give a command with other fields."""
    return msgspec.structs.replace(command, **fields)


LONG = "x" * 256
SPLIT = "e\N{COMBINING ACUTE ACCENT}"
NORMAL = "has to be written in Unicode's normal form C (NFC)."
UNKEPT = "has characters that cannot be kept."
ABOVE_ZERO = "An amount has to be more than zero and at most a hundred billion."
ZERO_OR_MORE = "An amount has to be zero or more and at most a hundred billion."
COUNTED = "A quantity has to be a whole number, 0 or more."
PAST = "occurred_at has to lie within the last 400 days."
ZONE = "occurred_at needs a time zone."
EARLY, LATE, NAIVE = (
    {"occurred_at": NOW - timedelta(days=400, seconds=1)},
    {"occurred_at": NOW + timedelta(minutes=10, seconds=1)},
    {"occurred_at": NOW.replace(tzinfo=None)},
)


@pytest.mark.parametrize(
    ("command", "fields", "words"),
    [
        (USED, {"source": ""}, "source is empty."),
        (USED, {"source": LONG}, "source has more than 255 characters."),
        (USED, {"source_id": ""}, "id is empty."),
        (USED, {"source_id": "a\0"}, f"id {UNKEPT}"),
        (USED, {"source_id": SPLIT}, f"id {NORMAL}"),
        (USED, {"description": "d" * 1_001}, "description has more than 1000 characters."),
        (USED, {"reference": "r\0"}, f"reference {UNKEPT}"),
        (USED, {"hold_id": ""}, "hold is empty."),
        (USED, {"hold_id": LONG}, "hold has more than 255 characters."),
        (USED, {"hold_id": SPLIT}, f"hold {NORMAL}"),
        (USED, {"parent": ""}, "parent is empty."),
        (USED, {"parent": "\ud800"}, f"parent {UNKEPT}"),
        (USED, {"quantity": -1}, COUNTED),
        (USED, {"amount_micros": -1}, ZERO_OR_MORE),
        *((USED, when, PAST) for when in (EARLY, LATE)),
        (USED, NAIVE, ZONE),
        (
            USED,
            {"amount_micros": 1_001 * MICROS},
            "One piece of work may cost at most $1,000.00 here; more is taken for a slip.",
        ),
        (PAID, {"source_id": ""}, "id is empty."),
        (PAID, {"reference": "r" * 1_001}, "reference has more than 1000 characters."),
        (PAID, {"amount_micros": 0}, ABOVE_ZERO),
        *((PAID, when, PAST) for when in (EARLY, LATE)),
        (PAID, NAIVE, ZONE),
        (ASKED, {"hold_id": ""}, "id is empty."),
        (ASKED, {"hold_id": SPLIT}, f"id {NORMAL}"),
        (ASKED, {"reference": "\0"}, f"reference {UNKEPT}"),
        (ASKED, {"parent": ""}, "parent is empty."),
        (ASKED, {"estimate_micros": -1}, ZERO_OR_MORE),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(command: Command, fields: dict[str, Any], words: str) -> None:
    """Before anything is decided; the same without that field is done."""
    (refused,), draft = decide(other(command, **fields))
    assert isinstance(refused, Refused)
    assert str(refused) == words
    assert (draft.transfers, draft.holds, draft.notices) == ([], {}, [])
    assert draft.wallet == wallet(100 * MICROS, funded=True)
    (done,), _ = decide(command)
    assert not isinstance(done, Refused)


def test_the_least_amounts_are_taken() -> None:
    """One micro-unit of money; work, a question and a total may be of nothing."""
    least = (
        other(PAID, amount_micros=1),
        other(USED, amount_micros=0),
        other(ASKED, estimate_micros=0),
        other(LOWERED, total_micros=0),
    )
    outcomes, _ = decide(*least)
    assert not any(isinstance(one, Refused) for one in outcomes)


@pytest.mark.parametrize(
    ("command", "field", "value"),
    [
        (USED, "kind", AI_TASK),
        (USED, "amount_micros", 6 * MICROS),
        (USED, "quantity", 61),
        (USED, "hold_id", "h"),
        (USED, "parent", "q"),
        (USED, "reference", "lead 9"),
        (USED, "description", "another call"),
        (USED, "occurred_at", NOW - timedelta(seconds=1)),
        (PAID, "kind", CreditKind.PROMO),
        (PAID, "amount_micros", 10 * MICROS),
        (PAID, "reference", "RB-2"),
        (PAID, "description", "Mastercard"),
        (PAID, "occurred_at", NOW - timedelta(seconds=1)),
        (ASKED, "kind", OUTBOUND_CALL),
        (ASKED, "estimate_micros", 5 * MICROS),
        (ASKED, "reference", "lead 9"),
        (ASKED, "parent", None),
    ],
)
def test_a_key_that_comes_again_with_other_contents_names_the_first_that_differs(
    command: Command, field: str, value: object
) -> None:
    """The first one stands, and is answered again without a change."""
    key = command.hold_id if isinstance(command, OpenHold) else command.source_id  # type: ignore[union-attr]
    named = {"amount_micros": "amount", "hold_id": "hold", "estimate_micros": "estimate"}.get(field, field)
    (first, refused, again), draft = decide(command, other(command, **{field: value}), command)
    assert isinstance(refused, Refused)
    assert str(refused) == (
        f'"{key}" was posted before with another {named}. The first one stands; use a new id for a new event.'
    )
    assert again == msgspec.structs.replace(first, duplicate=True)  # type: ignore[type-var]
    assert len(draft.transfers) + len(draft.holds) == 1


GONE = "There is no such hold."
UNCHARGED = "There is no usage of that id, and no hold of that id was charged."
RAISED = "A correction can only lower what is booked. Post the rest as usage of its own."
REUSED = '"c" was posted before with another {}. The first one stands; use a new id for a new event.'


@pytest.mark.parametrize(
    ("before", "command", "words"),
    [
        ([], CaptureHold("x", 1, None), GONE),
        ([], ExtendHold("x"), GONE),
        ([], ReleaseHold("x"), GONE),
        ([ASKED], ExtendHold("h", -1), ZERO_OR_MORE),
        ([ASKED, ReleaseHold("h")], ExtendHold("h"), "This hold has ended: it was released."),
        ([ASKED, CaptureHold("h", 1, None)], ReleaseHold("h"), "This hold has ended: it was captured."),
        ([], LOWERED, UNCHARGED),
        ([PAID], other(LOWERED, corrects="m"), UNCHARGED),
        ([USED], other(LOWERED, corrects=""), "corrects is empty."),
        ([USED], other(LOWERED, source_id="c\0"), f"id {UNKEPT}"),
        ([USED], other(LOWERED, total_micros=-1), ZERO_OR_MORE),
        ([USED], other(LOWERED, **EARLY), PAST),
        ([USED], other(LOWERED, total_micros=6 * MICROS), RAISED),
        ([USED, LOWERED], other(LOWERED, source_id="d", total_micros=4 * MICROS), RAISED),
        ([USED, LOWERED], other(LOWERED, total_micros=2 * MICROS), REUSED.format("amount")),
        (
            [USED, LOWERED, other(USED, source_id="v")],
            other(LOWERED, corrects="v"),
            REUSED.format("corrects"),
        ),
    ],
)
def test_what_does_not_fit_what_came_before_is_refused(
    before: list[Command], command: Command, words: str
) -> None:
    """A hold that is not there or over, and a correction of what was never charged, or upwards."""
    _, draft = decide(*before)
    expected = replace(draft.wallet), list(draft.transfers), dict(draft.holds)
    (*_, refused), after = decide(*before, command)
    assert isinstance(refused, Refused)
    assert str(refused) == words
    assert (after.wallet, after.transfers, after.holds) == expected


def test_a_further_id_of_a_cost_is_known_to_the_rest_of_its_batch() -> None:
    """Named with its hold first and then alone: it is charged once."""
    cost = PostUsage("platform", "h", AI_TASK, 4 * MICROS, None)
    further = PostUsage("platform", "v", AI_TASK, 4 * MICROS, None, hold_id="h")
    outcomes, draft = decide(ASKED, cost, further, other(further, hold_id=None), further)
    assert len(draft.transfers) == 1
    for outcome in outcomes[2:]:
        assert isinstance(outcome, Receipt)
        assert (outcome.seq, outcome.duplicate) == (1, True)
