"""What a change was, read back from what was kept: of a rule, by a refund, by a dispute."""

from dataclasses import replace
from uuid import UUID

from sqlalchemy import select

from bot.facts import AutomaticFacts, DisputeFacts, RefundFacts
from bot.notices import DisputeChanged, RefundBooked
from bot.payment_rows import Payment
from bot.payments.recharge import Recharge
from bot.surfaces.read_models import automatic_facts, desk
from bot.tables import disputes
from ledger import Ledger, Money, policy_of


def rule_before_and_after(
    ledger: Ledger, recharge: Recharge, wallet_id: UUID, before_version: int, after_version: int
) -> tuple[AutomaticFacts, AutomaticFacts]:
    """Give automatic payments as two versions of the policy had them."""
    with ledger.reading() as connection:
        now = automatic_facts(desk(ledger, connection, wallet_id), recharge)
        found = [policy_of(connection, wallet_id, version) for version in (before_version, after_version)]
    before, after = (
        replace(now, state=policy.automatic, rule=policy.rule, pause_reason=policy.pause_reason)
        for policy in found
    )
    return before, after


def refund_facts(ledger: Ledger, payment: Payment, notice: RefundBooked) -> RefundFacts:
    """Give what a refund did to the wallet."""
    with ledger.reading() as connection:
        view, _ = ledger.look(connection, payment.wallet_id)
    return RefundFacts(
        ref=payment.ref,
        refund_id=notice.refund_id,
        amount=Money(notice.amount_micros, payment.currency),
        card=payment.paid_with,
        failed=notice.failed,
        balance=Money(view.balance_micros, payment.currency),
    )


def dispute_facts(ledger: Ledger, payment: Payment, notice: DisputeChanged) -> DisputeFacts:
    """Give what a dispute, a bank's question or a suspicion means for the wallet."""
    with ledger.reading() as connection:
        view, policy = ledger.look(connection, payment.wallet_id)
        row = connection.execute(
            select(disputes.c.amount_micros, disputes.c.due_at).where(
                disputes.c.wallet_id == payment.wallet_id, disputes.c.dispute_id == notice.dispute_id
            )
        ).one()
    return DisputeFacts(
        ref=payment.ref,
        dispute_id=notice.dispute_id,
        status=notice.status,
        amount=Money(row.amount_micros, payment.currency),
        card=payment.paid_with,
        paid_at=payment.settled_at,
        moved_out=notice.moved_micros < 0,
        moved_back=notice.moved_micros > 0,
        balance=Money(view.balance_micros, payment.currency),
        automatic=policy.automatic,
        due_by=row.due_at,
        zone=view.zone,
    )
