"""Charging the saved card by a person: one-time actions, the daily limit, and what became of it.

A money button carries an opaque id and nothing else; what it stands for is a row of ours, consumed once, by
somebody entitled at that moment (I18).
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy import func, insert, select, update

from bot import payment_rows
from bot.facts import PaymentFacts
from bot.payment_rows import Payment
from bot.payments.awaited_outcome import await_outcome
from bot.payments.requests import Payments
from bot.payments.saved_cards import card_slots, card_words
from bot.rights import Action, Person
from bot.served import Served
from bot.states.card_slot import CardSlot
from bot.states.one_time_action import ActionPurpose
from bot.states.payment import IN_FLIGHT, Outcome, Purpose, State, Way, Withdrawer
from bot.stripe import requests as stripe_requests
from bot.stripe.declines import cause_of
from bot.stripe.requests import StripeRequest
from bot.tables import one_time_actions, payments
from bot.wallets.entitled import require_right
from bot.wallets.rules import NoCard
from ledger import (
    Currency,
    Ledger,
    Money,
    Refused,
    Tx,
    WalletPolicy,
    day_bounds,
    local_day,
    new_id,
    to_minor,
)

ACTION_LIFETIME = timedelta(hours=24)


class AmountNotTaken(Refused):
    """A top-up is smaller or larger than what may be paid at once."""


class AlreadyUsed(Refused):
    """A button that acts once was pressed again, or is too old."""

    def __init__(self) -> None:
        super().__init__("This button was used already. Nothing more was charged.")


class OverDailyLimit(Refused):
    """People may charge the saved card so much a day; more becomes a link for finance."""

    def __init__(self, *, limit: Money, left: Money) -> None:
        self.limit = limit
        self.left = left
        super().__init__(
            f"People can charge the saved card up to {limit} a day; {left} is left today. "
            "Ask somebody to pay a larger amount by link: their payment is the approval."
        )


@dataclass(frozen=True, slots=True)
class PendingCharge:
    """What a one-time action stands for: a charge that nobody has confirmed yet."""

    amount: Money
    card_id: str


def check_amount(amount: Money, policy: WalletPolicy) -> None:
    """Refuse a top-up outside the bounds. Refuses: AmountNotTaken, NotCardExact."""
    least = Money(policy.top_up_min_micros, amount.currency)
    most = Money(policy.top_up_max_micros, amount.currency)
    if not least <= amount <= most:
        raise AmountNotTaken(f"A top-up is between {least} and {most}; {amount} is outside that.")
    to_minor(amount)


class Charges:
    """Lets people charge the saved card, once per confirmed pending."""

    def __init__(self, ledger: Ledger, payments_flow: Payments, served: Served) -> None:
        self._ledger = ledger
        self._payments = payments_flow
        self._served = served

    def prepare(self, wallet_id: UUID, amount: Money, *, actor: Person) -> tuple[str, str]:
        """Keep a pending charge of the main card; gives its id and the card's.

        Refuses: NotEntitled, NoCard, AmountNotTaken, OverDailyLimit.
        """

        def save(tx: Tx) -> tuple[str, str]:
            require_right(tx.connection, wallet_id, actor, Action.CHARGE)
            check_amount(amount, tx.book.policy(wallet_id)[0])
            slots = card_slots(tx.connection, wallet_id)
            if CardSlot.MAIN not in slots:
                raise NoCard
            self._check_daily(tx, wallet_id, amount)
            one_time_action_id = new_id()
            _insert_action(tx, wallet_id, one_time_action_id, amount, slots[CardSlot.MAIN], actor.user_id)
            return str(one_time_action_id), slots[CardSlot.MAIN]

        return self._ledger.run(save, wallet_id=wallet_id)

    def check(self, wallet_id: UUID, amount: Money) -> None:
        """Refuse an amount that the wallet does not take at once. Refuses: AmountNotTaken, NotCardExact."""
        with self._ledger.reading() as connection:
            _, policy = self._ledger.look(connection, wallet_id)
        check_amount(amount, policy)

    def offer(self, wallet_id: UUID, episode_id: UUID, amount: Money, *, card_id: str) -> str:
        """Keep the charge that an alert's button offers; everybody who is shown the same offer gets the same id.

        Whoever presses first consumes it; rights, limits and the card are checked then.
        """
        one_time_action_id = uuid5(episode_id, f"charge:{amount.micros}:{card_id}")

        def save(tx: Tx) -> None:
            known = tx.connection.execute(
                select(one_time_actions.c.one_time_action_id).where(
                    one_time_actions.c.wallet_id == wallet_id,
                    one_time_actions.c.one_time_action_id == one_time_action_id,
                )
            ).scalar_one_or_none()
            if known is None:
                _insert_action(tx, wallet_id, one_time_action_id, amount, card_id, "")

        self._ledger.run(save, wallet_id=wallet_id)
        return str(one_time_action_id)

    def peek(self, wallet_id: UUID, one_time_action_id: str) -> PendingCharge:
        """Say what a one-time action stands for without consuming it. Refuses: AlreadyUsed."""
        return self._ledger.run(lambda tx: _pending(tx, wallet_id, one_time_action_id), wallet_id=wallet_id)

    def charge(self, wallet_id: UUID, one_time_action_id: str, *, actor: Person) -> Payment:
        """Consume a one-time action and charge the card; who is left without an outcome is told it later.

        Refuses: NotEntitled, AppRemoved, ClockInDoubt, AlreadyUsed, NoCard, OverDailyLimit.
        """
        request = self._ledger.run(
            lambda tx: self._consume(tx, wallet_id, one_time_action_id, actor), wallet_id=wallet_id
        )
        payment = self._payments.carry_out(request)
        if payment.state not in IN_FLIGHT:
            return payment
        return self._ledger.run(
            lambda tx: await_outcome(tx, payment, actor.user_id), wallet_id=payment.wallet_id
        )

    def _consume(self, tx: Tx, wallet_id: UUID, one_time_action_id: str, actor: Person) -> StripeRequest:
        require_right(tx.connection, wallet_id, actor, Action.CHARGE)
        self._served.require_living(tx.connection, wallet_id)
        self._ledger.require_believed(tx.connection, wallet_id)
        pending = _pending(tx, wallet_id, one_time_action_id)
        self._check_daily(tx, wallet_id, pending.amount)
        slots = card_slots(tx.connection, wallet_id)
        if pending.card_id not in slots.values():
            raise NoCard
        # From here on nothing may refuse.
        tx.connection.execute(
            update(one_time_actions)
            .where(
                one_time_actions.c.wallet_id == wallet_id,
                one_time_actions.c.one_time_action_id == UUID(one_time_action_id),
            )
            .values(consumed_at=tx.now)
        )
        payment = payment_rows.plan(
            tx,
            wallet_id,
            purpose=Purpose.TOP_UP,
            way=Way.SAVED_CARD,
            currency=pending.amount.currency,
            amount=pending.amount,
            asked_by=actor.user_id,
            card_id=pending.card_id,
        )
        tx.book.audit(
            wallet_id,
            actor.user_id,
            "charge",
            {},
            {"ref": payment.ref, "amount_micros": pending.amount.micros},
        )
        return self._payments.charge(tx, payment)

    def _check_daily(self, tx: Tx, wallet_id: UUID, amount: Money) -> None:
        view = tx.book.view(wallet_id)
        zone = ZoneInfo(view.zone)
        day_began_at, _ = day_bounds(local_day(tx.now, zone), zone)
        used = tx.connection.execute(
            select(func.coalesce(func.sum(payments.c.amount_micros), 0)).where(
                payments.c.wallet_id == wallet_id,
                payments.c.purpose == Purpose.TOP_UP,
                payments.c.way == Way.SAVED_CARD,
                payments.c.created_at >= day_began_at,
                payments.c.state.in_([State.PAID.value, State.ASKED.value, State.COLLECTING.value]),
            )
        ).scalar_one()
        policy, _ = tx.book.policy(wallet_id)
        limit = Money(policy.people_day_max_micros, amount.currency)
        left = Money(max(0, limit.micros - int(used)), amount.currency)
        if amount > left:
            raise OverDailyLimit(limit=limit, left=left)

    def result(self, payment: Payment) -> PaymentFacts:
        """Say what became of a charge."""
        with self._ledger.reading() as connection:
            card = (
                card_words(connection, payment.wallet_id, payment.card_id)
                if payment.card_id
                else payment.paid_with
            )
            view, _ = self._ledger.look(connection, payment.wallet_id)
            unmade = payment.state is State.ASKED
            denied = unmade and stripe_requests.was_denied(connection, payment.wallet_id, payment.payment_id)
        stopped_by_copy = payment.withdrawn_by == Withdrawer.RESTORED
        outcome = {
            State.PAID: Outcome.PAID,
            State.WAITING: Outcome.NEEDS_ACTION,
            State.FAILED: Outcome.DECLINED,
            # An intent that isn't confirmed charges nothing; one whose confirmation has no answer may have.
            State.ASKED: Outcome.DENIED if denied else Outcome.UNREACHABLE,
            State.COLLECTING: Outcome.UNKNOWN,
            State.WITHDRAWN: Outcome.BOOKS_RESTORED if stopped_by_copy else Outcome.TAKEN_BACK,
        }.get(payment.state, Outcome.UNKNOWN)
        assert payment.amount is not None
        return PaymentFacts(
            ref=payment.ref,
            amount=payment.amount,
            outcome=outcome,
            card=card,
            decline=cause_of(payment.decline_code) if outcome is Outcome.DECLINED else None,
            balance=Money(view.balance_micros, payment.currency),
            receipt_url=payment.receipt_url,
        )


def _pending(tx: Tx, wallet_id: UUID, one_time_action_id: str) -> PendingCharge:
    row = tx.connection.execute(
        select(one_time_actions).where(
            one_time_actions.c.wallet_id == wallet_id,
            one_time_actions.c.one_time_action_id == _uuid(one_time_action_id),
        )
    ).one_or_none()
    if (
        row is None
        or row.purpose != ActionPurpose.CHARGE
        or row.consumed_at is not None
        or row.expires_at <= tx.now
    ):
        raise AlreadyUsed
    body = json.loads(row.body)
    return PendingCharge(Money(body["amount_micros"], Currency.of(body["currency"])), body["card_id"])


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise AlreadyUsed from None


def _insert_action(
    tx: Tx, wallet_id: UUID, one_time_action_id: UUID, amount: Money, card_id: str, actor: str
) -> None:
    body = {"amount_micros": amount.micros, "currency": amount.currency.code, "card_id": card_id}
    tx.connection.execute(
        insert(one_time_actions).values(
            wallet_id=wallet_id,
            one_time_action_id=one_time_action_id,
            purpose=ActionPurpose.CHARGE,
            body=json.dumps(body),
            actor=actor,
            created_at=tx.now,
            expires_at=tx.now + ACTION_LIFETIME,
        )
    )
