"""What listeners work with, and one press or command of a person: who acts, and how they are answered."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from slack_sdk import WebClient

from bot.delivering.posted_messages import PostedMessages
from bot.payments.cards import Cards
from bot.payments.recharge import Recharge
from bot.payments.requests import Payments
from bot.payments.top_ups import Charges
from bot.ports import NotTold
from bot.rights import Action, Actor, Person, may
from bot.slack.answers import Meaning
from bot.slack.client import SlackClient
from bot.slack.failures import UNREACHED, answer_to
from bot.slack.homes import Homes
from bot.slack.presence import Presence
from bot.slack.senders.table import Senders
from bot.slack.views import money_in
from bot.slack.views.blocks import Message, View
from bot.surfaces.episodes import Episodes
from bot.surfaces.snapshot import Snapshot, read_facts
from bot.wallets.channel_watch import ChannelWatch
from bot.wallets.people import People, Standpoint
from bot.wallets.people_listing import PeopleListing
from bot.wallets.rules import Rules
from bot.wallets.workspaces import Workspace, Workspaces
from ledger import Ledger

log = logging.getLogger("redbar.slack")
FactsT = TypeVar("FactsT")
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What listeners work with: the flows that they call, and the ways to answer."""

    ledger: Ledger
    workspaces: Workspaces
    people: People
    listing: PeopleListing
    channels: ChannelWatch
    rules: Rules
    payments: Payments
    charges: Charges
    recharge: Recharge
    cards: Cards
    episodes: Episodes
    posted: PostedMessages
    slack: SlackClient
    homes: Homes
    senders: Senders
    client: WebClient
    presence: Presence
    link_opened: Callable[[], None]
    """Called when somebody follows a link to pay."""

    def read(self, wallet_id: UUID, facts: Callable[[Snapshot], FactsT]) -> FactsT:
        """Give facts of a wallet that all belong to one instant."""
        return read_facts(self.ledger, wallet_id, facts)


def actor_of(body: Body) -> Actor:
    """Read who acts, by the installation's ids."""
    user = body.get("user") or {}
    team = body.get("team") or {}
    event = body.get("event") or {}
    return Actor(
        team_id=str(team.get("id") or body.get("team_id") or ""),
        user_id=str(user.get("id") or body.get("user_id") or event.get("user") or ""),
        user_team_id=user.get("team_id"),
        enterprise_id=str((body.get("enterprise") or {}).get("id") or body.get("enterprise_id") or ""),
    )


class Interaction:
    """One press or command of a person: who they are, and how to answer them where they are."""

    def __init__(self, context: Context, body: Body) -> None:
        self.context = context
        self.body = body
        self.actor = actor_of(body)
        self._who: Standpoint | None = None

    def let_in(self, who: Standpoint) -> None:
        """Keep who acts, as the boundary found them."""
        self._who = who

    @property
    def who(self) -> Standpoint:
        """Give who acts; only the boundary lets people in."""
        assert self._who is not None, "nobody was let in"
        return self._who

    @property
    def person(self) -> Person:
        """Give who acts, as use cases judge them."""
        return self.who.person

    def may(self, action: Action) -> bool:
        """Say whether they may do something else too, to choose what they are offered."""
        return may(action, self.who.role)

    @property
    def value(self) -> str:
        """Give what the pressed element says."""
        return self.value_in(self.body)

    @staticmethod
    def value_in(body: Body) -> str:
        """Give what a pressed element says: a button's value, or a menu's choice; empty for anything else."""
        pressed = (body.get("actions") or [{}])[0]
        chosen = pressed.get("selected_option")
        return str((chosen or {}).get("value") if chosen else pressed.get("value") or "")

    @property
    def is_event(self) -> bool:
        """Slack tells of something by itself: there is no place for an answer."""
        return "event" in self.body

    @property
    def user_id(self) -> str:
        """Give who acts."""
        return self.actor.user_id

    @property
    def workspace(self) -> Workspace | None:
        """Give the living workspace that this came from; None where it has no wallet here."""
        return self.context.workspaces.of_team(self.actor.team_id, self.actor.enterprise_id)

    @property
    def in_view(self) -> bool:
        """The interaction came from Home or a form, which have no conversation to answer in."""
        return "view" in self.body and "response_url" not in self.body

    @property
    def in_form(self) -> bool:
        """The interaction came from a form, which can show something else."""
        return bool(self.in_view and self.body["view"].get("type") == "modal")

    @property
    def view_id(self) -> str:
        """Give the id of the form that this came from."""
        return str(self.body["view"]["id"])

    def tell(self, message: Message) -> None:
        """Answer privately: where they are, or over Home or the open form."""
        if self.in_view or self.body.get("type") == "shortcut":
            self.show(_as_view(message))
            return
        url = self.body.get("response_url")
        if not url or self._channel.startswith("D"):
            self.context.slack.post_ephemeral(self._channel, self.user_id, message)
            return
        self._respond(str(url), message, replace=False)

    def replace(self, message: Message) -> None:
        """Put an answer in place of the private message that was pressed."""
        self._respond(str(self.body["response_url"]), message, replace=True)

    def _respond(self, url: str, message: Message, *, replace: bool) -> None:
        """Answer by Slack's address for it; where that fails, by a private message of its own."""
        try:
            self.context.slack.respond(url, message, replace=replace)
        except NotTold as problem:
            log.warning("an answer goes another way than by its response_url: %s", problem)
            self.context.slack.post_ephemeral(self._channel, self.user_id, message)

    @property
    def _channel(self) -> str:
        return str((self.body.get("channel") or {}).get("id") or self.body.get("channel_id") or "")

    def show(self, view: View) -> str:
        """Open a form, or put it over the one that is open; gives its id."""
        trigger = str(self.body["trigger_id"])
        over = self.body.get("view", {}).get("type") == "modal"
        client = self.context.client
        answer = (client.views_push if over else client.views_open)(trigger_id=trigger, view=view)
        return str(answer["view"]["id"])

    def change(self, view_id: str, view: View, *, instead_of: str | None = None) -> str:
        """Show something else in an open form; one that was closed meanwhile is left closed.

        Gives the hash of what is shown now. With the hash of what it is shown `instead_of`, a form that shows
        something else meanwhile is left as it is: the person who pressed a button in it is reading the answer.
        """
        try:
            answer = self.context.client.views_update(view_id=view_id, view=view, hash=instead_of)
        except UNREACHED as error:
            if answer_to(error).meaning is not Meaning.RECIPIENT:
                raise
            return ""
        return str(answer["view"]["hash"])

    def refresh_home(self) -> None:
        """Show the actor's Home as it is now, if they have looked at it."""
        who = self._who
        if who is not None and self.context.posted.viewer(who.wallet_id, self.actor.user_id) is not None:
            self.context.homes.show(who, opened=True)


def _as_view(message: Message) -> View:
    view = money_in.working("Redbar")
    blocks = [*message.blocks, *(block for one in message.attachments for block in one.get("blocks", []))]
    view["blocks"] = blocks or [{"type": "section", "text": {"type": "mrkdwn", "text": message.text}}]
    return view
