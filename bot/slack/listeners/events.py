"""What Slack tells by itself: Home was opened, somebody or a channel changed, the app was removed."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from slack_bolt import App

from bot.rights import Action
from bot.slack.listeners.boundary import Task, start
from bot.slack.listeners.interaction import Context, Interaction, actor_of
from bot.slack.people_directory import person_of
from bot.states.alert_channel import ChannelPresence

Body = dict[str, Any]
CHANNEL_EVENTS: Mapping[str, ChannelPresence] = {
    "member_joined_channel": ChannelPresence.PRESENT,
    # Slack does not send member_left_channel to whoever was removed, but these.
    "channel_left": ChannelPresence.NOT_IN_CHANNEL,
    "group_left": ChannelPresence.NOT_IN_CHANNEL,
    "channel_archive": ChannelPresence.IS_ARCHIVED,
    "group_archive": ChannelPresence.IS_ARCHIVED,
    "channel_unarchive": ChannelPresence.PRESENT,
    "group_unarchive": ChannelPresence.PRESENT,
    "channel_deleted": ChannelPresence.CHANNEL_NOT_FOUND,
    "group_deleted": ChannelPresence.CHANNEL_NOT_FOUND,
}
"""What each event says of Redbar in a channel."""
log = logging.getLogger("redbar.slack")


def register(bolt: App, context: Context) -> None:
    """Register the events. Bolt acknowledges each before it is heard; Slack may deliver one again."""
    home_task = Task(Action.OPEN_HOME, open_home)

    @bolt.event("app_home_opened")
    def hear_home(body: Body, event: Body) -> None:
        if event.get("tab") == "home":  # also fires for the Messages tab
            start(Interaction(context, body), home_task)

    @bolt.event("user_change")
    def hear_change(body: Body, event: Body) -> None:
        _take_in(context, partial(hear_person, context, body, event))

    @bolt.event("team_join")
    def hear_join(body: Body, event: Body) -> None:
        _take_in(context, partial(hear_person, context, body, event))

    for kind in CHANNEL_EVENTS:

        @bolt.event(kind)
        def hear_channel_event(body: Body, event: Body) -> None:
            _take_in(context, partial(hear_channel, context, body, event))

    @bolt.event("app_uninstalled")
    def hear_uninstalled(body: Body) -> None:
        _forget(context, body, "app_uninstalled")

    @bolt.event("tokens_revoked")
    def hear_revoked(body: Body, event: Body) -> None:
        if (event.get("tokens") or {}).get("bot"):
            _forget(context, body, "tokens_revoked")


def _forget(context: Context, body: Body, said: str) -> None:
    team_id = actor_of(body).team_id
    _take_in(context, partial(context.workspaces.forget, team_id, said))


def _take_in(context: Context, work: Callable[[], None]) -> None:
    """Do what an event asks for after it was acknowledged: it may ask Slack or the database."""
    context.workers.start(partial(_logged, work))


def _logged(work: Callable[[], None]) -> None:
    """Run what nobody waits for an answer to."""
    try:
        work()
    except Exception:
        log.exception("an event was not taken in")


def hear_person(context: Context, body: Body, event: Body) -> None:
    """Take in that somebody changed, or came."""
    actor, user = actor_of(body), event.get("user")
    workspace = context.workspaces.of_team(actor.team_id, actor.enterprise_id)
    if workspace is not None and isinstance(user, dict) and user.get("id"):
        context.listing.hear(workspace.wallet_id, person_of(user, actor.team_id))


def hear_channel(context: Context, body: Body, event: Body) -> None:
    """Take in that Redbar came into a channel or left it, or that a channel was archived, brought back or deleted."""
    channel_id = event.get("channel")
    if event.get("type") == "member_joined_channel" and event.get("user") not in _our_users(body):
        return
    actor = actor_of(body)
    workspace = context.workspaces.of_team(actor.team_id, actor.enterprise_id)
    if workspace is not None and isinstance(channel_id, str):
        context.channels.hear(workspace.wallet_id, channel_id, CHANNEL_EVENTS[str(event["type"])])


def _our_users(body: Body) -> list[object]:
    """Give the users of Slack's as whom this app hears an event."""
    return [one.get("user_id") for one in body.get("authorizations") or () if one.get("is_bot")]


def open_home(interaction: Interaction) -> None:
    """Publish Home for the person who opened it, once for each delivery of the event."""
    context = interaction.context
    if context.posted.first_sight(str(interaction.body.get("event_id"))):
        context.homes.open(interaction.actor)
