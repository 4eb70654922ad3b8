"""Alarms: each episode is one message for each recipient, which is updated in place and tells its story in a thread."""

import hashlib
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import assert_never
from uuid import UUID

import msgspec

from bot.delivering.deliveries import Claim, drop, show_again, want
from bot.delivering.recipients import Wanted
from bot.facts import AlertFacts
from bot.ports import MessageGone
from bot.slack.client import MessageRef
from bot.slack.senders.posting import Posting
from bot.slack.views import alerts as alert_views
from bot.slack.views.blocks import Message
from bot.states.alert import OVER, AlertPhase
from bot.states.delivery import Recipient, Subject, SubjectKind, Urgency
from bot.surfaces.episodes import Episodes, Posted, remember
from bot.surfaces.notice_facts import after_stop_count
from bot.wallets.people import People
from ledger import Ledger, Level, StartedAfterStop, Tx, WalletResumed

log = logging.getLogger("redbar.delivery")

REFRESH_EVERY = timedelta(seconds=20)
"""Slack takes fifty updates a minute in a workspace; a countdown in minutes needs far fewer."""
NOTICEABLE = timedelta(minutes=1)
"""Who never read of a stop is told its end where it lasted this long: calls failed, and somebody asks why."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EpisodeSender:
    """Posts, updates and ends the messages of episodes."""

    def __init__(self, ledger: Ledger, people: People, posting: Posting, episodes: Episodes) -> None:
        self._ledger = ledger
        self._people = people
        self._posting = posting
        self._episodes = episodes
        self._refreshed: dict[UUID, datetime] = {}

    def refresh_open(self, wallet_id: UUID) -> None:
        """Have the messages of the running episode brought up to date: the countdown moves, nobody is notified."""
        now = self._ledger.now()
        if now - self._refreshed.get(wallet_id, EPOCH) < REFRESH_EVERY:
            return
        found = self._episodes.open_episode(wallet_id)
        if found is not None:
            self._refreshed[wallet_id] = now
            self.refresh(wallet_id, found.episode_id)

    def refresh(self, wallet_id: UUID, episode_id: UUID) -> None:
        """Have those messages of one episode updated that no longer show how it stands."""
        facts = self._episodes.facts(wallet_id, episode_id)
        stale = [
            one.recipient
            for one in self._episodes.posted(wallet_id, episode_id)
            if _fingerprint(self._shown_to(wallet_id, one, facts)) != one.shown
        ]

        show_again(self._ledger, wallet_id, Subject(SubjectKind.EPISODE, str(episode_id)), stale)

    def show(self, claim: Claim) -> None:
        """Show one recipient how an episode stands now. Raises: NotTold, LeaseLost."""
        notice = claim.notice()
        episode_id = UUID(claim.subject.of)
        resumed = notice if isinstance(notice, WalletResumed) else None
        facts = self._episodes.facts(claim.wallet_id, episode_id, resumed=resumed)
        message = self._message_to(claim)
        if message is not None:
            self._update(claim, message, facts)
        elif facts.phase not in OVER or _was_noticed(facts):
            self._posting.require_there(claim)
            self._post(claim, facts)

    def show_repeat(self, claim: Claim) -> None:
        """Say again that things have stopped: beneath the alarm's message, or by it where somebody has none yet.

        Raises: NotTold, LeaseLost.
        """
        facts = self._episodes.facts(claim.wallet_id, UUID(claim.subject.of))
        if not _is_stopped(facts):
            return
        message = self._message_to(claim)
        self._posting.require_there(claim)
        if message is None:
            self._post(claim, facts)
            return
        if _is_news(message, facts):
            self._update(claim, message, facts)
            return
        self._take_buttons_off(claim, message)
        repeated = alert_views.still_stopped(facts, self._posting.role(claim))

        def keep(tx: Tx, line: MessageRef) -> None:
            remember(tx, claim.wallet_id, replace(message, line_ts=line.ts))

        self._posting.reply(
            claim, MessageRef(message.channel, message.ts), repeated, broadcast=True, keep=keep
        )

    def _take_buttons_off(self, claim: Claim, message: Posted) -> None:
        """Leave no button in the thread that would be wrong once things are otherwise. Raises: NotTold."""
        if message.line_ts:
            with suppress(MessageGone):
                line = MessageRef(message.channel, message.line_ts)
                self._posting.update(claim, line, alert_views.was_still_stopped())

    def _message_to(self, claim: Claim) -> Posted | None:
        posted = self._episodes.posted(claim.wallet_id, UUID(claim.subject.of))
        return next((one for one in posted if one.recipient == claim.recipient), None)

    def show_started_after_stop(self, claim: Claim, notice: StartedAfterStop) -> None:
        """Tell that paid work starts although the wallet refuses it. Raises: NotTold, LeaseLost."""
        count = after_stop_count(self._ledger, claim.wallet_id)
        if count:
            self._posting.tell(claim, partial(alert_views.after_stop, notice.kind, count))

    def _post(self, claim: Claim, facts: AlertFacts) -> None:
        shown = self._message(claim.wallet_id, claim.recipient, facts)

        def keep(tx: Tx, ref: MessageRef) -> None:
            # From now on the message is updated with the episode, also where a repeat has brought it.
            episode = Subject(SubjectKind.EPISODE, claim.subject.of)
            want(tx, Wanted(episode, Urgency.ALARM, [claim.recipient]), claim.waiting)
            _drop_repeat(tx, claim)
            remember(
                tx,
                claim.wallet_id,
                Posted(
                    UUID(claim.subject.of),
                    claim.recipient,
                    ref.channel,
                    ref.ts,
                    facts.level,
                    facts.phase,
                    _fingerprint(shown),
                    "",
                    Level.FINE,
                ),
            )

        self._posting.post(claim, shown, keep)

    def _update(self, claim: Claim, message: Posted, facts: AlertFacts) -> None:
        shown = self._shown_to(claim.wallet_id, message, facts)
        now_shown = replace(
            message,
            level=max(facts.level, message.level),
            phase=facts.phase,
            shown=_fingerprint(shown),
            line_ts=message.line_ts if _is_stopped(facts) else "",
        )

        def save(tx: Tx) -> None:
            remember(tx, claim.wallet_id, now_shown)

        if not now_shown.line_ts:
            self._take_buttons_off(claim, message)
        if claim.shown and now_shown.shown == message.shown:
            claim.done(save)
            return
        ref = MessageRef(message.channel, message.ts)
        try:
            self._posting.update(claim, ref, shown)
        except MessageGone as gone:
            log.info("an alarm's message is gone, and told anew: %s", gone)
            if now_shown.line_ts:
                self._take_buttons_off(claim, message)
            self._post(claim, facts)
            return
        if facts.stopped_anew or not _is_news(message, facts):
            claim.done(save)
            return

        def save_news(tx: Tx) -> None:
            save(tx)
            _drop_repeat(tx, claim)

        # An update notifies nobody, so that a change of level or phase is said in the thread too.
        line = alert_views.story_line(facts, channel=message.recipient.is_channel)
        self._posting.reply(
            claim, ref, line, broadcast=is_loud(message, facts), keep=lambda tx, line: save_news(tx)
        )

    def _shown_to(self, wallet_id: UUID, message: Posted, facts: AlertFacts) -> Message:
        """Say an episode to a recipient who has a message: whoever acknowledged it silenced that level only."""
        silenced = message.acknowledged_by if facts.level <= message.acknowledged_level else ""
        return self._message(wallet_id, message.recipient, replace(facts, acknowledged_by=silenced))

    def _message(self, wallet_id: UUID, recipient: Recipient, facts: AlertFacts) -> Message:
        """Say an episode to one recipient: channels read no amounts, people are offered what they may do."""
        if recipient.is_channel:
            return alert_views.alert_channel(facts)
        role = self._people.role_shown(wallet_id, recipient.slack_id)
        return alert_views.alert_person(facts, role)


def is_loud(message: Posted, facts: AlertFacts) -> bool:
    """Say whether a change is shown in the conversation too, where phones tell of it, or in the thread alone. Pure.

    Channels are told of the stop and its end; people also of each higher level, and of the end of what was critical.
    """
    if not _is_news(message, facts):
        return False
    if message.recipient.is_channel:
        return facts.phase in (AlertPhase.COUNTING, AlertPhase.PAUSED, AlertPhase.RESTORED)
    match facts.phase:
        case AlertPhase.RECOVERED:
            return message.level >= Level.CRITICAL
        case AlertPhase.COUNTING | AlertPhase.PAUSED | AlertPhase.RESTORED | AlertPhase.CANT_START:
            return True
        case AlertPhase.LOW:
            return facts.level > message.level
        case _:
            assert_never(facts.phase)


def _is_news(message: Posted, facts: AlertFacts) -> bool:
    """Say whether level or phase changed since a message was shown."""
    return facts.phase is not message.phase or facts.level > message.level


def _is_stopped(facts: AlertFacts) -> bool:
    """Say whether things are stopped, which is said again while nobody answers."""
    return facts.phase not in OVER and facts.level >= Level.ZERO


def _drop_repeat(tx: Tx, claim: Claim) -> None:
    """Let nobody read "still stopped" right after the alarm itself: both waited for Slack."""
    if claim.subject.kind is SubjectKind.EPISODE:
        drop(tx, claim.wallet_id, Subject(SubjectKind.REPEAT, claim.subject.of), claim.recipient)


def _was_noticed(facts: AlertFacts) -> bool:
    """Say whether the end of a stop is worth telling to somebody who never read that it began."""
    return (
        facts.phase is AlertPhase.RESTORED
        and not facts.stopped_anew
        and facts.stopped_for is not None
        and facts.stopped_for >= NOTICEABLE
    )


def _fingerprint(message: Message) -> str:
    """Give a fingerprint of what a message shows."""
    return hashlib.sha256(
        msgspec.json.encode((message.text, message.blocks, message.attachments))
    ).hexdigest()[:16]
