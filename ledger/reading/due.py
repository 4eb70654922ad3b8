"""What is due, found by the schedule's index: it costs what is due, however many wallets there are."""

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    true,
)

from ledger.due_work import DueKind
from ledger.notices import Level
from ledger.storage.schema import policies, wallet_schedule, wallets
from ledger.storage.wallets_ahead import ahead_after, not_ahead

_NOW = bindparam("now", type_=wallet_schedule.c.due_at.type)


def due_wallets(
    connection: Connection,
    kind: str,
    now: datetime,
    *,
    limit: int = 100,
    among: ColumnElement[bool] | None = None,
) -> list[UUID]:
    """Give wallets in which work of a kind is due and nobody is at it, the longest due first, believed ones alone.

    `among` is a condition on `wallet_schedule`, the same object each time. Only a hint, since it locks nothing: who
    does the work asks again.
    """
    parameters = {"kind": kind, "now": now, "ahead": ahead_after(now), "most": limit}
    return list(connection.execute(_due(among), parameters).scalars())


@lru_cache(maxsize=64)  # jobs ask it several times a second, and making it takes longer than the look
def _due(among: ColumnElement[bool] | None) -> Select[UUID]:
    return (
        select(wallet_schedule.c.wallet_id)
        .where(
            wallet_schedule.c.kind == bindparam("kind"),
            wallet_schedule.c.due_at <= _NOW,
            wallet_schedule.c.lease_until <= _NOW,
            not_ahead(wallet_schedule.c.wallet_id),
            among if among is not None else true(),
        )
        .order_by(wallet_schedule.c.due_at, wallet_schedule.c.wallet_id)
        .limit(bindparam("most"))
        .execution_options(cross_shard=True)
    )


def next_due(
    connection: Connection,
    after: datetime,
    *,
    kinds: Collection[str] = tuple(DueKind),
    among: ColumnElement[bool] | None = None,
) -> datetime | None:
    """Give the next instant after another at which work of some kinds falls due."""
    found = [
        connection.execute(
            select(func.min(wallet_schedule.c.due_at))
            .where(
                wallet_schedule.c.kind == kind,
                wallet_schedule.c.due_at > after,
                among if among is not None else true(),
            )
            .execution_options(cross_shard=True)
        ).scalar_one_or_none()
        for kind in kinds
    ]
    return min((at for at in found if at is not None), default=None)


def unscheduled_wallets(connection: Connection) -> list[UUID]:
    """Give the wallets of which something may be due that no row of the schedule says. Looks at every wallet once.

    None is ever left so by this version; a row may have been lost by hand, or by a version before.
    """
    changes = or_(
        wallets.c.next_hold_expires_at.is_not(None),
        wallets.c.falls_at.is_not(None),
        and_(wallets.c.grace_ends_at.is_not(None), wallets.c.paused_said == 0),
    )
    wants_morning = exists(
        select(literal(1)).where(
            policies.c.wallet_id == wallets.c.wallet_id,
            policies.c.version == wallets.c.policy_version,
            policies.c.body.contains('"info":true'),
        )
    )
    missing = or_(
        and_(changes, _differs(DueKind.TIME, wallets.c.time_due_at)),
        _differs(DueKind.PACE, wallets.c.pace_due_at),
        and_(wallets.c.recharge_said == 1, ~_scheduled(DueKind.RECHARGE)),
        and_(
            wallets.c.episode_id.is_not(None),
            wallets.c.episode_level >= int(Level.ZERO),
            ~_scheduled(DueKind.STOPPED),
        ),
        and_(wants_morning, ~_scheduled(DueKind.MORNING)),
    )
    query = select(wallets.c.wallet_id).where(missing).order_by(wallets.c.wallet_id)
    return list(connection.execute(query.execution_options(cross_shard=True)).scalars())


def _differs(kind: DueKind, column: ColumnElement[datetime | None]) -> ColumnElement[bool]:
    """Say that what a wallet's row believes to be scheduled is not."""
    if kind is DueKind.TIME:
        return or_(column.is_(None), ~_scheduled(kind, column))
    return and_(column.is_not(None), ~_scheduled(kind, column))


def _scheduled(kind: DueKind, at: ColumnElement[datetime | None] | None = None) -> ColumnElement[bool]:
    mine = (wallet_schedule.c.wallet_id == wallets.c.wallet_id) & (wallet_schedule.c.kind == kind.value)
    return exists(
        select(literal(1)).where(mine, wallet_schedule.c.due_at == at if at is not None else true())
    )
