"""What the operator does from the command line, beside a running bot or without one."""

from collections.abc import Callable

from bot.app import open_ledger
from bot.control import ask, socket_of
from bot.flows.wallets import Wallets
from bot.settings import database_file
from ledger import StoreUnusable, SystemClock

Say = Callable[[str], None]


def create_key(database_url: str, name: str, say: Say) -> int:
    """Make a platform key and print it once."""
    file = database_file(database_url)
    if file is not None:
        answer = ask(socket_of(file), {"command": "key_create", "name": name})
        if answer is not None:
            return _print_key(answer, say)
        if not file.exists():
            say(f"There is no database at {file}. Start the bot once, or name another with --database.")
            return 1
    try:
        ledger = open_ledger(database_url, SystemClock())
    except StoreUnusable as problem:
        say(str(problem))
        return 1
    try:
        wallets = Wallets(ledger)
        found = wallets.all()
        if not found:
            say("There is no wallet yet: start the bot once, so that it meets its workspace.")
            return 1
        key = wallets.create_key(found[0].wallet_id, name=name)
        return _print_key({"key": key, "wallet_id": str(found[0].wallet_id)}, say)
    finally:
        ledger.close()


def _print_key(answer: dict[str, object], say: Say) -> int:
    if "error" in answer:
        say(str(answer["error"]))
        return 1
    say(f"{answer['key']}")
    say(f"for wallet {answer['wallet_id']}; it is shown this once")
    return 0
