"""What the Slack stand-in remembers: conversations, messages, what people have read, uploaded files.

Everything survives a SIGKILL. A document is never changed in place: a new one takes its place, so that whoever holds
the old one reads something whole.
"""

import base64
import mimetypes
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bot.ports import Clock
from bot.sandbox.document_store import Doc, DocumentStore
from bot.sandbox.live import Live
from bot.sandbox.slack.roster import Roster
from bot.sandbox.slack.seed import BOT_USER, CHANNEL_BY_ID, CHANNEL_BY_NAME, CHANNELS, TEAM, Person

FILE_SECONDS = 0.3
"""Real time for which a picture is "processed" after its upload."""
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def new_id(prefix: str) -> str:
    """Give an id in Slack's form."""
    return prefix + "0" + "".join(secrets.choice(_ALPHABET) for _ in range(9))


class SlackState:
    """The workspace."""

    def __init__(self, store: DocumentStore, live: Live, clock: Clock) -> None:
        self.store = store
        self.roster = Roster(store)
        self.file_seconds = FILE_SECONDS
        self._live = live
        self._clock = clock
        self._lock = threading.RLock()
        channels = [one.channel_id for one in CHANNELS] + [one["id"] for one in store.all("dm")]
        kinds = map(_kind, channels)
        stamps = (int(one["ts"].replace(".", "")) for kind in kinds for one in store.all(kind))
        self._last_micros = max(stamps, default=0)

    @contextmanager
    def change(self) -> Iterator[None]:
        """Change several things as one."""
        with self._lock, self.store.transaction():
            yield

    def now(self) -> datetime:
        """Give the sandbox's time."""
        return self._clock.now()

    def next_ts(self) -> str:
        """Give a unique, increasing timestamp by the sandbox's clock."""
        now = self._clock.now()
        micros = int(now.timestamp()) * 1_000_000 + now.microsecond
        with self._lock:
            self._last_micros = max(micros, self._last_micros + 1)
            return f"{self._last_micros // 1_000_000}.{self._last_micros % 1_000_000:06d}"

    def publish(self, topic: str, **what: str) -> None:
        """Tell open pages that something changed."""
        self._live.publish(topic, what)

    # --- People and conversations --------------------------------------------------------------------------

    def person(self, who: str) -> Person | None:
        """Find a person by id or handle."""
        return self.roster.person(who) or self.roster.by_handle(who.removeprefix("@"))

    def dm_of(self, user: str) -> str:
        """Give the id of somebody's DM with the app."""
        return f"D{user[1:]}"

    def dm_user(self, channel: str) -> str | None:
        """Give whose DM with the app a conversation is."""
        person = self.roster.person(f"U{channel[1:]}") if channel.startswith("D") else None
        return person.user_id if person is not None and person.team == TEAM else None

    def open_dm(self, user: str) -> str:
        """Give the id of somebody's DM with the app, which is there from now on. Raises: LookupError, if they left."""
        channel = self.dm_of(user)
        if self.store.get("dm", channel) is None:
            person = self.roster.person(user)
            if person is None or person.left:
                raise LookupError(user)
            self.store.put("dm", channel, {"id": channel, "users": [user, BOT_USER]})
        return channel

    def dm_between(self, one: str, other: str) -> str:
        """Give the id of the DM of two people, in which the app is not."""
        users = sorted((one, other))
        channel = "D" + "".join(user[1:] for user in users)
        if self.store.get("dm", channel) is None:
            self.store.put("dm", channel, {"id": channel, "users": users})
        return channel

    def dm_users(self, channel: str) -> Sequence[str]:
        """Give who is in a DM; nobody where there is none."""
        user = self.dm_user(channel)
        if user is not None:
            return (user, BOT_USER)
        return tuple((self.store.get("dm", channel) or {"users": ()})["users"])

    def find_channel(self, name: str) -> str | None:
        """Find a conversation by id, name or "#name"."""
        named = CHANNEL_BY_NAME.get(name.removeprefix("#"))
        if named is not None:
            return named.channel_id
        return name if name in CHANNEL_BY_ID or self.dm_users(name) else None

    def channel_name(self, channel: str) -> str:
        """Give a conversation's name as interactions carry it."""
        return CHANNEL_BY_ID[channel].name if channel in CHANNEL_BY_ID else "directmessage"

    def in_channel(self, user: str, channel: str) -> bool:
        """Say whether a person or the bot is in a conversation."""
        if channel not in CHANNEL_BY_ID:
            return user in self.dm_users(channel)
        if user == BOT_USER:
            changed = self.store.get("channel", channel) or {}
            return bool(changed.get("bot_member", CHANNEL_BY_ID[channel].bot_member))
        person = self.roster.person(user)
        return person is not None and not person.left and person.kind in CHANNEL_BY_ID[channel].kinds

    def is_archived(self, channel: str) -> bool:
        """Say whether a channel takes no more messages."""
        return bool((self.store.get("channel", channel) or {}).get("archived", False))

    def is_private(self, channel: str) -> bool:
        """Say whether only its members know of a channel."""
        return bool((self.store.get("channel", channel) or {}).get("private", False))

    def set_channel(self, channel: str, **changed: bool) -> None:
        """Change a channel: whether the bot is in it (`bot_member`), whether it is `archived` or `private`."""
        with self.change():
            self.store.put("channel", channel, {**(self.store.get("channel", channel) or {}), **changed})
        self.publish("message", channel=channel)

    # --- Messages ------------------------------------------------------------------------------------------

    def post(
        self, channel: str, author: str, content: Mapping[str, Any], *, only_for: str | None = None
    ) -> Doc:
        """Add a message; `only_for` makes it ephemeral. Content: text, blocks, attachments, files, thread_ts, …"""
        with self.change():
            message: Doc = {
                "ts": self.next_ts(),
                "channel": channel,
                "user": author,
                "bot": author == BOT_USER,
                "text": content.get("text") or "",
                "blocks": content.get("blocks") or [],
                "attachments": content.get("attachments") or [],
                "files": content.get("files") or [],
                "thread_ts": content.get("thread_ts") or None,
                "subtype": "thread_broadcast" if content.get("reply_broadcast") else None,
                "ephemeral": only_for is not None,
                "only_for": only_for,
                "edited": False,
                "updated_at": None,
            }
            return self._keep(message)

    def message(self, channel: str, ts: str) -> Doc | None:
        """Find a message."""
        return self.store.get(_kind(channel), ts)

    def has_thread(self, channel: str, ts: str) -> bool:
        """Say whether a message can be replied to: it is there, or it was deleted and replies of it are."""
        if self.message(channel, ts) is not None:
            return True
        return any(one["thread_ts"] == ts for one in self.store.all(_kind(channel)))

    def edit(self, message: Doc, content: Mapping[str, Any]) -> Doc:
        """Change a message in place; what isn't given stays. Slack marks only changes of bare text as edited."""
        with self.change():
            names = ("text", "blocks", "attachments")
            given = {name: content[name] for name in names if content.get(name) is not None}
            edited = message["edited"] or list(given) == ["text"]
            return self._keep({**message, **given, "edited": edited, "updated_at": self._stamp()})

    def remove(self, message: Doc) -> None:
        """Delete a message."""
        self.store.delete(_kind(message["channel"]), message["ts"])
        self.publish("message", channel=message["channel"], ts=message["ts"])

    def _keep(self, message: Doc) -> Doc:
        channel = message["channel"]
        if channel not in CHANNEL_BY_ID and self.store.get("dm", channel) is None:
            self.store.put("dm", channel, {"id": channel, "users": [*self.dm_users(channel)]})
        self.store.put(_kind(message["channel"]), message["ts"], message)
        self.publish("message", channel=message["channel"], ts=message["ts"])
        return message

    def _stamp(self) -> str:
        return f"{self._clock.now().timestamp():.6f}"

    def seen_by(self, user: str, channel: str) -> Sequence[Doc]:
        """Give the messages that somebody sees in a conversation, oldest first."""
        return [one for one in self.store.all(_kind(channel)) if one["only_for"] in (None, user)]

    def unread(self, user: str, channel: str) -> int:
        """Count what somebody has not seen of a conversation; replies in threads don't count."""
        read = (self.store.get("read", f"{user}:{channel}") or {"ts": ""})["ts"]
        return sum(
            1
            for one in self.seen_by(user, channel)
            if one["ts"] > read
            and one["user"] != user
            and not one["ephemeral"]
            and (not one["thread_ts"] or one["subtype"] == "thread_broadcast")
        )

    def mark_read(self, user: str, channel: str) -> None:
        """Remember that somebody looked at a conversation."""
        seen = self.seen_by(user, channel)
        last = seen[-1]["ts"] if seen else ""
        name = f"{user}:{channel}"
        if (self.store.get("read", name) or {"ts": ""})["ts"] != last:
            self.store.put("read", name, {"ts": last})

    # --- Files ---------------------------------------------------------------------------------------------

    def new_file(self, name: str, size_bytes: int, alt: str) -> Doc:
        """Make room for an upload."""
        file: Doc = {
            "id": new_id("F"),
            "name": name,
            "title": name,
            "alt_txt": alt,
            "size": size_bytes,
            "mimetype": mimetypes.guess_type(name)[0] or "application/octet-stream",
            "filetype": name.rpartition(".")[2].lower(),
            "ticket": secrets.token_urlsafe(18),
            "uploaded": False,
            "finished_at": None,
            "created": int(self._clock.now().timestamp()),
        }
        return self.store.put("file", file["id"], file)

    def file(self, file_id: str) -> Doc | None:
        """Find a file."""
        return self.store.get("file", file_id)

    def fill_file(self, file: Doc, content: bytes) -> None:
        """Take an upload's bytes."""
        with self.change():
            self.store.put("bytes", file["id"], {"base64": base64.b64encode(content).decode()})
            self.store.put("file", file["id"], {**file, "uploaded": True, "size": len(content)})

    def file_bytes(self, file_id: str) -> bytes | None:
        """Give a file's bytes."""
        found = self.store.get("bytes", file_id)
        return base64.b64decode(found["base64"]) if found is not None else None

    def finish_file(self, file: Doc, title: str) -> Doc:
        """End an upload; the picture is usable a moment later, in real time."""
        finished = {**file, "title": title, "finished_at": time.time()}
        return self.store.put("file", file["id"], finished)

    def remove_file(self, file_id: str) -> None:
        """Delete a file; messages that showed it show a gap."""
        with self.change():
            self.store.delete("file", file_id)
            self.store.delete("bytes", file_id)

    def picture_problem(self, file_id: str) -> str:
        """Say why a picture cannot be shown; empty when it can."""
        file = self.file(file_id)
        if file is None or file["finished_at"] is None or not file["mimetype"].startswith("image/"):
            return "invalid slack file"
        processed = time.time() - file["finished_at"] >= self.file_seconds
        return "" if processed else "invalid slack file"


def _kind(channel: str) -> str:
    return f"message {channel}"
