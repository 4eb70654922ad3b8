"""Automatic payments: looks once more, and charges the saved card by the rule.

The decision is pure (`ledger.recharge_decision`); here it is made under the wallet's lock, in the transaction that
inserts the attempt, so that a rule switched off, a card removed or a cap reached a moment ago counts. What follows a
failed try is `recharge_failure`'s.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from bot import payment_rows
from bot.due_work import DueWork
from bot.notices import CapNear, CapReached, ConfirmationDue
from bot.payment_rows import Payment
from bot.payments.operator_stop import charges_are_off
from bot.payments.outcomes import CONFIRM_LIFETIME
from bot.payments.recharge_end import close_gap, ended_by, replace_recharge, say_changed
from bot.payments.requests import Payments
from bot.payments.saved_cards import card_slots
from bot.served import Served
from bot.states.card_slot import CardSlot
from bot.states.payment import IN_FLIGHT, Purpose, State, Way
from bot.stripe.declines import DECLINES_DAYS, DECLINES_MAX, NO_DECLINES
from bot.stripe.requests import StripeRequest
from bot.tables import cards, payments
from bot.wallets import rules
from bot.wallets.named_values import remember_newer, remember_once
from ledger import (
    Automatic,
    CapWindow,
    Currency,
    DueKind,
    Ledger,
    Money,
    Pause,
    PauseCode,
    RechargeBlock,
    RechargeDecision,
    RechargePast,
    Tx,
    WalletPolicy,
    WalletView,
    admits_full_charge,
    ahead_after,
    day_bounds,
    funds_of,
    local_day,
    month_bounds,
    not_ahead,
    recharge_decision,
    recharge_wanted,
    scale_of,
)

log = logging.getLogger("redbar.recharge")
LOOK_AGAIN = timedelta(minutes=1)
"""How long a recharge waits for a look where nothing tells us that its block has ended."""
_COUNTS_MONEY = (State.PAID, State.ASKED, State.COLLECTING, State.WAITING)


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of earlier automatic payments, and the unfinished one where there is one."""

    counted: RechargePast
    unfinished: Payment | None
    day_ends_at: datetime
    """When the wallet's local day ends."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is shown of automatic payments."""

    decision: RechargeDecision
    charges_today: int
    """In the wallet's zone, with one that is tried again later."""


class Recharge:
    """Charges the saved card when the rule says so."""

    def __init__(self, ledger: Ledger, payments_flow: Payments, served: Served) -> None:
        self._ledger = ledger
        self._payments = payments_flow
        self._served = served
        self._due = DueWork(ledger, served)

    def consider(self, wallet_id: UUID) -> Payment | None:
        """Charge the card if the rule says so at this instant; gives the try that was made."""
        with self._ledger.reading() as connection:
            view, policy = self._ledger.look(connection, wallet_id)
        if not recharge_wanted(funds_of(view), policy):
            return None
        request = self._ledger.run(lambda tx: self._decide(tx, wallet_id)[0], wallet_id=wallet_id)
        return self._payments.carry_out(request) if request is not None else None

    def run_due(self) -> None:
        """Look at the wallets whose available money is below their rule's threshold."""
        self._due.each(DueKind.RECHARGE, self._look)

    def _look(self, wallet_id: UUID) -> None:
        request = self._ledger.run(lambda tx: self._follow(tx, wallet_id), wallet_id=wallet_id)
        if request is not None:
            self._payments.carry_out(request)

    def _follow(self, tx: Tx, wallet_id: UUID) -> StripeRequest | None:
        """Decide where a look is due, and schedule the next one."""
        if not tx.schedule.is_due(wallet_id, DueKind.RECHARGE):
            return None
        tx.book.observe(wallet_id)  # what is wanted may have ended by time alone
        request, decision = self._decide(tx, wallet_id)
        policy, _ = tx.book.policy(wallet_id)
        if not recharge_wanted(funds_of(tx.book.view(wallet_id)), policy):
            # When it is wanted again, the ledger schedules it again.
            tx.schedule.set(wallet_id, DueKind.RECHARGE, None)
        elif decision is not None and (at := next_recharge_look(decision, tx.now)) is not None:
            tx.schedule.set(wallet_id, DueKind.RECHARGE, at)
        return request

    def remind(self, now: datetime) -> None:
        """Remind people of automatic payments that the bank wants confirmed."""
        if self._ledger.doubt is not None:
            return
        with self._ledger.reading() as connection:
            rows = connection.execute(
                select(payments.c.wallet_id, payments.c.payment_id, payments.c.expires_at)
                .where(
                    payments.c.state == State.WAITING.value,
                    payments.c.purpose == Purpose.RECHARGE,
                    self._served.where_living(payments.c.wallet_id),
                    not_ahead(payments.c.wallet_id),
                )
                .execution_options(cross_shard=True),
                {"ahead": ahead_after(now)},
            ).all()
            remind_hours = {
                row.wallet_id: self._ledger.look(connection, row.wallet_id)[1].remind_hours for row in rows
            }
        for row in rows:
            hours = due_reminder(now - (row.expires_at - CONFIRM_LIFETIME), remind_hours[row.wallet_id])
            if hours is not None:
                tell = partial(_remind, wallet_id=row.wallet_id, payment_id=row.payment_id, hours=hours)
                self._ledger.run(tell, wallet_id=row.wallet_id)

    def reminders_at(self, connection: Connection) -> Sequence[datetime]:
        """Give the instants at which reminders of what waits now are due, or were."""
        waiting = connection.execute(
            select(payments.c.wallet_id, payments.c.expires_at)
            .where(payments.c.state == State.WAITING.value, self._served.where_living(payments.c.wallet_id))
            .execution_options(cross_shard=True)
        ).all()
        return [
            row.expires_at - CONFIRM_LIFETIME + timedelta(hours=one)
            for row in waiting
            for one in self._ledger.look(connection, row.wallet_id)[1].remind_hours
        ]

    def outlook(
        self, connection: Connection, view: WalletView, policy: WalletPolicy, now: datetime
    ) -> Outlook:
        """Say whether a charge would be made now, and why not; for showing."""
        past = _past(connection, view, now)
        decision = recharge_decision(
            funds_of(view),
            policy,
            past.counted,
            now,
            day_ends_at=past.day_ends_at,
            scale=scale_of(view.currency),
        )
        return Outlook(decision, past.counted.attempts_today + (1 if past.unfinished is not None else 0))

    def refills(self, connection: Connection, view: WalletView, policy: WalletPolicy, now: datetime) -> bool:
        """Say whether automatic payments keep the wallet full: on, not failing, with room for a full charge."""
        if policy.automatic is not Automatic.ON or policy.rule is None or view.trouble:
            return False
        past = _past(connection, view, now).counted
        return not past.switched_off and admits_full_charge(policy.rule, past, scale_of(view.currency))

    def _decide(self, tx: Tx, wallet_id: UUID) -> tuple[StripeRequest | None, RechargeDecision | None]:
        """Decide, and plan the charge where there is one; None for both where nobody may decide now."""
        if not self._served.lives(tx.connection, wallet_id):
            return None, None
        if not self._ledger.believed(tx.connection, [wallet_id]):
            return None, None
        view = tx.book.view(wallet_id)
        policy, _ = tx.book.policy(wallet_id)
        past = _past(tx.connection, view, tx.now)
        decision = recharge_decision(
            funds_of(view),
            policy,
            past.counted,
            tx.now,
            day_ends_at=past.day_ends_at,
            scale=scale_of(view.currency),
        )
        if decision.block in (RechargeBlock.DAY_CAP, RechargeBlock.MONTH_CAP, RechargeBlock.DAY_COUNT):
            self._say_capped(tx, wallet_id, view, decision.block)
        if decision.amount_micros is None:
            return None, decision
        slots = card_slots(tx.connection, wallet_id)
        card_id = (
            past.unfinished.next_card_id if past.unfinished is not None else slots.get(CardSlot.MAIN, "")
        )
        if card_id not in slots.values():
            rules.pause(tx, wallet_id, Pause(PauseCode.NO_CARD))
            return None, decision
        if _is_worn_out(tx.connection, wallet_id, card_id, tx.now):
            card_id = slots.get(CardSlot.BACKUP, "")
            if not card_id or _is_worn_out(tx.connection, wallet_id, card_id, tx.now):
                rules.pause(tx, wallet_id, Pause(PauseCode.DECLINED_OFTEN))
                return None, decision
        currency = Currency.of(view.currency)
        # From here on nothing may refuse: the attempt is counted whatever becomes of it.
        if past.unfinished is None:
            replace_recharge(tx, wallet_id)
        payment = payment_rows.plan(
            tx,
            wallet_id,
            purpose=Purpose.RECHARGE,
            way=Way.SAVED_CARD,
            currency=currency,
            amount=Money(decision.amount_micros, currency),
            card_id=card_id,
            try_number=past.unfinished.try_number + 1 if past.unfinished is not None else 1,
            recharge_id=past.unfinished.recharge_id if past.unfinished is not None else "",
        )
        if decision.cut_by_cap:
            tx.outbox.add(wallet_id, CapReached(held="cut"))
        if decision.one_left is not None:
            _say_near(tx, wallet_id, decision.one_left, local_day(tx.now, ZoneInfo(view.zone)))
        return self._payments.charge(tx, payment), decision

    def _say_capped(self, tx: Tx, wallet_id: UUID, view: WalletView, held: RechargeBlock) -> None:
        trouble = f"capped:{held.value}"
        if view.trouble != trouble:
            tx.book.set_trouble(wallet_id, trouble)
            tx.outbox.add(wallet_id, CapReached(held=held.value))

    def rescue(self, wallet_id: UUID, payment_id: UUID) -> Payment | None:
        """Give the link by which people can pay instead of a failed automatic payment; made once per recharge.

        None where the recharge has ended. Refuses: Unreachable, NotMade.
        """
        failed = self._payments.look(wallet_id, payment_id)
        assert failed is not None
        assert failed.amount is not None, "an automatic payment has an amount"
        with self._ledger.reading() as connection:
            if ended_by(connection, wallet_id, failed.recharge_id) is not None:
                return None
            for one in payment_rows.open_payments(connection, wallet_id, purposes=(Purpose.ASK,)):
                if one.recharge_id == failed.recharge_id:
                    return one
        return self._payments.ask_instead(wallet_id, failed.amount, recharge_id=failed.recharge_id)

    def heard_of_credit(self, wallet_id: UUID, source: str, source_id: str) -> None:
        """End the recharge that failed where a credit that was booked elsewhere closed the gap."""
        self._ledger.run(lambda tx: close_gap(tx, wallet_id, by=(source, source_id)), wallet_id=wallet_id)

    def heard_of_rule(self, wallet_id: UUID) -> None:
        """Have the message about the recharge that failed say what a change of the rule means for it."""
        self._ledger.run(lambda tx: say_changed(tx, wallet_id), wallet_id=wallet_id)


def _past(connection: Connection, view: WalletView, now: datetime) -> Past:
    zone = ZoneInfo(view.zone)
    today = local_day(now, zone)
    day_began_at, day_ends_at = day_bounds(today, zone)
    month_began_at, _ = month_bounds(today, zone)
    rows = [
        payment_rows.payment_of(row)
        for row in connection.execute(
            select(payments)
            .where(
                payments.c.wallet_id == view.wallet_id,
                payments.c.purpose == Purpose.RECHARGE,
                payments.c.created_at >= min(month_began_at, day_began_at) - timedelta(days=1),
            )
            .order_by(payments.c.created_at)
        ).mappings()
    ]
    last = rows[-1] if rows else None
    unfinished = (
        last if last is not None and last.state is State.FAILED and last.next_try_at is not None else None
    )
    counted = [row for row in rows if unfinished is None or row.recharge_id != unfinished.recharge_id]
    return Past(
        counted=RechargePast(
            in_flight=any(row.state in IN_FLIGHT for row in rows),
            attempts_today=len({row.recharge_id for row in counted if row.created_at >= day_began_at}),
            money_today_micros=_money(row for row in rows if row.created_at >= day_began_at),
            money_month_micros=_money(row for row in rows if row.created_at >= month_began_at),
            last_started_at=max((row.created_at for row in counted), default=None),
            retry_at=unfinished.next_try_at if unfinished is not None else None,
            coming_micros=_coming(connection, view.wallet_id),
            needs_person=last is not None and last.state is State.WAITING,
            last_used_at=view.last_asked_at,
            switched_off=charges_are_off(connection, view.wallet_id),
        ),
        unfinished=unfinished,
        day_ends_at=day_ends_at,
    )


def _money(rows: Iterable[Payment]) -> int:
    return sum(row.amount.micros for row in rows if row.amount is not None and row.state in _COUNTS_MONEY)


def _coming(connection: Connection, wallet_id: UUID) -> int:
    """Sum the charges that people have started and nobody knows the end of yet."""
    return int(
        connection.execute(
            select(func.coalesce(func.sum(payments.c.amount_micros), 0)).where(
                payments.c.wallet_id == wallet_id,
                payments.c.purpose == Purpose.TOP_UP,
                payments.c.way == Way.SAVED_CARD,
                payments.c.state.in_([state.value for state in IN_FLIGHT]),
            )
        ).scalar_one()
    )


def _say_near(tx: Tx, wallet_id: UUID, window: CapWindow, today: date) -> None:
    """Tell, once in a window, that the caps admit one more charge in it."""
    which = f"{today:%Y-%m-%d}" if window is CapWindow.DAY else f"{today:%Y-%m}"
    if remember_newer(tx, wallet_id, f"cap_near:{window.value}", which):
        tx.outbox.add(wallet_id, CapNear(window))


def next_recharge_look(decision: RechargeDecision, now: datetime) -> datetime | None:
    """Give when a blocked recharge is looked at again; None where each look is worth it. Pure.

    A changed rule hurries the look. What no instant ends and no change of ours is looked at less often.
    """
    if decision.block in (RechargeBlock.MONTH_CAP, RechargeBlock.UNUSED):
        return now + LOOK_AGAIN
    return decision.until


def due_reminder(waited: timedelta, remind_hours: Sequence[int]) -> int | None:
    """Say which reminder is due after some waiting, by its hours; the latest that applies. Pure."""
    return max((hours for hours in remind_hours if waited >= timedelta(hours=hours)), default=None)


def _remind(tx: Tx, *, wallet_id: UUID, payment_id: UUID, hours: int) -> None:
    if remember_once(tx, wallet_id, f"reminded:{payment_id}:{hours}"):
        tx.outbox.add(wallet_id, ConfirmationDue(payment_id=payment_id, hours=hours))


def _is_worn_out(connection: Connection, wallet_id: UUID, card_id: str, now: datetime) -> bool:
    """Say whether a card, whatever its id, was declined so often lately that it is not charged automatically."""
    fingerprint = connection.execute(
        select(cards.c.fingerprint).where(cards.c.wallet_id == wallet_id, cards.c.card_id == card_id)
    ).scalar_one_or_none()
    same = (
        select(cards.c.card_id).where(cards.c.wallet_id == wallet_id, cards.c.fingerprint == fingerprint)
        if fingerprint
        else [card_id]
    )
    declined = connection.execute(
        select(func.count()).where(
            payments.c.wallet_id == wallet_id,
            payments.c.purpose == Purpose.RECHARGE,
            payments.c.state == State.FAILED.value,
            payments.c.decline_code.not_in(NO_DECLINES),
            payments.c.card_id.in_(same),
            payments.c.created_at > now - timedelta(days=DECLINES_DAYS),
        )
    ).scalar_one()
    return int(declined) >= DECLINES_MAX
