"""What a decline means: whether to try again, and what to tell people. Pure.

Order of judgement and lists: Stripe's decline codes and its own never-retry set (docs.stripe.com/declines); people
get generic words for codes that would tip off whoever holds a stolen card.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.causes import DeclineCause

DECLINES_MAX, DECLINES_DAYS = 8, 30
"""A card that was declined so often in so many days is not charged automatically: networks fine for more (Visa 15,
Mastercard 35 in 30 days)."""


class Severity(StrEnum):
    """What a decline lets us do next."""

    SOFT = "soft"  # the same card may work later
    HARD = "hard"  # this card must not be tried again


_HARD = frozenset(
    "incorrect_number lost_card pickup_card stolen_card revocation_of_authorization revocation_of_all_authorizations "
    "highest_risk_level transaction_not_allowed expired_card invalid_account new_account_information_available "
    "restricted_card fraudulent merchant_blacklist stop_payment_order do_not_try_again card_not_supported "
    "currency_not_supported security_violation service_not_allowed not_permitted expired_payment_method "
    "incorrect_cvc invalid_cvc invalid_expiry_month invalid_expiry_year invalid_number incorrect_zip".split()
)
FORGOTTEN, NEVER_CONFIRMED, NOT_ACCEPTED = "forgotten", "never_confirmed", "not_accepted"
"""Not a bank's words but ours, of a charge that came to nothing: Stripe gave no answer while it knew the key; the
charge was never confirmed there; Stripe did not accept what was asked."""
NO_DECLINES = frozenset({FORGOTTEN, NEVER_CONFIRMED, NOT_ACCEPTED})
"""What says nothing of the card."""
CONFIRMATION_WANTED = "authentication_required"
"""Stripe's code: the bank wants the cardholder to confirm."""
_CAUSES = {
    FORGOTTEN: DeclineCause.NO_ANSWER,
    NEVER_CONFIRMED: DeclineCause.NO_ANSWER,
    NOT_ACCEPTED: DeclineCause.NOT_ACCEPTED,
    "insufficient_funds": DeclineCause.TOO_LITTLE_MONEY,
    "expired_card": DeclineCause.CARD_EXPIRED,
    "card_velocity_exceeded": DeclineCause.LIMIT_REACHED,
    "withdrawal_count_limit_exceeded": DeclineCause.LIMIT_REACHED,
    "incorrect_cvc": DeclineCause.WRONG_SECURITY_CODE,
    "processing_error": DeclineCause.NOT_PROCESSED,
    "issuer_not_available": DeclineCause.BANK_UNREACHABLE,
    CONFIRMATION_WANTED: DeclineCause.CONFIRMATION_WANTED,
}


def severity_of(decline_code: str, advice_code: str) -> Severity:
    """Judge a decline: the bank's advice first, then the code."""
    if decline_code == NOT_ACCEPTED:
        return Severity.HARD  # it would not be accepted again
    if advice_code == "do_not_try_again":
        return Severity.HARD
    if advice_code == "try_again_later":
        return Severity.SOFT
    return Severity.HARD if decline_code in _HARD else Severity.SOFT


def cause_of(decline_code: str) -> DeclineCause:
    """Say what people are told of a decline."""
    return _CAUSES.get(decline_code, DeclineCause.DECLINED)


@dataclass(frozen=True, slots=True)
class NextTry:
    """When and with which card a recharge goes on; `at` None means that people have to help."""

    at: datetime | None
    card_id: str


def next_try(
    severity: Severity,
    tried_cards: Sequence[str],
    *,
    backup_id: str,
    now: datetime,
    wont_last_until: bool,
    retry_hours: Sequence[int],
) -> NextTry:
    """Judge how a declined recharge goes on.

    `tried_cards` are the cards of all tries so far, the declined one last. `wont_last_until` says that the wallet
    would not outlive the wait: then the backup card goes first. `retry_hours` are the waits on one card, in order.
    """
    card = tried_cards[-1]
    on_card = tried_cards.count(card)
    waits = severity is Severity.SOFT and card != backup_id and on_card <= len(retry_hours)
    if is_backup_free(tried_cards, backup_id) and (not waits or wont_last_until):
        return NextTry(at=now, card_id=backup_id)
    if waits:
        return NextTry(at=now + timedelta(hours=retry_hours[on_card - 1]), card_id=card)
    return NextTry(at=None, card_id="")


def is_backup_free(tried_cards: Sequence[str], backup_id: str) -> bool:
    """Say whether there is a backup card that was not tried yet."""
    return bool(backup_id) and backup_id not in tried_cards


def tries_left(
    next_card_id: str, tried_cards: Sequence[str], *, backup_id: str, retry_hours: Sequence[int]
) -> int:
    """Count the tries that a recharge may still make, the planned one among them; 0 where none is planned.

    After the backup card comes the pause, whatever waits were left.
    """
    if not next_card_id:
        return 0
    if next_card_id == backup_id:
        return 1
    waits_left = len(retry_hours) - (tried_cards.count(next_card_id) - 1)
    return waits_left + is_backup_free(tried_cards, backup_id)
