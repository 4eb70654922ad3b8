"""`redbar charges`: stops every automatic charge, or lets rules charge again."""

from collections.abc import Mapping

from bot.control import Answer, Arguments, Step
from bot.operator.running_bot import Context, Say, ask_or_do
from bot.payments.operator_stop import switch_charges
from bot.rights import OPERATOR

NAME = "charges"


def charges(database_url: str, environ: Mapping[str, str], wanted: str, say: Say) -> int:
    """Stop every automatic charge ("off"), or let rules charge again ("on"); gives the exit code."""
    answer = ask_or_do(database_url, environ, NAME, switch, {"wanted": wanted})
    if "error" in answer:
        say(str(answer["error"]))
        return 1
    if wanted == "off":
        say("No automatic charge is made from now on. `redbar charges on` lets rules charge again.")
    else:
        say("Rules may charge again.")
    return 0


def switch(context: Context, arguments: Arguments, step: Step) -> Answer:
    """Stop or allow the automatic charges of every wallet."""
    for wallet_id in context.wallet_ids:
        switch_charges(context.ledger, wallet_id, off=arguments.get("wanted") == "off", actor=OPERATOR)
    return {}
