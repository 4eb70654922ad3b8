"""`redbar backup` and `redbar restore` on SQLite: whole files or none, and nothing lost unasked."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.operator.sqlite_backup import replace_books
from bot.wallets.restored_mode import RestoredCause
from tests.blank_books import blank_file
from tests.bot.copied_books import Books, command, ends_of, opened, plain_rows, restored_of

STAMP = "2026-11-23 09:01:00"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with opened(f"sqlite:///{_laid(tmp_path)}") as made:
        yield made


def _laid(folder: Path) -> Path:
    file = folder / "bot" / "redbar.db"
    file.parent.mkdir()
    shutil.copy(blank_file(), file)
    return file


def _file(books: Books) -> Path:
    return Path(books.url.removeprefix("sqlite:///"))


def _backed_up(books: Books, file: Path) -> Path:
    result = books.command("backup", str(file))
    assert result.returncode == 0, result.stdout
    return file


def test_backup_beside_a_running_bot_has_what_stands_in_the_log(books: Books, tmp_path: Path) -> None:
    """A plain copy lacks it; the backup is one file, for its owner alone, marked as restored."""
    plain = shutil.copy(_file(books), tmp_path / "plain.db")
    assert (
        plain_rows(Path(plain)) == 0
    )  # all of it stands in the -wal, which is why a plain copy is no backup

    file = _backed_up(books, tmp_path / "kept.db")

    assert plain_rows(file) == 21
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bot", "kept.db", "plain.db"]
    assert ends_of(f"sqlite:///{file}") == ends_of(books.url)
    kept = restored_of(f"sqlite:///{file}")
    assert kept is not None
    assert kept.cause is RestoredCause.BACKUP
    assert restored_of(books.url) is None


def test_backup_says_what_it_holds(books: Books, tmp_path: Path) -> None:
    """Wallets, transactions and the newest instant; also while no bot runs."""
    books.ledger.close()
    result = books.command("backup", str(tmp_path / "kept.db"))
    words = f"kept.db: 1 wallet, 21 transactions, the last of {STAMP} UTC."
    assert (result.returncode, result.stderr) == (0, "")
    assert words in result.stdout


def test_backup_refuses_to_write_over_a_file_or_the_books(books: Books, tmp_path: Path) -> None:
    """What is there stays as it is; --force writes over a file, and never over the books."""
    file = tmp_path / "kept.db"
    file.write_text("mine")
    refused = books.command("backup", str(file))
    assert (refused.returncode, file.read_text()) == (2, "mine")
    assert refused.stdout == f"{file} exists. Name another file, or say --force.\n"
    assert books.command("backup", str(file), "--force").returncode == 0
    assert plain_rows(file) == 21

    link = tmp_path / "link.db"
    os.link(_file(books), link)
    before = ends_of(books.url)
    for own in (
        _file(books),
        _file(books).with_name("redbar.db-wal"),
        link,
        _file(books).with_name("redbar.db.id"),
    ):
        said = books.command("backup", str(own), "--force")
        assert (said.returncode, "belongs to the books themselves" in said.stdout) == (2, True)
    assert ends_of(books.url) == before


@pytest.mark.parametrize("content", ["nothing", "of another program", "none at all"])
def test_backup_of_what_is_no_books_is_a_sentence(tmp_path: Path, content: str) -> None:
    """Nothing is made of it."""
    file = tmp_path / "other.db"
    if content == "of another program":
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE wallets (colour TEXT)")
    elif content == "none at all":
        file.write_bytes(b"no database " * 500)
    result = command(f"sqlite:///{file}", "backup", str(tmp_path / "kept.db"))
    assert (result.returncode, result.stdout.count("\n")) == (2, 1)
    assert str(file) in result.stdout
    assert [one.name for one in tmp_path.iterdir() if one != file] == []


def test_backup_of_damaged_books_is_not_kept(books: Books, tmp_path: Path) -> None:
    """SQLite looks at every page of the copy before it gets its name."""
    books.ledger.close()
    with closing(sqlite3.connect(_file(books))) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'ix_transfers_corrects'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with _file(books).open("r+b") as raw:
        raw.seek((root - 1) * size)
        raw.write(b"\xff" * 8)
    result = books.command("backup", str(tmp_path / "kept.db"))
    assert result.returncode == 2
    assert result.stdout.startswith("The copy is damaged, and so is what it was made of: ")
    assert [one.name for one in tmp_path.iterdir()] == ["bot"]


def test_restore_brings_the_books_of_the_backup_back(books: Books, tmp_path: Path) -> None:
    """After the file was lost; what to do next is said."""
    file, before = _backed_up(books, tmp_path / "kept.db"), ends_of(books.url)
    books.ledger.close()
    for one in _file(books).parent.iterdir():
        one.unlink()

    result = books.command("restore", str(file))

    assert (result.returncode, result.stderr) == (0, "")
    assert [word in result.stdout for word in ("redbar run", "redbar reconcile", "redbar resume")] == [
        True
    ] * 3
    assert ends_of(books.url) == before
    assert _file(books).stat().st_mode & 0o777 == 0o600
    kept = restored_of(books.url)
    assert kept is not None
    assert kept.cause is RestoredCause.BACKUP
    assert ends_of(f"sqlite:///{file}") == before


def test_restore_over_a_running_bot_is_refused(books: Books, tmp_path: Path) -> None:
    """Its writes would go into a file that has no name any more."""
    file = _backed_up(books, tmp_path / "kept.db")
    result = books.command("restore", str(file), "--discard")
    assert (result.returncode, result.stdout) == (
        2,
        f"Redbar runs on {_file(books)}. Stop it, then restore.\n",
    )
    books.call(1, "after")


def test_restore_names_what_newer_books_would_lose(books: Books, tmp_path: Path) -> None:
    """Three calls after the backup; with --discard they go."""
    file, before = _backed_up(books, tmp_path / "kept.db"), ends_of(books.url)
    books.call(3, "later")
    newer = ends_of(books.url)
    books.ledger.close()

    refused = books.command("restore", str(file))
    assert refused.returncode == 2
    assert "3 transactions that the backup lacks, recorded from 2026-11-23 09:02:00 to" in refused.stdout
    assert ends_of(books.url) == newer

    assert books.command("restore", str(file), "--discard").returncode == 0
    assert ends_of(books.url) == before


def test_restore_sees_that_the_books_went_another_way(books: Books, tmp_path: Path) -> None:
    """As many transactions, and the last two are others."""
    file = _backed_up(books, tmp_path / "early.db")
    books.call(2, "one way")
    later = _backed_up(books, tmp_path / "later.db")
    books.ledger.close()
    assert books.command("restore", str(file), "--discard").returncode == 0
    with opened(books.url) as again:
        again.call(2, "another way")

    refused = books.command("restore", str(later))

    assert refused.returncode == 2
    assert "2 transactions that the backup lacks" in refused.stdout


def test_restore_of_older_books_loses_nothing_and_asks_nothing(books: Books, tmp_path: Path) -> None:
    """The backup has all that the books have, and more."""
    early = _backed_up(books, tmp_path / "early.db")
    books.call(2, "more")
    later, newest = _backed_up(books, tmp_path / "later.db"), ends_of(books.url)
    books.ledger.close()
    assert books.command("restore", str(early), "--discard").returncode == 0
    assert books.command("restore", str(later)).returncode == 0
    assert ends_of(books.url) == newest


def test_restore_of_a_plain_copy_is_refused(books: Books, tmp_path: Path) -> None:
    """It says why: what stood in the log is not in it."""
    books.ledger.close()
    plain = str(shutil.copy(_file(books), tmp_path / "plain.db"))
    before = ends_of(books.url)
    result = books.command("restore", plain, "--discard")
    assert result.returncode == 2
    assert "plain.db is not a backup" in result.stdout
    assert "log beside it" in result.stdout
    assert ends_of(books.url) == before


@pytest.mark.parametrize(
    "content", ["nothing there", "empty", "of another program", "none at all", "cut short"]
)
def test_restore_of_what_is_no_backup_is_a_sentence(books: Books, tmp_path: Path, content: str) -> None:
    """And the books stay."""
    file = tmp_path / "kept.db"
    if content == "of another program":
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE wallets (colour TEXT)")
    elif content == "cut short":
        whole = _backed_up(books, tmp_path / "whole.db").read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
    elif content != "nothing there":
        file.write_bytes(b"" if content == "empty" else b"no database " * 500)
    books.ledger.close()
    before = ends_of(books.url)
    result = books.command("restore", str(file), "--discard")
    assert (result.returncode, result.stdout.count("\n")) == (2, 1)
    assert str(file) in result.stdout or "The copy" in result.stdout
    assert ends_of(books.url) == before
    assert not _file(books).with_name("redbar.db.part").exists()


def test_restore_refuses_another_programs_file_as_its_place(books: Books, tmp_path: Path) -> None:
    """Also with --discard: nobody means that."""
    file = _backed_up(books, tmp_path / "kept.db")
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE paintings (colour TEXT)")
    result = command(f"sqlite:///{other}", "restore", str(file), "--discard")
    assert (result.returncode, "another program's tables" in result.stdout) == (2, True)


def test_restore_over_damaged_books_wants_discard(books: Books, tmp_path: Path) -> None:
    """Nobody can say what they hold; the log beside them must not be played into the new file."""
    file, before = _backed_up(books, tmp_path / "kept.db"), ends_of(books.url)
    log = _file(books).with_name("redbar.db-wal")
    left = log.read_bytes()
    books.ledger.close()
    _file(books).write_bytes(b"damaged " * 4096)
    log.write_bytes(left)

    refused = books.command("restore", str(file))
    assert refused.returncode == 2
    assert "--discard" in refused.stdout

    assert books.command("restore", str(file), "--discard").returncode == 0
    assert ends_of(books.url) == before


@pytest.mark.parametrize("file_of_before", ["whole", "damaged", "gone"])
def test_no_log_of_the_old_books_is_played_into_the_new_ones(
    books: Books, tmp_path: Path, file_of_before: str
) -> None:
    """A log left by a killed bot lies beside them; SQLite plays it into whatever has the file's name."""
    file, log = _file(books), _file(books).with_name("redbar.db-wal")
    kept, before = _backed_up(books, tmp_path / "kept.db"), ends_of(books.url)
    books.call(300, "later")
    left = {one: one.read_bytes() for one in (file, log)}
    books.ledger.close()
    for one, content in left.items():
        one.write_bytes(content)
    if file_of_before == "damaged":
        file.write_bytes(b"damaged " * 4096)
    elif file_of_before == "gone":
        file.unlink()

    replace_books(kept, file)

    assert ends_of(books.url) == before


def test_restore_waits_for_nobody_who_reads(books: Books, tmp_path: Path) -> None:
    """A reader has the old file open: its log cannot be folded in, and the books stay."""
    file = _backed_up(books, tmp_path / "kept.db")
    books.ledger.close()
    with closing(sqlite3.connect(_file(books), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM transfers").fetchone()
        result = books.command("restore", str(file))
    assert (result.returncode, "is in use" in result.stdout) == (2, True)
    assert ends_of(books.url) == ends_of(f"sqlite:///{file}")
