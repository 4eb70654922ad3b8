"""Calls to Slack's Web API: messages, updates, pictures, Home. The one place that handles Slack's failures.

The courier retries, never the library: its retry after a reset connection can post twice.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.ports import NotNow, RecipientGone
from bot.slack.answers import MESSAGE_STAYS, NOT_THIS_CONTENT, UNREACHED, classify, code_of
from bot.slack.views.blocks import Message
from ledger import assert_outside_transaction

log = logging.getLogger("redbar.slack")
T = TypeVar("T")

FILE_NOT_READY = "invalid slack file"
PICTURE_WAITS = (0.5, 1.0, 2.0)
"""Seconds: a picture is processed after its upload, and until then a message that shows it is refused."""


class FileNotReady(NotNow):
    """Slack is still processing a picture; the message is worth sending again in a moment."""


@dataclass(frozen=True, slots=True)
class MessageRef:
    """The channel and timestamp by which Slack knows a message."""

    channel: str
    ts: str


class SlackClient:
    """Sends to one workspace."""

    def __init__(self, client: WebClient, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._sleep = sleep

    def post_message(
        self, channel: str, message: Message, *, thread_ts: str | None = None, broadcast: bool = False
    ) -> MessageRef:
        """Post a message; a user id as channel means their DM. `broadcast` shows a reply in the conversation too.

        If Slack refuses the blocks, the text is sent alone. Raises: RecipientGone, NotNow, FileNotReady.
        """

        def send(shown: Message) -> MessageRef:
            answer = self.retry_until_file_ready(
                lambda: self._client.chat_postMessage(
                    channel=channel,
                    text=shown.text,
                    blocks=shown.blocks,
                    attachments=shown.attachments,
                    thread_ts=thread_ts,
                    reply_broadcast=broadcast if thread_ts else None,
                    unfurl_links=False,
                    unfurl_media=False,
                )
            )
            return MessageRef(channel=str(answer["channel"]), ts=str(answer["ts"]))

        try:
            return _classified(lambda: send(message))
        except SlackApiError as error:
            if code_of(error) not in NOT_THIS_CONTENT:
                raise
            log.error("Slack does not take a message, its words go alone: %s", error.response)
            return _classified(lambda: send(Message(text=message.text)))

    def update_message(self, ref: MessageRef, message: Message) -> None:
        """Update a message in place; one that Slack no longer lets us change stays as it is. Raises: NotNow.

        Blocks and attachments are both sent: Slack keeps the old value of a key that is left out.
        """

        def change(shown: Message) -> object:
            return self.retry_until_file_ready(
                lambda: self._client.chat_update(
                    channel=ref.channel,
                    ts=ref.ts,
                    text=shown.text,
                    blocks=shown.blocks,
                    attachments=shown.attachments,
                )
            )

        try:
            _classified(lambda: change(message))
        except RecipientGone as gone:
            log.info("a message can no longer be changed: %s", gone)
        except SlackApiError as error:
            if code_of(error) in NOT_THIS_CONTENT:
                log.error("Slack does not take a message, its words go alone: %s", error.response)
                _classified(lambda: change(Message(text=message.text)))
                return
            if code_of(error) not in MESSAGE_STAYS:
                raise
            log.info("a message can no longer be changed: %s", code_of(error))

    def post_ephemeral(self, channel: str, user: str, message: Message) -> None:
        """Show a message to one person in a channel; post it to their DM where the bot cannot post in the channel."""
        try:
            self.retry_until_file_ready(
                lambda: self._client.chat_postEphemeral(
                    channel=channel,
                    user=user,
                    text=message.text,
                    blocks=message.blocks,
                    attachments=message.attachments,
                )
            )
        except SlackApiError:
            self.post_message(user, message)

    def publish_view(self, user: str, view: dict[str, Any]) -> None:
        """Publish a person's Home tab."""
        self.retry_until_file_ready(lambda: self._client.views_publish(user_id=user, view=view))

    def upload_file(self, picture: bytes, *, filename: str, title: str, alt: str) -> str | None:
        """Upload a picture without posting it; None where it could not be uploaded."""
        assert_outside_transaction()
        try:
            answer = self._client.files_upload_v2(file=picture, filename=filename, title=title, alt_txt=alt)
        except UNREACHED as error:  # the file goes to a host of its own, which raises no SlackApiError
            log.warning("a picture could not be uploaded: %s", error)
            return None
        return str(answer["file"]["id"])

    def delete_file(self, file_id: str) -> None:
        """Delete a picture; one that is gone already is fine."""
        assert_outside_transaction()
        try:
            self._client.files_delete(file=file_id)
        except UNREACHED as error:
            log.info("a picture could not be removed: %s", error)

    def retry_until_file_ready(self, send: Callable[[], T]) -> T:
        """Send what shows a picture just uploaded, again while Slack still processes the picture.

        Raises: FileNotReady, when Slack is not done after all tries.
        """
        assert_outside_transaction()
        for wait in PICTURE_WAITS:
            try:
                return send()
            except SlackApiError as error:
                if not _file_not_ready(error):
                    raise
                self._sleep(wait)
        try:
            return send()
        except SlackApiError as error:
            if _file_not_ready(error):
                raise FileNotReady from error
            raise


def _classified(send: Callable[[], T]) -> T:
    """Send something, and turn a failure into what it means for the recipient. Raises: RecipientGone, NotNow."""
    try:
        return send()
    except UNREACHED as error:
        meaning = classify(error)
        if meaning is error:
            raise
        raise meaning from error


def _file_not_ready(error: SlackApiError) -> bool:
    messages = (error.response.get("response_metadata") or {}).get("messages") or []
    return any(FILE_NOT_READY in str(message) for message in messages)
