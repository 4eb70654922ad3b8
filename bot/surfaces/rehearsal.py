"""What a rule would have done over the last 30 days. Pure but for `rehearse`, which reads the rollups."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.facts import RehearsalFacts
from bot.surfaces.read_models import CREDIT_KINDS, Desk
from ledger import (
    Automatic,
    CreditKind,
    Funds,
    Money,
    RechargePast,
    RechargeRule,
    WalletPolicy,
    hours_of,
    recharge_decision,
)

DAYS = 30


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour's money: what was spent, and what people paid in. Micro-units."""

    at: datetime
    day: str
    spent_micros: int
    paid_micros: int


def rehearse(at: Desk, rule: RechargeRule) -> RehearsalFacts:
    """Play the last 30 days again with a rule, and without automatic payments."""
    zone = ZoneInfo(at.view.zone)
    first = (at.now.astimezone(zone) - timedelta(days=DAYS)).date()
    rows = hours_of(at.connection, at.view.wallet_id, first.isoformat())
    hours: dict[tuple[str, int], list[int]] = {}
    change = 0
    for day, hour, kind, amount in rows:
        sums = hours.setdefault((day, hour), [0, 0])
        change += amount
        if kind not in CREDIT_KINDS:
            sums[0] -= amount
        elif kind != CreditKind.RECHARGE.value:
            sums[1] += amount
    played = [
        Hour(
            datetime.combine(date.fromisoformat(day), datetime.min.time(), zone) + timedelta(hours=hour),
            day,
            *sums,
        )
        for (day, hour), sums in sorted(hours.items())
    ]
    start = at.view.balance_micros - change
    days = len({hour.day for hour in played})
    charges, most, zeros_with = play(played, start, rule)
    _, _, zeros_without = play(played, start, None)
    return RehearsalFacts(
        days=min(days, DAYS),
        charges=charges,
        most_in_a_day=Money(most, at.currency),
        zeros_with_rule=zeros_with,
        zeros_without=zeros_without,
    )


def play(hours: Sequence[Hour], start_micros: int, rule: RechargeRule | None) -> tuple[int, int, int]:
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
        decision = recharge_decision(_funds(balance), policy, past, hour.at, day_ends_at=hour.at)
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
