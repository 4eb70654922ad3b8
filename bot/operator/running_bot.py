"""How a command that writes is carried out: by the bot that runs on this machine, or else here, with its objects."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from uuid import UUID

from bot.app import Redbar, UseCases, open_ledger, use_cases_of
from bot.control import Answer, Arguments, Step, address_of, ask
from bot.reconciliation.run import NotReconciled
from bot.served import Served
from bot.settings import Settings, SettingsWrong, database_file
from bot.stripe.gateway import StripeGateway
from bot.stripe.key_health import keep_mode
from bot.wallets.clock_watch import judge_beside
from ledger import JudgedClock, Ledger, Refused, StoreUnusable

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Context:
    """What a command works with, in the running bot and beside it."""

    ledger: Ledger
    wallet_ids: Sequence[UUID]
    """At least one."""
    use_cases: Callable[[], AbstractContextManager[UseCases]]
    """Opened by what needs Stripe; without a bot it asks for the bot's settings."""


Command = Callable[[Context, Arguments, Step], Answer]
"""One function a command: it takes arguments and gives an answer that both travel as JSON."""


class NoSettings(Exception):
    """Stripe cannot be asked without a bot: its settings are missing here."""


def inside(bot: Redbar) -> Context:
    """Give what a command works with in a running bot."""
    return Context(bot.ledger, [bot.wallet_id], lambda: nullcontext(bot.use_cases))


def ask_or_do(
    database_url: str,
    environ: Mapping[str, str],
    name: str,
    command: Command,
    arguments: Arguments,
    step: Step = lambda words: None,
) -> Answer:
    """Ask the bot that runs on this database; where none runs on this machine, carry the command out here."""
    address = address_of(database_url)
    if address is not None:
        answer = ask(address.path, {"command": name, **arguments}, step)
        if answer is not None:
            return answer
    file = database_file(database_url)
    if file is not None and not file.exists():
        return {
            "error": f"There is no database at {file}. Start the bot once, or name another with --database."
        }
    try:
        ledger = open_ledger(database_url, JudgedClock())
    except StoreUnusable as problem:
        return {"error": str(problem)}
    try:
        judge_beside(ledger)
        with ledger.reading() as connection:
            wallet_ids = Served(None).own(connection)
        if not wallet_ids:
            return {"error": "There is no wallet yet: start the bot once, so that it meets its workspace."}
        context = Context(ledger, wallet_ids, lambda: _use_cases(environ, ledger))
        return command(context, arguments, step)
    except (Refused, NotReconciled, NoSettings) as problem:
        return {"error": str(problem)}
    finally:
        ledger.close()


@contextmanager
def _use_cases(environ: Mapping[str, str], ledger: Ledger) -> Iterator[UseCases]:
    try:
        settings = Settings.from_env(environ)
    except SettingsWrong as wrong:
        words = "No bot runs here, and to ask Stripe without one: " + " ".join(wrong.problems)
        raise NoSettings(words) from None
    keep_mode(ledger, live=settings.stripe_live)
    gateway = StripeGateway(settings.stripe_api_key, settings.stripe_api_base)
    try:
        yield use_cases_of(ledger, gateway, Served(None), webhook=bool(settings.stripe_webhook_secret))
    finally:
        gateway.close()
