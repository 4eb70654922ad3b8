"""What amounts Stripe takes, and how its pages write them. Integers only. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from bot.sandbox.stripe.problem import StripeProblem, invalid

AMOUNT_MAX = 99_999_999
_WITHOUT_DECIMALS = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
_THREE_DECIMALS = frozenset("bhd jod kwd omr tnd".split())
_MINIMUMS: Mapping[str, int] = {
    "gbp": 30, "aed": 200, "myr": 200, "pln": 200, "ron": 200, "dkk": 250, "nok": 300, "sek": 300, "hkd": 400,
    "mxn": 1_000, "thb": 1_000, "czk": 1_500, "huf": 17_500,
}  # fmt: skip
_SIGNS: Mapping[str, str] = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}


def exponent(currency: str) -> int:
    """Give how many digits of an amount are behind the point."""
    if currency in _WITHOUT_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def minimum(currency: str) -> int:
    """Give the least amount that can be charged, in minor units."""
    return _MINIMUMS.get(currency, 50)


def integer(params: Mapping[str, Any], name: str) -> int:
    """Read a whole number out of a request. Raises: StripeProblem."""
    text = params.get(name)
    if text is None or text == "":
        raise missing_param(name)
    if not isinstance(text, str) or re.fullmatch(r"-?[0-9]{1,15}", text) is None:
        raise invalid(f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
    return int(text)


def missing_param(name: str) -> StripeProblem:
    """Give the answer for a parameter that is not there."""
    return invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)


def check_currency(currency: object) -> str:
    """Give a currency as Stripe keeps it. Raises: StripeProblem."""
    if not currency:
        raise missing_param("currency")
    if not isinstance(currency, str) or re.fullmatch(r"[a-z]{3}", currency) is None:
        raise invalid(f"Invalid currency: {currency}.", param="currency")
    return currency


def check_amount(amount: int, currency: str, *, param: str = "amount") -> int:
    """Give an amount that can be charged. Raises: StripeProblem."""
    if amount < minimum(currency):
        least = amount_text(minimum(currency), currency)
        raise invalid(f"Amount must be at least {least}.", code="amount_too_small", param=param)
    if amount > AMOUNT_MAX:
        most = amount_text(AMOUNT_MAX, currency)
        raise invalid(f"Amount must be no more than {most}.", code="amount_too_large", param=param)
    if exponent(currency) == 3 and amount % 10:
        raise invalid(
            "The last digit of the amount must be 0.", code="parameter_invalid_integer", param=param
        )
    return amount


def check_lines(params: Mapping[str, Any]) -> None:
    """Check the one line that a page or a link sells. Raises: StripeProblem."""
    lines = params.get("line_items")
    if not isinstance(lines, list) or not lines:
        raise missing_param("line_items")
    if len(lines) != 1 or not isinstance(lines[0], dict) or not isinstance(lines[0].get("price_data"), dict):
        raise invalid("Exactly one line with price_data is known here.", param="line_items")
    price = lines[0]["price_data"]
    product = price.get("product_data")
    if not isinstance(product, dict) or not product.get("name"):
        raise missing_param("line_items[0][price_data][product_data][name]")
    quantity = integer(lines[0], "quantity")
    if quantity < 1:
        raise invalid("This value must be greater than or equal to 1.", param="line_items[0][quantity]")
    currency = check_currency(price.get("currency"))
    check_amount(integer(price, "unit_amount") * quantity, currency, param="line_items")


def amount_text(minor: int | None, currency: str | None) -> str:
    """Write an amount as the hosted page shows it."""
    if minor is None or currency is None:
        return ""
    digits = exponent(currency)
    whole, part = divmod(minor, 10**digits)
    sign = _SIGNS.get(currency, f"{currency.upper()} ")
    return f"{sign}{whole:,}" + (f".{part:0{digits}d}" if digits else "")
