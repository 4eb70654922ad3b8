"""`redbar check`: looks at everything that a bot needs, beside a running one or before the first start.

It reads, and writes nothing anywhere. Each line says that something is right, or what to do.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

import httpx

from bot.control import address_of, ask
from bot.operator.checks.database import NAMES, Books, look_at_database
from bot.operator.checks.line import Line, caught, unseen
from bot.operator.checks.setup import DATABASE, Setup, read_setup
from bot.operator.checks.slack import SOCKET, TOKEN, WITH_TOKEN, look_at_slack
from bot.operator.checks.stripe import KEY, MODE, WITH_KEY, look_at_stripe
from bot.operator.running_bot import Say
from bot.settings import Settings
from ledger import Clock
from ledger.time_judgement import OUTSIDE_MAX

QUIET_MAX = timedelta(minutes=1)
"""How long ago a job may have ended last: one ends each second."""
Seen = TypeVar("Seen")
_MARKS = {True: "ok", False: "FAIL", None: "-"}


def check(environ: Mapping[str, str], clock: Clock, say: Say, *, as_json: bool) -> int:
    """Look at everything; gives 1 when something is wrong, else 0."""
    with _silent():
        lines = look_at_everything(environ, clock)
    if as_json:
        say(
            json.dumps(
                [{"name": one.name, "ok": one.ok, "says": one.says} for one in lines], ensure_ascii=False
            )
        )
    else:
        width = max(len(one.name) for one in lines)
        for one in lines:
            say(f"{_MARKS[one.ok]:<4}  {one.name:<{width}}  {one.says}")
    return 1 if any(one.ok is False for one in lines) else 0


def look_at_everything(environ: Mapping[str, str], clock: Clock) -> Sequence[Line]:
    """Look at each side of the setup by itself."""
    lines, setup = read_setup(environ)
    if setup is None:
        return [*lines, *unseen(["everything else"], "the settings come first")]
    database, books = _side(["database", *NAMES], lambda: _database(setup))
    at_database = clock.now() - books.time if books is not None and books.time is not None else None
    slack, at_slack = _side([TOKEN, SOCKET, *WITH_TOKEN], lambda: look_at_slack(setup, books, clock))
    stripe, at_stripe = _side([KEY, MODE, *WITH_KEY], lambda: look_at_stripe(setup, books, clock))
    ahead = {"Slack": at_slack, "Stripe": at_stripe, "the database's server": at_database}
    bot = caught("bot", lambda: _bot(setup.settings, clock))
    return [*lines, *database, _clock(ahead), *slack, *stripe, bot]


def _side(
    names: Sequence[str], look: Callable[[], tuple[list[Line], Seen | None]]
) -> tuple[list[Line], Seen | None]:
    """Look at one side; where that breaks off as a whole, its first line says so."""
    found: list[tuple[list[Line], Seen | None]] = []

    def first() -> Line:
        found.append(look())
        return found[0][0][0]

    line = caught(names[0], first)
    return found[0] if found else ([line, *unseen(names[1:], f"the line {names[0]} comes first")], None)


def _database(setup: Setup) -> tuple[list[Line], Books | None]:
    if DATABASE in setup.wrong:
        return unseen(["database", *NAMES], f"{DATABASE} comes first"), None
    return look_at_database(setup.settings.database_url)


def _clock(ahead: Mapping[str, timedelta | None]) -> Line:
    said = {name: by for name, by in ahead.items() if by is not None}
    for name, by in said.items():
        if abs(by) > OUTSIDE_MAX:
            side = "ahead of" if by > timedelta() else "behind"
            words = (
                f"This machine's clock is {abs(by) // timedelta(seconds=1)} s {side} {name}'s. Set it right: "
            )
            return Line(
                "clock",
                False,
                f"{words}at 60 s Stripe refuses every hosted page, and Redbar charges nothing.",
            )
    if not said:
        return Line("clock", None, "nobody could be asked what time it is")
    return Line("clock", True, f"agrees with {', '.join(said)}")


def _bot(settings: Settings, clock: Clock) -> Line:
    """Say whether a bot runs on these books, and whether it is well. None has to."""
    address = address_of(settings.database_url)
    runs = address is not None and ask(address.path, {"command": "none"}) is not None
    url = f"http://{settings.http_host}:{settings.http_port}"
    try:
        answer = httpx.get(f"{url}/healthz", trust_env=False, timeout=5)
        told = answer.json()
        problems, beat_at = told.get("problems", []), told["beat_at"]
    except httpx.ConnectError:
        if runs:
            return Line("bot", False, f"One runs on these books, and its HTTP API does not answer at {url}.")
        return Line("bot", True, "none runs on these books here: redbar run starts one")
    except (httpx.HTTPError, ValueError, KeyError, AttributeError, TypeError):
        words = f"What listens at {url} does not answer as Redbar does. Set REDBAR_HTTP_PORT to a free port."
        return Line("bot", False, words)
    if not runs:
        words = f"A Redbar on other books, or of another user, answers at {url}. Set REDBAR_HTTP_PORT to a free port."
        return Line("bot", False, words)
    if problems:
        return Line("bot", False, " ".join(map(str, problems)))
    # The bot of a sandbox has a clock of its own, which skips: its beat may be ahead of ours.
    if beat_at is None or clock.now() - datetime.fromisoformat(beat_at) > QUIET_MAX:
        return Line("bot", False, "One runs, and no job of it ended for more than a minute. Look at its log.")
    return Line("bot", True, f"one runs, and answers at {url}")


@contextmanager
def _silent() -> Iterator[None]:
    """Log nothing: what is wrong is said in lines."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
