"""Every command, press and form is answered, whatever Slack refuses: by another way, and at last in plain text."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from slack_bolt import App

from bot.sandbox.slack.faults import Fault, Refuse, fault_in
from bot.slack import listeners
from bot.slack.ids import SHORTCUT_TOP_UP, Act, Form
from bot.slack.views.errors import not_shown
from bot.wallets.named_values import forget_named_value, names_beginning
from ledger import MICROS, USD, Money, Tx
from tests.bot.interactions import (
    OWNER,
    U1,
    incidents,
    open_form,
    open_forms,
    picked,
    response_url,
    send_in,
    sent,
    shown,
)
from tests.bot.rights_company import Company
from tests.sandbox.slack_place import unused_port

OTHER_DM = "D0TWOPPL1"
"""A conversation between two people, which the bot is no part of."""


@pytest.fixture(autouse=True)
def _whole(made: Company, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No listener ends in an incident; Slack and Stripe work again."""
    yield
    made.place.stand_in.faults.clear()
    made.shop.stand_in.faults.clear()
    made.place.do("close", who=OWNER, everything=True)
    made.ledger.run(partial(_forget_refused, wallet_id=made.wallet_id), wallet_id=made.wallet_id)
    assert incidents(caplog) == []


def _forget_refused(tx: Tx, wallet_id: UUID) -> None:
    """Have Slack tried with everything again: the next test begins with that."""
    for name in names_beginning(tx.connection, wallet_id, "refused:"):
        forget_named_value(tx, wallet_id, name)


def _fault(made: Company, method: str, **fault: Any) -> None:
    made.place.stand_in.faults.add(fault_in({"method": method, "times": 9, **fault}))


def _refused(code: str) -> dict[str, Any]:
    return {"answer": {"ok": False, "error": code}}


def _everything(made: Company) -> list[str]:
    """Give everything that the owner can read: here, in the DM, in the other DM, and in forms."""
    read: list[dict[str, Any]] = [
        *made.place.messages(OWNER, "#general"),
        *made.place.messages(OWNER),
        *made.place.stand_in.state.seen_by(OWNER, OTHER_DM),
        *open_forms(made),
    ]
    return [json.dumps(one, ensure_ascii=False) for one in read]


def _new(made: Company, before: list[str]) -> str:
    return "\n".join(one for one in _everything(made) if one not in before)


def _pressed(made: Company, act: Act, value: str = "") -> dict[str, Any]:
    what = picked(value) if act is Act.ROW else {"value": value}
    action = {"type": "button", "action_id": str(act), "block_id": "b", **what}
    return sent(made, type="block_actions", actions=[action])


def _on_home(made: Company, act: Act, value: str = "") -> dict[str, Any]:
    view = {"id": "V0", "type": "home", "callback_id": "", "state": {"values": {}}}
    return _pressed(made, act, value) | {"view": view}


def _on_message(made: Company, act: Act, value: str = "") -> dict[str, Any]:
    return _pressed(made, act, value) | {
        "channel": {"id": "C0GENERAL"},
        "response_url": response_url(made),
    }


def _typed(made: Company, text: str) -> dict[str, Any]:
    body = sent(made, command="/wallet", text=text, channel_id="C0GENERAL", response_url=response_url(made))
    return {**body, "team_id": body["team"]["id"], "user_id": OWNER}


# --- A response_url that takes no answer -------------------------------------------------------------------

Break = Callable[[Company, pytest.MonkeyPatch], None]


def _answers(status: int, body: str) -> Break:
    def broken(made: Company, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(
            made.place.stand_in,
            "answer_response",
            lambda name, sent: (status, json.loads(body) if body[:1] == "{" else body, ()),
        )

    return broken


def _refuses_blocks(made: Company, patch: pytest.MonkeyPatch) -> None:
    take = made.place.stand_in.answer_response

    def picky(name: str, body: dict[str, Any]) -> Any:
        refused = (400, {"ok": False, "error": "invalid_blocks"}, ())
        return refused if body.get("blocks") or body.get("attachments") else take(name, body)

    patch.setattr(made.place.stand_in, "answer_response", picky)


def _is_silent(made: Company, patch: pytest.MonkeyPatch) -> None:
    """Nobody listens at the address."""


BROKEN: Mapping[str, Break] = {
    "used": _answers(404, "used_url"),
    "expired": _answers(404, '{"ok": false, "error": "expired_url"}'),
    "limited": _answers(429, "rate_limited"),
    "failed": _answers(500, "server_error"),
    "silent": _is_silent,
    "refuses blocks": _refuses_blocks,
}
MORE_BROKEN: Mapping[str, tuple[tuple[str, str], ...]] = {
    "nothing else": (),
    "the channel": (("chat.postEphemeral", "user_not_in_channel"),),
    "blocks in the channel": (("chat.postEphemeral", "invalid_blocks"),),
}
PLACES: Mapping[str, Callable[[Company], dict[str, Any]]] = {
    "a command": lambda made: _typed(made, "usage"),
    "a refused command": lambda made: _typed(made, "topup 10.001"),
    "a button": lambda made: _on_message(made, Act.USAGE),
    "a pager": lambda made: _on_message(made, Act.HISTORY_OLDER, "|outbound_call|"),
    "slow work": lambda made: _on_message(made, Act.PAY_BY_LINK, "120.00"),
}


@pytest.mark.parametrize("more", MORE_BROKEN)
@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("place", PLACES)
def test_an_answer_arrives_although_its_response_url_takes_none(
    made: Company, app: App, monkeypatch: pytest.MonkeyPatch, place: str, broken: str, more: str
) -> None:
    """As an ephemeral message of its own; where Slack takes none in the channel, by direct message."""
    body = PLACES[place](made)
    if broken == "silent":
        body["response_url"] = f"http://127.0.0.1:{unused_port()}/"
    BROKEN[broken](made, monkeypatch)
    for method, code in MORE_BROKEN[more]:
        _fault(made, method, **_refused(code))
    before = _everything(made)
    made.dispatch(app, body)
    assert _new(made, before)


def test_an_answer_whose_blocks_nobody_takes_arrives_as_its_words(
    made: Company, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it was typed: its response_url takes plain text."""
    _refuses_blocks(made, monkeypatch)
    before = _everything(made)
    made.dispatch(app, _typed(made, "usage"))
    (answer,) = [json.loads(one) for one in _everything(made) if one not in before]
    assert answer["blocks"] == []
    assert "November" in answer["text"]


def test_an_ephemeral_answer_whose_blocks_are_refused_keeps_its_place(made: Company, app: App) -> None:
    """Its words arrive in the channel, and not by direct message."""
    body = _on_message(made, Act.USAGE)
    del body["response_url"]
    made.place.stand_in.faults.add(Fault("chat.postEphemeral", Refuse("invalid_blocks"), times=2))
    before = made.place.messages(OWNER, "#general")
    made.dispatch(app, body)
    (answer,) = made.place.messages(OWNER, "#general")[len(before) :]
    assert answer["blocks"] == []
    assert "November" in answer["text"]


def test_a_command_between_two_people_is_answered_where_it_was_typed(made: Company, app: App) -> None:
    """The bot is no part of their conversation; a response_url reaches it."""
    name = made.place.stand_in.tickets.response(OWNER, OTHER_DM)
    body = _typed(made, "usage") | {
        "channel_id": OTHER_DM,
        "response_url": f"{made.place.base_url}/slack/response/{name}",
    }
    before = made.place.messages(OWNER)
    made.dispatch(app, body)
    (answer,) = made.place.stand_in.state.seen_by(OWNER, OTHER_DM)
    assert "November" in str(answer)
    assert answer["ephemeral"]
    assert made.place.messages(OWNER) == before


# --- A trigger that opens nothing --------------------------------------------------------------------------

NO_CHANNELS: dict[str, Any] = {str(Act.CHANNELS): {str(Act.CHANNELS): {"selected_conversations": []}}}
TRIGGERS: Mapping[str, dict[str, Any]] = {
    "expired": _refused("expired_trigger_id"),
    "used": _refused("exchanged_trigger_id"),
    "used, in other words": _refused("trigger_exchanged"),
    "limited": {"status": 429, **_refused("ratelimited")},
    "failed": {"status": 500, **_refused("internal_error")},
}
ROW = "details:1"
Doing = Callable[[Company], dict[str, Any]]


VALUES = {
    Act.ROW: ROW,
    Act.WHY: "2026-11-25:outbound_call",
    Act.COPY_LINK: "00000000-0000-0000-0000-000000000001",
}
"""What a button carries, where its value is read."""


def _pressing(where: Callable[[Company, Act, str], dict[str, Any]], act: Act) -> Doing:
    return lambda made: where(made, act, VALUES.get(act, ""))


def _typing(text: str) -> Doing:
    return lambda made: _typed(made, text)


FORMS_TYPED = ("topup", "topup 50", "ask <@U0FINANCE>", "card", "auto", "alerts", "people")
OPENING: Mapping[str, Doing] = {
    **{f"[{act}] on Home": _pressing(_on_home, act) for act in listeners.buttons.FORMS},
    **{f"[{act}] on a message": _pressing(_on_message, act) for act in listeners.buttons.FORMS},
    **{f"/wallet {text}": _typing(text) for text in FORMS_TYPED},
    "the shortcut": lambda made: sent(made, type="shortcut", callback_id=SHORTCUT_TOP_UP),
}
TOLD_ON_HOME = {
    Act.PAY_BY_LINK: "120.00",
    Act.CHARGE: "00000000-0000-0000-0000-000000000001",
    Act.USAGE: "",
    Act.HISTORY: "",
    Act.AUTOMATIC_OFF: "",
}


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("opening", OPENING)
def test_what_opens_no_form_is_answered_in_words(made: Company, app: App, opening: str, trigger: str) -> None:
    """Where it was pressed or typed, else by direct message: never nothing."""
    _fault(made, "views.open", **TRIGGERS[trigger])
    before = _everything(made)
    made.dispatch(app, OPENING[opening](made))
    said = _new(made, before)
    assert said
    shows_content = any(act in opening for act in (Act.ROW, Act.WHY, Act.COPY_LINK, Act.CONNECT_CARD, "card"))
    assert (not_shown(refused=False).text in said) is not shows_content


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("act", TOLD_ON_HOME)
def test_what_home_cannot_say_in_a_form_arrives_by_direct_message(
    made: Company, app: App, act: Act, trigger: str
) -> None:
    """Home is no conversation."""
    _fault(made, "views.open", **TRIGGERS[trigger])
    before = made.place.messages(OWNER)
    made.dispatch(app, _on_home(made, act, TOLD_ON_HOME[act]))
    assert len(made.place.messages(OWNER)) > len(before)


@pytest.mark.parametrize("act", TOLD_ON_HOME)
def test_home_says_it_in_a_form(made: Company, app: App, act: Act) -> None:
    """Which is filled in with the answer."""
    made.dispatch(app, _on_home(made, act, TOLD_ON_HOME[act]))
    (form,) = open_forms(made)
    assert "Working" not in str(form)


def test_a_refusal_on_home_arrives_although_its_trigger_is_used(made: Company, app: App) -> None:
    """A button that answers in words only what went wrong opened no form before."""
    _fault(made, "views.open", **_refused("exchanged_trigger_id"))
    before = _everything(made)
    made.dispatch(app, _on_home(made, Act.WITHDRAW, "00000000-0000-0000-0000-000000000001"))
    assert "not open any more" in _new(made, before)


# --- A form that waits for its answer ----------------------------------------------------------------------

STRIPE: Mapping[str, dict[str, Any]] = {
    "refuses": {"mode": "status", "status": 400, "body": {"error": {"type": "invalid_request_error"}}},
    "errs": {"mode": "status", "status": 500},
    "hangs": {"mode": "hang_not_do", "delay_ms": 1_000},
    "hangs up": {"mode": "reset_before"},
    "does not accept our key": {
        "mode": "status",
        "status": 401,
        "body": {"error": {"type": "invalid_request_error"}},
    },
}


@pytest.mark.parametrize("fault", STRIPE)
@pytest.mark.parametrize("opening", ["[connect_card] on Home", "[connect_card] on a message", "/wallet card"])
def test_the_form_to_connect_a_card_never_stays_at_working(
    made: Company, app: App, monkeypatch: pytest.MonkeyPatch, opening: str, fault: str
) -> None:
    """Whatever Stripe does; it says what happened in the form."""
    monkeypatch.setattr(made.cases.gateway._http, "_timeout", (1, 0.2))  # type: ignore[attr-defined]
    made.shop.arm(match="POST /v1/checkout/sessions", times=9, **STRIPE[fault])
    made.dispatch(app, OPENING[opening](made))
    (form,) = open_forms(made)
    assert "Working" not in str(form)
    assert "Ref RB-" in str(form)


def test_a_row_opens_its_form_before_it_reads_stripe(
    made: Company, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows what the books know; the receipt follows, and where Stripe does not answer nothing is lost."""
    seen: list[str] = []
    receipt_of = made.cases.payments.receipt_of

    def asked(payment: Any) -> str:
        seen.append(shown(made))
        return receipt_of(payment)

    monkeypatch.setattr(type(made.cases.payments), "receipt_of", lambda self, payment: asked(payment))
    made.dispatch(app, _on_home(made, Act.ROW, ROW))
    assert "Balance after it" in seen[0]
    assert "Receipt" not in seen[0]
    assert "Receipt" in shown(made)

    made.shop.arm(match="GET /v1/payment_intents/*", times=9, mode="reset_before")
    made.dispatch(app, _on_home(made, Act.ROW, ROW))
    assert "Balance after it" in shown(made)


@pytest.mark.parametrize("meanwhile", ["nothing", "another form"])
def test_a_result_whose_form_was_closed_arrives_by_direct_message(
    made: Company, app: App, meanwhile: str
) -> None:
    """Somebody charged the card and closed the form before it was done; what they have open is left as it is."""
    wish, _ = made.cases.charges.prepare(made.wallet_id, Money(20 * MICROS, USD), actor=U1)
    before = made.place.messages(OWNER)
    view = {"id": open_form(made), "type": "modal", "callback_id": str(Form.CONFIRM_CHARGE)}
    view |= {"private_metadata": wish, "state": {"values": {}}}  # type: ignore[dict-item]
    body = sent(made, type="view_submission", view=view)
    body["trigger_id"] = made.place.stand_in.tickets.trigger(OWNER, in_modal=True)
    answer = made.acknowledge(app, body)
    assert "Working" in str(answer["view"])
    made.place.do("close", who=OWNER, everything=True)
    if meanwhile == "another form":
        made.place.web.views_open(trigger_id=made.place.stand_in.tickets.trigger(OWNER), view=_plain())
    made.work.run()
    assert "$20.00 was paid" in str(made.place.messages(OWNER)[len(before) :])
    assert len(open_forms(made)) == (meanwhile == "another form")


def test_a_form_that_slack_shows_late_is_filled_in(
    made: Company, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack reads the acknowledgement after our work is done: until then it knows no such form."""
    body = sent(made, type="view_submission")
    body["view"] = {
        "id": open_form(made),
        "type": "modal",
        "callback_id": str(Form.ALERTS),
        "state": {"values": NO_CHANNELS},
    }
    answer = made.acknowledge(app, body, shows=False)

    def slept(seconds: float) -> None:
        if len(open_forms(made)) == 1:
            made.place.acknowledged(OWNER, body["view"], answer)

    monkeypatch.setattr(made.context.modals, "_sleep", slept)
    made.work.run()
    assert "Saved" in shown(made)


def test_the_third_form_on_top_of_each_other_is_changed_in_place(made: Company, app: App) -> None:
    """Slack keeps three on top of each other; the answer takes the place of the third."""
    first = open_form(made)
    for _ in range(2):
        trigger = made.place.stand_in.tickets.trigger(OWNER, in_modal=True)
        made.place.web.views_push(trigger_id=trigger, view=_plain())
    _, _, top = open_forms(made)
    assert top["root_view_id"] == first
    view = {**top, "callback_id": str(Form.ALERTS), "state": {"values": NO_CHANNELS}}
    answer = made.dispatch(app, sent(made, type="view_submission", view=view))
    assert answer["response_action"] == "update", "Slack takes no fourth form"
    assert "Saved" in shown(made)
    made.dispatch(app, _in_form(made, open_forms(made)[-1], Act.ADD_BALANCE))
    assert "Pay with" in shown(made)
    assert len(open_forms(made)) == 3


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_button_in_a_form_changes_it_where_nothing_can_be_put_on_top(
    made: Company, app: App, trigger: str
) -> None:
    """A form can be changed without a trigger."""
    open_form(made)
    _fault(made, "views.push", **TRIGGERS[trigger])
    made.dispatch(app, _in_form(made, open_forms(made)[-1], Act.ADD_BALANCE))
    assert "Pay with" in shown(made)


@pytest.mark.parametrize(("times", "where"), [(1, "form"), (2, "form"), (9, "message")])
def test_what_slack_refuses_in_a_form_still_says_its_words(
    made: Company, app: App, times: int, where: str
) -> None:
    """What is refused is left out; a form that takes no words either is not the last way."""
    before = made.place.messages(OWNER)
    made.place.stand_in.faults.add(Fault("views.update", Refuse("invalid_blocks"), times=times))
    made.dispatch(app, _on_home(made, Act.ROW, ROW))
    said = shown(made) if where == "form" else str(made.place.messages(OWNER)[len(before) :])
    assert "Balance after it" in said


@pytest.mark.parametrize("refused", [False, True], ids=["limited", "refused"])
@pytest.mark.parametrize("way", ["card", "page"])
def test_a_choice_in_a_form_that_slack_does_not_show_is_said(
    made: Company, app: App, way: str, refused: bool
) -> None:
    """A form cannot be sent as a message; what happened is said."""
    open_form(made)
    body = _in_form(made, open_forms(made)[-1], Act.PAY_WITH)
    body["actions"][0] |= picked(way)
    if refused:
        field = ("[ERROR] unsupported element [json-pointer:/view/blocks/1/element]",)
        made.place.stand_in.faults.add(Fault("views.update", Refuse("invalid_arguments", field)))
    else:
        _fault(made, "views.update", status=429, **_refused("ratelimited"))
    made.dispatch(app, body)
    assert not_shown(refused=refused).text in shown(made)


def test_a_request_is_confirmed_although_its_form_cannot_be_changed(made: Company, app: App) -> None:
    """The request was sent: that is said over the form."""
    open_form(made)
    body = _in_form(made, open_forms(made)[-1], Act.SEND_TO)
    body["view"]["state"] = {"values": {str(Act.PERSON): {str(Act.PERSON): {"selected_user": "U0FINANCE"}}}}
    _fault(made, "views.update", status=429, **_refused("ratelimited"))
    made.dispatch(app, body)
    assert "<@U0FINANCE>" in shown(made)


def test_a_list_that_home_opened_turns_its_page_in_its_form(made: Company, app: App) -> None:
    """Where it stands; a form has no response_url."""
    made.dispatch(app, _on_home(made, Act.HISTORY))
    body = _in_form(made, open_forms(made)[-1], Act.HISTORY_OLDER)
    body["actions"][0]["value"] = "|outbound_call|"
    made.dispatch(app, body)
    (form,) = open_forms(made)
    assert "camp-118" in str(form)
    assert "Top-up" not in str([one for one in form["blocks"] if one["type"] == "section"])


def _plain() -> dict[str, Any]:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "below"}}
    return {"type": "modal", "title": {"type": "plain_text", "text": "Redbar"}, "blocks": [section]}


def _in_form(made: Company, view: dict[str, Any], act: Act) -> dict[str, Any]:
    body = _pressed(made, act) | {"view": view}
    return body | {"trigger_id": made.place.stand_in.tickets.trigger(OWNER, in_modal=True)}


def test_a_charge_that_is_sent_in_says_what_became_of_it(made: Company, app: App) -> None:
    """In the place of the form that confirmed it, although Stripe does not answer."""
    wish, _ = made.cases.charges.prepare(made.wallet_id, Money(20 * MICROS, USD), actor=U1)
    made.shop.arm(match="POST /v1/payment_intents", times=1, mode="reset_after")
    send_in(made, app, Form.CONFIRM_CHARGE, private=wish)
    (form,) = open_forms(made)
    assert "Working" not in str(form)
