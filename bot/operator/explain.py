"""`redbar explain`: what happened to a reference, a payment, an object of Stripe's, a call or a task, with times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from bot.operator.open_for_reading import CommandImpossible, open_for_reading, wallet_named
from bot.surfaces.explain import Story, stories

Say = Callable[[str], None]
KNOWN = (
    "a reference (RB-1004), an object of Stripe's (pi_…, cs_…, plink_…, re_…, du_…, txn_…, evt_…), "
    "or the id or the reference of a call or a task. The number of an incident stands in the log"
)


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be explained, and how it is told."""

    database_url: str
    asked: str
    wallet: str
    """A wallet's id; empty for all."""
    json: bool


def explain(options: Options, say: Say) -> int:
    """Tell the whole story; gives 0 when there is one, 1 when nothing is known, 2 when it could not be looked up."""
    try:
        wallet_id = wallet_named(options.wallet)
        with open_for_reading(options.database_url) as connection:
            told = stories(connection, options.asked.strip(), wallet_id)
    except CommandImpossible as problem:
        say(msgspec.json.encode({"error": str(problem)}).decode() if options.json else str(problem))
        return 2
    if options.json:
        say(msgspec.json.encode({"stories": told}).decode())
    elif not told:
        say(f"Nothing is known by {options.asked!r}. What can be explained is {KNOWN}.")
    else:
        for number, story in enumerate(told):
            for line in ([""] if number else []) + lines_of(story):
                say(line)
    return 0 if told else 1


def lines_of(story: Story) -> list[str]:
    """Say a story in lines, with times in UTC; the wallet's own stand beside where they differ. Pure."""
    return [
        f"{story.about} (wallet {story.wallet_id})",
        *_moments(story),
        f"Now: {story.now}",
    ]


def _moments(story: Story) -> Sequence[str]:
    zone = ZoneInfo(story.zone)
    return [f"  {_when(one.at, zone)}  {one.words}" for one in story.moments]


def _when(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    own = "" if local.utcoffset() == at.utcoffset() else f" ({local:%H:%M} {zone.key})"
    return f"{at:%Y-%m-%d %H:%M:%S} UTC{own}"
