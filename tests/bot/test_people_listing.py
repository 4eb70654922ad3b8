"""The stored list of people: read from Slack in pages, kept while Slack is silent, corrected by events."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from slack_bolt import App, BoltRequest
from sqlalchemy import func, insert, select

from bot import payment_rows
from bot.app import open_ledger
from bot.ports import PeoplePage, PersonSeen
from bot.rights import Role
from bot.sandbox.slack import seed
from bot.sandbox.slack.seed import TEAM
from bot.served import Served
from bot.slack import listeners
from bot.slack.people_directory import SlackDirectory
from bot.states.payment import Purpose, Way
from bot.tables import people, people_listings, workspace_people
from bot.wallets.people_listing import LEASE, PAUSE_MAX, PeopleListing
from bot.wallets.workspace_people import left, listed_at, owners, workspace_role
from bot.wallets.workspaces import Workspaces
from ledger import USD, Currency, Ledger, Tx
from tests.bot.rights_company import USERS, Company, company
from tests.sandbox.slack_place import Place, SettableClock, Stage

STAFF = [
    seed.Person("U1OWNER", "boss", "A B", "owner", "#000000"),
    *(seed.Person(f"U2MEMBER{number}", "m", "A B", "member", "#000000") for number in range(6)),
    seed.Person("U3ADMIN", "helper", "A B", "admin", "#000000"),
    seed.Person("U4OWNER", "second", "A B", "owner", "#000000"),
    seed.Person("U5LEFT", "gone", "A B", "deactivated", "#000000"),
    seed.Person("U6LEFT", "stranger", "A B", "deactivated", "#000000"),
]
_numbers = count(1)


@dataclass
class Shop:
    """Books, and a Slack with eleven people and two machines in pages of five."""

    ledger: Ledger
    clock: SettableClock
    place: Place
    wallet_id: UUID
    staff: list[seed.Person]

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

    def appoint(self, user_id: str) -> None:
        """Let somebody have been appointed before."""
        row = {"user_id": user_id, "role": Role.FINANCE, "appointed_by": "U1OWNER"}
        self.ledger.run(
            lambda tx: tx.connection.execute(
                insert(people).values(wallet_id=self.wallet_id, appointed_at=tx.now, **row)
            ),
            wallet_id=self.wallet_id,
        )

    def arm(self, **fault: Any) -> None:
        """Let requests go wrong."""
        self.place.http.post("/sandbox/api/slack/script", json=fault).raise_for_status()


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """A workspace that was never listed."""
    with ExitStack() as undo:
        patch = undo.enter_context(pytest.MonkeyPatch.context())
        staff = list(STAFF)
        described = seed.user_object
        patch.setattr("bot.sandbox.slack.methods.PEOPLE", staff)
        patch.setattr(
            "bot.sandbox.slack.methods.user_object",
            lambda one, now: {**described(one, now), "deleted": one.kind == "deactivated"},
        )
        patch.setattr("bot.slack.people_directory.PAGE_SIZE", 5)
        url = f"sqlite:///{tmp_path}/books.db"
        if request.param == "postgresql":
            url = request.getfixturevalue("postgres").create(f"people_{next(_numbers)}")
        clock = SettableClock()
        ledger = open_ledger(url, clock)
        undo.callback(ledger.close)
        stage = Stage()
        undo.callback(stage.stop)
        place = Place(stage, clock, tmp_path)
        undo.callback(place.close)
        wallet_id = Workspaces(ledger).open(
            team_id=TEAM, enterprise_id="", name="W", bot_user_id="B", currency=Currency.of("USD"), zone="UTC"
        )
        yield Shop(ledger, clock, place, wallet_id, staff)


def test_owners_are_unknown_until_a_listing_has_ended(shop: Shop) -> None:
    """An owner of the first page is not all owners: only the last page makes the list."""
    for _ in range(2):
        shop.lists()
        assert shop.owners() is None

    shop.lists()
    assert shop.owners() == ["U1OWNER", "U4OWNER", "U3ADMIN"], "owners first"
    assert shop.cursors() == ["", "5", "10"]
    with shop.ledger.reading() as connection:
        assert listed_at(connection, shop.wallet_id) == shop.clock.now() - timedelta(seconds=8)


def test_a_workspace_that_names_no_owner_is_not_one_that_was_never_listed(shop: Shop) -> None:
    """Both mean that nobody can be told; only one of them is known."""
    shop.staff[:] = [one for one in STAFF if one.kind == "member"]
    shop.lists(pages=2)
    assert shop.owners() == []


def test_of_those_who_left_only_people_we_deal_with_are_kept(shop: Shop) -> None:
    """And of the others only owners and admins: the list stays small."""
    shop.appoint("U5LEFT")
    shop.appoint("U2MEMBER1")
    shop.lists(pages=3)
    assert shop.left() == {"U5LEFT"}
    with shop.ledger.reading() as connection:
        rows = connection.execute(
            select(func.count())
            .select_from(workspace_people)
            .where(workspace_people.c.wallet_id == shop.wallet_id)
        ).scalar_one()
    assert rows == 4
    assert shop.role("U2MEMBER1") is Role.MEMBER


@pytest.mark.parametrize("column", ["asked_by", "payer"])
def test_payers_and_askers_who_left_are_known(shop: Shop, column: str) -> None:
    """A message about their payment would reach nobody."""

    def save(tx: Tx) -> None:
        who = {"asked_by": "U1OWNER", "payer": "U1OWNER", column: "U6LEFT"}
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
    shop.staff[:] = [
        replace(one, kind={"U1OWNER": "member", "U3ADMIN": "deactivated"}.get(one.user_id, one.kind))
        for one in STAFF
        if one.user_id != "U5LEFT"
    ]
    shop.clock.skip(hours=1)
    shop.lists(pages=3)
    assert shop.owners() == ["U4OWNER"]
    assert shop.left() == {"U3ADMIN"}, "an admin whom we dealt with until then"


def test_who_is_not_listed_any_more_is_forgotten(shop: Shop) -> None:
    """An owner whom Slack no longer lists is none."""
    shop.lists(pages=3)
    shop.staff.remove(STAFF[0])
    shop.clock.skip(hours=1)
    shop.lists(pages=3)
    assert shop.owners() == ["U4OWNER", "U3ADMIN"]


def test_a_limit_is_waited_out_and_the_list_stays(shop: Shop) -> None:
    """Not asked earlier than Slack says; meanwhile the owners are those of the listing before (T21)."""
    shop.lists(pages=3)
    shop.clock.skip(hours=1)
    shop.arm(
        method="users.list",
        times=1,
        answer={"ok": False, "error": "ratelimited"},
        status=429,
        headers={"Retry-After": "30"},
    )
    shop.lists()
    asked = len(shop.cursors())
    shop.lists(pages=7)
    assert len(shop.cursors()) == asked
    assert shop.owners() == ["U1OWNER", "U4OWNER", "U3ADMIN"]
    shop.lists()
    assert len(shop.cursors()) == asked + 1


def test_pauses_grow_to_five_minutes_and_end_with_a_page(shop: Shop) -> None:
    """Slack is away for an hour: it is asked again soon, then rarely, and at once goes on where it stood."""
    shop.lists()
    shop.arm(method="users.list", times=10_000, answer={"ok": False}, status=503)
    pauses = []
    for _ in range(12):
        shop.clock.set(shop.due_at())
        shop.listing.run_once(shop.clock.now())
        pauses.append(int((shop.due_at() - shop.clock.now()).total_seconds()))
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, *[PAUSE_MAX.total_seconds()] * 4]
    shop.arm(clear=True)
    shop.lists(pages=2, minutes=5)
    assert shop.cursors()[-2:] == ["5", "10"]
    assert shop.owners() is not None


def test_an_unknown_failure_begins_the_list_again(shop: Shop) -> None:
    """The cursor may be the reason, such as one that Slack forgot."""
    shop.lists(pages=2)
    shop.arm(method="users.list", times=1, answer={"ok": False, "error": "invalid_cursor"})
    shop.lists(pages=4)
    assert shop.cursors() == ["", "5", "10", "", "5", "10"]
    assert shop.owners() is not None


def test_slack_is_asked_for_at_most_twenty_pages_a_minute(shop: Shop) -> None:
    """However often the job runs."""
    shop.staff.extend(seed.Person(f"U7{number:03}", "m", "A B", "member", "#000000") for number in range(200))
    for _ in range(60):
        shop.lists(seconds=1)
    assert 15 <= len(shop.cursors()) <= 20


def test_a_page_whose_lease_is_over_changes_nothing(shop: Shop) -> None:
    """Another process has read it since."""
    real = shop.directory

    class Slow:
        person, forget = real.person, real.forget

        def page(self, cursor: str) -> PeoplePage:
            """Be overtaken."""
            found = real.page(cursor)
            shop.staff[0] = replace(STAFF[0], kind="member")
            shop.clock.skip(seconds=LEASE.total_seconds())
            shop.listing.run_once(shop.clock.now())
            return replace(found, next_cursor="")

    late = PeopleListing(shop.ledger, Served(TEAM), Slow())
    late.run_once(shop.clock.now())
    assert shop.role("U1OWNER") is Role.MEMBER
    assert shop.owners() is None
    shop.lists(pages=2)
    assert shop.cursors() == ["", "", "5", "10"]


def test_a_page_is_read_by_one_of_two_processes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both found it due; the one that commits first takes it."""
    monkeypatch.setattr(PeopleListing, "_due", lambda listing: [shop.wallet_id])
    for _ in range(2):
        shop.listing.run_once(shop.clock.now())
    assert shop.cursors() == [""]


@dataclass
class Crowd:
    """A directory of many people, made up page by page."""

    people: int
    pages: int = 0

    def person(self, user_id: str, *, fresh: bool = False) -> PersonSeen | None:
        """Know nobody."""
        return None

    def forget(self, user_id: str) -> None:
        """Drop nothing."""

    def page(self, cursor: str) -> PeoplePage:
        """Give 500 people; one of a thousand is an owner, one of ten has left."""
        first = int(cursor or 0)
        last = min(first + 500, self.people)
        self.pages += 1
        return PeoplePage(
            [
                PersonSeen(f"U{one}", TEAM, "", "UTC", one % 1000 == 0, one % 1000 == 0, one % 10 == 9)
                for one in range(first, last)
            ],
            str(last) if last < self.people else "",
        )


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
def test_a_workspace_of_fifty_thousand_is_listed_within_ten_minutes(shop: Shop) -> None:
    """A hundred pages, each in a short transaction; sixty rows stay."""
    for user_id in ("U9", "U49999", "U1001"):
        shop.appoint(user_id)
    crowd, began = Crowd(50_000), shop.clock.now()
    while shop.owners() is None:
        shop.clock.skip(seconds=1)
        PeopleListing(shop.ledger, Served(TEAM), crowd).run_once(shop.clock.now())
    assert crowd.pages == 100
    assert shop.clock.now() - began < timedelta(minutes=10)
    assert len(shop.owners() or ()) == 50
    assert shop.left() == {"U9", "U49999"}


def _seen(user_id: str, role: Role) -> PersonSeen:
    is_owner, is_admin = role is Role.OWNER, role in (Role.OWNER, Role.ADMIN)
    return PersonSeen(user_id, TEAM, "", "UTC", is_admin, is_owner, role is Role.OUTSIDER)


def test_an_event_changes_the_list_at_once(shop: Shop) -> None:
    """A new owner and one who left, before the next listing."""
    shop.lists(pages=3)
    shop.staff[:] = []  # Slack would say otherwise, and cannot be asked
    shop.arm(method="users.info", times=10, answer={"ok": False, "error": "internal_error"})
    shop.listing.hear(shop.wallet_id, _seen("U2MEMBER0", Role.OWNER))
    shop.listing.hear(shop.wallet_id, _seen("U1OWNER", Role.OUTSIDER))
    assert shop.owners() == ["U2MEMBER0", "U4OWNER", "U3ADMIN"]
    assert shop.left() == {"U1OWNER"}


def test_an_event_that_changes_nothing_asks_slack_nothing(shop: Shop) -> None:
    """Slack sends one for each change of status: with 50,000 people, more than it may be asked about."""
    shop.lists(pages=3)
    for user_id, role in (("U1OWNER", Role.OWNER), ("U2MEMBER0", Role.MEMBER), ("U6LEFT", Role.OUTSIDER)):
        shop.listing.hear(shop.wallet_id, _seen(user_id, role))
    assert not [one for one in shop.place.wire() if one["path"].endswith("users.info")]


def test_a_late_event_is_held_against_what_slack_says_now(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack delivers events again after an outage: what one says may be over."""
    monkeypatch.setitem(seed.BY_ID, "U1OWNER", STAFF[0])
    shop.lists(pages=3)
    shop.listing.hear(shop.wallet_id, _seen("U1OWNER", Role.OUTSIDER))
    assert shop.left() == frozenset()
    assert shop.role("U1OWNER") is Role.OWNER


def test_a_page_that_was_read_before_an_event_does_not_undo_it(shop: Shop) -> None:
    """The event came while the page was on its way."""
    real = shop.directory

    class Overtaken:
        person, forget = real.person, real.forget

        def page(self, cursor: str) -> PeoplePage:
            """Be answered late."""
            found = real.page(cursor)
            shop.clock.skip(seconds=1)
            shop.arm(method="users.info", times=1, answer={"ok": False, "error": "internal_error"})
            shop.listing.hear(shop.wallet_id, _seen("U1OWNER", Role.OUTSIDER))
            return found

    shop.appoint("U1OWNER")
    PeopleListing(shop.ledger, Served(TEAM), Overtaken()).run_once(shop.clock.now())
    assert shop.left() == {"U1OWNER"}


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
    user = seed.user_object(replace(seed.BY_ID[USERS["member"]], kind="owner"), made.ledger.now())
    httpx.post(
        f"{made.place.base_url}/sandbox/api/slack/script",
        json={"method": "users.info", "answer": {"ok": False, "error": "internal_error"}},
    ).raise_for_status()
    for described in (None, {}, "U1", user):
        _hear(bolt, {"type": event, "user": described})
    with made.ledger.reading() as connection:
        assert owners(connection, made.wallet_id) == [
            USERS["member"],
            USERS["owner"],
            USERS["workspace admin"],
        ]


def _hear(bolt: App, event: dict[str, Any]) -> None:
    body = {"type": "event_callback", "team_id": TEAM, "event": event, "event_id": "Ev1"}
    assert bolt.dispatch(BoltRequest(body=body, mode="socket_mode")).status == 200
