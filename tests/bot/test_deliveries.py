"""A notice is told to each recipient alone: whoever has trouble, the others read it once."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, get_args
from uuid import UUID

import pytest
from slack_sdk import WebClient
from sqlalchemy import select

from bot.app import open_ledger
from bot.delivering.courier import Courier
from bot.delivering.deliveries import TRIES_MAX, FanOut
from bot.notices import AnyNotice, ChargesSwitched
from bot.ports import NotNow, PeoplePage, PersonSeen, RecipientGone
from bot.served import Served
from bot.slack.client import SlackClient
from bot.slack.senders.recipients import Recipients
from bot.states.delivery import OWNERS, DeliveryState, Recipient
from bot.tables import deliveries
from bot.wallets.people import People
from bot.wallets.people_listing import PeopleListing
from bot.wallets.workspaces import Workspaces
from ledger import Currency, Ledger
from ledger.storage.schema import notices
from tests.blank_books import lay_books
from tests.persons import owner
from tests.sandbox.slack_place import SettableClock

NAMES = ["first", "middle", "last"]
TROUBLES: dict[str, Callable[[], Exception]] = {
    "gone": lambda: RecipientGone("is_archived"),
    "limited": lambda: NotNow("ratelimited"),
    "away": lambda: NotNow("URLError"),
    "unheard of": lambda: ValueError("a bug in the words"),
}


@dataclass
class Workspace:
    """A directory whose answers a test changes."""

    owner_ids: list[str] = field(default_factory=list)
    limited: bool = False
    left: set[str] = field(default_factory=set)

    def person(self, user_id: str, *, fresh: bool = False) -> PersonSeen | None:
        """Describe somebody; only whether they left matters here."""
        return PersonSeen(user_id, "T1", user_id, "UTC", False, False, user_id in self.left)

    def page(self, cursor: str) -> PeoplePage:
        """List the owners and who has left, unless Slack is in trouble."""
        if self.limited:
            raise NotNow("ratelimited")
        owners = [PersonSeen(one, "T1", one, "UTC", True, True, False) for one in self.owner_ids]
        outside = [PersonSeen(one, "T1", one, "UTC", False, False, True) for one in self.left]
        return PeoplePage([*owners, *outside], next_cursor="")

    def forget(self, user_id: str) -> None:
        """Drop nothing: nothing is remembered."""


@dataclass
class Post:
    """An outbox, a courier, and a Slack that is a list of what was read."""

    ledger: Ledger
    clock: SettableClock
    wallet_id: UUID
    people: People
    workspace: Workspace
    read: list[tuple[str, bool]] = field(default_factory=list)
    """Who read which notice, by whether charges were switched off."""
    trouble: dict[str, Callable[[], Exception]] = field(default_factory=dict)
    fails_at_the_end: bool = False

    def send(self, off: bool) -> Callable[[str], None]:
        """Post one notice to one person."""

        def post(user_id: str) -> None:
            if user_id in self.trouble:
                raise self.trouble[user_id]()
            self.read.append((user_id, off))

        return post

    def happens(self, *, off: bool = True) -> None:
        """Commit a notice."""
        self.ledger.run(
            lambda tx: tx.outbox.add(self.wallet_id, ChargesSwitched(off=off)), wallet_id=self.wallet_id
        )

    def carry(self, **later: int) -> None:
        """Let the courier come by until nothing is due, after a while in which people were listed if that was due."""
        self.clock.skip(**later)
        PeopleListing(self.ledger, Served("T1"), self.workspace).run_once(self.clock.now())
        while self.courier.run_once(self.clock.now()):
            pass

    @property
    def courier(self) -> Courier:
        """A courier that has only just started: nothing is remembered outside the database."""
        recipients = Recipients(self.people, SlackClient(WebClient(), time.sleep))

        def deliver(to: FanOut) -> None:
            notice = to.notice()
            assert isinstance(notice, ChargesSwitched)
            recipients.with_role(to, self.send(notice.off))
            if self.fails_at_the_end:
                raise ValueError("after everybody was told")

        return Courier(self.ledger, lambda waiting: None, deliver, Served("T1"))

    def states(self) -> dict[Recipient, DeliveryState]:
        """Give what is remembered of recipients."""
        with self.ledger.reading() as connection:
            rows = connection.execute(select(deliveries.c.recipient, deliveries.c.state)).all()
        return {Recipient.of(row.recipient): DeliveryState(row.state) for row in rows}


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """Three appointed people and no trouble."""
    clock = SettableClock()
    ledger = open_ledger(f"sqlite:///{lay_books(tmp_path) / 'redbar.db'}", clock)
    workspaces, workspace = Workspaces(ledger), Workspace()
    wallet_id = workspaces.open(
        team_id="T1", enterprise_id="", name="W", bot_user_id="B", currency=Currency.of("USD"), zone="UTC"
    )
    people = People(ledger, workspaces, workspace)
    people.appoint(wallet_id, billing_admins=NAMES[:2], finance=NAMES[2:], actor=owner("U1"))
    yield Post(ledger, clock, wallet_id, people, workspace)
    ledger.close()


@pytest.mark.parametrize("who", NAMES)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_one_recipient_in_trouble_does_not_keep_others_from_reading_once(
    post: Post, who: str, trouble: str
) -> None:
    """Whoever it is and whatever it is: everybody else reads at once, and never a second time."""
    post.trouble[who] = TROUBLES[trouble]
    others = [(one, True) for one in NAMES if one != who]

    post.happens()
    post.carry()
    assert post.read == others

    for _ in range(TRIES_MAX + 3):
        post.carry(minutes=5)
    assert post.read == others
    is_waiting = trouble in ("limited", "away")
    assert post.states().get(Recipient.person(who)) == (
        DeliveryState.WAITING if is_waiting else DeliveryState.ASIDE
    )

    post.trouble.clear()
    post.carry(minutes=5)
    assert post.read == others + ([(who, True)] if is_waiting else [])


@pytest.mark.parametrize("trouble", ["limited", "away"])
def test_later_notices_pass_a_recipient_who_waits_and_reach_them_in_order(post: Post, trouble: str) -> None:
    """Slack is away for one person for three days: the others read on, that one reads in order at the end."""
    post.trouble["first"] = TROUBLES[trouble]
    for off in (True, False):
        post.happens(off=off)
        post.carry(hours=36)
    assert post.read == [("middle", True), ("last", True), ("middle", False), ("last", False)]

    post.trouble.clear()
    post.carry(minutes=5)
    assert post.read[4:] == [("first", True), ("first", False)]
    assert post.states() == {}


def test_a_limited_recipient_is_tried_again_once_slack_says_so(post: Post) -> None:
    """Not earlier: each try before that is refused, and may lengthen the limit."""
    asked: list[datetime] = []

    def limited() -> NotNow:
        asked.append(post.clock.now())
        return NotNow("ratelimited", timedelta(minutes=10))

    post.trouble["first"] = limited
    post.happens()
    post.carry()
    for _ in range(11):
        post.carry(minutes=1)
    post.carry(minutes=9)
    assert [one - asked[0] for one in asked[1:]] == [timedelta(minutes=10), timedelta(minutes=20)]


def test_a_short_limit_does_not_shorten_the_pause(post: Post) -> None:
    """The pause grows with each failure, whatever Slack asks for."""
    post.trouble["first"] = lambda: NotNow("ratelimited", timedelta(seconds=1))
    post.happens()
    post.carry()
    post.trouble.clear()
    post.carry(seconds=1)
    assert ("first", True) not in post.read
    post.carry(seconds=1)
    assert ("first", True) in post.read


def test_everybody_waits_through_an_outage_of_days_and_reads_once(post: Post) -> None:
    """There is no number of tries after which a person is never told."""
    post.trouble = dict.fromkeys(NAMES, TROUBLES["away"])
    post.happens()
    for _ in range(60):
        post.carry(hours=2)
    assert post.read == []
    post.trouble.clear()
    post.carry(minutes=5)
    assert sorted(post.read) == sorted((one, True) for one in NAMES)


def test_owners_are_told_when_the_last_appointed_admin_is_gone(post: Post) -> None:
    """One admin who can be reached is enough; with none left the owners read it."""
    post.workspace.owner_ids = ["owner"]
    post.trouble["first"] = TROUBLES["gone"]
    post.happens()
    post.carry()
    assert ("owner", True) not in post.read

    post.workspace.left.add("middle")
    post.happens(off=False)
    post.carry(hours=1)
    assert [who for who, off in post.read if not off] == ["last", "owner"]


def test_a_notice_without_recipients_waits_until_slack_names_the_owners(post: Post) -> None:
    """Nobody is appointed and Slack limits the list of people: that is no delivery."""
    post.people.appoint(post.wallet_id, billing_admins=[], finance=["last"], actor=owner("U1"))
    post.workspace.limited = True
    post.happens()
    for _ in range(TRIES_MAX + 3):
        post.carry(minutes=5)
    assert post.read == [("last", True)]
    assert post.states()[OWNERS] is DeliveryState.WAITING

    post.workspace.limited = False
    post.workspace.owner_ids = ["owner", "other"]
    post.trouble["other"] = TROUBLES["away"]
    post.carry(minutes=5)
    post.carry(minutes=5)
    post.trouble.clear()
    post.carry(minutes=5)
    assert post.read == [("last", True), ("owner", True), ("other", True)]


def test_an_owner_who_waits_is_told_although_slack_cannot_list_the_owners_meanwhile(post: Post) -> None:
    """For the owners as they were listed last, the retries go on."""
    post.people.appoint(post.wallet_id, billing_admins=[], finance=[], actor=owner("U1"))
    post.workspace.owner_ids = ["owner"]
    post.trouble["owner"] = TROUBLES["away"]
    post.happens()
    post.carry()
    post.workspace.limited = True
    post.carry(hours=2)
    assert post.read == []

    post.trouble.clear()
    post.carry(minutes=5)
    assert post.read == [("owner", True)]


def test_a_recipient_who_was_told_is_not_told_again_when_the_round_fails_later(post: Post) -> None:
    """The retry of one person ends in an error after that person has read the notice."""
    post.trouble["first"] = TROUBLES["away"]
    post.happens()
    post.carry()
    post.trouble.clear()
    post.fails_at_the_end = True
    post.carry(minutes=5)
    post.fails_at_the_end = False
    post.carry(minutes=5)
    assert sorted(post.read) == sorted((one, True) for one in NAMES)


def test_a_workspace_that_names_no_owner_is_no_delivery(post: Post) -> None:
    """An empty list is nobody told, not everybody."""
    post.people.appoint(post.wallet_id, billing_admins=[], finance=[], actor=owner("U1"))
    post.happens()
    post.carry()
    post.carry(hours=3)
    assert post.states() == {OWNERS: DeliveryState.WAITING}
    post.workspace.owner_ids = ["owner"]
    post.carry(hours=1)
    assert post.read == [("owner", True)]


def test_a_crash_in_the_middle_repeats_nobody_who_was_told(post: Post) -> None:
    """Killed after the first was told: the next process tells the others alone."""

    class Killed(BaseException):
        pass

    post.trouble["middle"] = Killed  # type: ignore[assignment]
    post.happens()
    with pytest.raises(Killed):
        post.carry()
    post.trouble.clear()
    post.carry(minutes=5)
    assert post.read == [(one, True) for one in NAMES]


@dataclass(frozen=True, slots=True)
class FromLater:
    """A notice of a class that this version does not have."""

    name: ClassVar[str] = "from.later"


@dataclass(frozen=True, slots=True)
class ChargesSwitchedBefore:
    """A notice as another version wrote it, with a field that is gone."""

    off: bool
    reason: str
    name: ClassVar[str] = ChargesSwitched.name


def _commit(post: Post, *facts: FromLater | ChargesSwitchedBefore) -> None:
    post.ledger.run(lambda tx: tx.outbox.add(post.wallet_id, *facts), wallet_id=post.wallet_id)


def test_notice_of_unknown_class_is_set_aside_with_an_error_and_delays_no_later_one(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """No retry makes its name known, so the next notice of the wallet goes out at once."""
    _commit(post, FromLater())
    post.happens()
    post.carry()
    assert post.read == [(one, True) for one in NAMES]
    with post.ledger.reading() as connection:
        states = dict(connection.execute(select(notices.c.name, notices.c.state)).all())
    assert states == {FromLater.name: "dead", ChargesSwitched.name: "done"}
    assert "from.later" in caplog.text


def test_notice_with_a_field_that_is_gone_is_still_read(post: Post) -> None:
    """A notice that an earlier version wrote is told all the same."""
    _commit(post, ChargesSwitchedBefore(off=True, reason="maintenance"))
    post.carry()
    assert post.read == [(one, True) for one in NAMES]


def test_each_notice_has_a_name_of_its_own() -> None:
    """The name is all that says which class a stored notice has."""
    classes = get_args(AnyNotice)
    assert len({one.name for one in classes}) == len(classes) > 20
