"""Pictures and files in the Slack stand-in: uploaded, shown a moment later, gone when deleted."""

from pathlib import Path
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from tests.sandbox.slack_place import Place, SettableClock, Stage

PICTURE = b"\x89PNG\r\n\x1a\n not really a picture"


def _uploaded(place: Place) -> str:
    """Upload a picture that is private to the bot, as the bot does."""
    answer = place.web.files_upload_v2(
        content=PICTURE, filename="invoice-7.png", title="Invoice 7", alt_txt="QR code of invoice 7"
    )
    return str(answer["files"][0]["id"])


def _with_picture(file_id: str) -> list[dict[str, Any]]:
    return [{"type": "image", "slack_file": {"id": file_id}, "alt_text": "QR code of invoice 7"}]


def _post(place: Place, file_id: str) -> str:
    """Post a picture; gives "" or Slack's complaint."""
    try:
        place.web.chat_postMessage(channel="U0FINANCE", text="Invoice 7", blocks=_with_picture(file_id))
    except SlackApiError as refused:
        return " ".join([refused.response["error"], *refused.response["response_metadata"]["messages"]])
    return ""


def test_a_picture_can_be_shown_a_moment_after_its_upload(place: Place) -> None:
    """At once the message is refused; the same message is taken later, in real time."""
    place.stand_in.state.file_seconds = 60.0
    file_id = _uploaded(place)

    at_once = _post(place, file_id)
    place.stand_in.state.file_seconds = 0.0
    later = _post(place, file_id)

    assert at_once.startswith("invalid_blocks ")
    assert "invalid slack file" in at_once
    assert later == ""
    (seen,) = place.messages("finance")
    assert seen["blocks"][0]["slack_file"]["id"] == file_id


def test_a_message_is_refused_when_its_picture_does_not_exist(place: Place) -> None:
    """A made-up id is not a file."""
    assert "invalid slack file" in _post(place, "F0MADEUP00")


def test_a_files_bytes_are_served_until_it_is_deleted(place: Place) -> None:
    """files.delete makes a void picture vanish."""
    file_id = _uploaded(place)
    before = place.http.get(f"/sandbox/api/files/{file_id}")

    place.web.files_delete(file=file_id)

    assert (before.content, before.headers["content-type"]) == (PICTURE, "image/png")
    assert place.http.get(f"/sandbox/api/files/{file_id}").status_code == 404
    with pytest.raises(SlackApiError, match=r"file_not_found|file_deleted"):
        place.web.files_delete(file=file_id)


def test_a_file_is_shared_with_a_comment_when_a_channel_is_given(place: Place) -> None:
    """A CSV export arrives as a message with a file."""
    dm = place.web.chat_postMessage(channel="U0OWNER01", text="Here it comes")["channel"]

    place.web.files_upload_v2(
        content="day,spent\n", filename="usage.csv", title="Usage", channel=dm, initial_comment="Your export"
    )

    shared = place.messages("owner")[-1]
    assert shared["text"] == "Your export"
    assert [one["name"] for one in shared["files"]] == ["usage.csv"]


def test_messages_files_and_home_survive_a_restart(
    stage: Stage, clock: SettableClock, tmp_path: Path
) -> None:
    """The stand-in remembers what the workspace saw."""
    before = Place(stage, clock, tmp_path)
    try:
        file_id = _uploaded(before)
        before.web.chat_postMessage(channel="C0CALLS01", text="Kept")
        text = {"type": "mrkdwn", "text": "Balance"}
        before.web.views_publish(
            user_id="U0OWNER01", view={"type": "home", "blocks": [{"type": "section", "text": text}]}
        )
    finally:
        before.close()

    after = Place(stage, clock, tmp_path)
    try:
        assert [one["text"] for one in after.messages("member", "#calls")] == ["Kept"]
        assert after.get("home", who="owner")["view"]["blocks"][0]["text"]["text"] == "Balance"
        assert after.http.get(f"/sandbox/api/files/{file_id}").content == PICTURE
        newer = after.web.chat_postMessage(channel="C0CALLS01", text="Newer")["ts"]
        assert newer > after.messages("member", "#calls")[0]["ts"]
    finally:
        after.close()
