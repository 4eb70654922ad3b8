"""Every sum that the product decides: defaults, bounds, presets and floors, each once, in dollars. Pure.

Policies, forms, commands, settings and the API read this table. A currency scales it by its fixed factor
(`currencies.py`); what a wallet's operator or people chose stands in its policy.
"""

from typing import NamedTuple, Self

from ledger.money import CENT, CENTS


class Sum(NamedTuple):
    """A sum of a policy: what a wallet begins with, and the bounds of what an operator may set. Cents of a dollar."""

    default: int
    least: int
    most: int

    @classmethod
    def dollars(cls, default: int, *, least: int, most: int) -> Self:
        """Give a sum that is said in whole dollars."""
        return cls(default * CENTS, least * CENTS, most * CENTS)

    @property
    def micros(self) -> int:
        """The default in micro-dollars."""
        return self.default * CENT

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the most, in cents."""
        return self.least, self.most


HOLD = Sum(50, least=1, most=100 * CENTS)
"""What is set aside for a start that names no estimate."""
ITEM_CEILING = Sum.dollars(1_000, least=1, most=100_000)
GRACE_REFILL = Sum.dollars(10, least=1, most=1_000)
OVERDRAFT = Sum.dollars(25, least=0, most=1_000)
WARNING_LINE = Sum.dollars(50, least=1, most=10_000)
"""The lowest warning line of a wallet without a rule."""

TOP_UP_MIN = Sum.dollars(10, least=1, most=1_000)
TOP_UP_MAX = Sum.dollars(10_000, least=25, most=999_999)
CARD_DAY_LIMIT = Sum.dollars(1_000, least=0, most=100_000)
"""What people together may charge a saved card a day."""
PRESETS_DOLLARS = (25, 50, 100, 250)
"""What the form to add balance offers, inside the wallet's bounds."""
TOP_UP_EXAMPLE_DOLLARS, ASK_EXAMPLE_DOLLARS = 50, 160
"""What examples of commands are written with."""

SUGGESTED_THRESHOLD = Sum.dollars(50, least=10, most=10_000)
SUGGESTED_TARGET = Sum.dollars(200, least=35, most=10_000)
RECHARGE_DAY_CAP = Sum.dollars(500, least=25, most=100_000)
RECHARGE_MONTH_CAP = Sum.dollars(5_000, least=25, most=500_000)
THRESHOLD_MIN_DOLLARS = 10
"""The lowest threshold that a rule may have."""
CHARGE_MIN_DOLLARS, CHARGE_MAX_DOLLARS = 25, 2_500
"""The least and the most that one automatic payment may be."""

SPIKE_MIN = Sum.dollars(5, least=1, most=10_000)
"""A day on which a kind cost less is no spike."""
