"""The stored list of people: read from Slack in pages, kept while Slack is silent, corrected by events."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from slack_bolt import App, BoltRequest
from sqlalchemy import func, insert, select

from bot import payment_rows
from bot.app import open_ledger
from bot.ports import PeoplePage, PersonSeen
from bot.rights import Role
from bot.sandbox.slack import seed
from bot.sandbox.slack.faults import Fail, Fault, Limit, Refuse, Wrong
from bot.sandbox.slack.roster import Roster
from bot.sandbox.slack.seed import PARTNER_TEAM, TEAM
from bot.served import Served
from bot.slack import listeners
from bot.slack.people_directory import PAGE_SIZE, SlackDirectory
from bot.states.payment import Purpose, Way
from bot.tables import people, people_listings, workspace_people
from bot.wallets.people_listing import LEASE, PAUSE_MAX, PeopleListing
from bot.wallets.workspace_people import left, listed_at, owners, workspace_role
from bot.wallets.workspaces import Workspaces
from ledger import USD, Currency, Ledger, Tx
from tests.blank_books import lay_books
from tests.bot.rights_company import USERS, Company, company
from tests.sandbox.slack_place import Place, SettableClock, lent_stage

LATER = [
    seed.Person("U2MEMBER0", "one", "A B", "member", "#000000"),
    seed.Person("U2MEMBER1", "two", "A B", "member", "#000000"),
    seed.Person("U4OWNER", "second", "A B", "owner", "#000000"),
    seed.Person("U5LEFT", "gone", "A B", "member", "#000000", left=True),
    seed.Person("U6LEFT", "stranger", "A B", "member", "#000000", left=True),
]
"""Who is in the workspace beside the seed's five."""
_numbers = count(1)


@dataclass
class Shop:
    """Books, and a Slack with ten people and two machines in pages of five."""

    ledger: Ledger
    clock: SettableClock
    place: Place
    wallet_id: UUID

    @property
    def directory(self) -> SlackDirectory:
        """Slack as the bot asks it."""
        return SlackDirectory(self.place.web)

    @property
    def listing(self) -> PeopleListing:
        """A process that has only just started: nothing is remembered outside the database."""
        return PeopleListing(self.ledger, Served(TEAM), self.directory)

    def lists(self, *, pages: int = 1, **later: float) -> None:
        """Let the job run, once a page."""
        for _ in range(pages):
            self.clock.skip(**later or {"seconds": 4})
            self.listing.run_once(self.clock.now())

    def cursors(self) -> list[str]:
        """Give the pages that were asked for, by their cursors."""
        asked = [one for one in self.place.wire() if one["path"].endswith("users.list")]
        return [str((one["body"] or {}).get("cursor") or "") for one in asked]

    def due_at(self) -> datetime:
        """Give when the next page is due."""
        with self.ledger.reading() as connection:
            found: datetime = connection.execute(
                select(people_listings.c.due_at).where(people_listings.c.wallet_id == self.wallet_id)
            ).scalar_one()
        return found

    def owners(self) -> list[str] | None:
        """Give the stored owners."""
        with self.ledger.reading() as connection:
            found = owners(connection, self.wallet_id)
        return list(found) if found is not None else None

    def role(self, user_id: str) -> Role:
        """Give a stored role."""
        with self.ledger.reading() as connection:
            return workspace_role(connection, self.wallet_id, user_id)

    def left(self) -> frozenset[str]:
        """Give who has left."""
        with self.ledger.reading() as connection:
            return left(connection, self.wallet_id)

    def rows(self) -> int:
        """Count the stored people."""
        with self.ledger.reading() as connection:
            found: int = connection.execute(
                select(func.count())
                .select_from(workspace_people)
                .where(workspace_people.c.wallet_id == self.wallet_id)
            ).scalar_one()
        return found

    def appoint(self, user_id: str) -> None:
        """Let somebody have been appointed before."""
        row = {"user_id": user_id, "role": Role.FINANCE, "appointed_by": "U0OWNER01"}
        self.ledger.run(
            lambda tx: tx.connection.execute(
                insert(people).values(wallet_id=self.wallet_id, appointed_at=tx.now, **row)
            ),
            wallet_id=self.wallet_id,
        )

    @property
    def roster(self) -> Roster:
        """Who is in the workspace."""
        return self.place.stand_in.state.roster

    def arm(self, method: str, wrong: Wrong, *, times: int | None = 1) -> None:
        """Let requests go wrong."""
        self.place.stand_in.faults.add(Fault(method, wrong, times=times))


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """A workspace that was never listed."""
    with ExitStack() as undo:
        patch = undo.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("bot.slack.people_directory.PAGE_SIZE", 5)
        url = f"sqlite:///{lay_books(tmp_path) / 'redbar.db'}"
        if request.param == "postgresql":
            url = request.getfixturevalue("postgres").create(
                f"people_{next(_numbers)}", template=request.getfixturevalue("blank_books")
            )
        clock = SettableClock()
        ledger = open_ledger(url, clock)
        undo.callback(ledger.close)
        stage = undo.enter_context(lent_stage())
        place = Place(stage, clock, tmp_path)
        undo.callback(place.close)
        wallet_id = Workspaces(ledger).open(
            team_id=TEAM, enterprise_id="", name="W", bot_user_id="B", currency=Currency.of("USD"), zone="UTC"
        )
        made = Shop(ledger, clock, place, wallet_id)
        for one in LATER:
            made.roster.put(one)
        yield made


def test_owners_are_unknown_until_a_listing_has_ended(shop: Shop) -> None:
    """An owner of the first page is not all owners: only the last page makes the list."""
    for _ in range(2):
        shop.lists()
        assert shop.owners() is None

    shop.lists()
    assert shop.owners() == ["U0OWNER01", "U4OWNER", "U0ADMIN01"], "owners first"
    assert shop.cursors() == ["", "5", "10"]
    with shop.ledger.reading() as connection:
        assert listed_at(connection, shop.wallet_id) == shop.clock.now() - timedelta(seconds=8)


def test_a_workspace_that_names_no_owner_is_not_one_that_was_never_listed(shop: Shop) -> None:
    """Both mean that nobody can be told; only one of them is known."""
    for user_id in ("U0OWNER01", "U4OWNER", "U0ADMIN01"):
        shop.roster.change(user_id, kind="member")
    shop.lists(pages=3)
    assert shop.owners() == []


def test_of_those_who_left_only_people_we_deal_with_are_kept(shop: Shop) -> None:
    """And of the others only owners and admins: the list stays small."""
    shop.appoint("U5LEFT")
    shop.appoint("U2MEMBER1")
    shop.lists(pages=3)
    assert shop.left() == {"U5LEFT"}
    assert shop.rows() == 4
    assert shop.role("U2MEMBER1") is Role.MEMBER


@pytest.mark.parametrize("column", ["asked_by", "payer"])
def test_payers_and_askers_who_left_are_known(shop: Shop, column: str) -> None:
    """A message about their payment would reach nobody."""

    def save(tx: Tx) -> None:
        who = {"asked_by": "U0OWNER01", "payer": "U0OWNER01", column: "U6LEFT"}
        payment_rows.plan(
            tx,
            shop.wallet_id,
            purpose=Purpose.CONNECT,
            way=Way.PAGE,
            currency=USD,
            amount=None,
            asked_by=who["asked_by"],
            payer=who["payer"],
            expires_at=tx.now,
        )

    shop.ledger.run(save, wallet_id=shop.wallet_id)
    shop.lists(pages=3)
    assert shop.left() == {"U6LEFT"}


def test_an_interrupted_listing_goes_on_at_its_cursor(shop: Shop) -> None:
    """Each run here is another process. After an hour the first pages would be too old, and it begins again."""
    shop.lists()
    shop.lists(minutes=59)
    assert shop.cursors() == ["", "5"]
    shop.lists(minutes=61)
    assert shop.cursors() == ["", "5", ""]
    assert shop.owners() is None


def test_people_are_listed_again_after_an_hour(shop: Shop) -> None:
    """Whoever stopped being an owner, left or vanished in between is known then."""
    shop.lists(pages=3)
    shop.lists(pages=20, minutes=2)
    assert len(shop.cursors()) == 3
    shop.roster.change("U0OWNER01", kind="member")
    shop.roster.change("U0ADMIN01", left=True)
    shop.clock.skip(hours=1)
    shop.lists(pages=3)
    assert shop.owners() == ["U4OWNER"]
    assert shop.left() == {"U0ADMIN01"}, "an admin whom we dealt with until then"


def test_who_is_not_listed_any_more_is_forgotten(shop: Shop) -> None:
    """An owner whom Slack no longer lists is none."""
    shop.lists(pages=3)
    shop.roster.change("U0OWNER01", team=PARTNER_TEAM)
    shop.clock.skip(hours=1)
    shop.lists(pages=3)
    assert shop.owners() == ["U4OWNER", "U0ADMIN01"]


def test_a_limit_is_waited_out_and_the_list_stays(shop: Shop) -> None:
    """Not asked earlier than Slack says; meanwhile the owners are those of the listing before (T21)."""
    shop.lists(pages=3)
    shop.clock.skip(hours=1)
    shop.arm("users.list", Limit(30))
    shop.lists()
    asked = len(shop.cursors())
    shop.lists(pages=7)
    assert len(shop.cursors()) == asked
    assert shop.owners() == ["U0OWNER01", "U4OWNER", "U0ADMIN01"]
    shop.lists()
    assert len(shop.cursors()) == asked + 1


def test_pauses_grow_to_five_minutes_and_end_with_a_page(shop: Shop) -> None:
    """Slack is away for an hour: it is asked again soon, then rarely, and at once goes on where it stood."""
    shop.lists()
    shop.arm("users.list", Fail(), times=None)
    pauses = []
    for _ in range(12):
        shop.clock.set(shop.due_at())
        shop.listing.run_once(shop.clock.now())
        pauses.append(int((shop.due_at() - shop.clock.now()).total_seconds()))
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, *[PAUSE_MAX.total_seconds()] * 4]
    shop.place.stand_in.faults.clear()
    shop.lists(pages=2, minutes=5)
    assert shop.cursors()[-2:] == ["5", "10"]
    assert shop.owners() is not None


def test_an_unknown_failure_begins_the_list_again(shop: Shop) -> None:
    """The cursor may be the reason, such as one that Slack forgot."""
    shop.lists(pages=2)
    shop.arm("users.list", Refuse("invalid_cursor"))
    shop.lists(pages=4)
    assert shop.cursors() == ["", "5", "10", "", "5", "10"]
    assert shop.owners() is not None


def test_slack_is_asked_for_at_most_twenty_pages_a_minute(shop: Shop) -> None:
    """However often the job runs; the stand-in counts as Slack does."""
    shop.roster.set_crowd(200)
    shop.place.stand_in.rates.enforced = True
    for _ in range(180):
        shop.lists(seconds=1)
    assert len(shop.cursors()) == 43
    assert {one["status"] for one in shop.place.wire()} == {200}


def test_a_page_whose_lease_is_over_changes_nothing(shop: Shop) -> None:
    """Another process has read it since."""
    real = shop.directory

    class Slow:
        person, forget = real.person, real.forget

        def page(self, cursor: str) -> PeoplePage:
            """Be overtaken."""
            found = real.page(cursor)
            shop.roster.change("U0OWNER01", kind="member")
            shop.clock.skip(seconds=LEASE.total_seconds())
            shop.listing.run_once(shop.clock.now())
            return replace(found, next_cursor="")

    late = PeopleListing(shop.ledger, Served(TEAM), Slow())
    late.run_once(shop.clock.now())
    assert shop.role("U0OWNER01") is Role.MEMBER
    assert shop.owners() is None
    shop.lists(pages=2)
    assert shop.cursors() == ["", "", "5", "10"]


def test_a_page_is_read_by_one_of_two_processes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both found it due; the one that commits first takes it."""
    monkeypatch.setattr(PeopleListing, "_due", lambda listing: [shop.wallet_id])
    for _ in range(2):
        shop.listing.run_once(shop.clock.now())
    assert shop.cursors() == [""]


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
def test_a_workspace_of_fifty_thousand_is_listed_within_ten_minutes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred pages within Slack's limits, each in a short transaction; five rows stay."""
    monkeypatch.setattr("bot.slack.people_directory.PAGE_SIZE", PAGE_SIZE)
    shop.roster.set_crowd(50_000)
    shop.place.stand_in.rates.enforced = True
    for user_id in ("U5LEFT", "U6LEFT", "U2MEMBER0"):
        shop.appoint(user_id)
    began, listing = shop.clock.now(), shop.listing
    while shop.owners() is None:
        shop.clock.skip(seconds=1)
        listing.run_once(shop.clock.now())
    assert shop.clock.now() - began < timedelta(minutes=10)
    assert shop.owners() == ["U0OWNER01", "U4OWNER", "U0ADMIN01"]
    assert shop.left() == {"U5LEFT", "U6LEFT"}
    assert shop.rows() == 5


def _seen(user_id: str, role: Role) -> PersonSeen:
    is_owner, is_admin = role is Role.OWNER, role in (Role.OWNER, Role.ADMIN)
    return PersonSeen(user_id, TEAM, "", "UTC", is_admin, is_owner, role is Role.OUTSIDER)


def test_an_event_changes_the_list_at_once(shop: Shop) -> None:
    """A new owner and one who left, before the next listing."""
    shop.lists(pages=3)
    shop.arm("users.info", Fail(), times=2)
    shop.listing.hear(shop.wallet_id, _seen("U2MEMBER0", Role.OWNER))
    shop.listing.hear(shop.wallet_id, _seen("U0OWNER01", Role.OUTSIDER))
    assert shop.owners() == ["U2MEMBER0", "U4OWNER", "U0ADMIN01"]
    assert shop.left() == {"U0OWNER01"}


def test_an_event_that_changes_nothing_asks_slack_nothing(shop: Shop) -> None:
    """Slack sends one for each change of status: with 50,000 people, more than it may be asked about."""
    shop.lists(pages=3)
    for user_id, role in (("U0OWNER01", Role.OWNER), ("U2MEMBER0", Role.MEMBER), ("U6LEFT", Role.OUTSIDER)):
        shop.listing.hear(shop.wallet_id, _seen(user_id, role))
    assert not [one for one in shop.place.wire() if one["path"].endswith("users.info")]


def test_a_late_event_is_held_against_what_slack_says_now(shop: Shop) -> None:
    """Slack delivers events again after an outage: what one says may be over."""
    shop.lists(pages=3)
    shop.listing.hear(shop.wallet_id, _seen("U0OWNER01", Role.OUTSIDER))
    assert shop.left() == frozenset()
    assert shop.role("U0OWNER01") is Role.OWNER


def test_a_page_that_was_read_before_an_event_does_not_undo_it(shop: Shop) -> None:
    """The event came while the page was on its way."""
    real = shop.directory

    class Overtaken:
        person, forget = real.person, real.forget

        def page(self, cursor: str) -> PeoplePage:
            """Be answered late."""
            found = real.page(cursor)
            shop.clock.skip(seconds=1)
            shop.arm("users.info", Fail())
            shop.listing.hear(shop.wallet_id, _seen("U0OWNER01", Role.OUTSIDER))
            return found

    shop.appoint("U0OWNER01")
    PeopleListing(shop.ledger, Served(TEAM), Overtaken()).run_once(shop.clock.now())
    assert shop.left() == {"U0OWNER01"}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Company]:
    """A company whose people were listed."""
    with company(tmp_path) as one:
        yield one


@pytest.mark.parametrize("event", ["user_change", "team_join"])
def test_events_of_slack_reach_the_list(made: Company, event: str) -> None:
    """By the real listeners: somebody who was made an owner, and nonsense that harms nothing."""
    bolt = made.bolt()
    listeners.register(bolt, made.context)
    member = made.place.stand_in.state.roster.change(USERS["member"], kind="owner")
    user = seed.user_object(member, made.ledger.now())
    for described in (None, {}, "U1", user):
        _hear(bolt, {"type": event, "user": described})
        made.work.run()
    with made.ledger.reading() as connection:
        assert owners(connection, made.wallet_id) == [
            USERS["member"],
            USERS["owner"],
            USERS["workspace admin"],
        ]


def _hear(bolt: App, event: dict[str, Any]) -> None:
    body = {"type": "event_callback", "team_id": TEAM, "event": event, "event_id": "Ev1"}
    assert bolt.dispatch(BoltRequest(body=body, mode="socket_mode")).status == 200
