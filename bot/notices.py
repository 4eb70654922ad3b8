"""The notices that the bot commits beside the ledger's own, and how each is read. Amounts in micro-units. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, get_args
from uuid import UUID

from bot.causes import DifferenceCause, Legacy, NotBookableCause
from bot.rights import Role
from bot.states.alert_channel import ChannelPresence
from bot.states.dispute import DisputeStatus
from ledger import CapWindow, Notice, Waiting


@dataclass(frozen=True, slots=True)
class RequestSent:
    """Somebody was asked to pay, or to connect a card; link and picture go to them by DM."""

    name: ClassVar[str] = "request.sent"
    payment_id: UUID


@dataclass(frozen=True, slots=True)
class PaymentChanged:
    """A payment was paid, lapsed or was withdrawn: its messages say so."""

    name: ClassVar[str] = "payment.changed"
    payment_id: UUID


@dataclass(frozen=True, slots=True)
class CardConnected:
    """A card was saved."""

    name: ClassVar[str] = "card.connected"
    card_id: str
    payment_id: UUID
    actor: str = ""
    """Who entered it; notices of a version before do not say."""
    again: bool = False
    """It was in use already: nothing changed but that who asked for it has what they asked for."""


@dataclass(frozen=True, slots=True)
class CardsArranged:
    """Somebody chose which saved cards are charged; ids of cards, empty where there is none."""

    name: ClassVar[str] = "cards.arranged"
    actor: str
    main_before: str
    main_after: str
    backup_before: str
    backup_after: str


@dataclass(frozen=True, slots=True)
class RechargeMade:
    """An automatic payment succeeded at its first try."""

    name: ClassVar[str] = "recharge.made"
    payment_id: UUID


@dataclass(frozen=True, slots=True)
class RechargeFailed:
    """An automatic payment was declined, or waits for a person; names the try."""

    name: ClassVar[str] = "recharge.failed"
    payment_id: UUID


@dataclass(frozen=True, slots=True)
class RechargeChanged:
    """An automatic payment that failed stands differently now; names one of its tries, or its link."""

    name: ClassVar[str] = "recharge.changed"
    payment_id: UUID


@dataclass(frozen=True, slots=True)
class OutcomeKnown:
    """A charge has an outcome whose outcome somebody was told is not known yet."""

    name: ClassVar[str] = "payment.outcome"
    payment_id: UUID
    told: str
    """Who was told so."""
    at: datetime


@dataclass(frozen=True, slots=True)
class CapReached:
    """A cap blocks an automatic payment, or lowers its amount."""

    name: ClassVar[str] = "recharge.capped"
    held: str


@dataclass(frozen=True, slots=True)
class CapNear:
    """The caps admit one more automatic payment in their window after the one that was begun."""

    name: ClassVar[str] = "recharge.cap_near"
    window: CapWindow


@dataclass(frozen=True, slots=True)
class SpikeSeen:
    """One kind costs far more on a day than it usually does."""

    name: ClassVar[str] = "spike.seen"
    day: str
    """"2026-11-17", in the wallet's zone."""
    kind: str


@dataclass(frozen=True, slots=True)
class RunwayShort:
    """It is morning, and the money ends within the time that people want to hear of."""

    name: ClassVar[str] = "runway.short"


@dataclass(frozen=True, slots=True)
class RuleChanged:
    """Somebody changed automatic payments; before and after are versions of the wallet's policy."""

    name: ClassVar[str] = "rule.changed"
    actor: str
    before_version: int
    after_version: int


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """Settings of the wallet were changed; before and after are versions of its policy."""

    name: ClassVar[str] = "settings.changed"
    actor: str
    before_version: int
    after_version: int
    stopped: bool = False
    """Automatic payments were switched off with it: their rule did not fit the currency."""


@dataclass(frozen=True, slots=True)
class PaidTwice:
    """One request was paid by two payments, or a recharge that had ended was paid too; all is credited."""

    name: ClassVar[str] = "payment.twice"
    payment_id: UUID


@dataclass(frozen=True, slots=True)
class RefundBooked:
    """A payment was given back, wholly or in part; or (failed) the bank sent a refund back."""

    name: ClassVar[str] = "refund.booked"
    payment_id: UUID
    refund_id: str
    amount_micros: int
    failed: bool


@dataclass(frozen=True, slots=True)
class DisputeChanged:
    """A bank wants a payment back, asks about it, suspects it, or has decided."""

    name: ClassVar[str] = "dispute.changed"
    payment_id: UUID
    dispute_id: str
    status: DisputeStatus
    opened: bool
    """We learned of it for the first time."""
    moved_micros: int
    """Below zero when the money was taken away, above when it was given back."""


@dataclass(frozen=True, slots=True)
class BooksDiffer:
    """A reconciliation found differences that a person must decide; key and cause are those of the first one."""

    name: ClassVar[str] = "books.differ"
    count: int
    key: str
    cause: DifferenceCause
    paused: bool
    """Automatic payments were on, and are paused for it."""


@dataclass(frozen=True, slots=True)
class MoneyParked:
    """Money moved at Stripe that cannot be booked: it is kept until a person decides."""

    name: ClassVar[str] = "money.parked"
    object_id: str
    cause: NotBookableCause | Legacy


@dataclass(frozen=True, slots=True)
class ManuallyCredited:
    """An operator credited money that was paid at Stripe without naming a payment of ours."""

    name: ClassVar[str] = "money.by_hand"
    payment_id: UUID


@dataclass(frozen=True, slots=True)
class CardGone:
    """A saved card was removed, by somebody of the workspace or outside (no actor)."""

    name: ClassVar[str] = "card.gone"
    card_id: str
    actor: str
    stopped: bool
    """Automatic payments were switched off with it."""


@dataclass(frozen=True, slots=True)
class CardExpiring:
    """A saved card can be charged for so many days more."""

    name: ClassVar[str] = "card.expiring"
    card_id: str
    days_left: int


@dataclass(frozen=True, slots=True)
class ConfirmationDue:
    """The bank still wants the cardholder to confirm an automatic payment; so many hours have passed."""

    name: ClassVar[str] = "recharge.reminder"
    payment_id: UUID
    hours: int


@dataclass(frozen=True, slots=True)
class ChargesSwitched:
    """The operator stopped every automatic charge, or lets them be made again."""

    name: ClassVar[str] = "charges.switched"
    off: bool


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """Stripe rejects our API key: nothing can be charged or read until an operator replaces it."""

    name: ClassVar[str] = "key.refused"


@dataclass(frozen=True, slots=True)
class KeyAccepted:
    """Stripe accepts our key again."""

    name: ClassVar[str] = "key.accepted"


@dataclass(frozen=True, slots=True)
class AccessAsked:
    """Somebody without a role would like to see billing."""

    name: ClassVar[str] = "access.asked"
    user_id: str


@dataclass(frozen=True, slots=True)
class StillStopped:
    """Nobody has answered the alarm that things have stopped: it is said again, to more people each time."""

    name: ClassVar[str] = "alarm.repeated"
    episode_id: UUID
    number: int
    """1 for the first repeat."""


@dataclass(frozen=True, slots=True)
class RecipientLost:
    """Somebody, or a channel, cannot be told anything any more, and somebody else can mend that."""

    name: ClassVar[str] = "recipient.lost"
    recipient: str
    """As rows keep it: "channel:C1"."""
    said: str
    """Slack's code, or `left_workspace`."""
    asked_by: str = ""
    """Who asked the lost recipient for something, and waits for it."""


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """Somebody was appointed to look after billing, in another role, or no more (None)."""

    name: ClassVar[str] = "role.changed"
    actor: str
    user_id: str
    before: Role | None
    after: Role | None


@dataclass(frozen=True, slots=True)
class ChannelsChanged:
    """Somebody changed which channels are alerted, or whether people are told in the morning."""

    name: ClassVar[str] = "channels.changed"
    actor: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    info: bool | None = None
    """The notice of the morning was switched on, or off; None where it stayed as it was."""


@dataclass(frozen=True, slots=True)
class ChannelAway:
    """Nothing that is posted to an alert channel arrives any more."""

    name: ClassVar[str] = "channel.away"
    channel_id: str
    presence: ChannelPresence


@dataclass(frozen=True, slots=True)
class ChannelBack:
    """An alert channel can be posted to again: an alarm that goes on is told there."""

    name: ClassVar[str] = "channel.back"
    channel_id: str


@dataclass(frozen=True, slots=True)
class CameBack:
    """The app is installed again after it was removed; automatic payments are off until somebody turns them on."""

    name: ClassVar[str] = "workspace.back"
    gone_at: datetime
    back_at: datetime


BotNotice = (
    RequestSent
    | PaymentChanged
    | CardConnected
    | CardsArranged
    | RechargeMade
    | RechargeFailed
    | RechargeChanged
    | OutcomeKnown
    | CapReached
    | CapNear
    | SpikeSeen
    | RunwayShort
    | RuleChanged
    | SettingsChanged
    | PaidTwice
    | RefundBooked
    | DisputeChanged
    | BooksDiffer
    | MoneyParked
    | ManuallyCredited
    | CardGone
    | CardExpiring
    | ConfirmationDue
    | ChargesSwitched
    | KeyRefused
    | KeyAccepted
    | AccessAsked
    | RecipientLost
    | StillStopped
    | RoleChanged
    | ChannelsChanged
    | ChannelAway
    | ChannelBack
    | CameBack
)
AnyNotice = Notice | BotNotice

_CLASSES: dict[str, type[AnyNotice]] = {one.name: one for one in get_args(AnyNotice)}


class NoticeUnknown(Exception):
    """A notice has a name that this version does not know: a newer version wrote it."""


def decode(waiting: Waiting) -> AnyNotice:
    """Give a committed notice as its own class; a key that this version does not know is ignored.

    Raises: NoticeUnknown.
    """
    kind = _CLASSES.get(waiting.name)
    if kind is None:
        raise NoticeUnknown(waiting.name)
    return waiting.read(kind)
