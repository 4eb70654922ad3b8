"""`redbar settings`: lists and changes the settings of a wallet, also while the bot runs; people are told."""

from pathlib import Path

import pytest

from bot.__main__ import main
from bot.operator import demo
from bot.sandbox.loopback import loopback
from tests.blank_books import lay_books
from tests.journeys.conftest import TICK
from tests.journeys.world import World, shown


def test_settings_are_listed_changed_refused_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The running bot does it; without one the database is written directly."""
    database = ["--database", f"sqlite:///{tmp_path / 'demo' / 'redbar.db'}"]
    assert main(["settings", *database]) == 1
    assert "There is no database at" in capsys.readouterr().out
    running = demo.start(lay_books(tmp_path / "demo"), 0, tick=TICK)
    try:
        with loopback(running.url, timeout=30) as client:
            world = World(client, running.info["api_key"])
            world.top_up_by_page("owner", "100.00")
            world.balance_is("100.00")

            assert main(["settings", "top_up_max=200", "card_day_limit=50", "grace=20min", *database]) == 0
            said = capsys.readouterr().out
            assert said.splitlines()[0] == "grace 15min → 20min"

            message = world.reads("owner", "operator changed settings of this wallet")
            assert "top_up_max $10,000.00 → $200.00" in shown(message)
            world.reads("finance", "operator changed settings of this wallet")
            world.command("owner", "/wallet topup 250")
            world.modal_reads("owner", "between $10.00 and $200.00")
            assert main(["settings", "grace=2h", *database]) == 1
            assert "grace has to be from 0s to 1h" in capsys.readouterr().out
            assert main(["settings", "--wallet", "none", *database]) == 1
            assert "Name one wallet with --wallet" in capsys.readouterr().out
    finally:
        running.stop()

    assert main(["settings", "hold=0.75", *database]) == 0
    capsys.readouterr()
    assert main(["settings", *database]) == 0
    listed = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()}
    assert (listed["hold"], listed["grace"], listed["card_day_limit"]) == ("$0.75", "20min", "$50.00")
