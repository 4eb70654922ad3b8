"""`redbar key create`: makes a key of the calling platform, and prints it once."""

from collections.abc import Mapping

from bot.control import Answer, Arguments, Step
from bot.operator.running_bot import Context, Say, ask_or_do
from bot.wallets import platform_keys

NAME = "key_create"


def create_key(database_url: str, environ: Mapping[str, str], name: str, say: Say) -> int:
    """Make a platform key and print it; gives the exit code."""
    answer = ask_or_do(database_url, environ, NAME, create, {"name": name})
    if "error" in answer:
        say(str(answer["error"]))
        return 1
    say(f"{answer['key']}")
    say(f"for wallet {answer['wallet_id']}; it is shown this once")
    return 0


def create(context: Context, arguments: Arguments, step: Step) -> Answer:
    """Make a platform key."""
    wallet_id = context.wallet_ids[0]
    key = platform_keys.create_key(context.ledger, wallet_id, name=str(arguments.get("name") or ""))
    return {"key": key, "wallet_id": str(wallet_id)}
