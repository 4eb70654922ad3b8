"""The Stripe stand-in's API: requests as the library sends them, answers as it reads them. No routes here."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.sandbox.shelf import Doc
from bot.sandbox.stripe_cards import BY_METHOD, BY_NUMBER, Kind
from bot.sandbox.stripe_state import KIND_OF_PREFIX, StripeProblem, StripeState

KEY_LIFETIME_SECONDS = 24 * 3600
MINIMUMS = {"usd": 50, "eur": 50, "gbp": 30, "cad": 50, "jpy": 50, "chf": 50, "aud": 50}
Params = dict[str, Any]
Handler = Callable[[StripeState, Params, Sequence[str]], Doc]

_META = {"metadata", "expand"}
_PAGE = {"limit", "starting_after", "ending_before", "expand", "created"}
_SESSION = {
    "mode", "customer", "client_reference_id", "line_items", "allowed_payment_method_types", "payment_intent_data",
    "setup_intent_data", "custom_text", "adaptive_pricing", "success_url", "cancel_url", "expires_at", "currency",
}  # fmt: skip
_LINK = {
    "line_items", "payment_method_types", "payment_intent_data", "restrictions", "inactive_message", "after_completion",
}  # fmt: skip
_INTENT = {
    "amount", "currency", "customer", "payment_method", "allowed_payment_method_types", "description", "receipt_email",
    "statement_descriptor_suffix", "setup_future_usage", "confirm", "off_session",
}  # fmt: skip


def parse_form(pairs: Sequence[tuple[str, str]]) -> Params:
    """Read `a[b][0][c]=d` pairs into nested dictionaries and lists."""
    root: Params = {}
    for key, value in pairs:
        parts = re.findall(r"[^\[\]]+", key)
        node = root
        for part in parts[:-1]:
            node = node.setdefault(part, {})
        last = parts[-1]
        if key.endswith("[]"):
            node.setdefault(last, {})[str(len(node.get(last, {})))] = value
        else:
            node[last] = value
    return {key: _lists(value) for key, value in root.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(one) for key, one in value.items()}
    if inner and all(key.isdigit() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def answer(
    state: StripeState, method: str, path: str, params: Params, idempotency_key: str | None
) -> tuple[int, Doc, dict[str, str]]:
    """Answer one request: status, body and headers. One commit; keys are replayed as Stripe replays them."""
    digest = hashlib.sha256(json.dumps([method, path, params], sort_keys=True).encode()).hexdigest()
    if method == "POST" and idempotency_key:
        saved = state.shelf.get("key", idempotency_key)
        if saved is not None and state.now() - saved["at"] < KEY_LIFETIME_SECONDS:
            if saved["digest"] != digest:
                message = "Keys for idempotent requests can only be used with the parameters they were first used with."
                problem = StripeProblem(400, "idempotency_error", message)
                return problem.status, problem.body, {}
            return saved["status"], saved["body"], {"Idempotent-Replayed": "true"}
    with state.shelf.transaction():
        state.idempotency_key = idempotency_key or ""
        try:
            status, body, store = 200, _handle(state, method, path, params), True
        except StripeProblem as problem:
            # What fails validation is not remembered under its key; a decline is.
            status, body, store = problem.status, problem.body, problem.status in (402, 500)
        finally:
            state.idempotency_key = ""
        if method == "POST" and idempotency_key and store:
            saved = {"at": state.now(), "digest": digest, "status": status, "body": body}
            state.shelf.put("key", idempotency_key, saved)
    return status, body, {}


def _handle(state: StripeState, method: str, path: str, params: Params) -> Doc:
    for verb, pattern, allowed, handler in ROUTES:
        found = re.fullmatch(pattern, path) if verb == method else None
        if found is not None:
            _check_known(params, allowed)
            doc = handler(state, params, found.groups())
            return shaped(state, doc, params.get("expand", []))
    raise StripeProblem(404, "invalid_request_error", f"Unrecognized request URL ({method}: {path}).")


def _check_known(params: Mapping[str, Any], allowed: set[str]) -> None:
    for name in params:
        if name == "payment_method_types" and name not in allowed:
            raise StripeProblem(
                400,
                "invalid_request_error",
                "payment_method_types is no longer supported. Use allowed_payment_method_types.",
                code="payment_method_types_no_longer_supported",
                param=name,
            )
        if name not in allowed | _META:
            raise StripeProblem(
                400,
                "invalid_request_error",
                f"Received unknown parameter: {name}",
                code="parameter_unknown",
                param=name,
            )


def shaped(state: StripeState, doc: Doc, expand: Sequence[str]) -> Doc:
    """Give an object as it goes out: without our own notes, with what was asked for put in place of ids."""
    shown = {key: value for key, value in doc.items() if key != "sandbox"}
    for wish in expand:
        first, _, rest = wish.partition(".")
        value = shown.get(first)
        if first == "data" and isinstance(value, list):
            shown["data"] = [shaped(state, one, [rest]) for one in value]
        elif isinstance(value, str):
            kind = KIND_OF_PREFIX.get(value.partition("_")[0], "")
            found = state.shelf.get(kind, value)
            if found is not None:
                shown[first] = shaped(state, found, [rest] if rest else [])
        elif isinstance(value, dict) and rest:
            shown[first] = shaped(state, value, [rest])
    return shown


def _listed(state: StripeState, kind: str, params: Params, keep: Callable[[Doc], bool], url: str) -> Doc:
    """Give a page of objects, newest first."""
    created = params.get("created", {})
    found = [
        one
        for one in reversed(state.shelf.all(kind))
        if keep(one)
        and one.get("created", 0) >= int(created.get("gte", 0))
        and one.get("created", 0) > int(created.get("gt", -1))
        and one.get("created", 0) <= int(created.get("lte", 2**62))
        and one.get("created", 0) < int(created.get("lt", 2**62))
    ]
    limit = int(params.get("limit", 10))
    names = [one["id"] for one in found]
    if after := params.get("starting_after"):
        found = found[_place(names, after, kind) + 1 :]
        page, more = found[:limit], len(found) > limit
    elif before := params.get("ending_before"):
        found = found[: _place(names, before, kind)]
        page, more = found[-limit:], len(found) > limit
    else:
        page, more = found[:limit], len(found) > limit
    return {"object": "list", "url": url, "has_more": more, "data": [shaped(state, one, []) for one in page]}


def _place(names: Sequence[str], name: str, kind: str) -> int:
    if name not in names:
        raise StripeProblem(
            400, "invalid_request_error", f"No such {kind}: '{name}'", code="resource_missing"
        )
    return names.index(name)


# --- Handlers ----------------------------------------------------------------------------------------------


def _create_session(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    mode = params.get("mode")
    if mode not in ("payment", "setup"):
        raise StripeProblem(
            400, "invalid_request_error", "mode has to be payment or setup here.", param="mode"
        )
    if params.get("customer"):
        state.need("customer", params["customer"])
    if mode == "payment":
        price = params["line_items"][0]["price_data"]
        _check_amount(int(price["unit_amount"]), price["currency"])
    life = int(params.get("expires_at") or state.now() + 3600) - state.now()
    if not 30 * 60 <= life <= 24 * 3600:
        raise StripeProblem(
            400,
            "invalid_request_error",
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    return state.create_session(params)


def _check_amount(amount: int, currency: str) -> None:
    if currency != currency.lower():
        raise StripeProblem(400, "invalid_request_error", f"Invalid currency: {currency}.", param="currency")
    if amount < MINIMUMS.get(currency, 50):
        raise StripeProblem(
            400,
            "invalid_request_error",
            "Amount must be no less than the minimum.",
            code="amount_too_small",
            param="amount",
        )
    if amount > 99_999_999:
        raise StripeProblem(
            400,
            "invalid_request_error",
            "Amount must be no more than 999,999.99.",
            code="amount_too_large",
            param="amount",
        )


def _expire_session(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    session = state.need("session", ids[0])
    if session["status"] != "open":
        message = (
            f"Only an open Checkout Session can be expired. This one has a status of {session['status']}."
        )
        raise StripeProblem(400, "invalid_request_error", message)
    return state.expire_session(session)


def _list_sessions(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    wanted = {key: params[key] for key in ("payment_link", "payment_intent", "customer") if key in params}
    return _listed(
        state,
        "session",
        params,
        lambda one: all(one.get(key) == value for key, value in wanted.items()),
        "/v1/checkout/sessions",
    )


def _create_link(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    price = params["line_items"][0]["price_data"]
    _check_amount(int(price["unit_amount"]), price["currency"])
    return state.create_link(params)


def _update_link(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    link = state.need("link", ids[0])
    if "active" in params:
        link["active"] = params["active"] == "true"
    return state.keep("link", link)


def _create_intent(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    for name in ("amount", "currency"):
        if name not in params:
            raise StripeProblem(
                400,
                "invalid_request_error",
                f"Missing required param: {name}.",
                code="parameter_missing",
                param=name,
            )
    _check_amount(int(params["amount"]), params["currency"])
    if params.get("payment_method"):
        _usable(state, params["payment_method"], params.get("customer"))
    intent = state.create_intent(params)
    if params.get("confirm") == "true":
        return _confirm(state, params, [intent["id"]])
    return intent


def _usable(state: StripeState, name: str, customer: str | None) -> tuple[Doc, Kind]:
    if name in BY_METHOD:
        kind = BY_METHOD[name]
        method = state.create_method(kind, 12, 2034)
        return method, kind
    method = state.need("method", name)
    if method["customer"] != customer or method["sandbox"].get("detached"):
        raise StripeProblem(
            400,
            "invalid_request_error",
            "The provided PaymentMethod cannot be used with this customer.",
            code="payment_method_unusable" if method["sandbox"].get("detached") else "",
        )
    return method, BY_NUMBER[method["sandbox"]["number"]]


def _confirm(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    intent = state.need("intent", ids[0])
    if intent["status"] in ("succeeded", "canceled"):
        raise StripeProblem(
            400,
            "invalid_request_error",
            f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
            payment_intent=intent,
        )
    name = params.get("payment_method") or intent["payment_method"]
    if not name:
        raise StripeProblem(
            400,
            "invalid_request_error",
            "You must provide a payment method.",
            code="payment_intent_unexpected_state",
        )
    method, kind = _usable(state, name, intent["customer"])
    outcome = state.charge(intent, method, kind, on_session=False, confirmed=False)
    if outcome == "succeeded":
        return intent
    error = dict(intent["last_payment_error"] or state.error_of(intent, method, None, outcome))
    error["payment_intent"] = shaped(state, intent, [])
    kind_of, message = error.pop("type"), error.pop("message")
    raise StripeProblem(402, kind_of, message, **error)


def _list_events(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    names = set(params.get("types", [])) or ({params["type"]} if "type" in params else None)
    return _listed(state, "event", params, lambda one: names is None or one["type"] in names, "/v1/events")


def _list_intents(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    customer = params.get("customer")
    return _listed(
        state,
        "intent",
        params,
        lambda one: customer is None or one["customer"] == customer,
        "/v1/payment_intents",
    )


def _list_methods(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    customer = params.get("customer")
    return _listed(state, "method", params, lambda one: one["customer"] == customer, "/v1/payment_methods")


def _update_customer(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    customer = state.need("customer", ids[0])
    customer.update({key: value for key, value in params.items() if key != "expand"})
    return state.keep("customer", customer)


def _retrieve(kind: str) -> Handler:
    return lambda state, params, ids: state.need(kind, ids[0])


_ACCOUNT = {"id": "acct_sandbox", "object": "account", "country": "US", "default_currency": "usd"}

ROUTES: Sequence[tuple[str, str, set[str], Handler]] = (
    ("POST", "/v1/customers", {"name", "email"}, lambda state, params, ids: state.create_customer(params)),
    ("GET", "/v1/customers/([^/]+)", set(), _retrieve("customer")),
    ("POST", "/v1/customers/([^/]+)", {"name", "email", "invoice_settings"}, _update_customer),
    ("POST", "/v1/checkout/sessions", _SESSION, _create_session),
    ("GET", "/v1/checkout/sessions", _PAGE | {"payment_link", "payment_intent", "customer"}, _list_sessions),
    ("GET", "/v1/checkout/sessions/([^/]+)", set(), _retrieve("session")),
    ("POST", "/v1/checkout/sessions/([^/]+)/expire", set(), _expire_session),
    ("POST", "/v1/payment_links", _LINK, _create_link),
    ("GET", "/v1/payment_links/([^/]+)", set(), _retrieve("link")),
    ("POST", "/v1/payment_links/([^/]+)", {"active"}, _update_link),
    ("POST", "/v1/payment_intents", _INTENT, _create_intent),
    ("GET", "/v1/payment_intents", _PAGE | {"customer"}, _list_intents),
    ("GET", "/v1/payment_intents/([^/]+)", set(), _retrieve("intent")),
    ("POST", "/v1/payment_intents/([^/]+)/confirm", {"payment_method", "off_session"}, _confirm),
    (
        "POST",
        "/v1/payment_intents/([^/]+)/cancel",
        {"cancellation_reason"},
        lambda state, params, ids: state.cancel(
            state.need("intent", ids[0]), params.get("cancellation_reason")
        ),
    ),
    ("GET", "/v1/setup_intents/([^/]+)", set(), _retrieve("setup")),
    ("GET", "/v1/payment_methods", _PAGE | {"customer", "type"}, _list_methods),
    ("GET", "/v1/payment_methods/([^/]+)", set(), _retrieve("method")),
    (
        "POST",
        "/v1/payment_methods/([^/]+)/detach",
        set(),
        lambda state, params, ids: state.detach(state.need("method", ids[0])),
    ),
    ("GET", "/v1/charges/([^/]+)", set(), _retrieve("charge")),
    ("GET", "/v1/events", _PAGE | {"type", "types"}, _list_events),
    ("GET", "/v1/events/([^/]+)", set(), _retrieve("event")),
    ("GET", "/v1/account", set(), lambda state, params, ids: dict(_ACCOUNT)),
)
