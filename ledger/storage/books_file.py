"""The file of an SQLite database and the files beside it: made for their owner alone, and watched while they are open.

SQLite goes on writing to a file that was deleted or replaced, and nobody ever finds what it wrote. So the path is
looked at before each use and after each commit. That takes 8 µs of a lone caller's commit, which is 0.8 % (measured).
"""

import logging
import os
import stat
from pathlib import Path

from ledger.storage.trouble import StoreTroubled, TroubleCode

log = logging.getLogger("redbar.store")
Identity = tuple[int, int]
"""Device and inode."""
OWNER_ONLY = 0o600
_DIRECTORY_OF_OWNER = 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_BESIDE = ("", "-wal", "-shm", ".lock")
RESTORE = "Stop Redbar, run `redbar restore FILE` with a backup, then start it."


def make_directory(path: Path) -> None:
    """Make a directory, and those above it that are missing, for their owner alone. Raises: OSError."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for one in reversed(missing):
        one.mkdir(_DIRECTORY_OF_OWNER, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file for its owner alone, unless there is one. Raises: OSError.

    An existing file is never opened: closing it would end the locks that SQLite has on it in this process.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
    except FileExistsError:
        return


def keep_from_others(path: Path) -> None:
    """Take the rights of other users from a database's files. SQLite gives its log the rights of the database."""
    for suffix in _BESIDE:
        one = path.with_name(path.name + suffix)
        try:
            found = one.stat()
            if stat.S_ISREG(found.st_mode) and found.st_mode & _OTHERS:
                one.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)
        except FileNotFoundError:
            continue
        except OSError as problem:
            log.warning("other users may read %s: %s", one, problem.strerror)


class BooksFile:
    """The path of an open database. Raises: StoreTroubled, wherever it looks."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._name = str(self.path)
        self._log_name = f"{self.path.resolve()}-wal"  # SQLite puts it beside the file that a link names
        found = self.path.stat()
        self._device, self._inode = found.st_dev, found.st_ino
        self._size_min = found.st_size
        """Bytes; the file only grows, except while `may_shrink`."""
        self.may_shrink = False
        """Set while the file is written anew, and afterwards: a checkpoint to come may cut it."""
        self._log: Identity | None = None
        """The write-ahead log that the writer's connection has open."""
        self._lost: StoreTroubled | None = None
        """Once another or a shorter file was seen, nothing is written to it any more."""

    def look(self) -> None:
        """See that the path still names the whole file that was opened, and that it may be written."""
        size_min = self._size_min  # before the size is read: another thread may see the file grow in between
        try:
            found = os.stat(self._name)
            if (
                found.st_ino == self._inode
                and found.st_dev == self._device
                and found.st_size >= size_min
                and found.st_mode & stat.S_IWUSR
                and self._lost is None
            ):
                self._size_min = found.st_size
                return
        except FileNotFoundError:
            raise self._trouble(
                TroubleCode.FILE_GONE,
                f"{self.path} is gone: it was deleted or moved while Redbar runs. Move this file back, or stop Redbar, "
                "run `redbar restore FILE` with a backup, then start it.",
            ) from None
        except OSError as problem:
            raise self._trouble(
                TroubleCode.NOT_OPENED,
                f"{self.path} cannot be looked at: {problem.strerror}. Check its directory.",
            ) from None
        if self._lost is not None:
            raise self._lost.for_others()
        if (found.st_dev, found.st_ino) != (self._device, self._inode):
            self._lose(TroubleCode.FILE_REPLACED, f"{self.path} is not the file that Redbar opened any more.")
        if found.st_size < size_min and not self.may_shrink:
            self._lose(TroubleCode.FILE_TRUNCATED, f"{self.path} has become shorter: a part of it is lost.")
        self._size_min = found.st_size
        if not found.st_mode & stat.S_IWUSR:
            raise self.read_only()

    def look_at_log(self) -> None:
        """See that the write-ahead log is still the one that is written to: the newest transactions stand in it."""
        if self._log is None:
            return
        if self._log_identity() != self._log:
            self._lose(
                TroubleCode.FILE_REPLACED, f"{self._log_name} is not the file that Redbar opened any more."
            )

    def look_at_open_log(self) -> None:
        """The same, while the writer's connection has it open: the first look remembers which one it is."""
        if self._log is None:
            self._log = self._log_identity()
        else:
            self.look_at_log()

    def log_is_closed(self) -> None:
        """Forget the log: SQLite removes it with the last connection."""
        self._log = None

    def look_at_rights(self) -> None:
        """See that this user may write the file and make files beside it."""
        if not os.access(self._name, os.R_OK | os.W_OK) or not os.access(self.path.parent, os.W_OK | os.X_OK):
            raise self.read_only()

    def read_only(self) -> StoreTroubled:
        """Say that the file cannot be written."""
        return self._trouble(
            TroubleCode.READ_ONLY,
            f"{self.path} cannot be written: the file, its directory or its file system is read-only. Let the user who "
            "runs Redbar write both; Redbar goes on by itself.",
        )

    def _log_identity(self) -> Identity:
        try:
            found = os.stat(self._log_name)
        except OSError:
            raise self._trouble(
                TroubleCode.FILE_GONE,
                f"{self._log_name} is gone: the newest transactions stand in it. Move this file back, or stop Redbar, "
                "which writes them to the database, then start it.",
            ) from None
        return (found.st_dev, found.st_ino)

    def _trouble(self, code: TroubleCode, sentence: str) -> StoreTroubled:
        return StoreTroubled(sentence, code)

    def _lose(self, code: TroubleCode, what: str) -> None:
        self._lost = self._trouble(code, f"{what} {RESTORE}")
        raise self._lost.for_others()
