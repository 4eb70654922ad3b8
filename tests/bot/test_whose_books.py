"""The books belong to one Slack workspace: another is refused by name, however the two processes meet."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from bot.app import open_ledger
from bot.sandbox.slack.faults import Fault, Say
from bot.sandbox.slack.seed import TEAM, TEAM_NAME
from bot.tables import named_values, workspaces
from bot.wallets.workspaces import OtherWorkspace, Workspaces
from ledger import USD, Ledger, SystemClock
from ledger.storage.schema import wallets
from tests.blank_books import lay_books
from tests.faults.driver import open_beside
from tests.postgres_server import Server
from tests.redbar_process import RedbarProcess
from tests.sandbox.slack_place import APP_TOKEN, BOT_TOKEN, Place, SettableClock, lent_stage, unused_port

OTHER = {"ok": True, "team": "Beta Inc", "team_id": "T0BETA", "user_id": "U0BETA", "user": "redbar"}
SAID = (
    "These books belong to another Slack workspace: {} ({}). Give each workspace a database of its own: name another "
    "one in REDBAR_DATABASE_URL.\n"
)
ROUNDS = 6
_numbers = count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Empty books, with their tables."""
    if request.param == "sqlite":
        return f"sqlite:///{lay_books(tmp_path) / 'redbar.db'}"
    blank_books: str = request.getfixturevalue("blank_books")
    server: Server = request.getfixturevalue("postgres")
    return server.create(f"whose_{next(_numbers)}", template=blank_books)


@pytest.fixture
def books(url: str) -> Iterator[Ledger]:
    """Empty books, open."""
    ledger = open_ledger(url, SystemClock())
    yield ledger
    ledger.close()


def _open(ledger: Ledger, team_id: str, name: str) -> Any:
    return Workspaces(ledger).open(
        team_id=team_id, enterprise_id="", name=name, bot_user_id="U0", currency=USD, zone="UTC"
    )


@pytest.mark.parametrize("dead", [False, True], ids=["living", "removed"])
def test_another_workspace_is_refused_by_name(books: Ledger, dead: bool) -> None:
    """Living or not; no row of the refused one is left, and the owner comes and goes as before."""
    mine = _open(books, "T0ALPHA", "Alpha Ltd")
    if dead:
        Workspaces(books).forget("T0ALPHA", "app_uninstalled")

    with pytest.raises(OtherWorkspace, match=r"Alpha Ltd \(T0ALPHA\).*REDBAR_DATABASE_URL"):
        _open(books, "T0BETA", "Beta Inc")

    assert _teams(books) == ["T0ALPHA"]
    assert _open(books, "T0ALPHA", "Alpha Ltd") == mine


def test_books_of_an_older_version_take_their_owner_from_their_workspace(books: Ledger) -> None:
    """They have no mark: the one row says whose they are, and of two rows each is refused by the other's name."""
    mine = open_beside(books, "T0ALPHA", name="Alpha Ltd")
    with pytest.raises(OtherWorkspace, match="Alpha Ltd"):
        _open(books, "T0BETA", "Beta Inc")
    assert _open(books, "T0ALPHA", "Alpha Ltd") == mine
    open_beside(books, "T0BETA", name="Beta Inc")

    for team_id, named in (("T0ALPHA", "Beta Inc"), ("T0BETA", "Alpha Ltd")):
        with pytest.raises(OtherWorkspace, match=named):
            _open(books, team_id, "whatever")


def test_the_mark_alone_keeps_books_for_the_first(books: Ledger) -> None:
    """The first process died between claiming the books and opening its wallet."""
    _open(books, "T0ALPHA", "Alpha Ltd")
    books.run(lambda tx: tx.connection.execute(delete(workspaces)), wallet_id=None)
    with pytest.raises(OtherWorkspace, match=r"Alpha Ltd \(T0ALPHA\)"):
        _open(books, "T0BETA", "Beta Inc")
    assert _teams(books) == []


def test_two_processes_that_start_at_once_agree_on_the_owner(postgres: Server, blank_books: str) -> None:
    """Of two workspaces one is refused by the other's name; two replicas of one workspace share its wallet."""
    urls = [postgres.create(f"whose_{next(_numbers)}", template=blank_books) for _ in range(ROUNDS)]
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    said = [context.Queue(), context.Queue()]
    racers = [
        context.Process(target=_race, args=(urls, teams, start, one))
        for teams, one in zip((["T0ALPHA", "T0ALPHA"], ["T0BETA", "T0ALPHA"]), said, strict=True)
    ]
    for one in racers:
        one.start()
    answers = list(zip(*(one.get(timeout=120) for one in said), strict=True))
    for one in racers:
        one.join(30)

    for number, (url, (first, second)) in enumerate(zip(urls, answers, strict=True)):
        ledger = open_ledger(url, SystemClock())
        (owner,) = _teams(ledger)
        with ledger.reading() as connection:
            (_,) = connection.execute(select(wallets.c.wallet_id)).all()
        ledger.close()
        if number % 2:  # both are of the first workspace
            assert first == second
            assert first.startswith("opened")
        else:
            refused, opened = sorted((first, second))
            assert opened.startswith("opened")
            assert refused == SAID.format(f"Company {owner}", owner).strip()


def _race(urls: list[str], teams: Sequence[str], start: Any, said: Any) -> None:
    answers = []
    for url, team_id in zip(urls, cycle(teams)):
        ledger = open_ledger(url, SystemClock())
        start.wait(60)
        try:
            install = Workspaces(ledger).install_id()
            _open(ledger, team_id, f"Company {team_id}")
            answers.append(f"opened {install}")
        except OtherWorkspace as refusal:
            answers.append(str(refusal))
        except BaseException as problem:  # noqa: BLE001 - what a race must never end with is shown by the assertion
            answers.append(f"{type(problem).__name__}: {problem}")
        finally:
            ledger.close()
    said.put(answers)


# --- Real processes ----------------------------------------------------------------------------------------


@pytest.fixture
def slack(tmp_path: Path) -> Iterator[Place]:
    """Slack, served."""
    with lent_stage() as stage:
        place = Place(stage, SettableClock(), tmp_path)
        yield place
        place.close()


def _settings(place: Place, url: str) -> dict[str, str]:
    return {
        "REDBAR_SLACK_BOT_TOKEN": BOT_TOKEN,
        "REDBAR_SLACK_APP_TOKEN": APP_TOKEN,
        "REDBAR_STRIPE_API_KEY": "sk_test_1",
        "REDBAR_ENV": "test",
        "REDBAR_STRIPE_API_BASE": "http://127.0.0.1:9",
        "REDBAR_SLACK_API_URL": f"{place.base_url}/slack/api/",
        "REDBAR_DATABASE_URL": url,
        "REDBAR_HTTP_PORT": str(unused_port()),
    }


def test_a_second_workspace_is_told_nothing_on_the_same_books(slack: Place, url: str, tmp_path: Path) -> None:
    """It says whose they are and connects to nobody: on PostgreSQL beside the first bot, on SQLite after it."""
    first = RedbarProcess(["run"], {**os.environ, **_settings(slack, url)}, tmp_path)
    try:
        assert first.stdout.readline().startswith(b"Redbar runs.")
        if url.startswith("sqlite"):
            first.send_signal(signal.SIGTERM)
            assert first.wait(30) == 0
        slack.stand_in.faults.add(Fault("auth.test", Say(OTHER), times=None))
        before = slack.stand_in.delivery.connected()
        second = RedbarProcess(["run"], {**os.environ, **_settings(slack, url)}, tmp_path)
        try:
            assert second.stdout.readline().startswith(b"Redbar runs.")
            said = ""
            while "redbar resume --moved.\n" not in said:
                line = second.stdout.readline().decode()
                assert line, said
                said += line
            assert slack.stand_in.delivery.connected() == before
            second.send_signal(signal.SIGTERM)
            assert second.wait(30) == 0
            assert b"Traceback" not in second.stderr.read()
        finally:
            second.send_signal(signal.SIGKILL)
            second.close()
    finally:
        first.send_signal(signal.SIGTERM)
        first.wait(30)
        first.close()

    assert f"These books belong to the Slack workspace {TEAM_NAME} ({TEAM});" in said
    assert "restored mode: nothing is charged" in said


def _teams(ledger: Ledger) -> list[str]:
    with ledger.reading() as connection:
        marks = (
            connection.execute(select(named_values.c.value).where(named_values.c.name == "team"))
            .scalars()
            .all()
        )
        assert len(marks) <= 1
        return list(connection.execute(select(workspaces.c.team_id)).scalars())
