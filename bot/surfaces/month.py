"""A month's usage as people are shown it: by kind and by day, beside the month before, with what stands out."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from bot.facts import DayFacts, KindFacts, MonthFacts, SpikeFacts
from bot.surfaces.figures import CREDIT_KINDS, whole_cents
from bot.surfaces.snapshot import Snapshot
from bot.tables import pictures
from bot.wallets.usage import KINDS
from ledger import (
    KindSum,
    Money,
    Spike,
    daily,
    local_day,
    month_before,
    month_summary,
    months_of,
    next_month,
    references_of,
    spikes_of,
)


def month_facts(snapshot: Snapshot, month: str | None) -> MonthFacts:
    """Sum a month up: the present one, or a named one."""
    today = local_day(snapshot.now, ZoneInfo(snapshot.zone))
    present = f"{today:%Y-%m}"
    month = month or present
    running = month == present
    first = date.fromisoformat(f"{month}-01")
    last = today if running else next_month(first) - timedelta(days=1)
    sums = month_summary(snapshot.connection, snapshot.wallet_id, month)
    usage = [_kind(snapshot, one, -1) for one in sums if one.kind not in CREDIT_KINDS]
    credits = [_kind(snapshot, one, 1) for one in sums if one.kind in CREDIT_KINDS]
    missing = [
        KindFacts(kind=kind, count=0, quantity=0, amount=snapshot.money(0))
        for kind in KINDS
        if kind not in {one.kind for one in usage}
    ]
    known = sorted((*usage, *missing), key=lambda one: (-one.amount.micros, one.kind))
    last_month, last_spent = _month_before(snapshot, first, last.day)
    days = daily(snapshot.connection, snapshot.wallet_id, first.isoformat(), last.isoformat())
    return MonthFacts(
        month=month,
        running=running,
        spent=snapshot.money(sum(one.amount.micros for one in usage)),
        kinds=tuple(known),
        credits=tuple(credits),
        last_month=last_month,
        last_spent=last_spent,
        through_day=last.day,
        days=tuple(_days(snapshot, days, first, last)),
        months=tuple(months_of(snapshot.connection, snapshot.wallet_id)),
        spike=_latest_spike(snapshot, first, last),
        picture_file_id=_picture(snapshot.connection, snapshot.wallet_id, month),
    )


def _kind(snapshot: Snapshot, one: KindSum, sign: int) -> KindFacts:
    return KindFacts(
        kind=one.kind, count=one.count, quantity=one.quantity, amount=snapshot.money(sign * one.amount_micros)
    )


def _month_before(snapshot: Snapshot, first: date, through_day: int) -> tuple[str | None, Money | None]:
    month = f"{month_before(first):%Y-%m}"
    sums = month_summary(snapshot.connection, snapshot.wallet_id, month, through_day=through_day)
    spent = -sum(one.amount_micros for one in sums if one.kind not in CREDIT_KINDS)
    return (month, snapshot.money(spent)) if spent > 0 else (None, None)


def _days(
    snapshot: Snapshot, found: dict[str, dict[str, KindSum]], first: date, last: date
) -> Sequence[DayFacts]:
    days = []
    day = first
    while day <= last:
        kinds = found.get(day.isoformat(), {})
        spent = -sum(one.amount_micros for kind, one in kinds.items() if kind not in CREDIT_KINDS)
        days.append(DayFacts(day=day.isoformat(), spent=snapshot.money(max(0, spent))))
        day += timedelta(days=1)
    return days


def _latest_spike(snapshot: Snapshot, first: date, last: date) -> SpikeFacts | None:
    """Give what stands out most on the latest day of the month on which anything does."""
    found = _spikes(snapshot, first.isoformat(), last.isoformat())
    latest = next((one for one in found if one.day == found[-1].day), None)
    return _spike(snapshot, latest) if latest is not None else None


def spike_facts(snapshot: Snapshot, day: str, kind: str) -> SpikeFacts | None:
    """Give a spike with the references that explain it; None where that day does not stand out."""
    found = _spikes(snapshot, day, day)
    spike = next((one for one in found if one.kind == kind), None)
    if spike is None:
        return None
    return _spike(snapshot, spike, references_of(snapshot.connection, snapshot.wallet_id, day, kind))


def _spikes(snapshot: Snapshot, first_day: str, last_day: str) -> Sequence[Spike]:
    least_micros = snapshot.policy.spike_min_micros
    return spikes_of(snapshot.connection, snapshot.wallet_id, first_day, last_day, least_micros)


def _spike(snapshot: Snapshot, spike: Spike, references: Sequence[tuple[str, int]] = ()) -> SpikeFacts:
    return SpikeFacts(
        day=spike.day,
        kind=spike.kind,
        spent=snapshot.money(spike.spent_micros),
        usual=snapshot.money(whole_cents(spike.usual_micros)) if spike.usual_micros is not None else None,
        references=tuple((reference, snapshot.money(micros)) for reference, micros in references),
    )


def _picture(connection: Connection, wallet_id: UUID, month: str) -> str | None:
    found = connection.execute(
        select(pictures.c.file_id).where(
            pictures.c.wallet_id == wallet_id, pictures.c.name == f"spend:{month}"
        )
    ).scalar_one_or_none()
    return str(found) if found else None
