"""The cells of the telling matrix: each kind of message, each trouble, and who is hit. No process here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import Any

from bot import notices as told
from bot.delivering.recipients import ALARMS, AWAITED, URGENT
from bot.notices import AnyNotice
from bot.payment_rows import open_payments
from bot.rights import Role
from bot.sandbox.slack.faults import Cut, Fail, Limit, Refuse, Say, Wrong
from bot.states.payment import Purpose
from ledger import (
    MICROS,
    PostUsage,
    StartedAfterStop,
    WalletEmptied,
    WalletLow,
    WalletPaused,
    WalletRecovered,
    WalletResumed,
    new_id,
)
from tests.bot.rights_company import FIFTY, USERS, Company
from tests.bot.test_notices_told import TOLD
from tests.persons import owner

EVERYBODY, IN_CHANNEL = "everybody", "channel"
PEOPLE = ("first", "middle", "last")
Act = Callable[[Company], object]
U1 = owner(USERS["owner"])


@dataclass(frozen=True, slots=True)
class Kind:
    """One class of notice, and how it comes about."""

    notice: type[AnyNotice]
    happens: Act
    before: Act = lambda one: None
    """What people have read of before."""
    moves: Act | None = None
    """What makes it an older state, where its subject lives or only its newest is told."""
    edits: bool = False
    """Whether it is shown by editing a message."""
    pair: bool = False
    """Whether two people read it, payer and asker; all others have three readers or more, or one alone."""
    alone: bool = False
    """Whether it is the answer to one person."""
    told_as: type[AnyNotice] | None = None
    """What it has become by the time anybody is told: what the house does for it first is news of the same subject."""

    @property
    def places(self) -> tuple[str, ...]:
        """Who can be hit."""
        people = PEOPLE[:1] if self.alone else (PEOPLE[0], PEOPLE[-1]) if self.pair else PEOPLE
        return (*people, IN_CHANNEL) if self.notice in ALARMS else people

    @property
    def name(self) -> str:
        """The name under which its deliveries are kept."""
        return (self.told_as or self.notice).name

    def __str__(self) -> str:
        return self.notice.__name__


def _ask(one: Company) -> None:
    one.cases.payments.ask(one.wallet_id, FIFTY, asked_by=U1, payer=USERS["payer"], note="")


def _withdraw(one: Company) -> None:
    with one.ledger.reading() as connection:
        payment = open_payments(connection, one.wallet_id, purposes=[Purpose.ASK])[-1]
    one.cases.payments.withdraw(one.wallet_id, payment.payment_id, by=U1)


def _repeat(one: Company) -> None:
    episode = one.context.episodes.open_episode(one.wallet_id)
    assert episode is not None
    _commit(one, told.StillStopped(episode.episode_id, 1))


def _use(one: Company) -> None:
    usage = PostUsage("platform", str(new_id()), "outbound_call", MICROS, one.ledger.now())
    one.ledger.carry_out(one.wallet_id, [usage])


def _commit(one: Company, fact: AnyNotice) -> None:
    one.ledger.run(lambda tx: tx.outbox.add(one.wallet_id, fact), wallet_id=one.wallet_id)


def _to(dollars: int) -> Act:
    return lambda one: one.bring_to(dollars)


OWN: Mapping[type[AnyNotice], Mapping[str, Any]] = {
    WalletLow: {"moves": _to(-1)},
    WalletEmptied: {"before": _to(5), "moves": _to(300), "edits": True},
    WalletPaused: {"moves": _to(300)},
    WalletResumed: {"before": _to(-1), "happens": _to(300), "edits": True},
    WalletRecovered: {"before": _to(5), "happens": _to(300), "edits": True},
    StartedAfterStop: {"moves": _use},
    told.RequestSent: {"happens": _ask, "moves": _withdraw, "pair": True},
    told.PaymentChanged: {"before": _ask, "happens": _withdraw, "edits": True, "pair": True},
    told.RechargeFailed: {"told_as": told.RechargeChanged},  # a link that can be paid instead
    told.OutcomeKnown: {"alone": True},
    told.StillStopped: {"before": _to(-1), "happens": _repeat},
    told.RoleChanged: {
        "happens": lambda one: _commit(
            one, told.RoleChanged(USERS["owner"], USERS["member"], None, Role.FINANCE)
        )
    },
    told.ChargesSwitched: {"moves": lambda one: _commit(one, told.ChargesSwitched(False))},
    told.KeyRefused: {"moves": lambda one: _commit(one, told.KeyAccepted())},
}
"""What the table of who is told of what does not say: what comes before, and what makes it old."""
KINDS = tuple(
    Kind(**{"notice": notice, "happens": one.happens, **OWN.get(notice, {})})
    for notice, one in TOLD.items()
    if one is not None
)


class Course(Enum):
    """How a trouble goes on and ends, and with it what is asserted."""

    GONE = auto()  # while it lasts the one hit reads nothing, then the operator sends it again
    WAITS = auto()  # it lasts for minutes, and ends by itself
    PASSES = auto()  # it happens once, and a later try succeeds
    REFUSED = auto()  # content: the words are read at once
    LIMITED = auto()  # the method waits for all
    REVOKED = auto()  # the workspace is gone, and comes back
    KILLED = auto()  # another process finds the books
    OVERSLEPT = auto()  # another process shows it meanwhile
    BESIDE = auto()  # another process is about to end it when the one that slept sends
    EDIT_GONE = auto()  # the message cannot be edited: it is told anew
    OUTGROWN = auto()  # something newer happens while it is on its way
    OUTRUN = auto()  # and another process shows that
    OUTRUN_BESIDE = auto()  # and is about to end it when the one that slept sends
    REPLACED = auto()  # the one hit is the only billing admin: the owners read it instead
    URGENT = auto()  # all of Slack is away, and something less urgent waits already


class When(Enum):
    """When a process is interrupted."""

    BEFORE = auto()  # the request leaves
    AFTER = auto()  # it was answered, and nothing is stored of it


@dataclass(frozen=True, slots=True)
class Trouble:
    """One way in which a message goes wrong."""

    name: str
    course: Course
    wrong: Wrong | None = None
    when: When = When.BEFORE
    repeats: bool = False
    """Whether the one hit may read a second copy: nobody can know that the first arrived."""
    whom: str = ""
    """"person" or "channel", where Slack answers so of these alone."""


LIMIT_SECONDS = 30
TROUBLES = (
    Trouble("user_disabled", Course.GONE, Refuse("user_disabled"), whom="person"),
    Trouble("messages_tab_disabled", Course.GONE, Refuse("messages_tab_disabled"), whom="person"),
    Trouble("channel_not_found", Course.GONE, Refuse("channel_not_found")),
    Trouble("is_archived", Course.GONE, Refuse("is_archived"), whom="channel"),
    Trouble("not_in_channel", Course.GONE, Refuse("not_in_channel"), whom="channel"),
    Trouble("the only admin is gone", Course.REPLACED, Refuse("user_disabled")),
    Trouble("503", Course.WAITS, Fail(503)),
    Trouble("internal_error", Course.WAITS, Refuse("internal_error")),
    Trouble("ratelimited, no header", Course.WAITS, Say({"ok": False, "error": "ratelimited"}, 429)),
    Trouble("no answer", Course.WAITS, Cut(done=False)),
    Trouble("a code nobody knows", Course.PASSES, Refuse("missing_charset")),
    Trouble("answer lost", Course.PASSES, Cut(done=True), repeats=True),
    Trouble("invalid_blocks", Course.REFUSED, Refuse("invalid_blocks")),
    Trouble("429", Course.LIMITED, Limit(LIMIT_SECONDS)),
    Trouble("token_revoked", Course.REVOKED, Refuse("token_revoked")),
    Trouble("killed before sending", Course.KILLED),
    Trouble("killed after sending", Course.KILLED, when=When.AFTER, repeats=True),
    Trouble("overslept before sending", Course.OVERSLEPT),
    Trouble("overslept after sending", Course.OVERSLEPT, when=When.AFTER),
    Trouble("overslept, both send", Course.BESIDE),
    Trouble("message_not_found", Course.EDIT_GONE, Refuse("message_not_found")),
    Trouble("edit_window_closed", Course.EDIT_GONE, Refuse("edit_window_closed")),
    Trouble("outgrown", Course.OUTGROWN),
    Trouble("outrun", Course.OUTRUN),
    Trouble("outrun, both send", Course.OUTRUN_BESIDE),
    Trouble("behind something less urgent", Course.URGENT, Fail(503)),
)
FOR_ALL = (Course.REVOKED, Course.URGENT, Course.REPLACED)


@dataclass(frozen=True, slots=True)
class Cell:
    """One round."""

    kind: Kind
    trouble: Trouble
    hit: str
    """Who meets the trouble."""

    def __str__(self) -> str:
        return f"{self.kind} × {self.trouble.name} × {self.hit}"


def cells_of(kind: Kind) -> list[Cell]:
    """Give the cells of a kind."""
    return [
        Cell(kind, trouble, place)
        for trouble in TROUBLES
        if _concerns(trouble, kind)
        for place in ([EVERYBODY] if trouble.course in FOR_ALL else kind.places)
        if trouble.whom in ("", IN_CHANNEL if place == IN_CHANNEL else "person")
    ]


def sample(cells: Sequence[Cell], number: int, seed: int) -> list[Cell]:
    """Give so many cells in their order: every kind and every trouble at least once, the rest by chance."""
    chance = Random(seed)  # noqa: S311 - a fixed seed, so that a failure comes again
    known: set[str] = set()
    chosen: list[Cell] = []
    others: list[Cell] = []
    for cell in chance.sample(cells, len(cells)):
        names = {str(cell.kind), cell.trouble.name}
        (others if names <= known else chosen).append(cell)
        known |= names
    return sorted((chosen + others)[: max(number, len(chosen))], key=cells.index)


def _concerns(trouble: Trouble, kind: Kind) -> bool:
    match trouble.course:
        case Course.EDIT_GONE:
            return kind.edits
        case Course.OUTGROWN | Course.OUTRUN | Course.OUTRUN_BESIDE:
            return kind.moves is not None
        case Course.URGENT:
            return kind.notice in (*ALARMS, *URGENT, *AWAITED)
        case Course.REPLACED:
            return not (kind.pair or kind.alone or kind.edits)
        case _:
            return True


CELLS = [cell for kind in KINDS for cell in cells_of(kind)]
