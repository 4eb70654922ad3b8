"""The start without Slack and the end without a database: the ledger's API waits for neither."""

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from bot.sandbox.slack.faults import Fail, Fault, Limit
from bot.slack.connection import NotConnected
from bot.slack.line import FIRST_WAIT, LONGEST_WAIT, next_wait
from tests.bot.run_process import Outside, bot_running, until_true
from tests.postgres_server import Server
from tests.redbar_process import redbar

ENDS_WITHIN_SECONDS = 10
BUSY_SECONDS = 5
"""What a busy machine may add."""


@pytest.mark.parametrize("away", [Limit(1), Fail(503)], ids=["limited", "broken"])
def test_the_api_answers_before_slack_does(tmp_path: Path, outside: Outside, away: Limit | Fail) -> None:
    """After a reboot in an outage of Slack's: permits are answered, and Slack is connected when it is back."""
    stand_in, settings = outside
    connected, before = stand_in.world.slack.delivery.connected, stand_in.world.slack.delivery.connected()
    with bot_running(tmp_path, settings):
        until_true(lambda: connected() == before + 1)
        key = redbar("key", "create", cwd=tmp_path).stdout.splitlines()[0]
    until_true(lambda: connected() == before)
    for method in ("auth.test", "apps.connections.open"):
        stand_in.world.slack.faults.add(Fault(method, away, times=2))
    try:
        with bot_running(tmp_path, settings) as second:
            second.says("Redbar runs.")
            url = f"http://127.0.0.1:{second.port}/v1/authorizations"
            asked = httpx.post(
                url,
                json={"id": "call-1", "kind": "outbound_call"},
                headers={"Authorization": f"Bearer {key}"},
                trust_env=False,
            )
            assert (asked.status_code, asked.json()["standing"]) == (200, "not_connected")
            until_true(lambda: connected() == before + 1)
    finally:
        stand_in.world.slack.faults.clear()
    assert stand_in.world.slack.faults.left() == 0


def test_slack_is_asked_less_and_less_often_and_never_before_it_wants() -> None:
    """From a second to a minute; a limit's own time is kept."""
    waits = [FIRST_WAIT]
    while waits[-1] < LONGEST_WAIT:
        waits.append(next_wait(waits[-1], NotConnected()))
    assert [one.total_seconds() for one in waits] == [1, 2, 4, 8, 16, 32, 60]
    limited = NotConnected()
    limited.retry_after = timedelta(minutes=3)
    assert next_wait(FIRST_WAIT, limited) == timedelta(minutes=3)


def test_a_silent_database_keeps_no_process_from_ending(
    tmp_path: Path, outside: Outside, postgres: Server
) -> None:
    """Ten seconds after a polite kill it has ended, with 0, whatever still waits for the server."""
    _, settings = outside
    url = postgres.create("silent_end")
    with bot_running(tmp_path, {**settings, "REDBAR_DATABASE_URL": url}) as running:
        running.says("Redbar runs.")
        with psycopg.connect(postgres.url("postgres")) as looking:
            rows = looking.execute("SELECT pid FROM pg_stat_activity WHERE datname = 'silent_end'").fetchall()
        stopped = [postgres.pid, *(pid for (pid,) in rows)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            ready = f"http://127.0.0.1:{running.port}/readyz"
            until_true(lambda: httpx.get(ready, trust_env=False, timeout=30).status_code == 503)
            time.sleep(2)  # it looks at its books each second
            assert httpx.get(ready, trust_env=False, timeout=30).status_code == 503, "it runs on"
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(ENDS_WITHIN_SECONDS + BUSY_SECONDS) == 0
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
