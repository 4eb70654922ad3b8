"""What an owner presses, types and sends in, as Slack sends it to the real listeners, and what they read of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from slack_bolt import App

from bot.sandbox.slack.seed import TEAM
from bot.slack.ids import Act, Form
from ledger import MICROS, USD, PostUsage
from tests.bot.rights_company import FIFTY, USERS, Company, company
from tests.persons import owner

OWNER = USERS["owner"]
U1 = owner(OWNER)


@contextmanager
def funded_company(folder: Path, **how: Any) -> Iterator[Company]:
    """Set up the company, with $99, a saved card and a call."""
    with company(folder, **how) as one:
        pay(one, one.cases.payments.connect(one.wallet_id, USD, asked_by=U1))
        pay(one, one.cases.payments.offer_page(one.wallet_id, FIFTY, asked_by=U1, saves_card=False))
        pay(one, one.cases.payments.offer_page(one.wallet_id, FIFTY, asked_by=U1, saves_card=False))
        call = PostUsage("platform", "call-1", "outbound_call", MICROS, None, reference="camp-118")
        one.ledger.carry_out(one.wallet_id, [call])
        yield one


def incidents(log: pytest.LogCaptureFixture) -> list[str]:
    """Give the incidents that were logged while the test ran: a listener that broke."""
    # Not `log.records`: those are of the present phase, and a fixture looks after the test.
    said = [one.getMessage() for one in log.get_records("call")]
    return [one for one in said if one.startswith("incident")]


def pay(one: Company, payment: Any) -> None:
    """Pay on a hosted page, and look at what came of it."""
    base = str(payment.url).partition("/stripe/")[0]
    form = {"card": "4242 4242 4242 4242", "exp": "12/34", "cvc": "123"}
    answer = httpx.post(f"{base}/sandbox/api/checkout/{payment.session_id}/pay", json=form)
    assert answer.json()["ok"], answer.text
    assert one.cases.sync.session(payment.session_id)


# --- What is sent, as Slack sends it ------------------------------------------------------------------------


def sent(one: Company, **more: Any) -> dict[str, Any]:
    """Give what every interaction carries, with a trigger that opens one form."""
    tickets = one.place.stand_in.tickets
    return {
        "team": {"id": TEAM},
        "user": {"id": OWNER, "team_id": TEAM},
        "trigger_id": tickets.trigger(OWNER),
        **more,
    }


def response_url(one: Company, ts: str | None = None) -> str:
    """Give an address at which an answer may be left, or a message replaced."""
    name = one.place.stand_in.tickets.response(OWNER, "C0GENERAL", ts=ts)
    return f"{one.place.base_url}/slack/response/{name}"


def press(one: Company, app: App, act: Act, value: str = "", *, chosen: bool = False) -> None:
    """Press a button of a message in a channel, or choose in its menu."""
    what = {"selected_option": {"value": value}} if chosen else {"value": value}
    pressed = {"type": "button", "action_id": str(act), "block_id": "b", **what}
    body = sent(one, type="block_actions", actions=[pressed], channel={"id": "C0GENERAL"})
    one.dispatch(app, body | {"response_url": response_url(one)})


def press_on_home(one: Company, app: App, act: Act, value: str) -> None:
    """Press a button of Home, or choose in its menu."""
    option = (
        {"selected_option": {"value": value}} if act in (Act.MONTH, Act.KIND, Act.ROW) else {"value": value}
    )
    pressed = {"type": "button", "action_id": str(act), "block_id": "b", **option}
    view = {"id": "V0", "type": "home", "callback_id": "", "state": {"values": {}}}
    one.dispatch(app, sent(one, type="block_actions", actions=[pressed], view=view))


def type_(one: Company, app: App, text: str) -> None:
    """Type a command in a channel."""
    body = {
        "command": "/wallet",
        "text": text,
        "team_id": TEAM,
        "user_id": OWNER,
        "channel_id": "C0GENERAL",
        "response_url": response_url(one),
        "trigger_id": one.place.stand_in.tickets.trigger(OWNER),
    }
    one.dispatch(app, body)


def send_in(
    one: Company, app: App, form: Form, values: dict[str, Any] | None = None, *, private: str = "USD"
) -> dict[str, Any]:
    """Send in a form that is open at the stand-in; gives what that was acknowledged with."""
    state = {name: {name: value} for name, value in (values or {}).items()}
    view = {
        "id": open_form(one),
        "type": "modal",
        "callback_id": str(form),
        "private_metadata": private,
        "state": {"values": state},
    }
    return one.dispatch(app, sent(one, type="view_submission", view=view))


def open_form(one: Company) -> str:
    """Have an empty form open; gives its id."""
    empty = {"type": "modal", "title": {"type": "plain_text", "text": "Redbar"}, "blocks": []}
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "filled in"}}
    trigger = one.place.stand_in.tickets.trigger(OWNER)
    opened = one.place.web.views_open(trigger_id=trigger, view={**empty, "blocks": [section]})
    return str(opened["view"]["id"])


def picked(value: str) -> dict[str, Any]:
    """Give a choice as Slack sends it."""
    return {"selected_option": {"value": value}}


# --- What is read ------------------------------------------------------------------------------------------


def answered(one: Company) -> str:
    """Give the newest private answer in the channel."""
    found = [message for message in one.place.messages(OWNER, "#general") if message.get("ephemeral")]
    return json.dumps(found[-1:], ensure_ascii=False)


def shown(one: Company) -> str:
    """Give the form that is open on top."""
    return json.dumps(open_forms(one)[-1:], ensure_ascii=False)


def open_forms(one: Company) -> list[dict[str, Any]]:
    """Give the forms that are open, the last on top."""
    found: list[dict[str, Any]] = one.place.get("modals", who=OWNER)["views"]
    return found


def home(one: Company) -> str:
    """Give Home as it was published last."""
    return json.dumps(one.place.get("home", who=OWNER), ensure_ascii=False)


def shown_id(one: Company) -> str:
    """Give the id of the form that is open on top; empty where none is."""
    return str(open_forms(one)[-1]["id"]) if open_forms(one) else ""
