"""The app in its workspace: which scopes and events it was granted, and whether its token is still accepted."""

from bot.sandbox.slack.content import Refusal

SCOPES = ("commands", "chat:write", "files:write", "users:read", "channels:read", "groups:read")
"""What the app asks for: the scopes of `manifest.yml`."""
EVENTS = (
    "app_home_opened",
    "app_uninstalled",
    "tokens_revoked",
    "user_change",
    "team_join",
    "member_joined_channel",
    "channel_left",
    "group_left",
    "channel_archive",
    "group_archive",
    "channel_unarchive",
    "group_unarchive",
    "channel_deleted",
    "group_deleted",
)
"""What the app subscribes to: the events of `manifest.yml`."""
EVENT_SCOPES = {
    "member_joined_channel": "channels:read",
    "channel_left": "channels:read",
    "channel_archive": "channels:read",
    "channel_unarchive": "channels:read",
    "channel_deleted": "channels:read",
    "group_left": "groups:read",
    "group_archive": "groups:read",
    "group_unarchive": "groups:read",
    "group_deleted": "groups:read",
    "user_change": "users:read",
    "team_join": "users:read",
}
"""The scope without which Slack does not send an event."""


class Installation:
    """The app's grants; they can be changed at any time, as an administrator does."""

    def __init__(self) -> None:
        self.scopes: tuple[str, ...] = SCOPES
        self.events: tuple[str, ...] = EVENTS
        self.dead_code = ""
        """How Slack refuses our token since the app was removed; empty while it is installed."""

    def require(self, scope: str) -> None:
        """Let a call pass that needs a scope, if it was granted. Raises: Refusal."""
        if scope and scope not in self.scopes:
            raise Refusal("missing_scope", needed=scope, provided=",".join(self.scopes))

    def hears(self, event: str, *, private: bool = False) -> bool:
        """Say whether the app is sent an event; one of a private channel needs the right to see it."""
        scope = "groups:read" if private else EVENT_SCOPES.get(event, "")
        return event in self.events and (not scope or scope in self.scopes)
