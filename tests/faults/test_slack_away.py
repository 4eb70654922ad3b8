"""Slack is away while the wallet goes through its states: afterwards each person reads one message, and it is true."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import select

from bot.sandbox.slack.faults import EVERY_METHOD, Cut, Fail, Fault
from bot.states.alert import OVER, AlertPhase
from bot.states.delivery import Recipient
from ledger import Standing, last_episode
from ledger.storage.schema import episodes
from tests.faults.telling_ground import ADMINS, CHANNEL, FINANCE, Ground, conversation, ground_in
from tests.sizes import size

SEED = 20261130
NUMBER = size("slack_away", local=8, ci=8, full=0)
"""So many stories are played; 0: all."""
LOW, ZERO, PAUSED, FINE = "low", "zero", "paused", "fine"
DOLLARS = {LOW: 5, ZERO: -1, FINE: 300}
STEP_MIN = timedelta(seconds=20)
SPANS = (timedelta(minutes=3), timedelta(minutes=30), timedelta(minutes=300), timedelta(days=3))
MEANWHILE = {
    (): (
        (LOW,),
        (ZERO,),
        (LOW, ZERO),
        (LOW, FINE),
        (ZERO, FINE),
        (LOW, ZERO, FINE),
        (ZERO, FINE, LOW),
        (ZERO, FINE, ZERO),
        (ZERO, FINE, ZERO, FINE),
        (LOW, FINE, LOW, FINE),
        (LOW, ZERO, PAUSED),
        (LOW, ZERO, PAUSED, FINE),
        (ZERO, PAUSED, FINE, LOW),
        (ZERO, PAUSED, FINE, ZERO),
    ),
    (LOW,): (
        (ZERO,),
        (FINE,),
        (ZERO, FINE),
        (FINE, LOW),
        (FINE, ZERO),
        (ZERO, PAUSED),
        (ZERO, PAUSED, FINE),
        (ZERO, FINE, ZERO, FINE),
    ),
    (ZERO,): (
        (PAUSED,),
        (FINE,),
        (PAUSED, FINE),
        (FINE, LOW),
        (PAUSED, FINE, ZERO),
        (FINE, ZERO),
        (FINE, ZERO, FINE),
    ),
}
"""What the wallet goes through while Slack is away, by what people have read before."""
SAYS = {
    AlertPhase.LOW: "low",
    AlertPhase.COUNTING: "Outbound calls and AI tasks have stopped",
    AlertPhase.PAUSED: "All calls and AI tasks have stopped",
    AlertPhase.RESTORED: "runs? again",
    AlertPhase.RECOVERED: "fine again",
}
ENDED = "This alarm ended"
READERS = (*map(Recipient.person, (*ADMINS, FINANCE)), Recipient.channel(CHANNEL))


@dataclass(frozen=True, slots=True)
class Story:
    """For how long Slack is away, and what happens before and meanwhile."""

    away: timedelta
    before: tuple[str, ...]
    meanwhile: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' '.join(self.before) or 'fine'} | {' '.join(self.meanwhile)} | {self.away}"

    @property
    def gap(self) -> timedelta:
        """The time from one state to the next, while Slack is away."""
        return self.away / (len(self.meanwhile) + 1)

    @property
    def is_possible(self) -> bool:
        """Whether the grace can end meanwhile: of a stop from before it ends a minute later."""
        stops_before = PAUSED in self.meanwhile and ZERO in self.meanwhile[: self.meanwhile.index(PAUSED)]
        return not stops_before or self.away >= timedelta(minutes=30)


STORIES = [
    story
    for away in SPANS
    for before, many in MEANWHILE.items()
    for meanwhile in many
    if (story := Story(away, before, meanwhile)).is_possible
]
PLAYED = Random(SEED).sample(STORIES, NUMBER or len(STORIES))  # noqa: S311 - a failure comes again


class Telling:
    """One story, told."""

    def __init__(self, ground: Ground, story: Story) -> None:
        self._ground = ground
        self._story = story
        self._began = ground.one.ledger.now()

    def tell(self) -> list[str]:
        """Tell it; gives what is wrong."""
        ground, story = self._ground, self._story
        ground.reset()
        self._began = ground.one.ledger.now()
        for state in story.before:
            self._becomes(state, timedelta(minutes=14))
        faults = ground.one.place.stand_in.faults
        faults.add(
            Fault(EVERY_METHOD, Cut(done=False) if len(story.meanwhile) % 2 else Fail(503), times=None)
        )
        self._passes(story.gap)
        for state in story.meanwhile:
            self._becomes(state, story.gap)
        ground.line.sent.clear()
        faults.clear()
        self._passes(timedelta(minutes=3))
        return [wrong for reader in READERS for wrong in self._judge(reader)]

    def _becomes(self, state: str, span: timedelta) -> None:
        """Bring the wallet to a state, which then lasts a while."""
        if state == PAUSED:
            while self._look() is not Standing.PAUSED:
                self._passes(timedelta(minutes=1))
        else:
            self._ground.one.bring_to(DOLLARS[state])
        self._passes(span)

    def _look(self) -> Standing:
        one = self._ground.one
        with one.ledger.reading() as connection:
            return one.ledger.look(connection, one.wallet_id)[0].standing

    def _passes(self, span: timedelta) -> None:
        """Let time pass, with all the jobs that tell people of the wallet."""
        ground = self._ground
        over = ground.one.ledger.now() + span
        while (left := over - ground.one.ledger.now()) > timedelta(0):
            ground.one.place.clock.skip(seconds=min(max(span / 4, STEP_MIN), left).total_seconds())
            now = ground.one.ledger.now()
            ground.timers.observe(now)
            ground.timers.repeat_alarms(now)
            ground.carry()
            ground.one.context.senders.episodes.refresh_open(ground.one.wallet_id)
            ground.carry()

    def _judge(self, reader: Recipient) -> Iterator[str]:
        """Say what is wrong with what one reader reads on return, and with what stands there then."""
        told = [one for one in self._ground.line.sent if one.recipient == reader and one.ts]
        posts = Counter(one.subject.of for one in told if one.method == "chat.postMessage")
        for episode_id, number in posts.items():
            if number > 1:
                yield f"{reader} reads {number} messages about {episode_id}: {[str(one.subject) for one in told]}"
        yield from self._untrue(reader)

    def _untrue(self, reader: Recipient) -> Iterator[str]:
        one = self._ground.one
        with one.ledger.reading() as connection:
            last = last_episode(connection, one.wallet_id)
        assert last is not None
        shown = self._ground.read().get(conversation(reader), {})
        facts = {name: one.context.episodes.facts(one.wallet_id, name) for name in self._episodes()}
        newest = facts[last.episode_id]
        messages = {
            name: shown[posted.ts]
            for name in facts
            for posted in one.context.episodes.posted(one.wallet_id, name)
            if posted.recipient == reader and posted.ts in shown
        }
        for name, text in messages.items():
            words = ENDED if facts[name].stopped_anew else SAYS[facts[name].phase]
            if re.search(words, text) is None:
                yield f"{reader} reads {text!r} of an episode that is {facts[name].phase}"
        if newest.phase not in OVER and last.episode_id not in messages:
            yield f"{reader} has read nothing of {newest.phase}"

    def _episodes(self) -> list[UUID]:
        """Give the episodes of the story."""
        one = self._ground.one
        mine = (episodes.c.wallet_id == one.wallet_id) & (episodes.c.opened_at >= self._began)
        with one.ledger.reading() as connection:
            return list(connection.execute(select(episodes.c.episode_id).where(mine)).scalars())


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One company for all stories."""
    with ground_in(tmp_path_factory.mktemp("ground")) as one:
        yield one


@pytest.mark.parametrize("story", PLAYED, ids=str)
def test_each_person_reads_one_true_message_when_slack_is_back(ground: Ground, story: Story) -> None:
    """A subject is told as it stands then, whatever it went through meanwhile."""
    assert Telling(ground, story).tell() == []
