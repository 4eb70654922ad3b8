"""A notice is told to each recipient alone: whoever has trouble, the others read it once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import ClassVar, get_args
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, delete, select, update

from bot.delivering import courier
from bot.delivering.deliveries import LEASE, TRIES_MAX, Claim, LeaseLost, want, want_again
from bot.delivering.known import read_known
from bot.delivering.recipients import wanted
from bot.notices import AnyNotice, CapReached, ChargesSwitched
from bot.ports import NotNow, Paced
from bot.states.delivery import OWNERS, DeliveryState, Recipient, Subject, SubjectKind
from bot.tables import deliveries
from ledger import read_notice
from ledger.storage.schema import notices
from tests.bot.courier_post import NAMES, TROUBLES, Post, post_in
from tests.sandbox.slack_place import Place


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """Three appointed people and no trouble."""
    with post_in(tmp_path) as made:
        yield made


@pytest.mark.parametrize("who", NAMES)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_one_recipient_in_trouble_does_not_keep_others_from_reading_once(
    post: Post, who: str, trouble: str
) -> None:
    """Whoever it is and whatever it is: everybody else reads at once, and never a second time."""
    post.trouble[who] = TROUBLES[trouble]
    others = sorted((one, "cap") for one in NAMES if one != who)

    def read() -> list[tuple[str, str]]:
        return sorted(one for one in post.read if one[1] == "cap")

    post.happens(CapReached("cap"))
    post.carry()
    assert read() == others

    for _ in range(TRIES_MAX + 3):
        post.carry(minutes=5)
    assert read() == others
    is_waiting = trouble in ("limited", "away")
    assert post.states().get(Recipient.person(who)) == (
        DeliveryState.WAITING if is_waiting else DeliveryState.ASIDE
    )

    post.trouble.clear()
    post.carry(minutes=5)
    assert read() == sorted(others + ([(who, "cap")] if is_waiting else []))


@pytest.mark.parametrize("trouble", ["limited", "away"])
def test_later_notices_pass_a_recipient_who_waits_and_reach_them_in_order(post: Post, trouble: str) -> None:
    """Slack is away for one person for three days: the others read on, that one reads in order at the end."""
    post.trouble["first"] = TROUBLES[trouble]
    for held in ("one", "two"):
        post.happens(CapReached(held))
        post.carry(hours=36)
    assert sorted(post.read[:2]) == [("last", "one"), ("middle", "one")]
    assert sorted(post.read[2:]) == [("last", "two"), ("middle", "two")]

    post.trouble.clear()
    post.carry(minutes=5)
    assert post.read[4:] == [("first", "one"), ("first", "two")]
    assert post.states() == {}


def test_an_alarm_is_read_before_what_is_less_urgent(post: Post) -> None:
    """Whoever could not be told of either."""
    post.trouble = dict.fromkeys(NAMES, TROUBLES["away"])
    post.happens(ChargesSwitched(off=True), CapReached("cap"))
    post.carry()
    post.trouble.clear()
    post.carry(minutes=5)
    assert [said for who, said in post.read if who == "first"] == ["cap", "off"]


def test_what_nobody_saw_yet_is_told_as_it_stands_at_the_end(post: Post) -> None:
    """Slack is away while charges are switched off and on again: one message, and it is true."""
    post.trouble = dict.fromkeys(NAMES, TROUBLES["away"])
    for off in (True, False, True, False):
        post.happens(ChargesSwitched(off=off))
        post.carry(minutes=5)
    post.trouble.clear()
    post.carry(minutes=5)
    assert sorted(post.read) == sorted((one, "on") for one in NAMES)


def test_the_same_notice_handed_out_twice_tells_nobody_twice(post: Post) -> None:
    """Two processes hand it out: the second finds the rows of the first."""
    post.happens(CapReached("cap"))
    post.trouble["last"] = TROUBLES["away"]
    post.carry()
    with post.ledger.reading() as connection:
        mine = notices.c.name == CapReached.name
        notice_id = connection.execute(select(notices.c.notice_id).where(mine)).scalar_one()
        waiting = read_notice(connection, post.wallet_id, notice_id)
        known = read_known(connection, post.wallet_id, CapReached("cap"))
    again = wanted(CapReached("cap"), notice_id, known)
    post.ledger.run(lambda tx: want(tx, again, waiting), wallet_id=post.wallet_id)
    post.trouble.clear()
    post.carry(minutes=5)
    assert sorted(post.read) == sorted((one, "cap") for one in NAMES)


def test_what_is_committed_during_a_slow_answer_is_told_before_that_comes(post: Post) -> None:
    """Slack holds one recipient's message back; the others read the next notice meanwhile."""
    answered = Event()

    def slow(claim: Claim) -> None:
        if claim.recipient.slack_id == "first":
            answered.wait(60)

    post.slow = slow
    post.happens(CapReached("one"))
    with ThreadPoolExecutor(1) as pool:
        round_of_courier = pool.submit(post.courier.run_once, post.clock.now())
        try:
            Place.wait_for(lambda: len(post.read) == 3)
            post.happens(CapReached("two"))
            Place.wait_for(lambda: {("middle", "two"), ("last", "two")} <= set(post.read))
        finally:
            answered.set()
        round_of_courier.result()
    assert post.read[-1] == ("first", "two")


def test_a_limited_recipient_is_tried_again_once_slack_says_so(post: Post) -> None:
    """Not earlier: each try before that is refused, and may lengthen the limit."""
    asked: list[datetime] = []

    def limited() -> NotNow:
        asked.append(post.clock.now())
        return NotNow("ratelimited", timedelta(minutes=10))

    post.trouble["first"] = limited
    post.happens(CapReached("cap"))
    post.carry()
    for _ in range(11):
        post.carry(minutes=1)
    post.carry(minutes=9)
    assert [one - asked[0] for one in asked[1:]] == [timedelta(minutes=10), timedelta(minutes=20)]


def test_who_waits_for_the_pace_has_not_failed(post: Post) -> None:
    """However often there is no room yet: it is sent when there is, and no try is counted."""
    post.trouble["first"] = lambda: Paced("paced", timedelta(seconds=3))
    post.happens(CapReached("cap"))
    for _ in range(TRIES_MAX * 3):
        post.carry(seconds=3)
    with post.ledger.reading() as connection:
        assert connection.execute(
            select(deliveries.c.tries).where(deliveries.c.state == "waiting")
        ).all() == [(0,)]
    post.trouble.clear()
    post.carry(seconds=3)
    assert ("first", "cap") in post.read


def test_who_is_limited_again_and_again_keeps_nobody_else_waiting(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack's limit applies to the whole workspace: who met it is tried again after those who were not tried yet."""
    limit, held_until, show = timedelta(seconds=30), post.clock.now(), post.show

    def limited(claim: Claim) -> None:
        nonlocal held_until
        now = post.clock.now()
        if now < held_until:
            raise Paced("paced", held_until - now)
        if claim.recipient.slack_id == "first":
            held_until = now + limit
            raise NotNow("ratelimited", limit)
        show(claim)

    monkeypatch.setattr(post, "show", limited)
    monkeypatch.setattr(courier, "SIDE_BY_SIDE", 1)
    post.happens(CapReached("cap"))
    post.carry()
    assert post.read == []
    post.carry(seconds=31)
    assert sorted(post.read) == [("last", "cap"), ("middle", "cap")]


def test_a_short_limit_does_not_shorten_the_pause(post: Post) -> None:
    """The pause grows with each failure, whatever Slack asks for."""
    post.trouble["first"] = lambda: NotNow("ratelimited", timedelta(seconds=1))
    post.happens(CapReached("cap"))
    post.carry()
    post.trouble.clear()
    post.carry(seconds=1)
    assert ("first", "cap") not in post.read
    post.carry(seconds=1)
    assert ("first", "cap") in post.read


def test_everybody_waits_through_an_outage_of_days_and_reads_once(post: Post) -> None:
    """There is no number of tries after which a person is never told."""
    post.trouble = dict.fromkeys(NAMES, TROUBLES["away"])
    post.happens(CapReached("cap"))
    for _ in range(60):
        post.carry(hours=2)
    assert post.read == []
    post.trouble.clear()
    post.carry(minutes=5)
    assert sorted(post.read) == sorted((one, "cap") for one in NAMES)


# --- Who replaces whom -------------------------------------------------------------------------------------


def test_owners_are_told_when_the_last_appointed_admin_is_gone(post: Post) -> None:
    """One admin who can be reached is enough; with none left the owners read it, and that it is so."""
    post.workspace.owner_ids = ["owner"]
    post.list_people()
    post.trouble["first"] = TROUBLES["gone"]
    post.happens(CapReached("one"))
    post.carry()
    assert ("owner", "one") not in post.read
    assert ("middle", "person:first is_archived") in post.read

    post.workspace.left.add("middle")
    post.list_people()
    post.happens(CapReached("two"))
    post.carry()
    assert sorted(who for who, said in post.read if said == "two") == ["last", "owner"]


def test_others_hear_once_of_somebody_who_is_gone_until_that_one_reads_again(post: Post) -> None:
    """Each alarm is refused anew; nobody wants to read that every time."""
    post.trouble["first"] = TROUBLES["gone"]
    lost = ("middle", "person:first is_archived")
    for held in ("one", "two", "three"):
        post.happens(CapReached(held))
        post.carry(minutes=5)
    assert post.read.count(lost) == 1

    post.trouble.clear()
    post.happens(CapReached("four"))
    post.carry(minutes=5)
    post.trouble["first"] = TROUBLES["gone"]
    post.happens(CapReached("five"))
    post.carry(minutes=5)
    assert post.read.count(lost) == 2


def test_a_notice_without_recipients_waits_until_slack_names_the_owners(post: Post) -> None:
    """Nobody is appointed, and the people of the workspace were never listed: that is no delivery."""
    post.appoint(finance=["last"])
    post.happens(CapReached("cap"))
    for _ in range(TRIES_MAX + 3):
        post.carry(minutes=5)
    assert post.read == [("last", "cap")]
    assert post.states()[OWNERS] is DeliveryState.WAITING

    post.workspace.owner_ids = ["owner", "other"]
    post.list_people()
    post.trouble["other"] = TROUBLES["away"]
    post.carry(minutes=5)
    post.carry(minutes=5)
    post.trouble.clear()
    post.carry(minutes=5)
    assert post.read == [("last", "cap"), ("owner", "cap"), ("other", "cap")]
    assert post.states() == {}


def test_a_workspace_that_names_no_owner_is_no_delivery(post: Post) -> None:
    """An empty list is nobody told, not everybody."""
    post.appoint()
    post.list_people()
    post.happens(CapReached("cap"))
    post.carry()
    post.carry(hours=3)
    assert post.states() == {OWNERS: DeliveryState.WAITING}
    post.workspace.owner_ids = ["owner"]
    post.list_people()
    post.carry(minutes=5)
    assert post.read == [("owner", "cap")]


# --- Crashes, and couriers that sleep ----------------------------------------------------------------------


def test_a_crash_in_the_middle_repeats_nobody_who_was_told(post: Post) -> None:
    """Killed while the second was told: the next process tells those alone whose rows say so."""

    class Killed(BaseException):
        pass

    post.trouble["middle"] = Killed  # type: ignore[assignment]
    post.happens(CapReached("cap"))
    with pytest.raises(Killed):
        post.carry()
    post.trouble.clear()
    post.clock.skip(seconds=int(LEASE.total_seconds()))
    post.carry()
    assert sorted(post.read) == sorted((one, "cap") for one in NAMES)


def test_who_slept_past_the_lease_ends_nothing(post: Post) -> None:
    """Another process has told it meanwhile; what is written down is what that one did."""
    lost: list[type[Exception]] = []

    def sleeps(claim: Claim) -> None:
        post.slow = lambda claim: None
        post.clock.skip(seconds=int(LEASE.total_seconds()))
        assert post.courier.run_once(post.clock.now()) >= 1
        with pytest.raises(LeaseLost) as told:
            claim.done(lambda tx: lost.append(AssertionError))
        lost.append(told.type)
        raise told.value

    post.appoint(billing_admins=["first"])
    post.slow = sleeps
    post.happens(CapReached("cap"))
    post.carry()
    assert lost == [LeaseLost]
    assert post.states() == {}
    post.carry(minutes=5)
    assert post.read == [("first", "cap")] * 2  # the sleeper takes its own copy back; see Posting


def test_a_living_subject_is_shown_once_more_after_a_lease_was_overslept(post: Post) -> None:
    """The sleeper's edit may have come after the newer one: what stands there is unknown."""
    payment = uuid4()
    subject, reader = Subject(SubjectKind.PAYMENT, str(payment)), Recipient.person("first")
    shown: list[int] = []

    def sleeps(claim: Claim) -> None:
        shown.append(claim.shown)
        if len(shown) == 1:
            post.clock.skip(seconds=int(LEASE.total_seconds()))
            post.courier.run_once(post.clock.now())

    post.slow = sleeps
    post.happens(CapReached("cap"))
    post.courier.hand_out()
    post.ledger.run(
        lambda tx: _make_living(tx.connection, post.wallet_id, subject, reader), wallet_id=post.wallet_id
    )
    post.carry()
    post.carry(minutes=5)
    assert shown == [0, 0, 0]
    post.ledger.run(lambda tx: want_again(tx, post.wallet_id, subject, reader), wallet_id=post.wallet_id)
    post.carry()
    assert shown == [0, 0, 0, 2]


def _make_living(connection: Connection, wallet_id: UUID, subject: Subject, reader: Recipient) -> None:
    """Let the only delivery be one about a payment."""
    mine = (deliveries.c.wallet_id == wallet_id) & (deliveries.c.recipient == str(reader))
    connection.execute(delete(deliveries).where(deliveries.c.recipient != str(reader)))
    connection.execute(update(deliveries).where(mine).values(subject=str(subject)))


# --- Notices of other versions -----------------------------------------------------------------------------


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
    post.happens(ChargesSwitched(off=True))
    post.carry()
    assert sorted(post.read) == sorted((one, "off") for one in NAMES)
    with post.ledger.reading() as connection:
        committed = notices.c.name.in_([FromLater.name, ChargesSwitched.name])
        rows = connection.execute(select(notices.c.name, notices.c.state).where(committed))
        states = dict(rows.all())
    assert states == {FromLater.name: "dead", ChargesSwitched.name: "done"}
    assert "from.later" in caplog.text


def test_notice_with_a_field_that_is_gone_is_still_read(post: Post) -> None:
    """A notice that an earlier version wrote is told all the same."""
    _commit(post, ChargesSwitchedBefore(off=True, reason="maintenance"))
    post.carry()
    assert sorted(post.read) == sorted((one, "off") for one in NAMES)


def test_each_notice_has_a_name_of_its_own() -> None:
    """The name is all that says which class a stored notice has."""
    classes = get_args(AnyNotice)
    assert len({one.name for one in classes}) == len(classes) > 20
