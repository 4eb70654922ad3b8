"""Whom a message is for, and what may become of a delivery. Pure: value objects and a total table.

Theory. A delivery is one notice for one recipient. It has no row until something happened to it, and its row goes
once every recipient of the notice was told. Who was told, or was set aside, is never tried again.
"""

from dataclasses import dataclass
from enum import StrEnum

from bot.states.transitions import Transitions


class RecipientKind(StrEnum):
    """What a recipient is in Slack."""

    CHANNEL = "channel"
    PERSON = "person"
    OWNERS = "owners"  # the workspace's owners while Slack cannot list them; its id is empty


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person or channel. Its text, "person:U1", is what rows keep."""

    kind: RecipientKind
    slack_id: str

    @classmethod
    def of(cls, text: str) -> "Recipient":
        """Read a recipient from a row."""
        kind, _, slack_id = text.partition(":")
        return cls(RecipientKind(kind), slack_id)

    @classmethod
    def person(cls, user_id: str) -> "Recipient":
        """Name a person."""
        return cls(RecipientKind.PERSON, user_id)

    @classmethod
    def channel(cls, channel_id: str) -> "Recipient":
        """Name a channel."""
        return cls(RecipientKind.CHANNEL, channel_id)

    @property
    def is_channel(self) -> bool:
        """Whether it is a channel, in which no amounts are shown."""
        return self.kind is RecipientKind.CHANNEL

    def __str__(self) -> str:
        return f"{self.kind}:{self.slack_id}"


OWNERS = Recipient(RecipientKind.OWNERS, "")


class Side(StrEnum):
    """What the reader of a message about a payment is to that payment."""

    ASKER = "asker"
    PAYER = "payer"
    SELF = "self"  # paid without a request


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    UNTRIED = "untried"  # there is no row
    WAITING = "waiting"
    TOLD = "told"
    ASIDE = "aside"  # Slack refused the recipient for good, or too many tries failed


STORED = (DeliveryState.WAITING, DeliveryState.TOLD, DeliveryState.ASIDE)
"""The states that rows keep."""


class DeliveryEvent(StrEnum):
    """What happens to a delivery."""

    POSTPONED = "postponed"  # an older notice still waits for this recipient, or Slack could not name them
    POSTED = "posted"
    FAILED = "failed"  # worth another try
    REFUSED = "refused"  # by Slack, for good
    EXHAUSTED = "exhausted"  # failed too often in a way that Slack does not name
    OVER = "over"  # the notice no longer concerns the recipient, or others replace them


_S, _E = DeliveryState, DeliveryEvent
_DUE = {
    _E.POSTPONED: _S.WAITING,
    _E.POSTED: _S.TOLD,
    _E.FAILED: _S.WAITING,
    _E.REFUSED: _S.ASIDE,
    _E.EXHAUSTED: _S.ASIDE,
}

NEXT = Transitions(
    DeliveryState,
    DeliveryEvent,
    {
        _S.UNTRIED: {**_DUE, _E.OVER: _S.UNTRIED},
        _S.WAITING: {**_DUE, _E.OVER: _S.TOLD},
        _S.TOLD: dict.fromkeys(DeliveryEvent, _S.TOLD),
        _S.ASIDE: dict.fromkeys(DeliveryEvent, _S.ASIDE),
    },
    begins=[_S.UNTRIED],
)
