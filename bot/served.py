"""Which wallets this process works for: those of its own Slack team, and among them those whose app is installed.

The ledger's API serves every wallet of the books, since a platform key names its wallet. Whatever reaches people, a
card or another wallet's rows asks here first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, select, true

from bot.tables import workspaces
from ledger import Refused


class AppRemoved(Refused):
    """The app was removed from the workspace: nothing is charged for it."""

    def __init__(self) -> None:
        super().__init__(
            "Nothing was charged: Redbar was removed from this workspace. Install it again first."
        )


@dataclass(frozen=True, slots=True)
class Served:
    """The workspace that this process works for."""

    team_id: str | None
    """None: every workspace of the books, for the operator's commands."""

    def living(self, connection: Connection) -> Sequence[UUID]:
        """Give the wallets for which something may be sent and charged."""
        return connection.execute(_listed(self.team_id, living=True)).scalars().all()

    def where_living(self, wallet_id: ColumnElement[UUID]) -> ColumnElement[bool]:
        """Give the condition that a column names such a wallet: one look-up a row, however many wallets there are.

        It is the same condition each time, so that others may keep what they made of it.
        """
        return _where(self.team_id, wallet_id, living=True)

    def where_own(self, wallet_id: ColumnElement[UUID]) -> ColumnElement[bool]:
        """The same for the living wallets and the dead ones."""
        return _where(self.team_id, wallet_id, living=False)

    def dead(self, connection: Connection) -> Sequence[UUID]:
        """Give the wallets whose app was removed."""
        mine = _wallets(self.team_id, living=False).where(workspaces.c.dead_at.is_not(None))
        return connection.execute(mine.order_by(workspaces.c.dead_at)).scalars().all()

    def own(self, connection: Connection) -> Sequence[UUID]:
        """Give the living wallets and the dead ones: what is open for a dead one is still closed and booked."""
        return connection.execute(_listed(self.team_id, living=False)).scalars().all()

    def lives(self, connection: Connection, wallet_id: UUID) -> bool:
        """Say whether something may be sent and charged for one wallet."""
        return _has(connection, _one(self.team_id, living=True), wallet_id)

    def require_living(self, connection: Connection, wallet_id: UUID) -> None:
        """Let nothing be charged for a dead workspace. Refuses: AppRemoved."""
        if not self.lives(connection, wallet_id):
            raise AppRemoved

    def is_others(self, connection: Connection, wallet_id: UUID) -> bool:
        """Say whether a wallet belongs to another workspace of these books."""
        mine, anybodys = _one(self.team_id, living=False), _one(None, living=False)
        return not _has(connection, mine, wallet_id) and _has(connection, anybodys, wallet_id)


# Each is made once, since jobs ask them several times a second.


@lru_cache(maxsize=64)
def _wallets(team_id: str | None, *, living: bool) -> Select[UUID]:
    team = workspaces.c.team_id == team_id if team_id is not None else true()
    return select(workspaces.c.wallet_id).where(team, workspaces.c.dead_at.is_(None) if living else true())


@lru_cache(maxsize=64)
def _where(team_id: str | None, wallet_id: ColumnElement[UUID], *, living: bool) -> ColumnElement[bool]:
    one = _wallets(team_id, living=living).where(workspaces.c.wallet_id == wallet_id)
    return exists(one).correlate_except(workspaces)


@lru_cache(maxsize=64)
def _listed(team_id: str | None, *, living: bool) -> Select[UUID]:
    return _wallets(team_id, living=living).order_by(workspaces.c.team_id)


@lru_cache(maxsize=64)
def _one(team_id: str | None, *, living: bool) -> Select[UUID]:
    return _wallets(team_id, living=living).where(workspaces.c.wallet_id == bindparam("of_wallet"))


def _has(connection: Connection, query: Select[UUID], wallet_id: UUID) -> bool:
    return connection.execute(query, {"of_wallet": wallet_id}).first() is not None
