"""Whom Redbar cannot reach any more, said to those who can mend it; and when it could reach nobody itself. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from bot.change_facts import AbsenceFacts
from bot.notices import CameBack, RecipientLost
from bot.rights import Role
from bot.slack.ids import Act
from bot.slack.views.blocks import Message, actions_for, button, section
from bot.slack.views.text import counted, moment, spoken
from bot.states.delivery import Recipient
from ledger import Automatic

LEFT = frozenset({"left_workspace", "user_disabled"})


def untold_words(since: datetime, zone: str) -> str:
    """Say on Home that something waits for somebody to be told; the same to everybody, and nothing of money."""
    return (
        f"*Nobody could be told about the calling wallet since {moment(since, zone)}:* no billing admin can be "
        "reached, and Slack names no owner. An owner or admin of this workspace chooses under People who looks "
        "after billing."
    )


def came_back(away: CameBack, f: AbsenceFacts, role: Role) -> Message:
    """Say how long the app was removed, what was charged meanwhile, and how automatic payments stand."""
    head = f"*Redbar was away {_between(away.gone_at, away.back_at, f.zone)}.*"
    charged = (
        "Nothing was charged."
        if f.charged is None
        else f"{f.charged} was charged: that payment was under way when Redbar was removed."
    )
    withdrawn = counted(f.withdrawn, "open request was", "open requests were")
    taken_back = f"{withdrawn} withdrawn; ask again where it is still wanted." if f.withdrawn else ""
    line = " ".join(filter(None, [head, charged, taken_back, f"Automatic payments are {f.automatic}."]))
    turn_on = [button("Turn on", Act.AUTOMATIC)] if f.automatic is Automatic.OFF else []
    return Message(text=spoken(line), blocks=[section(line), *actions_for(role, *turn_on)])


def _between(since: datetime, until: datetime, zone: str) -> str:
    """Say from which day to which, in the wallet's zone; on one day, from what time to what time."""
    first, last = (one.astimezone(ZoneInfo(zone)) for one in (since, until))
    if first.date() == last.date():
        return f"on {first.day} {first:%B} from {first:%H:%M} to {last:%H:%M}"
    month = f" {first:%B}" if (first.month, first.year) != (last.month, last.year) else ""
    year = f" {first.year}" if first.year != last.year else ""
    return f"from {first.day}{month}{year} to {last.day} {last:%B}{f' {last.year}' if year else ''}"


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
