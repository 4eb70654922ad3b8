"""`redbar verify` and `redbar export`, beside a running bot: what they say, and where they say it."""

import csv
import io
import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.operator import demo
from bot.sandbox.loopback import loopback
from ledger.deciding.chain import GENESIS, link
from ledger.deciding.rows import CHAINED, Transfer
from tests.blank_books import lay_books
from tests.journeys.world import World
from tests.redbar_process import redbar

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Place:
    """A bot that runs, and its database."""

    file: Path
    wallet_id: str

    @property
    def url(self) -> str:
        return f"sqlite:///{self.file}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A company that paid once and called twice; its bot runs on."""
    data = tmp_path_factory.mktemp("place") / "demo"
    running = demo.start(lay_books(data), 0)
    try:
        with loopback(running.url, timeout=30) as client:
            world = World(client, running.info["api_key"])
            world.top_up_by_page("owner", "50.00")
            world.reads("owner", "$50.00 was paid")
            for number, (amount, reference) in enumerate([("0.42", "=cmd()"), ("1.00", "campaign 7")]):
                world.use(f"call-{number}", amount, reference=reference)
        yield Place(data / "redbar.db", running.info["wallet_id"])
    finally:
        running.stop()


def said(*words: str, code: int, cwd: Path | None = None) -> str:
    """Run a command that has to end with a code; gives all that it said."""
    result = redbar(*words, cwd=cwd)
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def forged(place: Place, folder: Path, *statements: str) -> str:
    """Copy the database and change something in it, one charge unless told; gives its address."""
    copy = folder / "copy.db"
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(place.file)) as there, closing(sqlite3.connect(copy)) as here:
        there.backup(here)
        for trigger in ("transfers_no_update", "transfers_no_delete"):
            here.execute(f"DROP TRIGGER {trigger}")
        for statement in statements or ("UPDATE transfers SET kind = 'ai_task' WHERE seq = 2",):
            assert here.execute(statement).rowcount > 0
        here.commit()
    return f"sqlite:///{copy}"


def rewritten(place: Place, folder: Path) -> str:
    """Copy the database and write a new history into it that fits itself; gives its address."""
    with closing(sqlite3.connect(place.file)) as there:
        columns = ", ".join(Transfer._fields[:CHAINED])
        rows = there.execute(f"SELECT {columns}, text_digest FROM transfers ORDER BY seq").fetchall()  # noqa: S608
    head, changes = GENESIS, []
    for *row, digest in rows:
        if row[1] == 3:
            row[11] = "call-other"
        head = link(head, row, digest)
        change = f"source_id = '{row[11]}', hash = x'{head.hex()}' WHERE seq = {row[1]}"
        changes.append(f"UPDATE transfers SET {change}")  # noqa: S608
    return forged(place, folder, *changes, f"UPDATE wallets SET chain_head = x'{head.hex()}'")  # noqa: S608


def test_verify_says_how_much_it_checked(place: Place) -> None:
    """Beside the bot that runs."""
    assert (
        said("verify", "--database", place.url, code=0)
        == "The books are whole: 3 transactions in 1 wallet.\n"
    )


def test_verify_names_the_first_bad_transaction(place: Place, tmp_path: Path) -> None:
    """And ends with another code, so that a script hears it."""
    words = said("verify", "--database", forged(place, tmp_path), code=1)
    assert f"{place.wallet_id}, transaction 2: chain:" in words
    assert words.endswith("1 finding.\n")


def test_verify_tells_it_in_json(place: Place, tmp_path: Path) -> None:
    """One object, for programs."""
    whole = json.loads(said("verify", "--json", "--database", place.url, code=0))
    assert (whole["whole"], whole["findings"]) == (True, [])
    (wallet,) = whole["wallets"]
    assert (wallet["wallet_id"], wallet["transactions"], len(wallet["hash"])) == (place.wallet_id, 3, 64)

    broken = json.loads(said("verify", "--json", "--database", forged(place, tmp_path), code=1))
    assert broken["whole"] is False
    assert broken["findings"][0]["transaction"] == 2


def test_a_checkpoint_is_kept_once_and_compared(place: Place, tmp_path: Path) -> None:
    """Only its owner reads it; it is never written over, and never made of broken books."""
    kept = tmp_path / "heads.json"
    assert "Store it where nobody who can write" in said(
        "verify", "--database", place.url, "--keep", str(kept), code=0
    )
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "exists" in said("verify", "--database", place.url, "--keep", str(kept), code=2)
    assert f"the one of {kept}" in said("verify", "--database", place.url, "--against", str(kept), code=0)
    other = tmp_path / "other.json"
    words = said("verify", "--database", forged(place, tmp_path), "--keep", str(other), code=1)
    assert "was not written" in words
    assert not other.exists()
    assert f"{place.wallet_id}, transaction 3: checkpoint: the history up to here" in said(
        "verify", "--database", rewritten(place, tmp_path), "--against", str(kept), code=1
    )


def test_a_checkpoint_says_what_it_knows_nothing_of(place: Place, tmp_path: Path) -> None:
    """A wallet that came after it, or that it was not made of, is not vouched for."""
    heads = {"made_at": "2026-11-23T09:00:00Z", "heads": []}
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps(heads), encoding="utf-8")

    assert "It says nothing of 1 wallet, which came later." in said(
        "verify", "--database", place.url, "--against", str(empty), code=0
    )
    words = ("verify", "--database", place.url, "--against", str(empty), "--wallet", place.wallet_id)
    assert f"says nothing of wallet {place.wallet_id}" in said(*words, code=2)


def test_verify_finds_a_wallet_that_was_taken_away(place: Place, tmp_path: Path) -> None:
    """Nobody would check its transfers."""
    url = forged(place, tmp_path, "DELETE FROM wallets")
    words = said("verify", "--database", url, code=1)
    assert f"{place.wallet_id}, wallet: wallet: transfers has rows of a wallet that is not there." in words


def test_verify_is_not_stopped_by_a_value_that_is_no_text(place: Place, tmp_path: Path) -> None:
    """It names the transaction, in JSON as well."""
    url = forged(place, tmp_path, "UPDATE transfers SET kind = CAST(x'ff' AS TEXT) WHERE seq = 3")
    told = json.loads(said("verify", "--json", "--database", url, code=1))
    assert [(one["transaction"], one["check"]) for one in told["findings"]] == [(3, "unreadable")]


def test_verify_speaks_json_also_when_it_cannot_check(place: Place, tmp_path: Path) -> None:
    """Whoever reads it must not have to guess."""
    told = json.loads(said("verify", "--json", "--database", f"sqlite:///{tmp_path / 'none.db'}", code=2))
    assert told["whole"] is None
    assert "There is no database" in told["error"]


def test_verify_tells_how_far_it_is_where_it_is_asked_to(place: Place, tmp_path: Path) -> None:
    """In lines, on standard error; else not a word into a pipe."""
    silent = redbar("verify", "--database", place.url)
    asked = redbar("verify", "--database", place.url, "--progress")
    assert (silent.stderr, asked.returncode) == ("", 0)
    assert asked.stderr.splitlines()[-1] == "3 of 3"
    assert asked.stdout == silent.stdout


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("verify", "--wallet", "mine"), "'mine' is not the id of a wallet"),
        (("verify", "--wallet", "00000000-0000-4000-8000-000000000000"), "There is no wallet 0000"),
        (("verify", "--against", "none.json"), "none.json cannot be read: No such file"),
        (("verify", "--against", "pyproject.toml"), "is not a checkpoint"),
        (("verify", "--keep", "no/such/folder.json"), "cannot be written: No such file"),
        (("export", "--month", "November"), "'November' is not a month. Write it like 2026-11."),
        (("export", "--month", "2026-13"), "is not a month"),
        (("export", "--wallet", "00000000-0000-4000-8000-000000000000"), "There is no wallet 0000"),
        (
            ("export", "--output", "pyproject.toml"),
            "pyproject.toml exists. Name another file, or say --force.",
        ),
        (("export", "--output", "no/such/folder.csv"), "cannot be written: No such file"),
        (("export", "--database", "sqlite:///none.db"), "There is no database at none.db"),
    ],
)
def test_what_cannot_be_done_is_said(place: Place, words: tuple[str, ...], answer: str) -> None:
    """One sentence, and the code of a command that could not do its work."""
    database = () if "--database" in words else ("--database", place.url)
    assert answer in said(*words, *database, code=2, cwd=ROOT)


def test_export_writes_nothing_else_to_standard_output(place: Place) -> None:
    """Ready to be piped; the card and Stripe's id are there."""
    result = redbar("export", "--database", place.url)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["kind"] for row in rows] == ["opening", "top_up", "outbound_call", "outbound_call", "closing"]
    assert rows[1]["stripe_id"].startswith("pi_")
    assert rows[1]["card"] == "Visa ••4242"
    assert rows[2]["reference"] == "'=cmd()"
    assert rows[4]["balance_after"] == "48.58"
    assert result.stderr == ""


def test_export_to_a_file_is_whole_or_not_there(place: Place, tmp_path: Path) -> None:
    """Its owner's alone, with a summary; a second one has to be forced."""
    file = tmp_path / "books.beancount"
    words = ("export", "--database", place.url, "--format", "beancount", "--output", str(file))
    assert said(*words, code=0) == f"{file}: 3 transactions, from $0.00 to $48.58.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "exists" in said(*words, code=2)
    said(*words, "--force", code=0)
    assert [one.name for one in tmp_path.iterdir()] == [file.name]
    checked = subprocess.run([sys.executable, "-m", "beancount.scripts.check", str(file)], check=False)
    assert checked.returncode == 0


def test_a_reader_who_has_enough_is_no_trouble(place: Place) -> None:
    """`redbar export | head -1`."""
    command = f"{sys.executable} -m bot export --database {place.url} | head -n 1"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, env=environ, check=False
    )
    assert result.stdout.startswith("number,recorded_at")
    assert result.stderr == ""
