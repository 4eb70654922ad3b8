"""Transactions as people are shown them: a page of a list, or one with the payment behind it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, select

from bot import payment_rows
from bot.facts import HistoryFacts, PaidFacts, RowFacts
from bot.payment_rows import Payment
from bot.states.payment import Purpose
from bot.surfaces.snapshot import Snapshot
from bot.tables import payments
from ledger import CreditKind, HistoryRow, Money, history, transfer_by_key

PAGE_SIZE = 8


def history_facts(
    snapshot: Snapshot,
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
    wallet_id = snapshot.wallet_id
    if direction == "newer" and seq is not None:
        rows = history(
            snapshot.connection, wallet_id, after_seq=seq, limit=size + 1, kinds=kinds, month=month
        )
        more_newer, rows = len(rows) > size, rows[-size:]
        if len(rows) < size:  # the first page again, whole
            return history_facts(snapshot, kind=kind, month=month, size=size)
        more_older = True
    else:
        before = seq if direction == "older" else None
        rows = history(
            snapshot.connection, wallet_id, before_seq=before, limit=size + 1, kinds=kinds, month=month
        )
        more_older, rows = len(rows) > size, rows[:size]
        more_newer = before is not None
    paid = _paid_with(snapshot, rows)
    return HistoryFacts(
        rows=tuple(_row(snapshot, row, paid.get(row.reference)) for row in rows),
        kind=kind,
        month=month,
        newer_cursor=f"newer:{rows[0].seq}" if rows and more_newer else None,
        older_cursor=f"older:{rows[-1].seq}" if rows and more_older else None,
        zone=snapshot.zone,
    )


def row_facts(snapshot: Snapshot, seq: int) -> tuple[RowFacts, Payment | None] | None:
    """Give one transaction and the payment behind it; None when there is no such number."""
    rows = history(snapshot.connection, snapshot.wallet_id, before_seq=seq + 1, limit=1)
    if not rows or rows[0].seq != seq:
        return None
    payment = _paid_with(snapshot, rows).get(rows[0].reference)
    return _row(snapshot, rows[0], payment), payment


def how_paid(connection: Connection, wallet_id: UUID, source: str, source_id: str) -> PaidFacts | None:
    """Say how money came in by a credit, named by its key; None where no payment stands behind it."""
    row = transfer_by_key(connection, wallet_id, source, source_id)
    if row is None or row.source != "stripe":
        return None
    payment = payment_rows.payment_by_ref(connection, wallet_id, row.reference)
    if payment is None or payment.amount is None:
        return None
    by_link = payment.purpose is Purpose.ASK
    return PaidFacts(
        amount=Money(row.amount_micros, payment.currency),
        kind=CreditKind(row.kind),
        card=payment.paid_with,
        payer_id=payment.payer if by_link else "",
        asker_id="" if by_link and payment.payer else payment.asked_by,
    )


def _paid_with(snapshot: Snapshot, rows: Sequence[HistoryRow]) -> dict[str, Payment]:
    refs = [row.reference for row in rows if row.source == "stripe"]
    if not refs:
        return {}
    found = snapshot.connection.execute(
        select(payments).where(payments.c.wallet_id == snapshot.wallet_id, payments.c.ref.in_(refs))
    ).mappings()
    return {payment.ref: payment for payment in map(payment_rows.payment_of, found)}


def _row(snapshot: Snapshot, row: HistoryRow, payment: Payment | None) -> RowFacts:
    return RowFacts(
        seq=row.seq,
        kind=row.kind,
        amount=snapshot.money(row.amount_micros),
        balance_after=snapshot.money(row.balance_after_micros),
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        quantity=row.quantity,
        reference="" if payment is not None else row.reference,
        description="" if payment is not None else row.description,
        card=payment.paid_with if payment is not None else "",
        payment_ref=payment_rows.shown_ref(snapshot.connection, payment) if payment is not None else "",
        has_receipt=payment is not None and bool(payment.receipt_url),
        after_stop=row.after_stop,
    )
