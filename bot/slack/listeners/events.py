"""What Slack tells by itself: Home was opened, somebody changed, the app was removed."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from slack_bolt import App

from bot.rights import Action
from bot.slack.listeners.boundary import Task, start
from bot.slack.listeners.interaction import Context, Interaction, actor_of
from bot.slack.people_directory import SlackDirectory

Body = dict[str, Any]
log = logging.getLogger("redbar.slack")


def register(bolt: App, context: Context) -> None:
    """Register the events. Bolt acknowledges each before it is heard; Slack may deliver one again."""
    home_task = Task(Action.OPEN_HOME, open_home)

    @bolt.event("app_home_opened")
    def hear_home(body: Body, event: Body) -> None:
        if event.get("tab") == "home":  # also fires for the Messages tab
            start(Interaction(context, body), home_task)

    @bolt.event("user_change")
    def hear_change(event: Body) -> None:
        directory = context.people.directory
        if isinstance(directory, SlackDirectory):
            directory.forget(str((event.get("user") or {}).get("id")))

    @bolt.event("app_uninstalled")
    def hear_uninstalled(body: Body) -> None:
        _forget(context, body, "app_uninstalled")

    @bolt.event("tokens_revoked")
    def hear_revoked(body: Body, event: Body) -> None:
        if (event.get("tokens") or {}).get("bot"):
            _forget(context, body, "tokens_revoked")


def _forget(context: Context, body: Body, said: str) -> None:
    team_id = actor_of(body).team_id
    context.workers.start(partial(_logged, partial(context.workspaces.forget, team_id, said)))


def _logged(work: Callable[[], None]) -> None:
    """Run what nobody waits for an answer to."""
    try:
        work()
    except Exception:
        log.exception("an event was not taken in")


def open_home(interaction: Interaction) -> None:
    """Publish Home for the person who opened it, once for each delivery of the event."""
    context = interaction.context
    if context.posted.first_sight(str(interaction.body.get("event_id"))):
        context.homes.open(interaction.actor)
