"""Publishing Home: on open, after each action, and for recent viewers when something moved."""

import logging
from uuid import UUID

from bot.delivering.posted_messages import PostedMessages, Viewer
from bot.facts import HomeFacts, MonthFacts
from bot.payments.recharge import Recharge
from bot.rights import Action, Actor, Role, may
from bot.slack.client import SlackClient
from bot.slack.pictures import spend_by_day
from bot.slack.views import home as home_views
from bot.surfaces.automatic import own_cards
from bot.surfaces.figures import fingerprint
from bot.surfaces.home import home_facts
from bot.surfaces.snapshot import Snapshot, read_facts
from bot.wallets.people import CannotAsk, People, Standpoint
from ledger import MICROS, Ledger

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
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._people = people
        self._recharge = recharge
        self._posted = posted
        self._first_admin = first_admin
        self._drawn: dict[tuple[UUID, str], int] = {}

    def open(self, actor: Actor) -> None:
        """Publish Home for somebody who came to look. Refuses: CannotAsk, and nothing is published."""
        who = self._people.standpoint(actor, fresh=True)
        if who is None:
            self._client.publish_view(actor.user_id, home_views.home_elsewhere())
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
        """Publish Home with what somebody chose to see there; what isn't named stays as it was."""
        user_id = who.actor.user_id
        if who.role is Role.OUTSIDER:
            self._client.publish_view(user_id, home_views.home_elsewhere())
            return
        if not may(Action.SEE, who.role):
            own = read_facts(self._ledger, who.wallet_id, lambda snapshot: own_cards(snapshot, user_id))
            people = self._people.facts(who.wallet_id)
            self._client.publish_view(user_id, home_views.home_for_member(people, own, who.role))
            return
        before = self._posted.viewer(who.wallet_id, user_id)
        chosen = (
            (before.kind if before else "") if kind is None else kind,
            (before.month if before else "") if month is None else month,
            (before.cursor if before else "") if cursor is None else cursor,
        )
        if before is None or chosen != (before.kind, before.month, before.cursor):
            self._remember(who, before.shown if before else "", chosen, opened=opened)
            before = self._posted.viewer(who.wallet_id, user_id)
        facts, shown = self._facts(who, before)
        self._client.publish_view(user_id, home_views.home(facts))
        self._remember(who, shown, chosen, opened=opened)

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

    def refresh(self, wallet_id: UUID, team_id: str) -> int:
        """Publish Home again for recent viewers whose Home no longer tells the truth; gives how many."""
        refreshed = 0
        for viewer in self._posted.viewers(wallet_id, self._ledger.now()):
            try:
                refreshed += self._refresh_one(wallet_id, team_id, viewer)
            except Exception:  # one viewer's trouble is that viewer's
                log.warning("somebody's Home could not be refreshed", exc_info=True)
        return refreshed

    def _refresh_one(self, wallet_id: UUID, team_id: str, viewer: Viewer) -> bool:
        try:
            who = self._people.standpoint(Actor(team_id, viewer.user_id, None))
        except CannotAsk:
            return False  # it stays as it is until Slack says who looks at it
        if who is None or not may(Action.SEE, who.role):
            if who is not None and viewer.shown:
                self.show(who, opened=False)  # a role was lost: nothing of money stays to be seen
                self._remember(who, "", ("", "", ""), opened=False)
            return False
        facts, shown = self._facts(who, viewer)
        self._draw(wallet_id, facts.month)
        if shown == viewer.shown:
            return False
        self.show(who, opened=False)
        return True

    def _draw(self, wallet_id: UUID, month: MonthFacts) -> None:
        """Draw the month's picture anew when its days changed; Home shows it with the next refresh."""
        spent = tuple(day.spent.micros // MICROS for day in month.days)
        name = f"spend:{month.month}"
        if not any(spent) or (month.picture_file_id and self._drawn.get((wallet_id, name)) == hash(spent)):
            return
        old = self._posted.picture(wallet_id, name)
        now = self._ledger.now()
        if old is not None and (now - old[1]).total_seconds() < 60 and month.picture_file_id:
            return
        file_id = self._client.upload_file(
            spend_by_day(month), filename=f"spend-{month.month}.png", title="Spend by day", alt="Spend by day"
        )
        if file_id is None:
            return
        self._posted.remember_picture(wallet_id, name, file_id)
        self._drawn[wallet_id, name] = hash(spent)
        if old is not None:
            self._client.delete_file(old[0])
