"""Every code that a row may keep has its sentence, and every sentence says what the code means."""

from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID

import pytest

from bot.causes import (
    Amount,
    AmountDiffers,
    AmountsApart,
    BlockFacts,
    CouldNotBook,
    DeclineCause,
    DifferenceCause,
    Legacy,
    MovedUnknown,
    NamesNoPayment,
    NotBookableCause,
    OnlyAtStripe,
    OnlyInBooks,
    OtherWallet,
    PauseFacts,
    PaymentUnknown,
    Refusal,
    Unmarked,
    as_stored,
    difference_cause,
    in_short,
)
from bot.slack.views.causes import (
    blocked,
    decline_words,
    difference_words,
    not_bookable_words,
    pause_words,
)
from ledger import PauseCode, RechargeBlock

FIVE, SIX = Amount(5_000_000, "USD"), Amount(6_000_000, "USD")
ELSEWHERE = UUID(int=7)
DIFFERENCES: list[tuple[DifferenceCause, str]] = [
    (OnlyAtStripe(theirs=FIVE), "Stripe has $5.00, the books have nothing"),
    (OnlyInBooks(name="RB-7", ours=FIVE), "the books have RB-7 $5.00, Stripe has nothing that moved"),
    (AmountsApart(name="RB-7", ours=FIVE, theirs=SIX), "the books have RB-7 $5.00, Stripe has $6.00"),
    (
        CouldNotBook(why=AmountDiffers("RB-7", "pi_1")),
        "could not be booked: RB-7: pi_1 is in another currency or of no amount",
    ),
    (CouldNotBook(why=Refusal("KeyReused")), "could not be booked: the ledger refused it (KeyReused)"),
    (MovedUnknown(), "moved at Stripe, and the books know nothing of it"),
    (
        Unmarked(amount=FIVE, intent_id="pi_1"),
        "$5.00 was paid by a customer of ours without our mark; redbar settle pi_1 decides about it",
    ),
    (OtherWallet(amount=FIVE), "$5.00 was paid under our mark, for a wallet that is not here"),
    (
        MovedUnknown(elsewhere=ELSEWHERE),
        f"moved at Stripe, and the books know nothing of it (it names wallet {ELSEWHERE}, which is not here)",
    ),
    (Legacy("words of before"), "words of before"),
]
NOT_BOOKABLE: list[tuple[NotBookableCause | Legacy, str]] = [
    (AmountDiffers("RB-7", "pi_1"), "RB-7: pi_1 is in another currency or of no amount"),
    (NamesNoPayment(), "it carries our mark, and names no payment of ours"),
    (PaymentUnknown("RB-9"), "it names payment RB-9, which is not here"),
    (Legacy("words of before"), "words of before"),
]
PAUSES = [
    (PauseFacts(PauseCode.NO_CARD), "there is no card to charge"),
    (
        PauseFacts(PauseCode.DECLINED, card="Visa ••4242", decline=DeclineCause.CARD_EXPIRED),
        "Visa ••4242 has expired",
    ),
    (PauseFacts(PauseCode.DECLINED_OFTEN), "the card was declined too often lately"),
    (
        PauseFacts(PauseCode.UNCONFIRMED, card="Visa ••4242"),
        "nobody confirmed the payment on Visa ••4242 at the bank in time",
    ),
    (PauseFacts(PauseCode.BANK_ASKS), "the cardholder's bank asks about a payment"),
    (PauseFacts(PauseCode.BOOKS_DIFFER), "the books and Stripe differ"),
    (PauseFacts(PauseCode.LEGACY, text="words of before"), "words of before"),
]
BLOCKS = {
    RechargeBlock.SPACING: "Held until 14:30: one charge per 15 minutes.",
    RechargeBlock.RETRY: "The last try was declined; the next one is at 14:30.",
    RechargeBlock.NEEDS_PERSON: "Waiting for somebody to confirm the last try at the bank.",
    RechargeBlock.IN_FLIGHT: "A charge is on its way.",
    RechargeBlock.DAY_COUNT: "All of today's charges are used; tomorrow there are new ones.",
    RechargeBlock.DAY_CAP: "Today's limit is reached; tomorrow there is room again.",
    RechargeBlock.MONTH_CAP: "This month's limit is reached.",
    RechargeBlock.UNUSED: "Nothing was used for 14 days, so the card is left alone until something is.",
    RechargeBlock.SWITCHED_OFF: "Redbar's operator has stopped all automatic charges for now.",
    # Nothing holds a charge back: there is no rule that is on, or no need.
    RechargeBlock.OFF: "",
    RechargeBlock.PAUSED: "",
    RechargeBlock.ENOUGH: "",
}


@pytest.mark.parametrize(("cause", "words"), DIFFERENCES)
def test_a_difference_is_said(cause: DifferenceCause, words: str) -> None:
    """As it is read back from its row."""
    assert difference_words(difference_cause(as_stored(cause))) == words


@pytest.mark.parametrize(("cause", "words"), NOT_BOOKABLE)
def test_what_cannot_be_booked_is_said(cause: NotBookableCause | Legacy, words: str) -> None:
    """The object and what is wrong with it are named."""
    assert not_bookable_words(cause) == words


@pytest.mark.parametrize(("facts", "words"), PAUSES)
def test_a_pause_is_said(facts: PauseFacts, words: str) -> None:
    """As part of a sentence."""
    assert pause_words(facts) == words


@pytest.mark.parametrize(("code", "words"), BLOCKS.items())
def test_what_holds_a_charge_back_is_said(code: RechargeBlock, words: str) -> None:
    """In a whole sentence; nothing where nothing does."""
    until = datetime(2026, 11, 23, 13, 30, tzinfo=UTC)
    facts = BlockFacts(code, until, "Europe/Berlin", timedelta(minutes=15), timedelta(days=14))
    assert blocked(facts) == words
    assert blocked(None) == ""


def test_no_code_is_left_out() -> None:
    """A code that is added gets its sentence, and its line here."""
    assert {type(cause) for cause, _ in DIFFERENCES} == set(get_args(DifferenceCause))
    assert {type(cause) for cause, _ in NOT_BOOKABLE} == {*get_args(NotBookableCause), Legacy}
    assert {facts.code for facts, _ in PAUSES} == set(PauseCode)
    assert BLOCKS.keys() == set(RechargeBlock)
    assert all(decline_words(cause, "") for cause in DeclineCause)


def test_the_operator_reads_a_stored_cause_in_short() -> None:
    """The code with what belongs to it; the words of before as they are."""
    assert in_short(as_stored(AmountDiffers("RB-7", "pi_1"))) == "amount_differs ref=RB-7 object_id=pi_1"
    assert in_short(as_stored(Legacy("words of before"))) == "words of before"
    assert in_short("") == ""
