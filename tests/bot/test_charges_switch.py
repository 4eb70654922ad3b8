"""`redbar charges off`: no automatic charge is made from that moment on, also while the bot runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.operator import demo
from bot.sandbox.loopback import loopback
from tests.blank_books import lay_books
from tests.journeys.conftest import TICK
from tests.journeys.world import World, shown, until


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a demo."""
    return tmp_path / "demo"


@pytest.fixture
def world(data: Path) -> Iterator[World]:
    """A company with a saved card and a rule."""
    running = demo.start(lay_books(data), 0, tick=TICK)
    try:
        with loopback(running.url, timeout=30) as client:
            made = World(client, running.info["api_key"])
            made.top_up_by_page("owner", "100.00")
            made.balance_is("100.00")
            made.turn_rule_on()
            yield made
    finally:
        running.stop()


def charged(world: World) -> int:
    """Count the charges that Stripe made."""
    return len(world.client.get("/sandbox/api/stripe/charges").json())


def says(world: World, words: str) -> None:
    """Wait until Home says why nothing is charged."""
    until(lambda: words in shown(world.home("owner")) or None, lambda: shown(world.home("owner")))


def test_off_stops_the_rule_and_on_lets_it_charge(
    world: World, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Home says why; what the rule wanted is charged once it may again."""
    database = ["--database", f"sqlite:///{data / 'redbar.db'}"]
    assert main(["charges", "off", *database]) == 0
    assert "No automatic charge is made from now on" in capsys.readouterr().out

    world.use("call-1", "60.00")
    says(world, "operator has stopped all automatic charges")
    world.skip(60)
    assert (charged(world), world.wallet()["balance"]) == (1, "40.00")

    assert main(["charges", "on", *database]) == 0
    assert "Rules may charge again" in capsys.readouterr().out
    world.balance_is("200.00")
    assert charged(world) == 2


def test_without_a_bot_and_without_a_wallet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    """Where no bot runs, the database is written directly; where there is none, that is said."""
    assert main(["charges", "off", "--database", f"sqlite:///{tmp_path / 'none.db'}"]) == 1
    assert "There is no database at" in capsys.readouterr().out
    demo.start(lay_books(data), 0, tick=TICK).stop()

    assert main(["charges", "off", "--database", f"sqlite:///{data / 'redbar.db'}"]) == 0

    running = demo.start(lay_books(data), 0, tick=TICK)
    try:
        with loopback(running.url, timeout=30) as client:
            made = World(client, running.info["api_key"])
            made.top_up_by_page("owner", "100.00")
            made.balance_is("100.00")
            made.turn_rule_on()
            made.use("call-1", "60.00")
            says(made, "operator has stopped all automatic charges")
    finally:
        running.stop()
