"""What each request of the API does: its address, the parameters it knows, and its act on the state."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.sandbox.document_store import Doc
from bot.sandbox.stripe import params as known
from bot.sandbox.stripe.amounts import check_amount, check_currency, check_lines, integer, missing_param
from bot.sandbox.stripe.cards import BY_METHOD, BY_NUMBER, Kind
from bot.sandbox.stripe.clawbacks import refund
from bot.sandbox.stripe.lists import listed
from bot.sandbox.stripe.money import (
    AUTHENTICATION,
    UNEXPECTED,
    ask_holder,
    cancel,
    charge,
    create_intent,
)
from bot.sandbox.stripe.params import Params, Shape
from bot.sandbox.stripe.problem import StripeProblem, invalid, missing
from bot.sandbox.stripe.state import StripeState, without_notes

Act = Callable[[StripeState, Params, Sequence[str]], Doc]
PAGE_LIFE_MIN_SECONDS = 30 * 60
PAGE_LIFE_MAX_SECONDS = 24 * 3600
_SESSION_FILTERS = "payment_link payment_intent customer status"
_REFUND_FILTERS = "payment_intent charge"
_DISPUTE_FILTERS = "payment_intent charge"
_WARNING_FILTERS = "payment_intent charge"
_BALANCE_FILTERS = "type source currency"
_URLS = {
    "warning": "/v1/radar/early_fraud_warnings",
    "customer": "/v1/customers",
    "session": "/v1/checkout/sessions",
    "link": "/v1/payment_links",
    "intent": "/v1/payment_intents",
    "method": "/v1/payment_methods",
    "refund": "/v1/refunds",
    "transaction": "/v1/balance_transactions",
    "dispute": "/v1/disputes",
    "endpoint": "/v1/webhook_endpoints",
}


@dataclass(frozen=True, slots=True)
class Method:
    """One request that is understood."""

    verb: str
    path: str
    params: Mapping[str, Shape]
    act: Act


def _create_customer(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    return state.create_customer(params)


def _update_customer(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    return state.update_customer(state.need("customer", ids[0]), params)


def _create_session(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    if not params.get("mode"):
        raise missing_param("mode")
    if params.get("customer"):
        state.need("customer", params["customer"])
    if not params.get("success_url"):
        raise missing_param("success_url")
    if params["mode"] == "payment":
        check_lines(params)
    else:
        check_currency(params.get("currency"))
    if "expires_at" in params:
        life = integer(params, "expires_at") - state.now()
        if not PAGE_LIFE_MIN_SECONDS <= life <= PAGE_LIFE_MAX_SECONDS:
            raise invalid(
                "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
                param="expires_at",
            )
    return state.create_session(params)


def _see_session(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    return state.lapse(state.need("session", ids[0]))


def _expire_session(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    session = state.lapse(state.need("session", ids[0]))
    if session["status"] != "open":
        now = session["status"]
        raise invalid(f"Only Checkout Sessions with a status of open can be expired. This one is {now}.")
    return state.expire_session(session)


def _list_sessions(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    for session in state.store.all("session"):
        state.lapse(session)
    return _list("session", _SESSION_FILTERS)(state, params, ())


def _create_link(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    check_lines(params)
    restrictions = params.get("restrictions", {}).get("completed_sessions")
    if restrictions is not None and integer(restrictions, "limit") < 1:
        raise invalid("This value must be greater than or equal to 1.", param="restrictions")
    return state.create_link(params)


def _list_links(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    active = params.get("active")
    return listed(
        state,
        "link",
        params,
        lambda one: active is None or one["active"] == (active == "true"),
        _URLS["link"],
    )


def _update_link(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    link = state.need("link", ids[0])
    return state.update_link(link, params)


def _create_intent(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    amount = integer(params, "amount")
    check_amount(amount, check_currency(params.get("currency")))
    if params.get("customer"):
        state.need("customer", params["customer"])
    if params.get("confirm") == "true" and params.get("off_session") and params.get("setup_future_usage"):
        raise invalid("You cannot set setup_future_usage with off_session.", param="setup_future_usage")
    if params.get("payment_method"):
        method, _kind = _usable(state, params["payment_method"], params.get("customer"))
        params = {**params, "payment_method": method["id"]}
    intent = create_intent(state, params)
    return _confirm(state, params, [intent["id"]]) if params.get("confirm") == "true" else intent


def _usable(state: StripeState, name: str, customer: str | None) -> tuple[Doc, Kind]:
    """Give a card that can be charged for a customer. Raises: StripeProblem."""
    if name in BY_METHOD:
        kind = BY_METHOD[name]
        return state.create_method(kind, 12, 2034), kind
    method = state.need("method", name)
    if method["sandbox"].get("detached"):
        message = (
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, "
            "shared with a connected account without Customer attachment, or was detached from a Customer. "
            "It may not be used again."
        )
        raise invalid(message, code="payment_method_unusable", param="payment_method")
    if method["customer"] is not None and method["customer"] != customer:
        message = (
            f"The payment method {name} belongs to another Customer. Include its Customer in the parameters."
        )
        raise invalid(message, code="payment_method_customer_mismatch", param="payment_method")
    return method, BY_NUMBER[method["sandbox"]["number"]]


def _confirm(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    intent = state.need("intent", ids[0])
    if intent["status"] in ("succeeded", "canceled"):
        message = f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}."
        raise invalid(message, code=UNEXPECTED, payment_intent=without_notes(intent))
    name = params.get("payment_method") or intent["payment_method"]
    if not name:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise invalid(message, code=UNEXPECTED, payment_intent=without_notes(intent))
    method, kind = _usable(state, name, intent["customer"])
    holder_is_there = params.get("off_session", "false") == "false"
    outcome = charge(state, intent, method, kind, on_session=holder_is_there, confirmed=False)
    if outcome == "succeeded":
        return intent
    if outcome == AUTHENTICATION and holder_is_there:
        return ask_holder(state, intent, method)
    error = without_notes(intent["last_payment_error"])
    error["payment_intent"] = without_notes(intent)
    kind_of_error, message = error.pop("type"), error.pop("message")
    raise StripeProblem(402, kind_of_error, message, **error)


def _cancel(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    return cancel(state, state.need("intent", ids[0]), params.get("cancellation_reason"))


def _detach(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    method = state.need("method", ids[0])
    if method["customer"] is None:
        message = "The payment method you provided is not attached to a customer so detachment is impossible."
        raise invalid(message, param="payment_method")
    return state.detach(method)


def _refund(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    return refund(state, params)


def _list_events(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of type and types.", param="types")
    names = params.get("types", [params["type"]] if "type" in params else None)
    if isinstance(names, list) and len(names) > 20:
        raise invalid("You may only specify up to 20 types.", param="types")

    def keep(event: Doc) -> bool:
        return (names is None or event["type"] in names) and state.shows(event)

    return listed(state, "event", params, keep, "/v1/events")


def _see_event(state: StripeState, params: Params, ids: Sequence[str]) -> Doc:
    event = state.need("event", ids[0])
    if not state.shows(event):
        raise missing("event", ids[0])
    return event


def _list(kind: str, filters: str) -> Act:
    names = filters.split()

    def act(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
        wanted = {name: params[name] for name in names if name in params}
        return listed(
            state,
            kind,
            params,
            lambda one: all(one.get(name) == value for name, value in wanted.items()),
            _URLS[kind],
        )

    return act


def _list_methods(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    # Cards that belong to nobody are not listed, as at Stripe.
    if not params.get("customer"):
        raise missing_param("customer")
    return _list("method", "customer type")(state, params, ())


def _see(kind: str) -> Act:
    return lambda state, params, ids: state.need(kind, ids[0])


def _account(state: StripeState, params: Params, _: Sequence[str]) -> Doc:
    return {
        "id": "acct_sandbox",
        "object": "account",
        "country": "US",
        "default_currency": "usd",
        "charges_enabled": True,
        "email": "owner@northwind.example",
    }


_ID = "/([^/]+)"
METHODS: Sequence[Method] = (
    Method("POST", "/v1/customers", known.CUSTOMER, _create_customer),
    Method("GET", "/v1/customers", known.page(), _list("customer", "")),
    Method("GET", f"/v1/customers{_ID}", known.NONE, _see("customer")),
    Method("POST", f"/v1/customers{_ID}", known.CUSTOMER, _update_customer),
    Method("POST", "/v1/checkout/sessions", known.SESSION, _create_session),
    Method("GET", "/v1/checkout/sessions", known.page(_SESSION_FILTERS), _list_sessions),
    Method("GET", f"/v1/checkout/sessions{_ID}", known.NONE, _see_session),
    Method("POST", f"/v1/checkout/sessions{_ID}/expire", known.NONE, _expire_session),
    Method("POST", "/v1/payment_links", known.LINK, _create_link),
    Method("GET", "/v1/payment_links", known.LINKS, _list_links),
    Method("GET", f"/v1/payment_links{_ID}", known.NONE, _see("link")),
    Method("POST", f"/v1/payment_links{_ID}", known.LINK_CHANGE, _update_link),
    Method("POST", "/v1/payment_intents", known.INTENT, _create_intent),
    Method("GET", "/v1/payment_intents", known.page("customer"), _list("intent", "customer")),
    Method("GET", f"/v1/payment_intents{_ID}", known.NONE, _see("intent")),
    Method("POST", f"/v1/payment_intents{_ID}/confirm", known.CONFIRM, _confirm),
    Method("POST", f"/v1/payment_intents{_ID}/cancel", known.CANCEL, _cancel),
    Method("GET", f"/v1/setup_intents{_ID}", known.NONE, _see("setup")),
    Method("GET", "/v1/payment_methods", known.page("customer type"), _list_methods),
    Method("GET", f"/v1/payment_methods{_ID}", known.NONE, _see("method")),
    Method("POST", f"/v1/payment_methods{_ID}/detach", known.NONE, _detach),
    Method("GET", f"/v1/charges{_ID}", known.NONE, _see("charge")),
    Method("POST", "/v1/refunds", known.REFUND, _refund),
    Method("GET", "/v1/refunds", known.page(_REFUND_FILTERS), _list("refund", _REFUND_FILTERS)),
    Method("GET", f"/v1/refunds{_ID}", known.NONE, _see("refund")),
    Method("GET", "/v1/disputes", known.page(_DISPUTE_FILTERS), _list("dispute", _DISPUTE_FILTERS)),
    Method("GET", f"/v1/disputes{_ID}", known.NONE, _see("dispute")),
    Method(
        "GET",
        "/v1/radar/early_fraud_warnings",
        known.page(_WARNING_FILTERS),
        _list("warning", _WARNING_FILTERS),
    ),
    Method("GET", f"/v1/radar/early_fraud_warnings{_ID}", known.NONE, _see("warning")),
    Method(
        "GET",
        "/v1/balance_transactions",
        known.page(_BALANCE_FILTERS),
        _list("transaction", _BALANCE_FILTERS),
    ),
    Method("GET", f"/v1/balance_transactions{_ID}", known.NONE, _see("transaction")),
    Method("GET", "/v1/events", known.EVENTS, _list_events),
    Method("GET", f"/v1/events{_ID}", known.NONE, _see_event),
    Method("GET", "/v1/account", known.NONE, _account),
    Method("GET", "/v1/webhook_endpoints", known.page(), _list("endpoint", "")),
)
