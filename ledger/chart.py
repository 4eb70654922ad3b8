"""The accounts of one wallet's books, and which of them each kind of transfer touches. Pure."""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from ledger.commands import CreditKind
from ledger.errors import KindUnknown


class Account(StrEnum):
    """Accounts of one wallet; every transfer debits one and credits another, so they sum to zero by themselves."""

    BALANCE = "balance"  # what the company can spend
    CARD = "card"  # money in from cards
    USAGE = "usage"  # what calls and tasks cost
    PROMO = "promo"  # credit given away
    REFUNDS = "refunds"  # money given back to cards
    DISPUTES = "disputes"  # money taken back by banks
    ADJUSTMENTS = "adjustments"  # the operator's corrections


class Recipe(NamedTuple):
    """Where a kind takes money from and where it puts it."""

    debit: str
    credit: str

    @property
    def sign(self) -> int:
        """The transfer's effect on the balance: 1 or -1."""
        return 1 if self.credit == "balance" else -1

    def turned(self) -> "Recipe":
        """Give the recipe that undoes this one."""
        return Recipe(debit=self.credit, credit=self.debit)


def _recipe(debit: Account, credit: Account) -> Recipe:
    return Recipe(debit.value, credit.value)


_B = Account.BALANCE
USAGE = _recipe(_B, Account.USAGE)
MONEY: Mapping[CreditKind, Recipe] = {
    CreditKind.TOP_UP: _recipe(Account.CARD, _B),
    CreditKind.RECHARGE: _recipe(Account.CARD, _B),
    CreditKind.REFUND: _recipe(_B, Account.REFUNDS),
    CreditKind.REFUND_REVERSAL: _recipe(Account.REFUNDS, _B),
    CreditKind.DISPUTE_WITHDRAWN: _recipe(_B, Account.DISPUTES),
    CreditKind.DISPUTE_REINSTATED: _recipe(Account.DISPUTES, _B),
    CreditKind.PROMO: _recipe(Account.PROMO, _B),
    CreditKind.ADJUSTMENT_UP: _recipe(Account.ADJUSTMENTS, _B),
    CreditKind.ADJUSTMENT_DOWN: _recipe(_B, Account.ADJUSTMENTS),
}
CORRECTION = "correction"
"""The kind of a transfer that gives back part of an earlier one: the earlier recipe, turned round."""

CREDITS = tuple(kind.value for kind in CreditKind)
"""Kinds of transfer that are money in or out other than by usage."""
_NOT_USAGE = frozenset({CORRECTION, *CREDITS})

USAGE_KIND = r"[a-z][a-z0-9_]{0,39}"
"""What a kind of usage is called, as a regular expression."""
_USAGE_KIND = re.compile(USAGE_KIND)


@lru_cache(maxsize=1024)  # a batch is a thousand of the same three
def check_usage_kind(kind: str) -> None:
    """Refuse what cannot name a kind of usage. Refuses: KindUnknown."""
    if kind in _NOT_USAGE or _USAGE_KIND.fullmatch(kind) is None:
        raise KindUnknown(kind)
