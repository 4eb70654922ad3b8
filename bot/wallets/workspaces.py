"""The Slack workspaces of these books: opened with their wallets, found by team, known as living or dead.

Theory. A workspace is dead once Slack says that the app was uninstalled, or rejects our token. While it is dead,
nothing is sent or charged for it. It counts as removed when an event said so, or when Slack has rejected our token for
`REMOVED_AFTER`: Slack may err for a while, and we may miss the event. What counts as removed is closed down
(`payments/removal.py`), and its return turns automatic payments off and is told. An error that passes sooner changes
nothing, and nobody is told of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from bot.due_work import BotDue
from bot.notices import CameBack
from bot.tables import billing, workspaces
from bot.wallets.named_values import forget_named_value, named_value, set_first_value, set_named_value
from bot.wallets.people_listing import begin_listing
from bot.wallets.rules import OffCode, turn_off
from ledger import (
    Currency,
    Ledger,
    Refused,
    Tx,
    new_id,
    new_wallet_id,
)

REMOVED_BY_EVENT = ("app_uninstalled", "tokens_revoked")
GONE_BY = "gone_by"
"""The named value of a dead workspace: what Slack said."""
REMOVED_AFTER = timedelta(days=1)
"""A token that Slack has rejected for so long counts as removed, though no event said so."""
_CAME_BACK = "came_back"
"""The named value of a workspace that was removed: when it came back last."""
_TEAM = "team"
"""The named value of the books: the id and the name of the team that they belong to."""


class OtherWorkspace(Refused):
    """The books belong to another Slack workspace."""

    def __init__(self, *, name: str, team_id: str) -> None:
        super().__init__(
            f"These books belong to another Slack workspace: {name} ({team_id}). Give each workspace a database of "
            "its own: name another one in REDBAR_DATABASE_URL."
        )


@dataclass(frozen=True, slots=True)
class Workspace:
    """A Slack workspace and its wallet."""

    team_id: str
    enterprise_id: str
    wallet_id: UUID
    name: str
    bot_user_id: str


class Workspaces:
    """Opens workspaces, finds them, and keeps which of them are living."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def install_id(self) -> str:
        """Give the id of this installation, made once; every object that we make outside carries it."""

        return self._ledger.run(lambda tx: set_first_value(tx, "install", str(new_id())), wallet_id=None)

    def open(
        self, *, team_id: str, enterprise_id: str, name: str, bot_user_id: str, currency: Currency, zone: str
    ) -> UUID:
        """Give the workspace's wallet, opened on first sight. Refuses: OtherWorkspace."""
        # In a commit of its own, before any row of a wallet: of two workspaces that start at once, one is refused.
        self._ledger.run(lambda tx: _claim(tx, team_id, name), wallet_id=None)

        def make(tx: Tx) -> UUID:
            found = tx.connection.execute(
                select(workspaces.c.wallet_id).where(workspaces.c.team_id == team_id)
            ).scalar_one_or_none()
            if found is not None:
                assert isinstance(found, UUID)
                begin_work(tx, found)
                tx.connection.execute(
                    update(workspaces).where(workspaces.c.team_id == team_id).values(name=name)
                )
                return found
            wallet_id = new_wallet_id()
            tx.book.create_wallet(wallet_id, currency.code, zone)
            tx.connection.execute(insert(billing).values(wallet_id=wallet_id, customer_id="", refs_given=0))
            tx.connection.execute(
                insert(workspaces).values(
                    team_id=team_id,
                    enterprise_id=enterprise_id,
                    wallet_id=wallet_id,
                    name=name,
                    bot_user_id=bot_user_id,
                    created_at=tx.now,
                )
            )
            begin_work(tx, wallet_id)
            return wallet_id

        wallet_id = self._ledger.run(make, wallet_id=None)
        self.revive(team_id)
        return wallet_id

    def of_team(self, team_id: str, enterprise_id: str = "") -> Workspace | None:
        """Find a workspace by the ids of its installation."""
        with self._ledger.reading() as connection:
            row = connection.execute(
                select(workspaces).where(
                    workspaces.c.team_id == team_id,
                    workspaces.c.enterprise_id == enterprise_id,
                    workspaces.c.dead_at.is_(None),
                )
            ).one_or_none()
        return _workspace(row) if row is not None else None

    def all(self) -> Sequence[Workspace]:
        """Give every living workspace."""
        with self._ledger.reading() as connection:
            rows = connection.execute(select(workspaces).where(workspaces.c.dead_at.is_(None))).all()
        return [_workspace(row) for row in rows]

    def only(self) -> Workspace | None:
        """Give the workspace of these books, living or dead; None before Slack named it."""
        with self._ledger.reading() as connection:
            rows = connection.execute(select(workspaces).limit(2)).all()
        return _workspace(rows[0]) if len(rows) == 1 else None

    def forget(self, team_id: str, why: str) -> None:
        """Mark a workspace whose app was removed: nothing is sent or charged for it until it comes back.

        `why` is the event or the error of Slack's that said so.
        """

        def save(tx: Tx, wallet_id: UUID) -> None:
            living = workspaces.c.dead_at.is_(None)
            died = tx.connection.execute(
                update(workspaces).where(workspaces.c.team_id == team_id, living).values(dead_at=tx.now)
            )
            # An event is Slack's word that it was removed; after an error alone Slack is asked again by itself.
            if died.rowcount or why in REMOVED_BY_EVENT:
                set_named_value(tx, wallet_id, GONE_BY, why)

        self._with_wallet(team_id, save)

    def revive(self, team_id: str) -> None:
        """Take a workspace back as living: Slack accepts its token again. What waits is delivered now.

        After a removal automatic payments are off, and that is told.
        """
        self._with_wallet(team_id, _come_back)

    def gone_by(self, team_id: str) -> str | None:
        """Say which event or error of Slack's said that the workspace is gone; None while it is living."""
        with self._ledger.reading() as connection:
            row = connection.execute(
                select(workspaces.c.wallet_id, workspaces.c.dead_at).where(workspaces.c.team_id == team_id)
            ).one_or_none()
            if row is None or row.dead_at is None:
                return None
            found = named_value(connection, row.wallet_id, GONE_BY)
        return found.value if found is not None else ""

    def _with_wallet(self, team_id: str, save: Callable[[Tx, UUID], None]) -> None:
        """Change a workspace under its wallet's lock: no charge is committed at the same moment."""
        with self._ledger.reading() as connection:
            found = connection.execute(
                select(workspaces.c.wallet_id).where(workspaces.c.team_id == team_id)
            ).scalar_one_or_none()
        if found is not None:
            self._ledger.run(lambda tx: save(tx, found), wallet_id=found)


def _workspace(row: Any) -> Workspace:
    return Workspace(row.team_id, row.enterprise_id, row.wallet_id, row.name, row.bot_user_id)


def is_removed(connection: Connection, wallet_id: UUID, now: datetime) -> bool:
    """Say whether a wallet's workspace is dead and counts as removed."""
    gone_at = connection.execute(
        select(workspaces.c.dead_at).where(workspaces.c.wallet_id == wallet_id)
    ).scalar_one_or_none()
    if gone_at is None:
        return False
    said = named_value(connection, wallet_id, GONE_BY)
    return (said is not None and said.value in REMOVED_BY_EVENT) or now - gone_at >= REMOVED_AFTER


def came_back_at(connection: Connection, wallet_id: UUID) -> datetime | None:
    """Give when a wallet's workspace came back from its last removal; None where it was never removed."""
    found = named_value(connection, wallet_id, _CAME_BACK)
    return found.at if found is not None else None


def begin_work(tx: Tx, wallet_id: UUID) -> None:
    """Have done for a workspace what is always due now and then, where that has not begun."""
    begin_listing(tx, wallet_id)
    tx.schedule.begin(wallet_id, BotDue.HOUSEKEEPING)


def _come_back(tx: Tx, wallet_id: UUID) -> None:
    """Let a dead workspace live again; nothing changes for a living one."""
    mine = workspaces.c.wallet_id == wallet_id
    gone_at = tx.connection.execute(select(workspaces.c.dead_at).where(mine)).scalar_one()
    if gone_at is None:
        return
    was_removed = is_removed(tx.connection, wallet_id, tx.now)
    tx.connection.execute(update(workspaces).where(mine).values(dead_at=None))
    forget_named_value(tx, wallet_id, GONE_BY)
    if was_removed:
        # Nobody closed it down yet where it came back within moments.
        turn_off(tx, wallet_id, OffCode.APP_REMOVED)
        set_named_value(tx, wallet_id, _CAME_BACK)
        tx.outbox.add(wallet_id, CameBack(gone_at=gone_at, back_at=tx.now))


def _claim(tx: Tx, team_id: str, name: str) -> None:
    """Let the books belong to a team, if they belong to no other. Refuses: OtherWorkspace."""
    other = tx.connection.execute(
        select(workspaces.c.team_id, workspaces.c.name)
        .where(workspaces.c.team_id != team_id)
        .order_by(workspaces.c.created_at)
        .limit(1)
    ).one_or_none()
    if other is not None:
        raise OtherWorkspace(name=other.name, team_id=other.team_id)
    owner, _, owner_name = set_first_value(tx, _TEAM, f"{team_id} {name}").partition(" ")
    if owner != team_id:
        raise OtherWorkspace(name=owner_name, team_id=owner)
