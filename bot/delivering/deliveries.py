"""Deliveries: what each recipient is still to be shown, who shows it now, and what became of it.

Theory. A row says which version of a subject is `wanted` and which was `shown` last. Who shows it claims the row for
the time of a lease, renders the present facts, and may store what was shown only while the lease is theirs: the lease
is the fencing token. So an older state never replaces a newer one for good: whoever slept past the lease has the
subject shown once more, or takes its own copy back. One recipient has at most one delivery on its way.

A crash between a message and its row repeats that one message: Slack names no key by which a post could be known again.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    update,
)

from bot.causes import DETAIL_MAX, Gone, Waits, as_stored, failed
from bot.delivering.known import read_known
from bot.delivering.recipients import Wanted, lost, replacements, stand_ins
from bot.notices import AnyNotice, decode
from bot.ports import NotNow, Paced, RecipientGone
from bot.states.delivery import (
    NEXT,
    DeliveryEvent,
    DeliveryState,
    Recipient,
    RecipientKind,
    Subject,
    Urgency,
)
from bot.tables import deliveries
from bot.wallets.alert_channels import set_away
from bot.wallets.named_values import LOST, forget_named_value, named_value, set_named_value
from ledger import EPOCH, Ledger, Tx, Waiting, ahead_after, new_id, not_ahead, read_notice

log = logging.getLogger("redbar.delivery")

LEASE = timedelta(minutes=2)
PAUSE_MAX = timedelta(minutes=1)
TRIES_MAX = 12
"""After so many failures that are not among Slack's known answers, a delivery is set aside and logged."""


class LeaseLost(Exception):
    """Another process shows this delivery by now; what this one showed does not count."""


@dataclass
class Claim:
    """One delivery, which this process alone may show until its lease ends."""

    ledger: Ledger
    delivery_id: UUID
    subject: Subject
    recipient: Recipient
    version: int
    """What was wanted when it was claimed."""
    shown: int
    """The version that was shown last; 0 where nobody knows what stands there."""
    tries: int
    lease_until: datetime
    waiting: Waiting
    """The newest notice of the subject."""
    is_over: bool = False
    """Whether what became of it is stored."""

    @property
    def wallet_id(self) -> UUID:
        """The wallet that it is about."""
        return self.waiting.wallet_id

    def notice(self) -> AnyNotice:
        """Give the newest notice as it was committed. Raises: NoticeUnknown."""
        return decode(self.waiting)

    def done(self, save: Callable[[Tx], object] | None = None) -> None:
        """Store that the present state is shown, together with what is to be remembered of it. Raises: LeaseLost."""

        assert not self.is_over, "a delivery ends once: a second time it would look like a lost lease"

        def keep(tx: Tx) -> None:
            row = _end(tx, self, tries=0, error="")
            if save is not None:
                save(tx)
            is_outdated = row.wanted > self.version
            event = DeliveryEvent.OUTDATED if is_outdated else DeliveryEvent.SHOWN
            # Who lost the lease may have edited the message after this: then nobody knows what stands there.
            shown = 0 if is_outdated else self.version
            _set(tx, self, state=NEXT.after(DeliveryState.WAITING, event), shown=shown, due_at=tx.now)
            if named_value(tx.connection, self.wallet_id, f"{LOST}{self.recipient}") is not None:
                forget_named_value(tx, self.wallet_id, f"{LOST}{self.recipient}")
            _forget_told(tx, self.wallet_id, self.subject)

        self.ledger.run(keep, wallet_id=self.wallet_id)
        self.is_over = True


def want(tx: Tx, asked: Wanted, waiting: Waiting) -> None:
    """Have some recipients shown a subject as it stands now. The same notice a second time changes nothing."""
    for recipient in asked.recipients:
        row = _row(tx.connection, waiting.wallet_id, asked.subject, recipient)
        if row is None:
            tx.connection.execute(
                insert(deliveries).values(
                    wallet_id=waiting.wallet_id,
                    delivery_id=new_id(),
                    subject=str(asked.subject),
                    recipient=str(recipient),
                    notice_id=waiting.notice_id,
                    seq=waiting.seq,
                    urgency=int(asked.urgency),
                    wanted=1,
                    shown=0,
                    state=DeliveryState.WAITING,
                    tries=0,
                    due_at=tx.now,
                    lease_until=EPOCH,
                    changed_at=tx.now,
                    error="",
                )
            )
        elif row.seq < waiting.seq:
            _want_again(tx, row, notice_id=waiting.notice_id, seq=waiting.seq, urgency=int(asked.urgency))


def show_again(ledger: Ledger, wallet_id: UUID, subject: Subject, recipients: Collection[Recipient]) -> None:
    """Have some recipients who have a message about a living subject shown it as it stands now."""

    def save(tx: Tx) -> None:
        for recipient in recipients:
            want_again(tx, wallet_id, subject, recipient)

    if recipients:
        ledger.run(save, wallet_id=wallet_id)


def want_again(tx: Tx, wallet_id: UUID, subject: Subject, recipient: Recipient, **values: Any) -> None:
    """Have one recipient shown a living subject once more, unless they were set aside."""
    row = _row(tx.connection, wallet_id, subject, recipient)
    if row is not None and row.state != DeliveryState.ASIDE:
        _want_again(tx, row, **values)


def drop(tx: Tx, wallet_id: UUID, subject: Subject, recipient: Recipient) -> None:
    """Delete what one recipient waits for, because another message has just said it."""
    row = _row(tx.connection, wallet_id, subject, recipient)
    if row is not None and row.state == DeliveryState.WAITING:
        tx.connection.execute(delete(deliveries).where(_is(row)))


def revive(tx: Tx, wallet_id: UUID, subject: Subject, recipient: Recipient) -> bool:
    """Try a delivery again that was set aside; says whether it was."""
    row = _row(tx.connection, wallet_id, subject, recipient)
    if row is None or row.state != DeliveryState.ASIDE:
        return False
    _change(tx, row, DeliveryEvent.REVIVED, wanted=row.wanted + 1, tries=0, due_at=tx.now)
    return True


def due_deliveries(
    connection: Connection,
    now: datetime,
    *,
    limit: int,
    among: ColumnElement[bool],
) -> Sequence[tuple[UUID, UUID]]:
    """Give what can be claimed now, as wallets and deliveries: alarms first, people before channels.

    Who could not be told at the last try comes after those of the same urgency whose turn did not come: an answer that
    lets all of a workspace wait is met by one recipient again and again, and keeps nobody else waiting.

    Of each recipient at most one: the most urgent, and of those the oldest; none while one of theirs is on its way.
    `among` is a condition on `deliveries`, the same object each time. Only a hint, since it locks nothing.
    """
    rows = connection.execute(_due(among), {"now": now, "ahead": ahead_after(now), "most": limit})
    return [(wallet_id, delivery_id) for wallet_id, delivery_id in rows]


@lru_cache(maxsize=64)  # couriers ask it several times a second, and making it takes longer than the look
def _due(among: ColumnElement[bool]) -> Select[UUID, UUID]:
    mine, other = deliveries, deliveries.alias("before_it")
    now = bindparam("now", type_=mine.c.due_at.type)
    before = or_(
        other.c.lease_until > now,
        other.c.urgency > mine.c.urgency,
        (other.c.urgency == mine.c.urgency) & (other.c.seq < mine.c.seq),
    )
    is_behind = exists(
        select(literal(1)).where(
            other.c.wallet_id == mine.c.wallet_id,
            other.c.recipient == mine.c.recipient,
            other.c.state == DeliveryState.WAITING,
            before,
        )
    )
    is_channel = mine.c.recipient.like(f"{RecipientKind.CHANNEL}:%")
    return (
        select(mine.c.wallet_id, mine.c.delivery_id)
        .where(
            mine.c.state == DeliveryState.WAITING,
            mine.c.due_at <= now,
            mine.c.lease_until <= now,
            among,
            not_ahead(mine.c.wallet_id),
            ~is_behind,
        )
        .order_by(mine.c.urgency.desc(), mine.c.tries, case((is_channel, 1), else_=0), mine.c.delivery_id)
        .limit(bindparam("most"))
        .execution_options(cross_shard=True)
    )


def claim(ledger: Ledger, wallet_id: UUID, delivery_id: UUID) -> Claim | None:
    """Take a delivery to show it; None where somebody else was faster."""

    def take(tx: Tx) -> Claim | None:
        until = tx.now + LEASE
        row = tx.connection.execute(
            update(deliveries)
            .where(
                deliveries.c.wallet_id == wallet_id,
                deliveries.c.delivery_id == delivery_id,
                deliveries.c.state == DeliveryState.WAITING,
                deliveries.c.due_at <= tx.now,
                deliveries.c.lease_until <= tx.now,
            )
            .values(lease_until=until)
            .returning(deliveries)
        ).one_or_none()
        if row is None:
            return None
        return Claim(
            ledger=ledger,
            delivery_id=delivery_id,
            subject=Subject.read(row.subject),
            recipient=Recipient.of(row.recipient),
            version=row.wanted,
            shown=row.shown,
            tries=row.tries,
            lease_until=until,
            waiting=read_notice(tx.connection, wallet_id, row.notice_id),
        )

    return ledger.run(take, wallet_id=wallet_id)


def fail(claimed: Claim, problem: Exception) -> None:
    """Store that a delivery could not be shown: it is tried again, or set aside where no try would help."""
    if not isinstance(problem, LeaseLost):
        store = _set_aside if isinstance(problem, RecipientGone) else _again
        with suppress(LeaseLost):
            claimed.ledger.run(partial(store, claimed=claimed, problem=problem), wallet_id=claimed.wallet_id)
            return
    log.warning("a delivery for %s took longer than its lease", claimed.recipient)
    if claimed.subject.lives:
        # What was shown meanwhile may stand over something newer: it is shown once more as it is now.
        again = partial(
            want_again,
            wallet_id=claimed.wallet_id,
            subject=claimed.subject,
            recipient=claimed.recipient,
            shown=0,
        )
        claimed.ledger.run(again, wallet_id=claimed.wallet_id)


def name_owners(claimed: Claim) -> bool:
    """Give what waits for the owners to each of them, or to admins appointed since; says whether there is any."""

    def give(tx: Tx) -> bool:
        known = read_known(tx.connection, claimed.wallet_id, claimed.notice())
        there = stand_ins(known, _states(tx.connection, claimed.wallet_id, claimed.subject))
        if not there:
            return False
        row = _end(tx, claimed)
        tx.connection.execute(delete(deliveries).where(_is(row)))
        want(tx, Wanted(claimed.subject, Urgency(row.urgency), there), claimed.waiting)
        return True

    return claimed.ledger.run(give, wallet_id=claimed.wallet_id)


def _again(tx: Tx, *, claimed: Claim, problem: Exception) -> None:
    if isinstance(problem, Paced):
        assert problem.retry_after is not None, "who keeps the pace knows for how long"
        _end(tx, claimed, due_at=tx.now + problem.retry_after)
        return
    tries = claimed.tries + 1
    known = isinstance(problem, NotNow)
    error = as_stored(Waits(str(problem)[:DETAIL_MAX]) if known else failed(problem))
    is_last = tries >= TRIES_MAX and not known
    state = NEXT.after(DeliveryState.WAITING, DeliveryEvent.EXHAUSTED if is_last else DeliveryEvent.FAILED)
    pause = min(timedelta(seconds=2) * 2 ** min(tries - 1, 10), PAUSE_MAX)
    if isinstance(problem, NotNow) and problem.retry_after is not None:
        # An earlier try would be refused too, and may lengthen the limit.
        pause = max(pause, problem.retry_after)
    _end(tx, claimed, state=state, tries=tries, due_at=tx.now + pause, error=error)
    name, to = claimed.waiting.name, claimed.recipient
    if is_last:
        log.error("%s is set aside for %s after %s tries: %s", to, name, tries, error)
    else:
        log.warning("%s waits for %s: %s", name, to, error, exc_info=None if known else problem)


def _set_aside(tx: Tx, *, claimed: Claim, problem: Exception) -> None:
    """Set a recipient aside: others are told in their place, and of it, if they can mend it."""
    wallet_id, recipient, said = claimed.wallet_id, claimed.recipient, str(problem)
    log.warning("%s is set aside for %s: %s", recipient, claimed.waiting.name, said)
    state = NEXT.after(DeliveryState.WAITING, DeliveryEvent.REFUSED)
    row = _end(tx, claimed, state=state, error=as_stored(Gone(said)))
    notice = claimed.notice()
    known = read_known(tx.connection, wallet_id, notice)
    states = _states(tx.connection, wallet_id, claimed.subject)
    instead = replacements(notice, recipient, known, states)
    want(tx, Wanted(claimed.subject, Urgency(row.urgency), instead), claimed.waiting)
    if recipient.is_channel:
        set_away(tx, wallet_id, recipient.slack_id, said)
    told = lost(recipient, said, known, claimed.subject)
    name = f"{LOST}{recipient}"
    if told is not None and named_value(tx.connection, wallet_id, name) is None:
        set_named_value(tx, wallet_id, name, said)
        tx.outbox.add(wallet_id, told)


def _end(tx: Tx, claimed: Claim, **values: Any) -> Any:
    """End a claim, with what changes along; gives the row. Raises: LeaseLost."""
    row = tx.connection.execute(
        update(deliveries)
        .where(
            deliveries.c.wallet_id == claimed.wallet_id,
            deliveries.c.delivery_id == claimed.delivery_id,
            deliveries.c.state == DeliveryState.WAITING,
            deliveries.c.lease_until == claimed.lease_until,
        )
        .values(lease_until=EPOCH, changed_at=tx.now, **values)
        .returning(deliveries)
    ).one_or_none()
    if row is None:
        raise LeaseLost
    return row


def _set(tx: Tx, claimed: Claim, **values: Any) -> None:
    tx.connection.execute(
        update(deliveries)
        .where(deliveries.c.wallet_id == claimed.wallet_id, deliveries.c.delivery_id == claimed.delivery_id)
        .values(**values)
    )


def _want_again(tx: Tx, row: Any, **values: Any) -> None:
    # Who waits because Slack asked for it waits on; who was told, or has tried nothing yet, is shown it now.
    is_waiting = row.state == DeliveryState.WAITING
    due_at = row.due_at if is_waiting else tx.now
    _change(tx, row, DeliveryEvent.WANTED, wanted=row.wanted + 1, due_at=due_at, **values)


def _change(tx: Tx, row: Any, event: DeliveryEvent, **values: Any) -> None:
    state = NEXT.after(DeliveryState(row.state), event)
    tx.connection.execute(update(deliveries).where(_is(row)).values(state=state, changed_at=tx.now, **values))


def _is(row: Any) -> Any:
    return (deliveries.c.wallet_id == row.wallet_id) & (deliveries.c.delivery_id == row.delivery_id)


def _row(connection: Connection, wallet_id: UUID, subject: Subject, recipient: Recipient) -> Any | None:
    return connection.execute(
        select(deliveries).where(
            deliveries.c.wallet_id == wallet_id,
            deliveries.c.subject == str(subject),
            deliveries.c.recipient == str(recipient),
        )
    ).one_or_none()


def _states(connection: Connection, wallet_id: UUID, subject: Subject) -> dict[Recipient, DeliveryState]:
    rows = connection.execute(
        select(deliveries.c.recipient, deliveries.c.state).where(
            deliveries.c.wallet_id == wallet_id, deliveries.c.subject == str(subject)
        )
    )
    return {Recipient.of(recipient): DeliveryState(state) for recipient, state in rows}


def _forget_told(tx: Tx, wallet_id: UUID, subject: Subject) -> None:
    """Delete the rows of recipients who were told of something that does not live, once nobody waits for it."""
    states = _states(tx.connection, wallet_id, subject).values()
    if not subject.lives and DeliveryState.WAITING not in states:
        tx.connection.execute(
            delete(deliveries).where(
                deliveries.c.wallet_id == wallet_id,
                deliveries.c.subject == str(subject),
                deliveries.c.state == DeliveryState.TOLD,
            )
        )
