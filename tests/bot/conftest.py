"""The company whose listeners are real, for every file that sends it what an owner presses, types and sends in."""

from collections.abc import Iterator

import pytest
from slack_bolt import App

from bot.slack import listeners
from tests.bot.interactions import funded_company, incidents
from tests.bot.rights_company import Company


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The company, with $99, a saved card and a call."""
    with funded_company(tmp_path_factory.mktemp("company")) as one:
        yield one


@pytest.fixture(scope="module")
def app(made: Company) -> App:
    """Its application as it runs."""
    found = made.bolt()
    listeners.register(found, made.context)
    return found


@pytest.fixture
def no_incident(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No listener breaks; a test that breaks one clears the log."""
    yield
    assert incidents(caplog) == []
