"""Over HTTP: batches of usages to the platform API, against the same server that does nothing with them.

The load comes from a process of its own: `python -m tests.benchmarks.http PORT KEY PATH SECONDS SIZE`.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar, Request, post

from bot.app import open_ledger
from bot.http.api import PlatformApi, platform_routes
from bot.http.bodies import UsageBody
from bot.http.server import listen
from bot.wallets.platform_keys import create_key
from bot.wallets.usage import Usage
from bot.wallets.workspaces import Workspaces
from ledger import CreditKind, Currency, PostMoney, SystemClock
from tests.benchmarks.contest import Contest, Done, Ratio, Work
from tests.benchmarks.work import FILLED, key, until

CONNECTIONS = 16
HOST = "127.0.0.1"
_BODY = msgspec.json.Decoder(list[UsageBody])


@post("/noop", status_code=200)
async def noop(request: Request[Any, Any, Any]) -> dict[str, list[dict[str, str]]]:
    """Decode a batch and answer each, and do nothing else."""
    return {"results": [{"id": one.id, "status": "accepted"} for one in _BODY.decode(await request.body())]}


def http_contest(folder: Path) -> Contest:
    """Post batches of 100 and single usages from 16 connections."""
    ledger = open_ledger(f"sqlite:///{folder / 'http.db'}", SystemClock())
    wallet_id = Workspaces(ledger).open(
        team_id="T1", enterprise_id="", name="Load", bot_user_id="U1", currency=Currency.of("USD"), zone="UTC"
    )
    ledger.carry_out(wallet_id, [PostMoney("stripe", "credit:pi_1", CreditKind.TOP_UP, FILLED, None)])
    api_key = create_key(ledger, wallet_id, name="load")
    app = Litestar([platform_routes(PlatformApi(ledger, Usage(ledger)), ledger), noop], logging_config=None)
    listening = listen(HOST, 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = listening.getsockname()[1]
    contest = Contest(
        f"HTTP, {CONNECTIONS} connections, one process, durable SQLite",
        [
            Ratio(
                "batches of 100, durable / doing nothing",
                "usages, batches of 100",
                "doing nothing, batches of 100",
                0.15,
                0.2,
            ),
        ],
    )
    contest.add("doing nothing, batches of 100", _load(port, api_key, "/noop", 100))
    contest.add("usages, batches of 100", _load(port, api_key, "/v1/usage", 100))
    contest.add("usages, one a call", _load(port, api_key, "/v1/usage", 1))

    def stop() -> None:
        server.should_exit = True
        thread.join(timeout=10)
        ledger.close()

    contest.at_end(stop)
    return contest


def _load(port: int, api_key: str, path: str, size: int) -> Work:
    def work(seconds: int) -> Done:
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks.http",
            str(port),
            api_key,
            path,
            str(seconds),
            str(size),
        ]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        done, waits = json.loads(said)
        return Done(done, seconds, waits)

    return work


def load(port: int, api_key: str, path: str, seconds: int, size: int) -> tuple[int, list[int]]:
    """Send batches until the time is over; gives how many usages were answered, and how long each call took."""
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    more = until(seconds)
    waits: list[int] = []

    def one(_: int) -> int:
        done = 0
        connection = http.client.HTTPConnection(HOST, port, timeout=30)
        while not done or more():
            batch = [
                {"id": key(), "kind": "outbound_call", "amount": "0.42", "quantity": 60} for _ in range(size)
            ]
            body = msgspec.json.encode(batch)
            began = time.perf_counter_ns()
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read()
            waits.append(time.perf_counter_ns() - began)
            assert answer.status == 200, answer.status
            done += size
        connection.close()
        return done

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return sum(pool.map(one, range(CONNECTIONS))), waits


if __name__ == "__main__":
    _, port, api_key, path, seconds, size = sys.argv
    sys.stdout.write(json.dumps(load(int(port), api_key, path, int(seconds), int(size))))
