"""The settings of a wallet: its rule for automatic payments, its grace, its holds. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from ledger import sums
from ledger.currencies import Scale, scale_of
from ledger.errors import PolicyUnfit
from ledger.money import format_money

RECHARGES_A_DAY = 3
RECHARGE_SPACING = timedelta(minutes=15)
"""What a rule begins with: how many automatic payments a day, and the time between two."""


class Automatic(StrEnum):
    """Whether automatic payments run."""

    OFF = "off"
    ON = "on"
    PAUSED = "paused"  # switched on, but waiting for a person after failures


class PauseCode(StrEnum):
    """Why automatic payments wait for a person."""

    NO_CARD = "no_card"  # there is no card to charge
    DECLINED = "declined"  # the card was declined, and no try is left
    DECLINED_OFTEN = "declined_often"  # the card was declined too often lately
    UNCONFIRMED = "unconfirmed"  # nobody confirmed the payment at the bank in time
    BANK_ASKS = "bank_asks"  # the cardholder's bank asks about a payment
    BOOKS_DIFFER = "books_differ"  # the books and the payment service differ
    LEGACY = "legacy"  # a version before wrote a sentence


@dataclass(frozen=True, slots=True)
class Pause:
    """Why automatic payments wait, as a code and what belongs to it; the sentence is made where it is shown."""

    code: PauseCode
    card_id: str = ""
    """The card that was declined, or whose holder confirmed nothing."""
    decline: str = ""
    """The code of the decline, as the payment service names it."""
    text: str = ""
    """The sentence of a version before, and of `LEGACY` alone."""


@dataclass(frozen=True, slots=True)
class RechargeRule:
    """When to charge the card, to where, and never more than what. Amounts in micro-units.

    Exactly one of `target_micros` (bring back to) and `fixed_micros` (add this much) is set.
    """

    threshold_micros: int
    target_micros: int | None = None
    fixed_micros: int | None = None
    per_day_max: int = RECHARGES_A_DAY
    day_cap_micros: int = sums.RECHARGE_DAY_CAP.micros
    month_cap_micros: int = sums.RECHARGE_MONTH_CAP.micros
    spacing: timedelta = RECHARGE_SPACING

    def full_charge_micros(self, scale: Scale) -> int:
        """Give the size of an ordinary charge: one made just below the threshold."""
        return self.wish_micros(self.threshold_micros, scale)

    def wish_micros(self, level_micros: int, scale: Scale) -> int:
        """Give what one charge adds at a level of money: the fixed amount as it is, or the whole gap in whole units.

        Where a fixed amount leaves the wallet below the threshold, the next charge follows after the spacing.
        """
        if self.fixed_micros is not None:
            return self.fixed_micros
        assert self.target_micros is not None, "a rule has a target or a fixed amount"
        least, most = charge_bounds(scale)
        return min(max(scale.up(self.target_micros - level_micros), least), most)

    def check(self, scale: Scale) -> None:
        """Refuse numbers that contradict each other. Refuses: PolicyUnfit, naming the field to change."""
        self._check_amounts(scale)
        if self.per_day_max < 1:
            raise PolicyUnfit("per_day", "There has to be room for at least one charge a day.")
        full = self.full_charge_micros(scale)
        if self.day_cap_micros < full:
            raise PolicyUnfit("day_cap", "The daily limit doesn't leave room for one full charge.")
        if self.month_cap_micros < full:
            raise PolicyUnfit("month_cap", "The monthly limit doesn't leave room for one full charge.")

    def _check_amounts(self, scale: Scale) -> None:
        def words(micros: int) -> str:
            return format_money(scale.money(micros))

        lowest = threshold_min_micros(scale)
        least, most = charge_bounds(scale)
        if self.threshold_micros < lowest:
            raise PolicyUnfit("threshold", f"The threshold has to be at least {words(lowest)}.")
        if (self.target_micros is None) == (self.fixed_micros is None):
            raise PolicyUnfit(
                "target", "A rule comes back to a target or adds a fixed amount, one of the two."
            )
        if self.target_micros is not None and self.target_micros <= self.threshold_micros:
            raise PolicyUnfit("target", "The amount to come back to has to be above the threshold.")
        if self.target_micros is not None and self.target_micros - self.threshold_micros > most:
            raise PolicyUnfit(
                "target", f"One charge is at most {words(most)}: bring the target closer to the threshold."
            )
        if self.fixed_micros is not None and not least <= self.fixed_micros <= most:
            raise PolicyUnfit("fixed", f"A fixed charge has to be between {words(least)} and {words(most)}.")


def threshold_min_micros(scale: Scale) -> int:
    """Give the lowest threshold that a rule may have."""
    return scale.dollars(sums.THRESHOLD_MIN_DOLLARS)


def charge_bounds(scale: Scale) -> tuple[int, int]:
    """Give the least and the most that one automatic payment may be."""
    return scale.dollars(sums.CHARGE_MIN_DOLLARS), scale.dollars(sums.CHARGE_MAX_DOLLARS)


@dataclass(frozen=True, slots=True)
class WalletPolicy:
    """The settings of one wallet that its ledger obeys. Amounts in micro-units; the defaults are those in dollars."""

    automatic: Automatic = Automatic.OFF
    rule: RechargeRule | None = None
    pause: Pause | None = None
    """Why automatic payments wait for a person; None unless they are paused."""
    grace: timedelta = timedelta(minutes=15)
    grace_refill_micros: int = sums.GRACE_REFILL.micros
    overdraft_min_micros: int = sums.OVERDRAFT.micros
    overdraft_percent: int = 5
    default_hold_micros: int = sums.HOLD.micros
    default_holds: dict[str, int] = field(default_factory=dict)
    """Per kind, where it differs from `default_hold_micros`."""
    hold_lifetime: timedelta = timedelta(minutes=5)
    """How long money is set aside after a hold was opened, renewed or extended."""
    permit_lifetime: timedelta = timedelta(seconds=30)
    """How long an answer may be acted on before asking again."""
    item_max_micros: int = sums.ITEM_CEILING.micros
    """The most that one piece of work may cost: more is taken for a slip and rejected."""
    alarm_ends_after: timedelta = timedelta(minutes=30)
    """How long available money has to stay well above a level's line before the level falls without money coming in."""
    warning_min_micros: int = sums.WARNING_LINE.micros
    """The lowest warning line of a wallet without a rule."""

    top_up_min_micros: int = sums.TOP_UP_MIN.micros
    top_up_max_micros: int = sums.TOP_UP_MAX.micros
    people_day_max_micros: int = sums.CARD_DAY_LIMIT.micros
    """So much people together may charge a saved card a day."""
    suggested_threshold_micros: int = sums.SUGGESTED_THRESHOLD.micros
    """The lowest threshold that is suggested for a rule."""
    suggested_target_micros: int = sums.SUGGESTED_TARGET.micros
    """The lowest amount to come back to that is suggested for a rule."""
    recharges_a_day: int = RECHARGES_A_DAY
    """How many automatic payments a day a new rule begins with."""
    recharge_day_cap_micros: int = sums.RECHARGE_DAY_CAP.micros
    recharge_month_cap_micros: int = sums.RECHARGE_MONTH_CAP.micros
    """The lowest caps that a new rule begins with."""
    recharge_spacing: timedelta = RECHARGE_SPACING
    """The spacing of a new rule."""
    unused_after: timedelta = timedelta(days=14)
    """A wallet that nobody draws on for so long is not filled up by itself."""
    retry_hours: tuple[int, ...] = (1, 3, 7)
    """How long after each soft decline the same card is tried again."""
    repeat_minutes: tuple[int, ...] = (30, 120, 360)
    """How long after a stop that nobody answers it is told again; after the last of them once a day."""
    remind_hours: tuple[int, ...] = (1, 6)
    """When people are reminded of a payment that the bank wants confirmed."""
    link_lifetime: timedelta = timedelta(days=7)
    """How long a link that asks somebody to pay works."""
    warning_hours: int = 24
    critical_hours: int = 4
    """A wallet that lasts less than so long is low, or nearly empty."""
    critical_percent: int = 25
    """The critical line as a share of the warning line."""
    info: bool = False
    """Whether people are told in the morning that the money ends within `info_hours`, before it is low."""
    info_hours: int = 72
    spike_min_micros: int = sums.SPIKE_MIN.micros
    """A day on which a kind cost less does not stand out."""
    per_dollar: int = 1
    """The factor by which the amounts that nobody chose were made from dollars."""

    @property
    def floor_micros(self) -> int:
        """The smallest default hold: with less nothing starts but inbound calls and work without a price."""
        holds = (self.default_hold_micros, *self.default_holds.values())
        return min((micros for micros in holds if micros > 0), default=1)

    @classmethod
    def for_currency(cls, code: str) -> Self:
        """Give the settings of a new wallet."""
        scale = scale_of(code)
        return cls(per_dollar=scale.per_dollar, **default_amounts(scale))

    def hold_for(self, kind: str) -> int:
        """Give the default hold of a kind."""
        return self.default_holds.get(kind, self.default_hold_micros)

    def default_caps(self, target_micros: int) -> tuple[int, int]:
        """Give the money caps per day and month that a rule begins with which comes back to a target."""
        return (
            max(self.recharge_day_cap_micros, 2 * target_micros),
            max(self.recharge_month_cap_micros, 10 * target_micros),
        )

    def overdraft_ceiling(self, usage_micros: int) -> int:
        """Give how far grace may take the balance: the larger of a fixed sum and a share of last month's usage."""
        return max(self.overdraft_min_micros, usage_micros * self.overdraft_percent // 100)


def default_amounts(scale: Scale) -> dict[str, Any]:
    """Give every default amount of a policy in a currency, by the name of its field."""
    plain = WalletPolicy()
    return {
        one.name: within_one_charge(one.name, getattr(plain, one.name) * scale.per_dollar, scale)
        for one in fields(WalletPolicy)
        if one.name.endswith("_micros")
    }


def within_one_charge(field_name: str, micros: int, scale: Scale) -> int:
    """Give an amount of a policy, no larger than what Stripe charges at once where it bounds a single payment."""
    return min(micros, scale.charge_max_micros) if field_name.startswith("top_up_") else micros


def rescaled(policy: WalletPolicy, code: str, written: Collection[str]) -> WalletPolicy:
    """Give a policy whose amounts fit its currency; the same one where they do already.

    An amount that still is the default in dollars, or was never written, becomes the default of the currency; one that
    somebody chose stays. A rule outside the bounds of the currency is cleared and switched off. It is not scaled:
    nobody agreed to charges of that size. It is not kept either, since its threshold would go on as the warning line,
    and the form would begin with amounts that it refuses. The version before keeps it.
    """
    scale = scale_of(code)
    plain, scaled = default_amounts(scale_of("USD")), default_amounts(scale)
    unmade = policy.per_dollar != scale.per_dollar
    amounts = {
        name: micros
        for name, micros in scaled.items()
        if name not in written or (unmade and getattr(policy, name) == plain[name])
    }
    found = replace(policy, per_dollar=scale.per_dollar, **amounts)
    if found.rule is not None and not _fits(found.rule, scale):
        found = replace(found, rule=None, automatic=Automatic.OFF, pause=None)
    return found


def _fits(rule: RechargeRule, scale: Scale) -> bool:
    try:
        rule.check(scale)
    except PolicyUnfit:
        return False
    return True
