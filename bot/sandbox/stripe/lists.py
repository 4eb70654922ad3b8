"""How objects of the Stripe stand-in go out: with what was asked for in place of ids, and in pages, newest first."""

from collections.abc import Callable, Sequence
from typing import Any

from bot.sandbox.document_store import Doc
from bot.sandbox.stripe.amounts import integer
from bot.sandbox.stripe.problem import StripeProblem, invalid
from bot.sandbox.stripe.state import KIND_OF_PREFIX, StripeState, without_notes

LIMIT = 10
LIMIT_MAX = 100
DEPTH_MAX = 4
_BOUNDS: dict[str, Callable[[int, int], bool]] = {
    "gte": lambda created, bound: created >= bound,
    "gt": lambda created, bound: created > bound,
    "lte": lambda created, bound: created <= bound,
    "lt": lambda created, bound: created < bound,
}


def shaped(state: StripeState, doc: Doc, expand: Sequence[Any]) -> Doc:
    """Give an object as it goes out. Raises: StripeProblem, for what cannot be expanded."""
    shown = without_notes(doc)
    for path in expand:
        if not isinstance(path, str) or path.count(".") >= DEPTH_MAX:
            raise invalid("You cannot expand more than 4 levels of a property.", param="expand")
        first, _, rest = path.partition(".")
        if first not in shown:
            message = f"This property cannot be expanded ({path})."
            raise invalid(message, code="property_cannot_be_expanded", param="expand")
        shown[first] = _expanded(state, shown[first], [rest] if rest else [])
    return shown


def _expanded(state: StripeState, value: Any, rest: Sequence[str]) -> Any:
    if isinstance(value, list):
        return [shaped(state, one, rest) for one in value]
    if isinstance(value, dict):
        return shaped(state, value, rest)
    if isinstance(value, str):
        found = state.store.get(KIND_OF_PREFIX.get(value.partition("_")[0], ""), value)
        return shaped(state, found, rest) if found is not None else value
    return value


def listed(state: StripeState, kind: str, params: Doc, keep: Callable[[Doc], bool], url: str) -> Doc:
    """Give a page of objects, newest first. Raises: StripeProblem."""
    limit = integer(params, "limit") if "limit" in params else LIMIT
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid(
            "This value must be between 1 and 100.", code="parameter_invalid_integer", param="limit"
        )
    if params.get("starting_after") and params.get("ending_before"):
        raise invalid("You can only use one of starting_after and ending_before.", param="ending_before")
    within = _within(params.get("created", {}))
    everything = list(reversed(state.store.all(kind)))
    # The cursor's place is among all objects: it need not be one that the filter keeps.
    if after := params.get("starting_after"):
        everything = everything[_place(everything, after, kind) + 1 :]
    elif before := params.get("ending_before"):
        everything = everything[: _place(everything, before, kind)]
    found = [one for one in everything if keep(one) and within(int(one.get("created", 0)))]
    page = found[-limit:] if params.get("ending_before") else found[:limit]
    return {
        "object": "list",
        "url": url,
        "has_more": len(found) > limit,
        "data": [without_notes(one) for one in page],
    }


def _within(created: Any) -> Callable[[int], bool]:
    if isinstance(created, str):
        exact = integer({"created": created}, "created")
        return lambda moment: moment == exact
    if not isinstance(created, dict) or not created.keys() <= _BOUNDS.keys():
        raise invalid("Invalid range.", param="created")
    bounds = [(_BOUNDS[name], integer(created, name)) for name in created]
    return lambda moment: all(holds(moment, bound) for holds, bound in bounds)


def _place(found: Sequence[Doc], name: str, kind: str) -> int:
    for index, one in enumerate(found):
        if one["id"] == name:
            return index
    raise StripeProblem(400, "invalid_request_error", f"No such {kind}: '{name}'", code="resource_missing")
