"""Bringing a database to the newest schema. Alembic does the work; each package has its own line of versions."""

import warnings
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import inspect

from ledger.storage.store import Store, StoreUnusable

HERE = Path(__file__).parent
LEDGER_VERSIONS = "alembic_version_ledger"


def migrate(
    store: Store, *, versions: Path = HERE / "versions", version_table: str = LEDGER_VERSIONS
) -> None:
    """Bring a package's tables to the newest version. Raises: StoreUnusable when it is newer than us, or another's."""
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    head = ScriptDirectory.from_config(config).get_current_head()
    with store.migrating() as connection, warnings.catch_warnings():
        found = inspect(connection).get_table_names()
        connection.rollback()  # or the migrations would run inside this look, and nobody would commit them
        if found and LEDGER_VERSIONS not in found:
            raise StoreUnusable("The database holds another program's tables. Name a file of Redbar's own.")
        config.attributes["connection"] = connection
        config.attributes["version_table"] = version_table
        try:
            command.upgrade(config, "head")
        except CommandError as problem:
            raise StoreUnusable(
                f"The database was written by a newer Redbar (this one knows version {head}): {problem}"
            ) from None
