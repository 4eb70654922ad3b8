"""What a failed request to Slack means for the recipient of a message. Codes: docs.slack.dev/reference/methods."""

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.ports import NotNow, RecipientGone

NOT_THIS_RECIPIENT = frozenset(
    "cannot_dm_bot channel_not_found channel_type_not_supported is_archived is_inactive "
    "messages_tab_disabled not_in_channel restricted_action restricted_action_non_threadable_channel "
    "restricted_action_read_only_channel restricted_action_thread_locked restricted_action_thread_only_channel "
    "slack_connect_blocked user_disabled user_not_found user_not_in_channel "
    "user_not_visible users_not_found".split()
)
"""Slack refuses one person or channel for good: waiting changes nothing."""
NOT_THIS_CONTENT = frozenset(
    "attachment_payload_limit_exceeded invalid_arguments invalid_attachments invalid_blocks invalid_blocks_format "
    "msg_blocks_too_long msg_too_long too_many_attachments".split()
)
"""Slack refuses these blocks; the text alone may still be accepted."""
MESSAGE_STAYS = NOT_THIS_RECIPIENT | frozenset(
    "cant_update_message edit_window_closed message_not_found".split()
)
"""Slack no longer lets us change a message that was posted."""
NOT_THIS_WORKSPACE = frozenset(
    "account_inactive invalid_auth team_access_not_granted team_disabled team_not_found token_expired "
    "token_revoked".split()
)
"""Slack no longer accepts our token, whatever the request; recipients wait until it accepts one again."""
NOT_NOW = NOT_THIS_WORKSPACE | frozenset(
    "external_channel_migrating fatal_error internal_error message_limit_exceeded rate_limited ratelimited "
    "request_timeout service_unavailable team_added_to_org".split()
)
"""A later try may succeed; there is no limit of tries."""
UNREACHED = (SlackClientError, OSError)
"""What the SDK raises when a request fails: Slack refused it, or its host could not be reached or understood."""


def code_of(error: SlackApiError) -> str:
    """Give the code by which Slack refused a request; empty where the answer is not Slack's but a proxy's."""
    return str(error.response.get("error") or "")


def classify(error: Exception) -> Exception:
    """Say what a failure means for the recipient: RecipientGone, NotNow, or the failure itself."""
    if isinstance(error, SlackApiError):
        code, status = code_of(error), getattr(error.response, "status_code", 200)
        if code in NOT_THIS_RECIPIENT:
            return RecipientGone(code)
        away = not code or code in NOT_NOW or status == 429 or status >= 500
        return NotNow(code or "no_answer") if away else error
    return NotNow(f"{type(error).__name__}: {error}") if isinstance(error, UNREACHED) else error
