"""What Slack tells by itself: Home was opened, somebody changed, the app was removed."""

import logging
from typing import Any

from slack_bolt import App

from bot.rights import Action
from bot.slack.listeners.boundary import guarded
from bot.slack.listeners.interaction import Context, Interaction, actor_of
from bot.slack.people_directory import person_of

Body = dict[str, Any]
log = logging.getLogger("redbar.slack")


def register(bolt: App, context: Context) -> None:
    """Register the events. Slack may deliver one again, so each is taken in once by its id."""
    home_work = guarded(context, Action.OPEN_HOME, open_home)

    @bolt.event("app_home_opened")
    def hear_home(body: Body, event: Body) -> None:
        # Also fires for the Messages tab.
        if event.get("tab") == "home" and context.posted.first_sight(str(body.get("event_id"))):
            home_work(body)()

    @bolt.event("user_change")
    def hear_change(body: Body, event: Body) -> None:
        hear_person(context, body, event)

    @bolt.event("team_join")
    def hear_join(body: Body, event: Body) -> None:
        hear_person(context, body, event)

    @bolt.event("app_uninstalled")
    def hear_uninstalled(body: Body) -> None:
        context.workspaces.forget(actor_of(body).team_id, "app_uninstalled")

    @bolt.event("tokens_revoked")
    def hear_revoked(body: Body, event: Body) -> None:
        if (event.get("tokens") or {}).get("bot"):
            context.workspaces.forget(actor_of(body).team_id, "tokens_revoked")


def hear_person(context: Context, body: Body, event: Body) -> None:
    """Take in that somebody changed, or came."""
    actor, user = actor_of(body), event.get("user")
    workspace = context.workspaces.of_team(actor.team_id, actor.enterprise_id)
    if workspace is not None and isinstance(user, dict) and user.get("id"):
        context.listing.hear(workspace.wallet_id, person_of(user, actor.team_id))


def open_home(interaction: Interaction) -> None:
    """Publish Home for the person who opened it."""
    interaction.context.homes.open(interaction.actor)
