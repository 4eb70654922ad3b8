"""Delivers one notice to each of its recipients alone, and stores who could not be told yet.

A failure for one recipient does not affect the others: each is tried once. If Slack refuses a recipient for good, the
recipient is set aside. If Slack refuses for now, the recipient is retried in order, without a limit of time. A crash
between a message and its row repeats that one message.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, update

from bot.causes import DETAIL_MAX, Gone, Waits, as_stored, failed
from bot.notices import AnyNotice, decode
from bot.ports import NotNow, RecipientGone
from bot.states.delivery import NEXT, OWNERS, DeliveryEvent, DeliveryState, Recipient
from bot.tables import deliveries
from ledger import Ledger, Tx, Waiting, new_id

log = logging.getLogger("redbar.delivery")

LEASE = timedelta(minutes=2)
PAUSE_MAX = timedelta(minutes=1)
TRIES_MAX = 12
"""After so many failures that are not among Slack's known answers, a recipient is set aside and logged."""


class FanOut:
    """One notice on its way to its recipients.

    `only` names the recipients who are retried; without it all are told for the first time.
    """

    def __init__(self, ledger: Ledger, notice: Waiting, *, only: Collection[Recipient] | None = None) -> None:
        self._ledger = ledger
        self._notice = notice
        self._only = only
        self._failed_now: set[Recipient] = set()
        with ledger.reading() as connection:
            self._rows = _rows(connection, notice)
            self._behind = _still_waiting(connection, notice)

    @property
    def wallet_id(self) -> UUID:
        """The wallet that the notice is about."""
        return self._notice.wallet_id

    @property
    def name(self) -> str:
        """The notice's name."""
        return self._notice.name

    def notice(self) -> AnyNotice:
        """Give the notice as it was committed. Raises: NoticeUnknown."""
        return decode(self._notice)

    @property
    def first_time(self) -> bool:
        """Whether this is the notice's first round, not the retry of one recipient."""
        return self._only is None

    def each(self, recipients: Iterable[Recipient], send: Callable[[Recipient], None]) -> None:
        """Tell each recipient alone; skip those who were told already or set aside."""
        for recipient in dict.fromkeys(recipients):
            if self._is_due(recipient):
                self._try(recipient, partial(send, recipient))

    def wait_for(self, recipient: Recipient, why: Exception) -> None:
        """Store that a recipient has to be told later, without a try now."""
        if recipient not in self._failed_now:
            self._failed(recipient, why)

    def over(self, recipient: Recipient) -> None:
        """End the retries of a recipient whom the notice no longer concerns, or whom others replace.

        While Slack cannot list the owners, nobody knows whether the recipient is one of them: the retries go on.
        """
        if not {recipient, OWNERS} & self._failed_now:
            self._happens(recipient, DeliveryEvent.OVER)

    def are_gone(self, recipients: Collection[Recipient]) -> bool:
        """Say whether Slack refused all of some recipients for good."""
        return bool(recipients) and all(self._state(one) is DeliveryState.ASIDE for one in recipients)

    def _is_due(self, recipient: Recipient) -> bool:
        state = self._state(recipient)
        if state in (DeliveryState.TOLD, DeliveryState.ASIDE):
            return False
        untried = state is DeliveryState.UNTRIED
        if self._only is not None:
            return recipient in self._only or (untried and OWNERS in self._only)
        if recipient in self._behind:
            self._happens(recipient, DeliveryEvent.POSTPONED, due_at=self._ledger.now())
            return False
        return untried

    def _try(self, recipient: Recipient, send: Callable[[], None]) -> None:
        try:
            send()
        except RecipientGone as problem:
            log.warning("%s is set aside for %s: %s", recipient, self.name, problem)
            self._happens(recipient, DeliveryEvent.REFUSED, error=as_stored(Gone(str(problem))))
        except Exception as problem:  # noqa: BLE001 - a failure for one recipient must not affect the others
            self._failed(recipient, problem)
        else:
            self._happens(recipient, DeliveryEvent.POSTED)

    def _failed(self, recipient: Recipient, problem: Exception) -> None:
        self._failed_now.add(recipient)
        tries = (self._rows[recipient].tries if recipient in self._rows else 0) + 1
        known = isinstance(problem, NotNow)
        error = as_stored(Waits(str(problem)[:DETAIL_MAX]) if known else failed(problem))
        if tries >= TRIES_MAX and not known:
            log.error("%s is set aside for %s after %s tries: %s", recipient, self.name, tries, error)
            self._happens(recipient, DeliveryEvent.EXHAUSTED, error=error)
            return
        log.warning("%s waits for %s: %s", self.name, recipient, error, exc_info=None if known else problem)
        pause = min(timedelta(seconds=2) * 2 ** min(tries - 1, 10), PAUSE_MAX)
        if isinstance(problem, NotNow) and problem.retry_after is not None:
            # An earlier try would be refused too, and may lengthen the limit.
            pause = max(pause, problem.retry_after)
        self._happens(
            recipient, DeliveryEvent.FAILED, tries=tries, due_at=self._ledger.now() + pause, error=error
        )

    def _state(self, recipient: Recipient) -> DeliveryState:
        row = self._rows.get(recipient)
        return DeliveryState(row.state) if row is not None else DeliveryState.UNTRIED

    def _happens(self, recipient: Recipient, event: DeliveryEvent, **values: Any) -> None:
        """Store what follows; who was told or set aside stays so, and what has no row gets none for nothing."""
        before = self._state(recipient)
        state = NEXT.after(before, event)
        if state is before and state is not DeliveryState.WAITING:
            return
        keep = partial(_keep, notice=self._notice, recipient=recipient, values={"state": state, **values})
        self._rows[recipient] = self._ledger.run(keep, wallet_id=self.wallet_id)


def forget_told(tx: Tx, wallet_id: UUID, notice_id: UUID) -> None:
    """Delete the rows of recipients who were told, once no recipient of the notice is waiting."""
    mine = (deliveries.c.wallet_id == wallet_id) & (deliveries.c.notice_id == notice_id)
    waiting = select(deliveries.c.recipient).where(mine, deliveries.c.state == DeliveryState.WAITING).limit(1)
    if tx.connection.execute(waiting).scalar_one_or_none() is None:
        tx.connection.execute(delete(deliveries).where(mine, deliveries.c.state == DeliveryState.TOLD))


def due_deliveries(
    connection: Connection, now: datetime, *, limit: int, wallet_ids: Collection[UUID]
) -> Sequence[tuple[UUID, UUID, Recipient]]:
    """Give the due retries of some wallets: of each recipient the oldest, as wallet, notice and recipient."""
    oldest = (
        select(deliveries.c.wallet_id, deliveries.c.recipient, func.min(deliveries.c.seq).label("seq"))
        .where(deliveries.c.wallet_id.in_(wallet_ids), deliveries.c.state == DeliveryState.WAITING)
        .group_by(deliveries.c.wallet_id, deliveries.c.recipient)
        .subquery()
    )
    rows = connection.execute(
        select(deliveries.c.wallet_id, deliveries.c.notice_id, deliveries.c.recipient)
        .join(
            oldest,
            (oldest.c.wallet_id == deliveries.c.wallet_id)
            & (oldest.c.recipient == deliveries.c.recipient)
            & (oldest.c.seq == deliveries.c.seq),
        )
        .where(deliveries.c.state == DeliveryState.WAITING, deliveries.c.due_at <= now)
        .order_by(deliveries.c.due_at, deliveries.c.wallet_id, deliveries.c.recipient)
        .limit(limit)
        .execution_options(cross_shard=True)
    )
    return [(wallet_id, notice_id, Recipient.of(recipient)) for wallet_id, notice_id, recipient in rows]


def take_delivery(tx: Tx, *, wallet_id: UUID, notice_id: UUID, recipient: Recipient) -> bool:
    """Claim a delivery that is due, for the time of a lease; False when another process was faster."""
    taken = tx.connection.execute(
        update(deliveries)
        .where(
            deliveries.c.wallet_id == wallet_id,
            deliveries.c.notice_id == notice_id,
            deliveries.c.recipient == str(recipient),
            deliveries.c.state == DeliveryState.WAITING,
            deliveries.c.due_at <= tx.now,
        )
        .values(due_at=tx.now + LEASE)
    )
    return bool(taken.rowcount)


def _rows(connection: Connection, notice: Waiting) -> dict[Recipient, Any]:
    found = connection.execute(
        select(deliveries).where(
            deliveries.c.wallet_id == notice.wallet_id, deliveries.c.notice_id == notice.notice_id
        )
    )
    return {Recipient.of(row.recipient): row for row in found}


def _still_waiting(connection: Connection, notice: Waiting) -> frozenset[Recipient]:
    """Give the recipients for whom an older notice of this wallet is still waiting."""
    found = connection.execute(
        select(deliveries.c.recipient).where(
            deliveries.c.wallet_id == notice.wallet_id,
            deliveries.c.state == DeliveryState.WAITING,
            deliveries.c.seq < notice.seq,
        )
    )
    return frozenset(map(Recipient.of, found.scalars()))


def _keep(tx: Tx, *, notice: Waiting, recipient: Recipient, values: dict[str, Any]) -> Any:
    mine = (
        (deliveries.c.wallet_id == notice.wallet_id)
        & (deliveries.c.notice_id == notice.notice_id)
        & (deliveries.c.recipient == str(recipient))
    )
    changed = tx.connection.execute(update(deliveries).where(mine).values(changed_at=tx.now, **values))
    if not changed.rowcount:
        row = {
            "wallet_id": notice.wallet_id,
            "delivery_id": new_id(),
            "notice_id": notice.notice_id,
            "seq": notice.seq,
            "recipient": str(recipient),
            "tries": 0,
            "due_at": tx.now,
            "error": "",
            "changed_at": tx.now,
        }
        tx.connection.execute(insert(deliveries).values(**row | values))
    return tx.connection.execute(select(deliveries).where(mine)).one()
