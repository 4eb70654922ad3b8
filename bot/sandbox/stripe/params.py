"""Which parameters each request takes, and in what shape; what is not known is refused by its name. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.stripe.problem import invalid

Params = dict[str, Any]
METADATA_KEYS_MAX, METADATA_KEY_MAX, METADATA_VALUE_MAX = 50, 40, 500


@dataclass(frozen=True, slots=True)
class Text:
    """Any text up to a length."""

    length_max: int = 5_000


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Many:
    """A list whose items have one shape."""

    item: "Shape"


@dataclass(frozen=True, slots=True)
class Hash:
    """Named parameters inside a parameter."""

    known: Mapping[str, "Shape"]


@dataclass(frozen=True, slots=True)
class Metadata:
    """Keys and values of the caller's own, or nothing, which removes them all."""


@dataclass(frozen=True, slots=True)
class Moments:
    """An instant, or bounds of instants; the list that uses it reads it."""


Shape = Text | Choice | Many | Hash | Metadata | Moments


def _choice(words: str) -> Choice:
    return Choice(frozenset(words.split()))


def _texts(names: str) -> dict[str, Shape]:
    return dict.fromkeys(names.split(), _TEXT)


_TEXT = Text()
_BOOLEAN = _choice("true false")
_METADATA: Mapping[str, Shape] = {"metadata": Metadata()}
_TYPES: Shape = Many(Text(100))
_PAGE: Mapping[str, Shape] = {**_texts("limit starting_after ending_before"), "created": Moments()}

_LINES: Shape = Many(
    Hash(
        {
            "quantity": _TEXT,
            "price_data": Hash(
                {
                    **_texts("currency unit_amount"),
                    "product_data": Hash({"name": Text(250), "description": _TEXT, **_METADATA}),
                }
            ),
        }
    )
)
_INTENT_DATA: Mapping[str, Shape] = {
    **_METADATA,
    **_texts("description receipt_email"),
    "setup_future_usage": _choice("off_session on_session"),
    "statement_descriptor_suffix": Text(22),
}
_MESSAGE: Shape = Hash({"message": Text(1_200)})

NONE: Mapping[str, Shape] = {}
CUSTOMER: Mapping[str, Shape] = {
    **_METADATA,
    **_texts("email description"),
    "name": Text(256),
    "invoice_settings": Hash(_texts("default_payment_method")),
}
SESSION: Mapping[str, Shape] = {
    **_METADATA,
    **_texts("customer expires_at currency success_url cancel_url"),
    "mode": _choice("payment setup"),
    "client_reference_id": Text(200),
    "line_items": _LINES,
    "allowed_payment_method_types": _TYPES,
    "payment_intent_data": Hash(_INTENT_DATA),
    "setup_intent_data": Hash({**_METADATA, "description": _TEXT}),
    "custom_text": Hash({"submit": _MESSAGE, "after_submit": _MESSAGE}),
    "adaptive_pricing": Hash({"enabled": _BOOLEAN}),
}
LINK: Mapping[str, Shape] = {
    **_METADATA,
    "line_items": _LINES,
    "payment_method_types": _TYPES,
    "payment_intent_data": Hash(_INTENT_DATA),
    "restrictions": Hash({"completed_sessions": Hash({"limit": _TEXT})}),
    "inactive_message": Text(500),
    "after_completion": Hash(
        {
            "type": _choice("hosted_confirmation redirect"),
            "hosted_confirmation": Hash({"custom_message": Text(500)}),
            "redirect": Hash({"url": _TEXT}),
        }
    ),
}
LINK_CHANGE: Mapping[str, Shape] = {**_METADATA, "active": _BOOLEAN}
INTENT: Mapping[str, Shape] = {
    **_INTENT_DATA,
    **_texts("amount currency customer payment_method"),
    "allowed_payment_method_types": _TYPES,
    "confirm": _BOOLEAN,
    "off_session": _choice("true false one_off recurring"),
}
CONFIRM: Mapping[str, Shape] = {
    "payment_method": _TEXT,
    "off_session": _choice("true false one_off recurring"),
}
CANCEL: Mapping[str, Shape] = {
    "cancellation_reason": _choice("duplicate fraudulent requested_by_customer abandoned")
}
REFUND: Mapping[str, Shape] = {
    **_METADATA,
    **_texts("payment_intent charge amount"),
    "reason": _choice("duplicate fraudulent requested_by_customer"),
}
LINKS: Mapping[str, Shape] = _texts("active limit starting_after ending_before")
EVENTS: Mapping[str, Shape] = {**_PAGE, "type": _TEXT, "types": Many(_TEXT)}


def page(filters: str = "") -> Mapping[str, Shape]:
    """Give what a list takes."""
    return {**_PAGE, **_texts(filters)}


def read(params: Params, known: Mapping[str, Shape], at: str = "") -> Params:
    """Give the parameters that say something, each in its shape. Raises: StripeProblem, for any other."""
    found: Params = {}
    for name, value in params.items():
        where = f"{at}[{name}]" if at else name
        if name == "expand" and not at:
            found[name] = _value(value, Many(_TEXT), where)
        elif name in known:
            # An empty value unsets; where there is nothing to unset it says nothing.
            if value != "" or isinstance(known[name], Text | Metadata):
                found[name] = _value(value, known[name], where)
        elif name == "payment_method_types":
            raise invalid(
                "payment_method_types is no longer supported. Use allowed_payment_method_types.",
                code="payment_method_types_no_longer_supported",
                param=where,
            )
        else:
            raise invalid(f"Received unknown parameter: {where}", code="parameter_unknown", param=where)
    return found


def _value(value: Any, shape: Shape, where: str) -> Any:
    match shape:
        case Text(length_max):
            return _text(value, length_max, where)
        case Choice(words):
            if _text(value, 100, where) not in words:
                allowed = ", ".join(sorted(words))
                raise invalid(f"Invalid {where}: must be one of {allowed}", param=where)
            return value
        case Many(item):
            if not isinstance(value, list):
                raise invalid("Invalid array", param=where)
            return [_value(one, item, f"{where}[{index}]") for index, one in enumerate(value)]
        case Hash(known):
            if not isinstance(value, dict):
                raise invalid("Invalid object", param=where)
            return read(value, known, where)
        case Metadata():
            return _metadata(value, where)
        case Moments():
            return value


def _text(value: Any, length_max: int, where: str) -> str:
    if not isinstance(value, str):
        raise invalid(f"Invalid string: {value}", param=where)
    if len(value) > length_max:
        raise invalid(f"Invalid string: {where} must be at most {length_max} characters.", param=where)
    return value


def _metadata(value: Any, where: str) -> Any:
    if value == "":
        return value
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise invalid("Invalid metadata: keys and values have to be text.", param=where)
    if len(value) > METADATA_KEYS_MAX:
        raise invalid("You can have up to 50 metadata keys.", param=where)
    for key, text in value.items():
        if len(key) > METADATA_KEY_MAX or len(text) > METADATA_VALUE_MAX:
            raise invalid("Metadata keys take 40 characters and values 500.", param=f"{where}[{key}]")
    return value


def parse_form(pairs: Sequence[tuple[str, str]]) -> Params:
    """Read `a[b][0][c]=d` pairs into nested dictionaries and lists. Raises: StripeProblem."""
    root: Params = {}
    for key, value in pairs:
        parts = re.findall(r"[^\[\]]+", key)
        if not parts:
            raise invalid(f"Invalid request parameter: {key}")
        node: Params = root
        for part in parts[:-1]:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise invalid(f"Invalid request parameter: {key}")
        last = parts[-1]
        if key.endswith("[]"):
            items = node.setdefault(last, {})
            if not isinstance(items, dict):
                raise invalid(f"Invalid array: {key}")
            items[str(len(items))] = value
        else:
            node[last] = value
    return {key: _lists(value) for key, value in root.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(one) for key, one in value.items()}
    if inner and all(re.fullmatch(r"[0-9]{1,4}", key) for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner
