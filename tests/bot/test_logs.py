"""The log: no secrets and payloads, one JSON object a line, and a repeated error once a minute."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from bot.logs import Condensing, JsonLines, Redacting
from bot.sandbox.loopback import loopback
from tests.journeys.world import World
from tests.redbar_process import RedbarProcess

ROOT = Path(__file__).parent.parent.parent
SECONDS = 60 * 5


class Log:
    """A logger of its own with a handler as a process has it, and a clock for its records."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = StringIO()
        self.handler = Condensing(self.stream)
        self.handler.setFormatter(formatter)
        self.at = 1_780_000_000.0

    def say(self, message: str, *args: object, level: int = logging.ERROR, error: Any = None) -> None:
        """Log one line at the present second."""
        record = logging.LogRecord(
            "redbar.x", level, "x.py", 1, message, args, error and (type(error), error, None)
        )
        record.created = self.at
        self.handler.handle(record)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    @property
    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def log() -> Iterator[Log]:
    found = Log(JsonLines())
    yield found
    found.handler.close()


def test_a_failure_at_every_tick_is_a_line_a_minute(log: Log) -> None:
    """Four ticks a second for five minutes: six lines, and their counts are all the others."""
    for _ in range(SECONDS * 4 + 1):
        log.say("job %s failed", "news", error=ValueError("refused"))
        log.at += 0.25
    assert [line.get("repeated", 0) for line in log.said] == [0, 239, 239, 239, 239, 239]
    assert all("refused" in line["exception"] for line in log.said)


def test_a_burst_that_ends_is_counted_by_the_next_line_or_by_the_end(log: Log) -> None:
    """Nobody waits for a minute to pass, and no count is lost."""
    for _ in range(5):
        log.say("a request broke")
        log.say("another one")
    log.at += 61
    log.say("something else")
    assert [(line["message"], line.get("repeated", 0)) for line in log.said] == [
        ("a request broke", 0),
        ("another one", 0),
        ("a request broke", 4),
        ("another one", 4),
        ("something else", 0),
    ]
    log.say("something else")
    log.handler.close()
    assert log.said[-1]["repeated"] == 1


def test_lines_that_differ_are_all_written(log: Log) -> None:
    """By their words, their error, their level; and below WARNING nothing is condensed."""
    for error in (ValueError("a"), ValueError("b"), TypeError("a")):
        log.say("it broke", error=error)
    log.say("it broke", level=logging.WARNING)
    for number in range(3):
        log.say("job %s failed", number)
        log.say("nothing to do", level=logging.INFO)
    assert len(log.lines) == 10


def test_the_values_of_a_statement_do_not_make_an_error_another_one(log: Log) -> None:
    """A refused database names the key of each caller; and the values of its rows are not kept."""
    for number in range(3):
        said = f"(psycopg.OperationalError) refused\n[SQL: SELECT]\n[parameters: {{'digest': 'd{number}'}}]"
        log.say("a request broke", error=RuntimeError(said))
    (line,) = log.said
    assert "digest" not in line["exception"]
    assert "[SQL: SELECT]" in line["exception"]


def test_a_clock_that_leapt_hides_no_error(log: Log) -> None:
    """A line that is dated in the future does not keep the same line away until then."""
    log.at += 86_400
    log.say("it broke")
    log.at -= 86_400
    log.say("it broke")
    assert len(log.lines) == 2


def test_many_different_errors_take_no_more_and_more_memory(log: Log) -> None:
    """A thousand lines are remembered."""
    for number in range(5_000):
        log.say("error %s", number)
    assert len(log.lines) == 5_000
    assert len(log.handler._repeats) <= 1_000


@pytest.mark.parametrize("formatter", [JsonLines, Redacting])
@pytest.mark.parametrize(
    "secret",
    [
        "xoxb-12-ab",
        "xapp-1-A-2",
        "sk_live_12ab",
        "rk_test_12ab",
        "whsec_12ab",
        "rbk_12ab",
        "https://checkout.stripe.com/c/pay/cs_test_1",
        "https://hooks.slack.com/actions/T1/2/abc",
        "http://127.0.0.1:1/slack/response/abc",
        "1234567890.1234567890.0123456789abcdef0123456789abcdef",
    ],
)
def test_secrets_are_blanked_in_messages_and_exceptions(
    formatter: type[logging.Formatter], secret: str
) -> None:
    """In both formats."""
    log = Log(formatter())
    log.say("said %s here", secret, error=ValueError(f"about {secret}."))
    text = log.stream.getvalue()
    assert secret not in text
    assert text.count("[redacted]") == 2


def test_text_says_how_often_a_line_was_repeated() -> None:
    """At its end."""
    log = Log(Redacting())
    for _ in range(3):
        log.say("it broke")
    log.handler.close()
    first, second = log.lines
    assert first.endswith("ERROR redbar.x it broke")
    assert second.endswith("ERROR redbar.x it broke [repeated 2 times]")


def _process(program: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environ = {"PYTHONPATH": str(ROOT), **settings}
    return subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )


def test_a_burst_of_a_real_process_is_two_lines() -> None:
    """From eight threads: the first with its traceback, and at the end of the process the count of all others."""
    program = """
import logging, threading
from bot.logs import configure
configure("INFO")
def burst():
    for _ in range(1000):
        try:
            raise ConnectionError("refused")
        except ConnectionError:
            logging.getLogger("redbar.http").exception("a request broke")
threads = [threading.Thread(target=burst) for _ in range(8)]
[one.start() for one in threads]
[one.join() for one in threads]
"""
    first, last = map(json.loads, _process(program, REDBAR_LOG_FORMAT="json").stderr.splitlines())
    assert set(first) == {"time", "level", "logger", "message", "exception"}
    assert "ConnectionError: refused" in first["exception"]
    assert last["repeated"] == 7_999


def test_libraries_are_not_heard_below_warning() -> None:
    """Whatever they are called, also those that take their level from the root."""
    program = """
import logging
from slack_bolt.logger import get_bolt_app_logger, get_bolt_logger
from bot.logs import configure
configure("DEBUG")
for logger in (get_bolt_logger(int), get_bolt_app_logger("some.app"), logging.getLogger("websockets.client")):
    logger.debug("payload")
    logger.info("payload")
    logger.warning("trouble of %s", logger.name)
logging.getLogger("redbar.x").debug("ours")
"""
    said = _process(program).stderr
    assert "payload" not in said
    assert said.count("trouble of") == 3
    assert "DEBUG redbar.x ours" in said


def test_debug_logs_no_payload_of_slack_stripe_or_the_platform(tmp_path: Path) -> None:
    """A demo at DEBUG in which people type, press, send forms in and pay, and the platform posts."""
    environ = {**os.environ, "REDBAR_LOG_LEVEL": "DEBUG", "REDBAR_LOG_FORMAT": "json"}
    data = tmp_path / "demo"
    running = RedbarProcess(["demo", "--port", "0", "--data", str(data), "--no-browser"], environ)
    try:
        assert "is ready" in running.stdout.readline().decode()
        info = json.loads((data / "demo.json").read_text(encoding="utf-8"))
        with loopback(info["url"], timeout=30) as client:
            _live(World(client, info["api_key"]))
    finally:
        running.send_signal(signal.SIGINT)
        errors = running.stderr.read().decode()
        code = running.wait(30)
        running.close()
    assert code == 0
    said: Sequence[dict[str, Any]] = [json.loads(line) for line in errors.splitlines()]
    assert {line["logger"].partition(".")[0] for line in said} <= {"redbar"}
    for word in ("response_url", "trigger_id", "the secret note", "/wallet", "cs_test_", "secret-call"):
        assert word not in errors


def _live(world: World) -> None:
    world.top_up_by_page("owner", "100.00")
    world.command("owner", "/wallet ask @finance 25 the secret note")
    world.use("secret-call", "0.42")
    world.skip(1)
