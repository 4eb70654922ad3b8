"""Disputes and fraud warnings: each movement of money that a bank made is booked once, and people are told.

A bank may repeat what it moved, turn it round and appeal; so the ledger's key is each movement's. Its fee is the
operator's and never taken from a wallet. Automatic payments stop while a cardholder's bank doubts a payment.
"""

from uuid import UUID

from sqlalchemy import insert, select, update

from bot.notices import DisputeChanged
from bot.payment_rows import Payment
from bot.payments.refunds import movement_micros, post_once
from bot.payments.sync import Sync
from bot.ports import DisputeSeen, Ok, PaymentGateway, Rejected, WarningSeen
from bot.states.dispute import PHASE_OF, DisputeStatus, Phase, after
from bot.stripe.keys import dispute_key
from bot.tables import disputes
from bot.wallets import rules
from bot.wallets.rules import OffCode
from ledger import CreditKind, Pause, PauseCode, Tx


class Disputes:
    """Books what disputes move, and tells of warnings."""

    def __init__(self, gateway: PaymentGateway, sync: Sync) -> None:
        self._gateway = gateway
        self._sync = sync

    def sync(self, dispute_id: str) -> bool:
        """Look at a dispute and book what it moved; False when outside could not be asked."""
        answer = self._gateway.dispute(dispute_id)
        return self.hear(answer.seen) if isinstance(answer, Ok) else isinstance(answer, Rejected)

    def hear(self, seen: DisputeSeen) -> bool:
        """Book what a dispute that was looked at has moved; False when its payment could not be asked for."""
        return self._sync.apply(seen.intent_id, lambda tx, payment: _book_dispute(tx, payment, seen))

    def sync_warning(self, warning_id: str) -> bool:
        """Look at a fraud warning and tell of it once; False when outside could not be asked."""
        answer = self._gateway.fraud_warning(warning_id)
        if not isinstance(answer, Ok):
            return isinstance(answer, Rejected)
        seen = answer.seen
        return self._sync.apply(seen.intent_id, lambda tx, payment: _suspect(tx, payment, seen))


def _book_dispute(tx: Tx, payment: Payment, seen: DisputeSeen) -> None:
    amount = movement_micros(payment, seen.amount_minor, seen.currency, seen.dispute_id)
    fresh = post_once(
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
    status = after(before, seen.status)
    if status == before and not moved:
        return
    _keep(tx, payment, seen.dispute_id, before, status, amount, reason=seen.reason, due_at=seen.due_by)
    phase = PHASE_OF[status]
    taken_now = before is not None and PHASE_OF[before] is Phase.INQUIRY and moved < 0
    if phase is not Phase.ENDED and (before is None or taken_now):
        # No card is charged that its holder's bank doubts: paused while it only asks, off once it took the money.
        if phase is Phase.INQUIRY:
            rules.pause(tx, payment.wallet_id, Pause(PauseCode.BANK_ASKS))
        else:
            rules.turn_off(tx, payment.wallet_id, OffCode.DISPUTED)
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
    _keep(tx, payment, seen.warning_id, None, DisputeStatus.SUSPECTED, amount, reason="", due_at=None)
    tx.outbox.add(
        payment.wallet_id,
        DisputeChanged(
            payment_id=payment.payment_id,
            dispute_id=seen.warning_id,
            status=DisputeStatus.SUSPECTED,
            opened=True,
            moved_micros=0,
        ),
    )


def _status_of(tx: Tx, wallet_id: UUID, dispute_id: str) -> DisputeStatus | None:
    status = tx.connection.execute(
        select(disputes.c.status).where(
            disputes.c.wallet_id == wallet_id, disputes.c.dispute_id == dispute_id
        )
    ).scalar_one_or_none()
    return DisputeStatus(status) if status is not None else None


def _keep(
    tx: Tx,
    payment: Payment,
    dispute_id: str,
    before: DisputeStatus | None,
    status: DisputeStatus,
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
