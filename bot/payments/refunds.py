"""Money that leaves again outside: refunds, disputes and fraud warnings, each booked once, by its own id.

Everything here is heard of, never started: refunds are made in Stripe. Like all news it may come twice, late and in
any order, also before the payment that it takes back; so the payment is looked at first. Ledger keys: `refund:re_…`,
`refund_reversal:re_…`, and `dispute:txn_…` for each movement of money that a dispute brought, which is what a bank
may repeat, turn round and appeal. A bank's fee is the operator's and never taken from a wallet.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import insert, select, update

from bot.notices import DisputeChanged, RefundBooked
from bot.payment_rows import Payment
from bot.payments.requests import Payments
from bot.payments.settlement import AmountsDiffer
from bot.ports import DisputeSeen, Ok, PaymentGateway, RefundSeen, Rejected, Unknown, WarningSeen
from bot.stripe.keys import dispute_key, refund_key, refund_reversal_key
from bot.tables import disputes
from bot.wallets import rules
from ledger import CreditKind, Currency, Ledger, PostMoney, Receipt, Refused, Tx, from_minor

SUSPECTED = "suspected"
"""The status of a fraud warning, which is kept among the disputes that it foretells."""
_GIVEN_BACK = frozenset({"failed", "canceled"})
_ENDED = frozenset({"won", "lost", "warning_closed", "prevented"})
_INQUIRING = "warning_"


class MoneyOut:
    """Books what is taken back."""

    def __init__(self, ledger: Ledger, gateway: PaymentGateway, payments: Payments) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._payments = payments

    def sync_refund(self, refund_id: str) -> bool:
        """Look at a refund and book it; False when outside could not be asked."""
        answer = self._gateway.refund(refund_id)
        return self.hear_refund(answer.seen) if isinstance(answer, Ok) else isinstance(answer, Rejected)

    def sync_dispute(self, dispute_id: str) -> bool:
        """Look at a dispute and book what it moved; False when outside could not be asked."""
        answer = self._gateway.dispute(dispute_id)
        return self.hear_dispute(answer.seen) if isinstance(answer, Ok) else isinstance(answer, Rejected)

    def sync_warning(self, warning_id: str) -> bool:
        """Look at a fraud warning and tell of it once; False when outside could not be asked."""
        answer = self._gateway.fraud_warning(warning_id)
        if not isinstance(answer, Ok):
            return isinstance(answer, Rejected)
        seen = answer.seen
        return self._with_payment(seen.intent_id, lambda tx, payment: _suspect(tx, payment, seen))

    def hear_refund(self, seen: RefundSeen) -> bool:
        """Book a refund that was looked at; False when its payment could not be asked for."""
        return self._with_payment(seen.intent_id, lambda tx, payment: _book_refund(tx, payment, seen))

    def hear_dispute(self, seen: DisputeSeen) -> bool:
        """Book what a dispute that was looked at has moved; False when its payment could not be asked for."""
        return self._with_payment(seen.intent_id, lambda tx, payment: _book_dispute(tx, payment, seen))

    def _with_payment(self, intent_id: str, book: Callable[[Tx, Payment], None]) -> bool:
        if not intent_id:
            return True  # not of ours: we make nothing but PaymentIntents
        payment = self._payments.paid_by(intent_id)
        if isinstance(payment, Unknown):
            return False
        if payment is not None:
            paid = payment
            self._ledger.run(lambda tx: book(tx, paid), wallet_id=paid.wallet_id)
        return True


def _book_refund(tx: Tx, payment: Payment, seen: RefundSeen) -> None:
    # A refund that failed before it was heard of is booked both ways all the same: whatever the order of the news,
    # the books end the same, and match the movements at Stripe one by one.
    failed = seen.status in _GIVEN_BACK
    wanted = [(CreditKind.REFUND, refund_key(seen.refund_id))]
    if failed:
        wanted.append((CreditKind.REFUND_REVERSAL, refund_reversal_key(seen.refund_id)))
    amount = _micros(payment, seen.amount_minor, seen.currency, seen.refund_id)
    fresh = _post(tx, payment, amount, wanted)
    if any(fresh):
        tx.outbox.add(
            payment.wallet_id,
            RefundBooked(
                payment_id=payment.payment_id, refund_id=seen.refund_id, amount_micros=amount, failed=failed
            ),
        )


def _book_dispute(tx: Tx, payment: Payment, seen: DisputeSeen) -> None:
    amount = _micros(payment, seen.amount_minor, seen.currency, seen.dispute_id)
    fresh = _post(
        tx,
        payment,
        amount,
        [
            (
                CreditKind.DISPUTE_REINSTATED if one.incoming else CreditKind.DISPUTE_WITHDRAWN,
                dispute_key(one.movement_id),
            )
            for one in seen.movements
        ],
    )
    moved = sum(
        (amount if one.incoming else -amount)
        for one, is_fresh in zip(seen.movements, fresh, strict=True)
        if is_fresh
    )
    before = _status_of(tx, payment.wallet_id, seen.dispute_id)
    status = seen.status
    if before in _ENDED and status not in _ENDED and not status.startswith("appeal_"):
        status = before  # an older look that came later
    if status == before and not moved:
        return
    _keep(tx, payment, seen.dispute_id, before, status, amount, reason=seen.reason, due_at=seen.due_by)
    if status not in _ENDED and (before is None or (before.startswith(_INQUIRING) and moved < 0)):
        # No card is charged that its holder's bank doubts: paused while it only asks, off once it took the money.
        if status.startswith(_INQUIRING):
            rules.pause(tx, payment.wallet_id, "the cardholder's bank asks about a payment")
        else:
            rules.turn_off(tx, payment.wallet_id, "a payment was disputed")
    tx.outbox.add(
        payment.wallet_id,
        DisputeChanged(
            payment_id=payment.payment_id,
            dispute_id=seen.dispute_id,
            status=status,
            opened=before is None,
            moved_micros=moved,
        ),
    )


def _suspect(tx: Tx, payment: Payment, seen: WarningSeen) -> None:
    if not seen.actionable or _status_of(tx, payment.wallet_id, seen.warning_id) is not None:
        return
    amount = payment.amount.micros if payment.amount is not None else 0
    _keep(tx, payment, seen.warning_id, None, SUSPECTED, amount, reason="", due_at=None)
    tx.outbox.add(
        payment.wallet_id,
        DisputeChanged(
            payment_id=payment.payment_id,
            dispute_id=seen.warning_id,
            status=SUSPECTED,
            opened=True,
            moved_micros=0,
        ),
    )


def _micros(payment: Payment, minor: int, code: str, outside_id: str) -> int:
    currency = Currency.of(code)
    if currency != payment.currency:
        raise AmountsDiffer(payment, outside_id)
    return from_minor(minor, currency).micros


def _post(
    tx: Tx, payment: Payment, amount_micros: int, wanted: Sequence[tuple[CreditKind, str]]
) -> list[bool]:
    """Post what was not posted before; says of each whether it was new. Raises: Refused."""
    commands = [
        PostMoney(
            source="stripe",
            source_id=key,
            kind=kind,
            amount_micros=amount_micros,
            occurred_at=None,
            reference=payment.ref,
            description=payment.paid_with,
        )
        for kind, key in wanted
    ]
    fresh = []
    for outcome in tx.book.carry_out(payment.wallet_id, commands) if commands else ():
        if isinstance(outcome, Refused):
            raise outcome
        assert isinstance(outcome, Receipt)
        fresh.append(not outcome.duplicate)
    return fresh


def _status_of(tx: Tx, wallet_id: UUID, dispute_id: str) -> str | None:
    return tx.connection.execute(
        select(disputes.c.status).where(
            disputes.c.wallet_id == wallet_id, disputes.c.dispute_id == dispute_id
        )
    ).scalar_one_or_none()


def _keep(
    tx: Tx,
    payment: Payment,
    dispute_id: str,
    before: str | None,
    status: str,
    amount_micros: int,
    **more: object,
) -> None:
    values: dict[str, object] = {
        "status": status,
        "amount_micros": amount_micros,
        "changed_at": tx.now,
        **more,
    }
    if before is not None:
        mine = (disputes.c.wallet_id == payment.wallet_id) & (disputes.c.dispute_id == dispute_id)
        tx.connection.execute(update(disputes).where(mine).values(**values))
        return
    tx.connection.execute(
        insert(disputes).values(
            wallet_id=payment.wallet_id,
            dispute_id=dispute_id,
            payment_id=payment.payment_id,
            currency=payment.currency.code,
            opened_at=tx.now,
            **values,
        )
    )
