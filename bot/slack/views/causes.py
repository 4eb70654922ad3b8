"""Why something is as it is, in words: the one place that turns the codes which rows keep into sentences. Pure.

Each gives a part of a sentence, without its full stop; `blocked` gives a whole one.
"""

from typing import assert_never
from zoneinfo import ZoneInfo

from bot.causes import (
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
)
from bot.slack.views.text import span_words
from ledger import PauseCode, RechargeBlock

_DECLINES = {
    DeclineCause.NO_ANSWER: "Stripe gave no answer in time",
    DeclineCause.NOT_ACCEPTED: "Stripe did not accept the request",
    DeclineCause.TOO_LITTLE_MONEY: "the bank said there isn't enough money on {card}",
    DeclineCause.CARD_EXPIRED: "{card} has expired",
    DeclineCause.LIMIT_REACHED: "{card} has reached its limit at the bank",
    DeclineCause.WRONG_SECURITY_CODE: "the security code of {card} is wrong",
    DeclineCause.NOT_PROCESSED: "the bank could not process {card} just now",
    DeclineCause.BANK_UNREACHABLE: "the bank of {card} could not be reached",
    DeclineCause.CONFIRMATION_WANTED: "the bank wants the cardholder to confirm the payment on {card}",
    DeclineCause.DECLINED: "the bank declined {card}",
}


def decline_words(cause: DeclineCause, card: str) -> str:
    """Say why a charge came to nothing."""
    return _DECLINES[cause].format(card=card or "the card")


def pause_words(f: PauseFacts) -> str:
    """Say why automatic payments wait for a person."""
    match f.code:
        case PauseCode.NO_CARD:
            return "there is no card to charge"
        case PauseCode.DECLINED:
            return decline_words(f.decline or DeclineCause.DECLINED, f.card)
        case PauseCode.DECLINED_OFTEN:
            return "the card was declined too often lately"
        case PauseCode.UNCONFIRMED:
            return f"nobody confirmed the payment on {f.card or 'the card'} at the bank in time"
        case PauseCode.BANK_ASKS:
            return "the cardholder's bank asks about a payment"
        case PauseCode.BOOKS_DIFFER:
            return "the books and Stripe differ"
        case PauseCode.LEGACY:
            return f.text


def blocked(f: BlockFacts | None) -> str:
    """Say in a sentence why the card is not charged now; empty where nothing holds a charge back."""
    if f is None:
        return ""
    clock = f.until.astimezone(ZoneInfo(f.zone)).strftime("%H:%M") if f.until is not None else ""
    match f.code:
        case RechargeBlock.SPACING:
            return f"Held until {clock}: one charge per {span_words(f.spacing)}."
        case RechargeBlock.RETRY:
            return f"The last try was declined; the next one is at {clock}."
        case RechargeBlock.NEEDS_PERSON:
            return "Waiting for somebody to confirm the last try at the bank."
        case RechargeBlock.IN_FLIGHT:
            return "A charge is on its way."
        case RechargeBlock.DAY_COUNT:
            return "All of today's charges are used; tomorrow there are new ones."
        case RechargeBlock.DAY_CAP:
            return "Today's limit is reached; tomorrow there is room again."
        case RechargeBlock.MONTH_CAP:
            return "This month's limit is reached."
        case RechargeBlock.UNUSED:
            unused = span_words(f.unused_after)
            return f"Nothing was used for {unused}, so the card is left alone until something is."
        case RechargeBlock.SWITCHED_OFF:
            return "Redbar's operator has stopped all automatic charges for now."
        case _:
            return ""


def not_bookable_words(cause: NotBookableCause | Legacy) -> str:
    """Say why money that moved cannot be booked by a program."""
    match cause:
        case AmountDiffers():
            return f"{cause.ref}: {cause.object_id} is in another currency or of no amount"
        case NamesNoPayment():
            return "it carries our mark, and names no payment of ours"
        case PaymentUnknown():
            return f"it names payment {cause.payment}, which is not here"
        case Legacy():
            return cause.text
        case never:
            assert_never(never)


def difference_words(cause: DifferenceCause) -> str:
    """Say in what Stripe and the books differ."""
    if isinstance(cause, Legacy):
        return cause.text
    elsewhere = f" (it names wallet {cause.elsewhere}, which is not here)" if cause.elsewhere else ""
    return f"{_difference(cause)}{elsewhere}"


def _difference(
    cause: OnlyAtStripe | OnlyInBooks | AmountsApart | CouldNotBook | MovedUnknown | Unmarked | OtherWallet,
) -> str:
    match cause:
        case OnlyAtStripe():
            return f"Stripe has {cause.theirs}, the books have nothing"
        case OnlyInBooks():
            return f"the books have {cause.name} {cause.ours}, Stripe has nothing that moved"
        case AmountsApart():
            return f"the books have {cause.name} {cause.ours}, Stripe has {cause.theirs}"
        case CouldNotBook():
            why = cause.why
            if isinstance(why, Refusal):
                return f"could not be booked: the ledger refused it ({why.name})"
            return f"could not be booked: {not_bookable_words(why)}"
        case MovedUnknown():
            return "moved at Stripe, and the books know nothing of it"
        case Unmarked():
            return (
                f"{cause.amount} was paid by a customer of ours without our mark; "
                f"redbar settle {cause.intent_id} decides about it"
            )
        case OtherWallet():
            return f"{cause.amount} was paid under our mark, for a wallet that is not here"
        case never:
            assert_never(never)
