"""The test cards: what each number does, as Stripe's testing page describes them. Pure."""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum


class Asks(StrEnum):
    """When a card wants its holder to confirm."""

    NEVER = "never"
    ALWAYS = "always"
    UNLESS_SET_UP = "unless_set_up"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a test card does. `decline` is the decline code of charges; `at_attach` declines saving too."""

    number: str
    method: str
    brand: str
    decline: str = ""
    at_attach: bool = True
    asks: Asks = Asks.NEVER
    words: str = "succeeds"
    trouble: str = ""
    """What follows a charge that succeeded: a dispute, an inquiry, a fraud warning, refunds that fail."""

    @property
    def last4(self) -> str:
        """The last four digits."""
        return self.number[-4:]

    @property
    def fingerprint(self) -> str:
        """The same fingerprint for the same number, for every customer."""
        return hashlib.sha256(self.number.encode()).hexdigest()[:16]


KINDS = (
    Kind("4242424242424242", "pm_card_visa", "visa"),
    Kind("5555555555554444", "pm_card_mastercard", "mastercard"),
    Kind("378282246310005", "pm_card_amex", "amex"),
    Kind(
        "4000002760003184",
        "pm_card_authenticationRequired",
        "visa",
        asks=Asks.ALWAYS,
        words="asks to confirm",
    ),
    Kind(
        "4000002500003155",
        "pm_card_authenticationRequiredOnSetup",
        "visa",
        asks=Asks.UNLESS_SET_UP,
        words="asks once, then succeeds",
    ),
    Kind(
        "4000000000000341",
        "pm_card_chargeCustomerFail",
        "visa",
        decline="generic_decline",
        at_attach=False,
        words="can be saved, then every charge is declined",
    ),
    Kind("4000000000000002", "pm_card_chargeDeclined", "visa", decline="generic_decline", words="declined"),
    Kind(
        "4000000000009995",
        "pm_card_chargeDeclinedInsufficientFunds",
        "visa",
        decline="insufficient_funds",
        words="not enough money",
    ),
    Kind(
        "4000000000009987", "pm_card_visa_chargeDeclinedLostCard", "visa", decline="lost_card", words="lost"
    ),
    Kind(
        "4000000000009979",
        "pm_card_visa_chargeDeclinedStolenCard",
        "visa",
        decline="stolen_card",
        words="stolen",
    ),
    Kind(
        "4000000000000069",
        "pm_card_chargeDeclinedExpiredCard",
        "visa",
        decline="expired_card",
        words="expired",
    ),
    Kind(
        "4000000000000127",
        "pm_card_chargeDeclinedIncorrectCvc",
        "visa",
        decline="incorrect_cvc",
        words="wrong CVC",
    ),
    Kind(
        "4000000000000119",
        "pm_card_chargeDeclinedProcessingError",
        "visa",
        decline="processing_error",
        words="processing error",
    ),
    Kind(
        "4000000000006975",
        "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
        "visa",
        decline="card_velocity_exceeded",
        words="over its limit",
    ),
    Kind(
        "4000000000000259",
        "pm_card_createDispute",
        "visa",
        words="succeeds, then is disputed",
        trouble="dispute",
    ),
    Kind(
        "4000000000002685",
        "pm_card_createDisputeProductNotReceived",
        "visa",
        words="succeeds, then is disputed: not received",
        trouble="dispute_not_received",
    ),
    Kind(
        "4000000000001976",
        "pm_card_createDisputeInquiry",
        "visa",
        words="succeeds, then the bank inquires",
        trouble="inquiry",
    ),
    Kind(
        "4000000000005423",
        "pm_card_createIssuerFraudRecord",
        "visa",
        words="succeeds, then is suspected of fraud",
        trouble="fraud_warning",
    ),
    Kind(
        "4000000000005126",
        "pm_card_refundFail",
        "visa",
        words="succeeds; refunds fail an hour later",
        trouble="refund_fails",
    ),
    Kind("4000056655665556", "pm_card_visa_debit", "visa"),
    Kind("4000000000001881", "pm_card_visa_finance", "visa", words="succeeds, ends in 1881"),
)
BY_NUMBER = {kind.number: kind for kind in KINDS}
BY_METHOD = {kind.method: kind for kind in KINDS}

# Codes that are errors of their own; every other decline comes as `card_declined` with a decline code.
OWN_CODES = frozenset({"expired_card", "incorrect_cvc", "processing_error"})
_ADVICE = {
    "insufficient_funds": "try_again_later",
    "card_velocity_exceeded": "try_again_later",
    "processing_error": "try_again_later",
    "lost_card": "do_not_try_again",
    "stolen_card": "do_not_try_again",
    "incorrect_cvc": "confirm_card_data",
    "expired_card": "confirm_card_data",
}
_MESSAGES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
}


def code_of(decline: str) -> str:
    """Give the error code of a decline."""
    if decline in OWN_CODES or decline == "authentication_required":
        return decline
    return "card_declined"


def advice_of(decline: str) -> str | None:
    """Give the bank's advice that comes with a decline."""
    return _ADVICE.get(decline)


def message_of(decline: str) -> str:
    """Give the message that the payer reads."""
    return _MESSAGES.get(decline, "Your card was declined.")


def by_number(text: str) -> Kind | None:
    """Find a card by its number as typed."""
    return BY_NUMBER.get(re.sub(r"[ -]", "", text))
