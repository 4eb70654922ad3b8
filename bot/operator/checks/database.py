"""The database: what it is, whether it may be written and keeps what it is given, and what the books say of outside."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from bot.delivering.open_deliveries import open_deliveries
from bot.operator.backup import contents_of
from bot.operator.checks.line import Line, unseen
from bot.operator.open_for_reading import CommandImpossible, has_books, has_other_tables, open_for_reading
from bot.settings import database_file
from bot.states.delivery import DeliveryState
from bot.tables import NIL_WALLET, alert_channels, workspaces
from bot.wallets.books_owner import anything_asked
from bot.wallets.named_values import named_value
from bot.wallets.restored_mode import RestoredCause, restored
from ledger import database_time
from ledger.storage.sqlite import sqlite_module, wal_is_safe

DISK_FREE_MIN = 200 << 20
"""Bytes: the write-ahead log and a night's books need some; a full disk stops everything that writes."""
NAMES = ("rights", "durability", "disk", "restored mode", "deliveries")
_EARLIER = "the tables are not those of this version: its first start brings earlier ones up"
_NO_BOOKS = (
    Line("restored mode", True, "no books yet"),
    Line("deliveries", True, "no books yet"),
)


@dataclass(frozen=True, slots=True)
class Books:
    """What the books say of outside."""

    team_ids: Sequence[str]
    channels: Sequence[str]
    """The Slack channels that are alerted, of all wallets."""
    stripe_mode: str | None
    """The mode that they are bound to; None while nothing was asked of Stripe."""
    stripe_account: str | None
    time: datetime | None
    """What time it is at the database's server."""


def look_at_database(url: str) -> tuple[list[Line], Books | None]:
    """Look at the database, if there is one; gives what the books say where there are books."""
    file = database_file(url)
    if file is not None and not file.exists():
        return _not_made(file), None
    try:
        with open_for_reading(url) as connection:
            lines = _of_postgres(connection) if file is None else _of_sqlite(connection, file)
            if not has_books(connection):
                if has_other_tables(connection):
                    lines[0] = Line(
                        "database", False, "It holds another program's tables. Name one of Redbar's own."
                    )
                return [*lines, *_NO_BOOKS], None
            try:
                with connection.begin_nested():
                    return [*lines, _restored(connection), _deliveries(connection)], _books(connection)
            except DBAPIError:
                return [*lines, *unseen(NAMES[-2:], _EARLIER)], None
    except CommandImpossible as problem:
        return [Line("database", False, str(problem)), *unseen(NAMES, "the database comes first")], None


def _not_made(file: Path) -> list[Line]:
    folder = next(one for one in file.absolute().parents if one.exists())
    may = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    advice = f"nothing can be made in {folder}: check its owner and rights, or name another place"
    return [
        Line("database", True, f"{_sqlite_version()}: {file} is not there yet; the first start makes it"),
        Line("rights", may, "the file can be made" if may else advice),
        Line("durability", True, "every commit will be on disk before it is answered"),
        _disk(folder),
        *_NO_BOOKS,
    ]


def _of_sqlite(connection: Connection, file: Path) -> list[Line]:
    encoding = connection.exec_driver_sql("PRAGMA encoding").scalar_one()
    holds = f", {contents_of(connection)}" if has_books(connection) else ""
    if encoding != "UTF-8":
        database = Line(
            "database", False, f"{file} is kept in {encoding}. Redbar needs UTF-8: name another file."
        )
    else:
        database = Line("database", True, f"{_sqlite_version()}, {encoding}{holds}")
    folder = file.absolute().parent
    may = os.access(folder, os.W_OK | os.X_OK)
    words = f"{folder} cannot be written, and SQLite keeps its log there. Check its owner and rights."
    return [
        database,
        Line("rights", may, "the file and its folder can be written" if may else words),
        Line("durability", True, "write-ahead log, every commit on disk (WAL, synchronous FULL)"),
        _disk(folder),
    ]


def _sqlite_version() -> str:
    version = sqlite_module().sqlite_version_info
    name = f"SQLite {'.'.join(map(str, version))}"
    return (
        name
        if wal_is_safe(version)
        else f"{name} (reads wait for writes: this version has the WAL-reset bug)"
    )


def _disk(folder: Path) -> Line:
    free = shutil.disk_usage(folder).free
    if free < DISK_FREE_MIN:
        words = f"{_megabytes(free)} free in {folder}: make room, {_megabytes(DISK_FREE_MIN)} at least"
        return Line("disk", False, words)
    return Line("disk", True, f"{_megabytes(free)} free in {folder}")


def _megabytes(count: int) -> str:
    return f"{count >> 20:,} MB"


def _of_postgres(connection: Connection) -> list[Line]:
    # A server without fsync, or a database in another encoding, was refused when it was opened.
    version, kept_in, synchronous, full_pages, standby, read_only = connection.exec_driver_sql(
        "SELECT current_setting('server_version'), current_setting('server_encoding'), "
        "current_setting('synchronous_commit'), current_setting('full_page_writes'), pg_is_in_recovery(), "
        "(SELECT setting FROM pg_db_role_setting s, unnest(s.setconfig) AS setting WHERE s.setdatabase IN "
        "(0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND s.setrole IN "
        "(0, (SELECT oid FROM pg_roles WHERE rolname = current_user)) "
        "AND setting = 'default_transaction_read_only=on' LIMIT 1)"
    ).one()
    holds = f", {contents_of(connection)}" if has_books(connection) else ""
    durable = full_pages == "on"
    return [
        Line("database", True, f"PostgreSQL {version}, {kept_in}{holds}"),
        _rights(connection, standby=bool(standby), read_only=read_only is not None),
        Line(
            "durability",
            durable,
            f"fsync on, synchronous_commit {synchronous}"
            if durable
            else "full_page_writes is off: a power cut may tear a page. Turn it on.",
        ),
        Line("disk", None, "the server's disk cannot be seen from here"),
    ]


def _rights(connection: Connection, *, standby: bool, read_only: bool) -> Line:
    if standby:
        return Line("rights", False, "The server is a standby, which cannot write. Name the primary.")
    if read_only:
        words = "default_transaction_read_only is on. Turn it off for the database, and for the user."
        return Line("rights", False, words)
    schema, creates, user = connection.exec_driver_sql(
        "SELECT current_schema(), has_schema_privilege(current_schema(), 'CREATE'), current_user"
    ).one()
    if schema is None:
        return Line("rights", False, "There is no schema to create in. Set search_path to one that exists.")
    if not creates:
        return Line(
            "rights", False, f"Let the user make tables: GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}."
        )
    if (
        has_books(connection)
        and not connection.exec_driver_sql(
            "SELECT has_table_privilege('transfers', 'INSERT') AND has_table_privilege('wallets', 'UPDATE')"
        ).scalar_one()
    ):
        return Line("rights", False, f"The user {user} may not write the tables. Connect as their owner.")
    return Line("rights", True, f"{user} may make tables in {schema} and write them")


def _restored(connection: Connection) -> Line:
    kept = restored(connection)
    if kept is None:
        return Line("restored mode", True, "no")
    return Line(
        "restored mode",
        False,
        f"Since {kept.at:%Y-%m-%d %H:%M:%S} UTC nothing is charged and nobody is told anything: these books may be a "
        "copy. Run redbar reconcile, then redbar resume.",
    )


def _deliveries(connection: Connection) -> Line:
    found = open_deliveries(connection)
    aside = [one for one in found if one.state == DeliveryState.ASIDE]
    if aside:
        words = f"{len(aside)} set aside, the oldest of {aside[0].since:%Y-%m-%d %H:%M} UTC"
        return Line("deliveries", False, f"{words}: redbar deliveries lists them with the reasons.")
    if found:
        words = f"{len(found)} waiting, the oldest of {found[0].since:%Y-%m-%d %H:%M} UTC"
        return Line("deliveries", True, words)
    return Line("deliveries", True, "everybody was told of everything")


def _books(connection: Connection) -> Books:
    account, mode = (
        named_value(connection, NIL_WALLET, name)
        for name in (RestoredCause.STRIPE_ACCOUNT, RestoredCause.STRIPE_MODE)
    )
    channels = select(alert_channels.c.channel_id).distinct().execution_options(cross_shard=True)
    return Books(
        team_ids=connection.execute(select(workspaces.c.team_id)).scalars().all(),
        channels=sorted(connection.execute(channels).scalars()),
        stripe_mode=mode.value if mode is not None and anything_asked(connection) else None,
        stripe_account=account.value if account is not None else None,
        time=database_time(connection),
    )
