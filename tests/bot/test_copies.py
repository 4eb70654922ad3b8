"""Copies of the books, and settings that lead elsewhere: each process says so, and reaches neither people nor cards."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.app import open_ledger
from bot.wallets.books_owner import Owner, remember, stranger
from bot.wallets.id_file import IdFile
from bot.wallets.restored_mode import RestoredCause, restored
from ledger import Ledger, SystemClock
from tests.bot.run_process import Outside, bot_running, until_true
from tests.redbar_process import redbar


def _copied(books: Path, to: Path) -> None:
    to.parent.mkdir(exist_ok=True)
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", code, str(books), str(to)], check=True)


def test_a_copy_beside_the_original_says_so_and_takes_no_event(tmp_path: Path, outside: Outside) -> None:
    """The original goes on, also after a redeploy on its volume; the copy serves its API and connects to nobody."""
    stand_in, settings = outside
    connected = stand_in.world.slack.delivery.connected
    before = connected()
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    for _ in range(2):  # the second is the redeploy
        with bot_running(home, settings) as original:
            original.says("Redbar runs.")
            until_true(lambda: connected() == before + 1)
        until_true(lambda: connected() == before)
    with bot_running(home, settings) as original:
        until_true(lambda: connected() == before + 1)
        _copied(home / "redbar.db", elsewhere / "redbar.db")
        with bot_running(elsewhere, settings) as copy:
            said = copy.says("redbar resume --moved")
            assert f"{elsewhere / 'redbar.db'} is not the file that Redbar wrote last" in said
            assert copy.answers() == 401, "the API serves, and wants a key"
            assert connected() == before + 1
        assert original.answers() == 401
    with bot_running(elsewhere, settings) as copy:
        copy.says("redbar resume --moved")
        refused = redbar("resume", cwd=elsewhere)
        assert (refused.returncode, "Restored mode goes on" in refused.stdout) == (1, True)
        assert connected() == before
        assert redbar("resume", "--moved", cwd=elsewhere).returncode == 0
        until_true(lambda: connected() == before + 1)
        copy.says("Restored mode is over.")


# --- Whose books they are ----------------------------------------------------------------------------------

OWN = {
    "stripe_mode": "test",
    "stripe_account": "acct_1",
    "slack_team": "T1 Northwind",
    "slack_app": "A1",
}


@pytest.mark.parametrize("name", [one for one in OWN if one.startswith("slack")])
def test_books_of_another_team_or_app_are_strange(books: tuple[Ledger, IdFile, Path], name: str) -> None:
    """From the first start on; what is not known yet is no sign, and a team may change its name."""
    ledger, _, _ = books
    remember(ledger, Owner(**OWN))
    for owner, sign in (
        (Owner(**OWN), None),
        (Owner(), None),
        (Owner(**{**OWN, "slack_team": "T1 Northwind Calls"}), None),
        (Owner(**{**OWN, name: "X9 Another"}), (RestoredCause(name), OWN[name])),
    ):
        remember(ledger, owner)
        with ledger.reading() as connection:
            assert stranger(connection, owner) == sign


# --- The id file -------------------------------------------------------------------------------------------


@pytest.fixture
def books(tmp_path: Path) -> Iterator[tuple[Ledger, IdFile, Path]]:
    """Books in a file, named by their id file."""
    path = tmp_path / "redbar.db"
    ledger = open_ledger(f"sqlite:///{path}", SystemClock())
    file = IdFile(ledger, path)
    file.check()
    yield ledger, file, path
    ledger.close()


def _cause(ledger: Ledger) -> RestoredCause | None:
    with ledger.reading() as connection:
        found = restored(connection)
    return found.cause if found is not None else None


def test_the_file_that_was_written_last_is_known(books: tuple[Ledger, IdFile, Path]) -> None:
    """At each start and each hour it gets another token, and stays the same file. The id file is its owner's alone."""
    ledger, file, path = books
    beside = path.with_name("redbar.db.id")
    tokens = set()
    for again in (file.check, file.renew, file.check):
        again()
        tokens.add(json.loads(beside.read_text(encoding="utf-8"))["tokens"][0])
    assert (_cause(ledger), len(tokens)) == (None, 3)
    assert beside.stat().st_mode & 0o777 == 0o600


def _lose(beside: Path) -> None:
    beside.unlink()


def _garble(beside: Path) -> None:
    beside.write_text("{", encoding="utf-8")


def _change(name: str, value: object) -> Callable[[Path], None]:
    def change(beside: Path) -> None:
        named = json.loads(beside.read_text(encoding="utf-8"))
        beside.write_text(json.dumps({**named, name: value}), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    "sign",
    [_lose, _garble, _change("id", "another"), _change("inode", 1), _change("tokens", ["older"])],
    ids=["no id file", "no JSON", "another id", "another inode", "an older token"],
)
def test_any_other_file_is_a_copy(books: tuple[Ledger, IdFile, Path], sign: Callable[[Path], None]) -> None:
    """The first sign stays until the operator resumes; the id file is left as it is until then."""
    ledger, file, path = books
    beside = path.with_name("redbar.db.id")
    sign(beside)
    kept = beside.read_bytes() if beside.exists() else None
    for again in (file.check, file.check, file.renew):
        again()
        assert _cause(ledger) is RestoredCause.FILE
        assert (beside.read_bytes() if beside.exists() else None) == kept


@pytest.mark.parametrize("done", [1, 2])
def test_a_start_that_is_killed_while_it_names_the_file_leaves_it_known(
    books: tuple[Ledger, IdFile, Path], monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """After the id file names both tokens, and after the books hold the new one."""
    ledger, file, _ = books
    written = 0
    write = IdFile._write

    class Killed(Exception):
        pass

    def count(self: IdFile, named: object) -> None:
        nonlocal written
        if written == done:
            raise Killed
        written += 1
        write(self, named)  # type: ignore[arg-type]
        if done == 1:
            raise Killed

    monkeypatch.setattr(IdFile, "_write", count)
    for _ in range(done - 1):
        file.renew()
    with pytest.raises(Killed):
        file.renew()
    monkeypatch.undo()
    file.check()
    assert _cause(ledger) is None
