"""The currencies that are offered, and what a sum said in dollars is in each of them. Pure.

Defaults, bounds, presets, holds and ceilings are decided once, in dollars (`sums.py`). A currency has one fixed factor,
near its exchange rate, that turns them into round amounts of its own; and a unit that amounts are rounded to. Factors
are fixed: a rule that somebody saved must not move with a rate.
"""

from dataclasses import dataclass

from ledger.errors import CurrencyNotOffered
from ledger.money import CENT, MICROS, Currency, Money

CARD_MINOR_MAX = 99_999_999
"""The most that Stripe charges at once, in minor units: eight digits (docs.stripe.com/currencies)."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How sums are said in one currency."""

    currency: Currency
    per_dollar: int
    """So many major units stand for one dollar."""
    unit: int
    """Amounts are rounded to whole multiples of so many major units."""

    def dollars(self, amount: int) -> int:
        """Give what stands for so many dollars, in micro-units."""
        return amount * self.per_dollar * MICROS

    def cents(self, amount: int) -> int:
        """Give what stands for so many hundredths of a dollar, in micro-units."""
        return amount * self.per_dollar * CENT

    @property
    def charge_max_micros(self) -> int:
        """The most that can be charged at once, whatever a policy says."""
        return self.down(CARD_MINOR_MAX * self.currency.minor_micros)

    def up(self, micros: int) -> int:
        """Give the smallest multiple of the unit that is not less."""
        return -self.down(-micros)

    def down(self, micros: int) -> int:
        """Give the largest multiple of the unit that is not more."""
        step = self.unit * MICROS
        return micros // step * step

    def money(self, micros: int) -> Money:
        """Give an amount of this currency."""
        return Money(micros, self.currency)


_OFFERED = {
    "USD": (1, 1),
    "AED": (4, 5),
    "AUD": (1, 1),
    "BRL": (5, 5),
    "CAD": (1, 1),
    "CHF": (1, 1),
    "CZK": (20, 10),
    "DKK": (6, 5),
    "EUR": (1, 1),
    "GBP": (1, 1),
    "HKD": (8, 10),
    "HUF": (300, 100),
    "ILS": (4, 5),
    "INR": (80, 100),
    "JPY": (100, 100),
    "KRW": (1_000, 1_000),
    "MXN": (20, 10),
    "MYR": (4, 5),
    "NOK": (10, 10),
    "NZD": (1, 1),
    "PHP": (50, 50),
    "PLN": (4, 5),
    "RON": (5, 5),
    "SEK": (10, 10),
    "SGD": (1, 1),
    "THB": (30, 10),
    "ZAR": (20, 10),
}
"""For each code: units per dollar, and the unit of rounding. A test holds every sum against Stripe's limits."""
_SCALES = {code: Scale(Currency.of(code), *numbers) for code, numbers in _OFFERED.items()}
OFFERED = tuple(_SCALES)
"""The codes of the currencies that a new wallet can have."""
RESCALED = tuple(code for code, scale in _SCALES.items() if scale.per_dollar != 1)
"""The codes whose amounts are other numbers than those in dollars."""


def scale_of(code: str) -> Scale:
    """Give the scale of a wallet's currency. Books opened in one that is not offered keep the numbers of dollars."""
    known = _SCALES.get(code)
    return known if known is not None else Scale(Currency.of(code), 1, 1)


def offered_currency(code: str) -> Currency:
    """Give a currency that a new wallet can have, by its code in any case. Refuses: CurrencyNotOffered."""
    known = _SCALES.get(code.upper())
    if known is None:
        raise CurrencyNotOffered(code, OFFERED)
    return known.currency


def rounded_up(money: Money) -> Money:
    """Give the smallest amount in whole units of rounding that is not less."""
    return Money(scale_of(money.currency.code).up(money.micros), money.currency)
