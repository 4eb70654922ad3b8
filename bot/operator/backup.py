"""`redbar backup`: the whole books in one file, made beside a running bot.

Every backup says that it is one: books that are opened from it are in restored mode until `redbar resume`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.sql.dml import UpdateBase

from bot.operator.open_for_reading import CommandImpossible, has_books, open_for_reading
from bot.operator.part_file import check_free, move_into_place, part_of
from bot.operator.progress import Meter
from bot.operator.running_bot import Say
from bot.operator.sqlite_backup import SIDES, check_copy, copy_books, open_copy
from bot.settings import database_file
from bot.tables import NIL_WALLET, named_values
from bot.wallets.restored_mode import RESTORED, RestoredCause, flag
from ledger import Clock, failpoint
from ledger.storage.schema import transfers, wallets

NO_BOOKS = "has no tables of Redbar. Start the bot once, or name another database."


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be backed up, and where to."""

    database_url: str
    file: Path
    force: bool
    programs: str
    """The folder of PostgreSQL's programs; empty for those on PATH."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What books hold, for people."""

    wallets: int
    transfers: int
    newest: datetime | None

    def __str__(self) -> str:
        count = f"{self.wallets:,} {'wallet' if self.wallets == 1 else 'wallets'}, {self.transfers:,} transactions"
        return count if self.newest is None else f"{count}, the last of {self.newest:%Y-%m-%d %H:%M:%S} UTC"


def backup(options: Options, environ: Mapping[str, str], clock: Clock, say: Say) -> int:
    """Make the backup; gives 0, or 2 when there is none. FILE is whole or not there."""
    try:
        check_free(options.file, force=options.force)
        books = database_file(options.database_url)
        if books is not None:
            contents = _of_sqlite(options, books, clock.now())
        else:
            # Its driver is installed on request.
            from bot.operator.postgres_backup import dump_books  # noqa: PLC0415

            contents = dump_books(options, environ, clock.now())
    except CommandImpossible as problem:
        say(str(problem))
        return 2
    except OSError as problem:
        say(f"{options.file} cannot be written: {problem.strerror}.")
        return 2
    say(f"{options.file}: {contents}. Keep it on another machine.")
    return 0


def contents_of(connection: Connection) -> Contents:
    """Count what books hold."""
    counted = select(func.count(), func.coalesce(func.sum(wallets.c.seq), 0)).select_from(wallets)
    count, total = connection.execute(counted.execution_options(cross_shard=True)).one()
    # The last transfer of each wallet has the newest instant of it: a wallet's time never runs back.
    last = wallets.join(
        transfers, (transfers.c.wallet_id == wallets.c.wallet_id) & (transfers.c.seq == wallets.c.seq)
    )
    newest = select(func.max(transfers.c.recorded_at)).select_from(last).execution_options(cross_shard=True)
    return Contents(count, int(total), connection.execute(newest).scalar_one())


def flag_statements(at: datetime) -> Sequence[UpdateBase]:
    """Give what makes a copy say that it is a backup, whatever it said of itself before."""
    named = (named_values.c.wallet_id == NIL_WALLET) & (named_values.c.name == RESTORED)
    row = {"wallet_id": NIL_WALLET, "name": RESTORED, "value": flag(RestoredCause.BACKUP), "at": at}
    return delete(named_values).where(named), insert(named_values).values(**row)


def _of_sqlite(options: Options, books: Path, now: datetime) -> Contents:
    _check_not_books(options.file, books)
    meter = Meter()
    with part_of(options.file) as part:
        with open_for_reading(options.database_url) as connection:
            if not has_books(connection):
                raise CommandImpossible(f"{books} {NO_BOOKS}")
            contents = contents_of(
                connection
            )  # the transaction's first look; the copy is of the same instant
            copy_books(
                connection, part, lambda done, all_: meter.show(f"{done * 100 // max(all_, 1)} % copied")
            )
        failpoint("backup.copied")
        with open_copy(part, write=True) as copy:
            for statement in flag_statements(now):
                copy.execute(statement)
        failpoint("backup.flagged")
        meter.show("checking")
        check_copy(part)
        meter.end("checked")
        check_free(options.file, force=options.force)
        move_into_place(part, options.file)
    return contents


def _check_not_books(file: Path, books: Path) -> None:
    """Refuse to write over the books or what lies beside them. Raises: CommandImpossible."""
    beside = [books, *(books.with_name(books.name + end) for end in (*SIDES, ".lock", ".sock", ".id"))]
    if file.resolve() in [one.resolve() for one in beside] or (
        file.exists() and books.exists() and file.samefile(books)
    ):
        raise CommandImpossible(f"{file} belongs to the books themselves. Name another file.")
