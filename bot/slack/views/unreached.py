"""A person whom Redbar cannot reach any more, said to those who can mend it. Pure."""

from bot.notices import RecipientLost
from bot.rights import Role
from bot.slack.ids import Act
from bot.slack.views.blocks import Message, actions_for, button, section
from bot.slack.views.text import spoken
from bot.states.delivery import Recipient

LEFT = frozenset({"left_workspace", "user_disabled"})


def recipient_lost(lost: RecipientLost, reader: str, role: Role) -> Message:
    """Say who no longer reads what, and what to do. `reader` is the user id of who reads this."""
    user_id = Recipient.of(lost.recipient).slack_id
    why_not = (
        "has left this workspace" if lost.said in LEFT else f"can't be sent a direct message ({lost.said})"
    )
    if lost.asked_by and lost.asked_by == reader:
        line = (
            f"*<@{user_id}> {why_not}*, so they have not read what you asked. Ask somebody else, or copy the link from "
            "/wallet."
        )
        way_on = button("Ask someone to pay", Act.ASK_TO_PAY)
    elif lost.asked_by:
        line = f"*<@{user_id}> {why_not}*, so they have not read what <@{lost.asked_by}> asked of them."
        way_on = button("Ask someone to pay", Act.ASK_TO_PAY)
    else:
        line = (
            f"*<@{user_id}> {why_not}*, so they no longer read about the calling wallet. Choose who looks after "
            "billing in their place."
        )
        way_on = button("People", Act.PEOPLE)
    return Message(text=spoken(line), blocks=[section(line), *actions_for(role, way_on)])
