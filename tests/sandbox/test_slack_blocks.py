"""What the Slack stand-in takes and refuses of blocks: Slack's limits, one row each."""

from typing import Any

import pytest

from bot.sandbox.slack.blocks import problems, view_problems

Json = dict[str, Any]


def _ready(picture: str) -> str:
    """Pictures of this test are ready, except those called missing."""
    return "invalid slack file" if picture == "F0MISSING" else ""


def plain(text: str) -> Json:
    """A plain text object."""
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    """A text object with marks."""
    return {"type": "mrkdwn", "text": text}


def section(text: str = "Hello", **more: Any) -> Json:
    """A section."""
    return {"type": "section", "text": mrkdwn(text), **more}


def button(action_id: str = "go", label: str = "Go", **more: Any) -> Json:
    """A button."""
    return {"type": "button", "action_id": action_id, "text": plain(label), **more}


def actions(*elements: Json, **more: Any) -> Json:
    """An actions block."""
    return {"type": "actions", "elements": list(elements), **more}


def option(value: str = "a", label: str = "A", **more: Any) -> Json:
    """A choice."""
    return {"text": plain(label), "value": value, **more}


def choice(kind: str, *options: Json, **more: Any) -> Json:
    """An element that offers choices."""
    return {"type": kind, "action_id": "choose", "options": list(options), **more}


def entry(element: Json, **more: Any) -> Json:
    """An input block."""
    return {"type": "input", "block_id": "in", "label": plain("Amount"), "element": element, **more}


def chart(**more: Any) -> Json:
    """A chart that is right unless told otherwise."""
    points = [{"label": "Week 1", "value": 412.5}, {"label": "Week 2", "value": 0}]
    drawn = {
        "type": "bar",
        "series": [{"name": "Spend", "data": points}],
        "axis_config": {"categories": ["Week 1", "Week 2"]},
    }
    return {"type": "data_visualization", "title": "Usage", "chart": {**drawn, **more}}


NUMBER: Json = {"type": "number_input", "action_id": "amount", "is_decimal_allowed": True}
IMAGE: Json = {"type": "image", "alt_text": "A code", "slack_file": {"id": "F0READY00"}}
CONFIRM: Json = {
    "title": plain("Sure?"),
    "text": plain("Calls may stop."),
    "confirm": plain("Yes"),
    "deny": plain("No"),
}

TAKEN: list[tuple[str, str, Json]] = [
    ("a text of 3000", "message", section("x" * 3000)),
    ("ten fields", "home", {"type": "section", "fields": [mrkdwn("x" * 2000)] * 10}),
    ("25 buttons", "message", actions(*(button(f"b{one}") for one in range(25)))),
    ("a red button", "home", actions(button(style="danger", accessibility_label="Not active"))),
    ("a confirmed button", "modal", actions(button(confirm=CONFIRM))),
    ("an overflow with a link", "home", section(accessory=choice("overflow", option(url="https://r.test/")))),
    ("a picture", "message", IMAGE),
    ("a chart", "message", chart()),
    ("a header of 150", "message", {"type": "header", "text": plain("x" * 150)}),
    ("an alert", "modal", {"type": "alert", "text": mrkdwn("Declined"), "level": "error"}),
    ("a number", "modal", entry({**NUMBER, "min_value": "1", "max_value": "9", "initial_value": "5"})),
    ("a menu of people", "home", actions({"type": "users_select", "action_id": "who"})),
    ("rich choices", "modal", entry(choice("radio_buttons", {"text": mrkdwn("*A*"), "value": "a"}))),
    (
        "the option it begins with",
        "home",
        actions(choice("static_select", option(), initial_option=option())),
    ),
    ("many people", "modal", entry({"type": "multi_users_select", "action_id": "who"})),
    ("many channels", "modal", entry({"type": "multi_conversations_select", "action_id": "where"})),
]

REFUSED: list[tuple[str, str, Json, str]] = [
    ("a text of 3001", "message", section("x" * 3001), "/blocks/0/text"),
    ("an empty text", "message", section(""), "/blocks/0/text"),
    ("eleven fields", "home", {"type": "section", "fields": [mrkdwn("x")] * 11}, "/blocks/0/fields"),
    ("a field of 2001", "home", {"type": "section", "fields": [mrkdwn("x" * 2001)]}, "/blocks/0/fields/0"),
    ("a section of nothing", "home", {"type": "section"}, "/blocks/0"),
    ("an unknown block", "message", {"type": "confetti"}, "unsupported type: confetti"),
    ("26 buttons", "message", actions(*(button(f"b{one}") for one in range(26))), "/blocks/0/elements"),
    ("no buttons", "message", actions(), "/blocks/0/elements"),
    ("two of one action", "message", actions(button(), button()), "action_id"),
    ("a label of 76", "message", actions(button(label="x" * 76)), "/blocks/0/elements/0/text"),
    (
        "a label with marks",
        "message",
        actions({**button(), "text": mrkdwn("*Go*")}),
        "/blocks/0/elements/0/text",
    ),
    ("a value of 2001", "message", actions(button(value="x" * 2001)), "/blocks/0/elements/0/value"),
    ("a link of 3001", "message", actions(button(url="https://r.test/" + "x" * 3000)), "/elements/0/url"),
    ("an unknown style", "message", actions(button(style="warning")), "/blocks/0/elements/0/style"),
    ("a long block id", "message", section(block_id="x" * 256), "/blocks/0/block_id"),
    ("a long action id", "message", actions(button("x" * 256)), "/blocks/0/elements/0/action_id"),
    ("a half dialog", "home", actions(button(confirm={"title": plain("Sure?")})), "/elements/0/confirm"),
    (
        "a dialog of 301",
        "home",
        actions(button(confirm={**CONFIRM, "text": plain("x" * 301)})),
        "/elements/0/confirm/text",
    ),
    (
        "six in an overflow",
        "home",
        actions(choice("overflow", *(option(str(o)) for o in range(6)))),
        "/options",
    ),
    (
        "a link in a menu",
        "home",
        actions(choice("static_select", option(url="https://r.test/"))),
        "/options/0",
    ),
    (
        "101 choices",
        "home",
        actions(choice("static_select", *(option(str(o)) for o in range(101)))),
        "/options",
    ),
    ("eleven boxes", "home", actions(choice("checkboxes", *(option(str(o)) for o in range(11)))), "/options"),
    ("a choice of 76", "home", actions(choice("static_select", option(label="x" * 76))), "/options/0/text"),
    (
        "a choice's value of 151",
        "home",
        actions(choice("static_select", option("x" * 151))),
        "/options/0/value",
    ),
    (
        "another option to begin with",
        "home",
        actions(choice("static_select", option(), initial_option=option(label="B"))),
        "/elements/0",
    ),
    ("a header of 151", "message", {"type": "header", "text": plain("x" * 151)}, "/blocks/0/text"),
    ("a header with marks", "message", {"type": "header", "text": mrkdwn("x")}, "/blocks/0/text"),
    ("eleven in a context", "message", {"type": "context", "elements": [mrkdwn("x")] * 11}, "/elements"),
    ("a picture without words", "message", {"type": "image", "slack_file": {"id": "F0READY00"}}, "alt_text"),
    ("a picture of two sources", "message", {**IMAGE, "image_url": "https://r.test/a.png"}, "image_url"),
    ("a missing picture", "message", {**IMAGE, "slack_file": {"id": "F0MISSING"}}, "invalid slack file"),
    ("an alert in a message", "message", {"type": "alert", "text": mrkdwn("x")}, "unsupported type: alert"),
    (
        "a chart on Home",
        "home",
        chart(),
        "unsupported type: data_visualization [json-pointer:/blocks/0/type]",
    ),
    ("a chart in a modal", "modal", chart(), "unsupported type: data_visualization"),
    ("a number on Home", "home", entry(NUMBER), "unsupported type: number_input"),
    ("a number in a message", "message", entry(NUMBER), "unsupported type: number_input"),
    ("a number with a bare limit", "modal", entry({**NUMBER, "min_value": 1}), "/element/min_value"),
    ("a number of no kind", "modal", entry({"type": "number_input", "action_id": "n"}), "is_decimal_allowed"),
    ("a button as input", "modal", entry(button()), "unsupported type: button"),
    ("a text field in actions", "modal", actions({"type": "plain_text_input", "action_id": "t"}), "/type"),
    ("a placeholder of 151", "modal", entry({**NUMBER, "placeholder": plain("x" * 151)}), "/placeholder"),
    ("a chart without categories", "message", chart(axis_config={}), "categories"),
    ("a chart of a missing point", "message", chart(axis_config={"categories": ["Week 1"]}), "/series/0"),
    ("an unknown chart", "message", chart(type="donut"), "/chart/type"),
    ("a chart of text", "message", {**chart(), "title": "x" * 51}, "/title"),
]


@pytest.mark.parametrize(("surface", "block"), [pytest.param(*row[1:], id=row[0]) for row in TAKEN])
def test_a_block_is_taken_when_it_keeps_to_slacks_limits(surface: str, block: Json) -> None:
    """Limits are inclusive."""
    assert problems([block], surface, _ready) == []


@pytest.mark.parametrize(
    ("surface", "block", "words"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED]
)
def test_a_block_is_refused_when_it_breaks_one_of_slacks_limits(
    surface: str, block: Json, words: str
) -> None:
    """The complaint says where."""
    found = problems([block], surface, _ready)

    assert found
    assert any(words in one for one in found), found
    assert all(one.startswith("[ERROR] ") and "[json-pointer:/" in one for one in found)


@pytest.mark.parametrize(("surface", "most"), [("message", 50), ("home", 100), ("modal", 100)])
def test_a_surface_takes_so_many_blocks_and_not_one_more(surface: str, most: int) -> None:
    """50 in a message, 100 on Home and in a modal."""
    assert problems([section()] * most, surface, _ready) == []
    assert problems([section()] * (most + 1), surface, _ready)


def test_block_ids_are_unique_in_one_payload() -> None:
    """Two blocks of one name are refused; action ids may repeat across blocks."""
    assert problems([section(block_id="a"), section(block_id="a")], "message", _ready)
    assert problems([actions(button()), actions(button())], "message", _ready) == []


def test_a_message_takes_two_charts_and_not_three() -> None:
    """The third is too many."""
    assert problems([chart(), chart()], "message", _ready) == []
    assert problems([chart(), chart(), chart()], "message", _ready)


def _modal(**more: Any) -> Json:
    return {"type": "modal", "title": plain("Top up"), "blocks": [section()], **more}


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (_modal(title=plain("x" * 25)), "/view/title"),
        (_modal(title=mrkdwn("Top up")), "/view/title"),
        (_modal(submit=plain("x" * 25)), "/view/submit"),
        (_modal(close=plain("x" * 25)), "/view/close"),
        (_modal(private_metadata="x" * 3001), "/view/private_metadata"),
        (_modal(callback_id="x" * 256), "/view/callback_id"),
        (_modal(blocks=[entry(NUMBER)]), "submit"),
        ({"type": "modal", "blocks": [section()]}, "title"),
        (_modal(blocks=[section(), chart()]), "[json-pointer:/view/blocks/1/type]"),
    ],
)
def test_a_modal_is_refused_when_its_frame_is_wrong(view: Json, words: str) -> None:
    """Titles of 24, metadata of 3000, a submit where there is an input."""
    found = view_problems(view, "modal", _ready)

    assert any(words in one for one in found), found


def test_a_modal_and_a_home_are_taken_at_their_limits() -> None:
    """Everything at its longest."""
    longest = _modal(
        title=plain("x" * 24),
        submit=plain("x" * 24),
        close=plain("x" * 24),
        private_metadata="x" * 3000,
        callback_id="x" * 255,
        blocks=[entry(NUMBER)],
    )

    assert view_problems(longest, "modal", _ready) == []
    home = {"type": "home", "blocks": [section()], "private_metadata": "x" * 3000}
    assert view_problems(home, "home", _ready) == []


def test_a_home_has_no_title() -> None:
    """Only modals have one."""
    assert view_problems({"type": "home", "blocks": [section()], "title": plain("Home")}, "home", _ready)
