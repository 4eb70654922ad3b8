"""Alarms and all-clears come in pairs, however a balance moves around its lines while Slack fails now and then.

A real ledger, a clock that is set, the real courier and senders, and the Slack stand-in. What people read is taken from
the requests that the stand-in carried out, and judged by its words.
"""

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from slack_sdk.web import SlackResponse
from sqlalchemy import select

from bot.delivering.courier import Courier
from bot.delivering.deliveries import Claim
from bot.rights import Person, Role
from bot.sandbox.slack.faults import Cut, Fail, Fault, Limit
from bot.sandbox.slack.seed import TEAM
from bot.served import Served
from bot.slack.presence import ListeningClient
from bot.states.delivery import Recipient, SubjectKind
from bot.tables import alert_messages
from bot.timers import Timers
from bot.use_cases import UseCases
from bot.wallets.alert_channels import set_channels
from ledger import (
    MICROS,
    CaptureHold,
    Command,
    CreditKind,
    HoldAnswer,
    OpenHold,
    PostMoney,
    PostUsage,
    ReleaseHold,
    WalletView,
    new_id,
)
from ledger.storage.schema import episodes
from tests.bot.rights_company import USERS, Company, company
from tests.sizes import size

SEEDS = 4
MOVES = size("pairs", local=40, ci=50, full=2_500)
"""Of each seed."""
CALLS = "C0CALLS01"
HEARERS = frozenset(
    {
        Recipient.person(USERS["appointed admin"]),
        Recipient.person(USERS["finance"]),
        Recipient.channel(CALLS),
    }
)
ENDED = "alarm ended"
REPEATED = "Nobody has paid yet"
WITHOUT_BUTTONS = "Things were still stopped"
OVER_WORDS = ("fine again", "runs again", "run again", ENDED)
LINES = ("is low", "very low", "reached zero", "can't start", "inbound calls stopped", *OVER_WORDS)
"""What the thread of an alarm's message says, each line once until another one follows."""
TROUBLES = (Limit(7), Fail(503), Cut(done=False))


@dataclass(frozen=True, slots=True)
class Read:
    """What one recipient was shown of one episode, as Slack took it."""

    method: str
    text: str
    is_reply: bool
    is_repeat: bool

    @property
    def line(self) -> str:
        """What it says, without money and time."""
        return next(words for words in LINES if words in self.text)

    @property
    def is_over(self) -> bool:
        """Whether it says that the episode is over."""
        return any(words in self.text for words in OVER_WORDS)


@dataclass
class Moves:
    """A wallet whose balance moves, and what its people read of it."""

    company: Company
    cases: UseCases
    chance: random.Random
    shown_now: threading.local = field(default_factory=threading.local)
    """The claim that a thread of the courier shows."""
    read: dict[tuple[UUID, Recipient], list[Read]] = field(default_factory=dict)
    open_holds: list[str] = field(default_factory=list)
    awaited: set[tuple[UUID, Recipient]] = field(default_factory=set)
    """Episodes that went on while Slack took everything, by who must have read of them then."""

    def __post_init__(self) -> None:
        served = Served(TEAM)
        self.timers = Timers(
            self.company.ledger, served, self.cases.sweep, self.cases.recharge, self.cases.news
        )
        self.courier = Courier(self.company.ledger, self.timers.heard, self.show, served)

    def show(self, claim: Claim) -> None:
        """Show a delivery, and know for whom while its requests are sent."""
        self.shown_now.claim = claim
        try:
            self.company.context.senders.show(claim)
        finally:
            self.shown_now.claim = None

    def hear(self, method: str, sent: dict[str, Any]) -> None:
        """Keep a request that Slack carried out, if it is about an episode."""
        claim: Claim | None = getattr(self.shown_now, "claim", None)
        if claim is None or claim.subject.kind not in (SubjectKind.EPISODE, SubjectKind.REPEAT):
            return
        is_reply = bool(sent.get("thread_ts"))
        if WITHOUT_BUTTONS in str(sent["text"]):
            return  # an older line of the thread loses its buttons, and says nothing new
        kept = self.read.setdefault((UUID(claim.subject.of), claim.recipient), [])
        kept.append(Read(method, str(sent["text"]), is_reply, is_reply and REPEATED in str(sent["text"])))

    def view(self) -> WalletView:
        """Look at the wallet."""
        with self.company.ledger.reading() as connection:
            return self.company.ledger.look(connection, self.company.wallet_id)[0]

    def move(self) -> None:
        """Let one thing happen to the balance, to a hold, or to time."""
        chance, view = self.chance, self.view()
        match chance.choices(["jump", "call", "hold", "end", "time"], [7, 3, 4, 4, 4])[0]:
            case "jump":
                lines = [view.warning_micros, view.critical_micros, 500_000, 0, -MICROS]
                aim = chance.choice(lines) * chance.randint(70, 150) // 100
                self._jump(aim - view.balance_micros)
            case "call":
                self._carry_out(
                    PostUsage(
                        "platform", str(new_id()), "outbound_call", chance.randint(1, 30) * 100_000, None
                    )
                )
            case "hold":
                wish = max(1, view.available_micros * chance.randint(5, 100) // 100)
                hold_id = str(new_id())
                if self._carry_out(OpenHold(hold_id, chance.choice(["outbound_call", "inbound_call"]), wish)):
                    self.open_holds.append(hold_id)
            case "end" if self.open_holds:
                hold_id = self.open_holds.pop(chance.randrange(len(self.open_holds)))
                cost = chance.randint(1, 20) * 100_000
                release = chance.random() < 0.6
                self._carry_out(ReleaseHold(hold_id) if release else CaptureHold(hold_id, cost, None))
            case _:
                self.company.place.clock.skip(seconds=chance.choice([1, 20, 61, 301, 950, 1_860, 7_300]))
                self.timers.observe(self.company.place.clock.now())

    def _jump(self, gap: int) -> None:
        cents = gap // 10_000 * 10_000
        kind = CreditKind.TOP_UP if gap > 0 else CreditKind.ADJUSTMENT_DOWN
        if cents:
            self._carry_out(PostMoney("test", str(new_id()), kind, abs(cents), None))

    def _carry_out(self, command: Command) -> bool:
        (outcome,) = self.company.ledger.carry_out(self.company.wallet_id, [command])
        return isinstance(outcome, HoldAnswer) and outcome.permit.allowed

    def around(self) -> None:
        """Let what goes on beside the moves happen now and then: jobs, a press, trouble at Slack, the courier."""
        chance, now = self.chance, self.company.place.clock.now()
        if chance.random() < 0.1:
            self.timers.follow_pace(now)
        if chance.random() < 0.2:
            self.timers.repeat_alarms(now)
        if chance.random() < 0.2:
            self.company.context.senders.episodes.refresh_open(self.company.wallet_id)
        if chance.random() < 0.03:
            self._acknowledge()
        if chance.random() < 0.1:
            methods = ["chat.postMessage", "chat.update"]
            fault = Fault(chance.choice(methods), chance.choice(TROUBLES), times=chance.randint(1, 5))
            self.company.place.stand_in.faults.add(fault)
        if chance.random() < 0.4:
            self.courier.run_once(now)

    def _acknowledge(self) -> None:
        found = self.company.context.episodes.open_episode(self.company.wallet_id)
        if found is not None:
            by = Person(USERS["appointed admin"], Role.BILLING_ADMIN)
            self.company.context.episodes.acknowledge(self.company.wallet_id, found.episode_id, by=by)

    def settle(self) -> None:
        """Let Slack take everything until nothing waits, and compare what everybody reads with the ledger."""
        self.company.place.stand_in.faults.clear()
        for _ in range(20):
            # Longer than any pause, so that everything is due; time alone may bring new alarms.
            self.company.place.clock.skip(seconds=61)
            if not self.courier.run_once(self.company.place.clock.now()):
                break
        else:
            raise AssertionError("deliveries never end")
        self._compare()

    def _compare(self) -> None:
        running = {}
        with self.company.ledger.reading() as connection:
            for row in connection.execute(select(episodes)).all():
                running[row.episode_id] = row.closed_at is None
            messages = connection.execute(select(alert_messages)).all()
        self.awaited |= {(one, hearer) for one, runs in running.items() if runs for hearer in HEARERS}
        state = self.company.place.stand_in.state
        for row in messages:
            message = state.message(row.channel, row.ts)
            assert message is not None
            is_over = any(words in message["text"] for words in OVER_WORDS)
            assert is_over != running[row.episode_id], (row.audience, message["text"])

    def judge(self) -> None:
        """Compare all that was read with the rule: an alarm, and one all-clear after it."""
        with self.company.ledger.reading() as connection:
            rows = connection.execute(select(episodes.c.episode_id, episodes.c.closed_at))
            over = {row.episode_id for row in rows if row.closed_at is not None}
        assert set(self.read) >= self.awaited
        for (episode_id, recipient), read in self.read.items():
            where = f"{episode_id} {recipient}: {[(one.method, one.text) for one in read]}"
            posts = [one for one in read if one.method == "chat.postMessage" and not one.is_reply]
            clears = [one for one in read if one.is_over and one.method == "chat.postMessage"]
            assert len(posts) == 1, where
            assert read[0] is posts[0], where
            assert len(clears) <= 1, where
            lines = [one.line for one in read if one.is_reply and not one.is_repeat]
            assert all(one != other for one, other in pairwise(lines)), where
            states = [one.is_over for one in read if not one.is_repeat]
            assert states == sorted(states), f"over, and running again: {where}"
            if episode_id in over:
                assert read[-1].is_over, where
                # Where things have stopped since, the end is no all-clear: it stands in the message, without a line.
                assert len(clears) == (ENDED not in read[-1].text), where
            # Only the end of a stop is told to somebody who never read that it began.
            assert not posts[0].is_over or ("again" in posts[0].text and "fine" not in posts[0].text), where
            if (episode_id, recipient) in self.awaited:
                assert not posts[0].is_over, where


@pytest.fixture
def moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> Iterator[Moves]:
    """Three recipients: an appointed admin, finance, and a channel."""
    with company(tmp_path) as made:
        chance = random.Random(seed)  # noqa: S311 - a fixed seed, so that a failure comes again
        found = Moves(made, made.cases, chance)
        send = ListeningClient.api_call

        def listened(client: ListeningClient, api_method: str, **how: Any) -> SlackResponse:
            answer = send(client, api_method, **how)
            found.hear(api_method, how.get("json") or how.get("params") or {})
            return answer

        monkeypatch.setattr(ListeningClient, "api_call", listened)
        owner = Person(USERS["owner"], Role.OWNER)
        set_channels(made.ledger, made.wallet_id, [CALLS], actor=owner)
        made.bring_to(200)
        yield found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_episode_is_one_alarm_and_one_all_clear_for_each_recipient(moves: Moves) -> None:
    """Around the lines, with holds, time, repeats, acknowledgements and a Slack that fails now and then."""
    for number in range(MOVES):
        moves.move()
        moves.around()
        if number % 15 == 14:
            moves.settle()
    moves.settle()
    moves.judge()
    assert len({episode for episode, _ in moves.read}) >= MOVES // 15, "hardly any alarm"
