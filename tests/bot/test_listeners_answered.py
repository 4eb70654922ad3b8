"""Everything an owner can press or type is answered by what it is for, through the real listeners."""

from collections.abc import Iterator

import pytest
from slack_bolt import App

from bot.slack import listeners
from bot.slack.ids import SHORTCUT_TOP_UP, Act
from ledger import new_id
from tests.bot.interactions import (
    OWNER,
    U1,
    answered,
    dispatch,
    funded_company,
    home,
    incidents,
    press,
    press_on_home,
    response_url,
    sent,
    shown,
    type_,
)
from tests.bot.rights_company import FIFTY, USERS, Company


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The company, with $99, a saved card and a call."""
    with funded_company(tmp_path_factory.mktemp("company")) as one:
        yield one


@pytest.fixture(scope="module")
def app(made: Company) -> App:
    """Its application as it runs."""
    found = made.bolt()
    listeners.register(found, made.context)
    return found


@pytest.fixture(autouse=True)
def _nothing_breaks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No listener ends in an incident."""
    yield
    assert incidents(caplog) == []


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
    press(made, app, act, value)
    assert words.lower() in shown(made).lower()


ANSWERS: dict[tuple[Act, str], str] = {
    (Act.PAY_BY_LINK, "120.00"): "120.00",
    (Act.USAGE, ""): "November",
    (Act.EARLIER_MONTH, "2026-10"): "October",
    (Act.LATER_MONTH, "2026-11"): "November",
    (Act.HISTORY, ""): "Top-up",
    (Act.HISTORY, "2026-11"): "Top-up",
    (Act.WHY, "2026-11-25:outbound_call"): "That day no longer stands out.",
    (Act.ROW, "details:99"): "That transaction is not there.",
    (Act.COPY_LINK, str(new_id())): "That request is not there.",
    (Act.WITHDRAW, str(new_id())): "That request is not open any more.",
    (Act.NEW_LINK, str(new_id())): "That request cannot be renewed.",
    (Act.CHARGE, str(new_id())): "This button was used already.",
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
    dispatch(app, body | {"response_url": response_url(made, message["ts"])})
    (after,) = [one for one in made.place.messages(OWNER, "#general") if one["ts"] == message["ts"]]
    assert "camp-118" in str(after)
    assert "Top-up" not in str([block for block in after["blocks"] if block["type"] == "section"])


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
    assert "ithdrawn" in answered(made)


def test_a_link_that_ran_out_is_not_shown(made: Company, app: App) -> None:
    """Though no sweep has come by yet."""
    asked = made.cases.payments.ask(made.wallet_id, FIFTY, asked_by=U1, payer=USERS["finance"], note="")
    made.place.clock.skip(days=8)
    press(made, app, Act.COPY_LINK, str(asked.payment_id))
    assert "expired" in answered(made).lower() or "ran out" in answered(made).lower()
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
    "topup 1": "A top-up is between",
    "ask <@U0FINANCE> 50": "<@U0FINANCE>",
}


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_is_answered(made: Company, app: App, text: str) -> None:
    """Where it was typed."""
    type_(made, app, text)
    assert COMMANDS[text] in answered(made)


TYPED_FORMS = {
    "topup": "Pay with",
    "topup 50": "Charge $50.00 to Visa ••4242?",
    "topup 2000": "People can charge the saved card up to $1,000.00 a day",
    "ask": "Who pays?",
    "card": str(Act.SEND_TO),
    "auto": "Automatic payments",
    "people": "Billing admins",
    "alerts": "channels",
}


@pytest.mark.parametrize("text", TYPED_FORMS)
def test_a_command_opens_a_form(made: Company, app: App, text: str) -> None:
    """Filled in with what was typed."""
    type_(made, app, text)
    assert TYPED_FORMS[text].lower() in shown(made).lower()


def test_the_shortcut_opens_the_form_to_add_balance(made: Company, app: App) -> None:
    """From anywhere."""
    dispatch(app, sent(made, type="shortcut", callback_id=SHORTCUT_TOP_UP))
    assert "Pay with" in shown(made)
