"""`redbar reconcile` beside a running bot and without one: what it says, how it ends, what people hear."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from bot import demo
from bot.__main__ import main
from ledger import CreditKind, PostMoney
from tests.journeys.conftest import TICK
from tests.journeys.world import World


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a demo."""
    return tmp_path / "demo"


def _database(data: Path) -> list[str]:
    return ["--database", f"sqlite:///{data / 'redbar.db'}"]


@pytest.fixture
def running(data: Path) -> Iterator[demo.Demo]:
    """A demo with one payment."""
    started = demo.start(data, 0, tick=TICK)
    try:
        with httpx.Client(base_url=started.url, timeout=30, trust_env=False) as client:
            world = World(client, started.info["api_key"])
            world.top_up_by_page("owner", "100.00")
            world.balance_is("100.00")
            world.skip(10)
        yield started
    finally:
        started.stop()


def test_both_sides_agree_while_the_bot_runs(
    running: demo.Demo, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The running bot does it and says how far it is; the sums and the ration are told."""
    assert main(["reconcile", *_database(data)]) == 0

    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[1].split() == ["payments", "1", "$100.00", "the", "same", "at", "Stripe"]
    assert "Nothing is missing and nothing differs." in lines
    assert lines[-1].startswith("Stripe was read ")
    assert "listing Stripe's payments …" in err.splitlines()


def test_a_break_is_told_to_the_admin_and_ends_with_one(
    running: demo.Demo, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words by DM, in lines and in JSON for the operator; the balance stays as it is."""
    invented = PostMoney("stripe", "credit:pi_never", CreditKind.TOP_UP, 5_000_000, None, reference="RB-7")
    running.bot.ledger.carry_out(running.bot.wallet_id, [invented])
    with httpx.Client(base_url=running.url, timeout=30, trust_env=False) as client:
        world = World(client, running.info["api_key"])
        world.skip(10)

        assert main(["reconcile", *_database(data)]) == 1
        assert "credit:pi_never: the books have RB-7 $5.00" in capsys.readouterr().out
        world.reads("owner", "The wallet's books and Stripe don't agree")
        assert world.wallet()["balance"] == "105.00"

    assert main(["reconcile", "--json", *_database(data)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["key"] for one in told["breaks"]] == ["credit:pi_never"]


def test_without_a_bot_it_asks_stripe_itself(
    running: demo.Demo, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the bot's settings; without them it says which are missing, and compares nothing."""
    copy = data.with_name("copy.db")
    with closing(sqlite3.connect(data / "redbar.db")) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    here = ["--database", f"sqlite:///{copy}"]

    assert main(["reconcile", *here]) == 2
    assert "REDBAR_STRIPE_API_KEY" in capsys.readouterr().out
    kept = json.loads((data / "secrets.json").read_text(encoding="utf-8"))
    for name, value in {
        "REDBAR_ENV": "test",
        "REDBAR_SLACK_BOT_TOKEN": kept["bot_token"],
        "REDBAR_SLACK_APP_TOKEN": kept["app_token"],
        "REDBAR_STRIPE_API_KEY": kept["stripe_key"],
        "REDBAR_STRIPE_API_BASE": f"{running.url}/stripe",
    }.items():
        monkeypatch.setenv(name, value)

    assert main(["reconcile", *here]) == 0
    assert "Nothing is missing and nothing differs." in capsys.readouterr().out


def test_an_outage_compares_nothing(
    running: demo.Demo, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said in a sentence, with an exit code of its own."""
    wish = {"match": "GET /v1/refunds", "mode": "status", "status": 503, "times": 1}
    httpx.post(f"{running.url}/sandbox/api/stripe/script", json=wish, trust_env=False)

    assert main(["reconcile", *_database(data)]) == 2
    assert "Stripe could not be asked. Nothing was compared" in capsys.readouterr().out
