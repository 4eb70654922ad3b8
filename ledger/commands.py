"""What the ledger can be asked to do to one wallet, and what it answers. Pure: plain facts, checked by the book.

Amounts are integer micro-units, above zero. `occurred_at` None means now, and is then not
compared in a replay. `source` and `source_id` are the idempotency key of a transfer in its
wallet: the same key with the same contents gets the first receipt, with other contents `KeyReused`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from ledger.errors import Refused
from ledger.standing import Funds, Permit, Standing

OUTBOUND_CALL = "outbound_call"
INBOUND_CALL = "inbound_call"
AI_TASK = "ai_task"
PLATFORM = "platform"
"""The source of usage whose ids share one namespace with those of holds: one id is one piece of work."""


class CreditKind(StrEnum):
    """How money came in or went back other than by usage."""

    TOP_UP = "top_up"  # card → balance, started by a person
    RECHARGE = "recharge"  # card → balance, started by the policy
    REFUND = "refund"  # balance → refunds
    REFUND_REVERSAL = "refund_reversal"  # refunds → balance
    DISPUTE_WITHDRAWN = "dispute_withdrawn"  # balance → disputes
    DISPUTE_REINSTATED = "dispute_reinstated"  # disputes → balance
    PROMO = "promo"  # promo → balance
    ADJUSTMENT_UP = "adjustment_up"  # adjustments → balance
    ADJUSTMENT_DOWN = "adjustment_down"  # balance → adjustments


class PostUsage(msgspec.Struct, frozen=True, gc=False):
    """Work that happened; never refused for lack of money. Charges the hold that it names, or whose id it has."""

    source: str
    source_id: str
    kind: str
    amount_micros: int
    """0 is allowed here alone: work without a price is a transaction too, and counted."""
    occurred_at: datetime | None
    quantity: int | None = None
    """Seconds for calls, otherwise whatever the kind counts."""
    reference: str = ""
    description: str = ""
    hold_id: str | None = None
    parent: str | None = None


class PostMoney(msgspec.Struct, frozen=True, gc=False):
    """Money in or out other than by usage."""

    source: str
    source_id: str
    kind: CreditKind
    amount_micros: int
    occurred_at: datetime | None
    reference: str = ""
    description: str = ""


class Correct(msgspec.Struct, frozen=True, gc=False):
    """Lowers what usage cost to the right total, by a linked transfer that gives the rest back."""

    source: str
    source_id: str
    corrects: str
    """The id of the usage, or of the hold that was charged."""
    total_micros: int
    """What it should have cost in all: 0 or more, at most what is booked."""
    occurred_at: datetime | None
    description: str = ""


class OpenHold(msgspec.Struct, frozen=True, gc=False):
    """Asks whether work may start and sets its estimate aside.

    The answer is remembered by `hold_id` and given again until it may no longer be acted on; then the same question is
    judged anew.
    """

    hold_id: str
    """The caller's id, unique in the wallet."""
    kind: str
    estimate_micros: int | None = None
    """The kind's default when None; 0 for work without a price."""
    reference: str = ""
    parent: str | None = None
    """The hold of the work that this belongs to. An AI task inside a running inbound call is judged as inbound; work of
    any other kind is judged by its own kind."""


class ExtendHold(msgspec.Struct, frozen=True, gc=False):
    """Asks for more time and, with an estimate, more money for running work."""

    hold_id: str
    estimate_micros: int | None = None
    """The new total; what was held stays when None."""


class CaptureHold(msgspec.Struct, frozen=True, gc=False):
    """Charges a hold with the real amount, also above what it holds, and also after it ended."""

    hold_id: str
    amount_micros: int
    occurred_at: datetime | None
    quantity: int | None = None
    reference: str = ""
    description: str = ""


class ReleaseHold(msgspec.Struct, frozen=True, gc=False):
    """Gives a hold back unused."""

    hold_id: str


Command = PostUsage | PostMoney | Correct | OpenHold | ExtendHold | CaptureHold | ReleaseHold


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """A transfer that stands in the books."""

    seq: int
    """Its number in the wallet, from 1 without a gap."""
    source_id: str
    amount_micros: int
    balance_after_micros: int
    recorded_at: datetime
    duplicate: bool
    """True when the same key had been posted before."""
    after_stop: bool = False


class HoldAnswer(msgspec.Struct, frozen=True, gc=False):
    """The answer to opening or extending a hold; `end_by` is set where an extension was refused."""

    hold_id: str
    permit: Permit
    amount_micros: int
    """What is set aside; 0 when refused or without a price."""
    expires_at: datetime | None
    duplicate: bool
    end_by: datetime | None = None


class HoldReleased(msgspec.Struct, frozen=True, gc=False):
    """A hold was given back."""

    hold_id: str
    duplicate: bool


Answer = Receipt | HoldAnswer | HoldReleased
Outcome = Answer | Refused
"""What each command of a batch gets; a refusal hurts only its own command."""


@dataclass(frozen=True, slots=True)
class WalletView:
    """A wallet as it is at one instant. Amounts in micro-units."""

    wallet_id: UUID
    currency: str
    zone: str
    balance_micros: int
    held_micros: int
    open_holds: int
    standing: Standing
    funded: bool
    emptied_at: datetime | None
    grace_ends_at: datetime | None
    ceiling_micros: int
    grace_cost_micros: int
    after_stop_count: int
    """Usage that began after its kind was refused, since the wallet last emptied."""
    last_asked_at: datetime | None
    """When the platform last asked or posted."""
    seq: int
    policy_version: int
    trouble: str
    """Why automatic payments are failing; empty while they are not."""
    warning_micros: int
    critical_micros: int

    @property
    def available_micros(self) -> int:
        """Balance less what is held."""
        return self.balance_micros - self.held_micros


def funds_of(view: WalletView) -> Funds:
    """Give the facts of a wallet that standing is judged by."""
    return Funds(
        balance_micros=view.balance_micros,
        held_micros=view.held_micros,
        funded=view.funded,
        emptied_at=view.emptied_at,
        grace_ends_at=view.grace_ends_at,
        ceiling_micros=view.ceiling_micros,
    )


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One transaction as people see it. `amount_micros` is signed: below zero when money left the balance."""

    seq: int
    kind: str
    amount_micros: int
    balance_after_micros: int
    occurred_at: datetime
    recorded_at: datetime
    quantity: int | None
    reference: str
    description: str
    source: str
    source_id: str
    after_stop: bool
    corrects_seq: int | None


@dataclass(frozen=True, slots=True)
class KindSum:
    """One kind's share of a stretch of days: how many, how much quantity, and signed micro-units."""

    kind: str
    count: int
    quantity: int
    amount_micros: int
