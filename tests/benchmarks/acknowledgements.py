"""How long Slack waits for acknowledgements over Socket Mode, while the bot works.

Slack is two processes of their own, so that they share no interpreter with the bot. `python -m
tests.benchmarks.acknowledgements socket` is Slack's end of the bot's socket: it sends bursts of envelopes and measures.
`… api FOLDER` is the Slack stand-in, which answers the bot's calls.
"""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar, WebSocket, post, websocket
from litestar.exceptions import WebSocketDisconnect
from slack_bolt import Ack

from bot.app import context_of, open_ledger
from bot.sandbox.slack.seed import BOT_USER, TEAM
from bot.served import Served
from bot.slack import listeners
from bot.slack.connection import SlackAccess, SlackApp, plain_client
from bot.slack.presence import ListeningClient, Presence
from bot.slack.workers import threads
from bot.stripe.gateway import StripeGateway
from bot.use_cases import use_cases_of
from bot.wallets.workspaces import Workspaces
from ledger import Currency, SystemClock
from tests.benchmarks.contest import Contest, Done, Ratio, Work
from tests.benchmarks.work import until
from tests.sandbox.slack_place import APP_TOKEN, BOT_TOKEN, Place, SettableClock, Stage

BURST = 50
"""Commands at once."""
SLOW_JOBS = 25
"""More than there are threads for."""
OWNER = "U0OWNER01"
EMPTY, IDLE, BUSY = "an empty listener", "Redbar", f"Redbar, {SLOW_JOBS} slow jobs"


def acknowledgements_contest(folder: Path) -> Contest:
    """Send 50 commands at once: to a listener that only acknowledges, and to the bot with and without slow jobs."""
    contest = Contest(
        f"Slack's acknowledgements, {BURST} commands at once over Socket Mode",
        [
            Ratio("Redbar / an empty listener", IDLE, EMPTY, 0.5),
            Ratio(f"Redbar with {SLOW_JOBS} slow jobs / an empty listener", BUSY, EMPTY, 0.5),
        ],
    )
    with ExitStack() as stack:
        api = stack.enter_context(_Child("api", str(folder / "slack")))
        api_url = json.loads(api.stdout.readline())
        for name, register in (
            (EMPTY, _empty),
            (IDLE, _redbar(folder / "idle", api_url, stack, slow_jobs=0)),
            (BUSY, _redbar(folder / "busy", api_url, stack, slow_jobs=SLOW_JOBS)),
        ):
            contest.add(name, _bursts(register, api_url, stack, answers=name != EMPTY))
        contest.at_end(stack.pop_all().close)
    return contest


Register = Callable[[SlackApp], None]
"""Gives an application its listeners."""


def _empty(slack: SlackApp) -> None:
    @slack.bolt.command("/wallet")
    def hear(ack: Ack) -> None:
        ack()


def _redbar(folder: Path, api_url: str, stack: ExitStack, *, slow_jobs: int) -> Register:
    """Give the bot's listeners, before a wallet of their own and a Stripe that nobody asks."""
    folder.mkdir()
    ledger = open_ledger(f"sqlite:///{folder / 'redbar.db'}", SystemClock())
    stack.callback(ledger.close)
    gateway = StripeGateway("sk_test", "http://127.0.0.1:9")
    stack.callback(gateway.close)
    workspaces = Workspaces(ledger)
    workspaces.open(
        team_id=TEAM,
        enterprise_id="",
        name="Load",
        bot_user_id=BOT_USER,
        currency=Currency.of("USD"),
        zone="UTC",
    )
    over = threading.Event()

    def register(slack: SlackApp) -> None:
        stack.callback(over.set)
        cases = use_cases_of(ledger, gateway, Served(TEAM), return_url="https://slack.example/")
        access = SlackAccess(BOT_TOKEN, "", "", f"{api_url}/slack/api/")
        presence = Presence(workspaces, TEAM, plain_client(access))
        client = ListeningClient(
            gone=presence.gone, token=BOT_TOKEN, base_url=access.api_url, retry_handlers=[]
        )
        listeners.register(slack.bolt, context_of(cases, client, presence, slack.workers, first_admin=OWNER))
        for _ in range(slow_jobs):
            slack.workers.start_slow(partial(_wait, over))

    return register


def _bursts(register: Register, api_url: str, stack: ExitStack, *, answers: bool) -> Work:
    """Connect an application, and send it bursts until the time is over, each once all of the last is answered."""
    slack_side = stack.enter_context(_Child("socket", api_url))
    url = json.loads(slack_side.stdout.readline())
    access = SlackAccess(BOT_TOKEN, APP_TOKEN, "", f"{url}/api/")
    slack = SlackApp(access, plain_client(access), BOT_USER, threads())
    stack.callback(slack.stop)
    register(slack)
    slack.start()
    assert json.loads(slack_side.stdout.readline()) == "connected"

    def work(seconds: int) -> Done:
        more, busy_seconds = until(seconds), 0.0
        waits: list[int] = []
        while not waits or more():
            before = _answers(api_url)
            slack_side.stdin.write("burst\n")
            slack_side.stdin.flush()
            found, burst_seconds = json.loads(slack_side.stdout.readline())
            waits += found
            busy_seconds += burst_seconds
            while answers and _answers(api_url) < before + BURST:
                time.sleep(0.1)
        return Done(len(waits), busy_seconds, waits)

    return work


def _wait(over: threading.Event) -> None:
    over.wait()


def _answers(api_url: str) -> int:
    return int(httpx.get(f"{api_url}/answers").text)


class _Child(subprocess.Popen[str]):
    """Slack, in a process of its own, that ends with its input."""

    stdin: Any
    stdout: Any

    def __init__(self, *words: str) -> None:
        super().__init__(
            [sys.executable, "-m", "tests.benchmarks.acknowledgements", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


# --- Slack's processes -------------------------------------------------------------------------------------


def serve_api(folder: Path) -> None:
    """Be Slack's Web API until the input ends; /answer takes every answer, and /answers says how many came."""
    folder.mkdir()
    stage = Stage()
    place = Place(stage, SettableClock(), folder)
    stand_in, answers = stage.app, 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal answers
        if scope["path"] not in ("/answer", "/answers"):
            await stand_in(scope, receive, send)
            return
        while (await receive()).get("more_body"):
            pass
        answers += scope["path"] == "/answer"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(answers).encode()})

    stage.app = app
    _say(place.base_url)
    sys.stdin.read()
    place.close()
    stage.stop()


def serve_socket(api_url: str) -> None:
    """Be the end of the bot's socket: send a burst for each line that comes in, and say how long each waited."""
    connected: list[tuple[WebSocket[Any, Any, Any], asyncio.AbstractEventLoop]] = []
    waiting: dict[str, asyncio.Future[int]] = {}

    @post("/api/apps.connections.open", status_code=200)
    async def opened() -> dict[str, object]:
        return {"ok": True, "url": f"ws://127.0.0.1:{stage.port}/socket?"}

    @websocket("/socket")
    async def socket(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        await socket.send_text(json.dumps({"type": "hello"}))
        connected.append((socket, asyncio.get_running_loop()))
        _say("connected")
        try:
            while True:
                acknowledged = json.loads(await socket.receive_text())["envelope_id"]
                waiting.pop(acknowledged).set_result(time.perf_counter_ns())
        except WebSocketDisconnect:
            pass

    async def burst(socket: WebSocket[Any, Any, Any], number: int) -> tuple[list[int], float]:
        began: dict[str, int] = {}
        envelopes = {f"{number}-{one}": _envelope(f"{number}-{one}", api_url) for one in range(BURST)}
        ends = {name: asyncio.get_running_loop().create_future() for name in envelopes}
        waiting.update(ends)
        start = time.perf_counter_ns()
        for name, envelope in envelopes.items():
            began[name] = time.perf_counter_ns()
            await socket.send_text(envelope)
        ended = {name: await end for name, end in ends.items()}
        return [ended[name] - began[name] for name in ended], (max(ended.values()) - start) / 1e9

    stage = Stage(Litestar([opened, socket], openapi_config=None, logging_config=None))
    _say(f"http://127.0.0.1:{stage.port}")
    for number, _ in enumerate(sys.stdin):
        there, loop = connected[-1]
        _say(asyncio.run_coroutine_threadsafe(burst(there, number), loop).result())
    stage.stop()


def _envelope(name: str, api_url: str) -> str:
    payload = {
        "command": "/wallet",
        "text": "",
        "team_id": TEAM,
        "user_id": OWNER,
        "channel_id": "C0GENERAL",
        "response_url": f"{api_url}/answer",
        "trigger_id": name,
    }
    return json.dumps(
        {
            "type": "slash_commands",
            "envelope_id": name,
            "accepts_response_payload": True,
            "payload": payload,
        }
    )


def _say(what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _, role, *more = sys.argv
    if role == "api":
        serve_api(Path(more[0]))
    else:
        serve_socket(more[0])
