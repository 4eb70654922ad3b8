"""Sending to Slack: messages, updates, pictures, Home. The one place that knows Slack's failures.

Retries are ours (the courier's), never the library's: its retry after a reset connection can post twice.
"""

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import qrcode
from qrcode.constants import ERROR_CORRECT_L, ERROR_CORRECT_M
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.ports import NotNow, RecipientGone
from bot.slack.answers import MESSAGE_STAYS, NOT_THIS_CONTENT, UNREACHED, code_of, judged
from bot.slack.views.blocks import Message
from ledger import assert_outside_transaction

log = logging.getLogger("redbar.slack")
T = TypeVar("T")

FILE_NOT_READY = "invalid slack file"
PICTURE_WAITS = (0.5, 1.0, 2.0)
"""Seconds: a picture is processed after its upload, and until then a message that shows it is refused."""
QR_PIXELS_MIN = 800


class FileNotReady(NotNow):
    """Slack is still processing a picture; the message is worth sending again in a moment."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a message is."""

    channel: str
    ts: str


class Outlet:
    """Speaks to one workspace."""

    def __init__(self, client: WebClient, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._sleep = sleep

    def post(
        self, channel: str, message: Message, *, thread_ts: str | None = None, loud: bool = False
    ) -> Sent:
        """Post a message; a user id as channel means their DM. `loud` shows a thread reply in the conversation too.

        Blocks that Slack does not take are left out: the words always go. Raises: RecipientGone, NotNow, FileNotReady.
        """

        def send(shown: Message) -> Sent:
            answer = self._call(
                lambda: self._client.chat_postMessage(
                    channel=channel,
                    text=shown.text,
                    blocks=shown.blocks,
                    attachments=shown.attachments,
                    thread_ts=thread_ts,
                    reply_broadcast=loud if thread_ts else None,
                    unfurl_links=False,
                    unfurl_media=False,
                )
            )
            return Sent(channel=str(answer["channel"]), ts=str(answer["ts"]))

        try:
            return _judging(lambda: send(message))
        except SlackApiError as error:
            if code_of(error) not in NOT_THIS_CONTENT:
                raise
            log.error("Slack does not take a message, its words go alone: %s", error.response)
            return _judging(lambda: send(Message(text=message.text)))

    def update(self, sent: Sent, message: Message) -> None:
        """Change a message in place; one that can no longer be changed stays as it is. Raises: NotNow.

        Both keys are sent again: one left out would stay as it was.
        """

        def change(shown: Message) -> object:
            return self._call(
                lambda: self._client.chat_update(
                    channel=sent.channel,
                    ts=sent.ts,
                    text=shown.text,
                    blocks=shown.blocks,
                    attachments=shown.attachments,
                )
            )

        try:
            _judging(lambda: change(message))
        except RecipientGone as gone:
            log.info("a message can no longer be changed: %s", gone)
        except SlackApiError as error:
            if code_of(error) in NOT_THIS_CONTENT:
                log.error("Slack does not take a message, its words go alone: %s", error.response)
                _judging(lambda: change(Message(text=message.text)))
                return
            if code_of(error) not in MESSAGE_STAYS:
                raise
            log.info("a message can no longer be changed: %s", code_of(error))

    def whisper(self, channel: str, user: str, message: Message) -> None:
        """Show a message to one person in a channel; in their DM where the bot cannot speak there."""
        try:
            self._call(
                lambda: self._client.chat_postEphemeral(
                    channel=channel,
                    user=user,
                    text=message.text,
                    blocks=message.blocks,
                    attachments=message.attachments,
                )
            )
        except SlackApiError:
            self.post(user, message)

    def publish_home(self, user: str, view: dict[str, Any]) -> None:
        """Show somebody's Home."""
        self._call(lambda: self._client.views_publish(user_id=user, view=view))

    def upload(self, picture: bytes, *, filename: str, title: str, alt: str) -> str | None:
        """Upload a picture without posting it; None where it could not be uploaded: words go without it."""
        assert_outside_transaction()
        try:
            answer = self._client.files_upload_v2(file=picture, filename=filename, title=title, alt_txt=alt)
        except (
            UNREACHED
        ) as error:  # the upload goes to a host of its own, whose failures are no SlackApiError
            log.warning("a picture could not be uploaded: %s", error)
            return None
        return str(answer["file"]["id"])

    def remove(self, file_id: str) -> None:
        """Remove a picture; one that is gone already is fine."""
        assert_outside_transaction()
        try:
            self._client.files_delete(file=file_id)
        except UNREACHED as error:
            log.info("a picture could not be removed: %s", error)

    def patiently(self, call: Callable[[], T]) -> T:
        """Make a call that shows a picture just uploaded, again while Slack still processes it."""
        return self._call(call)

    def _call(self, call: Callable[[], T]) -> T:
        """Make a call; while a picture is being processed the message is repeated, not the upload."""
        assert_outside_transaction()
        for wait in PICTURE_WAITS:
            try:
                return call()
            except SlackApiError as error:
                if not _file_not_ready(error):
                    raise
                self._sleep(wait)
        try:
            return call()
        except SlackApiError as error:
            if _file_not_ready(error):
                raise FileNotReady from error
            raise


def _judging(call: Callable[[], T]) -> T:
    """Make a call, and let its failure say what it means for the recipient."""
    try:
        return call()
    except UNREACHED as error:
        meant = judged(error)
        if meant is error:
            raise
        raise meant from error


def _file_not_ready(error: SlackApiError) -> bool:
    messages = (error.response.get("response_metadata") or {}).get("messages") or []
    return any(FILE_NOT_READY in str(message) for message in messages)


def qr_png(url: str, *, dense: bool) -> bytes:
    """Draw a link as a QR code. `dense` is for long links: the least redundancy, and large modules all the same."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_L if dense else ERROR_CORRECT_M, border=4)
    code.add_data(url)
    code.make(fit=True)
    modules = code.modules_count + 8
    code.box_size = -(-QR_PIXELS_MIN // modules)
    target = io.BytesIO()
    code.make_image().save(target, "PNG")
    return target.getvalue()
