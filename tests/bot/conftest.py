"""The company whose listeners are real, for every file that sends it what an owner presses, types and sends in."""

import json
from collections.abc import Iterator

import pytest
from slack_bolt import App

from bot.operator import demo
from bot.slack import listeners
from tests.bot.interactions import funded_company, incidents
from tests.bot.rights_company import Company
from tests.bot.run_process import Outside


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


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """A Slack and a Stripe, and the settings that lead there: those of a demo."""
    data = tmp_path_factory.mktemp("outside") / "demo"
    running = demo.start(data, 0)
    kept = json.loads((data / "secrets.json").read_text(encoding="utf-8"))
    yield (
        running,
        {
            "REDBAR_ENV": "test",
            "REDBAR_SLACK_BOT_TOKEN": kept["bot_token"],
            "REDBAR_SLACK_APP_TOKEN": kept["app_token"],
            "REDBAR_STRIPE_API_KEY": kept["stripe_key"],
            "REDBAR_SLACK_API_URL": f"{running.url}/slack/api/",
            "REDBAR_STRIPE_API_BASE": f"{running.url}/stripe",
        },
    )
    running.stop()
