"""The one boundary of all listeners: who acts, what refusals say, and that nothing is ever raised into Bolt.

An exception just after `ack()` can erase the ack (measured: README, R-07), so everything is caught here: a refusal
becomes its words, a bug an incident number that was logged.
"""

import functools
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.rights import Actor, Role
from bot.slack.client import SlackClient
from bot.slack.homes import Homes
from bot.slack.presence import Presence
from bot.slack.senders.table import Senders
from bot.slack.views import errors, money_in, status
from bot.slack.views.blocks import Message, View
from bot.surfaces.office import Office
from bot.wallets.people import NotEntitled, Standpoint
from ledger import Refused

log = logging.getLogger("redbar.slack")
P = ParamSpec("P")
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Front:
    """What listeners work with."""

    office: Office
    slack: SlackClient
    homes: Homes
    senders: Senders
    client: WebClient
    presence: Presence
    pressed: Callable[[], None]
    """Somebody follows a link to pay."""


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


class Desk:
    """One interaction: who is there, and how to answer them where they are."""

    def __init__(self, front: Front, body: Body) -> None:
        self.front = front
        self.body = body
        self.actor = actor_of(body)
        self.who: Standpoint | None = None

    @property
    def office(self) -> Office:
        """Every flow."""
        return self.front.office

    def require(self, *, manage: bool = False) -> Standpoint:
        """Give the standpoint of somebody entitled, judged afresh. Refuses: NotEntitled."""
        self.who = self.office.people.require(self.actor, manage=manage)
        return self.who

    @property
    def in_view(self) -> bool:
        """The interaction came from Home or a form, which have no conversation to answer in."""
        return "view" in self.body and "response_url" not in self.body

    def tell(self, message: Message) -> None:
        """Answer privately: where they are, or over Home or the open form."""
        if self.in_view or self.body.get("type") == "shortcut":
            self.show(_as_view(message))
            return
        channel = str((self.body.get("channel") or {}).get("id") or self.body.get("channel_id") or "")
        if channel.startswith("D"):
            self.front.slack.post_ephemeral(channel, self.actor.user_id, message)
            return
        self._by_response_url(message, channel)

    def _by_response_url(self, message: Message, channel: str) -> None:
        from slack_sdk.webhook import WebhookClient  # noqa: PLC0415 - loaded when first needed

        url = self.body.get("response_url")
        if not url:
            self.front.slack.post_ephemeral(channel, self.actor.user_id, message)
            return
        WebhookClient(str(url)).send(
            text=message.text,
            blocks=message.blocks,
            attachments=message.attachments,
            response_type="ephemeral",
            replace_original=False,
        )

    def replace(self, message: Message) -> None:
        """Put an answer in place of the private message that was pressed."""
        from slack_sdk.webhook import WebhookClient  # noqa: PLC0415 - loaded when first needed

        WebhookClient(str(self.body["response_url"])).send(
            text=message.text, blocks=message.blocks, attachments=message.attachments, replace_original=True
        )

    def show(self, view: View) -> str:
        """Open a form, or put it over the one that is open; gives its id."""
        trigger = str(self.body["trigger_id"])
        over = self.body.get("view", {}).get("type") == "modal"
        call = self.front.client.views_push if over else self.front.client.views_open
        answer = call(trigger_id=trigger, view=view)
        return str(answer["view"]["id"])

    def change(self, view_id: str, view: View, *, instead_of: str | None = None) -> str:
        """Show something else in an open form; one that was closed meanwhile is left closed.

        Gives the mark of what is shown now. With the mark of what it is shown `instead_of`, a form that shows
        something else meanwhile is left as it is: whoever pressed a button in it is reading the answer.
        """
        try:
            answer = self.front.client.views_update(view_id=view_id, view=view, hash=instead_of)
        except SlackApiError as error:
            if error.response.get("error") not in ("not_found", "hash_conflict"):
                raise
            return ""
        return str(answer["view"]["hash"])

    def refresh_home(self) -> None:
        """Show the actor's Home as it is now, if they have looked at it."""
        if (
            self.who is not None
            and self.office.showing.viewer(self.who.wallet_id, self.actor.user_id) is not None
        ):
            self.front.homes.show(self.who, opened=True)


def _as_view(message: Message) -> View:
    view = money_in.working("Redbar")
    blocks = [*message.blocks, *(block for one in message.attachments for block in one.get("blocks", []))]
    view["blocks"] = blocks or [{"type": "section", "text": {"type": "mrkdwn", "text": message.text}}]
    return view


def guarded(front: Front, work: Callable[Concatenate[Desk, P], None]) -> Callable[[Body], Callable[P, None]]:
    """Give a runner of one listener's work that catches everything."""

    def bind(body: Body) -> Callable[P, None]:
        desk = Desk(front, body)

        @functools.wraps(work)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                front.presence.came(desk.actor.team_id)
                work(desk, *args, **kwargs)
            except NotEntitled as refusal:
                _quietly(desk, not_entitled(front, desk.actor, refusal.role))
            except Refused as refusal:
                _quietly(desk, errors.refused(str(refusal), getattr(refusal, "ref", "")))
            except Exception:  # noqa: BLE001 - the boundary: users see words, the log sees everything
                _quietly(desk, errors.incident(log_incident()))

        return run

    return bind


def log_incident() -> str:
    """Log the exception being handled under a number that the person is shown."""
    incident = secrets.token_hex(3).upper()
    log.exception("incident %s", incident)
    return incident


def not_entitled(front: Front, actor: Actor, role: Role) -> Message:
    """Say whom to ask, the same whatever the wallet's state; people from outside learn nothing."""
    workspace = front.office.workspaces.of_team(actor.team_id, actor.enterprise_id)
    if role is Role.OUTSIDER or workspace is None:
        return status.not_here()
    return status.whom_to_ask(front.office.people.facts(workspace.wallet_id))


def _quietly(desk: Desk, message: Message) -> None:
    try:
        desk.tell(message)
    except Exception:  # an answer that cannot be shown must not become a second failure
        log.exception("an answer could not be shown")
