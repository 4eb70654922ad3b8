"""Where committed facts wait to be told, and in what order they are handed out."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Protocol, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    func,
    insert,
    select,
    true,
    update,
)

from ledger.ids import new_id
from ledger.instants import EPOCH
from ledger.storage.schema import notices, wallets
from ledger.storage.wallets_ahead import ahead_after, not_ahead

NoticeT = TypeVar("NoticeT")


class Named(Protocol):
    """A frozen dataclass with the name under which it waits."""

    name: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice handed out for delivery."""

    wallet_id: UUID
    notice_id: UUID
    seq: int
    name: str
    body: str
    created_at: datetime
    attempts: int
    lease_until: datetime
    """Until when it is out; also the claim's token."""

    def read(self, kind: type[NoticeT]) -> NoticeT:
        """Give the notice back as it was written."""
        return msgspec.json.decode(self.body, type=kind)


class Outbox:
    """The outbox inside one write transaction."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add(self, wallet_id: UUID, *facts: Named) -> None:
        """Commit facts with their cause, in order."""
        if not facts:
            return
        last = self._connection.execute(
            update(wallets)
            .where(wallets.c.wallet_id == wallet_id)
            .values(notice_seq=wallets.c.notice_seq + len(facts))
            .returning(wallets.c.notice_seq)
        ).scalar_one()
        first = last - len(facts) + 1
        self._connection.execute(
            insert(notices),
            [
                {
                    "wallet_id": wallet_id,
                    "notice_id": new_id(),
                    "seq": first + index,
                    "name": fact.name,
                    "body": encode(fact),
                    "created_at": self._now,
                    "due_at": self._now,
                    "attempts": 0,
                    "state": "waiting",
                    "lease_until": EPOCH,
                    "error": "",
                }
                for index, fact in enumerate(facts)
            ],
        )

    def take(self, wallet_id: UUID, notice_id: UUID, *, lease: timedelta) -> Waiting | None:
        """Hand a notice out for delivery; None when somebody else was faster."""
        until = self._now + lease
        row = self._connection.execute(
            update(notices)
            .where(
                notices.c.wallet_id == wallet_id,
                notices.c.notice_id == notice_id,
                notices.c.state == "waiting",
                notices.c.due_at <= self._now,
                notices.c.lease_until <= self._now,
            )
            .values(lease_until=until)
            .returning(notices)
        ).one_or_none()
        if row is None:
            return None
        return _waiting(row)

    def done(self, waiting: Waiting) -> bool:
        """Remember that a notice was delivered; says whether it was still this claim's to end."""
        return self._end(waiting, state="done")

    def again(self, waiting: Waiting, due_at: datetime, error: str) -> bool:
        """Let a notice wait for another try; says whether it was still this claim's to end."""
        return self._end(waiting, due_at=due_at, attempts=waiting.attempts + 1, error=error)

    def dead(self, waiting: Waiting, error: str) -> bool:
        """Set a notice aside for good; says whether it was still this claim's to end."""
        return self._end(waiting, state="dead", attempts=waiting.attempts + 1, error=error)

    def _end(self, waiting: Waiting, **values: Any) -> bool:
        # The lease is the fencing token: a courier that slept past it must not undo what the next one did.
        changed = self._connection.execute(
            update(notices)
            .where(
                notices.c.wallet_id == waiting.wallet_id,
                notices.c.notice_id == waiting.notice_id,
                notices.c.state == "waiting",
                notices.c.lease_until == waiting.lease_until,
            )
            .values(lease_until=EPOCH, **values)
        )
        return bool(changed.rowcount)


def due_notices(
    connection: Connection,
    now: datetime,
    *,
    limit: int,
    among: ColumnElement[bool] | None = None,
) -> Sequence[tuple[UUID, UUID]]:
    """Give what can be taken now, as wallets and notices: of each wallet its oldest, none while that one is out.

    `among` is a condition on `notices`, the same object each time: a list of thousands of wallets would cost more than
    the look. Only a hint, since it locks nothing: who takes one asks again.
    """
    rows = connection.execute(_due(among), {"now": now, "ahead": ahead_after(now), "most": limit})
    return [(wallet_id, notice_id) for wallet_id, notice_id in rows]


@lru_cache(maxsize=64)  # couriers ask it several times a second, and making it takes longer than the look
def _due(among: ColumnElement[bool] | None) -> Select[UUID, UUID]:
    oldest = (
        select(notices.c.wallet_id, func.min(notices.c.seq).label("seq"))
        .where(notices.c.state == "waiting")
        .group_by(notices.c.wallet_id)
        .subquery()
    )
    now = bindparam("now", type_=notices.c.due_at.type)
    return (
        select(notices.c.wallet_id, notices.c.notice_id)
        .join(oldest, (oldest.c.wallet_id == notices.c.wallet_id) & (oldest.c.seq == notices.c.seq))
        .where(
            notices.c.due_at <= now,
            notices.c.lease_until <= now,
            not_ahead(notices.c.wallet_id),
            among if among is not None else true(),
        )
        .order_by(notices.c.due_at, notices.c.wallet_id)
        .limit(bindparam("most"))
        .execution_options(cross_shard=True)
    )


def any_waiting(connection: Connection, wallet_id: UUID) -> bool:
    """Say whether something was committed for a wallet that is not handed out to the end."""
    waiting = select(notices.c.notice_id).where(
        notices.c.wallet_id == wallet_id, notices.c.state == "waiting"
    )
    return connection.execute(waiting.limit(1)).first() is not None


def read_notice(connection: Connection, wallet_id: UUID, notice_id: UUID) -> Waiting:
    """Give a notice as it was committed, whatever became of it. No claim: `lease_until` is the row's own."""
    row = connection.execute(
        select(notices).where(notices.c.wallet_id == wallet_id, notices.c.notice_id == notice_id)
    ).one()
    return _waiting(row)


def _waiting(row: Any) -> Waiting:
    return Waiting(**{one.name: getattr(row, one.name) for one in fields(Waiting)})


def encode(fact: Named) -> str:
    """Write a notice's body."""
    return msgspec.json.encode(fact).decode()
