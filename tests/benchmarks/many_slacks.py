"""`python -m tests.benchmarks.many_slacks DELAY_MS`: takes posts and updates of any number of workspaces.

A workspace is a bot token. The limits are those of the sandbox's stand-in, which serves one workspace; they are kept by
the real clock. Nothing is checked or shown: it counts. It prints its port, and ends with its standard input.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec

from bot.sandbox.slack.rates import Rates
from ledger import SystemClock
from tests.sandbox.slack_place import Stage


class Asked(msgspec.Struct, frozen=True):
    """One request. `at_ms` counts from an arbitrary instant."""

    token: str
    method: str
    channel: str
    text: str
    at_ms: int
    is_refused: bool


class ManySlacks:
    """The application."""

    def __init__(self, delay_ms: int) -> None:
        self._delay_ms = delay_ms
        self._clock = SystemClock()
        self._rates: dict[str, Rates] = defaultdict(_enforced)
        self._asked: list[Asked] = []

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Answer one request; `/asked` gives all of them so far, and forgets them."""
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        if scope["path"] == "/asked":
            asked, self._asked = self._asked, []
            await _answer(send, 200, msgspec.json.encode(asked))
            return
        await asyncio.sleep(self._delay_ms / 1_000)
        token = dict(scope["headers"])[b"authorization"].decode().removeprefix("Bearer ")
        status, answer, headers = self._respond(
            token, scope["path"].rpartition("/")[2], msgspec.json.decode(body)
        )
        await _answer(send, status, msgspec.json.encode(answer), headers)

    def _respond(
        self, token: str, method: str, sent: dict[str, Any]
    ) -> tuple[int, object, list[tuple[bytes, bytes]]]:
        now = self._clock.now()
        channel = str(sent["channel"])
        seconds = self._rates[token].wait_seconds(method, channel, now)
        at_ms = int(now.timestamp() * 1_000)
        self._asked.append(Asked(token, method, channel, str(sent["text"]), at_ms, bool(seconds)))
        if seconds:
            retry = [(b"retry-after", str(seconds).encode())]
            return 429, {"ok": False, "error": "ratelimited"}, retry
        ts = sent.get("ts") or f"{len(self._asked)}.{at_ms}"
        return 200, {"ok": True, "channel": channel, "ts": ts}, []


def _enforced() -> Rates:
    rates = Rates()
    rates.enforced = True
    return rates


async def _answer(
    send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    kind = (b"content-type", b"application/json; charset=utf-8")
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [kind, length, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until the standard input ends."""
    stage = Stage(ManySlacks(int(sys.argv[1])))
    sys.stdout.write(f"{stage.port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    stage.stop()


if __name__ == "__main__":
    main()
