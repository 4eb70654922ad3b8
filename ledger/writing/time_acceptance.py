"""Taking the present as true for a wallet that a wrong clock left in the future, so that it lives on.

Transfers never change. What is kept beside them is brought back: the wallet's own last instant, its open holds, grace
that began in the future, episodes, notices, policies, and the rollups of the hours that have not come yet.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import BigInteger, Connection, delete, func, insert, select, type_coerce, update

from ledger.deciding.checks import AHEAD_MAX
from ledger.instants import EPOCH, from_stamp, to_stamp
from ledger.local_time import QUARTER_MICROSECONDS, local_hour
from ledger.storage.accepted_times import (
    ACTION,
    AcceptedTimes,
    acceptance_id,
    accepted_times,
    first_number_from,
)
from ledger.storage.schema import (
    audit_log,
    episodes,
    holds,
    hourly,
    notices,
    policies,
    stops,
    transfers,
    wallet_schedule,
    wallets,
)
from ledger.wallet_policy import WalletPolicy
from ledger.writing.book import Book

_Hour = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class FutureRows:
    """What a wallet had recorded in the future when the present was accepted."""

    wallet_id: UUID
    touched_at: datetime
    """The wallet's last instant before."""
    numbers: Sequence[int]
    """The transactions recorded in the future."""


def accept_present(
    connection: Connection, wallet_id: UUID, now: datetime, *, actor: str
) -> FutureRows | None:
    """Take an instant as the wallet's present, under its lock; None where nothing was ahead of it."""
    wallet = connection.execute(select(wallets).where(wallets.c.wallet_id == wallet_id)).one()
    if wallet.touched_at <= now:
        return None
    before = accepted_times(connection, wallet_id)
    first = first_number_from(connection, wallet_id, now + timedelta(microseconds=1))
    numbers = range(max(first, before.to_seq + 1), wallet.seq + 1)
    _move_rollups(connection, wallet_id, now, ZoneInfo(wallet.zone), before)
    connection.execute(
        insert(audit_log).values(
            wallet_id=wallet_id,
            audit_id=acceptance_id(wallet_id, len(before.acceptances) + 1),
            at=now,
            actor=actor,
            action=ACTION,
            before=json.dumps({"touched_at": wallet.touched_at.isoformat()}),
            after=json.dumps(
                {"seq": wallet.seq, "at": to_stamp(now), "latest": to_stamp(wallet.touched_at)},
                sort_keys=True,
            ),
        )
    )
    due = _bring_holds_back(connection, wallet_id, now, wallet.policy_version)
    _bring_wallet_back(connection, wallet_id, now, due)
    _bring_others_back(connection, wallet_id, now)
    Book(connection, now).reschedule(wallet_id)
    return FutureRows(wallet_id, wallet.touched_at, numbers)


def _move_rollups(
    connection: Connection, wallet_id: UUID, now: datetime, zone: ZoneInfo, before: AcceptedTimes
) -> None:
    """Let what counts as used in the future count as used now."""
    stamp = to_stamp(now)
    present = local_hour(stamp // QUARTER_MICROSECONDS, zone)
    # Nothing is taken in that happened later than this after it was recorded.
    first = first_number_from(connection, wallet_id, now - AHEAD_MAX)
    c = transfers.c
    rows = connection.execute(
        select(
            c.seq, c.kind, c.credit, c.amount, c.quantity, type_coerce(c.occurred_at, BigInteger).label("at")
        ).where(c.wallet_id == wallet_id, c.seq >= first)
    )
    moves: dict[_Hour, list[int]] = {}
    for row in rows:
        counted = before.of(row.seq, row.at)
        if counted <= stamp:
            continue
        effect = row.amount if row.credit == "balance" else -row.amount
        day, hour = local_hour(counted // QUARTER_MICROSECONDS, zone)
        for place, sign in (((day, hour, row.kind), -1), ((*present, row.kind), 1)):
            sums = moves.setdefault(place, [0, 0, 0])
            for at, change in enumerate((1, row.quantity or 0, effect)):
                sums[at] += sign * change
    for (day, hour, kind), (count, quantity, amount) in moves.items():
        mine = (
            (hourly.c.wallet_id == wallet_id)
            & (hourly.c.day == day)
            & (hourly.c.hour == hour)
            & (hourly.c.kind == kind)
        )
        changed = connection.execute(
            update(hourly)
            .where(mine)
            .values(
                count=hourly.c.count + count,
                quantity=hourly.c.quantity + quantity,
                amount=hourly.c.amount + amount,
            )
        )
        if not changed.rowcount:
            connection.execute(
                insert(hourly).values(
                    wallet_id=wallet_id,
                    day=day,
                    hour=hour,
                    kind=kind,
                    count=count,
                    quantity=quantity,
                    amount=amount,
                )
            )
        connection.execute(delete(hourly).where(mine, hourly.c.count == 0))


def _bring_holds_back(
    connection: Connection, wallet_id: UUID, now: datetime, policy_version: int
) -> datetime | None:
    """Let no open hold last longer than one that is opened now; gives when the next one expires."""
    body = connection.execute(
        select(policies.c.body).where(policies.c.wallet_id == wallet_id, policies.c.version == policy_version)
    ).scalar_one()
    policy = msgspec.json.decode(body, type=WalletPolicy)
    ends_at = now + policy.hold_lifetime
    still_open = (holds.c.wallet_id == wallet_id) & (holds.c.state == "open")
    connection.execute(
        update(holds)
        .where(still_open, holds.c.expires_at > ends_at)
        .values(expires_at=ends_at, valid_until=now + policy.permit_lifetime)
    )
    connection.execute(update(holds).where(still_open, holds.c.opened_at > now).values(opened_at=now))
    due: datetime | None = connection.execute(
        select(func.min(holds.c.expires_at)).where(still_open)
    ).scalar_one()
    return due


def _bring_wallet_back(connection: Connection, wallet_id: UUID, now: datetime, due: datetime | None) -> None:
    wallet = connection.execute(select(wallets).where(wallets.c.wallet_id == wallet_id)).one()
    stamp = to_stamp(now)
    spent = [[began, min(ended, stamp)] for began, ended in json.loads(wallet.grace_spent) if began < stamp]
    values = {
        "touched_at": now,
        "created_at": min(wallet.created_at, now),
        "next_hold_expires_at": due,
        "grace_spent": json.dumps(spent),
        # Drawn and judged anew by the next look.
        "ceiling_month": 0,
        "falls_at": None,
        "lines_drawn_at": None,
        "stopped_until": _bring_stops_back(connection, wallet_id, now),
    }
    if wallet.ceiling_hit_at is not None:
        values["ceiling_hit_at"] = min(wallet.ceiling_hit_at, now)
    if wallet.emptied_at is not None and wallet.emptied_at > now:
        values |= {"emptied_at": now, "grace_ends_at": now + (wallet.grace_ends_at - wallet.emptied_at)}
    if wallet.last_asked_at is not None:
        values["last_asked_at"] = min(wallet.last_asked_at, now)
    connection.execute(update(wallets).where(wallets.c.wallet_id == wallet_id).values(**values))


def _bring_stops_back(connection: Connection, wallet_id: UUID, now: datetime) -> datetime | None:
    """Let no stop that is over reach into the future; gives when the last one ended."""
    mine = stops.c.wallet_id == wallet_id
    connection.execute(delete(stops).where(mine, stops.c.began_at >= now))
    connection.execute(update(stops).where(mine, stops.c.ended_at > now).values(ended_at=now))
    ended_at: datetime | None = connection.execute(
        select(func.max(stops.c.ended_at)).where(mine)
    ).scalar_one()
    return ended_at


def _bring_others_back(connection: Connection, wallet_id: UUID, now: datetime) -> None:
    for table, column, instant in (
        (episodes, episodes.c.opened_at, now),
        (episodes, episodes.c.closed_at, now),
        (notices, notices.c.created_at, now),
        (notices, notices.c.due_at, now),
        (notices, notices.c.lease_until, EPOCH),
        (policies, policies.c.changed_at, now),
        (wallet_schedule, wallet_schedule.c.due_at, now),
        (wallet_schedule, wallet_schedule.c.lease_until, EPOCH),
    ):
        connection.execute(
            update(table).where(table.c.wallet_id == wallet_id, column > now).values({column: instant})
        )


def accepted_words(accepted: AcceptedTimes) -> list[tuple[int, str]]:
    """Say of each acceptance up to which transaction it holds, and what was accepted."""
    return [
        (
            one.seq,
            f"up to here the books reached into the future, to {from_stamp(one.latest).isoformat()}; an operator took "
            f"{from_stamp(one.at).isoformat()} as the present",
        )
        for one in accepted.acceptances
    ]
