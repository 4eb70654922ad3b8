"""What others changed: who looks after billing, where alerts go; and channels that Redbar cannot post to. Pure."""

from collections.abc import Sequence
from typing import assert_never

from bot.rights import Role
from bot.slack.ids import Act
from bot.slack.views.blocks import Message, actions_for, button, section
from bot.slack.views.cards import off_button
from bot.slack.views.text import spoken
from bot.states.alert_channel import ChannelPresence

_ROLES = {Role.BILLING_ADMIN: "billing admin", Role.FINANCE: "finance", None: "no role"}
INVITE = 'Type "/invite @Redbar" in it'


def role_changed(
    actor_id: str,
    user_id: str,
    role_before: Role | None,
    role_after: Role | None,
    role: Role,
    *,
    stoppable: bool,
) -> Message:
    """Tell that somebody's role changed. `stoppable` says whether a rule is on that the reader may turn off."""
    change = f"{_ROLES[role_before]} → {_ROLES[role_after]}"
    line = f"<@{actor_id}> changed who looks after billing: <@{user_id}>, {change}."
    buttons = [button("People", Act.PEOPLE), *([off_button()] if stoppable else [])]
    return Message(text=line, blocks=[section(line), *actions_for(role, *buttons)])


def channels_changed(
    actor_id: str,
    added: Sequence[str],
    removed: Sequence[str],
    info: bool | None,
    role: Role,
    *,
    stoppable: bool,
) -> Message:
    """Tell that other channels are alerted from now on, or that people are told in the morning, or no more."""
    changes = [
        f"{word} {', '.join(f'<#{one}>' for one in channels)}"
        for word, channels in (("added", added), ("removed", removed))
        if channels
    ]
    if info is not None:
        changes.append(f"message in the morning {'off → on' if info else 'on → off'}")
    line = (
        f"<@{actor_id}> changed {'where alerts go' if added or removed else 'alerts'}: {', '.join(changes)}."
    )
    buttons = [button("Alerts", Act.ALERTS), *([off_button()] if stoppable else [])]
    return Message(text=line, blocks=[section(line), *actions_for(role, *buttons)])


def channel_away(channel_id: str, presence: ChannelPresence, role: Role) -> Message:
    """Tell that nobody reads what is posted to a channel, and how that is mended."""
    channel = f"<#{channel_id}>"
    invite = f"{INVITE}, or choose another channel."
    match presence:
        case ChannelPresence.IS_ARCHIVED:
            head, rest = f"{channel} is archived", "Choose another channel."
        case ChannelPresence.NOT_IN_CHANNEL:
            head, rest = f"I'm not in {channel} any more", invite
        case ChannelPresence.CHANNEL_NOT_FOUND:
            head, rest = f"I can't see {channel} any more", invite
        case ChannelPresence.REFUSED | ChannelPresence.PRESENT | ChannelPresence.UNKNOWN:
            head, rest = f"Slack doesn't let me post in {channel}", "Choose another channel."
        case never:
            assert_never(never)
    line = f"*{head}*, so nobody there reads alarms. {rest}"
    return Message(
        text=spoken(line), blocks=[section(line), *actions_for(role, button("Alerts", Act.ALERTS))]
    )


def channel_refused(name: str, presence: ChannelPresence) -> str:
    """Say under the field of a form why a channel cannot be chosen. Plain text; `name` is empty where Slack hid it."""
    channel = f"#{name}" if name else "one of these channels"
    match presence:
        case ChannelPresence.IS_ARCHIVED:
            return f"{channel[:1].upper()}{channel[1:]} is archived. Choose another channel."
        case ChannelPresence.NOT_IN_CHANNEL:
            return f"Redbar isn't in {channel}. {INVITE}, then save again."
        case ChannelPresence.CHANNEL_NOT_FOUND:
            return f"Redbar can't see {channel}. {INVITE}, then save again."
        case ChannelPresence.REFUSED | ChannelPresence.PRESENT | ChannelPresence.UNKNOWN:
            return f"Slack doesn't let Redbar post in {channel}. Choose another channel."
        case never:
            assert_never(never)
