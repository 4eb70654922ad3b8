"""The settings of a wallet: its rule for automatic payments, its grace, its holds. Pure."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from ledger.errors import PolicyUnfit
from ledger.money import MICROS

RULE_THRESHOLD_MIN = 10 * MICROS
CHARGE_MIN = 25 * MICROS
CHARGE_MAX = 2_500 * MICROS


class Automatic(StrEnum):
    """Whether automatic payments run."""

    OFF = "off"
    ON = "on"
    PAUSED = "paused"  # switched on, but waiting for a person after failures


@dataclass(frozen=True, slots=True)
class RechargeRule:
    """When to charge the card, to where, and never more than what. Amounts in micro-units.

    Exactly one of `target_micros` (bring back to) and `fixed_micros` (add this much) is set.
    """

    threshold_micros: int
    target_micros: int | None = None
    fixed_micros: int | None = None
    per_day_max: int = 3
    day_cap_micros: int = 500 * MICROS
    month_cap_micros: int = 5_000 * MICROS
    spacing: timedelta = timedelta(minutes=15)

    def full_charge_micros(self) -> int:
        """Give the size of an ordinary charge: one made just below the threshold."""
        return self.wish_micros(self.threshold_micros)

    def wish_micros(self, level_micros: int) -> int:
        """Give what one charge adds at a level of money: the fixed amount as it is, or the whole gap in whole units.

        Where a fixed amount leaves the wallet below the threshold, the next charge follows after the spacing.
        """
        if self.fixed_micros is not None:
            return self.fixed_micros
        assert self.target_micros is not None, "a rule has a target or a fixed amount"
        return min(max(_up_to_major(self.target_micros - level_micros), CHARGE_MIN), CHARGE_MAX)

    def check(self) -> None:
        """Refuse numbers that contradict each other. Refuses: PolicyUnfit, naming the field to change."""
        if self.threshold_micros < RULE_THRESHOLD_MIN:
            raise PolicyUnfit("threshold", "The threshold has to be at least 10.")
        if (self.target_micros is None) == (self.fixed_micros is None):
            raise PolicyUnfit(
                "target", "A rule comes back to a target or adds a fixed amount, one of the two."
            )
        if self.target_micros is not None and self.target_micros <= self.threshold_micros:
            raise PolicyUnfit("target", "The amount to come back to has to be above the threshold.")
        if self.target_micros is not None and self.target_micros - self.threshold_micros > CHARGE_MAX:
            raise PolicyUnfit(
                "target", "One charge is at most 2,500: bring the target closer to the threshold."
            )
        if self.fixed_micros is not None and not CHARGE_MIN <= self.fixed_micros <= CHARGE_MAX:
            raise PolicyUnfit("fixed", "A fixed charge has to be between 25 and 2,500.")
        if self.per_day_max < 1:
            raise PolicyUnfit("per_day", "There has to be room for at least one charge a day.")
        if self.day_cap_micros < self.full_charge_micros():
            raise PolicyUnfit("day_cap", "The daily limit doesn't leave room for one full charge.")
        if self.month_cap_micros < self.full_charge_micros():
            raise PolicyUnfit("month_cap", "The monthly limit doesn't leave room for one full charge.")


def default_caps(target_micros: int) -> tuple[int, int]:
    """Give the default money caps per day and month for a rule that comes back to a target."""
    return max(500 * MICROS, 2 * target_micros), max(5_000 * MICROS, 10 * target_micros)


@dataclass(frozen=True, slots=True)
class WalletPolicy:
    """The settings of one wallet that its ledger obeys. Amounts in micro-units."""

    automatic: Automatic = Automatic.OFF
    rule: RechargeRule | None = None
    pause_reason: str = ""
    grace: timedelta = timedelta(minutes=15)
    grace_refill_micros: int = 10 * MICROS
    overdraft_min_micros: int = 25 * MICROS
    overdraft_percent: int = 5
    default_hold_micros: int = MICROS // 2
    default_holds: dict[str, int] = field(default_factory=dict)
    """Per kind, where it differs from `default_hold_micros`."""
    hold_lifetime: timedelta = timedelta(minutes=5)
    """How long money is set aside after a hold was opened, renewed or extended."""
    permit_lifetime: timedelta = timedelta(seconds=30)
    """How long an answer may be acted on before asking again."""
    item_max_micros: int = 1_000 * MICROS
    """The most that one piece of work may cost: more is taken for a slip and rejected."""
    alarm_ends_after: timedelta = timedelta(minutes=30)
    """How long available money has to stay well above a level's line before the level falls without money coming in."""
    warning_min_micros: int = 50 * MICROS
    """The lowest warning line of a wallet without a rule."""

    @property
    def floor_micros(self) -> int:
        """The smallest default hold: with less nothing starts but inbound calls and work without a price."""
        holds = (self.default_hold_micros, *self.default_holds.values())
        return min((micros for micros in holds if micros > 0), default=1)

    def hold_for(self, kind: str) -> int:
        """Give the default hold of a kind."""
        return self.default_holds.get(kind, self.default_hold_micros)

    def overdraft_ceiling(self, usage_micros: int) -> int:
        """Give how far grace may take the balance: the larger of a fixed sum and a share of last month's usage."""
        return max(self.overdraft_min_micros, usage_micros * self.overdraft_percent // 100)


def _up_to_major(micros: int) -> int:
    return -(-micros // MICROS) * MICROS
