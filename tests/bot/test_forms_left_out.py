"""What Slack refuses of a form or of an answer is left out of it: its words arrive, and fields stay together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App

from bot.sandbox.slack.faults import Fault, Refuse
from bot.slack import listeners
from bot.slack.ids import Act
from bot.slack.views.errors import not_shown
from tests.bot.interactions import OWNER, answered, funded_company, open_forms, press, press_on_home, shown
from tests.bot.rights_company import Company

ROW = "details:1"
POINTED = ("[ERROR] unsupported element [json-pointer:/view/blocks/0]",)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Company]:
    """The company, with $99, a saved card and a call; Slack has refused nothing yet."""
    with funded_company(tmp_path) as one:
        yield one


@pytest.fixture
def app(made: Company) -> App:
    """Its application as it runs."""
    found = made.bolt()
    listeners.register(found, made.context)
    return found


def test_what_slack_points_at_in_a_form_goes_alone(made: Company, app: App) -> None:
    """The rest of the form stands; the part is not sent again."""
    refused = Refuse("invalid_arguments", POINTED)
    made.place.stand_in.faults.add(Fault("views.update", refused))
    press_on_home(made, app, Act.CONNECT_CARD, "")
    assert "Or let somebody else do it" in shown(made)
    assert str(Act.SEND_TO) in shown(made)
    sent_before = len(_updates(made))
    made.place.do("close", who=OWNER, everything=True)
    press_on_home(made, app, Act.CONNECT_CARD, "")
    first, *_ = _updates(made)[sent_before:]
    assert "remove_card" not in str(first["view"]["blocks"][0])


def _updates(made: Company) -> list[dict[str, Any]]:
    return [one["body"] for one in made.place.wire() if one["path"].endswith("views.update")]


@pytest.mark.parametrize("act", [Act.ADD_BALANCE, Act.AUTOMATIC, Act.PEOPLE])
def test_a_form_of_which_slack_refuses_a_field_is_not_shown_without_it(
    made: Company, app: App, act: Act
) -> None:
    """What was sent in would not be what was meant: that it cannot be shown is said."""
    pointed = ("[ERROR] unsupported element [json-pointer:/view/blocks/1/element]",)
    made.place.stand_in.faults.add(Fault("views.update", Refuse("invalid_arguments", pointed)))
    press_on_home(made, app, act, "")
    assert not_shown(refused=True).text in shown(made)
    assert '"type": "input"' not in shown(made)


def test_words_of_a_form_are_shown_in_it_where_slack_takes_nothing_else(made: Company, app: App) -> None:
    """The form stays open, and says what it has to say."""
    made.place.stand_in.faults.add(Fault("views.update", Refuse("invalid_arguments"), times=2))
    press_on_home(made, app, Act.ROW, ROW)
    (form,) = open_forms(made)
    assert "Balance after it" in str(form["blocks"])


def test_an_answer_by_response_url_goes_without_what_is_refused_alone(
    made: Company, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other blocks of the answer arrive where it was asked for; the next answer begins without that part."""
    take = made.place.stand_in.answer_response
    tries: list[list[str]] = []

    def picky(name: str, body: dict[str, Any]) -> Any:
        kinds = [one["type"] for one in body.get("blocks") or ()]
        tries.append(kinds)
        if "actions" not in kinds:
            return take(name, body)
        pointed = [f"[ERROR] unsupported [json-pointer:/blocks/{kinds.index('actions')}]"]
        return 400, {"ok": False, "error": "invalid_blocks", "response_metadata": {"messages": pointed}}, ()

    monkeypatch.setattr(made.place.stand_in, "answer_response", picky)
    for _ in range(2):
        press(made, app, Act.USAGE)
    assert [("actions" in kinds) for kinds in tries] == [True, False, False]
    assert tries[0][0] == tries[1][0]
    assert "section" in tries[1]
    assert "November" in answered(made)
