"""Calls to Slack: messages, updates, answers, pictures, Home. Failures are raised as what they mean.

The courier retries, never the library: its retry after a reset connection can post twice. What Slack refuses to show is
left out and remembered, and the words are sent.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from slack_sdk import WebClient

from bot.ports import MessageGone, NotNow, NotTold, RecipientGone
from bot.slack.content_sending import PICTURE_WAITS, ContentSending, Refusals
from bot.slack.failures import ContentRefused, asking, problem_of, readable, webhook_answer
from bot.slack.left_out import Content, Surface
from bot.slack.views.blocks import Message, View
from ledger import assert_outside_transaction

log = logging.getLogger("redbar.slack")


@dataclass(frozen=True, slots=True)
class MessageRef:
    """The channel and timestamp by which Slack knows a message."""

    channel: str
    ts: str
    without_picture: bool = field(default=False, compare=False)
    """Whether a picture was left out, which Slack may take in a later edit."""

    def picture(self, file_id: str) -> str:
        """Give the file that the message shows of what it was to show; empty where that was left out."""
        return "" if self.without_picture else file_id


@dataclass(frozen=True, slots=True)
class Upload:
    """What became of an upload."""

    file_id: str | None
    """None where it failed."""
    later: bool = False
    """Whether the same may succeed later: the host did not answer, or asked to wait."""
    retry_after: timedelta | None = None
    """How long Slack asks to wait, where it does."""


class SlackClient:
    """Sends to one workspace."""

    def __init__(
        self, client: WebClient, sleep: Callable[[float], None], refused: Refusals | None = None
    ) -> None:
        self._client = client
        self._sending = ContentSending(sleep, refused)

    def post_message(
        self, channel: str, message: Message, *, thread_ts: str | None = None, broadcast: bool = False
    ) -> MessageRef:
        """Post a message; a user id as channel means their DM. `broadcast` shows a reply in the conversation too.

        Raises: NotTold (RecipientGone, NotNow …).
        """

        content = _content_of(message)

        def send(shown: Content) -> MessageRef:
            answer = self._client.chat_postMessage(
                channel=channel,
                **_parts_of(shown),
                thread_ts=thread_ts,
                reply_broadcast=broadcast if thread_ts else None,
                unfurl_links=False,
                unfurl_media=False,
            )
            return MessageRef(str(answer["channel"]), str(answer["ts"]), _lacks_picture(shown, content))

        return self._sending.send(content, send, PICTURE_WAITS)

    def update_message(self, ref: MessageRef, message: Message) -> MessageRef:
        """Update a message in place. Raises: NotTold; MessageGone where only the message cannot be changed any more.

        Blocks and attachments are both sent: Slack keeps the old value of a key that is left out.
        """
        content = _content_of(message)

        def change(shown: Content) -> MessageRef:
            self._client.chat_update(channel=ref.channel, ts=ref.ts, **_parts_of(shown))
            return MessageRef(ref.channel, ref.ts, _lacks_picture(shown, content))

        return self._sending.send(content, change, PICTURE_WAITS)

    def delete_message(self, ref: MessageRef) -> None:
        """Delete a message of ours; one that is gone already is fine. Raises: NotTold."""
        assert_outside_transaction()
        with suppress(MessageGone), asking():
            self._client.chat_delete(channel=ref.channel, ts=ref.ts)

    def post_ephemeral(self, channel: str, user: str, message: Message) -> None:
        """Show a message to one person in a channel, or in their DM where Slack does not take it in the channel.

        Raises: NotTold, when the DM does not take it either.
        """

        def send(shown: Content) -> object:
            return self._client.chat_postEphemeral(channel=channel, user=user, **_parts_of(shown))

        try:
            self._sending.send(_content_of(message), send, PICTURE_WAITS)
        except NotTold:
            self.post_message(user, message)

    def respond(self, url: str, message: Message, *, replace: bool) -> None:
        """Answer a person privately by a response_url, in place of the message that was pressed or beside it.

        Raises: NotTold. Slack takes few answers a URL, and none after half an hour.
        """
        self._sending.send(
            _content_of(message), lambda shown: self._respond(url, shown, replace=replace), PICTURE_WAITS
        )

    def _respond(self, url: str, shown: Content, *, replace: bool) -> None:
        from slack_sdk.webhook import WebhookClient  # noqa: PLC0415 - loaded when first needed

        like = self._client
        webhook = WebhookClient(url, timeout=like.timeout, ssl=like.ssl, proxy=like.proxy, retry_handlers=[])
        with asking(), readable():
            response = webhook.send(
                **_parts_of(shown),
                response_type=None if replace else "ephemeral",
                replace_original=replace,
            )
        refused = webhook_answer(response)
        if refused is not None:
            raise problem_of(refused, f"{response.status_code}: {response.body}")

    def publish_view(self, user: str, view: View) -> None:
        """Publish a person's Home tab; a picture that is not ready is left out for now. Raises: NotTold."""

        def send(shown: Content) -> object:
            return self._client.views_publish(user_id=user, view={**view, "blocks": shown.blocks})

        self._sending.send(Content(Surface.HOME, "", view["blocks"]), send, ())

    def refuses_picture(self, file_id: str) -> bool:
        """Say whether a picture is left out for now."""
        return self._sending.refuses_picture(file_id)

    def lost_picture(self, file_id: str) -> bool:
        """Say whether a picture was refused so often that it is not slow but gone, and is worth a new upload."""
        return self._sending.lost_picture(file_id)

    def try_upload(self, picture: bytes, *, filename: str, title: str, alt: str) -> Upload:
        """Upload a picture without posting it. Never raises: the words go without it."""
        assert_outside_transaction()
        try:
            with asking(), readable():  # the file goes to a host of its own, which no Web API call answers
                answer = self._client.files_upload_v2(
                    file=picture, filename=filename, title=title, alt_txt=alt
                )
        except NotTold as problem:
            log.warning("a picture could not be uploaded: %s: %s", type(problem).__name__, problem)
            later = not isinstance(problem, RecipientGone | ContentRefused)
            return Upload(None, later, problem.retry_after if isinstance(problem, NotNow) else None)
        return Upload(str(answer["file"]["id"]))

    def delete_file(self, file_id: str) -> None:
        """Delete a picture; one that is gone already is fine."""
        assert_outside_transaction()
        try:
            with asking():
                self._client.files_delete(file=file_id)
        except NotTold as problem:
            log.info("a picture could not be removed: %s", problem)


def _lacks_picture(shown: Content, whole: Content) -> bool:
    return shown.pictures() != whole.pictures()


def _content_of(message: Message) -> Content:
    return Content(Surface.MESSAGE, message.text, message.blocks, message.attachments)


def _parts_of(content: Content) -> dict[str, Any]:
    return {"text": content.text, "blocks": list(content.blocks), "attachments": list(content.bars)}
