"""Calls to Slack: messages, updates, answers, pictures, Home. Failures are raised as what they mean.

The courier retries, never the library: its retry after a reset connection can post twice.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from slack_sdk import WebClient

from bot.ports import MessageGone, NotTold
from bot.slack.failures import ContentRefused, FileNotReady, asking, problem_of, readable, webhook_answer
from bot.slack.views.blocks import Message
from ledger import assert_outside_transaction

log = logging.getLogger("redbar.slack")
T = TypeVar("T")

PICTURE_WAITS = (0.5, 1.0, 2.0)
"""Seconds: a picture is processed after its upload, and until then a message that shows it is refused."""


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

        If Slack refuses the blocks, the text is sent alone. Raises: NotTold (RecipientGone, NotNow, FileNotReady …).
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

        return else_words(send, message)

    def update_message(self, ref: MessageRef, message: Message) -> None:
        """Update a message in place. Raises: NotTold; MessageGone where only the message cannot be changed any more.

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

        else_words(change, message)

    def delete_message(self, ref: MessageRef) -> None:
        """Delete a message of ours; one that is gone already is fine. Raises: NotTold."""
        assert_outside_transaction()
        with suppress(MessageGone), asking():
            self._client.chat_delete(channel=ref.channel, ts=ref.ts)

    def post_ephemeral(self, channel: str, user: str, message: Message) -> None:
        """Show a message to one person in a channel, or in their DM where Slack does not take it in the channel.

        If Slack refuses the blocks, the text is sent alone. Raises: NotTold, when the DM does not take it either.
        """

        def send(shown: Message) -> object:
            return self.retry_until_file_ready(
                lambda: self._client.chat_postEphemeral(
                    channel=channel,
                    user=user,
                    text=shown.text,
                    blocks=shown.blocks,
                    attachments=shown.attachments,
                )
            )

        try:
            else_words(send, message)
        except NotTold:
            self.post_message(user, message)

    def respond(self, url: str, message: Message, *, replace: bool) -> None:
        """Answer a person privately by a response_url, in place of the message that was pressed or beside it.

        If Slack refuses the blocks, the text is sent alone. Raises: NotTold. Slack takes few answers a URL, and none
        after half an hour.
        """
        else_words(lambda shown: self._respond(url, shown, replace=replace), message)

    def _respond(self, url: str, message: Message, *, replace: bool) -> None:
        from slack_sdk.webhook import WebhookClient  # noqa: PLC0415 - loaded when first needed

        assert_outside_transaction()
        like = self._client
        webhook = WebhookClient(url, timeout=like.timeout, ssl=like.ssl, proxy=like.proxy, retry_handlers=[])
        with asking(), readable():
            response = webhook.send(
                text=message.text,
                blocks=message.blocks,
                attachments=message.attachments,
                response_type=None if replace else "ephemeral",
                replace_original=replace,
            )
        refused = webhook_answer(response)
        if refused is not None:
            raise problem_of(refused, f"{response.status_code}: {response.body}")

    def publish_view(self, user: str, view: dict[str, Any]) -> None:
        """Publish a person's Home tab. Raises: NotTold."""
        self.retry_until_file_ready(lambda: self._client.views_publish(user_id=user, view=view))

    def upload_file(self, picture: bytes, *, filename: str, title: str, alt: str) -> str | None:
        """Upload a picture without posting it; None where it could not be uploaded."""
        assert_outside_transaction()
        try:
            with asking(), readable():  # the file goes to a host of its own, which no Web API call answers
                answer = self._client.files_upload_v2(
                    file=picture, filename=filename, title=title, alt_txt=alt
                )
        except NotTold as problem:
            log.warning("a picture could not be uploaded: %s: %s", type(problem).__name__, problem)
            return None
        return str(answer["file"]["id"])

    def delete_file(self, file_id: str) -> None:
        """Delete a picture; one that is gone already is fine."""
        assert_outside_transaction()
        try:
            with asking():
                self._client.files_delete(file=file_id)
        except NotTold as problem:
            log.info("a picture could not be removed: %s", problem)

    def retry_until_file_ready(self, send: Callable[[], T]) -> T:
        """Send a request, and again while Slack still processes a picture that was just uploaded.

        Raises: NotTold; FileNotReady, when Slack is not done after all tries.
        """
        assert_outside_transaction()
        for wait in PICTURE_WAITS:
            try:
                with asking():
                    return send()
            except FileNotReady:
                self._sleep(wait)
        with asking():
            return send()


def else_words(send: Callable[[Message], T], message: Message) -> T:
    """Send a message; if Slack refuses its blocks, send its text alone. Raises: whatever `send` raises."""
    try:
        return send(message)
    except ContentRefused as refused:
        log.error("Slack does not take a message, its words go alone: %s", refused)
        return send(Message(text=message.text))
