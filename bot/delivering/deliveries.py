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
from bot.tables import deliveries
from ledger import Ledger, Tx, Waiting, new_id

log = logging.getLogger("redbar.delivery")

CHANNEL = "channel:"
PERSON = "person:"
OWNERS = "owners:"
"""Stands for the workspace's owners while Slack cannot list them."""
LEASE = timedelta(minutes=2)
PAUSE_MAX = timedelta(minutes=1)
TRIES_MAX = 12
"""After so many failures that are not among Slack's known answers, a recipient is set aside and logged."""


class FanOut:
    """One notice on its way to its recipients.

    `only` names the recipients who are retried; without it all are told for the first time.
    """

    def __init__(self, ledger: Ledger, notice: Waiting, *, only: Collection[str] | None = None) -> None:
        self._ledger = ledger
        self._notice = notice
        self._only = only
        self._failed_now: set[str] = set()
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

    def each(self, recipients: Iterable[str], send: Callable[[str], None]) -> None:
        """Tell each recipient alone; skip those who were told already or set aside."""
        for recipient in dict.fromkeys(recipients):
            if self._is_due(recipient):
                self._try(recipient, partial(send, recipient))

    def wait_for(self, recipient: str, why: Exception) -> None:
        """Store that a recipient has to be told later, without a try now."""
        if recipient not in self._failed_now:
            self._failed(recipient, why)

    def over(self, recipient: str) -> None:
        """End the retries of a recipient whom the notice no longer concerns, or whom others replace."""
        if self._state(recipient) == "waiting" and recipient not in self._failed_now:
            self._remember(recipient, state="told")

    def are_gone(self, recipients: Collection[str]) -> bool:
        """Say whether Slack refused all of some recipients for good."""
        return bool(recipients) and all(self._state(one) == "aside" for one in recipients)

    def _is_due(self, recipient: str) -> bool:
        state = self._state(recipient)
        if state in ("told", "aside"):
            return False
        if self._only is not None:
            return recipient in self._only or (state == "" and OWNERS in self._only)
        if recipient in self._behind:
            self._remember(recipient, state="waiting", due_at=self._ledger.now())
            return False
        return state == ""

    def _try(self, recipient: str, send: Callable[[], None]) -> None:
        try:
            send()
        except RecipientGone as problem:
            log.warning("%s is set aside for %s: %s", recipient, self.name, problem)
            self._remember(recipient, state="aside", error=as_stored(Gone(str(problem))))
        except Exception as problem:  # noqa: BLE001 - a failure for one recipient must not affect the others
            self._failed(recipient, problem)
        else:
            self._remember(recipient, state="told")

    def _failed(self, recipient: str, problem: Exception) -> None:
        self._failed_now.add(recipient)
        tries = (self._rows[recipient].tries if recipient in self._rows else 0) + 1
        known = isinstance(problem, NotNow)
        error = as_stored(Waits(str(problem)[:DETAIL_MAX]) if known else failed(problem))
        if tries >= TRIES_MAX and not known:
            log.error("%s is set aside for %s after %s tries: %s", recipient, self.name, tries, error)
            self._remember(recipient, state="aside", error=error)
            return
        log.warning("%s waits for %s: %s", self.name, recipient, error, exc_info=None if known else problem)
        pause = min(timedelta(seconds=2) * 2 ** min(tries - 1, 10), PAUSE_MAX)
        self._remember(
            recipient, state="waiting", tries=tries, due_at=self._ledger.now() + pause, error=error
        )

    def _state(self, recipient: str) -> str:
        row = self._rows.get(recipient)
        return str(row.state) if row is not None else ""

    def _remember(self, recipient: str, **values: Any) -> None:
        keep = partial(_keep, notice=self._notice, recipient=recipient, values=values)
        self._rows[recipient] = self._ledger.run(keep, wallet_id=self.wallet_id)


def forget_told(tx: Tx, wallet_id: UUID, notice_id: UUID) -> None:
    """Delete the rows of recipients who were told, once no recipient of the notice is waiting."""
    mine = (deliveries.c.wallet_id == wallet_id) & (deliveries.c.notice_id == notice_id)
    waiting = select(deliveries.c.recipient).where(mine, deliveries.c.state == "waiting").limit(1)
    if tx.connection.execute(waiting).scalar_one_or_none() is None:
        tx.connection.execute(delete(deliveries).where(mine, deliveries.c.state == "told"))


def due_deliveries(
    connection: Connection, now: datetime, *, limit: int, wallet_ids: Collection[UUID]
) -> Sequence[tuple[UUID, UUID, str]]:
    """Give the due retries of some wallets: of each recipient the oldest, as wallet, notice and recipient."""
    oldest = (
        select(deliveries.c.wallet_id, deliveries.c.recipient, func.min(deliveries.c.seq).label("seq"))
        .where(deliveries.c.wallet_id.in_(wallet_ids), deliveries.c.state == "waiting")
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
        .where(deliveries.c.state == "waiting", deliveries.c.due_at <= now)
        .order_by(deliveries.c.due_at, deliveries.c.wallet_id, deliveries.c.recipient)
        .limit(limit)
        .execution_options(cross_shard=True)
    )
    return [(wallet_id, notice_id, str(recipient)) for wallet_id, notice_id, recipient in rows]


def take_delivery(tx: Tx, *, wallet_id: UUID, notice_id: UUID, recipient: str) -> bool:
    """Claim a delivery that is due, for the time of a lease; False when another process was faster."""
    taken = tx.connection.execute(
        update(deliveries)
        .where(
            deliveries.c.wallet_id == wallet_id,
            deliveries.c.notice_id == notice_id,
            deliveries.c.recipient == recipient,
            deliveries.c.state == "waiting",
            deliveries.c.due_at <= tx.now,
        )
        .values(due_at=tx.now + LEASE)
    )
    return bool(taken.rowcount)


def _rows(connection: Connection, notice: Waiting) -> dict[str, Any]:
    found = connection.execute(
        select(deliveries).where(
            deliveries.c.wallet_id == notice.wallet_id, deliveries.c.notice_id == notice.notice_id
        )
    )
    return {row.recipient: row for row in found}


def _still_waiting(connection: Connection, notice: Waiting) -> frozenset[str]:
    """Give the recipients for whom an older notice of this wallet is still waiting."""
    found = connection.execute(
        select(deliveries.c.recipient).where(
            deliveries.c.wallet_id == notice.wallet_id,
            deliveries.c.state == "waiting",
            deliveries.c.seq < notice.seq,
        )
    )
    return frozenset(str(one) for one in found.scalars())


def _keep(tx: Tx, *, notice: Waiting, recipient: str, values: dict[str, Any]) -> Any:
    mine = (
        (deliveries.c.wallet_id == notice.wallet_id)
        & (deliveries.c.notice_id == notice.notice_id)
        & (deliveries.c.recipient == recipient)
    )
    changed = tx.connection.execute(update(deliveries).where(mine).values(changed_at=tx.now, **values))
    if not changed.rowcount:
        row = {
            "wallet_id": notice.wallet_id,
            "delivery_id": new_id(),
            "notice_id": notice.notice_id,
            "seq": notice.seq,
            "recipient": recipient,
            "tries": 0,
            "due_at": tx.now,
            "error": "",
            "changed_at": tx.now,
        }
        tx.connection.execute(insert(deliveries).values(**row | values))
    return tx.connection.execute(select(deliveries).where(mine)).one()
