"""People on the hosted pages: what a page shows, and what happens when somebody pays or saves a card there."""

import html
import re
from datetime import UTC, datetime
from typing import Any

from bot.sandbox.document_store import Doc
from bot.sandbox.stripe.amounts import amount_text
from bot.sandbox.stripe.cards import Asks, Kind, advice_of, by_number, code_of, message_of
from bot.sandbox.stripe.money import AUTHENTICATION, charge, create_intent, not_confirmed, turned
from bot.sandbox.stripe.state import StripeState


class HostedPages:
    """The payer's side of Checkout pages and payment links."""

    def __init__(self, state: StripeState) -> None:
        self._state = state

    def session(self, name: str) -> Doc | None:
        """Say what a Checkout page shows; None when there is no such page."""
        with self._state.store.transaction():
            session = self._state.store.get("session", name)
            if session is None:
                return None
            self._state.lapse(session)
        return {
            "kind": "checkout",
            "id": name,
            "wire": name,
            "mode": session["mode"],
            "state": session["status"],
            "amount": session["amount_total"],
            "currency": session["currency"],
            "amount_text": amount_text(session["amount_total"], session["currency"]),
            "merchant": "Redbar",
            "description": session["sandbox"]["product"] or "Save a card for later payments",
            "save_card": session["mode"] == "setup"
            or bool(session["sandbox"]["intent_data"].get("setup_future_usage")),
            "custom_text": ((session["custom_text"] or {}).get("submit") or {}).get("message"),
            "success_url": session["success_url"],
            "inactive_message": None,
            "receipt_url": self._receipt(session),
        }

    def link(self, code: str) -> Doc | None:
        """Say what a payment link shows; None when there is no such link."""
        found = self._link_of(code)
        if found is None:
            return None
        line = found["sandbox"]["params"]["line_items"][0]
        price = line["price_data"]
        amount = int(price["unit_amount"]) * int(line.get("quantity", 1))
        last = self._last_session(found)
        return {
            "kind": "link",
            "id": code,
            "wire": found["id"],
            "mode": "payment",
            "state": "open" if found["active"] else "complete" if last is not None else "inactive",
            "amount": amount,
            "currency": price["currency"],
            "amount_text": amount_text(amount, price["currency"]),
            "merchant": "Redbar",
            "description": price.get("product_data", {}).get("name", ""),
            "save_card": False,
            "custom_text": None,
            "success_url": None,
            "inactive_message": found["inactive_message"],
            "receipt_url": self._receipt(last) if last is not None else None,
        }

    def pay_session(self, name: str, form: Doc) -> Doc:
        """Pay on a page, or save a card there; a second press finds the page finished and changes nothing."""
        with self._state.store.transaction():
            session = self._state.store.get("session", name)
            if session is None:
                return _problem("There is no such page.")
            self._state.lapse(session)
            if session["status"] == "complete":
                return {"ok": True, "state": "complete", "receipt_url": self._receipt(session)}
            if session["status"] != "open":
                return {**_problem("This page has expired. Ask for a new one."), "state": session["status"]}
            card = _card(form, self._state.now())
            if isinstance(card, str):
                return _problem(card)
            kind, month, year = turned(self._state, card[0]), *card[1:]
            if session["mode"] == "setup":
                return self._save(session, kind, month, year, form)
            return self._pay(session, kind, month, year, form)

    def pay_link(self, code: str, form: Doc) -> Doc:
        """Pay by a link; each payer gets a page of their own behind it."""
        with self._state.store.transaction():
            link = self._link_of(code)
            if link is None:
                return _problem("There is no such link.")
            if not link["active"]:
                return {
                    **_problem(link["inactive_message"] or "This link is no longer active."),
                    "state": "inactive",
                }
            card = _card(form, self._state.now())
            if isinstance(card, str):
                return _problem(card)
            params = {**link["sandbox"]["params"], "mode": "payment", "metadata": link["metadata"]}
            session = self._waiting_session(link) or self._state.create_session(params, link=link)
            answer = self._pay(session, turned(self._state, card[0]), *card[1:], form)
            if answer["ok"]:
                self._count(link)
            return answer

    def _count(self, link: Doc) -> None:
        """Count a finished page of a link; the last one that is allowed closes it."""
        limited = (link["restrictions"] or {}).get("completed_sessions")
        if limited is None:
            return
        limited["count"] += 1
        if limited["count"] >= limited["limit"]:
            link["active"] = False
        self._state.keep("link", link)

    def sweep(self) -> None:
        """Close the pages whose time is over, and say so."""
        with self._state.store.transaction():
            for session in self._state.store.all("session"):
                self._state.lapse(session)

    def _pay(self, session: Doc, kind: Kind, month: int, year: int, form: Doc) -> Doc:
        state = self._state
        if _asks(kind) and form.get("authenticate") is None:
            return {"ok": False, "state": "open", "needs_authentication": True}
        intent = state.store.get("intent", session["payment_intent"] or "")
        if intent is None:
            data = session["sandbox"]["intent_data"]
            intent = create_intent(
                state,
                {
                    "amount": session["amount_total"],
                    "currency": session["currency"],
                    "customer": session["customer"],
                    "metadata": data.get("metadata", {}),
                    "description": data.get("description"),
                    "receipt_email": data.get("receipt_email"),
                    "setup_future_usage": data.get("setup_future_usage"),
                },
            )
            session["payment_intent"] = intent["id"]
            state.keep("session", session)
        method = state.create_method(kind, month, year)
        outcome = charge(
            state, intent, method, kind, on_session=True, confirmed=form.get("authenticate") is True
        )
        if outcome == AUTHENTICATION:
            not_confirmed(state, intent)
            return _problem("We could not confirm this payment. Try again, or use another card.")
        if outcome != "succeeded":
            return _declined(outcome)
        if session["customer"] and intent["setup_future_usage"]:
            state.attach(method, session["customer"], set_up=True)
        return self._finish(session, payment_status="paid")

    def _save(self, session: Doc, kind: Kind, month: int, year: int, form: Doc) -> Doc:
        state = self._state
        if kind.decline and kind.at_attach:
            return self._not_saved(session, kind)
        if _asks(kind) and form.get("authenticate") is None:
            return {"ok": False, "state": "open", "needs_authentication": True}
        if form.get("authenticate") is False:
            return _problem("We could not confirm this card. Try again, or use another card.")
        method = state.create_method(kind, month, year)
        if session["customer"]:
            state.attach(method, session["customer"], set_up=True)
        setup = state.need("setup", session["setup_intent"])
        setup.update(status="succeeded", payment_method=method["id"], last_setup_error=None)
        state.keep("setup", setup)
        state.emit("setup_intent.succeeded", setup)
        return self._finish(session, payment_status="no_payment_required")

    def _not_saved(self, session: Doc, kind: Kind) -> Doc:
        setup = self._state.need("setup", session["setup_intent"])
        setup["last_setup_error"] = {
            "type": "card_error",
            "code": code_of(kind.decline),
            "decline_code": kind.decline,
            "message": message_of(kind.decline),
        }
        self._state.keep("setup", setup)
        self._state.emit("setup_intent.setup_failed", setup)
        return _declined(kind.decline)

    def _finish(self, session: Doc, *, payment_status: str) -> Doc:
        session.update(status="complete", payment_status=payment_status, url=None)
        self._state.keep("session", session)
        self._state.emit("checkout.session.completed", session)
        return {
            "ok": True,
            "state": "complete",
            "redirect": session["success_url"],
            "receipt_url": self._receipt(session),
        }

    def _receipt(self, session: Doc) -> str | None:
        intent = self._state.store.get("intent", session["payment_intent"] or "")
        if intent is None:
            return None
        paid = self._state.store.get("charge", intent["latest_charge"] or "")
        return paid["receipt_url"] if paid is not None else None

    def _link_of(self, code: str) -> Doc | None:
        found = self._state.store.get("code", code)
        return self._state.store.get("link", found["link"]) if found is not None else None

    def _waiting_session(self, link: Doc) -> Doc | None:
        found = [one for one in self._state.store.all("session") if one["payment_link"] == link["id"]]
        return next((one for one in found if self._state.lapse(one)["status"] == "open"), None)

    def _last_session(self, link: Doc) -> Doc | None:
        found = [one for one in self._state.store.all("session") if one["payment_link"] == link["id"]]
        return next((one for one in reversed(found) if one["status"] == "complete"), None)


def _asks(kind: Kind) -> bool:
    return kind.asks is not Asks.NEVER and not kind.decline


def _card(form: Doc, now: int) -> tuple[Kind, int, int] | str:
    """Read what was entered; a sentence when it cannot be a card."""
    kind = by_number(str(form.get("card", "")))
    if kind is None:
        return "Your card number is not one of the test cards. Nothing real can be entered here."
    expiry = re.fullmatch(
        r"\s*(0?[1-9]|1[0-2])\s*/\s*(\d{2}|\d{4})\s*", str(form.get("exp", "12/34")), re.ASCII
    )
    if expiry is None:
        return "Your card's expiration date is not valid. Write it like 12/34."
    month, year = int(expiry[1]), 2000 + int(expiry[2]) % 100
    today = datetime.fromtimestamp(now, UTC)
    if (year, month) < (today.year, today.month):
        return "Your card's expiration date is in the past."
    return kind, month, year


def _problem(message: str) -> Doc:
    return {"ok": False, "state": "open", "error": {"message": message}}


def _declined(decline: str) -> Doc:
    answer = _problem(message_of(decline))
    answer["error"] |= {"code": code_of(decline), "decline_code": decline, "advice_code": advice_of(decline)}
    return {**answer, "decline_code": decline}


def receipt_page(state: StripeState, name: str) -> str | None:
    """Give a receipt as a small page; None when there is no such charge."""
    paid: Any = state.store.get("charge", name)
    if paid is None or not paid["paid"]:
        return None
    card = paid["payment_method_details"]["card"]
    amount = amount_text(paid["amount"], paid["currency"])
    what = html.escape(paid["description"] or "")
    back = paid["amount_refunded"]
    refunded = f"<p>{amount_text(back, paid['currency'])} refunded</p>" if back else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>Receipt</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:420px;margin:60px auto;"
        "padding:0 20px;color:#1a1f36}h1{font-size:28px;margin:0}small{color:#697386}hr{border:0;border-top:1px solid "
        "#e3e8ee;margin:20px 0}</style>"
        f"<small>Receipt from Redbar · sandbox, no real money</small><h1>{amount}</h1>"
        f"<hr><p>Paid with {card['brand'].capitalize()} ••{card['last4']}<br>{what}</p>{refunded}"
        f"<small>{paid['id']}</small></html>"
    )
