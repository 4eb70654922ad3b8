"""Whether Redbar can post to each alert channel: asked when one is chosen, when an event hints at it, and now and then.

Slack is asked outside any transaction. Without the scope to ask, a channel stays unknown, and the first message posted
there decides.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bot.due_work import BotDue, DueWork
from bot.ports import ChannelDirectory, NotTold, RecipientGone
from bot.rights import Person
from bot.served import Served
from bot.states.alert_channel import ChannelPresence
from bot.wallets.alert_channels import (
    alert_channels_of,
    channels_of,
    keep_presence,
    next_look,
    presence_of,
    set_channels,
)
from bot.wallets.people import CannotAsk
from ledger import LeaseLost, Ledger, Refused, Tx


@dataclass(frozen=True, slots=True)
class Looked:
    """What Slack said of a channel that somebody chose."""

    channel_id: str
    name: str
    """Empty where Slack does not name it."""
    presence: ChannelPresence


class ChannelsAway(Refused):
    """Redbar cannot post to channels that somebody chose; nothing was changed."""

    def __init__(self, channels: Sequence[Looked]) -> None:
        self.channels = tuple(channels)
        super().__init__(", ".join(f"{one.channel_id}: {one.presence}" for one in channels))


class ChannelWatch:
    """Asks Slack about alert channels, and keeps the answers."""

    def __init__(self, ledger: Ledger, served: Served, directory: ChannelDirectory) -> None:
        self._ledger = ledger
        self._due = DueWork(ledger, served)
        self._directory = directory

    def choose(
        self, wallet_id: UUID, channels: Sequence[str], *, actor: Person, info: bool | None = None
    ) -> None:
        """Set the channels that are alerted, and the notice of the morning. Refuses: as below; ChannelsAway, CannotAsk.

        `info` and the refusals of rights are those of `set_channels`.
        """
        try:
            looked = [self._look(one) for one in dict.fromkeys(channels)]
        except NotTold as problem:
            raise CannotAsk("whether Redbar is in these channels") from problem
        away = [one for one in looked if one.presence.is_away]
        if away:
            raise ChannelsAway(away)
        known = {one.channel_id: one.presence for one in looked}
        set_channels(self._ledger, wallet_id, channels, actor=actor, known=known, info=info)

    def hear(self, wallet_id: UUID, channel_id: str, said: ChannelPresence) -> None:
        """Take in an event about a channel.

        Slack may deliver it late, so it is a reason to look; it is believed only while Slack cannot be asked.
        """
        with self._ledger.reading() as connection:
            if channel_id not in channels_of(connection, wallet_id):
                return
        try:
            presence = self._look(channel_id).presence
        except NotTold:
            presence = said
        if presence is ChannelPresence.UNKNOWN:
            presence = said
        self._keep(wallet_id, channel_id, presence)

    def run_once(self, now: datetime) -> None:
        """Look at the channels whose last look is long ago; a failure is one more look later."""
        self._due.each(BotDue.CHANNELS, self._look_at_due)

    def _look_at_due(self, wallet_id: UUID) -> None:
        claim = self._due.claim(wallet_id, BotDue.CHANNELS)
        if claim is None:
            return
        now = self._ledger.now()
        with self._ledger.reading() as connection:
            channels = alert_channels_of(connection, wallet_id)
        said = {
            one.channel_id: self._presence(one.channel_id) for one in channels if next_look(one, now) <= now
        }

        def keep(tx: Tx) -> None:
            tx.schedule.finish(claim, None)
            for channel_id, presence in said.items():
                keep_presence(tx, wallet_id, channel_id, presence, by_look=True)

        with suppress(LeaseLost):  # another process looked meanwhile
            self._ledger.run(keep, wallet_id=wallet_id)

    def _presence(self, channel_id: str) -> ChannelPresence:
        try:
            return self._look(channel_id).presence
        except NotTold:
            return ChannelPresence.UNKNOWN

    def _look(self, channel_id: str) -> Looked:
        """Ask Slack about one channel. Raises: NotTold."""
        try:
            seen = self._directory.channel(channel_id)
        except RecipientGone as gone:
            return Looked(channel_id, "", ChannelPresence.refused_by(str(gone)))
        if seen is None:
            return Looked(channel_id, "", ChannelPresence.UNKNOWN)
        return Looked(channel_id, seen.name, presence_of(seen))

    def _keep(self, wallet_id: UUID, channel_id: str, presence: ChannelPresence) -> None:
        self._ledger.run(lambda tx: keep_presence(tx, wallet_id, channel_id, presence), wallet_id=wallet_id)
