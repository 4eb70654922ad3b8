"""What people are shown, gathered from the ledger and our rows in one read transaction; views put it into words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from bot import payment_rows
from bot.days import next_month
from bot.facts import (
    AutomaticFacts,
    BalanceFacts,
    Basis,
    CardFacts,
    DayFacts,
    HistoryFacts,
    KindFacts,
    MonthFacts,
    RequestFacts,
    RequestState,
    RowFacts,
    SpikeFacts,
)
from bot.payment_rows import Payment
from bot.payment_state import State
from bot.payments.recharge import Recharge
from bot.tables import cards, payments, pictures
from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    Automatic,
    Burn,
    CreditKind,
    Currency,
    HistoryRow,
    KindSum,
    Ledger,
    Money,
    RechargeBlock,
    Standing,
    WalletPolicy,
    WalletView,
    burn_of,
    daily,
    format_money,
    history,
    month_summary,
    months_of,
    runway,
    spikes_of,
)

PAGE_SIZE = 8
KNOWN_KINDS = (OUTBOUND_CALL, INBOUND_CALL, AI_TASK)
CREDIT_KINDS = frozenset(kind.value for kind in CreditKind)
REFILL_MIN_MICROS = 10_000_000


@dataclass(frozen=True, slots=True)
class Desk:
    """One read transaction about one wallet: everything in it belongs to the same instant."""

    connection: Connection
    now: datetime
    view: WalletView
    policy: WalletPolicy
    burn: Burn | None

    @property
    def currency(self) -> Currency:
        return Currency.of(self.view.currency)

    def money(self, micros: int) -> Money:
        """Give an amount in the wallet's currency."""
        return Money(micros, self.currency)


def desk(ledger: Ledger, connection: Connection, wallet_id: UUID) -> Desk:
    """Read what every surface needs."""
    view, policy = ledger.look(connection, wallet_id)
    now = ledger.now()
    return Desk(connection, now, view, policy, burn_of(connection, wallet_id, now))


def balance_facts(at: Desk) -> BalanceFacts:
    """Say the money, the standing and how long it lasts."""
    view = at.view
    lasts_until = (
        runway(at.burn, view.available_micros, at.now, view.zone)
        if at.burn is not None and view.funded
        else None
    )
    brings_back = None
    if view.funded and view.standing is not Standing.OPEN:
        short = max(REFILL_MIN_MICROS, -view.balance_micros + 1)
        brings_back = at.money(-(-short // 1_000_000) * 1_000_000)
    return BalanceFacts(
        now=at.now,
        zone=view.zone,
        balance=at.money(view.balance_micros),
        held=at.money(view.held_micros),
        available=at.money(view.available_micros),
        open_holds=view.open_holds,
        standing=view.standing,
        lasts_until=lasts_until,
        basis=_basis(at.burn, lasts_until, view),
        emptied_at=view.emptied_at,
        grace_ends_at=view.grace_ends_at,
        grace=at.policy.grace,
        brings_back=brings_back,
        funded=view.funded,
        after_stop_count=view.after_stop_count,
        last_asked_at=view.last_asked_at,
    )


def _basis(burn: Burn | None, lasts_until: datetime | None, view: WalletView) -> Basis:
    if burn is None:
        return Basis.EARLY
    if burn.week_micros == 0:
        return Basis.IDLE
    return Basis.USUAL if lasts_until is not None or view.available_micros <= 0 else Basis.LONG


def automatic_facts(at: Desk, recharge: Recharge) -> AutomaticFacts:
    """Say the rule, the cards, and in a sentence why no charge is made now."""
    wallet_id = at.view.wallet_id
    by_slot = card_facts(at.connection, wallet_id)
    decision = recharge.decision(at.connection, at.view, at.policy, at.now)
    return AutomaticFacts(
        state=at.policy.automatic,
        rule=at.policy.rule,
        currency=at.view.currency,
        card=by_slot.get("main"),
        backup=by_slot.get("backup"),
        charges_today=recharge.charges_today(at.connection, at.view, at.now),
        pause_reason=at.policy.pause_reason,
        held_sentence=_held_sentence(decision.block, decision.until, at.view.zone),
        trouble=at.view.trouble,
    )


def _held_sentence(block: RechargeBlock | None, until: datetime | None, zone: str) -> str:
    clock = until.astimezone(ZoneInfo(zone)).strftime("%H:%M") if until is not None else ""
    match block:
        case RechargeBlock.SPACING:
            return f"Held until {clock}: one charge per 15 minutes."
        case RechargeBlock.RETRY:
            return f"The last try was declined; the next one is at {clock}."
        case RechargeBlock.NEEDS_PERSON:
            return "Waiting for somebody to confirm the last try at the bank."
        case RechargeBlock.IN_FLIGHT:
            return "A charge is on its way."
        case RechargeBlock.DAY_COUNT:
            return "All of today's charges are used; tomorrow there are new ones."
        case RechargeBlock.DAY_CAP:
            return "Today's limit is reached; tomorrow there is room again."
        case RechargeBlock.MONTH_CAP:
            return "This month's limit is reached."
        case RechargeBlock.UNUSED:
            return "Nothing was used for 14 days, so the card is left alone until something is."
        case RechargeBlock.SWITCHED_OFF:
            return "Redbar's operator has stopped all automatic charges for now."
        case _:
            return ""


def card_facts(connection: Connection, wallet_id: UUID) -> dict[str, CardFacts]:
    """Give the usable cards by slot."""
    rows = connection.execute(
        select(cards).where(cards.c.wallet_id == wallet_id, cards.c.slot != "removed")
    ).mappings()
    return {
        row["slot"]: CardFacts(
            card_id=row["card_id"],
            brand=row["brand"],
            last4=row["last4"],
            exp_month=row["exp_month"],
            exp_year=row["exp_year"],
            backup=row["slot"] == "backup",
        )
        for row in rows
    }


def month_facts(at: Desk, month: str | None) -> MonthFacts:
    """Sum a month up: the present one, or a named one."""
    local = at.now.astimezone(ZoneInfo(at.view.zone))
    present = f"{local:%Y-%m}"
    month = month or present
    running = month == present
    first = date.fromisoformat(f"{month}-01")
    last = local.date() if running else next_month(first) - timedelta(days=1)
    sums = month_summary(at.connection, at.view.wallet_id, month)
    usage = [_kind(at, one, -1) for one in sums if one.kind not in CREDIT_KINDS]
    credits = [_kind(at, one, 1) for one in sums if one.kind in CREDIT_KINDS]
    missing = [
        KindFacts(kind=kind, count=0, quantity=0, amount=at.money(0))
        for kind in KNOWN_KINDS
        if kind not in {one.kind for one in usage}
    ]
    known = sorted((*usage, *missing), key=lambda one: (-one.amount.micros, one.kind))
    last_month, last_spent = _month_before(at, first, last.day)
    days = daily(at.connection, at.view.wallet_id, first.isoformat(), last.isoformat())
    return MonthFacts(
        month=month,
        running=running,
        spent=at.money(sum(one.amount.micros for one in usage)),
        kinds=tuple(known),
        credits=tuple(credits),
        last_month=last_month,
        last_spent=last_spent,
        through_day=last.day,
        days=tuple(_days(at, days, first, last)),
        months=tuple(months_of(at.connection, at.view.wallet_id)),
        spike=_latest_spike(at, first, last),
        picture_file_id=_picture(at.connection, at.view.wallet_id, month),
    )


def _kind(at: Desk, one: KindSum, sign: int) -> KindFacts:
    return KindFacts(
        kind=one.kind, count=one.count, quantity=one.quantity, amount=at.money(sign * one.amount_micros)
    )


def _month_before(at: Desk, first: date, through_day: int) -> tuple[str | None, Money | None]:
    before = (first - timedelta(days=1)).replace(day=1)
    month = f"{before:%Y-%m}"
    sums = month_summary(at.connection, at.view.wallet_id, month, through_day=through_day)
    spent = -sum(one.amount_micros for one in sums if one.kind not in CREDIT_KINDS)
    return (month, at.money(spent)) if spent > 0 else (None, None)


def _days(at: Desk, found: dict[str, dict[str, KindSum]], first: date, last: date) -> Sequence[DayFacts]:
    days = []
    day = first
    while day <= last:
        kinds = found.get(day.isoformat(), {})
        spent = -sum(one.amount_micros for kind, one in kinds.items() if kind not in CREDIT_KINDS)
        days.append(DayFacts(day=day.isoformat(), spent=at.money(max(0, spent))))
        day += timedelta(days=1)
    return days


def _latest_spike(at: Desk, first: date, last: date) -> SpikeFacts | None:
    """Give the latest day of the month that cost at least twice the same weekdays before it."""
    found = spikes_of(at.connection, at.view.wallet_id, first.isoformat(), last.isoformat())
    if not found:
        return None
    one = found[-1]
    return SpikeFacts(
        day=one.day,
        kind=one.kind,
        spent=at.money(one.spent_micros),
        usual=at.money(whole_cents(one.usual_micros)),
        times_tenths=one.spent_micros * 10 // max(1, one.usual_micros),
    )


def whole_cents(micros: int) -> int:
    """Give an average without the fractions of a cent that nobody was ever charged."""
    return micros // 10_000 * 10_000


def _picture(connection: Connection, wallet_id: UUID, month: str) -> str | None:
    found = connection.execute(
        select(pictures.c.file_id).where(
            pictures.c.wallet_id == wallet_id, pictures.c.name == f"spend:{month}"
        )
    ).scalar_one_or_none()
    return str(found) if found else None


def history_facts(
    at: Desk,
    *,
    kind: str | None = None,
    month: str | None = None,
    cursor: str | None = None,
    size: int = PAGE_SIZE,
) -> HistoryFacts:
    """Give a page of transactions. A cursor is "older:SEQ" or "newer:SEQ"."""
    direction, _, text = (cursor or "").partition(":")
    seq = int(text) if text.isascii() and text.isdigit() else None
    kinds = [kind] if kind else None
    wallet_id = at.view.wallet_id
    if direction == "newer" and seq is not None:
        rows = history(at.connection, wallet_id, after_seq=seq, limit=size + 1, kinds=kinds, month=month)
        more_newer, rows = len(rows) > size, rows[-size:]
        if len(rows) < size:  # the first page again, whole
            return history_facts(at, kind=kind, month=month, size=size)
        more_older = True
    else:
        before = seq if direction == "older" else None
        rows = history(at.connection, wallet_id, before_seq=before, limit=size + 1, kinds=kinds, month=month)
        more_older, rows = len(rows) > size, rows[:size]
        more_newer = before is not None
    paid = _paid_with(at, rows)
    return HistoryFacts(
        rows=tuple(_row(at, row, paid.get(row.reference)) for row in rows),
        kind=kind,
        month=month,
        newer_cursor=f"newer:{rows[0].seq}" if rows and more_newer else None,
        older_cursor=f"older:{rows[-1].seq}" if rows and more_older else None,
        zone=at.view.zone,
    )


def row_facts(at: Desk, seq: int) -> tuple[RowFacts, Payment | None] | None:
    """Give one transaction and the payment behind it; None when there is no such number."""
    rows = history(at.connection, at.view.wallet_id, before_seq=seq + 1, limit=1)
    if not rows or rows[0].seq != seq:
        return None
    payment = _paid_with(at, rows).get(rows[0].reference)
    return _row(at, rows[0], payment), payment


def _paid_with(at: Desk, rows: Sequence[HistoryRow]) -> dict[str, Payment]:
    refs = [row.reference for row in rows if row.source == "stripe"]
    if not refs:
        return {}
    found = at.connection.execute(
        select(payments).where(payments.c.wallet_id == at.view.wallet_id, payments.c.ref.in_(refs))
    ).mappings()
    return {payment.ref: payment for payment in map(payment_rows.payment_of, found)}


def _row(at: Desk, row: HistoryRow, payment: Payment | None) -> RowFacts:
    return RowFacts(
        seq=row.seq,
        kind=row.kind,
        amount=at.money(row.amount_micros),
        balance_after=at.money(row.balance_after_micros),
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        quantity=row.quantity,
        reference="" if payment is not None else row.reference,
        description="" if payment is not None else row.description,
        card=payment.paid_with if payment is not None else "",
        payment_ref=payment.ref if payment is not None else "",
        has_receipt=payment is not None and bool(payment.receipt_url),
        after_stop=row.after_stop,
    )


_REQUEST_STATES = {
    State.ASKED: RequestState.OPEN,
    State.OFFERED: RequestState.OPEN,
    State.COLLECTING: RequestState.OPEN,
    State.WAITING: RequestState.OPEN,
    State.PAID: RequestState.PAID,
    State.FAILED: RequestState.EXPIRED,
    State.LAPSED: RequestState.EXPIRED,
    State.WITHDRAWN: RequestState.WITHDRAWN,
}


def request_facts(at: Desk, payment: Payment, *, balance: BalanceFacts | None = None) -> RequestFacts:
    """Say how a request stands. The balance is shown to people with a role alone."""
    shown = balance or balance_facts(at)
    state = _REQUEST_STATES[payment.state]
    if state is RequestState.PAID and payment.amount is None:
        state = RequestState.CONNECTED
    assert payment.expires_at is not None
    return RequestFacts(
        payment_id=str(payment.payment_id),
        ref=payment.ref,
        state=state,
        amount=payment.amount,
        asker_id=payment.asked_by,
        payer_id=payment.payer,
        note=payment.note,
        url=payment.url,
        host=host_of(payment.url),
        expires_at=payment.expires_at,
        stops_at=shown.lasts_until if at.policy.automatic is not Automatic.ON else None,
        stopped=shown.funded and shown.standing is not Standing.OPEN,
        paid_with=payment.paid_with,
        paid_at=payment.settled_at,
        receipt_url=payment.receipt_url,
        balance=shown.balance,
        withdrawn_by=payment.withdrawn_by,
        qr_file_id=payment.qr_file_id or None,
        zone=at.view.zone,
    )


def open_requests(at: Desk) -> tuple[RequestFacts, ...]:
    """Give every open request, so that a real one can be told from a forged one."""
    shown = balance_facts(at)
    found = payment_rows.open_payments(at.connection, at.view.wallet_id, purposes=("ask", "connect"))
    return tuple(
        request_facts(at, one, balance=shown)
        for one in found
        if one.state is State.OFFERED and (one.payer or one.purpose == "ask")
    )


def host_of(url: str) -> str:
    """Give the host that a link opens, as people should check it."""
    return url.partition("://")[2].partition("/")[0]


def pace_words(at: Desk, amount: Money) -> str:
    """Say how long an amount lasts at the present pace; empty where that isn't known."""
    if at.burn is None or at.burn.week_micros == 0:
        return ""
    until = runway(at.burn, amount.micros, at.now, at.view.zone)
    if until is None:
        return f"{format_money(amount)} lasts more than 60 days at the present pace."
    hours = (until - at.now) // timedelta(hours=1)
    words = f"{hours // 24} days" if hours >= 48 else f"{hours} hours" if hours != 1 else "1 hour"
    return f"{format_money(amount)} lasts about {words} at the present pace."
