"""Slack cannot be asked now: every way in says that, changes nothing, and takes it for no answer of "no" (T10).

Each way in that asks Slack about somebody or a channel, by each way in which Slack gives no answer.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from slack_bolt import App

from bot.sandbox.slack.faults import Cut, Fail, Fault, Limit, Refuse, Say, Wrong
from bot.sandbox.slack.seed import TEAM
from bot.slack.ids import Act, Form
from bot.wallets.alert_channels import channels_of
from ledger import new_id
from tests.bot.interactions import (
    OWNER,
    answered,
    home,
    incidents,
    open_form,
    picked,
    press,
    send_in,
    sent,
    shown,
    type_,
)
from tests.bot.rights_company import USERS, Company

ADMIN, FINANCE, MEMBER = USERS["appointed admin"], USERS["finance"], USERS["member"]
SILENCES: dict[str, Wrong] = {
    "limited": Limit(30),
    "failing": Refuse("internal_error"),
    "down": Fail(503),
    "cut": Cut(),
    "no right": Refuse("missing_scope"),
    "not Slack": Say({}),
}
NO = ("isn't available here", "looked after by", "Only full members", "/invite")
"""What is said where the answer was no."""


class Way(NamedTuple):
    """A way in that asks Slack about something."""

    goes_in: Callable[[Company, App], object]
    about: str
    """The person or the channel."""
    question: str
    method: str = "users.info"


def _users(*ids: str) -> dict[str, Any]:
    return {"selected_users": list(ids)}


def _appoint(one: Company, app: App) -> object:
    values = {str(Act.BILLING_ADMINS): _users(ADMIN), str(Act.FINANCE): _users(FINANCE, MEMBER)}
    return send_in(one, app, Form.PEOPLE, values)


def _alert(one: Company, app: App) -> object:
    return send_in(one, app, Form.ALERTS, {str(Act.CHANNELS): {"selected_conversations": ["C0GENERAL"]}})


def _ask(one: Company, app: App) -> object:
    amount = {str(Act.AMOUNT): picked("50.00"), str(Act.OTHER_AMOUNT): {"value": ""}}
    way = {str(Act.PAY_WITH): picked("ask"), str(Act.PERSON): {"selected_user": MEMBER}}
    return send_in(one, app, Form.ADD_BALANCE, amount | way)


def _send_link(one: Company, app: App) -> None:
    state = {str(Act.PERSON): {str(Act.PERSON): {"selected_user": MEMBER}}}
    view = {"id": open_form(one), "type": "modal", "callback_id": str(Form.CONNECT_CARD)}
    pressed = {"type": "button", "action_id": str(Act.SEND_TO), "block_id": "b", "value": ""}
    body = sent(one, type="block_actions", actions=[pressed], view={**view, "state": {"values": state}})
    one.dispatch(app, body | {"trigger_id": one.place.stand_in.tickets.trigger(OWNER, in_modal=True)})


def _open_home(one: Company, app: App) -> None:
    event = {"type": "app_home_opened", "user": OWNER, "tab": "home", "channel": "D1"}
    one.dispatch(app, {"type": "event_callback", "team_id": TEAM, "event_id": str(new_id()), "event": event})


YOU, THEY = "Slack can't be asked who you are", "Slack can't be asked who that is"
WAYS: dict[str, Way] = {
    "a button": Way(lambda one, app: press(one, app, Act.AUTOMATIC_OFF), OWNER, YOU),
    "a command": Way(lambda one, app: type_(one, app, "auto off"), OWNER, YOU),
    "the form of people": Way(_appoint, OWNER, YOU),
    "the form of alerts": Way(_alert, OWNER, YOU),
    "somebody appointed": Way(_appoint, MEMBER, THEY),
    "somebody asked in a form": Way(_ask, MEMBER, THEY),
    "somebody asked by command": Way(lambda one, app: type_(one, app, f"ask <@{MEMBER}> 40"), MEMBER, THEY),
    "somebody sent a link": Way(_send_link, MEMBER, THEY),
    "an alert channel": Way(
        _alert, "C0GENERAL", "Slack can't be asked whether Redbar is in these channels", "conversations.info"
    ),
}


def _state(one: Company) -> tuple[object, ...]:
    """Give what must not change: roles, alert channels, requests sent, and Home."""
    with one.ledger.reading() as connection:
        channels = channels_of(connection, one.wallet_id)
    roles = one.context.people.appointed(one.wallet_id)
    return roles, channels, len(one.place.messages(MEMBER)), home(one)


PAIRS = [
    (way, silence)
    for way in WAYS
    for silence in SILENCES
    # Without the right to ask, a channel is taken as unknown: test_alert_channels.py.
    if (way, silence) != ("an alert channel", "no right")
]


@pytest.mark.parametrize(("way", "silence"), PAIRS)
def test_no_answer_is_said_as_that_and_changes_nothing(
    made: Company, app: App, way: str, silence: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Roles, alert channels, messages and Home are as they were."""
    one, before = WAYS[way], _state(made)
    made.place.stand_in.faults.add(Fault(one.method, SILENCES[silence], channel=one.about))

    read = json.dumps(one.goes_in(made, app), ensure_ascii=False) + answered(made) + shown(made)

    assert one.question in read
    assert not [words for words in NO if words in json.dumps(answered(made)) + shown(made)]
    assert _state(made) == before
    assert made.place.stand_in.faults.left() == 0, "Slack was asked"
    assert incidents(caplog) == []


@pytest.mark.parametrize("silence", SILENCES)
def test_home_stays_as_it_is(made: Company, app: App, silence: str) -> None:
    """When its owner opens it, and when the job refreshes it: nothing is published in its place."""
    made.place.clock.skip(hours=1)
    _open_home(made, app)
    before = home(made)
    assert "isn't available here" not in before
    for opens in (True, False):
        made.context.people.directory.forget(OWNER)
        made.place.clock.skip(minutes=5)  # a Home that failed follows later and later
        made.place.stand_in.faults.add(Fault("users.info", SILENCES[silence], channel=OWNER))
        if opens:
            _open_home(made, app)
        else:
            made.context.homes.refresh(made.wallet_id, TEAM)
        assert made.place.stand_in.faults.left() == 0
        assert home(made) == before


def test_deliveries_ask_slack_about_nobody(made: Company) -> None:
    """Roles, owners and who has left come from the stored list, while Slack answers no question at all."""
    for method in ("users.info", "users.list", "conversations.info"):
        made.place.stand_in.faults.add(Fault(method, Fail(), times=1))
    people = made.context.people
    assert people.has_left(made.wallet_id, USERS["deactivated"])
    assert not people.has_left(made.wallet_id, MEMBER)
    assert people.facts(made.wallet_id).owners == (OWNER, USERS["workspace admin"])
    people.role_shown(made.wallet_id, MEMBER)
    assert made.place.stand_in.faults.left() == 3
    made.place.stand_in.faults.clear()
