"""The bodies of the platform API: their shapes, the limits of each field, and what is said where one is not kept.

A limit stands here once: the decoder enforces it, and the OpenAPI document that is served states it. What breaks a
limit is refused by the field's name; what is no such body at all is a problem of the request.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar.exceptions import ClientException, ValidationException
from msgspec import Meta

from bot.wallets.usage import AHEAD_MAX, FieldWrong
from ledger import (
    MACHINE_AMOUNT,
    OCCURRED_BACK_MAX,
    QUANTITY_MAX,
    USAGE_KIND,
    USD,
    Refused,
    parse_machine_amount,
)

BATCH_MAX = 1_000
ID_MAX = 200
REFERENCE_MAX = 200
DESCRIPTION_MAX = 500


def _whole(pattern: str) -> str:
    """Give a pattern for a whole text: Python lets `$` stand before a line's end, JSON Schema does not."""
    return rf"^(?:{pattern})$(?!\n)"


Id = Annotated[str, Meta(min_length=1, max_length=ID_MAX)]
Kind = Annotated[str, Meta(pattern=_whole(USAGE_KIND))]
Amount = Annotated[str, Meta(pattern=_whole(MACHINE_AMOUNT))]
Quantity = Annotated[int, Meta(ge=0, le=QUANTITY_MAX)]
Reference = Annotated[str, Meta(max_length=REFERENCE_MAX)]
Description = Annotated[str, Meta(max_length=DESCRIPTION_MAX)]
Instant = Annotated[
    datetime,
    Meta(
        tz=True,
        description=f"With its offset from UTC; at most {OCCURRED_BACK_MAX.days} days back and "
        f"{AHEAD_MAX.seconds // 60} minutes ahead.",
    ),
]


class UsageBody(msgspec.Struct, forbid_unknown_fields=True):
    """One usage. `amount` is text: 1 to 12 digits, then at most a point and up to six decimals, such as "0.42"."""

    id: Id
    kind: Kind
    amount: Amount
    quantity: Quantity | None = None
    reference: Reference = ""
    description: Description = ""
    occurred_at: Instant | None = None
    hold: Id | None = None
    parent: Id | None = None


class AuthorizationBody(msgspec.Struct, forbid_unknown_fields=True):
    """A question whether work may start. `estimate` is written like an amount of usage.

    An AI task whose `parent` is the hold of a running inbound call is judged as inbound; other work by its own kind.
    """

    id: Id
    kind: Kind
    estimate: Amount | None = None
    reference: Reference = ""
    parent: Id | None = None


class CaptureBody(msgspec.Struct, forbid_unknown_fields=True):
    """The real cost of held work. `amount` is written like an amount of usage."""

    amount: Amount
    quantity: Quantity | None = None
    description: Description = ""


class ExtendBody(msgspec.Struct, forbid_unknown_fields=True):
    """More time, and with an estimate a new total. `estimate` is written like an amount of usage."""

    estimate: Amount | None = None


_ID_WRONG = f"has to have 1 to {ID_MAX} characters."
_WRONG = {
    "id": _ID_WRONG,
    "hold": _ID_WRONG,
    "parent": _ID_WRONG,
    "kind": (
        "use outbound_call, inbound_call, ai_task, or a name in lower case letters, digits and underscores."
    ),
    "quantity": f"has to be a whole number from 0 to {QUANTITY_MAX}.",
    "reference": f"has to have at most {REFERENCE_MAX} characters.",
    "description": f"has to have at most {DESCRIPTION_MAX} characters.",
    "occurred_at": "needs its offset from UTC, such as 2026-11-23T14:30:00Z.",
}
"""What is said of a field whose limit is broken; of an amount the ledger says it."""
_AMOUNTS = ("amount", "estimate")
_BROKEN = re.compile(r"Expected `[^`]+` [^-]|Integer value out of range")
"""What msgspec says of a limit. Of another type it says "Expected `str`, got `int`"."""
_PLACE = re.compile(r"(.*) - at `\$(?:\.(\w+))?`", re.DOTALL)
_NAMED = re.compile(r"Object (?:missing required|contains unknown) field `(\w+)`")
OneOrMany = UsageBody | Annotated[list[UsageBody], Meta(min_length=1, max_length=BATCH_MAX)]


@dataclass(frozen=True, slots=True)
class Unread:
    """An item that is no usage, or breaks a limit."""

    id: str
    """The item's own, as far as it has one."""
    problem: FieldWrong


def _wrong_limit(field: str, message: str, value: object) -> FieldWrong | None:
    """Say which limit a value breaks, by what the decoder said of it; None where its whole shape is wrong."""
    if _BROKEN.match(message) is None:
        return None
    if field in _AMOUNTS:
        try:
            parse_machine_amount(str(value), USD)  # the grammar is the same in every currency
        except Refused as refusal:
            return FieldWrong(field, str(refusal))
    return FieldWrong(field, _WRONG[field]) if field in _WRONG else None


def id_of_path(text: str) -> str:
    """Read the id of a hold out of a path. Refuses: FieldWrong."""
    try:
        found: str = msgspec.convert(text, Id)
    except msgspec.ValidationError:
        raise FieldWrong("id", _ID_WRONG) from None
    return found


def read_body(raw: bytes, shape: Any) -> Any:
    """Read a body by its shape. Refuses: FieldWrong; raises: ValidationException, ClientException."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        raise _problem_of(error, raw) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(error) from None


def read_usage(raw: bytes) -> Sequence[UsageBody | Unread]:
    """Read one usage or a batch; a wrong item of a batch hurts only itself. Raises as `read_body`."""
    try:
        found: UsageBody | list[UsageBody] = _USAGE.decode(raw)
    except msgspec.ValidationError:
        return _read_one_by_one(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(error) from None
    return found if isinstance(found, list) else [found]


def _read_one_by_one(raw: bytes) -> Sequence[UsageBody | Unread]:
    if not raw.lstrip().startswith(b"["):
        try:
            return [read_body(raw, UsageBody)]
        except FieldWrong as problem:
            return [Unread(_id_of(raw), problem)]
    try:
        items = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(error) from None
    if not 1 <= len(items) <= BATCH_MAX:
        raise ClientException(f"A batch has 1 to {BATCH_MAX} items; this one has {len(items)}.")
    return [_item(bytes(item)) for item in items]


def _item(raw: bytes) -> UsageBody | Unread:
    try:
        return _ITEM.decode(raw)
    except msgspec.ValidationError as error:
        problem = _problem_of(error, raw)
        if not isinstance(problem, FieldWrong):
            field, message = _place_of(error)
            problem = FieldWrong(field or "item", f"{message}.")
        return Unread(_id_of(raw), problem)


def _problem_of(error: msgspec.ValidationError, raw: bytes) -> FieldWrong | ValidationException:
    field, message = _place_of(error)
    wrong = _wrong_limit(field, message, _fields_of(raw).get(field))
    if wrong is not None:
        return wrong
    return ValidationException(
        f"The body is not as expected: {error}.", extra=[{"key": field, "message": message}]
    )


def _place_of(error: msgspec.ValidationError) -> tuple[str, str]:
    """Give the field that an error is about, and what is wrong with it."""
    found = _PLACE.fullmatch(str(error))
    field, message = (found[2] or "", found[1]) if found is not None else ("", str(error))
    named = _NAMED.fullmatch(message)
    return (named[1] if named is not None else field), message


def _fields_of(raw: bytes) -> dict[str, Any]:
    found = msgspec.json.decode(raw)
    return found if isinstance(found, dict) else {}


def _id_of(raw: bytes) -> str:
    found = _fields_of(raw).get("id")
    return found if isinstance(found, str) else ""


def _not_json(error: Exception) -> ClientException:
    return ClientException(f"The body is not JSON as expected: {error}.")


_USAGE: msgspec.json.Decoder[UsageBody | list[UsageBody]] = msgspec.json.Decoder(OneOrMany)
_ITEM = msgspec.json.Decoder(UsageBody)
