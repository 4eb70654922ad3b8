"""Bringing a database to the newest schema. Alembic does the work; each package has its own line of versions."""

import warnings
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from ledger.storage.store import Store, StoreUnusable

HERE = Path(__file__).parent
LEDGER_VERSIONS = "alembic_version_ledger"


def migrate(
    store: Store, *, versions: Path = HERE / "versions", version_table: str = LEDGER_VERSIONS
) -> None:
    """Bring a package's tables to the newest version. Raises: StoreUnusable when it can't be."""
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    head = ScriptDirectory.from_config(config).get_current_head()
    try:
        with store.migrating() as connection, warnings.catch_warnings():
            _upgrade(connection, config, version_table)
    except CommandError as problem:
        raise StoreUnusable(
            f"The database was written by a newer Redbar (this one knows version {head}): {problem}"
        ) from None
    except DBAPIError as problem:
        raise StoreUnusable(store.why_unusable(problem)) from None


def _upgrade(connection: Connection, config: Config, version_table: str) -> None:
    found = inspect(connection).get_table_names()
    connection.rollback()  # or the migrations would run inside this look, and nobody would commit them
    if found and LEDGER_VERSIONS not in found:
        raise StoreUnusable("The database holds another program's tables. Name one of Redbar's own.")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table
    command.upgrade(config, "head")
