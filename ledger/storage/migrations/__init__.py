"""Bringing a database to the newest schema. Alembic does the work; each package has its own line of versions."""

import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Text, column, inspect, select, table
from sqlalchemy.exc import DBAPIError

from ledger.storage.store import MIGRATION_LOCK, Store
from ledger.storage.trouble import StoreUnusable

HERE = Path(__file__).parent
LEDGER_VERSIONS = "alembic_version_ledger"


def migrate(
    store: Store, *, versions: Path = HERE / "versions", version_table: str = LEDGER_VERSIONS
) -> bool:
    """Bring a package's tables to the newest version; says whether the database held no tables at all.

    Raises: StoreUnusable, when it can't be brought there.
    """
    head = _head_of(versions)
    try:
        with store.migrating() as connection, warnings.catch_warnings():
            if _is_at(connection, head, version_table):
                return False
            # Of processes that start at once, one makes the tables; the others wait, and find them made.
            with store.alone():
                return _upgrade(connection, head, versions, version_table)
    except CommandError as problem:
        raise StoreUnusable(
            f"The database was written by a newer Redbar (this one knows version {head}): {problem}"
        ) from None
    except DBAPIError as problem:
        raise StoreUnusable(store.why_unusable(problem)) from None


def is_current(
    connection: Connection, *, versions: Path = HERE / "versions", version_table: str = LEDGER_VERSIONS
) -> bool:
    """Say whether a package's tables are of the version that this program was written for."""
    return _stored(connection, version_table) == [_head_of(versions)]


def _stored(connection: Connection, version_table: str) -> Sequence[str]:
    stored = select(column("version_num", Text)).select_from(table(version_table))
    return connection.execute(stored).scalars().all()


def _config(versions: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    return config


@cache
def _head_of(versions: Path) -> str | None:
    return ScriptDirectory.from_config(_config(versions)).get_current_head()


def _is_at(connection: Connection, head: str | None, version_table: str) -> bool:
    """Say whether the tables are of the newest version, as at most starts. Raises: StoreUnusable."""
    found = set(inspect(connection).get_table_names()) - {MIGRATION_LOCK}
    if found and LEDGER_VERSIONS not in found:
        raise StoreUnusable("The database holds another program's tables. Name one of Redbar's own.")
    at_head = version_table in found and _stored(connection, version_table) == [head]
    connection.rollback()  # or the migrations would run inside this look, and nobody would commit them
    return at_head


def _upgrade(connection: Connection, head: str | None, versions: Path, version_table: str) -> bool:
    if _is_at(connection, head, version_table):
        return False  # another process did it, while this one waited
    is_new = not set(inspect(connection).get_table_names()) - {MIGRATION_LOCK}
    connection.rollback()
    config = _config(versions)
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table
    command.upgrade(config, "head")
    return is_new
