"""Settings are read once, and every mistake is said at once."""

import pytest

from bot.settings import Settings, SettingsWrong

GOOD = {
    "REDBAR_SLACK_BOT_TOKEN": "xoxb-1",
    "REDBAR_SLACK_APP_TOKEN": "xapp-1",
    "REDBAR_STRIPE_API_KEY": "sk_test_1",
}


def _problems(**changes: str) -> list[str]:
    environ = {**GOOD, **changes}
    with pytest.raises(SettingsWrong) as wrong:
        Settings.from_env(environ)
    return wrong.value.problems


def test_good_settings_are_taken() -> None:
    """Three tokens are all that is needed."""
    settings = Settings.from_env(GOOD)
    assert settings.socket_mode
    assert settings.http_port == 8787
    assert settings.slack_api_url == "https://slack.com/api/"


def test_all_mistakes_are_reported_together() -> None:
    """Nobody starts the bot five times to find five mistakes."""
    with pytest.raises(SettingsWrong) as wrong:
        Settings.from_env({"REDBAR_HTTP_PORT": "99999", "REDBAR_CURRENCY": "XXX"})
    text = "\n".join(wrong.value.problems)
    for name in (
        "REDBAR_SLACK_BOT_TOKEN",
        "REDBAR_SLACK_APP_TOKEN",
        "REDBAR_STRIPE_API_KEY",
        "REDBAR_HTTP_PORT",
        "REDBAR_CURRENCY",
    ):
        assert name in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDBAR_SLACK_BOT_TOKEN", "xoxp-1"),
        ("REDBAR_SLACK_APP_TOKEN", "xoxb-1"),
        ("REDBAR_STRIPE_API_KEY", "pk_test_1"),
        ("REDBAR_HTTP_PORT", "0"),
        ("REDBAR_HTTP_PORT", "１２３４"),
        ("REDBAR_CURRENCY", "ISK"),
        ("REDBAR_TIME_ZONE", "Mars/Olympus"),
        ("REDBAR_TIME_ZONE", "../../etc"),
        ("REDBAR_ENV", "staging"),
        ("REDBAR_LOG_LEVEL", "LOUD"),
        ("REDBAR_LOG_FORMAT", "xml"),
        ("REDBAR_SLACK_API_URL", "http://127.0.0.1:1/"),
        ("REDBAR_STRIPE_API_BASE", "http://127.0.0.1:1"),
        ("REDBAR_SLACK_BOT_TOKN", "xoxb-1"),
        ("REDBAR_DATABASE_URL", "sqlite://"),  # in memory: all money would be forgotten
        ("REDBAR_DATABASE_URL", "sqlite:///:memory:"),
        ("REDBAR_DATABASE_URL", "sqlite:///redbar.db?mode=memory"),
        ("REDBAR_DATABASE_URL", "sqlite:///%41.db"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str) -> None:
    """The sentence begins with the setting to change."""
    assert any(problem.startswith(name) for problem in _problems(**{name: value}))


def test_another_address_is_taken_in_a_test_alone() -> None:
    """Money never goes to an address that was mistyped."""
    environ = {**GOOD, "REDBAR_STRIPE_API_BASE": "http://127.0.0.1:1", "REDBAR_ENV": "test"}
    assert Settings.from_env(environ).stripe_api_base == "http://127.0.0.1:1"


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1"])
@pytest.mark.parametrize("address", ["", "http://127.0.0.1:1"])
def test_a_test_never_has_a_live_key(key: str, address: str) -> None:
    """Whatever Stripe it would go to; without REDBAR_ENV=test it is taken."""
    (problem,) = _problems(
        REDBAR_STRIPE_API_KEY=key, REDBAR_ENV="test", REDBAR_STRIPE_API_BASE=address, REDBAR_SLACK_API_URL=""
    )
    assert problem.startswith("REDBAR_STRIPE_API_KEY is a live key")
    assert Settings.from_env({**GOOD, "REDBAR_STRIPE_API_KEY": key}).stripe_live


def test_secrets_are_not_shown() -> None:
    """A settings object in a log says nothing that opens anything."""
    shown = repr(Settings.from_env(GOOD))
    assert "xoxb" not in shown
    assert "sk_test" not in shown
