"""What the web page shows of the Slack stand-in: people and channels, sidebar, conversations, Home, modals."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from bot.sandbox.document_store import Doc
from bot.sandbox.live import Live
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.slack.delivery import Trouble
from bot.sandbox.slack.finding import NotThere
from bot.sandbox.slack.people import UserActions
from bot.sandbox.slack.seed import (
    APP,
    BOT,
    BOT_USER,
    CHANNELS,
    COMMANDS,
    PEOPLE,
    SHORTCUTS,
    TEAM,
    TEAM_NAME,
    Person,
)
from bot.sandbox.slack.state import SlackState
from bot.sandbox.slack.views import Views

HOME_SECONDS = 3.0


class WebPage:
    """Answers the queries of the web page."""

    def __init__(
        self,
        state: SlackState,
        views: Views,
        actions: UserActions,
        live: Live,
        settings: SandboxSettings,
        extra: Callable[[], Doc],
    ) -> None:
        self._state = state
        self._views = views
        self._actions = actions
        self._live = live
        self._settings = settings
        self._extra = extra
        self._tasks: set[asyncio.Task[object]] = set()

    def bootstrap(self) -> Doc:
        """Give what the web page needs at its start."""
        now = self._state.now()
        people = [
            {
                "id": one.user_id,
                "handle": one.handle,
                "real_name": one.real_name,
                "kind": one.kind,
                "initials": one.initials,
                "color": one.color,
                "tz": one.zone,
            }
            for one in PEOPLE
        ]
        channels = [{"id": one.channel_id, "name": one.name, "shared": one.shared} for one in CHANNELS]
        app = {
            "id": APP,
            "name": "Redbar",
            "bot_user": BOT_USER,
            "bot_id": BOT,
            "commands": list(COMMANDS),
            "shortcuts": list(SHORTCUTS),
        }
        offset_seconds = round(now.timestamp() - time.time())
        return {
            "people": people,
            "channels": channels,
            "workspace": {"id": TEAM, "name": TEAM_NAME},
            "app": app,
            "clock": {"now": now.isoformat(), "offset_seconds": offset_seconds},
            "urls": {"base": self._settings.base_url, "wire": "/sandbox/log.jsonl"},
            **self._extra(),
        }

    def sidebar(self, person: Person) -> Doc:
        """Give the channels and direct messages in a person's sidebar."""
        state, user = self._state, person.user_id
        channels = [
            {
                "id": one.channel_id,
                "name": one.name,
                "shared": one.shared,
                "unread": state.unread(user, one.channel_id),
            }
            for one in CHANNELS
            if state.in_channel(user, one.channel_id)
        ]
        dm = state.dm_of(user)
        app = {"id": dm, "name": "Redbar", "user": BOT_USER, "unread": state.unread(user, dm), "is_app": True}
        return {"channels": channels, "dms": [app] if person.team == TEAM else []}

    def messages(self, person: Person, channel: str, since: str) -> Doc:
        """Give a conversation as somebody sees it, and remember that they looked."""
        found = self._state.seen_by(person.user_id, channel)
        replies: dict[str, int] = {}
        for one in found:
            if one["thread_ts"] and one["thread_ts"] != one["ts"]:
                replies[one["thread_ts"]] = replies.get(one["thread_ts"], 0) + 1
        self._state.mark_read(person.user_id, channel)
        hidden = ("only_for", "channel")
        return {
            "channel": channel,
            "messages": [
                {
                    **{name: value for name, value in one.items() if name not in hidden},
                    "reply_count": replies.get(one["ts"], 0),
                    "wire": f"{channel}:{one['ts']}",
                }
                for one in found
                if one["ts"] > since or (one["updated_at"] or "") > since
            ],
        }

    def home(self, person: Person) -> Doc:
        """Give somebody's Home as it was published last."""
        view = self._views.home(person.user_id)
        return {"view": view, "hash": view["hash"] if view is not None else None}

    async def open_home(self, person: Person, tab: str) -> Doc:
        """Open the app and, for its Home tab, wait until the bot has published it; three seconds at the most."""
        if person.team != TEAM:
            raise NotThere("People from outside have no tab of the app.")
        if tab != "home":
            got = await self._actions.open_app(person, tab)
            return {"ok": got.ok, "acked_ms": got.acked_ms, **self.home(person)}
        published = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hear(topic: str, what: Doc) -> None:
            if topic == "home" and what.get("user") == person.user_id:
                loop.call_soon_threadsafe(published.set)

        began = loop.time()
        with self._live.observing(hear):
            opening = asyncio.create_task(self._actions.open_app(person, tab))
            self._tasks.add(opening)  # the loop itself would let a waiting task be collected
            opening.add_done_callback(self._tasks.discard)
            with suppress(TimeoutError):
                await asyncio.wait_for(published.wait(), HOME_SECONDS)
        took_ms = int((loop.time() - began) * 1000)
        outcome: Doc = {"ok": published.is_set(), "acked_ms": took_ms, **self.home(person)}
        return outcome if published.is_set() else {**outcome, "error": Trouble.NO_ANSWER.value}

    def modals(self, person: Person) -> Doc:
        """Give somebody's open modals, the last on top."""
        return {"views": self._views.stack(person.user_id)}
