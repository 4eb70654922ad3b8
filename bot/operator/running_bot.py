"""How a command that writes is carried out: by the bot that runs on this machine, or else here, with its objects."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from uuid import UUID

from bot.app import Redbar, open_ledger, owner_of
from bot.control import Answer, Arguments, Step, address_of, ask
from bot.payments.recharge_end import close_gap
from bot.reconciliation.run import NotReconciled
from bot.rights import OPERATOR
from bot.served import Served
from bot.settings import Settings, SettingsWrong, database_file
from bot.stripe.gateway import StripeGateway
from bot.use_cases import UseCases, use_cases_of
from bot.wallets.clock_watch import judge_beside
from bot.wallets.id_file import IdFile
from ledger import Correct, Currency, JudgedClock, Ledger, PostMoney, Receipt, Refused, StoreUnusable, Tx

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Context:
    """What a command works with, in the running bot and beside it."""

    ledger: Ledger
    wallet_ids: Sequence[UUID]
    """At least one."""
    use_cases: Callable[[], AbstractContextManager[UseCases]]
    """Opened by what needs Stripe; without a bot it asks for the bot's settings."""
    file: IdFile | None = None
    """The file of the books, where they are in one."""

    def wallet(self, named: str) -> UUID:
        """Give the wallet that is meant: the named one, or the only one. Refuses: WalletNotNamed."""
        meant = [one for one in self.wallet_ids if named in ("", str(one))]
        if len(meant) != 1:
            raise WalletNotNamed(f"Name one wallet with --wallet: {', '.join(map(str, self.wallet_ids))}.")
        return meant[0]

    def currency(self, wallet_id: UUID) -> Currency:
        """Give a wallet's currency."""
        with self.ledger.reading() as connection:
            view, _ = self.ledger.look(connection, wallet_id)
        return Currency.of(view.currency)

    def post(self, wallet_id: UUID, command: PostMoney | Correct, action: str) -> Receipt:
        """Post what the operator decided, and keep who it was. Refuses: what the command is refused for."""

        def write(tx: Tx) -> Receipt:
            (outcome,) = tx.book.carry_out(wallet_id, [command])
            if isinstance(outcome, Refused):
                raise outcome
            assert isinstance(outcome, Receipt), "commands that post are answered by a receipt"
            if not outcome.duplicate:
                after = {"balance_micros": outcome.balance_after_micros, "seq": outcome.seq}
                before = {"balance_micros": outcome.balance_after_micros - outcome.amount_micros}
                tx.book.audit(wallet_id, OPERATOR, action, before, after)
                close_gap(tx, wallet_id, by=(command.source, command.source_id))
            return outcome

        return self.ledger.run(write, wallet_id=wallet_id)


Command = Callable[[Context, Arguments, Step], Answer]
"""One function a command: it takes arguments and gives an answer that both travel as JSON."""


class WalletNotNamed(Refused):
    """There are several wallets, or none of that name."""


class NoSettings(Exception):
    """Stripe cannot be asked without a bot: its settings are missing here."""


def inside(bot: Redbar) -> Context:
    """Give what a command works with in a running bot."""
    file = file_of(bot.ledger, bot.settings.database_url)
    return Context(bot.ledger, [bot.wallet_id], lambda: nullcontext(bot.use_cases), file)


def file_of(ledger: Ledger, database_url: str) -> IdFile | None:
    """Give the file that the books are in; None for a server."""
    path = database_file(database_url)
    return IdFile(ledger, path) if path is not None else None


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
        books_file = file_of(ledger, database_url)
        context = Context(ledger, wallet_ids, lambda: _use_cases(environ, ledger), books_file)
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
    gateway = StripeGateway(settings.stripe_api_key, settings.stripe_api_base)
    webhook = bool(settings.stripe_webhook_secret)
    try:
        yield use_cases_of(ledger, gateway, Served(None), owner=owner_of(settings), webhook=webhook)
    finally:
        gateway.close()
