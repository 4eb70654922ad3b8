"""Looks at what is open: requests that were paid are found at Stripe itself, whatever becomes of their events.

A look only finds; what it found goes into the inbox as a hint like any other, so that it is taken in once, tried
again by the same rules, and one bad piece holds up no other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, select

from bot.payment_rows import Payment, payment_of
from bot.ports import EventSeen, Ok, PageStatus, PaymentGateway, Rejected, SessionSeen, Unknown
from bot.states.payment import State
from bot.tables import payments

LOOK = "look:"
"""What the inbox ids of hints begin with that a look found; Stripe's begin with `evt_`."""
SESSION_LIFE = timedelta(hours=24)
"""A page of Stripe's is completed within a day of its making, also one that a link opened."""
CLOCKS_APART = timedelta(minutes=15)
"""How far Stripe's clock, by which lists are chosen, may be behind ours."""
CONFIRMING_FOR = timedelta(seconds=20)
"""How long a charge may be on its way before its intent is looked at."""
MISSES_MAX = 3
"""After so many looks without an answer the rest waits for the next round."""


@dataclass(frozen=True, slots=True)
class Open:
    """What may be paid at this moment, newest first."""

    requests: Sequence[Payment]
    """Pages and links that were offered."""
    charges: Sequence[Payment]
    """Charges of a saved card whose outcome is not known."""


@dataclass(slots=True)
class Looked:
    """What a round of looks brought."""

    found: list[EventSeen] = field(default_factory=list)
    answers: list[object] = field(default_factory=list)
    misses: int = 0
    """How many looks had no answer."""


def what_is_open(connection: Connection, now: datetime, *, among: ColumnElement[bool]) -> Open:
    """Give what may be paid at this moment; `among` is a condition on `payments`."""
    rows = connection.execute(
        select(payments)
        .where(
            payments.c.state.in_([State.OFFERED.value, State.COLLECTING.value]),
            among,
        )
        .order_by(payments.c.created_at.desc())
        .execution_options(cross_shard=True)
    ).mappings()
    found = [payment_of(row) for row in rows]
    return Open(
        requests=[one for one in found if one.state is State.OFFERED and (one.session_id or one.link_id)],
        charges=[
            one
            for one in found
            if one.state is State.COLLECTING and one.intent_id and now - one.created_at >= CONFIRMING_FOR
        ],
    )


def look_at(
    gateway: PaymentGateway, requests: Sequence[Payment], *, now: datetime, whole_at: datetime | None
) -> Looked:
    """Find the completed pages of open requests; `whole_at` says when last every request was looked at.

    Several requests are covered by one list. It is given up for single looks where it would take more reads than
    these, because the company has so many other sales.
    """
    looked = Looked()
    unseen = list(requests)
    if len(unseen) > 1:
        since = min(one.created_at for one in unseen)
        if whole_at is not None:
            since = max(since, min(now, whole_at) - SESSION_LIFE)
        listed = gateway.completed_sessions(since - CLOCKS_APART, pages_max=len(unseen))
        looked.answers.append(listed)
        if isinstance(listed, Ok):
            _keep(looked, listed.seen.sessions, unseen, now)
            unseen = [] if listed.seen.whole else _without(unseen, listed.seen.sessions)
    for one in unseen:
        if looked.misses >= MISSES_MAX:
            break
        answer = _look_at_one(gateway, one)
        looked.answers.append(answer)
        if isinstance(answer, Ok):
            _keep(looked, answer.seen, [one], now)
        elif isinstance(answer, Unknown):
            looked.misses += 1
    return looked


def _look_at_one(gateway: PaymentGateway, request: Payment) -> Ok[Sequence[SessionSeen]] | Rejected | Unknown:
    if request.session_id:
        page = gateway.session(request.session_id)
        return Ok([page.seen]) if isinstance(page, Ok) else page
    since = request.created_at - CLOCKS_APART
    listed = gateway.completed_sessions(since, link_id=request.link_id, pages_max=1)
    return Ok(listed.seen.sessions) if isinstance(listed, Ok) else listed


def _keep(
    looked: Looked, sessions: Sequence[SessionSeen], requests: Sequence[Payment], now: datetime
) -> None:
    looked.found += [
        EventSeen(
            event_id=f"{LOOK}{one.session_id}",
            kind="checkout.session.completed",
            object_id=one.session_id,
            created=now,
            live=one.live,
            payment_intent_id=one.intent_id,
        )
        for one in _of(sessions, requests)
    ]


def _of(sessions: Sequence[SessionSeen], requests: Sequence[Payment]) -> Iterator[SessionSeen]:
    """Give the sessions that completed a request: cards are all that is taken, so it was paid or the card saved."""
    pages = {one.session_id for one in requests if one.session_id}
    links = {one.link_id for one in requests if one.link_id}
    for one in sessions:
        if one.status is PageStatus.COMPLETE and (one.session_id in pages or one.link_id in links):
            yield one


def _without(requests: Sequence[Payment], sessions: Sequence[SessionSeen]) -> list[Payment]:
    seen = {one.session_id for one in sessions} | {one.link_id for one in sessions if one.link_id}
    return [one for one in requests if one.session_id not in seen and one.link_id not in seen]
