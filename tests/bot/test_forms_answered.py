"""Every form that an owner sends in is answered by the next view, or by what is wrong with a field."""

from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App

from bot.payments.saved_cards import card_slots
from bot.sandbox.slack.seed import TEAM
from bot.slack import listeners
from bot.slack.ids import Act, Form
from bot.states.card_slot import CardSlot
from bot.wallets.alert_channels import channels_of
from ledger import new_id
from tests.bot.interactions import (
    OWNER,
    answered,
    funded_company,
    incidents,
    open_form,
    open_forms,
    picked,
    press,
    send_in,
    sent,
    shown,
    type_,
)
from tests.bot.rights_company import USERS, Company

pytestmark = pytest.mark.usefixtures("no_incident")


def _amount(choice: str, other: str = "") -> dict[str, Any]:
    return {str(Act.AMOUNT): picked(choice), str(Act.OTHER_AMOUNT): {"value": other}}


def _add(
    one: Company,
    app: App,
    way: str,
    choice: str = "50.00",
    other: str = "",
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    values = {**_amount(choice, other), str(Act.PAY_WITH): picked(way), **(more or {})}
    return send_in(one, app, Form.ADD_BALANCE, values)


def test_an_amount_that_cannot_be_read_is_said_under_its_field(made: Company, app: App) -> None:
    """The form stays open, and nothing else is started."""
    answer = _add(made, app, "page", "other", "a lot")
    assert answer["response_action"] == "errors"
    assert "amount" in answer["errors"][str(Act.OTHER_AMOUNT)]


@pytest.mark.parametrize(("choice", "other"), [("other", "5"), ("5.00", "")])
def test_an_amount_that_the_wallet_does_not_take_is_said_over_the_form(
    made: Company, app: App, choice: str, other: str
) -> None:
    """The form stays open below, with what was filled in."""
    assert _add(made, app, "page", choice, other)["response_action"] == "push"
    form, said = open_forms(made)
    assert "filled in" in str(form)
    assert "between $10.00 and $10,000.00" in str(said)
    assert not said["clear_on_close"]


def test_a_form_from_before_is_judged_too(made: Company, app: App) -> None:
    """It was opened by a version whose forms did not keep their currency; what is wrong is said over it."""
    values = {**_amount("other", "a lot"), str(Act.PAY_WITH): picked("page")}
    for private in ("", "7"):
        assert send_in(made, app, Form.ADD_BALANCE, values, private=private)["response_action"] == "push"
        assert "a lot" in shown(made)


def test_paying_with_the_card_is_confirmed_first(made: Company, app: App) -> None:
    """In a second form, which charges once; above the daily limit somebody is asked instead."""
    _add(made, app, "card")
    form, confirm = open_forms(made)
    assert "filled in" in str(form)
    assert "Charge $50.00" in str(confirm)
    private = confirm["private_metadata"]
    assert send_in(made, app, Form.CONFIRM_CHARGE, private=private)["response_action"] == "update"
    (result,) = open_forms(made)
    assert "$50.00 was paid" in str(result)
    assert result["clear_on_close"]
    send_in(made, app, Form.CONFIRM_CHARGE, private=private)
    assert "Nothing more was charged" in shown(made)

    _add(made, app, "card", "other", "1000")
    assert "Who pays?" in shown(made)


def test_paying_on_a_page_shows_the_page(made: Company, app: App) -> None:
    """Over the form that was sent in, once the page exists; closing it closes both."""
    _add(made, app, "page", more={str(Act.SAVE_CARD): {"selected_options": [{"value": "save"}]}})
    assert "checkout" in shown(made)
    assert open_forms(made)[-1]["clear_on_close"]


def test_asking_somebody_names_who_and_why(made: Company, app: App) -> None:
    """A person who cannot pay is refused."""
    nobody = _add(made, app, "ask")
    assert nobody["errors"][str(Act.PERSON)] == "Pick who should pay."
    _add(made, app, "ask", more={str(Act.PERSON): {"selected_user": USERS["guest"]}})
    assert "Only full members" in shown(made)
    _add(
        made,
        app,
        "ask",
        more={
            str(Act.PERSON): {"selected_user": USERS["finance"]},
            str(Act.NOTE): {"value": "for the weekend"},
        },
    )
    assert USERS["finance"] in shown(made)


def test_another_way_to_pay_shows_its_fields(made: Company, app: App) -> None:
    """What was filled in stays with Slack."""
    view = {
        "id": open_form(made),
        "type": "modal",
        "callback_id": str(Form.ADD_BALANCE),
        "state": {"values": {}},
    }
    pressed = {"type": "radio_buttons", "action_id": str(Act.PAY_WITH), "block_id": "b", **picked("ask")}
    made.dispatch(app, sent(made, type="block_actions", actions=[pressed], view=view))
    assert "Who pays?" in shown(made)


def _main_card(one: Company) -> str:
    with one.ledger.reading() as connection:
        return card_slots(connection, one.wallet_id)[CardSlot.MAIN]


def _rule(one: Company, **other: str) -> dict[str, Any]:
    texts = {
        Act.THRESHOLD: "20",
        Act.TARGET: "200",
        Act.PER_DAY: "3",
        Act.DAY_CAP: "500",
        Act.MONTH_CAP: "5000",
    }
    values: dict[str, Any] = {str(act): {"value": other.get(str(act), text)} for act, text in texts.items()}
    values[str(Act.HOW)] = picked(other.get(str(Act.HOW), "to"))
    values[str(Act.CARD)] = picked(_main_card(one))
    values[str(Act.BACKUP)] = picked(other.get(str(Act.BACKUP), "none"))
    return values


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"per_day": "0"}, Act.PER_DAY, "from 1 to 24"),
        ({"per_day": "25"}, Act.PER_DAY, "from 1 to 24"),
        ({"per_day": "three"}, Act.PER_DAY, "from 1 to 24"),
        ({"per_day": "²"}, Act.PER_DAY, "from 1 to 24"),
        ({"threshold": "5"}, Act.THRESHOLD, "at least"),
        ({"threshold": "x"}, Act.THRESHOLD, ""),
        ({"target": "10"}, Act.TARGET, "above the threshold"),
        ({"day_cap": "50"}, Act.DAY_CAP, "daily limit"),
        ({"month_cap": "50"}, Act.MONTH_CAP, "monthly limit"),
    ],
)
def test_a_rule_that_cannot_be_is_said_under_its_field(
    made: Company, app: App, wrong: dict[str, str], field: Act, words: str
) -> None:
    """Nothing is kept."""
    answer = send_in(made, app, Form.AUTOMATIC, _rule(made, **wrong))
    assert answer["response_action"] == "errors"
    assert words in answer["errors"][str(field)]


def test_the_backup_is_another_card(made: Company, app: App) -> None:
    """The same twice would be no backup."""
    answer = send_in(made, app, Form.AUTOMATIC, _rule(made, backup=_main_card(made)))
    assert answer["errors"] == {str(Act.BACKUP): "The backup has to be another card."}


def test_a_rule_is_confirmed_and_then_on(made: Company, app: App) -> None:
    """The second form turns it on; a button turns it off."""
    send_in(made, app, Form.AUTOMATIC, _rule(made))
    confirm = open_forms(made)[-1]
    assert confirm["callback_id"] == Form.CONFIRM_AUTOMATIC
    send_in(made, app, Form.CONFIRM_AUTOMATIC, private=confirm["private_metadata"])
    assert "Automatic payments are on" in shown(made)
    type_(made, app, "")
    assert "Automatic payments are on" in answered(made)
    press(made, app, Act.AUTOMATIC_OFF)
    assert "utomatic payments are off" in answered(made)


def test_people_and_channels_are_set_by_their_forms(made: Company, app: App) -> None:
    """At least one person has to hear of the wallet; a guest cannot be appointed."""

    def users(*ids: str) -> dict[str, Any]:
        return {"selected_users": list(ids)}

    nobody = send_in(made, app, Form.PEOPLE, {str(Act.BILLING_ADMINS): users(), str(Act.FINANCE): users()})
    assert "At least one person" in nobody["errors"][str(Act.BILLING_ADMINS)]
    appointed = users(USERS["appointed admin"])
    guest = {str(Act.BILLING_ADMINS): appointed, str(Act.FINANCE): users(USERS["guest"])}
    send_in(made, app, Form.PEOPLE, guest)
    assert "Only full members" in shown(made)
    sound = {str(Act.BILLING_ADMINS): appointed, str(Act.FINANCE): users(USERS["finance"])}
    send_in(made, app, Form.PEOPLE, sound)
    assert f"Finance: <@{USERS['finance']}>" in shown(made)
    assert made.context.people.appointed(made.wallet_id).finance == (USERS["finance"],)

    channels = {str(Act.CHANNELS): {"selected_conversations": ["C0GENERAL"]}}
    send_in(made, app, Form.ALERTS, channels)
    assert "<#C0GENERAL>" in shown(made)
    with made.ledger.reading() as connection:
        assert channels_of(connection, made.wallet_id) == ["C0GENERAL"]


def test_a_request_to_connect_is_sent_to_whom_was_picked(made: Company, app: App) -> None:
    """Nobody picked is said."""
    for user, words in (("", "Pick a person first."), (USERS["finance"], USERS["finance"])):
        state = {str(Act.PERSON): {str(Act.PERSON): {"selected_user": user or None}}}
        view = {
            "id": open_form(made),
            "type": "modal",
            "callback_id": str(Form.CONNECT_CARD),
            "state": {"values": state},
        }
        pressed = {"type": "button", "action_id": str(Act.SEND_TO), "block_id": "b", "value": ""}
        body = sent(made, type="block_actions", actions=[pressed], view=view)
        body["trigger_id"] = made.place.stand_in.tickets.trigger(OWNER, in_modal=True)
        made.dispatch(app, body)
        assert words in shown(made)


def test_a_form_that_is_refused_says_why(made: Company, app: App) -> None:
    """What it was confirmed for is gone."""
    answer = send_in(made, app, Form.CONFIRM_AUTOMATIC, private=str(new_id()))
    assert answer["response_action"] == "update"
    assert "Somebody else changed these settings" in shown(made)


def test_a_form_that_breaks_says_so_with_a_number(
    made: Company, app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And Slack is answered."""

    def broken(*known: object, **more: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("bot.wallets.channel_watch.set_channels", broken)
    send_in(made, app, Form.ALERTS, {str(Act.CHANNELS): {"selected_conversations": []}})
    (said,) = incidents(caplog)
    assert said.removeprefix("incident ") in shown(made)
    caplog.clear()


def test_a_form_whose_fields_cannot_be_judged_is_acknowledged_with_a_number(
    made: Company, app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug before the acknowledgement is no silence either."""

    def broken(*known: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("bot.slack.listeners.forms.parse_amount", broken)
    answer = _add(made, app, "page", "other", "50")
    (said,) = incidents(caplog)
    assert said.removeprefix("incident ") in str(answer["view"])
    caplog.clear()


@pytest.mark.parametrize("kind", ["app_uninstalled", "tokens_revoked"])
def test_an_app_that_was_removed_puts_the_workspace_to_sleep(tmp_path: Path, kind: str) -> None:
    """Its wallet is found no more."""
    with funded_company(tmp_path) as one:
        application = one.bolt()
        listeners.register(application, one.context)
        event = {"type": kind, "tokens": {"bot": ["UBOT"]}}
        one.dispatch(
            application, {"type": "event_callback", "team_id": TEAM, "event_id": "E1", "event": event}
        )
        assert one.context.workspaces.of_team(TEAM, "") is None


def test_slack_tells_of_changes_and_removal(made: Company, app: App) -> None:
    """A person who changed is asked about anew; a token of a user's alone removes nothing."""
    for kind, more in (
        ("user_change", {"user": {"id": OWNER}}),
        ("tokens_revoked", {"tokens": {"oauth": [OWNER]}}),
    ):
        event = {"type": kind, **more}
        made.dispatch(
            app, {"type": "event_callback", "team_id": TEAM, "event_id": str(new_id()), "event": event}
        )
    assert made.context.workspaces.of_team(TEAM, "") is not None
