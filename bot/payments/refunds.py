"""Refunds, each booked once by its own id, and again where it failed and gave the money back.

They are heard of, never started: refunds are made in Stripe. Like all news they may come twice, late and in any
order, also before the payment that they take back; so the payment is looked at first.
"""

from collections.abc import Sequence

from bot.notices import RefundBooked
from bot.payment_rows import Payment
from bot.payments.recharge_end import close_gap
from bot.payments.settlement import AmountsDiffer
from bot.payments.sync import Sync
from bot.ports import Ok, PaymentGateway, RefundSeen, Rejected
from bot.states.refund import NEXT, RefundState
from bot.stripe.keys import refund_key, refund_reversal_key
from ledger import CreditKind, Currency, PostMoney, Receipt, Refused, Tx, from_minor


class Refunds:
    """Books refunds."""

    def __init__(self, gateway: PaymentGateway, sync: Sync) -> None:
        self._gateway = gateway
        self._sync = sync

    def sync(self, refund_id: str) -> bool:
        """Look at a refund and book it; False when outside could not be asked."""
        answer = self._gateway.refund(refund_id)
        return self.hear(answer.seen) if isinstance(answer, Ok) else isinstance(answer, Rejected)

    def hear(self, seen: RefundSeen) -> bool:
        """Book a refund that was looked at; False when its payment could not be asked for."""
        return self._sync.apply(seen.intent_id, lambda tx, payment: _book_refund(tx, payment, seen))


def _book_refund(tx: Tx, payment: Payment, seen: RefundSeen) -> None:
    amount = movement_micros(payment, seen.amount_minor, seen.currency, seen.refund_id)
    # Transfers that are booked are not looked up: their keys find a repeat, and an older look adds nothing to them.
    put_back = NEXT.after(RefundState.UNBOOKED, seen.status) is RefundState.PUT_BACK
    wanted = [(CreditKind.REFUND, refund_key(seen.refund_id))]
    if put_back:
        wanted.append((CreditKind.REFUND_REVERSAL, refund_reversal_key(seen.refund_id)))
    fresh = post_once(tx, payment, amount, wanted)
    if any(fresh):
        tx.outbox.add(
            payment.wallet_id,
            RefundBooked(
                payment_id=payment.payment_id,
                refund_id=seen.refund_id,
                amount_micros=amount,
                failed=put_back,
            ),
        )


def movement_micros(payment: Payment, minor: int, code: str, outside_id: str) -> int:
    """Give what moved in micro-units. Raises: AmountsDiffer."""
    currency = Currency.of(code)
    if currency != payment.currency:
        raise AmountsDiffer(payment, outside_id)
    return from_minor(minor, currency).micros


def post_once(
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
        if not outcome.duplicate and outcome.amount_micros > 0:
            close_gap(tx, payment.wallet_id, by=("stripe", outcome.source_id))
    return fresh
