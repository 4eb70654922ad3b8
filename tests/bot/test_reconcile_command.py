"""`redbar reconcile` beside a running bot and without one: what it says, how it ends, what people hear."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from bot.__main__ import main
from bot.operator import demo
from bot.sandbox.loopback import loopback
from ledger import CreditKind, PostMoney
from tests.blank_books import lay_books
from tests.journeys.conftest import TICK
from tests.journeys.world import World

PRICE: Any = {"currency": "usd", "unit_amount": 3_000, "product_data": {"name": "Calls"}}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a demo."""
    return tmp_path / "demo"


def _database(data: Path) -> list[str]:
    return ["--database", f"sqlite:///{data / 'redbar.db'}"]


@pytest.fixture
def running(data: Path) -> Iterator[demo.Demo]:
    """A demo with one payment."""
    started = demo.start(lay_books(data), 0, tick=TICK)
    try:
        with loopback(started.url, timeout=30) as client:
            world = World(client, started.info["api_key"])
            world.top_up_by_page("owner", "100.00")
            world.balance_is("100.00")
            world.skip(10)
        yield started
    finally:
        started.stop()


def _invent(running: demo.Demo) -> None:
    """Book a payment of $5 that Stripe knows nothing of."""
    invented = PostMoney("stripe", "credit:pi_never", CreditKind.TOP_UP, 5_000_000, None, reference="RB-7")
    running.bot.ledger.carry_out(running.bot.wallet_id, [invented])


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
    _invent(running)
    with loopback(running.url, timeout=30) as client:
        world = World(client, running.info["api_key"])
        world.skip(10)

        assert main(["reconcile", *_database(data)]) == 1
        assert "credit:pi_never: the books have RB-7 $5.00" in capsys.readouterr().out
        world.reads("owner", "The wallet's books and Stripe don't agree")
        assert world.wallet()["balance"] == "105.00"

    assert main(["reconcile", "--json", *_database(data)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["key"] for one in told["differences"]] == ["credit:pi_never"]


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

    # The key that was right for trying is exchanged for one of real money, and the books are not.
    for name in ("REDBAR_ENV", "REDBAR_STRIPE_API_BASE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("REDBAR_STRIPE_API_KEY", "sk_live_1")
    monkeypatch.setenv("REDBAR_SLACK_APP_TOKEN", kept["app_token"])
    monkeypatch.setenv("REDBAR_DATABASE_URL", here[1])
    assert main(["reconcile"]) == 2
    assert capsys.readouterr().out.startswith("These books were begun with a test key of Stripe's")


def test_an_outage_compares_nothing(
    running: demo.Demo, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said in a sentence, with an exit code of its own."""
    wish = {"match": "GET /v1/refunds", "mode": "status", "status": 503, "times": 1}
    httpx.post(f"{running.url}/sandbox/api/stripe/script", json=wish, trust_env=False)

    assert main(["reconcile", *_database(data)]) == 2
    assert "Stripe could not be asked. Nothing was compared" in capsys.readouterr().out


def test_what_is_listed_is_settled_beside_the_bot(
    running: demo.Demo, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Left with a reason; what is not listed, and a payment that isn't one, are refused in words."""
    _invent(running)
    with loopback(running.url, timeout=30) as client:
        World(client, running.info["api_key"]).skip(10)
    assert main(["reconcile", *_database(data)]) == 1
    capsys.readouterr()

    assert main(["settle", "pi_never", "--leave", "--note", "booked in a test", *_database(data)]) == 0
    assert capsys.readouterr().out.startswith("Left as it is, and not listed any more: credit:pi_never.")
    assert main(["reconcile", *_database(data)]) == 0
    assert "Left as it is by hand, all in all: 1." in capsys.readouterr().out
    for way, words in (
        ("--leave", "Nothing that is listed is called"),
        ("--credit", "Stripe knows no payment"),
    ):
        assert main(["settle", "pi_never", way, "--note", "once more", *_database(data)]) == 1
        assert capsys.readouterr().out.startswith(words)
    for note in (" ", "two\nlines"):
        assert main(["settle", "pi_never", "--leave", "--note", note, *_database(data)]) == 2
        assert "--note has to say why" in capsys.readouterr().out


def test_a_payment_from_stripes_own_pages_is_credited_beside_the_bot(
    running: demo.Demo, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And everybody with a role reads who did it, and why."""
    made = stripe.StripeClient(
        json.loads((data / "secrets.json").read_text(encoding="utf-8"))["stripe_key"],
        base_addresses={"api": f"{running.url}/stripe"},
        max_network_retries=0,
    ).v1.payment_links.create({"line_items": [{"price_data": PRICE, "quantity": 1}]})
    with loopback(running.url, timeout=30) as client:
        world = World(client, running.info["api_key"])
        world.pay(made.url)
        intent = world.client.get("/sandbox/api/stripe/charges").json()[-1]["payment_intent"]

        assert main(["settle", intent, "--credit", "--note", "paid in advance", *_database(data)]) == 0

        said = f"$30.00 of {intent} is in the wallet as RB-1002. The balance is $130.00.\n"
        assert capsys.readouterr().out == said
        for who in ("owner", "finance"):
            told = world.reads(who, "$30.00 was put into the wallet by whoever runs Redbar")
            assert "paid in advance" in str(told)
        assert world.wallet()["balance"] == "130.00"
    assert main(["explain", "RB-1002", *_database(data)]) == 0
    assert "paid outside Redbar and put into the wallet by hand" in capsys.readouterr().out
