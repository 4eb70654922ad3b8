"""Health for machines: whether the process is alive, whether it is ready for requests, and its metrics.

Whoever reaches the address may ask, without a key, so these answers name no person, amount or platform id. The
database is read on a thread of its own, once a second at most, and is waited for a little: neither a flood of
questions nor a stuck database takes anything from the platform's API.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from litestar import Request, Response, get

from bot.http.metrics import Metrics
from bot.http.readiness import checks_of, is_ready
from bot.surfaces.vitals import Vitals
from bot.surfaces.vitals_reading import VitalSigns
from ledger import WAITING_MAX

WAIT_SECONDS = 2
"""How long the database may take to answer."""
FRESH_SECONDS = 1


class LatestVitals:
    """Gives the vitals of this moment: whoever asks while they are read waits for the same answer."""

    def __init__(self, signs: VitalSigns, wait_seconds: float = WAIT_SECONDS) -> None:
        self._signs = signs
        self._wait_seconds = wait_seconds
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="vitals")
        self._reading: Future[Vitals] | None = None
        self._read_at = 0.0

    async def read(self) -> Vitals:
        """Read the vitals; while the database does not answer in time, those of the process with that trouble."""
        loop = asyncio.get_running_loop()
        reading = self._reading
        if reading is None or (reading.done() and not 0 <= loop.time() - self._read_at < FRESH_SECONDS):
            reading = self._reading = self._pool.submit(self._signs.read)
            self._read_at = loop.time()
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(reading)), self._wait_seconds)
        except TimeoutError:
            return self._signs.unread(
                "Silent", f"The database does not answer within {self._wait_seconds} seconds."
            )

    async def close(self) -> None:
        """Let the thread end; nobody waits for a database that is stuck."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def health_routes(signs: VitalSigns) -> tuple[list[Any], Callable[[], Any]]:
    """Give the routes, and what to call when the application ends."""
    latest, metrics = LatestVitals(signs), Metrics(signs.throughput)

    @get("/healthz", sync_to_thread=False)
    def healthz() -> dict[str, object]:
        """Say that the process is alive, and when a job last succeeded."""
        beat_at = signs.process().beat_at
        return {"ok": True, "beat_at": beat_at.isoformat() if beat_at is not None else None}

    @get("/readyz")
    async def readyz() -> Response[dict[str, object]]:
        """Say whether the platform may send requests here, by 200 or 503, with what is wrong and what to do."""
        checks = checks_of(await latest.read(), queue_max=WAITING_MAX)
        ready = is_ready(checks)
        body: dict[str, object] = {
            "ready": ready,
            "checks": {
                one.name: {"status": one.status.value, **({"says": list(one.says)} if one.says else {})}
                for one in checks
            },
        }
        return Response(body, status_code=200 if ready else 503)

    @get("/metrics")
    async def metrics_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Give the figures of this process and its books in the format of Prometheus."""
        content, media_type = metrics.page(await latest.read(), request.headers.get("accept", ""))
        return Response(content, media_type=media_type)

    return [healthz, readyz, metrics_page], latest.close
