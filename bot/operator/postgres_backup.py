"""Backups of books on a PostgreSQL server: what its own `pg_dump` writes, between a head and an end of ours.

The head names the ends of the wallets' chains at the same instant, for the question what a restore would lose. What
follows the dump marks the books as restored, so that whatever is made of the file says so.
"""

import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from uuid import UUID

import msgspec
from sqlalchemy import Connection, select, text
from sqlalchemy.dialects import postgresql

from bot.operator.backup import NO_BOOKS, Contents, Options, contents_of, flag_statements
from bot.operator.open_for_reading import CommandImpossible, has_books, open_for_reading
from bot.operator.part_file import check_free, move_into_place, part_of
from bot.operator.postgres_programs import environment_for, find_program, last_words
from bot.operator.progress import Meter
from ledger import failpoint
from ledger.storage.schema import wallets

FIRST_LINE = b"-- Redbar backup 1\n"
LAST_LINE = b"-- Redbar backup: complete\n"
DUMP = (
    "--format=plain",
    "--clean",
    "--if-exists",
    "--no-owner",
    "--no-privileges",
    "--encoding=UTF8",
    "--no-password",
)
CHUNK = 1 << 20


class Head(msgspec.Struct, frozen=True):
    """What stands in the second line of a backup."""

    schema: str
    """Where the tables are, as SQL names it."""
    wallets: int
    transfers: int
    newest: datetime | None
    ends: dict[UUID, tuple[int, str]]
    """Of each wallet the number and the hash, in hexadecimal, of its last transfer."""


def dump_books(options: Options, environ: Mapping[str, str], now: datetime) -> Contents:
    """Write the backup. Raises: CommandImpossible, OSError."""
    with open_for_reading(options.database_url) as connection:
        if not has_books(connection):
            raise CommandImpossible(f"The database {NO_BOOKS}")
        # We only wait while the program reads, and our snapshot has to stay for it.
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        program = find_program("pg_dump", options.programs, environ, connection)
        contents, head = contents_of(connection), _head(connection)
        snapshot = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
        command = [str(program), *DUMP, f"--snapshot={snapshot}"]
        with part_of(options.file) as part:
            with part.open("wb") as out:
                out.write(FIRST_LINE + b"-- " + msgspec.json.encode(head) + b"\n")
                _run(command, environment_for(connection, environ), out)
                failpoint("backup.copied")
                out.write(_flag(head.schema, now) + LAST_LINE)
            failpoint("backup.flagged")
            check_free(options.file, force=options.force)
            move_into_place(part, options.file)
    return contents


def _head(connection: Connection) -> Head:
    contents = contents_of(connection)
    schema = connection.execute(
        text("SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('named_values')")
    ).scalar_one()
    last = select(wallets.c.wallet_id, wallets.c.seq, wallets.c.chain_head).execution_options(
        cross_shard=True
    )
    ends = {wallet_id: (seq, hash_.hex()) for wallet_id, seq, hash_ in connection.execute(last)}
    return Head(str(schema), contents.wallets, contents.transfers, contents.newest, ends)


def _run(command: list[str], environ: Mapping[str, str], out: IO[bytes]) -> None:
    """Run the program and take what it writes. Raises: CommandImpossible."""
    meter, size = Meter(), 0
    with (
        TemporaryFile() as errors,
        # Through a pipe: where we are killed, it ends too, and writes into no file that another backup has begun.
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=errors) as running,  # noqa: S603 - found on PATH or named by the operator
    ):
        assert running.stdout is not None
        try:
            while chunk := running.stdout.read(CHUNK):
                failpoint("backup.step")
                out.write(chunk)
                size += len(chunk)
                meter.show(f"{size >> 20:,} MB written")
        except BaseException:
            running.kill()
            raise
        code = running.wait()
        meter.end(f"{size >> 20:,} MB written")
        if code:
            errors.seek(0)
            raise CommandImpossible(f"{Path(command[0]).name} gave up: {last_words(errors.read())}.")


def _flag(schema: str, now: datetime) -> bytes:
    """Write in SQL what marks the books as restored, where they are."""
    lines = [f"SET search_path = {schema}, pg_catalog"]
    for statement in flag_statements(now):
        compiled = statement.compile(
            dialect=postgresql.dialect(),  # type: ignore[no-untyped-call]
            compile_kwargs={"literal_binds": True},
        )
        lines.append(str(compiled))
    return "".join(f"{line};\n" for line in lines).encode()
