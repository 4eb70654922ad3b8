"""Whom a message is for, what it is about, and what may become of a delivery. Pure: values and a total table.

Theory. A delivery is one subject for one recipient. The subject of most notices is the notice itself: it is told once.
An episode or a payment is a living subject: its message is shown as it stands now, so that a newer notice only asks
for a newer version of the same delivery, and what nobody has seen yet is never sent.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

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


class SubjectKind(StrEnum):
    """What a message is about."""

    EPISODE = "episode"  # its id is the episode's
    REPEAT = "repeat"  # of an alarm that nobody answered; its id is the episode's
    PAYMENT = "payment"  # its id is the payment's
    RECHARGE = "recharge"  # an automatic payment that failed; its id is the first try's
    AFTER_STOP = "after_stop"  # work that began after the stop; no id: the newest count is told
    CHARGES = "card_charges"  # whether the operator lets cards be charged; no id
    KEY = "key_state"  # whether Stripe accepts our key; no id
    NOTICE = "notice"  # one fact, told once; its id is the notice's


LIVING = frozenset({SubjectKind.EPISODE, SubjectKind.PAYMENT, SubjectKind.RECHARGE})
"""Subjects whose message is updated in place."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a message is about. Its text, "episode:…", is what rows keep."""

    kind: SubjectKind
    of: str = ""

    @classmethod
    def read(cls, text: str) -> "Subject":
        """Read a subject from a row."""
        kind, _, of = text.partition(":")
        return cls(SubjectKind(kind), of)

    @property
    def lives(self) -> bool:
        """Whether its message is updated in place."""
        return self.kind in LIVING

    def __str__(self) -> str:
        return f"{self.kind}:{self.of}"


class Urgency(IntEnum):
    """Which of two messages for one recipient goes first."""

    LATER = 0  # nobody waits for it
    AWAITED = 1  # somebody waits for it, or it asks somebody to act
    ALARM = 2


class Side(StrEnum):
    """What the reader of a message about a payment is to that payment."""

    ASKER = "asker"
    PAYER = "payer"
    SELF = "self"  # paid without a request


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    TOLD = "told"
    ASIDE = "aside"  # Slack refused the recipient for good, or too many tries failed


class DeliveryEvent(StrEnum):
    """What happens to a delivery."""

    WANTED = "outgrown"  # there is something newer to show
    SHOWN = "posted"  # the newest version is shown, or there is nothing to show
    OUTDATED = "outdated"  # shown, and something newer was wanted meanwhile
    FAILED = "failed"  # worth another try
    REFUSED = "refused"  # by Slack, for good
    EXHAUSTED = "exhausted"  # failed too often in a way that Slack does not name
    REVIVED = "revived"  # the recipient can be reached again, or an operator sends it again


_S, _E = DeliveryState, DeliveryEvent
_ALWAYS = {_E.WANTED: _S.WAITING, _E.REFUSED: _S.ASIDE}

NEXT = Transitions(
    DeliveryState,
    DeliveryEvent,
    {
        _S.WAITING: {
            **_ALWAYS,
            _E.SHOWN: _S.TOLD,
            _E.OUTDATED: _S.WAITING,
            _E.FAILED: _S.WAITING,
            _E.EXHAUSTED: _S.ASIDE,
            _E.REVIVED: _S.WAITING,
        },
        # Whoever lost the lease changes nothing, so that nothing but these happens to what is told or aside.
        _S.TOLD: {**dict.fromkeys(DeliveryEvent, _S.TOLD), **_ALWAYS},
        _S.ASIDE: {**dict.fromkeys(DeliveryEvent, _S.ASIDE), **_ALWAYS, _E.REVIVED: _S.WAITING},
    },
    begins=[_S.WAITING, _S.ASIDE],
)
