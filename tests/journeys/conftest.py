"""Worlds to tell stories in."""

import os
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Literal

import pytest

from bot.operator import demo
from bot.sandbox.loopback import loopback
from tests.blank_books import lay_books
from tests.journeys.world import World
from tests.sizes import size

_numbers = count(1)
TICK = timedelta(milliseconds=200)
WHOLE = size("clicks", local=False, ci=False, full=True) or "REDBAR_README_PICTURES" in os.environ
"""Whether six weeks have all of their 20,000 calls; those of the README's pictures have."""


@pytest.fixture
def quiet_six_weeks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the six weeks of a small company, day by day: 2,000 calls and 6 payments."""
    if not WHOLE:
        monkeypatch.setattr("bot.sandbox.pace.CALLS", 2_000)
        monkeypatch.setattr("bot.sandbox.pace.STEP", timedelta(days=1))
        monkeypatch.setattr("bot.sandbox.scenario.PAYMENTS", 6)


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """A fresh company in front of a fresh bot; `request.param` chooses how Slack delivers, or another database."""
    chosen = getattr(request, "param", "socket")
    delivery: Literal["socket", "http"] = "http" if chosen == "http" else "socket"
    database_url = ""
    if chosen == "postgresql":
        database_url = request.getfixturevalue("postgres").create(
            f"world_{next(_numbers)}", template=request.getfixturevalue("blank_books")
        )
    running = demo.start(
        lay_books(tmp_path / "demo"), 0, delivery=delivery, tick=TICK, database_url=database_url
    )
    running.world.slack.tickets.clock.stop()  # a slow machine makes no trigger expire
    try:
        with loopback(running.url, timeout=30) as client:
            yield World(client, running.info["api_key"])
    finally:
        running.stop()
