"""Conversations as the bot meets them: where it may post, what it may know of channels, and joining one."""

from collections.abc import Callable

from bot.sandbox.document_store import Doc
from bot.sandbox.slack.content import Params, Refusal, flag_of, needed, number_of
from bot.sandbox.slack.events import Events
from bot.sandbox.slack.installation import Installation
from bot.sandbox.slack.seed import BOT_USER, CHANNEL_BY_ID, CHANNELS, TEAM, Channel
from bot.sandbox.slack.state import SlackState

PUBLIC, PRIVATE, DIRECT, GROUP = "public_channel", "private_channel", "im", "mpim"
SCOPE_OF = {PUBLIC: "channels:read", PRIVATE: "groups:read", DIRECT: "im:read", GROUP: "mpim:read"}


class Conversations:
    """Answers what concerns conversations, and finds where a message goes."""

    def __init__(self, state: SlackState, installation: Installation, events: Events) -> None:
        self._state = state
        self._installation = installation
        self._events = events

    # --- Where a message goes ------------------------------------------------------------------------------

    def place(self, params: Params) -> str:
        """Find where a message goes: a channel by id or name, or a person by id for their DM. Raises: Refusal."""
        wanted = needed(params, "channel")
        person = self._state.roster.person(wanted)
        if person is not None and person.team == TEAM:
            return self._dm(wanted)
        channel = self._known(wanted)
        if channel not in CHANNEL_BY_ID:
            return self._dm(str(self._state.dm_user(channel)))
        public = not self._state.is_private(channel) and "chat:write.public" in self._installation.scopes
        if not self._state.in_channel(BOT_USER, channel) and not public:
            raise Refusal("not_in_channel")
        if self._state.is_archived(channel):
            raise Refusal("is_archived")
        return channel

    def _dm(self, user: str) -> str:
        try:
            return self._state.open_dm(user)
        except LookupError:
            raise Refusal("user_disabled") from None

    def _known(self, wanted: str) -> str:
        """Find a conversation of which the bot may know: no DM of two people, no private channel without it."""
        channel = self._state.find_channel(wanted)
        if channel is None:
            raise Refusal("channel_not_found")
        secret = channel not in CHANNEL_BY_ID or self._state.is_private(channel)
        if secret and not self._state.in_channel(BOT_USER, channel):
            raise Refusal("channel_not_found")
        return channel

    def of_message(self, params: Params) -> str:
        """Find the conversation of a message that is to be changed, which only its id names. Raises: Refusal."""
        wanted = needed(params, "channel")
        if self._known(wanted) != wanted:
            raise Refusal("channel_not_found")
        if not self._state.in_channel(BOT_USER, wanted):
            raise Refusal("not_in_channel")
        return wanted

    # --- What the bot may know -----------------------------------------------------------------------------

    def open(self, params: Params) -> Doc:
        """Open the DM with one person."""
        users = needed(params, "users").split(",")
        if len(users) != 1 or self._state.roster.person(users[0]) is None:
            raise Refusal("user_not_found")
        return {"channel": {"id": self._dm(users[0])}}

    def info(self, params: Params) -> Doc:
        """Describe one conversation."""
        channel = self._known(needed(params, "channel"))
        known = CHANNEL_BY_ID.get(channel)
        if known is None:
            self._installation.require(SCOPE_OF[DIRECT])
            return {"channel": {"id": channel, "is_im": True, "user": self._state.dm_user(channel)}}
        self._installation.require(SCOPE_OF[self._kind(known)])
        return {"channel": self._channel_object(known)}

    def list(self, params: Params) -> Doc:
        """List the channels of which the bot may know."""
        return self._listed(params, lambda one: True)

    def of_user(self, params: Params) -> Doc:
        """List the channels in which somebody is, and with nobody named, the bot."""
        user = str(params.get("user") or BOT_USER)
        return self._listed(params, lambda one: self._state.in_channel(user, one.channel_id))

    def join(self, params: Params) -> Doc:
        """Let the bot join a public channel."""
        channel = self._known(needed(params, "channel"))
        if channel not in CHANNEL_BY_ID or self._state.is_private(channel):
            raise Refusal("method_not_supported_for_channel_type")
        if self._state.is_archived(channel):
            raise Refusal("is_archived")
        was_in = self._state.in_channel(BOT_USER, channel)
        self.set_channel(channel, bot_member=True)
        found: Doc = {"channel": self._channel_object(CHANNEL_BY_ID[channel])}
        return {**found, "warning": "already_in_channel"} if was_in else found

    def set_channel(self, channel: str, *, by: str = "", **changed: bool) -> None:
        """Change a channel as somebody does it, and tell the bot. Changed: bot_member, archived, private."""
        was_in, was_archived = self._state.in_channel(BOT_USER, channel), self._state.is_archived(channel)
        self._state.set_channel(channel, **changed)
        now_in, now_archived = self._state.in_channel(BOT_USER, channel), self._state.is_archived(channel)
        private = self._state.is_private(channel)
        if was_in != now_in:
            self._tell_membership(channel, now_in=now_in, private=private, by=by)
        if was_archived != now_archived and now_in:
            word = "archive" if now_archived else "unarchive"
            self._events.tell(f"{'group' if private else 'channel'}_{word}", channel=channel, user=by)

    def _tell_membership(self, channel: str, *, now_in: bool, private: bool, by: str) -> None:
        if not now_in:
            # Slack tells the members who are left of member_left_channel, and whoever was removed of this.
            self._events.tell("group_left" if private else "channel_left", private=private, channel=channel)
            return
        about: Doc = {"user": BOT_USER, "channel": channel, "channel_type": "G" if private else "C"}
        about |= {"team": TEAM, **({"inviter": by} if by else {})}
        self._events.tell("member_joined_channel", private=private, **about)

    def _kind(self, channel: Channel) -> str:
        return PRIVATE if self._state.is_private(channel.channel_id) else PUBLIC

    def _listed(self, params: Params, wanted: Callable[[Channel], bool]) -> Doc:
        kinds = str(params.get("types") or PUBLIC).split(",")
        if not set(kinds) <= set(SCOPE_OF):
            raise Refusal("invalid_types")
        for kind in kinds:
            self._installation.require(SCOPE_OF[kind])
        living = [
            one
            for one in CHANNELS
            if not (flag_of(params, "exclude_archived") and self._state.is_archived(one.channel_id))
        ]
        found = [
            one
            for one in living
            if self._kind(one) in kinds
            and (self._kind(one) == PUBLIC or self._state.in_channel(BOT_USER, one.channel_id))
            and wanted(one)
        ]
        start, limit = number_of(params, "cursor", 0), number_of(params, "limit", 100)
        rest = start + limit < len(found)
        return {
            "channels": [self._channel_object(one) for one in found[start : start + limit]],
            "response_metadata": {"next_cursor": str(start + limit) if rest else ""},
        }

    def _channel_object(self, channel: Channel) -> Doc:
        channel_id = channel.channel_id
        return {
            "id": channel_id,
            "name": channel.name,
            "is_channel": True,
            "is_private": self._state.is_private(channel_id),
            "is_archived": self._state.is_archived(channel_id),
            "is_ext_shared": channel.shared,
            "is_member": self._state.in_channel(BOT_USER, channel_id),
            "context_team_id": TEAM,
        }
