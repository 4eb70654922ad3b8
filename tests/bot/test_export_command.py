"""`redbar export`: nothing but the export on standard output, whole files or none, a sentence for what keeps it."""

import csv
import io
import os
import pty
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import insert

from bot.__main__ import main
from bot.app import open_ledger
from bot.states.payment import Purpose, State, Way
from bot.tables import payments
from bot.wallets.workspaces import Workspaces
from ledger import (
    OUTBOUND_CALL,
    USD,
    CreditKind,
    Ledger,
    PostMoney,
    PostUsage,
    Tx,
    new_id,
    new_wallet_id,
)
from ledger.storage.sqlite import sqlite_module
from tests.blank_books import lay_books
from tests.faults.driver import open_beside
from tests.ledger.wallet_driver import MORNING, ManualClock, usd
from tests.redbar_process import run_redbar

ROOT = str(Path(__file__).parent.parent.parent)
SUMMARY = "201 transactions, from $0.00 to $49.9999.\n"


@dataclass(frozen=True)
class Bot:
    """A bot that has its database open for writing, with one wallet and some transactions."""

    file: Path
    ledger: Ledger
    wallet_id: UUID

    def redbar(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        """Run a command in a process of its own, beside this one."""
        database = f"sqlite:///{self.file}"
        return run_redbar("export", "--database", database, *words)


def command(file: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "bot", "export", "--database", f"sqlite:///{file}", *words]


def environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REDBAR_")}
    return {**clean, "PYTHONPATH": ROOT, **more}


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    folder = tmp_path / "bot"
    folder.mkdir()
    ledger = open_ledger(f"sqlite:///{lay_books(folder) / 'redbar.db'}", ManualClock())
    wallet_id = Workspaces(ledger).open(
        team_id="T1", enterprise_id="", name="Acme", bot_user_id="U0", currency=USD, zone="America/New_York"
    )
    ledger.run(lambda tx: _paid(tx, wallet_id))
    credit = PostMoney("stripe", "credit:pi_1", CreditKind.TOP_UP, usd("50"), None, "RB-1001")
    calls = [PostUsage("platform", f"c{one}", OUTBOUND_CALL, 1, None, 60, "Grüße 👋") for one in range(100)]
    free = [PostUsage("platform", f"f{one}", OUTBOUND_CALL, 0, None, 60) for one in range(100)]
    ledger.carry_out(wallet_id, [credit, *calls, *free])
    yield Bot(folder / "redbar.db", ledger, wallet_id)
    ledger.close()


def _paid(tx: Tx, wallet_id: UUID) -> None:
    tx.connection.execute(
        insert(payments).values(
            wallet_id=wallet_id,
            payment_id=new_id(),
            ref="RB-1001",
            purpose=Purpose.TOP_UP,
            way=Way.PAGE,
            state=State.PAID,
            currency="USD",
            saves_card=0,
            try_number=1,
            created_at=MORNING,
            intent_id="pi_1",
            paid_with="Visa ••4242",
        )
    )


def test_standard_output_has_the_export_and_nothing_else(bot: Bot) -> None:
    """No words for people; the card is the bot's knowledge, the rest the ledger's."""
    result = bot.redbar()

    assert (result.returncode, result.stderr) == (0, b"")
    opening, first, *_, closing_row = csv.DictReader(io.StringIO(result.stdout.decode(), newline=""))
    assert opening["balance_after"] == "0.00"
    assert (first["stripe_id"], first["card"], first["amount"]) == ("pi_1", "Visa ••4242", "50.00")
    assert closing_row["balance_after"] == "49.9999"
    assert bot.redbar("--output", "-").stdout == result.stdout


def test_beancount_accepts_what_the_command_writes(bot: Bot, tmp_path: Path) -> None:
    """All of it, one month, and a month in which nothing happened."""
    for words in ([], ["--month", "2026-11"], ["--month", "2026-12"]):
        file = tmp_path / "books.beancount"
        result = bot.redbar("--format", "beancount", "--force", "--output", str(file), *words)
        assert (result.returncode, result.stdout) == (0, b"")
        check = [sys.executable, "-m", "beancount.scripts.check", str(file)]
        verdict = subprocess.run(check, capture_output=True, text=True, check=False)
        assert (verdict.returncode, verdict.stdout, verdict.stderr) == (0, "", "")


def test_a_file_is_its_owners_alone_and_never_written_over_unasked(bot: Bot, tmp_path: Path) -> None:
    """What is there stays as it is, until --force."""
    file = tmp_path / "books.csv"
    assert bot.redbar("--output", str(file)).stderr.decode() == f"{file}: {SUMMARY}"
    whole = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert whole == bot.redbar().stdout

    file.write_text("mine", encoding="utf-8")
    file.chmod(0o644)
    refused = bot.redbar("--output", str(file))
    assert (refused.returncode, file.read_text(encoding="utf-8")) == (2, "mine")
    assert refused.stderr.decode() == f"{file} exists. Name another file, or say --force.\n"

    assert bot.redbar("--output", str(file), "--force").returncode == 0
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (whole, 0o600)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["books.csv", "bot"]


def test_a_pipe_or_folder_is_never_replaced_by_a_file(bot: Bot, tmp_path: Path) -> None:
    """With the rights of root, a device such as /dev/null would be gone."""
    pipe, loose = tmp_path / "pipe", tmp_path / "loose"
    os.mkfifo(pipe)
    loose.symlink_to("nowhere")
    for place in (pipe, loose, bot.file.parent):
        before = place.lstat()
        result = bot.redbar("--output", str(place), "--force")
        assert result.returncode == 2
        assert result.stderr.decode() == f"{place} is no ordinary file. Name another file.\n"
        assert place.lstat().st_ino == before.st_ino


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("missing/books.csv", "No such file or directory"),
        ("file/books.csv", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_written_is_said(bot: Bot, tmp_path: Path, place: str, said: str) -> None:
    """One sentence, and nothing is left lying about."""
    (tmp_path / "file").touch()
    before = sorted(tmp_path.iterdir())

    result = bot.redbar("--output", str(tmp_path / place))

    assert result.returncode == 2
    assert result.stderr.decode() == f"{tmp_path / place} cannot be written: {said}.\n"
    assert sorted(tmp_path.iterdir()) == before


def test_a_full_disk_is_said(bot: Bot) -> None:
    """Also at the very end, when the last of it is written."""
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            command(bot.file), stdout=full, stderr=subprocess.PIPE, env=environment(), check=False
        )
    assert result.returncode == 2
    assert result.stderr.decode() == "The export cannot be written: No space left on device.\n"


def test_a_reader_that_leaves_counts_as_no_success(bot: Bot) -> None:
    """As in `redbar export | head -1`: no words, but a script can tell half an export from a whole one."""
    with subprocess.Popen(
        command(bot.file), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        said = running.stderr.read()
        assert running.wait(timeout=60) == 141
    assert said == b""


def test_closed_channels_never_mix_words_into_the_export_nor_the_export_into_the_database(bot: Bot) -> None:
    """What a closed channel's number means by then is anybody's guess: it may be the database."""
    words = " ".join(command(bot.file))
    before = bot.redbar().stdout

    deaf = subprocess.run(
        ["sh", "-c", f"{words} >&-"], env=environment(), stderr=subprocess.PIPE, check=False
    )
    mute = subprocess.run(
        ["sh", "-c", f"{words} 2>&-"], env=environment(), stdout=subprocess.PIPE, check=False
    )

    assert deaf.returncode == 2
    assert deaf.stderr.decode() == "Standard output is closed. Name a file with --output.\n"
    assert (mute.returncode, mute.stdout) == (0, before)
    refused = subprocess.run(
        ["sh", "-c", f"{words} --month none 2>&-"], env=environment(), stdout=subprocess.PIPE, check=False
    )
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert bot.redbar().stdout == before


def test_the_export_is_the_same_in_every_locale(bot: Bot) -> None:
    """A terminal that knows no umlauts does not keep a file from having them."""
    ascii_only = environment(LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    plain = subprocess.run(command(bot.file), capture_output=True, env=ascii_only, check=False)

    assert plain.returncode == 0
    assert plain.stdout == bot.redbar().stdout
    assert "Grüße 👋" in plain.stdout.decode()


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "november", "0000-01", "9999-12", "20٢٦-11", ""])
def test_what_is_no_month_is_said(bot: Bot, month: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence shows what a month looks like."""
    code = main(["export", "--database", f"sqlite:///{bot.file}", "--month", month])

    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err == f"{month!r} is not a month. Write it like 2026-11.\n"


def test_a_wallet_that_is_not_there_is_said(bot: Bot) -> None:
    """Neither a word nor another wallet's id."""
    unknown = new_wallet_id()
    assert bot.redbar("--wallet", "acme").stderr == b"'acme' is not the id of a wallet.\n"
    result = bot.redbar("--wallet", str(unknown))
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.decode() == f"There is no wallet {unknown}.\n"
    assert bot.redbar("--wallet", str(bot.wallet_id)).returncode == 0


def test_of_several_wallets_one_has_to_be_named(bot: Bot) -> None:
    """The sentence lists them; a wallet's export has nothing of another's."""
    second = open_beside(bot.ledger, "T2")

    result = bot.redbar()

    assert (result.returncode, result.stdout) == (2, b"")
    for wallet_id in (bot.wallet_id, second):
        assert str(wallet_id) in result.stderr.decode()
    assert b"credit:pi_1" not in bot.redbar("--wallet", str(second)).stdout


def test_no_database_is_said_and_none_is_made(tmp_path: Path) -> None:
    """Nor is another program's taken for ours."""
    missing, foreign = tmp_path / "none.db", tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE wallets (colour TEXT)")

    for file, said in (
        (missing, f"There is no database at {missing}."),
        (foreign, f"{foreign} is not a database of Redbar"),
    ):
        result = run_redbar("export", "--database", f"sqlite:///{file}")
        assert (result.returncode, result.stdout) == (2, b"")
        assert result.stderr.decode().startswith(said)
        assert result.stderr.count(b"\n") == 1
    assert not missing.exists()


def test_forged_books_leave_no_file(bot: Bot, tmp_path: Path) -> None:
    """What does not add up is no export, and the sentence says what to do."""
    file = tmp_path / "books.csv"
    with closing(sqlite_module().connect(str(bot.file))) as connection:
        connection.execute("DROP TRIGGER transfers_no_update")
        connection.execute("UPDATE transfers SET amount = amount + 1 WHERE seq = 150")
        connection.commit()

    result = bot.redbar("--output", str(file))

    assert result.returncode == 1
    assert result.stderr.decode() == (
        "The books up to transaction 150 do not add up. "
        "Nothing of this export can be relied on: run redbar verify.\n"
    )
    assert [one.name for one in tmp_path.iterdir()] == ["bot"]


def test_progress_is_for_terminals(bot: Bot, tmp_path: Path) -> None:
    """Whoever watches sees the line being cleaned up before the sentence; a log file gets the sentence alone."""
    file = tmp_path / "books.csv"
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as terminal:
        result = subprocess.run(
            command(bot.file, "--output", str(file)),
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=environment(),
            check=False,
        )
        os.close(theirs)
        seen = terminal.read(4096).decode()

    assert (result.returncode, result.stdout) == (0, b"")
    assert seen.startswith("\r")
    assert seen.replace("\r\n", "\n").endswith(f"\r{file}: {SUMMARY}")
