"""Copies of SQLite books: made page by page beside whoever writes them, checked, and put in the books' place.

A plain copy of the file is none: what was committed last may stand in the write-ahead log beside it.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from bot.operator.open_for_reading import CommandImpossible
from bot.operator.part_file import flush, move_into_place
from ledger import failpoint
from ledger.storage.sqlite import sqlite_module

PAGES = 256
"""Copied in a step, a megabyte: between two steps the writer has its turn, and people see how far it is."""
SIDES = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file, by the ends of its names."""
_WAIT_MS = 5_000
Watch = Callable[[int, int], None]
"""Is told how many pages of how many are copied."""


def copy_books(books: Connection, to: Path, watch: Watch) -> None:
    """Copy an open database into an empty file, as the connection's transaction sees it.

    The copy needs nothing beside it. Raises: CommandImpossible.
    """
    module = sqlite_module()
    driver: Any = books.connection.driver_connection

    def step(status: int, left: int, pages: int) -> None:
        failpoint("backup.step")
        watch(pages - left, pages)

    try:
        with closing(module.connect(str(to), isolation_level=None)) as target:
            # Nothing is kept for undoing: a copy that breaks off is thrown away.
            target.execute("PRAGMA journal_mode = MEMORY")
            driver.backup(target, pages=PAGES, progress=step)
        with closing(module.connect(str(to), isolation_level=None)) as target:
            target.execute("PRAGMA locking_mode = EXCLUSIVE")  # else it would make files beside the copy
            target.execute("PRAGMA journal_mode = DELETE").fetchone()
    except module.Error as problem:
        raise CommandImpossible(f"The copy cannot be made: {problem}.") from None


@contextmanager
def open_copy(file: Path, *, write: bool) -> Iterator[Connection]:
    """Open a copy that nobody else uses, in one transaction. Raises: CommandImpossible."""
    module = sqlite_module()
    place = f"file:{quote(str(file.absolute()))}?mode={'rw' if write else 'ro'}"
    engine = create_engine(
        "sqlite://",
        module=module,
        poolclass=StaticPool,
        creator=lambda: module.connect(place, uri=True),
    )
    try:
        with engine.begin() as connection:
            yield connection
    except DatabaseError as problem:
        raise CommandImpossible(f"{file} is not a backup of Redbar: {problem.orig}.") from None
    except UnicodeDecodeError:
        # The driver's own words about a damaged schema quote it.
        raise CommandImpossible(
            f"{file} is damaged: what it says of its own tables cannot be read."
        ) from None
    finally:
        engine.dispose()


def check_copy(file: Path) -> None:
    """Let SQLite look at every page and every index. Raises: CommandImpossible."""
    with open_copy(file, write=False) as connection:
        found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
    if found != "ok":
        raise CommandImpossible(
            f"The copy is damaged, and so is what it was made of: {found}. Nothing was kept of it."
        )


def replace_books(part: Path, books: Path) -> None:
    """Put a whole file in the place of books that are locked. A crash leaves the old books or the new ones.

    A write-ahead log of the old file would be played into the new one. It is folded into the old file first, which
    SQLite survives at any moment; then the new file takes its name. Raises: CommandImpossible, OSError.
    """
    flush(part)
    failpoint("restore.flushed")
    with _folded(books):
        failpoint("restore.folded")
        move_into_place(part, books)
    failpoint("restore.moved")


@contextmanager
def _folded(books: Path) -> Iterator[None]:
    """Have no log beside the books, and nobody who would make one."""
    module = sqlite_module()
    if not books.exists():
        _remove_sides(books)
        yield
        return
    with closing(module.connect(str(books), isolation_level=None, timeout=_WAIT_MS // 1000)) as old:
        try:
            mode = old.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
            old.execute("BEGIN EXCLUSIVE")
        except module.OperationalError as problem:
            raise CommandImpossible(
                f"{books} is in use: {problem}. Let what reads it end, and try again."
            ) from None
        except module.DatabaseError:
            mode = None  # no database, or a damaged one: there is nothing to be kept whole
        if mode not in (None, "delete"):
            raise CommandImpossible(f"{books} is in use: somebody reads it. Let them end, and try again.")
        if mode is None:
            _remove_sides(books)
        yield


def _remove_sides(books: Path) -> None:
    for end in SIDES:
        books.with_name(books.name + end).unlink(missing_ok=True)
    flush(books.parent)
