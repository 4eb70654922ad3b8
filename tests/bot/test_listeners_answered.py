"""Everything an owner can press or type is answered by what it is for, through the real listeners."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from slack_bolt import App

from bot.delivering.courier import Courier
from bot.payments.saved_cards import card_slots
from bot.sandbox.slack.seed import TEAM
from bot.served import Served
from bot.slack import listeners
from bot.slack.ids import SHORTCUT_TOP_UP, Act
from bot.states.card_slot import CardSlot
from ledger import MICROS, USD, CreditKind, PostMoney, PostUsage, Receipt, new_id
from tests.bot.interactions import (
    OWNER,
    U1,
    answered,
    funded_company,
    home,
    incidents,
    pay,
    press,
    press_on_home,
    response_url,
    sent,
    shown,
    shown_id,
    type_,
)
from tests.bot.rights_company import FIFTY, USERS, Company
from tests.sandbox.slack_place import unused_port

pytestmark = pytest.mark.usefixtures("no_incident")


FORMS_OPENED: dict[Act, tuple[str, str]] = {
    Act.ADD_BALANCE: ("120.00", "Other amount (USD)"),
    Act.FIX: ("", "Pay with"),
    Act.ASK_TO_PAY: ("120.00", "Who pays?"),
    Act.CONNECT_CARD: ("", str(Act.SEND_TO)),
    Act.AUTOMATIC: ("", "Automatic payments"),
    Act.PEOPLE: ("", "Billing admins"),
    Act.ALERTS: ("", "channels"),
}


@pytest.mark.parametrize("act", FORMS_OPENED)
def test_a_button_opens_its_form(made: Company, app: App, act: Act) -> None:
    """With what the button names filled in."""
    value, words = FORMS_OPENED[act]
    before = shown_id(made)
    press(made, app, act, value)
    assert shown_id(made) != before
    assert words.lower() in shown(made).lower()


NOBODY = str(UUID(int=1))
"""The id of nothing; the same in each process that collects these tests."""
ANSWERS: dict[tuple[Act, str], str] = {
    (Act.PAY_BY_LINK, "120.00"): "120.00",
    (Act.USAGE, ""): "November",
    (Act.EARLIER_MONTH, "2026-10"): "October",
    (Act.LATER_MONTH, "2026-11"): "November",
    (Act.HISTORY, ""): "Top-up",
    (Act.HISTORY, "2026-11"): "Top-up",
    (Act.WITHDRAW, NOBODY): "That request is not open any more.",
    (Act.NEW_LINK, NOBODY): "That request cannot be renewed.",
    (Act.CHARGE, NOBODY): "This button was used already.",
    (Act.AUTOMATIC_OFF, ""): "utomatic payments are off",
    (Act.REMOVE_CARD, "pm_gone"): "card",
}


@pytest.mark.parametrize(("act", "value"), ANSWERS)
def test_a_button_is_answered_where_it_stands(made: Company, app: App, act: Act, value: str) -> None:
    """Privately, also where what it points at is gone."""
    before = answered(made)
    press(made, app, act, value)
    assert answered(made) != before
    assert ANSWERS[act, value] in answered(made)


GONE: dict[tuple[Act, str], str] = {
    (Act.WHY, "2026-11-25:outbound_call"): "That day no longer stands out.",
    (Act.ROW, "details:99"): "That transaction is not there.",
    (Act.COPY_LINK, NOBODY): "That request is not there.",
}


@pytest.mark.parametrize(("act", "value"), GONE)
def test_a_form_that_has_nothing_to_show_says_so(made: Company, app: App, act: Act, value: str) -> None:
    """It was opened before anybody looked."""
    press(made, app, act, value)
    assert GONE[act, value] in shown(made)


def test_a_day_that_stands_out_is_explained_by_its_references(tmp_path: Path) -> None:
    """By the button beside it: what it cost, what such a day costs, and which references cost most."""
    with funded_company(tmp_path) as one:
        application = one.bolt()
        listeners.register(application, one.context)
        now = one.ledger.now()
        for weeks, reference, dollars in (
            *((2, "camp-1", 2), (1, "camp-1", 4)),
            *((0, "camp-2", 7), (0, "camp-2", 8), (0, "", 2), (0, "camp-3", 4)),
        ):
            work = PostUsage(
                source="platform",
                source_id=str(new_id()),
                kind="ai_task",
                amount_micros=dollars * MICROS,
                occurred_at=now - timedelta(weeks=weeks),
                reference=reference,
            )
            (posted,) = one.ledger.carry_out(one.wallet_id, [work])
            assert isinstance(posted, Receipt)

        type_(one, application, "usage")
        (value,) = re.findall(rf'"action_id": "{Act.WHY}[^}}]*"value": "([^"]+)"', answered(one))
        press(one, application, Act.WHY, value)

        assert "cost 7.0 times a usual" in shown(one)
        assert "$21.00 on that day; a usual Wednesday costs $3.00." in shown(one)
        assert "$15.00  camp-2\\n$4.00  camp-3\\n$2.00  without a reference" in shown(one)


def test_a_page_without_an_amount_is_asked_for_it(made: Company, app: App) -> None:
    """A button from long ago: its amount cannot be read, and the form opens on the hosted page."""
    for value in ("", "1,000"):
        press(made, app, Act.PAY_BY_LINK, value)
        assert "save this card" in shown(made).lower()


def test_a_list_of_transactions_turns_its_page_in_place(made: Company, app: App) -> None:
    """The message that was pressed shows the other page."""
    press(made, app, Act.HISTORY)
    (message,) = [one for one in made.place.messages(OWNER, "#general") if one.get("ephemeral")][-1:]
    pressed = {
        "type": "button",
        "action_id": str(Act.HISTORY_OLDER),
        "block_id": "b",
        "value": "|outbound_call|",
    }
    body = sent(made, type="block_actions", actions=[pressed], channel={"id": "C0GENERAL"})
    made.dispatch(app, body | {"response_url": response_url(made, message["ts"])})
    (after,) = [one for one in made.place.messages(OWNER, "#general") if one["ts"] == message["ts"]]
    assert "camp-118" in str(after)
    assert "Top-up" not in str([block for block in after["blocks"] if block["type"] == "section"])


@pytest.fixture(params=["refused", "unreachable"])
def dead_url(request: pytest.FixtureRequest, made: Company) -> str:
    """A response_url that takes no answer: Slack refuses it with a status, or its host cannot be reached."""
    host = made.place.base_url if request.param == "refused" else f"http://127.0.0.1:{unused_port()}"
    return f"{host}/slack/response/used-up"


@pytest.mark.parametrize(
    ("act", "value", "words"),
    [(Act.USAGE, "", "November"), (Act.HISTORY_OLDER, "|outbound_call|", "camp-118")],
)
def test_an_answer_arrives_although_its_response_url_takes_none(
    made: Company, app: App, dead_url: str, act: Act, value: str, words: str
) -> None:
    """As a private message of its own; one answer is new, the other would have replaced what was pressed."""
    before = len(made.place.messages(OWNER, "#general"))
    pressed = {"type": "button", "action_id": str(act), "block_id": "b", "value": value}
    body = sent(made, type="block_actions", actions=[pressed], channel={"id": "C0GENERAL"})
    made.dispatch(app, body | {"response_url": dead_url})
    (answer,) = made.place.messages(OWNER, "#general")[before:]
    assert answer["ephemeral"]
    assert words in str(answer)


def test_home_shows_what_is_chosen_there(made: Company, app: App) -> None:
    """A month, a kind, a page of transactions, and one of them in full."""
    for act, value, words in (
        (Act.MONTH, "2026-10", "October"),
        (Act.MONTH, "2026-11", "November"),
        (Act.KIND, "outbound_call", "camp-118"),
        (Act.KIND, "all", "Top-up"),
        (Act.NEWER, "", "Top-up"),
        (Act.OLDER, "", "Top-up"),
    ):
        press_on_home(made, app, act, value)
        assert words in home(made)
    press_on_home(made, app, Act.ROW, "details:1")
    assert "Balance after it" in shown(made)


def test_a_copied_link_is_shown_while_its_request_is_open(made: Company, app: App) -> None:
    """And not once it is withdrawn."""
    asked = made.cases.payments.ask(made.wallet_id, FIFTY, asked_by=U1, payer=USERS["finance"], note="")
    press(made, app, Act.COPY_LINK, str(asked.payment_id))
    assert asked.url in shown(made)
    press(made, app, Act.WITHDRAW, str(asked.payment_id))
    press(made, app, Act.COPY_LINK, str(asked.payment_id))
    assert "ithdrawn" in shown(made)


def test_a_link_that_ran_out_is_not_shown(made: Company, app: App) -> None:
    """Though no sweep has come by yet."""
    asked = made.cases.payments.ask(made.wallet_id, FIFTY, asked_by=U1, payer=USERS["finance"], note="")
    made.place.clock.skip(days=8)
    press(made, app, Act.COPY_LINK, str(asked.payment_id))
    assert "expired" in shown(made)
    made.place.clock.skip(days=-8)


def test_following_a_link_is_told_to_who_looks_out_for_the_payment(made: Company, app: App) -> None:
    """Nothing is answered: the browser has opened."""
    before = answered(made)
    press(made, app, Act.OPEN_PAGE)
    assert answered(made) == before


def test_a_charge_that_was_confirmed_is_made_once(made: Company, app: App) -> None:
    """By the alarm's button; the second press is told that nothing more was charged."""
    wish, _ = made.cases.charges.prepare(made.wallet_id, FIFTY, actor=U1)
    press(made, app, Act.CHARGE, wish)
    assert "$50.00 was paid" in answered(made)
    press(made, app, Act.CHARGE, wish)
    assert "Nothing more was charged" in answered(made)


COMMANDS = {
    "": "too early to say how long it lasts",
    "help": "/wallet topup",
    "nonsense": "/wallet",
    "usage": "November",
    "usage 2026-10": "October",
    "history": "Top-up",
    "history outbound": "camp-118",
    "ask <@U0FINANCE> 50": "<@U0FINANCE>",
}


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_is_answered(made: Company, app: App, text: str) -> None:
    """Where it was typed."""
    type_(made, app, text)
    assert COMMANDS[text] in answered(made)


TYPED_FORMS = {
    "topup 1": "A top-up is between",
    "topup": "Pay with",
    "topup 50": "Charge $50.00 to Visa ••4242?",
    "topup 2000": "People can charge the saved card up to $1,000.00 a day",
    "ask <@U0FINANCE>": "Who pays?",
    "card": str(Act.SEND_TO),
    "auto": "Automatic payments",
    "people": "Billing admins",
    "alerts": "channels",
}


@pytest.mark.parametrize("text", TYPED_FORMS)
def test_a_command_opens_a_form(made: Company, app: App, text: str) -> None:
    """Filled in with what was typed."""
    before = shown_id(made)
    type_(made, app, text)
    assert shown_id(made) != before
    assert TYPED_FORMS[text].lower() in shown(made).lower()


def test_a_top_up_without_a_saved_card_is_offered_a_page(
    made: Company, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to charge."""
    monkeypatch.setattr("bot.slack.listeners.actions.usable_cards", lambda ledger, wallet_id: [])
    type_(made, app, "topup 50")
    assert "Pay $50.00" in answered(made)


def test_a_card_that_was_removed_a_moment_ago_is_not_charged(
    made: Company, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the cards and the confirmation."""
    monkeypatch.setattr("bot.slack.listeners.actions.card_with_id", lambda *known: None)
    type_(made, app, "topup 50")
    assert "card" in answered(made)
    assert "Charge $50.00" not in answered(made)


def test_a_listener_that_breaks_says_so_with_a_number(
    made: Company, app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has everything under the number that the person reads; an event is not answered."""

    def broken(*known: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(made.context.episodes, "open_episode", broken)
    press(made, app, Act.ACKNOWLEDGE, "open")
    (said,) = incidents(caplog)
    assert said.removeprefix("incident ") in answered(made)
    assert "a bug" in str(caplog.text)
    caplog.clear()


def test_an_answer_that_cannot_be_shown_is_logged_and_breaks_nothing(
    made: Company, app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Slack is answered all the same."""

    def away(*known: object) -> None:
        raise OSError("Slack is away")

    monkeypatch.setattr("bot.slack.listeners.interaction.Interaction.tell", away)
    press(made, app, Act.ROW, "details:99")
    assert "an answer could not be shown" in caplog.text
    caplog.clear()


@pytest.mark.parametrize("act", [Act.WITHDRAW, Act.COPY_LINK, Act.NEW_LINK])
def test_an_id_that_is_none_of_ours_makes_nobody_its_asker(made: Company, app: App, act: Act) -> None:
    """A member who forges a button is told whom to ask."""
    member = USERS["member"]
    pressed = {"type": "button", "action_id": str(act), "block_id": "b", "value": "not an id"}
    body = sent(made, type="block_actions", actions=[pressed], channel={"id": "C0GENERAL"})
    body["user"] = {"id": member, "team_id": body["team"]["id"]}
    body["trigger_id"] = made.place.stand_in.tickets.trigger(member)
    before = len(made.place.messages(member, "#general"))
    made.dispatch(app, body)
    after = made.place.messages(member, "#general")[before:]
    forms = made.place.get("modals", who=member)["views"]
    (said,) = forms if act is Act.COPY_LINK else after
    assert "Billing is looked after by" in str(said)


def _sent_by(made: Company, column: str, **more: object) -> dict[str, Any]:
    """Send something as somebody who is not the owner."""
    body = sent(made, channel={"id": "C0GENERAL"}, **more)
    body["user"] = {"id": USERS[column], "team_id": body["team"]["id"]}
    return body


def test_a_member_asks_for_access_and_is_told_that_it_was_passed_on(made: Company, app: App) -> None:
    """By the one button that they are shown."""
    pressed = {"type": "button", "action_id": str(Act.ASK_FOR_ACCESS), "block_id": "b", "value": ""}
    made.dispatch(app, _sent_by(made, "member", type="block_actions", actions=[pressed]))
    (said,) = made.place.messages(USERS["member"], "#general")[-1:]
    assert "The people who look after billing have been told." in str(said)


def test_finance_reads_how_automatic_payments_stand(made: Company, app: App) -> None:
    """Who may not change the rule is told it, and shown no form."""
    body = {"command": "/wallet", "text": "auto", "team_id": TEAM, "channel_id": "C0GENERAL"}
    made.dispatch(app, body | {"user_id": USERS["finance"]})
    (said,) = made.place.messages(USERS["finance"], "#general")[-1:]
    assert "utomatic payments are off" in str(said)


def test_a_field_of_a_form_is_only_acknowledged(made: Company, app: App) -> None:
    """Unanswered it would show a warning."""
    before = answered(made), shown_id(made)
    press(made, app, Act.AMOUNT, "50.00", chosen=True)
    assert (answered(made), shown_id(made)) == before


def test_an_alarm_is_acknowledged_by_its_own_button_alone(made: Company, app: App) -> None:
    """A button of an episode that is over silences nothing."""
    with made.ledger.reading() as connection:
        spent = made.ledger.look(connection, made.wallet_id)[0].balance_micros - 5 * MICROS
    made.ledger.carry_out(made.wallet_id, [PostUsage("platform", "call-2", "outbound_call", spent, None)])
    courier = Courier(made.ledger, lambda waiting: None, made.context.senders.show, Served(TEAM))
    while courier.run_once(made.ledger.now()):
        pass
    episode = made.context.episodes.open_episode(made.wallet_id)
    assert episode is not None

    def silenced() -> set[str]:
        return {
            one.acknowledged_by for one in made.context.episodes.posted(made.wallet_id, episode.episode_id)
        }

    press(made, app, Act.ACKNOWLEDGE, str(new_id()))
    assert silenced() == {""}
    press(made, app, Act.ACKNOWLEDGE, str(episode.episode_id))
    assert silenced() == {OWNER}
    made.ledger.carry_out(made.wallet_id, [PostMoney("test", "back", CreditKind.TOP_UP, spent, None)])


def test_a_removed_card_is_taken_off_home(made: Company, app: App) -> None:
    """By its button there."""
    card_id = made.card_of("owner")
    press_on_home(made, app, Act.REMOVE_CARD, card_id)
    assert "The card is removed" in shown(made)
    with made.ledger.reading() as connection:
        assert card_id not in card_slots(connection, made.wallet_id).values()


@pytest.mark.parametrize("pressed", [press, press_on_home])
def test_a_card_is_charged_from_now_on(made: Company, app: App, pressed: Callable[..., None]) -> None:
    """The answer names it, and says what that means for automatic payments."""
    before = made.card_of("owner")
    pay(made, made.cases.payments.connect(made.wallet_id, USD, asked_by=U1))
    with made.ledger.reading() as connection:
        backup = card_slots(connection, made.wallet_id)[CardSlot.BACKUP]
    pressed(made, app, Act.CHARGE_FROM_NOW, backup)
    said = answered(made) if pressed is press else shown(made)
    assert "Visa ••4242 is charged from now on." in said
    assert "Automatic payments are" in said
    with made.ledger.reading() as connection:
        assert card_slots(connection, made.wallet_id) == {CardSlot.MAIN: backup, CardSlot.BACKUP: before}


def test_the_shortcut_opens_the_form_to_add_balance(made: Company, app: App) -> None:
    """From anywhere."""
    made.dispatch(app, sent(made, type="shortcut", callback_id=SHORTCUT_TOP_UP))
    assert "Pay with" in shown(made)
