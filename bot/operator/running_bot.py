"""What the operator does from the command line, beside a running bot or without one."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from bot.app import manual_credit_of, open_ledger, reconciliation_of
from bot.control import Answer, ask, socket_of
from bot.payments.operator_stop import switch_charges
from bot.reconciliation.difference import as_answer, lines_of
from bot.reconciliation.manual_credit import chosen_wallet, leave_be
from bot.reconciliation.run import NotReconciled
from bot.settings import Settings, SettingsWrong, database_file
from bot.stripe.gateway import StripeGateway
from bot.stripe.key_health import keep_mode
from bot.wallets import platform_keys
from bot.wallets.workspaces import Workspaces
from ledger import Ledger, Refused, StoreUnusable, SystemClock

Say = Callable[[str], None]


def create_key(database_url: str, name: str, say: Say) -> int:
    """Make a platform key and print it once."""

    def alone(ledger: Ledger, wallets: Sequence[UUID]) -> Answer:
        key = platform_keys.create_key(ledger, wallets[0], name=name)
        return {"key": key, "wallet_id": str(wallets[0])}

    answer = _asked(database_url, {"command": "key_create", "name": name}, alone)
    if "error" in answer:
        say(str(answer["error"]))
        return 1
    say(f"{answer['key']}")
    say(f"for wallet {answer['wallet_id']}; it is shown this once")
    return 0


def charges(database_url: str, wanted: str, say: Say) -> int:
    """Stop every automatic charge ("off"), or let rules charge again ("on")."""

    def alone(ledger: Ledger, wallets: Sequence[UUID]) -> Answer:
        for wallet_id in wallets:
            switch_charges(ledger, wallet_id, off=wanted == "off", actor="operator")
        return {}

    answer = _asked(database_url, {"command": "charges", "wanted": wanted}, alone)
    if "error" in answer:
        say(str(answer["error"]))
        return 1
    if wanted == "off":
        say("No automatic charge is made from now on. `redbar charges on` lets rules charge again.")
    else:
        say("Rules may charge again.")
    return 0


def reconcile(database_url: str, environ: Mapping[str, str], say: Say, step: Say, *, as_json: bool) -> int:
    """Hold Stripe and the books side by side; gives 0 when they agree, 1 when not, 2 when nothing was compared."""

    def alone(ledger: Ledger, wallets: Sequence[UUID]) -> Answer:
        with _stripe(environ, ledger) as gateway:
            return as_answer(reconciliation_of(ledger, gateway).run(ledger.now(), step))

    answer = _asked(database_url, {"command": "reconcile"}, alone, step)
    if "error" in answer:
        say(json.dumps(answer) if as_json else str(answer["error"]))
        return 2
    for line in [json.dumps(answer)] if as_json else lines_of(answer):
        say(line)
    return 1 if answer["breaks"] or answer["parked"] else 0


def settle(database_url: str, environ: Mapping[str, str], wish: Answer, say: Say) -> int:
    """Credit a payment of Stripe's, or leave what is listed: the wish has `what`, `note`, `credit` and `wallet`."""

    def alone(ledger: Ledger, wallets: Sequence[UUID]) -> Answer:
        if not wish["credit"]:
            return {"words": leave_be(ledger, wish["what"], wish["note"])}
        wallet_id = chosen_wallet(wallets, wish["wallet"])
        with _stripe(environ, ledger) as gateway:
            return {"words": manual_credit_of(ledger, gateway).credit(wallet_id, wish["what"], wish["note"])}

    answer = _asked(database_url, {"command": "settle", **wish}, alone)
    say(str(answer.get("error") or answer["words"]))
    return 1 if "error" in answer else 0


class _NoSettings(Exception):
    """Stripe cannot be asked without a bot."""


@contextmanager
def _stripe(environ: Mapping[str, str], ledger: Ledger) -> Iterator[StripeGateway]:
    try:
        settings = Settings.from_env(environ)
    except SettingsWrong as wrong:
        words = "No bot runs here, and to ask Stripe without one: " + " ".join(wrong.problems)
        raise _NoSettings(words) from None
    keep_mode(ledger, live=settings.stripe_live)
    gateway = StripeGateway(settings.stripe_api_key, settings.stripe_api_base)
    try:
        yield gateway
    finally:
        gateway.close()


def _asked(
    database_url: str,
    wish: Answer,
    alone: Callable[[Ledger, Sequence[UUID]], Answer],
    step: Say = lambda words: None,
) -> Answer:
    """Let the bot that runs on this database file do it; where none does, do it ourselves."""
    file = database_file(database_url)
    if file is not None:
        answer = ask(socket_of(file), wish, step)
        if answer is not None:
            return answer
        if not file.exists():
            return {
                "error": f"There is no database at {file}. Start the bot once, or name another with --database."
            }
    try:
        ledger = open_ledger(database_url, SystemClock())
    except StoreUnusable as problem:
        return {"error": str(problem)}
    try:
        found = Workspaces(ledger).all()
        if not found:
            return {"error": "There is no wallet yet: start the bot once, so that it meets its workspace."}
        return alone(ledger, [workspace.wallet_id for workspace in found])
    except (Refused, NotReconciled, _NoSettings) as problem:
        return {"error": str(problem)}
    finally:
        ledger.close()
