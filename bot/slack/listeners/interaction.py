"""What listeners work with, and one press, command or form of a person: who acts, and how they are answered."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from bot.delivering.posted_messages import PostedMessages
from bot.payments.cards import Cards
from bot.payments.recharge import Recharge
from bot.payments.requests import Payments
from bot.payments.top_ups import Charges
from bot.ports import NotTold, RecipientGone
from bot.rights import Action, Actor, Person, may
from bot.slack.client import SlackClient
from bot.slack.failures import ContentRefused
from bot.slack.homes import Homes
from bot.slack.modals import STACK_MAX, Modals, OpenForm
from bot.slack.presence import Presence
from bot.slack.senders.table import Senders
from bot.slack.views import money_in
from bot.slack.views.blocks import Message, View
from bot.slack.views.conversion import as_message, as_view, last_of
from bot.slack.workers import Workers
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
    modals: Modals
    workers: Workers
    presence: Presence
    link_opened: Callable[[], None]
    """Called when somebody follows a link to pay."""

    def read(self, wallet_id: UUID, facts: Callable[[Snapshot], FactsT]) -> FactsT:
        """Give facts of a wallet that all belong to one instant."""
        return read_facts(self.ledger, wallet_id, facts)


class NotShown(Exception):
    """Slack did not show the form that would be the answer; `refused` says whether it does not take what is in it."""

    def __init__(self, *, refused: bool) -> None:
        super().__init__("not shown")
        self.refused = refused


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
    """One press, command or form of a person: who they are, and how to answer them where they are."""

    def __init__(self, context: Context, body: Body, working: OpenForm | None = None) -> None:
        self.context = context
        self.body = body
        self.actor = actor_of(body)
        self._who: Standpoint | None = None
        self._form = working
        """The form that waits for the answer: it came with the acknowledgement, or `open` opened it."""
        self._closed = False
        """The form that waited was closed: what is open now is something else, and no answer belongs on top of it."""

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
        """Give what the pressed element says: a button's value, or a menu's choice; empty for anything else."""
        pressed = (self.body.get("actions") or [{}])[0]
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
    def on_home(self) -> bool:
        """The interaction came from Home, which is no conversation to answer in."""
        return bool(self.body.get("view", {}).get("type") == "home")

    @property
    def in_form(self) -> bool:
        """The interaction came from a form."""
        return bool(self.body.get("view", {}).get("type") == "modal")

    # --- Answers: in the form that waits for one, else where the person is, else by direct message -----------

    def open(self, title: str) -> None:
        """Open a form that waits for the answer. Where Slack refuses, the answer goes another way.

        To be called before anything that takes time: a trigger lasts three seconds.
        """
        try:
            self._form = self._new_form(money_in.working(title))
        except NotTold as problem:
            log.warning("a form could not be opened: %s", problem)
            # A form that was pressed can be changed without a trigger.
            self._form = self._pressed_form if self.in_form else None

    def _new_form(self, view: View) -> OpenForm:
        trigger = str(self.body.get("trigger_id") or "")
        if not self.in_form:
            return self.context.modals.open(trigger, view)
        if depth_of(self.body["view"]) >= STACK_MAX:
            return self.context.modals.change(self._pressed_form, view).form
        return self.context.modals.push(trigger, view)

    @property
    def _pressed_form(self) -> OpenForm:
        return OpenForm(str(self.body["view"]["id"]))

    def fill(self, view: View, instead: Message | None = None) -> str:
        """Show the answer in the form that waits for it; `instead` says the same where no form waits.

        Gives the hash of what is shown; empty where it is not shown in a form. Raises: NotShown, where no form is open
        and the answer is a form that has to be sent in; NotTold, when Slack takes the answer in no way.
        """
        to_send_in, refused = "submit" in view, False
        # A form that was sent in has done its part; it lies under the answer.
        last = self.body.get("type") == "view_submission" and not to_send_in
        if self._form is not None:
            try:
                shown = self.context.modals.change(self._form, last_of(view) if last else view)
            except RecipientGone as gone:
                log.info("a form was closed before its answer came: %s", gone)
                self._form, self._closed = None, True
                if instead is None and not last:
                    return ""
            except NotTold as problem:  # its words may still be taken, by this form or elsewhere
                log.warning("an answer is not taken as a form: %s", problem)
                refused = isinstance(problem, ContentRefused)
            else:
                self._form = shown.form
                return shown.hash
        self._fill_elsewhere(view, instead, refused=refused)
        return ""

    def _fill_elsewhere(self, view: View, instead: Message | None, *, refused: bool) -> None:
        if instead is None and "submit" in view:
            raise NotShown(refused=refused)
        self.tell(instead or as_message(view))

    def refine(self, view: View, shown: str) -> None:
        """Show more in the form whose hash is `shown`. One that was closed, or shows something else, is left alone."""
        form = self._form
        assert form is not None, "nothing is shown"
        try:
            self.context.modals.change(form, view, instead_of=shown)
        except NotTold as problem:
            log.info("a form shows less than it could: %s", problem)

    def redraw(self, view: View) -> None:
        """Show something else in the form that was pressed; one that was closed meanwhile is left closed.

        Raises: as `fill`.
        """
        try:
            self.context.modals.change(self._pressed_form, view)
        except RecipientGone as gone:
            log.info("a form was closed, or shows something else meanwhile: %s", gone)
        except NotTold as problem:
            log.warning("an answer goes another way than into its form: %s", problem)
            self._fill_elsewhere(view, None, refused=isinstance(problem, ContentRefused))

    def tell(self, message: Message) -> None:
        """Answer privately, by the first way that Slack takes. Raises: NotTold, when it takes none."""
        if not self._closed and (self._form is not None or self.in_form or self._has_no_place):
            try:
                self._tell_in_form(message)
            except NotTold as problem:
                log.warning("an answer goes another way than in a form: %s", problem)
            else:
                return
        self._tell_here(message, replace=False)

    def reply(self, message: Message) -> None:
        """Answer in the thread of the message that was pressed; privately where Slack refuses. Raises: NotTold."""
        pressed = self.body.get("message") or {}
        channel = str((self.body.get("channel") or {}).get("id") or "")
        thread = str(pressed.get("thread_ts") or pressed.get("ts") or "")
        if channel and thread:
            try:
                self.context.slack.post_message(channel, message, thread_ts=thread)
            except NotTold as problem:
                log.warning("an answer goes another way than into a thread: %s", problem)
            else:
                return
        self.tell(message)

    def replace(self, message: Message) -> None:
        """Put an answer in place of the private message or the form that was pressed. Raises: NotTold."""
        if self.in_form:
            self.redraw(as_view(message))
        else:
            self._tell_here(message, replace=True)

    @property
    def _has_no_place(self) -> bool:
        return self.on_home or self.body.get("type") == "shortcut"

    def _tell_in_form(self, message: Message) -> None:
        if self._form is not None:
            self.context.modals.change(self._form, as_view(message))
        else:
            self._form = self._new_form(as_view(message))

    def _tell_here(self, message: Message, *, replace: bool) -> None:
        """Answer by Slack's address for it; else by a private message of its own; else by direct message."""
        url, slack = self.body.get("response_url"), self.context.slack
        if url:
            try:
                slack.respond(str(url), message, replace=replace)
            except NotTold as problem:
                log.warning("an answer goes another way than by its response_url: %s", problem)
            else:
                return
        channel = str((self.body.get("channel") or {}).get("id") or self.body.get("channel_id") or "")
        if channel:
            slack.post_ephemeral(channel, self.user_id, message)
        else:
            slack.post_message(self.user_id, message)

    def refresh_home(self) -> None:
        """Show the actor's Home as it is now, if they have looked at it."""
        who = self._who
        if who is not None and self.context.posted.viewer(who.wallet_id, self.actor.user_id) is not None:
            self.context.homes.show(who, opened=True)


def depth_of(view: View) -> int:
    """Say how many forms are open up to this one."""
    if view.get("previous_view_id") is None:
        return 1
    return 2 if view["previous_view_id"] == view.get("root_view_id") else 3
