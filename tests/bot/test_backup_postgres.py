"""`redbar backup` and `redbar restore` on PostgreSQL, by the server's own programs."""

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import psycopg
import pytest

from bot.operator.postgres_programs import COPYING
from bot.wallets.restored_mode import RestoredCause
from tests.bot.copied_books import Books, command, ends_of, opened, restored_of
from tests.postgres_server import SWORN, Server

_numbers = count(1)


def _name() -> str:
    return f"copied_{os.getpid()}_{next(_numbers)}"


@pytest.fixture
def books(postgres: Server, blank_books: str) -> Iterator[Books]:
    with opened(postgres.create(_name(), template=blank_books)) as made:
        yield made


@pytest.fixture
def programs(postgres: Server) -> dict[str, str]:
    return {"REDBAR_PG_BIN": str(postgres.programs)}


def test_backup_beside_a_running_bot_goes_into_an_empty_database(
    books: Books, postgres: Server, programs: dict[str, str], tmp_path: Path
) -> None:
    """All wallets' chains are the same there, and the books are marked as restored; ours are not."""
    file = tmp_path / "kept.sql"
    made = books.command("backup", str(file), **programs)
    assert made.returncode == 0, made.stdout
    assert "1 wallet, 21 transactions, the last of 2026-11-23 09:01:00 UTC" in made.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    elsewhere = postgres.create(_name())

    loaded = command(elsewhere, "restore", str(file), "--bin", str(postgres.programs))

    assert loaded.returncode == 0, loaded.stdout
    assert ends_of(elsewhere) == ends_of(books.url)
    kept = restored_of(elsewhere)
    assert kept is not None
    assert kept.cause is RestoredCause.BACKUP
    assert restored_of(books.url) is None
    with opened(elsewhere) as again:
        again.call(1, "the books go on")
        with pytest.raises(psycopg.errors.RaiseException), psycopg.connect(elsewhere) as connection:
            connection.execute("DELETE FROM transfers")  # the triggers came along


def test_restore_over_a_running_bot_is_refused(
    books: Books, programs: dict[str, str], tmp_path: Path
) -> None:
    """Its sessions are seen at the server, whatever the address says of their name."""
    file = tmp_path / "kept.sql"
    assert books.command("backup", str(file), **programs).returncode == 0
    refused = command(f"{books.url}?application_name=other", "restore", str(file), **programs)
    assert refused.returncode == 2
    assert refused.stdout.startswith("Redbar runs on this database: it has ")


def test_restore_names_what_newer_books_would_lose(
    books: Books, programs: dict[str, str], tmp_path: Path
) -> None:
    """Calls after the backup; with --discard they go, in one transaction."""
    file, before = tmp_path / "kept.sql", ends_of(books.url)
    assert books.command("backup", str(file), **programs).returncode == 0
    books.call(3, "later")
    books.ledger.close()
    newer = ends_of(books.url)

    refused = books.command("restore", str(file), **programs)
    assert refused.returncode == 2
    assert "3 transactions that the backup lacks, recorded from 2026-11-23 09:02:00 to" in refused.stdout
    assert ends_of(books.url) == newer

    assert books.command("restore", str(file), "--discard", **programs).returncode == 0
    assert ends_of(books.url) == before
    assert books.command("restore", str(file), **programs).returncode == 0


def test_restore_of_older_and_of_other_books(books: Books, programs: dict[str, str], tmp_path: Path) -> None:
    """What the backup has too is no loss, and what went another way since the 21st is seen in its rows."""
    early, later = tmp_path / "early.sql", tmp_path / "later.sql"
    assert books.command("backup", str(early), **programs).returncode == 0
    books.call(5, "more")
    assert books.command("backup", str(later), **programs).returncode == 0
    books.ledger.close()
    assert books.command("restore", str(early), "--discard", **programs).returncode == 0
    with opened(books.url) as again:
        again.call(2, "another way")

    refused = books.command("restore", str(later), **programs)

    assert refused.returncode == 2
    assert "2 transactions that the backup lacks" in refused.stdout
    assert books.command("restore", str(early), "--discard", **programs).returncode == 0
    assert books.command("restore", str(later), **programs).returncode == 0


@pytest.mark.parametrize("point", ["restore.step", "restore.read"])
def test_killed_restore_changes_nothing(
    books: Books, programs: dict[str, str], tmp_path: Path, point: str
) -> None:
    """The end of what psql reads is not the end of the script: without our COMMIT the server undoes all."""
    file = tmp_path / "kept.sql"
    assert books.command("backup", str(file), **programs).returncode == 0
    books.call(3, "later")
    books.ledger.close()
    newer = ends_of(books.url)
    words = ("restore", str(file), "--discard")
    killed = books.command(*words, REDBAR_ENV="test", REDBAR_FAILPOINTS=f"{point}=kill", **programs)
    assert killed.returncode == -signal.SIGKILL
    _wait_for_the_program(books.url)
    assert ends_of(books.url) == newer


def _wait_for_the_program(url: str) -> None:
    """It outlives the command for as long as it needs to see that nothing more comes."""
    running = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(200):
            if connection.execute(running, [COPYING]).fetchone() == (0,):
                return
            signal.sigtimedwait([], 0.05)
    raise AssertionError("psql still runs")


@pytest.mark.parametrize("point", ["backup.step", "backup.copied", "backup.flagged"])
def test_killed_backup_leaves_no_file(
    books: Books, programs: dict[str, str], tmp_path: Path, point: str
) -> None:
    """And the next one is whole."""
    file = tmp_path / "kept.sql"
    killed = books.command(
        "backup", str(file), REDBAR_ENV="test", REDBAR_FAILPOINTS=f"{point}=kill", **programs
    )
    assert (killed.returncode, file.exists()) == (-signal.SIGKILL, False)
    assert books.command("backup", str(file), **programs).returncode == 0
    assert [one.name for one in tmp_path.iterdir()] == ["kept.sql"]


@pytest.mark.parametrize(("content", "words"), [("plain", "is not a backup"), ("half", "was cut short")])
def test_restore_of_what_is_no_whole_backup_is_refused(
    books: Books, programs: dict[str, str], tmp_path: Path, content: str, words: str
) -> None:
    """What somebody dumped by hand lacks the mark; a file that was cut short lacks its last line."""
    file = tmp_path / "kept.sql"
    assert books.command("backup", str(file), **programs).returncode == 0
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if content == "half" else whole.split(b"\n", 2)[2])
    books.ledger.close()
    result = books.command("restore", str(file), "--discard", **programs)
    assert (result.returncode, words in result.stdout) == (2, True)


def _programs_that_say(folder: Path, version: str) -> str:
    folder.mkdir()
    for name in ("pg_dump", "psql"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (folder / name).chmod(stat.S_IRWXU)
    return str(folder)


def test_missing_or_old_programs_are_named_with_their_version(books: Books, tmp_path: Path) -> None:
    """And with the package that has them."""
    with psycopg.connect(books.url) as connection:
        version = connection.info.server_version // 10_000
    (tmp_path / "none").mkdir()
    for folder in (str(tmp_path / "none"), _programs_that_say(tmp_path / "old", f"{version - 1}.4")):
        result = books.command("backup", str(tmp_path / "kept.sql"), "--bin", folder)
        assert result.returncode == 2
        assert f"pg_dump of PostgreSQL {version} or newer is needed" in result.stdout
        assert f"apt install postgresql-client-{version}" in result.stdout
    assert not (tmp_path / "kept.sql").exists()


def test_password_is_on_no_command_line(books: Books, postgres: Server, tmp_path: Path) -> None:
    """The program finds it in its environment."""
    with suppress(psycopg.errors.DuplicateObject), psycopg.connect(postgres.url("postgres")) as connection:
        connection.execute(f"CREATE ROLE {SWORN} LOGIN")
    with psycopg.connect(books.url) as connection:
        connection.execute(f"ALTER ROLE {SWORN} LOGIN SUPERUSER PASSWORD 'pa55word'")
        version = connection.info.server_version // 10_000
    url = books.url.replace("postgres@", f"{SWORN}:pa55word@")
    folder = Path(_programs_that_say(tmp_path / "bin", f"{version}.0"))
    seen, real = tmp_path / "seen", postgres.programs / "pg_dump"
    wrapper = folder / "pg_dump"
    wrapper.write_text(f'#!/bin/sh\n[ "$1" = --version ] || echo "$@" > {seen}\nexec {real} "$@"\n')

    result = command(url, "backup", str(tmp_path / "kept.sql"), "--bin", str(folder))
    with psycopg.connect(books.url) as connection:
        connection.execute(f"ALTER ROLE {SWORN} NOSUPERUSER")

    assert result.returncode == 0, result.stdout
    assert "pa55word" not in seen.read_text() + (tmp_path / "kept.sql").read_text() + result.stdout
