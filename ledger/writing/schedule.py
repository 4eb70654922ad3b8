"""The schedule: a row for each kind of work that falls due in a wallet, and who does it now.

Work that is done in one transaction asks `is_due` there, under the wallet's lock, and sets the next instant: of several
processes one finds it due. Work that leaves the transaction, to ask outside, claims its row for the time of a lease.
What it stores then asks for the claim's token: whoever slept past the lease stores nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, update

from ledger.instants import EPOCH, to_stamp
from ledger.storage.schema import wallet_schedule


class LeaseLost(Exception):
    """Another process does this work by now, or it is not wanted any more; nothing of the claim may be stored."""


@dataclass(frozen=True, slots=True)
class DueClaim:
    """Work that one process alone does until its lease ends."""

    wallet_id: UUID
    kind: str
    due_at: datetime
    """The instant for which it was scheduled."""
    token: int


class Schedule:
    """The schedule inside one write transaction, under the wallet's lock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def set(self, wallet_id: UUID, kind: str, at: datetime | None) -> None:
        """Schedule work in place of what was scheduled of that kind; None takes it away."""
        if at is None:
            self._connection.execute(delete(wallet_schedule).where(_is(wallet_id, kind)))
            return
        changed = update(wallet_schedule).where(_is(wallet_id, kind)).values(due_at=at)
        if not self._connection.execute(changed).rowcount:
            row = {"wallet_id": wallet_id, "kind": kind, "due_at": at, "lease_until": EPOCH, "token": 0}
            self._connection.execute(insert(wallet_schedule).values(**row))

    def begin(self, wallet_id: UUID, kind: str) -> None:
        """Schedule work now of which nothing is scheduled; what is scheduled stays."""
        known = select(wallet_schedule.c.token).where(_is(wallet_id, kind))
        if self._connection.execute(known).first() is None:
            self.set(wallet_id, kind, self._now)

    def hurry(self, wallet_id: UUID, *kinds: str) -> None:
        """Let what is scheduled of some kinds fall due now; what is not scheduled stays so."""
        later = wallet_schedule.c.kind.in_(kinds) & (wallet_schedule.c.due_at > self._now)
        mine = wallet_schedule.c.wallet_id == wallet_id
        self._connection.execute(update(wallet_schedule).where(mine, later).values(due_at=self._now))

    def is_due(self, wallet_id: UUID, kind: str) -> bool:
        """Say whether work is due now and nobody is at it."""
        due = (wallet_schedule.c.due_at <= self._now) & (wallet_schedule.c.lease_until <= self._now)
        found = select(wallet_schedule.c.token).where(_is(wallet_id, kind), due)
        return self._connection.execute(found).first() is not None

    def claim(self, wallet_id: UUID, kind: str, *, lease: timedelta) -> DueClaim | None:
        """Take due work for the time of a lease; None where it is not due, or somebody is at it."""
        row = self._connection.execute(
            select(wallet_schedule.c.due_at, wallet_schedule.c.token).where(
                _is(wallet_id, kind),
                wallet_schedule.c.due_at <= self._now,
                wallet_schedule.c.lease_until <= self._now,
            )
        ).one_or_none()
        if row is None:
            return None
        # Greater than that of any claim before, also where the row was taken away and came again meanwhile.
        token = max(row.token + 1, to_stamp(self._now))
        taken = update(wallet_schedule).where(_is(wallet_id, kind))
        self._connection.execute(taken.values(lease_until=self._now + lease, token=token))
        return DueClaim(wallet_id, kind, row.due_at, token)

    def finish(self, claim: DueClaim, at: datetime | None) -> None:
        """End a claim in the transaction that stores what its work found, and schedule it again. Raises: LeaseLost.

        What was scheduled anew since the claim stays: it is due for a reason that the work did not see.
        """
        mine = _is(claim.wallet_id, claim.kind) & (wallet_schedule.c.token == claim.token)
        held = mine & (wallet_schedule.c.lease_until > self._now)
        row = self._connection.execute(select(wallet_schedule.c.due_at).where(held)).one_or_none()
        if row is None:
            raise LeaseLost
        if row.due_at != claim.due_at:
            at = row.due_at
        if at is None:
            self._connection.execute(delete(wallet_schedule).where(mine))
        else:
            self._connection.execute(update(wallet_schedule).where(mine).values(due_at=at, lease_until=EPOCH))


def _is(wallet_id: UUID, kind: str) -> Any:
    return (wallet_schedule.c.wallet_id == wallet_id) & (wallet_schedule.c.kind == kind)
