"""Why something is as it is, as rows keep it: a code and what belongs to it, never a sentence. Pure.

A cause is stored as JSON whose `code` names its class. Sentences are made where people read them: in
`slack/views/causes.py`, and for the operator in `operator/`. `Legacy` is the text that a version before wrote.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from ledger import Currency, Money, PauseCode, RechargeBlock


class DeclineCause(StrEnum):
    """What people are told of a charge that came to nothing."""

    NO_ANSWER = "no_answer"
    NOT_ACCEPTED = "not_accepted"
    TOO_LITTLE_MONEY = "too_little_money"
    CARD_EXPIRED = "card_expired"
    LIMIT_REACHED = "limit_reached"
    WRONG_SECURITY_CODE = "wrong_security_code"
    NOT_PROCESSED = "not_processed"
    BANK_UNREACHABLE = "bank_unreachable"
    CONFIRMATION_WANTED = "confirmation_wanted"
    DECLINED = "declined"  # nothing more is said: it would help whoever holds a stolen card


class _Cause(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="code"):
    """A code with what belongs to it."""


class Legacy(_Cause, frozen=True, tag="legacy"):
    """A sentence that a version before wrote; it stays until what it is about ends."""

    text: str


class Amount(msgspec.Struct, frozen=True):
    """An amount in micro-units, with the code of its currency."""

    micros: int
    currency: str

    def __str__(self) -> str:
        return str(Money(self.micros, Currency.of(self.currency)))


# --- Automatic payments ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PauseFacts:
    """Why automatic payments wait for a person."""

    code: PauseCode
    card: str = ""
    """The card that it is about, as people read it: "Visa ••4242"."""
    decline: DeclineCause | None = None
    """Why the card was declined, where the code says that it was."""
    text: str = ""
    """What a version before wrote, where the code is `LEGACY`."""


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """Why the card is not charged now, though the rule says so."""

    code: RechargeBlock
    until: datetime | None
    """Until when, where that is known."""
    zone: str
    spacing: timedelta
    """The least time between two charges."""
    unused_after: timedelta
    """A wallet that nobody draws on for so long is not charged for."""


# --- Money that cannot be booked ---------------------------------------------------------------------------


class AmountDiffers(_Cause, frozen=True, tag="amount_differs"):
    """What moved has another currency than was asked for, or no amount."""

    ref: str
    object_id: str


class NamesNoPayment(_Cause, frozen=True, tag="names_no_payment"):
    """Something carries our mark, and names no payment of ours."""


class PaymentUnknown(_Cause, frozen=True, tag="payment_unknown"):
    """Something names a payment that is not in these books."""

    payment: str
    """Its reference, or its id where it names none."""


NotBookableCause = AmountDiffers | NamesNoPayment | PaymentUnknown


# --- Stripe and the books differ ---------------------------------------------------------------------------


class _Difference(_Cause, frozen=True):
    elsewhere: UUID | None = None
    """The wallet that is named at Stripe and is not among ours, where one is."""


class OnlyAtStripe(_Difference, frozen=True, tag="only_at_stripe", kw_only=True):
    """Stripe has an amount, and the books have nothing."""

    theirs: Amount


class OnlyInBooks(_Difference, frozen=True, tag="only_in_books", kw_only=True):
    """The books have an amount, and nothing moved at Stripe."""

    name: str
    """The reference of the payment, or the transfer's key where it has none."""
    ours: Amount


class AmountsApart(_Difference, frozen=True, tag="amounts_apart", kw_only=True):
    """Both have it, and not the same amount."""

    name: str
    ours: Amount
    theirs: Amount


class Refusal(_Cause, frozen=True, tag="refused"):
    """The ledger refused it; `name` is the refusal's class."""

    name: str


class CouldNotBook(_Difference, frozen=True, tag="could_not_book", kw_only=True):
    """Stripe has it, and booking it failed."""

    why: NotBookableCause | Refusal


class MovedUnknown(_Difference, frozen=True, tag="moved_unknown"):
    """It moved at Stripe, and the books know nothing of it."""


class Unmarked(_Difference, frozen=True, tag="unmarked", kw_only=True):
    """A customer of ours paid without our mark."""

    amount: Amount
    intent_id: str


class OtherWallet(_Difference, frozen=True, tag="other_wallet", kw_only=True):
    """It was paid under our mark, for a wallet that is not here. Rows of before keep it; `elsewhere` says it now."""

    amount: Amount


DifferenceCause = (
    OnlyAtStripe | OnlyInBooks | AmountsApart | CouldNotBook | MovedUnknown | Unmarked | OtherWallet | Legacy
)


# --- Work that failed --------------------------------------------------------------------------------------


class Failed(_Cause, frozen=True, tag="failed"):
    """The program failed; class and text are the exception's, for the operator."""

    error: str
    detail: str


class NameUnknown(_Cause, frozen=True, tag="name_unknown"):
    """A newer version wrote a notice of this name."""

    name: str


class Gone(_Cause, frozen=True, tag="gone"):
    """The recipient cannot be told anything any more; `said` is Slack's code."""

    said: str


class Waits(_Cause, frozen=True, tag="waits"):
    """Slack does not take it for now; `said` is Slack's code, or why it did not answer."""

    said: str


InboxError = AmountDiffers | NamesNoPayment | PaymentUnknown | Failed | Legacy
"""Why a piece of news could not be handled."""
DeliveryError = Gone | Waits | Failed | Legacy
"""Why a recipient was not told."""
NoticeError = NameUnknown | Failed | Legacy
"""Why a notice was not delivered as a whole."""
DETAIL_MAX = 400
"""Characters of an exception's text that are kept."""

_DIFFERENCE: msgspec.json.Decoder[DifferenceCause] = msgspec.json.Decoder(DifferenceCause)
_INBOX_ERROR: msgspec.json.Decoder[InboxError] = msgspec.json.Decoder(InboxError)


def failed(problem: Exception) -> Failed:
    """Give the cause of work that failed by an exception which nobody expected."""
    return Failed(type(problem).__name__, str(problem)[:DETAIL_MAX])


def as_stored(cause: msgspec.Struct) -> str:
    """Write a cause as its row keeps it."""
    return msgspec.json.encode(cause).decode()


def difference_cause(stored: str) -> DifferenceCause:
    """Read the cause of a difference. Raises: msgspec.ValidationError, when it is none."""
    return _DIFFERENCE.decode(stored)


def inbox_error(stored: str) -> InboxError:
    """Read why a piece of news could not be handled. Raises: msgspec.ValidationError, when it is no such cause."""
    return _INBOX_ERROR.decode(stored)


def in_short(stored: str) -> str:
    """Give a stored cause for the operator: its code, and what belongs to it; empty where none is stored."""
    if not stored:
        return ""
    about: dict[str, object] = msgspec.json.decode(stored)
    code = str(about.pop("code"))
    if code == "legacy":
        return str(about["text"])
    return " ".join([code, *(f"{name}={value}" for name, value in about.items())])
