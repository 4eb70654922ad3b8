"""What is told of changes that were made without the reader: credits, settings, the app's removal and return. Pure.

Values of these classes are read in `surfaces/notice_facts.py`, and views say them.
"""

from dataclasses import dataclass

from ledger import Automatic, Money, RechargeRule


@dataclass(frozen=True, slots=True)
class CreditFacts:
    """Money that whoever runs Redbar gave, or gave back by lowering what a piece of work cost."""

    amount: Money
    balance: Money
    why: str
    kind: str = ""
    """The kind of the work that was corrected; empty for a credit."""
    usage_id: str = ""
    total: Money | None = None
    """What the work costs now."""


@dataclass(frozen=True, slots=True)
class AbsenceFacts:
    """What the saved card was charged while the app was removed (None: nothing), and which requests were withdrawn."""

    charged: Money | None
    withdrawn: int
    automatic: Automatic
    zone: str


@dataclass(frozen=True, slots=True)
class SettingsChangeFacts:
    """Which settings of the wallet were changed."""

    by_operator: bool
    """By Redbar itself otherwise, to say amounts in the wallet's currency."""
    currency: str
    changes: tuple[str, ...]
    """Each as "grace 15min → 30min"."""
    stopped_rule: RechargeRule | None
    """The rule that was switched off since it did not fit the currency."""
