"""Bringing a database to the newest schema. Alembic does the work; each package has its own line of versions."""

import warnings
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from ledger.store import Store, StoreUnusable

HERE = Path(__file__).parent


def migrate(
    store: Store, *, versions: Path = HERE / "versions", version_table: str = "alembic_version_ledger"
) -> None:
    """Bring one package's tables to the newest version. Raises: StoreUnusable when the database is newer than us."""
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    head = ScriptDirectory.from_config(config).get_current_head()
    with store.migrating() as connection, warnings.catch_warnings():
        config.attributes["connection"] = connection
        config.attributes["version_table"] = version_table
        try:
            command.upgrade(config, "head")
        except CommandError as problem:
            raise StoreUnusable(
                f"The database was written by a newer Redbar (this one knows version {head}): {problem}"
            ) from None
