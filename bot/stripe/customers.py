"""The wallet's customer outside: made once, on first need, and remembered."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update

from bot.ports import Declined, Denied, NeedsAction, Ok, PaymentGateway, Rejected, Unknown
from bot.states.stripe_request import Operation
from bot.stripe import requests as stripe_requests
from bot.stripe.declines import FORGOTTEN
from bot.stripe.requests import NotMade, NotReached, StripeRequest
from bot.tables import billing, workspaces
from ledger import Tx

CLOCKS_APART = timedelta(minutes=5)
"""How far Stripe's clock may be from ours, at most."""


def made(answer: stripe_requests.Answer) -> str:
    """Give the customer that a request has made. Refuses: NotReached, NotMade."""
    match answer:
        case Ok(seen):
            return str(seen)
        case Unknown():
            raise NotReached(denied=isinstance(answer, Denied))
        case Declined() | NeedsAction() | Rejected():
            raise NotMade("")


def look_for(gateway: PaymentGateway, request: StripeRequest) -> stripe_requests.Answer:
    """Look for what a request may have made, by the wallet's id on it; where there is nothing, it may be made anew."""
    marks = request.body["metadata"]
    assert isinstance(marks, Mapping)
    answer = gateway.customers(request.created_at - CLOCKS_APART)
    if not isinstance(answer, Ok):
        return answer
    found = [one.customer_id for one in answer.seen if one.metadata.items() >= marks.items()]
    return Ok(found[0]) if found else Rejected(code=FORGOTTEN, message="")


def record(tx: Tx, request: StripeRequest, answer: stripe_requests.Answer) -> None:
    """Commit what became of the request that makes the customer; the first one stays, since cards are saved on it."""
    stripe_requests.record(tx, request, answer)
    if isinstance(answer, Ok):
        tx.connection.execute(
            update(billing)
            .where(billing.c.wallet_id == request.wallet_id, billing.c.customer_id == "")
            .values(customer_id=answer.seen)
        )


def known_or_intended(tx: Tx, wallet_id: UUID, *, install: str) -> str | StripeRequest:
    """Give the wallet's customer, or the request that makes it: planned now, or left unanswered before."""
    known = tx.connection.execute(
        select(billing.c.customer_id).where(billing.c.wallet_id == wallet_id)
    ).scalar_one()
    if known:
        return str(known)
    for request, _ in stripe_requests.unfinished(tx.connection, wallet_id=wallet_id):
        if request.operation is Operation.CUSTOMER:
            return request
    name = tx.connection.execute(
        select(workspaces.c.name).where(workspaces.c.wallet_id == wallet_id)
    ).scalar_one()
    body = {"name": name, "metadata": {"redbar_install": install, "redbar_wallet": str(wallet_id)}}
    return stripe_requests.intend(tx, wallet_id, Operation.CUSTOMER, body, payment_id=None)
