"""What an operator accepted as the present while a wallet's books were ahead of it.

Transfers never change, so a transfer that a wrong clock recorded in the future stays as it is. An acceptance says: up
to this transfer, nothing counts as later than this instant. By that, what is recorded goes on without running back,
rows are found in the month in which they came, and a walk along the chain tells an accepted row from a forged one.

Each is a row of the audit log whose id follows from the wallet and its number, so that finding them takes one look-up
where there is none, however long the log.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import BigInteger, Connection, select, type_coerce

from ledger.instants import to_stamp
from ledger.storage.schema import audit_log, transfers, wallets

ACTION = "clock.accept"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Up to transfer `seq`, nothing is later than `at`; `latest` is the last instant that the wallet had before."""

    seq: int
    at: int
    latest: int


@dataclass(frozen=True, slots=True)
class AcceptedTimes:
    """A wallet's acceptances, oldest first. Instants are stamps."""

    acceptances: Sequence[Acceptance] = ()

    @property
    def to_seq(self) -> int:
        """The last transfer that one of them concerns; 0 where there is none."""
        return max((one.seq for one in self.acceptances), default=0)

    @property
    def latest(self) -> int:
        """The latest instant of what was accepted; 0 where there is none."""
        return max((one.latest for one in self.acceptances), default=0)

    def of(self, seq: int, stamp: int) -> int:
        """Give the instant that a transfer's instant counts as."""
        return min([stamp, *(one.at for one in self.acceptances if seq <= one.seq)])


def acceptance_id(wallet_id: UUID, number: int) -> UUID:
    """Give the id of a wallet's n-th acceptance, from 1, in the audit log."""
    return uuid5(wallet_id, f"{ACTION}:{number}")


def accepted_times(connection: Connection, wallet_id: UUID) -> AcceptedTimes:
    """Read a wallet's acceptances."""
    found: list[Acceptance] = []
    while True:
        body = connection.execute(
            select(audit_log.c.after).where(
                audit_log.c.wallet_id == wallet_id,
                audit_log.c.audit_id == acceptance_id(wallet_id, len(found) + 1),
                audit_log.c.action == ACTION,
            )
        ).scalar_one_or_none()
        one = None if body is None else _read(str(body))
        if one is None:
            return AcceptedTimes(tuple(found))
        found.append(one)


def _read(body: str) -> Acceptance | None:
    """Read an acceptance; None for one that was damaged, so that what it excused is found."""
    try:
        said = json.loads(body)
        return Acceptance(int(said["seq"]), int(said["at"]), int(said["latest"]))
    except (ValueError, KeyError, TypeError):
        return None


def first_number_from(connection: Connection, wallet_id: UUID, instant: datetime) -> int:
    """Give the number of the first transaction recorded at or after an instant, also when it is still to come.

    Recorded time, as it was accepted, never runs back along the numbers, so halving finds it in the primary key: no
    index of its own.
    """
    wanted, accepted = to_stamp(instant), accepted_times(connection, wallet_id)
    recorded = type_coerce(transfers.c.recorded_at, BigInteger)
    low = 1
    high = 1 + connection.execute(select(wallets.c.seq).where(wallets.c.wallet_id == wallet_id)).scalar_one()
    while low < high:
        middle = (low + high) // 2
        stamp = connection.execute(
            select(recorded).where(transfers.c.wallet_id == wallet_id, transfers.c.seq == middle)
        ).scalar_one()
        low, high = (low, middle) if accepted.of(middle, stamp) >= wanted else (middle + 1, high)
    return low
