"""Puts a backup in the place of books on a PostgreSQL server, in one transaction of `psql`."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from uuid import UUID

import msgspec

from bot.operator.backup import Contents
from bot.operator.open_for_reading import CommandImpossible, has_books, has_other_tables, open_for_reading
from bot.operator.postgres_backup import CHUNK, FIRST_LINE, LAST_LINE, Head
from bot.operator.postgres_programs import environment_for, find_program, last_words
from bot.operator.progress import Meter
from bot.operator.restore import NO_BACKUP, Options, OtherTables, check_loss
from bot.tables import metadata as bot_metadata
from ledger import failpoint, history_lost_to
from ledger.storage.postgres import APPLICATION
from ledger.storage.schema import metadata as ledger_metadata

PSQL = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--no-password", "--file=-")
_LONGEST_HEAD = 1 << 24
_RUNNING = f"datname = current_database() AND application_name = '{APPLICATION}' AND pid <> pg_backend_pid()"
_COUNT_RUNNING = f"SELECT count(*) FROM pg_stat_activity WHERE {_RUNNING}"  # noqa: S608 - constants
_REFUSED = "Redbar runs on this database"
_ALONE = (
    f"DO $$ BEGIN PERFORM pg_stat_clear_snapshot(); IF EXISTS (SELECT FROM pg_stat_activity WHERE {_RUNNING}) THEN "
    f"RAISE EXCEPTION '{_REFUSED}'; END IF; END $$;\n"
)
_VERSIONS = ("alembic_version_ledger", "alembic_version_bot")


def load_books(options: Options, environ: Mapping[str, str]) -> Contents:
    """Load the backup. Raises: CommandImpossible, OSError."""
    head = _read_head(options.file)
    with open_for_reading(options.database_url) as connection:
        program = find_program("psql", options.programs, environ, connection)
        reaching = environment_for(connection, environ)
        running = connection.exec_driver_sql(_COUNT_RUNNING).scalar_one()
        if running:
            raise CommandImpossible(
                f"{_REFUSED}: it has {running} sessions there. Stop it everywhere, then restore."
            )
        if has_books(connection):
            check_loss(history_lost_to(connection, _Known(options.file, head)), discard=options.discard)
        elif has_other_tables(connection):
            raise OtherTables("The database holds another program's tables. Name a database of Redbar's own.")
    _run([str(program), *PSQL], reaching, _script(options.file, head))
    return Contents(head.wallets, head.transfers, head.newest)


def _read_head(file: Path) -> Head:
    """Read what a backup says of itself, if it is whole. Raises: CommandImpossible."""
    with file.open("rb") as lines:
        first, second = lines.readline(len(FIRST_LINE)), lines.readline(_LONGEST_HEAD)
        lines.seek(max(0, file.stat().st_size - len(LAST_LINE)))
        last = lines.read()
    if first != FIRST_LINE:
        raise CommandImpossible(f"{file} {NO_BACKUP}")
    if last != LAST_LINE:
        raise CommandImpossible(f"{file} was cut short: its last line is missing. Use another backup.")
    try:
        return msgspec.json.decode(second.removeprefix(b"-- "), type=Head)
    except msgspec.DecodeError:
        raise CommandImpossible(
            f"{file} is damaged: its second line cannot be read. Use another backup."
        ) from None


class _Known:
    """Whether a backup has a transfer: by its head where that says it, else by the rows in it, which are read once."""

    def __init__(self, file: Path, head: Head) -> None:
        self._file = file
        self._head = head
        self._rows: dict[UUID, dict[int, str]] | None = None

    def __call__(self, wallet_id: UUID, seq: int, hash_: bytes) -> bool:
        last, end = self._head.ends.get(wallet_id, (0, ""))
        if seq >= last:
            return (seq, hash_.hex()) == (last, end)
        if self._rows is None:
            self._rows = {}
            for found, number, known in _transfers(self._file):
                self._rows.setdefault(found, {})[number] = known
        return self._rows.get(wallet_id, {}).get(seq) == hash_.hex()


def _transfers(file: Path) -> Iterator[tuple[UUID, int, str]]:
    """Give of each transfer in a dump its wallet, number and hash."""
    columns: list[bytes] = []
    with file.open("rb") as lines:
        for line in lines:
            if columns:
                if line == b"\\.\n":
                    return
                row = dict(zip(columns, line.rstrip(b"\n").split(b"\t"), strict=True))
                hash_ = row[b"hash"].decode().removeprefix("\\\\x")
                yield UUID(row[b"wallet_id"].decode()), int(row[b"seq"]), hash_
            elif line.startswith(b"COPY ") and b".transfers (" in line:
                columns = line.partition(b"(")[2].partition(b")")[0].split(b", ")


def _script(file: Path, head: Head) -> Iterator[bytes]:
    """Give what is run: nobody else there, the tables out of the way, the backup, and still nobody else there."""
    # Not by --single-transaction: where we are killed, psql takes the end of what it reads for the end of the script,
    # and commits. Without our COMMIT the server undoes it.
    yield f"BEGIN;\nSET lock_timeout = '20s';\n{_ALONE}".encode()
    # A later version may have made tables that the backup does not know, and that the next start makes again.
    for name in (*ledger_metadata.tables, *bot_metadata.tables, *_VERSIONS):
        yield f"DROP TABLE IF EXISTS {head.schema}.{name} CASCADE;\n".encode()
    size, done, meter = file.stat().st_size, 0, Meter()
    with file.open("rb") as pieces:
        while chunk := pieces.read(CHUNK):
            yield chunk
            failpoint("restore.step")
            done += len(chunk)
            meter.show(f"{done * 100 // size} % read")
    meter.end("100 % read")
    failpoint("restore.read")
    yield f"{_ALONE}COMMIT;\n".encode()


def _run(command: list[str], environ: Mapping[str, str], script: Iterator[bytes]) -> None:
    """Run a script. Raises: CommandImpossible when nothing of it was done."""
    with (
        TemporaryFile() as errors,
        subprocess.Popen(  # noqa: S603 - found on PATH or named by the operator
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors
        ) as running,
    ):
        assert running.stdin is not None
        try:
            for piece in script:
                running.stdin.write(piece)
            running.stdin.close()
        except BrokenPipeError:
            pass  # it says why
        except BaseException:
            running.kill()
            raise
        code = running.wait()
        if code:
            errors.seek(0)
            raise CommandImpossible(
                f"psql gave up, and the books are as they were: {last_words(errors.read())}."
            )
