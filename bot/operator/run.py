"""`redbar run`: the bot for a real workspace."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from datetime import timedelta
from urllib.parse import urlsplit

import uvicorn

from bot.app import Redbar, build, open_ledger
from bot.control import Control, address_of
from bot.http.server import listen
from bot.logs import configure
from bot.operator.commands import commands_of
from bot.operator.ending import Ending
from bot.ports import Denied, Ok, Rejected, Unknown
from bot.settings import Settings, SettingsWrong
from bot.slack.connection import NotConnected, NotSlack, TokenRefused
from bot.slack.scopes import missing_scopes
from bot.stripe.key_health import OtherMode, keep_mode, note_access
from bot.wallets.workspaces import OtherWorkspace
from ledger import JudgedClock, StoreUnusable

log = logging.getLogger("redbar")
Say = Callable[[str], None]


def run_bot(environ: Mapping[str, str], say: Say) -> int:
    """Run until a signal; gives the exit code. Everything that keeps it from starting is said in a sentence."""
    try:
        settings = Settings.from_env(environ)
    except SettingsWrong as wrong:
        for problem in wrong.problems:
            say(problem)
        return 2
    configure(settings.log_level)
    clock = JudgedClock()
    try:
        ledger = open_ledger(settings.database_url, clock)
    except StoreUnusable as problem:
        say(str(problem))
        return 1
    if ledger.is_new:
        say(f"New books were begun at {ledger.store.place}.")
    try:
        keep_mode(ledger, live=settings.stripe_live)
        bot = build(settings, clock, ledger)
    except (NotConnected, OtherMode, OtherWorkspace) as problem:
        ledger.close()
        say(_why_not(settings, problem) if isinstance(problem, NotConnected) else str(problem))
        return 1
    try:
        return _until_signal(bot, settings, say)
    finally:
        bot.close()


def _why_not(settings: Settings, problem: NotConnected) -> str:
    host = urlsplit(settings.slack_api_url).hostname
    if isinstance(problem, NotSlack):
        return f"{host} does not answer as Slack does. Check REDBAR_SLACK_API_URL and what stands between."
    if isinstance(problem, TokenRefused):
        setting = f"REDBAR_SLACK_{problem.token.upper()}_TOKEN"
        return f"Slack refused the {problem.token} token ({problem.code}). Check {setting}."
    return f"{host} cannot be reached. Check the network, then start again: Redbar needs it to hear and answer Slack."


def _say_rights(bot: Redbar, say: Say) -> None:
    """Say what the Stripe key can't do, where it can't. It keeps nobody from calling, so the bot runs on."""
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
    """Say which scopes the Slack app was not granted. The bot runs on without what needs them."""
    missing = missing_scopes(bot.slack.client)
    if missing:
        say(
            f"The Slack app lacks {' and '.join(missing)}. Bring its manifest up to manifest.yml and install it again "
            "(README, step 1)."
        )


def _until_signal(bot: Redbar, settings: Settings, say: Say) -> int:
    try:
        listening = listen(settings.http_host, settings.http_port)
    except OSError as problem:
        say(
            f"{settings.http_host}:{settings.http_port} cannot be listened on: {problem.strerror or problem}. "
            "Set REDBAR_HTTP_HOST or REDBAR_HTTP_PORT to an address that is free."
        )
        return 1
    ending = Ending()
    with closing(listening), ExitStack() as undo:
        try:
            bot.start()
        except NotConnected as problem:
            say(_why_not(settings, problem))
            return 1
        address = address_of(settings.database_url)
        if address is not None:
            undo.callback(Control(address, commands_of(bot)).close)
        server = uvicorn.Server(uvicorn.Config(bot.http, log_config=None))
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listening]}, name="http", daemon=True
        )
        thread.start()
        undo.callback(thread.join, 10)
        undo.callback(setattr, server, "should_exit", True)
        say(f"Redbar runs. Its HTTP API listens on http://{settings.http_host}:{settings.http_port}.")
        if bot.ledger.doubt is not None:
            say(str(bot.ledger.doubt))
        _say_scopes(bot, say)
        _say_rights(bot, say)
        while not ending.wait(timedelta(seconds=1)):
            if not thread.is_alive():
                say("The HTTP API has stopped; the log says why. Redbar ends, to be started again.")
                return 1
        return 0
