"""Every view in every state is accepted by Slack, and every text stands alone."""

import json

import pytest

from bot.slack.views.blocks import Message
from bot.slack.views.examples import examples
from tests.bot import view_facts as v

EVERYTHING = examples()


@pytest.mark.parametrize("name", EVERYTHING)
def test_slack_accepts_every_view(name: str) -> None:
    """No limit, no rule of a surface and no shape is broken."""
    assert v.refused_by_slack(EVERYTHING[name]) == []


@pytest.mark.parametrize("name", [name for name, shown in EVERYTHING.items() if isinstance(shown, Message)])
def test_every_text_stands_alone(name: str) -> None:
    """A screen reader reads the text and not the blocks: it is a sentence without marks."""
    shown = EVERYTHING[name]
    assert isinstance(shown, Message)
    assert "*" not in shown.text
    assert "\n" not in shown.text.strip()
    assert "  " not in shown.text
    assert len(shown.text.split()) >= 3


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_view_goes_over_the_wire(name: str) -> None:
    """What is sent is plain JSON, and nothing in it is empty where Slack wants a value."""
    shown = EVERYTHING[name]
    text = json.dumps(v.blocks_of(shown))
    assert "None" not in text
    assert "!" not in v.words_of(shown).replace("<!date", "")
