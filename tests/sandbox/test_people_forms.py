"""Forms as people use them: filled in, refused, answered and closed as in Slack's client."""

from typing import Any

import pytest
from slack_bolt import Ack, App

from tests.sandbox.slack_place import Place


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def _option(value: str) -> dict[str, Any]:
    return {"text": _plain(value.title()), "value": value}


def _input(block_id: str, element: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "input",
        "block_id": block_id,
        "label": _plain(block_id),
        "element": {"action_id": block_id, **element},
        **more,
    }


EVERY_INPUT: list[dict[str, Any]] = [
    _input("amount", {"type": "number_input", "is_decimal_allowed": True, "min_value": "1"}),
    _input("note", {"type": "plain_text_input"}, optional=True),
    _input("pack", {"type": "static_select", "options": [_option("small"), _option("large")]}),
    _input(
        "limit",
        {
            "type": "radio_buttons",
            "options": [_option("day"), _option("month")],
            "initial_option": _option("day"),
        },
    ),
    _input(
        "alerts", {"type": "checkboxes", "options": [_option("low"), _option("empty"), _option("failed")]}
    ),
    _input("approver", {"type": "users_select"}),
    _input("people", {"type": "multi_users_select", "initial_users": ["U0OWNER01"]}),
    _input("channel", {"type": "conversations_select"}),
    _input("channels", {"type": "multi_conversations_select"}),
]


class Forms:
    """Opens forms for the owner."""

    def __init__(self, place: Place, bolt: App) -> None:
        self._place = place
        self._wanted: dict[str, Any] = {}
        self._opened = ""
        bolt.command("/wallet")(self._open)

    def open(self, blocks: list[dict[str, Any]], **more: Any) -> str:
        """Give the id of a new form that lies open."""
        self._wanted = {
            "type": "modal",
            "callback_id": "form",
            "title": _plain("Form"),
            "blocks": blocks,
            **more,
        }
        assert self._place.do("command", who="owner", channel="dm", text="/wallet")["ok"] is True
        return self._opened

    def _open(self, ack: Ack, command: dict[str, str]) -> None:
        opened = self._place.web.views_open(trigger_id=command["trigger_id"], view=self._wanted)
        self._opened = opened["view"]["id"]
        ack()


@pytest.fixture
def forms(place: Place, bolt: App) -> Forms:
    """A bot that opens forms."""
    return Forms(place, bolt)


def test_every_kind_of_input_comes_back_as_slack_sends_it(place: Place, bolt: App, forms: Forms) -> None:
    """Numbers travel as strings, choices as whole options, untouched inputs with what they began with."""
    seen: list[dict[str, Any]] = []

    @bolt.view("form")
    def form(ack: Ack, view: dict[str, Any]) -> None:
        seen.append(view["state"]["values"])
        ack()

    forms.open(EVERY_INPUT, submit=_plain("Save"))
    values = {
        "amount": 12.5,
        "pack": "large",
        "alerts": ["low", "failed"],
        "approver.approver": "@finance",
        "channel": "#calls",
        "channels": ["C0CALLS01", "C0GENERAL"],
    }

    outcome = place.do("submit", who="owner", values=values)

    (state,) = seen
    assert (outcome["ok"], place.get("modals", who="owner")["views"]) == (True, [])
    assert state["amount"]["amount"] == {"type": "number_input", "value": "12.5"}
    assert state["note"]["note"]["value"] is None
    assert state["pack"]["pack"]["selected_option"] == _option("large")
    assert state["limit"]["limit"]["selected_option"]["value"] == "day"
    assert [one["value"] for one in state["alerts"]["alerts"]["selected_options"]] == ["low", "failed"]
    assert state["approver"]["approver"]["selected_user"] == "U0FINANCE"
    assert state["people"]["people"]["selected_users"] == ["U0OWNER01"]
    assert state["channel"]["channel"]["selected_conversation"] == "C0CALLS01"
    assert state["channels"]["channels"]["selected_conversations"] == ["C0CALLS01", "C0GENERAL"]


def test_a_form_is_not_sent_while_a_required_field_is_empty(place: Place, bolt: App, forms: Forms) -> None:
    """Slack's client complains itself; the bot hears nothing."""
    heard: list[int] = []

    @bolt.view("form")
    def form(ack: Ack) -> None:
        heard.append(1)
        ack()

    forms.open(EVERY_INPUT, submit=_plain("Save"))

    outcome = place.do("submit", who="owner", values={"amount": "5", "pack": "small"})

    assert outcome["ok"] is False
    assert {"alerts", "approver", "channel", "channels"} <= set(outcome["errors"])
    assert heard == []
    assert len(place.get("modals", who="owner")["views"]) == 1


def test_the_answer_to_a_form_is_done_as_slacks_client_does_it(place: Place, bolt: App, forms: Forms) -> None:
    """Errors keep it, update changes it, push puts one on top, clear closes all."""
    amount = [_input("amount", {"type": "number_input", "is_decimal_allowed": False})]
    nested = {"type": "modal", "callback_id": "form", "title": _plain("Sure?"), "submit": _plain("Yes")}
    text = {"type": "section", "text": _plain("Sure?")}
    answers: dict[str, dict[str, Any]] = {
        "1": {"response_action": "errors", "errors": {"amount": "Too little"}},
        "2": {"response_action": "update", "view": {**nested, "blocks": amount, "title": _plain("Again")}},
        "3": {"response_action": "push", "view": {**nested, "blocks": [text], "private_metadata": "top"}},
    }

    @bolt.view("form")
    def form(ack: Ack, view: dict[str, Any]) -> None:
        if view["private_metadata"] == "top":
            ack(response_action="clear")
            return
        ack(**answers[view["state"]["values"]["amount"]["amount"]["value"]])

    def titles() -> list[str]:
        return [one["title"]["text"] for one in place.get("modals", who="owner")["views"]]

    forms.open(amount, submit=_plain("Save"))
    refused = place.do("submit", who="owner", values={"amount": 1})
    assert (refused["response_action"], refused["errors"]) == ("errors", {"amount": "Too little"})
    assert titles() == ["Form"]
    assert place.do("submit", who="owner", values={"amount": 2})["response_action"] == "update"
    assert titles() == ["Again"]
    assert place.do("submit", who="owner", values={"amount": 3})["response_action"] == "push"
    assert titles() == ["Again", "Sure?"]
    assert place.do("submit", who="owner", values={})["response_action"] == "clear"
    assert titles() == []


def test_closing_is_told_only_when_the_form_wants_it(place: Place, bolt: App, forms: Forms) -> None:
    """view_closed follows notify_on_close."""
    closed: list[str] = []

    @bolt.view_closed("form")
    def form(ack: Ack, view: dict[str, Any]) -> None:
        closed.append(view["id"])
        ack()

    text = [{"type": "section", "text": _plain("Read me")}]
    quiet = forms.open(text)
    assert place.do("close", who="owner", view_id=quiet)["ok"] is True
    loud = forms.open(text, notify_on_close=True)
    assert place.do("close", who="owner")["ok"] is True

    assert quiet != loud
    assert closed == [loud]


def test_a_menu_in_a_form_reports_what_was_typed_so_far(place: Place, bolt: App, forms: Forms) -> None:
    """A block action in a modal carries the state of the whole form."""
    seen: list[dict[str, Any]] = []

    @bolt.action("pack")
    def pack(ack: Ack, body: dict[str, Any]) -> None:
        seen.append(body["view"]["state"]["values"])
        ack()

    note = _input("note", {"type": "plain_text_input", "initial_value": "as before"})
    menu = _input(
        "pack",
        {"type": "static_select", "options": [_option("small"), _option("large")]},
        dispatch_action=True,
    )
    view_id = forms.open([note, menu], submit=_plain("Save"))

    outcome = place.do("press", who="owner", view_id=view_id, action_id="pack", selected_option="large")

    assert outcome["ok"] is True
    assert seen[0]["note"]["note"]["value"] == "as before"
    assert seen[0]["pack"]["pack"]["selected_option"]["value"] == "large"
