"""Borders to the outside as Protocols and plain facts; no library of the outside is named here. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from bot.states.dispute import DisputeStatus
from bot.states.refund import RefundStatus
from bot.states.stripe_word import StripeWord

Seen = TypeVar("Seen")


class Clock(Protocol):
    """The one source of time."""

    def now(self) -> datetime:
        """Give the present instant, aware, in UTC."""
        ...


# --- Money from outside ------------------------------------------------------------------------------------


def card_name(brand: str, last4: str) -> str:
    """Write a card as people read it: "Visa ••4242"."""
    return f"{brand} ••{last4}"


@dataclass(frozen=True, slots=True)
class CardSeen:
    """A card as the payment side describes it."""

    card_id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    fingerprint: str

    def __str__(self) -> str:
        return card_name(self.brand, self.last4)


@dataclass(frozen=True, slots=True)
class CustomerSeen:
    """Whom the payment side knows a wallet as."""

    customer_id: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HeldCard:
    """A card as it stands outside, and whether it still belongs to somebody; one that doesn't can't be charged."""

    card: CardSeen
    attached: bool


class IntentStatus(StripeWord):
    """Where Stripe says a PaymentIntent stands."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"  # new, or declined
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"  # the bank wants the cardholder to confirm
    REQUIRES_CAPTURE = "requires_capture"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    OTHER = "other"  # nothing follows from it


class PageStatus(StripeWord):
    """Where Stripe says a hosted page stands."""

    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"
    OTHER = "other"  # nothing follows from it


class PageMode(StripeWord):
    """What a hosted page does."""

    PAYMENT = "payment"
    SETUP = "setup"  # saves a card
    OTHER = "other"  # never ours


@dataclass(frozen=True, slots=True)
class IntentSeen:
    """A PaymentIntent: one request of ours to move money, as Stripe shows it. Amounts in minor units."""

    intent_id: str
    status: IntentStatus
    amount_minor: int
    received_minor: int
    currency: str
    live: bool
    metadata: Mapping[str, str]
    card: CardSeen | None
    receipt_url: str
    decline_code: str
    advice_code: str
    customer_id: str = ""
    taken_back: bool = False
    """Some of it was refunded or is disputed, as far as its charge was looked at with it."""
    paid_at: datetime | None = None
    """When the charge was made that brought it, as far as it was looked at with it."""


@dataclass(frozen=True, slots=True)
class SessionSeen:
    """A hosted page as it stands outside."""

    session_id: str
    status: PageStatus
    mode: PageMode
    url: str
    intent_id: str | None
    setup_card: CardSeen | None
    metadata: Mapping[str, str]
    live: bool
    link_id: str
    """The payment link that opened it; empty for a page of our own."""


@dataclass(frozen=True, slots=True)
class SessionsSeen:
    """Hosted pages out of a list, newest first."""

    sessions: Sequence[SessionSeen]
    whole: bool
    """Whether the list was read to its end."""


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """A durable payment link."""

    link_id: str
    url: str
    active: bool
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """Money given back to a card, wholly or in part. Amounts in minor units of the payment's currency."""

    refund_id: str
    status: RefundStatus
    amount_minor: int
    currency: str
    intent_id: str
    created: datetime


@dataclass(frozen=True, slots=True)
class MovementSeen:
    """A movement of the outside account's balance, and the payment that it belongs to where there is one."""

    movement_id: str
    kind: str
    category: str
    incoming: bool
    source_id: str
    intent_id: str
    created: datetime
    currency: str = ""
    """The account's, not the payment's."""
    fee_minor: int = 0


@dataclass(frozen=True, slots=True)
class DisputeSeen:
    """A cardholder's bank wants a payment back. Amounts in minor units of the payment's currency."""

    dispute_id: str
    status: DisputeStatus
    reason: str
    amount_minor: int
    currency: str
    intent_id: str
    due_by: datetime | None
    """Until when evidence is taken."""
    created: datetime
    movements: Sequence[MovementSeen]
    """Each took the amount away, or (incoming) gave it back."""


@dataclass(frozen=True, slots=True)
class WarningSeen:
    """A card network suspects that a payment is fraud; no money has moved for it."""

    warning_id: str
    actionable: bool
    intent_id: str
    created: datetime


@dataclass(frozen=True, slots=True)
class EventSeen:
    """News in its smallest form: something happened to that object."""

    event_id: str
    kind: str
    object_id: str
    created: datetime
    live: bool
    payment_intent_id: str | None = None
    """Where the object itself is not one but points to one (sessions, refunds)."""


@dataclass(frozen=True, slots=True)
class Ok(Generic[Seen]):
    """The outside did it."""

    seen: Seen


@dataclass(frozen=True, slots=True)
class Declined:
    """A definite no about money; nothing was charged."""

    code: str
    decline_code: str
    advice_code: str
    intent_id: str | None


@dataclass(frozen=True, slots=True)
class NeedsAction:
    """The bank wants the cardholder to confirm; nothing was charged."""

    intent_id: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request itself was wrong or the object is gone; nothing was done. `code` is Stripe's."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer that settles it. `sent` is False where nothing can have been done this time."""

    sent: bool
    message: str


@dataclass(frozen=True, slots=True)
class Denied(Unknown):
    """Our key is not accepted, or not for this: nothing was looked at or done, and an earlier try may have been.

    Nothing is concluded from it about money, cards or payments that exist. An operator can end it.
    """

    whole: bool
    """The key itself is not accepted, rather than one of its rights missing."""


Body = Mapping[str, object]
"""A request body as it was frozen before it was sent: JSON values only."""


class PaymentGateway(Protocol):
    """The card side. Every POST carries a key and a body that were committed before; nothing is retried here.

    The caller is outside any transaction: a guard raises otherwise.
    """

    def create_customer(self, body: Body, key: str) -> "Ok[str] | Rejected | Unknown": ...
    def customers(self, since: datetime) -> "Ok[Sequence[CustomerSeen]] | Rejected | Unknown": ...
    def create_session(self, body: Body, key: str) -> "Ok[SessionSeen] | Rejected | Unknown": ...
    def expire_session(self, session_id: str, key: str) -> "Ok[SessionSeen] | Rejected | Unknown": ...
    def create_link(self, body: Body, key: str) -> "Ok[LinkSeen] | Rejected | Unknown": ...
    def deactivate_link(self, link_id: str, key: str) -> "Ok[LinkSeen] | Rejected | Unknown": ...
    def create_intent(self, body: Body, key: str) -> "Ok[IntentSeen] | Declined | Rejected | Unknown": ...
    def confirm_intent(
        self, intent_id: str, body: Body, key: str
    ) -> "Ok[IntentSeen] | Declined | NeedsAction | Rejected | Unknown": ...
    def cancel_intent(self, intent_id: str, key: str) -> "Ok[IntentSeen] | Rejected | Unknown": ...
    def detach_card(self, card_id: str, key: str) -> "Ok[str] | Rejected | Unknown": ...
    def card(self, card_id: str) -> "Ok[HeldCard] | Rejected | Unknown": ...
    def session(self, session_id: str) -> "Ok[SessionSeen] | Rejected | Unknown": ...
    def intent(self, intent_id: str) -> "Ok[IntentSeen] | Rejected | Unknown": ...
    def link_intents(self, link_id: str) -> "Ok[Sequence[str]] | Rejected | Unknown":
        """Give the ids of the PaymentIntents that a link's completed pages made."""
        ...

    def completed_sessions(
        self, since: datetime, *, link_id: str = "", pages_max: int
    ) -> "Ok[SessionsSeen] | Rejected | Unknown":
        """List the completed pages, of one link or of all, that were made since an instant; a read a page of it."""
        ...

    def refund(self, refund_id: str) -> "Ok[RefundSeen] | Rejected | Unknown": ...
    def dispute(self, dispute_id: str) -> "Ok[DisputeSeen] | Rejected | Unknown": ...
    def fraud_warning(self, warning_id: str) -> "Ok[WarningSeen] | Rejected | Unknown": ...
    def intents(
        self, since: datetime, until: datetime
    ) -> "Ok[Sequence[IntentSeen]] | Rejected | Unknown": ...
    def sessions(self, since: datetime) -> "Ok[Sequence[SessionSeen]] | Rejected | Unknown":
        """List the hosted pages that were made since an instant."""
        ...

    def active_links(self) -> "Ok[Sequence[LinkSeen]] | Rejected | Unknown":
        """List the durable links that still take payments."""
        ...

    def newest_intents(
        self, since: datetime, *, customer_id: str = ""
    ) -> "Ok[Sequence[IntentSeen]] | Rejected | Unknown":
        """List the newest hundred PaymentIntents made since an instant, of one customer or of all; one read."""
        ...

    def account(self) -> "Ok[str] | Rejected | Unknown":
        """Give the id of the account that our key is of."""
        ...

    def refunds(
        self, since: datetime, until: datetime
    ) -> "Ok[Sequence[RefundSeen]] | Rejected | Unknown": ...
    def disputes(
        self, since: datetime, until: datetime
    ) -> "Ok[Sequence[DisputeSeen]] | Rejected | Unknown": ...
    def take_reads(self) -> int:
        """Give how often the outside was read since this was last asked."""
        ...

    def movements(
        self, since: datetime, until: datetime
    ) -> "Ok[Sequence[MovementSeen]] | Rejected | Unknown": ...
    def events(self, created_from: datetime) -> "Ok[Sequence[EventSeen]] | Rejected | Unknown":
        """Give what happened since an instant, oldest first."""
        ...


# --- People ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PersonSeen:
    """A person as the workspace describes them; every flag is False where the workspace doesn't say."""

    user_id: str
    team_id: str
    handle: str
    zone: str
    is_admin: bool
    is_owner: bool
    is_outside: bool
    """Guest, bot, deactivated, or of another workspace."""


class NotTold(Exception):
    """A message did not reach its recipient, or a question got no answer."""


class RecipientGone(NotTold):
    """A person or channel cannot be told anything any more: archived, left, deactivated, unknown."""


class NotNow(NotTold):
    """Slack cannot be asked, or does not take a message, for now; the same is worth another try later."""

    def __init__(self, why: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after
        """How long Slack asks to wait before the next try, where it does."""


class Paced(NotNow):
    """Nothing was sent: Slack's limit of messages is reached, and there is room again after `retry_after`."""


class MessageGone(RecipientGone):
    """A message was deleted, or may no longer be changed; its recipient can still be told."""


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A part of the list of a workspace's people."""

    people: Sequence[PersonSeen]
    next_cursor: str
    """Names the next page; empty on the last."""


class Directory(Protocol):
    """Who people are."""

    def person(self, user_id: str, *, fresh: bool = False) -> PersonSeen | None:
        """Look a person up; None when the workspace doesn't know them. Raises: NotNow when it can't be asked."""
        ...

    def page(self, cursor: str) -> PeoplePage:
        """Give a page of everybody in the workspace; an empty cursor names the first. Raises: NotTold.

        Anything but NotNow says that the cursor may be of no use any more.
        """
        ...

    def forget(self, user_id: str) -> None:
        """Drop what is remembered of a person, because something about them changed."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelSeen:
    """A channel as the workspace describes it."""

    channel_id: str
    name: str
    """Without the number sign."""
    is_member: bool
    """Whether we are in it."""
    is_archived: bool


class ChannelDirectory(Protocol):
    """What channels are."""

    def channel(self, channel_id: str) -> ChannelSeen | None:
        """Look a channel up; None where we may not ask. Raises: RecipientGone when we may not see it, NotTold."""
        ...
