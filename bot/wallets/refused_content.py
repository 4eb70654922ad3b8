"""What Slack refused to show in one workspace: parts of messages and Home tabs, by their keys, until it is tried again.

A part is tried again when its time is over. Each refusal after that lengthens the time fourfold, up to a day. While the
database cannot be used every part is tried each time: what Slack took must not count as failed for want of a note.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, select

from bot.tables import named_values, workspaces
from bot.wallets.named_values import set_named_value
from ledger import Ledger, StoreTroubled, Tx

LONGEST = timedelta(days=1)
"""No part is left out for longer without another try, and rows are kept as long after that."""
FACTOR = 4
_NAME = "refused:"


class RefusedContent:
    """Remembers refused parts of one workspace beside its wallet; without a wallet nothing is remembered."""

    def __init__(self, ledger: Ledger, team_id: str) -> None:
        self._ledger = ledger
        self._team_id = team_id

    def known(self) -> frozenset[str]:
        """Give the keys that are left out for now."""
        now, found = self._ledger.now(), self._known()
        return frozenset(key for key, (_, until) in found.items() if until > now)

    def times(self, key: str) -> int:
        """Say how often a part was refused, each time after the time for which it was left out."""
        count, _ = self._known().get(key, (0, None))
        return count

    def _known(self) -> dict[str, tuple[int, datetime]]:
        try:
            with self._ledger.reading() as connection:
                return _rows(connection, self._wallet_id(connection))
        except StoreTroubled:
            return {}

    def remember(self, keys: Mapping[str, timedelta]) -> None:
        """Remember refused parts, each with the time for which it is left out after its first refusal."""
        with suppress(StoreTroubled):
            self._remember(keys)

    def _remember(self, keys: Mapping[str, timedelta]) -> None:
        with self._ledger.reading() as connection:
            wallet_id = self._wallet_id(connection)
        if wallet_id is None:
            return

        def save(tx: Tx) -> None:
            old = _refused_in(wallet_id) & (named_values.c.at < tx.now - LONGEST)
            tx.connection.execute(delete(named_values).where(old))
            before = _rows(tx.connection, wallet_id)
            for key, first in keys.items():
                count = before.get(key, (0, tx.now))[0] + 1
                wait = min(first * FACTOR ** min(count - 1, 10), LONGEST)
                set_named_value(tx, wallet_id, f"{_NAME}{key}", str(count), at=tx.now + wait)

        self._ledger.run(save, wallet_id=wallet_id)

    def _wallet_id(self, connection: Connection) -> UUID | None:
        return connection.execute(
            select(workspaces.c.wallet_id).where(workspaces.c.team_id == self._team_id)
        ).scalar_one_or_none()


def _rows(connection: Connection, wallet_id: UUID | None) -> dict[str, tuple[int, datetime]]:
    if wallet_id is None:
        return {}
    rows = connection.execute(
        select(named_values.c.name, named_values.c.value, named_values.c.at).where(_refused_in(wallet_id))
    )
    return {row.name.removeprefix(_NAME): (int(row.value), row.at) for row in rows}


def _refused_in(wallet_id: UUID) -> ColumnElement[bool]:
    return (named_values.c.wallet_id == wallet_id) & named_values.c.name.startswith(_NAME, autoescape=True)
