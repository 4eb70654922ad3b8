"""Requests to Slack that fail: reads what the SDK raises, and raises what it means for the recipient.

The meanings stand in `answers.py`. The SDK raises SlackApiError for an answer that is no success, and whatever its HTTP
library raises for an answer that did not come or cannot be read; its webhook client returns every status.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any, assert_never
from urllib.error import HTTPError

from slack_sdk import WebClient
from slack_sdk.errors import (
    BotUserAccessError,
    SlackApiError,
    SlackClientConfigurationError,
    SlackClientError,
    SlackObjectFormationError,
    SlackRequestError,
    SlackTokenRotationError,
)
from slack_sdk.web import SlackResponse
from slack_sdk.webhook import WebhookResponse

from bot.ports import MessageGone, NotNow, NotTold, RecipientGone
from bot.slack.answers import MESSAGE_GONE, NO_CODE, UNKNOWN_CODE, Answer, Meaning, answer_of, code_in

UNREACHED = (SlackClientError, OSError)
"""What the SDK raises when a request fails, once `readable` has turned the rest into AnswerUnreadable."""
OURS = (BotUserAccessError, SlackClientConfigurationError, SlackObjectFormationError)
"""What the SDK raises before it sends anything, for a fault of ours: no wait mends it."""
UNREADABLE = (HTTPException, UnicodeDecodeError, AttributeError, LookupError, RecursionError)
"""What the SDK lets through for a broken answer: no HTTP, no text, an unknown charset, JSON that is no object."""


class ContentRefused(NotTold):
    """Slack refuses blocks or a picture; the words alone may still be accepted."""

    def __init__(self, detail: str, messages: Sequence[str] = ()) -> None:
        super().__init__(detail)
        self.messages = messages
        """What Slack says of the refused part, with a JSON pointer to it."""


class FileNotReady(NotNow):
    """Slack is still processing a picture; the message is worth sending again in a moment."""


class NotForeseen(NotTold):
    """A failure of which nobody knows whether a later try may succeed."""


class AnswerUnreadable(SlackRequestError):
    """What answered is not HTTP, not text, or not an object of JSON: it is not Slack."""


class ReadingClient(WebClient):
    """Slack's client, which raises AnswerUnreadable for an answer that it cannot read."""

    def api_call(self, api_method: str, **how: Any) -> SlackResponse:
        """Send a request. Raises: SlackClientError, OSError."""
        with readable():
            answer = super().api_call(api_method, **how)
        if isinstance(answer.data, bytes):
            raise AnswerUnreadable("the answer is packed")
        return answer


@contextmanager
def readable() -> Iterator[None]:
    """Call the SDK, and nothing else; an answer that it cannot read is raised as AnswerUnreadable."""
    try:
        yield
    except UNREADABLE as error:
        raise AnswerUnreadable(f"{type(error).__name__}: {error}") from error


@contextmanager
def asking() -> Iterator[None]:
    """Send one request. Raises: RecipientGone, NotNow, FileNotReady, ContentRefused, NotForeseen."""
    try:
        yield
    except UNREACHED as error:
        raise problem_of(answer_to(error), str(error)) from error


def answer_to(error: Exception) -> Answer:
    """Read what a failed request was answered."""
    if isinstance(error, SlackTokenRotationError):
        return answer_to(error.api_error)
    if isinstance(error, SlackApiError):
        response: SlackResponse = error.response
        return answer_of(response.data, response.status_code, response.headers)
    if isinstance(error, HTTPError):
        return answer_of(None, error.code, dict(error.headers.items()))
    meaning = UNKNOWN_CODE if isinstance(error, OURS) else NO_CODE
    return Answer(meaning, "", f"{type(error).__name__}: {error}")


def webhook_answer(response: WebhookResponse) -> Answer | None:
    """Read what a response_url answered; None for a success. It gives JSON, or the code alone as text."""
    try:
        body = json.loads(response.body)
    except (ValueError, RecursionError):
        body = {"error": code_in(response.body.strip())}
    succeeded = response.status_code == 200 and not (isinstance(body, dict) and body.get("ok") is False)
    return None if succeeded else answer_of(body, response.status_code, response.headers)


def problem_of(answer: Answer, detail: str) -> NotTold:
    """Give what an answer means for the recipient, as flows know it."""
    if answer.picture_pending:
        return FileNotReady(answer.why, answer.retry_after)
    match answer.meaning:
        case Meaning.RECIPIENT:
            return (MessageGone if answer.code in MESSAGE_GONE else RecipientGone)(answer.code)
        case Meaning.WAIT | Meaning.WORKSPACE:
            return NotNow(answer.why, answer.retry_after)
        case Meaning.CONTENT:
            return ContentRefused(detail, answer.messages)
        case Meaning.UNFORESEEN:
            return NotForeseen(detail)
        case never:
            assert_never(never)
