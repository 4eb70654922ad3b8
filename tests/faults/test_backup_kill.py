"""Backup and restore are killed, and the disk is full: there is a whole file or none, and whole books in any case."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.blank_books import blank_file
from tests.bot.copied_books import Books, command, ends_of, opened

ROOT = Path(__file__).parent.parent.parent
BACKUP_STEPS = ("backup.step", "backup.copied", "backup.flagged")
RESTORE_STEPS = (
    "restore.locked",
    "backup.step",
    "restore.copied",
    "restore.flushed",
    "restore.folded",
    "restore.moved",
)
UNSHARE = ("unshare", "--map-root-user", "--mount")


def _lay(folder: Path) -> Path:
    file = folder / "redbar.db"
    folder.mkdir()
    shutil.copy(blank_file(), file)
    return file


def _killed(url: str, point: str, *words: str) -> None:
    result = command(url, *words, REDBAR_ENV="test", REDBAR_FAILPOINTS=f"{point}=kill")
    assert result.returncode == -signal.SIGKILL, result.stdout


@pytest.mark.parametrize("point", BACKUP_STEPS)
def test_killed_backup_leaves_no_file_and_the_next_one_is_whole(tmp_path: Path, point: str) -> None:
    """What it wrote has another name, and the next backup takes its place."""
    file = tmp_path / "kept.db"
    with opened(f"sqlite:///{_lay(tmp_path / 'bot')}") as books:
        _killed(books.url, point, "backup", str(file))
        assert not file.exists()
        assert file.with_name("kept.db.part").stat().st_mode & 0o777 == 0o600
        books.call(1, "meanwhile")
        assert books.command("backup", str(file)).returncode == 0
        assert ends_of(f"sqlite:///{file}") == ends_of(books.url)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bot", "kept.db"]


@pytest.mark.parametrize("bot_ended", ["politely", "by a kill"])
@pytest.mark.parametrize("point", RESTORE_STEPS)
def test_killed_restore_leaves_the_old_books_or_the_new_ones(
    tmp_path: Path, point: str, bot_ended: str
) -> None:
    """Also where the old books' last transactions stand in the log beside them."""
    file, kept = _lay(tmp_path / "bot"), tmp_path / "kept.db"
    with opened(f"sqlite:///{file}") as books:
        assert books.command("backup", str(kept)).returncode == 0
        books.call(3, "later")
        if bot_ended == "by a kill":
            _leave_as_killed(books, file)
    old, new = ends_of(books.url), ends_of(f"sqlite:///{kept}")
    assert old != new

    _killed(books.url, point, "restore", str(kept), "--discard")

    assert ends_of(books.url) == (new if point == "restore.moved" else old)
    assert command(books.url, "restore", str(kept), "--discard").returncode == 0
    assert ends_of(books.url) == new
    assert not file.with_name("redbar.db.part").exists()


def _leave_as_killed(books: Books, file: Path) -> None:
    """Have the file and its log lie as a killed bot leaves them."""
    aside = [(one, one.with_name(f"{one.name}.aside")) for one in (file, file.with_name(f"{file.name}-wal"))]
    for one, copy in aside:
        shutil.copy(one, copy)
    books.ledger.close()
    for one, copy in aside:
        copy.replace(one)
    assert file.with_name(f"{file.name}-wal").stat().st_size > 0


@pytest.mark.parametrize("words", ["backup", "restore"])
def test_full_disk_is_a_sentence_and_leaves_the_books(tmp_path: Path, words: str) -> None:
    """A file system of 256 kB, less than the books need."""
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    small, kept = tmp_path / "small", tmp_path / "kept.db"
    small.mkdir()
    with opened(f"sqlite:///{_lay(tmp_path / 'bot')}") as books:
        before = ends_of(books.url)
        assert books.command("backup", str(kept)).returncode == 0
    if words == "backup":
        words, database = f"backup {small}/kept.db", books.url
    else:
        words, database = f"restore {kept}", f"sqlite:///{small}/redbar.db"
    mounted = f"mount -t tmpfs -o size=256k none {small}"
    script = f"{mounted}; {sys.executable} -m bot {words} --database {database}; echo $?; ls {small}"

    ended = subprocess.run(
        [*UNSHARE, "sh", "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=False,
    )

    said, code, *left = ended.stdout.splitlines()
    assert "full" in said or "No space" in said, ended.stderr
    assert (code, [one for one in left if one != "redbar.db.lock"]) == ("2", [])
    assert "Traceback" not in ended.stderr
    assert ends_of(books.url) == before
