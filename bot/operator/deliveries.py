"""`redbar deliveries`: what waits to be told and what was set aside; one of them can be sent again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from bot.control import Answer, Arguments, Step
from bot.delivering.open_deliveries import SHOWN_MAX, OpenDelivery, open_deliveries, send_again
from bot.operator.open_for_reading import CommandImpossible, open_for_reading, wallet_named
from bot.operator.running_bot import Context, Say, ask_or_do
from bot.states.delivery import DeliveryState

NAME = "deliveries"


@dataclass(frozen=True, slots=True)
class Options:
    """What is listed, or sent again."""

    database_url: str
    wallet: str
    """A wallet's id; empty for all."""
    again: str
    """The id of a delivery to send again; empty to list."""
    json: bool


def deliveries(options: Options, environ: Mapping[str, str], say: Say) -> int:
    """List what is open, or send one again; gives 0, 1 where something was set aside, 2 where it cannot be done."""
    if options.again:
        answer = ask_or_do(options.database_url, environ, NAME, again, {"delivery": options.again})
        if "error" in answer:
            say(str(answer["error"]))
            return 2
        say("It is sent again now. `redbar deliveries` says what comes of it.")
        return 0
    try:
        with open_for_reading(options.database_url) as connection:
            found = open_deliveries(connection, wallet_named(options.wallet))
    except CommandImpossible as problem:
        say(msgspec.json.encode({"error": str(problem)}).decode() if options.json else str(problem))
        return 2
    if options.json:
        say(msgspec.json.encode({"deliveries": found}).decode())
    else:
        for line in lines_of(found):
            say(line)
    return int(any(one.state == DeliveryState.ASIDE for one in found))


def lines_of(found: Sequence[OpenDelivery]) -> list[str]:
    """Say what is open, one line a delivery, with times in UTC. Pure."""
    if not found:
        return ["Everybody was told of everything."]
    lines = [
        f"{one.delivery_id}  {one.recipient}  {one.notice} of {one.since:%Y-%m-%d %H:%M}: "
        + (
            f"set aside: {one.error}"
            if one.state == DeliveryState.ASIDE
            else f"waits, next try {one.due_at:%Y-%m-%d %H:%M:%S}, {one.tries} failed"
            + (f": {one.error}" if one.error else "")
        )
        for one in found
    ]
    if len(found) == SHOWN_MAX:
        lines.append(f"These are the first {SHOWN_MAX}; name a wallet with --wallet to see others.")
    if any(one.state == DeliveryState.ASIDE for one in found):
        lines.append("What was set aside is sent again by `redbar deliveries --again ID`.")
    return lines


def again(context: Context, arguments: Arguments, step: Step) -> Answer:
    """Send a delivery again that was set aside."""
    named = str(arguments.get("delivery"))
    try:
        delivery_id = UUID(named)
    except ValueError:
        return {"error": f"{named!r} is not the id of a delivery: `redbar deliveries` lists them."}
    if not send_again(context.ledger, context.wallet_ids, delivery_id):
        return {"error": f"No delivery {named} was set aside: `redbar deliveries` lists them."}
    return {}
