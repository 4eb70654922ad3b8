"""`redbar demo`: the whole product on this machine, between two stand-ins, with a page to see it."""

import asyncio
import json
import logging
import os
import secrets
import socket
import sqlite3
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import uvicorn

from bot.app import Redbar, build, open_ledger
from bot.control import Control, address_of
from bot.http.server import listen
from bot.operator.commands import commands_of
from bot.operator.ending import Ending
from bot.operator.restored import restored_words
from bot.rights import Person, Role
from bot.sandbox.clock import SandboxClock, offset_kept
from bot.sandbox.loopback import async_loopback
from bot.sandbox.scenario import ScenarioPlayer
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.slack.seed import PEOPLE
from bot.sandbox.world import Dated, OneAddress, Product, World, build_world
from bot.settings import Settings
from bot.wallets.alert_channels import set_channels
from bot.wallets.clock_watch import remember_clock
from bot.wallets.platform_keys import create_key
from ledger import Currency, JudgedClock, StoreUnusable

log = logging.getLogger("redbar.demo")
HOST = "127.0.0.1"
READY_SECONDS = 15


class DemoImpossible(Exception):
    """The demo cannot start; the message says why and what to do."""


@dataclass
class Demo:
    """A running demo."""

    url: str
    bot: Redbar
    world: World
    clock: SandboxClock
    control: Control
    info: dict[str, Any]
    _server: uvicorn.Server
    _thread: threading.Thread

    def skip(self, span: timedelta) -> None:
        """Let time pass; every due moment on the way runs, in order, before the next."""
        target = self.clock.now() + span
        while (now := self.clock.now()) < target:
            self.clock.skip_to(self.bot.timers.next_moment(now, target))
            self.world.stripe.sweep()
            self.bot.run_until_idle()
        remember_clock(self.bot.ledger)  # for commands beside the demo
        self.world.tell_time()

    def stop(self) -> None:
        """End cleanly: nothing that was answered is lost."""
        self.world.live.close()
        self.bot.hang_up()
        self.world.slack.delivery.close()  # else the bot's side waits for words that never come
        self.bot.stop()
        self.control.close()
        _stop_serving(self._server, self._thread)
        self.bot.close()
        self.world.close()


def start(
    data: Path,
    port: int,
    *,
    delivery: Literal["socket", "http"] = "socket",
    tick: timedelta = timedelta(seconds=1),
    database_url: str = "",
) -> Demo:
    """Start everything; gives it once the page answers. Raises: DemoImpossible, StoreUnusable."""
    _make_folder(data)
    with ExitStack() as undo:
        demo = _start(data, port, delivery, tick, database_url or f"sqlite:///{data / 'redbar.db'}", undo)
        undo.pop_all()
    return demo


def _start(
    data: Path,
    port: int,
    delivery: Literal["socket", "http"],
    tick: timedelta,
    database_url: str,
    undo: ExitStack,
) -> Demo:
    """Start one thing after the other; `undo` takes back what was started when the next one fails."""
    listening = undo.enter_context(_listen(port))
    port = listening.getsockname()[1]
    url = f"http://{HOST}:{port}"
    secret = _secrets(data)
    settings = _settings(url, port, database_url, secret, delivery, tick)
    with _readable(data):
        product_clock = JudgedClock(offset=offset_kept(data / "clock"))
    clock = SandboxClock(product_clock, data / "clock")
    ledger = open_ledger(settings.database_url, product_clock)
    undo.callback(ledger.close)
    holder: dict[str, Product] = {}
    with _readable(data):
        world = build_world(
            data, clock, _sandbox_settings(url, settings, secret, delivery), lambda: holder["inside"]
        )
    undo.callback(world.close)
    inner = _Late()
    app = OneAddress(inner, Dated(world.app, clock), frozenset({HOST, f"{HOST}:{port}", f"localhost:{port}"}))
    server, thread = _serve(app, listening)
    undo.callback(_stop_serving, server, thread)
    bot = build(settings, product_clock, ledger, return_url=f"{url}/", in_sandbox=True)
    undo.callback(bot.close)
    inner.app = bot.http
    info = _first_start(data, url, bot)
    address = address_of(settings.database_url)
    assert address is not None
    control = Control(address, commands_of(bot))
    undo.callback(control.close)
    demo = Demo(url, bot, world, clock, control, info, server, thread)
    player = ScenarioPlayer(url, info["api_key"], demo.skip, clock)
    holder["inside"] = Product(
        skip=demo.skip,
        six_weeks=player.six_weeks,
        story=player.steps,
        play=player.play,
        extra=lambda: {"api_key": info["api_key"], "urls": {"base": url}, "wallet_id": info["wallet_id"]},
    )
    bot.start()
    if settings.socket_mode:
        _await(lambda: world.slack.delivery.connected() or bot.use_cases.restored.is_on())
    return demo


def _serve(app: OneAddress, listening: socket.socket) -> tuple[uvicorn.Server, threading.Thread]:
    config = uvicorn.Config(
        app,
        log_config=None,
        lifespan="on",
        ws="websockets-sansio",
        timeout_graceful_shutdown=2,
        date_header=False,  # the sandbox dates its answers itself
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="http", daemon=True)
    thread.start()
    _await(lambda: server.started)
    return server, thread


def _stop_serving(server: uvicorn.Server, thread: threading.Thread) -> None:
    server.should_exit = True
    thread.join(timeout=10)


class _Late:
    """Holds the product's place until it is made: it asks the outside who it is before it can be."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert self.app is not None, "the inside is asked only once it is there"
        await self.app(scope, receive, send)


@contextmanager
def _readable(data: Path) -> Iterator[None]:
    """Say it when what the demo kept cannot be read again."""
    try:
        yield
    except (ValueError, OSError, sqlite3.DatabaseError) as problem:
        raise DemoImpossible(
            f"What is kept in {data} cannot be read: {problem}. Name another folder with --data DIR."
        ) from None


def _make_folder(data: Path) -> None:
    if {"?", "%"} & set(str(data)):  # they mean something else in the address of a database
        raise DemoImpossible(f"{data} has a ? or a % in its name. Name another folder with --data DIR.")
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = data / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as problem:
        raise DemoImpossible(
            f"{data} cannot be used: {problem.strerror}. Name another folder with --data DIR."
        ) from None


def _listen(port: int) -> socket.socket:
    try:
        return listen(HOST, port)
    except OSError as problem:
        raise DemoImpossible(
            f"Port {port} cannot be used: {problem.strerror}. Choose another with --port N, or 0 for any free one."
        ) from None


def _secrets(data: Path) -> dict[str, str]:
    """Give the sandbox's own tokens, made once; they are worth nothing outside it."""
    path = data / "secrets.json"
    if path.exists():
        with _readable(data):
            found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return found
    made = {
        "bot_token": f"xoxb-sandbox-{secrets.token_hex(12)}",
        "app_token": f"xapp-1-sandbox-{secrets.token_hex(12)}",
        "signing_secret": secrets.token_hex(16),
        "stripe_key": f"sk_test_{secrets.token_hex(12)}",
        "webhook_secret": f"whsec_{secrets.token_hex(16)}",
    }
    _write_private(path, made)
    return made


def _write_private(path: Path, content: dict[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    fresh.replace(path)


def _settings(
    url: str, port: int, database_url: str, secret: dict[str, str], delivery: str, tick: timedelta
) -> Settings:
    return Settings(
        slack_bot_token=secret["bot_token"],
        slack_app_token=secret["app_token"] if delivery == "socket" else "",
        slack_signing_secret=secret["signing_secret"],
        stripe_api_key=secret["stripe_key"],
        stripe_webhook_secret=secret["webhook_secret"],
        database_url=database_url,
        currency=Currency.of("USD"),
        time_zone="Europe/Berlin",
        billing_admin="",
        http_host=HOST,
        http_port=port,
        slack_api_url=f"{url}/slack/api/",
        stripe_api_base=f"{url}/stripe",
        env="test",
        log_level="WARNING",
        tick=tick,
    )


def _sandbox_settings(
    url: str, settings: Settings, secret: dict[str, str], delivery: Literal["socket", "http"]
) -> SandboxSettings:
    return SandboxSettings(
        base_url=url,
        slack_bot_token=settings.slack_bot_token,
        slack_app_token=secret["app_token"],
        slack_signing_secret=settings.slack_signing_secret,
        slack_delivery=delivery,
        slack_request_url=f"{url}/slack/events",
        stripe_key=settings.stripe_api_key,
        stripe_webhook_url=f"{url}/stripe/webhook",
        stripe_webhook_secret=secret["webhook_secret"],
    )


def _first_start(data: Path, url: str, bot: Redbar) -> dict[str, Any]:
    """Write `demo.json`; on the very first start also appoint finance and choose the channel that is alerted."""
    path = data / "demo.json"
    if path.exists():
        with _readable(data):
            info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if info["url"] != url:
            info["url"] = url
            _write_private(path, info)
        return info
    people = {one.handle: one.user_id for one in PEOPLE}
    owner = Person(people["owner"], Role.OWNER)
    # Before anybody is appointed, so that the demo begins without messages about its own preparation.
    set_channels(bot.ledger, bot.wallet_id, ["C0CALLS01"], actor=owner)
    bot.people.appoint(
        bot.wallet_id,
        billing_admins=[people["owner"], people["admin"]],
        finance=[people["finance"]],
        actor=owner,
    )
    key = create_key(bot.ledger, bot.wallet_id, name="demo")
    info = {
        "url": url,
        "api_key": key,
        "wallet_id": str(bot.wallet_id),
        "people": people,
        "channels": {"general": "C0GENERAL", "calls": "C0CALLS01", "campaigns": "C0CAMPAIG"},
    }
    _write_private(path, info)
    return info


def _await(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise DemoImpossible(
                "The demo did not become ready. Its log says why: try again with REDBAR_LOG_LEVEL=DEBUG."
            )
        time.sleep(0.01)


def run(data: Path, port: int, *, browser: bool, story: bool, say: Callable[[str], None]) -> int:
    """Run the demo until Ctrl-C; gives the exit code."""
    try:
        demo = start(data, port)
    except (DemoImpossible, StoreUnusable) as problem:
        say(str(problem))
        return 1
    # Before it says that it is ready: whoever reads that may end it at once.
    ending = None if story else Ending()
    say(f"Redbar's demo is ready: {demo.url}   (Ctrl-C ends it; its data stays in {data})")
    found = demo.bot.use_cases.restored.now()
    for line in restored_words(found) if found is not None else ():
        say(line)
    try:
        if ending is None:
            asyncio.run(_tell(demo, say))
            return 0
        if browser:
            webbrowser.open(demo.url)
        ending.wait()
    finally:
        demo.stop()
    return 0


async def _tell(demo: Demo, say: Callable[[str], None]) -> None:
    async with async_loopback(demo.url, timeout=60) as client:
        steps = (await client.get("/sandbox/api/story")).json()["steps"]
        for step in steps:
            say(f"\n{step['n']}. {step['title']}")
            answer = (await client.post(f"/sandbox/api/story/{step['n']}")).json()
            say("   " + answer["text"].replace("\n", "\n   "))
