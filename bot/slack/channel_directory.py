"""What Slack says of a channel: whether Redbar is in it, and whether it is archived."""

from slack_sdk import WebClient

from bot.ports import ChannelSeen
from bot.slack.failures import UNREACHED, answer_to, problem_of
from ledger import assert_outside_transaction

NO_RIGHT = frozenset({"missing_scope", "no_permission", "not_allowed_token_type"})
"""Slack's codes for a token that was not granted what the question needs."""


class SlackChannels:
    """Looks channels up in one workspace."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def channel(self, channel_id: str) -> ChannelSeen | None:
        """Look a channel up; None without the scope to ask. Raises: RecipientGone, and NotTold when Slack can't say."""
        assert_outside_transaction()
        try:
            found = self._client.conversations_info(channel=channel_id)["channel"]
        except UNREACHED as error:
            answer = answer_to(error)
            if answer.code in NO_RIGHT:
                return None
            raise problem_of(answer, str(error)) from error
        return ChannelSeen(
            channel_id=channel_id,
            name=str(found.get("name") or ""),
            is_member=found.get("is_member") is True,
            is_archived=found.get("is_archived") is True,
        )
