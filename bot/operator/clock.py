"""`redbar clock accept`: takes the present time as true, and names what is recorded after it."""

from collections.abc import Mapping

from bot.control import Answer, Arguments, Step
from bot.operator.running_bot import Context, Say, ask_or_do
from bot.rights import OPERATOR
from bot.wallets.accepted_clock import accept_now

NAME = "clock_accept"


def accept_clock(database_url: str, environ: Mapping[str, str], say: Say) -> int:
    """Take the present time as true, and say what is recorded after it; gives the exit code."""
    answer = ask_or_do(database_url, environ, NAME, accept, {})
    if "error" in answer:
        say(str(answer["error"]))
        return 1
    say(f"The present time is taken as true: {answer['now']}.")
    for words in answer["rows"]:
        say(str(words))
    if not answer["rows"]:
        say("Nothing is recorded after it.")
    return 0


def accept(context: Context, arguments: Arguments, step: Step) -> Answer:
    """Take the present time as true for every wallet."""
    accepted = accept_now(context.ledger, context.wallet_ids, actor=OPERATOR)
    return {"now": accepted.now.isoformat(), "rows": [*map(str, accepted.rows)]}
