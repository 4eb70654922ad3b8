"""Currency and Money in integer micro-units: parse, format, and the card network's minor units, exact or refused.

Knows nothing of wallets. No float is ever made here; `Decimal` lives in the parser of people's amounts alone. Pure.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from ledger.errors import AmountOutOfRange, AmountUnreadable, CurrencyMismatch, CurrencyUnknown, NotCardExact

MICROS = 1_000_000
"""Micro-units in one major unit (a dollar)."""
MICRO_DIGITS = 6
"""The decimals that micro-units have."""
CENTS = 100
"""Hundredths in one major unit, whatever the digits of a currency."""
CENT = MICROS // CENTS
"""Micro-units in a hundredth of a major unit."""
MICROS_MAX = 10**17
"""The largest amount a single transfer may have: a hundred billion; sums of ninety stay inside 64 bits."""

_SYMBOLS = {
    "AUD": "A$",
    "BRL": "R$",
    "CAD": "CA$",
    "CNY": "CN¥",
    "EUR": "€",
    "GBP": "£",
    "HKD": "HK$",
    "ILS": "₪",
    "INR": "₹",
    "JPY": "¥",
    "KRW": "₩",
    "MXN": "MX$",
    "NZD": "NZ$",
    "PHP": "₱",
    "TWD": "NT$",
    "USD": "$",
    "VND": "₫",
    "XAF": "FCFA",
    "XCD": "EC$",
    "XOF": "F\N{NARROW NO-BREAK SPACE}CFA",
    "XPF": "CFPF",
}
"""Symbols of the CLDR for American English; all other currencies are written by their code. A test compares them."""

# Minor-unit digits as Stripe counts them, which differ from ISO 4217 for a few (docs.stripe.com/currencies).
# UGX is left out: it stands in two of Stripe's lists that contradict each other. ISK is paid in hundredths that are
# always zero.
_ZERO = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()
_THREE = "BHD JOD KWD OMR TND".split()
_TWO = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC "
    "CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD "
    "KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP "
    "PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS "
    "WST XCD YER ZAR ZMW"
).split()


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency: ISO code in capitals, the digits that people write, and those of Stripe's minor unit (0, 2 or 3)."""

    code: str
    digits: int
    card_digits: int

    @classmethod
    def of(cls, code: str) -> "Currency":
        """Find a currency by its code in any case. Refuses: CurrencyUnknown."""
        try:
            return _TABLE[code.upper()]
        except KeyError:
            raise CurrencyUnknown(code) from None

    @property
    def minor_micros(self) -> int:
        """Micro-units in one minor unit of Stripe's."""
        return int(MICROS // 10**self.card_digits)


_TABLE = {
    code: Currency(code, digits, digits)
    for digits, codes in ((0, _ZERO), (2, _TWO), (3, _THREE))
    for code in codes
}
_TABLE["ISK"] = Currency("ISK", digits=0, card_digits=2)
USD = _TABLE["USD"]


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount of one currency in micro-units (10⁻⁶ of the major unit); may be negative."""

    micros: int
    currency: Currency

    def __add__(self, other: Self) -> "Money":
        return Money(self.micros + self._same(other), self.currency)

    def __sub__(self, other: Self) -> "Money":
        return Money(self.micros - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.micros, self.currency)

    def __lt__(self, other: Self) -> bool:
        return self.micros < self._same(other)

    def __le__(self, other: Self) -> bool:
        return self.micros <= self._same(other)

    def __gt__(self, other: Self) -> bool:
        return self.micros > self._same(other)

    def __ge__(self, other: Self) -> bool:
        return self.micros >= self._same(other)

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(given=other.currency.code, expected=self.currency.code)
        return other.micros

    def __str__(self) -> str:
        return format_money(self)


# What people write: ASCII digits, an optional point, thousands commas only where they group by three. "1.000,00",
# "1e3", "1_000" and digits of other scripts are refused rather than guessed at.
_PLAIN = re.compile(r"\d{1,18}(\.\d+)?|\d{1,3}(,\d{3}){1,5}(\.\d+)?", re.ASCII)


def parse_amount(text: str, currency: Currency) -> Money:
    """Read an amount greater than zero as people write it: "25", "25.00", "$1,234.50", " 25 ".

    It may have the currency's own decimals: what a card can pay. Refuses: AmountUnreadable, AmountOutOfRange.
    """
    decimals = currency.digits
    shown = text.strip()[:40]
    bare = _without_currency(text.strip(), currency)
    example = f"{10:.{decimals}f}"
    if not bare:
        raise AmountUnreadable(f"There is no amount. Try {example}.")
    if bare.startswith(("-", "\N{MINUS SIGN}")):
        raise AmountUnreadable(f'An amount has to be more than zero: "{shown}". Try {example}.')
    if _PLAIN.fullmatch(bare) is None:
        large = f"{Decimal('1234.5'):,.{decimals}f}"
        raise AmountUnreadable(f'"{shown}" isn\'t an amount I can read. Write it like {large} or {example}.')
    digits = bare.replace(",", "")
    whole, _, fraction = digits.partition(".")
    if len(fraction) > decimals:
        have, may = _decimals(len(fraction)), _decimals(decimals, short=True)
        cut = Decimal(f"{whole}.{fraction[:decimals]}")
        hint = f"{cut:.{decimals}f}" if cut else example
        raise AmountUnreadable(
            f'That amount has {have}: "{shown}". {_plural_name(currency)} have {may}. Try {hint}.'
        )
    micros = int(Decimal(digits).scaleb(MICRO_DIGITS))
    if micros == 0:
        raise AmountOutOfRange(f'An amount has to be more than zero: "{shown}". Try {example}.')
    if micros > MICROS_MAX:
        raise AmountOutOfRange(f'"{shown}" is more than a wallet can hold.')
    return Money(micros, currency)


# What machines write, and nothing else. A comma is a decimal point to half of the world and a separator to the other
# half, so "0,420" must not be read at all.
MACHINE_AMOUNT = r"[0-9]{1,12}(\.[0-9]{1,6})?"
_MACHINE = re.compile(MACHINE_AMOUNT)
_NOT_MACHINE = re.compile(r"[^0-9.]")


def parse_machine_amount(text: str, currency: Currency) -> Money:
    """Read an amount as machines write it: "0.42", "25", "0.000001".

    One to twelve digits, then at most a point and up to six decimals, whatever the currency. Zero is allowed: work may
    have no price. Refuses: AmountUnreadable, AmountOutOfRange.
    """
    if _MACHINE.fullmatch(text) is None:
        raise AmountUnreadable(f"{_not_machine(text)} Write it like 0.42.")
    whole, _, fraction = text.partition(".")
    micros = int(whole) * MICROS + int(fraction.ljust(MICRO_DIGITS, "0"))
    if micros > MICROS_MAX:
        raise AmountOutOfRange(f'"{text}" is more than a wallet can hold. Write it like 0.42.')
    return Money(micros, currency)


def _not_machine(text: str) -> str:
    """Say why a text is not a machine's amount."""
    if not text:
        return "There is no amount."
    shown = f'"{text[:40]}"'
    strange = _NOT_MACHINE.search(text)
    if strange is not None:
        return f'{shown} contains "{strange[0]}", but only digits and one point are read.'
    whole, point, fraction = text.partition(".")
    if not whole or (point and not fraction) or "." in fraction:
        return f"{shown} needs digits before its point and after it, and one point at most."
    if len(whole) > 12:
        return f"{shown} has more than 12 digits before the point."
    return f"{shown} has more than six decimals."


def _without_currency(text: str, currency: Currency) -> str:
    for mark in (_symbol(currency), currency.code, currency.code.lower()):
        if text.startswith(mark):
            return text[len(mark) :].lstrip()
        if text.endswith(mark):
            return text[: -len(mark)].rstrip()
    return text


def _decimals(count: int, *, short: bool = False) -> str:
    words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    word = words[count] if count < len(words) else str(count)
    if short:
        return word
    return f"{word} decimal" if count == 1 else f"{word} decimals"


def _plural_name(currency: Currency) -> str:
    return {"USD": "Dollars", "EUR": "Euros", "GBP": "Pounds"}.get(
        currency.code, f"Amounts in {currency.code}"
    )


def decimal_text(money: Money) -> str:
    """Write an amount as machines exchange it: at least the currency's digits, no symbol, no grouping.

    >>> decimal_text(Money(-420_000, USD)), decimal_text(Money(1_234_500_000, Currency.of("JPY")))
    ('-0.42', '1234.5')
    """
    return _digits(money, grouped=False)


def format_money(money: Money, *, plus: bool = False) -> str:
    """Write an amount as people read it: "$1,234.50", "−$0.42", "CA$20.00"; four decimals where cents would hide it.

    `plus` puts a plus sign before what is above zero.
    """
    sign = "\N{MINUS SIGN}" if money.micros < 0 else "+" if plus and money.micros > 0 else ""
    return f"{sign}{_symbol(money.currency)}{_digits(money, grouped=True)}"


def _digits(money: Money, *, grouped: bool) -> str:
    major, rest = divmod(abs(money.micros), MICROS)
    fraction = f"{rest:06d}"
    # What the minor unit cannot show is shown, up to all six digits for machines and four for people.
    keep = len(fraction.rstrip("0"))
    shown = max(money.currency.digits, min(keep, 4) if grouped else keep)
    head = f"{major:,}" if grouped else str(major)
    sign = "" if grouped or money.micros >= 0 else "-"
    return f"{sign}{head}.{fraction[:shown]}" if shown else f"{sign}{head}"


def _symbol(currency: Currency) -> str:
    return _SYMBOLS.get(currency.code, currency.code)


def to_minor(money: Money) -> int:
    """Give the amount in the card network's minor units (cents), exactly. Refuses: NotCardExact.

    Three-decimal currencies must end in 0, ISK in 00 (docs.stripe.com/currencies).
    """
    currency = money.currency
    minor, rest = divmod(money.micros, currency.minor_micros)
    unwritten = minor % 10 ** (currency.card_digits - currency.digits)
    if rest or unwritten or (currency.digits == 3 and minor % 10):
        raise NotCardExact(f"{format_money(money)} can't be paid exactly by card.")
    return minor


def from_minor(minor: int, currency: Currency) -> Money:
    """Give the money that an amount in minor units stands for."""
    return Money(minor * currency.minor_micros, currency)
