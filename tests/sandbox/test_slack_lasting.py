"""What the Slack stand-in keeps and what it loses on purpose: forms, tickets, faults, channels that change."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError

from bot.sandbox.document_store import DocumentStore
from bot.sandbox.live import Live
from bot.sandbox.slack.finding import NotThere, escaped, find_element
from bot.sandbox.slack.roster import Roster
from bot.sandbox.slack.seed import Person
from bot.sandbox.slack.state import SlackState
from bot.sandbox.slack.tickets import TicketProblem, Tickets, Trigger
from bot.sandbox.slack.views import Views, option_of
from tests.sandbox.slack_place import Place, SettableClock

Json = dict[str, Any]


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def _option(value: str) -> Json:
    return {"text": _plain(value.title()), "value": value}


def _form(*names: str, choices: tuple[str, ...] = ("card", "page")) -> Json:
    blocks: list[Json] = [
        {
            "type": "input",
            "block_id": f"block_{name}",
            "label": _plain(name),
            "element": {"type": "plain_text_input", "action_id": name},
        }
        for name in names
    ]
    pay = {
        "type": "radio_buttons",
        "action_id": "pay_with",
        "options": [_option(one) for one in choices],
        "initial_option": _option(choices[0]),
    }
    blocks.append({"type": "input", "block_id": "pay", "label": _plain("Pay with"), "element": pay})
    return {"type": "modal", "callback_id": "form", "title": _plain("Form"), "blocks": blocks}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    """A store in a file."""
    made = DocumentStore(tmp_path / "slack.db")
    yield made
    made.close()


@pytest.fixture
def views(store: DocumentStore, clock: SettableClock) -> Views:
    """Views over that store."""
    return Views(SlackState(store, Live(), clock))


def test_what_was_typed_stays_when_a_form_is_updated(views: Views) -> None:
    """Only where block and action are the same, and only a choice that is still offered."""
    form = views.open("U0OWNER01", _form("amount", "note"))
    form = views.type_into(form, {"amount": "50", "note": "for Friday", "pay_with": "page"})
    values = form["state"]["values"]
    assert values["block_amount"]["amount"] == {"type": "plain_text_input", "value": "50"}
    assert values["pay"]["pay_with"]["selected_option"] == _option("page")

    form = views.replace("U0OWNER01", form, _form("amount"))
    assert form["state"]["values"]["block_amount"]["amount"]["value"] == "50"
    assert "block_note" not in form["state"]["values"]
    assert form["state"]["values"]["pay"]["pay_with"]["selected_option"]["value"] == "page"

    form = views.replace("U0OWNER01", form, _form("amount", choices=("link", "card")))
    assert form["state"]["values"]["pay"]["pay_with"]["selected_option"]["value"] == "link"


def test_forms_lie_on_each_other_and_are_closed_from_the_top(views: Views) -> None:
    """A form that is closed takes along those that lie on it."""
    first = views.open("U0OWNER01", _form("a"))
    second = views.push("U0OWNER01", _form("b"))
    third = views.push("U0OWNER01", _form("c"))
    assert [one["id"] for one in views.stack("U0OWNER01")] == [first["id"], second["id"], third["id"]]
    assert (third["previous_view_id"], third["root_view_id"]) == (second["id"], first["id"])
    assert [one["id"] for one in views.close("U0OWNER01", second["id"])] == [third["id"], second["id"]]
    assert views.find(third["id"]) is None
    assert [one["id"] for one in views.stack("U0OWNER01")] == [first["id"]]


def test_an_open_form_survives_a_restart(tmp_path: Path, clock: SettableClock) -> None:
    """With what was typed into it."""
    store = DocumentStore(tmp_path / "slack.db")
    views = Views(SlackState(store, Live(), clock))
    form = views.type_into(views.open("U0OWNER01", _form("amount")), {"amount": "75"})
    store.close()

    store = DocumentStore(tmp_path / "slack.db")
    views = Views(SlackState(store, Live(), clock))
    assert views.stack("U0OWNER01") == [form]
    found = views.replace("U0OWNER01", form, _form("amount"))
    assert found["state"]["values"]["block_amount"]["amount"]["value"] == "75"
    store.close()


def test_an_unknown_choice_is_an_error(views: Views) -> None:
    """A person can only choose what is there."""
    form = views.open("U0OWNER01", _form("amount"))
    with pytest.raises(LookupError, match="cheque"):
        views.type_into(form, {"pay_with": "cheque"})
    assert option_of(form["blocks"][-1]["element"], "Page") == _option("page")


def test_a_response_ticket_survives_a_restart_and_serves_five_times(tmp_path: Path) -> None:
    """Slack's servers don't restart with the bot."""
    store = DocumentStore(tmp_path / "slack.db")
    name = Tickets(store).response("U0OWNER01", "C0CALLS01")
    store.close()

    store = DocumentStore(tmp_path / "slack.db")
    tickets = Tickets(store)
    uses = [tickets.use_response(name) for _ in range(6)]
    assert [isinstance(one, dict) for one in uses] == [True] * 5 + [False]
    assert uses[-1] is TicketProblem.USED_URL
    assert tickets.use_response("another") is TicketProblem.EXPIRED_URL
    store.close()


def test_a_response_ticket_ends_after_half_an_hour(store: DocumentStore) -> None:
    """By the clock of the tickets; old ones are swept away as new ones are made."""
    tickets = Tickets(store)
    tickets.clock.stop()
    name = tickets.response("U0OWNER01", "C0CALLS01")
    tickets.clock.skip(1800)
    assert not isinstance(tickets.use_response(name), TicketProblem)
    tickets.clock.skip(1)
    assert tickets.use_response(name) is TicketProblem.EXPIRED_URL
    tickets.response("U0OWNER01", "C0CALLS01")
    assert store.get("response", name) is None


def test_a_trigger_is_exchanged_once(store: DocumentStore) -> None:
    """Its problems have Slack's names."""
    tickets = Tickets(store)
    name = tickets.trigger("U0OWNER01", in_modal=True)
    found = tickets.use_trigger(name)
    assert isinstance(found, Trigger)
    assert (found.user, found.in_modal) == ("U0OWNER01", True)
    assert tickets.use_trigger(name) == "exchanged_trigger_id"
    assert tickets.use_trigger("1.2.3") == "invalid_trigger_id"


def test_a_socket_address_is_good_once(store: DocumentStore) -> None:
    """Whoever wants another socket asks for another address."""
    tickets = Tickets(store)
    name = tickets.socket()
    assert [tickets.use_socket(name), tickets.use_socket(name)] == [True, False]
    late = tickets.socket()
    tickets.clock.skip(61)
    assert tickets.use_socket(late) is False


@pytest.mark.parametrize(
    ("typed", "command", "message"),
    [
        ("ask @finance 160", "ask <@U0FINANCE|finance> 160", "ask <@U0FINANCE> 160"),
        ("<@U0FINANCE> please", "<@U0FINANCE|finance> please", "<@U0FINANCE> please"),
        ("<@U0FINANCE|fi> 5", "<@U0FINANCE|finance> 5", "<@U0FINANCE> 5"),
        ("in #calls", "in <#C0CALLS01|calls>", "in <#C0CALLS01|calls>"),
        ("@nobody & <!channel>", "@nobody &amp; &lt;!channel&gt;", "@nobody &amp; &lt;!channel&gt;"),
        ("mail fiona@finance.example", "mail fiona@finance.example", "mail fiona@finance.example"),
    ],
)
def test_what_people_type_is_escaped_as_slack_does(
    store: DocumentStore, typed: str, command: str, message: str
) -> None:
    """Mentions travel by id; a command's also carry the name."""
    roster = Roster(store)

    def find(who: str) -> Person | None:
        return roster.person(who) or roster.by_handle(who)

    assert escaped(typed, find, names=True) == command
    assert escaped(typed, find, names=False) == message


def test_an_element_is_found_by_whatever_tells_it_apart() -> None:
    """By block, by value, by the words on it, by a choice that it offers."""
    rows = [
        {
            "type": "section",
            "block_id": f"row{index}",
            "text": _plain("row"),
            "accessory": {"type": "overflow", "action_id": "row", "options": [_option(f"receipt:{index}")]},
        }
        for index in range(3)
    ]
    pager = {
        "type": "actions",
        "block_id": "pager",
        "elements": [
            {"type": "button", "action_id": "page", "text": _plain("Newer"), "value": "1"},
            {"type": "button", "action_id": "page2", "text": _plain("Older"), "value": "2"},
        ],
    }
    blocks: list[Json] = [*rows, pager]
    assert find_element(blocks, {"action_id": "row", "selected_option": "receipt:2"})[0]["block_id"] == "row2"
    options = {"action_id": "row", "block_id": "row1", "value": "receipt:1"}
    assert find_element(blocks, options)[0]["block_id"] == "row1"
    assert find_element(blocks, {"text": "Older"})[1]["action_id"] == "page2"
    drawn_anew = {"action_id": "page", "block_id": "pager of a moment ago"}
    assert find_element(blocks, drawn_anew)[0]["block_id"] == "pager"
    for wrong in ({"text": "Oldest"}, {"action_id": "page", "value": "7"}, {}):
        with pytest.raises(NotThere):
            find_element(blocks, wrong)


def test_a_channel_can_be_archived_and_the_bot_removed(place: Place) -> None:
    """And invited again, as people do it in Slack."""

    def refused() -> str:
        try:
            place.web.chat_postMessage(channel="C0CALLS01", text="Hello")
        except SlackApiError as error:
            return str(error.response["error"])
        return ""

    place.do("slack/channel", channel="#calls", archived=True)
    assert refused() == "is_archived"
    place.do("slack/channel", channel="#calls", archived=False)
    assert place.do("say", who="admin", channel="#calls", text="/remove @redbar")["ok"]
    assert refused() == "not_in_channel"
    assert place.do("say", who="admin", channel="#calls", text="/invite @redbar")["ok"]
    assert refused() == ""


def test_a_granted_scope_opens_a_method(place: Place) -> None:
    """What an administrator grants counts from then on, and every answer names it."""
    place.do("slack/scopes", scopes=["chat:write"])
    with pytest.raises(SlackApiError, match="missing_scope"):
        place.web.conversations_info(channel="C0CALLS01")
    place.do("slack/scopes", scopes=["chat:write", "channels:read"])
    answer = place.web.conversations_info(channel="C0CALLS01")
    assert answer["channel"]["name"] == "calls"
    assert answer.headers["x-oauth-scopes"] == "chat:write,channels:read"
    with pytest.raises(SlackApiError, match="missing_scope"):
        place.web.users_info(user="U0OWNER01")


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"text"'])
def test_a_malformed_request_gets_a_sentence(place: Place, body: bytes) -> None:
    """And changes nothing."""
    answer = place.http.post("/sandbox/api/say", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("The body of the request is not")
    refused = place.http.post(
        "/slack/api/chat.postMessage", content=body, headers={"Content-Type": "application/json"}
    ).json()
    assert refused["ok"] is False


def test_users_are_listed_page_by_page_without_people_from_outside(place: Place) -> None:
    """With Slackbot, whom Slack doesn't call a bot."""
    pages = [page["members"] for page in place.web.users_list(limit=3)]
    names = [one["name"] for page in pages for one in page]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert names == ["owner", "admin", "finance", "member", "guest", "slackbot", "redbar"]


def test_blocks_are_validated_on_request(place: Place) -> None:
    """For continuous integration, as Slack offers it."""
    found = httpx.post(
        f"{place.base_url}/slack/api/blocks.validate",
        json={"view": {"type": "home", "blocks": [{"type": "alert", "text": _plain("No")}]}},
        headers={"Authorization": f"Bearer {place.settings.slack_bot_token}"},
        trust_env=False,
    ).json()
    assert found["error"] == "invalid_view"
    assert found["errors"] == ["unsupported type: alert [json-pointer:/view/blocks/0/type]"]
