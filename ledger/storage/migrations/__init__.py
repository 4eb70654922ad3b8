"""Bringing a database to the newest schema. Alembic does the work; each package has its own line of versions."""

import warnings
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Text, column, inspect, select, table
from sqlalchemy.exc import DBAPIError

from ledger.storage.store import Store
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
            return _upgrade(connection, head, versions, version_table)
    except CommandError as problem:
        raise StoreUnusable(
            f"The database was written by a newer Redbar (this one knows version {head}): {problem}"
        ) from None
    except DBAPIError as problem:
        raise StoreUnusable(store.why_unusable(problem)) from None


def _config(versions: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    return config


@cache
def _head_of(versions: Path) -> str | None:
    return ScriptDirectory.from_config(_config(versions)).get_current_head()


def _upgrade(connection: Connection, head: str | None, versions: Path, version_table: str) -> bool:
    found = inspect(connection).get_table_names()
    if found and LEDGER_VERSIONS not in found:
        raise StoreUnusable("The database holds another program's tables. Name one of Redbar's own.")
    if version_table in found:
        stored = connection.execute(select(column("version_num", Text)).select_from(table(version_table)))
        if stored.scalars().all() == [head]:
            return False  # the usual start: nothing to do, and nothing to load for it
    connection.rollback()  # or the migrations would run inside this look, and nobody would commit them
    config = _config(versions)
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table
    command.upgrade(config, "head")
    return not found
