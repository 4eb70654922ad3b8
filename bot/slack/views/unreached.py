"""A person or channel that Redbar cannot reach any more, said to those who can mend it. Pure."""

from bot.rights import Role
from bot.slack.ids import Act
from bot.slack.views.blocks import Message, actions_for, button, section
from bot.slack.views.text import spoken
from bot.states.delivery import Recipient

ARCHIVED = frozenset({"is_archived", "is_inactive"})
NOT_IN = frozenset({"not_in_channel", "channel_not_found"})
LEFT = frozenset({"left_workspace", "user_disabled"})


def recipient_lost(lost: Recipient, said: str, is_asker: bool, role: Role) -> Message:
    """Say who no longer reads what, and what to do. `said` is Slack's code, or `left_workspace`.

    `is_asker`: the reader asked that person for something.
    """
    if lost.is_channel:
        line, act = _channel(f"<#{lost.slack_id}>", said), button("Alerts", Act.ALERTS)
    elif is_asker:
        line = (
            f"*<@{lost.slack_id}> {_why_not(said)}*, so they have not read what you asked. Ask somebody else, or copy "
            "the link from /wallet."
        )
        act = button("Ask someone to pay", Act.ASK_TO_PAY)
    else:
        line = (
            f"*<@{lost.slack_id}> {_why_not(said)}*, so they no longer read about the calling wallet. Choose who "
            "looks after billing in their place."
        )
        act = button("People", Act.PEOPLE)
    return Message(text=spoken(line), blocks=[section(line), *actions_for(role, act)])


def _channel(channel: str, said: str) -> str:
    if said in ARCHIVED:
        return (
            f'*{channel} is archived*, so nobody there reads alarms. Unarchive it and type "/invite @Redbar" in it, '
            "or choose another channel."
        )
    if said in NOT_IN:
        return (
            f'*I\'m not in {channel} any more*, so nobody there reads alarms. Type "/invite @Redbar" in it, or choose '
            "another channel."
        )
    return (
        f"*Slack doesn't let me post in {channel}* ({said}), so nobody there reads alarms. Allow it in the channel's "
        "settings, or choose another channel."
    )


def _why_not(said: str) -> str:
    return "has left this workspace" if said in LEFT else f"can't be sent a direct message ({said})"
