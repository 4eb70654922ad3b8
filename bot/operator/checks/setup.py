"""The settings: all mistakes, and what can be used of them for the other checks."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.operator.checks.line import Line
from bot.settings import TABLE, Settings, SettingsWrong

BOT_TOKEN, APP_TOKEN, STRIPE_KEY = (
    "REDBAR_SLACK_BOT_TOKEN",
    "REDBAR_SLACK_APP_TOKEN",
    "REDBAR_STRIPE_API_KEY",
)
DATABASE = "REDBAR_DATABASE_URL"
_SHAPES = {BOT_TOKEN: "xoxb-", APP_TOKEN: "xapp-", STRIPE_KEY: "sk_test_"}
"""What stands for a token or key that is missing: it is never sent."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The settings as far as they can be used."""

    settings: Settings
    wrong: frozenset[str]
    """The names whose values are missing or wrong: in their place stand the defaults, or what is never sent."""


def read_setup(environ: Mapping[str, str]) -> tuple[list[Line], Setup | None]:
    """Give a line for each mistake, or one that says that there is none."""
    try:
        settings = Settings.from_env(environ)
    except SettingsWrong as found:
        lines = [Line("settings", False, problem) for problem in found.problems]
        return lines, _usable(environ, found.problems)
    given = sum(1 for one in TABLE if environ.get(one.name, "").strip())
    return [Line("settings", True, f"{given} given, none of them wrong")], Setup(settings, frozenset())


def _usable(environ: Mapping[str, str], problems: list[str]) -> Setup | None:
    known = [one.name for one in TABLE]
    wrong = frozenset(name for name in known if any(problem.startswith(name) for problem in problems))
    kept = {name: environ[name] for name in known if name in environ and name not in wrong}
    try:
        return Setup(
            Settings.from_env({**kept, **{name: _SHAPES[name] for name in wrong & _SHAPES.keys()}}), wrong
        )
    except SettingsWrong:
        return None
