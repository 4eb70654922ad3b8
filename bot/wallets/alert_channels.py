"""The Slack channels that a wallet's alerts go to, and what is known of Redbar in each.

Deliveries read the rows inside their transaction; whoever learns that a channel cannot be posted to writes it there.
The change is told once, with the first word of it, to those who can mend it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Row, delete, insert, select, update

from bot.due_work import BotDue
from bot.notices import ChannelAway, ChannelBack, ChannelsChanged
from bot.ports import ChannelSeen
from bot.rights import Action, Person
from bot.states.alert_channel import ChannelPresence
from bot.states.delivery import Recipient
from bot.tables import alert_channels
from bot.wallets.entitled import appointed, require_right
from bot.wallets.named_values import LOST, forget_named_value, named_value, set_named_value
from ledger import Ledger, Tx


@dataclass(frozen=True, slots=True)
class AlertChannel:
    """A channel that is alerted."""

    channel_id: str
    presence: ChannelPresence
    presence_since: datetime | None
    """Since when that is known; None while nothing is."""
    looked_at: datetime | None
    """When Slack was last asked, whatever it answered."""


LOOK_EVERY = timedelta(hours=1)
"""Events say it at once; one may be lost."""
LOOK_EVERY_AWAY = timedelta(minutes=5)
"""Somebody was just told how to mend it."""


def next_look(channel: AlertChannel, now: datetime) -> datetime:
    """Give when a channel is worth another look. Pure."""
    every = LOOK_EVERY_AWAY if channel.presence.is_away else LOOK_EVERY
    return now if channel.looked_at is None else channel.looked_at + every


def presence_of(seen: ChannelSeen) -> ChannelPresence:
    """Judge what Slack says of a channel. Pure."""
    if seen.is_archived:
        return ChannelPresence.IS_ARCHIVED
    return ChannelPresence.PRESENT if seen.is_member else ChannelPresence.NOT_IN_CHANNEL


def channels_of(connection: Connection, wallet_id: UUID) -> list[str]:
    """Give the channels that are alerted."""
    return [one.channel_id for one in alert_channels_of(connection, wallet_id)]


def alert_channels_of(connection: Connection, wallet_id: UUID) -> list[AlertChannel]:
    """Give the channels that are alerted, with what is known of each."""
    rows = connection.execute(
        select(alert_channels)
        .where(alert_channels.c.wallet_id == wallet_id)
        .order_by(alert_channels.c.added_at, alert_channels.c.channel_id)
    )
    return [_channel(row) for row in rows]


def set_channels(
    ledger: Ledger,
    wallet_id: UUID,
    channels: Sequence[str],
    *,
    actor: Person,
    known: Mapping[str, ChannelPresence] | None = None,
    info: bool | None = None,
) -> None:
    """Set the channels that are alerted, with what Slack said of them where it did. Refuses: NotEntitled.

    `info` switches the notice of the morning; None leaves it as it is. A change is told to those who are appointed;
    before anybody is, to nobody.
    """

    def save(tx: Tx) -> None:
        require_right(tx.connection, wallet_id, actor, Action.SET_ALERTS)
        before, after = channels_of(tx.connection, wallet_id), list(dict.fromkeys(channels))
        added = tuple(one for one in after if one not in before)
        removed = tuple(one for one in before if one not in after)
        mine = alert_channels.c.wallet_id == wallet_id
        tx.connection.execute(delete(alert_channels).where(mine, alert_channels.c.channel_id.in_(removed)))
        for channel_id in added:
            row = {"wallet_id": wallet_id, "channel_id": channel_id, "added_by": actor.user_id}
            tx.connection.execute(insert(alert_channels).values(**row, added_at=tx.now))
        for channel_id, presence in (known or {}).items():
            keep_presence(tx, wallet_id, channel_id, presence)
        _schedule_look(tx, wallet_id)
        if added or removed:
            changed = {"channels": after}
            tx.book.audit(wallet_id, actor.user_id, "alert_channels", {"channels": before}, changed)
        switched = info if info is not None and _switch_info(tx, wallet_id, info, actor) else None
        if (added or removed or switched is not None) and appointed(tx.connection, wallet_id):
            tx.outbox.add(wallet_id, ChannelsChanged(actor.user_id, added, removed, switched))

    ledger.run(save, wallet_id=wallet_id)


def _switch_info(tx: Tx, wallet_id: UUID, info: bool, actor: Person) -> bool:
    """Switch the notice of the morning; says whether that changed anything."""
    policy, version = tx.book.policy(wallet_id)
    if policy.info is info:
        return False
    changed = replace(policy, info=info)
    tx.book.set_policy(wallet_id, changed, actor=actor.user_id, expected_version=version, reason="info")
    return True


def set_away(tx: Tx, wallet_id: UUID, channel_id: str, code: str) -> bool:
    """Keep that Slack refused a channel for good, by its code; says whether that is news, which is told then."""
    return keep_presence(tx, wallet_id, channel_id, ChannelPresence.refused_by(code))


def came_back(tx: Tx, wallet_id: UUID, channel_id: str) -> bool:
    """Keep that a channel can be posted to; says whether it could not be before."""
    return keep_presence(tx, wallet_id, channel_id, ChannelPresence.PRESENT)


def keep_presence(
    tx: Tx, wallet_id: UUID, channel_id: str, presence: ChannelPresence, *, by_look: bool = False
) -> bool:
    """Keep what Slack said of a channel, and tell when nothing posted there arrives any more.

    Says whether the channel began or ceased to be away. A channel that is not alerted is none of ours. `by_look`:
    nobody did anything, we only looked. Slack may refuse each message to a channel that looks sound: that is told once.
    """
    mine = (alert_channels.c.wallet_id == wallet_id) & (alert_channels.c.channel_id == channel_id)
    row = tx.connection.execute(select(alert_channels).where(mine)).one_or_none()
    if row is None:
        return False
    before = _channel(row)
    values: dict[str, object] = {"looked_at": tx.now}
    if presence is not before.presence and presence is not ChannelPresence.UNKNOWN:
        values |= {"presence": presence, "presence_since": tx.now}
    tx.connection.execute(update(alert_channels).where(mine).values(**values))
    _schedule_look(tx, wallet_id)
    if presence is ChannelPresence.UNKNOWN or presence.is_away is before.presence.is_away:
        return False
    told = f"{LOST}{Recipient.channel(channel_id)}"
    if not presence.is_away:
        if not by_look:
            forget_named_value(tx, wallet_id, told)
        tx.outbox.add(wallet_id, ChannelBack(channel_id))
    elif (said := named_value(tx.connection, wallet_id, told)) is None or said.value != presence:
        set_named_value(tx, wallet_id, told, presence)
        tx.outbox.add(wallet_id, ChannelAway(channel_id, presence))
    return True


def _schedule_look(tx: Tx, wallet_id: UUID) -> None:
    looks = [next_look(one, tx.now) for one in alert_channels_of(tx.connection, wallet_id)]
    tx.schedule.set(wallet_id, BotDue.CHANNELS, min(looks, default=None))


def _channel(row: Row[tuple[object, ...]]) -> AlertChannel:
    return AlertChannel(row.channel_id, ChannelPresence(row.presence), row.presence_since, row.looked_at)
