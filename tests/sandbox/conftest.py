"""Fixtures of the sandbox's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from slack_bolt import App

from tests.sandbox.slack_place import (
    Connected,
    Place,
    SettableClock,
    Stage,
    bolt_app,
    lent_stage,
    unused_port,
)


@pytest.fixture
def clock() -> SettableClock:
    """A clock that the test moves."""
    return SettableClock()


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    return unused_port()


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """A server that every test puts its own application on."""
    with lent_stage() as made:
        yield made


@pytest.fixture
def place(stage: Stage, clock: SettableClock, tmp_path: Path) -> Iterator[Place]:
    """The Slack stand-in, served."""
    made = Place(stage, clock, tmp_path)
    yield made
    made.close()


@pytest.fixture
def bolt(place: Place) -> Iterator[App]:
    """A real Bolt application, connected through a socket; the test adds its listeners."""
    app = bolt_app(place)
    connected = Connected(place, app)
    yield app
    connected.close()
