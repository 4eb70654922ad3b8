"""An outbox, a courier and a Slack that is a list, for the tests of who was told what."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import select, update

from bot.app import open_ledger
from bot.delivering.courier import Courier
from bot.delivering.deliveries import Claim
from bot.delivering.open_deliveries import untold_since
from bot.notices import AnyNotice, CapReached, ChargesSwitched, RecipientLost
from bot.ports import NotNow, PeoplePage, PersonSeen, RecipientGone
from bot.served import Served
from bot.states.delivery import DeliveryState, Recipient
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
    read: list[tuple[str, str]] = field(default_factory=list)
    """Who read which notice, by what it says."""
    trouble: dict[str, Callable[[], Exception]] = field(default_factory=dict)
    slow: Callable[[Claim], None] = field(default=lambda claim: None)
    """What happens between a message and its row."""

    def show(self, claim: Claim) -> None:
        """Post one notice to one person."""
        who = claim.recipient.slack_id
        if who in self.trouble:
            raise self.trouble[who]()
        self.read.append((who, _said(claim.notice())))
        self.slow(claim)
        claim.done()

    def happens(self, *facts: AnyNotice) -> None:
        """Commit notices."""
        self.ledger.run(lambda tx: tx.outbox.add(self.wallet_id, *facts), wallet_id=self.wallet_id)

    def appoint(self, *, billing_admins: Sequence[str] = (), finance: Sequence[str] = ()) -> None:
        """Appoint people; nobody is told of that here."""
        self.people.appoint(self.wallet_id, billing_admins=billing_admins, finance=finance, actor=owner("U1"))
        done = update(notices).where(notices.c.wallet_id == self.wallet_id).values(state="done")
        self.ledger.run(lambda tx: tx.connection.execute(done), wallet_id=self.wallet_id)

    def carry(self, **later: int) -> None:
        """Let the courier come by until nothing is due, after a while."""
        self.clock.skip(**later)
        while self.courier.run_once(self.clock.now()):
            pass

    @property
    def courier(self) -> Courier:
        """A courier that has only just started: nothing is remembered outside the database."""
        return Courier(self.ledger, lambda waiting: None, self.show, Served("T1"))

    def list_people(self) -> None:
        """Let the workspace's people be listed anew, after an hour."""
        self.clock.skip(hours=1)
        PeopleListing(self.ledger, Served("T1"), self.workspace).run_once(self.clock.now())

    def untold_since(self) -> datetime | None:
        """Give since when nobody could be told of something."""
        with self.ledger.reading() as connection:
            return untold_since(connection, self.wallet_id)

    def states(self) -> dict[Recipient, DeliveryState]:
        """Give what is remembered of recipients."""
        with self.ledger.reading() as connection:
            rows = connection.execute(select(deliveries.c.recipient, deliveries.c.state)).all()
        return {Recipient.of(row.recipient): DeliveryState(row.state) for row in rows}


def _said(notice: AnyNotice) -> str:
    match notice:
        case CapReached(held=held):
            return held
        case ChargesSwitched(off=off):
            return "off" if off else "on"
        case RecipientLost(recipient=recipient, said=said):
            return f"{recipient} {said}"
        case _:
            return notice.name


@contextmanager
def post_in(tmp_path: Path) -> Iterator[Post]:
    """Three appointed people and no trouble."""
    clock = SettableClock()
    ledger = open_ledger(f"sqlite:///{lay_books(tmp_path) / 'redbar.db'}", clock)
    workspaces, workspace = Workspaces(ledger), Workspace()
    wallet_id = workspaces.open(
        team_id="T1", enterprise_id="", name="W", bot_user_id="B", currency=Currency.of("USD"), zone="UTC"
    )
    people = People(ledger, workspaces, workspace)
    made = Post(ledger, clock, wallet_id, people, workspace)
    made.appoint(billing_admins=NAMES[:2], finance=NAMES[2:])
    yield made
    ledger.close()
