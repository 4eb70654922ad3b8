"""Whether Redbar can post to an alert channel. Pure.

Any of these may follow any other: people invite and remove Redbar, archive a channel and bring it back.
"""

from enum import StrEnum


class ChannelPresence(StrEnum):
    """What is known of Redbar in a channel."""

    UNKNOWN = "unknown"  # Slack has not said yet, or the app was not granted the scope to ask
    PRESENT = "present"
    NOT_IN_CHANNEL = "not_in_channel"
    IS_ARCHIVED = "is_archived"
    CHANNEL_NOT_FOUND = "channel_not_found"  # deleted, or private and Redbar is not in it
    REFUSED = "refused"  # Slack does not let Redbar post there, for another reason

    @property
    def is_away(self) -> bool:
        """Whether nothing that is posted there arrives."""
        return self not in (ChannelPresence.UNKNOWN, ChannelPresence.PRESENT)

    @classmethod
    def refused_by(cls, code: str) -> "ChannelPresence":
        """Read a code by which Slack refuses a channel for good."""
        return _BY_CODE.get(code, cls.REFUSED)


_BY_CODE = {
    **{
        one.value: one
        for one in (
            ChannelPresence.NOT_IN_CHANNEL,
            ChannelPresence.IS_ARCHIVED,
            ChannelPresence.CHANNEL_NOT_FOUND,
        )
    },
    "is_inactive": ChannelPresence.IS_ARCHIVED,
}
