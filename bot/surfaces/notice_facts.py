"""What the message about a notice shows beside the notice itself, each read in one transaction."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from bot.change_facts import AbsenceFacts, CreditFacts, SettingsChangeFacts
from bot.facts import (
    AutomaticFacts,
    BalanceFacts,
    CardFacts,
    DisputeFacts,
    RefundFacts,
    RequestFacts,
    SpikeFacts,
)
from bot.notices import CameBack, CardsArranged, DisputeChanged, RefundBooked, SettingsChanged, SpikeSeen
from bot.payment_rows import Payment, shown_ref
from bot.payments.recharge import Recharge
from bot.payments.runway_watch import short_runway_now
from bot.payments.saved_cards import card_words
from bot.rights import OPERATOR
from bot.states.card_slot import CardSlot
from bot.states.payment import State, Way, Withdrawer
from bot.states.stripe_request import CLOSING
from bot.surfaces.automatic import automatic_facts, card_facts, card_with_id, own_cards, pause_facts
from bot.surfaces.balance import balance_facts
from bot.surfaces.month import spike_facts
from bot.surfaces.requests import request_facts
from bot.surfaces.snapshot import snapshot_of
from bot.tables import disputes, payments, stripe_requests
from bot.wallets.policy_settings import differences
from ledger import (
    Automatic,
    Currency,
    Ledger,
    Money,
    UsageCorrected,
    WalletCredited,
    local_day,
    policy_of,
    scale_of,
    transfer_by_key,
)

CardChange = tuple[CardSlot, str, str]
"""A slot, and the card in it before and after; empty where there is none."""


def after_stop_count(ledger: Ledger, wallet_id: UUID) -> int:
    """Count what was started although the wallet refused it."""
    with snapshot_of(ledger, wallet_id) as snapshot:
        return balance_facts(snapshot).after_stop_count


def spike_now(ledger: Ledger, wallet_id: UUID, notice: SpikeSeen) -> tuple[SpikeFacts, bool] | None:
    """Give a spike as it stands, and whether its day lasts; None where it stands out no more."""
    with snapshot_of(ledger, wallet_id) as snapshot:
        found = spike_facts(snapshot, notice.day, notice.kind)
        lasts = notice.day == local_day(snapshot.now, ZoneInfo(snapshot.zone)).isoformat()
    return (found, lasts) if found is not None else None


def short_runway_facts(
    ledger: Ledger, recharge: Recharge, wallet_id: UUID
) -> tuple[BalanceFacts, AutomaticFacts, int] | None:
    """Give what the notice of the morning says, and within how many hours it is told; None where it is over."""
    with snapshot_of(ledger, wallet_id) as snapshot:
        short = short_runway_now(snapshot.connection, recharge, snapshot.view, snapshot.policy, snapshot.now)
        if short is None:
            return None
        return balance_facts(snapshot), automatic_facts(snapshot, recharge), snapshot.policy.info_hours


def request_now(ledger: Ledger, payment: Payment) -> RequestFacts:
    """Give a request as it stands at this instant."""
    with snapshot_of(ledger, payment.wallet_id) as snapshot:
        return request_facts(snapshot, payment)


def automatic_is_on(ledger: Ledger, wallet_id: UUID) -> bool:
    """Say whether a rule is on that somebody may want to turn off."""
    with ledger.reading() as connection:
        return ledger.look(connection, wallet_id)[1].automatic is not Automatic.OFF


def absence_facts(ledger: Ledger, wallet_id: UUID, notice: CameBack) -> AbsenceFacts:
    """Give what happened while the app was removed."""
    with snapshot_of(ledger, wallet_id) as snapshot:
        in_time = payments.c.settled_at.between(notice.gone_at, notice.back_at)
        charged = snapshot.connection.execute(
            select(func.coalesce(func.sum(payments.c.amount_micros), 0)).where(
                payments.c.wallet_id == wallet_id,
                payments.c.way == Way.SAVED_CARD,
                payments.c.state == State.PAID.value,
                in_time,
            )
        ).scalar_one()
        withdrawn = snapshot.connection.execute(
            select(func.count(payments.c.payment_id.distinct()))
            .join(
                stripe_requests,
                (stripe_requests.c.wallet_id == payments.c.wallet_id)
                & (stripe_requests.c.payment_id == payments.c.payment_id),
            )
            .where(
                payments.c.wallet_id == wallet_id,
                payments.c.way != Way.SAVED_CARD,
                payments.c.state == State.WITHDRAWN.value,
                payments.c.withdrawn_by == Withdrawer.APP_REMOVED.value,
                stripe_requests.c.operation.in_(CLOSING),
                stripe_requests.c.created_at.between(notice.gone_at, notice.back_at),
            )
        ).scalar_one()
        return AbsenceFacts(
            charged=Money(int(charged), Currency.of(snapshot.view.currency)) if charged else None,
            withdrawn=withdrawn,
            automatic=snapshot.policy.automatic,
            zone=snapshot.zone,
        )


def connected_card(
    ledger: Ledger, wallet_id: UUID, card_id: str
) -> tuple[CardFacts, CardFacts | None] | None:
    """Give a card that was saved, with the card that is charged now; None when it was removed since."""
    with ledger.reading() as connection:
        card = card_with_id(connection, wallet_id, card_id)
        main = card_facts(connection, wallet_id).get(CardSlot.MAIN)
    return (card, main) if card is not None else None


def own_card(ledger: Ledger, wallet_id: UUID, card_id: str, user_id: str) -> CardFacts | None:
    """Give a card in use if somebody connected it."""
    with snapshot_of(ledger, wallet_id) as snapshot:
        return next((one for one in own_cards(snapshot, user_id).cards if one.card_id == card_id), None)


def arranged_cards(ledger: Ledger, wallet_id: UUID, notice: CardsArranged) -> Sequence[CardChange]:
    """Name the cards that were charged before and are charged now, where they changed."""
    with ledger.reading() as connection:

        def named(card_id: str) -> str:
            return card_words(connection, wallet_id, card_id) if card_id else ""

        return [
            (slot, named(before), named(after))
            for slot, before, after in (
                (CardSlot.MAIN, notice.main_before, notice.main_after),
                (CardSlot.BACKUP, notice.backup_before, notice.backup_after),
            )
            if before != after
        ]


def removed_card_and_main(ledger: Ledger, wallet_id: UUID, card_id: str) -> tuple[str, str]:
    """Name a card that was removed, and the card that is charged now; the second is empty where there is none."""
    with ledger.reading() as connection:
        main = card_facts(connection, wallet_id).get(CardSlot.MAIN)
        return card_words(connection, wallet_id, card_id), str(main) if main is not None else ""


def card_and_automatic(ledger: Ledger, wallet_id: UUID, card_id: str) -> tuple[str, bool]:
    """Name a card, and say whether automatic payments are on."""
    with ledger.reading() as connection:
        _, policy = ledger.look(connection, wallet_id)
        return card_words(connection, wallet_id, card_id), policy.automatic is Automatic.ON


def rule_before_and_after(
    ledger: Ledger, recharge: Recharge, wallet_id: UUID, before_version: int, after_version: int
) -> tuple[AutomaticFacts, AutomaticFacts]:
    """Give automatic payments as two versions of the policy had them."""
    with snapshot_of(ledger, wallet_id) as snapshot:
        now = automatic_facts(snapshot, recharge)
        found = [
            policy_of(snapshot.connection, wallet_id, version) for version in (before_version, after_version)
        ]
        before, after = (
            replace(
                now,
                state=policy.automatic,
                rule=policy.rule,
                pause=pause_facts(snapshot.connection, wallet_id, policy.pause),
            )
            for policy in found
        )
    return before, after


def credit_facts(ledger: Ledger, wallet_id: UUID, notice: WalletCredited) -> CreditFacts:
    """Give what a credit by hand did to the wallet."""
    with snapshot_of(ledger, wallet_id) as snapshot:
        row = transfer_by_key(snapshot.connection, wallet_id, notice.source, notice.source_id)
        return CreditFacts(
            amount=snapshot.money(notice.amount_micros),
            balance=snapshot.money(snapshot.view.balance_micros),
            why=row.description if row is not None else "",
        )


def correction_facts(ledger: Ledger, wallet_id: UUID, notice: UsageCorrected) -> CreditFacts:
    """Give what a correction did to the wallet."""
    with snapshot_of(ledger, wallet_id) as snapshot:
        row = transfer_by_key(snapshot.connection, wallet_id, notice.source, notice.source_id)
        return CreditFacts(
            amount=snapshot.money(notice.given_back_micros),
            balance=snapshot.money(snapshot.view.balance_micros),
            why=row.description if row is not None else "",
            kind=notice.kind,
            usage_id=notice.usage_id,
            total=snapshot.money(notice.total_micros),
        )


def settings_change(ledger: Ledger, wallet_id: UUID, notice: SettingsChanged) -> SettingsChangeFacts:
    """Give what two versions of the policy have otherwise, and the rule that was switched off with the first."""
    with ledger.reading() as connection:
        view, _ = ledger.look(connection, wallet_id)
        before, after = (
            policy_of(connection, wallet_id, version)
            for version in (notice.before_version, notice.after_version)
        )
    return SettingsChangeFacts(
        by_operator=notice.actor == OPERATOR,
        currency=view.currency,
        changes=tuple(differences(before, after, scale_of(view.currency))),
        stopped_rule=before.rule if notice.stopped else None,
    )


def refund_facts(ledger: Ledger, payment: Payment, notice: RefundBooked) -> RefundFacts:
    """Give what a refund did to the wallet."""
    with ledger.reading() as connection:
        view, _ = ledger.look(connection, payment.wallet_id)
        ref = shown_ref(connection, payment)
    return RefundFacts(
        ref=ref,
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
        ref = shown_ref(connection, payment)
    return DisputeFacts(
        ref=ref,
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
