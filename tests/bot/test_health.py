"""Health and metrics over real HTTP: what is said while something is wrong, to anybody, and at what cost."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, text

from bot.app import open_ledger
from bot.http.health import LatestVitals
from bot.http.server import build_http
from bot.operator import demo
from bot.payments.inbox import News
from bot.sandbox.loopback import loopback
from bot.surfaces.vitals import Trouble, Vitals
from bot.surfaces.vitals_reading import VitalSigns
from bot.wallets.restored_mode import RestoredCause, enter, leave
from ledger import JudgedClock, Ledger, SystemClock
from tests.blank_books import lay_books
from tests.bot.vital_signs import backend_of, tied
from tests.faults.test_clock_in_doubt import Machine
from tests.journeys.conftest import TICK
from tests.journeys.world import World, until
from tests.postgres_server import Server
from tests.sandbox.slack_place import lent_stage

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[demo.Demo]:
    """A demo that works, between tests."""
    found = demo.start(lay_books(tmp_path_factory.mktemp("health")), 0, tick=TICK)
    yield found
    found.stop()


@pytest.fixture
def client(running: demo.Demo) -> Iterator[httpx.Client]:
    """Anybody, without a key."""
    with loopback(running.url, timeout=30) as found:
        yield found
        until(
            lambda: found.get("/readyz").json()["ready"] or None,
            lambda: f"ready again: {found.get('/readyz').text}",
        )


def _check(client: httpx.Client, name: str, status: str, words: str) -> int:
    """Wait until a check says something; gives the status of the whole."""

    def look() -> int | None:
        answer = client.get("/readyz")
        found = answer.json()["checks"].get(name, {})
        says = " ".join(found.get("says", ()))
        return answer.status_code if found.get("status") == status and words in says else None

    return until(look, lambda: f"{name} is {status}: {client.get('/readyz').text}")


def _metrics(client: httpx.Client) -> dict[tuple[str, str], float]:
    """Give the samples by name and label value, once they are fresh."""
    time.sleep(1.1)
    page = client.get("/metrics")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


def test_a_bot_that_works_is_alive_and_ready(client: httpx.Client) -> None:
    """Without a key, and every check says so."""
    alive = client.get("/healthz")
    assert (alive.status_code, alive.json()["ok"]) == (200, True)
    until(lambda: client.get("/healthz").json()["beat_at"], lambda: "no job beats")
    answer = client.get("/readyz")
    assert answer.status_code == 200
    checks = answer.json()["checks"]
    assert set(checks) == {
        "database",
        "heartbeat",
        "queue",
        "clock",
        "telling",
        "slack",
        "restored",
        "deliveries",
        "stripe",
        "differences",
    }
    assert {one["status"] for one in checks.values()} == {"ok"}


def test_a_job_that_fails_every_time_makes_the_bot_unready(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is alive all the same; the job is named, counted, and ready again with its next success."""

    def broken(news: News, now: object) -> None:
        raise ValueError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(News, "poll", broken)
        assert _check(client, "heartbeat", "failed", "The job news failed") == 503
        assert client.get("/healthz").status_code == 200
        found = _metrics(client)
    assert found["redbar_job_failures_total", "news"] >= 3
    assert found["redbar_job_failing", "news"] >= 3
    assert found["redbar_job_failing", "courier"] == 0
    assert _check(client, "heartbeat", "ok", "") == 200


def test_restored_books_are_not_ready(running: demo.Demo, client: httpx.Client) -> None:
    """Another process may run on the books that they were copied from."""
    running.bot.ledger.run(lambda tx: enter(tx, RestoredCause.BACKUP))
    assert _check(client, "restored", "failed", "`redbar resume`") == 503
    assert _metrics(client)["redbar_restored", ""] == 1
    running.bot.ledger.run(leave)


def test_tables_of_another_version_are_not_ready(running: demo.Demo, client: httpx.Client) -> None:
    """A newer program has migrated them meanwhile."""
    table = "UPDATE alembic_version_bot SET version_num = "

    def write(version: str) -> str:
        def swap(tx: Any) -> str:
            before = tx.connection.execute(text("SELECT version_num FROM alembic_version_bot")).scalar_one()
            tx.connection.execute(text(f"{table}:version"), {"version": version})
            return str(before)

        return running.bot.ledger.run(swap)

    before = write("bot_9999")
    assert _check(client, "database", "failed", "of another version") == 503
    write(before)


def test_a_refused_stripe_key_is_a_warning(running: demo.Demo, client: httpx.Client) -> None:
    """The platform's API answers on."""
    fault = {"match": "* /v1/*", "mode": "status", "status": 401, "times": 100_000}
    assert client.post("/sandbox/api/stripe/script", json=fault).status_code == 200
    world = World(client, running.info["api_key"])
    world.skip(40)  # past the next poll
    assert _check(client, "stripe", "warning", "Stripe refuses the key") == 200
    assert _metrics(client)["redbar_stripe_key_refused", ""] == 1
    assert client.post("/sandbox/api/stripe/script", json={"clear": True}).status_code == 200
    world.skip(40)  # past the next poll
    assert _check(client, "stripe", "ok", "") == 200


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("slack", {"method": "*", "times": 100_000, "fail": 503}),
        ("stripe", {"match": "* /v1/*", "mode": "status", "status": 503, "times": 100_000}),
    ],
    ids=["Slack", "Stripe"],
)
def test_an_outage_outside_leaves_the_bot_ready(
    running: demo.Demo, client: httpx.Client, path: str, fault: dict[str, Any]
) -> None:
    """For hours: no job fails by it, and the platform's API answers on."""
    world = World(client, running.info["api_key"])
    before = _failed(client)
    assert client.post(f"/sandbox/api/{path}/script", json=fault).status_code == 200
    for _ in range(3):
        world.skip(60)
        answer = client.get("/readyz")
        assert answer.status_code == 200, answer.text
        assert world.wallet()["standing"]
    assert _failed(client) == before
    assert client.post(f"/sandbox/api/{path}/script", json={"clear": True}).status_code == 200


def _failed(client: httpx.Client) -> dict[str, float]:
    return {
        label: value
        for (name, label), value in _metrics(client).items()
        if name == "redbar_job_failures_total"
    }


def test_metrics_count_what_the_platform_did(running: demo.Demo, client: httpx.Client) -> None:
    """Postings, repetitions, refusals and commits; and nothing in them says whose, or how much."""
    world = World(client, running.info["api_key"])
    world.top_up_by_page("owner", "100.00")
    before = _metrics(client)
    world.use("call-a", "0.42")
    world.use("call-a", "0.42")
    world.platform("POST", "/v1/usage", [{"id": "call-a", "kind": "outbound_call", "amount": "0.43"}])
    world.may_start("call-b", "outbound_call")
    world.may_start("call-c", "outbound_call", "10000")
    after = _metrics(client)

    def grew(name: str, label: str = "") -> float:
        return after[name, label] - before.get((name, label), 0)

    assert grew("redbar_postings_total") == 1
    assert grew("redbar_repeats_total") == 1
    assert grew("redbar_refusals_total", "KeyReused") == 1
    assert grew("redbar_authorizations_total", "allowed") == 1
    assert grew("redbar_authorizations_total", "insufficient_available") == 1
    assert grew("redbar_commit_size_count") == grew("redbar_commit_seconds_count") == 5
    assert grew("redbar_commit_size_bucket", "1") == 5
    assert grew("redbar_commit_size_sum") == 5
    assert after["redbar_payments", "paid"] == 1
    assert after["redbar_database_up", ""] == 1
    assert 0 < after["redbar_stripe_reads_left", ""] <= 10_000
    page = client.get("/metrics").text
    for secret in (str(running.bot.wallet_id), "call-a", "U0OWNER", "100.0", "99.58"):
        assert secret not in page


def test_metrics_come_in_the_newer_format_too(client: httpx.Client) -> None:
    """As a server of Prometheus asks for it."""
    page = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert page.headers["content-type"].startswith("application/openmetrics-text")
    assert page.text.endswith("# EOF\n")


@contextmanager
def _served(ledger: Ledger) -> Iterator[httpx.Client]:
    with lent_stage() as stage, loopback(f"http://127.0.0.1:{stage.port}", timeout=30) as client:
        stage.app = build_http(backend_of(ledger))
        yield client


def test_a_clock_in_doubt_is_not_ready(tmp_path: Path) -> None:
    """With the words that say what to do; the process is alive."""
    machine = Machine()
    ledger = open_ledger(f"sqlite:///{tmp_path / 'redbar.db'}", machine.port())
    with _served(ledger) as client:
        assert _check(client, "clock", "ok", "") == 200
        machine.error = DAY
        assert _check(client, "clock", "failed", "redbar clock accept") == 503
        assert client.get("/healthz").status_code == 200
        assert _metrics(client)["redbar_clock_in_doubt", ""] == 1
        machine.error = timedelta()
        assert _check(client, "clock", "ok", "") == 200
    ledger.close()


def test_a_refused_database_is_said_and_ends(postgres: Server) -> None:
    """A server that lets nobody in: since when and what is wrong; what needs no database is answered."""
    url = postgres.create("refused")
    ledger = open_ledger(url, SystemClock())
    admin = create_engine(_admin(url), isolation_level="AUTOCOMMIT")

    def let_in(allowed: bool) -> None:
        with admin.connect() as connection:
            connection.execute(text(f"ALTER DATABASE refused ALLOW_CONNECTIONS {str(allowed).lower()}"))
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'refused'")
            )

    try:
        with _served(ledger) as client:
            assert _check(client, "database", "ok", "") == 200
            let_in(False)
            assert _check(client, "database", "failed", "cannot be used since") == 503
            assert "restored" not in client.get("/readyz").json()["checks"]
            found = _metrics(client)
            assert found["redbar_database_up", ""] == 0
            assert sum(value for (name, _), value in found.items() if name == "redbar_database_trouble") == 1
            assert ("redbar_payments", "paid") not in found
            assert client.get("/healthz").json()["ok"]
            let_in(True)
            assert _check(client, "database", "ok", "") == 200
    finally:
        let_in(True)
        admin.dispose()
        ledger.close()


def _admin(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://").replace("/refused", "/postgres")


class _Stuck(VitalSigns):
    """Vital signs whose database answers when it is let go, and how often it was asked."""

    def __init__(self, *tied: Any, **named: Any) -> None:
        super().__init__(*tied, **named)
        self.go = Event()
        self.asked = 0

    def read(self) -> Vitals:
        self.asked += 1
        self.go.wait(10)
        return super().read()


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    found = open_ledger("sqlite://", JudgedClock())
    yield found
    found.close()


def test_a_stuck_database_is_asked_once_by_all_and_waited_for_a_little(ledger: Ledger) -> None:
    """A hundred questions are one read, on a thread that nobody else needs, and the loop goes on."""
    stuck = tied(_Stuck, ledger)
    latest = LatestVitals(stuck, 0.2)

    async def ask() -> tuple[list[Vitals], Vitals]:
        many = await asyncio.gather(*(latest.read() for _ in range(100)))
        stuck.go.set()
        found = await _until_read(latest.read)
        await latest.close()
        return many, found

    many, found = asyncio.run(ask())
    assert stuck.asked == 1
    assert all(isinstance(one.books, Trouble) and one.books.code == "Silent" for one in many)
    assert not isinstance(found.books, Trouble)


async def _until_read(read: Callable[[], Any]) -> Vitals:
    for _ in range(100):
        found: Vitals = await read()
        if not isinstance(found.books, Trouble):
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("the database answers, and nobody hears it")


def test_health_costs_the_platform_no_thread(ledger: Ledger) -> None:
    """While the database is stuck, whoever asks for health keeps nobody else waiting."""
    stuck = tied(_Stuck, ledger)
    with lent_stage() as stage, ThreadPoolExecutor(50) as pool:
        stage.app = build_http(replace(backend_of(ledger), signs=stuck))
        url = f"http://127.0.0.1:{stage.port}"
        asking = [pool.submit(httpx.get, f"{url}/readyz", timeout=30, trust_env=False) for _ in range(50)]
        began = time.monotonic()
        assert httpx.get(f"{url}/v1/wallet", trust_env=False).status_code == 401
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
        assert time.monotonic() - began < 1.9
        assert {one.result().status_code for one in asking} == {503}
        stuck.go.set()
    assert stuck.asked == 1
