"""A file that is written beside its place and moved there whole: half of it is never mistaken for all of it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from bot.operator.open_for_reading import CommandImpossible


def check_free(path: Path, *, force: bool) -> None:
    """Refuse to write over what exists. Raises: CommandImpossible."""
    if not os.path.lexists(path):
        return
    # Moving a file there would take the place of a device or a pipe, with root's rights even of /dev/null.
    if not path.is_file():
        raise CommandImpossible(f"{path} is no ordinary file. Name another file.")
    if not force:
        raise CommandImpossible(f"{path} exists. Name another file, or say --force.")


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Give an empty file beside `path`, its owner's alone, and remove it at the end unless it was moved into place.

    It is locked: of two processes that would write the same file, the second is refused.
    Raises: CommandImpossible, OSError.
    """
    part = path.with_name(f"{path.name}.part")
    number = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        _claim(number, part)
        try:
            yield part
        finally:
            # Moved into place, it has this name no more; another process may have begun its own.
            if _is_at(number, part):
                part.unlink()
    finally:
        os.close(number)


def _claim(number: int, part: Path) -> None:
    found = os.fstat(number)
    try:
        flock(number, LOCK_EX | LOCK_NB)
    except OSError:
        raise CommandImpossible(f"Another Redbar is writing {part}. Let it finish.") from None
    if not _is_at(number, part):
        raise CommandImpossible(f"Another Redbar has just written {part}. Look at its file first.")
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != os.geteuid():
        raise CommandImpossible(f"{part} is in the way. Remove it, or name another file.")
    # What a process left behind that was killed.
    os.fchmod(number, 0o600)
    os.ftruncate(number, 0)


def _is_at(number: int, part: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(number), part.lstat())
    return False


def flush(path: Path) -> None:
    """Have a file's content, or a directory's names, on disk. Raises: OSError."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def move_into_place(part: Path, path: Path) -> None:
    """Give a whole file its name; both it and the name are on disk afterwards. Raises: OSError."""
    flush(part)
    part.replace(path)
    flush(path.parent)
