"""`redbar settle`: a person decides about money that `redbar reconcile` lists: credits it by hand, or leaves it."""

from collections.abc import Mapping

from bot.control import Answer, Arguments, Step
from bot.operator.reconcile import refuse_stranger
from bot.operator.running_bot import Context, Say, ask_or_do
from bot.reconciliation.manual_credit import leave_be

NAME = "settle"


def settle(database_url: str, environ: Mapping[str, str], arguments: Arguments, say: Say) -> int:
    """Credit a payment of Stripe's, or leave what is listed; gives the exit code.

    The arguments are `what`, `note`, `credit` and `wallet`.
    """
    answer = ask_or_do(database_url, environ, NAME, decide, arguments)
    say(str(answer.get("error") or answer["words"]))
    return 1 if "error" in answer else 0


def decide(context: Context, arguments: Arguments, step: Step) -> Answer:
    """Carry the decision out. Refuses: NotCredited, WalletNotNamed."""
    what, note = str(arguments["what"]), str(arguments["note"])
    if not arguments["credit"]:
        return {"words": leave_be(context.ledger, what, note)}
    wallet_id = context.wallet(str(arguments["wallet"]))
    with context.use_cases() as cases:
        refuse_stranger(cases)
        return {"words": cases.manual_credit.credit(wallet_id, what, note)}
