"""Publishing Home: on open, after each action, and for recent viewers when something moved.

Home is never dead. What could not be published is published later; what Slack refuses of it is left out. One viewer's
trouble is that viewer's alone.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from uuid import UUID

from bot.delivering.open_deliveries import untold_since
from bot.delivering.posted_messages import RECENT, PostedMessages, Viewer
from bot.facts import HomeFacts
from bot.payments.recharge import Recharge
from bot.ports import NotTold
from bot.rights import Action, Actor, Role, may
from bot.slack.client import SlackClient
from bot.slack.home_pictures import HomePictures
from bot.slack.publish_pace import AT_LEAST, PublishPace
from bot.slack.views import home as home_views
from bot.slack.views.blocks import View
from bot.surfaces.automatic import own_cards
from bot.surfaces.figures import fingerprint
from bot.surfaces.home import home_facts
from bot.surfaces.snapshot import Snapshot, read_facts
from bot.wallets.people import CannotAsk, People, Standpoint
from ledger import Ledger

log = logging.getLogger("redbar.homes")


class Homes:
    """Shows people their Home."""

    def __init__(
        self,
        ledger: Ledger,
        client: SlackClient,
        people: People,
        recharge: Recharge,
        posted: PostedMessages,
        *,
        first_admin: str,
        sleep: Callable[[float], None],
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._people = people
        self._recharge = recharge
        self._posted = posted
        self._first_admin = first_admin
        self._sleep = sleep
        self._pace = PublishPace()
        self._lock = Lock()
        self._owed: dict[str, tuple[Actor, datetime]] = {}
        """Who opened Home while it could not be published, and when."""
        self.pictures = HomePictures(ledger, client, posted)

    def open(self, actor: Actor) -> None:
        """Publish Home for somebody who came to look. Refuses: CannotAsk, and Home is published once Slack answers."""
        try:
            who = self._people.standpoint(actor, fresh=True)
        except CannotAsk as problem:
            self._owe(actor, problem)
            raise
        if who is None:
            self._publish(actor, home_views.home_elsewhere, waits=True)
            return
        self._appoint_first(who)
        self.show(who, opened=True)

    def _appoint_first(self, who: Standpoint) -> None:
        """Appoint the first billing admin: the setting's person, else the first owner who opens Home."""
        if self._first_admin:
            self._people.first_admin(who.wallet_id, self._first_admin)
        elif who.role is Role.OWNER:
            self._people.first_admin(who.wallet_id, who.actor.user_id)

    def show(
        self,
        who: Standpoint,
        *,
        opened: bool = True,
        kind: str | None = None,
        month: str | None = None,
        cursor: str | None = None,
    ) -> None:
        """Publish Home with what somebody chose to see there; what isn't named stays as it was.

        Where Slack does not take it now, it is published later.
        """
        if may(Action.SEE, who.role):
            before = self._posted.viewer(who.wallet_id, who.actor.user_id)
            was = (before.kind, before.month, before.cursor) if before is not None else ("", "", "")
            chosen = (
                was[0] if kind is None else kind,
                was[1] if month is None else month,
                was[2] if cursor is None else cursor,
            )
            if before is None or chosen != was:
                self._remember(who, "", chosen, opened=opened)  # what is shown is no longer what was chosen
        self._show(who, opened=opened, waits=True)

    def _show(self, who: Standpoint, *, opened: bool, waits: bool) -> bool:
        """Publish what somebody may see; gives whether it was published."""
        if who.role is Role.OUTSIDER:
            return self._publish(who.actor, home_views.home_elsewhere, waits=waits)
        if not may(Action.SEE, who.role):
            return self._publish(who.actor, lambda: self._home_for_member(who), waits=waits)
        shown = ""
        file_id: str | None = None
        viewer: Viewer | None = None

        def render() -> View:
            nonlocal shown, file_id, viewer
            viewer = self._posted.viewer(who.wallet_id, who.actor.user_id)
            facts, shown = self._facts(who, viewer)
            file_id = facts.month.picture_file_id
            return home_views.home(facts)

        published = self._publish(who.actor, render, waits=waits)
        if published:
            chosen = (viewer.kind, viewer.month, viewer.cursor) if viewer is not None else ("", "", "")
            self._remember(who, self._seen(shown, file_id), chosen, opened=opened)
        return published

    def _home_for_member(self, who: Standpoint) -> View:
        user_id = who.actor.user_id
        people = self._people.facts(who.wallet_id)

        def read(snapshot: Snapshot) -> View:
            return home_views.home_for_member(
                people,
                own_cards(snapshot, user_id),
                who.role,
                untold_since=untold_since(snapshot.connection, who.wallet_id),
                zone=snapshot.zone,
            )

        return read_facts(self._ledger, who.wallet_id, read)

    def _seen(self, shown: str, file_id: str | None) -> str:
        """Name what is seen of a state: without its picture it is something else, until the picture is taken."""
        return f"{shown}|no picture" if file_id and self._client.refuses_picture(file_id) else shown

    # --- Publishing ----------------------------------------------------------------------------------------

    def _publish(self, actor: Actor, render: Callable[[], View], *, waits: bool) -> bool:
        """Publish somebody's Home as it is by then; gives whether it was. What Slack does not take now is owed.

        A person who pressed something `waits` for their turn, a second at most; a refresh does not wait.
        """
        user_id = actor.user_id
        with self._pace.turn(user_id, waits=waits) as mine:
            if not mine:
                return False  # somebody else publishes now, or waits to show what both presses changed
            wait = self._pace.wait(user_id, self._ledger.now())
            if wait > AT_LEAST or (wait and not waits):
                self._owe(actor)
                return False
            if wait:
                self._sleep(wait.total_seconds())
            try:
                self._client.publish_view(user_id, render())
            except NotTold as problem:
                self._owe(actor, problem)
                return False
            self._pace.published(user_id, self._ledger.now())
        with self._lock:
            self._owed.pop(user_id, None)
        return True

    def _owe(self, actor: Actor, problem: Exception | None = None) -> None:
        """Have somebody's Home published once it can be."""
        now = self._ledger.now()
        if problem is not None:
            self._pace.failed(actor.user_id, problem, now)
            log.warning("somebody's Home follows later: %s: %s", type(problem).__name__, problem)
        with self._lock:
            self._owed.setdefault(actor.user_id, (actor, now))

    def _facts(self, who: Standpoint, viewer: Viewer | None) -> tuple[HomeFacts, str]:
        """Give everything that Home shows, and the fingerprint of the state behind it."""
        people = self._people.facts(who.wallet_id)

        def read(snapshot: Snapshot) -> tuple[HomeFacts, str]:
            facts = home_facts(snapshot, self._recharge, who.person, people, viewer)
            return facts, fingerprint(snapshot.view, snapshot.now, facts)

        return read_facts(self._ledger, who.wallet_id, read)

    def _remember(self, who: Standpoint, shown: str, chosen: tuple[str, str, str], *, opened: bool) -> None:
        kind, month, cursor = chosen
        self._posted.remember_viewer(
            who.wallet_id,
            who.actor.user_id,
            shown=shown,
            kind=kind,
            month=month,
            cursor=cursor,
            opened=opened,
        )

    # --- Refreshing ----------------------------------------------------------------------------------------

    def refresh(self, wallet_id: UUID, team_id: str) -> int:
        """Publish Home where it is owed, and where it no longer tells recent viewers the truth; gives how many."""
        now = self._ledger.now()
        viewers = {one.user_id: one for one in self._posted.viewers(wallet_id, now)}
        with self._lock:
            self._owed = {user: one for user, one in self._owed.items() if now - one[1] < RECENT}
            owed = {user: actor for user, (actor, _) in self._owed.items()}
        refreshed = 0
        for user_id in {**owed, **viewers}:
            if self._pace.wait(user_id, now):
                continue
            actor = owed.get(user_id, Actor(team_id, user_id, None))
            try:
                refreshed += self._refresh_one(actor, viewers.get(user_id), owed=user_id in owed)
            except CannotAsk as problem:  # it stays as it is until Slack says who looks at it
                self._pace.failed(user_id, problem, now)
            except Exception as problem:  # one viewer's trouble is that viewer's
                self._pace.failed(user_id, problem, now)
                log.warning("somebody's Home could not be refreshed", exc_info=True)
        return refreshed

    def _refresh_one(self, actor: Actor, viewer: Viewer | None, *, owed: bool) -> bool:
        who = self._people.standpoint(actor)
        if who is None:
            return owed and self._publish(actor, home_views.home_elsewhere, waits=False)
        if owed:
            self._appoint_first(who)
        if not may(Action.SEE, who.role):
            lost = viewer is not None and bool(viewer.shown)
            published = (owed or lost) and self._show(who, opened=False, waits=False)
            if published and lost:  # nothing of money stays to be seen
                self._remember(who, "", ("", "", ""), opened=False)
            return published
        facts, shown = self._facts(who, viewer)
        self.pictures.want(who.wallet_id, facts.month)
        is_true = viewer is not None and viewer.shown == self._seen(shown, facts.month.picture_file_id)
        if is_true and not owed:
            return False
        return self._show(who, opened=owed, waits=False)
