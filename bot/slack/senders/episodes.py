"""Alarms: each episode is one message for each recipient, which is updated in place and tells its story in a thread."""

import hashlib
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import msgspec

from bot.delivering.deliveries import FanOut
from bot.facts import AlertFacts
from bot.slack.client import MessageRef, SlackClient
from bot.slack.senders.recipients import Recipients
from bot.slack.views import alerts as alert_views
from bot.slack.views.blocks import Message
from bot.states.alert import OVER, AlertPhase
from bot.states.delivery import Recipient
from bot.surfaces.episodes import Episodes, Posted
from bot.surfaces.notice_facts import after_stop_count
from bot.wallets.people import People
from ledger import Ledger, StartedAfterStop, WalletResumed

log = logging.getLogger("redbar.delivery")

REFRESH_EVERY = timedelta(seconds=20)
"""Slack takes fifty updates a minute in a workspace; a countdown in minutes needs far fewer."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EpisodeSender:
    """Posts, updates and ends the messages of episodes."""

    def __init__(
        self, ledger: Ledger, client: SlackClient, people: People, recipients: Recipients, episodes: Episodes
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._people = people
        self._recipients = recipients
        self._episodes = episodes
        self._refreshed: dict[UUID, datetime] = {}

    def refresh_open(self, wallet_id: UUID) -> None:
        """Bring the messages of the running episode up to date: the countdown moves, nobody is notified."""
        now = self._ledger.now()
        if now - self._refreshed.get(wallet_id, EPOCH) < REFRESH_EVERY:
            return
        found = self._episodes.open_episode(wallet_id)
        if found is not None:
            self._refreshed[wallet_id] = now
            self.refresh(wallet_id, found.episode_id)

    def refresh(self, wallet_id: UUID, episode_id: UUID) -> None:
        """Bring the messages of one episode up to date."""
        facts = self._episodes.facts(wallet_id, episode_id)
        for message in self._episodes.posted(wallet_id, episode_id):
            try:
                self._update(wallet_id, message, facts)
            except (
                Exception
            ):  # a message that cannot be updated must not stop the others; the next run retries
                log.warning("an alarm's message could not be refreshed", exc_info=True)

    def send_resumed(self, to: FanOut, notice: WalletResumed) -> None:
        """Tell that everything may start again; a wallet that is funded for the first time ends no episode."""
        if notice.episode_id is not None:
            self.send(to, notice.episode_id, resumed=notice)

    def send(self, to: FanOut, episode_id: UUID, *, resumed: WalletResumed | None = None) -> None:
        """Tell how an episode stands now, to people and channels."""
        wallet_id = to.wallet_id
        facts = self._episodes.facts(wallet_id, episode_id, resumed=resumed)
        known = {one.recipient: one for one in self._episodes.posted(wallet_id, episode_id)}
        over = facts.phase in OVER
        seen: set[Recipient] = set()

        def send_to(recipient: Recipient) -> None:
            message = known.get(recipient)
            if message is not None:
                self._update(wallet_id, message, facts)
                self._reply(message, facts)
            elif not over:
                self._post(wallet_id, episode_id, recipient, facts)

        def send_to_person(user_id: str) -> None:
            seen.add(Recipient.person(user_id))
            send_to(Recipient.person(user_id))

        # People first: a channel may be archived, and has fewer who can act.
        self._recipients.with_role(to, send_to_person)
        channels = self._episodes.channels(wallet_id)
        to.each(channels, send_to)
        if over:
            # People who lost their role and channels that were removed still learn how the episode ended.
            to.each(
                [one for one in known if one not in seen and one not in channels],
                lambda recipient: self._update(wallet_id, known[recipient], facts),
            )

    def send_started_after_stop(self, to: FanOut, notice: StartedAfterStop) -> None:
        """Tell that paid work starts although the wallet refuses it."""
        count = after_stop_count(self._ledger, to.wallet_id)
        if count:
            message = partial(alert_views.after_stop, notice.kind, count)
            self._recipients.send(to, message, finance=False)

    def _post(self, wallet_id: UUID, episode_id: UUID, recipient: Recipient, facts: AlertFacts) -> None:
        shown = self._message(wallet_id, recipient, facts)
        sent = self._client.post_message(recipient.slack_id, shown)
        self._episodes.remember(
            wallet_id,
            Posted(
                episode_id,
                recipient,
                sent.channel,
                sent.ts,
                facts.level,
                facts.phase,
                _fingerprint(shown),
                "",
            ),
        )

    def _update(self, wallet_id: UUID, message: Posted, facts: AlertFacts) -> None:
        silenced = message.acknowledged_by if facts.level <= message.level else ""
        shown = self._message(wallet_id, message.recipient, replace(facts, acknowledged_by=silenced))
        if _fingerprint(shown) == message.shown:
            return
        self._client.update_message(MessageRef(message.channel, message.ts), shown)
        self._episodes.remember(
            wallet_id,
            Posted(
                message.episode_id,
                message.recipient,
                message.channel,
                message.ts,
                max(facts.level, message.level),
                facts.phase,
                _fingerprint(shown),
                silenced,
            ),
        )

    def _message(self, wallet_id: UUID, recipient: Recipient, facts: AlertFacts) -> Message:
        """Say an episode to one recipient: channels read no amounts, people are offered what they may do."""
        if recipient.is_channel:
            return alert_views.alert_channel(facts)
        role = self._people.role_shown(wallet_id, recipient.slack_id)
        return alert_views.alert_person(facts, role)

    def _reply(self, message: Posted, facts: AlertFacts) -> None:
        """Reply in the thread when level or phase changed.

        A direct message shows a higher level, and the stop itself, in its conversation too: an update notifies nobody.
        """
        if facts.phase == message.phase and facts.level <= message.level:
            return
        line = alert_views.story_line(facts, channel=message.recipient.is_channel)
        worse = facts.level > message.level or facts.phase is AlertPhase.COUNTING
        broadcast = worse and not message.recipient.is_channel
        self._client.post_message(message.channel, line, thread_ts=message.ts, broadcast=broadcast)


def _fingerprint(message: Message) -> str:
    """Give a fingerprint of what a message shows."""
    return hashlib.sha256(
        msgspec.json.encode((message.text, message.blocks, message.attachments))
    ).hexdigest()[:16]
