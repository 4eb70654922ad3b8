"""`redbar correct`: lowers what usage or a hold cost to the right total; people are told."""

from collections.abc import Mapping

from bot.control import Answer, Arguments, Step
from bot.operator.running_bot import Context, Say, ask_or_do
from bot.rights import OPERATOR
from bot.stripe.keys import correction_key
from ledger import Correct, Money, format_money, new_id, parse_machine_amount

NAME = "correct"


def correct(database_url: str, environ: Mapping[str, str], arguments: Arguments, say: Say) -> int:
    """Lower what work cost; gives the exit code. The arguments are `what`, `total`, `note` and `wallet`.

    It may be repeated: a total that is booked already changes nothing.
    """
    answer = ask_or_do(database_url, environ, NAME, lower, arguments)
    say(str(answer.get("error") or answer["words"]))
    return 1 if "error" in answer else 0


def lower(context: Context, arguments: Arguments, step: Step) -> Answer:
    """Carry a correction out. Refuses: WalletNotNamed, AmountUnreadable, UsageUnknown, CorrectionTooLarge."""
    wallet_id = context.wallet(str(arguments["wallet"]))
    currency = context.currency(wallet_id)
    total = parse_machine_amount(str(arguments["total"]), currency)
    what, note = str(arguments["what"]), str(arguments["note"])
    command = Correct(OPERATOR, correction_key(new_id()), what, total.micros, None, description=note)
    receipt = context.post(wallet_id, command, NAME)
    if receipt.duplicate:
        return {"words": f"{what} costs {format_money(total)} already; nothing was changed."}
    back, balance = (
        format_money(Money(micros, currency))
        for micros in (receipt.amount_micros, receipt.balance_after_micros)
    )
    words = f"{what} costs {format_money(total)} now: {back} was given back. The balance is {balance}; people are told."
    return {"words": words}
