"""The operator's commands on PostgreSQL: the bot of this machine carries them out, or they do the same without it."""

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.control import Address, Control, address_of, ask
from bot.operator import demo
from bot.sandbox.loopback import loopback
from tests.journeys.conftest import TICK
from tests.journeys.world import World, shown, until
from tests.postgres_server import Server

WAYS = ["asks the bot", "does it itself"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Whether the bot's socket is found."""
    return str(request.param)


@pytest.fixture
def running(
    tmp_path: Path, postgres: Server, blank_books: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[demo.Demo]:
    """A demo on PostgreSQL with one payment; a command that is to do it itself runs as if on another machine."""
    name = f"operator_{os.getpid()}_{tmp_path.name}"[-60:].lower()
    started = demo.start(
        tmp_path / "demo", 0, tick=TICK, database_url=postgres.create(name, template=blank_books)
    )
    address = address_of(started.bot.settings.database_url)
    assert address is not None
    assert address.path.stat().st_mode & 0o777 == 0o600
    assert address.path.parent.stat().st_mode & 0o777 == 0o700
    try:
        if way == "does it itself":
            monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
            for setting, value in _settings(tmp_path / "demo", started.url).items():
                monkeypatch.setenv(setting, value)
        monkeypatch.setenv("REDBAR_DATABASE_URL", started.bot.settings.database_url)
        yield started
    finally:
        monkeypatch.undo()
        started.stop()
    assert not address.path.exists()


def _settings(data: Path, url: str) -> dict[str, str]:
    kept = json.loads((data / "secrets.json").read_text(encoding="utf-8"))
    return {
        "REDBAR_ENV": "test",
        "REDBAR_SLACK_BOT_TOKEN": kept["bot_token"],
        "REDBAR_SLACK_APP_TOKEN": kept["app_token"],
        "REDBAR_STRIPE_API_KEY": kept["stripe_key"],
        "REDBAR_STRIPE_API_BASE": f"{url}/stripe",
    }


def test_every_command_that_writes_works_both_ways(
    running: demo.Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key opens the API, charges stop, both sides are compared, and a payment that is not ours is refused."""
    with loopback(running.url, timeout=30) as client:
        world = World(client, running.info["api_key"])
        world.top_up_by_page("owner", "100.00")
        world.balance_is("100.00")
        world.skip(10)

        assert main(["key", "create", "--name", "dialler"]) == 0
        key = capsys.readouterr().out.splitlines()[0]
        headers = {"Authorization": f"Bearer {key}"}
        assert client.get("/v1/wallet", headers=headers).status_code == 200

        assert main(["reconcile"]) == 0
        assert "Nothing is missing and nothing differs." in capsys.readouterr().out

        assert main(["settle", "pi_never", "--credit", "--note", "a test"]) == 1
        assert capsys.readouterr().out.startswith("Stripe knows no payment pi_never.")

        world.turn_rule_on()
        assert main(["charges", "off"]) == 0
        stopped = "operator has stopped all automatic charges"
        until(lambda: stopped in shown(world.home("owner")) or None, lambda: shown(world.home("owner")))


def test_only_a_command_without_a_bot_needs_the_settings(
    running: demo.Demo, way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The running bot has them."""
    monkeypatch.delenv("REDBAR_STRIPE_API_KEY", raising=False)

    assert main(["reconcile"]) == (0 if way == "asks the bot" else 2)

    said = capsys.readouterr().out
    assert ("REDBAR_STRIPE_API_KEY is missing" in said) == (way == "does it itself")


# --- The socket ---------------------------------------------------------------------------------------------


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """The address of a database on a server, in a directory of its own: a socket's path has to be short."""
    with tempfile.TemporaryDirectory(prefix="rb") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        found = address_of("postgresql://me:secret@db.example/redbar")
        assert found is not None
        yield found


def _control(address: Address, name: str) -> Control:
    return Control(address, {"who": lambda arguments, step: {"name": name}})


def test_the_address_names_a_database_by_host_port_and_name() -> None:
    """Not by driver, user or password, so that whoever names the same database finds the same bot."""
    same = {
        address_of(url)
        for url in (
            "postgresql://me:secret@db.example/redbar",
            "postgresql+psycopg://you@DB.example:5432/redbar",
            "postgresql:///redbar?host=db.example&port=5432",
        )
    }
    others = {
        address_of(f"postgresql://me@{where}") for where in ("db.example/other", "db.example:5433/redbar")
    }
    several = {
        address_of(f"postgresql://me@/redbar?host={first}&host=b.example:5432")
        for first in ("a.example:5432", "c.example:5432")
    }
    assert len(same) == 1
    assert len(same | others | several) == 5
    assert "secret" not in str(same)
    assert address_of("mysql://me@db.example/redbar") is None
    assert address_of("nonsense") is None


def test_a_second_bot_leaves_the_commands_to_the_first(address: Address) -> None:
    """And answers none after the first has ended: a command then does it itself."""
    first = _control(address, "first")
    second = _control(address, "second")
    assert ask(address.path, {"command": "who"}) == {"name": "first"}
    second.close()
    assert ask(address.path, {"command": "who"}) == {"name": "first"}
    first.close()
    assert ask(address.path, {"command": "who"}) is None


def test_a_socket_that_a_killed_bot_left_is_taken_over(address: Address) -> None:
    """Nobody listens on it."""
    address.path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(address.path))
        killed.listen()
    control = _control(address, "new")
    assert ask(address.path, {"command": "who"}) == {"name": "new"}
    control.close()


def test_a_directory_that_others_may_write_is_not_used(
    address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither by the bot nor by a command: somebody else could answer there."""
    address.path.parent.mkdir()
    address.path.parent.chmod(0o777)
    control = _control(address, "bot")
    assert not address.path.exists()
    assert "the operator's commands write the database themselves" in caplog.text
    control.close()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(address.path))
        stranger.listen()
        assert ask(address.path, {"command": "who"}) is None


def test_one_bot_does_not_remove_the_socket_of_another(address: Address) -> None:
    """Two that start at one moment may both find none; the second's stays."""
    first = _control(address, "first")
    address.path.unlink()
    second = _control(address, "second")
    first.close()
    assert ask(address.path, {"command": "who"}) == {"name": "second"}
    second.close()
