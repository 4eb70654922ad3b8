"""What each answer of Slack's that is no success means for a delivery: one table of codes and statuses. Pure.

Codes: docs.slack.dev/reference/methods, and the answers of response_urls and of the host that takes uploads.
`failures.py` reads them from what the SDK raises.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

RETRY_AFTER_MAX = timedelta(hours=1)
"""No longer than this is waited on a Retry-After: a proxy may name any number, and Slack names seconds."""
PICTURE_PENDING = "invalid slack file"
"""How Slack refuses a message whose picture it still processes: among the messages of `response_metadata`."""


class Meaning(Enum):
    """What an answer says about the next try."""

    RECIPIENT = auto()
    """Definite for this person, channel, message, form or address: waiting changes nothing."""
    WAIT = auto()
    """A later try may succeed; there is no limit of tries."""
    WORKSPACE = auto()
    """Slack no longer accepts our token, whatever the request; recipients wait until it accepts one again."""
    CONTENT = auto()
    """Slack refuses these blocks or this picture; the words alone may still be accepted."""
    UNFORESEEN = auto()
    """Nobody knows whether a later try may succeed; tries are limited."""


MESSAGE_GONE = frozenset(
    (
        "cannot_reply_to_message cant_update_message cant_delete_message edit_window_closed message_not_found "
        "restricted_action_non_threadable_channel restricted_action_thread_locked thread_not_found"
    ).split()
)
"""Definite for one message and its thread alone: its recipient can still be told by another."""
MEANINGS: Mapping[Meaning, frozenset[str]] = {
    Meaning.RECIPIENT: frozenset(
        (
            # People and channels.
            "cannot_dm_bot channel_not_found channel_type_not_supported is_archived is_inactive "
            "messages_tab_disabled not_in_channel restricted_action restricted_action_non_threadable_channel "
            "restricted_action_read_only_channel restricted_action_thread_locked "
            "restricted_action_thread_only_channel slack_connect_blocked user_disabled user_not_found "
            "user_not_in_channel user_not_visible users_not_found "
            # Messages that may no longer be changed, or replied to.
            "cannot_reply_to_message cant_delete_message cant_update_message edit_window_closed message_not_found "
            "thread_not_found "
            # Forms that are closed or show something else, and ways to open or answer that are used up.
            "exchanged_trigger_id expired_trigger_id expired_url hash_conflict invalid_trigger_id not_found "
            "push_limit_reached trigger_exchanged used_url"
        ).split()
    ),
    Meaning.WAIT: frozenset(
        "external_channel_migrating fatal_error internal_error message_limit_exceeded rate_limited ratelimited "
        "request_timeout service_unavailable team_added_to_org".split()
    ),
    Meaning.WORKSPACE: frozenset(
        "account_inactive invalid_auth team_access_not_granted team_disabled team_not_found token_expired "
        "token_revoked".split()
    ),
    Meaning.CONTENT: frozenset(
        "attachment_payload_limit_exceeded file_type_not_allowed file_upload_size_restricted "
        "file_uploads_disabled file_uploads_except_images_disabled invalid_arguments invalid_attachments "
        "invalid_blocks invalid_blocks_format invalid_message invalid_view msg_blocks_too_long msg_too_long "
        "slack_connect_file_link_sharing_blocked too_many_attachments view_too_large".split()
    ),
}
"""Slack's codes, each under one meaning."""
UNKNOWN_CODE = Meaning.UNFORESEEN
"""A code that is not in the table. It may be a fault of ours, such as `missing_scope`, that no wait mends, so nobody
waits without an end; and it may pass, so it is tried more than once."""
NO_CODE = Meaning.WAIT
"""An answer without a code is a proxy's, a broken host's or none at all: it says nothing about the recipient."""
TOO_LARGE = 413
LIMITED = 429
SERVER_FAILED = 500
"""From this status on a host says that it failed itself."""

_MEANING_OF = {code: meaning for meaning, codes in MEANINGS.items() for code in codes}
_CODE = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of Slack's that is no success, or that no answer came."""

    meaning: Meaning
    code: str
    """Slack's code; empty where the answer is not Slack's."""
    why: str
    """The code, or what else is known: what the row of a delivery keeps."""
    retry_after: timedelta | None = None
    """How long Slack asks to wait before the next try, where it does."""
    messages: tuple[str, ...] = ()
    """What Slack says in `response_metadata`: which part it refuses, by a JSON pointer."""
    picture_pending: bool = False
    """Whether Slack still processes a picture that the message shows: the same is worth sending in a moment."""


def meaning_of(code: str, status: int) -> Meaning:
    """Give what a code means, and where it is unknown or missing, what the HTTP status means."""
    if code in _MEANING_OF:
        return _MEANING_OF[code]
    if status == LIMITED or status >= SERVER_FAILED:
        return Meaning.WAIT
    if status == TOO_LARGE:
        return Meaning.CONTENT
    return UNKNOWN_CODE if code else NO_CODE


def answer_of(body: object, status: int, headers: Mapping[str, object]) -> Answer:
    """Read an answer that is no success. A body is JSON as it was decoded; what is no object of Slack's has no code."""
    said: Mapping[object, object] = body if isinstance(body, Mapping) else {}
    code = code_in(said.get("error"))
    about = said.get("response_metadata")
    listed = about.get("messages") if isinstance(about, Mapping) else None
    messages = tuple(map(str, listed)) if isinstance(listed, list) else ()
    return Answer(
        meaning_of(code, status),
        code,
        code or "no_answer",
        retry_after(headers),
        messages,
        any(PICTURE_PENDING in one for one in messages),
    )


def code_in(said: object) -> str:
    """Give what an answer names as its error if it is a code; empty for a sentence, which the SDK puts there too."""
    return said if isinstance(said, str) and _CODE.fullmatch(said) else ""


def retry_after(headers: Mapping[str, object]) -> timedelta | None:
    """Read how long an answer asks to wait, in whole seconds; None where it says nothing legible."""
    for name, value in headers.items():
        text = str(value).strip()
        if name.lower() == "retry-after" and re.fullmatch(r"[0-9]{1,9}", text):
            return min(timedelta(seconds=int(text)), RETRY_AFTER_MAX)
    return None
