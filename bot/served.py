"""Which wallets this process works for: those of its own Slack team, and among them those whose app is installed.

The ledger's API serves every wallet of the books, since a platform key names its wallet. Whatever reaches people, a
card or another wallet's rows asks here first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, select, true

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
        return self._wallets(connection, _LIVING)

    def living_query(self) -> Select[UUID]:
        """Give the query of these wallets, as a part of others: a list of thousands costs more than most of them."""
        return self._query(_LIVING)

    def own(self, connection: Connection) -> Sequence[UUID]:
        """Give the living wallets and the dead ones: what is open for a dead one is still closed and booked."""
        return self._wallets(connection, true())

    def lives(self, connection: Connection, wallet_id: UUID) -> bool:
        """Say whether something may be sent and charged for one wallet."""
        return bool(self._wallets(connection, _is_living(wallet_id)))

    def require_living(self, connection: Connection, wallet_id: UUID) -> None:
        """Let nothing be charged for a dead workspace. Refuses: AppRemoved."""
        if not self.lives(connection, wallet_id):
            raise AppRemoved

    def is_others(self, connection: Connection, wallet_id: UUID) -> bool:
        """Say whether a wallet belongs to another workspace of these books."""
        return not self._wallets(connection, workspaces.c.wallet_id == wallet_id) and bool(
            Served(None)._wallets(connection, workspaces.c.wallet_id == wallet_id)
        )

    def _wallets(self, connection: Connection, which: ColumnElement[bool]) -> Sequence[UUID]:
        return connection.execute(self._query(which).order_by(workspaces.c.team_id)).scalars().all()

    def _query(self, which: ColumnElement[bool]) -> Select[UUID]:
        team = workspaces.c.team_id == self.team_id if self.team_id is not None else true()
        return select(workspaces.c.wallet_id).where(team, which)


_LIVING = workspaces.c.dead_at.is_(None)


def _is_living(wallet_id: UUID) -> ColumnElement[bool]:
    return (workspaces.c.wallet_id == wallet_id) & _LIVING
