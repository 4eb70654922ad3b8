"""`redbar restore`: a backup in the place of the books, if that loses nothing."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, select

from bot.operator.backup import Contents, contents_of
from bot.operator.open_for_reading import CommandImpossible, has_books, has_other_tables, open_for_reading
from bot.operator.part_file import part_of
from bot.operator.progress import Meter
from bot.operator.running_bot import Say
from bot.operator.sqlite_backup import check_copy, copy_books, open_copy, replace_books
from bot.settings import database_file
from bot.wallets.restored_mode import RestoredCause, restored
from ledger import LostHistory, StoreBusy, failpoint, history_lost_to
from ledger.storage.schema import transfers
from ledger.storage.sqlite import sqlite_module, take_lock

NO_BACKUP = (
    "is not a backup: it lacks the mark that `redbar backup` writes into every one. A plain copy of a database may "
    "lack what was in the log beside it. Make a backup with `redbar backup FILE`, or open the copy where it is."
)


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be restored, and where to."""

    database_url: str
    file: Path
    discard: bool
    """Whether books may be replaced that have what the backup lacks."""
    programs: str
    """The folder of PostgreSQL's programs; empty for those on PATH."""


class OtherTables(CommandImpossible):
    """There are no books in the database, but something else is."""


def restore(options: Options, environ: Mapping[str, str], say: Say) -> int:
    """Put the backup in the place of the books; gives 0, or 2 when they are left as they were."""
    try:
        if not options.file.is_file():
            raise CommandImpossible(f"There is no backup at {options.file}.")
        books = database_file(options.database_url)
        if books is not None:
            contents = _into_sqlite(options, books)
        else:
            # Its driver is installed on request.
            from bot.operator.postgres_restore import load_books  # noqa: PLC0415

            contents = load_books(options, environ)
    except CommandImpossible as problem:
        say(str(problem))
        return 2
    except OSError as problem:
        say(
            f"{problem.filename or options.file} cannot be written: {problem.strerror}. The books are as they were."
        )
        return 2
    say(f"{options.file} is restored: {contents}.")
    say(
        "These books are in restored mode: until you end it, nothing is charged and nobody is told anything. Start the "
        "bot with `redbar run`, bring in what Stripe knows with `redbar reconcile`, then end it with `redbar resume`."
    )
    return 0


def check_loss(lost: LostHistory | None, *, discard: bool) -> None:
    """Refuse to lose history unless that is wanted. Raises: CommandImpossible."""
    if lost is not None and not discard:
        count = f"{lost.transfers:,} {'transaction' if lost.transfers == 1 else 'transactions'}"
        raise CommandImpossible(
            f"The books have {count} that the backup lacks, recorded from {lost.since:%Y-%m-%d %H:%M:%S} to "
            f"{lost.until:%Y-%m-%d %H:%M:%S} UTC. Back the books up first; then lose them with --discard."
        )


def _into_sqlite(options: Options, books: Path) -> Contents:
    _check_not_books(options.file, books)
    books.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = take_lock(books, sqlite_module())
    except StoreBusy:
        raise CommandImpossible(f"Redbar runs on {books}. Stop it, then restore.") from None
    meter = Meter()
    with closing(lock), part_of(books) as part:
        failpoint("restore.locked")
        with open_copy(options.file, write=False) as backup:
            contents = _backup_contents(backup, options.file)
            if books.exists():
                _check_books(options, books, backup)
            copy_books(backup, part, lambda done, all_: meter.show(f"{done * 100 // max(all_, 1)} % copied"))
        failpoint("restore.copied")
        meter.show("checking")
        check_copy(part)
        meter.end("checked")
        replace_books(part, books)
    return contents


def _check_not_books(file: Path, books: Path) -> None:
    part = books.with_name(f"{books.name}.part")
    if file.resolve() in (books.resolve(), part.resolve()) or (books.exists() and file.samefile(books)):
        raise CommandImpossible(f"{file} belongs to the books themselves. Name another file.")


def _backup_contents(backup: Connection, file: Path) -> Contents:
    """Check that it is a backup of Redbar's, and count what it holds. Raises: CommandImpossible."""
    if not has_books(backup):
        raise CommandImpossible(f"{file} is not a backup of Redbar: it has other tables, or none.")
    kept = restored(backup)
    if kept is None or kept.cause is not RestoredCause.BACKUP:
        raise CommandImpossible(f"{file} {NO_BACKUP}")
    return contents_of(backup)


def _check_books(options: Options, books: Path, backup: Connection) -> None:
    """Refuse to replace what the backup lacks, or what cannot be read. Raises: CommandImpossible."""

    def knows(wallet_id: UUID, seq: int, hash_: bytes) -> bool:
        mine = (transfers.c.wallet_id == wallet_id) & (transfers.c.seq == seq)
        return backup.execute(select(transfers.c.hash).where(mine)).scalar_one_or_none() == hash_

    try:
        with open_for_reading(options.database_url) as connection:
            if has_other_tables(connection):
                raise OtherTables(f"{books} holds another program's tables. Name a database of Redbar's own.")
            lost = history_lost_to(connection, knows) if has_books(connection) else None
    except OtherTables:
        raise
    except CommandImpossible as problem:
        if options.discard:
            return
        raise CommandImpossible(
            f"{problem} Nobody can say what it holds that the backup lacks. Keep a copy of it and of what lies beside "
            "it, then replace it with --discard."
        ) from None
    check_loss(lost, discard=options.discard)
