"""Facts worth telling, committed with their cause and carried by the courier. Pure.

Amounts are micro-units of the wallet's currency. A notice tells what was true when it was written; who delivers
it reads the present where the present matters.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import ClassVar
from uuid import UUID


class Level(IntEnum):
    """How serious an episode is."""

    FINE = 0
    WARNING = 2
    CRITICAL = 3
    ZERO = 4


@dataclass(frozen=True, slots=True)
class WalletLow:
    """Available money crossed a warning or critical line, or the balance no longer lets an ordinary start through."""

    name: ClassVar[str] = "wallet.low"
    episode_id: UUID
    level: Level
    balance_micros: int
    available_micros: int


@dataclass(frozen=True, slots=True)
class WalletEmptied:
    """The balance fell to zero or below: outbound work stopped, grace began."""

    name: ClassVar[str] = "wallet.grace_started"
    episode_id: UUID
    emptied_at: datetime
    grace_ends_at: datetime
    balance_micros: int


@dataclass(frozen=True, slots=True)
class WalletPaused:
    """Grace is used up, or the overdraft ceiling was reached: nothing starts."""

    name: ClassVar[str] = "wallet.paused"
    episode_id: UUID
    emptied_at: datetime
    paused_at: datetime
    balance_micros: int


@dataclass(frozen=True, slots=True)
class WalletResumed:
    """What had stopped may start again, or the wallet was funded for the first time."""

    name: ClassVar[str] = "wallet.resumed"
    episode_id: UUID | None
    """None when the wallet was funded for the first time."""
    emptied_at: datetime | None
    resumed_at: datetime
    grace_cost_micros: int
    balance_micros: int
    source: str
    source_id: str
    """The key of the transfer that brought it back."""


@dataclass(frozen=True, slots=True)
class WalletRecovered:
    """An episode that never reached zero is over."""

    name: ClassVar[str] = "wallet.recovered"
    episode_id: UUID


@dataclass(frozen=True, slots=True)
class WalletCredited:
    """Money came in."""

    name: ClassVar[str] = "wallet.credited"
    kind: str
    amount_micros: int
    balance_micros: int
    source: str
    source_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class RechargeWanted:
    """Available money is below the rule's threshold; whether to charge is decided when it is looked at."""

    name: ClassVar[str] = "recharge.wanted"


@dataclass(frozen=True, slots=True)
class StartedAfterStop:
    """Paid work began although its kind was refused: whoever starts it isn't asking."""

    name: ClassVar[str] = "usage.after_stop"
    kind: str
    since: datetime


@dataclass(frozen=True, slots=True)
class UsageCorrected:
    """The operator, or the platform, lowered what a piece of work cost."""

    name: ClassVar[str] = "usage.corrected"
    kind: str
    usage_id: str
    total_micros: int
    """What it costs now."""
    given_back_micros: int
    balance_micros: int
    source: str
    source_id: str
    """The key of the correction, whose text says why."""


Notice = (
    WalletLow
    | WalletEmptied
    | WalletPaused
    | WalletResumed
    | WalletRecovered
    | WalletCredited
    | RechargeWanted
    | StartedAfterStop
    | UsageCorrected
)
