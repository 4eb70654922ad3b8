"""The restore drill: yesterday's books, today's Stripe, and the usage that the dialler sends again.

What ends is what was before the disk broke: balance, standing, references and messages. Between the start and `redbar
resume` nothing is charged and nobody is told anything.
"""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.__main__ import main
from bot.operator import demo
from bot.sandbox.loopback import loopback
from bot.sandbox.scenario import url_in
from tests.blank_books import lay_books
from tests.journeys.conftest import TICK
from tests.journeys.world import FINANCE_VISA, World, until
from tests.postgres_server import Server
from tests.redbar_process import redbar

Told = dict[str, Counter[str]]
Usage = list[tuple[str, str]]
YESTERDAY: Usage = [("call-1", "3.00"), ("call-2", "4.50")]
TODAY: Usage = [("call-3", "2.25"), ("task-1", "1.25"), ("call-4", "160.00")]


@dataclass
class Company:
    """A demo, and the address of its books."""

    running: demo.Demo
    world: World
    url: str

    @property
    def database(self) -> list[str]:
        return ["--database", self.url]

    def charges(self) -> list[Any]:
        """Give what Stripe has charged, oldest first."""
        found: list[Any] = self.world.client.get("/sandbox/api/stripe/charges").json()
        return [(one["amount"], one.get("amount_refunded", 0)) for one in found]

    def told(self) -> Told:
        """Give what everybody reads, how often."""
        conversations = (("owner", "dm"), ("admin", "dm"), ("finance", "dm"), ("member", "#calls"))
        return {
            f"{who} {where}": Counter(_lasting(one["text"]) for one in self.world.messages(who, where))
            for who, where in conversations
        }


@contextmanager
def _company(data: Path, url: str) -> Iterator[Company]:
    running = demo.start(data, 0, tick=TICK, database_url=url)
    running.world.slack.tickets.clock.stop()
    try:
        with loopback(running.url, timeout=30) as client:
            yield Company(running, World(client, running.info["api_key"]), running.bot.settings.database_url)
    finally:
        running.stop()


def _yesterday(world: World) -> None:
    """A card, a rule, a request that is open, and some calls."""
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.turn_rule_on()
    _ask(world, "75")
    for name, amount in YESTERDAY:
        world.use(name, amount)


def _today(world: World) -> None:
    """The request is paid, the rule charges, somebody tops up, somebody is asked, and calls go on."""
    world.pay(url_in(world.reads("finance", "pay $75.00")), FINANCE_VISA)
    world.balance_is("167.50")
    for name, amount in TODAY:
        world.use(name, amount)
    world.balance_is("200.00")  # 4.00 were left, and the rule brings back to 200
    world.command("owner", "/wallet topup 30")
    world.modal("owner", "confirm_charge")
    world.submit("owner")
    world.balance_is("230.00")
    _ask(world, "40")


def _ask(world: World, amount: str) -> None:
    world.command("owner", f"/wallet ask @finance {amount}")
    world.reads("finance", f"pay ${amount}.00")
    world.reads("owner", f"${amount}.00")


def _plain_copy(books: Path, to: Path) -> None:
    # Another process: a second SQLite library in this one would take the first one's locks away.
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", code, str(books), str(to)], check=True)


@pytest.mark.parametrize("way", ["backup", "plain copy", "postgresql"])
def test_restored_books_end_as_those_that_were_never_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest, way: str
) -> None:
    """By a backup, which says so itself, on both databases; and by a plain copy, which Stripe gives away."""
    data, kept, url, programs = tmp_path / "demo", tmp_path / "yesterday", "", ""
    if way == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        url = server.create("restored", template=request.getfixturevalue("blank_books"))
        programs = str(server.programs)
    else:
        lay_books(data)
    with _company(data, url) as company:
        _yesterday(company.world)
        if way == "plain copy":
            _plain_copy(data / "redbar.db", kept)
        else:
            assert redbar("backup", str(kept), *company.database, REDBAR_PG_BIN=programs).returncode == 0
        _today(company.world)
        company.world.skip(1)
        wallet, charges = company.world.wallet(), company.charges()
        told = company.told()
        _, last_ref = max((len(one), one) for one in _refs(company))
    if way == "plain copy":
        for side in ("-wal", "-shm"):
            (data / f"redbar.db{side}").unlink(missing_ok=True)
        shutil.copyfile(kept, data / "redbar.db")
    else:
        refused = redbar("restore", str(kept), *company.database, REDBAR_PG_BIN=programs)
        assert (refused.returncode, "--discard" in refused.stdout) == (2, True), refused.stdout
        restored = redbar("restore", str(kept), "--discard", *company.database, REDBAR_PG_BIN=programs)
        assert restored.returncode == 0, restored.stdout

    with _company(data, url) as company:
        world = company.world
        assert company.running.bot.use_cases.restored.is_on()
        for name, amount in TODAY + YESTERDAY:  # the dialler doesn't know what was kept
            world.use(name, amount)
        world.skip(30)
        assert company.charges() == charges
        assert _news(told, company.told()) == {}
        assert main(["reconcile", *company.database]) == 0
        assert "made again from what Stripe keeps" in capsys.readouterr().out
        assert world.wallet()["balance"] == wallet["balance"]
        assert company.charges() == charges
        assert _news(told, company.told()) == {}

        assert main(["resume", *company.database]) == 0
        said = capsys.readouterr().out
        assert "Automatic payments are on: nothing is charged at once." in said
        connected = company.running.world.slack.delivery.connected
        until(lambda: connected() or None, lambda: "Slack is not connected")
        world.skip(30)
        again = world.wallet()
        assert {one: again[one] for one in ("balance", "standing")} == {
            one: wallet[one] for one in ("balance", "standing")
        }
        assert company.charges() == charges
        assert _news(told, company.told()) == {}
        _ask(world, "15")
        assert _number(max(_refs(company), key=_number)) == _number(last_ref) + 1


def _lasting(text: str) -> str:
    """Leave out the demo's port, the second, and the balance, which a message that is edited shows as it stands."""
    return re.sub(r"127\.0\.0\.1:\d+|alance (is )?\S+|<!date\^\d+[^>]*>", "", text)


def _news(before: Told, after: Told) -> dict[str, list[str]]:
    """Give what somebody reads that was not there, and what is not there any more."""
    found = {
        where: [*(f"+ {one}" for one in after[where] - said), *(f"- {one}" for one in said - after[where])]
        for where, said in before.items()
    }
    return {where: lines for where, lines in found.items() if lines}


def _refs(company: Company) -> set[str]:
    """Give every reference that was given out, as Stripe keeps them."""
    state = company.running.world.stripe.state
    return {
        one["metadata"]["redbar_ref"]
        for kind in ("intent", "session", "link")
        for one in state.store.all(kind)
        if one["metadata"]
    }


def _number(ref: str) -> int:
    return int(ref.removeprefix("RB-"))
