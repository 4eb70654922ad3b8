"""What Slack refuses of a message or Home is left out, and its words stay."""

from typing import Any

import pytest

from bot.slack.left_out import Attempts, Content, Surface

ACCESSORY = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "A"}}
BUTTON = {**ACCESSORY, "action_id": "b"}
PICTURE = {"type": "image", "slack_file": {"id": "F1"}, "alt_text": "Spend"}
BLOCKS: list[dict[str, Any]] = [
    {"type": "header", "text": {"type": "plain_text", "text": "$5.00"}},
    {"type": "section", "text": {"type": "mrkdwn", "text": "*Low*"}, "accessory": ACCESSORY},
    {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "Month"},
        "fields": [{"type": "mrkdwn", "text": "Calls $3"}, {"type": "mrkdwn", "text": "Tasks $2"}],
    },
    PICTURE,
    {"type": "actions", "elements": [BUTTON, {**BUTTON, "action_id": "c"}]},
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "small"}]},
    {"type": "table", "rows": []},
]
HOME = Content(Surface.HOME, "", BLOCKS)
MESSAGE = Content(Surface.MESSAGE, "Low", BLOCKS[:1], [{"color": "#E01E5A", "blocks": BLOCKS[1:4]}])


def _after(content: Content, *refusals: str | None) -> Content:
    """Give what is shown after some refusals; None points nowhere."""
    attempts = Attempts(content, ())
    for one in refusals:
        said = [f"[ERROR] unsupported type [json-pointer:{one}]"] if one else []
        assert attempts.refused(said), "there is less to show"
    return attempts.shown()


def _changed(before: Content, after: Content) -> list[Any]:
    """Give what each block of Home became, where it changed; None where it is gone."""
    found: list[Any] = []
    left = list(after.blocks)
    for block in before.blocks:
        if block in left:
            continue
        now = next((one for one in left if one not in before.blocks), None)
        found.append(now)
    return found


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("/view/blocks/6/type", [None]),
        ("/view/blocks/3/slack_file/id", [None]),
        ("/blocks/3", [None]),
        ("/view/blocks/1/accessory/text", [{"type": "section", "text": BLOCKS[1]["text"]}]),
        ("/view/blocks/2/fields/0/text", [{**BLOCKS[2], "fields": BLOCKS[2]["fields"][1:]}]),
        ("/view/blocks/4/elements/1/style", [{**BLOCKS[4], "elements": [BUTTON]}]),
        ("/view/blocks/5/elements/0", [None]),
        ("/view/blocks/0/text", [{"type": "section", "text": BLOCKS[0]["text"]}]),
        (
            "/view/blocks/2",
            [
                {
                    "type": "section",
                    "text": {"type": "mrkdwn", "text": "Month\nCalls $3\nTasks $2", "verbatim": True},
                }
            ],
        ),
    ],
)
def test_only_the_part_that_a_refusal_points_at_goes(pointer: str, expected: list[Any]) -> None:
    """A button, a field, a picture, a block of an unknown type; a block of words becomes a plain section."""
    assert _changed(HOME, _after(HOME, pointer)) == expected


def test_a_pointer_into_a_coloured_bar_is_followed() -> None:
    """And the bar stays."""
    shown = _after(MESSAGE, "/attachments/0/blocks/2")
    assert shown.blocks == MESSAGE.blocks
    assert [one["type"] for one in shown.bars[0]["blocks"]] == ["section", "section"]
    assert shown.bars[0]["color"] == "#E01E5A"


@pytest.mark.parametrize("nowhere", [None, "/view/blocks", "/view/blocks/99/type", "/attachments/7/blocks/0"])
def test_without_a_pointer_pictures_go_first_and_then_all_but_words(nowhere: str | None) -> None:
    """At last one section with every sentence."""
    first, second, third = (_after(HOME, *[nowhere] * count) for count in (1, 2, 3))
    assert [one["type"] for one in first.blocks if one["type"] == "image"] == []
    assert len(first.blocks) == len(BLOCKS) - 1
    assert {one["type"] for one in second.blocks} == {"section"}
    assert all(set(one) == {"type", "text"} for one in second.blocks)
    (alone,) = third.blocks
    assert alone["text"] == {
        "type": "plain_text",
        "text": "$5.00 Low Month Calls $3 Tasks $2 small",
        "emoji": True,
    }


def test_a_message_ends_as_its_text() -> None:
    """Which stands alone."""
    shown = _after(MESSAGE, None, None, None)
    assert (shown.text, list(shown.blocks), list(shown.bars)) == ("Low", [], [])


def test_every_refusal_shows_less_until_nothing_less_is_left() -> None:
    """However often and whatever it says: no refusal is answered with the same content again."""
    for said in ((), ("[json-pointer:/view/blocks/0]",), ("[json-pointer:/blocks/0/text]",)):
        attempts, seen = Attempts(HOME, ()), []
        while attempts.refused(said):
            assert attempts.shown() not in seen
            seen.append(attempts.shown())
        assert 3 <= len(seen) <= 8


def test_what_was_learned_is_left_out_at_once() -> None:
    """A part that was pointed at goes from any content; less of everything only from exactly this one."""
    pointed, guessed, less = Attempts(HOME, ()), Attempts(HOME, ()), Attempts(HOME, ())
    pointed.refused(["[ERROR] unsupported type: table [json-pointer:/view/blocks/6/type]"])
    guessed.refused([])
    for _ in range(2):
        less.refused([])

    assert pointed.learned() == {"type:home:table"}
    assert guessed.learned() == {"picture:F1"}
    other = Content(Surface.HOME, "", BLOCKS[1:])
    for attempts in (pointed, guessed, less):
        assert Attempts(HOME, attempts.learned()).shown() == attempts.shown()
    assert {"type": "table", "rows": []} not in Attempts(other, pointed.learned()).shown().blocks
    assert Attempts(other, less.learned()).shown().blocks == other.blocks
    assert Attempts(HOME, less.learned()).learned() == frozenset()


def test_a_type_is_refused_on_its_surface_alone() -> None:
    """Home takes no table; a message does."""
    message = Content(Surface.MESSAGE, "x", BLOCKS)
    assert BLOCKS[6] in Attempts(message, {"type:home:table"}).shown().blocks


def test_a_picture_that_is_not_ready_goes_alone() -> None:
    """Once; a message without pictures has nothing to leave out."""
    attempts = Attempts(HOME, ())
    assert attempts.not_ready()
    assert [one for one in BLOCKS if one not in attempts.shown().blocks] == [PICTURE]
    assert not attempts.not_ready()
    assert attempts.learned() == {"picture:F1"}
