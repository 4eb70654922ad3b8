"""The wallet's customer outside: made once, on first need, and remembered."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update

from bot.ports import Denied, Ok, PaymentGateway, Rejected, Unknown
from bot.stripe import requests as stripe_requests
from bot.stripe.declines import FORGOTTEN
from bot.stripe.requests import Call, NotMade, NotReached
from bot.tables import billing, workspaces
from ledger import Tx

CLOCKS_APART = timedelta(minutes=5)
"""How far Stripe's clock may be from ours, at most."""


def made(answer: stripe_requests.Answer) -> str:
    """Give the customer that a call has made. Refuses: NotReached, NotMade."""
    match answer:
        case Ok(seen):
            return str(seen)
        case Unknown():
            raise NotReached(denied=isinstance(answer, Denied))
        case _:
            raise NotMade("")


def look_for(gateway: PaymentGateway, call: Call) -> stripe_requests.Answer:
    """Look for what a call may have made, by the wallet's id on it; where there is nothing, it may be made anew."""
    marks = call.body["metadata"]
    assert isinstance(marks, Mapping)
    answer = gateway.customers(call.created_at - CLOCKS_APART)
    if not isinstance(answer, Ok):
        return answer
    found = [one.customer_id for one in answer.seen if one.metadata.items() >= marks.items()]
    return Ok(found[0]) if found else Rejected(code=FORGOTTEN, message="")


def record(tx: Tx, call: Call, answer: stripe_requests.Answer) -> None:
    """Commit what became of the call that makes the customer; the first one stays, since cards are saved on it."""
    stripe_requests.record(tx, call, answer)
    if isinstance(answer, Ok):
        tx.connection.execute(
            update(billing)
            .where(billing.c.wallet_id == call.wallet_id, billing.c.customer_id == "")
            .values(customer_id=answer.seen)
        )


def known_or_intended(tx: Tx, wallet_id: UUID, *, install: str) -> str | Call:
    """Give the wallet's customer, or the call that makes it: planned now, or left unanswered before."""
    known = tx.connection.execute(
        select(billing.c.customer_id).where(billing.c.wallet_id == wallet_id)
    ).scalar_one()
    if known:
        return str(known)
    for call, _ in stripe_requests.unfinished(tx.connection, wallet_id=wallet_id):
        if call.operation == "customer":
            return call
    name = tx.connection.execute(
        select(workspaces.c.name).where(workspaces.c.wallet_id == wallet_id)
    ).scalar_one()
    body = {"name": name, "metadata": {"redbar_install": install, "redbar_wallet": str(wallet_id)}}
    return stripe_requests.intend(tx, wallet_id, "customer", body, payment_id=None)
