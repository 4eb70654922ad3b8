"""What people are shown, as plain facts: flows fill them, views turn them into words and blocks. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.causes import BlockFacts, DeclineCause, PauseFacts
from bot.ports import card_name
from bot.rights import Role
from bot.states.alert import AlertPhase
from bot.states.dispute import DisputeStatus
from bot.states.payment import Outcome, PayWith
from bot.states.recharge import RechargePhase
from ledger import Automatic, CreditKind, Level, Money, RechargeRule, Standing


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What may be known of a card, ever."""

    card_id: str
    brand: str
    """As people write it: "Visa", "Mastercard"."""
    last4: str
    exp_month: int
    exp_year: int
    backup: bool = False
    spare: bool = False
    """Nothing charges it until an admin chooses it."""

    @property
    def is_main(self) -> bool:
        """Whether it is the card that is charged."""
        return not (self.backup or self.spare)

    def __str__(self) -> str:
        return card_name(self.brand, self.last4)


class Basis(StrEnum):
    """How well the runway is known."""

    USUAL = "usual"  # from four weeks, or the last 24 hours, of spend
    EARLY = "early"  # under a day of history
    IDLE = "idle"  # nothing was spent lately
    LONG = "long"  # more than 60 days


@dataclass(frozen=True, slots=True)
class BalanceFacts:
    """The wallet's money and what it lets start, at `now`."""

    now: datetime
    zone: str
    balance: Money
    held: Money
    available: Money
    open_holds: int
    standing: Standing
    lasts_until: datetime | None
    basis: Basis
    emptied_at: datetime | None
    grace_ends_at: datetime | None
    grace: timedelta
    """The budget of grace, for saying what happens at zero."""
    brings_back: Money | None
    """The least amount that brings everything back; None while everything runs."""
    refused: frozenset[str]
    """The kinds of work that can't start at their default hold."""
    call_needs: Money
    """What is set aside for an outbound call that starts."""
    funded: bool
    after_stop_count: int
    last_asked_at: datetime | None


@dataclass(frozen=True, slots=True)
class AutomaticFacts:
    """Automatic payments in words' raw material."""

    state: Automatic
    rule: RechargeRule | None
    currency: str
    card: CardFacts | None
    backup: CardFacts | None
    charges_today: int
    pause: PauseFacts | None
    """Why they wait for a person; None unless they are paused."""
    block: BlockFacts | None
    """Why no charge is made now although money is below the threshold; None otherwise."""


@dataclass(frozen=True, slots=True)
class OwnCardsFacts:
    """The cards in use that one person connected."""

    cards: tuple[CardFacts, ...] = ()
    rule_uses: bool = False
    """A rule that is on or paused may charge one of them."""


@dataclass(frozen=True, slots=True)
class KindFacts:
    """One kind's share of a month. `quantity` counts seconds for calls."""

    kind: str
    count: int
    quantity: int
    amount: Money
    """Above zero: what it cost (usage) or brought (top-ups)."""


@dataclass(frozen=True, slots=True)
class DayFacts:
    """One day's spend in the wallet's zone."""

    day: str
    """"2026-11-17"."""
    spent: Money


@dataclass(frozen=True, slots=True)
class SpikeFacts:
    """A day that cost far more than the same weekdays before it."""

    day: str
    kind: str
    spent: Money
    usual: Money | None
    """What the same weekday usually costs; None where there is no such measure, and the day outdid every other day."""
    references: tuple[tuple[str, Money], ...] = ()
    """The references that explain it, costliest first; filled for the message and [Why?] alone."""

    @property
    def times_tenths(self) -> int | None:
        """31 means 3.1 times a usual day."""
        return self.spent.micros * 10 // max(1, self.usual.micros) if self.usual is not None else None


@dataclass(frozen=True, slots=True)
class MonthFacts:
    """A month's usage."""

    month: str
    """"2026-11"."""
    running: bool
    """It is the present month: say "so far"."""
    spent: Money
    kinds: tuple[KindFacts, ...]
    """Usage kinds, costliest first; the three known kinds are always there."""
    credits: tuple[KindFacts, ...]
    """Top-ups, recharges and the like that happened."""
    last_month: str | None
    last_spent: Money | None
    """What the same days of the month before cost; None without such history."""
    through_day: int
    """The last day of the month that counts, for "1–23 October"."""
    days: tuple[DayFacts, ...]
    months: tuple[str, ...]
    """Months with anything in them, newest first."""
    spike: SpikeFacts | None
    picture_file_id: str | None = None


@dataclass(frozen=True, slots=True)
class RowFacts:
    """One transaction."""

    seq: int
    kind: str
    amount: Money
    """Signed."""
    balance_after: Money
    occurred_at: datetime
    recorded_at: datetime
    quantity: int | None
    reference: str
    description: str
    card: str
    """ "Visa ••4242" where one paid; empty otherwise."""
    payment_ref: str
    """ "RB-4821" where a payment stands behind it; empty otherwise."""
    has_receipt: bool
    after_stop: bool


@dataclass(frozen=True, slots=True)
class HistoryFacts:
    """A page of transactions, newest first."""

    rows: tuple[RowFacts, ...]
    kind: str | None
    month: str | None
    newer_cursor: str | None
    """Opaque; None on the first page."""
    older_cursor: str | None
    """Opaque; None on the last page."""
    zone: str


class RequestState(StrEnum):
    """How a request to pay or to connect a card stands, as its messages show it."""

    OPEN = "open"
    PAID = "paid"
    CONNECTED = "connected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """A request to somebody: to pay an amount, or to connect a card (`amount` is None)."""

    payment_id: str
    ref: str
    state: RequestState
    amount: Money | None
    asker_id: str
    payer_id: str
    note: str
    url: str
    host: str
    """The host that the link opens."""
    expires_at: datetime
    stops_at: datetime | None
    """When outbound calls stop at the usual pace, where known."""
    stopped: bool
    """Outbound calls are stopped right now."""
    paid_with: str
    paid_at: datetime | None
    receipt_url: str
    balance: Money | None
    """The balance after payment, for people with a role alone."""
    withdrawn_by: str
    qr_file_id: str | None
    zone: str


@dataclass(frozen=True, slots=True)
class OfferFacts:
    """A hosted page made for the person who asked."""

    payment_id: str
    ref: str
    amount: Money | None
    """None for connecting a card."""
    url: str
    host: str
    expires_at: datetime
    saves_card: bool
    qr_file_id: str | None = None
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class ChargeFacts:
    """A charge of the saved card that somebody is about to confirm."""

    one_time_action_id: str
    amount: Money
    card: CardFacts


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """What became of a payment, for the person who made it."""

    ref: str
    amount: Money
    outcome: Outcome
    card: str
    decline: DeclineCause | None
    """Why nothing was charged, where the outcome is "declined"."""
    balance: Money | None
    receipt_url: str


@dataclass(frozen=True, slots=True)
class FailureFacts:
    """An automatic payment that failed, as it stands now."""

    ref: str
    phase: RechargePhase
    amount: Money
    card: str
    """The card of the newest try."""
    decline: DeclineCause
    next_try_at: datetime | None
    tries_left: int
    automatic: Automatic
    lasts_until: datetime | None
    pay: RequestFacts | None
    """The link by which it can be paid instead, open or not."""
    balance: Money | None
    """For people with a role alone."""
    zone: str
    backup: str = ""
    """The backup card that is still to be tried; empty otherwise."""
    unconfirmed: bool = False
    """Nobody confirmed the newest try at the bank in time."""
    waited_hours: int = 0
    """After how many hours of waiting for a confirmation the last reminder was due; 0 before the first."""
    paid: "PaidFacts | None" = None
    """The money that ended it."""
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """A payment that was given back, or (failed) a refund that the bank sent back."""

    ref: str
    refund_id: str
    amount: Money
    card: str
    failed: bool
    balance: Money


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    """A bank that wants a payment back, asks about it, suspects it, or has decided."""

    ref: str
    dispute_id: str
    status: DisputeStatus
    amount: Money
    card: str
    paid_at: datetime | None
    moved_out: bool
    moved_back: bool
    balance: Money
    automatic: Automatic
    due_by: datetime | None
    zone: str


@dataclass(frozen=True, slots=True)
class RehearsalFacts:
    """What a rule would have done over the last 30 days."""

    days: int
    """How many days of history there were."""
    charges: int
    most_in_a_day: Money
    zeros_with_rule: int
    zeros_without: int


@dataclass(frozen=True, slots=True)
class AutomaticFormFacts:
    """What the automatic payments form starts from."""

    currency: str
    current: AutomaticFacts
    suggested: RechargeRule
    cards: tuple[CardFacts, ...]
    threshold_min: Money
    charge_min: Money
    charge_max: Money
    rounded_to: Money
    """What closes a gap is rounded up to whole multiples of it."""


@dataclass(frozen=True, slots=True)
class AutomaticConfirmFacts:
    """What turning the rule on means, before it is done."""

    one_time_action_id: str
    rule: RechargeRule
    currency: str
    card: CardFacts
    rehearsal: RehearsalFacts
    charges_now: Money | None
    """What saving charges at once because the balance is already below; None otherwise."""


@dataclass(frozen=True, slots=True)
class AddBalanceFacts:
    """What the form to add balance starts from."""

    currency: str
    presets: tuple[Money, ...]
    amount: Money | None
    """Prefilled from the command."""
    amount_min: Money
    amount_max: Money
    card: CardFacts | None
    pay_with: PayWith
    pace: tuple[tuple[Money, str], ...] = ()
    """Presets with how long they last in words, where it is known."""
    brings_back: Money | None = None
    note: str = ""
    """Why this way of paying was chosen for them."""


@dataclass(frozen=True, slots=True)
class PeopleFacts:
    """Who looks after billing. User ids."""

    owners: tuple[str, ...]
    billing_admins: tuple[str, ...]
    finance: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlertsFacts:
    """Where alerts go."""

    channels: tuple[str, ...]
    warning: Money
    critical: Money
    info: bool
    """Whether people are told in the morning that the money ends within `info_hours`."""
    info_hours: int


@dataclass(frozen=True, slots=True)
class HomeFacts:
    """Everything that Home shows somebody with a role."""

    role: Role
    balance: BalanceFacts
    automatic: AutomaticFacts
    month: MonthFacts
    history: HistoryFacts
    requests: tuple[RequestFacts, ...]
    people: PeopleFacts
    """For [People]; also whom members are told to ask."""
    key_refused_at: datetime | None = None
    """Since when Stripe does not accept our key; None while it does."""
    untold_since: datetime | None = None
    """Since when nobody could be told of something; None while everything is told."""
    viewer_id: str = ""
    """Who looks at it: their own requests can be withdrawn by them."""


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """What `/wallet` says."""

    role: Role
    balance: BalanceFacts
    automatic: AutomaticFacts
    requests: tuple[RequestFacts, ...]
    key_refused_at: datetime | None = None
    """Since when Stripe does not accept our key; None while it does."""
    viewer_id: str = ""
    """Who reads it: their own requests can be withdrawn by them."""


@dataclass(frozen=True, slots=True)
class PaidFacts:
    """How money came back: by a payment, a refund that failed, or a dispute that was won."""

    amount: Money
    kind: CreditKind
    card: str = ""
    payer_id: str = ""
    """Whom a link was sent to."""
    asker_id: str = ""
    """Who paid by card or on a page."""


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """One episode as it stands at `now`; the same facts for channels and people, who are shown different parts."""

    level: Level
    phase: AlertPhase
    balance: BalanceFacts
    automatic: AutomaticFacts
    opened_at: datetime
    resumed_at: datetime | None
    stopped_for: timedelta | None
    grace_cost: Money | None
    paid: PaidFacts | None
    """How money came back; None where it is not known, or did not."""
    charge: ChargeFacts | None
    """What the button that charges the saved card would charge."""
    acknowledged_by: str
    episode_id: str = ""
    """What [Acknowledge] answers."""
    offered: Money | None = None
    """What is recommended to be paid; None while nothing is low."""
    still_low: bool = False
    """The episode is over, and available money is not above the warning line."""
    stopped_anew: bool = False
    """The episode is over, and things have stopped again: a newer episode says how they stand."""
