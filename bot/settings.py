"""Every setting, read once from the environment; all mistakes are reported together, in words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ledger import Currency, CurrencyUnknown, offered_currency

SLACK_API_URL = "https://slack.com/api/"
STRIPE_API_BASE = "https://api.stripe.com"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("text", "json")


class SettingsWrong(Exception):
    """The settings cannot be used; `problems` has one sentence each, saying what to do."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable as the README lists it."""

    name: str
    default: str
    meaning: str


TABLE = (
    Setting("REDBAR_SLACK_BOT_TOKEN", "", "Bot token of the Slack app (xoxb-…)."),
    Setting(
        "REDBAR_SLACK_APP_TOKEN",
        "",
        "App-level token (xapp-…) for Socket Mode, the default: no public URL needed.",
    ),
    Setting(
        "REDBAR_SLACK_SIGNING_SECRET",
        "",
        "Instead of the app token: HTTP mode, requests arrive at /slack/events.",
    ),
    Setting("REDBAR_STRIPE_API_KEY", "", "Stripe key (sk_… or a restricted rk_…)."),
    Setting(
        "REDBAR_STRIPE_WEBHOOK_SECRET",
        "",
        "Secret of a webhook endpoint at /stripe/webhook; only makes news faster.",
    ),
    Setting(
        "REDBAR_DATABASE_URL",
        "sqlite:///redbar.db",
        "Where the ledger lives: a file, or postgresql://USER:PASSWORD@HOST/NAME.",
    ),
    Setting(
        "REDBAR_PG_BIN",
        "",
        "Folder of PostgreSQL's pg_dump and psql for backup and restore; else they are looked for on PATH.",
    ),
    Setting(
        "REDBAR_CURRENCY",
        "USD",
        "Currency of a new wallet, one of about 25; fixed after its first transaction.",
    ),
    Setting("REDBAR_TIME_ZONE", "UTC", "Time zone of a new wallet's days and months, such as Europe/Berlin."),
    Setting(
        "REDBAR_BILLING_ADMIN",
        "",
        "Slack user id of the first billing admin; else the first owner who opens Home.",
    ),
    Setting("REDBAR_HTTP_HOST", "127.0.0.1", "Address that the HTTP API listens on."),
    Setting("REDBAR_HTTP_PORT", "8787", "Port that the HTTP API listens on."),
    Setting("REDBAR_SLACK_API_URL", SLACK_API_URL, "Another Slack; accepted only with REDBAR_ENV=test."),
    Setting("REDBAR_STRIPE_API_BASE", STRIPE_API_BASE, "Another Stripe; accepted only with REDBAR_ENV=test."),
    Setting(
        "REDBAR_ENV",
        "production",
        "production, or test: other addresses and failpoints are accepted, a live Stripe key is not.",
    ),
    Setting("REDBAR_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR."),
    Setting("REDBAR_LOG_FORMAT", "text", "text, or json: one object a line."),
)
"""The README's settings table is tested against this one."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one running bot."""

    slack_bot_token: str
    slack_app_token: str
    slack_signing_secret: str
    stripe_api_key: str
    stripe_webhook_secret: str
    database_url: str
    currency: Currency
    time_zone: str
    billing_admin: str
    http_host: str
    http_port: int
    slack_api_url: str
    stripe_api_base: str
    env: str
    log_level: str
    tick: timedelta = timedelta(seconds=1)
    """How often due work is looked for."""

    @property
    def socket_mode(self) -> bool:
        """Slack's requests come through a socket that we open, rather than to a URL of ours."""
        return bool(self.slack_app_token)

    @property
    def stripe_live(self) -> bool:
        """The key moves real money."""
        return _is_live(self.stripe_api_key)

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if not re.search(r"token|secret|key|database_url", field.name)
        )
        return f"Settings({shown})"  # secrets never reach a log by accident

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read and check everything. Raises: SettingsWrong, with all problems at once."""
        values = {setting.name: environ.get(setting.name, "").strip() or setting.default for setting in TABLE}
        problems = [
            *_unknown(environ),
            *_slack(values),
            *_stripe(values),
            *_addresses(values),
            *_wallet(values),
            *_choices(values),
            *_database(values),
        ]
        if problems:
            raise SettingsWrong(problems)
        return cls(
            slack_bot_token=values["REDBAR_SLACK_BOT_TOKEN"],
            slack_app_token=values["REDBAR_SLACK_APP_TOKEN"],
            slack_signing_secret=values["REDBAR_SLACK_SIGNING_SECRET"],
            stripe_api_key=values["REDBAR_STRIPE_API_KEY"],
            stripe_webhook_secret=values["REDBAR_STRIPE_WEBHOOK_SECRET"],
            database_url=values["REDBAR_DATABASE_URL"],
            currency=offered_currency(values["REDBAR_CURRENCY"]),
            time_zone=values["REDBAR_TIME_ZONE"],
            billing_admin=values["REDBAR_BILLING_ADMIN"],
            http_host=values["REDBAR_HTTP_HOST"],
            http_port=int(values["REDBAR_HTTP_PORT"]),
            slack_api_url=values["REDBAR_SLACK_API_URL"].rstrip("/") + "/",
            stripe_api_base=values["REDBAR_STRIPE_API_BASE"].rstrip("/"),
            env=values["REDBAR_ENV"],
            log_level=values["REDBAR_LOG_LEVEL"].upper(),
        )


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = {setting.name for setting in TABLE}
    return [
        f"{name} is not a setting. Check its spelling; the README lists all of them."
        for name in sorted(environ)
        if name.startswith("REDBAR_") and name not in known and name not in _ELSEWHERE
    ]


_ELSEWHERE = {"REDBAR_REQUIRE_ALL", "REDBAR_FAILPOINTS"}
"""Names that tests and the failpoints read themselves."""


def _slack(values: Mapping[str, str]) -> list[str]:
    problems = []
    bot, app = values["REDBAR_SLACK_BOT_TOKEN"], values["REDBAR_SLACK_APP_TOKEN"]
    if not bot:
        problems.append(
            "REDBAR_SLACK_BOT_TOKEN is missing: copy the xoxb- token from the Slack app's OAuth page."
        )
    elif not bot.startswith("xoxb-"):
        problems.append("REDBAR_SLACK_BOT_TOKEN does not look like a bot token: it has to begin with xoxb-.")
    if not app and not values["REDBAR_SLACK_SIGNING_SECRET"]:
        problems.append(
            "REDBAR_SLACK_APP_TOKEN is missing: make an app-level token (xapp-) with connections:write, "
            "or set REDBAR_SLACK_SIGNING_SECRET for HTTP mode."
        )
    elif app and not app.startswith("xapp-"):
        problems.append(
            "REDBAR_SLACK_APP_TOKEN does not look like an app-level token: it has to begin with xapp-."
        )
    return problems


def _stripe(values: Mapping[str, str]) -> list[str]:
    key = values["REDBAR_STRIPE_API_KEY"]
    if not key:
        return [
            "REDBAR_STRIPE_API_KEY is missing: copy a secret or restricted key from Stripe's developer page."
        ]
    if not key.startswith(("sk_", "rk_")):
        return ["REDBAR_STRIPE_API_KEY does not look like a secret key: it has to begin with sk_ or rk_."]
    if _is_live(key) and values["REDBAR_ENV"] == "test":
        return [
            "REDBAR_STRIPE_API_KEY is a live key, which moves real money. With REDBAR_ENV=test give a test key "
            "(sk_test_ or rk_test_); to use the live key, remove REDBAR_ENV."
        ]
    return []


def _is_live(key: str) -> bool:
    return "_live_" in key


def _addresses(values: Mapping[str, str]) -> list[str]:
    problems = []
    for name, official in (
        ("REDBAR_SLACK_API_URL", SLACK_API_URL),
        ("REDBAR_STRIPE_API_BASE", STRIPE_API_BASE),
    ):
        url = values[name]
        if url.rstrip("/") == official.rstrip("/"):
            continue
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            problems.append(f"{name} is not a web address: {url!r}.")
        elif values["REDBAR_ENV"] != "test":
            problems.append(
                f"{name} is not {official}. Another address is accepted only with REDBAR_ENV=test."
            )
    port = values["REDBAR_HTTP_PORT"]
    if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 0 < int(port) < 65536:
        problems.append(f"REDBAR_HTTP_PORT has to be a number from 1 to 65535, not {port!r}.")
    return problems


def _wallet(values: Mapping[str, str]) -> list[str]:
    problems = []
    try:
        offered_currency(values["REDBAR_CURRENCY"])
    except CurrencyUnknown as refusal:
        problems.append(f"REDBAR_CURRENCY: {refusal}")
    try:
        ZoneInfo(values["REDBAR_TIME_ZONE"])
    except (ZoneInfoNotFoundError, ValueError):
        problems.append(
            f"REDBAR_TIME_ZONE is not a time zone: {values['REDBAR_TIME_ZONE']!r}. Try Europe/Berlin."
        )
    return problems


def _choices(values: Mapping[str, str]) -> list[str]:
    problems = []
    if values["REDBAR_ENV"] not in ("production", "test"):
        problems.append(f"REDBAR_ENV has to be production or test, not {values['REDBAR_ENV']!r}.")
    return [*problems, *log_problems(values["REDBAR_LOG_LEVEL"], values["REDBAR_LOG_FORMAT"])]


def log_problems(level: str, log_format: str) -> list[str]:
    """Say what is wrong with the settings of the log, which the demo has too."""
    return [
        f"{name} has to be one of {', '.join(known)}, not {value!r}."
        for name, value, known in (
            ("REDBAR_LOG_LEVEL", level.upper(), LOG_LEVELS),
            ("REDBAR_LOG_FORMAT", log_format.lower(), LOG_FORMATS),
        )
        if value not in known
    ]


def _database(values: Mapping[str, str]) -> list[str]:
    url = values["REDBAR_DATABASE_URL"]
    if url.startswith("sqlite:") and (not re.fullmatch(r"sqlite:///[^?%]+", url) or url.endswith(":memory:")):
        return [
            "REDBAR_DATABASE_URL has to name a file, as in sqlite:///redbar.db, and without ? or % in its name."
        ]
    return []


def database_file(url: str) -> Path | None:
    """Give the file of an SQLite address; None for a server."""
    prefix = "sqlite:///"
    return Path(url.removeprefix(prefix)) if url.startswith(prefix) else None
