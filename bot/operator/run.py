"""`redbar run`: the bot for a real workspace."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from bot.app import Redbar, assemble, meet, open_ledger, waiting_http
from bot.control import Control, address_of
from bot.http.server import listen
from bot.logs import configure
from bot.operator.commands import commands_of
from bot.operator.ending import Ending
from bot.operator.restored import restored_words
from bot.ports import Denied, Ok, Rejected, Unknown
from bot.settings import Settings, SettingsWrong
from bot.slack.connection import Identity, NotConnected, NotSlack, TokenRefused
from bot.slack.line import FIRST_WAIT, next_wait
from bot.slack.scopes import missing_scopes
from bot.stripe.key_health import note_access
from bot.wallets.restored_mode import Restored
from bot.wallets.workspaces import OtherWorkspace, Workspaces
from ledger import JudgedClock, StoreUnusable

log = logging.getLogger("redbar")
Say = Callable[[str], None]
ANSWER_SECONDS = 4
"""How long requests that have begun are waited for at the end."""
DRAIN = timedelta(seconds=9)
"""How long the end waits for all that runs. Whoever ends a service kills it after ten seconds."""


def run_bot(environ: Mapping[str, str], say: Say) -> int:
    """Run until a signal; gives the exit code. Everything that keeps it from starting is said in a sentence."""
    try:
        settings = Settings.from_env(environ)
    except SettingsWrong as wrong:
        for problem in wrong.problems:
            say(problem)
        return 2
    configure(settings.log_level)
    ending = Ending(DRAIN)
    clock = JudgedClock()
    try:
        ledger = open_ledger(settings.database_url, clock)
    except StoreUnusable as problem:
        say(str(problem))
        return 1
    if ledger.is_new:
        say(f"New books were begun at {ledger.store.place}.")
    with ExitStack() as undo:
        undo.callback(ledger.close)
        made: list[Redbar] = []
        undo.callback(_close, made)  # once nothing is served any more
        try:
            served = undo.enter_context(_served(waiting_http(settings, ledger), settings))
            me = Workspaces(ledger).only() or _wait_for_slack(settings, ending, say)
            if me is None:
                return 0
            made.append(assemble(settings, clock, ledger, me))
        except OtherWorkspace as problem:
            say(str(problem))
            return 1
        except TokenRefused as problem:
            say(_why_not(settings, problem))
            return 1
        except _NotListening as problem:
            say(str(problem))
            return 1
        return _until_signal(made[0], settings, served, ending, say, undo)


def _close(made: Sequence[Redbar]) -> None:
    for bot in made:
        bot.close()


class _NotListening(Exception):
    """The address of the HTTP API cannot be listened on; the message says why and what to do."""


class _Served:
    """What is served over HTTP: at first what needs no workspace, and the whole bot once it is there."""

    def __init__(self, app: Any, thread: threading.Thread) -> None:
        self.app = app
        self.thread = thread

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        await self.app(scope, receive, send)


@contextmanager
def _served(app: Any, settings: Settings) -> Iterator[_Served]:
    """Serve over HTTP. Raises: _NotListening."""
    try:
        listening = listen(settings.http_host, settings.http_port)
    except OSError as problem:
        raise _NotListening(
            f"{settings.http_host}:{settings.http_port} cannot be listened on: {problem.strerror or problem}. "
            "Set REDBAR_HTTP_HOST or REDBAR_HTTP_PORT to an address that is free."
        ) from None
    with listening:
        served = _Served(app, threading.current_thread())
        config = uvicorn.Config(served, log_config=None, timeout_graceful_shutdown=ANSWER_SECONDS)
        server = uvicorn.Server(config)
        served.thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listening]}, name="http", daemon=True
        )
        served.thread.start()
        try:
            yield served
        finally:
            server.should_exit = True
            served.thread.join(ANSWER_SECONDS + 1)


def _wait_for_slack(settings: Settings, ending: Ending, say: Say) -> Identity | None:
    """Ask Slack who we are until it answers; None when the process is to end before. Raises: TokenRefused.

    The books don't know their workspace yet, so there is no wallet that could be served without it.
    """
    wait = FIRST_WAIT
    said = ""
    while True:
        try:
            return meet(settings)
        except TokenRefused:
            raise
        except NotConnected as problem:
            if (words := _why_not(settings, problem)) != said:
                say(said := words)
            wait = next_wait(wait, problem)
        if ending.wait(wait):
            return None


def _why_not(settings: Settings, problem: NotConnected) -> str:
    host = urlsplit(settings.slack_api_url).hostname
    if isinstance(problem, NotSlack):
        return (
            f"{host} does not answer as Slack does. Check REDBAR_SLACK_API_URL and what stands between. "
            "Redbar waits for it."
        )
    if isinstance(problem, TokenRefused):
        setting = f"REDBAR_SLACK_{problem.token.upper()}_TOKEN"
        return f"Slack refused the {problem.token} token ({problem.code}). Check {setting}."
    if problem.retry_after is not None:
        return f"{host} asks to wait for {problem.retry_after.total_seconds():.0f} seconds. Redbar waits."
    return (
        f"{host} cannot be reached. Check the network. Redbar waits for it: it has to hear and answer Slack."
    )


def _until_signal(
    bot: Redbar, settings: Settings, served: _Served, ending: Ending, say: Say, undo: ExitStack
) -> int:
    bot.start()
    refused = bot.line.problem
    if isinstance(refused, TokenRefused):  # by a Slack that has named our workspace just now
        say(_why_not(settings, refused))
        return 1
    address = address_of(settings.database_url)
    if address is not None:
        undo.callback(Control(address, commands_of(bot)).close)
    served.app = bot.http
    say(f"Redbar runs. Its HTTP API listens on http://{settings.http_host}:{settings.http_port}.")
    if bot.ledger.doubt is not None:
        say(str(bot.ledger.doubt))
    # Beside it: what it asks may be silent for as long as it likes.
    threading.Thread(target=_advise, args=(bot, say), name="advice", daemon=True).start()
    before: Restored | None = None
    away: NotConnected | None = bot.line.problem
    while not ending.wait(timedelta(seconds=1)):
        found = bot.use_cases.restored.now()
        if (found is None) != (before is None):
            for line in restored_words(found) if found is not None else ("Restored mode is over.",):
                say(line)
        before = found
        if (problem := bot.line.problem) is not None and type(problem) is not type(away):
            say(_why_not(settings, problem))
        away = problem
        if not served.thread.is_alive():
            say("The HTTP API has stopped; the log says why. Redbar ends, to be started again.")
            return 1
    return 0


def _advise(bot: Redbar, say: Say) -> None:
    """Say what is wrong with the tokens and keys, where something is. It keeps nobody from calling."""
    try:
        _say_scopes(bot, say)
        _say_rights(bot, say)
    except Exception:
        log.exception("what Slack and Stripe allow could not be looked at")


def _say_rights(bot: Redbar, say: Say) -> None:
    answer = bot.gateway.unreadable()
    note_access(bot.ledger, bot.use_cases.served, answer)
    match answer:
        case Ok([]):
            pass
        case Ok(missing):
            say(
                f"The Stripe key may not read {' or '.join(missing)}. Give it these rights in Stripe (README, step 2)."
            )
        case Denied():
            say(
                "Stripe does not accept REDBAR_STRIPE_API_KEY. Nothing can be charged or heard of until it is right; "
                "calls go on while the balance lasts."
            )
        case Rejected() | Unknown():
            say("Stripe cannot be asked now. Redbar keeps trying; calls go on while the balance lasts.")


def _say_scopes(bot: Redbar, say: Say) -> None:
    missing = missing_scopes(bot.slack.client)
    if missing:
        say(
            f"The Slack app lacks {' and '.join(missing)}. Bring its manifest up to manifest.yml and install it again "
            "(README, step 1)."
        )
