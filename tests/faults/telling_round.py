"""One cell of the telling matrix: played on a ground, and judged by what each conversation shows."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread

from bot.delivering.deliveries import LEASE
from bot.sandbox.slack.faults import EVERY_METHOD, Fault, Faults, Wrong
from bot.sandbox.slack.seed import TEAM
from bot.states.delivery import DeliveryState, Recipient
from bot.wallets.workspaces import Workspaces
from ledger import MICROS, CreditKind, PostMoney, new_id
from tests.faults.telling_cells import EVERYBODY, IN_CHANNEL, LIMIT_SECONDS, PEOPLE, Cell, Course, Kind, When
from tests.faults.telling_ground import (
    ADMINS,
    CHANNEL,
    FINANCE,
    Ground,
    Killed,
    Read,
    conversation,
    dies,
    fresh,
    one_by_one,
)

A_MOMENT = timedelta(seconds=10)
PAUSES_OVER = timedelta(minutes=2, seconds=10)
"""The longest pause of a delivery and the longest silence of a workspace, one after the other."""
Texts = Mapping[str, Counter[str]]


@dataclass(frozen=True, slots=True)
class Calm:
    """What a kind's readers read where nothing goes wrong, in the order in which they are told."""

    recipients: tuple[Recipient, ...]
    texts: Texts

    @property
    def people(self) -> list[Recipient]:
        """Give the readers who are people."""
        return [one for one in self.recipients if not one.is_channel]

    def at(self, place: str) -> Recipient:
        """Give who is hit."""
        if place == IN_CHANNEL:
            return Recipient.channel(CHANNEL)
        people = self.people
        return people[{PEOPLE[0]: 0, PEOPLE[1]: len(people) // 2, PEOPLE[2]: -1}[place]]


def begin(ground: Ground, kind: Kind) -> Read:
    """Bring a ground to where a kind may happen; gives what everybody has read by then."""
    ground.reset()
    kind.before(ground.one)
    ground.carry()
    ground.line.sent.clear()
    return ground.read()


def calm(ground: Ground, kind: Kind, *, moves: bool = False) -> Calm:
    """Let a kind happen with nothing in its way, and what makes it old before anybody was told."""
    before = begin(ground, kind)
    kind.happens(ground.one)
    if moves:
        assert kind.moves is not None
        kind.moves(ground.one)
    with one_by_one():
        ground.carry()
    mine = {one.recipient: None for one in ground.line.sent if moves or one.notice == kind.name}
    return Calm(tuple(mine), fresh(before, ground.read()))


class Round:
    """One cell, played to its end and judged."""

    def __init__(self, ground: Ground, cell: Cell, right: Calm, moved: Calm | None) -> None:
        self._ground = ground
        self._trouble = cell.trouble
        self._kind = cell.kind
        self._right = right
        self._moved = moved
        self._for_all = cell.hit == EVERYBODY
        self._hit = right.recipients[0] if self._for_all else right.at(cell.hit)
        self._place = conversation(self._hit)
        self._interrupted = False
        self._other: Thread | None = None
        self._go_on = Event()
        self._before: Read = {}
        self._seq = 0
        self.wrong: list[str] = []
        self._courses: Mapping[Course, Callable[[], None]] = {
            Course.GONE: self._gone,
            Course.REPLACED: self._replaced,
            Course.WAITS: self._waits,
            Course.PASSES: self._passes,
            Course.REFUSED: self._refused,
            Course.LIMITED: self._limited,
            Course.REVOKED: self._revoked,
            Course.KILLED: self._killed,
            Course.OVERSLEPT: self._overslept,
            Course.BESIDE: self._beside,
            Course.OUTRUN_BESIDE: self._outrun_beside,
            Course.EDIT_GONE: self._edit_gone,
            Course.OUTGROWN: self._outgrown,
            Course.OUTRUN: self._outrun,
            Course.URGENT: self._urgent,
        }

    def play(self) -> list[str]:
        """Play it; gives what is wrong."""
        self._before = begin(self._ground, self._kind)
        self._courses[self._trouble.course]()
        if self._ground.waiting():
            self.wrong.append(f"at the end there wait {self._ground.waiting()}")
        return self.wrong

    # --- How each trouble goes on --------------------------------------------------------------------------

    def _gone(self) -> None:
        self._arm(lasts=True)
        self._happens()
        self._others_read("at once")
        self._hit_reads(nothing=True)
        self._must(
            str(self._hit) in self._ground.waiting(DeliveryState.ASIDE), "the one hit is not set aside"
        )
        self._those_who_can_mend_it_read()
        self._ground.wait(timedelta(minutes=5), step=timedelta(minutes=1))
        self._others_read("and never again")
        self._hit_reads(nothing=True)
        self._faults.clear()
        self._ground.send_again()
        self._ground.wait(A_MOMENT)
        self._all_read("after it was sent again")

    def _replaced(self) -> None:
        ground = self._ground
        only, *owners = map(Recipient.person, ADMINS)
        ground.appoint((only.slack_id,), (ADMINS[-1], FINANCE))
        try:
            self._before = begin(ground, self._kind)
            self._faults.add(Fault(EVERY_METHOD, self._wrong, channel=only.slack_id, times=None))
            self._happens()
            posted = [one for one in ground.line.sent if one.method == "chat.postMessage" and one.ts]
            sent = [one for one in posted if one.notice == self._kind.name]
            for owner in owners:
                copies = sum(one.recipient == owner for one in sent if one.seq <= self._seq)
                self._must(copies == 1, f"{owner} reads {copies} instead of the only admin")
        finally:
            self._faults.clear()
            ground.appoint(ADMINS, (FINANCE,))

    def _waits(self) -> None:
        self._arm(lasts=True)
        self._happens()
        self._others_read("at once")
        self._ground.wait(timedelta(minutes=4))
        self._others_read("and never again")
        self._hit_reads(nothing=True)
        self._faults.clear()
        self._ground.wait(PAUSES_OVER)
        self._all_read("afterwards")

    def _passes(self) -> None:
        self._arm()
        self._happens()
        self._others_read("at once")
        self._ground.wait(A_MOMENT, step=timedelta(seconds=2))
        self._all_read("soon")

    def _refused(self) -> None:
        self._arm()
        self._happens()
        self._all_read("at once")

    def _limited(self) -> None:
        self._arm()
        with one_by_one():
            self._happens()
        sent = self._ground.line.sent
        limited = next(index for index, one in enumerate(sent) if not one.ts)
        self._ground.wait(timedelta(seconds=LIMIT_SECONDS - 6), step=timedelta(seconds=4))
        until = sent[limited].at + timedelta(seconds=LIMIT_SECONDS)
        early = [one for one in sent[limited + 1 :] if one.method == sent[limited].method and one.at < until]
        self._must(not early, f"within the limit was sent {early}")
        self._ground.wait(timedelta(seconds=2))
        self._ground.wait(A_MOMENT, step=timedelta(seconds=2))
        self._all_read("after the limit")

    def _revoked(self) -> None:
        self._faults.add(Fault(EVERY_METHOD, self._wrong, times=None))
        self._happens()
        rejected = self._ground.one.ledger.now()
        self._ground.wait(timedelta(minutes=5), step=timedelta(minutes=1))
        late = [one for one in self._ground.line.sent if one.at > rejected]
        self._must(not late, f"a dead workspace was sent {late}")
        self._faults.clear()
        Workspaces(self._ground.one.ledger).revive(TEAM)
        self._ground.wait(A_MOMENT, step=timedelta(seconds=2))
        self._all_read("when the workspace is back")

    def _killed(self) -> None:
        self._interrupt(self._die)
        self._kind.happens(self._ground.one)
        dies(self._ground)
        self._ground.carry()
        self._others_read("by the next process")
        self._ground.wait(LEASE + A_MOMENT)
        self._all_read("after the lease")

    def _overslept(self) -> None:
        self._interrupt(self._sleep)
        with one_by_one():
            self._happens()
        self._ground.wait(A_MOMENT, step=timedelta(seconds=2))
        self._all_read("in the end")

    def _beside(self) -> None:
        self._interrupt(self._sleep_beside)
        self._happens_beside()
        self._all_read("in the end")

    def _outrun_beside(self) -> None:
        self._interrupt(self._move_beside)
        self._happens_beside()
        self._newest_stands()

    def _happens_beside(self) -> None:
        with one_by_one():
            self._happens()
            self._go_on.set()
            assert self._other is not None
            self._other.join()
        self._ground.wait(A_MOMENT, step=timedelta(seconds=2))

    def _edit_gone(self) -> None:
        self._arm(method="chat.update")
        self._happens()
        self._others_read("at once")
        wanted = {one for one in self._right.texts[self._place] if not one.startswith("↳")}
        got = self._read().get(self._place, Counter())
        told = [one for one in got.elements() if not one.startswith("↳")]
        self._must(sorted(told) == sorted(wanted), f"{self._place} reads {told} instead of {wanted}")

    def _outgrown(self) -> None:
        self._interrupt(self._move)
        self._happens()
        self._ground.wait(A_MOMENT, step=timedelta(seconds=2))
        self._newest_stands()

    def _outrun(self) -> None:
        self._interrupt(self._move_asleep)
        with one_by_one():
            self._happens()
        self._ground.wait(A_MOMENT, step=timedelta(seconds=2))
        self._newest_stands()

    def _urgent(self) -> None:
        later = f"promo-{new_id()}"
        credit = PostMoney("operator", later, CreditKind.PROMO, MICROS, None, description="for the outage")
        self._faults.add(Fault(EVERY_METHOD, self._wrong, times=None))
        self._ground.one.ledger.carry_out(self._ground.one.wallet_id, [credit])
        self._happens()
        self._faults.clear()
        self._ground.line.sent.clear()
        self._ground.wait(PAUSES_OVER, step=timedelta(seconds=5))
        for place in map(conversation, self._right.recipients):
            mine = [one.notice for one in self._ground.line.sent if conversation(one.recipient) == place]
            names = [one for one in mine if one in ("wallet.credited", self._kind.name)]
            self._must(
                "wallet.credited" not in names[: names.index(self._kind.name)],
                f"{place} reads first what is less urgent: {mine}",
            )

    # --- Interruptions -------------------------------------------------------------------------------------

    def _interrupt(self, act: Callable[[], None]) -> None:
        def hook(method: str, channel: str) -> None:
            if not self._interrupted and channel in (self._place, self._hit.slack_id):
                self._interrupted = True
                act()

        if self._trouble.when is When.BEFORE:
            self._ground.line.before = hook
        else:
            self._ground.line.after = hook

    def _die(self) -> None:
        raise Killed

    def _sleep(self) -> None:
        """Sleep past the lease, while another process comes by."""
        self._ground.start()
        self._ground.carry(seconds=LEASE.total_seconds() + 1)

    def _sleep_beside(self) -> None:
        """Sleep past the lease, until another process has sent the same and not stored it yet."""
        has_sent = Event()

        def hook(method: str, channel: str) -> None:
            if channel in (self._place, self._hit.slack_id) and not has_sent.is_set():
                has_sent.set()
                assert self._go_on.wait(60)

        self._ground.start()
        self._ground.line.after = hook
        self._ground.one.place.clock.skip(seconds=LEASE.total_seconds() + 1)
        self._other = Thread(target=self._ground.carry)
        self._other.start()
        assert has_sent.wait(60), "the other process sent nothing"

    def _move_beside(self) -> None:
        assert self._kind.moves is not None
        self._kind.moves(self._ground.one)
        self._sleep_beside()

    def _move(self) -> None:
        assert self._kind.moves is not None
        self._kind.moves(self._ground.one)
        self._ground.courier().hand_out()

    def _move_asleep(self) -> None:
        assert self._kind.moves is not None
        self._kind.moves(self._ground.one)
        self._sleep()

    # --- What is asserted ----------------------------------------------------------------------------------

    def _others_read(self, when: str) -> None:
        now = self._read()
        for place in {*self._right.texts, *now} - {self._place}:
            self._compare(place, now, when)

    def _all_read(self, when: str) -> None:
        now = self._read()
        for place in {*self._right.texts, *now}:
            self._compare(place, now, when)

    def _compare(self, place: str, now: Texts, when: str) -> None:
        wanted, got = self._right.texts.get(place, Counter()), now.get(place, Counter())
        more, less = got - wanted, wanted - got
        if place == self._place and self._trouble.repeats and more.total() == 1 and more <= wanted:
            more = Counter()
        self._must(
            not more and not less, f"{when} {place} reads too much {dict(more)}, too little {dict(less)}"
        )

    def _hit_reads(self, *, nothing: bool) -> None:
        got = self._read().get(self._place, Counter())
        self._must(nothing and not got, f"{self._place} reads {dict(got)}")

    def _newest_stands(self) -> None:
        """The last that everybody reads is the newest state, and a subject that lives has one message."""
        assert self._moved is not None
        now = self._ground.read()
        for place, wanted in self._moved.texts.items():
            right = {one for one in wanted if not one.startswith("↳")}
            shown = list(fresh(self._before, {place: now[place]}).get(place, Counter()).elements())
            top = [one for one in now[place].values() if not one.startswith("↳")]
            self._must(bool(top) and top[-1] in right, f"{place} reads last {top[-1:]} instead of {right}")
            self._must(max(Counter(shown).values()) == 1, f"{place} reads twice {shown}")
            if place == self._place and self._trouble.course is not Course.OUTGROWN:
                self._must(sorted(top) == sorted(right), f"{place} still reads what was outrun: {top}")

    def _those_who_can_mend_it_read(self) -> None:
        caused = [one for one in self._ground.line.sent if one.seq > self._seq and one.ts]
        readers = Counter(one.recipient for one in caused)
        known = self._hit.is_channel or self._hit.slack_id in (*ADMINS, FINANCE)
        self._must(bool(caused) or not known, "nobody reads that the one hit is not reached")
        self._must(max(readers.values(), default=1) == 1, f"the same is said twice: {readers}")

    # --- In short ------------------------------------------------------------------------------------------

    def _happens(self) -> None:
        self._kind.happens(self._ground.one)
        self._ground.courier().hand_out()  # what the house does at once, and tells of, is no trouble's
        self._seq = self._ground.last_seq()
        self._ground.carry()

    def _arm(self, *, lasts: bool = False, method: str = EVERY_METHOD) -> None:
        times = None if lasts else 1
        self._faults.add(Fault(method, self._wrong, channel=self._hit.slack_id, times=times))

    def _read(self) -> dict[str, Counter[str]]:
        """Give what is new, without what only tells of the trouble."""
        caused = {one.ts for one in self._ground.line.sent if self._seq and one.seq > self._seq}
        return fresh(self._before, self._ground.read(), caused)

    def _must(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)

    @property
    def _faults(self) -> Faults:
        return self._ground.one.place.stand_in.faults

    @property
    def _wrong(self) -> Wrong:
        assert self._trouble.wrong is not None, "this trouble is no answer of Slack's"
        return self._trouble.wrong
