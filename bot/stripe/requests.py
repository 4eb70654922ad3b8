"""Intend → send → record: the one way in which POSTs about money reach Stripe.

Every POST to the card side is a row first: its idempotency key and whole body are committed before anything is
sent, and the answer is committed after. A request whose outcome is unknown is sent again by the sweep, with the same
key and the same bytes, while Stripe still remembers the key; what is older is looked up instead, and what closes
something is asked for anew (README, R-04). What follows from an answer is decided by whoever sent the request.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, insert, select, update

from bot.payment_rows import Payment
from bot.ports import (
    Body,
    Declined,
    Denied,
    IntentSeen,
    IntentStatus,
    LinkSeen,
    NeedsAction,
    Ok,
    PaymentGateway,
    Rejected,
    SessionSeen,
    Unknown,
)
from bot.states.payment import State
from bot.states.stripe_request import CLOSING, NEXT, UNFINISHED, Operation, RequestOutcome, RequestState
from bot.stripe.declines import NEVER_CONFIRMED
from bot.tables import stripe_requests
from ledger import Refused, Tx, ahead_after, failpoint, new_id, not_ahead

KEY_LIFETIME = timedelta(hours=20)
"""Keys are kept for at least 24 hours at Stripe; older unknowns are never sent again."""
CUSTOMER_LIFETIME = timedelta(minutes=10)
"""A request that others wait for and that charges nothing is looked up sooner, and then made anew."""
RETRY_AFTER = timedelta(minutes=1)

NO_RIGHT = "key_lacks_right"
"""The code of a request that Stripe did not accept because our key lacks a right."""
_NO_KEY = "Nothing was charged: Stripe doesn't accept Redbar's key. Whoever runs Redbar has to look at it."
STOPPED_BY_OPERATOR = "held_back"
"""Why a charge that was begun is not made: the operator has stopped automatic charges meanwhile."""
APP_REMOVED = "app_removed"
"""Why a charge that was begun is not made: the app was removed from the workspace meanwhile."""

BOOKS_RESTORED = "books_restored"
"""Why a charge that was begun is not made: the books were restored from a copy meanwhile."""

Answer = (
    Ok[str] | Ok[SessionSeen] | Ok[LinkSeen] | Ok[IntentSeen] | Declined | NeedsAction | Rejected | Unknown
)


class Unreachable(Refused):
    """Stripe could not be reached, or did not accept our key; the payment is kept."""

    def __init__(self, ref: str, *, denied: bool) -> None:
        self.ref = ref
        if denied:
            words = f"{_NO_KEY} The payment is kept for 20 hours, and made when that is mended."
        else:
            words = (
                "Nothing was charged: Stripe could not be reached. "
                "The payment is kept and tried again in a minute."
            )
        super().__init__(f"{words} Ref {ref}.")


class NotReached(Refused):
    """Stripe could not be reached, or did not accept our key, before anything was asked for: nothing is kept."""

    def __init__(self, *, denied: bool) -> None:
        again = "Nothing was charged: Stripe could not be reached. Try again in a minute."
        super().__init__(f"{_NO_KEY} Try again when that is mended." if denied else again)


class NotMade(Refused):
    """Stripe refused to make a page, a link or a charge; nothing was charged."""

    def __init__(self, ref: str) -> None:
        self.ref = ref
        words = "Nothing was charged: Stripe did not accept the request. An operator can look it up."
        super().__init__(f"{words} Ref {ref}." if ref else words)


@dataclass(frozen=True, slots=True)
class StripeRequest:
    """One POST, as committed before it is sent."""

    wallet_id: UUID
    request_id: UUID
    payment_id: UUID | None
    operation: Operation
    object_id: str
    key: str
    body: Body
    created_at: datetime
    unsent: bool
    """It was planned a moment ago by whoever holds it, so it was surely never sent."""


def intend(
    tx: Tx,
    wallet_id: UUID,
    operation: Operation,
    body: Mapping[str, object],
    *,
    payment_id: UUID | None,
    object_id: str = "",
) -> StripeRequest:
    """Commit a POST that is about to be made."""
    request_id = new_id()
    request = StripeRequest(
        wallet_id=wallet_id,
        request_id=request_id,
        payment_id=payment_id,
        operation=operation,
        object_id=object_id,
        # No personal data; unique for good, since the id is.
        key=f"redbar:{operation}:{request_id}",
        body=body,
        created_at=tx.now,
        unsent=True,
    )
    tx.connection.execute(
        insert(stripe_requests).values(
            wallet_id=wallet_id,
            request_id=request_id,
            payment_id=payment_id,
            operation=operation,
            object_id=object_id,
            key=request.key,
            body=json.dumps(body, sort_keys=True),
            state=RequestState.PLANNED,
            created_at=tx.now,
            tries=0,
            answer="",
        )
    )
    failpoint(f"stripe_request.{operation}.planned")
    return request


def repeat(tx: Tx, request: StripeRequest) -> StripeRequest:
    """Commit under a new key what an old request, which will not be sent again, left undone."""
    return intend(
        tx,
        request.wallet_id,
        request.operation,
        request.body,
        payment_id=request.payment_id,
        object_id=request.object_id,
    )


def cancel(tx: Tx, payment: Payment) -> StripeRequest | None:
    """Plan the end of a try's intent: one intent per try, and after a definite failure nothing may ever charge it."""
    if not payment.intent_id or payment.state is State.PAID:
        return None
    return _intend_closing(tx, payment, Operation.CANCEL_INTENT, payment.intent_id)


def close(tx: Tx, payment: Payment) -> StripeRequest | None:
    """Plan the end of what people could still pay by."""
    if payment.link_id:
        return _intend_closing(tx, payment, Operation.DEACTIVATE_LINK, payment.link_id)
    if payment.session_id and payment.state is State.WITHDRAWN:
        return _intend_closing(tx, payment, Operation.EXPIRE_SESSION, payment.session_id)
    return None


def _intend_closing(tx: Tx, payment: Payment, operation: Operation, object_id: str) -> StripeRequest:
    return intend(tx, payment.wallet_id, operation, {}, payment_id=payment.payment_id, object_id=object_id)


def send(gateway: PaymentGateway, request: StripeRequest) -> Answer:
    """Make the POST. Outside any transaction."""
    failpoint(f"stripe_request.{request.operation}.before_send")
    answer = _send(gateway, request)
    failpoint(f"stripe_request.{request.operation}.after_send")
    if (
        isinstance(answer, Denied)
        and not answer.whole
        and request.unsent
        and request.operation not in CLOSING
    ):
        # A right that is missing stays missing: a definite no, where nothing can have been done before.
        return Rejected(code=NO_RIGHT, message="")
    return answer


def _send(gateway: PaymentGateway, request: StripeRequest) -> Answer:
    match request.operation:
        case Operation.CUSTOMER:
            return gateway.create_customer(request.body, request.key)
        case Operation.SESSION:
            return gateway.create_session(request.body, request.key)
        case Operation.EXPIRE_SESSION:
            return gateway.expire_session(request.object_id, request.key)
        case Operation.LINK:
            return gateway.create_link(request.body, request.key)
        case Operation.DEACTIVATE_LINK:
            return gateway.deactivate_link(request.object_id, request.key)
        case Operation.INTENT:
            return gateway.create_intent(request.body, request.key)
        case Operation.CONFIRM:
            return gateway.confirm_intent(request.object_id, request.body, request.key)
        case Operation.CANCEL_INTENT:
            return gateway.cancel_intent(request.object_id, request.key)
        case Operation.DETACH:
            return gateway.detach_card(request.object_id, request.key)


def record(tx: Tx, request: StripeRequest, answer: Answer) -> bool:
    """Commit what became of a POST, in the same transaction as what follows from it; False when it is known already.

    Two replicas may sweep one request at the same instant: what follows from its answer follows once.
    """
    outcome, words = _outcome_of(answer)
    mine = (stripe_requests.c.wallet_id == request.wallet_id) & (
        stripe_requests.c.request_id == request.request_id
    )
    state = RequestState(tx.connection.execute(select(stripe_requests.c.state).where(mine)).scalar_one())
    if state in UNFINISHED:
        tx.connection.execute(
            update(stripe_requests)
            .where(mine)
            .values(
                state=NEXT.after(state, outcome),
                outcome=outcome,
                answer=words,
                tried_at=tx.now,
                tries=stripe_requests.c.tries + 1,
            )
        )
    failpoint(f"stripe_request.{request.operation}.recorded")
    return state in UNFINISHED


def _outcome_of(answer: Answer) -> tuple[RequestOutcome, str]:
    """Say how a try ended, and what is kept of it beside: a code of Stripe's or of ours."""
    match answer:
        case Ok():
            return RequestOutcome.OK, ""
        case Declined():
            return RequestOutcome.DECLINED, answer.decline_code
        case NeedsAction():
            return RequestOutcome.NEEDS_ACTION, ""
        case Rejected():
            return RequestOutcome.REJECTED, answer.code
        case Denied():
            return RequestOutcome.DENIED, ""
        case Unknown():
            return RequestOutcome.UNKNOWN, answer.message
        case never:
            assert_never(never)


def as_confirmed(seen: IntentSeen, why: str) -> Ok[IntentSeen] | Declined | Rejected:
    """Read off an intent that was looked at what its confirmation would have answered; `why` it isn't asked again."""
    if seen.status in (IntentStatus.SUCCEEDED, IntentStatus.PROCESSING):
        return Ok(seen)
    if seen.decline_code:
        return Declined(seen.decline_code, seen.decline_code, seen.advice_code, seen.intent_id)
    return Rejected(
        code=why if why in (STOPPED_BY_OPERATOR, APP_REMOVED, BOOKS_RESTORED) else NEVER_CONFIRMED, message=""
    )


def unfinished(
    connection: Connection, *, wallet_id: UUID | None = None
) -> Sequence[tuple[StripeRequest, bool]]:
    """Give the requests whose outcome nobody knows, oldest first, and whether each was ever tried."""
    wanted = (
        select(stripe_requests)
        .where(stripe_requests.c.state.in_(UNFINISHED))
        .order_by(stripe_requests.c.created_at)
    )
    wanted = (
        wanted.execution_options(cross_shard=True)
        if wallet_id is None
        else wanted.where(stripe_requests.c.wallet_id == wallet_id)
    )
    return [(_request(row), row["tries"] > 0) for row in connection.execute(wanted).mappings()]


def was_denied(connection: Connection, wallet_id: UUID, payment_id: UUID) -> bool:
    """Say whether Stripe did not accept our key at the last try of a payment."""
    last = connection.execute(
        select(stripe_requests.c.outcome)
        .where(
            stripe_requests.c.wallet_id == wallet_id,
            stripe_requests.c.payment_id == payment_id,
            stripe_requests.c.tried_at.is_not(None),
        )
        .order_by(stripe_requests.c.tried_at.desc())
        .limit(1)
    ).scalar_one_or_none()
    return last == RequestOutcome.DENIED


def due(
    connection: Connection, now: datetime, *, among: ColumnElement[bool]
) -> Sequence[tuple[StripeRequest, bool]]:
    """Give the unfinished requests that are due to be sent again, and whether they are too old for that.

    `among` is a condition on `stripe_requests`; of wallets whose time is in doubt there are none.
    """
    rows = connection.execute(
        select(stripe_requests)
        .where(stripe_requests.c.state.in_(UNFINISHED), among, not_ahead(stripe_requests.c.wallet_id))
        .order_by(stripe_requests.c.created_at)
        .limit(100)
        .execution_options(cross_shard=True),
        {"ahead": ahead_after(now)},
    ).mappings()
    return [
        (_request(row), now - row["created_at"] > _lifetime(Operation(row["operation"])))
        for row in rows
        # A fresh row may be on the wire in another thread right now.
        if now - (row["tried_at"] or row["created_at"]) >= RETRY_AFTER
    ]


def _lifetime(operation: Operation) -> timedelta:
    return CUSTOMER_LIFETIME if operation is Operation.CUSTOMER else KEY_LIFETIME


def _request(row: Any) -> StripeRequest:
    body = row["body"]
    assert isinstance(body, str)
    wallet_id, request_id, payment_id = row["wallet_id"], row["request_id"], row["payment_id"]
    assert isinstance(wallet_id, UUID)
    assert isinstance(request_id, UUID)
    assert payment_id is None or isinstance(payment_id, UUID)
    return StripeRequest(
        wallet_id=wallet_id,
        request_id=request_id,
        payment_id=payment_id,
        operation=Operation(row["operation"]),
        object_id=str(row["object_id"]),
        key=str(row["key"]),
        body=json.loads(body),
        created_at=row["created_at"],
        unsent=False,
    )
