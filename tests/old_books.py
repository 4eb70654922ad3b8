"""Books as a version before wrote them: schemas of then, and rows of then in them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, Uuid
from sqlalchemy.engine import Connection

from ledger.storage.migrations import HERE, LEDGER_VERSIONS
from ledger.storage.store import Store

LEDGER = (HERE / "versions", LEDGER_VERSIONS)
"""Where the ledger's migrations lie, and the table that remembers them."""


def upgrade_to(store: Store, revision: str, migrations: tuple[Path, str] = LEDGER) -> None:
    """Bring a database to the schema of a version before."""
    versions, version_table = migrations
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    with store.migrating() as connection:
        config.attributes.update(connection=connection, version_table=version_table)
        command.upgrade(config, revision)


def write_rows(connection: Connection, tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Write rows as they stood: ids as text, bytes as {"hex": …}, instants as microseconds."""
    metadata = MetaData()
    metadata.reflect(connection)
    for name, rows in tables.items():
        table = metadata.tables[name]
        for one in rows:
            connection.execute(table.insert(), {key: _value(table, key, one[key]) for key in one})


def _value(table: Any, column: str, value: Any) -> Any:
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    return UUID(value) if isinstance(table.c[column].type, Uuid) and value is not None else value
