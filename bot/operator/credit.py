"""`redbar credit`: money that whoever runs Redbar gives to a wallet; people are told."""

from collections.abc import Mapping

from bot.control import Answer, Arguments, Step
from bot.operator.running_bot import Context, Say, ask_or_do
from bot.rights import OPERATOR
from bot.stripe.keys import operator_credit_key
from ledger import CreditKind, Money, PostMoney, format_money, parse_machine_amount

NAME = "credit"


def credit(database_url: str, environ: Mapping[str, str], arguments: Arguments, say: Say) -> int:
    """Credit a wallet; gives the exit code. The arguments are `amount`, `id`, `note` and `wallet`.

    The id is made before anything is asked: if the answer is lost, the same command with it credits nothing twice.
    """
    answer = ask_or_do(database_url, environ, NAME, give, arguments)
    if "error" not in answer:
        say(str(answer["words"]))
        return 0
    say(str(answer["error"]))
    say(f"If you try again, add --id {arguments['id']}: the same id is credited once.")
    return 1


def give(context: Context, arguments: Arguments, step: Step) -> Answer:
    """Carry a credit out. Refuses: WalletNotNamed, AmountUnreadable, AmountOutOfRange, KeyReused."""
    wallet_id = context.wallet(str(arguments["wallet"]))
    currency = context.currency(wallet_id)
    amount = parse_machine_amount(str(arguments["amount"]), currency)
    name, note = str(arguments["id"]), str(arguments["note"])
    command = PostMoney(
        OPERATOR, operator_credit_key(name), CreditKind.PROMO, amount.micros, None, description=note
    )
    receipt = context.post(wallet_id, command, NAME)
    if receipt.duplicate:
        return {"words": f"Credit {name} was booked before; nothing was credited now."}
    balance = format_money(Money(receipt.balance_after_micros, currency))
    return {
        "words": f"{format_money(amount)} was credited ({name}). The balance is {balance}; people are told."
    }
