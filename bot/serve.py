"""`redbar run`: the bot for a real workspace."""

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import uvicorn
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.app import Redbar, SystemClock, build, open_ledger
from bot.control import Control, socket_of
from bot.logs import configure
from bot.settings import Settings, SettingsWrong, database_file
from ledger import Ledger, StoreUnusable

log = logging.getLogger("redbar")
Say = Callable[[str], None]


def serve(environ: Mapping[str, str], say: Say) -> int:
    """Run until a signal; gives the exit code. Everything that keeps it from starting is said in a sentence."""
    try:
        settings = Settings.from_env(environ)
    except SettingsWrong as wrong:
        for problem in wrong.problems:
            say(problem)
        return 2
    configure(settings.log_level)
    try:
        ledger = open_ledger(settings.database_url, SystemClock())
    except StoreUnusable as problem:
        say(str(problem))
        return 1
    try:
        bot = build(settings, SystemClock(), ledger)
    except (SlackApiError, SlackClientError, OSError) as problem:
        ledger.close()
        say(_why_not(settings, problem))
        return 1
    return _until_signal(bot, settings, ledger, say)


def _why_not(settings: Settings, problem: Exception) -> str:
    host = urlsplit(settings.slack_api_url).hostname
    if isinstance(problem, SlackApiError):
        error = problem.response.get("error")
        return f"Slack refused the bot token ({error}). Check REDBAR_SLACK_BOT_TOKEN."
    return f"{host} cannot be reached. Check the network, then start again: Redbar needs it to hear and answer Slack."


def _until_signal(bot: Redbar, settings: Settings, ledger: Ledger, say: Say) -> int:
    file = database_file(settings.database_url)
    control = None
    if file is not None:
        control = Control(
            socket_of(file),
            {
                "key_create": lambda wish: {
                    "key": bot.office.wallets.create_key(bot.wallet_id, name=str(wish.get("name") or "")),
                    "wallet_id": str(bot.wallet_id),
                }
            },
        )
    server = uvicorn.Server(
        uvicorn.Config(bot.http, host=settings.http_host, port=settings.http_port, log_config=None)
    )
    thread = threading.Thread(target=server.run, name="http", daemon=True)
    done = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, frame: done.set())
    try:
        bot.start()
        thread.start()
        say(f"Redbar runs. Its HTTP API listens on http://{settings.http_host}:{settings.http_port}.")
        while not done.wait(1):
            if not thread.is_alive():
                say(
                    f"{settings.http_host}:{settings.http_port} cannot be listened on. "
                    "Set REDBAR_HTTP_HOST or REDBAR_HTTP_PORT to an address that is free."
                )
                return 1
        return 0
    finally:
        server.should_exit = True
        if thread.is_alive():
            thread.join(timeout=10)
        bot.stop()
        if control is not None:
            control.close()
