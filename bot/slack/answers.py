"""What a failed call to Slack means for whoever was to read the message. Codes: docs.slack.dev/reference/methods."""

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.ports import NotNow, RecipientGone

NOT_THIS_RECIPIENT = frozenset(
    "cannot_dm_bot channel_not_found channel_type_not_supported is_archived is_inactive "
    "messages_tab_disabled not_in_channel restricted_action restricted_action_non_threadable_channel "
    "restricted_action_read_only_channel restricted_action_thread_locked restricted_action_thread_only_channel "
    "slack_connect_blocked user_disabled user_not_found user_not_in_channel "
    "user_not_visible users_not_found".split()
)
"""A definite no for one person or channel, which no waiting changes."""
NOT_THIS_CONTENT = frozenset(
    "attachment_payload_limit_exceeded invalid_arguments invalid_attachments invalid_blocks invalid_blocks_format "
    "msg_blocks_too_long msg_too_long too_many_attachments".split()
)
"""Slack does not take these blocks; the words alone may still go."""
MESSAGE_STAYS = NOT_THIS_RECIPIENT | frozenset(
    "cant_update_message edit_window_closed message_not_found".split()
)
"""A message that was posted can no longer be changed."""
NOT_THIS_WORKSPACE = frozenset(
    "account_inactive invalid_auth team_access_not_granted team_disabled team_not_found token_expired "
    "token_revoked".split()
)
"""What says of a token that it is worth nothing in its workspace, whatever was asked; recipients wait until it is."""
NOT_NOW = NOT_THIS_WORKSPACE | frozenset(
    "external_channel_migrating fatal_error internal_error message_limit_exceeded rate_limited ratelimited "
    "request_timeout service_unavailable team_added_to_org".split()
)
"""Worth another try, however often."""
UNREACHED = (SlackClientError, OSError)
"""What the SDK raises where there is no answer of Slack's: the line, the host or a body that is none."""


def code_of(error: SlackApiError) -> str:
    """Give the code by which Slack refused a call; empty where the answer isn't Slack's (a proxy's page)."""
    return str(error.response.get("error") or "")


def judged(error: Exception) -> Exception:
    """Say what a failure means for the recipient: RecipientGone, NotNow, or the failure itself."""
    if isinstance(error, SlackApiError):
        code, status = code_of(error), getattr(error.response, "status_code", 200)
        if code in NOT_THIS_RECIPIENT:
            return RecipientGone(code)
        away = not code or code in NOT_NOW or status == 429 or status >= 500
        return NotNow(code or "no answer of Slack's") if away else error
    return NotNow(f"{type(error).__name__}: {error}") if isinstance(error, UNREACHED) else error
