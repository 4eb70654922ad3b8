"""Slack: its tokens, scopes and socket, the alerted channels, the host of uploads, and its judgement of surfaces."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from bot.app import slack_access
from bot.operator.checks.database import Books
from bot.operator.checks.line import Line, caught, unseen
from bot.operator.checks.setup import APP_TOKEN, BOT_TOKEN, Setup
from bot.ports import NotTold
from bot.slack.channel_directory import SlackChannels
from bot.slack.connection import (
    Identity,
    NotConnected,
    NotSlack,
    TokenRefused,
    identify,
    plain_client,
)
from bot.slack.probe import NotAccepted, NotAnswered, judge_surfaces, open_socket, reach_upload_host
from bot.slack.scopes import missing_scopes
from bot.states.alert_channel import ChannelPresence
from bot.wallets.alert_channels import presence_of
from ledger import Clock

TOKEN, SOCKET = "slack token", "slack socket"
WITH_TOKEN = ("slack scopes", "channels", "uploads", "surfaces")
Client = Any
"""Slack's client, which only `bot/slack` names."""
_MANIFEST = "Bring its manifest up to manifest.yml and install it again (README, step 1)."


def look_at_slack(setup: Setup, books: Books | None, clock: Clock) -> tuple[list[Line], timedelta | None]:
    """Look at Slack; gives by how much our clock is ahead of its, too."""
    settings = setup.settings
    host = urlsplit(settings.slack_api_url).hostname or ""
    client = plain_client(slack_access(settings))
    if BOT_TOKEN in setup.wrong:
        token, ahead = Line(TOKEN, None, f"{BOT_TOKEN} comes first"), None
    else:
        try:
            me = identify(client)
        except NotConnected as problem:
            token, ahead = Line(TOKEN, False, _why_not(host, problem)), None
        else:
            token = _token(me, books)
            ahead = clock.now() - me.said_at if me.said_at is not None else None
    lines = [token]
    if setup.settings.socket_mode or APP_TOKEN in setup.wrong:
        lines.append(caught(SOCKET, lambda: _socket(setup, host)))
    else:
        lines.append(Line(SOCKET, True, "not used: Slack sends its requests to /slack/events (HTTP mode)"))
    if token.ok is not True:
        return [*lines, *unseen(WITH_TOKEN, "the bot token comes first")], ahead
    looks: Sequence[Callable[[], Line]] = (
        lambda: _scopes(client),
        lambda: _channels(SlackChannels(client), books.channels if books is not None else []),
        lambda: _uploads(client),
        lambda: _surfaces(client),
    )
    lines += [caught(name, look) for name, look in zip(WITH_TOKEN, looks, strict=True)]
    return lines, ahead


def _why_not(host: str, problem: NotConnected) -> str:
    if isinstance(problem, NotSlack):
        return f"{host} does not answer as Slack does. Check what stands between, and REDBAR_SLACK_API_URL."
    if isinstance(problem, TokenRefused):
        return (
            f"Slack refuses it ({problem.code}). Copy the xoxb- token of the installed app into {BOT_TOKEN}."
        )
    return f"{host} cannot be reached. Check the network, the proxy and the firewall."


def _token(me: Identity, books: Books | None) -> Line:
    if books is not None and books.team_ids and me.team_id not in books.team_ids:
        ids = ", ".join(books.team_ids)
        words = f"It is of {me.name} ({me.team_id}), and the books are of {ids}. Give each workspace its own database."
        return Line(TOKEN, False, words)
    return Line(TOKEN, True, f"{me.name} ({me.team_id})")


def _socket(setup: Setup, host: str) -> Line:
    if APP_TOKEN in setup.wrong:
        return Line(SOCKET, None, f"{APP_TOKEN} comes first")
    try:
        open_socket(plain_client(slack_access(setup.settings)), setup.settings.slack_app_token)
    except NotAccepted as refused:
        if str(refused) in ("socket_mode_not_enabled", "not_allowed"):
            return Line(
                SOCKET, False, "Socket Mode is off. Turn it on in the app's settings, under Socket Mode."
            )
        words = f"Slack refuses it ({refused}). Copy an xapp- token with connections:write into {APP_TOKEN}."
        return Line(SOCKET, False, words)
    except NotAnswered as problem:
        return Line(
            SOCKET, False, f"{host} gives no socket now ({problem}). Check the network, and try again."
        )
    return Line(SOCKET, True, "Slack gives one to the app token")


def _scopes(client: Client) -> Line:
    missing = missing_scopes(client)
    if missing:
        return Line("slack scopes", False, f"The Slack app lacks {' and '.join(missing)}. {_MANIFEST}")
    return Line("slack scopes", True, "all that manifest.yml asks for")


def _channels(directory: SlackChannels, channel_ids: Sequence[str]) -> Line:
    if not channel_ids:
        return Line("channels", True, "no channel is alerted yet: [Alerts] on Home chooses them")
    away = []
    for channel_id in channel_ids:
        try:
            seen = directory.channel(channel_id)
        except NotTold as problem:
            away.append(f"{channel_id} ({problem})")
            continue
        if seen is None:
            return Line("channels", None, "the scopes channels:read and groups:read come first")
        presence = presence_of(seen)
        if presence is ChannelPresence.IS_ARCHIVED:
            away.append(f"#{seen.name} (archived)")
        elif presence is not ChannelPresence.PRESENT:
            away.append(f"#{seen.name}")
    if away:
        words = f"Redbar is not in {', '.join(away)}. Type /invite @Redbar there, or choose others under [Alerts]."
        return Line("channels", False, words)
    count = len(channel_ids)
    return Line(
        "channels", True, f"Redbar is in {'the one' if count == 1 else f'all {count}'} that alerts go to"
    )


def _uploads(client: Client) -> Line:
    try:
        host = reach_upload_host(client)
    except NotAccepted as refused:
        return Line(
            "uploads",
            False,
            f"Slack takes no files ({refused}): people get words without pictures. {_MANIFEST}",
        )
    except NotAnswered as problem:
        words = f"The host that takes pictures cannot be reached ({problem}). Let the firewall through to it."
        return Line("uploads", False, words)
    return Line("uploads", True, f"{host} can be reached")


def _surfaces(client: Client) -> Line:
    try:
        seen = judge_surfaces(client)
    except NotAccepted as refused:
        return Line("surfaces", None, f"Slack does not judge them ({refused})")
    except NotAnswered as problem:
        return Line("surfaces", None, f"Slack does not judge them now ({problem})")
    if seen.refused:
        first, more = seen.refused[0], len(seen.refused) - 1
        words = f"Slack refuses {first}{f', and {more} more' if more else ''}. Update Redbar, or report it."
        return Line("surfaces", False, words)
    what = f"{seen.surfaces} messages, Homes and forms, of {seen.shapes} shapes"
    if seen.looked_at < seen.shapes:
        return Line(
            "surfaces", True, f"{what}: Slack accepts {seen.looked_at}, and asks to wait with the rest"
        )
    return Line("surfaces", True, f"{what}: Slack accepts an example of each")
