"""The stand-in killed with SIGKILL and started again: what was answered is there, and nothing twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.stripe_place import KEY, any_params, line

READY_SECONDS = 20
PROGRAM = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import uvicorn
from litestar import Litestar
from bot.sandbox.live import Live
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.document_store import DocumentStore
from bot.sandbox.stripe.stand_in import build_stripe
from bot.sandbox.wire import Wire

class Clock:
    def now(self):
        return datetime(2026, 11, 25, 9, 0, tzinfo=UTC)

folder, port = Path(sys.argv[1]), int(sys.argv[2])
url = f"http://127.0.0.1:{port}"
settings = SandboxSettings(url, "", "", "", "socket", "", sys.argv[3], None, None)
made = build_stripe(DocumentStore(folder / "stripe.db"), Wire(folder / "log.jsonl"), Live(), Clock(), settings)
uvicorn.run(Litestar([made.router], openapi_config=None, logging_config=None), port=port, log_level="error")
"""


class Killable:
    """The stand-in in a process of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self.url = f"http://127.0.0.1:{port}"
        self._transport = stripe.RequestsClient(timeout=(5, 20))
        client = stripe.StripeClient(
            KEY,
            max_network_retries=0,
            base_addresses={"api": f"{self.url}/stripe"},
            http_client=self._transport,
        )
        self.api = client.v1
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        arguments = [sys.executable, "-c", PROGRAM, str(self._folder), str(self._port), KEY]
        self.process = subprocess.Popen(arguments, cwd=Path(__file__).parents[2])
        until = time.monotonic() + READY_SECONDS
        while True:
            try:
                httpx.get(f"{self.url}/sandbox/api/stripe/charges", trust_env=False)
            except httpx.TransportError:
                assert time.monotonic() < until, "the stand-in did not start"
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Kill it without a word."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def charges(self) -> list[dict[str, Any]]:
        """Give every succeeded charge."""
        found: list[dict[str, Any]] = httpx.get(
            f"{self.url}/sandbox/api/stripe/charges", trust_env=False
        ).json()
        return found

    def close(self) -> None:
        """End it."""
        self.kill()
        self._transport.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def killable(tmp_path: Path, free_port: int) -> Iterator[Killable]:
    """The stand-in in a process of its own."""
    made = Killable(tmp_path, free_port)
    yield made
    made.close()


def test_what_was_answered_outlives_a_kill(killable: Killable) -> None:
    """Charges, pages, links, events and keys; the same key charges nothing again."""
    body = any_params(
        {
            "amount": 5_000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "off_session": True,
        }
    )
    made = killable.api.payment_intents.create(body, {"idempotency_key": "k-1"})
    page = killable.api.checkout.sessions.create(
        any_params({"mode": "payment", "line_items": [line(700)], "success_url": "https://shop.example/"})
    )
    link = killable.api.payment_links.create(any_params({"line_items": [line(900)]}))
    events = [event.id for event in killable.api.events.list({"limit": 100}).data]

    killable.kill()
    killable.start()

    again = killable.api.payment_intents.create(body, {"idempotency_key": "k-1"})
    assert again.id == made.id
    assert again.last_response is not None
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert [one["payment_intent"] for one in killable.charges()] == [made.id]
    assert [event.id for event in killable.api.events.list({"limit": 100}).data] == events
    assert killable.api.checkout.sessions.retrieve(page.id).url == page.url
    code = link.url.rpartition("/")[2]
    form = {"card": "4242 4242 4242 4242", "exp": "12/34", "cvc": "123"}
    paid = httpx.post(f"{killable.url}/sandbox/api/link/{code}/pay", json=form, trust_env=False).json()
    assert paid["ok"] is True


def test_a_kill_in_the_middle_of_charging_leaves_whole_charges(killable: Killable) -> None:
    """Each with its intent and its events, or not at all; every answered one is there."""
    answered: list[str] = []
    keys = [f"k-{number}" for number in range(40)]

    def body(number: int) -> Any:
        card = {"payment_method": "pm_card_visa", "confirm": True, "off_session": True}
        return {"amount": 1_000 + number, "currency": "usd", **card}

    for number, key in enumerate(keys[:20]):
        answered.append(killable.api.payment_intents.create(body(number), {"idempotency_key": key}).id)
    pid = killable.process.pid
    # Killed at some moment while the next ones run.
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.03; kill -9 {pid}"])
    for number, key in enumerate(keys[20:], 20):
        try:
            answered.append(killable.api.payment_intents.create(body(number), {"idempotency_key": key}).id)
        except stripe.APIConnectionError:
            break
    killer.wait()
    killable.process.wait()
    killable.start()

    charges = killable.charges()
    events = list(killable.api.events.list({"type": "payment_intent.succeeded", "limit": 100}).data)
    intents = {one["payment_intent"] for one in charges}
    assert set(answered) <= intents
    assert {event.data.object["id"] for event in events} == intents
    for number, key in enumerate(keys):
        killable.api.payment_intents.create(body(number), {"idempotency_key": key})
    assert sorted(one["amount"] for one in killable.charges()) == list(range(1_000, 1_040))
