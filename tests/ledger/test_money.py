"""Amounts as people write them, as machines exchange them, and as cards count them."""

import re
from decimal import Decimal

import pytest
from babel.core import Locale
from babel.numbers import get_currency_symbol
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger import (
    USD,
    AmountOutOfRange,
    AmountUnreadable,
    Currency,
    CurrencyMismatch,
    CurrencyUnknown,
    Money,
    NotCardExact,
    Refused,
    decimal_text,
    format_money,
    from_minor,
    parse_amount,
    parse_machine_amount,
    to_minor,
)
from ledger.money import _TABLE, MICROS_MAX, _symbol

EUR, GBP, JPY, KWD, CAD, ISK = (Currency.of(code) for code in ("EUR", "GBP", "jpy", "KWD", "CAD", "ISK"))


@pytest.mark.parametrize(
    ("text", "currency", "micros"),
    [
        ("25", USD, 25_000_000),
        ("25.5", USD, 25_500_000),
        ("25.50", USD, 25_500_000),
        (" $1,234.50 ", USD, 1_234_500_000),
        ("1,234,567", USD, 1_234_567_000_000),
        ("USD 20", USD, 20_000_000),
        ("20 usd", USD, 20_000_000),
        ("€20", EUR, 20_000_000),
        ("20€", EUR, 20_000_000),
        ("CA$20", CAD, 20_000_000),
        ("¥500", JPY, 500_000_000),
        ("1.234", KWD, 1_234_000),
        ("0.01", USD, 10_000),
        ("00025", USD, 25_000_000),
        ("100000000000", USD, MICROS_MAX),
    ],
)
def test_an_amount_is_read_as_people_write_it(text: str, currency: Currency, micros: int) -> None:
    """One grammar, with or without the currency's mark."""
    assert parse_amount(text, currency) == Money(micros, currency)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", AmountUnreadable),
        ("   ", AmountUnreadable),
        ("$", AmountUnreadable),
        ("1e3", AmountUnreadable),
        ("-5", AmountUnreadable),
        ("\N{MINUS SIGN}5", AmountUnreadable),
        ("+5", AmountUnreadable),
        ("10.001", AmountUnreadable),
        ("1.000,00", AmountUnreadable),
        ("1_000", AmountUnreadable),
        ("1 000", AmountUnreadable),
        ("1,00", AmountUnreadable),
        ("12,34,567", AmountUnreadable),
        (",5", AmountUnreadable),
        (".5", AmountUnreadable),
        ("5.", AmountUnreadable),
        ("0x10", AmountUnreadable),
        ("NaN", AmountUnreadable),
        ("inf", AmountUnreadable),
        ("١٢٣", AmountUnreadable),
        ("１２", AmountUnreadable),
        ("€5", AmountUnreadable),
        ("5 dollars", AmountUnreadable),
        ("1" * 19, AmountUnreadable),
        ("0", AmountOutOfRange),
        ("0.00", AmountOutOfRange),
        ("100000000000.01", AmountOutOfRange),
        ("9" * 18, AmountOutOfRange),
    ],
)
def test_what_is_no_amount_is_refused_with_words(text: str, refusal: type[Refused]) -> None:
    """Nothing is guessed, and the words say what would be right."""
    with pytest.raises(refusal) as caught:
        parse_amount(text, USD)

    assert len(str(caught.value)) > 20


LONG = "1" * 40
READ_LIKE = "isn't an amount I can read. Write it like"
OVER_ZERO = "An amount has to be more than zero"


@pytest.mark.parametrize(
    ("text", "currency", "words"),
    [
        ("", USD, "There is no amount. Try 10.00."),
        (" ¥ ", JPY, "There is no amount. Try 10."),
        ("-5", USD, f'{OVER_ZERO}: "-5". Try 10.00.'),
        (" $\N{MINUS SIGN}5 ", USD, f'{OVER_ZERO}: "$\N{MINUS SIGN}5". Try 10.00.'),
        ("0.00", USD, f'{OVER_ZERO}: "0.00". Try 10.00.'),
        ("five", USD, f'"five" {READ_LIKE} 1,234.50 or 10.00.'),
        ("five", JPY, f'"five" {READ_LIKE} 1,234 or 10.'),
        ("five", KWD, f'"five" {READ_LIKE} 1,234.500 or 10.000.'),
        (LONG + "2", USD, f'"{LONG}" {READ_LIKE} 1,234.50 or 10.00.'),
        ("1,234.567", USD, 'That amount has three decimals: "1,234.567". Dollars have two. Try 1234.56.'),
        ("€0.001", EUR, 'That amount has three decimals: "€0.001". Euros have two. Try 10.00.'),
        ("0.019", GBP, 'That amount has three decimals: "0.019". Pounds have two. Try 0.01.'),
        ("500.5", JPY, 'That amount has one decimal: "500.5". Amounts in JPY have no. Try 500.'),
        ("1.2345", KWD, 'That amount has four decimals: "1.2345". Amounts in KWD have three. Try 1.234.'),
        ("9" * 18, USD, f'"{"9" * 18}" is more than a wallet can hold.'),
    ],
)
def test_a_refusal_says_what_to_write_instead(text: str, currency: Currency, words: str) -> None:
    """The nearest amount, in the currency's own decimals; forty characters of what was written, and no more."""
    with pytest.raises(Refused) as caught:
        parse_amount(text, currency)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        *((3, "three"), (4, "four"), (5, "five"), (6, "six"), (7, "seven"), (8, "eight"), (9, "nine")),
        *((10, "10"), (11, "11")),
    ],
)
def test_decimals_are_counted_in_words(count: int, words: str) -> None:
    """As far as nine."""
    with pytest.raises(AmountUnreadable, match=f"^That amount has {words} decimals: "):
        parse_amount(f"1.{'2' * count}", USD)


unhurried = settings(deadline=None, database=None)
machine_texts = st.from_regex(re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?"), fullmatch=True)
near_texts = st.one_of(
    st.text(st.sampled_from("0123456789.,+-−$€ eE_'\n\t\u0660\uff11x"), max_size=22),
    st.text(max_size=12),
    st.tuples(machine_texts, st.integers(0, 19), st.sampled_from(list(",.+-$ eE_\n\u0661\x00x9"))).map(
        lambda made: made[0][: made[1]] + made[2] + made[0][made[1] :]
    ),
)
"""Anything, and texts that differ from an amount by one character."""


def is_machine_amount(text: str) -> bool:
    """The grammar, said a second time without a pattern."""
    whole, point, fraction = text.partition(".")
    digits = all(one in "0123456789" for one in whole + fraction)
    return digits and 1 <= len(whole) <= 12 and (not point or 1 <= len(fraction) <= 6)


@unhurried
@given(machine_texts)
def test_a_machines_amount_is_read_exactly(text: str) -> None:
    """To the sixth decimal, in every currency, zero too; more than a transfer can have is refused."""
    micros = int(Decimal(text).scaleb(6))
    for currency in (USD, JPY, KWD):
        if micros <= MICROS_MAX:
            assert parse_machine_amount(text, currency) == Money(micros, currency)
        else:
            with pytest.raises(AmountOutOfRange, match="more than a wallet can hold"):
                parse_machine_amount(text, currency)


@unhurried
@given(near_texts)
@example("")
@example("0,420")
@example("$0.42")
@example(" 0.42")
@example("0.42\n")
@example(".5")
@example("5.")
@example("1.2.3")
@example("1" * 13)
@example("0.0000001")
@example("\u0661")
def test_what_machines_do_not_write_is_refused_with_an_example(text: str) -> None:
    """No sign, comma, mark of a currency, space or exponent; nothing is guessed at."""
    if is_machine_amount(text):
        assert parse_machine_amount(text, USD).micros >= 0
        return
    with pytest.raises(AmountUnreadable, match=r"Write it like 0\.42\.$"):
        parse_machine_amount(text, USD)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "There is no amount."),
        ("0,420", 'contains ","'),
        ("-5", 'contains "-"'),
        ("$5", 'contains "$"'),
        ("1e3", 'contains "e"'),
        ("\u0665", 'contains "\u0665"'),
        (f"{LONG}x2", f'"{LONG}" contains "x"'),
        (".5", "needs digits before its point and after it"),
        ("5.", "needs digits before its point and after it"),
        ("1.2.3", "one point at most"),
        ("0000000000001", "more than 12 digits"),
        ("0.4200000", "more than six decimals"),
    ],
)
def test_a_refused_machine_amount_says_what_is_wrong(text: str, why: str) -> None:
    """The first thing that is."""
    with pytest.raises(AmountUnreadable) as caught:
        parse_machine_amount(text, USD)

    assert why in str(caught.value)


@unhurried
@given(st.integers(0, MICROS_MAX), st.sampled_from([USD, JPY, KWD]))
def test_what_redbar_writes_for_machines_it_reads_again(micros: int, currency: Currency) -> None:
    """Buttons carry amounts that way."""
    assert parse_machine_amount(decimal_text(Money(micros, currency)), currency) == Money(micros, currency)


@pytest.mark.parametrize(
    ("micros", "currency", "people", "machines"),
    [
        (0, USD, "$0.00", "0.00"),
        (420_000, USD, "$0.42", "0.42"),
        (-420_000, USD, "−$0.42", "-0.42"),
        (1_234_500_000, USD, "$1,234.50", "1234.50"),
        (1_234_560_000_000, CAD, "CA$1,234,560.00", "1234560.00"),
        (4_200, USD, "$0.0042", "0.0042"),
        (425_000, USD, "$0.425", "0.425"),
        (1, USD, "$0.0000", "0.000001"),
        (500_000_000, JPY, "¥500", "500"),
        (1_234_000, KWD, "KWD1.234", "1.234"),
    ],
)
def test_an_amount_reads_like_money(micros: int, currency: Currency, people: str, machines: str) -> None:
    """Four decimals for people where cents would hide it; all of them for machines."""
    assert format_money(Money(micros, currency)) == str(Money(micros, currency)) == people
    assert decimal_text(Money(micros, currency)) == machines


def test_a_plus_sign_stands_before_what_came_in() -> None:
    """On request, and never before nothing."""
    assert format_money(Money(5_000_000, USD), plus=True) == "+$5.00"
    assert format_money(Money(0, USD), plus=True) == "$0.00"
    assert format_money(Money(-5_000_000, USD), plus=True) == "−$5.00"


@pytest.mark.parametrize(
    ("micros", "currency", "minor"),
    [
        (25_000_000, USD, 2500),
        (500_000_000, JPY, 500),
        (1_230_000, KWD, 1230),
        (10_000, USD, 1),
        (5_000_000, ISK, 500),
    ],
)
def test_card_units_are_exact_both_ways(micros: int, currency: Currency, minor: int) -> None:
    """Two, none or three decimals."""
    assert to_minor(Money(micros, currency)) == minor
    assert from_minor(minor, currency) == Money(micros, currency)


@pytest.mark.parametrize(
    ("micros", "currency"), [(1, USD), (425_000, USD), (500_000, JPY), (1_234_000, KWD), (5_500_000, ISK)]
)
def test_what_a_card_cannot_pay_exactly_is_refused(micros: int, currency: Currency) -> None:
    """Never rounded; three-decimal currencies pay in tens."""
    with pytest.raises(NotCardExact, match=r"^\S+ can't be paid exactly by card\.$"):
        to_minor(Money(micros, currency))


def test_money_of_two_currencies_never_meets() -> None:
    """Not added, not compared; equality is simply false."""
    with pytest.raises(CurrencyMismatch, match=r"^The amount is in EUR; this wallet is in USD\.$"):
        Money(1, USD) + Money(1, EUR)
    with pytest.raises(CurrencyMismatch):
        _ = Money(1, USD) < Money(1, EUR)
    assert Money(1, USD) != Money(1, EUR)


def test_money_adds_and_compares_within_a_currency() -> None:
    """Integers, signed."""
    assert Money(5, USD) - Money(7, USD) == -Money(2, USD)
    assert Money(5, USD) + Money(7, USD) == Money(12, USD)
    assert Money(5, USD) <= Money(5, USD) < Money(6, USD) >= Money(6, USD) > Money(5, USD)
    assert not Money(5, USD) < Money(5, USD)
    assert not Money(5, USD) > Money(5, USD)
    assert not Money(6, USD) <= Money(5, USD)
    assert not Money(5, USD) >= Money(6, USD)


@pytest.mark.parametrize("code", ["", "XXX", "US", "UGX", "dollar"])
def test_a_currency_that_is_not_in_the_table_is_refused(code: str) -> None:
    """Also those whose rules contradict each other."""
    with pytest.raises(CurrencyUnknown):
        Currency.of(code)


@pytest.mark.parametrize("code", sorted(_TABLE))
def test_a_currency_has_the_symbol_of_the_cldr(code: str) -> None:
    """The ledger keeps its own table, since loading a locale library for one symbol is too much."""
    assert _symbol(Currency.of(code)) == get_currency_symbol(code, locale=Locale("en", "US"))
