"""The workspace of the sandbox: who is in it, which channels it has, and how Slack describes them."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.sandbox.document_store import Doc

TEAM = "T0REDBAR1"
TEAM_NAME = "Northwind Calls"
TEAM_DOMAIN = "northwind"
PARTNER_TEAM = "T0PARTNER"
APP = "A0REDBAR1"
BOT_USER = "U0REDBAR1"
BOT = "B0REDBAR1"
COMMANDS = (
    {
        "command": "/wallet",
        "description": "Show the wallet, top up, or change automatic payments",
        "usage_hint": "[topup 100 | ask @person 160 | history | auto | help]",
    },
)
SHORTCUTS = ({"callback_id": "wallet_topup", "name": "Top up wallet", "description": "Open the top-up form"},)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the workspace, or from outside in a shared channel."""

    user_id: str
    handle: str
    real_name: str
    kind: str
    """"owner", "admin", "finance", "member", "guest" or "outsider"."""
    color: str
    team: str = TEAM
    zone: str = "Europe/Berlin"
    left: bool = False
    """Whether their account was deactivated."""

    @property
    def initials(self) -> str:
        """Two letters for the avatar."""
        return "".join(word[0] for word in self.real_name.split()[:2])


PEOPLE = (
    Person("U0OWNER01", "owner", "Olivia Reyes", "owner", "#8B5CF6"),
    Person("U0ADMIN01", "admin", "Adam Kowalski", "admin", "#0EA5E9"),
    Person("U0FINANCE", "finance", "Fiona Braun", "finance", "#F59E0B"),
    Person("U0MEMBER1", "member", "Max Lindqvist", "member", "#10B981"),
    Person("U0GUEST01", "guest", "Gita Rao", "guest", "#EC4899"),
    Person("U0EXTERN1", "outsider", "Ivan Petrov", "outsider", "#64748B", PARTNER_TEAM),
)


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel; `shared` ones have people from outside."""

    channel_id: str
    name: str
    kinds: frozenset[str]
    """The kinds of people who are in it."""
    bot_member: bool
    shared: bool = False


_FULL = frozenset({"owner", "admin", "finance", "member"})
CHANNELS = (
    Channel("C0GENERAL", "general", _FULL, bot_member=True),
    Channel("C0CALLS01", "calls", _FULL | {"guest"}, bot_member=True),
    Channel("C0CAMPAIG", "campaigns", _FULL | {"outsider"}, bot_member=False, shared=True),
)
CHANNEL_BY_ID = {channel.channel_id: channel for channel in CHANNELS}
CHANNEL_BY_NAME = {channel.name: channel for channel in CHANNELS}


def user_object(person: Person, now: datetime) -> Doc:
    """Give a person as `users.info` does."""
    outside = person.team != TEAM
    owner = person.kind == "owner"
    moment = now.astimezone(ZoneInfo(person.zone))
    offset = moment.utcoffset()
    assert offset is not None
    user: Doc = {
        "id": person.user_id,
        "team_id": person.team,
        "name": person.handle,
        "deleted": False,
        "color": person.color.lstrip("#").lower(),
        "real_name": person.real_name,
        "tz": person.zone,
        "tz_label": str(moment.tzname()),
        "tz_offset": int(offset.total_seconds()),
        "profile": _profile(person.real_name, person.handle, person.team),
        "is_bot": False,
        "is_app_user": False,
        "updated": 1_700_000_000,
        "is_email_confirmed": True,
        "who_can_share_contact_card": "EVERYONE",
    }
    if outside:
        # Slack says little of people from outside: their flags are absent rather than false.
        return {**user, "is_stranger": True}
    if person.left:
        return {**user, "deleted": True}  # nor has somebody who left any flags
    return {
        **user,
        "is_admin": owner or person.kind == "admin",
        "is_owner": owner,
        "is_primary_owner": owner,
        "is_restricted": person.kind == "guest",
        "is_ultra_restricted": False,
    }


def bot_object() -> Doc:
    """Give the app's own user."""
    return {
        **_machine(BOT_USER, "redbar", "Redbar"),
        "is_bot": True,
        "profile": {
            **_profile("Redbar", "redbar", TEAM),
            "api_app_id": APP,
            "bot_id": BOT,
            "always_active": True,
        },
    }


def slackbot_object() -> Doc:
    """Give Slackbot, which Slack lists among the people and doesn't call a bot."""
    return {
        **_machine("USLACKBOT", "slackbot", "Slackbot"),
        "is_bot": False,
        "profile": _profile("Slackbot", "Slackbot", TEAM),
    }


def _machine(user_id: str, name: str, real_name: str) -> Doc:
    return {
        "id": user_id,
        "team_id": TEAM,
        "name": name,
        "deleted": False,
        "color": "757575",
        "real_name": real_name,
        "tz": "America/Los_Angeles",
        "tz_label": "Pacific Standard Time",
        "tz_offset": -28800,
        "is_admin": False,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_app_user": False,
        "updated": 1_700_000_000,
    }


def _profile(real_name: str, display_name: str, team: str) -> Doc:
    first, _, last = real_name.partition(" ")
    return {
        "real_name": real_name,
        "real_name_normalized": real_name,
        "display_name": display_name,
        "display_name_normalized": display_name,
        "first_name": first,
        "last_name": last,
        "title": "",
        "phone": "",
        "status_text": "",
        "status_emoji": "",
        "team": team,
    }
