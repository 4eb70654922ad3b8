"""Payment rows inside one transaction: insert, look up, change. What follows when money arrives is settlement's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from bot.rights import Tie
from bot.states.payment import NEXT, OPEN, News, Purpose, State, Way
from bot.tables import billing, payments
from ledger import Currency, DueKind, Money, Tx, ahead_after, new_id, not_ahead

FIRST_REF = 1000


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment that is asked for, or (without an amount) a card that is asked for."""

    wallet_id: UUID
    payment_id: UUID
    ref: str
    purpose: Purpose
    way: Way
    state: State
    amount: Money | None
    currency: Currency
    asked_by: str
    payer: str
    note: str
    card_id: str
    saves_card: bool
    session_id: str
    link_id: str
    intent_id: str
    url: str
    created_at: datetime
    expires_at: datetime | None
    settled_at: datetime | None
    paid_with: str
    receipt_url: str
    decline_code: str
    advice_code: str
    withdrawn_by: str
    qr_file_id: str
    try_number: int
    recharge_id: str
    next_try_at: datetime | None
    next_card_id: str

    @property
    def is_rescue(self) -> bool:
        """Whether it is the link by which an automatic payment that failed can be paid instead."""
        return self.purpose is Purpose.ASK and self.recharge_id != str(self.payment_id)

    @property
    def is_of_recharge(self) -> bool:
        """Whether it is a try of an automatic payment, or the link that can be paid instead."""
        return self.purpose is Purpose.RECHARGE or self.is_rescue


def ties_of(payment: Payment | None, user_id: str) -> frozenset[Tie]:
    """Say what somebody is to a request."""
    if payment is None or not user_id:
        return frozenset()
    sides = ((Tie.ASKER, payment.asked_by), (Tie.PAYER, payment.payer))
    return frozenset(tie for tie, side in sides if side == user_id)


def plan(
    tx: Tx,
    wallet_id: UUID,
    *,
    purpose: Purpose,
    way: Way,
    currency: Currency,
    amount: Money | None = None,
    asked_by: str = "",
    payer: str = "",
    note: str = "",
    card_id: str = "",
    saves_card: bool = False,
    expires_at: datetime | None = None,
    try_number: int = 1,
    recharge_id: str = "",
) -> Payment:
    """Insert a payment that is about to be asked for."""
    payment_id = new_id()
    tx.connection.execute(
        insert(payments).values(
            wallet_id=wallet_id,
            payment_id=payment_id,
            ref=_next_ref(tx, wallet_id),
            purpose=purpose,
            way=way,
            state=State.ASKED.value,
            amount_micros=amount.micros if amount else None,
            currency=currency.code,
            asked_by=asked_by,
            payer=payer,
            note=note,
            card_id=card_id,
            saves_card=int(saves_card),
            created_at=tx.now,
            expires_at=expires_at,
            try_number=try_number,
            recharge_id=recharge_id or str(payment_id),
        )
    )
    found = payment_by_id(tx.connection, wallet_id, payment_id)
    assert found is not None
    return found


def _next_ref(tx: Tx, wallet_id: UUID) -> str:
    given = tx.connection.execute(
        update(billing)
        .where(billing.c.wallet_id == wallet_id)
        .values(refs_given=billing.c.refs_given + 1)
        .returning(billing.c.refs_given)
    ).scalar_one()
    return f"RB-{FIRST_REF + given}"


def payment_by_id(connection: Connection, wallet_id: UUID, payment_id: UUID) -> Payment | None:
    """Look a payment up by our own id."""
    return _payment_where(connection, wallet_id, payments.c.payment_id == payment_id)


def shown_ref(connection: Connection, payment: Payment) -> str:
    """Give the reference that people read: all tries of an automatic payment and its link share the first try's."""
    if payment.is_of_recharge and payment.recharge_id != str(payment.payment_id):
        first = payment_by_id(connection, payment.wallet_id, UUID(payment.recharge_id))
        assert first is not None, "a recharge is named after its first try"
        return first.ref
    return payment.ref


def payments_of_recharge(connection: Connection, wallet_id: UUID, recharge_id: str) -> list[Payment]:
    """Give the tries of an automatic payment and the links that can be paid instead, oldest first."""
    rows = connection.execute(
        select(payments)
        .where(payments.c.wallet_id == wallet_id, payments.c.recharge_id == recharge_id)
        .order_by(payments.c.created_at, payments.c.payment_id)
    ).mappings()
    return [payment_of(row) for row in rows]


def last_recharge_try(connection: Connection, wallet_id: UUID) -> Payment | None:
    """Give the newest try of the newest automatic payment."""
    row = (
        connection.execute(
            select(payments)
            .where(payments.c.wallet_id == wallet_id, payments.c.purpose == Purpose.RECHARGE)
            .order_by(payments.c.created_at.desc(), payments.c.payment_id.desc())
            .limit(1)
        )
        .mappings()
        .one_or_none()
    )
    return payment_of(row) if row is not None else None


def payment_by_ref(connection: Connection, wallet_id: UUID, ref: str) -> Payment | None:
    """Look a payment up by the reference that people read: "RB-1042". An erased reference finds none."""
    return _payment_where(connection, wallet_id, payments.c.ref == ref)


def payment_by_intent(connection: Connection, wallet_id: UUID, intent_id: str) -> Payment | None:
    """Look a payment up by its PaymentIntent, "pi_…"."""
    assert intent_id, "a payment without an intent has an empty id, and there are many"
    return _payment_where(connection, wallet_id, payments.c.intent_id == intent_id)


def _payment_where(connection: Connection, wallet_id: UUID, is_it: ColumnElement[bool]) -> Payment | None:
    wanted = select(payments).where(payments.c.wallet_id == wallet_id, is_it).limit(1)
    row = connection.execute(wanted).mappings().one_or_none()
    return payment_of(row) if row is not None else None


def fresh(tx: Tx, payment: Payment) -> Payment:
    """Read a payment again, inside the transaction that acts on it."""
    found = payment_by_id(tx.connection, payment.wallet_id, payment.payment_id)
    assert found is not None
    return found


def open_payments(connection: Connection, wallet_id: UUID, *, purposes: Sequence[Purpose]) -> list[Payment]:
    """Give the payments that may still bring something, oldest first."""
    rows = connection.execute(
        select(payments)
        .where(
            payments.c.wallet_id == wallet_id,
            payments.c.state.in_([state.value for state in OPEN]),
            payments.c.purpose.in_(purposes),
        )
        .order_by(payments.c.created_at)
    ).mappings()
    return [payment_of(row) for row in rows]


def count_by_state(connection: Connection) -> dict[str, int]:
    """Give how many payments of all wallets there are in each state; every state is there."""
    counted = select(payments.c.state, func.count()).group_by(payments.c.state)
    rows = connection.execute(counted.execution_options(cross_shard=True))
    return {**{state.value: 0 for state in State}, **{row.state: row[1] for row in rows}}


_LAPSING = (State.OFFERED.value, State.WAITING.value)


def overdue(connection: Connection, now: datetime, *, among: ColumnElement[bool]) -> list[tuple[UUID, UUID]]:
    """Give requests, and payments that wait for a person, whose time is over: wallet and payment ids.

    `among` is a condition on `payments`; of wallets whose time is in doubt there are none.
    """
    rows = connection.execute(
        select(payments.c.wallet_id, payments.c.payment_id)
        .where(
            payments.c.state.in_(_LAPSING),
            payments.c.expires_at <= now,
            among,
            not_ahead(payments.c.wallet_id),
        )
        .execution_options(cross_shard=True),
        {"ahead": ahead_after(now)},
    ).all()
    return [(row.wallet_id, row.payment_id) for row in rows]


def next_lapse(connection: Connection, after: datetime, *, among: ColumnElement[bool]) -> datetime | None:
    """Give the next instant after another at which the time of one of these is over."""
    ends_at: datetime | None = connection.execute(
        select(func.min(payments.c.expires_at))
        .where(payments.c.state.in_(_LAPSING), payments.c.expires_at > after, among)
        .execution_options(cross_shard=True)
    ).scalar_one()
    return ends_at


def payment_of(row: Any) -> Payment:
    """Read one row."""
    values: dict[str, Any] = dict(row)
    currency = Currency.of(str(values["currency"]))
    micros = values.pop("amount_micros")
    assert micros is None or isinstance(micros, int)
    values.update(
        purpose=Purpose(str(values["purpose"])),
        way=Way(str(values["way"])),
        state=State(str(values["state"])),
        currency=currency,
        amount=Money(micros, currency) if micros is not None else None,
        saves_card=bool(values["saves_card"]),
    )
    return Payment(**values)  # the columns and the fields are the same, by test


def change(tx: Tx, payment: Payment, news: News, **columns: object) -> Payment:
    """Let some news act on a payment, with columns that change along."""
    state = NEXT.after(payment.state, news)
    tx.connection.execute(
        update(payments)
        .where(payments.c.wallet_id == payment.wallet_id, payments.c.payment_id == payment.payment_id)
        .values(state=state.value, **columns)
    )
    return replace(payment, state=state, **columns)  # type: ignore[arg-type] # as above


def schedule(tx: Tx, payment: Payment, at: datetime | None, card_id: str) -> None:
    """Remember when, and with which card, a declined recharge is tried again."""
    tx.connection.execute(
        update(payments)
        .where(payments.c.wallet_id == payment.wallet_id, payments.c.payment_id == payment.payment_id)
        .values(next_try_at=at, next_card_id=card_id)
    )


def forget_retries(tx: Tx, wallet_id: UUID) -> None:
    """Wait for no planned try of an automatic payment: another card is charged, as soon as it may be."""
    tx.connection.execute(
        update(payments)
        .where(
            payments.c.wallet_id == wallet_id,
            payments.c.purpose == Purpose.RECHARGE,
            payments.c.state == State.FAILED.value,
            payments.c.next_try_at.is_not(None),
        )
        .values(next_try_at=None)
    )
    tx.schedule.hurry(wallet_id, DueKind.RECHARGE)
