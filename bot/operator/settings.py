"""`redbar settings`: lists the settings of a wallet, or changes them within their bounds."""

from collections.abc import Mapping

from bot.control import Answer, Arguments, Step
from bot.operator.running_bot import Context, Say, ask_or_do
from bot.wallets.policy_changes import change_settings, list_settings

NAME = "settings"


def settings(database_url: str, environ: Mapping[str, str], arguments: Arguments, say: Say) -> int:
    """List the settings, or change those that are given; gives the exit code.

    The arguments are `wallet` and `wanted`, a list of name=value.
    """
    answer = ask_or_do(database_url, environ, NAME, change, arguments)
    for line in answer.get("lines", [answer.get("error")]):
        say(str(line))
    return 1 if "error" in answer else 0


def change(context: Context, arguments: Arguments, step: Step) -> Answer:
    """List or change the settings of one wallet. Refuses: WalletNotNamed, SettingUnfit."""
    wallet_id, wanted = context.wallet(str(arguments["wallet"])), [str(one) for one in arguments["wanted"]]
    if not wanted:
        return {"lines": list_settings(context.ledger, wallet_id)}
    changed = change_settings(context.ledger, wallet_id, wanted)
    return {"lines": changed or ["Nothing was changed: these are the values that hold already."]}
