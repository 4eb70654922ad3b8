"""What a rule would have done over the last 30 days, played again from the sums of each hour. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.facts import RehearsalFacts
from bot.surfaces.figures import CREDIT_KINDS
from ledger import (
    Automatic,
    CreditKind,
    Funds,
    Money,
    RechargePast,
    RechargeRule,
    Scale,
    WalletPolicy,
    local_day,
    recharge_decision,
    scale_of,
)

DAYS = 30
HourSum = tuple[str, int, str, int]
"""Day, hour, kind and amount in micro-units, as the rollups keep them."""


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour's money: what was spent, and what people paid in. Micro-units."""

    at: datetime
    day: str
    spent_micros: int
    paid_micros: int


def first_day(now: datetime, zone: str) -> str:
    """Give the local day on which a rehearsal begins."""
    return (local_day(now, ZoneInfo(zone)) - timedelta(days=DAYS)).isoformat()


def rehearsed(sums: Iterable[HourSum], balance: Money, rule: RechargeRule, zone: str) -> RehearsalFacts:
    """Play some hours up to now again, with a rule and without automatic payments."""
    hours, change = hours_played(sums, zone)
    start = balance.micros - change
    scale = scale_of(balance.currency.code)
    charges, most, zeros_with = play(hours, start, rule, scale)
    _, _, zeros_without = play(hours, start, None, scale)
    return RehearsalFacts(
        days=min(len({hour.day for hour in hours}), DAYS),
        charges=charges,
        most_in_a_day=Money(most, balance.currency),
        zeros_with_rule=zeros_with,
        zeros_without=zeros_without,
    )


def hours_played(sums: Iterable[HourSum], zone: str) -> tuple[list[Hour], int]:
    """Give the hours without what the rule of then paid in, and by how much the balance changed in all."""
    local = ZoneInfo(zone)
    hours: dict[tuple[str, int], list[int]] = {}
    change = 0
    for day, hour, kind, amount in sums:
        of_hour = hours.setdefault((day, hour), [0, 0])
        change += amount
        if kind not in CREDIT_KINDS:
            of_hour[0] -= amount
        elif kind != CreditKind.RECHARGE.value:
            of_hour[1] += amount
    played = [
        Hour(
            datetime.combine(date.fromisoformat(day), datetime.min.time(), local) + timedelta(hours=hour),
            day,
            *of_hour,
        )
        for (day, hour), of_hour in sorted(hours.items())
    ]
    return played, change


def play(
    hours: Sequence[Hour], start_micros: int, rule: RechargeRule | None, scale: Scale
) -> tuple[int, int, int]:
    """Count charges, the most charged in a day, and how often the wallet would have hit zero."""
    policy = WalletPolicy(automatic=Automatic.ON if rule is not None else Automatic.OFF, rule=rule)
    balance = start_micros
    charges = zeros = 0
    by_day: dict[str, list[int]] = {}
    month_micros: dict[str, int] = {}
    last_at: datetime | None = None
    for hour in hours:
        was_above = balance > 0
        balance += hour.paid_micros - hour.spent_micros
        today = by_day.setdefault(hour.day, [])
        past = RechargePast(
            in_flight=False,
            attempts_today=len(today),
            money_today_micros=sum(today),
            money_month_micros=month_micros.get(hour.day[:7], 0),
            last_started_at=last_at,
        )
        decision = recharge_decision(_funds(balance), policy, past, hour.at, day_ends_at=hour.at, scale=scale)
        if decision.amount_micros is not None:
            balance += decision.amount_micros
            today.append(decision.amount_micros)
            month_micros[hour.day[:7]] = month_micros.get(hour.day[:7], 0) + decision.amount_micros
            last_at = hour.at
            charges += 1
        if was_above and balance <= 0:
            zeros += 1
    return charges, max((sum(one) for one in by_day.values()), default=0), zeros


def _funds(balance: int) -> Funds:
    return Funds(
        balance_micros=balance,
        held_micros=0,
        funded=True,
        emptied_at=None,
        grace_ends_at=None,
        ceiling_micros=0,
    )
