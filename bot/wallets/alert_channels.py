"""The Slack channels that a wallet's alerts go to."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select

from bot.rights import Action, Person
from bot.tables import alert_channels
from bot.wallets.entitled import require_right
from ledger import Ledger, Tx


def channels_of(connection: Connection, wallet_id: UUID) -> list[str]:
    """Give the channels that are alerted."""
    rows = connection.execute(
        select(alert_channels.c.channel_id)
        .where(alert_channels.c.wallet_id == wallet_id)
        .order_by(alert_channels.c.added_at, alert_channels.c.channel_id)
    )
    return [str(channel) for channel in rows.scalars()]


def set_channels(ledger: Ledger, wallet_id: UUID, channels: Sequence[str], *, actor: Person) -> None:
    """Set the channels that are alerted. Refuses: NotEntitled."""

    def save(tx: Tx) -> None:
        require_right(tx.connection, wallet_id, actor, Action.SET_ALERTS)
        before = channels_of(tx.connection, wallet_id)
        tx.connection.execute(delete(alert_channels).where(alert_channels.c.wallet_id == wallet_id))
        for channel in dict.fromkeys(channels):
            tx.connection.execute(
                insert(alert_channels).values(
                    wallet_id=wallet_id, channel_id=channel, added_by=actor.user_id, added_at=tx.now
                )
            )
        changed = {"channels": list(channels)}
        tx.book.audit(wallet_id, actor.user_id, "alert_channels", {"channels": before}, changed)

    ledger.run(save, wallet_id=wallet_id)
