"""Which of Slack's errors say that the workspace is gone, by a real client in front of a served Slack."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack.faults import Fault, Refuse
from bot.slack.answers import MEANINGS, Meaning
from bot.slack.presence import ListeningClient
from tests.sandbox.slack_place import BOT_TOKEN, Place, SettableClock, lent_stage

CALLS: dict[str, Callable[[Any], object]] = {
    "chat.postMessage": lambda client: client.chat_postMessage(channel="C0CALLS01", text="hello"),
    "users.info": lambda client: client.users_info(user="U0OWNER"),
    "users.list": lambda client: list(client.users_list(limit=200)),
    "views.publish": lambda client: client.views_publish(
        user_id="U0OWNER", view={"type": "home", "blocks": []}
    ),
    "files.getUploadURLExternal": lambda client: client.files_upload_v2(file=b"x", filename="x.png"),
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Slack, served."""
    with lent_stage() as stage:
        made = Place(stage, SettableClock(), tmp_path)
        yield made
        made.close()


def _said(place: Place, method: str, error: str) -> list[str]:
    heard: list[str] = []
    client = ListeningClient(
        gone=heard.append, token=BOT_TOKEN, base_url=f"{place.base_url}/slack/api/", retry_handlers=[]
    )
    place.stand_in.faults.add(Fault(method, Refuse(error)))
    with pytest.raises(SlackApiError, match=re.escape(error)):
        CALLS[method](client)
    return heard


@pytest.mark.parametrize("method", CALLS)
def test_any_call_hears_that_the_workspace_is_gone(place: Place, method: str) -> None:
    """By each error that says so."""
    codes = sorted(MEANINGS[Meaning.WORKSPACE])
    assert [_said(place, method, code) for code in codes] == [[code] for code in codes]


def test_what_concerns_one_call_says_nothing_of_the_workspace(place: Place) -> None:
    """A missing right, an archived channel, a limit, an error of Slack's own."""
    for error in (
        "missing_scope",
        "is_archived",
        "not_in_channel",
        "ratelimited",
        "internal_error",
        "fatal_error",
    ):
        assert _said(place, "chat.postMessage", error) == []
