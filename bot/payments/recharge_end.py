"""How an automatic payment that failed ends: paid after all, not needed any more, or replaced by a newer one.

What ended it is kept with it, its link is withdrawn, no further try is made, and its message says so: all in the commit
of the credit, or of the newer payment. What is paid for it after that is credited, and flagged.
"""

from uuid import UUID

from sqlalchemy import Connection, update

from bot.notices import PaymentChanged, RechargeChanged
from bot.payment_rows import Payment, change, last_recharge_try, payments_of_recharge
from bot.states.payment import IN_FLIGHT, NEXT, OPEN, News, Purpose, State
from bot.stripe import requests as stripe_requests
from bot.tables import payments
from bot.wallets.named_values import named_value, set_named_value
from ledger import Tx, WalletPolicy, WalletView

_ENDED = "recharge_ended:"
"""Begins the named value of what ended a recharge: source and id of a credit, or nothing for a newer recharge."""


def ended_by(connection: Connection, wallet_id: UUID, recharge_id: str) -> tuple[str, str] | None:
    """Give source and id of the credit that ended a recharge, both empty for a newer recharge; None while it lasts."""
    found = named_value(connection, wallet_id, f"{_ENDED}{recharge_id}")
    if found is None:
        return None
    source, _, source_id = found.value.partition(":")
    return source, source_id


def end_recharge(tx: Tx, wallet_id: UUID, recharge_id: str, *, by: tuple[str, str] | None) -> bool:
    """End a recharge: by a credit, named by source and id, or by a newer recharge. False where it had ended before."""
    if ended_by(tx.connection, wallet_id, recharge_id) is not None:
        return False
    set_named_value(tx, wallet_id, f"{_ENDED}{recharge_id}", ":".join(by) if by is not None else "")
    rows = payments_of_recharge(tx.connection, wallet_id, recharge_id)
    for link in rows:
        if link.is_rescue and link.state in OPEN:
            stripe_requests.close(tx, change(tx, link, News.TAKEN_BACK))  # the sweep makes the request
    mine = (
        (payments.c.wallet_id == wallet_id)
        & (payments.c.recharge_id == recharge_id)
        & (payments.c.purpose == Purpose.RECHARGE)
    )
    tx.connection.execute(update(payments).where(mine).values(next_try_at=None))
    # The intent of a try that waits for its cardholder was cancelled when the bank asked: it can charge nothing.
    tx.connection.execute(
        update(payments)
        .where(mine, payments.c.state == State.WAITING)
        .values(state=NEXT.after(State.WAITING, News.TAKEN_BACK))
    )
    tx.outbox.add(wallet_id, RechargeChanged(payment_id=rows[-1].payment_id))
    return True


def replace_recharge(tx: Tx, wallet_id: UUID) -> None:
    """End what failed before, since a newer automatic payment is begun that closes the whole gap."""
    failed = failed_recharge(tx.connection, wallet_id)
    if failed is not None:
        end_recharge(tx, wallet_id, failed.recharge_id, by=None)


def close_gap(tx: Tx, wallet_id: UUID, *, by: tuple[str, str], paid_by_person: bool = False) -> bool:
    """End the recharge that failed, where a credit closed the gap; says whether it did.

    Where the bank waits for a confirmation, any payment of a person's ends the wait: a new charge closes the rest.
    """
    failed = failed_recharge(tx.connection, wallet_id)
    if failed is None:
        return False
    policy, _ = tx.book.policy(wallet_id)
    if is_closed(tx.book.view(wallet_id), policy) or (paid_by_person and failed.state is State.WAITING):
        tx.book.set_trouble(wallet_id, "")
        return end_recharge(tx, wallet_id, failed.recharge_id, by=by)
    return False


def say_changed(tx: Tx, wallet_id: UUID) -> None:
    """Have the message about the recharge that failed, where there is one, show how it stands now."""
    failed = failed_recharge(tx.connection, wallet_id)
    if failed is not None:
        tx.outbox.add(wallet_id, notice_of_change(failed))


def is_closed(view: WalletView, policy: WalletPolicy) -> bool:
    """Say whether the rule, were it on, would want nothing; without a rule, whether money is above the warning line."""
    if policy.rule is not None:
        return view.available_micros >= policy.rule.threshold_micros
    return view.available_micros > view.warning_micros


def failed_recharge(connection: Connection, wallet_id: UUID) -> Payment | None:
    """Give the newest try of the recharge that failed and has not ended; None where there is none."""
    last = last_recharge_try(connection, wallet_id)
    if last is None or not has_failed(last):
        return None
    return last if ended_by(connection, wallet_id, last.recharge_id) is None else None


def declined_card(connection: Connection, wallet_id: UUID) -> str:
    """Give the card on which the recharge that failed was tried last; empty where there is none."""
    failed = failed_recharge(connection, wallet_id)
    return failed.card_id if failed is not None else ""


def has_failed(newest: Payment) -> bool:
    """Say by its newest try whether a try of a recharge has failed."""
    return newest.state is not State.PAID and (newest.try_number > 1 or newest.state not in IN_FLIGHT)


def notice_of_change(payment: Payment) -> PaymentChanged | RechargeChanged:
    """Give the notice by which the messages about a payment come to show how it stands."""
    return (RechargeChanged if payment.is_of_recharge else PaymentChanged)(payment_id=payment.payment_id)
