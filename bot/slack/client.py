"""Calls to Slack: messages, updates, answers, pictures, Home. Failures are raised as what they mean.

The courier retries, never the library: its retry after a reset connection can post twice. What Slack refuses to show is
left out and remembered, and the words are sent.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from slack_sdk import WebClient

from bot.ports import MessageGone, NotNow, NotTold, RecipientGone
from bot.slack.failures import ContentRefused, FileNotReady, asking, problem_of, readable, webhook_answer
from bot.slack.left_out import PICTURE, Attempts, Content, Surface, picture_key
from bot.slack.views.blocks import Message, View
from ledger import assert_outside_transaction

log = logging.getLogger("redbar.slack")
T = TypeVar("T")

PICTURE_WAITS = (0.5, 1.0, 2.0)
"""Seconds: a picture is processed after its upload, and until then a message that shows it is refused."""


PART_TIME, PICTURE_TIME = timedelta(days=1), timedelta(seconds=5)
"""For how long a part is left out after its first refusal. A picture may merely not be ready yet."""

REFUSALS_MAX = 4
"""After so many refusals a picture is not slow but gone: Slack has had it for minutes."""


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


class Refusals(Protocol):
    """What one workspace refused to show."""

    def known(self) -> frozenset[str]:
        """Give the keys of the parts that are left out for now."""
        ...

    def times(self, key: str) -> int:
        """Say how often a part was refused."""
        ...

    def remember(self, keys: Mapping[str, timedelta]) -> None:
        """Remember refused parts, each with the time for which it is left out after its first refusal."""
        ...


class NothingRemembered:
    """Every part is tried each time."""

    def known(self) -> frozenset[str]:
        """Give no keys."""
        return frozenset()

    def times(self, key: str) -> int:
        """Know of no refusal."""
        return 0

    def remember(self, keys: Mapping[str, timedelta]) -> None:
        """Forget at once."""


class SlackClient:
    """Sends to one workspace."""

    def __init__(
        self, client: WebClient, sleep: Callable[[float], None], refused: Refusals | None = None
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._refused = refused or NothingRemembered()

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

        return self._send(content, send, PICTURE_WAITS)

    def update_message(self, ref: MessageRef, message: Message) -> MessageRef:
        """Update a message in place. Raises: NotTold; MessageGone where only the message cannot be changed any more.

        Blocks and attachments are both sent: Slack keeps the old value of a key that is left out.
        """
        content = _content_of(message)

        def change(shown: Content) -> MessageRef:
            self._client.chat_update(channel=ref.channel, ts=ref.ts, **_parts_of(shown))
            return MessageRef(ref.channel, ref.ts, _lacks_picture(shown, content))

        return self._send(content, change, PICTURE_WAITS)

    def delete_message(self, ref: MessageRef) -> None:
        """Delete a message of ours; one that is gone already is fine. Raises: NotTold."""
        assert_outside_transaction()
        with suppress(MessageGone), asking():
            self._client.chat_delete(channel=ref.channel, ts=ref.ts)

    def post_ephemeral(self, channel: str, user: str, message: Message) -> None:
        """Show a message to one person in a channel, or in their DM where Slack does not take it in the channel.

        If Slack refuses the blocks, the text is sent alone. Raises: NotTold, when the DM does not take it either.
        """

        def send(shown: Content) -> object:
            return self._client.chat_postEphemeral(channel=channel, user=user, **_parts_of(shown))

        try:
            self._send(_content_of(message), send, PICTURE_WAITS)
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

    def publish_view(self, user: str, view: View) -> None:
        """Publish a person's Home tab; a picture that is not ready is left out for now. Raises: NotTold."""

        def send(shown: Content) -> object:
            return self._client.views_publish(user_id=user, view={**view, "blocks": shown.blocks})

        self._send(Content(Surface.HOME, "", view["blocks"]), send, ())

    def refuses_picture(self, file_id: str) -> bool:
        """Say whether a picture is left out for now."""
        return picture_key(file_id) in self._refused.known()

    def lost_picture(self, file_id: str) -> bool:
        """Say whether a picture was refused so often that it is not slow but gone, and is worth a new upload."""
        return self._refused.times(picture_key(file_id)) >= REFUSALS_MAX

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

    def retry_until_file_ready(self, send: Callable[[], T]) -> T:
        """Send a request, and again while Slack still processes a picture that was just uploaded.

        Raises: NotTold; FileNotReady, when Slack is not done after all tries.
        """
        return self._waiting_for_files(send, PICTURE_WAITS)

    def _waiting_for_files(self, send: Callable[[], T], waits: Sequence[float]) -> T:
        assert_outside_transaction()
        for wait in waits:
            try:
                with asking():
                    return send()
            except FileNotReady:
                self._sleep(wait)
        with asking():
            return send()

    def _send(self, content: Content, send: Callable[[Content], T], waits: Sequence[float]) -> T:
        """Send content without what the workspace refuses; what is refused now is remembered once the rest is taken.

        Raises: NotTold; FileNotReady and ContentRefused, where not even the words are taken.
        """
        attempts = Attempts(content, self._refused.known())
        while True:
            shown = attempts.shown()
            try:
                answer = self._waiting_for_files(lambda shown=shown: send(shown), waits)  # type: ignore[misc]
            except FileNotReady:
                if not attempts.not_ready():
                    raise
            except ContentRefused as problem:
                log.error("Slack does not take what it should show, less of it is sent: %s", problem)
                if not attempts.refused(problem.messages):
                    raise
            else:
                learned = attempts.learned()
                if learned:
                    self._refused.remember({key: _time_of(key) for key in learned})
                return answer


def _time_of(key: str) -> timedelta:
    return PICTURE_TIME if key.startswith(PICTURE) else PART_TIME


def _lacks_picture(shown: Content, whole: Content) -> bool:
    return shown.pictures() != whole.pictures()


def _content_of(message: Message) -> Content:
    return Content(Surface.MESSAGE, message.text, message.blocks, message.attachments)


def _parts_of(content: Content) -> dict[str, Any]:
    return {"text": content.text, "blocks": list(content.blocks), "attachments": list(content.bars)}


def else_words(send: Callable[[Message], T], message: Message) -> T:
    """Send a message; if Slack refuses its blocks, send its text alone. Raises: whatever `send` raises."""
    try:
        return send(message)
    except ContentRefused as refused:
        log.error("Slack does not take a message, its words go alone: %s", refused)
        return send(Message(text=message.text))
